/// \file
/// Bernoulli.
#pragma once

#include <wick/dist/density.hpp>

namespace wick::inline WICK_ABI {

/// The parameter of a Bernoulli by name: give one of the two.
struct BernoulliOptions {
  detail::ByName by_name{};
  Tensor probs{};   ///< probability of 1, in [0, 1]
  Tensor logits{};  ///< log odds of 1, any number
};

namespace detail {

struct BernoulliProbsKernel {
  WICK_INLINE auto operator()(const auto& x, const auto& p) const {
    const auto one = x == 1.0;
    return valid((one | (x == 0.0)) & (p >= 0.0) & (p <= 1.0), where(one, log(p), log1p(-p)));
  }
};
struct BernoulliLogitsKernel {
  WICK_INLINE auto operator()(const auto& x, const auto& l) const {
    const auto one = x == 1.0;
    return valid(one | (x == 0.0), -softplus(where(one, -l, l)));
  }
};

inline void compare_uniforms(Key key, const Shape& shape, double* out, const DrawInputs& in, bool logits) {
  fill_uniform_noise(key, shape, out, in);
  for_each_element<1>(shape, in, [&](Index i, double p) {
    const double u = out[i];
    out[i] = (logits ? u < sigmoid(Scalar(p)).v : u < p) ? 1.0 : 0.0;
  });
}
inline constexpr DrawSpec bernoulli_probs_draw{
    "Bernoulli draw", 1, [](Key key, const Shape& shape, double* out, const DrawInputs& in) { compare_uniforms(key, shape, out, in, false); }};
inline constexpr DrawSpec bernoulli_logits_draw{
    "Bernoulli draw", 1, [](Key key, const Shape& shape, double* out, const DrawInputs& in) { compare_uniforms(key, shape, out, in, true); }};

inline constexpr const char *probs_names[] = {"probs"}, *logits_names[] = {"logits"};
inline constexpr const ConstraintOps *probs_domains[] = {&unit_interval_set}, *logits_domains[] = {&extended_real_set};

}  // namespace detail

/// The distribution of a coin: log p(1) = log probs, log p(0) = log(1 − probs); with logits −softplus(∓logits).
///
/// `Bernoulli(p)`, `Bernoulli({.probs = p})`, `Bernoulli({.logits = l})`; the last keeps its precision where p is
/// near 0 or 1. p = 0 and p = 1 are allowed: log p is then 0 or −∞. Shapes: the parameter has the batch_shape. Space: x in
/// {0, 1}. Gradients: the parameter; samples carry none. Throws: wick.dist.E201 (parameters, when used), E202, E209.
template <class T = void>
class BasicBernoulli : public detail::Family<BasicBernoulli<T>, 1> {
  using Base = detail::Family<BasicBernoulli<T>, 1>;

 public:
  static constexpr detail::FamilyInfo family{
      "Bernoulli", 1, detail::probs_names, detail::probs_domains, false, true, &detail::fuse_spec<detail::BernoulliProbsKernel, 2, 0b10>};
  static constexpr detail::FamilyInfo family_of_logits{
      "Bernoulli", 1, detail::logits_names, detail::logits_domains, false, true, &detail::fuse_spec<detail::BernoulliLogitsKernel, 2, 0b10>};
  // A template, because g++ takes {.probs = p} for any class type too.
  template <class P>
    requires std::convertible_to<const P&, Tensor>
  explicit BasicBernoulli(const P& probs) : Base(family, Tensor(probs)) {}
  WICK_NOINLINE BasicBernoulli(BernoulliOptions options)
      : Base(options.logits.empty() ? family : family_of_logits, detail::only_one("Bernoulli", options.probs, options.logits)) {}

  /// The probability of 1, and its log odds.
  Tensor probs() const { return by_logits() ? sigmoid(this->parameters_[0]) : this->parameters_[0]; }
  Tensor logits() const { return by_logits() ? this->parameters_[0] : log(this->parameters_[0]) - log1p(-this->parameters_[0]); }
  Constraint support() const override { return constraints::boolean; }

 protected:
  bool by_logits() const noexcept { return this->family_ == &family_of_logits; }
  Tensor draw(Key key) const override {
    return detail::draw_value(by_logits() ? detail::bernoulli_logits_draw : detail::bernoulli_probs_draw, key, this->shape_, this->parameters_);
  }
};
using Bernoulli = BasicBernoulli<>;

}  // namespace wick::inline WICK_ABI
