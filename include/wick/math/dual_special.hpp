/// \file
/// More functions of `Dual`: those of trig.hpp, log_tails.hpp and beta.hpp, and the larger and smaller of two.
#pragma once

#include <wick/math/dual.hpp>

namespace wick::inline WICK_ABI::math {

template <class V, unsigned L>
WICK_INLINE Dual<V, L> sin(const Dual<V, L>& x) {
  return detail::chain<V>(sin(x.v), x, V(cos(x.v)));
}
template <class V, unsigned L>
WICK_INLINE Dual<V, L> cos(const Dual<V, L>& x) {
  return detail::chain<V>(cos(x.v), x, V(-sin(x.v)));
}

template <class V, unsigned L>
WICK_INLINE Dual<V, L> log_ndtr(const Dual<V, L>& x) {
  return detail::chain<V>(log_ndtr(x.v), x, V(log_ndtr_slope(x.v)));
}
/// Far out x + slope has no digits left: there its series counts.
template <class V, unsigned L>
WICK_INLINE Dual<V, L> log_ndtr_slope(const Dual<V, L>& x) {
  const V s = log_ndtr_slope(x.v);
  const V u = 1.0 / (x.v * x.v);
  return detail::chain(s, x, where(x.v < -1000.0, V(-(1.0 - u * (1.0 - 6.0 * u))), V(-(s * (x.v + s)))));
}
template <class V, unsigned L>
WICK_INLINE Dual<V, L> log1mexp(const Dual<V, L>& x) {
  return detail::chain<V>(log1mexp(x.v), x, V(where(x.v < 0.0, V(-1.0), V(1.0)) / expm1(abs(x.v))));
}

template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> lbeta(const Dual<V, A>& a, const Dual<V, B>& b) {
  return detail::combine<V>(lbeta(a.v, b.v), a, V(lbeta_slope(a.v, b.v)), b, V(lbeta_slope(b.v, a.v)));
}
template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> lbeta_slope(const Dual<V, A>& a, const Dual<V, B>& b) {
  const V t = trigamma(V(a.v + b.v));
  return detail::combine<V>(lbeta_slope(a.v, b.v), a, V(trigamma(a.v) - t), b, V(-t));
}
template <class V, unsigned A>
WICK_INLINE Dual<V, A> lbeta(const Dual<V, A>& a, const std::type_identity_t<V>& b) {
  return lbeta(a, Dual<V, 0>(b));
}
template <class V, unsigned B>
WICK_INLINE Dual<V, B> lbeta(const std::type_identity_t<V>& a, const Dual<V, B>& b) {
  return lbeta(Dual<V, 0>(a), b);
}

/// No derivative in the order.
template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> polygamma(const Dual<V, A>& order, const Dual<V, B>& x) {
  return detail::chain<V>(polygamma(order.v, x.v), x, V(polygamma(V(order.v + 1.0), x.v)));
}
template <class V, unsigned B>
WICK_INLINE Dual<V, B> polygamma(const std::type_identity_t<V>& order, const Dual<V, B>& x) {
  return polygamma(Dual<V, 0>(order), x);
}

namespace detail {

/// The part of the derivative that a has where it is chosen, or not; NaN where the two do not compare.
template <class M, class V>
WICK_INLINE V share_of(const M& chosen, const M& not_chosen, const V& a, const V& b) {
  return where(chosen, V(1.0), where(not_chosen, V(0.0), where(a == b, V(0.5), V(a + b))));
}

}  // namespace detail

/// The larger and the smaller, NaN if either is NaN; at a tie each has half of the derivative.
template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> larger(const Dual<V, A>& a, const Dual<V, B>& b) {
  const V c = detail::share_of(a.v > b.v, a.v < b.v, a.v, b.v);
  return detail::combine<V>(larger(a.v, b.v), a, c, b, V(1.0 - c));
}
template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> smaller(const Dual<V, A>& a, const Dual<V, B>& b) {
  const V c = detail::share_of(a.v < b.v, a.v > b.v, a.v, b.v);
  return detail::combine<V>(smaller(a.v, b.v), a, c, b, V(1.0 - c));
}

}  // namespace wick::inline WICK_ABI::math
