#include "ad/expect_grad.hpp"

#include <numeric>

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;

namespace {

const double inf = wick::detail::kInf, a_nan = wick::detail::kNaN;

Tensor wave(const Shape& shape, double scale = 1.0) {
  std::vector<double> v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = scale * std::sin(1.0 + 0.9 * static_cast<double>(i));
  return wick::reshape(wick::from_values({v.size()}, v), shape);
}

/// A reduction of dimension `dim` of a tensor, element by element in long double.
template <class F>
Tensor reference(const Tensor& x, Index dim, const F& f) {
  Shape to;
  Index outer = 1, inner = 1;
  const Index n = x.size(dim), d = dim < 0 ? dim + x.dim() : dim;
  for (Index i = 0; i < x.dim(); ++i) {
    if (i < d) outer *= x.size(i);
    if (i > d) inner *= x.size(i);
    if (i != d) to.push_back(x.size(i));
  }
  std::vector<double> out;
  for (Index o = 0; o < outer; ++o)
    for (Index j = 0; j < inner; ++j) {
      std::vector<long double> column;
      for (Index r = 0; r < n; ++r) column.push_back(x.data()[(o * n + r) * inner + j]);
      out.push_back(static_cast<double>(f(column)));
    }
  return to.empty() ? Tensor(out[0]) : wick::from_values(to, out);
}
double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double most = 0;
  for (Index i = 0; i < a.numel(); ++i)
    most = std::max(most, std::abs(a.data()[i] - b.data()[i]) / (1 + std::abs(b.data()[i])));
  return most;
}

const auto long_sum = [](const std::vector<long double>& v) { return std::accumulate(v.begin(), v.end(), 0.0L); };
const auto long_logsumexp = [](const std::vector<long double>& v) {
  long double most = -std::numeric_limits<long double>::infinity(), s = 0;
  for (const long double x : v) most = std::max(most, x);
  if (!std::isfinite(most)) return most;
  for (const long double x : v) s += std::exp(x - most);
  return most + std::log(s);
};

template <class F>
void for_all_dims(const std::string& name, const F& f) {
  const Tensor x = wave({2, 3, 2}, 1.3);
  for (int dim = -3; dim < 3; ++dim)
    expect_grad(
        name + " over " + std::to_string(dim), [&](const auto& t) { return f(t, dim, false); }, x);
  expect_grad(
      name + " over 1, kept", [&](const auto& t) { return f(t, 1, true); }, x);
  expect_grad(
      name + " over 0 and 1",
      [&](const auto& t) {
        return f(t, {0, 1}, false);
      },
      x);
  expect_grad(
      name + " over 2 and 0",
      [&](const auto& t) {
        return f(t, {-1, 0}, false);
      },
      x);
  expect_grad(
      name + " over 0 and 2, kept",
      [&](const auto& t) {
        return f(t, {0, 2}, true);
      },
      x);
  expect_grad(
      name + " over all by name",
      [&](const auto& t) {
        return f(t, {0, 1, 2}, false);
      },
      x);
  expect_grad(
      name + " of a vector", [&](const auto& t) { return f(t, 0, false); }, wave({5}));
  expect_grad(
      name + " of a repeated row",
      [&](const auto& t) {
        return f(wick::expand(t, {2, 3}), 1, false);
      },
      wave({3}));
  expect_grad(
      name + " over repeats",
      [&](const auto& t) {
        return f(wick::expand(t, {2, 3}), 0, false);
      },
      wave({3}));
}

}  // namespace

TEST_CASE("reductions: sum, mean and logsumexp of everything agree with finite differences", "[ad][grad]") {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{5}, Shape{9}, Shape{2, 3}, Shape{2, 2, 3}}) {
    const Tensor x = shape.empty() ? Tensor(0.8) : wave(shape);
    expect_grad(
        "sum", [](const auto& t) { return wick::sum(t); }, x);
    expect_grad(
        "mean", [](const auto& t) { return wick::mean(t); }, x);
    expect_grad(
        "logsumexp", [](const auto& t) { return wick::logsumexp(t); }, x);
  }
  expect_grad(
      "sum of nothing", [](const auto& t) { return wick::sum(t); }, wick::zeros({0}));
  expect_grad(
      "sum of a repeated scalar", [](const auto& t) { return wick::sum(wick::expand(t, {4})); }, Tensor(1.5));
  expect_grad(
      "logsumexp of a repeated scalar",
      [](const auto& t) {
        return wick::logsumexp(wick::expand(t, {2, 2}));
      },
      Tensor(1.5));
}

TEST_CASE("reductions: over dimensions agree with finite differences", "[ad][grad]") {
  for_all_dims("sum", [](const auto& t, const wick::Dims& d, bool keep) { return wick::sum(t, d, keep); });
  for_all_dims("mean", [](const auto& t, const wick::Dims& d, bool keep) { return wick::mean(t, d, keep); });
  for_all_dims("logsumexp", [](const auto& t, const wick::Dims& d, bool keep) { return wick::logsumexp(t, d, keep); });
}

TEST_CASE("reductions: short rows are reduced eight at a time to the bits of one row alone, and their adjoints fill them", "[ad]") {
  for (const Index n : {1, 3, 7, 8, 9, 10, 15, 16, 17, 31, 32, 40, 70})
    for (const Index rows : {1, 7, 8, 9, 17}) {
      CAPTURE(n, rows);
      std::vector<double> v(static_cast<std::size_t>(n * rows));
      for (std::size_t i = 0; i < v.size(); ++i) v[i] = 1.0 + std::sin(static_cast<double>(i * i));
      for (Index j = 0; rows > 8 && j < n; ++j) v[static_cast<std::size_t>(n + j)] = -0.0;
      if (rows > 1) v.back() = inf;
      const Tensor x = wick::from_values({rows, n}, v), w = wave({rows});
      bool same = true;
      for (Index o = 0; o < rows; ++o) {
        const Tensor row = wick::reshape(wick::slice(x, 0, o, o + 1), {n});
        same = same && wick_test::grad_detail::same_bits(wick::sum(x, 1).at({o}), wick::sum(row).item());
        same = same && wick_test::grad_detail::same_bits(wick::prod(x, 1).at({o}), wick::prod(row).item());
      }
      CHECK(same);
      const Tensor once = wick::grad([&](const Tensor& t) { return wick::sum(wick::sum(t, 1) * w); })(x);
      const Tensor twice = wick::grad([&](const Tensor& t) { return wick::sum(wick::sum(t, 1) * w) + wick::sum(wick::sum(t, 1) * w); })(x);
      for (Index o = 0; o < rows; ++o)
        for (Index j = 0; j < n; ++j) same = same && once.at({o, j}) == w.at({o}) && twice.at({o, j}) == 2 * w.at({o});
      CHECK(same);
    }
}

TEST_CASE("reductions: have the shapes of numpy", "[ad]") {
  const Tensor x = wave({2, 3, 4});
  CHECK(wick::sum(x).shape() == Shape{});
  CHECK(wick::sum(x, 0).shape() == Shape{3, 4});
  CHECK(wick::sum(x, -1, true).shape() == Shape{2, 3, 1});
  CHECK(wick::sum(x, {0, 2}).shape() == Shape{3});
  CHECK(wick::sum(x, {0, 2}, true).shape() == Shape{1, 3, 1});
  CHECK(wick::sum(x, {0, 1, 2}, true).shape() == Shape{1, 1, 1});
  CHECK(wick::sum(x, {}).shape() == x.shape());
  const std::size_t d = 1;
  CHECK(wick::sum(x, d).shape() == Shape{2, 4});
  CHECK(wick::mean(x, 1L).shape() == Shape{2, 4});
}

TEST_CASE("reductions: values of all layouts agree with long double sums", "[ad]") {
  for (const Index n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 100, 2047, 2048, 2049, 5000})
    for (const Index inner : {1, 2, 3, 5, 7, 8, 9, 13, 63, 64, 65, 130}) {
      if (n * inner > 40'000) continue;
      const Tensor x = wave({2, n, inner}, 3.0);
      INFO(n << " x " << inner);
      CHECK(largest_difference(wick::sum(x, 1), reference(x, 1, long_sum)) < 1e-13);
      CHECK(largest_difference(wick::logsumexp(x, 1), reference(x, 1, long_logsumexp)) < 1e-13);
      // The gradient of a weighted result puts the weights back in every row.
      const Tensor w = wave({2, inner});
      const auto g = wick::grad([&](const Tensor& t) { return wick::sum(wick::sum(t, 1) * w); })(x);
      CHECK(largest_difference(g, wick::expand(wick::unsqueeze(w, 1), x.shape())) == 0.0);
      const auto gl = wick::grad([&](const Tensor& t) { return wick::sum(wick::logsumexp(t, 1) * w); })(x);
      CHECK(largest_difference(gl, wick::exp(x - wick::logsumexp(x, 1, true)) * wick::unsqueeze(w, 1)) < 1e-13);
    }
}

TEST_CASE("reductions: a long sum keeps the digits that a plain loop loses", "[ad]") {
  const Index n = 10'000'000;
  const Tensor x = wick::full({n}, 0.1);
  CHECK(std::abs(wick::sum(x).item() / (0.1 * static_cast<double>(n)) - 1) < 2e-15);
  CHECK(std::abs(wick::mean(x).item() - 0.1) < 3e-16);
}

TEST_CASE("logsumexp: infinities", "[ad]") {
  const auto both = [](const Tensor& x) {
    return wick::value_and_grad([](const Tensor& t) { return wick::logsumexp(t); })(x);
  };
  {
    const auto [v, g] = both(Tensor{-inf, -inf, -inf});
    CHECK(v.item() == -inf);
    CHECK(g.to_vector() == std::vector<double>{0, 0, 0});
  }
  {
    const auto [v, g] = both(Tensor{-inf, 0.0, 0.0});
    CHECK(v.item() == Approx(std::log(2.0)).epsilon(1e-15));
    CHECK(g.to_vector() == std::vector<double>{0, 0.5, 0.5});
  }
  CHECK(both(Tensor{1000.0, 1000.0}).first.item() == Approx(1000 + std::log(2.0)).epsilon(1e-15));
  CHECK(both(Tensor{-1000.0, -1000.0}).first.item() == Approx(-1000 + std::log(2.0)).epsilon(1e-15));
  CHECK(both(Tensor{inf, 0.0}).first.item() == inf);
  CHECK(std::isnan(both(Tensor{a_nan, 0.0}).first.item()));
  CHECK(std::isnan(both(Tensor{0.0, a_nan, -inf}).first.item()));
  CHECK(both(Tensor(-inf)).first.item() == -inf);
  CHECK(both(Tensor(-inf)).second.item() == 0.0);
  CHECK(wick::logsumexp(wick::zeros({0})).item() == -inf);
  // By columns too, each on its own.
  const auto [v, g] = wick::value_and_grad([](const Tensor& t) {
    return wick::sum(wick::where(Tensor{0.0, 1.0}, wick::logsumexp(t, 0), 0.0));
  })(Tensor{{-inf, 1.0}, {-inf, 1.0}});
  CHECK(v.item() == Approx(1 + std::log(2.0)).epsilon(1e-15));
  CHECK(largest_difference(g, Tensor{{0.0, 0.5}, {0.0, 0.5}}) < 1e-15);
}

TEST_CASE("reductions: of nothing", "[ad]") {
  CHECK(wick::sum(wick::zeros({0})).item() == 0.0);
  CHECK(wick::sum(wick::zeros({0, 3}), 0).to_vector() == std::vector<double>{0, 0, 0});
  CHECK(wick::sum(wick::zeros({0, 3}), 1).shape() == Shape{0});
  CHECK(wick::mean(wick::zeros({0, 3}), 1).shape() == Shape{0});
  CHECK(wick::logsumexp(wick::zeros({2, 0}), 1).to_vector() == std::vector<double>{-inf, -inf});
  expect_grad(
      "sum of no rows", [](const auto& t) { return wick::sum(t, 0); }, wick::zeros({0, 3}));
  expect_grad(
      "sum of rows of nothing", [](const auto& t) { return wick::sum(t, 1); }, wick::zeros({2, 0}));
  wick_test::expect_throws_alike<wick::ShapeError>(
      "mean", "wick.op.E122", "numel()", [](const auto& t) { return wick::mean(t); }, wick::zeros({0}));
  wick_test::expect_throws_alike<wick::ShapeError>(
      "mean", "wick.op.E122", "numel()", [](const auto& t) { return wick::mean(t, 0); }, wick::zeros({0, 3}));
}

TEST_CASE("reductions: dimensions that are not there", "[ad][errors]") {
  const Tensor x = wave({2, 3});
  wick_test::expect_throws_alike<wick::ShapeError>(
      "sum", "wick.op.E121", "-1", [](const auto& t) { return wick::sum(t, 2); }, x);
  wick_test::expect_throws_alike<wick::ShapeError>(
      "mean", "wick.op.E121", "-1", [](const auto& t) { return wick::mean(t, -3); }, x);
  wick_test::expect_throws_alike<wick::ShapeError>(
      "logsumexp", "wick.op.E121", "once",
      [](const auto& t) {
        return wick::logsumexp(t, {0, -2});
      },
      x);
  const auto nothing = wick_test::expect_error<wick::UsageError>([] { return wick::mean(wick::Tensor()); }, "wick.tensor.E100", "", "value");
  CHECK(nothing.ok);
  CHECK(nothing.message.find("mean of the empty tensor") != std::string::npos);
  wick_test::expect_throws_alike<wick::ShapeError>(
      "of a scalar", "wick.op.E121", "-1", [](const auto& t) { return wick::sum(t, 0); }, Tensor(1.0));
}

TEST_CASE("sum_to: reverses a broadcast", "[ad][grad]") {
  for (const Shape& to : {Shape{}, Shape{2}, Shape{1}, Shape{3, 1}, Shape{1, 2}, Shape{2, 3, 2}, Shape{1, 3, 2},
                          Shape{2, 1, 1}, Shape{2, 1, 2}, Shape{1, 1, 1}})
    expect_grad(
        "sum_to", [&](const auto& t) { return wick::detail::sum_to(t, to); }, wave({2, 3, 2}));
  CHECK(wick::detail::sum_to(wick::ones({4, 3}), {1, 3}).to_vector() == std::vector<double>{4, 4, 4});
  CHECK(wick::detail::sum_to(wick::ones({4, 3}), {}).item() == 12);
  wick_test::expect_throws_alike<wick::ShapeError>(
      "sum_to", "wick.op.E124", "aligned", [](const auto& t) { return wick::detail::sum_to(t, {2}); }, wave({3, 3}));
}
