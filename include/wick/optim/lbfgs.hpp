/// \file
/// L-BFGS, for functions without noise.
#pragma once

#include <span>

#include <wick/core/error.hpp>
#include <wick/core/list.hpp>
#include <wick/math/packet.hpp>

namespace wick::inline WICK_ABI {

struct LBFGSOptions {
  Count max_iter = 1000;
  Count history = 10;      ///< pairs of steps and gradient changes that the curvature is known by
  double tol_grad = 1e-7;  ///< ends when the largest |gradient| is at most this
  double tol_change = 1e-13;  ///< ends when the value has fallen by at most this, relative to the larger of |value| and 1
  Count max_search = 30;   ///< evaluations in one line search
};

struct LBFGSResult {
  double value = 0;        ///< at the point reached
  double gradient = 0;     ///< the largest of its elements there, in absolute value
  Index iterations = 0;
  Index evaluations = 0;
  bool converged = false;  ///< by one of the tolerances
  const char* reason = ""; ///< why it ended
};

namespace detail {

inline double dot(const double* a, const double* b, std::size_t n) noexcept {
  using V = math::Packet;
  V sums[2] = {V(0.0), V(0.0)};
  std::size_t i = 0;
  for (; i + 2 * V::lanes <= n; i += 2 * V::lanes) {
    sums[0] += V::load(a + i) * V::load(b + i);
    sums[1] += V::load(a + i + V::lanes) * V::load(b + i + V::lanes);
  }
  double rest = 0;
  for (; i < n; ++i) rest += a[i] * b[i];
  return math::sum(sums[0] + sums[1]) + rest;
}
/// NaN if there is one.
inline double largest(const double* x, std::size_t n) noexcept {
  double most = 0;
  for (std::size_t i = 0; i < n; ++i)
    if (const double a = __builtin_fabs(x[i]); a > most || a != a) most = a;
  return most;
}

/// A function of n numbers, by reference: f(x, gradient) returns the value.
class Objective {
 public:
  template <class F>
  explicit Objective(F& f) : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* o, const double* x, double* g) { return static_cast<double>((*static_cast<F*>(o))(x, g)); }) {}
  double operator()(const double* x, double* g) const { return call_(object_, x, g); }

 private:
  void* object_;
  double (*call_)(void*, const double*, double*);
};

/// One minimisation. Vectors lie in one block; within the iterations nothing is allocated.
class LBFGSRun {
 public:
  LBFGSRun(const LBFGSOptions& o, const Objective& f, double* x, std::size_t n) : o_(o), f_(f), x_(x), n_(n), m_(static_cast<std::size_t>(o.history.value)) {
    memory_.resize((2 * m_ + 4) * n, 0.0);
    inner_.resize(2 * m_, 0.0);
    gradient_ = memory_.data() + 2 * m_ * n;
    direction_ = gradient_ + n, start_ = direction_ + n, start_gradient_ = start_ + n;
  }
  WICK_NOINLINE LBFGSResult run() {
    value_ = evaluate();
    if (!(value_ - value_ == 0) || !(largest(gradient_, n_) < kInf))
      raise<NumericalError>("wick.optim.E604", "", {"LBFGS: the function has the value ", value_, " at the start, and ", largest(gradient_, n_), " as largest gradient"}, {"start where value and gradient are finite"});
    while (!finished()) {
      if (result_.iterations++ >= o_.max_iter.value) {
        --result_.iterations;
        result_.reason = "max_iter";
        break;
      }
      const double before = value_;
      if (!descend()) break;
      if (before - value_ <= o_.tol_change * (__builtin_fabs(value_) > 1 ? __builtin_fabs(value_) : 1.0)) {
        result_.converged = true;
        result_.reason = "tol_change";
        break;
      }
    }
    result_.value = value_;
    result_.gradient = largest(gradient_, n_);
    return result_;
  }

 private:
  struct Trial {
    double at, value, slope;
  };
  double* step_of(std::size_t k) noexcept { return memory_.data() + 2 * k * n_; }
  double* change_of(std::size_t k) noexcept { return step_of(k) + n_; }
  double evaluate() {
    ++result_.evaluations;
    return f_(x_, gradient_);
  }
  bool finished() noexcept {
    if (!(largest(gradient_, n_) <= o_.tol_grad)) return false;
    result_.converged = true;
    result_.reason = "tol_grad";
    return true;
  }
  /// Minus the inverse Hessian, as far as it is known, times the gradient: Nocedal & Wright 2006, algorithm 7.4.
  void find_direction() noexcept {
    double *rho = inner_.data(), *alpha = rho + m_;
    for (std::size_t i = 0; i < n_; ++i) direction_[i] = -gradient_[i];
    if (pairs_ == 0) return;
    for (std::size_t k = pairs_; k-- > 0;) {
      const std::size_t at = (first_ + k) % m_;
      alpha[at] = rho[at] * dot(step_of(at), direction_, n_);
      add(direction_, -alpha[at], change_of(at));
    }
    const std::size_t last = (first_ + pairs_ - 1) % m_;
    const double gamma = 1 / (rho[last] * dot(change_of(last), change_of(last), n_));
    for (std::size_t i = 0; i < n_; ++i) direction_[i] *= gamma;
    for (std::size_t k = 0; k < pairs_; ++k) {
      const std::size_t at = (first_ + k) % m_;
      add(direction_, alpha[at] - rho[at] * dot(change_of(at), direction_, n_), step_of(at));
    }
  }
  void add(double* to, double factor, const double* x) const noexcept {
    for (std::size_t i = 0; i < n_; ++i) to[i] += factor * x[i];
  }
  /// One iteration; false when no way down is found, and then x is the best point so far.
  bool descend() {
    find_direction();
    double slope = dot(direction_, gradient_, n_);
    if (!(slope < 0)) {  // rounding, or a curvature that does not fit any more
      pairs_ = 0;
      find_direction();
      slope = dot(direction_, gradient_, n_);
    }
    std::memcpy(start_, x_, n_ * sizeof(double));
    std::memcpy(start_gradient_, gradient_, n_ * sizeof(double));
    const double norm = __builtin_sqrt(-slope), first = pairs_ == 0 && norm > 1 ? 1 / norm : 1.0;
    if (!search(first, value_, slope)) {
      if (pairs_ == 0) {
        result_.reason = "no descent";
        return false;
      }
      pairs_ = 0;  // once more, straight down
      return descend();
    }
    remember();
    return true;
  }
  void remember() noexcept {
    const std::size_t at = pairs_ < m_ ? (first_ + pairs_) % m_ : first_;
    double *s = step_of(at), *y = change_of(at);
    for (std::size_t i = 0; i < n_; ++i) s[i] = x_[i] - start_[i], y[i] = gradient_[i] - start_gradient_[i];
    const double curvature = dot(s, y, n_);
    if (!(curvature > 1e-10 * dot(y, y, n_) * 1e-6)) return;  // the line search rules it out but for rounding
    inner_[at] = 1 / curvature;
    if (pairs_ < m_)
      ++pairs_;
    else
      first_ = (first_ + 1) % m_;
  }
  /// Goes to start + at · direction. A value that is not finite counts as infinitely large.
  Trial try_at(double at) {
    for (std::size_t i = 0; i < n_; ++i) x_[i] = start_[i] + at * direction_[i];
    double v = evaluate();
    const double slope = v - v == 0 ? dot(direction_, gradient_, n_) : kInf;
    if (!(v - v == 0) || !(slope - slope == 0)) return {at, kInf, kInf};
    return {at, v, slope};
  }
  bool search(double first, double value, double slope);
  bool zoom(Trial low, Trial high, double value, double slope, Index left);
  bool accept(const Trial& t) noexcept {
    value_ = t.value;
    return true;
  }
  bool give_up() {  // back to the start
    std::memcpy(x_, start_, n_ * sizeof(double));
    std::memcpy(gradient_, start_gradient_, n_ * sizeof(double));
    return false;
  }

  const LBFGSOptions& o_;
  const Objective& f_;
  double* x_;
  std::size_t n_, m_, first_ = 0, pairs_ = 0;  ///< pairs_ steps are known, the oldest at first_
  List<double> memory_, inner_;
  double *gradient_, *direction_, *start_, *start_gradient_;
  double value_ = 0;
  LBFGSResult result_;
};

inline constexpr double wolfe_value = 1e-4, wolfe_slope = 0.9;

/// Finds a point with the strong Wolfe conditions: Nocedal & Wright 2006, algorithm 3.5.
inline bool LBFGSRun::search(double first, double value, double slope) {
  Trial last{0, value, slope};
  double at = first;
  for (Index i = 0; i < o_.max_search.value; ++i) {
    const Trial t = try_at(at);
    if (t.value > value + wolfe_value * at * slope || (i > 0 && t.value >= last.value)) return zoom(last, t, value, slope, o_.max_search.value - i);
    if (__builtin_fabs(t.slope) <= -wolfe_slope * slope) return accept(t);
    if (t.slope >= 0) return zoom(t, last, value, slope, o_.max_search.value - i);
    last = t;
    at *= 2;
  }
  return accept(last);  // down all the way: a slope that does not change is no reason to go back
}
/// Narrows an interval that has such a point, by cubic interpolation: algorithm 3.6.
inline bool LBFGSRun::zoom(Trial low, Trial high, double value, double slope, Index left) {
  for (; left > 0; --left) {
    const double width = high.at - low.at;
    double at = low.at + 0.5 * width;
    if (high.value < kInf) {
      const double d = low.slope + high.slope - 3 * (high.value - low.value) / width, root = d * d - low.slope * high.slope;
      if (root >= 0) {
        const double w = width > 0 ? __builtin_sqrt(root) : -__builtin_sqrt(root), cubic = high.at - width * (high.slope + w - d) / (high.slope - low.slope + 2 * w);
        const double inside = (cubic - low.at) / width;
        if (inside > 0.05 && inside < 0.95) at = cubic;
      }
    }
    const Trial t = try_at(at);
    if (t.value > value + wolfe_value * at * slope || t.value >= low.value) {
      high = t;
    } else {
      if (__builtin_fabs(t.slope) <= -wolfe_slope * slope) return accept(t);
      if (t.slope * (high.at - low.at) >= 0) high = low;
      low = t;
    }
    if (__builtin_fabs(high.at - low.at) <= 1e-16 * __builtin_fabs(low.at)) break;
  }
  if (low.at > 0 && low.value < value) return accept(try_at(low.at));  // down, if not by the conditions
  return give_up();
}

}  // namespace detail

/// Limited-memory BFGS with a line search for the strong Wolfe conditions (10⁻⁴ and 0.9): finds a minimum of a smooth function without noise.
///
/// Not for steps of SVI, whose gradients are noisy: for `optimize`, or by itself: `LBFGS().minimize(f, x)` with f(const double* x, double* gradient) that
/// returns the value. Steps to where the value is not finite are shortened. Throws: wick.optim.E260 for options outside their range, E604 if
/// value or gradient at the start is not finite; what f throws leaves x at the point where it threw.
/// Source: Nocedal & Wright 2006, algorithms 7.4, 7.5, 3.5 and 3.6; Liu & Nocedal 1989.
class LBFGS {
 public:
  explicit LBFGS(const LBFGSOptions& o = {}) : o_(o) {
    const auto check = [](bool ok, const char* option, double x, const char* wanted) {
      if (!ok) detail::raise<DomainError>("wick.optim.E260", "", {"LBFGS: ", option, " is ", x, "; wanted is ", wanted}, {"use ", option, " with ", wanted});
    };
    check(o.max_iter.value >= 0, "max_iter", static_cast<double>(o.max_iter.value), "a number ≥ 0");
    check(o.history.value >= 1, "history", static_cast<double>(o.history.value), "a number ≥ 1");
    check(o.max_search.value >= 1, "max_search", static_cast<double>(o.max_search.value), "a number ≥ 1");
    check(o.tol_grad >= 0, "tol_grad", o.tol_grad, "a number ≥ 0");
    check(o.tol_change >= 0, "tol_change", o.tol_change, "a number ≥ 0");
  }
  const LBFGSOptions& options() const noexcept { return o_; }
  /// Minimises f from x on; x is the point reached.
  template <class F>
  LBFGSResult minimize(F&& f, std::span<double> x) const {
    const detail::Objective objective(f);
    return detail::LBFGSRun(o_, objective, x.data(), x.size()).run();
  }

 private:
  LBFGSOptions o_;
};

}  // namespace wick::inline WICK_ABI
