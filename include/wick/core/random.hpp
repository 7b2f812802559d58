/// \file
/// The random state of a run: which key the next draw of a site gets.
#pragma once

#include <new>

#include <wick/core/context.hpp>
#include <wick/core/names.hpp>

namespace wick::inline WICK_ABI::detail {

/// Counts how often a (name, counters) pair was drawn in the run: open addressing, forgotten by a new generation.
class OccurrenceTable {
 public:
  OccurrenceTable() = default;
  OccurrenceTable(const OccurrenceTable&) = delete;
  OccurrenceTable& operator=(const OccurrenceTable&) = delete;
  ~OccurrenceTable() { ::operator delete(slots_); }

  void clear() noexcept {
    ++generation_;
    used_ = 0;
  }
  /// f(pair, count) for every pair that was drawn.
  template <class F>
  void each(F f) const {
    for (std::size_t i = 0; i < capacity_; ++i)
      if (slots_[i].generation == generation_) f(slots_[i].pair, slots_[i].count);
  }
  /// Makes room for `n` pairs, so that `restore` of so many does not throw.
  void reserve(std::size_t n) {
    while (capacity_ < 2 * (n + 1)) grow();
  }
  /// This pair was drawn so often.
  void restore(std::uint64_t pair, std::uint64_t count) noexcept {
    next(pair);
    find(pair).count = count;
  }
  /// How many draws of this pair came before; counts this one.
  std::uint64_t next(std::uint64_t pair) {
    if (WICK_UNLIKELY(2 * (used_ + 1) > capacity_)) grow();
    Slot& s = find(pair);
    if (s.generation != generation_) {
      s = Slot{pair, generation_, 0};
      ++used_;
    }
    return s.count++;
  }

 private:
  struct Slot {
    std::uint64_t pair, generation, count;
  };
  Slot& find(std::uint64_t pair) noexcept {
    std::size_t i = static_cast<std::size_t>(pair) & (capacity_ - 1);
    while (slots_[i].generation == generation_ && slots_[i].pair != pair) i = (i + 1) & (capacity_ - 1);
    return slots_[i];
  }
  WICK_COLD void grow() {
    const std::size_t old_capacity = capacity_;
    Slot* old = slots_;
    capacity_ = old_capacity == 0 ? 64 : old_capacity * 2;
    slots_ = static_cast<Slot*>(::operator new(capacity_ * sizeof(Slot)));
    for (std::size_t i = 0; i < capacity_; ++i) slots_[i] = Slot{0, 0, 0};
    for (std::size_t i = 0; i < old_capacity; ++i)
      if (old[i].generation == generation_) find(old[i].pair) = old[i];
    ::operator delete(old);
  }

  Slot* slots_ = nullptr;
  std::size_t capacity_ = 0, used_ = 0;
  std::uint64_t generation_ = 1;
};

/// Where the keys of draws come from while the scope is in force; the innermost one counts.
struct RandomScope {
  KeyBase base = make_base(0, make_stream(Role::user), 0, 0);
  OccurrenceTable occurrences;
  RandomScope* outer = nullptr;

  RandomScope() = default;
  explicit RandomScope(std::uint64_t seed) : base(make_base(seed, make_stream(Role::user), 0, 0)) {}
  RandomScope(const RandomScope&) = delete;
  RandomScope& operator=(const RandomScope&) = delete;

  /// Begins a run: same (seed, stream, step, particle) → same draws.
  void restart(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t particle) {
    base = make_base(seed, stream, step, particle);
    occurrences.clear();
  }
};

/// Puts a random scope in force.
class RandomGuard {
 public:
  [[nodiscard]] explicit RandomGuard(RandomScope& s) noexcept : outer_(context.random) { context.random = &s; }
  RandomGuard(const RandomGuard&) = delete;
  RandomGuard& operator=(const RandomGuard&) = delete;
  ~RandomGuard() { context.random = outer_; }

 private:
  RandomScope* outer_;
};

/// The thread's own scope, in force where no other is: its occurrences count on over the thread's life. Threads are numbered as they
/// first need it, so that no two draw the same numbers; the first one has seed 0.
inline RandomScope& default_random() {
  static constinit Atomic<std::uint64_t> threads{0};
  static thread_local RandomScope scope(threads.count(1));
  return scope;
}

inline RandomScope& random_scope() { return WICK_LIKELY(context.random != nullptr) ? *context.random : default_random(); }

/// The key of the next draw of a site under these plate counters.
WICK_NOINLINE inline Key next_key(std::uint64_t name_hash, std::uint64_t counters_hash) {
  if (WICK_UNLIKELY(context.step != nullptr)) raise_in_step("a draw");
  RandomScope& s = random_scope();
  return site_key(s.base, name_hash, counters_hash, s.occurrences.next(fold(name_hash ^ salt[2], counters_hash ^ salt[1])));
}

}  // namespace wick::inline WICK_ABI::detail

namespace wick::inline WICK_ABI {

/// Restarts the thread's default random stream, which draws outside any seeded scope use.
inline void set_seed(std::uint64_t seed) { detail::default_random().restart(seed, make_stream(Role::user), 0, 0); }

}  // namespace wick::inline WICK_ABI
