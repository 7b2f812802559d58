// E5: replay.
#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

Tensor guide() { return sample("x", Normal(5.0, 0.1), Infer{.is_auxiliary = true}); }
Tensor model() { return sample("x", Normal(0.0, 2.0), Infer{.from_prior = true}); }

}  // namespace

TEST_CASE("E5: a latent site gets the traced value, its density stays the model's", "[effect][replay]") {
  const Trace g = handlers::trace(guide).get_trace();
  const Trace m = handlers::trace(handlers::replay(model, g)).get_trace();
  const double x = g.at("x").value.item();
  CHECK(m.at("x").value.item() == x);
  CHECK_FALSE(m.at("x").is_observed);
  CHECK(m.at("x").log_prob_sum().item() == Approx(normal_lpdf(x, 0.0, 2.0)));
  CHECK(g.at("x").log_prob_sum().item() == Approx(normal_lpdf(x, 5.0, 0.1)));
}

TEST_CASE("E5: the guide's infer replaces the model's as a whole", "[effect][replay]") {
  const Trace m = handlers::trace(handlers::replay(model, handlers::trace(guide).get_trace())).get_trace();
  CHECK(m.at("x").infer.is_auxiliary);
  CHECK_FALSE(m.at("x").infer.from_prior);
}

TEST_CASE("E5: a site that the model observes is left alone", "[effect][replay]") {
  const auto observing = [] { return sample("x", Normal(0.0, 2.0), obs(1.0), Infer{.from_prior = true}); };
  const Trace m = handlers::trace(handlers::replay(observing, handlers::trace(guide).get_trace())).get_trace();
  CHECK(m.at("x").value.item() == 1.0);
  CHECK(m.at("x").is_observed);
  CHECK(m.at("x").infer.from_prior);
}

TEST_CASE("E5: replay of a site observed in the guide is an error", "[effect][replay]") {
  const auto observing = [] { return sample("x", Normal(0.0, 2.0), obs(1.0)); };
  const Trace g = handlers::trace(observing).get_trace();
  check_error<SiteError>([&] { return handlers::replay(model, g)(); }, "wick.handler.E253", "x", "without obs");
}

TEST_CASE("E5: replay of a name that is no sample site in the guide is an error", "[effect][replay]") {
  const OwnParams params;
  param("x", 1.0);
  const Trace p = handlers::trace([] { param("x"); }).get_trace();
  const Trace d = handlers::trace([] { deterministic("x", 1.0); }).get_trace();
  const Trace b = handlers::trace([] { const plate x("x", 2); }).get_trace();
  for (const Trace* t : {&p, &d, &b}) check_error<SiteError>([&] { return handlers::replay(model, *t)(); }, "wick.handler.E253", "x", "sample it in the traced program");
}

TEST_CASE("E5: sites that are not in the trace are drawn, and parameters are read from the store", "[effect][replay]") {
  const OwnParams params;
  param("p", 1.0);
  const Trace g = handlers::trace([] { param("p"); }).get_trace();
  params.store.set("p", 2.0);
  const auto program = [] {
    const Tensor p = param("p");
    return p + 0.0 * sample("other", Normal(0.0, 1.0));
  };
  const Trace m = handlers::trace(handlers::replay(program, g)).get_trace();
  CHECK(m.return_value().item() == 2.0);
  CHECK(m.at("p").value.item() == 2.0);
  CHECK(m.contains("other"));
}

TEST_CASE("E5: replay and condition on one site end observed with the condition's value, in either order", "[effect][replay]") {
  const Trace g = handlers::trace(guide).get_trace();
  const Trace a = handlers::trace(handlers::replay(handlers::condition(model, {{"x", 3.0}}), g)).get_trace();
  const Trace b = handlers::trace(handlers::condition(handlers::replay(model, g), {{"x", 3.0}})).get_trace();
  for (const Trace* t : {&a, &b}) {
    CHECK(t->at("x").value.item() == 3.0);
    CHECK(t->at("x").is_observed);
    CHECK(t->log_prob_sum().item() == Approx(normal_lpdf(3.0, 0.0, 2.0)));
  }
  CHECK(a.at("x").infer.from_prior);    // replay came to an observed site and left it
  CHECK(b.at("x").infer.is_auxiliary);  // replay came first
}

TEST_CASE("E5: of two replays the outer one wins; the scope may own its trace", "[effect][replay]") {
  const Trace one = handlers::trace(handlers::condition(guide, {})).get_trace(), two = handlers::trace(guide).get_trace();
  CHECK(handlers::replay(handlers::replay(model, one), two)().item() == two.at("x").value.item());
  const handlers::replay own{handlers::trace(guide).get_trace()};
  CHECK(model().item() == Approx(5.0).margin(1.0));  // 10 standard deviations of the guide
}

TEST_CASE("E5: gradients flow through a replayed value", "[effect][replay]") {
  const OwnParams params;
  const detail::Recording recording;
  Trace g, m;
  {
    const handlers::trace record(g);
    const Tensor loc = param("loc", 2.0);
    sample("x", Normal(loc, 0.5));
  }
  {
    const handlers::trace record(m);
    const handlers::replay given(g);
    sample("x", Normal(0.0, 2.0));
  }
  const Tensor lp = m.log_prob_sum();
  recording.tape()[detail::TensorAccess::record(lp)].adjoint = 1.0;
  recording.tape().backward();
  const Param& p = params.store.at("loc");
  const double x = m.at("x").value.item();
  CHECK(recording.tape()[p.record()].adjoint == Approx(-x / 4.0));  // d log N(x | 0, 2) / dx · dx / dloc
}
