#include "ad/expect_grad.hpp"

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;

namespace {

Tensor wave(const Shape& shape, double phase = 0.0) {
  std::vector<double> v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::sin(1.0 + phase + 0.9 * static_cast<double>(i));
  return wick::reshape(wick::from_values({v.size()}, v), shape);
}

/// The product in long double, and the largest difference of `c` from it in units of the size of its sums.
double error_of(const Tensor& c, const Tensor& a, const Tensor& b) {
  const Index n = a.dim() == 2 ? a.size(0) : 1, k = a.size(-1), m = b.dim() == 2 ? b.size(1) : 1;
  REQUIRE(c.numel() == n * m);
  double most = 0;
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < m; ++j) {
      long double s = 0, size = 1e-300L;
      for (Index p = 0; p < k; ++p) {
        const long double t = static_cast<long double>(a.data()[i * k + p]) * b.data()[p * m + j];
        s += t;
        size += std::abs(t);
      }
      most = std::max(most, static_cast<double>(std::abs(s - c.data()[i * m + j]) / size));
    }
  return most;
}

const auto product = [](const auto& a, const auto& b) { return wick::matmul(a, b); };

}  // namespace

TEST_CASE("matmul: agrees with finite differences for all ranks", "[ad][grad]") {
  expect_grad("vector · vector", product, wave({4}), wave({4}, 1));
  for (const Index k : {1, 2, 3, 4, 5, 9}) {
    const std::string name = " of width " + std::to_string(k);
    wick_test::expect_gradient("matrix · vector" + name, product, wave({5, k}), wave({k}, 1));
    wick_test::expect_gradient("vector · matrix" + name, product, wave({5}), wave({5, k}, 1));
    wick_test::expect_gradient("matrix · matrix" + name, product, wave({3, k}), wave({k, 2}, 1));
  }
  expect_grad("matrix · vector", product, wave({3, 2}), wave({2}, 1));
  expect_grad("vector · matrix", product, wave({2}), wave({2, 3}, 1));
  expect_grad("matrix · matrix", product, wave({2, 3}), wave({3, 2}, 1));
  expect_grad("row · column", product, wave({1, 3}), wave({3, 1}, 1));
  expect_grad("column · row", product, wave({3, 1}), wave({1, 2}, 1));
  expect_grad(
      "of repeats",
      [](const auto& a, const auto& b) {
        return wick::matmul(wick::expand(a, {2, 3}), wick::expand(b, {3}));
      },
      wave({3}), Tensor(0.7));
  expect_grad(
      "x · x", [](const auto& x) { return wick::matmul(x, x); }, wave({2, 2}));
  expect_grad(
      "xᵀ A x",
      [](const auto& x) {
        return wick::matmul(wick::matmul(x, wave({3, 3})), x);
      },
      wave({3}, 2));
}

TEST_CASE("matmul: of nothing", "[ad][grad]") {
  expect_grad("no rows", product, wick::zeros({0, 3}), wave({3}));
  expect_grad("no columns", product, wave({2, 3}), wick::zeros({3, 0}));
  expect_grad("no inner elements", product, wick::zeros({2, 0}), wick::zeros({0, 3}));
  expect_grad("no elements", product, wick::zeros({0}), wick::zeros({0}));
  CHECK(wick::matmul(wick::zeros({2, 0}), wick::zeros({0, 3})).to_vector() == std::vector<double>(6, 0.0));
}

TEST_CASE("matmul: has the shapes of numpy", "[ad]") {
  CHECK(wick::matmul(wave({3}), wave({3})).shape() == Shape{});
  CHECK(wick::matmul(wave({2, 3}), wave({3})).shape() == Shape{2});
  CHECK(wick::matmul(wave({3}), wave({3, 4})).shape() == Shape{4});
  CHECK(wick::matmul(wave({2, 3}), wave({3, 4})).shape() == Shape{2, 4});
  CHECK(wick::matmul(wave({1, 3}), wave({3, 1})).shape() == Shape{1, 1});
}

TEST_CASE("matmul: all sizes agree with long double sums, and so do the adjoints", "[ad]") {
  const auto check = [](Index n, Index k, Index m) {
    INFO(n << " x " << k << " x " << m);
    const Tensor a = wave({n, k}), b = wave({k, m}, 1), w = wave({n, m}, 2);
    CHECK(error_of(wick::matmul(a, b), a, b) < 3e-16 * (10 + std::sqrt(static_cast<double>(k))));
    const auto [v, g] =
        wick::value_and_grad([&](const Tensor& x, const Tensor& y) { return wick::sum(wick::matmul(x, y) * w); })(a, b);
    CHECK(error_of(g[0], w, wick::transpose(b)) < 3e-16 * (10 + std::sqrt(static_cast<double>(m))));
    CHECK(error_of(g[1], wick::transpose(a), w) < 3e-16 * (10 + std::sqrt(static_cast<double>(n))));
  };
  for (const Index n : {1, 2, 3, 4, 7, 8, 9, 17})
    for (const Index k : {1, 2, 3, 4, 5, 8, 17})
      for (const Index m : {1, 2, 3, 8, 9, 24, 25}) check(n, k, m);
  check(97, 300, 5);   // more than a block of rows and of depth
  check(5, 257, 250);  // and of columns
  check(100, 100, 100);
  check(1, 1000, 1);
  check(2000, 7, 1);
  check(1, 33, 500);
}

TEST_CASE("matmul: NaN and infinity pass through", "[ad]") {
  const double not_a_number = wick::detail::kNaN;
  for (const Index k : {2, 3, 8, 20}) {
    Tensor a = wave({3, k});
    std::vector<double> v = a.to_vector();
    v[1] = not_a_number;
    a = wick::from_values({3, k}, v);
    const Tensor y = wick::matmul(a, wick::zeros({k}));
    CHECK(std::isnan(y.at({0})));
    CHECK(y.at({1}) == 0.0);
    const Tensor c = wick::matmul(a, wick::zeros({k, 2}));
    CHECK(std::isnan(c.at({0, 1})));
    CHECK(c.at({2, 1}) == 0.0);
  }
}

TEST_CASE("matmul: an adjoint of 0 leaves no trace, whatever stands in the other factor", "[ad]") {
  // The oracle: the same product with 0 in place of what is not finite, whose adjoint is 0.
  const auto check = [](Index n, Index k, Index m) {
    INFO(n << " x " << k << " x " << m);
    for (const double bad : {wick::detail::kNaN, wick::detail::kInf, -wick::detail::kInf})
      for (const bool left : {true, false}) {
        // Row 1 of A does not count, or column 1 of B.
        if ((left ? n : m) < 2) continue;
        std::vector<double> a = wave({n, k}).to_vector(), b = wave({k, m}, 1).to_vector(),
                            w = wave({n, m}, 2).to_vector();
        for (Index i = 0; i < n; ++i)
          for (Index j = 0; j < m; ++j)
            if ((left ? i : j) == 1) w[static_cast<std::size_t>(i * m + j)] = 0;
        std::vector<double> clean_a = a, clean_b = b;
        for (Index q = 0; q < k; ++q) {
          const auto at = static_cast<std::size_t>(left ? k + q : q * m + 1);
          (left ? a : b)[at] = bad;
          (left ? clean_a : clean_b)[at] = 0;
        }
        const auto gradient = [&](const std::vector<double>& x, const std::vector<double>& y) {
          const Shape sx = n == 1 ? Shape{k} : Shape{n, k}, sy = m == 1 ? Shape{k} : Shape{k, m};
          // What was accumulated before (2 x, 3 y, weighted where these are finite) must survive.
          const Tensor fx = wick::from_values(sx, x), fy = wick::from_values(sy, y);
          const auto g = wick::grad([&](const Tensor& p, const Tensor& q) {
            const Tensor y0 = wick::matmul(p, q), weights = wick::reshape(wick::from_values({n, m}, w), y0.shape());
            const Tensor before = wick::sum(wick::where(abs(fx) < 1e300, 2 * p, 0)) + wick::sum(wick::where(abs(fy) < 1e300, 3 * q, 0));
            return before + wick::sum(wick::where(weights == 0, 0, y0 * weights));
          })(fx, fy);
          return std::pair{g[0], g[1]};
        };
        const auto [ga, gb] = gradient(a, b);
        const auto [ca, cb] = gradient(clean_a, clean_b);
        const auto near = [](const Tensor& x, const Tensor& y, const std::vector<double>& finite) {
          for (Index i = 0; i < x.numel(); ++i)
            if (std::isfinite(finite[static_cast<std::size_t>(i)]) && !(std::abs(x.data()[i] - y.data()[i]) <= 1e-13 * (1 + std::abs(y.data()[i])))) return false;
          return true;
        };
        CHECK(near(ga, ca, a));
        CHECK(near(gb, cb, b));
        // What does not count has the gradient of what does not count.
        for (Index q = 0; q < k; ++q) {
          const auto at = left ? k + q : q * m + 1;
          CHECK((left ? ga : gb).data()[at] == 0.0);
        }
      }
  };
  for (const Index n : {1, 2, 3, 9})
    for (const Index k : {1, 2, 3, 8, 20})
      for (const Index m : {1, 2, 3, 9}) check(n, k, m);
  check(70, 70, 1);
  check(1, 70, 70);
  check(40, 50, 60);
}

TEST_CASE("matmul: a product that is not finite has its gradient all the same where the adjoint is not 0", "[ad]") {
  const double not_a_number = wick::detail::kNaN;
  const Tensor a{{1.0, not_a_number}, {2.0, 3.0}};
  const auto [v, g] = wick::value_and_grad([&](const Tensor& x) { return wick::sum(wick::matmul(a, x) * Tensor{1.0, 0.0}); })(Tensor{1.0, 1.0});
  CHECK(std::isnan(v.item()));
  CHECK(g.at({0}) == 1.0);
  CHECK(std::isnan(g.at({1})));
}

TEST_CASE("matmul: ranks and sizes that do not fit", "[ad][errors]") {
  using wick_test::expect_throws_alike;
  expect_throws_alike<wick::ShapeError>("sizes", "wick.op.E129", "transpose", product, wave({2, 3}), wave({2}));
  expect_throws_alike<wick::ShapeError>("sizes", "wick.op.E129", "transpose", product, wave({3}), wave({2, 3}));
  expect_throws_alike<wick::ShapeError>("sizes", "wick.op.E129", "transpose", product, wave({3}), wave({2}));
  expect_throws_alike<wick::ShapeError>("scalar", "wick.op.E129", "with *", product, Tensor(2.0), wave({3}));
  expect_throws_alike<wick::ShapeError>("scalar", "wick.op.E129", "with *", product, wave({3}), Tensor(2.0));
  CHECK_THAT(wick_test::expect_error<wick::ShapeError>(
                 [&] {
                   return wick::matmul(wave({2, 3}), wave({4, 5}));
                 },
                 "wick.op.E129", "")
                 .message,
             wick_test::contains("inner sizes 3 and 4 differ"));
}
