/// \file
/// Adam.
#pragma once

#include <wick/core/list.hpp>
#include <wick/math/scalar.hpp>
#include <wick/optim/optimizer.hpp>

namespace wick::inline WICK_ABI {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

/// Adam with bias correction: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², x ← x − lr m̂ / (√v̂ + ε), counted per parameter.
///
/// Throws: wick.optim.E260 for options outside their range. Source: Kingma & Ba 2015, algorithm 1.
class Adam final : public Optimizer {
 public:
  Adam() = default;
  explicit Adam(const AdamOptions& o) : o_(o) { check(o); }
  double lr() const noexcept { return o_.lr; }
  /// For schedules: the rate from the next step on. Throws wick.optim.E260.
  void set_lr(double lr) {
    AdamOptions o = o_;
    o.lr = lr;
    check(o);
    o_ = o;
  }

  void prepare(std::span<const ParamStep> params) override {
    std::size_t near = 0;
    for (const ParamStep& p : params) {
      const std::size_t at = find(p.key, near);
      if (WICK_UNLIKELY(at == states_.size())) add(p);
      near = at + 1;
    }
  }

  void forget(std::span<const std::uint64_t> keys) override {
    std::size_t kept = 0, end = 0;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      State s = states_[i];
      const std::size_t begin = s.offset, size = (i + 1 < states_.size() ? states_[i + 1].offset : moments_.size()) - begin;
      bool gone = false;
      for (const std::uint64_t k : keys) gone = gone || k == s.key;
      if (gone) continue;
      for (std::size_t j = 0; j < size; ++j) moments_[end + j] = moments_[begin + j];
      s.offset = end;
      states_[kept++] = s;
      end += size;
    }
    states_.truncate(kept);
    moments_.resize(end);
  }

  void step(std::span<const ParamStep> params) noexcept override {
    std::size_t near = 0;
    double power1 = 0, power2 = 0, rate = o_.lr, correction = 1;
    for (const ParamStep& p : params) {
      const std::size_t at = find(p.key, near);
      State& s = states_[at];
      near = at + 1;
      s.power1 *= o_.beta1;
      s.power2 *= o_.beta2;
      if (s.power1 != power1 || s.power2 != power2) {  // else as old as the parameter before
        power1 = s.power1;
        power2 = s.power2;
        rate = o_.lr / (1.0 - power1);
        correction = 1.0 / __builtin_sqrt(1.0 - power2);
      }
      double *m = moments_.data() + s.offset, *v = m + p.size;
      using V = math::PacketPart;
      Index k = 0;
      for (; k + V::lanes <= p.size; k += V::lanes) update(V::load(p.gradient + k), V(rate), V(correction), p.value + k, m + k, v + k);
      for (; k < p.size; ++k) update(math::Scalar{p.gradient[k]}, math::Scalar{rate}, math::Scalar{correction}, p.value + k, m + k, v + k);
    }
  }

 private:
  static void check(const AdamOptions& o) {
    const bool ok = o.lr >= 0 && o.lr < detail::kInf && o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1 && o.eps > 0 && o.eps < detail::kInf;
    if (WICK_UNLIKELY(!ok))
      detail::raise<DomainError>("wick.optim.E260", "", {"Adam: lr ", o.lr, ", beta1 ", o.beta1, ", beta2 ", o.beta2, ", eps ", o.eps, " are not all in their ranges"},
                                 {"use lr ≥ 0, 0 ≤ beta < 1 and eps > 0, all finite"});
  }
  struct State {
    std::uint64_t key;
    std::size_t offset;
    double power1, power2;  ///< β₁ᵗ, β₂ᵗ
  };
  template <class V>
  WICK_INLINE void update(const V& g, const V& rate, const V& correction, double* x, double* m, double* v) const {
    const V mean = V(o_.beta1) * V::load(m) + V(1.0 - o_.beta1) * g;
    const V square = V(o_.beta2) * V::load(v) + V(1.0 - o_.beta2) * (g * g);
    mean.store(m);
    square.store(v);
    (V::load(x) - rate * (mean / (sqrt(square) * correction + V(o_.eps)))).store(x);
  }
  /// The position of a key, looked for from `near` on: steps mostly name the same parameters in the same order.
  std::size_t find(std::uint64_t key, std::size_t near) const noexcept {
    const std::size_t n = states_.size();
    for (std::size_t i = near; i < n; ++i)
      if (states_[i].key == key) return i;
    for (std::size_t i = 0; i < near && i < n; ++i)
      if (states_[i].key == key) return i;
    return n;
  }
  WICK_COLD void add(const ParamStep& p) {
    const std::size_t offset = moments_.size();
    states_.reserve(states_.size() + 1);
    moments_.resize(offset + 2 * static_cast<std::size_t>(p.size), 0.0);
    states_.push_back({p.key, offset, 1.0, 1.0});
  }

  AdamOptions o_;
  detail::List<State> states_;
  detail::List<double> moments_;
};

}  // namespace wick::inline WICK_ABI
