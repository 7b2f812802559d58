// What one step is, clause by clause: E12 (the ELBO and its gradient) and E13 (the step), for single draws and exactly.
#include "catch.hpp"

#include <map>
#include <stdexcept>

#include <wick/effect/handlers/reparam.hpp>

#include "infer/common.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// Leaves the parameters as they are and notes what it is given.
struct Recorder final : Optimizer {
  struct Record {
    std::map<std::string, std::vector<double>> gradients;
    int calls = 0, names = 0;
    bool refuse = false;
  };
  explicit Recorder(Record& r) : record(&r) {}
  void prepare(std::span<const ParamStep>) override {
    if (record->refuse) throw std::length_error("no room");
  }
  void step(std::span<const ParamStep> params) noexcept override {
    ++record->calls;
    record->gradients.clear();
    record->names = static_cast<int>(params.size());
    for (const ParamStep& p : params) record->gradients[std::string(p.name)].assign(p.gradient, p.gradient + p.size);
  }
  Record* record;
};

bool close(double a, double b) { return std::abs(a - b) < 1e-12; }

}  // namespace

TEST_CASE("E12: each particle traces the guide first, then the model at its values", "[infer][semantics]") {
  const OwnStore own;
  std::string order;
  std::vector<double> in_guide, in_model;
  const auto guide = [&] {
    order += 'g';
    in_guide.push_back(sample("z", Normal(param("loc", 0.3), 0.8)).item());
  };
  const auto model = [&] {
    order += 'm';
    const Tensor z = sample("z", Normal(0.0, 1.0));
    in_model.push_back(z.item());
    sample("x", Normal(z, 1.0), obs(0.7));
  };
  SVI svi(model, guide, Adam(), Trace_ELBO({.num_particles = 3}), {.seed = 4});
  svi.step();
  svi.evaluate_loss();
  REQUIRE(order == "gmgmgmgmgmgm");
  REQUIRE(in_guide == in_model);
}

TEST_CASE("E12: the index sites of plates cost nothing", "[infer][semantics]") {
  const auto loss = [](bool plates) {
    const OwnStore own;
    const auto with_plate = [=](auto program) {
      return [=] {
        if (plates) const plate data("data", 40, {.subsample_size = 3});
        program();
      };
    };
    SVI svi(with_plate([] { point_model(1.5); }), with_plate([] { point_guide(0.5); }), Adam({.lr = 0.0}));
    return svi.step();
  };
  REQUIRE(close(loss(false), point_loss(0.5, 1.5)));
  REQUIRE(close(loss(true), point_loss(0.5, 1.5)));
}

TEST_CASE("E7, E9: lifted parameters, reparameterised and partly observed sites in a step", "[infer][semantics]") {
  Recorder::Record r;
  const auto loss = [&](auto model, auto guide) {
    const OwnStore own;
    SVI svi(model, guide, Recorder(r), Trace_ELBO(), {.seed = 1});
    svi.step();
    return svi.step();
  };
  const auto density = log_normal_density;
  const auto regression = [] { sample("y", Normal(param("w", 0.0), 1.0), obs(2.0)); };
  REQUIRE(close(loss(handlers::lift(regression, Normal(0.0, 1.0)), [] { sample("w", Delta(param("at", 0.5))); }), -density(0.5, 0.0, 1.0) - density(2.0, 0.5, 1.0)));
  REQUIRE(close(r.gradients["at"][0], 0.5 - 1.5));
  REQUIRE(r.names == 1);  // w is not trained

  const auto shifted = [] { sample("y", Normal(sample("x", Normal(1.0, 2.0)), 1.0), obs(2.0)); };
  const auto apart = handlers::reparam(shifted, {{"x", LocScaleReparam(0.0)}});
  REQUIRE(close(loss(apart, [] { sample("x_decentered", Delta(param("at", 0.3))); }), -density(0.3, 0.0, 1.0) - density(2.0, 1.6, 1.0)));
  REQUIRE(close(r.gradients["at"][0], 0.3 - 2.0 * (2.0 - 1.6)));

  const Tensor y = {0.5, std::nan("")}, there = {1.0, 0.0};
  const auto partly = [=] {
    const plate data("data", 2);
    sample("y", Normal(0.0, 1.0), obs(y, there));
  };
  const auto missing = [=] {
    const plate data("data", 2);
    const handlers::mask none(!there);
    sample("y_unobserved", Delta(param("at", Tensor{9.0, 0.7})));
  };
  REQUIRE(close(loss(partly, missing), -density(0.5, 0.0, 1.0) - density(0.7, 0.0, 1.0)));
  REQUIRE(r.gradients["at"][0] == 0.0);
  REQUIRE(close(r.gradients["at"][1], 0.7));
}

TEST_CASE("E12: a pathwise draw's gradient is that of log q - log p through the draw", "[infer][semantics]") {
  for (const Index particles : {1, 4}) {
    const OwnStore own;
    Recorder::Record record;
    std::vector<double> z;
    const auto guide = [&] {
      const Tensor loc = param("loc", 0.3), scale = param("log_scale", -0.2);
      z.push_back(sample("z", Normal(loc, exp(scale))).item());
    };
    SVI svi([] { noisy_model(0.7); }, guide, Recorder(record), Trace_ELBO({.num_particles = particles}), {.seed = 5});
    svi.step();
    // With z = loc + s e: -log p = z^2 / 2 + (x - z)^2 / 2, and log q = -log s - e^2 / 2 depends on s alone.
    double in_loc = 0.0, in_log_scale = 0.0;
    const double n = static_cast<double>(particles);
    for (const double v : z) {
      const double slope = 2.0 * v - 0.7;
      in_loc += slope / n;
      in_log_scale += (slope * (v - 0.3) - 1.0) / n;
    }
    REQUIRE(record.gradients.size() == 2);
    REQUIRE(close(record.gradients["loc"][0], in_loc));
    REQUIRE(close(record.gradients["log_scale"][0], in_log_scale));
  }
}

TEST_CASE("E12: a score-function draw's gradient is its score times the cost of its own plate element",
          "[infer][semantics]") {
  const OwnStore own;
  Recorder::Record record;
  const double start[] = {0.3, -0.4, 0.9};
  std::vector<double> z;
  double common = 0.0;
  const auto guide = [&] {
    const Tensor loc = param("loc", Tensor{start[0], start[1], start[2]});
    const plate data("data", 3);
    z = sample("z", Normal(loc, 0.8).without_rsample()).to_vector();
  };
  const auto model = [&] {
    Tensor drawn;
    {
      const plate data("data", 3);
      drawn = sample("z", Normal(0.0, 1.0));
      sample("x", Normal(drawn, 1.0), obs(Tensor{0.7, 0.1, -0.5}));
    }
    const Tensor total = sum(drawn);
    common = log_normal_density(2.0, total.item(), 1.5);
    sample("total", Normal(total, 1.5), obs(2.0));
  };
  SVI svi(model, guide, Recorder(record), Trace_ELBO(), {.seed = 6});
  svi.step();
  const double x[] = {0.7, 0.1, -0.5};
  for (std::size_t i = 0; i < 3; ++i) {
    const double score = (z[i] - start[i]) / 0.64;
    const double log_r = log_normal_density(z[i], 0.0, 1.0) + log_normal_density(x[i], z[i], 1.0) + common -
                         log_normal_density(z[i], start[i], 0.8);
    REQUIRE(close(record.gradients["loc"][i], -score * log_r));
  }
}

TEST_CASE("E13: the optimiser gets exactly the parameters that the step touched, each once", "[infer][semantics]") {
  const OwnStore own;
  param("never", 1.0);
  Recorder::Record record;
  int step = 0;
  const auto model = [&] {
    Tensor mean = param("always", 0.1) + param("always", 0.1);
    if (step == 1) mean = mean + sum(param("sometimes", Tensor{0.2, 0.3}));
    sample("x", Normal(mean, 1.0), obs(1.5));
  };
  SVI svi(
      model, [] {}, Recorder(record), Trace_ELBO({.num_particles = 2}));
  for (; step < 3; ++step) {
    svi.step();
    REQUIRE(record.calls == step + 1);
    REQUIRE(record.names == (step == 1 ? 2 : 1));
    REQUIRE(record.gradients["always"].size() == 1);
    REQUIRE((step == 1 ? record.gradients["sometimes"].size() == 2 : !record.gradients.contains("sometimes")));
  }
}

TEST_CASE("E13: gradients begin at zero in each step", "[infer][semantics]") {
  const OwnStore own;
  Recorder::Record record;
  SVI svi([] { point_model(1.5); }, [] { point_guide(0.5); }, Recorder(record));
  for (int i = 0; i < 3; ++i) {
    svi.step();
    REQUIRE(close(record.gradients["z_at"][0], 2 * 0.5 - 1.5));
  }
}

TEST_CASE("E13: evaluate_loss records nothing and asks no optimiser", "[infer][semantics]") {
  const OwnStore own;
  Recorder::Record record;
  int recorded = 0, runs = 0;
  const auto guide = [&] {
    const Tensor at = param("z_at", 0.5);
    ++runs;
    recorded += detail::TensorAccess::kind(sample("z", Delta(at))) == detail::Kind::differentiable;
  };
  SVI svi([] { point_model(1.5); }, guide, Recorder(record));
  REQUIRE(close(svi.evaluate_loss(), point_loss(0.5, 1.5)));
  REQUIRE(runs == 1);
  REQUIRE(recorded == 0);
  REQUIRE(record.calls == 0);
  svi.step();
  REQUIRE(recorded == 1);
  REQUIRE(record.calls == 1);
}

TEST_CASE("E13: an optimiser without room for a step undoes it", "[infer][semantics]") {
  const OwnStore own;
  Recorder::Record record;
  bool more = false;
  const auto model = [&] {
    point_model(1.5);
    if (more) sample("y", Normal(param("fresh", 0.0), 1.0), obs(1.0));
  };
  SVI svi(
      model, [] { point_guide(0.5); }, Recorder(record));
  svi.step();
  const Snapshot before = snapshot();
  const Surroundings around = surroundings();
  more = record.refuse = true;
  REQUIRE_THROWS_AS(svi.step(), std::length_error);
  REQUIRE(snapshot() == before);
  REQUIRE(surroundings() == around);
  REQUIRE(record.calls == 1);
  record.refuse = false;
  svi.step();
  REQUIRE(snapshot().size() == 2);
}
