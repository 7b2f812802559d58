#include "ad/expect_grad.hpp"

#include <wick/all.hpp>

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;
using wick_test::expect_throws_alike;

namespace {

using V = std::vector<double>;
const double a_nan = wick::detail::kNaN, inf = wick::detail::kInf;

Tensor wave(const Shape& shape, double phase = 0.0) {
  V v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::sin(1.0 + phase + 1.9 * static_cast<double>(i));
  return wick::reshape(wick::from_values({v.size()}, v), shape);
}
/// Symmetric with eigenvalues from about 1 on.
Tensor definite(const Shape& shape, double phase = 0.0) {
  const Tensor a = wave(shape, phase);
  return wick::matmul(a, wick::transpose(a)) * 0.3 + wick::diag(wick::linspace(1.0, 2.0, shape.from_right(-1)));
}
/// Far from singular.
Tensor regular(const Shape& shape, double phase = 0.0) { return wave(shape, phase) * 0.5 + wick::diag(wick::linspace(2.0, 3.0, shape.from_right(-1))); }
double distance(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  return a.numel() == 0 ? 0.0 : wick::max(wick::abs(a - b)).item();
}
const auto cholesky = [](const auto& a) { return wick::cholesky(a); };
const auto solve = [](const auto& a, const auto& b) { return wick::solve(a, b); };

}  // namespace

TEST_CASE("cholesky: agrees with finite differences", "[ad][grad]") {
  for (const Index n : {1, 2, 3}) expect_grad("of size " + std::to_string(n), cholesky, definite({n, n}));
  expect_grad("of batches", cholesky, definite({2, 2, 2}));
  expect_grad("of nothing", cholesky, wick::zeros({0, 0}));
  expect_grad("no batches", cholesky, wick::zeros({0, 2, 2}));
  wick_test::expect_gradient("of size 12", cholesky, definite({12, 12}));
  for (const Index n : {5, 40, 130}) {
    const Tensor a = definite({n, n}), l = cholesky(a);
    CHECK(distance(wick::matmul(l, wick::transpose(l)), a) < 1e-13 * static_cast<double>(n));
    CHECK(distance(l, wick::tril(l)) == 0.0);
  }
}

TEST_CASE("cholesky: of what is not positive definite is NaN", "[ad]") {
  CHECK(std::isnan(cholesky(Tensor{{1, 2}, {2, 1}}).at({1, 1})));
  CHECK(std::isnan(cholesky(Tensor{{-1.0}}).item()));
  CHECK(std::isnan(cholesky(Tensor{{1.0, 0.0}, {a_nan, 1.0}}).at({1, 0})));
  const Tensor two = wick::stack_tensors({Tensor{{4.0, 0.0}, {2.0, 2.0}}, Tensor{{1.0, 2.0}, {2.0, 1.0}}});
  CHECK(cholesky(two).at({0, 1, 1}) == 1.0);
  // An adjoint of 0 leaves no trace.
  const Tensor g = wick::grad([](const Tensor& a) { return wick::sum(wick::take(wick::cholesky(a), 0.0)); })(two);
  CHECK(std::isfinite(wick::sum(g).item()));
}

TEST_CASE("solve, triangular_solve, inverse: agree with finite differences", "[ad][grad]") {
  expect_grad("solve for a vector", solve, regular({3, 3}), wave({3}));
  expect_grad("solve for a matrix", solve, regular({2, 2}), wave({2, 3}));
  expect_grad("solve of batches", solve, regular({2, 2, 2}), wave({2, 2, 1}));
  expect_grad("solve, broadcast", solve, regular({2, 2}), wave({2, 2, 1}));
  expect_grad("solve of nothing", solve, wick::zeros({0, 0}), wick::zeros({0, 2}));
  expect_grad("solve for nothing", solve, regular({2, 2}), wick::zeros({2, 0}));
  expect_grad("solve of repeats", [](const auto& a, const auto& b) { return wick::solve(a, wick::expand(b, {2, 2})); }, regular({2, 2}), Tensor(0.7));
  for (const bool lower : {true, false})
    for (const bool turned : {true, false}) {
      const auto f = [=](const auto& a, const auto& b) { return wick::triangular_solve(a, b, lower, turned); };
      const std::string name = std::string(lower ? "lower" : "upper") + (turned ? ", transposed" : "");
      expect_grad(name, f, regular({3, 3}), wave({3, 2}));
      expect_grad(name + " of a vector", f, regular({3, 3}), wave({3}));
      expect_grad(name + ", broadcast", f, regular({2, 1, 2, 2}), wave({2, 2, 1}));
      const Tensor a = regular({9, 9}), b = wave({9, 4}), t = lower ? wick::tril(a) : wick::triu(a);
      CHECK(distance(wick::matmul(turned ? wick::transpose(t) : t, f(a, b)), b) < 1e-13);
    }
  expect_grad("inverse", [](const auto& a) { return wick::inverse(a); }, regular({2, 2}));
  expect_grad("inverse of batches", [](const auto& a) { return wick::inverse(a); }, regular({2, 2, 2}));
  expect_grad("inverse of nothing", [](const auto& a) { return wick::inverse(a); }, wick::zeros({0, 0}));
  const Tensor a = regular({40, 40}), b = wave({40, 3});
  CHECK(distance(wick::matmul(a, solve(a, b)), b) < 1e-12);
  CHECK(distance(wick::matmul(a, wick::inverse(a)), wick::diag(wick::ones({40}))) < 1e-12);
  CHECK(!std::isfinite(wick::inverse(wick::zeros({2, 2})).at({0, 0})));
  const Tensor g = wick::grad([](const Tensor& x) { return wick::sum(wick::take(wick::solve(x, Tensor{1.0, 2.0}), 0.0)); })(
      wick::stack_tensors({regular({2, 2}), wick::zeros({2, 2})}));
  CHECK(std::isfinite(wick::sum(g).item()));
}

TEST_CASE("logdet and eigvalsh: agree with finite differences", "[ad][grad]") {
  const auto logdet = [](const auto& a) { return wick::logdet(a); };
  const auto values = [](const auto& a) { return wick::eigvalsh(a); };
  expect_grad("logdet", logdet, regular({3, 3}));
  expect_grad("logdet of a negative determinant", logdet, Tensor{{0.3, 2.0}, {1.0, 0.4}});
  expect_grad("logdet of batches", logdet, regular({2, 2, 2}));
  expect_grad("logdet of nothing", logdet, wick::zeros({0, 0}));
  expect_grad("eigvalsh", values, definite({3, 3}));
  expect_grad("eigvalsh of size 1", values, Tensor{{2.0}});
  expect_grad("eigvalsh of batches", values, definite({2, 2, 2}));
  expect_grad("eigvalsh of nothing", values, wick::zeros({0, 0}));
  CHECK(wick::logdet(wick::zeros({2, 2})).item() == -inf);
  CHECK(std::isnan(wick::logdet(Tensor{{a_nan, 1}, {1, 2}}).item()));
  CHECK(std::isnan(wick::eigvalsh(Tensor{{a_nan, 1}, {1, 2}}).at({0})));
  const Tensor a = definite({20, 20});
  CHECK(distance(wick::sum(wick::log(wick::eigvalsh(a))), wick::logdet(a)) < 1e-12);
  CHECK(distance(2.0 * wick::sum(wick::log(wick::diagonal(wick::cholesky(a)))), wick::logdet(a)) < 1e-12);
}

TEST_CASE("quadratic forms: agree with finite differences", "[ad][grad]") {
  const auto form = [](const auto& a, const auto& x) { return wick::quad_form(a, x); };
  const auto by_factor = [](const auto& l, const auto& x) { return wick::quad_form_cholesky(l, x); };
  expect_grad("xᵀ A x", form, regular({3, 3}), wave({3}));
  expect_grad("of batches", form, regular({2, 2, 2}), wave({2, 2}));
  expect_grad("one matrix", form, regular({2, 2}), wave({3, 2}));
  expect_grad("of nothing", form, wick::zeros({0, 0}), wick::zeros({0}));
  expect_grad("by the factor", by_factor, regular({3, 3}), wave({3}));
  expect_grad("by the factor, broadcast", by_factor, regular({2, 2}), wave({3, 2}));
  const Tensor a = definite({6, 6}), x = wave({6});
  CHECK(form(wick::inverse(a), x).item() == Approx(by_factor(cholesky(a), x).item()).epsilon(1e-12));
  expect_grad("a normal density", [](const auto& t, const auto& v) {
    const Tensor l = wick::cholesky(wick::matmul(t, wick::transpose(t)) + wick::diag(wick::ones({2})));
    return -0.5 * wick::quad_form_cholesky(l, v) - wick::sum(wick::log(wick::diagonal(l)));
  }, wave({2, 2}), wave({2}));
}

TEST_CASE("linear algebra: shapes that do not fit", "[ad][errors]") {
  const auto square = [](const auto& f) { expect_throws_alike<wick::ShapeError>("not square", "wick.op.E146", "equal", f, wave({2, 3})); };
  square(cholesky);
  square([](const auto& a) { return wick::inverse(a); });
  square([](const auto& a) { return wick::logdet(a); });
  square([](const auto& a) { return wick::eigvalsh(a); });
  square([](const auto& a) { return wick::solve(a, wave({3})); });
  square([](const auto& a) { return wick::quad_form(a, wave({3})); });
  expect_throws_alike<wick::ShapeError>("solve", "wick.op.E147", "rows", solve, regular({3, 3}), wave({2}));
  expect_throws_alike<wick::ShapeError>("solve", "wick.op.E147", "rows", solve, regular({3, 2, 2}), wave({2, 2, 1}));
  expect_throws_alike<wick::ShapeError>("a scalar", "wick.op.E147", "rows", solve, regular({3, 3}), Tensor(1.0));
}
