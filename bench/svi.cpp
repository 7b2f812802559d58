// One traced SVI step of the two examples against the same step written by hand. Two baselines each:
//  - svi_step_*: plain C++ with Eigen (hand/*_eigen.hpp), which is what the project's speed rule compares with;
//  - svi_step_*_tightest: what can be had beyond that (hand/iris.hpp, hand/eight_schools.hpp): the library's own packet
//    functions inlined, one draw a step instead of one a site and, for iris, sufficient statistics in place of the data.
// Before anything is measured, the steps are checked against one another: the same losses and parameters over a fit, the
// tight ones' loss and gradient at fixed points.
#include <benchmark/benchmark.h>

#include <wick/wick.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../examples/iris/data.hpp"
#include "hand/eight_schools.hpp"
#include "hand/eight_schools_eigen.hpp"
#include "hand/iris.hpp"
#include "hand/iris_eigen.hpp"

using namespace wick;

namespace {

constexpr double small_rate = 1e-4;  // the parameters stay where the arithmetic is typical
constexpr std::uint64_t seed = 1;
constexpr int warm_up = 1000;

// Iris

struct IrisData {
  std::vector<double> length, width, label, rows;
  IrisData() {
    for (const iris::Flower& r : iris::flowers) {
      length.push_back(r.sepal_length);
      width.push_back(r.sepal_width);
      label.push_back(r.species);
      rows.push_back(r.sepal_length);
      rows.push_back(r.sepal_width);
    }
  }
  int size() const { return static_cast<int>(label.size()); }
};

void iris_model(const Tensor& x, const Tensor& y) {
  const Tensor w = sample("w", Normal(zeros({2}), ones({2})).to_event(1));
  const Tensor b = sample("b", Normal(0.0, 1.0));
  const Tensor logits = matmul(x, w) + b;
  const plate data("data", x.size(0));
  sample("obs", Bernoulli({.logits = logits}), obs(y));
}

void iris_guide(const Tensor&, const Tensor&) {
  const Tensor w_loc = param("w_loc", zeros({2}));
  const Tensor w_scale = param("w_scale", ones({2}), constraints::positive);
  const Tensor b_loc = param("b_loc", 0.0);
  const Tensor b_scale = param("b_scale", 1.0, constraints::positive);
  sample("w", Normal(w_loc, w_scale).to_event(1));
  sample("b", Normal(b_loc, b_scale));
}

struct IrisOurs {
  Tensor x, y;
  SVI<void (*)(const Tensor&, const Tensor&), void (*)(const Tensor&, const Tensor&)> svi;
  IrisOurs(const IrisData& data, double lr)
      : x(from_values({data.size(), 2}, data.rows)), y(data.label), svi(iris_model, iris_guide, Adam({.lr = lr}), Trace_ELBO(), {.seed = seed}) {}
  double step() { return svi.step(x, y); }
};

hand::IrisEigen iris_plain(const IrisData& d, double lr) { return {d.length.data(), d.width.data(), d.label.data(), d.size(), lr, seed}; }
hand::Iris iris_tight(const IrisData& d, double lr) { return {d.length.data(), d.width.data(), d.label.data(), d.size(), lr, seed}; }

// Eight schools, with the tutorial's guide

constexpr double effects[] = {28, 8, -3, 7, -1, 1, 18, 12};
constexpr double errors[] = {15, 10, 16, 11, 9, 11, 10, 18};

void schools_model(const Tensor& y, const Tensor& sigma) {
  const Tensor mu0 = sample("mu0", Normal(0.0, 5.0));
  const Tensor tau = sample("tau", HalfCauchy(5.0));
  const plate schools("schools", 8);
  const Tensor theta = sample("theta", Normal(mu0, tau));
  sample("obs", Normal(theta, sigma), obs(y));
}

void schools_guide(const Tensor&, const Tensor&) {
  const Tensor mu0_loc = param("mu0_loc", 0.0);
  const Tensor mu0_scale = param("mu0_scale", 1.0, constraints::positive);
  const Tensor tau_loc = param("tau_loc", 1.0, constraints::positive);
  sample("mu0", Normal(mu0_loc, mu0_scale));
  sample("tau", HalfCauchy(tau_loc));
  const Tensor theta_loc = param("theta_loc", zeros({8}));
  const Tensor theta_scale = param("theta_scale", ones({8}), constraints::positive);
  const plate schools("schools", 8);
  sample("theta", Normal(theta_loc, theta_scale));
}

struct SchoolsOurs {
  Tensor y, sigma;
  SVI<void (*)(const Tensor&, const Tensor&), void (*)(const Tensor&, const Tensor&)> svi;
  explicit SchoolsOurs(double lr)
      : y(from_values<double>({8}, effects)),
        sigma(from_values<double>({8}, errors)),
        svi(schools_model, schools_guide, Adam({.lr = lr}), Trace_ELBO(), {.seed = seed}) {}
  double step() { return svi.step(y, sigma); }
};

// The checks

void expect_near(const char* what, double got, double wanted) {
  if (std::abs(got - wanted) <= 1e-9 * (1.0 + std::abs(wanted))) return;
  std::fprintf(stderr, "bench/svi: %s is %.17g, not %.17g\n", what, got, wanted);
  std::exit(1);
}

void check_iris() {
  const IrisData data;
  ParamStore store;
  const ParamScope scope(store);
  IrisOurs ours(data, 0.05);
  hand::IrisEigen plain = iris_plain(data, 0.05);
  hand::Iris tight = iris_tight(data, 0.05);
  for (int i = 0; i < 200; ++i) {
    expect_near("iris: loss of the Eigen step", plain.step(), ours.step());
    // The tight step draws otherwise; it is compared at the same noise.
    hand::IrisEigen::Half noise(std::sin(i), std::sin(2.0 * i), std::sin(3.0 * i), 0.0);
    hand::IrisEigen::Parameters expected;
    alignas(64) double gradient[8];
    for (int k = 0; k < 8; ++k) tight.parameters()[k] = plain.parameters()[k];
    const double loss = plain.loss_and_gradient(noise, expected);
    expect_near("iris: loss of the tight step", tight.loss_and_gradient(noise.data(), gradient), loss);
    for (int k = 0; k < 8; ++k)
      if (k % 4 != 3) expect_near("iris: gradient of the tight step", gradient[k], expected[k]);
  }
  const double* w_loc = store.get("w_loc").data();
  expect_near("iris: w_loc of the Eigen fit", plain.parameters()[0], w_loc[0]);
  expect_near("iris: b_scale of the Eigen fit", std::exp(plain.parameters()[6]), store.get("b_scale").item());
}

void check_schools() {
  using Hand = hand::EightSchoolsEigen;
  ParamStore store;
  const ParamScope scope(store);
  SchoolsOurs ours(0.03);
  Hand plain(effects, errors, 0.03, seed);
  hand::EightSchools tight(effects, errors, 0.03, seed);
  for (int i = 0; i < 200; ++i) {
    expect_near("eight schools: loss of the Eigen step", plain.step(), ours.step());
    Hand::Noise noise;
    hand::EightSchools::Noise same;
    for (int k = 0; k < 8; ++k) same.normal[k] = noise.theta[k] = std::sin(i + k);
    same.normal[8] = noise.mu = std::cos(i);
    same.t = noise.t = 0.1 + std::abs(std::sin(2.0 * i));
    Hand::Parameters expected;
    alignas(64) double gradient[Hand::size];
    for (int k = 0; k < Hand::size; ++k) tight.parameters()[k] = plain.parameters()[k];
    const double loss = plain.loss_and_gradient(noise, expected);
    expect_near("eight schools: loss of the tight step", tight.loss_and_gradient(same, gradient), loss);
    for (int k = 0; k < Hand::size; ++k) expect_near("eight schools: gradient of the tight step", gradient[k], expected[k]);
  }
  expect_near("eight schools: mu0_loc of the Eigen fit", plain.parameters()[Hand::mu_loc], store.get("mu0_loc").item());
  expect_near("eight schools: tau_loc of the Eigen fit", std::exp(plain.parameters()[Hand::tau_log_scale]), store.get("tau_loc").item());
}

// The measurements

template <class Fit>
void measure(benchmark::State& state, Fit& fit) {
  for (int i = 0; i < warm_up; ++i) fit.step();
  for (auto _ : state) benchmark::DoNotOptimize(fit.step());
}

void iris_ours(benchmark::State& state) {
  const IrisData data;
  ParamStore store;
  const ParamScope scope(store);
  IrisOurs fit(data, small_rate);
  measure(state, fit);
}
void iris_eigen(benchmark::State& state) {
  const IrisData data;
  hand::IrisEigen fit = iris_plain(data, small_rate);
  measure(state, fit);
}
void iris_tightest(benchmark::State& state) {
  const IrisData data;
  hand::Iris fit = iris_tight(data, small_rate);
  measure(state, fit);
}
void schools_ours(benchmark::State& state) {
  ParamStore store;
  const ParamScope scope(store);
  SchoolsOurs fit(small_rate);
  measure(state, fit);
}
void schools_eigen(benchmark::State& state) {
  hand::EightSchoolsEigen fit(effects, errors, small_rate, seed);
  measure(state, fit);
}
void schools_tightest(benchmark::State& state) {
  hand::EightSchools fit(effects, errors, small_rate, seed);
  measure(state, fit);
}

BENCHMARK(iris_ours)->Name("svi_step_iris/ours");
BENCHMARK(iris_eigen)->Name("svi_step_iris/baseline:plain Eigen");
BENCHMARK(iris_ours)->Name("svi_step_iris_tightest/ours");
BENCHMARK(iris_tightest)->Name("svi_step_iris_tightest/baseline:inlined packets");
BENCHMARK(schools_ours)->Name("svi_step_eight_schools/ours");
BENCHMARK(schools_eigen)->Name("svi_step_eight_schools/baseline:plain Eigen");
BENCHMARK(schools_ours)->Name("svi_step_eight_schools_tightest/ours");
BENCHMARK(schools_tightest)->Name("svi_step_eight_schools_tightest/baseline:inlined packets");

}  // namespace

int main(int argc, char** argv) {
  check_iris();
  check_schools();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
