/// \file
/// HalfCauchy.
#pragma once

#include <wick/dist/density.hpp>
#include <wick/dist/location_scale.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

struct HalfCauchyKernel {
  static constexpr bool has_point = true;
  static constexpr unsigned prep_mask = 0b10;
  template <class S, class V>
  struct Prep {
    S log_scale;
    V inverse;
  };
  static WICK_INLINE auto prep(const auto& x, const auto& scale) {
    const auto l = valid(is_positive(scale), log(scale) + 0.45158270528945486);  // log(π / 2)
    using V = math::LevelOf<decltype(x), decltype(scale)>;
    return Prep<std::remove_const_t<decltype(l)>, V>{l, reciprocal(math::value_at<V>(scale))};
  }
  WICK_INLINE auto operator()(const auto& x, const auto& scale, const auto& p) const {
    const auto z = quotient(x, scale, p.inverse);
    auto tail = log1p(z * z);
    const auto far = z > 1e10;  // z² may overflow, and 1 is nothing beside it
    if (WICK_UNLIKELY(any(far))) tail = where(far, 2.0 * (log(x) - log(scale)), tail);
    return valid(is_nonnegative(x), -p.log_scale - tail);
  }
};

/// tan(π u / 2); for u near 1 as the cotangent of the small complement, which is exact.
inline void fill_half_cauchy_noise(Key key, const Shape& shape, double* out, const DrawInputs& in) {
  constexpr double half_pi = 1.5707963267948966;
  fill_uniform_noise(key, shape, out, in);
  for (Index i = 0, n = shape.numel(); i < n; ++i) out[i] = out[i] < 0.5 ? std::tan(half_pi * out[i]) : 1.0 / std::tan(half_pi * (1.0 - out[i]));
}
inline constexpr DrawSpec half_cauchy_noise{"half-Cauchy noise", 0, &fill_half_cauchy_noise};

}  // namespace detail

/// The Cauchy distribution folded at 0: log p(x) = log(2/π) − log scale − log(1 + (x / scale)²).
///
/// Shapes: scale has the batch_shape. Space: x >= 0; scale > 0. Gradients: all arguments; samples are scale · tan(π u / 2).
/// Throws: wick.dist.E201 (parameters, when used).
template <class T = void>
class BasicHalfCauchy : public detail::Family<BasicHalfCauchy<T>, 1> {
 public:
  static constexpr detail::FamilyInfo family{
      "HalfCauchy", 1, detail::scale_names, detail::positive_domains, true, false, &detail::fuse_spec<detail::HalfCauchyKernel, 2>};
  explicit BasicHalfCauchy(Tensor scale) : detail::Family<BasicHalfCauchy<T>, 1>(family, std::move(scale)) {}
  const Tensor& scale() const noexcept { return this->parameters_[0]; }
  Constraint support() const override { return constraints::nonnegative; }

 protected:
  Tensor draw(Key key) const override { return detail::location_scale(nullptr, scale(), detail::half_cauchy_noise, key, this->shape_); }
};
using HalfCauchy = BasicHalfCauchy<>;

}  // namespace wick::inline WICK_ABI
