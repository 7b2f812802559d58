/// \file
/// Logarithms of probabilities near 0 and 1: log_ndtr with its derivative, and log1mexp.
#pragma once

#include <wick/math/normal.hpp>

namespace wick::inline WICK_ABI::math {

namespace detail {

inline constexpr double root_half = 0.7071067811865476;
inline constexpr double ln2 = 0.6931471805599453;
inline constexpr double inverse_root_two_pi = 0.3989422804014327;

// a sqrt(2 pi) P(Z > a) e^(a^2/2) in 1/a^2.
inline constexpr double mills_poly[] = {1.0, -1.0, 3.0, -15.0, 105.0, -945.0, 10395.0, -135135.0};

/// For a = |x|: P(Z > a) to full relative accuracy, and, where a >= 1, 2 P(Z > a) e^(a^2/2).
template <class V>
WICK_INLINE void normal_tail(const V& a, V& tail, V& factor) {
  const V inside = where(a < V(1.0), V(a * V(root_half)), V(0.0));
  const V outside = where(a > V(1e100), V(1e100), where(a < V(1.0), V(1.0), a));
  V high, low, shifted;
  factor = erfc_factor(V(outside * V(root_half)), high, low);
  const typename V::Mask far_out = a > V(37.0);  // where the polynomial ends its asymptotic series takes over (DLMF 7.12.1)
  if (WICK_UNLIKELY(any(far_out))) {
    const V u = 1.0 / (outside * outside);
    factor = where(far_out, V(V(2 * inverse_root_two_pi) / outside * poly(mills_poly, u)), factor);
  }
  // exp(-a^2/2) from a itself, since a / sqrt(2) is rounded.
  const V c = where(outside > V(38.6), V(38.6), outside);
  const V h = upper_half(c);
  const V e = exp_reduced(V(-0.5 * (h * h)), V(0.5 * ((h - c) * (h + c))), shifted);
  const V half = 0.5 * (shifted - V(round_shift));
  const V k = (half + V(round_shift)) - V(round_shift);
  const V far = (e * (0.5 * factor) * power_of_two(k)) * power_of_two(V(half + half - k));
  tail = where(a < V(1.0), V(0.5 - 0.5 * erf_inside(inside)), where(a > V(38.6), V(0.0), far));
}

template <class V>
WICK_NOINLINE V log_ndtr_call(typename V::Argument x) {
  const V a = abs(V(x));
  V tail, factor;
  normal_tail(a, tail, factor);
  const typename V::Mask above = x > V(0.0), deep = x < V(-1.0);
  V r = V(x);  // NaN stays
  if (any(above)) r = where(above, log1p_core(V(-tail)), r);
  const typename V::Mask below = x <= V(0.0);
  if (any(below)) {
    const V l = log_core(where(deep, V(0.5 * factor), where(below, tail, V(0.5))));
    r = where(deep, V(l - 0.5 * (x * x)), where(below, l, r));
  }
  return r;
}

/// phi(x) / Phi(x).
template <class V>
WICK_NOINLINE V log_ndtr_slope_call(typename V::Argument x) {
  const V a = abs(V(x));
  V tail, factor;
  normal_tail(a, tail, factor);
  const V c = where(a > V(40.0), V(40.0), a);
  const V density = V(inverse_root_two_pi) * exp_core(V(-0.5 * (c * c)));
  const V near = where(a > V(40.0), V(0.0), V(density / where(x < V(0.0), tail, V(1.0 - tail))));
  const V deep = V(2 * inverse_root_two_pi) / factor;
  const V r = where(x < V(-1.0), where(x < V(-1e100), a, deep), near);
  return where(x != x, V(x), r);
}

template <class V>
WICK_NOINLINE V log1mexp_call(typename V::Argument x) {
  const V a = abs(V(x));
  const typename V::Mask near = a < V(ln2);
  V r = a;  // NaN stays
  if (any(near)) r = log_core(V(-expm1_core(V(-where(near, a, V(0.5))))));
  if (any(!near)) r = where(near, r, log1p_core(V(-exp_core(V(-a)))));
  return r;
}

}  // namespace detail

/// log P(Z <= x) of a standard normal Z, accurate in both tails. All x. Below 4 ulp for x <= 0, 8 ulp above.
template <Plain V>
WICK_INLINE V log_ndtr(const V& x) {
  return detail::outline(&detail::log_ndtr_call<typename V::Part>, x);
}
/// Its derivative, the density over the probability. All x. Relative error below 2e-15 for x < 6, 1e-13 beyond.
template <Plain V>
WICK_INLINE V log_ndtr_slope(const V& x) {
  return detail::outline(&detail::log_ndtr_slope_call<typename V::Part>, x);
}

/// log(1 - exp(-|x|)), so that it serves either sign convention; -inf at 0. All x. Below 3 ulp.
/// Source: Mächler, "Accurately computing log(1 - exp(-|a|))" (2012).
template <Plain V>
WICK_INLINE V log1mexp(const V& x) {
  return detail::outline(&detail::log1mexp_call<typename V::Part>, x);
}

}  // namespace wick::inline WICK_ABI::math
