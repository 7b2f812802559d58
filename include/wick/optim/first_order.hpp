/// \file
/// What the first-order optimisers have in common.
#pragma once

#include <wick/math/packet.hpp>
#include <wick/math/scalar.hpp>
#include <wick/optim/slots.hpp>

namespace wick::inline WICK_ABI::detail {

/// Throws wick.optim.E260 for an option that is not `ok`.
WICK_COLD inline void check_option(bool ok, const char* optimizer, const char* option, double value, const char* wanted) {
  if (!ok)
    raise<DomainError>("wick.optim.E260", "", {optimizer, ": ", option, " is ", value, "; wanted is ", wanted}, {"use ", option, " with ", wanted});
}
/// Tests options one after the other.
class OptionCheck {
 public:
  explicit OptionCheck(const char* optimizer) noexcept : optimizer_(optimizer) {}
  const OptionCheck& rate(double lr) const { return not_negative("lr", lr); }
  const OptionCheck& not_negative(const char* option, double x) const { return that(x >= 0 && x < kInf, option, x, "a finite number ≥ 0"); }
  const OptionCheck& positive(const char* option, double x) const { return that(x > 0 && x < kInf, option, x, "a finite number > 0"); }
  const OptionCheck& beta(const char* option, double x) const { return that(x >= 0 && x < 1, option, x, "0 ≤ x < 1"); }
  const OptionCheck& that(bool ok, const char* option, double value, const char* wanted) const {
    check_option(ok, optimizer_, option, value, wanted);
    return *this;
  }

 private:
  const char* optimizer_;
};

/// An optimiser that changes each number of a parameter by itself, from its gradient and some numbers of state.
///
/// `Self` has a constant `name`, `check(options)` (throws wick.optim.E260), `visit(options, f)` which calls f(name, option) for all options but
/// lr, and `begin(slot, rate)`: what one parameter's step needs, a function object of (V x, V g, double* state, Index n) that returns the new x,
/// for any packet V; element k of state array j is at state[j n]. `before(params)` looks at all gradients first.
template <class Self, class Options>
class FirstOrder : public Optimizer {
 public:
  FirstOrder(const Options& o, unsigned arrays, double first = 0) : o_(o), slots_(arrays, first) { Self::check(o); }
  const Options& options() const noexcept { return o_; }
  double lr() const noexcept { return o_.lr; }
  /// The rate from the next step on. Throws wick.optim.E260.
  void set_lr(double lr) {
    Options o = o_;
    o.lr = lr;
    Self::check(o);
    o_ = o;
  }
  /// For schedules: the rate is multiplied by this from the next step on.
  void set_rate_factor(double factor) noexcept { factor_ = factor; }

  void prepare(std::span<const ParamStep> params) override { slots_.prepare(params); }
  void forget(std::span<const std::uint64_t> keys) override { slots_.forget(keys); }
  void step(std::span<const ParamStep> params) noexcept override {
    Self& self = static_cast<Self&>(*this);
    self.before(params);
    std::size_t near = 0;
    for (const ParamStep& p : params) {
      const std::size_t at = slots_.find(p.key, near);
      ParamSlots::Slot& s = slots_[at];
      near = at + 1;
      const auto update = self.begin(s, o_.lr * factor_);
      double* state = slots_.arrays_of(s);
      if (state == nullptr) state = p.value;  // an optimiser without arrays reads none; null has no elements to point at
      using V = math::PacketPart;
      Index k = 0;
      for (; k + V::lanes <= p.size; k += V::lanes) update(V::load(p.value + k), V::load(p.gradient + k), state + k, p.size).store(p.value + k);
      for (; k < p.size; ++k) update(math::Scalar::load(p.value + k), math::Scalar::load(p.gradient + k), state + k, p.size).store(p.value + k);
    }
  }

  template <class A>
  void archive(A& a) {
    a.section(Self::name);
    a.value(o_.lr);
    Self::visit(o_, [&](const char* option, double x) { a.option(option, x); });
    a.slots(slots_);
  }

 protected:
  void before(std::span<const ParamStep>) noexcept {}
  Options o_;
  double factor_ = 1;
  ParamSlots slots_;
};

}  // namespace wick::inline WICK_ABI::detail
