/// \file
/// Gamma.
#pragma once

#include <wick/dist/density.hpp>
#include <wick/dist/gamma_sampler.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

struct GammaKernel {
  static constexpr unsigned prep_mask = 0b110;
  static WICK_INLINE auto prep(const auto&, const auto& a, const auto& rate) {
    return valid(is_positive(a) & is_positive(rate), a * log(rate) - lgamma(a));
  }
  WICK_INLINE auto operator()(const auto& x, const auto& a, const auto& rate, const auto& norm) const {
    // At x = 0 with a = 1 the power is 1, not 0 · ∞.
    const auto power = (a - 1.0) * log(where((x == 0.0) & (a == 1.0), 1.0, x));
    return valid(is_nonnegative(x), norm + power - rate * x);
  }
};

inline void fill_gamma(Key key, const Shape& shape, double* out, const DrawInputs& in) {
  for_each_element<2>(shape, in, [&](Index i, double a, double rate) {
    const double log_x = draw_log_gamma(UniformStream(key, static_cast<std::uint64_t>(i)), a) - std::log(rate);
    // 0 has no finite density: the smallest normal number stands for everything below.
    out[i] = log_x < -708.0 ? 2.2250738585072014e-308 : std::exp(log_x);
  });
}
inline void pull_gamma(const Shape& shape, const double* g, const double* out, const DrawInputs& in, double* const* adjoint) {
  Index at = 0;
  for (Walk w(shape, in.shapes, 2); w.live(); w.next())
    for (Index i = 0; i < w.length(); ++i, ++at) {
      const Index k0 = w.offset(0) + (w.step(0) ? i : 0), k1 = w.offset(1) + (w.step(1) ? i : 0);
      const double rate = in.data[1][k1];
      if (g[at] == 0) continue;
      if (adjoint[0] != nullptr) adjoint[0][k0] += g[at] * gamma_derivative(in.data[0][k0], out[at] * rate) / rate;
      if (adjoint[1] != nullptr) adjoint[1][k1] -= g[at] * out[at] / rate;
    }
}
inline constexpr DrawSpec gamma_draw{"gamma draw", 2, &fill_gamma, &pull_gamma};

inline constexpr const char* gamma_names[] = {"concentration", "rate"};

}  // namespace detail

/// The gamma distribution: log p(x) = a log rate + (a − 1) log x − rate · x − log Γ(a), a = concentration.
///
/// Shapes: concentration, rate broadcast to batch_shape. Space: x >= 0; both parameters > 0; the mean is a / rate. Gradients: all
/// arguments; samples carry gradients to both, to the concentration by implicit reparameterisation. Draws below the smallest
/// normal double are replaced by it. Throws: wick.dist.E203 (shapes), E201 (parameters, when used).
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
