/// \file
/// handlers::enum_ and config_enumerate: what marks sites for losses that sum over discrete values.
#pragma once

#include <wick/effect/handlers/infer_config.hpp>

namespace wick::inline WICK_ABI {

/// How discrete latent sites are to be summed over.
struct EnumerateOptions {
  Enumerate how = Enumerate::parallel;
  bool expand = false;
  Count num_samples = 0;
};

namespace detail {

struct EnumerateRule {
  EnumerateOptions o;
  void operator()(const Message& m, Infer& infer) const {
    if (m.is_observed || !m.fn->is_discrete() || infer.enumerate != Enumerate::no) return;
    infer.enumerate = o.how;
    infer.expand = o.expand;
    infer.num_samples = static_cast<std::int32_t>(o.num_samples.value);
  }
};

}  // namespace detail

/// Marks the discrete latent sites of `f` for enumeration, but those that say so themselves. No loss of this version sums over them: Trace_ELBO refuses such
/// sites (wick.handler.E270).
template <class F>
auto config_enumerate(F f, const EnumerateOptions& o = {}) {
  return handlers::infer_config<F, detail::EnumerateRule>(std::move(f), detail::EnumerateRule{o});
}

namespace handlers {

template <class F = Scope>
class enum_;

/// Where values of the sites that are marked `Enumerate::parallel` would be laid out along dims of their own, from `first_available_dim` to the left.
/// This version has no loss that reads them, so such a site is an error.
///
/// Reads: type, is_observed, done, infer.enumerate. Writes: nothing yet (value, done, infer.enumerate_dim).
/// Throws: wick.handler.E270 at such a site, E271 for a dim that is not negative.
/// Example:
///     handlers::enum_(model, -2)(y);  // nothing is marked
template <>
class enum_<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit enum_(Index first_available_dim) : first_(first_available_dim) {
    if (first_ >= 0)
      detail::raise<DomainError>("wick.handler.E271", "", {"enum_: first_available_dim is ", first_, "; dims are negative, from the right"}, {"give a dim left of all plates, such as -1 - max_plate_nesting"});
    enter(types_of(SiteType::sample), no_types);
  }
  Index first_available_dim() const noexcept { return first_; }
  void process(Message& m) override {
    if (WICK_UNLIKELY(m.infer.enumerate == Enumerate::parallel && !m.is_observed && !m.done)) detail::raise_enumerated(m.name, "this version");
  }

 private:
  Index first_;
};

template <class F>
class enum_ final : public Wrapper<enum_<F>, F> {
 public:
  enum_(F f, Index first_available_dim) : Wrapper<enum_<F>, F>(std::move(f)), first_(first_available_dim) {}
  handlers::enum_<Scope> make_scope() const { return handlers::enum_<Scope>(first_); }

 private:
  Index first_;
};
enum_(Index) -> enum_<Scope>;
enum_(int) -> enum_<Scope>;
template <class F>
enum_(F, Index) -> enum_<F>;

}  // namespace handlers
}  // namespace wick::inline WICK_ABI
