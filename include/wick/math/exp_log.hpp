/// \file
/// exp, expm1, log, log1p of packets and scalars.
///
/// No tables and no branch but one to a rare path, so that eight lanes cost about as much as one. Packet and scalar
/// versions are the same operations in the same order. Round-to-nearest is assumed. Polynomials are our own minimax
/// fits (Remez).
#pragma once

#include <wick/math/polynomial.hpp>

// Wrong numbers without a word otherwise: reassociation turns (x + shift) - shift into x, and NaN tests into false.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__)
#error "wick: -ffast-math and -Ofast are not supported (exp and log would be wrong); -O3 -march=native is"
#endif

namespace wick::inline WICK_ABI::math {

namespace detail {

inline constexpr double round_shift = 6755399441055744.0;  // 1.5 * 2^52
inline constexpr double log2_e = 1.4426950408889634;
// ln 2 in two parts; the first has 33 bits, so its product with an exponent is exact.
inline constexpr double ln2_high = 0.6931471804855391;
inline constexpr double ln2_low = 7.440617110012397e-11;
// Up to here 2^k with x = k ln 2 + r is a normal number and can be applied to the exponent field.
inline constexpr double exp_limit = 708.0;
inline constexpr double smallest_normal = 2.2250738585072014e-308;
inline constexpr double infinite = wick::detail::kInf;
inline constexpr double not_a_number = wick::detail::kNaN;
inline constexpr double largest = 1.7976931348623157e308;

// (e^r - 1 - r - r^2/2) / r^3 for |r| <= ln(2)/2; absolute error of e^r 2^-55 and 2^-60.
inline constexpr double exp_poly[] = {0.16666666666666669,    0.04166666666665135,    0.008333333333327966,
                                      0.0013888888905882783,  0.00019841269871777857, 2.4801536386725606e-05,
                                      2.7557256837550954e-06, 2.7613807796689276e-07, 2.5105223937449354e-08};
inline constexpr double expm1_poly[] = {0.16666666666666669,    0.04166666666666667,   0.008333333333330062,
                                        0.0013888888888880944,  0.0001984126986305611, 2.4801587333953088e-05,
                                        2.7557268456677055e-06, 2.755726431433642e-07, 2.510038687728531e-08,
                                        2.091813816945801e-09};

// (2 atanh(s) - 2 s) / s^3 as a polynomial in s^2, |s| <= 0.1716; relative error of the logarithm 2^-59.
inline constexpr double log_poly[] = {0.6666666666666734,  0.3999999999941654, 0.28571428742065785, 0.2222219859980581,
                                      0.18183563189442195, 0.1531407467251178, 0.1479574891638016};

/// e^r for |r| <= 0.35.
template <class V>
WICK_INLINE V exp_near(const V& r) {
  return 1.0 + (r + (r * r) * (0.5 + r * poly(exp_poly, r)));
}

/// e^x = 2^k y with y in [0.7, 1.42]; bits [0, 52) of `shifted` hold k. Meaningful for |x| <= 2000.
template <class V>
WICK_INLINE V exp_reduced(const V& x, V& shifted) {
  shifted = x * V(log2_e) + V(round_shift);
  const V k = shifted - V(round_shift);
  return exp_near(V((x - k * V(ln2_high)) - k * V(ln2_low)));
}

/// The same of the sum high + low.
template <class V>
WICK_INLINE V exp_reduced(const V& high, const V& low, V& shifted) {
  shifted = (high + low) * V(log2_e) + V(round_shift);
  const V k = shifted - V(round_shift);
  return exp_near(V((high - k * V(ln2_high)) + (low - k * V(ln2_low))));
}

/// y * 2^k for a normal result.
template <class V>
WICK_INLINE V scale_normal(const V& y, const V& shifted) {
  return from_bits(to_bits(y) + shift_left<52>(to_bits(shifted)));
}

/// 2^k of k in [-1022, 1023].
template <class V>
WICK_INLINE V power_of_two(const V& k) {
  using B = typename V::Bits;
  return from_bits(shift_left<52>(to_bits(k + V(round_shift)) + B(1023)));
}

/// exp where some lane is NaN or leaves the range of normal numbers.
template <class V>
WICK_COLD V exp_edge(typename V::Argument x) {
  // Clamped to arguments that still overflow or vanish; a NaN passes both comparisons.
  const V low = where(x < V(-746.0), V(-746.0), x);
  const V clamped = where(low > V(710.0), V(710.0), low);
  V shifted;
  const V y = exp_reduced(clamped, shifted);
  // Two factors: neither over- nor underflows by itself, and only the last product rounds.
  const V k = shifted - V(round_shift);
  const V half = (k * 0.5 + V(round_shift)) - V(round_shift);
  return where(x != x, V(x), V((y * power_of_two(half)) * power_of_two(V(k - half))));
}

template <class V>
WICK_INLINE V exp_core(const V& x) {
  V shifted;
  const V y = exp_reduced(x, shifted);
  V r = scale_normal(y, shifted);
  if (WICK_UNLIKELY(any(!(abs(x) <= V(exp_limit))))) r = outline(&exp_edge<typename V::Part>, x);
  return r;
}

template <class V>
WICK_COLD V expm1_edge(typename V::Argument x, typename V::Argument usual) {
  const V outside = where(x < V(0.0), V(-1.0), outline(&exp_edge<typename V::Part>, V(x)));
  return where(abs(V(x)) <= V(exp_limit), V(usual), outside);
}

template <class V>
WICK_INLINE V expm1_inside(const V& x) {  // |x| <= 708
  const V shifted = x * V(log2_e) + V(round_shift);
  const V k = shifted - V(round_shift);
  const V high = x - k * V(ln2_high);
  const V r = high - k * V(ln2_low);
  const V rest = (high - r) - k * V(ln2_low);
  const V r2 = r * r;
  const V q = r2 * (0.5 + r * poly(expm1_poly, r));
  // 2^k (1 + r + q) - 1, with the rounding error of the leading sum (Fast2Sum) given to the small terms.
  const V scale = from_bits(shift_left<52>(to_bits(shifted) + typename V::Bits(1023)));
  const V t = scale - 1.0;
  const V a = scale * r;
  const V h = t + a;
  const V e = a - (h - t);
  return h + (e + scale * (q + rest));
}

template <class V>
WICK_INLINE V expm1_core(const V& x) {
  V r = expm1_inside(x);
  r = where(x == V(0.0), x, r);  // the sign of zero
  if (WICK_UNLIKELY(any(!(abs(x) <= V(exp_limit))))) r = outline(&expm1_edge<typename V::Part>, x, r);
  return r;
}

/// x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)], for positive normal x.
template <class V>
struct LogArgument {
  using B = typename V::Bits;
  V k, f;
  B biased;  // k + 1023

  WICK_INLINE explicit LogArgument(const V& x, const V& shift = V(0.0)) {
    const B root_half = 0x3fe6a09e667f3bcdULL;
    const B moved = to_bits(x) + (B(0x3ff0000000000000ULL) - root_half);
    biased = shift_right<52>(moved);
    // An integer below 2^52 put into the mantissa of 2^52 is that integer + 2^52.
    k = from_bits(biased | B(0x4330000000000000ULL)) - (V(4503599627370496.0 + 1023.0) + shift);
    f = from_bits((moved & B(0x000fffffffffffffULL)) + root_half) - 1.0;
  }
};

// log(1+f) = f - (f^2/2 - s (f^2/2 + R(s^2))), s = f / (2+f), loses nothing to cancellation (the identity is that of
// fdlibm's e_log.c, Sun Microsystems 1993).
template <class V>
WICK_INLINE V log_inside(const V& x, const V& shift) {  // positive normal x
  const LogArgument<V> a(x, shift);
  const V s = a.f / (2.0 + a.f);
  const V z = s * s;
  const V half = 0.5 * a.f * a.f;
  const V tail = s * (half + z * poly(log_poly, z)) + a.k * V(ln2_low);
  return a.k * V(ln2_high) - ((half - tail) - a.f);
}

template <class V>
WICK_COLD V log_edge(typename V::Argument x) {
  const typename V::Mask tiny = x < V(smallest_normal);
  const V scaled = where(tiny, V(x * 18014398509481984.0), V(x));  // 2^54
  V r = log_inside(scaled, where(tiny, V(54.0), V(0.0)));
  r = where(x == V(0.0), V(-infinite), r);
  r = where(x < V(0.0), V(not_a_number), r);
  r = where(x == V(infinite), V(x), r);
  return where(x != x, V(x), r);
}

template <class V>
WICK_INLINE typename V::Mask positive_normal(const V& x) {
  return (x >= V(smallest_normal)) & (x <= V(largest));
}

template <class V>
WICK_INLINE V log_core(const V& x) {
  V r = log_inside(x, V(0.0));
  if (WICK_UNLIKELY(any(!positive_normal(x)))) r = outline(&log_edge<typename V::Part>, x);
  return r;
}

inline constexpr double log1p_limit = 1e300;  // beyond, 2^-k could not be a normal number, and 1 does not matter

template <class V>
WICK_INLINE V log1p_inside(const V& x) {  // -1 < x <= log1p_limit
  using B = typename V::Bits;
  const V u = 1.0 + x;
  const LogArgument<V> a(u);
  // What the addition lost, relative to the reduced argument: log(u + c) = log(u) + c / u.
  const V c = (x - (u - 1.0)) * from_bits(shift_left<52>(B(2046) - a.biased));
  const V s = a.f / (2.0 + a.f);
  const V z = s * s;
  const V half = 0.5 * a.f * a.f;
  // 1 / (1+f) = (1-s) / (1+s) ~ 1 - 2 s + 2 s^2: enough for a correction, and no second division.
  const V correction = c + c * (2.0 * s * (s - 1.0));
  const V tail = s * (half + z * poly(log_poly, z)) + (a.k * V(ln2_low) + correction);
  return a.k * V(ln2_high) - ((half - tail) - a.f);
}

template <class V>
WICK_COLD V log1p_edge(typename V::Argument x, typename V::Argument usual) {
  V r = where(x > V(log1p_limit), log_inside(V(x), V(0.0)), V(usual));
  r = where(x == V(-1.0), V(-infinite), r);
  r = where(x < V(-1.0), V(not_a_number), r);
  r = where(x == V(infinite), V(x), r);
  return where(x != x, V(x), r);
}

template <class V>
WICK_INLINE V log1p_core(const V& x) {
  V r = log1p_inside(x);
  r = where(x == V(0.0), x, r);  // the sign of zero
  if (WICK_UNLIKELY(any(!((x > V(-1.0)) & (x <= V(log1p_limit)))))) r = outline(&log1p_edge<typename V::Part>, x, r);
  return r;
}

template <class V>
WICK_NOINLINE V exp_call(typename V::Argument x) {
  return exp_core(V(x));
}
template <class V>
WICK_NOINLINE V expm1_call(typename V::Argument x) {
  return expm1_core(V(x));
}
template <class V>
WICK_NOINLINE V log_call(typename V::Argument x) {
  return log_core(V(x));
}
template <class V>
WICK_NOINLINE V log1p_call(typename V::Argument x) {
  return log1p_core(V(x));
}

}  // namespace detail

/// e^x. All x; overflows to inf and underflows through the subnormals to 0. Below 1.2 ulp.
template <Plain V>
WICK_INLINE V exp(const V& x) {
  return detail::outline(&detail::exp_call<typename V::Part>, x);
}

/// e^x - 1, accurate near 0. All x. Below 1.2 ulp.
template <Plain V>
WICK_INLINE V expm1(const V& x) {
  return detail::outline(&detail::expm1_call<typename V::Part>, x);
}

/// The natural logarithm. x >= 0 (-inf at 0), NaN below. Below 1 ulp.
template <Plain V>
WICK_INLINE V log(const V& x) {
  return detail::outline(&detail::log_call<typename V::Part>, x);
}

/// log(1 + x), accurate near 0. x >= -1 (-inf at -1), NaN below. Below 1 ulp.
template <Plain V>
WICK_INLINE V log1p(const V& x) {
  return detail::outline(&detail::log1p_call<typename V::Part>, x);
}

}  // namespace wick::inline WICK_ABI::math
