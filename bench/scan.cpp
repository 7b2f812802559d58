// Loops over time: value and gradient by scan against the same by hand (hand/scan.hpp). Both are compared before anything is measured. `ar5_lags` is the model of
// `ar5` as wick's users should write it: with lags of the data as columns it has no loop.
#include <benchmark/benchmark.h>

#include <wick/ad/scan.hpp>
#include <wick/wick.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "hand/scan.hpp"

using namespace wick;

namespace {

constexpr int kSteps = 200, kStates = 16, kObservations = 100;

std::vector<double> numbers(int n, double phase) {
  std::vector<double> x(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) x[static_cast<std::size_t>(i)] = std::sin(phase + 0.9 * i) + 0.5 * std::cos(2.3 * i * i);
  return x;
}
void require(const char* name, double ours, double by_hand) {
  if (std::abs(ours - by_hand) <= 1e-9 * (1 + std::abs(by_hand))) return;
  std::fprintf(stderr, "%s: %.17g, by hand %.17g\n", name, ours, by_hand);
  std::exit(1);
}

struct Garch {
  std::vector<double> returns = numbers(kSteps, 0.3);
  double d[4];
  double by_hand() { return hand::garch<kSteps>(returns.data(), 1.0, 0.2, 0.15, 0.7, d); }
  Tensor r = returns;
  auto ours() {
    return value_and_grad([this](const Tensor& s0, const Tensor& o, const Tensor& a, const Tensor& b) {
      const auto step = [](auto s, auto x, auto oo, auto aa, auto bb) { return Next{oo + aa * x * x + bb * s, s}; };
      return fuse_sum([](auto s, auto x) { return -0.5 * (log(s) + x * x / s) - hand::kHalfLog2Pi; }, scan(step, s0, each(r), o, a, b).first, r);
    })(1.0, 0.2, 0.15, 0.7);
  }
  Garch() {
    const auto [v, g] = ours();
    require("garch", v.item(), by_hand());
    for (std::size_t k = 0; k < 4; ++k) require("garch", g[k].item(), d[k]);
  }
};

struct Ar5 {
  std::vector<double> series;
  double d[6];
  const double phi[5] = {0.4, -0.2, 0.1, 0.3, -0.1};
  Tensor y, lags;
  double by_hand() { return hand::ar5<kSteps>(series.data() + 5, phi, 1.1, d); }
  static Tensor density(const Tensor& error, const Tensor& sigma) {
    return fuse_sum([](auto e, auto s) { return -0.5 * (e / s) * (e / s) - log(s) - hand::kHalfLog2Pi; }, error, sigma);
  }
  auto ours() {
    return value_and_grad([this](const Tensor& p, const Tensor& sigma) {
      const auto step = [](auto s, auto x, auto q) {
        auto mean = q[0] * s[0];
        for (unsigned k = 1; k < 5; ++k) mean = mean + q[k] * s[k];
        auto next = s;
        for (unsigned k = 4; k > 0; --k) next[k] = s[k - 1];
        next[0] = x;
        return Next{next, x - mean};
      };
      return density(scan<5>(step, zeros({5}), each(y), whole<5>(p)).first, sigma);
    })(Tensor(std::vector<double>(phi, phi + 5)), 1.1);
  }
  auto ours_by_lags() {
    return value_and_grad([this](const Tensor& p, const Tensor& sigma) { return density(y - matmul(lags, p), sigma); })(Tensor(std::vector<double>(phi, phi + 5)), 1.1);
  }
  Ar5() : series(numbers(kSteps + 5, 0.1)) {
    for (std::size_t t = 0; t < 5; ++t) series[t] = 0;
    y = std::vector<double>(series.begin() + 5, series.end());
    std::vector<double> columns;
    for (std::size_t t = 5; t < series.size(); ++t)
      for (std::size_t k = 1; k <= 5; ++k) columns.push_back(series[t - k]);
    lags = from_values({kSteps, 5}, columns);
    const double v = by_hand();
    for (const auto& [w, g] : {ours(), ours_by_lags()}) {
      require("ar5", w.item(), v);
      for (Index k = 0; k < 5; ++k) require("ar5", g[0].at({k}), d[k]);
      require("ar5", g[1].item(), d[5]);
    }
  }
};

struct Hmm {
  std::vector<double> likelihoods, transitions, start;
  std::vector<double> d_start, d_likelihoods, d_transitions;
  Tensor p, l, a;
  double by_hand() {
    return hand::hmm_scaled<kStates, kObservations>(start.data(), likelihoods.data(), transitions.data(), d_start.data(), d_likelihoods.data(), d_transitions.data());
  }
  static Tensor evidence(const Tensor& p, const Tensor& l, const Tensor& a) {
    const auto step = [](const Tensor& s, const Tensor& x, const Tensor& m) {
      const Tensor n = matmul(s, m) * x, c = sum(n);
      return Next{n / c, c};
    };
    return sum(log(scan(step, p, each(l), a).first));
  }
  auto ours() { return value_and_grad(&Hmm::evidence)(p, l, a); }
  Hmm() {
    p = softmax(Tensor(numbers(kStates, 0.2)));
    a = softmax(reshape(Tensor(numbers(kStates * kStates, 0.4)), {kStates, kStates}));
    l = exp(reshape(Tensor(numbers(kStates * kObservations, 0.7)), {kObservations, kStates}));
    start = p.to_vector();
    transitions = a.to_vector();
    likelihoods = l.to_vector();
    d_start.resize(start.size());
    d_transitions.resize(transitions.size());
    d_likelihoods.resize(likelihoods.size());
    const auto [v, g] = ours();
    require("hmm", v.item(), by_hand());
    const std::vector<double>* wanted[] = {&d_start, &d_likelihoods, &d_transitions};
    for (std::size_t k = 0; k < 3; ++k)
      for (std::size_t i = 0; i < wanted[k]->size(); ++i) require("hmm", g[k].data()[i], (*wanted[k])[i]);
  }
};

template <class Case>
void ours(benchmark::State& state) {
  Case c;
  for (auto _ : state) benchmark::DoNotOptimize(c.ours().first.item());
}
template <class Case>
void by_hand(benchmark::State& state) {
  Case c;
  for (auto _ : state) {
    benchmark::DoNotOptimize(c.by_hand());
    benchmark::ClobberMemory();
  }
}
void by_lags(benchmark::State& state) {
  Ar5 c;
  for (auto _ : state) benchmark::DoNotOptimize(c.ours_by_lags().first.item());
}
BENCHMARK(ours<Garch>)->Name("garch_gradient/ours");
BENCHMARK(by_hand<Garch>)->Name("garch_gradient/baseline:by hand");
BENCHMARK(ours<Ar5>)->Name("ar5_gradient/ours");
BENCHMARK(by_hand<Ar5>)->Name("ar5_gradient/baseline:by hand");
BENCHMARK(by_lags)->Name("ar5_lags_gradient/ours");
BENCHMARK(by_hand<Ar5>)->Name("ar5_lags_gradient/baseline:by hand");
BENCHMARK(ours<Hmm>)->Name("hmm_gradient/ours");
BENCHMARK(by_hand<Hmm>)->Name("hmm_gradient/baseline:by hand in scaled probabilities");

}  // namespace
