/// \file
/// The few atomic operations the library needs, without <atomic>: that header costs every program 0.2 s of compile time.
#pragma once

#include <wick/core/config.hpp>

#if !defined(__GNUC__)
#include <atomic>
#endif

namespace wick::inline WICK_ABI::detail {

/// A value that several threads may use. Loads acquire, stores release, exchanges do both, counts are relaxed.
template <class T>
class Atomic {
 public:
  constexpr Atomic() noexcept = default;
  constexpr explicit Atomic(T x) noexcept : value_(x) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

#if defined(__GNUC__)
  T load() const noexcept { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }
  T load_relaxed() const noexcept { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }
  void store(T x) noexcept { __atomic_store_n(&value_, x, __ATOMIC_RELEASE); }
  /// Adds and returns the value before.
  T count(T n) noexcept { return __atomic_fetch_add(&value_, n, __ATOMIC_RELAXED); }
  /// Puts `next` in the place of `expected`; otherwise tells in `expected` what is there.
  bool replace(T& expected, T next) noexcept {
    return __atomic_compare_exchange_n(&value_, &expected, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  }

 private:
  T value_{};
#else
  T load() const noexcept { return value_.load(std::memory_order_acquire); }
  T load_relaxed() const noexcept { return value_.load(std::memory_order_relaxed); }
  void store(T x) noexcept { value_.store(x, std::memory_order_release); }
  T count(T n) noexcept { return value_.fetch_add(n, std::memory_order_relaxed); }
  bool replace(T& expected, T next) noexcept { return value_.compare_exchange_strong(expected, next, std::memory_order_acq_rel); }

 private:
  std::atomic<T> value_{};
#endif
};

}  // namespace wick::inline WICK_ABI::detail
