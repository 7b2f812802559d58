#include "catch.hpp"

#include <cmath>
#include <random>
#include <vector>

#include "support/exact_iris.hpp"
#include "support/exact_schools.hpp"
#include "support/finite_difference.hpp"
#include "support/quadrature.hpp"
#include "support/stat.hpp"

using namespace wick_test;

namespace {

const std::vector<std::vector<double>> iris_points{{0, 0, 0, 0, 0, 0},
                                                   {2.2, -3.7, -2.8, -2.3, -0.6, -1.2},
                                                   {-0.5, 0.4, 0.3, -0.7, 1.0, 0.2},
                                                   {1.0, -2.0, -1.5, -1.0, 0.5, 0.5},
                                                   {3.0, 1.0, -4.0, 0.5, -2.0, -3.0}};

std::vector<double> schools_point() {
  std::vector<double> p{4.0, 1.0, 0.7, -0.4};
  for (int j = 0; j < 8; ++j) p.push_back(0.3 * std::sin(1.0 + j));
  for (int j = 0; j < 8; ++j) p.push_back(-0.2 * std::cos(2.0 + j));
  return p;
}

template <class F>
void check_gradient(F f, const std::vector<double>& p) {
  const LossGrad exact = f(p);
  const auto reference = finite_gradient([&](const std::vector<double>& x) { return f(x).loss; }, p);
  const auto report = compare_derivatives("gradient", exact.grad, reference, 1e-8, exact.loss);
  INFO(report.text);
  REQUIRE(report.ok);
}

}  // namespace

TEST_CASE("exact iris: gradient equals finite differences", "[support][iris]") {
  for (const auto& p : iris_points) check_gradient([](const std::vector<double>& x) { return exact_iris(x); }, p);
}

TEST_CASE("exact iris: Gauss-Hermite over the logit gives the same loss", "[support][iris]") {
  const QuadratureRule rule = gauss_hermite(200);
  for (const auto& p : iris_points) {
    double loss = kl_normal(p[0], std::exp(p[2]), 1.0) + kl_normal(p[1], std::exp(p[3]), 1.0) +
                  kl_normal(p[4], std::exp(p[5]), 1.0);
    double widest = 0.0;
    for (const IrisRow& row : iris) {
      const double mean = row.length * p[0] + row.width * p[1] + p[4];
      const double sd = std::sqrt(std::pow(row.length * std::exp(p[2]), 2) + std::pow(row.width * std::exp(p[3]), 2) +
                                  std::exp(2.0 * p[5]));
      widest = std::max(widest, sd);
      loss -= expect_normal(rule, mean, sd, [&](double l) { return -softplus(row.species == 1 ? -l : l); });
    }
    // Gauss-Hermite converges slowly where the logit is much wider than softplus' poles at +-i pi.
    REQUIRE(std::abs(exact_iris(p).loss - loss) < (widest < 2.0 ? 1e-10 : 1e-3) * loss);
  }
}

TEST_CASE("exact iris: Monte Carlo agrees", "[support][iris]") {
  MonteCarloTable table("exact iris: Monte Carlo agrees");
  std::mt19937_64 engine(table.seed());
  std::normal_distribution<double> normal;
  for (const auto& p : iris_points) {
    const LossGrad exact = exact_iris(p);
    auto& joint = table.joint("point").expect("loss", exact.loss).expect("grad", exact.grad);
    const double loc[3] = {p[0], p[1], p[4]}, scale[3] = {std::exp(p[2]), std::exp(p[3]), std::exp(p[5])};
    for (int s = 0; s < 50000; ++s) {
      double e[3], w[3], d[3] = {}, loss = 0.0;
      for (int k = 0; k < 3; ++k) {
        e[k] = normal(engine);
        w[k] = loc[k] + scale[k] * e[k];
        loss += normal_log_density(w[k], loc[k], scale[k]) - normal_log_density(w[k], 0.0, 1.0);
        d[k] += w[k];
      }
      for (const IrisRow& row : iris) {
        const double logit = row.length * w[0] + row.width * w[1] + w[2], x[3] = {row.length, row.width, 1.0};
        loss += softplus(logit) - row.species * logit;
        for (int k = 0; k < 3; ++k) d[k] += (sigmoid(logit) - row.species) * x[k];
      }
      joint.sample(loss, std::vector<double>{d[0], d[1], d[0] * scale[0] * e[0] - 1.0, d[1] * scale[1] * e[1] - 1.0,
                                             d[2], d[2] * scale[2] * e[2] - 1.0});
    }
  }
  const auto report = table.report();
  INFO(report.text);
  REQUIRE(report.ok);
}

TEST_CASE("exact iris: the optimum is that of examples.md", "[support][iris]") {
  const Optimum best = optimum_iris();
  REQUIRE(best.gradient_norm < 1e-8);
  REQUIRE(std::abs(best.loss - 30.8617) < 6e-5);
  REQUIRE(std::abs(best.x[0] - 2.2841) < 6e-5);
  REQUIRE(std::abs(best.x[1] + 3.8048) < 6e-5);
  REQUIRE(std::abs(std::exp(best.x[2]) - 0.05876) < 6e-6);
  REQUIRE(std::abs(std::exp(best.x[3]) - 0.10181) < 6e-6);
  REQUIRE(std::abs(best.x[4] + 0.5986) < 6e-5);
  REQUIRE(std::abs(std::exp(best.x[5]) - 0.30235) < 6e-6);
}

TEST_CASE("exact iris: minibatches add up", "[support][iris]") {
  const std::vector<double>& p = iris_points[3];
  double loss = 0.0;
  for (std::size_t i = 0; i < 100; i += 20) loss += exact_iris(p, std::span(iris).subspan(i, 20), 5.0).loss / 5.0;
  REQUIRE(std::abs(loss - exact_iris(p).loss) < 1e-11);
}

TEST_CASE("exact schools: the log evidence is that of examples.md", "[support][schools]") {
  REQUIRE(std::abs(schools_log_evidence() + 31.3113) < 6e-5);
  // In two dimensions and without log tau: tau = 5 tan(pi u / 2) has a uniform prior in u.
  const QuadratureRule legendre = gauss_legendre(20), hermite = gauss_hermite(60);
  const double evidence = integrate_panels(
      legendre,
      [&](double u) {
        const double tau = 5.0 * std::tan(0.5 * 3.14159265358979323846 * u);
        return expect_normal(hermite, 0.0, 5.0, [&](double mu) {
          double log_likelihood = 0.0;
          for (std::size_t j = 0; j < 8; ++j)
            log_likelihood += normal_log_density(schools_y[j], mu, std::hypot(schools_sigma[j], tau));
          return std::exp(log_likelihood);
        });
      },
      0.0, 1.0, 20);
  REQUIRE(std::abs(std::log(evidence) - schools_log_evidence()) < 1e-9);
}

TEST_CASE("exact schools: gradient equals finite differences", "[support][schools]") {
  const auto f = [](const std::vector<double>& x) { return exact_schools(x); };
  check_gradient(f, std::vector<double>(schools_parameters, 0.0));
  check_gradient(f, schools_point());
}

TEST_CASE("exact schools: Monte Carlo agrees", "[support][schools]") {
  MonteCarloTable table("exact schools: Monte Carlo agrees");
  std::mt19937_64 engine(table.seed());
  std::normal_distribution<double> normal;
  const std::vector<double> p = schools_point();
  auto& joint = table.joint("point").expect("loss", exact_schools(p).loss);
  for (int s = 0; s < 200000; ++s) {
    const double mu = p[0] + std::exp(p[1]) * normal(engine), t = p[2] + std::exp(p[3]) * normal(engine);
    const double tau = std::exp(t);
    double loss = normal_log_density(mu, p[0], std::exp(p[1])) - normal_log_density(mu, 0.0, 5.0);
    loss += normal_log_density(t, p[2], std::exp(p[3])) - t;
    loss -= std::log(2.0 / (5.0 * 3.14159265358979323846)) - std::log1p(tau * tau / 25.0);
    for (std::size_t j = 0; j < 8; ++j) {
      const double eta = p[4 + j] + std::exp(p[12 + j]) * normal(engine);
      loss += normal_log_density(eta, p[4 + j], std::exp(p[12 + j])) - normal_log_density(eta, 0.0, 1.0);
      loss -= normal_log_density(schools_y[j], mu + tau * eta, schools_sigma[j]);
    }
    joint.sample(loss);
  }
  const auto report = table.report();
  INFO(report.text);
  REQUIRE(report.ok);
}

TEST_CASE("exact schools: the optimum is that of examples.md", "[support][schools]") {
  const Optimum best = optimum_schools();
  REQUIRE(best.gradient_norm < 1e-8);
  REQUIRE(std::abs(-best.loss + 31.60) < 0.005);
  REQUIRE(-best.loss < schools_log_evidence());
  // examples.md, from a fit: mu 4.51 +- 3.15, log tau 0.80 +- 0.73. The exact optimum:
  REQUIRE(std::abs(best.x[0] - 4.5271) < 1e-4);
  REQUIRE(std::abs(std::exp(best.x[1]) - 3.1574) < 1e-4);
  REQUIRE(std::abs(best.x[2] - 0.8096) < 1e-4);
  REQUIRE(std::abs(std::exp(best.x[3]) - 0.7291) < 1e-4);
  // Other starting points end there too.
  for (double start : {-1.0, 1.0}) {
    const Optimum other = minimise([](const std::vector<double>& x) { return exact_schools(x); },
                                   std::vector<double>(schools_parameters, start));
    REQUIRE(std::abs(other.loss - best.loss) < 1e-9);
  }
}
