/// \file
/// Memory for the length of one kernel.
#pragma once

#include <wick/core/pool.hpp>

namespace wick::inline WICK_ABI::detail {

/// Room for doubles from the thread's pool, uninitialised; given back at the end of the scope.
class Scratch {
 public:
  [[nodiscard]] explicit Scratch(Index n) : at_(static_cast<double*>(thread_pool.take(static_cast<std::size_t>(n) * sizeof(double), capacity_))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { thread_pool.give(at_, capacity_); }
  double* data() const noexcept { return at_; }
  double& operator[](Index i) const noexcept { return at_[i]; }

 private:
  std::size_t capacity_ = 0;
  double* at_;
};

}  // namespace wick::inline WICK_ABI::detail
