/// \file
/// What a family adds to `Distribution`: parameters in place, `to_event`, `expand`, `mask`, cloning; and how kernels are written.
#pragma once

#include <wick/dist/draw.hpp>

namespace wick::inline WICK_ABI::detail {

struct OwnShape {};
inline constexpr OwnShape own_shape{};

/// Common part of a family `D` with `Arity` parameters.
///
/// To add a distribution, write its density as a kernel over (value, parameters...), which returns NaN outside its domain
/// (see `valid`), describe it in a `FamilyInfo`, and derive:
///
///     struct RayleighKernel {
///       auto operator()(const auto& x, const auto& s) const { return valid(x >= 0.0, log(x / (s * s)) - 0.5 * square(x / s)); }
///     };
///     class Rayleigh : public detail::Family<Rayleigh, 1> {
///      public:
///       static constexpr detail::FamilyInfo family{"Rayleigh", 1, names, domains, has_rsample, discrete, &fuse_spec<RayleighKernel, 2>};
///       explicit Rayleigh(Tensor scale) : Family(family, std::move(scale)) {}
///       Constraint support() const override;     // the set where the kernel is not NaN
///      protected:
///       Tensor draw(Key key) const override;     // of shape `shape_`; see draw.hpp
///     };
///
/// A kernel may hoist what depends on few parameters: see `HasPrep`. Densities that are no kernel override `score`.
template <class D, unsigned Arity>
class Family : public Distribution {
 public:
  using Distribution::sample;
  /// Independent draws: shape + batch_shape + event_shape. Throws wick.dist.E205 for a negative size.
  Tensor sample(const Shape& shape) const { return expand(shape + this->batch_shape()).sample(); }

  /// Declares the `n` rightmost batch dimensions as one event: `log_prob` sums over them. Throws wick.dist.E206.
  WICK_NOINLINE D to_event(Count n) const& {
    D out = self();
    out.reinterpret_batch(n.value);
    return out;
  }
  WICK_NOINLINE D to_event(Count n) && {
    this->reinterpret_batch(n.value);
    return std::move(static_cast<D&>(*this));
  }
  /// The same distribution with this batch shape, in which −1 keeps a size; draws fill new dimensions independently. Throws wick.dist.E205.
  D expand(const Shape& batch) const {
    D out = self();
    out.expand_to(batch);
    return out;
  }
  /// Leaves elements where `m` (0/1, batch shape) is 0 out of the density. Throws wick.dist.E208, E210.
  D mask(const Tensor& m) const {
    D out = self();
    out.add_mask(m);
    return out;
  }
  /// The same distribution with samples that carry no gradient, for the score-function estimator.
  D without_rsample() const {
    D out = self();
    out.use_score_gradient(true);
    return out;
  }

  const Tensor* parameters() const noexcept final { return parameters_; }
  Distribution* clone_into(void* room, std::size_t& bytes) const final {
    if (WICK_LIKELY(bytes >= sizeof(D))) return new (room) D(self());
    bytes = sizeof(D);
    return nullptr;
  }
  Distribution* move_into(void* room) final { return new (room) D(std::move(static_cast<D&>(*this))); }

 protected:
  template <class... T>
  WICK_NOINLINE explicit Family(const FamilyInfo& family, T&&... parameters) : Distribution(family), parameters_{std::forward<T>(parameters)...} {
    static_assert(sizeof...(T) == Arity, "Family: give one tensor a parameter");
    bool scalars = true;
    for (const Tensor& p : parameters_) scalars = scalars && TensorAccess::is_scalar(p);
    if (WICK_UNLIKELY(!scalars)) this->adopt_shapes(parameters_, Arity);
  }
  /// For families that work out `shape_` by themselves.
  template <class... T>
  explicit Family(const FamilyInfo& family, OwnShape, T&&... parameters) : Distribution(family), parameters_{std::forward<T>(parameters)...} {
    static_assert(sizeof...(T) == Arity, "Family: give one tensor a parameter");
  }
  const D& self() const noexcept { return static_cast<const D&>(*this); }

  Tensor parameters_[Arity];
};

/// `density` where `ok`, else NaN: how a kernel says that it was called outside its domain.
template <class M, class V, unsigned L>
WICK_INLINE math::Dual<V, L> valid(const M& ok, math::Dual<V, L> density) {
  density.v = where(ok, density.v, V(kNaN));
  return density;
}
template <class M, math::Plain V>
WICK_INLINE V valid(const M& ok, const V& density) {
  return where(ok, density, V(kNaN));
}
/// Whether 0 < x < ∞, 0 <= x < ∞, |x| < ∞; false for NaN.
WICK_INLINE auto is_positive(const auto& x) { return (x > 0.0) & (x < kInf); }
WICK_INLINE auto is_nonnegative(const auto& x) { return (x >= 0.0) & (x < kInf); }
WICK_INLINE auto is_finite(const auto& x) {
  const auto v = math::value_of(x);
  return abs(v) < kInf;
}

/// 1 / scale for use in what follows; where a scale is so small that this overflows, the largest number, so that 0 / scale stays 0.
template <class V>
WICK_INLINE V reciprocal(const V& scale) {
  return min(V(1.0 / scale), V(kMax));
}
/// d / scale by the reciprocal. Its derivative in scale is −z / scale: the square of the reciprocal would overflow.
template <class D, class S, class V>
WICK_INLINE auto quotient(const D& d, const S& scale, const V& inverse) {
  const V z = math::value_at<V>(d) * inverse;
  return math::with_partials(z, d, inverse, scale, V(z * V(-inverse)));
}
/// −(d / scale)² / 2 by the reciprocal.
template <class D, class S, class V>
WICK_INLINE auto minus_half_square(const D& d, const S& scale, const V& inverse) {
  const V z = math::value_at<V>(d) * inverse, slope = z * inverse;
  return math::with_partials(V(-0.5 * z * z), d, V(-slope), scale, V(z * slope));
}

inline constexpr const char* loc_scale_names[] = {"loc", "scale"};
inline constexpr const char* scale_names[] = {"scale"};
inline constexpr const ConstraintOps* loc_scale_domains[] = {&real_set, &positive_set};
inline constexpr const ConstraintOps* positive_domains[] = {&positive_set, &positive_set};

}  // namespace wick::inline WICK_ABI::detail
