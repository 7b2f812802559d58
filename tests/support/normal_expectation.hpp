/// \file
/// Expectations under a normal by the trapezoidal rule, which converges exponentially for analytic integrands, also
/// where Gauss-Hermite is slow (a wide normal against a softplus). Light: no Eigen, no Boost; quadrature.hpp has the
/// others.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace wick_test {

/// Calls visit(x, weight) at the nodes of a rule for Normal(mean, sd); the weights sum to 1 within rounding.
/// `strip`: the distance from the real line of the nearest singularity of the integrand (softplus and sigmoid: pi).
/// The step h makes exp(-2 pi a / h), with a = strip / sd, vanish (Trefethen & Weideman 2014, Theorem 5.1). Integrands
/// may grow like exp(c sd |x|) with c sd <= 2 or so: the nodes end at 11 sd.
template <class Visit>
void visit_normal(double mean, double sd, Visit visit, double strip = std::numeric_limits<double>::infinity()) {
  const double pi = 3.14159265358979323846;
  const double step = std::min(0.4, 2.0 * pi * std::min(strip / sd, 3.0) / 42.0);
  const int half = static_cast<int>(std::ceil(11.0 / step));
  const double scale = step / std::sqrt(2.0 * pi);
  for (int i = -half; i <= half; ++i) {
    const double z = i * step;
    visit(mean + sd * z, scale * std::exp(-0.5 * z * z));
  }
}

/// E f(X), X ~ Normal(mean, sd).
template <class F>
double expect_normal(double mean, double sd, F f, double strip = std::numeric_limits<double>::infinity()) {
  double sum = 0.0;
  visit_normal(
      mean, sd, [&](double x, double weight) { sum += weight * f(x); }, strip);
  return sum;
}

inline double log_sqrt_2pi() { return 0.91893853320467274178; }

inline double normal_log_density(double x, double mean, double sd) {
  const double z = (x - mean) / sd;
  return -0.5 * z * z - std::log(sd) - log_sqrt_2pi();
}

inline double sigmoid(double x) { return x >= 0.0 ? 1.0 / (1.0 + std::exp(-x)) : std::exp(x) / (1.0 + std::exp(x)); }

inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

/// KL(Normal(m, s) || Normal(0, prior)).
inline double kl_normal(double m, double s, double prior) {
  return std::log(prior / s) + (s * s + m * m) / (2.0 * prior * prior) - 0.5;
}

}  // namespace wick_test
