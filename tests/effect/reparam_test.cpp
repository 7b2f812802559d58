// handlers::reparam, enum_ and queue: other ways to draw a program's sites.
#include <functional>

#include <wick/ad/grad.hpp>
#include <wick/effect/handlers/enum.hpp>
#include <wick/effect/handlers/queue.hpp>
#include <wick/effect/handlers/reparam.hpp>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

using Names = std::vector<std::string>;

Tensor centred() {
  const plate rows("rows", 3);
  const handlers::scale doubled(2.0);
  return sample("x", Normal(5.0, Tensor{0.5, 1.0, 2.0}));
}

/// A coin decides whether a second one is thrown; data speak of their sum.
Tensor coins() {
  const Tensor first = sample("first", Bernoulli({.probs = 0.25}));
  Tensor sum = first;
  if (first.item() == 1.0) sum = sum + sample("second", Categorical({.probs = Tensor{0.5, 0.3, 0.2}}));
  sample("y", Normal(sum, 1.0), obs(1.0));
  return sum;
}

}  // namespace

TEST_CASE("reparam: LocScale draws a decentred site and computes the other from it", "[effect][reparam]") {
  for (const double c : {0.0, 0.3}) {
    const Trace t = handlers::trace(handlers::reparam(centred, {{"x", LocScaleReparam(c)}})).get_trace();
    CHECK(names(t) == Names{"rows", "x_decentered", "x"});
    CHECK(t.at("x").type == SiteType::deterministic);
    CHECK(frames(t.at("x_decentered")) == "rows 3/3 dim -1");
    CHECK(t.at("x_decentered").scale.item() == 2.0);
    const Values d = values(t.at("x_decentered").value), x = values(t.at("x").value);
    CHECK(values(t.return_value()) == x);
    double expected = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const double s = std::vector<double>{0.5, 1.0, 2.0}[i], own = std::pow(s, c);
      expected += 2.0 * normal_lpdf(d[i], 5.0 * c, own);
      CHECK((x[i] - 5.0) / s == Approx((d[i] - 5.0 * c) / own));  // both are as far out
    }
    CHECK(t.at("x_decentered").log_prob_sum().item() == Approx(expected));
  }
  CHECK(names(handlers::trace(handlers::reparam(centred, {{"x", LocScaleReparam(1.0)}})).get_trace()) == Names{"rows", "x"});
}

TEST_CASE("reparam: LocScale learns its centring, one number for each element of the event", "[effect][reparam]") {
  const OwnParams params;
  const auto program = [] { return sample("x", Normal(zeros({2, 3}), 2.0).to_event(1)); };
  const auto named = handlers::scope(program, "s");
  Trace t;
  const auto f = [&](const Tensor& u) {
    const handlers::substitute given({{"s/x_centered", u}, {"s/x_decentered", ones({2, 3})}});
    return sum(handlers::reparam(named, {{"s/x", LocScaleReparam()}})());
  };
  t = handlers::trace(handlers::reparam(named, {{"s/x", LocScaleReparam()}})).get_trace();
  CHECK(names(t) == Names{"s/x_centered", "s/x_decentered", "s/x"});
  CHECK(t.at("s/x_centered").param == &params.store.at("s/x_centered"));
  CHECK(values(params.store.get("s/x_centered")) == Values{0.5, 0.5, 0.5});
  const auto [value, slope] = value_and_grad(f)(Tensor{0.25, 0.5, 0.75});  // x = 2^(1 - c) · 1, twice
  CHECK(value.item() == Approx(2.0 * (std::pow(2.0, 0.75) + std::pow(2.0, 0.5) + std::pow(2.0, 0.25))));
  CHECK(slope.at({1}) == Approx(-2.0 * std::log(2.0) * std::pow(2.0, 0.5)));
}

TEST_CASE("reparam: Transform draws a log-normal site as exp of a normal one", "[effect][reparam]") {
  const auto program = [] {
    const plate rows("rows", 2);
    return sample("s", LogNormal(1.0, 0.5));
  };
  const handlers::seed seeded(3);
  const Trace t = handlers::trace(handlers::reparam(program, {{"s", TransformReparam()}})).get_trace();
  CHECK(names(t) == Names{"rows", "s_base", "s"});
  const Values base = values(t.at("s_base").value), s = values(t.at("s").value);
  CHECK(s[1] == Approx(std::exp(base[1])));
  CHECK(t.log_prob_sum().item() == Approx(normal_lpdf(base[0], 1.0, 0.5) + normal_lpdf(base[1], 1.0, 0.5)));
}

namespace {

/// A family at the parameters a and b, and the map that TransformReparam takes from its base.
template <class D>
void check_transform(D make, const std::function<double(double, double, double)>& map, const std::function<double(double, double, double)>& log_slope) {
  const double scale = 2.0;
  const Tensor there = Tensor{{1.0, 0.0, 1.0}, {1.0, 1.0, 0.0}};
  const Tensor base = Tensor{{0.3, 0.6, 0.9}, {0.2, 0.45, 0.7}};
  // In a plate outside and, as an event, a dimension of its own; scaled, and masked element by element.
  const auto in_plate = [&](const Tensor& a, const Tensor& b, bool event) {
    return [=, &there] {
      const plate rows("rows", 2, {.dim = event ? -1 : -2});
      const handlers::scale twice(scale);
      auto d = make(a, b).expand({2, 3});
      if (event) return sample("x", d.to_event(1));
      const plate columns("columns", 3);
      const handlers::mask some(there);
      return sample("x", d);
    };
  };
  for (const bool event : {false, true}) {
    const double a = 0.7, b = 1.6;
    const auto program = in_plate(a, b, event);
    const handlers::substitute given({{"x_base", base}});
    const Trace t = handlers::trace(handlers::reparam(program, {{"x", TransformReparam()}})).get_trace();
    CHECK(names(t).back() == "x");
    CHECK(t.at("x").type == SiteType::deterministic);
    CHECK(t.at("x_base").fn()->event_dim() == (event ? 1 : 0));
    const Values u = values(base), x = values(t.at("x").value), m = values(there);
    double jacobian = 0;
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(x[i] == Approx(map(a, b, u[i])));
      if (event || m[i] == 1.0) jacobian += scale * log_slope(a, b, u[i]);
    }
    const handlers::substitute there_too({{"x", t.at("x").value}});
    const Trace plain = handlers::trace(program).get_trace();
    CHECK(t.log_prob_sum().item() == Approx(plain.log_prob_sum().item() + jacobian));
    // Gradients of the joint density with something that depends on the site.
    const auto of = [&](const Tensor& p, const Tensor& q, const Tensor& r) {
      const handlers::substitute fixed({{"x_base", r * base}});
      const auto own = in_plate(p, q, event);
      const Trace z = handlers::trace(handlers::reparam(own, {{"x", TransformReparam()}})).get_trace();
      return z.log_prob_sum() + sum(Normal(0.5, 2.0).log_prob(z.at("x").value));
    };
    const auto [value, slopes] = value_and_grad(of)(Tensor(a), Tensor(b), Tensor(1.0));
    const auto& [p, q, r] = slopes;
    CHECK(value.item() == of(a, b, 1.0).item());
    const double h = 1e-5;
    CHECK(p.item() == Approx((of(a + h, b, 1.0).item() - of(a - h, b, 1.0).item()) / (2 * h)).epsilon(1e-6).margin(1e-7));
    CHECK(q.item() == Approx((of(a, b + h, 1.0).item() - of(a, b - h, 1.0).item()) / (2 * h)).epsilon(1e-6).margin(1e-7));
    CHECK(r.item() == Approx((of(a, b, 1.0 + h).item() - of(a, b, 1.0 - h).item()) / (2 * h)).epsilon(1e-6).margin(1e-7));
  }
}

}  // namespace

TEST_CASE("reparam: Transform draws the base of each family that has one: densities, Jacobians and gradients", "[effect][reparam]") {
  using T = const Tensor&;
  check_transform([](T a, T b) { return LogNormal(a, b); }, [](double, double, double u) { return std::exp(u); }, [](double, double, double u) { return u; });
  const auto log_b = [](double, double b, double) { return std::log(b); };
  const auto times_b = [](double, double b, double u) { return b * u; };
  const auto over_b = [](double, double b, double u) { return u / b; };
  const auto minus_log_b = [](double, double b, double) { return -std::log(b); };
  check_transform([](T a, T b) { return Normal(a, b); }, [](double a, double b, double u) { return a + b * u; }, log_b);
  check_transform([](T a, T b) { return Uniform(a, b); }, [](double a, double b, double u) { return a + (b - a) * u; }, [](double a, double b, double) { return std::log(b - a); });
  check_transform([](T, T b) { return HalfNormal(b); }, times_b, log_b);
  check_transform([](T, T b) { return HalfCauchy(b); }, times_b, log_b);
  check_transform([](T, T b) { return Exponential(b); }, over_b, minus_log_b);
  check_transform([](T a, T b) { return Gamma(a, b); }, over_b, minus_log_b);
}

TEST_CASE("reparam: a site that has become deterministic can be intervened on, as any other", "[effect][reparam][do]") {
  const auto program = [] {
    const plate rows("rows", 2);
    return sample("y", Normal(deterministic("d", 3.0 * sample("x", Gamma(2.0, 3.0))), 1.0));
  };
  const auto apart = handlers::reparam(program, {{"x", TransformReparam()}});
  const auto with_y = [&](const handlers::Values& v) { return handlers::trace(handlers::substitute(handlers::do_(apart, v), {{"y", 1.0}})).get_trace(); };
  const Trace cut = with_y({{"x", 5.0}});
  CHECK(names(cut) == Names{"rows", "x_base", "x", "d", "y"});
  CHECK(cut.at("x").value.at({0}) == Approx(cut.at("x_base").value.at({0}) / 3.0));
  CHECK(values(cut.at("d").value) == Values{15.0});
  const Trace later = with_y({{"d", 7.0}});
  CHECK(values(later.at("d").value)[1] == Approx(3.0 * later.at("x").value.at({1})));
  CHECK(later.at("y").log_prob_sum().item() == Approx(2.0 * normal_lpdf(1.0, 7.0)));
  check_error<UsageError>([&] { return handlers::do_(program, {{"d", Tensor()}})(); }, "wick.handler.E263", "d", "number");
}

TEST_CASE("reparam: Transform keeps a distribution's own mask and gradient, and draws what the site would", "[effect][reparam]") {
  const auto check = [](auto d, std::string_view base) {
    const auto program = [=] { return sample("x", d); };
    const handlers::seed seeded(4);
    const Trace t = handlers::trace(handlers::reparam(program, {{"x", TransformReparam()}})).get_trace();
    CHECK(t.at("x_base").fn()->name() == base);
    CHECK_FALSE(t.at("x_base").fn()->has_rsample());
    CHECK(t.at("x_base").log_prob().at({1}) == 0.0);
    CHECK(t.at("x_base").log_prob().at({0}) != 0.0);
  };
  check(LogNormal(zeros({2}), 1.0).mask(Tensor{1.0, 0.0}).without_rsample(), "Normal");
  check(Gamma(2.0 * ones({2}), 3.0).mask(Tensor{1.0, 0.0}).without_rsample(), "Gamma");
  // Means over draws: E[Gamma(2, 4)] = 1/2, E[Uniform(−1, 3)] = 1, with 5 standard errors.
  const handlers::seed seeded(seed_of("Transform draws"));
  const auto mean_of = [](auto d) { return mean(handlers::reparam([=] { return sample("x", d); }, {{"x", TransformReparam()}})()).item(); };
  CHECK(std::abs(mean_of(Gamma(2.0, 4.0).expand({10000})) - 0.5) < 5 * std::sqrt(2.0) / 4.0 / 100);
  CHECK(std::abs(mean_of(Uniform(-1.0, 3.0).expand({10000})) - 1.0) < 5 * 4.0 / std::sqrt(12.0) / 100);
  CHECK(mean_of(LogNormal(2000.0, 1.0)) < detail::kInf);  // inside the support, as the family's own draws
}

TEST_CASE("reparam: what it cannot do is an error", "[effect][reparam]") {
  const auto with = [](auto d, const Obs& o, const Reparam& r) { return [=] { return handlers::reparam([=] { return sample("x", d, o); }, {{"x", r}})(); }; };
  check_error<UsageError>(with(Gamma(2.0, 1.0), {}, LocScaleReparam(0.0)), "wick.handler.E266", "x", "leave the site out");
  check_error<UsageError>(with(LogNormal(0.0, 1.0), {}, LocScaleReparam(0.0)), "wick.handler.E266", "x", "leave the site out");
  check_error<UsageError>(with(Poisson(2.0), {}, TransformReparam()), "wick.handler.E266", "x", "leave the site out");
  check_error<UsageError>(with(Delta(2.0), {}, TransformReparam()), "wick.handler.E266", "x", "leave the site out");
  // The site's parameters are checked although no draw has them.
  check_error<DomainError>(with(Gamma(2.0, -1.0), {}, TransformReparam()), "wick.dist.E201", "x", "");
  check_error<DomainError>(with(Uniform(2.0, 1.0), {}, TransformReparam()), "wick.dist.E201", "x", "");
  check_error<DomainError>(with(Normal(0.0, -1.0), {}, LocScaleReparam(0.0)), "wick.dist.E201", "x", "");
  const auto masked = [] {
    const plate two("two", 2);
    const handlers::mask first(Tensor{1.0, 0.0});
    sample("x", Normal(0.0, Tensor{1.0, -1.0}));
  };
  const auto given = handlers::substitute(handlers::reparam(masked, {{"x", LocScaleReparam(0.0)}}), {{"x_decentered", Tensor{0.3, 0.1}}});
  CHECK(std::abs(handlers::trace(given).get_trace().log_prob_sum().item() - (-0.5 * std::log(2 * std::numbers::pi) - 0.045)) < 1e-14);
  check_error<UsageError>(with(Normal(0.0, 1.0), obs(1.0), LocScaleReparam(0.0)), "wick.handler.E267", "x", "observed sites");
  check_error<DomainError>([] { return LocScaleReparam(1.5); }, "wick.handler.E268", "", "0 (non-centred)");
}

TEST_CASE("enum: marks are kept for losses that sum, and refused where nothing sums", "[effect][enum]") {
  const Trace t = handlers::trace(config_enumerate(coins, {.how = Enumerate::sequential, .expand = true, .num_samples = 3})).get_trace();
  CHECK(t.at("first").infer.enumerate == Enumerate::sequential);
  CHECK(t.at("first").infer.expand);
  CHECK(t.at("first").infer.num_samples == 3);
  CHECK(t.at("y").infer.enumerate == Enumerate::no);
  CHECK(handlers::enum_(coins, -1)().dim() == 0);
  check_error<UsageError>([] { return handlers::enum_(config_enumerate(coins), -1)(); }, "wick.handler.E270", "first", "handlers::queue");
  check_error<DomainError>([] { const handlers::enum_ e(0); }, "wick.handler.E271", "", "left of all plates");
}

TEST_CASE("queue: runs a program for each combination of its discrete values: exact probabilities", "[effect][queue]") {
  const std::vector<Trace> paths = handlers::queue(coins).get_traces();
  REQUIRE(paths.size() == 4);  // 0; 1 and 0, 1, 2
  CHECK(names(paths[0]) == Names{"first", "y"});
  CHECK(names(paths[3]) == Names{"first", "second", "y"});
  CHECK(paths[3].at("second").value.item() == 2.0);
  CHECK_FALSE(paths[3].at("second").is_observed);
  double total = 0, first = 0;
  for (const Trace& t : paths) {
    const double p = std::exp(t.log_prob_sum().item());
    total += p;
    first += p * t.at("first").value.item();
  }
  const auto likelihood = [](double sum) { return std::exp(normal_lpdf(1.0, sum)); };
  const double one = 0.25 * (0.5 * likelihood(1.0) + 0.3 * likelihood(2.0) + 0.2 * likelihood(3.0));
  CHECK(total == Approx(0.75 * likelihood(0.0) + one));
  CHECK(first / total == Approx(one / total));
  CHECK(handlers::queue(handlers::condition(coins, {{"first", 0.0}})).get_traces().size() == 1);
}

TEST_CASE("queue: sites it cannot list, and too many runs, are errors", "[effect][queue]") {
  check_error<UsageError>([] { return handlers::queue([] { sample("k", Poisson(1.0)); }).get_traces(); }, "wick.handler.E272", "k", "condition");
  check_error<UsageError>([] { return handlers::queue([] { sample("k", Bernoulli({.probs = 0.5 * ones({2})})); }).get_traces(); }, "wick.handler.E272", "k", "one by one");
  check_error<UsageError>([] { return handlers::queue(coins, {.max_tries = 3}).get_traces(); }, "wick.handler.E273", "", "max_tries");
  const auto in_plate = [](Index size) {
    return [=] {
      const plate rows("rows", size);
      return handlers::queue([] { sample("c", Normal(sample("k", Bernoulli(0.25)), 1.0)); }).get_traces();
    };
  };
  CHECK(in_plate(1)().size() == 2);
  check_error<UsageError>(in_plate(2), "wick.handler.E274", "k", "loop over the plate");
  check_error<SiteError>([] { return handlers::trace([] { handlers::queue(coins).get_traces(); }).get_trace(); }, "wick.trace.E223", "first", "handlers::block");
  // Handlers around the queue see its sites after it has given them values: what changes them must be inside.
  const auto paths = [] { return handlers::queue(coins).get_traces(); };
  check_error<UsageError>([&] { return handlers::scope(paths, "left")(); }, "wick.handler.E274", "first", "wrap the program");
  check_error<UsageError>([&] { return handlers::condition(paths, {{"first", 1.0}})(); }, "wick.handler.E274", "first", "wrap the program");
  check_error<UsageError>([&] { return handlers::substitute(paths, {{"first", 1.0}})(); }, "wick.handler.E274", "first", "wrap the program");
  CHECK(handlers::scale(paths, 2.0)().size() == 4);
  CHECK(handlers::queue(handlers::scope(coins, "left")).get_traces().size() == 4);
}
