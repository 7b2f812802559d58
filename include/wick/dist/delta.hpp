/// \file
/// Delta.
#pragma once

#include <wick/dist/density.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

struct DeltaKernel {
  WICK_INLINE auto operator()(const auto& x, const auto& v, const auto& log_density) const {
    return valid((x == x) & is_finite(v), where(x == v, log_density, -kInf));
  }
};

inline constexpr const char* delta_names[] = {"v", "log_density"};
inline constexpr const ConstraintOps* delta_domains[] = {&real_set, &extended_real_set};

}  // namespace detail

/// All probability at one point: log p(x) = log_density where x = v (in every element of the event), else −∞.
///
/// Shapes: v has batch_shape + event_shape, its `event_dim` rightmost dims being the event; log_density broadcasts to
/// batch_shape. Gradients: log_density; samples are v itself, with its gradient. Throws: wick.dist.E203, E206 (shapes), E201.
template <class T = void>
class BasicDelta : public detail::Family<BasicDelta<T>, 2> {
  using Base = detail::Family<BasicDelta<T>, 2>;

 public:
  static constexpr detail::FamilyInfo family{
      "Delta", 2, detail::delta_names, detail::delta_domains, true, false, &detail::fuse_spec<detail::DeltaKernel, 3, 0b100>};
  explicit BasicDelta(Tensor v, Tensor log_density = 0.0, Count event_dim = 0) : Base(family, detail::own_shape, std::move(v), std::move(log_density)) {
    if (event_dim.value == 0)
      this->adopt_shapes(this->parameters_, 2);
    else
      adopt_events(event_dim.value);
  }
  const Tensor& v() const noexcept { return this->parameters_[0]; }
  const Tensor& log_density() const noexcept { return this->parameters_[1]; }
  Constraint support() const override { return constraints::real; }

 protected:
  WICK_NOINLINE void adopt_events(Index n) {
    if (v().empty()) detail::broadcast_parameters(family, this->parameters_, this->shape_);
    this->shape_ = v().shape();
    if (n < 0 || n > v().dim()) this->raise_to_event(n);
    const Tensor heads[] = {detail::TensorAccess::make(v().shape().head(v().dim() - n)), log_density()};
    Shape batch;
    detail::broadcast_parameters(family, heads, batch);
    this->shape_ = batch + v().shape().tail(n);
    this->event_dim_ = this->native_dim_ = n;
  }
  Tensor draw(Key) const override {
    detail::kind_in(v(), detail::context.tape);  // another thread's unfinished step?
    return v().shape() == this->shape_ ? v() : wick::expand(v(), this->shape_);
  }
  Tensor score(const Tensor& value, const detail::ScoreRequest& q) const override {
    if (this->native_dim_ == 0) return Distribution::score(value, q);
    // First 0 or −∞ for each event as a whole, then the density of these numbers at 0.
    const Shape events = this->element_shape(value, q);
    const Shape all = events + this->shape_.tail(this->native_dim_);
    const Tensor zero = 0.0, mask = q.mask == nullptr ? Tensor() : this->with_dims(*q.mask, this->native_dim_);
    const Tensor* first[] = {&value, &v(), &zero};
    const Tensor point = detail::sum_trailing(detail::fuse_call({family.density, nullptr, 0, first, &all, q.mask == nullptr ? nullptr : &mask, 1.0, false}), this->native_dim_);
    const Tensor* second[] = {&point, &zero, &log_density()};
    return detail::fuse_call({family.density, nullptr, 0, second, &events, q.mask, q.factor, q.sum});
  }
};
using Delta = BasicDelta<>;

}  // namespace wick::inline WICK_ABI
