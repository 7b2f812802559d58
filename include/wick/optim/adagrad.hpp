/// \file
/// Adagrad.
#pragma once

#include <wick/optim/first_order.hpp>

namespace wick::inline WICK_ABI {

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;
  double weight_decay = 0;
  double initial_accumulator_value = 0;
  double eps = 1e-10;
  bool operator==(const AdagradOptions&) const = default;
};

/// Gradients over the root of the sum of their squares so far: g ← g + weight_decay x; s ← s + g²; x ← x − lr / (1 + (t−1) lr_decay) · g / (√s + ε),
/// where t counts the parameter's own steps and s begins at initial_accumulator_value.
///
/// Space: unconstrained. Throws: wick.optim.E260. Source: Duchi, Hazan & Singer 2011, as torch.optim.Adagrad.
class Adagrad final : public detail::FirstOrder<Adagrad, AdagradOptions> {
 public:
  static constexpr const char* name = "Adagrad";
  explicit Adagrad(const AdagradOptions& o = {}) : FirstOrder(o, 1, o.initial_accumulator_value) {}

  static void check(const AdagradOptions& o) {
    detail::OptionCheck(name).rate(o.lr).not_negative("lr_decay", o.lr_decay).not_negative("weight_decay", o.weight_decay)
        .not_negative("initial_accumulator_value", o.initial_accumulator_value).positive("eps", o.eps);
  }
  template <class F>
  static void visit(const AdagradOptions& o, F f) {
    f("lr_decay", o.lr_decay), f("weight_decay", o.weight_decay), f("initial_accumulator_value", o.initial_accumulator_value), f("eps", o.eps);
  }

 private:
  friend FirstOrder;
  struct Update {
    double decay, eps, rate;
    template <class V>
    WICK_INLINE V operator()(const V& x, const V& gradient, double* s, Index) const {
      const V g = gradient + V(decay) * x;
      const V sum = V::load(s) + g * g;
      sum.store(s);
      return x - V(rate) * (g / (sqrt(sum) + V(eps)));
    }
  };
  Update begin(ParamSlots::Slot& s, double lr) noexcept {
    const double rate = lr / (1.0 + (s.a - 1.0) * o_.lr_decay);
    s.a += 1.0;
    return {o_.weight_decay, o_.eps, rate};
  }
};

}  // namespace wick::inline WICK_ABI
