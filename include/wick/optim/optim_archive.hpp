/// \file
/// The state of optimisers as bytes, for checkpoints.
#pragma once

#include <wick/core/bytes.hpp>
#include <wick/optim/slots.hpp>

namespace wick::inline WICK_ABI {

/// Writes an optimiser's state. An optimiser can be part of a checkpoint if it has `template <class A> void archive(A& a)`, which names, in the
/// same order for writing and reading, its `section`, the `option`s that must agree, and the numbers that are its state.
class OptimWriter {
 public:
  /// `params` are the positions of the parameters that are written, by key.
  OptimWriter(detail::ByteWriter& out, const detail::KeyTable& params) noexcept : out_(out), params_(params) {}
  /// The optimiser's type.
  void section(const char* name) { out_.text(name); }
  /// Something that must be the same in the program that reads.
  void option(const char* name, double x) {
    out_.text(name);
    out_.number(x);
  }
  void value(double& x) { out_.number(x); }
  void count(std::uint64_t& n) { out_.count(n); }
  /// The state of all parameters that are written; that of others is left out.
  void slots(ParamSlots& s) {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < s.size(); ++i) n += params_.contains(s[i].key) ? 1u : 0u;
    out_.count(n);
    for (std::size_t i = 0; i < s.size(); ++i) {
      const std::size_t at = params_.find(s[i].key);
      if (at == detail::KeyTable::none) continue;
      out_.count(at);
      for (const double x : {s[i].a, s[i].b, s[i].c}) out_.number(x);
      out_.numbers(s.arrays_of(s[i]), s.numbers_of(s[i]));
    }
  }

 private:
  detail::ByteWriter& out_;
  const detail::KeyTable& params_;
};

/// Reads it back. The first thing that differs is kept as `problem`; from then on nothing is read.
class OptimReader {
 public:
  /// A parameter of the checkpoint, in the store that it is read into.
  struct Stored {
    std::uint64_t key;
    std::string_view name;
    Index size;
  };
  OptimReader(detail::ByteReader& in, std::span<const Stored> params) noexcept : in_(in), params_(params) {}
  bool failed() const noexcept { return !problem_.empty() || in_.failed(); }
  const detail::Text& problem() const noexcept { return problem_; }
  std::span<const Stored> params() const noexcept { return params_; }
  WICK_COLD void differs(detail::Parts what) {
    if (!failed()) problem_.add(what);
  }

  /// What follows is the next of the things saved beside the optimiser, from 1.
  void next_part() noexcept {
    ++part_;
    type_ = nullptr;
  }

  void section(const char* name) {
    if (failed()) return;
    const std::string_view there = in_.text();
    if (there != name) return differs({whose(), " is ", there, ", this one is ", name});
    type_ = name;
  }
  void option(const char* name, double x) {
    if (failed()) return;
    const std::string_view option = in_.text();
    const double there = in_.number();
    if (option != name) return differs({whose(), " has the option ", option, " where this one has ", name});
    if (!(there == x)) differs({whose(), " has ", name, " ", there, ", this one ", x});
  }
  void value(double& x) {
    if (!failed()) x = in_.number();
  }
  void count(std::uint64_t& n) {
    if (!failed()) n = in_.count();
  }
  /// Replaces the state by that of the checkpoint.
  void slots(ParamSlots& s) {
    s.clear();
    const std::size_t n = failed() ? 0 : in_.length(40);
    for (std::size_t i = 0; i < n && !failed(); ++i) {
      const std::uint64_t at = in_.count();
      if (at >= params_.size()) return differs({whose(), " has state of a parameter that it does not have"});
      const Stored& p = params_[static_cast<std::size_t>(at)];
      ParamSlots::Slot& slot = s.add(p.key, p.size);
      for (double* x : {&slot.a, &slot.b, &slot.c}) *x = in_.number();
      const std::size_t numbers = in_.numbers();
      if (numbers != s.numbers_of(slot)) return differs({whose(), " has ", static_cast<Index>(numbers), " numbers of state for parameter \"", p.name, "\", this one ", static_cast<Index>(s.numbers_of(slot))});
      in_.numbers(s.arrays_of(slot), numbers);
    }
  }

 private:
  WICK_COLD detail::Text whose() const {
    if (part_ == 0) return "its optimiser";
    return type_ == nullptr ? detail::join({"number ", part_}) : detail::join({"number ", part_, ", a ", type_, ","});
  }

  detail::ByteReader& in_;
  std::span<const Stored> params_;
  detail::Text problem_;
  Index part_ = 0;              ///< 0: the optimiser
  const char* type_ = nullptr;  ///< the section under way
};

namespace detail {

/// Whether an optimiser can be part of a checkpoint.
template <class O>
concept can_be_archived = requires(O& o, OptimWriter& w, OptimReader& r) {
  o.archive(w);
  o.archive(r);
};

}  // namespace detail
}  // namespace wick::inline WICK_ABI
