/// \file
/// tanh, sigmoid and softplus of packets and scalars.
#pragma once

#include <wick/math/exp_log.hpp>

namespace wick::inline WICK_ABI::math {

namespace detail {

template <class V>
WICK_NOINLINE V tanh_call(typename V::Argument x) {
  // -e / (2 + e) with e = exp(-2|x|) - 1: no overflow, no cancellation. From 20 on the result is 1.
  const V a = abs(V(x));
  const V e = expm1_inside(V(-2.0 * where(a > V(20.0), V(20.0), a)));
  return copysign(V(e / (2.0 + e)), V(x));
}

// Both tails from e = exp(-|x|) <= 1: 1 / (1 + e) and e / (1 + e), neither of which cancels.
template <class V>
WICK_INLINE void sigmoid_core(const V& x, V& e, V& p, V& q) {
  e = exp_core(V(-abs(x)));
  const V upper = 1.0 / (1.0 + e);
  const V lower = e * upper;
  p = where(x < V(0.0), lower, upper);
  q = where(x < V(0.0), upper, lower);
}

template <class V>
WICK_NOINLINE V sigmoid_call(typename V::Argument x) {
  V e, p, q;
  sigmoid_core(V(x), e, p, q);
  return p;
}
template <class V>
WICK_NOINLINE V sigmoid_pair_call(typename V::Argument x, V& other) {
  V e, p, q;
  sigmoid_core(V(x), e, p, q);
  other = q;
  return p;
}
// (2 atanh(s) - 2 s) / s^3 in s^2, |s| <= 1/3; relative error of the logarithm 2^-59.
inline constexpr double softplus_poly[] = {
    0.6666666666666639, 0.40000000000134334, 0.2857142855017995,  0.22222223847524333, 0.18181747682389357,
    0.1538648852528303, 0.1330182315817702,  0.12099920739948067, 0.08365055529834994, 0.16975397286560892};

/// log(1 + e) for 0 <= e <= 1: the logarithm's series without its reduction. 2 s = e - s e keeps the leading term
/// exact.
template <class V>
WICK_INLINE V log1p_of_small(const V& e) {
  const V s = e / (2.0 + e);
  const V z = s * s;
  return e - s * (e - z * poly(softplus_poly, z));
}

template <class V>
WICK_NOINLINE V softplus_call(typename V::Argument x) {
  return max(V(x), V(0.0)) + log1p_of_small(exp_core(V(-abs(V(x)))));
}
template <class V>
WICK_NOINLINE V softplus_pair_call(typename V::Argument x, V& slope) {
  V e, p, q;
  sigmoid_core(V(x), e, p, q);
  const V s = max(V(x), V(0.0)) + log1p_of_small(e);
  slope = p;
  return s;
}

}  // namespace detail

/// Hyperbolic tangent. All x. Below 3 ulp.
template <Plain V>
WICK_INLINE V tanh(const V& x) {
  return detail::outline(&detail::tanh_call<typename V::Part>, x);
}

/// p = sigmoid(x) and q = sigmoid(-x) = 1 - p, each with full relative accuracy; p q is the derivative.
template <Plain V>
WICK_INLINE void sigmoid_pair(const V& x, V& p, V& q) {
  p = detail::outline(&detail::sigmoid_pair_call<typename V::Part>, x, q);
}

/// 1 / (1 + exp(-x)), accurate in both tails. All x. Below 3 ulp.
template <Plain V>
WICK_INLINE V sigmoid(const V& x) {
  return detail::outline(&detail::sigmoid_call<typename V::Part>, x);
}

/// s = softplus(x) and its derivative p = sigmoid(x), at the price of one exponential.
template <Plain V>
WICK_INLINE void softplus_pair(const V& x, V& s, V& p) {
  s = detail::outline(&detail::softplus_pair_call<typename V::Part>, x, p);
}

/// log(1 + exp(x)) without overflow or cancellation. All x. Below 3 ulp.
template <Plain V>
WICK_INLINE V softplus(const V& x) {
  return detail::outline(&detail::softplus_call<typename V::Part>, x);
}

/// The derivative of tanh at x, where it is t: 1 - t^2, which has no digits left where t is near 1; there e^(-2|x|) (1 + |t|)^2, the same.
template <class V>
WICK_INLINE V tanh_slope(const V& x, const V& t) {
  V d = 1.0 - t * t;
  const auto flat = abs(t) > 0.9;
  if (any(flat)) {
    const V s = 1.0 + abs(t);
    d = where(flat, V(exp(V(-2.0 * abs(x))) * (s * s)), d);
  }
  return d;
}
/// The derivative of expm1 at x, where it is e: 1 + e, which has no digits left where e is near -1, so there anew.
template <class V>
WICK_INLINE V expm1_slope(const V& x, const V& e) {
  V d = 1.0 + e;
  const auto flat = e < -0.5;
  if (any(flat)) d = where(flat, exp(x), d);
  return d;
}

}  // namespace wick::inline WICK_ABI::math
