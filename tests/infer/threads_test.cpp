// Fits on several threads: the same bits as on one, nothing shared, and an error where a step's value leaks.
#include "catch.hpp"

#include <algorithm>
#include <thread>

#include "infer/common.hpp"
#include "support/errors.hpp"
#include "support/stat.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// Everything a fit produces, to the last bit: losses, parameters, an evaluation.
std::vector<double> fit(std::uint64_t number) {
  const OwnStore own;
  const auto model = [](const Tensor& x) {
    const Tensor w = sample("w", Normal(zeros({2}), ones({2})).to_event(1));
    const Tensor rate = sample("rate", Gamma(2.0, 1.0));
    const plate data("data", 12, {.subsample_size = 5});
    const Tensor k = sample("k", Bernoulli(0.4));
    sample("x", Normal(take(w, k) * rate, 1.0), obs(data.subsample(x)));
  };
  const auto guide = [](const Tensor&) {
    sample("w", Normal(param("w_loc", zeros({2})), param("w_scale", ones({2}), constraints::positive)).to_event(1));
    sample("rate", Gamma(param("a", 2.0, constraints::positive), param("b", 2.0, constraints::positive)));
    const plate data("data", 12, {.subsample_size = 5});
    sample("k", Bernoulli({.logits = param("logits", zeros({12}), constraints::real, {.event_dim = 0})}));
  };
  SVI svi(model, guide, Adam({.lr = 0.02}), Trace_ELBO({.num_particles = 2}), {.seed = seed_of("threads") + number});
  const Tensor x = 0.3 * arange(12) - 1.0;
  std::vector<double> out = svi.run(200, x);
  for (const auto& [name, values] : snapshot()) out.insert(out.end(), values.begin(), values.end());
  out.push_back(svi.evaluate_loss(x));
  return out;
}

using Fits = std::vector<std::vector<double>>;

/// Four fits, dealt out to `workers` threads.
Fits four_fits(std::size_t workers) {
  Fits fits(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < workers; ++t)
    threads.emplace_back([&fits, t, workers] {
      for (std::size_t i = t; i < 4; i += workers) fits[i] = fit(i);
    });
  for (std::thread& t : threads) t.join();
  return fits;
}

}  // namespace

TEST_CASE("threads: four fits have the same bits on 1, 2 and 4 threads", "[infer][threads]") {
  Fits here;
  for (std::size_t i = 0; i < 4; ++i) here.push_back(fit(i));
  REQUIRE(here[0] != here[1]);
  REQUIRE(four_fits(1) == here);
  REQUIRE(four_fits(2) == here);
  REQUIRE(four_fits(4) == here);
}

TEST_CASE("threads: each has a parameter store of its own", "[infer][threads]") {
  const auto train = [](double start, double x) {
    clear_param_store();
    SVI svi([x] { point_model(x); }, [start] { point_guide(start); }, Adam({.lr = 0.05}));
    svi.run(300);
    const double z = param_store().get("z_at").item();
    clear_param_store();
    return z;
  };
  double first = 0.0, second = 0.0;
  std::thread a([&] { first = train(0.5, 1.0); }), b([&] { second = train(-0.5, -3.0); });
  a.join();
  b.join();
  REQUIRE(std::abs(first - 0.5) < 0.01);
  REQUIRE(std::abs(second + 1.5) < 0.01);
  REQUIRE_FALSE(param_store().contains("z_at"));
}

TEST_CASE("threads: an SVI object goes on on another thread", "[infer][threads]") {
  const auto make = [](auto use) {
    SVI svi([] { noisy_model(0.7); }, noisy_guide, Adam({.lr = 0.05}), Trace_ELBO(), {.seed = 8});
    return use(svi);
  };
  ParamStore one, two;
  const auto expected = make([&](auto& svi) {
    const ParamScope scope(one);
    return svi.run(20);
  });
  const auto handed_over = make([&](auto& svi) {
    std::vector<double> losses;
    const auto some = [&] {
      const ParamScope scope(two);
      const auto more = svi.run(10);
      losses.insert(losses.end(), more.begin(), more.end());
    };
    some();
    std::thread(some).join();
    return losses;
  });
  REQUIRE(expected == handed_over);
}

TEST_CASE("threads: a value of a step that is under way is refused on another thread", "[infer][threads][errors]") {
  const OwnStore own;
  bool leak = false;
  const auto model = [&] {
    const Tensor z = sample("z", Normal(0.0, 1.0));
    param("fresh", 1.0);
    if (leak) {
      std::exception_ptr thrown;
      std::thread([&] {
        try {
          static_cast<void>(z + 1.0);
        } catch (...) {
          thrown = std::current_exception();
        }
      }).join();
      if (thrown != nullptr) std::rethrow_exception(thrown);
    }
    sample("x", Normal(z, 1.0), obs(1.5));
  };
  SVI svi(model, [] { point_guide(0.5); }, Adam({.lr = 0.1}));
  svi.step();
  leak = true;
  const auto state = [] { return std::pair(snapshot(), surroundings()); };
  const ErrorReport report = expect_error_unchanged<UsageError>([&] { svi.step(); }, state, "wick.tape.E112", "", "item()");
  INFO(report.text);
  REQUIRE(report.ok);
  leak = false;
  svi.step();
}

TEST_CASE("threads: values of a step that has ended may be used on any thread", "[infer][threads]") {
  const OwnStore own;
  Tensor kept;
  const auto guide = [&] {
    const plate data("data", 3);
    kept = sample("z", Normal(param("loc", zeros({3})), 1.0)) * 2.0;
  };
  const auto model = [] {
    const plate data("data", 3);
    sample("z", Normal(0.0, 1.0));
  };
  SVI svi(model, guide);
  for (int i = 0; i < 20; ++i) {
    svi.step();
    double total = 0.0;
    std::thread([&] {
      const Tensor copy = kept;
      total = sum(copy + kept).item();
    }).join();
    REQUIRE(total == 2.0 * sum(kept).item());
  }
}

TEST_CASE("threads: without a seed no two threads draw the same numbers", "[infer][threads]") {
  std::vector<double> draws(4);
  for (double& d : draws) std::thread([&d] { d = Normal(0.0, 1.0).sample().item(); }).join();
  draws.push_back(Normal(0.0, 1.0).sample().item());
  std::sort(draws.begin(), draws.end());
  REQUIRE(std::adjacent_find(draws.begin(), draws.end()) == draws.end());
}
