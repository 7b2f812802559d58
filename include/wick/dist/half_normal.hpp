/// \file
/// HalfNormal.
#pragma once

#include <wick/dist/density.hpp>
#include <wick/dist/location_scale.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

struct HalfNormalKernel {
  static constexpr bool has_point = true;
  static constexpr unsigned prep_mask = 0b10;
  template <class S, class V>
  struct Prep {
    S log_scale;
    V inverse;
  };
  static WICK_INLINE auto prep(const auto& x, const auto& scale) {
    const auto l = valid(is_positive(scale), log(scale) + 0.22579135264472743);  // log(π / 2) / 2
    using V = math::LevelOf<decltype(x), decltype(scale)>;
    return Prep<std::remove_const_t<decltype(l)>, V>{l, reciprocal(math::value_at<V>(scale))};
  }
  WICK_INLINE auto operator()(const auto& x, const auto& scale, const auto& p) const {
    return valid(is_nonnegative(x), minus_half_square(x, scale, p.inverse) - p.log_scale);
  }
};

inline void fill_half_normal_noise(Key key, const Shape& shape, double* out, const DrawInputs& in) {
  fill_normal_noise(key, shape, out, in);
  for (Index i = 0, n = shape.numel(); i < n; ++i) out[i] = __builtin_fabs(out[i]);
}
inline constexpr DrawSpec half_normal_noise{"half-normal noise", 0, &fill_half_normal_noise};

}  // namespace detail

/// The distribution of |z|, z ~ Normal(0, scale): log p(x) = −(x / scale)² / 2 − log scale + log(2/π) / 2.
///
/// Shapes: scale has the batch_shape. Space: x >= 0; scale > 0. Gradients: all arguments; samples are scale · |ε|.
/// Throws: wick.dist.E201 (parameters, when used).
template <class T = void>
class BasicHalfNormal : public detail::Family<BasicHalfNormal<T>, 1> {
 public:
  static constexpr detail::FamilyInfo family{
      "HalfNormal", 1, detail::scale_names, detail::positive_domains, true, false, &detail::fuse_spec<detail::HalfNormalKernel, 2>};
  explicit BasicHalfNormal(Tensor scale) : detail::Family<BasicHalfNormal<T>, 1>(family, std::move(scale)) {}
  const Tensor& scale() const noexcept { return this->parameters_[0]; }
  Constraint support() const override { return constraints::nonnegative; }

 protected:
  Tensor draw(Key key) const override { return detail::location_scale(nullptr, scale(), detail::half_normal_noise, key, this->shape_); }
};
using HalfNormal = BasicHalfNormal<>;

}  // namespace wick::inline WICK_ABI
