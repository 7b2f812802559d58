// E7 and beyond: uncondition, do, infer_config, scope, broadcast, escape; E8: subsample, block_plate, plate_stack, inspection; markov.
#include <wick/ad/grad.hpp>
#include <wick/effect/inspect.hpp>
#include <wick/effect/markov.hpp>
#include <wick/effect/plate_stack.hpp>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

using Names = std::vector<std::string>;

Tensor chain() {
  const Tensor z = sample("z", Normal(0.0, 1.0));
  return sample("y", Normal(z, 2.0), obs(1.5));
}

}  // namespace

TEST_CASE("E7: uncondition makes observed sites latent, and says that they were observed", "[effect][uncondition]") {
  const auto program = [] {
    factor("f", 2.0);
    return chain();
  };
  const Trace t = handlers::trace(handlers::uncondition(program)).get_trace();
  CHECK_FALSE(t.at("y").is_observed);
  CHECK(t.at("y").infer.was_observed);
  CHECK(t.at("y").value.item() != 1.5);
  CHECK_FALSE(t.at("z").infer.was_observed);
  CHECK(t.at("f").is_observed);  // a factor is no data
  const auto aside = [] { sample("a", Normal(0.0, 1.0), obs(2.0), {.is_auxiliary = true}); };
  CHECK_FALSE(handlers::trace(handlers::uncondition(aside)).get_trace().at("a").is_observed);
  // What a condition inside has observed is latent again; one outside observes it anew.
  CHECK_FALSE(handlers::trace(handlers::uncondition(handlers::condition(chain, {{"z", 3.0}}))).get_trace().at("z").is_observed);
  CHECK(handlers::condition(handlers::uncondition(chain), {{"y", 4.0}})().item() == 4.0);
  handlers::Values kept;
  {
    const handlers::uncondition latent(kept);
    chain();
  }
  REQUIRE(kept.find(Name("y")) != nullptr);
  CHECK(kept.find(Name("y"))->item() == 1.5);
  kept.set("y", 2.5);  // in place of the first one
  CHECK(kept.find(Name("y"))->item() == 2.5);
}

TEST_CASE("E7: do cuts a site off from what follows, and leaves it with its draw and density", "[effect][do]") {
  const handlers::seed seeded(5);
  const Trace free = handlers::trace(chain).get_trace();
  const handlers::seed again(5);
  const Trace t = handlers::trace(handlers::do_(chain, {{"z", 7.0}})).get_trace();
  CHECK(names(t) == Names{"z", "y"});
  CHECK(t.at("z").value.item() == free.at("z").value.item());
  CHECK_FALSE(t.at("z").is_observed);
  CHECK(t.at("z").log_prob_sum().item() == Approx(normal_lpdf(t.at("z").value.item())));
  CHECK(t.at("y").log_prob_sum().item() == Approx(normal_lpdf(1.5, 7.0, 2.0)));
  // Inside, the intervention is seen as a site of its own.
  Trace inside;
  handlers::do_(
      [&] {
        const handlers::trace record(inside);
        return chain();
      },
      {{"z", 7.0}})();
  CHECK(names(inside) == Names{"z", "z__CF", "y"});
  CHECK(inside.at("z__CF").is_observed);
  CHECK(inside.at("z__CF").value.item() == 7.0);
}

TEST_CASE("E7: do with condition, scale and plates: each counts once, for the site itself", "[effect][do][plate]") {
  const auto program = [] {
    const plate data("data", 6, {.subsample_size = 3});
    const handlers::scale doubled(2.0);
    return sample("x", Normal(0.0, 1.0)).shape() == Shape{3} ? 1.0 : 0.0;
  };
  const Trace t = handlers::trace(handlers::scale(handlers::condition(handlers::do_(program, {{"x", Tensor{1.0, 2.0, 3.0}}}), {{"x", 0.5}}), 5.0)).get_trace();
  CHECK(t.at("x").scale.item() == 2.0 * 2.0 * 5.0);
  CHECK(frames(t.at("x")) == "data 3/6 dim -1");
  CHECK(t.at("x").is_observed);
  CHECK(t.at("x").fn()->batch_shape() == Shape{3});
  CHECK(t.return_value().item() == 1.0);
}

TEST_CASE("E7: two interventions on one site, or one without a value, are errors", "[effect][do]") {
  check_error<UsageError>([] { return handlers::do_(handlers::do_(chain, {{"z", 1.0}}), {{"z", 2.0}})(); }, "wick.handler.E262", "z", "one of the two");
  check_error<UsageError>([] { return handlers::do_(chain, {{"z", Tensor()}})(); }, "wick.handler.E263", "z", "number");
  CHECK(handlers::do_(handlers::do_(chain, {{"z", 1.0}}), {{"y", 2.0}})().item() == 2.0);
}

TEST_CASE("E7: infer_config changes what a site says to inference", "[effect][infer_config]") {
  const auto rule = [](const Message& m, Infer& infer) {
    infer.from_prior = m.name.view() == "z";
    infer.num_samples = 3;
  };
  const Trace t = handlers::trace(handlers::infer_config(chain, rule)).get_trace();
  CHECK(t.at("z").infer.from_prior);
  CHECK_FALSE(t.at("y").infer.from_prior);
  CHECK(t.at("y").infer.num_samples == 3);
  CHECK(t.at("z").infer.enumerate == Enumerate::no);
  Trace u;
  {
    const handlers::trace record(u);
    const handlers::infer_config outer([](const Message&, Infer& infer) { infer.num_samples *= 2; });
    const handlers::infer_config inner(rule);
    chain();
  }
  CHECK(u.at("y").infer.num_samples == 6);
}

TEST_CASE("E4: sites that say so are left out of traces, and are drawn all the same", "[effect][trace]") {
  const auto hide = [](const Message& m, Infer& infer) { infer.do_not_trace = m.name.view() == "z"; };
  CHECK(names(handlers::trace(handlers::infer_config(chain, hide)).get_trace()) == Names{"y"});
}

TEST_CASE("scope: sites, parameters and plates of a program used twice have names of their own", "[effect][scope]") {
  const OwnParams params;
  const auto part = [](double init) {
    const Tensor w = param("w", init);
    const plate data("data", 4, {.subsample_size = 2});
    return sum(sample("x", Normal(w, 1.0)));
  };
  const auto whole = [&] {
    const handlers::scope all("model");
    const Tensor left = handlers::scope(part, "left")(1.0);
    return left + handlers::scope(part, std::string("right"))(2.0);
  };
  const Trace t = handlers::trace(whole).get_trace();
  CHECK(names(t) == Names{"model/left/w", "model/left/data", "model/left/x", "model/right/w", "model/right/data", "model/right/x"});
  CHECK(frames(t.at("model/right/x")) == "model/right/data 2/4 dim -1");
  CHECK(params.store.names() == Names{"model/left/w", "model/right/w"});
  CHECK(params.store.get("model/right/w").item() == 2.0);
  const Trace again = handlers::trace(handlers::replay(whole, t)).get_trace();
  CHECK(again.return_value().item() == t.return_value().item());
  CHECK(values(again.at("model/left/data").value) == values(t.at("model/left/data").value));
  CHECK(again.at("model/left/w").param == &params.store.at("model/left/w"));
  // Another constraint under a scope is another parameter; a lazy initial value is computed once.
  int calls = 0;
  const auto lazy = [&] { return param("w", [&] { return ++calls, Tensor(3.0); }, constraints::positive); };
  for (int i = 0; i < 2; ++i) CHECK(handlers::scope(lazy, "model/lazy")().item() == Approx(3.0));
  CHECK(calls == 1);
  // Handlers inside see bare names.
  CHECK(handlers::scope(handlers::condition(chain, {{"y", 9.0}}), "s")().item() == 9.0);
  CHECK(handlers::condition(handlers::scope(chain, "s"), {{"s/y", 9.0}, {"y", 8.0}})().item() == 9.0);
}

TEST_CASE("scope: a plate inside itself is an error there too; an empty prefix is one", "[effect][scope][plate]") {
  const auto nested = [] {
    const plate outer("p", 2);
    const plate inner("p", 2);
  };
  check_error<SiteError>([&] { handlers::scope(nested, "s")(); }, "wick.plate.E205", "s/p", "different names");
  const auto apart = [] {
    const plate outer("p", 2);
    const handlers::scope in("in");
    return plate("p", 2).dim();
  };
  CHECK(handlers::scope(apart, "s")() == -2);
  CHECK(apart() == -2);  // "in/p" inside "p" is another plate
  CHECK(handlers::trace(apart).get_trace().size() == 2);
  check_error<UsageError>([] { const handlers::scope none(""); }, "wick.handler.E264", "", "give a name");
}

TEST_CASE("submodels: a program calls another one, whose sites are in its plates", "[effect][scope]") {
  const auto inner = [](const Tensor& loc) { return sample("x", Normal(loc, 1.0)); };
  const auto outer = [&] {
    const plate rows("rows", 3);
    return inner(handlers::scope(inner, "first")(0.0));
  };
  const Trace t = handlers::trace(outer).get_trace();
  CHECK(names(t) == Names{"rows", "first/x", "x"});
  CHECK(frames(t.at("first/x")) == "rows 3/3 dim -1");
  CHECK(t.at("x").value.shape() == Shape{3});
}

TEST_CASE("broadcast: expands a site to its plates where its value is final already", "[effect][broadcast]") {
  const Trace g = handlers::trace([] { return sample("x", Normal(0.0, 1.0)); }).get_trace();
  const auto program = [&] {
    const plate data("data", 3);
    return handlers::replay([] { return sample("x", Normal(0.0, 1.0)); }, g)();
  };
  CHECK(handlers::trace(program).get_trace().at("x").fn()->batch_shape().empty());
  const Trace t = handlers::trace(handlers::broadcast(program)).get_trace();
  CHECK(t.at("x").fn()->batch_shape() == Shape{3});
  CHECK(t.log_prob_sum().item() == Approx(3.0 * normal_lpdf(g.at("x").value.item())));
  const auto contradicts = [] {
    const plate data("data", 3);
    const handlers::condition given({{"x", 1.0}});
    const Probe final([](Message& m) { m.done = true, m.value = 0.0; }, ignore);
    return sample("x", Normal(zeros({4}), 1.0));
  };
  check_error<ShapeError>([&] { return handlers::broadcast(contradicts)(); }, "wick.plate.E208", "x", "to_event");
}

TEST_CASE("escape: leaves the program at a site, and all scopes with it", "[effect][escape]") {
  Trace t;
  std::string at;
  try {
    const handlers::trace record(t);
    const plate data("data", 3);
    handlers::escape(chain, [](const Message& m) { return m.name.view() == "y"; })();
  } catch (const NonlocalExit& exit) {
    at = exit.site();
  }
  CHECK(at == "y");
  CHECK(stack_is_empty());
  CHECK(names(t) == Names{"data", "z"});
  const handlers::escape never([](const Message&) { return false; });
  CHECK(chain().item() == 1.5);
}

TEST_CASE("E8: subsample takes the plates' elements along the dims left of the event", "[effect][plate][subsample]") {
  const Tensor data = reshape(arange(24), {4, 3, 2});
  CHECK(values(subsample(data, 1)) == values(data));  // without handlers, as it is
  Trace t;
  const handlers::trace record(t);
  const plate columns("columns", 3, {.subsample = Tensor{2.0}});
  const plate rows("rows", 4, {.subsample = Tensor{3.0, 0.0}});
  CHECK(values(subsample(data, 1)) == Values{22.0, 23.0, 4.0, 5.0});
  CHECK(subsample(data, 1).shape() == Shape{2, 1, 2});
  CHECK(values(subsample(ones({1, 3, 2}), 1)).size() == 2);  // a dim of size 1 is free
  CHECK(subsample(Tensor(), 0).empty());
  CHECK(names(t) == Names{"columns", "rows"});  // never traced
}

TEST_CASE("E8: subsample of data that have not the plate's full size is an error", "[effect][plate][subsample]") {
  check_error<ShapeError>(
      [] {
        const plate rows("rows", 4, {.subsample_size = 2});
        return subsample(arange(3), 0);
      },
      "wick.plate.E209", "rows", "event_dim");
}

TEST_CASE("E8: block_plate switches one plate off for a while", "[effect][plate][block_plate]") {
  Trace t;
  const handlers::trace record(t);
  const plate a("a", 3);
  const plate b("b", 4, {.subsample_size = 2});
  {
    const handlers::block_plate outside("b");
    sample("x", Normal(0.0, 1.0));
    CHECK(plate("c", 5).dim() == -3);  // the dim stays taken
    const handlers::block_plate both("a");
    sample("y", Normal(0.0, 1.0));
  }
  sample("z", Normal(0.0, 1.0));
  CHECK(frames(t.at("x")) == "a 3/3 dim -1");
  CHECK(t.at("x").scale.item() == 1.0);
  CHECK(t.at("x").value.shape() == Shape{3});
  CHECK(t.at("y").value.dim() == 0);
  CHECK(frames(t.at("z")) == "a 3/3 dim -1, b 2/4 dim -2");
  CHECK(handlers::block_plate([] { return sample("w", Normal(0.0, 1.0)).shape(); }, "b")() == Shape{3});
  CHECK(handlers::block_plate([] { return sample("v", Normal(0.0, 1.0)).shape(); }, -2)() == Shape{3});
}

TEST_CASE("E8: block_plate of a plate that is not there is an error", "[effect][plate][block_plate]") {
  check_error<UsageError>(
      [] {
        const plate a("a", 3);
        const handlers::block_plate outside("b");
      },
      "wick.handler.E265", "", "in force");
  check_error<UsageError>(
      [] {
        const plate a("a", 3);
        const handlers::block_plate outside(-2);
      },
      "wick.handler.E265", "", "in force");
}

TEST_CASE("E8: plate_stack is plates on neighbouring dims", "[effect][plate][plate_stack]") {
  Trace t;
  {
    const handlers::trace record(t);
    const plate_stack grid("grid", {3, 4}, -2);
    CHECK(sample("x", Normal(0.0, 1.0)).shape() == Shape{3, 4, 1});
  }
  CHECK(frames(t.at("x")) == "grid_0 4/4 dim -2, grid_1 3/3 dim -3");
  CHECK(stack_is_empty());
  check_error<DomainError>([] { const plate_stack bad("grid", {0, 4}); }, "wick.plate.E200", "grid_1", "empty");
}

TEST_CASE("E8: get_plates and get_mask tell what is around, and leave no trace", "[effect][plate][mask][inspect]") {
  CHECK(get_plates().empty());
  CHECK(get_mask().empty());
  Trace t;
  const handlers::trace record(t);
  const plate a("a", 3);
  const handlers::mask some(Tensor{1.0, 0.0, 1.0});
  const handlers::scale doubled(2.0);
  plate steps("steps", 2);
  for ([[maybe_unused]] const Index i : steps) {
    const Frames around = get_plates();
    REQUIRE(around.size() == 2);
    CHECK(around[0].name.view() == "a");
    CHECK(around[1].counter == i + 1);
    const handlers::mask more(Tensor{1.0, 1.0, 0.0});
    CHECK(values(get_mask()) == Values{1.0, 0.0, 0.0});
    CHECK(inspect().scale.item() == 2.0);
    const handlers::block nothing;
    CHECK(get_plates().empty());  // a block hides what is outside
  }
  CHECK(names(t) == Names{"a", "steps"});
}

TEST_CASE("markov: is a loop in order, without a plate", "[effect][markov]") {
  Trace t;
  Index turns = 0;
  {
    const handlers::trace record(t);
    for (const Index i : markov(3, {.history = 2})) {
      CHECK(i == turns++);
      sample("x_" + std::to_string(i), Normal(0.0, 1.0));
      for (const Index j : markov(2)) sample("y_" + std::to_string(2 * i + j), Normal(0.0, 1.0));
    }
  }
  CHECK(t.size() == 9);
  CHECK(t.at("x_2").frames.empty());
  CHECK(stack_is_empty());
  check_error<DomainError>([] { const markov m(3, {.history = 0}); }, "wick.plate.E215", "", "how many turns back");
  check_error<DomainError>([] { const markov m(-1); }, "wick.plate.E215", "", "number of turns");
  check_error<UsageError>(
      [] {
        markov loop(2);
        for ([[maybe_unused]] const Index i : loop)
          for ([[maybe_unused]] const Index j : loop) break;
      },
      "wick.plate.E216", "", "second markov");
}

TEST_CASE("E3: an exception through five nested handlers, of all kinds, leaves a clean stack", "[effect][message]") {
  const World before = world();
  const auto fail = [] {
    const handlers::scope named("s");
    const handlers::do_ cut({{"a", 1.0}});
    const handlers::lift lifted(Normal(0.0, 1.0));
    const handlers::substitute given({{"b", 1.0}});
    const plate_stack grid("grid", {2, 2});
    const handlers::block_plate off("grid_0");
    for (const Index i : markov(3)) {
      sample("a_" + std::to_string(i), Normal(param("p", 0.0), 1.0));
      if (i == 1) throw std::runtime_error("the user's own");
    }
  };
  CHECK_THROWS_AS(fail(), std::runtime_error);
  CHECK(before == world());
  CHECK(stack_is_empty());
}
