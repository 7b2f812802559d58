/// \file
/// Unit.
#pragma once

#include <wick/dist/density.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

struct UnitKernel {
  WICK_INLINE auto operator()(const auto&, const auto& log_factor) const { return log_factor; }
};

inline constexpr const char* unit_names[] = {"log_factor"};
inline constexpr const ConstraintOps* unit_domains[] = {&extended_real_set};

}  // namespace detail

/// The one-point measure of weight exp(log_factor): log p = log_factor whatever the value, which is 0.
///
/// Shapes: log_factor has the batch_shape. Gradients: log_factor. Throws: wick.dist.E201 for NaN.
template <class T = void>
class BasicUnit : public detail::Family<BasicUnit<T>, 1> {
 public:
  static constexpr detail::FamilyInfo family{
      "Unit", 1, detail::unit_names, detail::unit_domains, true, false, &detail::fuse_spec<detail::UnitKernel, 2, 0b10>};
  explicit BasicUnit(Tensor log_factor) : detail::Family<BasicUnit<T>, 1>(family, std::move(log_factor)) {}
  const Tensor& log_factor() const noexcept { return this->parameters_[0]; }
  Constraint support() const override { return constraints::real; }

 protected:
  Tensor draw(Key) const override { return zeros(this->shape_); }
};
using Unit = BasicUnit<>;

}  // namespace wick::inline WICK_ABI
