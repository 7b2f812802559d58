/// \file
/// Poisson.
#pragma once

#include <wick/dist/density.hpp>
#include <wick/dist/exponential.hpp>
#include <wick/dist/saddle_point.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

struct PoissonKernel {
  WICK_INLINE auto operator()(const auto& x, const auto& rate) const {
    const auto none = x == 0.0;
    auto some = x * log(where(none, 1.0, rate)) - rate - lgamma(x + 1.0);
    const auto large = (x > kLargeShape) & (x < kInf);
    if (WICK_UNLIKELY(any(large))) some = where(large, of_large(x, rate), some);
    return valid(is_nonnegative(x) & (floor(x) == x) & is_nonnegative(rate), some);
  }

 private:
  static WICK_INLINE auto of_large(const auto& x, const auto& rate) {
    using V = math::LevelOf<decltype(x), decltype(rate)>;
    const V rv = math::value_at<V>(rate);
    const auto s = saddle_point_of(rv, V(1.0), math::value_at<V>(x));
    return math::with_partials(s.value, rate, V(s.excess / rv), x, s.slope);
  }
};

/// log of the Poisson probability of k >= 10, without cancellation between terms of size k log k.
///
/// Source: Loader, "Fast and accurate computation of binomial probabilities", 2000: the deviance and Stirling's error apart.
inline double log_poisson(double k, double rate) {
  const double d = (rate - k) / k, s = 1.0 / (k * k);
  const double deviance = k * (d - std::log1p(d));
  const double stirling = (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188)))) / k;
  return -deviance - stirling - 0.5 * std::log(6.283185307179586 * k);
}

/// A Poisson number with the element's own uniforms.
///
/// Below 10 by inversion; from there on by Hörmann, "The transformed rejection method for generating Poisson random variables"
/// (Insurance: Mathematics and Economics 12, 1993), algorithm PTRS.
inline double draw_poisson(UniformStream stream, double rate) {
  if (rate < 10) {
    double u = stream.next(), p = std::exp(-rate), k = 0;
    while (u > p && k < 200) {
      u -= p;
      k += 1;
      p *= rate / k;
    }
    return k;
  }
  const double root = std::sqrt(rate), b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), squeeze = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = stream.next() - 0.5, v = stream.next(), us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= squeeze) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double log_p = k >= 10 ? log_poisson(k, rate) : k * std::log(rate) - rate - lgamma(Scalar(k + 1)).v;
    if (std::log(v * inverse_alpha / (a / (us * us) + b)) <= log_p) return k;
  }
}
inline constexpr DrawSpec poisson_draw{"Poisson draw", 1, [](Key key, const Shape& shape, double* out, const DrawInputs& in) {
                                         for_each_element<1>(shape, in, [&](Index i, double rate) {
                                           out[i] = draw_poisson(UniformStream(key, static_cast<std::uint64_t>(i)), rate);
                                         });
                                       }};

inline constexpr const ConstraintOps* nonnegative_domains[] = {&nonnegative_set};

}  // namespace detail

/// The Poisson distribution: log p(k) = k log rate − rate − log k!.
///
/// Shapes: rate has the batch_shape. Space: k in {0, 1, 2, …}; rate >= 0 is the mean; at rate 0 only k = 0 has probability.
/// Draws are exact to rounding for rates up to 1e9 and beyond, until 2⁵³. Gradients: rate; samples carry none.
/// Throws: wick.dist.E201 (parameters, when used), E202.
template <class T = void>
class BasicPoisson : public detail::Family<BasicPoisson<T>, 1> {
 public:
  static constexpr detail::FamilyInfo family{
      "Poisson", 1, detail::rate_names, detail::nonnegative_domains, false, true, &detail::fuse_spec<detail::PoissonKernel, 2, 0b10>};
  explicit BasicPoisson(Tensor rate) : detail::Family<BasicPoisson<T>, 1>(family, std::move(rate)) {}
  const Tensor& rate() const noexcept { return this->parameters_[0]; }
  Constraint support() const override { return constraints::nonnegative_integer; }

 protected:
  Tensor draw(Key key) const override { return detail::draw_value(detail::poisson_draw, key, this->shape_, this->parameters_); }
};
using Poisson = BasicPoisson<>;

}  // namespace wick::inline WICK_ABI
