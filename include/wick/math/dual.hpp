/// \file
/// The functions of `Dual`, found by argument-dependent lookup: generic code calls `exp(x)` for a packet and for a
/// dual.
#pragma once

#include <wick/math/dual_number.hpp>
#include <wick/math/special.hpp>

namespace wick::inline WICK_ABI::math {

template <class V, unsigned L>
WICK_INLINE Dual<V, L> exp(const Dual<V, L>& x) {
  const V e = exp(x.v);
  return detail::chain(e, x, e);
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> log(const Dual<V, L>& x) {
  return detail::chain<V>(log(x.v), x, V(1.0 / x.v));
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> log1p(const Dual<V, L>& x) {
  return detail::chain<V>(log1p(x.v), x, V(1.0 / (1.0 + x.v)));
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> expm1(const Dual<V, L>& x) {
  const V e = expm1(x.v);
  return detail::chain(e, x, expm1_slope(x.v, e));
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> sqrt(const Dual<V, L>& x) {
  const V s = sqrt(x.v);
  return detail::chain(s, x, V(0.5 / s));
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> square(const Dual<V, L>& x) {
  return detail::chain<V>(x.v * x.v, x, V(x.v + x.v));
}

/// Steps: no derivative.
template <class V, unsigned L>
WICK_INLINE Dual<V, L> floor(const Dual<V, L>& x) {
  return Dual<V, L>(V(floor(x.v)));
}
template <class V, unsigned L>
WICK_INLINE Dual<V, L> round(const Dual<V, L>& x) {
  return Dual<V, L>(V(round(x.v)));
}

/// The derivative at zero is taken as zero.
template <class V, unsigned L>
WICK_INLINE Dual<V, L> abs(const Dual<V, L>& x) {
  const V slope = where(x.v > 0.0, V(1.0), where(x.v < 0.0, V(-1.0), V(0.0)));
  return detail::chain<V>(abs(x.v), x, slope);
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> tanh(const Dual<V, L>& x) {
  const V t = tanh(x.v);
  return detail::chain(t, x, tanh_slope(x.v, t));
}

/// sigmoid(x) into p and sigmoid(-x) into q.
template <class V, unsigned L>
WICK_INLINE void sigmoid_pair(const Dual<V, L>& x, Dual<V, L>& p, Dual<V, L>& q) {
  V pv, qv;
  sigmoid_pair(x.v, pv, qv);
  const V slope = pv * qv;
  p = detail::chain(pv, x, slope);
  q = detail::chain(qv, x, V(-slope));
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> sigmoid(const Dual<V, L>& x) {
  V p, q;
  sigmoid_pair(x.v, p, q);
  return detail::chain(p, x, V(p * q));  // p q keeps its relative accuracy in both tails, p (1 - p) does not
}

/// softplus(x) into s and its derivative sigmoid(x) into p.
template <class V, unsigned L>
WICK_INLINE void softplus_pair(const Dual<V, L>& x, Dual<V, L>& s, Dual<V, L>& p) {
  p = sigmoid(x);
  s = detail::chain<V>(softplus(x.v), x, p.v);
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> softplus(const Dual<V, L>& x) {
  V s, p;
  softplus_pair(x.v, s, p);
  return detail::chain(s, x, p);
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> lgamma(const Dual<V, L>& x) {
  return detail::chain<V>(lgamma(x.v), x, V(digamma(x.v)));
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> trigamma(const Dual<V, L>& x) {
  return detail::chain<V>(trigamma(x.v), x, V(tetragamma(x.v)));
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> digamma(const Dual<V, L>& x) {
  return detail::chain<V>(digamma(x.v), x, V(trigamma(x.v)));
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> erf(const Dual<V, L>& x) {
  return detail::chain<V>(erf(x.v), x, V(1.1283791670955126 * exp(-(x.v * x.v))));  // 2 / sqrt(pi)
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> erfc(const Dual<V, L>& x) {
  return detail::chain<V>(erfc(x.v), x, V(-1.1283791670955126 * exp(-(x.v * x.v))));
}

namespace detail {

/// y x^(y-1) from f = x^y, without a second power but where x is zero or y f is no normal number. Zero for y = 0.
template <class V>
WICK_INLINE V pow_slope(const V& x, const V& y, const V& f) {
  const V product = y * f;
  V d = product / x;
  const auto usual = (abs(product) >= 2.2250738585072014e-308) & (abs(product) <= 1.7976931348623157e308) & (x != 0.0);
  if (WICK_UNLIKELY(!all(usual))) d = where(usual, d, where(y == 0.0, V(0.0), V(y * pow(x, V(y - 1.0)))));
  return d;
}

/// x^y log(x); its limit for y > 0, zero, at x = 0.
template <class V>
WICK_INLINE V pow_log(const V& x, const V& f) {
  return where(x == 0.0, V(0.0), V(f * log(x)));
}

// Whether a single number (or what stands for one in second derivatives) is 0 with all its partials.
WICK_INLINE bool is_still(const Scalar& x) { return x.v == 0; }
template <class V, unsigned L>
WICK_INLINE bool is_still(const Dual<V, L>& x) {
  bool still = is_still(x.v);
  for (int i = 0; i < Dual<V, L>::count; ++i) still = still && is_still(x.d[i]);
  return still;
}

}  // namespace detail

/// The derivative with respect to y at x = 0 is taken as zero (its limit for y > 0).
template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> pow(const Dual<V, A>& x, const Dual<V, B>& y) {
  const V f = pow(x.v, y.v);
  if constexpr (A == 0) {
    return detail::chain(f, y, detail::pow_log(x.v, f));
  } else if constexpr (B == 0) {
    return detail::chain(f, x, detail::pow_slope(x.v, y.v, f));
  } else {
    if constexpr (std::is_same_v<V, Scalar> || !Plain<V>) {  // a constant exponent: for x < 0 the other slope is NaN, and 0 NaN is
      bool still = true;
      for (const V& d : y.d) still = still && detail::is_still(d);
      if (still) return Dual<V, (A | B)>(detail::chain(f, x, detail::pow_slope(x.v, y.v, f)));
    }
    return detail::combine(f, x, detail::pow_slope(x.v, y.v, f), y, detail::pow_log(x.v, f));
  }
}
template <class V, unsigned A>
WICK_INLINE Dual<V, A> pow(const Dual<V, A>& x, const std::type_identity_t<V>& y) {
  return pow(x, Dual<V, 0>(y));
}
template <class V, unsigned B>
WICK_INLINE Dual<V, B> pow(const std::type_identity_t<V>& x, const Dual<V, B>& y) {
  return pow(Dual<V, 0>(x), y);
}

/// The larger and the smaller; at a tie the partials are those of b.
template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> max(const Dual<V, A>& a, const Dual<V, B>& b) {
  return where(a.v > b.v, a, b);
}
template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> min(const Dual<V, A>& a, const Dual<V, B>& b) {
  return where(a.v < b.v, a, b);
}
template <class V, unsigned A>
WICK_INLINE Dual<V, A> max(const Dual<V, A>& a, const std::type_identity_t<V>& b) {
  return max(a, Dual<V, 0>(b));
}
template <class V, unsigned A>
WICK_INLINE Dual<V, A> min(const Dual<V, A>& a, const std::type_identity_t<V>& b) {
  return min(a, Dual<V, 0>(b));
}
template <class V, unsigned B>
WICK_INLINE Dual<V, B> max(const std::type_identity_t<V>& a, const Dual<V, B>& b) {
  return max(Dual<V, 0>(a), b);
}
template <class V, unsigned B>
WICK_INLINE Dual<V, B> min(const std::type_identity_t<V>& a, const Dual<V, B>& b) {
  return min(Dual<V, 0>(a), b);
}

}  // namespace wick::inline WICK_ABI::math
