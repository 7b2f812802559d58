/// \file
/// AdamW.
#pragma once

#include <wick/optim/first_order.hpp>

namespace wick::inline WICK_ABI {

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;
  bool operator==(const AdamWOptions&) const = default;
};

/// Adam with decoupled weight decay: x ← (1 − lr · weight_decay) x, then Adam's step, to which the decay adds nothing.
///
/// Space: unconstrained; the decay pulls the unconstrained number to 0. Throws: wick.optim.E260. Source: Loshchilov & Hutter 2019, as torch.optim.AdamW.
class AdamW final : public detail::FirstOrder<AdamW, AdamWOptions> {
 public:
  static constexpr const char* name = "AdamW";
  explicit AdamW(const AdamWOptions& o = {}) : FirstOrder(o, 2) {}

  static void check(const AdamWOptions& o) {
    detail::OptionCheck(name).rate(o.lr).beta("beta1", o.beta1).beta("beta2", o.beta2).positive("eps", o.eps).not_negative("weight_decay", o.weight_decay);
  }
  template <class F>
  static void visit(const AdamWOptions& o, F f) {
    f("beta1", o.beta1), f("beta2", o.beta2), f("eps", o.eps), f("weight_decay", o.weight_decay);
  }

 private:
  friend FirstOrder;
  struct Update {
    double beta1, beta2, eps, keep, rate, correction;
    template <class V>
    WICK_INLINE V operator()(const V& x, const V& g, double* m, Index n) const {
      double* v = m + n;
      const V mean = V(beta1) * V::load(m) + V(1.0 - beta1) * g;
      const V square = V(beta2) * V::load(v) + V(1.0 - beta2) * (g * g);
      mean.store(m);
      square.store(v);
      return V(keep) * x - V(rate) * (mean / (sqrt(square) * V(correction) + V(eps)));
    }
  };
  Update begin(ParamSlots::Slot& s, double lr) noexcept {
    s.a *= o_.beta1;
    s.b *= o_.beta2;
    return {o_.beta1, o_.beta2, o_.eps, 1.0 - lr * o_.weight_decay, lr / (1.0 - s.a), 1.0 / __builtin_sqrt(1.0 - s.b)};
  }
};

}  // namespace wick::inline WICK_ABI
