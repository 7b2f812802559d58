/// \file
/// Loops over time with their gradients by hand: what a specialist writes for each model alone. Plain arrays and the compiler's vectoriser; logarithms of
/// whole arrays by Eigen. Every function returns the log density and writes all derivatives.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>

#include <Eigen/Core>

namespace hand {

using Array = Eigen::Map<const Eigen::ArrayXd>;
using Out = Eigen::Map<Eigen::ArrayXd>;
constexpr double kHalfLog2Pi = 0.91893853320467274;

/// σ²ₜ = ω + α rₜ₋₁² + β σ²ₜ₋₁; Σ log N(rₜ; 0, σₜ). The recursion first, logarithms and quotients in one vectorised pass, then the recursion backwards.
template <int T>
double garch(const double* r, double s0, double omega, double alpha, double beta, double* d /* s0, ω, α, β */) {
  double s[T], g[T];
  s[0] = s0;
  for (int t = 1; t < T; ++t) s[t] = (omega + alpha * r[t - 1] * r[t - 1]) + beta * s[t - 1];
  const Eigen::Map<const Eigen::Array<double, T, 1>> variance(s), x(r);
  const Eigen::Array<double, T, 1> inverse = variance.inverse();
  const double lp = -0.5 * (variance.log() + x.square() * inverse).sum() - T * kHalfLog2Pi;
  Eigen::Map<Eigen::Array<double, T, 1>>(g, T) = 0.5 * (x.square() * inverse - 1.0) * inverse;
  double a = g[T - 1], o = 0, al = 0, be = 0;
  for (int t = T - 1; t > 0; --t) {
    o += a;
    al += a * r[t - 1] * r[t - 1];
    be += a * s[t - 1];
    a = g[t - 1] + beta * a;
  }
  d[0] = a;
  d[1] = o;
  d[2] = al;
  d[3] = be;
  return lp;
}

/// Σ log N(yₜ; Σₖ φₖ yₜ₋ₖ, σ), values before the first being 0: no recursion at all in φ, so everything is vectorised over t. `y` has five zeros before it.
template <int T>
double ar5(const double* y, const double* phi, double sigma, double* d /* φ, σ */) {
  using Row = Eigen::Array<double, T, 1>;
  using In = Eigen::Map<const Row>;
  const Row e = In(y) - phi[0] * In(y - 1) - phi[1] * In(y - 2) - phi[2] * In(y - 3) - phi[3] * In(y - 4) - phi[4] * In(y - 5);
  const double w = 1 / (sigma * sigma), square = e.square().sum();
  for (int k = 0; k < 5; ++k) d[k] = w * (e * In(y - 1 - k)).sum();
  d[5] = w * square / sigma - T / sigma;
  return -0.5 * w * square - T * (std::log(sigma) + kHalfLog2Pi);
}

/// The forward pass in probabilities, scaled in every step: pₜ ∝ (pₜ₋₁ A) · lₜ, log density Σ log cₜ with cₜ the sums before scaling. Rows of K
/// numbers are vectors of the machine; backwards one product with a transposed copy of A and one update of the derivative of A a step; the logarithms are
/// taken together.
template <int K, int T>
double hmm_scaled(const double* init, const double* l, const double* a, double* d_init, double* d_l, double* d_a) {
  using Row = Eigen::Array<double, K, 1>;
  using Rows = Eigen::Map<const Row>;
  static thread_local Row p[T + 1], q[T];
  static thread_local Eigen::Array<double, T, 1> c;
  alignas(64) double transposed[K * K], square[K * K] = {};
  for (int i = 0; i < K; ++i)
    for (int j = 0; j < K; ++j) transposed[j * K + i] = a[i * K + j];
  p[0] = Rows(init);
  for (int t = 0; t < T; ++t) {
    Row x = Row::Zero(), y = Row::Zero();
    for (int i = 0; i < K; i += 2) {
      x += p[t][i] * Rows(a + i * K);
      y += p[t][i + 1] * Rows(a + (i + 1) * K);
    }
    q[t] = x + y;
    const Row n = q[t] * Rows(l + t * K);
    c[t] = n.sum();
    p[t + 1] = n * (1 / c[t]);
  }
  // b: the derivative by pₜ. p = n / c and log c: dn = (b + 1 - b·p) / c.
  Row b = Row::Zero();
  for (int t = T; t-- > 0;) {
    const Row n = (b + (1 - (b * p[t + 1]).sum())) * (1 / c[t]);
    Eigen::Map<Row>(d_l + t * K) = n * q[t];
    const Row g = n * Rows(l + t * K);
    Row x = Row::Zero(), y = Row::Zero();
    for (int j = 0; j < K; j += 2) {
      x += g[j] * Rows(transposed + j * K);
      y += g[j + 1] * Rows(transposed + (j + 1) * K);
    }
    b = x + y;
    for (int i = 0; i < K; ++i) Eigen::Map<Row>(square + i * K) += p[t][i] * g;
  }
  Eigen::Map<Row>(d_init, K) = b;
  std::memcpy(d_a, square, sizeof square);
  return c.log().sum();
}

}  // namespace hand
