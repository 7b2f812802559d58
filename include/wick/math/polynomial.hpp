/// \file
/// Polynomials with constant coefficients, and a rare-path helper.
#pragma once

#include <wick/math/scalar.hpp>

namespace wick::inline WICK_ABI::math::detail {

// Estrin's scheme: a packet function is bound by latency, and this halves the chain of Horner's rule again and again.
template <int From, int Count, class V, std::size_t N>
WICK_INLINE V poly_part(const double (&c)[N], const V& x1, const V& x2, const V& x4, const V& x8) {
  if constexpr (Count == 1) {
    return V(c[From]);
  } else if constexpr (Count == 2) {
    return x1 * V(c[From + 1]) + V(c[From]);
  } else if constexpr (Count <= 4) {
    return x2 * poly_part<From + 2, Count - 2>(c, x1, x2, x4, x8) + poly_part<From, 2>(c, x1, x2, x4, x8);
  } else if constexpr (Count <= 8) {
    return x4 * poly_part<From + 4, Count - 4>(c, x1, x2, x4, x8) + poly_part<From, 4>(c, x1, x2, x4, x8);
  } else {
    return x8 * poly_part<From + 8, Count - 8>(c, x1, x2, x4, x8) + poly_part<From, 8>(c, x1, x2, x4, x8);
  }
}

/// c[0] + c[1] x + c[2] x^2 + ...
template <class V, std::size_t N>
WICK_INLINE V poly(const double (&c)[N], const V& x) {
  const V x2 = x * x;
  if constexpr (N <= 4) {
    return poly_part<0, N>(c, x, x2, x2, x2);
  } else if constexpr (N <= 8) {
    return poly_part<0, N>(c, x, x2, V(x2 * x2), x2);
  } else {
    const V x4 = x2 * x2;
    return poly_part<0, N>(c, x, x2, x4, V(x4 * x4));
  }
}

template <int N>
WICK_INLINE unsigned lane_bits(const BasicMask<N>& m) {
  return m.bits();
}
WICK_INLINE unsigned lane_bits(ScalarMask m) { return m.v ? 1u : 0u; }

}  // namespace wick::inline WICK_ABI::math::detail
