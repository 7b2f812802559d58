/// \file
/// RMSprop.
#pragma once

#include <wick/optim/first_order.hpp>

namespace wick::inline WICK_ABI {

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  bool centered = false;
  bool operator==(const RMSpropOptions&) const = default;
};

/// Gradients over their root mean square: g ← g + weight_decay x; v ← αv + (1−α)g²; with `centered` also a ← αa + (1−α)g and v − a² in the
/// place of v; d = g / (√v + ε); x ← x − lr d, with momentum b ← momentum b + d, x ← x − lr b.
///
/// Space: unconstrained. Throws: wick.optim.E260. Source: torch.optim.RMSprop; Tieleman & Hinton 2012; centered: Graves 2013.
class RMSprop final : public detail::FirstOrder<RMSprop, RMSpropOptions> {
 public:
  static constexpr const char* name = "RMSprop";
  explicit RMSprop(const RMSpropOptions& o = {}) : FirstOrder(o, 1u + (o.momentum != 0 ? 1u : 0u) + (o.centered ? 1u : 0u)) {}

  static void check(const RMSpropOptions& o) {
    detail::OptionCheck(name).rate(o.lr).beta("alpha", o.alpha).positive("eps", o.eps).not_negative("weight_decay", o.weight_decay).beta("momentum", o.momentum);
  }
  template <class F>
  static void visit(const RMSpropOptions& o, F f) {
    f("alpha", o.alpha), f("eps", o.eps), f("weight_decay", o.weight_decay), f("momentum", o.momentum), f("centered", o.centered ? 1.0 : 0.0);
  }

 private:
  friend FirstOrder;
  struct Update {
    double alpha, eps, decay, momentum, rate;
    bool centered;
    template <class V>
    WICK_INLINE V operator()(const V& x, const V& gradient, double* v, Index n) const {
      const V g = gradient + V(decay) * x;
      const V square = V(alpha) * V::load(v) + V(1.0 - alpha) * (g * g);
      square.store(v);
      V variance = square;
      if (centered) {
        double* a = v + (momentum != 0 ? 2 * n : n);
        const V mean = V(alpha) * V::load(a) + V(1.0 - alpha) * g;
        mean.store(a);
        variance = max(square - mean * mean, V(0.0));  // rounding may make it negative
      }
      V step = g / (sqrt(variance) + V(eps));
      if (momentum != 0) {
        step = V(momentum) * V::load(v + n) + step;
        step.store(v + n);
      }
      return x - V(rate) * step;
    }
  };
  Update begin(ParamSlots::Slot&, double lr) noexcept { return {o_.alpha, o_.eps, o_.weight_decay, o_.momentum, lr, o_.centered}; }
};

}  // namespace wick::inline WICK_ABI
