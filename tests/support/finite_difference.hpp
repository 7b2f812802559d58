/// \file
/// Rule G: gradient and Hessian by central differences with Richardson extrapolation, and their comparison.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace wick_test {

/// Numbers with an estimate of the error of each.
struct Differences {
  std::vector<double> value, error;
};

inline constexpr double gradient_tolerance = 1e-6;  ///< rule G, relative
inline constexpr double hessian_tolerance = 1e-4;   ///< rule G, relative

namespace difference_detail {

struct Extrapolated {
  double value = 0.0, error = 0.0;
};

/// A few roundings of the largest function value, over the divisor of a difference quotient.
inline double rounding(double largest, double divisor) { return 1e-15 * std::abs(largest) / divisor; }

/// Richardson's extrapolation of formula(h) = {value, rounding error}, whose error is a series in h^2, for h = step,
/// step/2, ...: of Neville's tableau the entry that differs least from its two parents (Ridders 1982), where the
/// rounding error counts as a difference. Steps whose result is not finite (the argument left the domain) are skipped.
template <class Formula>
Extrapolated extrapolate(Formula formula, double step) {
  constexpr int columns = 9, steps = 36;
  double previous[columns] = {}, current[columns] = {};
  Extrapolated best{std::nan(""), HUGE_VAL};
  int row = 0;
  for (int i = 0; i < steps; ++i, step *= 0.5) {
    const Extrapolated at = formula(step);
    current[0] = at.value;
    if (!std::isfinite(current[0])) {
      row = 0;
      continue;
    }
    if (row > 1 && at.error >= best.error) break;  // rounding only grows from here
    double factor = 1.0;
    for (int j = 1; j <= std::min(row, columns - 1); ++j) {
      factor *= 4.0;
      current[j] = (factor * current[j - 1] - previous[j - 1]) / (factor - 1.0);
      const double difference = std::max(std::abs(current[j] - current[j - 1]), std::abs(current[j] - previous[j - 1]));
      const double error = std::max(difference, at.error);
      if (error < best.error) best = {current[j], error};
    }
    std::copy(current, current + columns, previous);
    ++row;
  }
  return best;
}

inline Extrapolated central(double plus, double minus, double h) {
  return {(plus - minus) / (2.0 * h), rounding(std::max(std::abs(plus), std::abs(minus)), h)};
}

inline double first_step(double x) { return 0.05 * std::max(1.0, std::abs(x)); }

}  // namespace difference_detail

/// The gradient of f: vector -> double at x.
template <class F>
Differences finite_gradient(F f, std::vector<double> x) {
  using namespace difference_detail;
  Differences result;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    const auto value = [&](double d) {
      x[i] = at + d;
      return static_cast<double>(f(x));
    };
    const auto formula = [&](double h) { return central(value(h), value(-h), h); };
    const Extrapolated e = extrapolate(formula, first_step(at));
    x[i] = at;
    result.value.push_back(e.value);
    result.error.push_back(e.error);
  }
  return result;
}

/// The Hessian (row-major, symmetrised) as differences of the gradient g: vector -> vector.
template <class G>
Differences finite_hessian_of_gradient(G g, std::vector<double> x) {
  using namespace difference_detail;
  const std::size_t n = x.size();
  Differences result{std::vector<double>(n * n), std::vector<double>(n * n)};
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      const double at = x[i];
      const auto element = [&](double d) {
        x[i] = at + d;
        return static_cast<double>(g(x)[j]);
      };
      const auto formula = [&](double h) { return central(element(h), element(-h), h); };
      const Extrapolated e = extrapolate(formula, first_step(at));
      x[i] = at;
      result.value[i * n + j] = e.value;
      result.error[i * n + j] = e.error;
    }
  return result;
}

/// The Hessian (row-major) as second differences of the value f: vector -> double.
template <class F>
Differences finite_hessian(F f, std::vector<double> x) {
  using namespace difference_detail;
  const std::size_t n = x.size();
  const double centre = f(x);
  Differences result{std::vector<double>(n * n), std::vector<double>(n * n)};
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const double at_i = x[i], at_j = x[j], ratio = first_step(at_j) / first_step(at_i);
      const auto value = [&](double di, double dj) {
        x[i] = at_i;
        x[j] = at_j;
        x[i] += di;
        x[j] += dj;
        return static_cast<double>(f(x));
      };
      const auto formula = [&](double h) -> Extrapolated {
        const double k = i == j ? h : h * ratio;
        if (i == j) {
          const double plus = value(h, 0.0), minus = value(-h, 0.0),
                       largest = std::max(std::abs(plus), std::abs(minus));
          return {(plus - 2.0 * centre + minus) / (h * h), rounding(std::max(largest, std::abs(centre)), h * h)};
        }
        const double pp = value(h, k), pm = value(h, -k), mp = value(-h, k), mm = value(-h, -k);
        const double largest = std::max({std::abs(pp), std::abs(pm), std::abs(mp), std::abs(mm)});
        return {(pp - pm - mp + mm) / (4.0 * h * k), rounding(largest, h * k)};
      };
      const Extrapolated e = extrapolate(formula, 2.0 * first_step(at_i));
      x[i] = at_i;
      x[j] = at_j;
      result.value[i * n + j] = result.value[j * n + i] = e.value;
      result.error[i * n + j] = result.error[j * n + i] = e.error;
    }
  return result;
}

struct DifferenceReport {
  bool ok = true;
  std::string text;
};

/// Compares derivatives with finite differences: |actual - reference| <= tolerance |reference| + 8 x the reference's
/// own error. That error may not exceed the tolerance times (the largest reference + |value| / 1000), where `value` is
/// that of f: a reference too poor to prove anything is a failure, not a pass.
inline DifferenceReport compare_derivatives(const std::string& name, const std::vector<double>& actual,
                                            const Differences& reference, double tolerance, double value = 0.0) {
  DifferenceReport report;
  char line[256];
  if (actual.size() != reference.value.size()) {
    std::snprintf(line, sizeof line, "%s: %zu elements, expected %zu\n", name.c_str(), actual.size(),
                  reference.value.size());
    return {false, line};
  }
  double size = 1e-3 * std::abs(value);
  for (double r : reference.value) size = std::max(size, std::abs(r));
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double r = reference.value[i], error = std::max(8.0 * reference.error[i], 1e-12 * size);
    const bool proves = error <= tolerance * size || error <= 1e-14;
    if (proves && std::abs(actual[i] - r) <= tolerance * std::abs(r) + error) continue;
    std::snprintf(line, sizeof line, "%s[%zu]: %.12g, finite difference %.12g +- %.1g%s\n", name.c_str(), i, actual[i],
                  r, reference.error[i], proves ? "" : " (too inaccurate to compare)");
    report.ok = false;
    report.text += line;
  }
  return report;
}

}  // namespace wick_test
