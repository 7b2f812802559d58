// One traced SVI step of the MovieLens example (the tutorial's matrix factorisation) on synthetic ratings of the same shape: 943 users, 1682
// movies, 100,000 ratings, sorted by user. Full batch against the step written by hand (hand/movielens_eigen.hpp); a minibatch of 4096 ratings
// against the full batch, since the point of it is what it saves. Before anything is measured, the losses of 20 steps of library and
// baseline are compared, and parameters after them.
#include <benchmark/benchmark.h>

#include <wick/wick.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <set>
#include <vector>

#include "hand/movielens_eigen.hpp"

using namespace wick;

namespace {

constexpr int users = 943, movies = 1682, ratings = 100000;
constexpr std::uint64_t seed = 1;

/// Pairs without repetition, some users and movies far more often than others.
hand::Ratings synthetic() {
  hand::Ratings out;
  out.rows = users;
  out.columns = movies;
  const handlers::seed seeded(7);
  std::set<std::pair<int, int>> seen;
  std::uint64_t at = 0;
  const Key key{1, 2};
  const auto next = [&] { return uniform_from_bits(random_bits(key, at++)); };
  while (static_cast<int>(seen.size()) < ratings) seen.insert({static_cast<int>(users * std::pow(next(), 1.6)), static_cast<int>(movies * std::pow(next(), 2.5))});
  for (const auto& [u, m] : seen) {
    out.row.push_back(u);
    out.column.push_back(m);
    out.rating.push_back(1.0 + std::floor(5.0 * next()));
  }
  return out;
}

struct Data {
  hand::Ratings plain = synthetic();
  Tensor user{plain.row}, movie{plain.column}, rating{plain.rating};
};
const Data& data() {
  static const Data d;
  return d;
}

struct Program {
  Index k, batch;
  void model() const {
    const Data& d = data();
    const Tensor U = [&] {
      const plate each("users", users);
      return sample("U", Normal(0.0, 1.0).expand({k}).to_event(1));
    }();
    const Tensor V = [&] {
      const plate each("movies", movies);
      return sample("V", Normal(0.0, 1.0).expand({k}).to_event(1));
    }();
    const Tensor sigma = sample("sigma", Exponential(1.0));
    const plate each("data", ratings, {.subsample_size = batch});
    const Tensor mean = dot_rows(U, each.subsample(d.user), V, each.subsample(d.movie));
    sample("ratings", Normal(mean, sigma), obs(each.subsample(d.rating)));
  }
  void guide() const {
    const Tensor U_loc = param("U_loc", zeros({users, k})), U_scale = param("U_scale", ones({users, k}), constraints::positive);
    const Tensor V_loc = param("V_loc", zeros({movies, k})), V_scale = param("V_scale", ones({movies, k}), constraints::positive);
    const Tensor sigma_loc = param("sigma_loc", 1.0, constraints::positive);
    {
      const plate each("users", users);
      sample("U", Normal(U_loc, U_scale).to_event(1));
    }
    {
      const plate each("movies", movies);
      sample("V", Normal(V_loc, V_scale).to_event(1));
    }
    sample("sigma", Delta(sigma_loc));
  }
};

struct Ours {
  Program program;
  ParamStore store;
  ParamScope scope{store};
  Ours(int k, Index batch) : program{k, batch} {}
  SVI<std::function<void()>, std::function<void()>> svi{[this] { program.model(); }, [this] { program.guide(); }, Adam({.lr = 0.01}), Trace_ELBO(), {.seed = seed}};
  double step() { return svi.step(); }
};

void expect_near(const char* what, double got, double wanted) {
  if (std::abs(got - wanted) <= 1e-9 * (1.0 + std::abs(wanted))) return;
  std::fprintf(stderr, "bench/movielens: %s is %.17g, not %.17g\n", what, got, wanted);
  std::exit(1);
}

template <int K>
void check() {
  Ours ours(K, 0);
  hand::MovielensEigen<K> plain(data().plain, 0.01, seed);
  for (int i = 0; i < 20; ++i) expect_near("the loss of the Eigen step", plain.step(), ours.step());
  const auto loc = ours.store.get("U_loc").values(), scale = ours.store.get("V_scale").values();
  for (std::size_t i = 0; i < loc.size(); i += 97) expect_near("U_loc of the Eigen fit", plain.user_loc()[static_cast<Eigen::Index>(i)], loc[i]);
  for (std::size_t i = 0; i < scale.size(); i += 97) expect_near("V_scale of the Eigen fit", std::exp(plain.movie_log_scale()[static_cast<Eigen::Index>(i)]), scale[i]);
  expect_near("sigma_loc of the Eigen fit", std::exp(plain.log_sigma()), ours.store.get("sigma_loc").item());
}

template <class Fit>
void measure(benchmark::State& state, Fit& fit) {
  for (int i = 0; i < 30; ++i) fit.step();
  for (auto _ : state) benchmark::DoNotOptimize(fit.step());
}
template <int K>
void full_ours(benchmark::State& state) {
  Ours fit(K, 0);
  measure(state, fit);
}
template <int K>
void full_eigen(benchmark::State& state) {
  hand::MovielensEigen<K> fit(data().plain, 0.01, seed);
  measure(state, fit);
}
void batch_ours(benchmark::State& state) {
  Ours fit(10, 4096);
  measure(state, fit);
}

BENCHMARK(full_ours<10>)->Name("svi_step_movielens_k10/ours")->Unit(benchmark::kMicrosecond);
BENCHMARK(full_eigen<10>)->Name("svi_step_movielens_k10/baseline:plain Eigen")->Unit(benchmark::kMicrosecond);
BENCHMARK(full_ours<32>)->Name("svi_step_movielens_k32/ours")->Unit(benchmark::kMicrosecond);
BENCHMARK(full_eigen<32>)->Name("svi_step_movielens_k32/baseline:plain Eigen")->Unit(benchmark::kMicrosecond);
BENCHMARK(batch_ours)->Name("svi_step_movielens_batch/ours")->Unit(benchmark::kMicrosecond);
BENCHMARK(full_ours<10>)->Name("svi_step_movielens_batch/baseline:the full batch")->Unit(benchmark::kMicrosecond);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  check<10>();
  check<32>();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
