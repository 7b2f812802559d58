/// \file
/// sin and cos of packets and scalars.
///
/// Cody-Waite reduction in three pieces with the rounding errors carried along, then the kernels of fdlibm (k_sin.c, k_cos.c, Sun
/// Microsystems 1993), whose polynomials they are. All lanes take the same path but those beyond 10⁶, which go to the C library.
#pragma once

#include <wick/math/gamma.hpp>

namespace wick::inline WICK_ABI::math {

namespace detail {

inline constexpr double two_over_pi = 0.6366197723675814;
// pi / 2 in pieces of 33 bits, whose products with an integer below 2^20 are exact, and the rest.
inline constexpr double quarter_first = 1.57079632673412561417e+00;
inline constexpr double quarter_second = 6.07710050630396597660e-11;
inline constexpr double quarter_third = 2.02226624871116645580e-21;
inline constexpr double quarter_rest = 8.47842766036889956997e-32;
inline constexpr double trig_limit = 1e6;

inline constexpr double sin_poly[] = {8.33333333332248946124e-03, -1.98412698298579493134e-04, 2.75573137070700676789e-06,
                                      -2.50507602534068634195e-08, 1.58969099521155010221e-10};
inline constexpr double sin_first = -1.66666666666666324348e-01;
inline constexpr double cos_poly[] = {4.16666666666666019037e-02,  -1.38888888888741095749e-03, 2.48015872894767294178e-05,
                                      -2.75573143513906633035e-07, 2.08757232129817482790e-09,  -1.13596475577881948265e-11};

/// a - b = r + e exactly (Knuth's two-sum).
template <class V>
WICK_INLINE V difference_error(const V& a, const V& b, const V& r) {
  const V back = a - r;
  return (a - (r + back)) + (back - b);
}

/// sin and cos of x less its nearest multiple of pi / 2; the low bits of `quadrant` count these multiples.
template <class V>
WICK_INLINE void quarter_turn(const V& x, V& sine, V& cosine, typename V::Bits& quadrant) {
  const V shifted = x * V(two_over_pi) + V(round_shift);
  quadrant = to_bits(shifted);
  const V n = shifted - V(round_shift);
  const V t = x - n * V(quarter_first);
  const V second = n * V(quarter_second), third = n * V(quarter_third);
  const V r = t - second, s = r - third;
  const V rest = (difference_error(t, second, r) + difference_error(r, third, s)) - n * V(quarter_rest);
  const V y = s + rest;
  const V low = (s - y) + rest;
  const V z = y * y, cube = z * y;
  sine = y - ((z * (0.5 * low - cube * poly(sin_poly, z)) - low) - cube * V(sin_first));
  const V half = 0.5 * z, w = 1.0 - half;
  cosine = w + (((1.0 - w) - half) + (z * (z * poly(cos_poly, z)) - y * low));
}

/// The sine after `turns` more quarters of a turn.
template <class V>
WICK_INLINE V sine_of_turned(const V& x, const typename V::Bits& turns) {
  using B = typename V::Bits;
  V s, c;
  B q;
  quarter_turn(x, s, c, q);
  q = q + turns;
  const typename V::Mask odd = from_bits((q & B(1)) | B(0x3ff0000000000000ULL)) != V(1.0);
  return from_bits(to_bits(where(odd, c, s)) ^ shift_left<62>(q & B(2)));
}

WICK_COLD inline double sin_edge(double x) { return std::sin(x); }
WICK_COLD inline double cos_edge(double x) { return std::cos(x); }

template <class V>
WICK_NOINLINE V sin_call(typename V::Argument x) {
  const V r = sine_of_turned(V(x), typename V::Bits(0));
  return with_edges(sin_edge, V(x), where(V(x) == V(0.0), V(x), r), !(abs(V(x)) <= V(trig_limit)));
}
template <class V>
WICK_NOINLINE V cos_call(typename V::Argument x) {
  return with_edges(cos_edge, V(x), sine_of_turned(V(x), typename V::Bits(1)), !(abs(V(x)) <= V(trig_limit)));
}

}  // namespace detail

/// The sine. All x; NaN at infinity. Below 1 ulp; beyond 10⁶ as the C library.
template <Plain V>
WICK_INLINE V sin(const V& x) {
  return detail::outline(&detail::sin_call<typename V::Part>, x);
}

/// The cosine. As `sin`.
template <Plain V>
WICK_INLINE V cos(const V& x) {
  return detail::outline(&detail::cos_call<typename V::Part>, x);
}

}  // namespace wick::inline WICK_ABI::math
