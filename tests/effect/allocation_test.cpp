// Rule J for handlers: what a traced run needs is kept from run to run.
#define WICK_TEST_DEFINE_ALLOC_COUNTER
#include "support/alloc_counter.hpp"

#include <optional>

#include <wick/effect/handlers/reparam.hpp>
#include <wick/effect/plate_stack.hpp>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

const Tensor& data() {
  static const Tensor y = arange(40);
  return y;
}

void program(bool guide) {
  const Tensor loc = param("loc", [] { return zeros({40}); }, constraints::real, {.event_dim = 0});
  const Tensor scale = param("scale", 1.0, constraints::positive);
  sample("mu", Normal(0.0, scale));
  deterministic("twice", 2.0 * scale);
  {
    const plate all("groups", 3);
    const handlers::mask some(Tensor(1.0));
    sample("g", Normal(0.0, scale).without_rsample());
  }
  const plate batch("data", 40, {.subsample_size = 8});
  const Tensor z = sample("z", Normal(param("loc", [] { return zeros({40}); }, constraints::real, {.event_dim = 0}), scale));
  if (guide) return;
  for (Index i : plate("steps", 4)) {
    static const char* const names[] = {"s0", "s1", "s2", "s3"};
    sample(names[i], Normal(z, scale), obs(batch.subsample(data())));
  }
  factor("f", sum(z));
}

}  // namespace

TEST_CASE("allocation: traced runs with plates, scale, mask, replay and parameters allocate nothing", "[effect][allocation]") {
  const OwnParams params;
  Trace guide, model;
  detail::RandomScope random;
  double total = 0.0;
  const handlers::BlockOptions nothing{.hide = {"none"}};
  const detail::HideRule rule(nothing);
  const auto run = [&](std::uint64_t step, bool recorded) {
    const detail::RandomGuard guard(random);
    random.restart(1, 2, step, 0);
    std::optional<detail::Recording> recording;
    if (recorded) recording.emplace();
    {
      const handlers::trace record(guide);
      const handlers::scale annealed(0.5);
      program(true);
    }
    {
      const handlers::trace record(model);
      const handlers::replay given(guide);
      const handlers::scale annealed(0.5);
      const handlers::block<> hidden(&rule);
      program(false);
    }
    for (const Site& s : model) total += s.log_prob_sum().item();
    for (const Site& s : guide) total += s.log_prob().shape().numel() > 0 ? s.log_prob_sum().item() : 0.0;
    guide.clear();
    model.clear();
  };
  for (const bool recorded : {false, true}) {
    for (std::uint64_t i = 0; i < 50; ++i) run(i, recorded);
    const AllocationGuard count;
    for (std::uint64_t i = 0; i < 1000; ++i) run(i, recorded);
    CHECK(count.count() == 0);
  }
  CHECK(std::isfinite(total));
}

TEST_CASE("allocation: sites without handlers allocate nothing", "[effect][allocation]") {
  const OwnParams params;
  double total = 0.0;
  const auto run = [&] {
    total += sample("x", Normal(0.0, 1.0)).item() + param("p", 1.0, constraints::positive).item() + deterministic("d", 1.0).item();
    total += sum(sample("y", Normal(zeros({5}), 1.0))).item();
    const plate batch("data", 40, {.subsample_size = 8});
    total += sum(sample("z", Normal(0.0, 1.0))).item();
  };
  for (int i = 0; i < 50; ++i) run();
  const AllocationGuard count;
  for (int i = 0; i < 1000; ++i) run();
  CHECK(count.count() == 0);
}

TEST_CASE("allocation: lift, reparam, do, substitute, scope and stacks of plates allocate nothing", "[effect][allocation]") {
  const handlers::Values cut{{"s/z", 1.0}}, given{{"s/q", 2.0}};
  const handlers::Priors priors{{"s/w", Normal(0.0, 1.0)}};
  const handlers::Reparams how{{"s/x", LocScaleReparam(0.5)}};
  Trace t;
  double total = 0.0;
  const auto run = [&] {
    const handlers::trace record(t);
    const handlers::lift<> lifted(&priors);
    const handlers::reparam<> apart(&how);
    const handlers::do_<> intervened(&cut);
    const handlers::substitute<> fixed(&given);
    const handlers::scope<> named("s");
    const Tensor w = param("w", 1.0) + param("w", 1.0);
    const plate_stack grid("grid", {2, 3});
    const Tensor x = sample("x", Normal(w, 2.0));
    total += sum(x + sample("z", Normal(x, 1.0)) + sample("q", Normal(0.0, 1.0))).item();
    total += t.log_prob_sum().item();
  };
  for (int i = 0; i < 50; ++i) run();
  const AllocationGuard count;
  for (int i = 0; i < 1000; ++i) run();
  CHECK(count.count() == 0);
  CHECK(t.size() == 7);  // w, two plates, x_decentered, x, z, q
  CHECK(std::isfinite(total));
}
