/// \file
/// pow of packets and scalars.
#pragma once

#include <wick/math/exp_log.hpp>

namespace wick::inline WICK_ABI::math {

namespace detail {

/// The upper 26 bits of the significand; products of two such numbers are exact.
template <class V>
WICK_INLINE V upper_half(const V& x) {
  return from_bits(to_bits(x) & typename V::Bits(~((Word{1} << 27) - 1)));
}

/// log(x) = high + low, with about 58 significant bits; x positive and normal. Exact pieces are summed by Fast2Sum.
template <class V>
WICK_INLINE void log_two(const V& x, V& high, V& low) {
  const LogArgument<V> a(x);
  const V s = a.f / (2.0 + a.f);
  const V z = s * s;
  const V fh = upper_half(a.f);
  const V half_high = 0.5 * fh * fh;
  const V half_low = 0.5 * (a.f - fh) * (a.f + fh);
  const V tail = s * ((half_high + half_low) + z * poly(log_poly, z));
  const V t = a.k * V(ln2_high);
  const V s1 = t + a.f;
  const V e1 = a.f - (s1 - t);
  const V s2 = s1 - half_high;
  const V e2 = (s1 - s2) - half_high;
  const V rest = (e1 + e2) + ((tail - half_low) + a.k * V(ln2_low));
  high = s2 + rest;
  low = rest - (high - s2);
}

/// The lanes of `which` by the C library: special values, negative bases, over- and underflow.
template <class V>
WICK_COLD V pow_edge(typename V::Argument x, typename V::Argument y, typename V::Argument usual, unsigned which) {
  double a[V::lanes], b[V::lanes], r[V::lanes];
  x.store(a);
  y.store(b);
  usual.store(r);
  for (int i = 0; i < V::lanes; ++i) {
    if ((which >> i) & 1u) r[i] = std::pow(a[i], b[i]);
  }
  return V::load(r);
}

template <class V>
WICK_NOINLINE V pow_call(typename V::Argument x, typename V::Argument y) {
  V lh, ll;
  log_two(V(x), lh, ll);
  const V xh = upper_half(lh);
  const V yh = upper_half(V(y));
  const V high = yh * xh;
  const V low = yh * (lh - xh) + (y - yh) * lh + y * ll;
  V shifted;
  const V e = exp_reduced(high, low, shifted);
  V r = scale_normal(e, shifted);
  const typename V::Mask usual = positive_normal(V(x)) & (abs(high + low) <= V(exp_limit));
  if (WICK_UNLIKELY(any(!usual))) {
    const V found = own(r);
    const V out = pow_edge<V>(x, y, found, lane_bits(!usual));
    r = own(out);
  }
  return r;
}

}  // namespace detail

/// x^y. Special values as std::pow (x^0 = 1, 0^y = 0, negative x with integer y); those, and results that are not
/// normal numbers, are slow. Relative error below 4e-16 + 1e-17 |y|.
template <Plain V>
WICK_INLINE V pow(const V& x, const V& y) {
  return detail::outline(&detail::pow_call<typename V::Part>, x, y);
}
template <Plain V>
WICK_INLINE V pow(const V& x, double y) {
  return pow(x, V(y));
}
template <Plain V>
WICK_INLINE V pow(double x, const V& y) {
  return pow(V(x), y);
}

}  // namespace wick::inline WICK_ABI::math
