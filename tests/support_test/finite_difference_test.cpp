#include "catch.hpp"

#include <cmath>
#include <vector>

#include "support/finite_difference.hpp"

using namespace wick_test;

namespace {

using Vector = std::vector<double>;

/// exp(x y) + x^3 + log z, with its derivatives.
double value(const Vector& x) { return std::exp(x[0] * x[1]) + std::pow(x[0], 3) + std::log(x[2]); }

Vector gradient(const Vector& x) {
  const double e = std::exp(x[0] * x[1]);
  return {x[1] * e + 3.0 * x[0] * x[0], x[0] * e, 1.0 / x[2]};
}

Vector hessian(const Vector& x) {
  const double e = std::exp(x[0] * x[1]), cross = (1.0 + x[0] * x[1]) * e;
  return {x[1] * x[1] * e + 6.0 * x[0], cross, 0.0, cross, x[0] * x[0] * e, 0.0, 0.0, 0.0, -1.0 / (x[2] * x[2])};
}

}  // namespace

TEST_CASE("finite difference: gradient and Hessian within rule G", "[support][difference]") {
  for (const Vector& x : {Vector{0.7, -1.2, 2.0}, Vector{0.0, 0.0, 1.0}, Vector{-1.5, 0.3, 1e-3}}) {
    auto report = compare_derivatives("gradient", gradient(x), finite_gradient(value, x), 1e-9, value(x));
    INFO(report.text);
    REQUIRE(report.ok);
    report =
        compare_derivatives("hessian of gradient", hessian(x), finite_hessian_of_gradient(gradient, x), 1e-7, value(x));
    INFO(report.text);
    REQUIRE(report.ok);
    report = compare_derivatives("hessian of value", hessian(x), finite_hessian(value, x), hessian_tolerance, value(x));
    INFO(report.text);
    REQUIRE(report.ok);
  }
}

TEST_CASE("finite difference: a wrong derivative fails", "[support][difference]") {
  const Vector x{0.7, -1.2, 2.0};
  Vector wrong = gradient(x);
  wrong[1] *= 1.0 + 3e-6;
  REQUIRE_FALSE(compare_derivatives("g", wrong, finite_gradient(value, x), gradient_tolerance, value(x)).ok);
  wrong = hessian(x);
  wrong[3] *= 1.0 + 3e-4;
  REQUIRE_FALSE(compare_derivatives("h", wrong, finite_hessian(value, x), hessian_tolerance, value(x)).ok);
  wrong = hessian(x);
  wrong[2] = 1e-4;  // an element that should be 0
  REQUIRE_FALSE(compare_derivatives("h", wrong, finite_hessian(value, x), hessian_tolerance, value(x)).ok);
  wrong[2] = std::nan("");
  REQUIRE_FALSE(compare_derivatives("h", wrong, finite_hessian(value, x), hessian_tolerance, value(x)).ok);
  REQUIRE_FALSE(compare_derivatives("size", {1.0}, finite_gradient(value, x), gradient_tolerance).ok);
}

TEST_CASE("finite difference: functions that cannot be differentiated fail", "[support][difference]") {
  const auto kink = [](const Vector& x) { return std::abs(x[0]) + 0.3 * std::cos(1e9 * x[0]); };
  REQUIRE_FALSE(compare_derivatives("noise", {0.0}, finite_gradient(kink, {0.3}), gradient_tolerance, 0.3).ok);
  const auto outside = [](const Vector& x) { return std::sqrt(x[0]); };
  REQUIRE_FALSE(compare_derivatives("domain", {0.0}, finite_gradient(outside, {-1.0}), gradient_tolerance, 0.0).ok);
}

TEST_CASE("finite difference: size 0, constants and steps near the domain's end", "[support][difference]") {
  const auto constant = [](const Vector&) { return 3.0; };
  REQUIRE(finite_gradient(constant, {}).value.empty());
  REQUIRE(finite_hessian(constant, {}).value.empty());
  REQUIRE(compare_derivatives("empty", {}, finite_gradient(constant, {}), gradient_tolerance, 3.0).ok);
  REQUIRE(compare_derivatives("constant", {0.0}, finite_gradient(constant, {1.0}), gradient_tolerance, 3.0).ok);
  const auto log = [](const Vector& x) { return std::log(x[0]); };
  for (double x : {1e-6, 1e-3, 1.0, 1e6}) {
    REQUIRE(compare_derivatives("log", {1.0 / x}, finite_gradient(log, {x}), gradient_tolerance, std::log(x)).ok);
    REQUIRE(compare_derivatives("log", {-1.0 / (x * x)}, finite_hessian(log, {x}), hessian_tolerance, std::log(x)).ok);
  }
  const auto square = [](const Vector& x) { return 1e6 + x[0] * x[0]; };  // a large value, a small slope
  REQUIRE(compare_derivatives("square", {2e-3}, finite_gradient(square, {1e-3}), gradient_tolerance, 1e6).ok);
}
