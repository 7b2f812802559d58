/// \file
/// Functions of the normal distribution: erf, erfc and the quantile function, of packets and scalars.
#pragma once

#include <wick/math/power.hpp>

namespace wick::inline WICK_ABI::math {

namespace detail {

// erf(x) / x - 1 in x^2, |x| <= 1; relative error of erf 2^-57.
inline constexpr double erf_poly[] = {0.1283791670955126,      -0.3761263890318352,     0.11283791670944185,
                                      -0.026866170643111375,   0.005223977606117625,    -0.000854832592927142,
                                      0.00012055293575569572,  -1.4924712275907062e-05, 1.6447131245010192e-06,
                                      -1.6206311241554742e-07, 1.371096948098858e-08,   -7.779448129042074e-10};
// (x + 4) exp(x^2) erfc(x) in t = (x - 4) / (x + 4), x >= 1/2; relative error 2^-58.
inline constexpr double erfc_poly[] = {1.095995661000491,       -0.976548729080882,      0.7732087022652362,
                                       -0.5408538313132353,     0.3308515878780704,      -0.1740109372399358,
                                       0.07638151490781704,     -0.026370053340123767,   0.006112055675334415,
                                       -0.0002809588691421359,  -0.00045505283569451723, 0.00017681284911126683,
                                       -3.6344386562683853e-06, -1.886102877188288e-05,  4.692148983777358e-06,
                                       1.4245743237201963e-06,  -8.417441297132164e-07,  -7.610658467351529e-08,
                                       1.1879912216573056e-07,  1.317781349010114e-09,   -1.1906290745079447e-08};

/// erfc(a) / exp(-a^2) and the two parts of -a^2, for a >= 1/2: rounding a^2 would cost a factor exp(a^2 2^-53).
template <class V>
WICK_INLINE V erfc_factor(const V& a, V& high, V& low) {
  const V inverse = 1.0 / (a + 4.0);
  const V h = upper_half(a);
  high = -(h * h);
  low = (h - a) * (h + a);
  return inverse * poly(erfc_poly, V((a - 4.0) * inverse));
}

/// erf(x) for |x| <= 1.
template <class V>
WICK_INLINE V erf_inside(const V& x) {
  return x + x * poly(erf_poly, V(x * x));
}

template <class V>
WICK_NOINLINE V erf_call(typename V::Argument x) {
  const V a = abs(V(x));
  V high, low, shifted;
  const V factor = erfc_factor(where(a > V(6.0), V(6.0), a), high, low);  // from 6 on the result is 1
  const V e = exp_reduced(high, low, shifted);
  const V outside = 1.0 - factor * scale_normal(e, shifted);
  return where(a < V(1.0), erf_inside(V(x)), copysign(outside, V(x)));
}

template <class V>
WICK_NOINLINE V erfc_call(typename V::Argument x) {
  const V a = abs(V(x));
  V high, low, shifted;
  const V factor = erfc_factor(where(a > V(28.0), V(28.0), a), high, low);
  const V e = exp_reduced(high, low, shifted);
  V outside = factor * scale_normal(e, shifted);
  if (WICK_UNLIKELY(any(!(a <= V(26.0))))) {  // exp(-a^2) may be subnormal
    const V half = 0.5 * (shifted - V(round_shift));
    const V k = (half + V(round_shift)) - V(round_shift);
    const V slow = (e * factor * power_of_two(k)) * power_of_two(V(half + half - k));
    outside = where(a <= V(26.0), outside, slow);
  }
  const V inside = 1.0 - erf_inside(V(x));
  return where(a < V(0.5), inside, where(x < V(0.0), V(2.0 - outside), outside));
}

// (sqrt(2) erfinv(x) / x - sqrt(pi/2)) / w in w - 3.125, w = -log(1 - x^2) in [0, 6.25]; relative error of the quantile
// 2^-55. The variable is that of Giles, "Approximating the erfinv function" (GPU Computing Gems, 2011); the fit is
// ours.
inline constexpr double quantile_poly[] = {
    0.3472981032675498,     -0.0024522062612515293,  -0.001945821733125492,  0.0002874592523652268,
    -7.480704901762949e-06, -3.888687349077094e-06,  6.264391388510333e-07,  -8.815887306796366e-09,
    -1.03346693793817e-08,  1.4459154676816127e-09,  1.3034116405401723e-11, -2.8672801708606147e-11,
    3.3026190489390728e-12, 1.3347934481779172e-13,  -7.945145432400668e-14, 7.33527998020877e-15,
    6.37728094742585e-16,   -2.244227631130422e-16,  1.2919119762211021e-17, 3.067754329427208e-18,
    -4.616777151094528e-19, -1.6988828028864914e-20, 4.9394416083227685e-21};
inline constexpr double root_half_pi = 1.2533141373155003;
inline constexpr double root_half_pi_low = -9.164289990229583e-17;
inline constexpr double quantile_limit = 0.0019304541362277093;  // exp(-6.25)

// sqrt(2) r - quantile in 1/r - 0.265, r = sqrt(-log(p)) in [2.74, 6.1]; relative error of the quantile 2^-56. The
// quantile is nearly sqrt(2) r, so that the rounding errors of the polynomial count little.
inline constexpr double quantile_tail[] = {
    0.4981632901257053,  1.2259476039438562,  -1.1347632398830516, 1.6470438025733762,  -3.177809830284595,
    7.2636039436466415,  -18.33383536218201,  49.36386498988095,   -139.33428323408222, 407.9281371742023,
    -1229.1326591665895, 3783.2971922491456,  -11880.5449805975,   38878.247835051596,  -126154.52088316082,
    324270.4519361952,   -1042287.7399233754, 7829035.020191095,   -26920207.57265725};
inline constexpr double root_two = 1.4142135623730951;
inline constexpr double root_two_low = -9.667293313452913e-17;
// Beyond: Wichura, "Algorithm AS 241" (Applied Statistics 37, 1988), PPND16, r > 5.
inline constexpr double quantile_far_top[] = {
    6.65790464350110377720,    5.46378491116411436990,    1.78482653991729133580,    2.96560571828504891230e-1,
    2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
inline constexpr double quantile_far_bottom[] = {1.0,
                                                 5.99832206555887937690e-1,
                                                 1.36929880922735805310e-1,
                                                 1.48753612908506148525e-2,
                                                 7.86869131145613259100e-4,
                                                 1.84631831751005468180e-5,
                                                 1.42151175831644588870e-7,
                                                 2.04426310338993978564e-15};

/// The tails, p or 1 - p below 0.0005, and everything out of (0, 1). Not rare enough to be cold: one packet in 130.
template <class V>
WICK_NOINLINE V quantile_tail_call(typename V::Argument p) {
  const V q = min(V(p), V(1.0 - p));
  const V r = sqrt(V(-log_core(q)));  // NaN out of [0, 1]
  const V mid = r * V(root_two) - (poly(quantile_tail, V(1.0 / r - 0.265)) - r * V(root_two_low));
  const V outside = poly(quantile_far_top, V(r - 5.0)) / poly(quantile_far_bottom, V(r - 5.0));
  const V tail = where(q == V(0.0), V(infinite), where(r <= V(6.1), mid, outside));
  return where(p < V(0.5), V(-tail), tail);
}

template <class V>
WICK_NOINLINE V ndtri_call(typename V::Argument p) {
  const V x = (p + p) - 1.0;
  const V m = 4.0 * (p * (1.0 - p));
  // A plain logarithm will do: where it is inaccurate in relative terms, near 0, the result hardly depends on it.
  const LogArgument<V> a(m);
  const V s = a.f / (2.0 + a.f);
  const V z = s * s;
  const V w = -((s + s) + (s * (z * poly(log_poly, z)) + a.k * V(ln2_high + ln2_low)));
  V r = x * (V(root_half_pi) + (w * poly(quantile_poly, V(w - 3.125)) + V(root_half_pi_low)));
  const typename V::Mask central = m >= V(quantile_limit);
  if (WICK_UNLIKELY(!all(central))) r = where(central, r, outline(&quantile_tail_call<typename V::Part>, V(p)));
  return r;
}

}  // namespace detail

/// The error function. All x. Below 1.5 ulp.
template <Plain V>
WICK_INLINE V erf(const V& x) {
  return detail::outline(&detail::erf_call<typename V::Part>, x);
}

/// 1 - erf(x) with full relative accuracy for large x. All x. Below 8 ulp.
template <Plain V>
WICK_INLINE V erfc(const V& x) {
  return detail::outline(&detail::erfc_call<typename V::Part>, x);
}

/// The standard normal quantile: x with P(N(0, 1) <= x) = p. 0 <= p <= 1 (-inf and +inf at the ends), NaN elsewhere.
/// Below 4 ulp for p >= 1e-16, 6 ulp below.
template <Plain V>
WICK_INLINE V ndtri(const V& p) {
  return detail::outline(&detail::ndtri_call<typename V::Part>, p);
}

}  // namespace wick::inline WICK_ABI::math
