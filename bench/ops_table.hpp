// What the tables of operations share: memory, the check before anything is measured, and the two measurements of a row.
#pragma once

#include <benchmark/benchmark.h>

#include <wick/all.hpp>

#include <Eigen/Dense>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace ops_table {

using wick::Index;
using wick::Tensor;
using Array = Eigen::Map<Eigen::ArrayXd>;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixMap = Eigen::Map<Matrix>;

/// The hand-written side's memory, which is there before anything is measured: arguments x and z, the result y, its weights w, derivatives.
struct Data {
  Array x, z, w, y, dx, dz;
};
/// One operation: `ours`, and by hand `value` (into y) and `pull` (the derivative of Σ w y into dx, and dz if `two`; null: it has none).
struct Row {
  const char* name;
  Tensor (*ours)(const Tensor& x, const Tensor& z);
  void (*value)(Data&);
  void (*pull)(Data&);
  bool two = false;
  std::vector<std::int64_t> sizes = {1000, 100000, 1000000};
};
#define WICK_OPS_OURS(call) [](const Tensor& x, const Tensor& z) -> Tensor { return static_cast<void>(z), call; }
#define WICK_OPS_HAND(...) [](Data& of) { auto& [x, z, w, y, dx, dz] = of; __VA_ARGS__; }
/// Without derivative, with one, with two.
#define WICK_OPS_FLAT(name, call, value) {name, WICK_OPS_OURS(call), WICK_OPS_HAND(y = value), nullptr}
#define WICK_OPS_ONE(name, call, value, of_x) {name, WICK_OPS_OURS(call), WICK_OPS_HAND(y = value), WICK_OPS_HAND(dx = of_x)}
#define WICK_OPS_TWO(name, call, value, of_x, of_z) {name, WICK_OPS_OURS(call), WICK_OPS_HAND(y = value), WICK_OPS_HAND(dx = of_x; dz = of_z), true}

/// Numbers between 0.1 and 2.1, all different.
inline double number(std::int64_t i, double phase) { return 1.1 + std::sin(phase + 0.7 * static_cast<double>(i) + 1e-3 * static_cast<double>(i % 977)); }

/// Arrays that do not all begin at the same place of a page: else the processor takes a load for dependent on a store elsewhere.
class Room {
 public:
  explicit Room(std::int64_t n)
      : n_(n), stride_((2 * n + 24 + 511) / 512 * 512 + 88), memory_(static_cast<double*>(::operator new(static_cast<std::size_t>(stride_ * 6) * sizeof(double), std::align_val_t{64}))) {
    for (std::int64_t i = 0; i < stride_ * 6; ++i) memory_.get()[i] = number(i % stride_, static_cast<double>(i / stride_));
  }
  std::int64_t size() const { return n_; }
  Data data(std::int64_t results) const { return {at(0, n_), at(1, n_), at(2, results), at(3, results), at(4, n_), at(5, n_)}; }

 private:
  struct Free {
    void operator()(double* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  Array at(std::int64_t k, std::int64_t n) const { return {memory_.get() + k * stride_, n}; }
  std::int64_t n_, stride_;
  std::unique_ptr<double, Free> memory_;
};

inline Tensor tensor_of(const Array& a) { return wick::from_values({a.size()}, std::vector<double>(a.data(), a.data() + a.size())); }
/// The arguments of both sides for n elements; made once for all rows.
struct Setting {
  Tensor x, z, w;
  Data data;
  Setting(const Row& row, std::int64_t n) : x(shared(room(n).data(1).x, 0)), z(shared(room(n).data(1).z, 1)), data(room(n).data(row.ours(x, z).numel())) {
    w = row.ours(x, z).dim() == 0 ? Tensor(data.w[0]) : shared(data.w, 2);
  }
  static const Room& room(std::int64_t n) {
    static std::vector<std::unique_ptr<Room>> made;
    for (const auto& r : made)
      if (r->size() == n) return *r;
    return *made.emplace_back(new Room(n));
  }
  static Tensor shared(const Array& a, int which) {
    static std::vector<std::pair<int, Tensor>> made;
    for (const auto& [k, t] : made)
      if (k == which && t.numel() == a.size()) return t;
    return made.emplace_back(which, tensor_of(a)).second;
  }
};
inline Tensor weigh(const Row& row, const Tensor& x, const Tensor& z, const Tensor& w) {
  const Tensor y = row.ours(x, z);
  if (y.dim() == 0) return y * w;
  return dot(y.dim() == 1 ? y : reshape(y, {-1}), w);
}
inline void expect_near(const char* what, const Tensor& ours, const Array& hand) {
  for (Index i = 0; i < ours.numel(); ++i) {
    const double got = ours.dim() == 0 ? ours.item() : ours.data()[i];
    if (std::abs(got - hand[i]) <= 1e-10 * (1.0 + std::abs(hand[i]))) continue;
    std::fprintf(stderr, "bench: %s: element %lld is %.17g, by hand %.17g\n", what, static_cast<long long>(i), got, hand[i]);
    std::exit(1);
  }
}
inline void check(const Row& row) {
  Setting s(row, 900);
  Data& d = s.data;
  row.value(d);
  expect_near(row.name, row.ours(s.x, s.z), d.y);
  if (row.pull == nullptr) return;
  row.pull(d);
  if (row.two) {
    const auto g = wick::grad([&](const Tensor& x, const Tensor& z) { return weigh(row, x, z, s.w); })(s.x, s.z);
    expect_near(row.name, g[0], d.dx);
    expect_near(row.name, g[1], d.dz);
  } else {
    expect_near(row.name, wick::grad([&](const Tensor& x) { return weigh(row, x, s.z, s.w); })(s.x), d.dx);
  }
}

inline void measure(benchmark::State& state, const auto& f) {
  for (auto _ : state) {
    f();
    benchmark::ClobberMemory();
  }
}
inline void forward_ours(benchmark::State& state, const Row& row) {
  const Setting s(row, state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(row.ours(s.x, s.z));
}
inline void forward_hand(benchmark::State& state, const Row& row) {
  Setting s(row, state.range(0));
  measure(state, [&] { row.value(s.data); });
}
inline void gradient_ours(benchmark::State& state, const Row& row) {
  const Setting s(row, state.range(0));
  const auto one = wick::value_and_grad([&](const Tensor& x) { return weigh(row, x, s.z, s.w); });
  const auto two = wick::value_and_grad([&](const Tensor& x, const Tensor& z) { return weigh(row, x, z, s.w); });
  if (row.two)
    for (auto _ : state) benchmark::DoNotOptimize(two(s.x, s.z));
  else
    for (auto _ : state) benchmark::DoNotOptimize(one(s.x));
}
inline void gradient_hand(benchmark::State& state, const Row& row) {
  Setting s(row, state.range(0));
  Data& d = s.data;
  measure(state, [&] {
    row.value(d);
    benchmark::DoNotOptimize((d.y * d.w).sum());
    row.pull(d);
  });
}

/// Checks and registers all rows. Matrices of a million elements take long enough for one at a time.
inline void add(const std::vector<Row>& table) {
  using Measure = void (*)(benchmark::State&, const Row&);
  struct {
    const char* what;
    Measure run;
    bool gradient;
  } const sides[] = {{"_forward/ours", forward_ours, false},
                     {"_forward/baseline:by hand or bare Eigen", forward_hand, false},
                     {"_gradient/ours", gradient_ours, true},
                     {"_gradient/baseline:by hand or bare Eigen", gradient_hand, true}};
  for (const Row& row : table) {
    check(row);
    for (const auto& side : sides) {
      if (side.gradient && row.pull == nullptr) continue;
      auto* b = benchmark::RegisterBenchmark((std::string(row.name) + side.what).c_str(), [&row, run = side.run](benchmark::State& state) { run(state, row); });
      for (const std::int64_t n : row.sizes) b->Arg(n);
    }
  }
}

inline int run(int argc, char** argv, const std::vector<Row>& table) {
  add(table);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace ops_table
