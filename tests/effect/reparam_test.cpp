// handlers::reparam, enum_ and queue: other ways to draw a program's sites.
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

TEST_CASE("reparam: what it cannot do is an error", "[effect][reparam]") {
  const auto with = [](auto d, const Obs& o, const Reparam& r) { return [=] { return handlers::reparam([=] { return sample("x", d, o); }, {{"x", r}})(); }; };
  check_error<UsageError>(with(Gamma(2.0, 1.0), {}, LocScaleReparam(0.0)), "wick.handler.E266", "x", "leave the site out");
  check_error<UsageError>(with(LogNormal(0.0, 1.0), {}, LocScaleReparam(0.0)), "wick.handler.E266", "x", "leave the site out");
  check_error<UsageError>(with(Normal(0.0, 1.0), {}, TransformReparam()), "wick.handler.E266", "x", "leave the site out");
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
  // Handlers around the queue see its sites after it has given them values: what changes them must be inside.
  const auto paths = [] { return handlers::queue(coins).get_traces(); };
  check_error<UsageError>([&] { return handlers::scope(paths, "left")(); }, "wick.handler.E274", "first", "wrap the program");
  check_error<UsageError>([&] { return handlers::condition(paths, {{"first", 1.0}})(); }, "wick.handler.E274", "first", "wrap the program");
  check_error<UsageError>([&] { return handlers::substitute(paths, {{"first", 1.0}})(); }, "wick.handler.E274", "first", "wrap the program");
  CHECK(handlers::scale(paths, 2.0)().size() == 4);
  CHECK(handlers::queue(handlers::scope(coins, "left")).get_traces().size() == 4);
}
