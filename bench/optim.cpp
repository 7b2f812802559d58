// One step of an optimiser on /n numbers, which are one parameter, against the same step written with Eigen (hand/optim_eigen.hpp). Before anything is
// measured both take 100 steps on the same gradients and must agree to 1e-12.
#include <benchmark/benchmark.h>

#include <wick/optim/optim.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "hand/optim_eigen.hpp"

using namespace wick;

namespace {

using Array = Eigen::ArrayXd;

Array gradients(Eigen::Index n, double phase) {
  Array g(n);
  for (Eigen::Index i = 0; i < n; ++i) g[i] = 20 * std::sin(phase + 0.7 * static_cast<double>(i));
  return g;
}

struct OfAdam {
  static Adam ours() { return Adam({.lr = 1e-3}); }
  static void by_hand(hand::MomentsEigen& o, Array& x, const Array& g) { o.adam(x, g); }
};
struct OfClippedAdam {
  static ClippedAdam ours() { return ClippedAdam({.lr = 1e-3, .lrd = 0.99999}); }
  static void by_hand(hand::MomentsEigen& o, Array& x, const Array& g) { o.clipped_adam(x, g, 0.99999); }
};

template <class Of>
bool check(const char* name) {
  constexpr Eigen::Index n = 1003;
  auto optimizer = Of::ours();
  hand::MomentsEigen by_hand(1e-3, n);
  Array x = Array::Zero(n), y = Array::Zero(n);
  for (int t = 0; t < 100; ++t) {
    const Array g = gradients(n, 0.3 * t);
    const ParamStep step[] = {{1, "x", x.data(), g.data(), n}};
    optimizer.prepare(step);
    optimizer.step(step);
    Of::by_hand(by_hand, y, g);
  }
  if ((x - y).abs().maxCoeff() < 1e-12) return true;
  std::fprintf(stderr, "%s: the steps differ by %g\n", name, (x - y).abs().maxCoeff());
  std::exit(1);
}
template <class Of>
void ours(benchmark::State& state) {
  const Eigen::Index n = state.range(0);
  auto optimizer = Of::ours();
  Array x = Array::Zero(n), g = gradients(n, 0);
  const ParamStep step[] = {{1, "x", x.data(), g.data(), n}};
  for (auto _ : state) {
    optimizer.prepare(step);
    optimizer.step(step);
    benchmark::ClobberMemory();
  }
}
template <class Of>
void by_hand(benchmark::State& state) {
  const Eigen::Index n = state.range(0);
  hand::MomentsEigen optimizer(1e-3, n);
  Array x = Array::Zero(n), g = gradients(n, 0);
  for (auto _ : state) {
    Of::by_hand(optimizer, x, g);
    benchmark::ClobberMemory();
  }
}

const bool checked_adam = check<OfAdam>("Adam"), checked_clipped_adam = check<OfClippedAdam>("ClippedAdam");
BENCHMARK(ours<OfAdam>)->Name("adam_step/ours")->Arg(1000)->Arg(50000);
BENCHMARK(by_hand<OfAdam>)->Name("adam_step/baseline:Eigen")->Arg(1000)->Arg(50000);
BENCHMARK(ours<OfClippedAdam>)->Name("clipped_adam_step/ours")->Arg(1000)->Arg(50000);
BENCHMARK(by_hand<OfClippedAdam>)->Name("clipped_adam_step/baseline:Eigen")->Arg(1000)->Arg(50000);

}  // namespace
