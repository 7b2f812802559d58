/// \file
/// Adam.
#pragma once

#include <wick/math/scalar.hpp>
#include <wick/optim/slots.hpp>

namespace wick::inline WICK_ABI {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  bool operator==(const AdamOptions&) const = default;
};

/// Adam with bias correction: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², x ← x − lr m̂ / (√v̂ + ε), where t counts the
/// parameter's own steps.
///
/// Throws: wick.optim.E260 for options outside their range. Source: Kingma & Ba 2015, algorithm 1.
class Adam final : public Optimizer {
 public:
  Adam() = default;
  explicit Adam(const AdamOptions& o) : o_(o) { check(o); }
  const AdamOptions& options() const noexcept { return o_; }
  double lr() const noexcept { return o_.lr; }
  /// For schedules: the rate from the next step on. Throws wick.optim.E260.
  void set_lr(double lr) {
    AdamOptions o = o_;
    o.lr = lr;
    check(o);
    o_ = o;
  }

  /// For schedules: the rate is multiplied by this from the next step on.
  void set_rate_factor(double factor) noexcept { factor_ = factor; }

  void prepare(std::span<const ParamStep> params) override { slots_.prepare(params); }
  void forget(std::span<const std::uint64_t> keys) override { slots_.forget(keys); }
  void step(std::span<const ParamStep> params) noexcept override {
    std::size_t near = 0;
    const double lr = o_.lr * factor_;
    double power1 = 0, power2 = 0, rate = lr, correction = 1;
    for (const ParamStep& p : params) {
      const std::size_t at = slots_.find(p.key, near);
      ParamSlots::Slot& s = slots_[at];
      near = at + 1;
      s.a *= o_.beta1;
      s.b *= o_.beta2;
      if (s.a != power1 || s.b != power2) {  // else as old as the parameter before
        power1 = s.a;
        power2 = s.b;
        rate = lr / (1.0 - power1);
        correction = 1.0 / __builtin_sqrt(1.0 - power2);
      }
      double *m = slots_.arrays_of(s), *v = m + p.size;
      using V = math::PacketPart;
      Index k = 0;
      for (; k + V::lanes <= p.size; k += V::lanes) update(V::load(p.gradient + k), V(rate), V(correction), p.value + k, m + k, v + k);
      for (; k < p.size; ++k) update(math::Scalar{p.gradient[k]}, math::Scalar{rate}, math::Scalar{correction}, p.value + k, m + k, v + k);
    }
  }

  template <class A>
  void archive(A& a) {
    a.section("Adam");
    a.value(o_.lr);
    a.option("beta1", o_.beta1), a.option("beta2", o_.beta2), a.option("eps", o_.eps);
    a.slots(slots_);
  }

 private:
  static void check(const AdamOptions& o) {
    const bool ok = o.lr >= 0 && o.lr < detail::kInf && o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1 && o.eps > 0 && o.eps < detail::kInf;
    if (WICK_UNLIKELY(!ok))
      detail::raise<DomainError>("wick.optim.E260", "", {"Adam: lr ", o.lr, ", beta1 ", o.beta1, ", beta2 ", o.beta2, ", eps ", o.eps, " are not all in their ranges"},
                                 {"use lr ≥ 0, 0 ≤ beta < 1 and eps > 0, all finite"});
  }
  template <class V>
  WICK_INLINE void update(const V& g, const V& rate, const V& correction, double* x, double* m, double* v) const {
    const V mean = V(o_.beta1) * V::load(m) + V(1.0 - o_.beta1) * g;
    const V square = V(o_.beta2) * V::load(v) + V(1.0 - o_.beta2) * (g * g);
    mean.store(m);
    square.store(v);
    (V::load(x) - rate * (mean / (sqrt(square) * correction + V(o_.eps)))).store(x);
  }

  AdamOptions o_;
  double factor_ = 1;
  ParamSlots slots_{2};  ///< m and v; β₁ᵗ and β₂ᵗ
};

}  // namespace wick::inline WICK_ABI
