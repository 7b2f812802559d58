/// \file
/// What an optimiser remembers of each parameter.
#pragma once

#include <wick/optim/key_table.hpp>
#include <wick/optim/optimizer.hpp>

namespace wick::inline WICK_ABI {

/// The state that an optimiser keeps of each parameter, by key: some arrays of the parameter's size, and three numbers that begin at 1.
///
/// `prepare` and `forget` are those of the optimiser; in `step`, `ParamSlots::Slot& s = slots[slots.find(p.key, near)]` and `slots.arrays_of(s)`.
class ParamSlots {
 public:
  struct Slot {
    std::uint64_t key;
    std::size_t offset;  ///< of the first array; the others follow it
    Index size;          ///< of the parameter
    double a, b, c;
  };
  /// `first` is what the elements of the arrays are at first.
  explicit ParamSlots(unsigned arrays, double first = 0) : arrays_(arrays), first_(first) {}

  /// Makes room for parameters that are new. When memory runs out, those that have room keep it; it changes no step.
  void prepare(std::span<const ParamStep> params) {
    std::size_t near = 0;
    for (const ParamStep& p : params) {
      const std::size_t at = find(p.key, near);
      if (WICK_UNLIKELY(at == slots_.size())) add(p.key, p.size);
      near = at + 1;
    }
  }
  WICK_COLD void forget(std::span<const std::uint64_t> keys) {
    detail::KeyTable gone;
    for (const std::uint64_t k : keys) gone.put(k, 0);
    std::size_t kept = 0, end = 0;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      Slot s = slots_[i];
      if (gone.contains(s.key)) continue;
      const std::size_t n = arrays_ * static_cast<std::size_t>(s.size);
      if (n != 0) std::memmove(numbers_.data() + end, numbers_.data() + s.offset, n * sizeof(double));
      s.offset = end;
      slots_[kept++] = s;
      end += n;
    }
    slots_.truncate(kept);
    numbers_.resize(end);
    table_.clear();
    if (kept > kScan)
      for (std::size_t i = 0; i < kept; ++i) table_.put(slots_[i].key, i);
  }

  void clear() noexcept {
    slots_.clear();
    numbers_.clear();
    table_.clear();
  }

  std::size_t size() const noexcept { return slots_.size(); }
  Slot& operator[](std::size_t i) noexcept { return slots_[i]; }
  const Slot& operator[](std::size_t i) const noexcept { return slots_[i]; }
  double* arrays_of(const Slot& s) noexcept { return numbers_.data() + s.offset; }
  const double* arrays_of(const Slot& s) const noexcept { return numbers_.data() + s.offset; }
  std::size_t numbers_of(const Slot& s) const noexcept { return arrays_ * static_cast<std::size_t>(s.size); }
  /// The position of a key, `size()` if there is none; looked for at `near` first: steps mostly name the same parameters in the same order.
  std::size_t find(std::uint64_t key, std::size_t near) const noexcept {
    const std::size_t n = slots_.size();
    if (WICK_LIKELY(near < n && slots_[near].key == key)) return near;
    return search(key);
  }
  WICK_COLD Slot& add(std::uint64_t key, Index size) {
    const std::size_t offset = numbers_.size(), count = slots_.size();
    const std::size_t end = offset + arrays_ * static_cast<std::size_t>(size);
    slots_.reserve(count + 1);
    if (count == kScan)
      for (std::size_t i = 0; i < count; ++i) table_.put(slots_[i].key, i);
    if (count >= kScan) table_.put(key, count);
    numbers_.resize(end, first_);
    slots_.push_back({key, offset, size, 1.0, 1.0, 1.0});
    return slots_.back();
  }

 private:
  static constexpr std::size_t kScan = 16;  // up to here a scan needs no table
  WICK_NOINLINE std::size_t search(std::uint64_t key) const noexcept {
    const std::size_t n = slots_.size();
    if (n > kScan) {
      const std::size_t at = table_.find(key);
      return at < n ? at : n;  // an entry without a slot: memory ran out between the two
    }
    std::size_t i = 0;
    while (i < n && slots_[i].key != key) ++i;
    return i;
  }

  unsigned arrays_;
  double first_;
  detail::List<Slot> slots_;
  detail::List<double> numbers_;
  detail::KeyTable table_;
};

}  // namespace wick::inline WICK_ABI
