/// \file
/// LossPlateau: when a noisy loss falls no more.
#pragma once

#include <wick/infer/svi.hpp>
#include <wick/optim/optim_archive.hpp>

namespace wick::inline WICK_ABI {

struct LossPlateauOptions {
  Count window = 200;       ///< losses that are averaged; a multiple of 10
  double tolerance = 1e-3;  ///< a fall by less than this, relative to the loss, is none
  double errors = 2;        ///< nor is one by less than so many standard errors
  Count patience = 3;       ///< windows without a fall after which a run ends
};

/// Ends a run when the loss falls no more: `LossPlateau plateau; svi.run({.steps = 100000, .callback = [&](const SviProgress& p) { return plateau(p); }});`
///
/// The losses are averaged in windows. The Monte Carlo error of a mean comes from the means of 10 batches of its window, so that losses may depend on
/// those before. A window is a fall if its mean is below that of the last fall by more than tolerance · |mean| + errors · √(se² + se₀²); slow falls add up
/// until they are seen. After `patience` windows without a fall the run ends.
/// Throws: wick.optim.E611 for options outside their range. Source: relative change of the ELBO over windows as in Kucukelbir et al. 2017, section 2.6;
/// patience over strips as in Prechelt 1998, criterion UP; batch means: Glynn & Whitt 1991.
class LossPlateau {
 public:
  explicit LossPlateau(const LossPlateauOptions& o = {}) : o_(o) {
    const auto raise = [](const char* option, double x, const char* wanted) {
      detail::raise<DomainError>("wick.optim.E611", "", {"LossPlateau: ", option, " is ", x, "; wanted is ", wanted}, {"use ", option, " with ", wanted});
    };
    const auto number = [](Count n) { return static_cast<double>(n.value); };
    if (o.window.value < 20 || o.window.value % kBatches != 0) raise("window", number(o.window), "a multiple of 10, at least 20");
    if (!(o.tolerance >= 0 && o.tolerance < detail::kInf)) raise("tolerance", o.tolerance, "a finite number ≥ 0");
    if (!(o.errors >= 0 && o.errors < detail::kInf)) raise("errors", o.errors, "a finite number ≥ 0");
    if (o.patience.value < 1) raise("patience", number(o.patience), "at least 1");
  }
  /// For `RunOptions::callback`.
  bool operator()(const SviProgress& p) { return add(p.loss); }
  /// Takes the loss of a step; false when the loss falls no more.
  bool add(double loss) {
    batch_ += loss;
    const std::uint64_t size = static_cast<std::uint64_t>(o_.window.value / kBatches);
    if (++seen_ % size != 0) return !stopped();
    const double mean = batch_ / static_cast<double>(size), before = window_mean_;
    batch_ = 0;
    const double k = static_cast<double>(seen_ / size % kBatches == 0 ? kBatches : static_cast<Index>(seen_ / size % kBatches));  // Welford's recurrence
    if (k == 1) window_mean_ = squares_ = 0;
    window_mean_ += (mean - (k == 1 ? 0 : before)) / k;
    if (k > 1) squares_ += (mean - before) * (mean - window_mean_);
    if (k == kBatches) end_window();
    return !stopped();
  }
  bool stopped() const noexcept { return waited_ >= static_cast<std::uint64_t>(o_.patience.value); }
  /// Whole windows so far.
  Index windows() const noexcept { return static_cast<Index>(windows_); }
  /// The mean of the last whole window, and its Monte Carlo standard error; 0 before there is one.
  double mean() const noexcept { return mean_; }
  double error() const noexcept { return error_; }
  /// The mean of the last window that was a fall.
  double best() const noexcept { return best_; }

  template <class A>
  void archive(A& a) {
    a.section("LossPlateau");
    a.option("window", static_cast<double>(o_.window.value)), a.option("tolerance", o_.tolerance), a.option("errors", o_.errors), a.option("patience", static_cast<double>(o_.patience.value));
    for (std::uint64_t* n : {&seen_, &windows_, &waited_}) a.count(*n);
    for (double* x : {&batch_, &window_mean_, &squares_, &mean_, &error_, &best_, &best_error_}) a.value(*x);
  }

 private:
  static constexpr Index kBatches = 10;
  void end_window() noexcept {
    mean_ = window_mean_;
    error_ = __builtin_sqrt(squares_ / (kBatches - 1) / kBatches);
    const double least = o_.tolerance * __builtin_fabs(mean_) + o_.errors * __builtin_sqrt(error_ * error_ + best_error_ * best_error_);
    if (windows_++ == 0 || best_ - mean_ > least) {
      best_ = mean_;
      best_error_ = error_;
      waited_ = 0;
    } else {
      ++waited_;
    }
  }
  LossPlateauOptions o_;
  std::uint64_t seen_ = 0, windows_ = 0, waited_ = 0;
  double batch_ = 0, window_mean_ = 0, squares_ = 0, mean_ = 0, error_ = 0, best_ = 0, best_error_ = 0;
};

}  // namespace wick::inline WICK_ABI
