/// \file
/// Normal.
#pragma once

#include <wick/dist/density.hpp>
#include <wick/dist/location_scale.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

inline constexpr double kHalfLog2Pi = 0.91893853320467274178;

struct NormalKernel {
  static constexpr bool has_point = true;
  // What depends on the scale alone: computed once a run when the scale is one number.
  static constexpr unsigned prep_mask = 0b100;
  template <class S, class V>
  struct Prep {
    S log_scale;
    V inverse;
  };
  static WICK_INLINE auto prep(const auto& x, const auto& loc, const auto& scale) {
    const auto l = valid(is_positive(scale), log(scale) + kHalfLog2Pi);
    using V = math::LevelOf<decltype(x), decltype(loc), decltype(scale)>;
    return Prep<std::remove_const_t<decltype(l)>, V>{l, reciprocal(math::value_at<V>(scale))};
  }
  WICK_INLINE auto operator()(const auto& x, const auto& loc, const auto& scale, const auto& p) const {
    const auto d = x - loc;
    return valid(is_finite(d), minus_half_square(d, scale, p.inverse) - p.log_scale);
  }
};

}  // namespace detail

/// The normal distribution: log p(x) = −((x − loc) / scale)² / 2 − log scale − log(2π) / 2.
///
/// Shapes: loc, scale broadcast to batch_shape. Space: x real; scale is the standard deviation, > 0. Gradients: all
/// arguments; samples are loc + scale · ε. Throws: wick.dist.E203 (shapes), E201 (parameters, when used).
template <class T = void>
class BasicNormal : public detail::Family<BasicNormal<T>, 2> {
 public:
  static constexpr detail::FamilyInfo family{
      "Normal", 2, detail::loc_scale_names, detail::loc_scale_domains, true, false, &detail::fuse_spec<detail::NormalKernel, 3>};
  BasicNormal(Tensor loc, Tensor scale) : detail::Family<BasicNormal<T>, 2>(family, std::move(loc), std::move(scale)) {}
  const Tensor& loc() const noexcept { return this->parameters_[0]; }
  const Tensor& scale() const noexcept { return this->parameters_[1]; }
  Constraint support() const override { return constraints::real; }

 protected:
  Tensor draw(Key key) const override { return detail::location_scale(&loc(), scale(), detail::normal_noise, key, this->shape_); }
};
using Normal = BasicNormal<>;

}  // namespace wick::inline WICK_ABI
