// The posteriors of examples/quickstart by rule A.
#include "../../examples/quickstart/programs.hpp"

#include "catch.hpp"

#include <cmath>

#include "support/stat.hpp"

using namespace wick;

namespace {
constexpr Index draws = 1000000;

void judge(const wick_test::MonteCarloTable& table) {
  const auto report = table.report();
  INFO(report.text);
  CHECK(report.ok);
}
}  // namespace

TEST_CASE("quickstart: 10^6 weighted draws of the prior are the posterior Normal(0.75, 0.5)", "[infer][predictive]") {
  for (const bool parallel : {false, true}) {
    wick_test::MonteCarloTable table(parallel ? "quickstart chain, at once" : "quickstart chain");
    const Samples s = Predictive(quickstart::chain, {.num_samples = draws, .return_sites = {"z"}, .log_weights = true, .parallel = parallel, .seed = table.seed()})(quickstart::observed_x);
    const double* z = s["z"].data();
    const double *log_w = s.log_weights().data(), evidence = std::exp(-1.5 * 1.5 / 4) / std::sqrt(4 * std::acos(-1.0));
    const double sd = std::sqrt(quickstart::chain_variance);
    auto& joint = table.joint("w f / p(x)").expect("1", 1.0).expect("z", quickstart::chain_mean).expect("(z - mean)^2", quickstart::chain_variance).expect("z < mean - sd", 0.5 * std::erfc(std::sqrt(0.5))).expect("z < mean", 0.5);
    for (Index i = 0; i < draws; ++i) {
      const double w = std::exp(log_w[i]) / evidence, d = z[i] - quickstart::chain_mean;
      joint.sample(w, w * z[i], w * d * d, d < -sd ? w : 0, d < 0 ? w : 0);
    }
    judge(table);
  }
}

TEST_CASE("quickstart: 10^6 weighted draws give P(k = 1 | x) = 0.355766", "[infer][predictive]") {
  wick_test::MonteCarloTable table("quickstart branching");
  const Samples s = Predictive(quickstart::branching, {.num_samples = draws, .return_sites = {"k"}, .log_weights = true, .seed = table.seed()})(quickstart::observed_x);
  const Tensor &k = s["k"], w = normalized_weights(s.log_weights()), p = weighted_mean(k, s.log_weights());
  // The standard error of a ratio of means; the exact value is rounded by less than a thousandth of it.
  table.estimate("P(k = 1 | x)", p.item(), std::sqrt(sum(square(w * (k - p))).item()), quickstart::one_given_x);
  auto& joint = table.joint("densities").expect("p(x | k = 1)", quickstart::density_if_one).expect("p(x | k = 0)", quickstart::density_if_zero);
  for (Index i = 0; i < draws; ++i) {
    const double x = 2 * std::exp(s.log_weights().data()[i]);
    joint.sample(k.data()[i] * x, (1 - k.data()[i]) * x);
  }
  judge(table);
}
