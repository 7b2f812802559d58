/// \file
/// log of z^a e^-z / Γ(a + 1) for large `a`, where its terms of size a log a cancel.
///
/// Source: Loader, "Fast and accurate computation of binomial probabilities" (2000): Stirling's error and the deviance apart, each of
/// them without cancellation.
#pragma once

#include <wick/math/dual.hpp>

namespace wick::inline WICK_ABI::detail {

/// From here on a density goes this way; below, the terms themselves lose less than 1e-13 of the result.
inline constexpr double kLargeShape = 256.0;

/// What becomes of the plain formula: log of z^a e^-z / Γ(a + 1) with z = x · rate, its derivative in `a`, and a − z, of which its other
/// derivatives are made.
template <class V>
struct SaddlePoint {
  V value, slope, excess;
};

// Σ w^j / (2j + 3): what the logarithm's series has beyond its first term, |w| <= 1/100.
inline constexpr double deviance_poly[] = {1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17};

/// x · y − its rounded value `p`; 0 where that cannot be told (Dekker, 1971).
template <class V>
WICK_INLINE V product_error(const V& x, const V& y, const V& p) {
  const V cx = 134217729.0 * x, cy = 134217729.0 * y;
  const V xh = cx - (cx - x), yh = cy - (cy - y), xl = x - xh, yl = y - yh;
  const V low = ((xh * yh - p) + xh * yl + xl * yh) + xl * yl;
  return where(abs(low) <= abs(p), low, V(0.0));
}

/// For a > kLargeShape and x, rate >= 0, all finite.
template <class V>
WICK_COLD void saddle_point(const V& x, const V& rate, const V& a, SaddlePoint<V>& out) {
  using namespace math;
  const V z = x * rate;
  const V excess = (a - z) - product_error(x, rate, z);
  // The deviance a log(a / z) + z − a.
  const V v = 0.5 * excess / (0.5 * a + 0.5 * z), w = v * v;
  const auto near = abs(v) < 0.1;
  // Beyond the range of z, its logarithm is that of its factors.
  const V far_log = where((z > 1e-290) & (z < 1e290), log(z / a), (log(x) + log(rate)) - log(a));
  const V log_ratio = where(near, log1p(-(excess / a)), far_log);
  const V deviance = where(near, excess * v + 2.0 * a * v * (w * math::detail::poly(deviance_poly, w)), -(a * far_log) - excess);
  const V u = 1.0 / a, u2 = u * u;
  const V stirling_error = u * (1.0 / 12 - u2 * (1.0 / 360 - u2 * (1.0 / 1260)));
  out.value = -deviance - stirling_error - (0.5 * log(a) + 0.91893853320467274178);  // log(2π) / 2
  out.slope = log_ratio - u * (0.5 - u * (1.0 / 12 - u2 * (1.0 / 120)));
  out.excess = excess;
}

/// The same of an inlined caller's numbers.
template <class V>
WICK_INLINE SaddlePoint<V> saddle_point_of(const V& x, const V& rate, const V& a) {
  SaddlePoint<V> found;
  if constexpr (math::Plain<V>) {
    // Copies, so that the caller's own packets need no address.
    const V xs = own(x), rs = own(rate), as = own(a);
    saddle_point(xs, rs, as, found);
  } else {
    saddle_point(x, rate, a, found);
  }
  return found;
}

}  // namespace wick::inline WICK_ABI::detail
