#include "ad/expect_grad.hpp"

using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;
using wick_test::expect_same_paths;

namespace {

using V = std::vector<double>;
const double inf = wick::detail::kInf, a_nan = wick::detail::kNaN;

/// Numbers that are all different, in no order.
Tensor wave(const Shape& shape, double scale = 1.0) {
  V v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = scale * std::sin(1.0 + 2.3 * static_cast<double>(i));
  return wick::reshape(wick::from_values({v.size()}, v), shape);
}
bool is_nan(const Tensor& t) { return std::isnan(t.item()); }

/// A reduction f(x) and f(x, dims).
template <class F>
void for_all_dims(const std::string& name, const F& f) {
  expect_grad(name + " of a scalar", [&](const auto& x) { return f(x); }, Tensor(0.7));
  expect_grad(name + " of a vector", [&](const auto& x) { return f(x); }, wave({5}));
  expect_grad(name + " of a matrix", [&](const auto& x) { return f(x); }, wave({2, 3}));
  for (int d = 0; d < 3; ++d)
    expect_grad(name + " along " + std::to_string(d), [&](const auto& x) { return f(x, d); }, wave({2, 3, 2}));
  expect_grad(name + " over two dimensions", [&](const auto& x) { return f(x, wick::Dims{0, 2}); }, wave({2, 2, 3}));
  expect_grad(name + " of repeats", [&](const auto& x) { return f(wick::expand(x, {2, 3}) * wave({2, 3}), 0); }, wave({3}));
  expect_grad(name + " along nothing left", [&](const auto& x) { return f(x, 1); }, wick::zeros({0, 3}));
  for (const int n : {8, 9, 17, 40, 71}) {
    wick_test::expect_gradient(name + " of " + std::to_string(n), [&](const auto& x) { return f(x); }, wave({n}));
    wick_test::expect_gradient(name + " of columns, " + std::to_string(n), [&](const auto& x) { return f(x, 0); }, wave({3, n}));
  }
}
/// An operation along a dimension that keeps the shape.
template <class F>
void for_all_along(const std::string& name, const F& f, double scale) {
  expect_grad(name + " of a vector", [&](const auto& x) { return f(x, -1); }, wave({5}, scale));
  for (int d = 0; d < 3; ++d)
    expect_grad(name + " along " + std::to_string(d), [&](const auto& x) { return f(x, d); }, wave({2, 3, 2}, scale));
  expect_grad(name + " of one element", [&](const auto& x) { return f(x, 0); }, wave({1}, scale));
  expect_grad(name + " of repeats", [&](const auto& x) { return f(wick::expand(x, {2, 3}), 0); }, wave({3}, scale));
  expect_grad(name + " of nothing", [&](const auto& x) { return f(x, 0); }, wick::zeros({0}));
  expect_grad(name + " along nothing", [&](const auto& x) { return f(x, 0); }, wick::zeros({0, 2}));
  for (const int n : {8, 9, 17}) {
    wick_test::expect_gradient(name + " of " + std::to_string(n), [&](const auto& x) { return f(x, 0); }, wave({n}, scale));
    wick_test::expect_gradient(name + " of columns, " + std::to_string(n), [&](const auto& x) { return f(x, 0); }, wave({3, n}, scale));
  }
  wick_test::expect_throws_alike<wick::ShapeError>(name, "wick.op.E121", "-1", [&](const auto& x) { return f(x, 1); }, wave({3}));
  wick_test::expect_throws_alike<wick::ShapeError>(name + " of a scalar", "wick.op.E121", "-1", [&](const auto& x) { return f(x, 0); }, Tensor(1.0));
}

}  // namespace

TEST_CASE("max, min and prod: agree with finite differences", "[ad][grad]") {
  for_all_dims("max", [](const auto& x, const auto&... d) { return wick::max(x, d...); });
  for_all_dims("min", [](const auto& x, const auto&... d) { return wick::min(x, d...); });
  for_all_dims("prod", [](const auto& x, const auto&... d) { return wick::prod(x, d...); });
}

TEST_CASE("prod: with zeros, infinities and nothing", "[ad][grad]") {
  const auto f = [](const auto& x) { return wick::prod(x); };
  expect_grad("with a zero", f, Tensor{0.5, 0.0, 2.0, -1.5});
  expect_grad("with two zeros", f, Tensor{0.0, 0.3, 0.0});
  expect_grad("of columns with zeros", [](const auto& x) { return wick::prod(x, 0); }, Tensor{{0.0, 1.0}, {0.5, 2.0}, {3.0, 0.0}});
  CHECK(wick::prod(wick::zeros({0})).item() == 1.0);
  CHECK(wick::prod(Tensor{1e200, 1e-300, 1e200}).item() == Approx(1e100));
  CHECK(is_nan(wick::prod(Tensor{0.0, inf})));
  CHECK(is_nan(wick::prod(Tensor{1.0, a_nan})));
  CHECK(wick::grad(f)(Tensor{1e200, 1e200, 1e-300}).at({0}) == Approx(1e-100));
  // What leads to an adjoint of 0 leaves no trace.
  const auto masked = [](const Tensor& x) { return wick::sum(wick::where(Tensor{1, 0}, wick::prod(x, 0), 1.0)); };
  CHECK(wick::grad(masked)(Tensor{{2.0, a_nan}, {3.0, inf}}).to_vector() == V{3, 0, 2, 0});
}

TEST_CASE("max and min: ties, NaN, infinities, nothing", "[ad]") {
  CHECK(wick::max(Tensor{1, 3, 2}).item() == 3.0);
  CHECK(wick::min(Tensor{{1, 3}, {2, 0}}, 1).to_vector() == V{1, 0});
  CHECK(wick::max(Tensor{{1, 3}, {2, 0}}, 0, true).shape() == Shape{1, 2});
  CHECK(wick::max(Tensor{-inf, -inf}).item() == -inf);
  CHECK(wick::min(Tensor{inf, inf}).item() == inf);
  CHECK(wick::max(Tensor{1.0, inf, -inf}).item() == inf);
  for (const wick::Index n : {1, 3, 8, 9, 33, 70})
    for (wick::Index at = 0; at < n; ++at) {
      V v(static_cast<std::size_t>(n), 1.0);
      v[static_cast<std::size_t>(at)] = a_nan;
      const Tensor x = wick::from_values({n}, v);
      CHECK(is_nan(wick::max(x)));
      CHECK(is_nan(wick::min(x)));
      CHECK(wick::argmax(x).item() == static_cast<double>(at));
      CHECK(wick::argmin(wick::reshape(x, {n, 1}), 0).item() == static_cast<double>(at));
      v[static_cast<std::size_t>(at)] = 2.0;
      const Tensor y = wick::from_values({n}, v);
      CHECK(wick::max(y).item() == 2.0);
      CHECK(wick::argmax(y).item() == static_cast<double>(at));
      CHECK(wick::argmin(-y).item() == static_cast<double>(at));
    }
  const auto f = [](const Tensor& x) { return wick::max(x); };
  CHECK(wick::grad(f)(Tensor{2, 1, 2, 2, 2}).to_vector() == V{0.25, 0, 0.25, 0.25, 0.25});
  CHECK(wick::grad([](const Tensor& x) { return wick::sum(wick::max(x, 0)); })(wick::ones({4, 9})).to_vector() == V(36, 0.25));
  CHECK(std::isnan(wick::grad(f)(Tensor{2, a_nan}).at({1})));
  CHECK(wick::grad([](const Tensor& x) { return wick::sum(wick::where(Tensor{1, 0}, wick::max(x, 1), 0.0)); })(Tensor{{1.0, 2.0}, {a_nan, inf}}).to_vector() ==
        V{0, 1, 0, 0});
  expect_same_paths("of ties", [](const auto& x) { return wick::max(x, 0) + wick::min(x, 0); }, Tensor{{1.0, inf, a_nan}, {1.0, inf, 0.0}});
}

TEST_CASE("argmax and argmin: positions, without derivative", "[ad]") {
  const Tensor x{{1, 5, 2}, {7, 0, 7}};
  CHECK(wick::argmax(x).item() == 3.0);
  CHECK(wick::argmin(x).item() == 4.0);
  CHECK(wick::argmax(x, 0).to_vector() == V{1, 0, 1});
  CHECK(wick::argmax(x, 1).to_vector() == V{1, 0});
  CHECK(wick::argmin(x, -1, true).shape() == Shape{2, 1});
  CHECK(wick::argmax(Tensor(3.0)).item() == 0.0);
  CHECK(wick::argmax(Tensor{a_nan, 1.0, a_nan}).item() == 0.0);
  CHECK(wick::argmax(wick::zeros({0, 3}), 1).shape() == Shape{0});
  expect_grad("the largest element", [](const auto& v) { return wick::take(v, wick::argmax(v)); }, wave({5}));
  expect_grad("times its position", [](const auto& v) { return v * wick::argmin(v, 1, true); }, wave({2, 3}));
}

TEST_CASE("max and argmax: of nothing there is none", "[ad][errors]") {
  using wick_test::expect_throws_alike;
  const Tensor none = wick::zeros({0}), empty = wick::zeros({2, 0});
  expect_throws_alike<wick::ShapeError>("max", "wick.op.E141", "numel", [](const auto& x) { return wick::max(x); }, none);
  expect_throws_alike<wick::ShapeError>("min", "wick.op.E141", "numel", [](const auto& x) { return wick::min(x, 1); }, empty);
  expect_throws_alike<wick::ShapeError>("argmax", "wick.op.E141", "numel", [](const auto& x) { return wick::argmax(x); }, none);
  expect_throws_alike<wick::ShapeError>("argmin", "wick.op.E141", "numel", [](const auto& x) { return wick::argmin(x, 1); }, empty);
  expect_throws_alike<wick::ShapeError>("prod", "wick.op.E121", "-1", [](const auto& x) { return wick::prod(x, 2); }, empty);
  expect_throws_alike<wick::ShapeError>("argmax", "wick.op.E121", "-1", [](const auto& x) { return wick::argmax(x, 2); }, empty);
}

TEST_CASE("softmax and log_softmax: agree with finite differences", "[ad][grad]") {
  for_all_along("softmax", [](const auto& x, int d) { return wick::softmax(x, d); }, 2.0);
  for_all_along("log_softmax", [](const auto& x, int d) { return wick::log_softmax(x, d); }, 2.0);
}

TEST_CASE("softmax and log_softmax: far apart, infinite, undefined", "[ad]") {
  CHECK(wick::softmax(Tensor{1000, 1000, -1000}).to_vector() == V{0.5, 0.5, 0.0});
  CHECK(wick::log_softmax(Tensor{0.0, -1000.0}).at({1}) == -1000.0);
  CHECK(wick::softmax(Tensor{-inf, 1.0}).to_vector() == V{0, 1});
  CHECK(wick::log_softmax(Tensor{-inf, 1.0}).to_vector() == V{-inf, 0});
  CHECK(wick::softmax(Tensor{{-inf, 1.0}, {0.0, 1.0}}, 0).at({0, 0}) == 0.0);
  CHECK(std::isnan(wick::softmax(Tensor{-inf, -inf}).at({0})));
  CHECK(std::isnan(wick::softmax(Tensor{1.0, a_nan}).at({0})));
  CHECK(std::isnan(wick::log_softmax(Tensor{1.0, inf}).at({1})));
  const auto first = [](const Tensor& y) { return wick::sum(wick::where(Tensor{{1}, {0}}, y, 0.0) * Tensor{1.0, 2.0}); };
  for (const auto f : {+[](const Tensor& x) { return wick::softmax(x, 1); }, +[](const Tensor& x) { return wick::log_softmax(x, 1); }}) {
    const V g = wick::grad([&](const Tensor& x) { return first(f(x)); })(Tensor{{-inf, 0.5}, {a_nan, -inf}}).to_vector();
    CHECK(std::isfinite(g[0]));
    CHECK(std::isfinite(g[1]));
    CHECK((g[2] == 0.0 && g[3] == 0.0));
  }
}

TEST_CASE("cumsum and cumprod: agree with finite differences", "[ad][grad]") {
  CHECK(wick::cumsum(Tensor{1, 2, 3}).to_vector() == V{1, 3, 6});
  CHECK(wick::cumprod(Tensor{{1, 2}, {3, 4}}, 0).to_vector() == V{1, 2, 3, 8});
  for_all_along("cumsum", [](const auto& x, int d) { return wick::cumsum(x, d); }, 1.0);
  for_all_along("cumprod", [](const auto& x, int d) { return wick::cumprod(x, d); }, 1.2);
  expect_grad("cumprod with zeros", [](const auto& x) { return wick::cumprod(x); }, Tensor{0.5, 0.0, 2.0, 0.0, 1.5});
  expect_grad("cumprod of columns with zeros", [](const auto& x) { return wick::cumprod(x, 0); }, Tensor{{0.0, 2.0}, {3.0, 0.0}, {1.0, 2.0}});
  const V y = wick::cumsum(Tensor{1.0, inf, -inf, 1.0}).to_vector();
  CHECK((y[0] == 1.0 && y[1] == inf && std::isnan(y[2]) && std::isnan(y[3])));
  CHECK(wick::grad([](const Tensor& x) { return wick::sum(wick::where(Tensor{1, 1, 0}, wick::cumprod(x), 0.0)); })(Tensor{2.0, 3.0, a_nan}).to_vector() == V{4, 2, 0});
}
