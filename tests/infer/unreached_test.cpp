// W313: a parameter that nothing in the loss depends on is named in the first step that has it; one whose gradient merely is 0 is not.
#include "catch.hpp"

#include <stdexcept>

#include <wick/ad/custom_op.hpp>

#include "effect/effect.hpp"
#include "infer/common.hpp"

using namespace wick;
using namespace wick_test;

namespace {

void coin_model() { sample("z", Normal(0.0, 1.0)); }

/// The warnings of `steps` steps.
template <class Model, class Guide>
std::vector<std::string> warnings_of(Model model, Guide guide, int steps = 3, Count particles = 1) {
  const Warnings warnings;
  ParamStore store;
  const ParamScope scope(store);
  SVI svi(model, guide, Adam({.lr = 0.01}), Trace_ELBO({.num_particles = particles}), {.seed = 1});
  for (int i = 0; i < steps; ++i) svi.step();
  return Warnings::messages;
}
template <class Guide>
std::vector<std::string> warnings_of(Guide guide) {
  return warnings_of(coin_model, guide);
}

}  // namespace

TEST_CASE("unreached: a parameter of the guide that no site uses is named once", "[infer][warnings]") {
  const auto said = warnings_of([] {
    param("forgotten", zeros({3}));
    sample("z", Normal(param("loc", 0.0), 1.0));
  });
  REQUIRE(said.size() == 1);
  CHECK_THAT(said[0], contains("wick.svi.W313"));
  CHECK_THAT(said[0], contains("\"forgotten\""));
  CHECK_THAT(said[0], !contains("\"loc\""));
  CHECK_THAT(said[0], contains("Try: use it"));
}

TEST_CASE("unreached: single numbers, constrained ones, those of the model and those behind stop_gradient", "[infer][warnings]") {
  const auto said = warnings_of([] { sample("z", Normal(0.0, param("in_model", 1.0, constraints::positive) * 0.0 + 1.0)); param("idle", 2.0, constraints::positive); },
                                [] { sample("z", Normal(stop_gradient(param("stopped", 0.3)), 1.0)); }, 3, 2);
  REQUIRE(said.size() == 1);
  CHECK_THAT(said[0], contains("\"stopped\", \"idle\""));
  CHECK_THAT(said[0], contains("they are not fitted"));
  CHECK_THAT(said[0], !contains("in_model"));  // its derivative is 0, but there is a way
}

TEST_CASE("unreached: many names are cut short", "[infer][warnings]") {
  const auto said = warnings_of([] {
    for (int i = 0; i < 11; ++i) param("p" + std::to_string(i), 0.0);
    sample("z", Normal(0.0, 1.0));
  });
  REQUIRE(said.size() == 1);
  CHECK_THAT(said[0], contains("\"p7\" and 3 more"));
}

TEST_CASE("unreached: a gradient of 0 is no reason", "[infer][warnings]") {
  // The optimum: nothing moves.
  CHECK(warnings_of(coin_model, [] { sample("z", Delta(param("at", 0.0))); }).empty());
  // Guide and model alike: both densities' derivatives cancel.
  const auto both = [] { sample("z", Normal(param("loc", 0.0), param("scale", 1.0, constraints::positive))); };
  CHECK(warnings_of(both, both).empty());
  // Vectors.
  CHECK(warnings_of([] { sample("z", Normal(zeros({3}), 1.0).to_event(1)); }, [] { sample("z", Delta(param("at", zeros({3}))).to_event(1)); }).empty());
  // A product with 0, of either sign.
  CHECK(warnings_of([] { sample("z", Normal(param("slope", 0.5) * -0.0, 1.0)); }, [] { sample("z", Normal(param("loc", 0.1) * 0.0, 1.0)); }).empty());
  // A parameter without elements.
  CHECK(warnings_of([] { sample("z", Normal(sum(param("none", zeros({0}))), 1.0)); }).empty());
}

TEST_CASE("unreached: score functions, plates, subsamples and loops reach", "[infer][warnings]") {
  CHECK(warnings_of([] { sample("k", Bernoulli(0.5)); }, [] { sample("k", Bernoulli(param("p", 0.5, constraints::unit_interval))); }).empty());
  const auto model = [] {
    const plate p("data", 6, {.subsample_size = 2});
    sample("z", Normal(0.0, 1.0));
  };
  const auto guide = [] {
    const plate p("data", 6, {.subsample_size = 2});
    sample("z", Normal(param("each", zeros({6}), constraints::real, {.event_dim = 0}), 1.0));
  };
  CHECK(warnings_of(model, guide).empty());
  CHECK(warnings_of([] { for (const Index i : plate("turn", 2)) sample("z" + std::to_string(i), Normal(0.0, 1.0)); },
                    [] { for (const Index i : plate("turn", 2)) sample("z" + std::to_string(i), Delta(param("at" + std::to_string(i), 0.0))); }).empty());
}

TEST_CASE("unreached: a parameter of a later step is looked at then", "[infer][warnings]") {
  int step = 0;
  const auto guide = [&step] {
    sample("z", Normal(param("loc", 0.0), 1.0));
    if (++step == 3) param("late", 0.0);
  };
  const auto said = warnings_of(coin_model, std::ref(guide), 5);
  REQUIRE(said.size() == 1);
  CHECK_THAT(said[0], contains("parameter \"late\""));
}

TEST_CASE("unreached: an operation that will not have NaN is let alone", "[infer][warnings]") {
  const auto strict = custom_op("strict", [](const Tensor& x) { return x; }, [](const Tensor& g, const Tensor&, const Tensor&) {
    if (g.item() != g.item()) throw std::runtime_error("NaN");
    return 0.0 * g;
  });
  CHECK(warnings_of([&] { sample("z", Normal(strict(param("loc", 0.0)), 1.0)); }).empty());
}
