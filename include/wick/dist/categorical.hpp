/// \file
/// Categorical.
#pragma once

#include <wick/dist/density.hpp>
#include <wick/dist/gather_log.hpp>

namespace wick::inline WICK_ABI {

/// The parameter of a Categorical by name: give one of the two.
struct CategoricalOptions {
  detail::ByName by_name{};
  Tensor probs{};   ///< weights >= 0, divided by their sum
  Tensor logits{};  ///< log weights; −∞ excludes a category
};

namespace detail {

inline constexpr const char *category_probs_names[] = {"probs"}, *category_logits_names[] = {"logits"};
inline constexpr const ConstraintOps *category_probs_domains[] = {&nonnegative_set}, *category_logits_domains[] = {&log_weight_set};

/// The number of categories; raises wick.dist.E203 where the parameter has none.
inline Index categories_of(const FamilyInfo& family, const Tensor& p) {
  if (p.empty()) raise<UsageError>("wick.dist.E209", "", {family.name, ": parameter ", family.parameters[0], " has no value"}, {"give it a tensor"});
  if (p.dim() == 0 || p.shape().back() == 0)
    raise<ShapeError>("wick.dist.E203", "", {family.name, ": ", family.parameters[0], " of shape ", p.shape(), " has no categories"},
                      {"the last dimension runs over the categories, as in Tensor{0.2, 0.8}"});
  return p.shape().back();
}

}  // namespace detail

/// One of the categories 0 … K − 1: log p(k) = log(probs[k] / Σ probs), or logits[k] − logsumexp(logits).
///
/// `Categorical(probs)`, `Categorical({.probs = p})`, `Categorical({.logits = l})`. Shapes: the parameter is batch_shape +
/// (K,); values and batch_shape broadcast. Space: x an integer in [0, K). Gradients: the parameter, normalisation included;
/// samples carry none. Throws: wick.dist.E201 (parameters, when used), E202, E203 (no categories), E209.
template <class T = void>
class BasicCategorical : public detail::Family<BasicCategorical<T>, 1> {
  using Base = detail::Family<BasicCategorical<T>, 1>;

 public:
  static constexpr detail::FamilyInfo family{
      "Categorical", 1, detail::category_probs_names, detail::category_probs_domains, false, true, nullptr, 1};
  static constexpr detail::FamilyInfo family_of_logits{
      "Categorical", 1, detail::category_logits_names, detail::category_logits_domains, false, true, nullptr, 1};
  // A template, because g++ takes {.probs = p} for any class type too.
  template <class P>
    requires std::convertible_to<const P&, Tensor>
  explicit BasicCategorical(const P& probs) : BasicCategorical(family, Tensor(probs)) {}
  BasicCategorical(CategoricalOptions options)
      : BasicCategorical(options.logits.empty() ? family : family_of_logits, detail::only_one("Categorical", options.probs, options.logits)) {}

  /// K.
  Index num_categories() const noexcept { return this->parameters_[0].shape().back(); }
  /// The probabilities, and their logarithms, normalised.
  Tensor probs() const {
    const Tensor& p = this->parameters_[0];
    return by_logits() ? exp(logits()) : p / sum(p, -1, true);
  }
  Tensor logits() const {
    const Tensor& p = this->parameters_[0];
    return by_logits() ? p - logsumexp(p, -1, true) : log(p) - log(sum(p, -1, true));
  }
  Constraint support() const override {
    return Constraint(detail::integer_interval_set, Tensor(0), Tensor(static_cast<double>(num_categories() - 1)));
  }
  void check_parameters() const override {
    Distribution::check_parameters();
    detail::check_rows(this->info(), this->parameters_[0], by_logits());
  }

 protected:
  BasicCategorical(const detail::FamilyInfo& info, Tensor&& p) : Base(info, detail::own_shape, detail::materialise(p)) {
    detail::categories_of(info, this->parameters_[0]);
    this->shape_ = this->parameters_[0].shape().head(this->parameters_[0].dim() - 1);
  }
  bool by_logits() const noexcept { return this->family_ == &family_of_logits; }
  Tensor draw(Key key) const override {
    return detail::draw_value(by_logits() ? detail::category_logits_draw : detail::category_probs_draw, key, this->shape_, this->parameters_);
  }
  Tensor score(const Tensor& value, const detail::ScoreRequest& q) const override {
    return detail::gather_log(value, this->parameters_[0], by_logits(), this->element_shape(value, q), q);
  }
};
using Categorical = BasicCategorical<>;

}  // namespace wick::inline WICK_ABI
