// Rule A: the samplers' moments, and their distribution functions at quantiles (frequencies of masses).
#include "catch.hpp"

#include <cmath>
#include <functional>

#include <boost/math/distributions/gamma.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/poisson.hpp>

#include <wick/ad/grad.hpp>

#include "dist/families.hpp"
#include "support/stat.hpp"

using namespace wick;
using namespace wick_test;

namespace {

constexpr double probabilities[] = {0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98};
constexpr int draws = 40000;

/// N draws under the table's seed.
template <class D>
std::vector<double> draw_many(const MonteCarloTable& table, const D& d, int n = draws) {
  set_seed(table.seed());
  return d.sample({n}).to_vector();
}

/// Mean and variance (where finite), and the distribution function at the quantiles of these probabilities.
template <class D>
MonteCarloReport continuous_report(const std::string& name, const D& d, const std::function<double(double)>& quantile, double mean, double variance) {
  MonteCarloTable table("sampler: " + name);
  auto& joint = table.joint(name);
  std::vector<double> at, cdf(std::begin(probabilities), std::end(probabilities));
  for (const double p : probabilities) at.push_back(quantile(p));
  const bool moments = std::isfinite(mean);
  if (moments) joint.expect("mean", mean, std::sqrt(mean * mean + variance)).expect("variance", variance);
  joint.expect("cdf", cdf);
  std::vector<double> below(at.size());
  for (const double x : draw_many(table, d, moments ? draws : 2 * draws)) {
    for (std::size_t i = 0; i < at.size(); ++i) below[i] = x <= at[i] ? 1.0 : 0.0;
    if (moments)
      joint.sample(x, (x - mean) * (x - mean), below);
    else
      joint.sample(below);
  }
  if (!moments) table.leave_out("moments", "they are not finite, or their estimates are too heavy-tailed");
  return table.report();
}
template <class D>
void check_continuous(const std::string& name, const D& d, const std::function<double(double)>& quantile, double mean = detail::kNaN, double variance = detail::kNaN) {
  const auto report = continuous_report(name, d, quantile, mean, variance);
  INFO(report.text);
  CHECK(report.ok);
}

/// Mean, variance and the frequency of each of the cells.
template <class D>
MonteCarloReport discrete_report(const std::string& name, const D& d, const std::vector<double>& cells, double mean, double variance) {
  MonteCarloTable table("sampler: " + name);
  auto& joint = table.joint(name);
  joint.expect("mean", mean, std::sqrt(mean * mean + variance)).expect("variance", variance, std::max(variance, 0.05));
  joint.expect("masses", cells);
  std::vector<double> hit(cells.size());
  bool integers = true;
  for (const double x : draw_many(table, d)) {
    integers = integers && x == std::floor(x);
    for (std::size_t k = 0; k < cells.size(); ++k) hit[k] = x == static_cast<double>(k) ? 1.0 : 0.0;
    joint.sample(x, (x - mean) * (x - mean), hit);
  }
  CHECK(integers);
  return table.report();
}
template <class D>
void check_discrete(const std::string& name, const D& d, const std::vector<double>& cells, double mean, double variance) {
  const auto report = discrete_report(name, d, cells, mean, variance);
  INFO(report.text);
  CHECK(report.ok);
}

std::vector<double> poisson_masses(double rate, int n) {
  std::vector<double> p;
  for (int k = 0; k < n; ++k) p.push_back(boost::math::pdf(boost::math::poisson(rate), k));
  return p;
}

}  // namespace

TEST_CASE("samplers: transformed noise", "[dist][sampler]") {
  const boost::math::normal z;
  const auto normal = [&](double p) { return boost::math::quantile(z, p); };
  check_continuous("Normal", Normal(-1.0, 2.5), [&](double p) { return -1.0 + 2.5 * normal(p); }, -1.0, 6.25);
  check_continuous("LogNormal", LogNormal(0.3, 0.5), [&](double p) { return std::exp(0.3 + 0.5 * normal(p)); }, std::exp(0.425), std::expm1(0.25) * std::exp(0.85));
  check_continuous("HalfNormal", HalfNormal(2.0), [&](double p) { return 2.0 * normal(0.5 + 0.5 * p); }, 2.0 * std::sqrt(2.0 / M_PI), 4.0 * (1.0 - 2.0 / M_PI));
  check_continuous("HalfCauchy", HalfCauchy(3.0), [&](double p) { return 3.0 * std::tan(0.5 * M_PI * p); });
  check_continuous("Uniform", Uniform(-2.0, 3.0), [&](double p) { return -2.0 + 5.0 * p; }, 0.5, 25.0 / 12.0);
  check_continuous("Exponential", Exponential(0.4), [&](double p) { return -std::log1p(-p) / 0.4; }, 2.5, 6.25);
}

TEST_CASE("samplers: Gamma", "[dist][sampler]") {
  for (const double a : {0.05, 0.5, 1.0, 1.7, 9.0, 1000.0, 1e8}) {
    const boost::math::gamma_distribution<> g(a, 1.0 / 2.5);
    const auto quantile = [&](double p) { return boost::math::quantile(g, p); };
    const std::string name = "Gamma " + std::to_string(a);
    if (a < 0.5)  // the variance's own estimate is too heavy-tailed for this many draws
      check_continuous(name, Gamma(a, 2.5), quantile);
    else
      check_continuous(name, Gamma(a, 2.5), quantile, a / 2.5, a / 6.25);
  }
}

TEST_CASE("samplers: Gamma with a tiny shape is exact in the logarithm", "[dist][sampler]") {
  // P(log X <= log x) = x^a / Γ(a + 1) for x << 1: the quantile of p is log p / a but for the constant.
  const double a = 1e-3;
  MonteCarloTable table("sampler: Gamma with a tiny shape");
  auto& joint = table.joint("log");
  std::vector<double> at, cdf{0.3, 0.5, 0.7, 0.9};
  for (const double p : cdf) at.push_back((std::log(p) + std::lgamma(a + 1)) / a);
  joint.expect("cdf", cdf);
  std::vector<double> below(4);
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const double log_x = detail::draw_log_gamma(UniformStream(Key{table.seed(), 1}, i), a);
    for (std::size_t k = 0; k < 4; ++k) below[k] = log_x <= at[k] ? 1.0 : 0.0;
    joint.sample(below);
  }
  const auto report = table.report();
  INFO(report.text);
  CHECK(report.ok);
  // As numbers they stay positive and have a finite density and gradient.
  const Gamma d(a, 1.0);
  const Tensor x = d.sample({1000});
  for (const double v : x.values()) CHECK((v > 0 && std::isfinite(detail::gamma_derivative(a, v))));
  for (const double v : d.log_prob(x).values()) CHECK(std::isfinite(v));
}

TEST_CASE("samplers: Bernoulli and Categorical", "[dist][sampler]") {
  for (const double p : {0.2, 0.5, 0.9}) {
    check_discrete("Bernoulli " + std::to_string(p), Bernoulli(p), {1 - p, p}, p, p * (1 - p));
    check_discrete("Bernoulli logits " + std::to_string(p), Bernoulli({.logits = std::log(p) - std::log1p(-p)}), {1 - p, p}, p, p * (1 - p));
  }
  CHECK(sum(Bernoulli(0.0).sample({1000})).item() == 0.0);
  CHECK(sum(Bernoulli(1.0).sample({1000})).item() == 1000.0);
  const std::vector<double> p{0.15, 0.0, 0.35, 0.5, 0.0};
  const double mean = 2 * 0.35 + 3 * 0.5, square = 4 * 0.35 + 9 * 0.5;
  check_discrete("Categorical", Categorical(4.0 * Tensor(p)), p, mean, square - mean * mean);
  check_discrete("Categorical logits", Categorical({.logits = log(Tensor(p)) - 900.0}), p, mean, square - mean * mean);
}

TEST_CASE("samplers: Poisson", "[dist][sampler]") {
  for (const double rate : {0.3, 4.0, 9.99})
    check_discrete("Poisson " + std::to_string(rate), Poisson(rate), poisson_masses(rate, static_cast<int>(rate) + 3), rate, rate);
  for (const double rate : {10.0, 37.5, 1000.0}) {  // transformed rejection: masses around the mode
    const int centre = static_cast<int>(rate), width = static_cast<int>(std::sqrt(rate));
    MonteCarloTable table("sampler: Poisson " + std::to_string(rate));
    auto& joint = table.joint("Poisson");
    std::vector<double> cdf, at, below(5);
    for (int k = -2; k <= 2; ++k) {
      at.push_back(centre + k * width);
      cdf.push_back(boost::math::cdf(boost::math::poisson(rate), at.back()));
    }
    joint.expect("mean", rate).expect("variance", rate).expect("cdf", cdf);
    for (const double x : draw_many(table, Poisson(rate))) {
      for (std::size_t k = 0; k < 5; ++k) below[k] = x <= at[k] ? 1.0 : 0.0;
      joint.sample(x, (x - rate) * (x - rate), below);
    }
    const auto report = table.report();
    INFO(report.text);
    CHECK(report.ok);
  }
  for (const double rate : {1e6, 1e9}) {  // normal to within 1 / sqrt(rate), which is far below the standard errors
    const double skew = 1 / std::sqrt(rate);
    check_continuous("Poisson " + std::to_string(rate), Poisson(rate), [&](double p) {
      const double z = boost::math::quantile(boost::math::normal(), p);
      return std::floor(rate + std::sqrt(rate) * (z + skew * (z * z - 1) / 6)) + 0.5;
    }, rate, rate);
  }
  CHECK(sum(Poisson(0.0).sample({100})).item() == 0.0);
}

TEST_CASE("samplers: the tables notice a wrong sampler", "[dist][sampler][planted]") {
  const auto normal = [](double p) { return boost::math::quantile(boost::math::normal(), p); };
  CHECK_FALSE(continuous_report("wrong scale", Normal(0.0, 1.03), normal, 0.0, 1.0).agrees);
  CHECK_FALSE(continuous_report("wrong location", Normal(0.03, 1.0), normal, 0.0, 1.0).agrees);
  CHECK_FALSE(continuous_report("wrong shape", Gamma(3.1, 2.5), [](double p) { return boost::math::quantile(boost::math::gamma_distribution<>(3.0, 0.4), p); }, 1.2, 0.48).agrees);
  CHECK_FALSE(continuous_report("wrong tail", HalfCauchy(1.0), [&](double p) { return normal(0.5 + 0.5 * p); }, detail::kNaN, detail::kNaN).agrees);
  CHECK_FALSE(discrete_report("wrong probability", Bernoulli(0.52), {0.5, 0.5}, 0.5, 0.25).agrees);
  CHECK_FALSE(discrete_report("wrong rate", Poisson(4.1), poisson_masses(4.0, 7), 4.0, 4.0).agrees);
}

TEST_CASE("samplers: Poisson's log-probability is that of Boost", "[dist][sampler]") {
  for (const double rate : {10.0, 123.4, 1e6})
    for (const double k : {10.0, 30.0, 100.0, 1e6, 1.001e6}) {
      using Real = long double;
      const Real expected = static_cast<Real>(k) * std::log(static_cast<Real>(rate)) - static_cast<Real>(rate) - boost::math::lgamma(static_cast<Real>(k) + 1);
      CHECK(std::abs(detail::log_poisson(k, rate) - static_cast<double>(expected)) <= 1e-11 * (1 + std::abs(static_cast<double>(expected))));
    }
}

TEST_CASE("samplers: draws of positive families stay inside the support", "[dist][sampler]") {
  const Key key{3, 4};
  const double tiny = std::numeric_limits<double>::min(), huge = std::numeric_limits<double>::max();
  const auto inside = [&](const Distribution& d, double expected) {
    const Tensor x = d.sample_with(key);
    for (const double v : x.to_vector()) CHECK(v == expected);
    CHECK(d.support().first_violation(x) < 0);
    CHECK(std::isfinite(d.log_prob_sum(x).item()));
  };
  inside(LogNormal(-2000.0, 1.0).expand({9}), tiny);
  inside(LogNormal(1000.0, 1.0).expand({9}), huge);
  inside(LogNormal(-2000.0, 1.0), tiny);
  inside(LogNormal(1000.0, 1.0), huge);
  inside(Gamma(1e300, 1e-300).expand({9}), huge);
  inside(Gamma(1.0, 1e-310).expand({3}), huge);
  inside(Gamma(1e-12, 1.0).expand({9}), tiny);
  const auto [v, g] = value_and_grad([&](const Tensor& loc) { return sum(LogNormal(loc, 1.0).expand({3}).sample_with(key)); })(0.5);
  CHECK(std::abs(g.item() - v.item()) < 1e-14 * v.item());
}
