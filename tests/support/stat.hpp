/// \file
/// Rule A of the rules of proof: Monte Carlo comparisons collected in a table and judged together.
/// Plain C++ (no Eigen, no Boost), so that any test may include it at no cost.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <limits>
#include <list>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wick_test {

/// The seed of a test: a hash of its name (FNV-1a, then the finaliser of splitmix64), never chosen by hand.
constexpr std::uint64_t seed_of(std::string_view test_name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (char c : test_name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

namespace stat_detail {

/// The root of an increasing function by bisection to the last bit.
template <class F>
double bisect(F f, double low, double high) {
  for (int i = 0; i < 2000; ++i) {
    const double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) break;
    (f(middle) < 0.0 ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

/// The regularised lower incomplete gamma function P(a, x): power series or Lentz's continued fraction.
inline double gamma_p(double a, double x) {
  if (!(x > 0.0)) return 0.0;
  const double front = std::exp(a * std::log(x) - x - std::lgamma(a));
  if (x < a + 1.0) {
    double term = 1.0 / a, sum = term;
    for (int n = 1; n < 100000 && term > 1e-17 * sum; ++n) sum += (term *= x / (a + n));
    return front * sum;
  }
  double b = x + 1.0 - a, c = 1e300, d = 1.0 / b, h = d;
  for (int n = 1; n < 100000; ++n) {
    const double an = -n * (n - a);
    b += 2.0;
    d = 1.0 / (an * d + b);
    c = b + an / c;
    h *= d * c;
    if (std::abs(d * c - 1.0) < 1e-16) break;
  }
  return 1.0 - front * h;
}

inline std::string format(const char* pattern, auto... values) {
  char buffer[512];
  std::snprintf(buffer, sizeof buffer, pattern, values...);
  return buffer;
}

}  // namespace stat_detail

/// z such that P(Z > z) = tail for a standard normal Z.
inline double normal_upper_quantile(double tail) {
  return stat_detail::bisect([&](double z) { return tail - 0.5 * std::erfc(z / std::sqrt(2.0)); }, -40.0, 40.0);
}

/// The p-quantile of the chi-squared distribution with (not necessarily integer) dof degrees of freedom.
inline double chi_squared_quantile(double p, double dof) {
  double high = dof + 10.0;
  while (stat_detail::gamma_p(0.5 * dof, 0.5 * high) < p) high *= 2.0;
  return stat_detail::bisect([&](double x) { return stat_detail::gamma_p(0.5 * dof, 0.5 * x) - p; }, 0.0, high);
}

/// Rule A's bound on |z| for a table of m comparisons: the normal quantile of 1 - 1e-3 / (2 m).
inline double critical_z(std::size_t m) {
  return normal_upper_quantile(1e-3 / (2.0 * static_cast<double>(std::max<std::size_t>(m, 1))));
}

/// The verdict on a table. `INFO(report.text); REQUIRE(report.ok);`
struct MonteCarloReport {
  bool ok = false;        ///< agrees && accurate
  bool agrees = false;    ///< every |z| and the mean of z^2 within their bounds: what a planted fault must falsify
  bool accurate = false;  ///< every standard error at most 2 % of its quantity's norm, enough finite samples
  std::size_t comparisons = 0;
  double critical = 0.0;  ///< the bound on |z|
  double max_z = 0.0;
  double mean_z2 = 0.0, band_low = 0.0, band_high = 0.0;
  double effective_dof = 0.0;  ///< Satterthwaite's degrees of freedom of the sum of z^2
  std::string text;
};

/// All Monte Carlo comparisons of one test, judged by rule A:
///  - |z| <= Phi^-1(1 - 1e-3/(2m)) for each of the m comparisons;
///  - the standard error is at most 2 % of the norm of the vector that the element belongs to;
///  - the mean of z^2 lies in its chi^2 99.9 % band. Elements of one `joint` group are correlated: with R their
///    correlation matrix, estimated from the samples, the sum of z^2 has mean m, variance 2 tr R^2 and third cumulant
///    8 tr R^3. The lower end matches two cumulants (Satterthwaite), the upper end three (Pearson; two are too short
///    there).
/// Elements without any variance are compared to rounding and take no part in the statistics.
class MonteCarloTable {
 public:
  /// Quantities that are sampled together, so that their correlation counts. Samples must be independent of each other.
  class Joint {
   public:
    /// Adds a scalar quantity. `norm`: what the standard error is measured against; 0 = |exact|.
    Joint& expect(std::string name, double exact, double norm = 0.0) {
      return expect(std::move(name), std::span<const double>(&exact, 1), norm);
    }
    /// Adds a vector quantity; `norm` 0 = the Euclidean norm of exact.
    Joint& expect(std::string name, std::span<const double> exact, double norm = 0.0) {
      double squares = 0.0;
      for (double e : exact) squares += e * e;
      for (std::size_t i = 0; i < exact.size(); ++i)
        elements_.push_back({exact.size() == 1 ? name : name + "[" + std::to_string(i) + "]", exact[i],
                             norm > 0.0 ? norm : std::sqrt(squares), 0.0});
      moments_.assign(elements_.size() * elements_.size(), 0.0);
      return *this;
    }
    Joint& expect(std::string name, std::initializer_list<double> exact, double norm = 0.0) {
      return expect(std::move(name), std::span<const double>(exact.begin(), exact.size()), norm);
    }

    /// Adds one independent sample: numbers and ranges of numbers, in the order of the `expect` calls.
    template <class... Parts>
    void sample(const Parts&... parts) {
      row_.clear();
      (append(parts), ...);
      accumulate();
    }

   private:
    friend class MonteCarloTable;
    struct Element {
      std::string name;
      double exact, norm, mean;
    };

    template <class Part>
    void append(const Part& part) {
      if constexpr (std::ranges::range<Part>) {
        for (const auto& value : part) row_.push_back(static_cast<double>(value));
      } else {
        row_.push_back(static_cast<double>(part));
      }
    }

    void accumulate() {  // Welford, with all co-moments of the lower triangle
      const std::size_t d = elements_.size();
      if (row_.size() != d) {
        wrong_size_ = true;
        return;
      }
      ++count_;
      delta_.resize(d);
      for (std::size_t i = 0; i < d; ++i) {
        finite_ = finite_ && std::isfinite(row_[i]);
        delta_[i] = row_[i] - elements_[i].mean;
        elements_[i].mean += delta_[i] / static_cast<double>(count_);
      }
      for (std::size_t i = 0; i < d; ++i) {
        const double after = row_[i] - elements_[i].mean;
        for (std::size_t j = 0; j <= i; ++j) moments_[i * d + j] += after * delta_[j];
      }
    }

    std::string name_;
    std::vector<Element> elements_;
    std::vector<double> moments_, row_, delta_;
    std::size_t count_ = 0;
    bool finite_ = true, wrong_size_ = false;
  };

  explicit MonteCarloTable(std::string test_name) : name_(std::move(test_name)) {}

  std::uint64_t seed() const { return seed_of(name_); }

  /// Opens a group of jointly sampled quantities; the reference stays valid. Groups are taken to be independent.
  Joint& joint(std::string name) {
    joints_.emplace_back();
    joints_.back().name_ = std::move(name);
    return joints_.back();
  }

  /// Adds an independent comparison by its mean and standard error; `norm` 0 = |exact|.
  void estimate(std::string name, double mean, double standard_error, double exact, double norm = 0.0) {
    estimates_.push_back({std::move(name), mean, standard_error, exact, norm > 0.0 ? norm : std::abs(exact)});
  }

  /// Names an estimator that is left out because its variance is not finite; it is listed in the report.
  void leave_out(std::string name, std::string reason) { left_out_.push_back(name + ": " + reason); }

  MonteCarloReport report() const;

 private:
  struct Estimate {
    std::string name;
    double mean, standard_error, exact, norm;
  };
  struct Judge {
    std::vector<std::string> failures, lines;
    std::vector<Estimate> compared;
    std::vector<double> z;
    double cumulant2 = 0.0, cumulant3 = 0.0;  // tr R^2, tr R^3
    std::size_t exact = 0;                    // comparisons without variance
    bool accurate = true, agrees = true;
  };

  static void compare(Judge& judge, const Estimate& e);
  static void correlations(Judge& judge, const Joint& joint, const std::vector<std::size_t>& live);
  static void judge_joint(Judge& judge, const Joint& joint);
  static void judge_band(Judge& judge, MonteCarloReport& report);

  static constexpr std::size_t min_samples = 100;
  static constexpr double max_relative_error = 0.02;

  std::string name_;
  std::list<Joint> joints_;
  std::vector<Estimate> estimates_;
  std::vector<std::string> left_out_;
};

/// Adds one comparison: its z, or a comparison to rounding when it has no variance; and its standard error's check.
inline void MonteCarloTable::compare(Judge& judge, const Estimate& e) {
  using stat_detail::format;
  const double size = std::max({e.norm, std::abs(e.exact), std::numeric_limits<double>::min()});
  if (e.standard_error <= 1e-13 * size) {
    ++judge.exact;
    if (!(std::abs(e.mean - e.exact) <= 1e-9 * size)) {
      judge.agrees = false;
      judge.failures.push_back(format("%s: %.12g without variance, exact %.12g", e.name.c_str(), e.mean, e.exact));
    }
    return;
  }
  judge.compared.push_back(e);
  judge.z.push_back((e.mean - e.exact) / e.standard_error);
  if (!(e.standard_error <= max_relative_error * e.norm)) {
    judge.accurate = false;
    judge.failures.push_back(format("%s: standard error %.3g is above 2 %% of the norm %.3g: more samples%s",
                                    e.name.c_str(), e.standard_error, e.norm,
                                    e.norm > 0.0 ? "" : ", or give the norm, as the exact value is 0"));
  }
}

/// Adds the traces of R^2 and R^3 of one group, corrected for the noise of the estimated correlations.
inline void MonteCarloTable::correlations(Judge& judge, const Joint& joint, const std::vector<std::size_t>& live) {
  const std::size_t m = live.size(), d = joint.elements_.size();
  const double n = static_cast<double>(joint.count_);
  std::vector<double> r(m * m, 1.0), square(m * m, 0.0);
  double noise = 0.0;
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const double variances = joint.moments_[live[i] * d + live[i]] * joint.moments_[live[j] * d + live[j]];
      const double rho = joint.moments_[live[i] * d + live[j]] / std::sqrt(variances);
      r[i * m + j] = r[j * m + i] = rho;
      noise += 2.0 * (1.0 - rho * rho) * (1.0 - rho * rho) / n;  // E of the estimated rho^2, less rho^2
    }
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t k = 0; k < m; ++k)
      for (std::size_t j = 0; j < m; ++j) square[i * m + j] += r[i * m + k] * r[k * m + j];
  double trace2 = 0.0, trace3 = 0.0;
  for (std::size_t i = 0; i < m; ++i) {
    trace2 += square[i * m + i];
    for (std::size_t j = 0; j < m; ++j) trace3 += square[i * m + j] * r[i * m + j];
  }
  const double size = static_cast<double>(m);
  judge.cumulant2 += std::max(size, trace2 - noise);
  judge.cumulant3 += std::max(size, trace3 - 3.0 * noise);
}

inline void MonteCarloTable::judge_joint(Judge& judge, const Joint& joint) {
  using stat_detail::format;
  const std::size_t d = joint.elements_.size();
  if (joint.wrong_size_ || !joint.finite_ || joint.count_ < min_samples) {
    judge.accurate = judge.agrees = false;
    judge.failures.push_back(format("%s: %s (%zu samples, at least %zu needed)", joint.name_.c_str(),
                                    joint.wrong_size_ ? "a sample of the wrong size"
                                    : joint.finite_   ? "too few samples"
                                                      : "a sample that is not finite",
                                    joint.count_, min_samples));
    return;
  }
  const double n = static_cast<double>(joint.count_);
  std::vector<std::size_t> live;
  for (std::size_t i = 0; i < d; ++i) {
    const Joint::Element& e = joint.elements_[i];
    const double error = std::sqrt(std::max(0.0, joint.moments_[i * d + i]) / ((n - 1.0) * n));
    const std::size_t before = judge.z.size();
    compare(judge, {joint.name_ + "." + e.name, e.mean, error, e.exact, e.norm});
    if (judge.z.size() > before) live.push_back(i);
  }
  correlations(judge, joint, live);
}

/// The band of the mean of z^2 and the bound of each |z|.
inline void MonteCarloTable::judge_band(Judge& judge, MonteCarloReport& report) {
  using stat_detail::format;
  const double m = static_cast<double>(judge.z.size());
  report.comparisons = judge.z.size();
  report.critical = critical_z(judge.z.size());
  if (judge.z.empty()) return;
  double sum = 0.0;
  for (std::size_t i = 0; i < judge.z.size(); ++i) {
    const double z = judge.z[i];
    sum += z * z;
    report.max_z = std::isnan(z) ? z : std::max(report.max_z, std::abs(z));
    const Estimate& e = judge.compared[i];
    const std::string line =
        format("%s: %.8g +- %.2g, exact %.8g, z = %.2f", e.name.c_str(), e.mean, e.standard_error, e.exact, z);
    judge.lines.push_back(line);
    if (std::abs(z) <= report.critical) continue;
    judge.agrees = false;
    judge.failures.push_back(line);
  }
  report.mean_z2 = sum / m;
  report.effective_dof = m * m / judge.cumulant2;
  const double dof3 = std::pow(judge.cumulant2, 3) / (judge.cumulant3 * judge.cumulant3);
  report.band_low = chi_squared_quantile(0.0005, report.effective_dof) / report.effective_dof;
  report.band_high = 1.0 + (chi_squared_quantile(0.9995, dof3) - dof3) * std::sqrt(judge.cumulant2 / dof3) / m;
  if (report.mean_z2 >= report.band_low && report.mean_z2 <= report.band_high) return;
  judge.agrees = false;
  judge.failures.push_back("the mean of z^2 is outside its band");
}

inline MonteCarloReport MonteCarloTable::report() const {
  using stat_detail::format;
  Judge judge;
  MonteCarloReport report;
  for (const Joint& joint : joints_) judge_joint(judge, joint);
  const std::size_t joint_comparisons = judge.z.size();
  for (const Estimate& e : estimates_) compare(judge, e);
  const double independent = static_cast<double>(judge.z.size() - joint_comparisons);
  judge.cumulant2 += independent;
  judge.cumulant3 += independent;
  judge_band(judge, report);
  if (judge.z.empty() && judge.exact == 0) {
    judge.agrees = false;
    judge.failures.push_back("nothing was compared");
  }
  report.agrees = judge.agrees;
  report.accurate = judge.accurate;
  report.ok = judge.agrees && judge.accurate;
  report.text = format(
      "%s: %zu comparisons (and %zu without variance), max |z| %.2f (bound %.2f), mean z^2 %.3f in "
      "[%.3f, %.3f] (%.1f effective degrees of freedom): %s\n",
      name_.c_str(), report.comparisons, judge.exact, report.max_z, report.critical, report.mean_z2, report.band_low,
      report.band_high, report.effective_dof, report.ok ? "ok" : "FAILED");
  for (const std::string& line : judge.failures) report.text += "  FAILED " + line + "\n";
  for (const std::string& line : left_out_) report.text += "  left out: " + line + "\n";
  if (judge.lines.size() <= 40)
    for (const std::string& line : judge.lines) report.text += "  " + line + "\n";
  return report;
}

}  // namespace wick_test
