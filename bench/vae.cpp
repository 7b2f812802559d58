// One traced SVI step of the variational autoencoder (examples/vae/model.hpp: 128 pictures, all layers 128) against its
// bare matrix products, by Eigen, and against the whole step by hand. Before anything is measured, losses and
// parameters of 50 steps are held against the hand-written step's.
#include <benchmark/benchmark.h>

#include "../examples/vae/model.hpp"
#include "hand/vae.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

using namespace wick;

namespace {

constexpr std::uint64_t seed = 1;
constexpr Index pictures = 128, hidden = 128;

/// Made-up pictures: the work does not depend on what they show.
std::vector<double> numbers() {
  std::vector<double> x;
  for (Index i = 0; i < pictures * vae::pixels; ++i)
    x.push_back(
        std::floor(8.5 + 8.0 * std::sin(0.37 * static_cast<double>(i % 64) + 0.11 * static_cast<double>(i / 64))));
  return x;
}

struct Ours {
  vae::Decoder decoder{hidden};
  vae::Encoder encoder{hidden};
  Tensor x = from_values({pictures, vae::pixels}, numbers());
  SVI<vae::Model, vae::Guide> svi;
  explicit Ours(double lr) : svi({decoder, 0}, {encoder, 0}, Adam({.lr = lr}), Trace_ELBO(), {.seed = seed}) {}
  double step() { return svi.step(x); }
  /// The baseline at the same parameters.
  std::unique_ptr<hand::Vae> by_hand(double lr) const {
    handlers::trace(vae::Model{decoder, 0}).get_trace(x);  // makes the parameters
    handlers::trace(vae::Guide{encoder, 0}).get_trace(x);
    auto h = std::make_unique<hand::Vae>(numbers().data(), pictures, hidden, lr, seed);
    visit(*h, [&](double& p, double ours) { p = ours; });
    return h;
  }
  /// Calls f(number of the baseline, the library's) for all parameters.
  template <class F>
  static void visit(hand::Vae& h, F f) {
    for (int k = 0; k < hand::Vae::layers; ++k) {
      const auto& s = h.slots()[k];
      const Tensor w = param_store().get(std::string(s.name) + ".weight"),
                   b = param_store().get(std::string(s.name) + ".bias");
      for (Index i = 0; i < s.out; ++i) {
        for (Index j = 0; j < s.in; ++j) f(h.parameters()[s.at + j * s.out + i], w.data()[i * s.in + j]);
        f(h.parameters()[s.at + s.out * s.in + i], b.data()[i]);
      }
    }
  }
};

void expect_near(const char* what, double hand, double ours) {
  if (std::abs(hand - ours) <= 1e-9 * (1 + std::abs(ours))) return;
  std::fprintf(stderr, "bench_vae: %s: %.17g by hand, %.17g in the library\n", what, hand, ours);
  std::exit(1);
}

void check() {
  ParamStore store;
  const ParamScope scope(store);
  Ours ours(1e-3);
  const auto h = ours.by_hand(1e-3);
  for (int i = 0; i < 50; ++i) expect_near("loss", h->step(), ours.step());
  Ours::visit(*h, [](double hand, double library) { expect_near("parameter", hand, library); });
}

void ours(benchmark::State& state) {
  ParamStore store;
  const ParamScope scope(store);
  Ours fit(1e-5);
  for (int i = 0; i < 20; ++i) fit.step();
  for (auto _ : state) benchmark::DoNotOptimize(fit.step());
}
void by_hand(benchmark::State& state, bool products) {
  ParamStore store;
  const ParamScope scope(store);
  const auto fit = Ours(1e-5).by_hand(1e-5);
  for (int i = 0; i < 20; ++i) fit->step();
  for (auto _ : state) {
    if (products)
      fit->products();
    else
      benchmark::DoNotOptimize(fit->step());
    benchmark::ClobberMemory();
  }
}
void products_alone(benchmark::State& state) { by_hand(state, true); }
void whole_step(benchmark::State& state) { by_hand(state, false); }

BENCHMARK(ours)->Name("vae_step/ours");
BENCHMARK(products_alone)->Name("vae_step/baseline:its matrix products alone, Eigen");
BENCHMARK(ours)->Name("vae_step_whole/ours");
BENCHMARK(whole_step)->Name("vae_step_whole/baseline:Eigen");

}  // namespace

int main(int argc, char** argv) {
  check();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
