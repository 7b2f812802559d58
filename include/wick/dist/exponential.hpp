/// \file
/// Exponential.
#pragma once

#include <wick/dist/density.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

struct ExponentialKernel {
  static constexpr bool has_point = true;
  static constexpr unsigned prep_mask = 0b10;
  static WICK_INLINE auto prep(const auto&, const auto& rate) { return valid(is_positive(rate), log(rate)); }
  WICK_INLINE auto operator()(const auto& x, const auto& rate, const auto& log_rate) const {
    return valid(is_nonnegative(x), log_rate - rate * x);
  }
};

/// −log(1 − u): increasing in u, exact for small u.
inline void fill_exponential_noise(Key key, const Shape& shape, double* out, const DrawInputs& in) {
  fill_uniform_noise(key, shape, out, in);
  const Index n = shape.numel();
  for (Index i = 0; i < n; i += 8) store_at(out, i, n, -log1p(-load_at(out, true, i, n)));
}
inline constexpr DrawSpec exponential_noise{"exponential noise", 0, &fill_exponential_noise};

inline constexpr const char* rate_names[] = {"rate"};

}  // namespace detail

/// The exponential distribution: log p(x) = log rate − rate · x.
///
/// Shapes: rate has the batch_shape. Space: x >= 0; rate > 0 is the reciprocal mean. Gradients: all arguments; samples
/// are −log(1 − u) / rate. Throws: wick.dist.E201 (parameters, when used).
template <class T = void>
class BasicExponential : public detail::Family<BasicExponential<T>, 1> {
 public:
  static constexpr detail::FamilyInfo family{
      "Exponential", 1, detail::rate_names, detail::positive_domains, true, false, &detail::fuse_spec<detail::ExponentialKernel, 2>};
  explicit BasicExponential(Tensor rate) : detail::Family<BasicExponential<T>, 1>(family, std::move(rate)) {}
  const Tensor& rate() const noexcept { return this->parameters_[0]; }
  Constraint support() const override { return constraints::nonnegative; }

 protected:
  Tensor draw(Key key) const override { return detail::draw_value(detail::exponential_noise, key, this->shape_, nullptr) / rate(); }
};
using Exponential = BasicExponential<>;

}  // namespace wick::inline WICK_ABI
