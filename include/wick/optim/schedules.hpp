/// \file
/// Schedules: rates that change from step to step.
#pragma once

#include <initializer_list>

#include <wick/core/list.hpp>
#include <wick/core/owner.hpp>
#include <wick/optim/optimizer.hpp>

namespace wick::inline WICK_ABI {

/// What the rate of an optimiser is multiplied by, as a function of the number of steps done; copies are independent.
///
/// Any callable from a number of steps to a number is one. `a * b` is the product: `warm_up(100) * cosine(2000)`.
class Schedule {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Schedule>) && std::is_invocable_r_v<double, std::decay_t<F>&, Index>
  Schedule(F&& f) : f_([f = std::decay_t<F>(std::forward<F>(f))](const Call& c) mutable { *c.out = static_cast<double>(f(c.step)); }) {}  // NOLINT: implicit by design
  /// The factor of the step after `done` others.
  double operator()(Index done) const {
    double out = 0;
    f_({done, &out});
    return out;
  }
  friend Schedule operator*(Schedule a, Schedule b) {
    return [a = std::move(a), b = std::move(b)](Index t) { return a(t) * b(t); };
  }

 private:
  struct Call {
    Index step;
    double* out;
  };
  detail::Callback<Call> f_;
};

namespace detail {

[[noreturn]] WICK_COLD inline void raise_schedule(Parts text, const char* advice) { raise<DomainError>("wick.optim.E600", "", text, {advice}); }
WICK_COLD inline void check_count(const char* schedule, const char* what, Index n) {
  if (n < 1) raise_schedule({"schedules::", schedule, ": ", what, " is ", n, "; it must be at least 1"}, "give a number of steps");
}
WICK_COLD inline void check_factor(const char* schedule, const char* what, double x, double most) {
  if (!(x >= 0 && x <= most && x < kInf)) raise_schedule({"schedules::", schedule, ": ", what, " is ", x, "; it must be finite and lie in [0, ", most, "]"}, "give a factor in this range");
}

}  // namespace detail

/// Schedules by name. Throws: wick.optim.E600 for numbers outside their range.
namespace schedules {

/// γᵗ. Source: torch ExponentialLR.
inline Schedule exponential(double gamma) {
  detail::check_factor("exponential", "gamma", gamma, detail::kInf);
  return [gamma](Index t) { return __builtin_pow(gamma, static_cast<double>(t)); };
}
/// γ to the power ⌊t / size⌋. Source: torch StepLR.
inline Schedule step(Count size, double gamma = 0.1) {
  detail::check_count("step", "size", size);
  detail::check_factor("step", "gamma", gamma, detail::kInf);
  return [size = size.value, gamma](Index t) { return __builtin_pow(gamma, static_cast<double>(t / size)); };
}
/// From 1 down to `last` along half a cosine in `steps` steps; then `last`. Source: Loshchilov & Hutter 2017, equation 5; optax cosine_decay_schedule.
inline Schedule cosine(Count steps, double last = 0) {
  detail::check_count("cosine", "steps", steps);
  detail::check_factor("cosine", "last", last, 1);
  return [n = steps.value, last](Index t) {
    const double x = t < n ? static_cast<double>(t) / static_cast<double>(n) : 1.0;
    return last + (1 - last) * 0.5 * (1 + __builtin_cos(3.14159265358979323846 * x));
  };
}
/// From `first` to 1 along a line in `steps` steps; then 1. Source: torch LinearLR; optax linear_schedule.
inline Schedule warm_up(Count steps, double first = 0) {
  detail::check_count("warm_up", "steps", steps);
  detail::check_factor("warm_up", "first", first, 1);
  return [n = steps.value, first](Index t) { return t < n ? first + (1 - first) * static_cast<double>(t) / static_cast<double>(n) : 1.0; };
}
/// One schedule after the other: part i from step begin_i on, where it counts from 0 again. The first begins at 0, the beginnings increase.
/// Source: optax join_schedules.
struct Part {
  Count begin;
  Schedule schedule;
};
inline Schedule join(std::initializer_list<Part> parts) {
  if (parts.size() == 0) detail::raise_schedule({"schedules::join of no schedules"}, "give at least one: join({{0, warm_up(100)}, {100, cosine(1900)}})");
  Index last = -1;
  for (const Part& p : parts) {
    if (p.begin.value <= last || (last < 0 && p.begin.value != 0))
      detail::raise_schedule({"schedules::join: a part begins at step ", p.begin, " after one that begins at ", last < 0 ? Index{0} : last}, "begin the first part at 0, each other one later than the part before");
    last = p.begin.value;
  }
  detail::List<Part> list;
  for (const Part& p : parts) list.push_back(p);
  return [list = std::move(list)](Index t) {
    std::size_t i = list.size() - 1;
    while (i > 0 && list[i].begin.value > t) --i;
    return list[i].schedule(t - list[i].begin.value);
  };
}

}  // namespace schedules

/// An optimiser whose rate follows a schedule: `Scheduled(Adam({.lr = 0.05}), schedules::cosine(2000))`. Step t, counted from 0, has the rate
/// lr · schedule(t); steps that fail do not count. With `PerParam` all rates are multiplied.
///
/// Throws: wick.optim.E601 in the step for which a schedule gives a factor that is negative or not finite; the step is undone.
template <class O>
class Scheduled final : public Optimizer {
  static_assert(std::is_base_of_v<Optimizer, O>, "Scheduled: the first argument is no optimiser");
  static_assert(detail::has_rate_factor<O>, "Scheduled: the optimiser has no set_rate_factor(double)");

 public:
  Scheduled(O optimizer, Schedule schedule) : optimizer_(std::move(optimizer)), schedule_(std::move(schedule)) {}
  O& optim() noexcept { return optimizer_; }
  const O& optim() const noexcept { return optimizer_; }
  /// Steps done.
  Index steps() const noexcept { return static_cast<Index>(steps_); }
  /// The factor of the next step.
  double factor() const { return schedule_(steps()) * outer_; }
  /// For a schedule of this one.
  void set_rate_factor(double factor) noexcept { outer_ = factor; }

  void prepare(std::span<const ParamStep> params) override {
    const double f = schedule_(steps());
    if (WICK_UNLIKELY(!(f >= 0 && f < detail::kInf)))
      detail::raise<DomainError>("wick.optim.E601", "", {"the schedule gives the factor ", f, " for step ", steps()}, {"let the schedule return a finite number ≥ 0"});
    optimizer_.prepare(params);
    next_ = f;
  }
  void forget(std::span<const std::uint64_t> keys) override { optimizer_.forget(keys); }
  void step(std::span<const ParamStep> params) noexcept override {
    optimizer_.set_rate_factor(next_ * outer_);
    optimizer_.step(params);
    ++steps_;
  }
  template <class A>
  void archive(A& a) {
    a.section("Scheduled");
    a.count(steps_);
    a.option("the schedule's factor for the next step", schedule_(steps()));
    optimizer_.archive(a);
  }

 private:
  O optimizer_;
  Schedule schedule_;
  std::uint64_t steps_ = 0;
  double next_ = 1, outer_ = 1;
};

}  // namespace wick::inline WICK_ABI
