/// \file
/// A small quasi-Newton minimiser (BFGS, Nocedal & Wright 2006, algorithm 6.1), for the exact optima of guide families.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace wick_test {

/// A value and its gradient.
struct LossGrad {
  double loss = 0.0;
  std::vector<double> grad;
};

struct Optimum {
  std::vector<double> x;
  double loss = 0.0;
  double gradient_norm = 0.0;  ///< largest absolute element of the gradient at x
  int iterations = 0;
};

namespace optimise_detail {

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// The inverse-Hessian update for step s and gradient change y.
inline void update(std::vector<double>& inverse, const std::vector<double>& s, const std::vector<double>& y) {
  const std::size_t n = s.size();
  const double sy = dot(s, y);
  if (!(sy > 1e-14 * std::sqrt(dot(s, s) * dot(y, y)))) return;
  std::vector<double> hy(n, 0.0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) hy[i] += inverse[i * n + j] * y[j];
  const double factor = (1.0 + dot(y, hy) / sy) / sy;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) inverse[i * n + j] += factor * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / sy;
}

}  // namespace optimise_detail

/// Minimises f: vector -> LossGrad from x until no element of the gradient is above the tolerance, or no step helps.
template <class F>
Optimum minimise(F f, std::vector<double> x, double tolerance = 1e-9, int max_iterations = 2000) {
  using optimise_detail::dot;
  const std::size_t n = x.size();
  std::vector<double> inverse(n * n, 0.0), direction(n), next(n), s(n), y(n);
  const auto reset = [&] {
    for (std::size_t i = 0; i < n * n; ++i) inverse[i] = i % (n + 1) == 0 ? 1.0 : 0.0;
  };
  const auto largest = [](const std::vector<double>& g) {
    double norm = 0.0;
    for (double e : g) norm = std::abs(e) > norm ? std::abs(e) : norm;
    return norm;
  };
  reset();
  LossGrad at = f(x);
  int iteration = 0;
  bool fresh = true;
  for (; iteration < max_iterations && largest(at.grad) > tolerance; ++iteration) {
    for (std::size_t i = 0; i < n; ++i) {
      direction[i] = 0.0;
      for (std::size_t j = 0; j < n; ++j) direction[i] -= inverse[i * n + j] * at.grad[j];
    }
    const double slope = dot(direction, at.grad);
    // Parameters are of the order of 1, among them logarithms: a step is at most of length 1.
    double step = 1.0 / std::max(1.0, std::sqrt(dot(direction, direction)));
    LossGrad there;
    bool found = false;
    for (int tries = 0; tries < 50 && !found && slope < 0.0; ++tries, step *= 0.5) {
      for (std::size_t i = 0; i < n; ++i) next[i] = x[i] + step * direction[i];
      there = f(next);
      // At the bottom the loss cannot tell: accept what only rounding separates, if the gradient shrinks.
      const bool level = std::abs(there.loss - at.loss) <= 1e-14 * std::abs(at.loss);
      found = there.loss <= at.loss + 1e-4 * step * slope || (level && largest(there.grad) < largest(at.grad));
    }
    if (!found) {
      if (fresh) break;
      reset();
      fresh = true;
      continue;
    }
    for (std::size_t i = 0; i < n; ++i) {
      s[i] = next[i] - x[i];
      y[i] = there.grad[i] - at.grad[i];
    }
    optimise_detail::update(inverse, s, y);
    x = next;
    at = there;
    fresh = false;
  }
  return {x, at.loss, largest(at.grad), iteration};
}

}  // namespace wick_test
