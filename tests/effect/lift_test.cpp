// E7: handlers that say where a value comes from: lift, substitute; and E9: sites that are observed in part.
#include <limits>

#include <wick/ad/grad.hpp>
#include <wick/effect/handlers/reparam.hpp>
#include <wick/effect/obs_mask.hpp>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

const double not_a_number = std::numeric_limits<double>::quiet_NaN();

Tensor linear() {
  const Tensor w = param("w", zeros({2, 3}));
  return sum(w) + param("b", 1.5) + param("w", zeros({2, 3})).at({0, 0});
}

}  // namespace

TEST_CASE("E7: lift makes sample sites of parameters, one by one or all, and leaves the store alone", "[effect][lift]") {
  const OwnParams params;
  const handlers::seed seeded(1);
  const Trace some = handlers::trace(handlers::lift(linear, {{"w", Normal(4.0, 0.5)}})).get_trace();
  const Site& w = some.at("w");
  CHECK(w.type == SiteType::sample);
  CHECK(w.value.shape() == Shape{2, 3});
  CHECK(w.fn()->event_dim() == 2);  // one site, of one number's density
  double expected = 0;
  for (const double x : values(w.value)) expected += normal_lpdf(x, 4.0, 0.5);
  CHECK(w.log_prob_sum().item() == Approx(expected));
  CHECK(w.log_prob().dim() == 0);
  CHECK(some.at("b").type == SiteType::param);
  CHECK(params.store.names() == std::vector<std::string>{"b"});
  CHECK(some.return_value().item() == Approx(sum(w.value).item() + 1.5 + w.value.at({0, 0})));  // read again: the same value

  const Trace all = handlers::trace(handlers::lift(linear, Normal(0.0, 1.0))).get_trace();
  CHECK(names(all) == std::vector<std::string>{"w", "b"});
  CHECK(all.at("b").type == SiteType::sample);
  const Trace own = handlers::trace(handlers::lift(linear, {{"", Normal(0.0, 1.0)}, {"b", Exponential(2.0)}})).get_trace();
  CHECK(std::string(own.at("b").fn()->name()) == "Exponential");
  CHECK(std::string(own.at("w").fn()->name()) == "Normal");
  CHECK(params.store.names() == std::vector<std::string>{"b"});
}

TEST_CASE("E7: lift goes by the order of nesting: handlers outside see a sample site, those inside a parameter", "[effect][lift]") {
  const OwnParams params;
  Trace inside;
  const auto traced = [&] {
    const handlers::trace record(inside);
    return linear();
  };
  const auto lifted = handlers::lift(traced, Normal(0.0, 1.0));
  const Trace outside = handlers::trace(handlers::condition(lifted, {{"b", 7.0}})).get_trace();
  CHECK(outside.at("b").is_observed);
  CHECK(inside.at("b").type == SiteType::param);
  CHECK(inside.at("b").value.item() == 7.0);
  CHECK(inside.at("b").param == nullptr);
  CHECK(values(inside.at("w").value) == values(outside.at("w").value));
  CHECK(handlers::lift(handlers::substitute(linear, {{"b", 2.0}, {"w", ones({2, 3})}}), Normal(0.0, 1.0))().item() == 9.0);
  CHECK(values(handlers::trace(handlers::replay(handlers::lift(linear, Normal(0.0, 1.0)), handlers::trace(handlers::lift(linear, Normal(9.0, 1.0))).get_trace())).get_trace().at("w").value)[0] > 5.0);
}

TEST_CASE("E7: a lifted parameter may be intervened on, reparameterised, or fail, and is read again as it was", "[effect][lift][do][reparam]") {
  const OwnParams params;
  const auto twice = [] { return param("w", 0.0) + 10.0 * param("w", 0.0); };
  const auto lifted = handlers::lift(twice, Normal(0.0, 1.0));
  const Trace cut = handlers::trace(handlers::do_(lifted, {{"w", 2.0}})).get_trace();
  CHECK(cut.return_value().item() == 22.0);
  CHECK(names(cut) == std::vector<std::string>{"w"});
  CHECK_FALSE(cut.at("w").is_observed);
  const Trace apart = handlers::trace(handlers::reparam(handlers::scope(lifted, "s"), {{"s/w", LocScaleReparam(0.0)}})).get_trace();
  CHECK(names(apart) == std::vector<std::string>{"s/w_decentered", "s/w"});
  CHECK(apart.return_value().item() == Approx(11.0 * apart.at("s/w").value.item()));
  // An error on the way out, caught inside the scope, leaves nothing behind.
  const handlers::lift scope({{"bad", Normal(zeros({5}), 1.0)}});
  CHECK_THROWS_AS(param("bad", 0.0), ShapeError);
  Trace t;
  {
    const handlers::trace record(t);
    sample("x", Normal(0.0, 1.0));
    deterministic("d", 1.0);
  }
  CHECK(t.at("x").type == SiteType::sample);
  CHECK(t.at("d").type == SiteType::deterministic);
}

TEST_CASE("E7: lift with plates: those inside take their elements, those outside expand the prior", "[effect][lift][plate]") {
  const OwnParams params;
  const auto local = [] { return param("p", zeros({6, 2}), constraints::real, {.event_dim = 1}); };
  Tensor seen;
  Trace t;
  {
    const handlers::trace record(t);
    const handlers::lift lifted({{"p", Normal(0.0, 1.0)}});
    const plate data("data", 6, {.subsample = Tensor{4.0, 1.0}});
    seen = local();
    CHECK(values(local()) == values(seen));
  }
  CHECK(seen.shape() == Shape{2, 2});
  CHECK(t.at("p").value.shape() == Shape{6, 2});
  CHECK(t.at("p").fn()->event_dim() == 2);
  CHECK(t.at("p").scale.item() == 1.0);
  CHECK(values(seen)[0] == t.at("p").value.at({4, 0}));
  {
    const handlers::trace record(t);
    const plate data("data", 6, {.subsample = Tensor{4.0, 1.0}});
    const handlers::lift lifted({{"p", Normal(0.0, 1.0)}});
    seen = local();
  }
  CHECK(t.at("p").value.shape() == Shape{2, 2});
  CHECK(t.at("p").fn()->batch_shape() == Shape{2});
  CHECK(t.at("p").scale.item() == 3.0);
  CHECK(frames(t.at("p")) == "data 2/6 dim -1");
  CHECK(values(seen) == values(t.at("p").value));
}

TEST_CASE("E7: lift inside a plate that is switched off draws the whole parameter", "[effect][lift][plate]") {
  const OwnParams params;
  const plate data("data", 6);
  const handlers::block_plate outside("data");
  CHECK(handlers::lift([] { return param("p", zeros({6}), constraints::real, {.event_dim = 0}); }, Normal(0.0, 1.0))().shape() == Shape{6});
}

TEST_CASE("E7: a lifted parameter is expanded to its constraint's shape, needs no initial value, and takes a stored shape", "[effect][lift]") {
  const OwnParams params;
  const auto bounded = [] { return param("q", 0.5, constraints::interval(zeros({3}), 1.0)); };
  CHECK(handlers::lift(bounded, Uniform(0.0, 1.0))().shape() == Shape{3});
  CHECK(handlers::lift([] { return param("none"); }, Normal(0.0, 1.0))().dim() == 0);
  param("kept", zeros({4}));
  CHECK(handlers::lift([] { return param("kept"); }, Normal(0.0, 1.0).expand({4}).to_event(1))().shape() == Shape{4});
  check_error<ShapeError>([] { return handlers::lift(linear, {{"w", Normal(zeros({5}), 1.0)}})(); }, "wick.handler.E260", "w", "a prior of one number");
  check_error<ShapeError>([] { return handlers::lift([] { return param("b", 1.5); }, {{"b", Normal(zeros({5}), 1.0).to_event(1)}})(); }, "wick.handler.E260", "b", "a prior of one number");
  check_error<SiteError>([] { return handlers::lift([] { return param("other"); }, {{"b", Normal(0.0, 1.0)}})(); }, "wick.param.E230", "other", "init");
}

TEST_CASE("E7: lift warns, once and at the end, of a prior for a name that no parameter had", "[effect][lift]") {
  const OwnParams params;
  const Warnings warned;
  const auto few = [](std::size_t n) { return Warnings::messages.size() == n; };
  const auto lifted = handlers::lift(linear, {{"w", Normal(0.0, 1.0)}, {"bb", Normal(0.0, 1.0)}});
  lifted(), lifted();
  REQUIRE(few(1));
  const std::string text = Warnings::messages[0];
  INFO(text);
  CHECK(text.find("wick.handler.W275: lift: there is a prior for \"bb\"") == 0);
  CHECK(text.find("there are \"b\", \"w\". Try:") != std::string::npos);  // the nearest first
  // As a scope; a parameter that comes late; one in a scope has its full name outside; all the parameters by one prior.
  {
    const handlers::lift scope({{"late", Normal(0.0, 1.0)}, {"absent", Normal(0.0, 1.0)}});
    linear();
    param("late", 0.0);
    REQUIRE(few(1));
  }
  REQUIRE(few(2));
  CHECK(Warnings::messages[1].find("\"absent\"") != std::string::npos);
  handlers::lift(handlers::scope(linear, "s"), {{"s/b", Normal(0.0, 1.0)}})();
  handlers::lift([] {}, Normal(0.0, 1.0))();
  REQUIRE(few(2));
  handlers::lift(handlers::lift(linear, {{"b", Normal(0.0, 1.0)}}), {{"b", Normal(9.0, 1.0)}})();  // the inner one has it
  REQUIRE(few(3));
  // A name that has been warned of does not hide another.
  for (int i = 0; i < 3; ++i) handlers::lift(linear, {{"bb", Normal(0.0, 1.0)}, {"cc", Normal(0.0, 1.0)}})();
  REQUIRE(few(4));
  CHECK(Warnings::messages[3].find("\"cc\"") != std::string::npos);
  // Not while an exception is on its way.
  CHECK_THROWS_AS(handlers::lift([] { param("none"); }, {{"unreached", Normal(0.0, 1.0)}})(), SiteError);
  REQUIRE(few(4));
}

TEST_CASE("E7: substitute gives values to all types of sites and observes nothing", "[effect][substitute]") {
  const OwnParams params;
  const auto program = [] {
    const Tensor z = sample("z", Normal(0.0, 1.0));
    sample("y", Normal(z, 1.0), obs(1.0));
    const Tensor d = deterministic("d", z + 1.0);
    const plate data("data", 5, {.subsample_size = 2});
    const Tensor inside = sample("x", Normal(0.0, 1.0));
    return z + d + param("p", 1.0) + sum(inside) + sum(data.indices());
  };
  const handlers::Values given{{"z", 0.5}, {"y", 9.0}, {"d", 100.0}, {"p", 1000.0}, {"data", Tensor{3.0, 2.0}}, {"x", Tensor{0.25, 0.75}}, {"unknown", 1.0}};
  const Trace t = handlers::trace(handlers::substitute(program, given)).get_trace();
  CHECK(t.return_value().item() == Approx(0.5 + 100.0 + 1000.0 + 1.0 + 5.0));
  CHECK_FALSE(t.at("z").is_observed);
  CHECK(t.at("y").value.item() == 1.0);  // what the program observes stays
  CHECK(t.at("p").param == nullptr);     // and is not trained
  CHECK(params.store.size() == 0);
  CHECK(t.at("x").fn()->batch_shape() == Shape{2});
  CHECK(t.log_prob_sum().item() == Approx(normal_lpdf(0.5) + normal_lpdf(1.0, 0.5) + 2.5 * (normal_lpdf(0.25) + normal_lpdf(0.75))));
  CHECK(handlers::substitute(handlers::substitute(linear, {{"b", 1.0}, {"w", zeros({2, 3})}}), {{"b", 2.0}})().item() == 2.0);  // the outer one wins
  check_error<SiteError>([&] { return handlers::substitute(program, {{"data", Tensor{1.0, 2.0, 3.0}}})(); }, "wick.plate.E202", "data", "subsample_size");
  for (const Tensor& wrong : {Tensor{1.0, 5.0}, Tensor{-1.0, 0.0}, Tensor{0.5, 1.0}, Tensor(1.0), Tensor(zeros({2, 1})), Tensor{not_a_number, 1.0}})
    check_error<DomainError>([&] { return handlers::substitute(program, {{"data", wrong}})(); }, "wick.plate.E203", "data", "integers");
}

TEST_CASE("E9: obs_mask makes three sites, and counts each element once", "[effect][obs_mask]") {
  const Tensor there = {1.0, 0.0, 1.0};
  const Tensor y = {0.5, not_a_number, -1.0};
  const auto program = [&](const Tensor& loc, const Tensor& data) {
    const plate p("p", 3);
    return sample("y", Normal(loc, 2.0), obs(data, there));
  };
  const Trace t = handlers::trace(program).get_trace(0.25, y);
  CHECK(names(t) == std::vector<std::string>{"p", "y_observed", "y_unobserved", "y"});
  CHECK(t.at("y").type == SiteType::deterministic);
  CHECK(t.at("y_observed").is_observed);
  CHECK_FALSE(t.at("y_unobserved").is_observed);
  const Values both = values(t.at("y").value), drawn = values(t.at("y_unobserved").value);
  CHECK(both == Values{0.5, drawn[1], -1.0});
  CHECK(values(t.return_value()) == both);
  CHECK(t.at("y_observed").log_prob_sum().item() == Approx(normal_lpdf(0.5, 0.25, 2.0) + normal_lpdf(-1.0, 0.25, 2.0)));
  CHECK(t.at("y_unobserved").log_prob_sum().item() == Approx(normal_lpdf(drawn[1], 0.25, 2.0)));
  CHECK(t.log_prob_sum().item() == Approx(normal_lpdf(both[0], 0.25, 2.0) + normal_lpdf(both[1], 0.25, 2.0) + normal_lpdf(both[2], 0.25, 2.0)));
  // Without data all is drawn, in the same sites; without handlers the value is the same mixture.
  const Trace prior = handlers::trace(program).get_trace(0.25, Tensor());
  CHECK_FALSE(prior.at("y_observed").is_observed);
  CHECK(values(program(0.25, y))[2] == -1.0);
  const auto [value, slope] = value_and_grad([&](const Tensor& loc) {
    return handlers::trace(handlers::substitute(program, {{"y_unobserved", Tensor{9.0, 1.0, 9.0}}})).get_trace(loc, y).log_prob_sum();
  })(Tensor(0.25));
  CHECK(value.item() == Approx(normal_lpdf(0.5, 0.25, 2.0) + normal_lpdf(1.0, 0.25, 2.0) + normal_lpdf(-1.0, 0.25, 2.0)));
  CHECK(slope.item() == Approx((0.25 + 0.75 - 1.25) / 4.0));
}

TEST_CASE("E9: obs_mask is over the batch shape, whatever the event; what does not fit is an error", "[effect][obs_mask]") {
  const Tensor y = Tensor{{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}};
  const auto program = [&](const Tensor& there) {
    const plate p("p", 2);
    return sample("y", Normal(zeros({2, 3}), 1.0).to_event(1), obs(y, there));
  };
  const Tensor v = program(Tensor{0.0, 1.0});
  CHECK(v.at({1, 2}) == 6.0);
  CHECK(v.at({0, 0}) != 1.0);
  CHECK(values(program(1.0)) == values(y));
  CHECK(values(program(true)) == values(y));
  check_error<ShapeError>([&] { return program(ones({2, 3})); }, "wick.handler.E261", "y", "event");
  check_error<DomainError>([&] { return program(0.5); }, "wick.handler.E251", "y", "compare");
  check_error<UsageError>([&] { return program(Tensor()); }, "wick.tensor.E100", "y", "value");
}
