#include "catch.hpp"

#include <cmath>

#include "support/normal_expectation.hpp"
#include "support/quadrature.hpp"

using namespace wick_test;

namespace {

bool close(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance * (1.0 + std::abs(b)); }

}  // namespace

TEST_CASE("quadrature: Gauss-Hermite is exact for polynomials under a normal", "[support][quadrature]") {
  for (int n : {1, 2, 5, 20, 64, 300}) {
    const QuadratureRule rule = gauss_hermite(n);
    REQUIRE(close(rule([](double) { return 1.0; }), 1.0, 1e-13));
    double moment = 1.0;
    for (int k = 2; k <= std::min(2 * n - 1, 20); k += 2) {
      moment *= k - 1;
      REQUIRE(close(rule([&](double x) { return std::pow(x, k); }), moment, 2e-12));
      REQUIRE(std::abs(rule([&](double x) { return std::pow(x, k - 1); })) <= 1e-12 * moment);
    }
  }
  const QuadratureRule five = gauss_hermite(5);  // Abramowitz & Stegun, table 25.10, times sqrt 2 and over sqrt pi
  REQUIRE(close(five.nodes[4], 2.0201828704560856 * std::sqrt(2.0), 1e-14));
  REQUIRE(close(five.weights[4], 0.019953242059045913 / std::sqrt(3.14159265358979323846), 1e-14));
  // The tail weights are right in relative terms: E exp(4 Z) = exp(8) needs them.
  REQUIRE(close(gauss_hermite(64)([](double x) { return std::exp(4.0 * x); }), std::exp(8.0), 1e-12));
}

TEST_CASE("quadrature: Gauss-Legendre is exact for polynomials", "[support][quadrature]") {
  for (int n : {1, 2, 5, 40}) {
    const QuadratureRule rule = gauss_legendre(n);
    for (int k = 0; k <= 2 * n - 1; ++k) {
      const double expected = k % 2 == 0 ? 1.0 / (k + 1) : 0.0;
      REQUIRE(std::abs(rule([&](double x) { return std::pow(x, k); }) - expected) < 1e-14);
    }
  }
  REQUIRE(close(integrate_panels(
                    gauss_legendre(20), [](double x) { return std::exp(-x); }, 0.0, 30.0, 8),
                1.0 - std::exp(-30.0), 1e-14));
}

TEST_CASE("quadrature: adaptive rules", "[support][quadrature]") {
  const double root_pi = std::sqrt(3.14159265358979323846);
  REQUIRE(close(integrate([](double x) { return 1.0 / std::sqrt(x); }, 0.0, 1.0), 2.0, 1e-12));
  REQUIRE(close(integrate_smooth([](double x) { return std::cos(x); }, 0.0, 1.0), std::sin(1.0), 1e-13));
  REQUIRE(close(integrate_half_line([](double x) { return std::exp(-x) * std::sqrt(x); }), 0.5 * root_pi, 1e-12));
  REQUIRE(close(integrate_line([](double x) { return std::exp(-x * x); }), root_pi, 1e-12));
}

TEST_CASE("quadrature: the trapezoidal expectation under a normal", "[support][quadrature]") {
  const double pi = 3.14159265358979323846;
  REQUIRE(close(expect_normal(0.7, 2.0, [](double) { return 1.0; }), 1.0, 1e-14));
  REQUIRE(close(expect_normal(0.7, 2.0, [](double x) { return x * x; }), 4.49, 1e-13));
  REQUIRE(close(expect_normal(0.0, 1.0, [](double x) { return std::pow(x, 10); }), 945.0, 1e-13));
  REQUIRE(close(expect_normal(0.7, 1.0, [](double x) { return std::exp(2.0 * x); }), std::exp(3.4), 1e-13));
  // softplus: E softplus(X) - E softplus(-X) = E X; against Gauss-Hermite (narrow) and an adaptive rule (wide).
  for (double sd : {0.01, 0.5, 2.0, 6.0, 30.0})
    for (double mean : {-3.0, 0.0, 8.0}) {
      const double plus = expect_normal(mean, sd, softplus, pi);
      const double minus = expect_normal(
          mean, sd, [](double x) { return softplus(-x); }, pi);
      REQUIRE(close(plus - minus, mean, 2e-14 * (1.0 + sd)));
      double adaptive = 0.0;
      for (int i = -12; i < 12; ++i)
        adaptive += integrate_smooth(
            [&](double z) { return softplus(mean + sd * z) * std::exp(normal_log_density(z, 0.0, 1.0)); }, i, i + 1);
      REQUIRE(close(plus, adaptive, 1e-12));
      if (sd < 1.0) REQUIRE(close(plus, expect_normal(gauss_hermite(64), mean, sd, softplus), 1e-12));
    }
}
