#include "catch.hpp"

#include <array>
#include <cmath>
#include <random>
#include <vector>

#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/trigamma.hpp>

#include "support/exact_gradients.hpp"
#include "support/finite_difference.hpp"
#include "support/quadrature.hpp"
#include "support/stat.hpp"

using namespace wick_test;

namespace {

using Vector = std::vector<double>;

template <class F>
void check_gradient(F f, const Vector& p) {
  const LossGrad exact = f(p);
  const auto reference = finite_gradient([&](const Vector& x) { return f(x).loss; }, p);
  const auto report = compare_derivatives("gradient", exact.grad, reference, 1e-8, exact.loss);
  INFO(report.text);
  REQUIRE(report.ok);
}

bool close(double a, double b, double tolerance = 1e-11) { return std::abs(a - b) <= tolerance * (1.0 + std::abs(b)); }

/// Structural variants of n data, in a plate or under one global latent.
std::vector<Weights> variants(const Weights& w) {
  std::vector<Weights> all{w, w.scale_model(2.5), w.scale_guide(0.4), w.scale_latent(3.0).scale_observed(0.5),
                           w.batch({1})};
  all.push_back(w.batch({0, 2}).scale_guide(2.0));
  all.push_back(w.mask_observed({true, false, true}));
  if (w.per_datum()) {
    all.push_back(w.mask_latent({false, true, true}).mask_guide({true, true, false}));
    all.push_back(w.batch({2, 1}).mask_observed({true, true, false}));
  } else {
    all.push_back(w.mask_latent({false}));
    all.push_back(w.mask_guide({false}));
  }
  return all;
}

double gamma_log_density(double x, double shape, double rate) {
  return shape * std::log(rate) - std::lgamma(shape) + (shape - 1.0) * std::log(x) - rate * x;
}

double poisson_log_density(double x, double rate) { return x * std::log(rate) - rate - std::lgamma(x + 1.0); }

const Vector data{-0.5, 2.0, 0.7}, counts{0.0, 3.0, 5.0};

}  // namespace

TEST_CASE("exact gradients: digamma and trigamma equal Boost's", "[support][gradient]") {
  for (double x : {1e-3, 0.1, 0.5, 1.0, 1.4616321449683623, 3.0, 19.99, 20.0, 1e3, 1e6}) {
    REQUIRE(close(exact_detail::digamma(x), boost::math::digamma(x), 1e-13));
    REQUIRE(std::abs(exact_detail::trigamma(x) / boost::math::trigamma(x) - 1.0) < 1e-13);
  }
}

TEST_CASE("exact gradients: Pyro's Normal-Normal numbers", "[support][gradient]") {
  // tests/infer/test_gradient.py: data (-0.5, 2), loc 0, one scale 1: gradient (0.5, -2) and 2, subsampled or not.
  const Vector x{-0.5, 2.0}, p{0.0, 0.0, 0.0};
  REQUIRE(normal_normal(p, x, Weights::plate(2)).grad == Vector{0.5, -2.0, 2.0});
  Vector mean(3, 0.0);
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t k = 0; k < 3; ++k) mean[k] += 0.5 * normal_normal(p, x, Weights::plate(2).batch({i})).grad[k];
  REQUIRE(mean == Vector{0.5, -2.0, 2.0});
}

TEST_CASE("exact gradients: Normal-Normal", "[support][gradient]") {
  for (const Weights& w : variants(Weights::plate(3))) {
    check_gradient([&](const Vector& p) { return normal_normal(p, data, w); }, {0.3, -0.4, 1.1, 0.2, -0.5, 0.1});
    check_gradient([&](const Vector& p) { return normal_normal(p, data, w); }, {0.3, -0.4, 1.1, 0.2});
  }
  for (const Weights& w : variants(Weights::global(3))) {
    const Vector p{0.3, -0.4};
    check_gradient([&](const Vector& q) { return normal_normal(q, data, w); }, p);
    const double s = std::exp(p[1]);
    const double loss = expect_normal(gauss_hermite(20), p[0], s, [&](double z) {
      double f = w.guide[0] * normal_log_density(z, p[0], s) - w.latent[0] * normal_log_density(z, 0.0, 1.0);
      for (std::size_t j = 0; j < 3; ++j) f -= w.observed[j] * normal_log_density(data[j], z, 1.0);
      return f;
    });
    REQUIRE(close(normal_normal(p, data, w).loss, loss));
  }
  // At the posterior the loss is -log p(x) and the gradient 0.
  const LossGrad at = normal_normal(Vector{1.0, -0.5 * std::log(2.0)}, Vector{2.0}, Weights::global(1));
  REQUIRE(close(at.loss, -normal_log_density(2.0, 0.0, std::sqrt(2.0))));
  REQUIRE(std::abs(at.grad[0]) + std::abs(at.grad[1]) < 1e-15);
}

TEST_CASE("exact gradients: Bernoulli-Normal", "[support][gradient]") {
  for (const Weights& w : variants(Weights::plate(3)))
    check_gradient([&](const Vector& p) { return bernoulli_normal(p, data, w); }, {0.3, -1.4, 2.0});
  for (const Weights& w : variants(Weights::global(3)))
    check_gradient([&](const Vector& p) { return bernoulli_normal(p, data, w); }, {0.3});
  const BernoulliNormal model;
  double one = model.prior, zero = 1.0 - model.prior;
  for (double x : data) {
    one *= std::exp(normal_log_density(x, model.mean1, 1.0));
    zero *= std::exp(normal_log_density(x, model.mean0, 1.0));
  }
  const LossGrad at = bernoulli_normal(Vector{std::log(one / zero)}, data, Weights::global(3));
  REQUIRE(close(at.loss, -std::log(one + zero)));
  REQUIRE(std::abs(at.grad[0]) < 1e-14);
}

TEST_CASE("exact gradients: Poisson-Gamma", "[support][gradient]") {
  for (const Weights& w : variants(Weights::plate(3)))
    check_gradient([&](const Vector& p) { return poisson_gamma(p, counts, w); }, {0.3, -0.4, 1.1, 0.2, -0.5, 0.1});
  const PoissonGamma model;
  for (const Weights& w : variants(Weights::global(3))) {
    const Vector p{0.9, 0.3};
    check_gradient([&](const Vector& q) { return poisson_gamma(q, counts, w); }, p);
    const double loss = integrate_half_line([&](double z) {
      const double log_q = gamma_log_density(z, std::exp(p[0]), std::exp(p[1]));
      if (!(std::exp(log_q) > 1e-300)) return 0.0;
      double f = w.guide[0] * log_q - w.latent[0] * gamma_log_density(z, model.shape, model.rate);
      for (std::size_t j = 0; j < 3; ++j) f -= w.observed[j] * poisson_log_density(counts[j], z);
      return std::exp(log_q) * f;
    });
    REQUIRE(close(poisson_gamma(p, counts, w).loss, loss, 1e-9));
  }
  // At the posterior Gamma(shape + sum x, rate + n): -log evidence, gradient 0.
  const double shape = model.shape + 8.0, rate = model.rate + 3.0;
  const LossGrad at = poisson_gamma(Vector{std::log(shape), std::log(rate)}, counts, Weights::global(3));
  double evidence =
      model.shape * std::log(model.rate) - std::lgamma(model.shape) - shape * std::log(rate) + std::lgamma(shape);
  for (double x : counts) evidence -= std::lgamma(x + 1.0);
  REQUIRE(close(at.loss, -evidence));
  REQUIRE(std::abs(at.grad[0]) + std::abs(at.grad[1]) < 1e-12);
}

TEST_CASE("exact gradients: branch model", "[support][gradient]") {
  const double x = 1.5;
  const Vector p{0.4, 0.6, -0.3, 1.2, 0.5};
  for (const BranchWeights& w : {BranchWeights{}, BranchWeights{2.0, 0.5, 3.0, 0.7, 1.3}, BranchWeights{1, 1, 0, 1, 1},
                                 BranchWeights{1, 0, 1, 1, 1}, BranchWeights{1, 1, 1, 1, 0}}) {
    check_gradient([&](const Vector& q) { return branch(q, x, w); }, p);
    const double q1 = sigmoid(p[0]), s = std::exp(p[2]), a = std::exp(p[3]), b = std::exp(p[4]);
    const double one = expect_normal(gauss_hermite(20), p[1], s, [&](double z) {
      return -w.k * std::log(0.5) - w.z * normal_log_density(z, 0.0, 1.0) - w.x * normal_log_density(x, z, 1.0) +
             w.guide_k * std::log(q1) + w.guide_z * normal_log_density(z, p[1], s);
    });
    const double zero = integrate_half_line([&](double z) {
      const double log_q = gamma_log_density(z, a, b);
      if (!(std::exp(log_q) > 1e-300)) return 0.0;
      return std::exp(log_q) * (-w.k * std::log(0.5) - w.z * gamma_log_density(z, 2.0, 2.0) -
                                w.x * normal_log_density(x, z, 1.0) + w.guide_k * std::log1p(-q1) + w.guide_z * log_q);
    });
    REQUIRE(close(branch(p, x, w).loss, q1 * one + (1.0 - q1) * zero, 1e-9));
  }
  // The posterior weights of examples.md, from this model's terms.
  const double one = 0.5 * std::exp(normal_log_density(x, 0.0, std::sqrt(2.0))) * 2.0;
  const double zero = integrate_half_line(
      [&](double z) { return std::exp(gamma_log_density(z, 2.0, 2.0) + normal_log_density(x, z, 1.0)); });
  REQUIRE(std::abs(0.5 * one * 2.0 - 0.160733) < 1e-6);
  REQUIRE(std::abs(zero - 0.291061) < 1e-6);
  REQUIRE(std::abs(one / (one + zero) - 0.355766) < 1e-6);
}

TEST_CASE("exact gradients: local Bernoullis under a global normal", "[support][gradient]") {
  for (double slope : {0.0, 0.8}) {
    const Vector p{0.4, -0.3, slope, 0.5, -1.0, 1.5};
    for (const Weights& w : variants(Weights::plate(3)))
      for (const LocalBernoulli& model : {LocalBernoulli{}, LocalBernoulli{0.6, 2.0, 0.5}}) {
        check_gradient([&](const Vector& q) { return local_bernoulli(q, data, w, model); }, p);
        // All eight values of (z_1, z_2, z_3) at each node of Gauss-Hermite.
        const double s = std::exp(p[1]);
        const double loss = expect_normal(gauss_hermite(150), p[0], s, [&](double g) {
          double sum = 0.0;
          for (unsigned z = 0; z < 8; ++z) {
            double q = 1.0, f = -model.global_weight * normal_log_density(g, 0.0, 1.0) +
                                model.global_guide_weight * normal_log_density(g, p[0], s);
            for (std::size_t i = 0; i < 3; ++i) {
              const bool on = (z >> i & 1u) != 0;
              const double q_i = sigmoid((on ? 1.0 : -1.0) * (p[3 + i] + slope * g));
              q *= q_i;
              f -= w.latent[i] * std::log(on ? model.prior : 1.0 - model.prior);
              f -= w.observed[i] * normal_log_density(data[i], g + (on ? 1.0 : 0.0), 1.0);
              f += w.guide[i] * std::log(q_i);
            }
            sum += q * f;
          }
          return sum;
        });
        REQUIRE(close(local_bernoulli(p, data, w, model).loss, loss, 1e-10));
      }
  }
}

TEST_CASE("exact gradients: the auxiliary guide site of semantics.md", "[support][gradient]") {
  for (const Vector& p : {auxiliary_point(), Vector{1.3, -0.4, 0.9}})
    check_gradient([](const Vector& q) { return auxiliary(q); }, p);
  REQUIRE(std::abs(auxiliary(auxiliary_point()).grad[0] - 0.242) < 5e-4);
  const double biased = auxiliary(auxiliary_point(), {.x = 1.0, .entropy_of_a = false}).grad[0];
  REQUIRE(std::abs(biased - 0.42) < 1e-12);  // semantics.md measures 0.424 +- 0.022
  REQUIRE(auxiliary(auxiliary_point(), {.x = 1.0, .entropy_of_a = false}).loss == auxiliary(auxiliary_point()).loss);
}

// Monte Carlo with plain estimators, as the library's will be tested; each planted fault must be noticed (rule B).

TEST_CASE("exact gradients: score function with plate-wise Rao-Blackwellisation", "[support][gradient]") {
  enum Fault { none, score_scaled, scale_dropped, whole_plate };
  const Weights w = Weights::plate(3).batch({0, 2}).scale_guide(1.5);
  const Vector p{0.4, -0.3, 0.8, 0.5, -1.0, 1.5};
  const LocalBernoulli model;
  const LossGrad exact = local_bernoulli(p, data, w, model);
  for (Fault fault : {none, score_scaled, scale_dropped, whole_plate}) {
    MonteCarloTable table("exact gradients: score function with plate-wise Rao-Blackwellisation");
    std::mt19937_64 engine(table.seed());
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform;
    auto& joint = table.joint("p").expect("loss", exact.loss).expect("grad", exact.grad);
    for (int n = 0; n < 200000; ++n) {
      const double e = normal(engine), s = std::exp(p[1]), g = p[0] + s * e;
      double loss = normal_log_density(g, p[0], s) - normal_log_density(g, 0.0, 1.0), d_g = g;
      std::array<double, 3> cost{}, score{};
      for (std::size_t i : {std::size_t{0}, std::size_t{2}}) {
        const double scale = fault == scale_dropped ? w.latent[i] / 1.5 : w.latent[i];
        const double q1 = sigmoid(p[3 + i] + p[2] * g);
        const bool z = uniform(engine) < q1;
        cost[i] = w.guide[i] * std::log(z ? q1 : 1.0 - q1) - scale * std::log(z ? model.prior : 1.0 - model.prior);
        cost[i] -= scale * normal_log_density(data[i], g + z, 1.0);
        score[i] = z - q1;
        // the pathwise part: w enters the data, and log q(z_i) through its logit
        d_g += -scale * (data[i] - g - z) + w.guide[i] * p[2] * score[i];
        loss += cost[i];
      }
      Vector grad(6, 0.0);
      for (std::size_t i = 0; i < 3; ++i) {
        // The scores of the other elements have mean 0 given w: their costs may be left out, but need not be.
        double log_r = fault == whole_plate ? cost[0] + cost[2] : cost[i];
        if (fault == score_scaled) log_r *= w.latent[i];
        const double term = (log_r + w.guide[i]) * score[i];
        grad[3 + i] = term;
        grad[2] += g * term;
        d_g += p[2] * log_r * score[i];
      }
      grad[0] = d_g;
      grad[1] = d_g * s * e - 1.0;
      joint.sample(loss, grad);
    }
    const auto report = table.report();
    INFO(report.text);
    REQUIRE(report.accurate);
    REQUIRE(report.agrees == (fault == none || fault == whole_plate));
  }
}

TEST_CASE("exact gradients: random minibatches have the full plate's expectation", "[support][gradient]") {
  const Vector p{0.3, -0.4, 1.1, 0.2};
  const LossGrad exact = normal_normal(p, data, Weights::plate(3));
  for (bool scale_dropped : {false, true}) {
    MonteCarloTable table("exact gradients: random minibatches have the full plate's expectation");
    std::mt19937_64 engine(table.seed());
    std::normal_distribution<double> normal;
    auto& joint = table.joint("p").expect("loss", exact.loss).expect("grad", exact.grad);
    for (int n = 0; n < 100000; ++n) {
      const std::size_t i = std::uniform_int_distribution<std::size_t>(0, 2)(engine);
      const double e = normal(engine), s = std::exp(p[3]), z = p[i] + s * e, scale = scale_dropped ? 1.0 : 3.0;
      const double loss =
          normal_log_density(z, p[i], s) - normal_log_density(z, 0.0, 1.0) - normal_log_density(data[i], z, 1.0);
      Vector grad(4, 0.0);
      grad[i] = scale * (z - (data[i] - z));
      grad[3] = scale * ((z - (data[i] - z)) * s * e - 1.0);
      joint.sample(scale * loss, grad);
    }
    const auto report = table.report();
    INFO(report.text);
    REQUIRE(report.agrees != scale_dropped);
    REQUIRE(report.accurate);
  }
}

TEST_CASE("exact gradients: leaving out log q of an auxiliary site is noticed", "[support][gradient]") {
  const Vector p = auxiliary_point();
  for (bool dropped : {false, true}) {
    MonteCarloTable table("exact gradients: leaving out log q of an auxiliary site is noticed");
    std::mt19937_64 engine(table.seed());
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform;
    auto& joint = table.joint("p").expect("grad", auxiliary(p).grad);
    for (int n = 0; n < 200000; ++n) {
      const double q1 = sigmoid(p[0]);
      const std::size_t a = uniform(engine) < q1 ? 1 : 0;
      const double z = p[1 + a] + normal(engine), log_q = std::log(a == 1 ? q1 : 1.0 - q1);
      const double cost = normal_log_density(z, p[1 + a], 1.0) - normal_log_density(z, 0.0, 1.0) -
                          normal_log_density(1.0, z, 1.0) + (dropped ? 0.0 : log_q);
      Vector grad(3, 0.0);
      grad[0] = cost * (static_cast<double>(a) - q1);
      grad[1 + a] = z - (1.0 - z);
      joint.sample(grad);
    }
    const auto report = table.report();
    INFO(report.text);
    REQUIRE(report.accurate);
    REQUIRE(report.agrees != dropped);
  }
}
