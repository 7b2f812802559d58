// One traced SVI step of the deep Markov model (examples/dmm/model.hpp: T = 100, z 4, all layers 32) against the same
// step by hand, twice:
//  - dmm_step: time step by time step as the model is written (hand/dmm_steps.hpp);
//  - dmm_step_whole_series: transition, emitter and all gradients as matrix products of the whole series
//  (hand/dmm.hpp), which
//    a program that draws its sites one after the other cannot do.
// Before anything is measured, the baselines' gradients are held against central differences, and their losses and
// parameters over a fit against the library's.
#include <benchmark/benchmark.h>

#include "../examples/dmm/model.hpp"
#include "../examples/dmm/series.hpp"
#include "hand/dmm.hpp"
#include "hand/dmm_steps.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

using namespace wick;

namespace {

constexpr std::uint64_t seed = 1;
constexpr double small_rate = 1e-4;
constexpr int Z = 4, H = 32;
using Whole = hand::Dmm<Z, H>;
using Steps = hand::DmmSteps<Z, H>;

Tensor data() {
  return from_values({dmm::series_length, 1}, std::vector<double>(dmm::series, dmm::series + dmm::series_length));
}

struct Ours {
  dmm::Dmm net;
  Tensor x = data();
  SVI<dmm::SeriesModel, dmm::SeriesGuide> svi;
  Ours(bool backward, double lr)
      : net({.x = 1, .z = Z, .transition = H, .emitter = H, .rnn = H}, backward),
        svi({net}, {net}, Adam({.lr = lr}), Trace_ELBO(), {.seed = seed}) {}
  double step(double annealing) { return svi.step(x, annealing); }
};

template <class Hand>
std::unique_ptr<Hand> by_hand(bool backward, double lr) {
  return std::make_unique<Hand>(dmm::series, dmm::series_length, backward, lr, seed);
}

void expect_near(const char* what, double hand, double ours, double tolerance = 1e-9) {
  if (std::abs(hand - ours) <= tolerance * (1 + std::abs(ours))) return;
  std::fprintf(stderr, "bench_dmm: %s: %.17g by hand, %.17g in the library\n", what, hand, ours);
  std::exit(1);
}

/// The library's unconstrained parameters in the order of the baselines, whose matrices go column after column.
void copy_parameters(const ParamStore& store, auto& to) {
  for (const auto& s : Whole::layout.slot) {
    const Tensor u = store.at(s.name).unconstrained();
    for (int i = 0; i < s.rows; ++i)
      for (int j = 0; j < s.columns; ++j) to[s.at + j * s.rows + i] = u.data()[i * s.columns + j];
  }
}

/// The gradient of every eighth parameter against central differences, so near that hardly any rectifier bends in
/// between.
template <class Hand>
void check_gradient(bool backward) {
  const auto h = by_hand<Hand>(backward, small_rate);
  for (int i = 0; i < Whole::layout.total; ++i) h->parameters()[i] = 0.15 * std::sin(1.7 * i + 0.1);
  for (int t = 0; t < dmm::series_length; ++t)
    for (int k = 0; k < Z; ++k) h->noise()(k, t) = std::sin(3.3 * t + k);
  h->loss_and_gradient(0.7);
  const Eigen::ArrayXd gradient = h->gradient();
  for (const auto& s : Whole::layout.slot)
    for (int i = s.at; i < s.at + s.size(); i += 8) {
      double& p = h->parameters()[i];
      const double at = p;
      const auto slope = [&](double e) {
        p = at + e;
        const double above = h->loss_and_gradient(0.7);
        p = at - e;
        const double below = h->loss_and_gradient(0.7);
        p = at;
        return (above - below) / (2 * e);
      };
      expect_near(s.name, slope(1e-6), gradient[i], 1e-5);
    }
}

template <class Hand>
void check_fit(bool backward) {
  ParamStore store;
  const ParamScope scope(store);
  Ours ours(backward, 0.01);
  handlers::trace(dmm::SeriesModel{ours.net}).get_trace(ours.x, 1.0);  // makes the parameters
  const auto h = by_hand<Hand>(backward, 0.01);
  copy_parameters(store, h->parameters());
  for (int i = 0; i < 100; ++i) expect_near("loss", h->step(0.5 + 0.005 * i), ours.step(0.5 + 0.005 * i));
  Eigen::ArrayXd fitted = Eigen::ArrayXd::Zero(Whole::layout.total);
  copy_parameters(store, fitted);
  for (const auto& s : Whole::layout.slot)
    for (int i = s.at; i < s.at + s.size(); ++i) expect_near(s.name, h->parameters()[i], fitted[i]);
}

template <class Fit>
void measure(benchmark::State& state, Fit& fit) {
  for (int i = 0; i < 50; ++i) fit.step(1.0);
  for (auto _ : state) benchmark::DoNotOptimize(fit.step(1.0));
}

void ours(benchmark::State& state) {
  ParamStore store;
  const ParamScope scope(store);
  Ours fit(true, small_rate);
  measure(state, fit);
}
template <class Hand>
void by_hand(benchmark::State& state) {
  ParamStore store;
  const ParamScope scope(store);
  const Ours start(true, small_rate);
  handlers::trace(dmm::SeriesModel{start.net}).get_trace(start.x, 1.0);
  const auto fit = by_hand<Hand>(true, small_rate);
  copy_parameters(store, fit->parameters());
  measure(state, *fit);
}

BENCHMARK(ours)->Name("dmm_step/ours");
BENCHMARK(by_hand<Steps>)->Name("dmm_step/baseline:Eigen, step by step");
BENCHMARK(ours)->Name("dmm_step_whole_series/ours");
BENCHMARK(by_hand<Whole>)->Name("dmm_step_whole_series/baseline:Eigen, the whole series at once");

}  // namespace

int main(int argc, char** argv) {
  for (const bool backward : {true, false}) {
    check_gradient<Whole>(backward);
    check_gradient<Steps>(backward);
    check_fit<Whole>(backward);
    check_fit<Steps>(backward);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
