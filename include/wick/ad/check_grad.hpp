/// \file
/// check_grad: a gradient against finite differences.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include <wick/ad/grad.hpp>
#include <wick/ad/ops_math.hpp>
#include <wick/ad/ops_reduce.hpp>

namespace wick::inline WICK_ABI {

/// What `check_grad` found.
struct GradCheck {
  bool ok = true;
  double worst = 0;  ///< the largest difference, relative to the largest derivative of its argument
  std::string text;  ///< a line for each element that differs by more than the tolerance
  explicit operator bool() const noexcept { return ok; }
};

struct GradCheckOptions {
  double tolerance = 1e-6;
  /// Of a step, relative to max(1, |x|).
  double step = 1e-3;
};

namespace detail {

/// The sum of a function's result with weights of different sizes, so that no element's derivative hides behind another's.
inline Tensor weighted_result(const Tensor& y) {
  if (y.dim() == 0) return y;
  Tensor w = TensorAccess::make(y.shape());
  double* p = TensorAccess::fresh_data(w);
  for (Index i = 0; i < w.numel(); ++i) p[i] = 1.0 + 0.5 * std::sin(1.0 + static_cast<double>(i));
  return sum(y * w);
}

}  // namespace detail

/// Compares the gradient of `f` at these arguments with central differences (extrapolated twice, errors of order step⁶).
///
/// `if (auto check = check_grad(f, x, a); !check) std::puts(check.text.c_str());` Where the result of `f` is no scalar, a weighted sum of it is
/// differentiated. Costs six evaluations for each element.
template <class F, class... T>
  requires(std::is_convertible_v<const T&, Tensor> && ...)
GradCheck check_grad(const GradCheckOptions& options, const F& f, const T&... arguments) {
  using detail::TensorAccess;
  std::array<Tensor, sizeof...(T)> x{TensorAccess::detached(Tensor(arguments))...};
  const auto value = [&](const auto&... in) { return detail::weighted_result(Tensor(f(in...))); };
  std::array<Tensor, sizeof...(T)> gradient;
  if constexpr (sizeof...(T) == 1)
    gradient[0] = grad(value)(x[0]);
  else
    gradient = std::apply(grad(value), x);
  GradCheck out;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const Tensor at = x[k];
    const Index n = at.numel();
    std::vector<double> numbers = at.to_vector(), differences;
    for (Index i = 0; i < n; ++i) {
      double& v = numbers[static_cast<std::size_t>(i)];
      const double before = v, h = options.step * std::max(1.0, std::abs(before));
      double d[3];
      for (int level = 0; level < 3; ++level) {
        const double s = h / (1 << level);
        double side[2];
        for (int sign = 0; sign < 2; ++sign) {
          v = sign == 0 ? before + s : before - s;
          x[k] = TensorAccess::make(at.shape());
          std::copy(numbers.begin(), numbers.end(), TensorAccess::fresh_data(x[k]));
          side[sign] = std::apply(value, x).item();
        }
        d[level] = (side[0] - side[1]) / (2 * s);
      }
      v = before;
      const double first = (4 * d[1] - d[0]) / 3, second = (4 * d[2] - d[1]) / 3;
      differences.push_back((16 * second - first) / 15);
    }
    x[k] = at;
    double size = 0;
    for (const double d : differences) size = std::max(size, std::abs(d));
    for (Index i = 0; i < n; ++i) {
      const double got = gradient[k].data()[i], wanted = differences[static_cast<std::size_t>(i)];
      const double error = got == wanted ? 0.0 : std::abs(got - wanted) / std::max(size, 1e-300);
      if (!(error <= out.worst)) out.worst = error;
      if (error <= options.tolerance || std::abs(got - wanted) <= 1e-9) continue;
      out.ok = false;
      char line[160];
      std::snprintf(line, sizeof line, "argument %zu, element %lld: gradient %.10g, finite difference %.10g\n", k, static_cast<long long>(i), got, wanted);
      out.text += line;
    }
  }
  return out;
}
template <class F, class... T>
  requires(!std::is_same_v<F, GradCheckOptions>) && (std::is_convertible_v<const T&, Tensor> && ...)
GradCheck check_grad(const F& f, const T&... arguments) {
  return check_grad(GradCheckOptions{}, f, arguments...);
}

}  // namespace wick::inline WICK_ABI
