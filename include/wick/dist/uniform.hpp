/// \file
/// Uniform.
#pragma once

#include <wick/dist/density.hpp>
#include <wick/dist/location_scale.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

struct UniformKernel {
  static constexpr unsigned prep_mask = 0b110;
  static WICK_INLINE auto prep(const auto&, const auto& low, const auto& high) {
    const auto width = high - low;
    return valid(is_positive(width), -log(width));
  }
  WICK_INLINE auto operator()(const auto& x, const auto& low, const auto& high, const auto& density) const {
    return valid((x >= low) & (x <= high), density);
  }
};

inline constexpr const char* uniform_names[] = {"low", "high"};
inline constexpr const ConstraintOps* uniform_domains[] = {&real_set, &real_set};

}  // namespace detail

/// The uniform distribution on [low, high]: log p(x) = −log(high − low).
///
/// Both ends belong to the support: a draw may be rounded to one. Shapes: low, high broadcast to batch_shape. Space:
/// low < high. Gradients: low and high (0 for x); samples are low + (high − low) · u. Throws: wick.dist.E203 (shapes),
/// E201 (parameters, when used), E202 for a value outside.
template <class T = void>
class BasicUniform : public detail::Family<BasicUniform<T>, 2> {
 public:
  static constexpr detail::FamilyInfo family{
      "Uniform", 2, detail::uniform_names, detail::uniform_domains, true, false, &detail::fuse_spec<detail::UniformKernel, 3, 0b110>};
  BasicUniform(Tensor low, Tensor high) : detail::Family<BasicUniform<T>, 2>(family, std::move(low), std::move(high)) {}
  const Tensor& low() const noexcept { return this->parameters_[0]; }
  const Tensor& high() const noexcept { return this->parameters_[1]; }
  Constraint support() const override { return Constraint(detail::interval_ops, low(), high()); }
  void check_parameters() const override {
    Distribution::check_parameters();
    if (detail::TensorAccess::is_scalar(low()) && detail::TensorAccess::is_scalar(high()) && low().item() < high().item()) return;
    detail::raise_if_outside("wick.dist.E201", family, "high", high(), Constraint(detail::greater_than_set, low()), {});
  }

 protected:
  Tensor draw(Key key) const override { return detail::location_scale(&low(), high() - low(), detail::uniform_noise, key, this->shape_); }
};
using Uniform = BasicUniform<>;

}  // namespace wick::inline WICK_ABI
