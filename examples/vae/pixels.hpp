/// \file
/// A distribution of the example's own: how many of n pixels are on.
#pragma once

#include <wick/wick.hpp>

#include <cmath>

namespace vae {

/// Each number of the data counts the pixels that are on in a block of 16 of a black and white bitmap.
inline constexpr double block = 16;

/// The log density of one bitmap with x pixels on, each on with probability σ(l): x l − 16 softplus(l). There are C(16,
/// x) such bitmaps; their number depends on no parameter, and `log_bitmaps` adds it where it matters.
struct PixelsKernel {
  auto operator()(const auto& x, const auto& logit) const {
    return wick::detail::valid((x >= 0.0) & (x <= block), x * logit - block * softplus(logit));
  }
};

inline constexpr const char* parameter_names[] = {"logits"};
inline constexpr const wick::ConstraintOps* parameter_domains[] = {&wick::detail::real_set};

/// docs/writing-a-distribution.md explains what is here.
class Pixels : public wick::detail::Family<Pixels, 1> {
 public:
  static constexpr wick::detail::FamilyInfo family{.name = "Pixels",
                                                   .arity = 1,
                                                   .parameters = parameter_names,
                                                   .domains = parameter_domains,
                                                   .has_rsample = false,
                                                   .discrete = true,
                                                   .density = &wick::detail::fuse_spec<PixelsKernel, 2, 0b10>};
  explicit Pixels(wick::Tensor logits) : Family(family, std::move(logits)) {}
  wick::Constraint support() const override { return wick::constraints::nonnegative; }

 protected:
  wick::Tensor draw(wick::Key key) const override {
    const wick::Tensor u =
        wick::detail::draw_value(wick::detail::uniform_noise, key, shape_ + wick::Shape{16}, nullptr);
    return sum(u < unsqueeze(sigmoid(wick::detail::without_gradient(parameters_[0])), -1), {-1});
  }
};

/// Σ log C(16, x): turns log densities of bitmaps into those of their counts.
inline double log_bitmaps(const wick::Tensor& x) {
  double sum = 0;
  for (const double v : x.values()) sum += std::lgamma(block + 1) - std::lgamma(v + 1) - std::lgamma(block - v + 1);
  return sum;
}

}  // namespace vae
