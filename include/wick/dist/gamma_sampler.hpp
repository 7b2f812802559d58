/// \file
/// Sampling of Gamma(concentration, 1), and the derivative of a sample with respect to the concentration.
#pragma once

#include <wick/core/key.hpp>
#include <wick/math/special.hpp>

namespace wick::inline WICK_ABI::detail {

/// log of a Gamma(a, 1) number with the element's own uniforms; a logarithm, since for small `a` the number itself may
/// lie far below the smallest double.
///
/// Source: Marsaglia and Tsang, "A simple method for generating gamma variables" (ACM TOMS 26(3), 2000); for a < 1 their
/// remark: Gamma(a + 1) u^(1/a).
inline double draw_log_gamma(UniformStream stream, double a) {
  const double boost = a < 1 ? std::log(stream.next()) / a : 0.0;
  const double d = (a < 1 ? a + 1 : a) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = math::ndtri(math::Scalar(stream.next())).v, t = 1 + c * x;
    if (t <= 0) continue;
    const double v = t * t * t, log_v = std::log(v), u = stream.next();
    if (u < 1 - 0.0331 * (x * x) * (x * x) || std::log(u) < 0.5 * x * x + d * (1 - v + log_v)) return boost + std::log(d) + log_v;
  }
}

/// Derivative of a sample by the series of the lower incomplete gamma function: with c_n = z^n / ((a+1) … (a+n)),
/// P(a, z) = z^a e^-z / Γ(a + 1) Σ c_n, so that −∂P/∂a over the density z^(a-1) e^-z / Γ(a) is
/// z / a [ (ψ(a + 1) − log z) Σ c_n + Σ c_n Σ_{j <= n} 1 / (a + j) ].
inline double gamma_derivative_series(double a, double z) {
  double c = 1, harmonic = 0, sum = 1, weighted = 0;
  for (double n = 1; n < 1e6; n += 1) {
    c *= z / (a + n);
    harmonic += 1 / (a + n);
    sum += c;
    weighted += c * harmonic;
    if (c * harmonic < 1e-17 * weighted && c < 1e-17 * sum) break;
  }
  return z / a * ((math::digamma(math::Scalar(a + 1)).v - std::log(z)) * sum + weighted);
}

/// The same by quadrature over one of the tails. P + Q = 1 and ∂/∂a of t^(a-1) / Γ(a) is t^(a-1) / Γ(a) (log t − ψ(a)), so
/// the derivative is  ∫_z^∞ (t/z)^(a-1) e^(z-t) (log t − ψ(a)) dt  =  −∫_0^z of the same. On the side of z away from
/// e^ψ(a) the integrand has one sign: nothing cancels. The integrals over v = |t − z| are done by the substitution
/// v = w exp(s − e^-s) and the trapezoidal rule, whose error decays exponentially (Takahasi and Mori, 1974).
inline double gamma_derivative_tail(double a, double z) {
  const bool upper = z >= a - 0.5;
  const double sign = upper ? 1.0 : -1.0, psi = math::digamma(math::Scalar(a)).v;
  // log t − ψ(a) = log(t / a) + (log a − ψ(a)), both small for large a.
  const double shift = std::log(a) - psi;
  const double slope = std::fabs((a - 1) / z - 1), width = 1 / (slope + std::sqrt(std::fabs(a - 1)) / z);
  constexpr double step = 1.0 / 9;
  double total = 0;
  for (int i = -30; i <= 45; ++i) {
    const double s = i * step, e = std::exp(-s), v = width * std::exp(s - e), t = z + sign * v;
    if (t <= 0) break;
    const double log_ratio = std::log1p(sign * v / z), power = (a - 1) * log_ratio - sign * v;
    if (power < -60 && s > 0) break;
    total += std::exp(power) * (std::log1p((t - a) / a) + shift) * v * (1 + e);
  }
  return sign * step * total;
}

/// ∂z/∂a of a sample z of Gamma(a, 1) that moves with `a` at a fixed probability P(a, z): −(∂P(a, z)/∂a) / p(z; a).
///
/// Relative error below 1e-10 for a in [1e-3, 1e8]. Source of the method: Figurnov, Mohamed and Mnih, "Implicit
/// reparameterization gradients" (NeurIPS 2018); series and integrals above are our own.
inline double gamma_derivative(double a, double z) {
  // Above z = a the series cancels, by a factor 1e5 at most as far as it is used.
  return a < 1000 && z < a + 1 + 4.5 * std::sqrt(a) ? gamma_derivative_series(a, z) : gamma_derivative_tail(a, z);
}

}  // namespace wick::inline WICK_ABI::detail
