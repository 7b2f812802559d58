/// \file
/// Gamma.
#pragma once

#include <wick/dist/density.hpp>
#include <wick/dist/gamma_sampler.hpp>
#include <wick/dist/saddle_point.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

struct GammaKernel {
  static constexpr unsigned prep_mask = 0b110;
  static WICK_INLINE auto prep(const auto&, const auto& a, const auto& rate) {
    return valid(is_positive(a) & is_positive(rate), a * log(rate) - lgamma(a));
  }
  WICK_INLINE auto operator()(const auto& x, const auto& a, const auto& rate, const auto& norm) const {
    using V = math::LevelOf<decltype(x), decltype(a), decltype(rate)>;
    const V xv = math::value_at<V>(x), less = math::value_at<V>(a) - 1.0, log_x = log(xv);
    // log x^(a−1). At a = 1 it is 0 whatever x is, and so is its derivative in x: 0 · ∞ and 0 / 0 must not arise.
    const auto one = less == 0.0;
    const auto power = math::with_partials(where(one, V(0.0), V(less * log_x)), x, where(one, V(0.0), V(less / xv)), a, log_x);
    auto density = norm + power - rate * x;
    const auto large = (a > kLargeShape) & (a < kInf) & is_positive(rate);
    if (WICK_UNLIKELY(any(large))) density = where(large, of_large<V>(x, a, rate), density);
    return valid(is_nonnegative(x), density);
  }

 private:
  template <class V>
  static WICK_INLINE auto of_large(const auto& x, const auto& a, const auto& rate) {
    const V xv = math::value_at<V>(x), av = math::value_at<V>(a), rv = math::value_at<V>(rate);
    const auto s = saddle_point_of(xv, rv, av);
    const V v = where(xv == 0.0, V(-kInf), V(s.value + log(av / xv)));
    return math::with_partials(v, x, V((s.excess - 1.0) / xv), a, V(s.slope + 1.0 / av), rate, V(s.excess / rv));
  }
};

/// ∂x/∂a of a sample x of Gamma(a, rate). Near 0 the sample is (u Γ(a + 1))^(1/a) / rate, whose derivative needs no x · rate, which may
/// underflow.
inline double gamma_sample_slope(double a, double rate, double x) {
  const double z = x * rate;
  if (WICK_UNLIKELY(z < 1e-290)) return x / a * (math::digamma(math::Scalar(a + 1)).v - (std::log(x) + std::log(rate)));
  return gamma_derivative(a, z) / rate;
}

inline void fill_gamma(Key key, const Shape& shape, double* out, const DrawInputs& in) {
  for_each_element<2>(shape, in, [&](Index i, double a, double rate) {
    const double log_x = draw_log_gamma(UniformStream(key, static_cast<std::uint64_t>(i)), a) - std::log(rate);
    out[i] = exp_in_range(log_x);
  });
}
inline void pull_gamma(const Shape& shape, const double* g, const double* out, const DrawInputs& in, double* const* adjoint) {
  Index at = 0;
  for (Walk w(shape, in.shapes, 2); w.live(); w.next())
    for (Index i = 0; i < w.length(); ++i, ++at) {
      const Index k0 = w.offset(0) + (w.step(0) ? i : 0), k1 = w.offset(1) + (w.step(1) ? i : 0);
      const double rate = in.data[1][k1];
      if (g[at] == 0) continue;
      if (adjoint[0] != nullptr) adjoint[0][k0] += g[at] * gamma_sample_slope(in.data[0][k0], rate, out[at]);
      if (adjoint[1] != nullptr) adjoint[1][k1] -= g[at] * out[at] / rate;
    }
}
inline constexpr DrawSpec gamma_draw{"gamma draw", 2, &fill_gamma, &pull_gamma};

inline constexpr const char* gamma_names[] = {"concentration", "rate"};

}  // namespace detail

/// The gamma distribution: log p(x) = a log rate + (a − 1) log x − rate · x − log Γ(a), a = concentration.
///
/// Shapes: concentration, rate broadcast to batch_shape. Space: x >= 0; both parameters > 0; the mean is a / rate. At x = 0
/// the density is ∞ for a < 1 and −∞ for a > 1 in the logarithm, so that its derivative in a is −∞ there. Gradients: all
/// arguments; samples carry gradients to both, to the concentration by implicit reparameterisation. Draws below the smallest
/// normal double are replaced by it, and draws above the largest by that. Throws: wick.dist.E203 (shapes), E201 (parameters, when used).
template <class T = void>
class BasicGamma : public detail::Family<BasicGamma<T>, 2> {
 public:
  static constexpr detail::FamilyInfo family{
      "Gamma", 2, detail::gamma_names, detail::positive_domains, true, false, &detail::fuse_spec<detail::GammaKernel, 3>};
  BasicGamma(Tensor concentration, Tensor rate) : detail::Family<BasicGamma<T>, 2>(family, std::move(concentration), std::move(rate)) {}
  const Tensor& concentration() const noexcept { return this->parameters_[0]; }
  const Tensor& rate() const noexcept { return this->parameters_[1]; }
  Constraint support() const override { return constraints::nonnegative; }

 protected:
  Tensor draw(Key key) const override { return detail::draw_value(detail::gamma_draw, key, this->shape_, this->parameters_); }
};
using Gamma = BasicGamma<>;

}  // namespace wick::inline WICK_ABI
