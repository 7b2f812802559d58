// What a primitive costs beyond the work it stands for: sites without handlers, under a trace and under handlers that do
// nothing, plates, parameters. All times are per site, plate or read.
//
// Every round passes ten names: a site that returns under one name would be an error under a trace. The random stream is
// that of a fixed seed, started anew each round as SVI does each step.
#include <benchmark/benchmark.h>

#include <wick/wick.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

using namespace wick;

namespace {

constexpr std::array<std::string_view, 10> names = {"alpha", "beta", "gamma", "delta", "kappa", "lambda", "mu", "sigma", "tau", "omega"};

/// On the stack, and nothing else.
class Inert final : public Handler {
 public:
  Inert() { enter(); }
  ~Inert() override = default;
};

/// `count` inert handlers.
class InertStack {
 public:
  explicit InertStack(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) room_[static_cast<std::size_t>(i)].emplace();
  }
  ~InertStack() {
    for (std::size_t i = room_.size(); i-- > 0;) room_[i].reset();
  }
  InertStack(const InertStack&) = delete;
  InertStack& operator=(const InertStack&) = delete;

 private:
  std::array<std::optional<Inert>, 8> room_;
};

/// Runs `round` with a seed in force; a round is ten items.
template <class F>
void rounds(benchmark::State& state, F round) {
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(names.size()))) {
    const handlers::seed seeded(1);
    round();
  }
}

// A site: Normal(0, 1), one number

void draws(benchmark::State& state) {
  rounds(state, [] {
    for (std::size_t i = 0; i < names.size(); ++i) benchmark::DoNotOptimize(Normal(0.0, 1.0).sample());
  });
}
void sample_all() {
  for (const std::string_view name : names) benchmark::DoNotOptimize(sample(name, Normal(0.0, 1.0)));
}
void sites(benchmark::State& state) { rounds(state, sample_all); }
BENCHMARK(sites)->Name("site_without_handler/ours");
BENCHMARK(draws)->Name("site_without_handler/baseline:the draw alone");

void sites_below(benchmark::State& state) {
  const InertStack handlers(state.range(0));
  rounds(state, sample_all);
}
BENCHMARK(sites_below)->Name("site_under_inert_handlers/ours")->Arg(0)->Arg(1)->Arg(4)->Arg(8);
BENCHMARK(draws)->Name("site_under_inert_handlers/baseline:the draw alone")->Arg(0)->Arg(1)->Arg(4)->Arg(8);

void sites_traced(benchmark::State& state) {
  Trace trace;
  const InertStack outside(state.range(0));
  rounds(state, [&] {
    const handlers::trace record(trace);
    sample_all();
  });
}
BENCHMARK(sites_traced)->Name("site_under_trace_and_inert_handlers/ours")->Arg(0)->Arg(1)->Arg(4)->Arg(8);
BENCHMARK(draws)->Name("site_under_trace_and_inert_handlers/baseline:the draw alone")->Arg(0)->Arg(1)->Arg(4)->Arg(8);

// As in a step of SVI: recorded, with parameters that are differentiated

template <class F>
void recorded_rounds(benchmark::State& state, F round) {
  Trace trace;
  rounds(state, [&] {
    const detail::Recording recording;
    const Tensor loc = detail::push_leaf(recording.tape(), Tensor(0.5), detail::Kind::differentiable);
    const Tensor scale = detail::push_leaf(recording.tape(), Tensor(1.5), detail::Kind::differentiable);
    round(trace, loc, scale);
    trace.clear();
  });
}
void recorded_sites(benchmark::State& state) {
  recorded_rounds(state, [](Trace& trace, const Tensor& loc, const Tensor& scale) {
    const handlers::trace record(trace);
    for (const std::string_view name : names) benchmark::DoNotOptimize(sample(name, Normal(loc, scale)));
  });
}
void recorded_draws(benchmark::State& state) {
  recorded_rounds(state, [](Trace&, const Tensor& loc, const Tensor& scale) {
    for (std::size_t i = 0; i < names.size(); ++i) benchmark::DoNotOptimize(Normal(loc, scale).sample());
  });
}
BENCHMARK(recorded_sites)->Name("recorded_site_under_trace/ours");
BENCHMARK(recorded_draws)->Name("recorded_site_under_trace/baseline:the recorded draw alone");

// Plates

void plates(benchmark::State& state) {
  rounds(state, [] {
    for (const std::string_view name : names) {
      const plate scope(name, 100);
      benchmark::DoNotOptimize(scope.size());
    }
  });
}
void plates_traced(benchmark::State& state) {
  Trace trace;
  rounds(state, [&] {
    const handlers::trace record(trace);
    for (const std::string_view name : names) {
      const plate scope(name, 100);
      benchmark::DoNotOptimize(scope.size());
    }
  });
}
void inert_scopes(benchmark::State& state) {
  rounds(state, [] {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const Inert scope;
      benchmark::DoNotOptimize(scope.outer());
    }
  });
}
BENCHMARK(plates)->Name("plate_enter_and_leave/ours");
BENCHMARK(inert_scopes)->Name("plate_enter_and_leave/baseline:an inert handler");
BENCHMARK(plates_traced)->Name("plate_enter_and_leave_under_trace/ours");
BENCHMARK(inert_scopes)->Name("plate_enter_and_leave_under_trace/baseline:an inert handler");

constexpr int turns = 100;
void plate_turns(benchmark::State& state) {
  while (state.KeepRunningBatch(turns))
    for (const auto i : plate("steps", turns)) benchmark::DoNotOptimize(i);
}
void loop_turns(benchmark::State& state) {
  while (state.KeepRunningBatch(turns))
    for (int i = 0; i < turns; ++i) benchmark::DoNotOptimize(i);
}
BENCHMARK(plate_turns)->Name("turn_of_a_sequential_plate/ours");
BENCHMARK(loop_turns)->Name("turn_of_a_sequential_plate/baseline:turn of a loop");

// Parameters

void params_real(benchmark::State& state) {
  ParamStore store;
  const ParamScope scope(store);
  const Tensor init = 0.5;
  rounds(state, [&] {
    for (const std::string_view name : names) benchmark::DoNotOptimize(param(name, init));
  });
}
void tensor_copies(benchmark::State& state) {
  const Tensor value = 0.5;
  rounds(state, [&] {
    for (std::size_t i = 0; i < names.size(); ++i) benchmark::DoNotOptimize(Tensor(value));
  });
}
BENCHMARK(params_real)->Name("param_read/ours");
BENCHMARK(tensor_copies)->Name("param_read/baseline:a copied tensor");

void params_positive(benchmark::State& state) {
  ParamStore store;
  const ParamScope scope(store);
  const Tensor init = ones({8});
  rounds(state, [&] {
    for (const std::string_view name : names) benchmark::DoNotOptimize(param(name, init, constraints::positive));
  });
}
void tensor_exps(benchmark::State& state) {
  const Tensor unconstrained = zeros({8});
  rounds(state, [&] {
    for (std::size_t i = 0; i < names.size(); ++i) benchmark::DoNotOptimize(exp(unconstrained));
  });
}
BENCHMARK(params_positive)->Name("param_read_positive_of_8/ours");
BENCHMARK(tensor_exps)->Name("param_read_positive_of_8/baseline:exp of a tensor");

}  // namespace

BENCHMARK_MAIN();
