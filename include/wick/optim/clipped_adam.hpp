/// \file
/// ClippedAdam.
#pragma once

#include <wick/optim/first_order.hpp>

namespace wick::inline WICK_ABI {

/// What `clip_norm` bounds.
enum class Clip : unsigned char {
  value,       ///< each element of the gradient: it is clamped to ±clip_norm
  global_norm  ///< the Euclidean norm of all gradients of a step together: all are multiplied by clip_norm / norm where it is larger
};

struct ClippedAdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< times the parameter, added to the clipped gradient
  double clip_norm = 10;    ///< infinity: no clipping
  double lrd = 1;           ///< the rate is multiplied by this before each step
  Clip clip = Clip::value;
  bool operator==(const ClippedAdamOptions&) const = default;
};

namespace detail {

/// The Euclidean norm of all gradients of a step together.
inline double global_norm(std::span<const ParamStep> params) noexcept {
  // Scaled by a power of two only if the squares overflow, or vanish.
  for (const double scale : {1.0, 0x1p-520, 0x1p520}) {
    math::Packet sums(0.0);
    double rest = 0;
    for (const ParamStep& p : params) {
      Index k = 0;
      for (; k + math::Packet::lanes <= p.size; k += math::Packet::lanes) {
        const math::Packet g = math::Packet::load(p.gradient + k) * math::Packet(scale);
        sums += g * g;
      }
      for (; k < p.size; ++k) rest += (scale * p.gradient[k]) * (scale * p.gradient[k]);
    }
    const double norm = __builtin_sqrt(math::sum(sums) + rest) / scale;
    if (norm < kInf && (norm > 1e-140 || scale > 1)) return norm;
  }
  return 0;
}

}  // namespace detail

/// Adam with clipped gradients and a decaying rate: g ← clip(g) + weight_decay x; lr ← lr · lrd; m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g²,
/// x ← x − lr √(1−β₂ᵗ) / (1−β₁ᵗ) · m / (√v + ε), where t, and the decay of the rate, count the parameter's own steps.
///
/// Unlike in Adam ε is added before the bias of v is corrected. Space: unconstrained; weight decay pulls the unconstrained number to 0.
/// Throws: wick.optim.E260. Source: pyro/optim/clipped_adam.py; for the global norm Pascanu et al. 2013, algorithm 1.
class ClippedAdam final : public detail::FirstOrder<ClippedAdam, ClippedAdamOptions> {
 public:
  static constexpr const char* name = "ClippedAdam";
  explicit ClippedAdam(const ClippedAdamOptions& o = {}) : FirstOrder(o, 2) {}

  static void check(const ClippedAdamOptions& o) {
    detail::OptionCheck(name).rate(o.lr).beta("beta1", o.beta1).beta("beta2", o.beta2).positive("eps", o.eps).not_negative("weight_decay", o.weight_decay)
        .that(o.clip_norm > 0, "clip_norm", o.clip_norm, "a number > 0").that(o.lrd > 0 && o.lrd <= 1, "lrd", o.lrd, "0 < lrd ≤ 1");
  }
  template <class F>
  static void visit(const ClippedAdamOptions& o, F f) {
    f("beta1", o.beta1), f("beta2", o.beta2), f("eps", o.eps), f("weight_decay", o.weight_decay), f("clip_norm", o.clip_norm), f("lrd", o.lrd);
    f("clip", static_cast<double>(o.clip));
  }

 private:
  friend FirstOrder;
  struct Update {
    double beta1, beta2, eps, decay, bound, scale, rate;
    template <class V>
    WICK_INLINE V operator()(const V& x, const V& g, double* m, Index n) const {
      double* v = m + n;
      const V clipped = max(V(-bound), min(g * V(scale), V(bound))) + V(decay) * x;
      const V mean = V(beta1) * V::load(m) + V(1.0 - beta1) * clipped;
      const V square = V(beta2) * V::load(v) + V(1.0 - beta2) * (clipped * clipped);
      mean.store(m);
      square.store(v);
      return x - V(rate) * (mean / (sqrt(square) + V(eps)));
    }
  };
  void before(std::span<const ParamStep> params) noexcept {
    scale_ = 1;
    if (o_.clip != Clip::global_norm) return;
    const double norm = detail::global_norm(params);
    if (norm > o_.clip_norm) scale_ = o_.clip_norm / norm;
  }
  Update begin(ParamSlots::Slot& s, double lr) noexcept {
    s.a *= o_.beta1;
    s.b *= o_.beta2;
    s.c *= o_.lrd;
    const double bound = o_.clip == Clip::value ? o_.clip_norm : detail::kInf;
    return {o_.beta1, o_.beta2, o_.eps, o_.weight_decay, bound, scale_, lr * s.c * __builtin_sqrt(1.0 - s.b) / (1.0 - s.a)};
  }
  double scale_ = 1;
};

}  // namespace wick::inline WICK_ABI
