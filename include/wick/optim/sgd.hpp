/// \file
/// SGD.
#pragma once

#include <wick/optim/first_order.hpp>

namespace wick::inline WICK_ABI {

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool operator==(const SGDOptions&) const = default;
};

/// Gradient descent with momentum: g ← g + weight_decay x; b ← momentum b + (1−dampening) g, at a parameter's first step b ← g;
/// x ← x − lr b, with Nesterov's momentum x ← x − lr (g + momentum b), without momentum x ← x − lr g.
///
/// Space: unconstrained. Throws: wick.optim.E260 for options outside their range, and for `nesterov` without momentum or with dampening.
/// Source: torch.optim.SGD; Sutskever et al. 2013.
class SGD final : public detail::FirstOrder<SGD, SGDOptions> {
 public:
  static constexpr const char* name = "SGD";
  explicit SGD(const SGDOptions& o = {}) : FirstOrder(o, o.momentum != 0 ? 1 : 0) {}

  static void check(const SGDOptions& o) {
    detail::OptionCheck(name).rate(o.lr).beta("momentum", o.momentum).that(o.dampening >= 0 && o.dampening <= 1, "dampening", o.dampening, "0 ≤ x ≤ 1")
        .not_negative("weight_decay", o.weight_decay).that(!o.nesterov || o.momentum > 0, "momentum", o.momentum, "a number > 0 if nesterov is set")
        .that(!o.nesterov || o.dampening == 0, "dampening", o.dampening, "0 if nesterov is set");
  }
  template <class F>
  static void visit(const SGDOptions& o, F f) {
    f("momentum", o.momentum), f("dampening", o.dampening), f("weight_decay", o.weight_decay), f("nesterov", o.nesterov ? 1.0 : 0.0);
  }

 private:
  friend FirstOrder;
  struct Update {
    double momentum, fresh, decay, nesterov, plain, rate;  // fresh: of g in b; x ← x − rate (plain g + nesterov b)
    template <class V>
    WICK_INLINE V operator()(const V& x, const V& gradient, double* b, Index) const {
      const V g = gradient + V(decay) * x;
      if (momentum == 0) return x - V(rate) * g;
      const V velocity = V(momentum) * V::load(b) + V(fresh) * g;
      velocity.store(b);
      return x - V(rate) * (V(plain) * g + V(nesterov) * velocity);
    }
  };
  Update begin(ParamSlots::Slot& s, double lr) noexcept {
    const double fresh = s.a == 1 ? 1.0 : 1.0 - o_.dampening;
    s.a = 0;  // not the first step any more
    return {o_.momentum, fresh, o_.weight_decay, o_.nesterov ? o_.momentum : 1.0, o_.nesterov ? 1.0 : 0.0, lr};
  }
};

}  // namespace wick::inline WICK_ABI
