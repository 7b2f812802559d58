// L-BFGS on functions with a known minimum.
#include "catch.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include <wick/optim/lbfgs.hpp>

#include "support/errors.hpp"

using namespace wick;
using namespace wick_test;

namespace {

using Vector = std::vector<double>;

/// Rosenbrock's function of any even number of numbers.
double rosenbrock(const double* x, double* g, std::size_t n) {
  double f = 0;
  for (std::size_t i = 0; i < n; i += 2) {
    const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    f += 100 * a * a + b * b;
    g[i] = -400 * x[i] * a - 2 * b;
    g[i + 1] = 200 * a;
  }
  return f;
}

}  // namespace

TEST_CASE("LBFGS: quadratics of every size, in about as many iterations as they have curvatures", "[optim][lbfgs]") {
  for (const std::size_t n : {1u, 2u, 7u, 16u, 33u, 200u}) {
    // f = ½ Σ c_i (x_i − i)², five different curvatures.
    const auto curvature = [](std::size_t i) { return std::pow(10.0, static_cast<double>(i % 5) - 2); };
    Vector x(n, 0.5);
    const auto f = [&](const double* p, double* g) {
      double value = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double d = p[i] - static_cast<double>(i);
        g[i] = curvature(i) * d;
        value += 0.5 * curvature(i) * d * d;
      }
      return value;
    };
    const LBFGSResult r = LBFGS({.tol_grad = 1e-9, .tol_change = 0}).minimize(f, x);
    CAPTURE(n, r.iterations, r.evaluations, r.reason);
    REQUIRE(r.converged);
    REQUIRE(std::string(r.reason) == "tol_grad");
    REQUIRE(r.iterations < 80);
    REQUIRE(r.evaluations < 2 * r.iterations + 10);
    for (std::size_t i = 0; i < n; ++i) REQUIRE(std::abs(x[i] - static_cast<double>(i)) < 1e-6);
  }
}

TEST_CASE("LBFGS: Rosenbrock, Beale, and a function with walls", "[optim][lbfgs]") {
  for (const std::size_t n : {2u, 10u, 100u}) {
    Vector x(n);
    for (std::size_t i = 0; i < n; i += 2) x[i] = -1.2, x[i + 1] = 1;
    const LBFGSResult r = LBFGS().minimize([n](const double* p, double* g) { return rosenbrock(p, g, n); }, x);
    CAPTURE(n, r.iterations, r.evaluations);
    REQUIRE(r.converged);
    REQUIRE(r.iterations < 100);
    for (const double v : x) REQUIRE(std::abs(v - 1) < 1e-6);
    REQUIRE(r.value < 1e-12);
  }
  Vector beale{1, 1};
  const LBFGSResult b = LBFGS().minimize(
      [](const double* x, double* g) {
        double f = 0;
        g[0] = g[1] = 0;
        for (const auto& [c, k] : {std::pair(1.5, 1), std::pair(2.25, 2), std::pair(2.625, 3)}) {
          const double r = c - x[0] + x[0] * std::pow(x[1], k);
          f += r * r;
          g[0] += 2 * r * (std::pow(x[1], k) - 1);
          g[1] += 2 * r * x[0] * k * std::pow(x[1], k - 1);
        }
        return f;
      },
      beale);
  REQUIRE(b.converged);
  REQUIRE(std::abs(beale[0] - 3) + std::abs(beale[1] - 0.5) < 1e-5);
  // −log x + x beyond the wall x = 0, started so that the first step goes through it.
  Vector wall{1e-3};
  const LBFGSResult w = LBFGS().minimize(
      [](const double* x, double* g) {
        g[0] = 1 - 1 / x[0];
        return x[0] > 0 ? x[0] - std::log(x[0]) : std::numeric_limits<double>::quiet_NaN();
      },
      wall);
  REQUIRE(w.converged);
  REQUIRE(std::abs(wall[0] - 1) < 1e-6);
}

TEST_CASE("LBFGS: it says why it ended", "[optim][lbfgs]") {
  Vector x{-1.2, 1};
  const auto f = [](const double* p, double* g) { return rosenbrock(p, g, 2); };
  const LBFGSResult few = LBFGS({.max_iter = 5}).minimize(f, x);
  REQUIRE(!few.converged);
  REQUIRE(few.iterations == 5);
  REQUIRE(std::string(few.reason) == "max_iter");
  Vector again{-1.2, 1};
  const LBFGSResult loose = LBFGS({.tol_change = 0.5}).minimize(f, again);
  REQUIRE(std::string(loose.reason) == "tol_change");
  Vector there{1, 1};
  const LBFGSResult none = LBFGS().minimize(f, there);
  REQUIRE(none.iterations == 0);
  REQUIRE(none.converged);
  REQUIRE(none.evaluations == 1);
  // A gradient that points uphill: no descent, and x is where it was.
  Vector uphill{0.3};
  const LBFGSResult bad = LBFGS().minimize([](const double* p, double* g) { return g[0] = -2 * p[0], p[0] * p[0]; }, uphill);
  REQUIRE(!bad.converged);
  REQUIRE(std::string(bad.reason) == "no descent");
  REQUIRE(uphill[0] == 0.3);
  // Down without end, with a slope that never changes: every search goes as far as it may.
  Vector far{1};
  const LBFGSResult endless = LBFGS({.max_iter = 3}).minimize([](const double* p, double* g) { return g[0] = -1, -p[0]; }, far);
  REQUIRE(!endless.converged);
  REQUIRE(std::string(endless.reason) == "max_iter");
  REQUIRE(far[0] > 1e9);
}

TEST_CASE("LBFGS: a bad start and bad options are refused", "[optim][lbfgs][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Vector x{0.0};
  const ErrorReport start = expect_error_unchanged<NumericalError>([&] { LBFGS().minimize([nan](const double*, double* g) { return g[0] = 1, nan; }, x); }, [&] { return x; }, "wick.optim.E604", "", "finite");
  INFO(start.text);
  REQUIRE(start.ok);
  REQUIRE_THROWS_AS(LBFGS().minimize([nan](const double*, double* g) { return g[0] = nan, 1.0; }, x), NumericalError);
  for (const LBFGSOptions& o : {LBFGSOptions{.max_iter = -1}, LBFGSOptions{.history = 0}, LBFGSOptions{.tol_grad = nan}, LBFGSOptions{.tol_change = -1}, LBFGSOptions{.max_search = 0}}) {
    const ErrorReport report = expect_error<DomainError>([&] { return LBFGS(o); }, "wick.optim.E260", "", "use ");
    INFO(report.text);
    REQUIRE(report.ok);
  }
}
