/// \file
/// LogNormal.
#pragma once

#include <wick/core/fault.hpp>
#include <wick/dist/normal.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

struct LogNormalKernel {
  static constexpr bool has_point = true;
  static constexpr unsigned prep_mask = NormalKernel::prep_mask;
  static WICK_INLINE auto prep(const auto& x, const auto& loc, const auto& scale) { return NormalKernel::prep(x, loc, scale); }
  WICK_INLINE auto operator()(const auto& x, const auto& loc, const auto& scale, const auto& p) const {
    const auto u = log(x);  // not finite outside (0, ∞), which the normal kernel notices
    return NormalKernel()(u, loc, scale, p) - WICK_FAULT(density_jacobian_missing, u, u - u);
  }
};

/// exp, kept inside the support: see `exp_in_range`.
struct PositiveExpOp {
  template <class V> static V f(const V& a) { return min(V(kMax), max(V(2.2250738585072014e-308), exp(a))); }
  template <class V> static V d(const V& g, const V&, const V& y) { return g * y; }
};
template <class = void>
inline constinit ElementFns op_positive_exp = smooth_op<PositiveExpOp, 1>("exp of a draw");

}  // namespace detail

/// The distribution of exp(z), z ~ Normal(loc, scale): log p(x) = Normal(loc, scale).log_prob(log x) − log x.
///
/// Shapes: loc, scale broadcast to batch_shape. Space: x > 0; loc and scale > 0 are those of log x. Gradients: all
/// arguments; samples are exp(loc + scale · ε), replaced by the
/// smallest normal or the largest double where they are beyond. Throws: wick.dist.E203 (shapes), E201 (parameters, when used).
template <class T = void>
class BasicLogNormal : public detail::Family<BasicLogNormal<T>, 2> {
 public:
  static constexpr detail::FamilyInfo family{
      "LogNormal", 2, detail::loc_scale_names, detail::loc_scale_domains, true, false, &detail::fuse_spec<detail::LogNormalKernel, 3>};
  BasicLogNormal(Tensor loc, Tensor scale) : detail::Family<BasicLogNormal<T>, 2>(family, std::move(loc), std::move(scale)) {}
  const Tensor& loc() const noexcept { return this->parameters_[0]; }
  const Tensor& scale() const noexcept { return this->parameters_[1]; }
  Constraint support() const override { return constraints::positive; }

 protected:
  Tensor draw(Key key) const override {
    return detail::apply1(detail::op_positive_exp<>, detail::location_scale(&loc(), scale(), detail::normal_noise, key, this->shape_));
  }
};
using LogNormal = BasicLogNormal<>;

}  // namespace wick::inline WICK_ABI
