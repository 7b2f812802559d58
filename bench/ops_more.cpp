// Operations beyond arithmetic against loops written by hand, the C library and bare Eigen: *_forward is one operation on constants,
// *_gradient value and derivatives of Σ weight · result. The derivatives of both are compared before anything is measured.
#include <benchmark/benchmark.h>

#include <wick/all.hpp>

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

using namespace wick;

namespace {

using Array = Eigen::ArrayXd;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Array numbers(std::int64_t n, double phase) {
  Array x(n);
  for (Eigen::Index i = 0; i < n; ++i) x[i] = 1.1 + std::sin(phase + 0.7 * static_cast<double>(i) + 1e-3 * static_cast<double>(i % 977));
  return x;
}

// One struct an operation: `ours`, and by hand `value` (into y) and `pull` (the derivative of Σ w y into dx).

#define WICK_BENCH_LOOP(Name, call, f, df)                                                       \
  struct Name {                                                                                  \
    static Tensor ours(const Tensor& x) { return call; }                                         \
    static void value(const Array& a, Array& y) {                                                \
      for (Eigen::Index i = 0; i < a.size(); ++i) y[i] = [](double x) { return f; }(a[i]);       \
    }                                                                                            \
    static void pull(const Array& a, const Array&, const Array& w, Array& dx) {                  \
      for (Eigen::Index i = 0; i < a.size(); ++i) dx[i] = w[i] * [](double x) { return df; }(a[i]); \
    }                                                                                            \
  };
WICK_BENCH_LOOP(Sin, sin(x), std::sin(x), std::cos(x))
WICK_BENCH_LOOP(Cos, cos(x), std::cos(x), -std::sin(x))
WICK_BENCH_LOOP(Erf, erf(x), std::erf(x), 1.1283791670955126 * std::exp(-x * x))
WICK_BENCH_LOOP(Erfc, erfc(x), std::erfc(x), -1.1283791670955126 * std::exp(-x * x))
WICK_BENCH_LOOP(LogNdtr, log_ndtr(x), std::log(0.5 * std::erfc(-x * 0.7071067811865476)),
                0.3989422804014327 * std::exp(-0.5 * x * x) / (0.5 * std::erfc(-x * 0.7071067811865476)))
WICK_BENCH_LOOP(Log1mexp, log1mexp(x), x < 0.69 ? std::log(-std::expm1(-x)) : std::log1p(-std::exp(-x)), 1 / std::expm1(x))
WICK_BENCH_LOOP(Relu, relu(x), x > 0 ? x : 0.0, x > 0 ? 1.0 : 0.0)
WICK_BENCH_LOOP(Clamp, clamp(x, 0.5, 1.5), std::min(std::max(x, 0.5), 1.5), x >= 0.5 && x <= 1.5 ? 1.0 : 0.0)
#undef WICK_BENCH_LOOP

struct Softmax {
  static Tensor ours(const Tensor& x) { return softmax(x); }
  static void value(const Array& x, Array& y) {
    y = (x - x.maxCoeff()).exp();
    y /= y.sum();
  }
  static void pull(const Array&, const Array& y, const Array& w, Array& dx) { dx = y * (w - (w * y).sum()); }
};
struct LogSoftmax {
  static Tensor ours(const Tensor& x) { return log_softmax(x); }
  static void value(const Array& x, Array& y) {
    const double m = x.maxCoeff();
    y = x - (m + std::log((x - m).exp().sum()));
  }
  static void pull(const Array&, const Array& y, const Array& w, Array& dx) { dx = w - y.exp() * w.sum(); }
};
struct Cumsum {
  static Tensor ours(const Tensor& x) { return cumsum(x); }
  static void value(const Array& x, Array& y) {
    double s = 0;
    for (Eigen::Index i = 0; i < x.size(); ++i) y[i] = s += x[i];
  }
  static void pull(const Array&, const Array&, const Array& w, Array& dx) {
    double s = 0;
    for (Eigen::Index i = w.size(); i-- > 0;) dx[i] = s += w[i];
  }
};
struct Sort {
  static Tensor ours(const Tensor& x) { return sort(x); }
  static void value(const Array& x, Array& y) {
    y = x;
    std::sort(y.data(), y.data() + y.size());
  }
  static void pull(const Array& x, const Array&, const Array& w, Array& dx) {
    std::vector<int> order(static_cast<std::size_t>(x.size()));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x[a] < x[b]; });
    for (std::size_t i = 0; i < order.size(); ++i) dx[order[i]] = w[static_cast<Eigen::Index>(i)];
  }
};
struct Flip {
  static Tensor ours(const Tensor& x) { return flip(x, 0); }
  static void value(const Array& x, Array& y) { y = x.reverse(); }
  static void pull(const Array&, const Array&, const Array& w, Array& dx) { dx = w.reverse(); }
};
/// Reductions: y has one element.
struct Max {
  static Tensor ours(const Tensor& x) { return reshape(max(x), {1}); }
  static void value(const Array& x, Array& y) { y[0] = x.maxCoeff(); }
  static void pull(const Array& x, const Array&, const Array& w, Array& dx) {
    Eigen::Index at = 0;
    x.maxCoeff(&at);
    dx.setZero();
    dx[at] = w[0];
  }
};
struct Prod {
  static Tensor ours(const Tensor& x) { return reshape(prod(x), {1}); }
  static void value(const Array& x, Array& y) { y[0] = x.prod(); }
  static void pull(const Array& x, const Array& y, const Array& w, Array& dx) { dx = w[0] * y[0] / x; }
};
/// Of square matrices by rows.
Eigen::Index side(std::int64_t n) { return static_cast<Eigen::Index>(std::lround(std::sqrt(static_cast<double>(n)))); }
Tensor square_of(const Tensor& x) {
  const Index n = side(x.numel());
  return reshape(x, {n, n}) + diag(full({n}, 4.0 * static_cast<double>(n)));
}
Matrix square_of(const Array& x) {
  const Eigen::Index n = side(x.size());
  Matrix m = Eigen::Map<const Matrix>(x.data(), n, n);
  m.diagonal().array() += 4.0 * static_cast<double>(n);
  return m;
}
struct Cholesky {
  static Tensor ours(const Tensor& x) { return reshape(cholesky(square_of(x)), {-1}); }
  static void value(const Array& x, Array& y) {
    const Eigen::Index n = side(x.size());
    Eigen::Map<Matrix>(y.data(), n, n) = square_of(x).llt().matrixL();
  }
  static void pull(const Array&, const Array& y, const Array& w, Array& dx) {
    const Eigen::Index n = side(y.size());
    const Eigen::Map<const Matrix> l(y.data(), n, n);
    const Matrix g = Eigen::Map<const Matrix>(w.data(), n, n).triangularView<Eigen::Lower>();
    Matrix p = l.transpose() * g;
    p.diagonal() *= 0.5;
    p = Matrix(p.triangularView<Eigen::Lower>());
    l.transpose().triangularView<Eigen::Upper>().solveInPlace(p);
    l.triangularView<Eigen::Lower>().solveInPlace<Eigen::OnTheRight>(p);
    Matrix s = p + p.transpose();
    s.diagonal() *= 0.5;
    Eigen::Map<Matrix>(dx.data(), n, n) = s.triangularView<Eigen::Lower>();
  }
};
struct Solve {  // A X = B for B of A's size, the derivative in A
  static Tensor ours(const Tensor& x) {
    const Tensor a = square_of(x);
    return reshape(solve(a, reshape(stop_gradient(x), a.shape())), {-1});
  }
  static void value(const Array& x, Array& y) {
    const Eigen::Index n = side(x.size());
    Eigen::Map<Matrix>(y.data(), n, n) = square_of(x).partialPivLu().solve(Eigen::Map<const Matrix>(x.data(), n, n));
  }
  static void pull(const Array& x, const Array& y, const Array& w, Array& dx) {
    const Eigen::Index n = side(x.size());
    const Matrix b = square_of(x).transpose().partialPivLu().solve(Eigen::Map<const Matrix>(w.data(), n, n));
    Eigen::Map<Matrix>(dx.data(), n, n).noalias() = -b * Eigen::Map<const Matrix>(y.data(), n, n).transpose();
  }
};
struct Conv {  // one channel, eight taps
  static constexpr double taps[] = {0.5, -0.25, 0.125, 1.0, 0.75, -0.5, 0.25, 0.125};
  static Tensor ours(const Tensor& x) { return reshape(conv1d(reshape(x, {1, -1}), reshape(Tensor(std::vector<double>(taps, taps + 8)), {1, 1, 8})), {-1}); }
  static void value(const Array& x, Array& y) {
    const Eigen::Index n = x.size() - 7;
    y.head(n) = taps[0] * x.head(n) + taps[1] * x.segment(1, n) + taps[2] * x.segment(2, n) + taps[3] * x.segment(3, n) + taps[4] * x.segment(4, n) +
                taps[5] * x.segment(5, n) + taps[6] * x.segment(6, n) + taps[7] * x.segment(7, n);
  }
  static void pull(const Array& x, const Array&, const Array& w, Array& dx) {
    const Eigen::Index n = x.size() - 7;
    dx.setZero();
    for (Eigen::Index k = 0; k < 8; ++k) dx.segment(k, n) += taps[k] * w.head(n);
  }
};

template <class Op>
Tensor weigh(const Tensor& x, const Tensor& w) {
  const Tensor y = Op::ours(x);
  return dot(y, y.numel() == w.numel() ? w : slice(w, 0, 0, y.numel()));
}
void expect_near(const char* what, const Tensor& ours, const Array& hand) {
  for (Index i = 0; i < ours.numel(); ++i) {
    if (std::abs(ours.data()[i] - hand[i]) <= 1e-11 * (1.0 + std::abs(hand[i]))) continue;
    std::fprintf(stderr, "bench/ops_more: %s: element %lld is %.17g, by hand %.17g\n", what, static_cast<long long>(i), ours.data()[i], hand[i]);
    std::exit(1);
  }
}
template <class Op>
bool check(const char* name) {
  const Array x = numbers(900, 0.0), w = numbers(900, 1.0);
  Array y(900), dx(900);
  Op::value(x, y);
  Op::pull(x, y, w, dx);
  expect_near(name, Op::ours(x), y);
  expect_near(name, grad([&w](const Tensor& t) { return weigh<Op>(t, w); })(Tensor(x)), dx);
  return true;
}
template <class Op>
void forward_ours(benchmark::State& state) {
  const Tensor x = numbers(state.range(0), 0.0);
  for (auto _ : state) benchmark::DoNotOptimize(Op::ours(x));
}
template <class Op>
void forward_hand(benchmark::State& state) {
  const Array x = numbers(state.range(0), 0.0);
  Array y(state.range(0));
  for (auto _ : state) {
    Op::value(x, y);
    benchmark::DoNotOptimize(y.data());
    benchmark::ClobberMemory();
  }
}
template <class Op>
void gradient_ours(benchmark::State& state) {
  const Tensor x = numbers(state.range(0), 0.0), w = numbers(state.range(0), 1.0);
  const auto f = value_and_grad([&w](const Tensor& t) { return weigh<Op>(t, w); });
  for (auto _ : state) benchmark::DoNotOptimize(f(x));
}
template <class Op>
void gradient_hand(benchmark::State& state) {
  const Array x = numbers(state.range(0), 0.0), w = numbers(state.range(0), 1.0);
  Array y(state.range(0)), dx(state.range(0));
  for (auto _ : state) {
    Op::value(x, y);
    benchmark::DoNotOptimize((y * w).sum());
    Op::pull(x, y, w, dx);
    benchmark::DoNotOptimize(dx.data());
    benchmark::ClobberMemory();
  }
}

#define WICK_BENCH_OP(Op, name, few, many)                                                                       \
  const bool checked_##Op = check<Op>(name);                                                                     \
  BENCHMARK(forward_ours<Op>)->Name(name "_forward/ours")->Arg(few)->Arg(many);                                  \
  BENCHMARK(forward_hand<Op>)->Name(name "_forward/baseline:by hand or bare Eigen")->Arg(few)->Arg(many);        \
  BENCHMARK(gradient_ours<Op>)->Name(name "_gradient/ours")->Arg(few)->Arg(many);                                \
  BENCHMARK(gradient_hand<Op>)->Name(name "_gradient/baseline:by hand or bare Eigen")->Arg(few)->Arg(many)
WICK_BENCH_OP(Sin, "sin", 1000, 100000);
WICK_BENCH_OP(Cos, "cos", 1000, 100000);
WICK_BENCH_OP(Erf, "erf", 1000, 100000);
WICK_BENCH_OP(Erfc, "erfc", 1000, 100000);
WICK_BENCH_OP(LogNdtr, "log_ndtr", 1000, 100000);
WICK_BENCH_OP(Log1mexp, "log1mexp", 1000, 100000);
WICK_BENCH_OP(Relu, "relu", 1000, 100000);
WICK_BENCH_OP(Clamp, "clamp", 1000, 100000);
WICK_BENCH_OP(Softmax, "softmax", 1000, 100000);
WICK_BENCH_OP(LogSoftmax, "log_softmax", 1000, 100000);
WICK_BENCH_OP(Cumsum, "cumsum", 1000, 100000);
WICK_BENCH_OP(Sort, "sort", 1000, 100000);
WICK_BENCH_OP(Flip, "flip", 1000, 100000);
WICK_BENCH_OP(Max, "max", 1000, 100000);
WICK_BENCH_OP(Prod, "prod", 1000, 100000);
WICK_BENCH_OP(Cholesky, "cholesky", 900, 40000);
WICK_BENCH_OP(Solve, "solve", 900, 40000);
WICK_BENCH_OP(Conv, "conv1d", 1000, 100000);
#undef WICK_BENCH_OP

}  // namespace
