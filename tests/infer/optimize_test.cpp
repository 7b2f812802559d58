// optimize: MAP and maximum likelihood, against closed forms.
#include "catch.hpp"

#include <cmath>

#include "infer/common.hpp"
#include "support/errors.hpp"

using namespace wick;
using namespace wick_test;

namespace {

Tensor data() { return {2.1, 1.4, 2.9, 2.2, 1.8}; }

/// Mean and precision of a normal; Gamma(3, 2) and Normal(0, 2) before.
void normal_model(const Tensor& x) {
  const Tensor mu = sample("mu", Normal(0.0, 2.0)), precision = sample("precision", Gamma(3.0, 2.0));
  const plate rows("rows", x.size(0));
  sample("x", Normal(mu, 1.0 / sqrt(precision)), obs(x));
}
/// Its mode by alternating the closed forms: given μ the precision's posterior is a Gamma, whose mode is (a − 1)/b, a/b with the Jacobian.
std::pair<double, double> mode(bool jacobian) {
  const std::vector<double> x = data().to_vector();
  double mu = 0, precision = 1;
  for (int i = 0; i < 500; ++i) {
    double total = 0, squares = 0;
    for (const double v : x) total += v, squares += (v - mu) * (v - mu);
    precision = (3 + 2.5 - (jacobian ? 0 : 1)) / (2 + 0.5 * squares);
    mu = precision * total / (5 * precision + 0.25);
  }
  return {mu, precision};
}

template <class F>
void refused(F call, auto error, const char* id, const char* site, const char* advice) {
  using E = decltype(error);
  const Surroundings before = surroundings();
  const ErrorReport report = expect_error_unchanged<typename E::type>(call, snapshot, id, site, advice);
  INFO(report.text << report.message);
  REQUIRE(report.ok);
  REQUIRE(before == surroundings());
}
template <class E>
struct Is {
  using type = E;
};

}  // namespace

TEST_CASE("optimize: the mode is that of the closed form, with the Jacobian and without, by every method", "[infer][optimize]") {
  for (const bool jacobian : {false, true}) {
    const auto [mu, precision] = mode(jacobian);
    const auto check = [&, m = mu, p = precision](const OptimizeResult& r, double tolerance) {
      CAPTURE(jacobian, r.iterations, r.reason);
      REQUIRE(r.converged);
      REQUIRE(std::abs(r["mu"].item() - m) < tolerance);
      REQUIRE(std::abs(r["precision"].item() - p) < tolerance);
      REQUIRE(r.sites == std::vector<std::string>{"mu", "precision"});
      const double density = handlers::trace(handlers::condition(normal_model, r.values)).get_trace(data()).log_prob_sum().item();
      REQUIRE(std::abs(r.log_density - density - (jacobian ? std::log(r["precision"].item()) : 0)) < 1e-10);
    };
    const OwnStore own;
    const OptimizeResult by_lbfgs = optimize(normal_model, LBFGS({.tol_grad = 1e-9}), {.jacobian = jacobian})(data());
    check(by_lbfgs, 1e-7);
    REQUIRE(by_lbfgs.evaluations < 40);
    check(optimize(normal_model, Adam({.lr = 0.05}), {.jacobian = jacobian, .steps = 5000})(data()), 1e-5);
    check(optimize(normal_model, SGD({.lr = 0.01, .momentum = 0.8}), {.jacobian = jacobian, .init = {{"mu", 1.0}, {"precision", 3.0}}, .steps = 5000})(data()), 1e-5);
    check(optimize(normal_model, PerParam(Adam({.lr = 0.05}), {{"mu", SGD({.lr = 0.02})}}), {.jacobian = jacobian, .steps = 5000})(data()), 1e-5);
    REQUIRE(param_store().size() == 0);
  }
}

TEST_CASE("optimize: parameters are fitted by maximum likelihood and left in the store", "[infer][optimize]") {
  const OwnStore own;
  const auto model = [](const Tensor& x) {
    const Tensor loc = param("loc", 0.0), scale = param("scale", 1.0, constraints::positive);
    const plate rows("rows", x.size(0));
    sample("x", Normal(loc, scale), obs(x));
  };
  const OptimizeResult r = optimize(model)(data());
  REQUIRE(r.converged);
  REQUIRE(r.sites.empty());
  double squares = 0;
  for (const double v : data().to_vector()) squares += (v - 2.08) * (v - 2.08) / 5;
  REQUIRE(std::abs(param_store().get("loc").item() - 2.08) < 1e-7);
  REQUIRE(std::abs(param_store().get("scale").item() - std::sqrt(squares)) < 1e-7);
}

TEST_CASE("optimize: latent vectors in plates, hierarchical supports, masks and scales", "[infer][optimize]") {
  const OwnStore own;
  const Tensor x{0.5, -1.0, 2.0}, sigma{1.0, 2.0, 0.5};
  const auto model = [&] {
    const Tensor top = sample("top", Uniform(1.0, 3.0));
    const plate rows("rows", 3);
    const handlers::scale<> half(0.5);
    const Tensor z = sample("z", Normal(0.3, 1.0));
    const Tensor u = sample("u", Uniform(0.0, top));  // its support depends on another site
    sample("u_obs", Normal(u, 0.1), obs(Tensor{0.2, 0.4, 0.6}));
    const handlers::mask<> mask(Tensor{1, 0, 1});
    sample("x", Normal(z, sigma), obs(x));
  };
  const OptimizeResult r = optimize(model, LBFGS({.tol_grad = 1e-6}))();
  CAPTURE(r.reason, r.iterations);
  for (Index i = 0; i < 3; ++i) {
    const double s = 1 / (sigma.at({i}) * sigma.at({i})), expected = i == 1 ? 0.3 : (0.3 + s * x.at({i})) / (1 + s);
    REQUIRE(std::abs(r["z"].at({i}) - expected) < 1e-5);
    REQUIRE(std::abs(r["u"].at({i}) - 0.2 * static_cast<double>(i + 1)) < 1e-4);
  }
  REQUIRE(std::abs(r["top"].item() - 1) < 1e-3);  // the density falls in it, to the edge of its support
}

TEST_CASE("optimize: subsampled data by first-order steps", "[infer][optimize]") {
  const OwnStore own;
  const Tensor x = 0.01 * arange(200);
  const auto model = [&] {
    const Tensor mu = sample("mu", Normal(0.0, 10.0));
    const plate rows("rows", 200, {.subsample_size = 20});
    sample("x", Normal(mu, 1.0), obs(rows.subsample(x)));
  };
  const OptimizeResult r = optimize(model, Scheduled(Adam({.lr = 0.05}), schedules::cosine(2000)), {.steps = 2000, .seed = 1})();
  REQUIRE(!r.converged);
  REQUIRE(r.reason == "steps");
  REQUIRE(std::abs(r["mu"].item() - 0.995) < 0.03);
  refused([&] { return optimize(model)(); }, Is<UsageError>(), "wick.optim.E620", "rows", "first-order");
}

TEST_CASE("optimize: what it cannot do is refused, and the parameters are as they were", "[infer][optimize][errors]") {
  const OwnStore own;
  param("a", 0.5);
  const auto with_a = [](auto rest) { return [=] { sample("y", Normal(param("a", 0.0), 1.0), obs(3.0)), rest(); }; };
  refused([&] { return optimize(with_a([] { sample("k", Bernoulli(0.5)); }))(); }, Is<UsageError>(), "wick.optim.E621", "k", "condition");
  const auto local = with_a([] {
    const plate rows("rows", 10, {.subsample_size = 3});
    sample("z", Normal(0.0, 1.0));
  });
  refused([&] { return optimize(local, Adam())(); }, Is<UsageError>(), "wick.optim.E622", "z", "whole plate");
  const auto vector = with_a([] { sample("z", Normal(zeros({3}), 1.0).to_event(1)); });
  refused([&] { return optimize(vector, LBFGS(), {.init = {{"z", Tensor{1.0, 2.0}}}})(); }, Is<ShapeError>(), "wick.optim.E623", "z", "shape");
  const auto positive = with_a([] { sample("s", Gamma(2.0, 2.0)); });
  refused([&] { return optimize(positive, LBFGS(), {.init = {{"s", -1.0}}})(); }, Is<DomainError>(), "wick.optim.E626", "s", "inside");
  refused([&] { return optimize(positive, LBFGS(), {.init = {{"t", 1.0}}})(); }, Is<SiteError>(), "wick.optim.E628", "t", "these names");
  int runs = 0;
  const auto late = with_a([&] {
    if (++runs > 3) sample("late", Normal(0.0, 1.0));
  });
  refused([&] { return optimize(late, Adam())(); }, Is<SiteError>(), "wick.optim.E624", "late", "every run");
  const auto late_param = with_a([&] {
    if (++runs > 9) param("b", 0.0);
  });
  refused([&] { return optimize(late_param, Adam())(); }, Is<SiteError>(), "wick.optim.E624", "b", "every run");
  refused([&] { return optimize(with_a([] { factor("f", -detail::kInf); }))(); }, Is<NumericalError>(), "wick.optim.E625", "f", "elsewhere");
  const auto kink = with_a([] { factor("f", -sqrt(square(sample("z", Normal(0.0, 1.0))))); });  // no slope where z begins
  refused([&] { return optimize(kink)(); }, Is<NumericalError>(), "wick.optim.E625", "z", "sqrt");
  refused([&] { return optimize(kink, Adam())(); }, Is<NumericalError>(), "wick.optim.E625", "z", "sqrt");
  refused([&] { return optimize(positive, Adam(), {.steps = -1})(); }, Is<DomainError>(), "wick.optim.E627", "", "number");
  refused([&] { return optimize(with_a([] { sample("z", Normal(zeros({3}), 1.0)); }))(); }, Is<ShapeError>(), "wick.elbo.E304", "z", "plate");
  REQUIRE_THROWS_AS(optimize(positive)()["nothing"], SiteError);
}

TEST_CASE("optimize: steps into impossible values are taken back", "[infer][optimize]") {
  const OwnStore own;
  // Far from the data the first step goes to where the scale overflows.
  const auto model = [] {
    const Tensor s = sample("s", LogNormal(0.0, 1.0));
    sample("x", Normal(0.0, s), obs(1e-3));
    sample("y", Exponential(exp(square(s))), obs(1e-4));
  };
  const OptimizeResult r = optimize(model, LBFGS(), {.init = {{"s", 8.0}}})();
  REQUIRE(r.converged);
  const OptimizeResult near = optimize(model, LBFGS(), {.init = {{"s", r["s"].item()}}})();
  REQUIRE(std::abs(near["s"].item() - r["s"].item()) < 1e-5);
}
