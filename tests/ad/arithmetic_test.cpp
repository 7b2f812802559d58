#include "ad/expect_grad.hpp"

using wick::Tensor;
using wick_test::expect_grad;

namespace {

const Tensor scalar = 1.3, vector{0.7, -1.2, 2.5}, column{{0.4}, {-0.9}}, row{{1.1, -0.3, 0.8}},
             matrix{{0.6, 1.4, -0.7}, {2.1, -1.5, 0.9}}, nothing = wick::zeros({0}), no_rows = wick::zeros({0, 3});

/// An operation on two scalars, vectors, matrices, broadcast in every way, and on nothing.
template <class F>
void for_all_shapes(const std::string& name, const F& f) {
  expect_grad(name + " of scalars", f, scalar, Tensor(-0.8));
  expect_grad(name + " of vectors", f, vector, Tensor{1.6, 0.9, -2.2});
  expect_grad(name + " of vector and scalar", f, vector, scalar);
  expect_grad(name + " of scalar and vector", f, scalar, vector);
  expect_grad(name + " of matrices", f, matrix, matrix);
  expect_grad(name + " of matrix and row", f, matrix, row);
  expect_grad(name + " of column and matrix", f, column, matrix);
  expect_grad(name + " of column and vector", f, column, vector);
  expect_grad(name + " of vector and matrix", f, vector, matrix);
  expect_grad(name + " of one element and matrix", f, Tensor{{1.7}}, matrix);
  expect_grad(name + " of nothing", f, nothing, nothing);
  expect_grad(name + " of nothing and scalar", f, nothing, scalar);
  expect_grad(name + " of no rows and vector", f, no_rows, vector);
}

}  // namespace

TEST_CASE("arithmetic: sums, differences, products and quotients agree with finite differences", "[ad][grad]") {
  for_all_shapes("a + b", [](const auto& a, const auto& b) { return a + b; });
  for_all_shapes("a - b", [](const auto& a, const auto& b) { return a - b; });
  for_all_shapes("a * b", [](const auto& a, const auto& b) { return a * b; });
  for_all_shapes("a / b", [](const auto& a, const auto& b) { return a / b; });
}

TEST_CASE("arithmetic: powers agree with finite differences", "[ad][grad]") {
  const auto f = [](const auto& a, const auto& b) { return wick::pow(a, b); };
  expect_grad("pow of scalars", f, Tensor(1.7), Tensor(-2.3));
  expect_grad("pow of vectors", f, Tensor{0.3, 1.0, 2.5}, Tensor{1.4, -0.6, 3.0});
  expect_grad("pow, broadcast", f, Tensor{{0.4}, {2.0}}, Tensor{-1.5, 0.5, 2.0});
  expect_grad("pow of nothing", f, nothing, scalar);
  expect_grad(
      "pow with constant exponents",
      [](const auto& a) {
        return wick::pow(a, Tensor{2.0, 3.0, -1.0});
      },
      Tensor{-1.2, -0.4, 0.9});
}

TEST_CASE("arithmetic: operations with numbers, and in place", "[ad][grad]") {
  expect_grad(
      "numbers on either side", [](const auto& x) { return 2.0 * x - x / 3.0 + (1 - x) * (0.5 / x); }, vector);
  expect_grad(
      "in place",
      [](const auto& x) {
        Tensor y = x;
        y += x * x;
        y *= 1.5;
        y -= 0.25;
        y /= x + 4.0;
        return -y;
      },
      vector);
  expect_grad(
      "the same value on both sides", [](const auto& x) { return x * x + x / x - x; }, scalar);
}

TEST_CASE("arithmetic: a scalar beside very many elements", "[ad][grad]") {
  // Its adjoint is one sum over all of them; the exact values are integers.
  const wick::Index n = 100'003;
  for (const bool left : {true, false}) {
    const auto [v, g] = wick::value_and_grad([&](const Tensor& s, const Tensor& x) {
      return wick::sum(left ? s * x : x - s);
    })(Tensor(2.0), wick::arange(n));
    const double total = static_cast<double>(n) * static_cast<double>(n - 1) / 2;
    CHECK(v.item() == (left ? 2 * total : total - 2.0 * static_cast<double>(n)));
    CHECK(g[0].item() == (left ? total : -static_cast<double>(n)));
    CHECK(g[1].at({n - 1}) == (left ? 2.0 : 1.0));
  }
}

TEST_CASE("arithmetic: NaN and infinity pass through", "[ad]") {
  const Tensor x{wick::detail::kNaN, wick::detail::kInf, 1.0};
  const Tensor y = x + 1.0;
  CHECK(std::isnan(y.at({0})));
  CHECK(y.at({1}) == wick::detail::kInf);
  CHECK(y.at({2}) == 2.0);
  const auto [v, g] = wick::value_and_grad([&](const Tensor& w) { return wick::sum(w * x); })(Tensor{1.0, 1.0, 1.0});
  CHECK(std::isnan(v.item()));
  CHECK(std::isnan(g.at({0})));
  CHECK(g.at({1}) == wick::detail::kInf);
  CHECK(g.at({2}) == 1.0);
}

TEST_CASE("arithmetic: shapes that do not broadcast, and values that are none", "[ad][errors]") {
  const auto add = [](const auto& a, const auto& b) { return a + b; };
  wick_test::expect_throws_alike<wick::ShapeError>("sizes", "wick.op.E120", "reshape", add, matrix, Tensor{1.0, 2.0});
  wick_test::expect_throws_alike<wick::ShapeError>("ranks", "wick.op.E120", "reshape", add, wick::zeros({2, 3, 4}),
                                                   wick::zeros({3, 1, 4}) + wick::zeros({3, 2, 1}));
  const auto report =
      wick_test::expect_error<wick::UsageError>([&] { return scalar + Tensor(); }, "wick.tensor.E100", "", "empty()");
  INFO(report.text);
  CHECK(report.ok);
  CHECK_THAT(wick_test::expect_error<wick::ShapeError>(
                 [&] {
                   return add(matrix, Tensor{1.0, 2.0});
                 },
                 "wick.op.E120", "")
                 .message,
             wick_test::contains("add: shapes (2, 3) and (2,)"));
}
