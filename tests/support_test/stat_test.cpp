#include "catch.hpp"

#include <cmath>
#include <random>
#include <vector>

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>

#include "support/stat.hpp"

using namespace wick_test;

namespace {

using Engine = std::mt19937_64;

/// A table of 9 true comparisons: 6 strongly correlated, 2 less so, 1 given by its mean and error. `bias` in standard
/// errors is added to one element.
MonteCarloReport true_table(Engine& engine, double bias = 0.0) {
  std::normal_distribution<double> normal;
  MonteCarloTable table("true table");
  auto& first = table.joint("first").expect("loss", 10.0).expect("grad", {10.0, 11.0, 12.0, 13.0, 14.0});
  auto& second = table.joint("second").expect("loss", 10.0).expect("grad", -20.0);
  const int n = 400;
  std::vector<double> grad(5);
  for (int s = 0; s < n; ++s) {
    const double common = normal(engine);
    for (std::size_t i = 0; i < 5; ++i) grad[i] = 10.0 + static_cast<double>(i) + common + 0.5 * normal(engine);
    first.sample(10.0 + common + bias / std::sqrt(n), grad);
    const double a = normal(engine);
    second.sample(10.0 + a, -20.0 - a + normal(engine));
  }
  table.estimate("given", 5.0 + 0.01 * normal(engine), 0.01, 5.0);
  return table.report();
}

}  // namespace

TEST_CASE("stat: quantiles equal Boost's", "[support][stat]") {
  for (double tail : {0.4, 0.025, 5e-4, 1e-6, 1e-12}) {
    const double expected = quantile(complement(boost::math::normal(), tail));
    REQUIRE(std::abs(normal_upper_quantile(tail) - expected) < 1e-9 * expected);
  }
  REQUIRE(std::abs(critical_z(1) - 3.290526731) < 1e-8);
  REQUIRE(std::abs(critical_z(500) - normal_upper_quantile(1e-6)) < 1e-12);
  for (double dof : {0.6, 1.0, 3.7, 40.0, 1000.0})
    for (double p : {0.0005, 0.5, 0.9995}) {
      const double expected = quantile(boost::math::chi_squared(dof), p);
      REQUIRE(std::abs(chi_squared_quantile(p, dof) - expected) < 1e-8 * expected);
    }
}

TEST_CASE("stat: the seed is a constant hash of the name", "[support][stat]") {
  static_assert(seed_of("a") != seed_of("b") && seed_of("") != 0);
  REQUIRE(MonteCarloTable("some test").seed() == seed_of("some test"));
  REQUIRE(seed_of("some test") == 0x3ab4dd62727ef998u);  // the same on every machine and in every build
}

TEST_CASE("stat: correct estimators pass at the nominal rate", "[support][stat]") {
  Engine engine(seed_of("stat: correct estimators pass at the nominal rate"));
  const int tables = 2000;
  int failures = 0;
  double dof = 0.0;
  for (int t = 0; t < tables; ++t) {
    const MonteCarloReport report = true_table(engine);
    REQUIRE(report.accurate);
    REQUIRE(report.comparisons == 9);
    failures += report.agrees ? 0 : 1;
    dof += report.effective_dof / tables;
  }
  // At most 1e-3 for the maximum and 1e-3 for the band: mean 4, P(Poisson(4) > 14) = 2e-5.
  INFO(failures << " of " << tables << " true tables fail; mean effective degrees of freedom " << dof);
  REQUIRE(failures <= 14);
  // tr R^2 = (6 + 10 x 0.8 + 20 x 0.64) + (2 + 2 x 0.5) + 1: the nine comparisons count for 81 / 30.8.
  REQUIRE(std::abs(dof - 81.0 / 30.8) < 0.02);
}

TEST_CASE("stat: a biased estimator fails", "[support][stat]") {
  Engine engine(seed_of("stat: a biased estimator fails"));
  for (int t = 0; t < 50; ++t) {
    const MonteCarloReport report = true_table(engine, 9.0);
    REQUIRE_FALSE(report.agrees);
    REQUIRE_FALSE(report.ok);
    REQUIRE(report.accurate);
    REQUIRE(report.text.find("FAILED first.loss") != std::string::npos);
  }
}

TEST_CASE("stat: small biases of many elements fail by the band", "[support][stat]") {
  Engine engine(seed_of("stat: small biases of many elements fail by the band"));
  std::normal_distribution<double> normal;
  MonteCarloTable table("band");
  for (int i = 0; i < 100; ++i) table.estimate("e", 1.0 + 0.01 * (1.2 + normal(engine)), 0.01, 1.0);
  const MonteCarloReport report = table.report();
  REQUIRE(report.max_z < report.critical);
  REQUIRE(report.mean_z2 > report.band_high);
  REQUIRE_FALSE(report.agrees);
}

TEST_CASE("stat: wrong standard errors fail by the band", "[support][stat]") {
  Engine engine(seed_of("stat: wrong standard errors fail by the band"));
  std::normal_distribution<double> normal;
  for (double factor : {0.5, 2.5}) {  // claimed / true standard error
    MonteCarloTable table("errors");
    for (int i = 0; i < 60; ++i) table.estimate("e", 1.0 + 0.005 * normal(engine), 0.005 * factor, 1.0);
    const MonteCarloReport report = table.report();
    REQUIRE(report.accurate);
    REQUIRE_FALSE(report.agrees);
  }
  MonteCarloTable repeated("samples that are not independent");
  auto& joint = repeated.joint("j").expect("v", std::vector<double>(40, 3.0));
  std::vector<double> row(40);
  for (int s = 0; s < 500; ++s) {
    for (double& r : row) r = 3.0 + normal(engine);
    for (int copy = 0; copy < 4; ++copy) joint.sample(row);
  }
  const MonteCarloReport report = repeated.report();
  REQUIRE(report.accurate);
  REQUIRE_FALSE(report.agrees);
}

TEST_CASE("stat: too few samples fail as inaccurate, not as wrong", "[support][stat]") {
  Engine engine(seed_of("stat: too few samples fail as inaccurate, not as wrong"));
  std::normal_distribution<double> normal;
  MonteCarloTable table("few");
  auto& joint = table.joint("j").expect("v", {1.0, 0.0});
  for (int s = 0; s < 1000; ++s) joint.sample(std::vector<double>{1.0 + normal(engine), normal(engine)});
  const MonteCarloReport report = table.report();  // standard error 0.03 of the norm 1
  REQUIRE(report.agrees);
  REQUIRE_FALSE(report.accurate);
  REQUIRE_FALSE(report.ok);

  MonteCarloTable zero("the norm of 0 must be given");
  zero.estimate("without", 0.001, 0.001, 0.0);
  REQUIRE_FALSE(zero.report().accurate);
  MonteCarloTable given("the norm of 0 is given");
  given.estimate("with", 0.001, 0.001, 0.0, 1.0);
  REQUIRE(given.report().ok);
}

TEST_CASE("stat: samples that are not finite, of the wrong size or absent fail", "[support][stat]") {
  REQUIRE_FALSE(MonteCarloTable("empty").report().ok);

  MonteCarloTable silent("no samples");
  silent.joint("j").expect("v", 1.0);
  REQUIRE_FALSE(silent.report().agrees);

  MonteCarloTable nan("nan");
  auto& joint = nan.joint("j").expect("v", 1.0);
  for (int s = 0; s < 200; ++s) joint.sample(s == 77 ? std::nan("") : 1.0 + 0.001 * (s % 2));
  REQUIRE_FALSE(nan.report().agrees);

  MonteCarloTable size("size");
  auto& pair = size.joint("j").expect("v", {1.0, 2.0});
  for (int s = 0; s < 200; ++s) pair.sample(1.0);
  REQUIRE_FALSE(size.report().agrees);

  MonteCarloTable estimate("nan estimate");
  estimate.estimate("e", std::nan(""), 0.001, 1.0);
  REQUIRE_FALSE(estimate.report().agrees);
  MonteCarloTable error("nan error");
  error.estimate("e", 1.0, std::nan(""), 1.0);
  REQUIRE_FALSE(error.report().ok);
}

TEST_CASE("stat: elements without variance are compared to rounding", "[support][stat]") {
  for (double offset : {0.0, 1e-6}) {
    MonteCarloTable table("constant");
    auto& joint = table.joint("j").expect("v", {2.0, -1.0});
    for (int s = 0; s < 200; ++s) joint.sample(2.0 + 1e-17 * s, -1.0 + offset);
    table.leave_out("score of a Cauchy", "infinite variance");
    const MonteCarloReport report = table.report();
    REQUIRE(report.ok == (offset == 0.0));
    REQUIRE(report.comparisons == 0);
    REQUIRE(report.text.find("left out: score of a Cauchy: infinite variance") != std::string::npos);
  }
}
