/// \file
/// lgamma, digamma, trigamma of packets and scalars.
///
/// Large arguments: Stirling's series and its derivatives (DLMF 5.11), truncated by our own minimax fits. Small ones
/// are brought there, or to the neighbourhood of 2, by the recurrence (DLMF 5.5.1-2). All lanes take the same path.
#pragma once

#include <wick/math/exp_log.hpp>

namespace wick::inline WICK_ABI::math {

namespace detail {

// lgamma(2 + y) / y, |y| <= 1/2; relative error 2^-56.
inline constexpr double lgamma_poly[] = {0.42278433509846713,    0.3224670334241133,     -0.06735230105319576,
                                         0.02058080842776596,    -0.0073855510289251875, 0.002890510331841683,
                                         -0.001192753901329596,  0.0005096694951121231,  -0.0002231549722589889,
                                         9.945794420308483e-05,  -4.49237719569406e-05,  2.0503543783031092e-05,
                                         -9.456078716022567e-06, 4.393521822677592e-06,  -1.974826995413691e-06,
                                         8.998992932681706e-07,  -5.806115771200245e-07, 2.9770831441083624e-07};
// x (lgamma(x) - (x - 1/2) (log(x) - 1) - (log(2 pi) - 1) / 2) in 1/x^2, x >= 4.5; absolute error of lgamma 2^-56.
inline constexpr double stirling_poly[] = {0.08333333333333329,   -0.0027777777776371057, 0.0007936507316387968,
                                           -0.000595227617345975, 0.0008408705043654398,  -0.001876365781779593,
                                           0.005287459500764535,  -0.011419995286942939};
inline constexpr double stirling_constant = 0.4189385332046727;  // (log(2 pi) - 1) / 2
// x^2 (log(x) - 1/(2x) - digamma(x)) in 1/x^2, x >= 8; absolute error of digamma 2^-62.
inline constexpr double digamma_poly[] = {0.08333333333333333,   -0.008333333333280428, 0.003968253913286206,
                                          -0.004166645185722539, 0.0075717342710520455, -0.020700522431014525,
                                          0.06367550026947509};
// x^3 (trigamma(x) - 1/x - 1/(2x^2)) in 1/x^2, x >= 8; absolute error of trigamma 2^-64.
inline constexpr double trigamma_poly[] = {0.16666666666666666,  -0.03333333333330605, 0.02380952377222852,
                                           -0.03333331385963586, 0.07575255535186382,  -0.25240329135387174,
                                           1.1097600339692923,   -4.582604998711603};

template <class V>
WICK_INLINE V lgamma_inside(const V& x) {  // positive normal x
  const typename V::Mask big = x > V(4.5);
  const V c = where(big, V(5.0), x);
  const V n = (c + V(round_shift)) - V(round_shift);  // c is within 1/2 of n = 0 .. 4 and 2 is n - 2 steps away
  const typename V::Mask below = n < V(1.5);
  const V first = where(below, x, where(n > V(2.5), V(x - 1.0), V(1.0)));
  const V second = where(n < V(0.5), V(x + 1.0), where(n > V(3.5), V(x - 2.0), V(1.0)));
  const V l = log_inside(where(big, x, V(first * second)), V(0.0));
  const V y = c - n;
  const V moderate = y * poly(lgamma_poly, y) + where(below, V(-l), l);
  const V z = 1.0 / x;
  const V large = (x - 0.5) * (l - 1.0) + (V(stirling_constant) + z * poly(stirling_poly, V(z * z)));
  return where(big, large, moderate);
}

template <class V>
WICK_INLINE V digamma_inside(const V& x) {  // positive normal x
  const typename V::Mask big = x >= V(8.0);
  // sum of 1/(x+i), i = 0 .. 7: (x+i) (x+7-i) = t + {0, 6, 10, 12} with t = x (x+7), so two terms are (2x+7) / (t+c).
  const V t = x * (x + 7.0);
  const V a = t * (t + 6.0);
  const V b = (t + 10.0) * (t + 12.0);
  const V t2 = t + t;
  const V steps = (x + x + 7.0) * ((t2 + 6.0) * b + (t2 + 22.0) * a) / (a * b);
  const V s = where(big, x, V(x + 8.0));
  const V z = 1.0 / s;
  const V u = z * z;
  const V series = log_inside(s, V(0.0)) - (0.5 * z + u * poly(digamma_poly, u));
  return where(big, series, V(series - steps));
}

template <class V>
WICK_INLINE V trigamma_inside(const V& x) {  // x >= 1e-150
  const typename V::Mask big = x >= V(8.0);
  // sum of 1/(x+i)^2 in the same pairs: (2 t + 49 - 2 c) / (t+c)^2.
  const V c = where(big, V(1.0), x);  // no overflow in the lanes that do not need it
  const V t = c * (c + 7.0);
  const V t2 = t + t;
  const V p = t * t, q = (t + 6.0) * (t + 6.0), r = (t + 10.0) * (t + 10.0), w = (t + 12.0) * (t + 12.0);
  const V first = ((t2 + 49.0) * q + (t2 + 37.0) * p) / (p * q);
  const V second = ((t2 + 29.0) * w + (t2 + 25.0) * r) / (r * w);
  const V s = where(big, x, V(x + 8.0));
  const V z = 1.0 / s;
  const V u = z * z;
  const V series = z + (0.5 * u + u * (z * poly(trigamma_poly, u)));
  return where(big, series, V(series + (first + second)));
}

inline constexpr double pi = 3.141592653589793;

// Arguments off the main path, one at a time. x - round(x) is exact, so the reflections lose nothing to the size of x.
WICK_COLD inline double lgamma_edge(double x) {
  if (x != x) return x;
  if (std::fabs(x) == infinite) return infinite;
  if (std::fabs(x) < 1e-290) return -std::log(std::fabs(x));  // +inf at 0
  const double f = x - std::nearbyint(x);
  if (f == 0.0) return infinite;
  const double mirrored = lgamma_inside(Scalar(-x)).v;
  return std::log(pi / std::fabs(x * std::sin(pi * f))) - mirrored;
}

WICK_COLD inline double digamma_edge(double x) {
  if (x != x || x == infinite) return x;
  if (std::fabs(x) < smallest_normal) return -1.0 / x;  // -inf at +0, +inf at -0
  const double f = x - std::nearbyint(x);
  if (f == 0.0 || x == -infinite) return not_a_number;
  return digamma_inside(Scalar(1.0 - x)).v - pi / std::tan(pi * f);
}

WICK_COLD inline double trigamma_edge(double x) {
  if (x != x) return x;
  if (x == infinite) return 0.0;
  if (x == -infinite) return not_a_number;
  if (std::fabs(x) < 1e-150) return 1.0 / (x * x);  // +inf at 0
  const double f = x - std::nearbyint(x);
  if (f == 0.0) return infinite;
  const double s = std::sin(pi * f) / pi;
  return 1.0 / (s * s) - trigamma_inside(Scalar(1.0 - x)).v;
}

template <class V>
WICK_COLD V fix_lanes(double (*f)(double), typename V::Argument x, typename V::Argument usual, unsigned which) {
  double a[V::lanes], r[V::lanes];
  x.store(a);
  usual.store(r);
  for (int i = 0; i < V::lanes; ++i) {
    if ((which >> i) & 1u) r[i] = f(a[i]);
  }
  return V::load(r);
}

/// r with the lanes of `edge` replaced.
template <class V>
WICK_INLINE V with_edges(double (*f)(double), const V& x, const V& r, const typename V::Mask& edge) {
  if (!WICK_UNLIKELY(any(edge))) return r;
  const V in = own(x), usual = own(r);
  const V out = fix_lanes<V>(f, in, usual, lane_bits(edge));
  return own(out);
}

template <class V>
WICK_NOINLINE V lgamma_call(typename V::Argument x) {
  return with_edges(lgamma_edge, V(x), lgamma_inside(V(x)), !positive_normal(V(x)));
}

template <class V>
WICK_NOINLINE V digamma_call(typename V::Argument x) {
  return with_edges(digamma_edge, V(x), digamma_inside(V(x)), !positive_normal(V(x)));
}

template <class V>
WICK_NOINLINE V trigamma_call(typename V::Argument x) {
  return with_edges(trigamma_edge, V(x), trigamma_inside(V(x)), !((x >= V(1e-150)) & (x <= V(largest))));
}

}  // namespace detail

/// log |gamma(x)|. For x > 0 relative error below 1e-15, near the zeros at 1 and 2 absolute error below 3e-16. x <= 0
/// by reflection, slowly, absolute error about 1e-15 (1 + |result|); +inf at the poles 0, -1, -2, ... and at both
/// infinities.
template <Plain V>
WICK_INLINE V lgamma(const V& x) {
  return detail::outline(&detail::lgamma_call<typename V::Part>, x);
}

/// The derivative of lgamma. For x > 0 relative error below 4e-15, near the root 1.4616 absolute error below 2e-15.
/// x < 0 by reflection, slowly; -inf at +0, +inf at -0, NaN at -1, -2, ...
template <Plain V>
WICK_INLINE V digamma(const V& x) {
  return detail::outline(&detail::digamma_call<typename V::Part>, x);
}

/// The second derivative of lgamma. For x > 0 relative error below 2e-15. x < 0 by reflection, slowly; +inf at the
/// poles.
template <Plain V>
WICK_INLINE V trigamma(const V& x) {
  return detail::outline(&detail::trigamma_call<typename V::Part>, x);
}

namespace detail {

WICK_COLD inline double tetragamma_of(double x) {
  if (x != x || x == -infinite) return not_a_number;
  if (x == infinite) return 0.0;
  if (x <= 0.0) {
    const double f = x - std::nearbyint(x);
    if (f == 0.0) return x == 0.0 ? -infinite : not_a_number;
    const double s = std::sin(pi * f), c = std::cos(pi * f);
    return tetragamma_of(1.0 - x) - 2.0 * pi * pi * pi * c / (s * s * s);
  }
  int count = 0;
  while (x + count < 12.0) ++count;
  const double up = x + count;
  double below = 0;  // smallest terms first; x + k anew each time, since a small x has lost its digits to what was added to it
  for (int k = count; k-- > 0;) below += 1.0 / ((x + k) * (x + k) * (x + k));
  const double u = 1.0 / (up * up);
  const double series = 0.5 - u * (1.0 / 6 - u * (1.0 / 6 - u * (3.0 / 10 - u * (5.0 / 6 - u * (691.0 / 210 - u * (35.0 / 2))))));
  return -2.0 * below - (u + u / up + u * u * series);
}

}  // namespace detail

/// The third derivative of lgamma, for second derivatives: relative error below 1e-14 for x > 0. x < 0 by reflection; -inf at 0, NaN at -1, -2, ...
template <Plain V>
V tetragamma(const V& x) {
  double lanes[V::lanes];
  x.store(lanes);
  for (double& v : lanes) v = detail::tetragamma_of(v);
  return V::load(lanes);
}

}  // namespace wick::inline WICK_ABI::math
