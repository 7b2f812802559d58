/// \file
/// lbeta of packets and scalars, its partial derivative, and polygamma.
#pragma once

#include <wick/math/gamma.hpp>

namespace wick::inline WICK_ABI::math {

namespace detail {

inline constexpr double half_log_two_pi = 0.9189385332046728;

/// lgamma(x) - ((x - 1/2) log(x) - x + log(2 pi) / 2), x >= 4.5.
template <class V>
WICK_INLINE V stirling_error(const V& x) {
  const V z = 1.0 / x;
  return z * poly(stirling_poly, V(z * z));
}

template <class V>
WICK_INLINE V lbeta_inside(const V& a, const V& b) {  // both positive and normal, their sum finite
  const V p = min(a, b), q = max(a, b), s = p + q;
  const typename V::Mask far = q > V(4.5), both = p > V(4.5);
  V r = V(0.0);
  if (any(!far)) r = lgamma_inside(p) + lgamma_inside(where(far, V(1.0), q)) - lgamma_inside(where(far, V(1.0), s));
  if (any(far)) {
    // The terms of size q log q of lgamma(q) - lgamma(p + q) have been taken out by hand.
    const V large = where(far, q, V(5.0)), total = where(far, s, V(10.0)), small = where(both, p, V(5.0));
    const V rest = stirling_error(large) - stirling_error(total);
    const V l = log1p_core(V(p / large));
    const V one = (lgamma_inside(p) + rest) + ((p - p * log_core(total)) - (large - 0.5) * l);
    const V two = (((V(half_log_two_pi) - 0.5 * log_core(large)) + (stirling_error(small) + rest)) + (p - 0.5) * log_core(V(p / total))) - large * l;
    r = where(far, where(both, two, one), r);
  }
  return r;
}

WICK_COLD inline double lbeta_edge(double a, double b) {
  const double p = a < b ? a : b, q = a < b ? b : a;
  if (p != p || q != q || a != a || p < 0.0) return not_a_number;
  if (p == 0.0) return q == infinite ? not_a_number : infinite;
  if (q == infinite) return -infinite;
  if (p < smallest_normal) return -std::log(p);  // q is not larger than 1 / p by far
  const double l = std::log(q);                  // q > 1e300: B(p, q) is Γ(p) q^-p, or p is as large
  if (p < 1e280) return lgamma_inside(Scalar(p)).v - p * l;
  return p * (std::log(p / q) - std::log1p(p / q)) - q * std::log1p(p / q);
}

template <class V>
WICK_COLD V lbeta_fix(typename V::Argument a, typename V::Argument b, typename V::Argument usual, unsigned which) {
  double x[V::lanes], y[V::lanes], r[V::lanes];
  a.store(x);
  b.store(y);
  usual.store(r);
  for (int i = 0; i < V::lanes; ++i)
    if ((which >> i) & 1u) r[i] = lbeta_edge(x[i], y[i]);
  return V::load(r);
}

template <class V>
WICK_NOINLINE V lbeta_call(typename V::Argument a, typename V::Argument b) {
  const typename V::Mask usual = (a >= V(smallest_normal)) & (b >= V(smallest_normal)) & (a <= V(1e300)) & (b <= V(1e300));
  const V r = lbeta_inside(where(usual, V(a), V(1.0)), where(usual, V(b), V(1.0)));
  if (WICK_LIKELY(all(usual))) return r;
  const V x = V(a), y = V(b), found = own(r);
  return lbeta_fix<V>(x, y, found, lane_bits(!usual));
}

template <class V>
WICK_NOINLINE V lbeta_slope_call(typename V::Argument a, typename V::Argument b) {
  const V s = a + b;
  const typename V::Mask large = (a >= V(8.0)) & (b > V(0.0)) & (s <= V(1e300));
  // One step of the recurrence where 1/a is what counts: of 1/s - 1/a nothing cancels.
  const typename V::Mask small = a < V(1.0);
  const V step = where(small, V(1.0), V(0.0));
  V r = digamma(V(a + step)) - digamma(V(s + step));
  r = where(small, V(r - b / a / s), r);
  if (any(large)) {
    const V x = where(large, V(a), V(8.0)), y = where(large, V(b), V(1.0)), t = where(large, s, V(9.0));
    const V u = 1.0 / (x * x), v = 1.0 / (t * t);
    const V series = v * poly(digamma_poly, v) - u * poly(digamma_poly, u);
    r = where(large, V((series - 0.5 * (y / x / t)) - log1p_core(V(y / x))), r);
  }
  return r;
}

/// Σ (x + k)^-s over k >= 0, x > 0, s >= 2. Euler-Maclaurin (DLMF 25.11.43).
WICK_COLD inline double hurwitz_zeta(double s, double x) {
  static constexpr double bernoulli[] = {1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1209600, 1.0 / 47900160, -691.0 / 1307674368000.0,
                                         1.0 / 74724249600.0, -3617.0 / 10670622842880000.0, 43867.0 / 5109094217170944000.0};  // B(2j) / (2j)!
  int count = 0;
  while (x + count < 10.0 + s) ++count;
  const double up = x + count;
  double below = 0;  // smallest terms first; x + k anew each time, since a small x has lost its digits to what was added to it
  for (int k = count; k-- > 0;) below += std::pow(x + k, -s);
  double term = std::pow(up, -s) * s / up, series = 0;
  const double u = 1.0 / (up * up);
  for (int j = 0; j < 9; ++j) {
    series += bernoulli[j] * term;
    term *= (s + 2 * j + 1) * (s + 2 * j + 2) * u;
  }
  return below + (std::pow(up, 1.0 - s) / (s - 1.0) + (0.5 * std::pow(up, -s) + series));
}

WICK_COLD inline double polygamma_of(double order, double x) {
  if (order == 2.0) return tetragamma_of(x);
  const bool even = std::fmod(order, 2.0) == 0.0;
  if (x != x || x == -infinite) return not_a_number;
  if (x == infinite) return 0.0;
  const double s = order + 1.0;
  double sum;
  if (x > 0.0) {
    sum = hurwitz_zeta(s, x);
  } else {
    // The sum over all integers, less what lies below x; about the nearest pole, from which the distance is exact.
    const double d = x - std::nearbyint(x);
    if (d == 0.0) return even ? (x == 0.0 ? -infinite : not_a_number) : infinite;
    const double mirrored = hurwitz_zeta(s, 1.0 - d) - hurwitz_zeta(s, 1.0 - x);
    sum = std::pow(d, -s) + hurwitz_zeta(s, 1.0 + d) + (even ? -mirrored : mirrored);
  }
  const double size = order <= 150.0 ? std::tgamma(s) * sum : std::exp(std::lgamma(s) + std::log(sum));
  return even ? -size : size;
}

}  // namespace detail

/// log B(a, b) = lgamma(a) + lgamma(b) - lgamma(a + b), without its cancellation for large arguments; a, b > 0, NaN below. Error
/// below 4e-15 (1 + |result|). Source: Didonato & Morris, ACM TOMS 708 (1992).
template <Plain V>
WICK_INLINE V lbeta(const V& a, const V& b) {
  return detail::outline(&detail::lbeta_call<typename V::Part>, a, b);
}
template <Plain V>
WICK_INLINE V lbeta(const V& a, double b) {
  return lbeta(a, V(b));
}
template <Plain V>
WICK_INLINE V lbeta(double a, const V& b) {
  return lbeta(V(a), b);
}
/// Its derivative in a: digamma(a) - digamma(a + b).
template <Plain V>
WICK_INLINE V lbeta_slope(const V& a, const V& b) {
  return detail::outline(&detail::lbeta_slope_call<typename V::Part>, a, b);
}

/// The derivative of digamma of this order, a whole number >= 0, the same in all lanes. Orders 0 and 1 as digamma and trigamma;
/// beyond, one number at a time, relative error below 1e-13 for x > 0. +inf (odd orders) or NaN at the poles.
template <Plain V>
V polygamma(const V& order, const V& x) {
  double n[V::lanes], lanes[V::lanes];
  order.store(n);
  if (n[0] == 0.0) return digamma(x);
  if (n[0] == 1.0) return trigamma(x);
  x.store(lanes);
  for (double& v : lanes) v = detail::polygamma_of(n[0], v);
  return V::load(lanes);
}
template <Plain V>
V polygamma(double order, const V& x) {
  return polygamma(V(order), x);
}

}  // namespace wick::inline WICK_ABI::math
