// Rule F: log-densities against reference values, and their normalisation.
#include "catch.hpp"

#include <array>
#include <cmath>

#include <wick/ad/grad.hpp>

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

// --- large parameters: the terms of size a log a cancel ----------------------------------------------------------------------------
// Reference values by mpmath with 60 digits at the very doubles of the table: log density and its derivatives.
namespace {

struct LargeGamma {
  double a, rate, x;
  double expected[4];  ///< value, and derivatives in x, a and rate
};
const LargeGamma large_gammas[] = {
    {257.0, 1.0, 257.0, {-3.6938008297039448853, -0.0038910505836575875486, 0.0019467869794722900813, 0.0}},
    {300.0, 2.0, 140.0, {-3.7068289422462093986, 0.13571428571428571429, -0.067325278895387660022, 10.0}},
    {1000.0, 0.5, 2100.0, {-6.3246726813236710713, -0.024285714285714285714, 0.049290247502757003069, -100.0}},
    {10000.0, 3.0, 3300.0, {-4.9188129630188953683, 0.03, -0.010000335020168108684, 33.333333333333333333}},
    {1000000.0, 1.0, 1000000.0, {-7.8266938955201431272, -1.0e-6, 5.0000008333333333332e-7, 0.0}},
    {1000000.0, 1.0, 1001000.0, {-8.3273603123200598509, -0.001, 0.0010000003331668665001, -1000.0}},
    {1000000.0, 0.3, 3333333.3333333335, {-9.0306666998460791664, -3.000000000028675944e-7, 5.000000833428920279e-7, -3.1862315255340132436e-11}},
    {100000000.0, 7.0, 14285714.285714285, {-8.1833687569588754875, -6.9999999869614840858e-8, 4.999999989706881841e-9, 2.6609216417585100446e-10}},
    {100000000.0, 1.0, 100030000.0, {-14.628679063474598934, -0.00029992002399280215935, 0.00029996000899798381921, -30000.0}},
    {1000000000000.0, 1.0, 1000000000000.0, {-14.734449091169030179, -1.0e-12, 5.0000000000008333333e-13, 0.0}},
    {1000000000000.0, 1e-09, 1e+21, {-35.457714928115441335, -1.0000622815914577799e-21, 5.0006228159154111319e-13, -62281.59145777985254}},
    {1000000000000000.0, 1.0, 1000000000000000.0, {-18.188326730660015455, -1.0e-15, 5.0000000000000008333e-16, 0.0}},
    {1000000000000000.0, 1.0, 1000000070000000.0, {-20.638326686326685674, -6.9999996100000273e-8, 6.9999998050000114333e-8, -70000000.0}},
    {1000.0, 1e-200, 1e+203, {-464.88991810483543362, -9.999999999999708806e-204, 0.00050008333332497087334, 2.9130629725853946248e+186}},
    {1000.0, 1e+200, 1e-197, {456.14411909278283999, -9.9999999999995648798e+196, 0.00050008333332495647869, 4.3525278556631587123e-214}},
    {500.0, 1.0, 0.001, {-6052.0867345738202712, 498998.99999999998961, -13.121363044071128774, 499.999}},
    {500.0, 1e-200, 1e-150, {-405212.11936037062175, 4.9899999999999999686e+152, -812.11839031300498116, 5.0000000000000000895e+202}},
    {300.0, 1e+160, 1e+150, {-detail::kInf, -1.0000000000000000065e+160, 708.09926394608952476, -9.9999999999999998084e+149}},
    {400.0, 1.0, 900.0, {-180.35372286973341755, -0.55666666666666666667, 0.81218073704933657742, -500.0}},
    {256.0, 1.0, 256.0, {-3.6918527761122195769, -0.00390625, 0.0019543965638149670674, 0.0}},
    {255.5, 1.0, 250.0, {-3.7291755541153950837, 0.018, -0.019803268073642707536, 5.5}},
    {200.0, 4.0, 50.0, {-2.1822195216782473862, -0.02, 0.0025020833281250620023, 0.0}},
};
struct LargePoisson {
  double k, rate;
  double expected[2];  ///< value, and the derivative in rate
};
const LargePoisson large_poissons[] = {
    {257.0, 257.0, {-3.6938008297039448853, 0.0}},
    {257.0, 1.0, {-1173.8063546477754331, 256.0}},
    {300.0, 310.0, {-3.9341607013104095627, -0.032258064516129032258}},
    {1000.0, 0.001, {-12819.88445747030038, 999998.99999999997918}},
    {1000.0, 1500.0, {-98.907791397861914846, -0.33333333333333333333}},
    {10000.0, 10050.0, {-5.6487019421353585443, -0.0049751243781094527363}},
    {1000000.0, 1000000.0, {-7.8266938955201431272, 0.0}},
    {1000000.0, 999999.0, {-7.8266943955204764607, 1.000001000001000001e-6}},
    {1000000.0, 1001000.0, {-8.3263608119869763178, -0.000999000999000999001}},
    {1000000000.0, 1000000000.0, {-11.280571451761211653, 0.0}},
    {1000050000.0, 1000000000.0, {-12.530575618323712695, 0.00005}},
    {1000000000000.0, 1000003000000.0, {-19.234440091189280131, -2.999991000026999919e-6}},
    {1000000000000000.0, 1000000000000000.0, {-18.188326730660015455, 0.0}},
    {1000000000000000.0, 1000000100000000.0, {-23.188326397326707122, -9.9999990000001e-8}},
    {5000.0, 1e+300, {-1.0000000000000000525e+300, -1.0}},
    {256.0, 256.0, {-3.6918527761122195769, 0.0}},
    {250.0, 260.0, {-3.8748240369710282593, -0.038461538461538461538}},
    {40.0, 10000000.0, {-9999465.5968136764246, -0.999996}},
};

/// Relative 1e-9, or the rounding of the arguments, whose derivatives these are.
bool derivative_is(double actual, double expected, double size) { return std::abs(actual - expected) <= 1e-9 * std::abs(expected) + 1e-15 * size; }

}  // namespace

TEST_CASE("log_prob: Gamma and Poisson with large parameters", "[dist][reference][gradient]") {
  for (const LargeGamma& r : large_gammas) {
    INFO("Gamma(" << r.a << ", " << r.rate << ") at " << r.x);
    const double value = log_density(Gamma(r.a, r.rate), r.x);
    INFO(value << ", reference " << r.expected[0]);
    CHECK(within_rule_f(value, r.expected[0]));
    if (std::isinf(value)) continue;  // rate · x has overflown
    const auto [v, g] = value_and_grad([](const Tensor& x, const Tensor& a, const Tensor& rate) { return Gamma(a, rate).log_prob(x); })(r.x, r.a, r.rate);
    CHECK(v.item() == value);
    INFO(g[0].item() << " " << g[1].item() << " " << g[2].item());
    CHECK(derivative_is(g[0].item(), r.expected[1], r.rate));
    CHECK(derivative_is(g[1].item(), r.expected[2], 1.0));
    CHECK(derivative_is(g[2].item(), r.expected[3], r.x));
    // Only some lanes of a packet, and only some arguments with a gradient.
    const Tensor mixed{r.a, 2.0, r.a, 0.5}, x{r.x, 3.0, r.x, 0.25};
    const Tensor all = Gamma(mixed, r.rate).log_prob(x);
    CHECK(all.at({0}) == value);
    CHECK(all.at({2}) == value);
    CHECK(within_rule_f(all.at({3}), Gamma(0.5, r.rate).log_prob(0.25).item()));
    CHECK(grad([&](const Tensor& a) { return Gamma(a, r.rate).log_prob(r.x); })(r.a).item() == g[1].item());
    CHECK(grad([&](const Tensor& rate) { return Gamma(r.a, rate).log_prob(r.x); })(r.rate).item() == g[2].item());
  }
  for (const LargePoisson& r : large_poissons) {
    INFO("Poisson(" << r.rate << ") at " << r.k);
    const double value = log_density(Poisson(r.rate), r.k);
    INFO(value << ", reference " << r.expected[0]);
    CHECK(within_rule_f(value, r.expected[0]));
    const auto [v, g] = value_and_grad([&](const Tensor& rate) { return Poisson(rate).log_prob(r.k); })(r.rate);
    CHECK(v.item() == value);
    CHECK(derivative_is(g.item(), r.expected[1], 1.0));
    const Tensor all = Poisson(r.rate).log_prob(Tensor{r.k, 3.0, r.k});
    CHECK(all.at({0}) == value);
    CHECK(all.at({2}) == value);
  }
  // Out of the domain as elsewhere.
  CHECK(log_density(Gamma(1e6, 1.0), 0.0) == -detail::kInf);
  CHECK(log_density(Poisson(0.0), 1e6) == -detail::kInf);
  CHECK_THROWS_AS(Gamma(1e6, -1.0).log_prob(1.0), DomainError);
  CHECK_THROWS_AS(Gamma(detail::kInf, 1.0).log_prob(1.0), DomainError);
  CHECK_THROWS_AS(Gamma(1e6, 1.0).log_prob(-1.0), DomainError);
  CHECK_THROWS_AS(Poisson(1e6).log_prob(1e6 + 0.5), DomainError);
  CHECK_THROWS_AS(Poisson(1e6).log_prob(detail::kInf), DomainError);
  CHECK_THROWS_AS(Poisson(-1.0).log_prob(1e6), DomainError);
}

TEST_CASE("log_prob: Gamma at 0", "[dist][gradient]") {
  // log p(0) is inf, log rate, -inf for a < 1, = 1, > 1: it falls infinitely steeply in a.
  const double inf = detail::kInf;
  const auto at_zero = [](double a) {
    return value_and_grad([](const Tensor& x, const Tensor& p, const Tensor& rate) { return Gamma(p, rate).log_prob(x); })(0.0, a, 2.0);
  };
  for (const double a : {0.5, 1.0, 3.0, 1000.0}) {
    INFO(a);
    const auto [v, g] = at_zero(a);
    CHECK(v.item() == (a < 1 ? inf : a > 1 ? -inf : std::log(2.0)));
    CHECK(g[0].item() == (a < 1 ? -inf : a > 1 ? inf : -2.0));
    CHECK(g[1].item() == -inf);
    CHECK(std::abs(g[2].item() - a / 2) <= 1e-15 * a);
  }
}

TEST_CASE("log_prob: where squares and reciprocals overflow", "[dist][reference][gradient]") {
  const auto of = [](const auto& make, double x, double scale) {
    return value_and_grad([&](const Tensor& value, const Tensor& s) { return make(s).log_prob(value); })(x, scale);
  };
  const auto relative = [](double actual, double expected) { return std::abs(actual - expected) <= 1e-12 * std::abs(expected); };
  const auto half_cauchy = [](const Tensor& s) { return HalfCauchy(s); };
  // log(2 / π) − log scale − 2 log(x / scale), −2 / x and 1 / scale to the last digit, 1 being nothing beside (x / scale)².
  const double c = std::log(0.63661977236758134308);
  for (const auto& [x, scale] : {std::pair{1e200, 1.0}, {1.0, 1e-160}, {1e11, 1.0}, {1e300, 1e-300}, {1e-5, 1e-305}, {1e308, 1e20}}) {
    INFO(x << " " << scale);
    const auto [v, g] = of(half_cauchy, x, scale);
    CHECK(within_rule_f(v.item(), c + std::log(scale) - 2 * std::log(x)));
    CHECK(v.item() == log_density(HalfCauchy(scale), x));
    CHECK(relative(g[0].item(), -2 / x));
    CHECK(relative(g[1].item(), 1 / scale));
  }
  // On both sides of where the formula changes, in one packet with ordinary values.
  const Tensor at = HalfCauchy(1.0).log_prob(Tensor{0.9999e10, 1.0001e10, 1.0, 1e250});
  for (Index i = 0; i < 4; ++i) {
    const long double x = std::array{0.9999e10L, 1.0001e10L, 1.0L, 1e250L}[static_cast<std::size_t>(i)];
    CHECK(within_rule_f(at.at({i}), static_cast<double>(c - std::log1p(x * x))));
  }
  // A normal distribution at its mean: the square of 1 / scale, or itself, is not finite.
  for (const double scale : {1e-310, 1e-300, 1e-160}) {
    INFO(scale);
    const auto [v, g] = of([](const Tensor& s) { return Normal(2.0, s); }, 2.0, scale);
    CHECK(within_rule_f(v.item(), -std::log(scale) - 0.91893853320467274178));
    CHECK(g[0].item() == 0.0);
    if (scale > 1e-308) CHECK(relative(g[1].item(), -1 / scale));
    const auto [w, h] = of([](const Tensor& s) { return HalfNormal(s); }, 0.0, scale);
    CHECK(within_rule_f(w.item(), -std::log(scale) - 0.22579135264472743));
    CHECK(h[0].item() == 0.0);
    if (scale > 1e-308) CHECK(relative(h[1].item(), -1 / scale));
    CHECK(within_rule_f(log_density(LogNormal(0.0, scale), 1.0), -std::log(scale) - 0.91893853320467274178));
  }
  const auto [v, g] = of([](const Tensor& s) { return Normal(0.0, s); }, 3e-160, 1e-160);
  CHECK(within_rule_f(v.item(), -4.5 - std::log(1e-160) - 0.91893853320467274178));
  CHECK(relative(g[0].item(), -3e160));
  CHECK(relative(g[1].item(), 8e160));
}
