#include "catch.hpp"

#include "gradient/families.hpp"

using namespace wick_test;

#define REQUIRE_REPORT(expression)       \
  do {                                   \
    const auto report = (expression);    \
    INFO(report.text);                   \
    REQUIRE(report.ok);                  \
  } while (false)

TEST_CASE("E12: gradients, Normal-Normal, pathwise", "[gradient][elbo]") { REQUIRE_REPORT(normal_normal_table(true)); }

TEST_CASE("E12: gradients, Normal-Normal, score function", "[gradient][elbo]") { REQUIRE_REPORT(normal_normal_table(false)); }

TEST_CASE("E12: gradients, Bernoulli-Normal", "[gradient][elbo]") { REQUIRE_REPORT(bernoulli_normal_table()); }

TEST_CASE("E12: gradients, Poisson-Gamma, pathwise", "[gradient][elbo]") { REQUIRE_REPORT(poisson_gamma_table(true)); }

TEST_CASE("E12: gradients, Poisson-Gamma, score function", "[gradient][elbo]") { REQUIRE_REPORT(poisson_gamma_table(false)); }
