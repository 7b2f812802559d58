// Operations on tensors against loops written by hand: *_forward is one operation on constants, *_gradient the sum of its
// result with the derivatives in all arguments, recorded and run backwards. By hand is what one writes with Eigen's arrays
// (vectorised, exp and log too), into memory that is there already. The derivatives of both are compared before anything
// is measured.
#include <benchmark/benchmark.h>

#include <wick/wick.hpp>

#include <Eigen/Core>

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace wick;

namespace {

using Array = Eigen::ArrayXd;

/// Numbers between 0.1 and 2.1.
std::vector<double> numbers(std::int64_t n, double phase) {
  std::vector<double> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.1 + std::sin(phase + 0.7 * static_cast<double>(i));
  return x;
}
Array array(std::int64_t n, double phase) {
  const std::vector<double> x = numbers(n, phase);
  return Eigen::Map<const Array>(x.data(), n);
}

// One struct an operation: `ours`, and by hand `value` (into y) and `gradient` (into dx and dz; returns the sum). The binary
// ones use z and dz.

struct Add {
  static constexpr bool binary = true;
  static Tensor ours(const Tensor& x, const Tensor& z) { return x + z; }
  static void value(const Array& x, const Array& z, Array& y) { y = x + z; }
  static double gradient(const Array& x, const Array& z, Array& dx, Array& dz) {
    dx = 1.0;
    dz = 1.0;
    return (x + z).sum();
  }
};
struct Mul {
  static constexpr bool binary = true;
  static Tensor ours(const Tensor& x, const Tensor& z) { return x * z; }
  static void value(const Array& x, const Array& z, Array& y) { y = x * z; }
  static double gradient(const Array& x, const Array& z, Array& dx, Array& dz) {
    dx = z;
    dz = x;
    return (x * z).sum();
  }
};
struct Exp {
  static constexpr bool binary = false;
  static Tensor ours(const Tensor& x) { return exp(x); }
  static void value(const Array& x, const Array&, Array& y) { y = x.exp(); }
  static double gradient(const Array& x, const Array&, Array& dx, Array&) {
    dx = x.exp();
    return dx.sum();
  }
};
struct Log {
  static constexpr bool binary = false;
  static Tensor ours(const Tensor& x) { return log(x); }
  static void value(const Array& x, const Array&, Array& y) { y = x.log(); }
  static double gradient(const Array& x, const Array&, Array& dx, Array&) {
    dx = x.inverse();
    return x.log().sum();
  }
};
struct Sigmoid {
  static constexpr bool binary = false;
  static Tensor ours(const Tensor& x) { return sigmoid(x); }
  static void value(const Array& x, const Array&, Array& y) { y = 1.0 / (1.0 + (-x).exp()); }
  static double gradient(const Array& x, const Array&, Array& dx, Array&) {
    dx = 1.0 / (1.0 + (-x).exp());
    const double sum = dx.sum();
    dx *= 1.0 - dx;
    return sum;
  }
};
/// By hand as log(1 + e^-|x|) + max(x, 0), which has no relative accuracy for x below about -30; the library's has.
struct Softplus {
  static constexpr bool binary = false;
  static Tensor ours(const Tensor& x) { return softplus(x); }
  static void value(const Array& x, const Array&, Array& y) {
    y = (-x.abs()).exp();  // two statements: as one it takes longer
    y = (1.0 + y).log() + x.max(0.0);
  }
  static double gradient(const Array& x, const Array&, Array& dx, Array&) {
    dx = (-x.abs()).exp();
    const double sum = ((1.0 + dx).log() + x.max(0.0)).sum();
    dx = (x < 0.0).select(dx, 1.0) / (1.0 + dx);
    return sum;
  }
};
/// Of one array; the result of `value` is one number.
struct Sum {
  static constexpr bool binary = false;
  static Tensor ours(const Tensor& x) { return sum(x); }
  static void value(const Array& x, const Array&, Array& y) { y[0] = x.sum(); }
  static double gradient(const Array& x, const Array&, Array& dx, Array&) {
    dx = 1.0;
    return x.sum();
  }
};

template <class Op>
Tensor apply(const Tensor& x, const Tensor& z) {
  if constexpr (Op::binary)
    return Op::ours(x, z);
  else
    return Op::ours(x);
}

void expect_near(const char* what, const Tensor& ours, const Array& hand) {
  for (Index i = 0; i < hand.size(); ++i) {
    if (std::abs(ours.data()[i] - hand[i]) <= 1e-12 * (1.0 + std::abs(hand[i]))) continue;
    std::fprintf(stderr, "bench/ops: %s: element %lld is %.17g, by hand %.17g\n", what, static_cast<long long>(i), ours.data()[i], hand[i]);
    std::exit(1);
  }
}

template <class Op>
void check(const char* name) {
  constexpr std::int64_t n = 1000;
  const Array x = array(n, 0.0), z = array(n, 1.0);
  const Tensor a = numbers(n, 0.0), b = numbers(n, 1.0);
  const Tensor y = apply<Op>(a, b);
  Array value(n), dx(n), dz(n);
  Op::value(x, z, value);
  expect_near(name, y, value.head(y.numel()));
  Op::gradient(x, z, dx, dz);
  if constexpr (Op::binary) {
    const auto g = grad([](const Tensor& c, const Tensor& d) { return sum(Op::ours(c, d)); })(a, b);
    expect_near(name, g[0], dx);
    expect_near(name, g[1], dz);
  } else {
    expect_near(name, grad([](const Tensor& c) { return sum(Op::ours(c)); })(a), dx);
  }
}

template <class Op>
void forward_ours(benchmark::State& state) {
  const Tensor x = numbers(state.range(0), 0.0), z = numbers(state.range(0), 1.0);
  for (auto _ : state) benchmark::DoNotOptimize(apply<Op>(x, z));
}
template <class Op>
void forward_hand(benchmark::State& state) {
  const Array x = array(state.range(0), 0.0), z = array(state.range(0), 1.0);
  Array y(state.range(0));
  for (auto _ : state) {
    Op::value(x, z, y);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
}
template <class Op>
void gradient_ours(benchmark::State& state) {
  const Tensor x = numbers(state.range(0), 0.0), z = numbers(state.range(0), 1.0);
  if constexpr (Op::binary) {
    const auto f = value_and_grad([](const Tensor& a, const Tensor& b) { return sum(Op::ours(a, b)); });
    for (auto _ : state) benchmark::DoNotOptimize(f(x, z));
  } else {
    const auto f = value_and_grad([](const Tensor& a) { return sum(Op::ours(a)); });
    for (auto _ : state) benchmark::DoNotOptimize(f(x));
  }
}
template <class Op>
void gradient_hand(benchmark::State& state) {
  const Array x = array(state.range(0), 0.0), z = array(state.range(0), 1.0);
  Array dx(state.range(0)), dz(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(Op::gradient(x, z, dx, dz));
    benchmark::DoNotOptimize(dx.data());
    benchmark::DoNotOptimize(dz.data());
    benchmark::ClobberMemory();
  }
}

#define WICK_BENCH_OP(Op, name)                                                                             \
  BENCHMARK(forward_ours<Op>)->Name(name "_forward/ours")->Arg(1000)->Arg(100000);                          \
  BENCHMARK(forward_hand<Op>)->Name(name "_forward/baseline:loop by hand")->Arg(1000)->Arg(100000);         \
  BENCHMARK(gradient_ours<Op>)->Name(name "_gradient/ours")->Arg(1000)->Arg(100000);                        \
  BENCHMARK(gradient_hand<Op>)->Name(name "_gradient/baseline:loop by hand")->Arg(1000)->Arg(100000)
WICK_BENCH_OP(Add, "add");
WICK_BENCH_OP(Mul, "mul");
WICK_BENCH_OP(Exp, "exp");
WICK_BENCH_OP(Log, "log");
WICK_BENCH_OP(Sigmoid, "sigmoid");
WICK_BENCH_OP(Softplus, "softplus");
WICK_BENCH_OP(Sum, "sum");
#undef WICK_BENCH_OP

// The sum of normal log densities, as the library's users would write one of their own: values, means and scales of n

Tensor normal_log_density(const Tensor& x, const Tensor& m, const Tensor& s) {
  return fuse_sum(
      [](auto a, auto b, auto c) {
        const auto r = (a - b) / c;
        return -0.5 * r * r - log(c) - 0.91893853320467274178;
      },
      x, m, s);
}

void density_ours(benchmark::State& state) {
  const Tensor x = numbers(state.range(0), 0.0), m = numbers(state.range(0), 1.0), s = numbers(state.range(0), 2.0);
  for (auto _ : state) benchmark::DoNotOptimize(normal_log_density(x, m, s));
}
void density_hand(benchmark::State& state) {
  const Array x = array(state.range(0), 0.0), m = array(state.range(0), 1.0), s = array(state.range(0), 2.0);
  for (auto _ : state) {
    benchmark::DoNotOptimize((-0.5 * ((x - m) / s).square() - s.log() - 0.91893853320467274178).sum());
    benchmark::ClobberMemory();
  }
}
void density_gradient_ours(benchmark::State& state) {
  const Tensor x = numbers(state.range(0), 0.0), m = numbers(state.range(0), 1.0), s = numbers(state.range(0), 2.0);
  const auto f = value_and_grad(normal_log_density);
  for (auto _ : state) benchmark::DoNotOptimize(f(x, m, s));
}
double density_by_hand(const Array& x, const Array& m, const Array& s, Array& dx, Array& dm, Array& ds) {
  ds = s.inverse();
  dm = (x - m) * ds;  // the residual
  const double total = (-0.5 * dm.square() - s.log() - 0.91893853320467274178).sum();
  dx = -dm * ds;
  ds *= dm.square() - 1.0;
  dm = -dx;
  return total;
}
void check_density() {
  constexpr std::int64_t n = 1000;
  Array dx(n), dm(n), ds(n), total(1);
  total[0] = density_by_hand(array(n, 0.0), array(n, 1.0), array(n, 2.0), dx, dm, ds);
  const auto [value, g] = value_and_grad(normal_log_density)(numbers(n, 0.0), numbers(n, 1.0), numbers(n, 2.0));
  expect_near("fuse_sum_normal", value, total);
  expect_near("fuse_sum_normal", g[0], dx);
  expect_near("fuse_sum_normal", g[1], dm);
  expect_near("fuse_sum_normal", g[2], ds);
}
void density_gradient_hand(benchmark::State& state) {
  const Array x = array(state.range(0), 0.0), m = array(state.range(0), 1.0), s = array(state.range(0), 2.0);
  Array dx(state.range(0)), dm(state.range(0)), ds(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(density_by_hand(x, m, s, dx, dm, ds));
    benchmark::DoNotOptimize(dx.data());
    benchmark::DoNotOptimize(dm.data());
    benchmark::DoNotOptimize(ds.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(density_ours)->Name("fuse_sum_normal_forward/ours")->Arg(1000)->Arg(100000);
BENCHMARK(density_hand)->Name("fuse_sum_normal_forward/baseline:loop by hand")->Arg(1000)->Arg(100000);
BENCHMARK(density_gradient_ours)->Name("fuse_sum_normal_gradient/ours")->Arg(1000)->Arg(100000);
BENCHMARK(density_gradient_hand)->Name("fuse_sum_normal_gradient/baseline:loop by hand")->Arg(1000)->Arg(100000);

// X w with X of 1000 x 20; the gradient is that of sum (X w)^2 in w

constexpr int rows = 1000, columns = 20;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Matrix matrix() {
  const std::vector<double> x = numbers(rows * columns, 0.0);
  return Eigen::Map<const Matrix>(x.data(), rows, columns);
}
void matvec_ours(benchmark::State& state) {
  const Tensor x = from_values({rows, columns}, numbers(rows * columns, 0.0)), w = numbers(columns, 1.0);
  for (auto _ : state) benchmark::DoNotOptimize(matmul(x, w));
}
void matvec_hand(benchmark::State& state) {
  const Matrix x = matrix();
  const Eigen::VectorXd w = array(columns, 1.0);
  Eigen::VectorXd y(rows);
  for (auto _ : state) {
    y.noalias() = x * w;
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
}
void matvec_gradient_ours(benchmark::State& state) {
  const Tensor x = from_values({rows, columns}, numbers(rows * columns, 0.0)), w = numbers(columns, 1.0);
  const auto f = value_and_grad([&x](const Tensor& v) { return sum(square(matmul(x, v))); });
  for (auto _ : state) benchmark::DoNotOptimize(f(w));
}
void matvec_gradient_hand(benchmark::State& state) {
  const Matrix x = matrix();
  const Eigen::VectorXd w = array(columns, 1.0);
  Eigen::VectorXd y(rows), dw(columns);
  for (auto _ : state) {
    y.noalias() = x * w;
    benchmark::DoNotOptimize(y.squaredNorm());
    y *= 2.0;
    dw.noalias() = x.transpose() * y;
    benchmark::DoNotOptimize(dw.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(matvec_ours)->Name("matvec_1000x20_forward/ours");
BENCHMARK(matvec_hand)->Name("matvec_1000x20_forward/baseline:Eigen");
BENCHMARK(matvec_gradient_ours)->Name("matvec_1000x20_gradient/ours");
BENCHMARK(matvec_gradient_hand)->Name("matvec_1000x20_gradient/baseline:Eigen");

// A chain of 1,000 operations on single numbers, value and derivative: y <- y x + x, 500 times

constexpr std::size_t links = 500;

void chain_ours(benchmark::State& state) {
  const auto f = value_and_grad([](const Tensor& x) {
    Tensor y = x;
    for (std::size_t i = 0; i < links; ++i) y = y * x + x;
    return y;
  });
  const Tensor x = 0.9;
  for (auto _ : state) benchmark::DoNotOptimize(f(x));
}
void chain_hand(benchmark::State& state) {
  std::vector<double> y(links + 1);
  double x = 0.9;
  for (auto _ : state) {
    benchmark::DoNotOptimize(x);
    y[0] = x;
    for (std::size_t i = 0; i < links; ++i) y[i + 1] = y[i] * x + x;
    double dy = 1.0, dx = 0.0;
    for (std::size_t i = links; i-- > 0;) {
      dx += dy + dy * y[i];
      dy *= x;
    }
    dx += dy;
    benchmark::DoNotOptimize(dx);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(chain_ours)->Name("chain_of_1000_scalar_operations_gradient/ours");
BENCHMARK(chain_hand)->Name("chain_of_1000_scalar_operations_gradient/baseline:loop by hand");

}  // namespace

int main(int argc, char** argv) {
  check<Add>("add");
  check<Mul>("mul");
  check<Exp>("exp");
  check<Log>("log");
  check<Sigmoid>("sigmoid");
  check<Softplus>("softplus");
  check<Sum>("sum");
  check_density();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
