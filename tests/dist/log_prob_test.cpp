// Rule F: log-densities against reference values, and their normalisation.
#include "catch.hpp"

#include <cmath>

#include "dist/families.hpp"
#include "dist/reference_logprob.hpp"
#include "support/quadrature.hpp"

using namespace wick;
using namespace wick_test;

namespace {

double log_density(const Distribution& d, double x) { return d.log_prob(x).item(); }
/// For the quadratures, which look at the very ends of the double range.
double density(const Distribution& d, double x) { return std::isfinite(x) ? std::exp(log_density(d, x)) : 0.0; }

/// Σ of the mass over 0 … last.
double total_mass(const Distribution& d, int last) {
  double sum = 0;
  for (int k = 0; k <= last; ++k) sum += density(d, k);
  return sum;
}

}  // namespace

TEST_CASE("log_prob: reference values of every family", "[dist][reference]") {
  std::size_t seen = 0;
  for (const LogProbReference& r : logprob_references()) {
    std::vector<Tensor> params;
    if (std::string(r.dist) == "Categorical")
      params.push_back(Tensor(r.params));
    else
      for (const double p : r.params) params.push_back(p);
    const auto d = make_family(r.dist, r.names, params);
    const double actual = d->log_prob(r.value).item();
    INFO(r.dist << "(" << r.names << ") at " << r.value << ": " << actual << ", reference " << r.log_prob);
    CHECK(within_rule_f(actual, r.log_prob));
    CHECK(actual == d->log_prob_sum(r.value).item());
    ++seen;
  }
  CHECK(seen == 87);
}

TEST_CASE("log_prob: densities integrate to 1", "[dist]") {
  for (const double loc : {-1.0, 2.5})
    for (const double scale : {0.3, 4.0}) {
      const Normal normal(loc, scale);
      CHECK(std::abs(integrate_line([&](double x) { return density(normal, loc + scale * x) * scale; }) - 1) < 1e-12);
      const LogNormal log_normal(loc, scale);
      CHECK(std::abs(integrate_line([&](double x) { 
              const double y = std::exp(loc + scale * x);
              return y > 0 && y < 1e300 ? density(log_normal, y) * y * scale : 0.0;
            }) - 1) < 1e-12);
    }
  for (const double scale : {0.3, 4.0}) {
    const HalfNormal half_normal(scale);
    const HalfCauchy half_cauchy(scale);
    const Exponential exponential(scale);
    CHECK(std::abs(integrate_half_line([&](double x) { return density(half_normal, x); }) - 1) < 1e-12);
    CHECK(std::abs(integrate_half_line([&](double x) { return density(half_cauchy, x); }) - 1) < 1e-12);
    CHECK(std::abs(integrate_half_line([&](double x) { return density(exponential, x); }) - 1) < 1e-12);
    const Uniform uniform(-1.0, scale);
    CHECK(std::abs(integrate([&](double x) { return density(uniform, x); }, -1.0, scale) - 1) < 1e-12);
    for (const double a : {0.2, 1.0, 3.5, 80.0}) {
      const Gamma gamma(a, scale);
      // In log x: integrable singularities at 0 would cost digits.
      const double centre = std::log(a / scale);
      const auto in_log = [&](double u) {
        const double x = std::exp(centre + u);
        return x > 0 && x < 1e300 ? density(gamma, x) * x : 0.0;
      };
      CHECK(std::abs(integrate_smooth(in_log, -60.0 / a - 10.0, 0.0) + integrate_smooth(in_log, 0.0, 8.0) - 1) < 1e-11);
    }
  }
}

TEST_CASE("log_prob: masses sum to 1", "[dist]") {
  for (const double p : {0.0, 1e-12, 0.3, 1.0}) CHECK(std::abs(total_mass(Bernoulli(p), 1) - 1) < 1e-14);
  for (const double l : {-800.0, -2.0, 0.0, 40.0}) CHECK(std::abs(total_mass(Bernoulli({.logits = l}), 1) - 1) < 1e-14);
  CHECK(std::abs(total_mass(Categorical(Tensor{1, 2, 0, 7}), 3) - 1) < 1e-14);
  CHECK(std::abs(total_mass(Categorical({.logits = Tensor{-1000.0, -1001.0, -detail::kInf, -999.5}}), 3) - 1) < 1e-12);
  for (const double rate : {0.0, 1e-3, 0.7, 12.0, 300.0}) CHECK(std::abs(total_mass(Poisson(rate), 800) - 1) < 1e-12);
}

TEST_CASE("log_prob: values at the edges", "[dist]") {
  const double inf = detail::kInf;
  CHECK(log_density(Bernoulli(0.0), 0) == 0.0);
  CHECK(log_density(Bernoulli(0.0), 1) == -inf);
  CHECK(log_density(Bernoulli(1.0), 1) == 0.0);
  CHECK(log_density(Bernoulli(1.0), 0) == -inf);
  CHECK(within_rule_f(log_density(Bernoulli(1e-30), 1), std::log(1e-30)));
  CHECK(log_density(Bernoulli(1e-30), 0) == -1e-30);
  CHECK(log_density(Bernoulli({.logits = 800.0}), 0) == -800.0);
  CHECK(log_density(Bernoulli({.logits = inf}), 1) == 0.0);
  CHECK(log_density(Bernoulli({.logits = inf}), 0) == -inf);
  CHECK(log_density(Categorical(Tensor{0.5, 0.5, 0.0}), 2) == -inf);
  CHECK(log_density(Categorical({.logits = Tensor{0.0, -inf}}), 0) == 0.0);
  CHECK(log_density(Poisson(0.0), 0) == 0.0);
  CHECK(log_density(Poisson(0.0), 3) == -inf);
  CHECK(log_density(Exponential(2.0), 0) == std::log(2.0));
  CHECK(log_density(HalfNormal(1.0), 0) > -0.3);
  CHECK(within_rule_f(log_density(Gamma(1.0, 3.0), 0), std::log(3.0)));
  CHECK(log_density(Gamma(2.0, 3.0), 0) == -inf);
  CHECK(log_density(Gamma(0.5, 3.0), 0) == inf);
  CHECK(log_density(Uniform(-1.0, 3.0), -1) == -std::log(4.0));
  CHECK(log_density(Uniform(-1.0, 3.0), 3) == -std::log(4.0));
  CHECK(log_density(Normal(0.0, 1e-5), 1e200) == -inf);
  CHECK(log_density(Delta(2.0), 2.0) == 0.0);
  CHECK(log_density(Delta(2.0, 0.5), 2.0) == 0.5);
  CHECK(log_density(Delta(2.0), 2.5) == -inf);
}

TEST_CASE("parameters: alternative forms agree", "[dist]") {
  const Bernoulli p(Tensor{0.1, 0.5, 0.999});
  const Bernoulli l({.logits = p.logits()});
  const Categorical q(Tensor{{1.0, 3.0}, {0.5, 0.25}});
  const Categorical m({.logits = q.logits()});
  CHECK(q.num_categories() == 2);
  for (Index i = 0; i < 3; ++i) CHECK(within_rule_f(l.probs().data()[i], p.probs().data()[i]));
  for (Index i = 0; i < 4; ++i) {
    CHECK(within_rule_f(m.probs().data()[i], q.probs().data()[i]));
    CHECK(within_rule_f(m.logits().data()[i], q.logits().data()[i]));
  }
  CHECK(within_rule_f(q.probs().at({1, 0}), 2.0 / 3.0));
  for (const double x : {0.0, 1.0}) {
    const Tensor a = p.log_prob(x), b = l.log_prob(x), c = q.log_prob(x), d = m.log_prob(x);
    for (Index i = 0; i < 3; ++i) CHECK(within_rule_f(a.data()[i], b.data()[i]));
    for (Index i = 0; i < 2; ++i) CHECK(within_rule_f(c.data()[i], d.data()[i]));
  }
}
