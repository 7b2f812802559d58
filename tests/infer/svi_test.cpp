#include "catch.hpp"

#include <ctime>
#include <functional>
#include <memory>
#include <type_traits>

#include "infer/common.hpp"
#include "infer/tables.hpp"
#include "support/errors.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// The value of a parameter that is a number.
double value_of(const char* name) { return param_store().get(name).item(); }

}  // namespace

TEST_CASE("E13: a step returns the loss at the parameters before it and moves them downhill", "[infer][svi]") {
  const OwnStore own;
  SVI svi(point_model, point_guide, Adam({.lr = 0.1}));
  static_assert(std::is_same_v<decltype(svi), SVI<void (*)(double), void (*)(double)>>);
  AdamReference reference{{.lr = 0.1}};
  double z = 0.5;
  const auto guide = [] { point_guide(0.5); };
  SVI deterministic([] { point_model(1.5); }, guide, Adam({.lr = 0.1}));
  for (int t = 0; t < 50; ++t) {
    const double loss = deterministic.step();
    REQUIRE(std::abs(loss - point_loss(z, 1.5)) < 1e-13);
    z = reference.step(z, 2.0 * z - 1.5);
    REQUIRE(std::abs(value_of("z_at") - z) < 1e-12);
  }
  REQUIRE(deterministic.steps() == 50);
}

TEST_CASE("E13: evaluate_loss draws anew and changes nothing", "[infer][svi]") {
  const SviOptions seed{.seed = 77};
  const auto model = [] { noisy_model(0.7); };
  std::vector<double> with, without, evaluations;
  {
    const OwnStore own;
    SVI svi(model, noisy_guide, Adam({.lr = 0.05}), Trace_ELBO(), seed);
    for (int t = 0; t < 20; ++t) without.push_back(svi.step());
  }
  const OwnStore own;
  SVI svi(model, noisy_guide, Adam({.lr = 0.05}), Trace_ELBO(), seed);
  evaluations.push_back(svi.evaluate_loss());  // makes the parameters
  for (int t = 0; t < 20; ++t) {
    const Snapshot before = snapshot();
    evaluations.push_back(svi.evaluate_loss());
    REQUIRE(snapshot() == before);
    with.push_back(svi.step());
  }
  REQUIRE(with == without);
  std::sort(evaluations.begin(), evaluations.end());
  REQUIRE(std::adjacent_find(evaluations.begin(), evaluations.end()) == evaluations.end());
}

TEST_CASE("E13: draws of training and of evaluation are independent", "[infer][svi][stat]") {
  const auto report = independent_draws_table();
  INFO(report.text);
  REQUIRE(report.ok);
}

TEST_CASE("E12: the loss is the mean over particles, each with draws of its own", "[infer][svi]") {
  for (const Index particles : {1, 2, 5}) {
    const OwnStore own;
    std::vector<double> z;
    const auto guide = [&] { z.push_back(sample("z", Normal(param("loc", 0.3), 0.8)).item()); };
    SVI svi([] { noisy_model(0.7); }, guide, Adam({.lr = 0.0}), Trace_ELBO({.num_particles = particles}), {.seed = 9});
    for (const bool training : {true, false}) {
      z.clear();
      const double loss = training ? svi.step() : svi.evaluate_loss();
      REQUIRE(z.size() == static_cast<std::size_t>(particles));
      double expected = 0.0;
      for (const double x : z) expected += point_loss(x, 0.7) + log_normal_density(x, 0.3, 0.8);
      REQUIRE(std::abs(loss - expected / static_cast<double>(particles)) < 1e-13);
      std::sort(z.begin(), z.end());
      REQUIRE(std::adjacent_find(z.begin(), z.end()) == z.end());
    }
  }
  const ErrorReport report = expect_error<DomainError>([] { return Trace_ELBO({.num_particles = 0}); }, "wick.elbo.E306", "", "num_particles = 1");
  INFO(report.text);
  REQUIRE(report.ok);
}

TEST_CASE("svi: models and guides are held by value, or shared by std::ref", "[infer][svi]") {
  struct Counting {
    int calls = 0;
    void operator()() {
      ++calls;
      point_model(1.5);
    }
  };
  const OwnStore own;
  Counting copied, shared;
  const auto guide = [] { point_guide(0.5); };
  SVI by_value(copied, guide);
  SVI by_reference(std::ref(shared), std::ref(guide));
  for (int i = 0; i < 3; ++i) {
    by_value.step();
    by_reference.step();
  }
  REQUIRE(copied.calls == 0);
  REQUIRE(shared.calls == 3);
}

TEST_CASE("svi: models and guides get the arguments of the step, uncopied", "[infer][svi]") {
  struct Settings {  // cannot be copied
    explicit Settings(double s) : sd(s) {}
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;
    double sd;
  };
  const OwnStore own;
  const auto model = [](const Tensor& x, const std::string& name, const Settings& settings) {
    const Tensor z = sample("z", Normal(0.0, settings.sd));
    sample(name, Normal(z, 1.0), obs(x));
  };
  const auto guide = [](const Tensor&, const std::string&, const Settings&) { point_guide(0.5); };
  SVI svi(model, guide, Adam({.lr = 0.0}));
  const Settings settings(2.0);
  const double expected = -log_normal_density(0.5, 0.0, 2.0) - log_normal_density(1.5, 0.5, 1.0);
  REQUIRE(std::abs(svi.step(Tensor(1.5), "x", settings) - expected) < 1e-13);
  REQUIRE(std::abs(svi.evaluate_loss(1.5, std::string("y"), settings) - expected) < 1e-13);
  REQUIRE(svi.run(3, Tensor(1.5), "x", settings).size() == 3);
}

TEST_CASE("svi: run returns the losses and tells its callback", "[infer][svi]") {
  const auto model = [] { noisy_model(0.7); };
  const SviOptions seed{.seed = 3};
  std::vector<double> expected;
  {
    const OwnStore own;
    SVI svi(model, noisy_guide, Adam({.lr = 0.05}), Trace_ELBO(), seed);
    for (int i = 0; i < 30; ++i) expected.push_back(svi.step());
  }
  const OwnStore own;
  SVI svi(model, noisy_guide, Adam({.lr = 0.05}), Trace_ELBO(), seed);
  Index calls = 0;
  double smoothed = 0.0;
  RunOptions options{.steps = 20, .progress = false};
  {
    // The options own their callback: this lambda is gone when the run begins.
    options.callback = [&](const SviProgress& p) {
      const double loss = expected[static_cast<std::size_t>(calls)];
      smoothed = calls == 0 ? loss : 0.98 * smoothed + 0.02 * loss;
      ++calls;
      REQUIRE(p.step == calls);
      REQUIRE(p.steps == 20);
      REQUIRE(p.loss == loss);
      REQUIRE(p.smoothed == smoothed);
    };
  }
  std::vector<double> losses = svi.run(options);
  REQUIRE(calls == 20);
  REQUIRE(losses == std::vector<double>(expected.begin(), expected.begin() + 20));

  losses = svi.run({.steps = 100, .progress = false, .callback = [](const SviProgress& p) { return p.step < 7; }});
  REQUIRE(losses == std::vector<double>(expected.begin() + 20, expected.begin() + 27));
  REQUIRE(svi.run(0).empty());
  REQUIRE(svi.steps() == 27);
  const ErrorReport report = expect_error_unchanged<DomainError>([&] { svi.run(-1); }, snapshot, "wick.svi.E311", "", "number of steps");
  INFO(report.text);
  REQUIRE(report.ok);
}

TEST_CASE("svi: a callback that throws leaves a usable state", "[infer][svi]") {
  const OwnStore own;
  SVI svi([] { noisy_model(0.7); }, noisy_guide, Adam({.lr = 0.05}), Trace_ELBO(), {.seed = 3});
  REQUIRE_THROWS_AS(svi.run({.steps = 9, .callback = [](const SviProgress& p) {
                               if (p.step == 4) throw std::runtime_error("enough");
                             }}),
                    std::runtime_error);
  REQUIRE(svi.steps() == 4);
  REQUIRE(svi.run(3).size() == 3);
}

TEST_CASE("svi: tens of thousands of new parameters, and a store that is emptied, cost what they need", "[infer][svi]") {
  const OwnStore own;
  constexpr int n = 10'000;
  std::vector<std::string> names;
  for (int i = 0; i < n; ++i) names.push_back("p" + std::to_string(i));
  const auto model = [&] {
    Tensor total = 0.0;
    for (const std::string& name : names) total = total + param(name, 0.0);
    sample("x", Normal(total, 1.0), obs(1.5));
  };
  SVI svi(model, [] {}, SGD({.lr = 1e-5, .momentum = 0.5}));
  const auto seconds = [&] {
    const std::clock_t begin = std::clock();
    svi.step();
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  const double first = seconds(), second = seconds();
  REQUIRE(std::abs(value_of("p9999") - (1.5e-5 + 1e-5 * (1.5 - 10'000 * 1.5e-5) + 0.5 * 1.5e-5)) < 1e-15);
  clear_param_store();
  const double again = seconds();
  CAPTURE(first, second, again);
  REQUIRE(again < 20 * second + 0.1);  // with a search through lists it is a hundred times as long
  REQUIRE(std::abs(value_of("p0") - 1.5e-5) < 1e-15);
}

TEST_CASE("E13: parameters that a step does not touch keep value and optimiser state", "[infer][svi]") {
  const OwnStore own;
  int step = 0;
  // Each step touches a, b or both.
  const auto touches = [&](int which) { return step % 3 != which; };
  const auto model = [&] {
    for (int k = 0; k < 2; ++k)
      if (touches(k)) sample(k == 0 ? "x_a" : "x_b", Normal(param(k == 0 ? "a" : "b", 0.1 + k), 1.0), obs(1.5));
  };
  SVI svi(model, [] {}, Adam({.lr = 0.1}));
  AdamReference reference[2] = {{{.lr = 0.1}}, {{.lr = 0.1}}};
  double x[2] = {0.1, 1.1};
  for (; step < 30; ++step) {
    svi.step();
    for (int k = 0; k < 2; ++k) {
      if (touches(k)) x[k] = reference[k].step(x[k], x[k] - 1.5);
      if (param_store().contains(k == 0 ? "a" : "b")) REQUIRE(std::abs(value_of(k == 0 ? "a" : "b") - x[k]) < 1e-12);
    }
  }
}

TEST_CASE("E13: a parameter that only some particles touch gets their share of the gradient", "[infer][svi]") {
  const OwnStore own;
  int call = 0;
  const auto model = [&] {
    if (call++ % 4 != 3) sample("x_a", Normal(param("a", 0.1), 1.0), obs(1.5));
    if (call % 4 == 0) sample("x_b", Normal(param("b", Tensor{0.2, 0.3}), 1.0).to_event(1), obs(Tensor{1.0, -1.0}));
  };
  SVI svi(model, [] {}, Adam({.lr = 0.1}), Trace_ELBO({.num_particles = 4}));
  AdamReference a{{.lr = 0.1}}, b0{{.lr = 0.1}}, b1{{.lr = 0.1}};
  double x = 0.1, y0 = 0.2, y1 = 0.3;
  for (int i = 0; i < 10; ++i) {
    svi.step();
    x = a.step(x, 0.75 * (x - 1.5));
    y0 = b0.step(y0, 0.25 * (y0 - 1.0));
    y1 = b1.step(y1, 0.25 * (y1 + 1.0));
    REQUIRE(std::abs(value_of("a") - x) < 1e-12);
    REQUIRE(std::abs(param_store().get("b").at({0}) - y0) < 1e-12);
    REQUIRE(std::abs(param_store().get("b").at({1}) - y1) < 1e-12);
  }
}

TEST_CASE("E13: parameters that block hides are not trained", "[infer][svi]") {
  const OwnStore own;
  const auto guide = [] {
    const Tensor hidden = [] {
      const handlers::block<> block({.hide = {"shift"}});
      return param("shift", 0.4);
    }();
    sample("z", Delta(param("z_at", 0.5) + hidden));
  };
  SVI svi([] { point_model(1.5); }, guide, Adam({.lr = 0.1}));
  for (int i = 0; i < 5; ++i) svi.step();
  REQUIRE(value_of("shift") == 0.4);
  REQUIRE(value_of("z_at") != 0.5);
}

TEST_CASE("E13: a parameter may be read by name alone, often, and is trained once a step", "[infer][svi]") {
  const OwnStore own;
  param("a", 0.1);
  const auto model = [] { sample("x", Normal(param("a") + param("a", 7.0), 1.0), obs(1.5)); };
  SVI svi(model, [] {}, Adam({.lr = 0.1}));
  AdamReference reference{{.lr = 0.1}};
  double x = 0.1;
  for (int i = 0; i < 10; ++i) {
    svi.step();
    x = reference.step(x, 2.0 * (2.0 * x - 1.5));
    REQUIRE(std::abs(value_of("a") - x) < 1e-12);
  }
}

TEST_CASE("svi: an initial value that is a function is computed once, outside the gradient", "[infer][svi]") {
  const OwnStore own;
  int calls = 0;
  const auto model = [&] {
    const Tensor base = param("base", 2.0);
    const Tensor a = param("a", [&] {
      ++calls;
      return base * 3.0;
    }, constraints::positive);
    sample("x", Normal(a, 1.0), obs(1.5));
  };
  SVI svi(model, [] {}, Adam({.lr = 0.1}));
  for (int i = 0; i < 5; ++i) svi.step();
  REQUIRE(calls == 1);
  REQUIRE(value_of("base") == 2.0);  // nothing flowed back through the initial value
  REQUIRE(value_of("a") < 6.0);
}

TEST_CASE("E13: several SVI objects share a store and keep optimiser states of their own", "[infer][svi]") {
  const OwnStore own;
  const auto model_of = [](double x) {
    return [x] { sample("x", Normal(param("a", 0.1), 1.0), obs(x)); };
  };
  const auto nothing = [] {};
  SVI first(model_of(1.5), nothing, Adam({.lr = 0.1})), second(model_of(-2.0), nothing, Adam({.lr = 0.03}));
  AdamReference one{{.lr = 0.1}}, two{{.lr = 0.03}};
  double x = 0.1;
  for (int i = 0; i < 20; ++i) {
    first.step();
    x = one.step(x, x - 1.5);
    if (i % 3 == 0) continue;
    second.step();
    x = two.step(x, x + 2.0);
    REQUIRE(std::abs(value_of("a") - x) < 1e-12);
  }
}

TEST_CASE("E13: optimiser state belongs to a parameter and not to its name", "[infer][svi]") {
  SVI svi([] { sample("x", Normal(param("a", 0.1), 1.0), obs(1.5)); }, [] {}, Adam({.lr = 0.1}));
  const auto trajectory = [&] {
    std::vector<double> out;
    for (int i = 0; i < 5; ++i) {
      svi.step();
      out.push_back(value_of("a"));
    }
    return out;
  };
  const OwnStore own;
  const auto fresh = trajectory();
  clear_param_store();
  REQUIRE(trajectory() == fresh);  // a new parameter of the old name starts without momentum
  {
    const OwnStore other;
    REQUIRE(trajectory() == fresh);
  }
  REQUIRE(trajectory() != fresh);  // the one before goes on where it was
}

TEST_CASE("svi: the same seed gives the same fit, and the random scope gives one if none is given", "[infer][svi]") {
  const auto fit = [](const SviOptions& options) {
    const OwnStore own;
    SVI svi([] { noisy_model(0.7); }, noisy_guide, Adam({.lr = 0.05}), Trace_ELBO(), options);
    return svi.run(10);
  };
  REQUIRE(fit({.seed = 1}) == fit({.seed = 1}));
  REQUIRE(fit({.seed = 1}) != fit({.seed = 2}));
  const auto scoped = [&](std::uint64_t s) {
    const handlers::seed<> seed(s);
    auto first = fit({});
    const auto second = fit({});
    REQUIRE(first != second);
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  REQUIRE(scoped(4) == scoped(4));
  REQUIRE(scoped(4) != scoped(5));
}

TEST_CASE("svi: handlers around model and guide take part", "[infer][svi]") {
  const auto loss = [](const auto& model) {
    const OwnStore own;
    SVI svi(model, [] { point_guide(0.5); }, Adam({.lr = 0.0}));
    return svi.step();
  };
  const auto free_model = [] {
    const Tensor z = sample("z", Normal(0.0, 1.0));
    sample("x", Normal(z, 1.0));
  };
  const double z_term = -log_normal_density(0.5, 0.0, 1.0), x_term = -log_normal_density(1.5, 0.5, 1.0);
  REQUIRE(std::abs(loss(handlers::condition(free_model, {{"x", 1.5}})) - (z_term + x_term)) < 1e-13);
  REQUIRE(std::abs(loss(handlers::scale([] { point_model(1.5); }, 0.25)) - 0.25 * (z_term + x_term)) < 1e-13);
  REQUIRE(std::abs(loss(handlers::mask([] { point_model(1.5); }, Tensor(false))) - 0.0) < 1e-13);
}

TEST_CASE("E12: a subsampled plate is the same in guide and model of a step", "[infer][svi]") {
  const OwnStore own;
  std::vector<double> in_guide, in_model;
  const auto guide = [&] {
    const plate data("data", 50, {.subsample_size = 5});
    in_guide = data.indices().to_vector();
    sample("z", Normal(param("loc", zeros({50}), constraints::real, {.event_dim = 0}), 1.0));
  };
  const auto model = [&] {
    const plate data("data", 50, {.subsample_size = 5});
    in_model = data.indices().to_vector();
    const Tensor z = sample("z", Normal(0.0, 1.0));
    sample("x", Normal(z, 1.0), obs(data.subsample(arange(50))));
  };
  SVI svi(model, guide, Adam({.lr = 0.1}));
  std::vector<double> first;
  for (int i = 0; i < 5; ++i) {
    svi.step();
    REQUIRE(in_guide == in_model);
    if (i == 0) first = in_guide;
  }
  REQUIRE(first != in_guide);
}

TEST_CASE("E13: the parameters of a minibatch alone get a gradient", "[infer][svi]") {
  const OwnStore own;
  const auto model = [] {
    plate data("data", 6, {.subsample = Tensor{4, 1}});
    sample("x", Normal(param("a", zeros({6}), constraints::real, {.event_dim = 0}), 1.0), obs(data.subsample(ones({6}))));
  };
  SVI svi(model, [] {}, Adam({.lr = 0.1}));
  svi.step();
  const auto a = param_store().get("a").to_vector();
  for (std::size_t i = 0; i < 6; ++i) {
    if (i == 4 || i == 1)
      REQUIRE(std::abs(a[i] - 0.1) < 1e-6);
    else
      REQUIRE(a[i] == 0.0);
  }
}
