#include "ad/expect_grad.hpp"

using wick::Tensor;
using wick_test::expect_grad;
using wick_test::expect_same_paths;

namespace {

using V = std::vector<double>;
const double inf = wick::detail::kInf, a_nan = wick::detail::kNaN;

/// A function of one argument on a scalar, vectors with and without a tail, a matrix, a repeated row, and nothing.
template <class F>
void for_all_shapes(const std::string& name, const F& f, double from, double to) {
  expect_grad(name + " of a scalar", f, Tensor(from + 0.3 * (to - from)));
  expect_grad(name + " of a vector", f, wick::linspace(from, to, 5));
  for (int n : {8, 13, 17}) wick_test::expect_gradient(name + " of " + std::to_string(n), f, wick::linspace(from, to, n));
  expect_grad(name + " of a matrix", f, wick::reshape(wick::linspace(from, to, 6), {2, 3}));
  expect_grad(
      name + " of a repeated row", [&](const auto& x) { return f(wick::expand(x, {2, 3})); }, wick::linspace(from, to, 3));
  expect_grad(name + " of nothing", f, wick::zeros({0}));
}
/// Of two arguments.
template <class F>
void for_all_pairs(const std::string& name, const F& f, double from, double to) {
  const double mid = from + 0.45 * (to - from), other = from + 0.8 * (to - from);
  expect_grad(name + " of scalars", f, Tensor(mid), Tensor(other));
  expect_grad(name + " of vectors", f, wick::linspace(from, to, 4), wick::linspace(to, from, 4));
  expect_grad(name + " of a vector and a scalar", f, wick::linspace(from, to, 3), Tensor(mid));
  expect_grad(name + ", broadcast", f, wick::reshape(wick::linspace(from, to, 2), {2, 1}), wick::linspace(other, mid, 3));
  wick_test::expect_gradient(name + " of 17", f, wick::linspace(from, to, 17), Tensor(other));
  expect_grad(name + " of nothing", f, wick::zeros({0}), Tensor(mid));
}
/// The first element of the gradient of a scalar and of a vector, which must agree.
template <class F>
double slope(const F& f, double x) {
  const double alone = wick::grad(f)(Tensor(x)).item();
  const double first = wick::grad([&](const Tensor& t) { return wick::sum(f(t)); })(Tensor{x, 0.5}).at({0});
  CHECK(wick_test::grad_detail::same_bits(alone, first));
  return alone;
}

}  // namespace

TEST_CASE("special functions: agree with finite differences", "[ad][grad]") {
  for_all_shapes("sin", [](const auto& x) { return wick::sin(x); }, -2.1, 2.3);
  for_all_shapes("cos", [](const auto& x) { return wick::cos(x); }, -2.1, 2.3);
  for_all_shapes("erf", [](const auto& x) { return wick::erf(x); }, -1.6, 1.7);
  for_all_shapes("erfc", [](const auto& x) { return wick::erfc(x); }, -1.6, 1.7);
  for_all_shapes("log_ndtr", [](const auto& x) { return wick::log_ndtr(x); }, -3.2, 1.4);
  for_all_shapes("log1mexp", [](const auto& x) { return wick::log1mexp(x); }, 0.3, 2.1);
  for_all_shapes("log1mexp of negative numbers", [](const auto& x) { return wick::log1mexp(x); }, -2.1, -0.3);
  for_all_shapes("relu", [](const auto& x) { return wick::relu(x); }, 0.4, 1.9);
  for_all_shapes("relu of negative numbers", [](const auto& x) { return wick::relu(x); }, -1.9, -0.4);
  for (const int n : {0, 1, 2, 3, 5})
    for_all_shapes("polygamma " + std::to_string(n), [n](const auto& x) { return wick::polygamma(n, x); }, 0.9, 4.3);
}

TEST_CASE("special functions: of two arguments agree with finite differences", "[ad][grad]") {
  for_all_pairs("lbeta", [](const auto& a, const auto& b) { return wick::lbeta(a, b); }, 0.7, 6.1);
  for_all_pairs("lbeta of large numbers", [](const auto& a, const auto& b) { return wick::lbeta(a, b); }, 9.0, 40.0);
  for_all_pairs("maximum", [](const auto& a, const auto& b) { return wick::maximum(a * a, b); }, 0.5, 2.5);
  for_all_pairs("minimum", [](const auto& a, const auto& b) { return wick::minimum(a * a, b); }, 0.5, 2.5);
}

TEST_CASE("clamp: agrees with finite differences, within its bounds and outside", "[ad][grad]") {
  const auto f = [](const auto& x, const auto& a, const auto& b) { return wick::clamp(x * x, a, b * b); };
  for (const double x : {0.4, 1.0, 2.0}) expect_grad("of scalars", f, Tensor(x), Tensor(0.5), Tensor(1.3));
  expect_grad("of a vector", f, Tensor{0.4, 1.0, 2.0, -1.1}, Tensor(0.5), Tensor(1.3));
  expect_grad("of vectors", f, Tensor{0.4, 1.0, 2.0}, Tensor{0.5, 0.6, 0.7}, Tensor{1.2, 1.1, 1.3});
  expect_grad("broadcast", f, Tensor{0.4, 1.0, 2.0}, Tensor{{0.5}, {0.7}}, Tensor(1.3));
  expect_grad("bounds in the wrong order", f, Tensor{0.4, 1.0, 2.0}, Tensor(1.7), Tensor(1.1));
  expect_grad("of nothing", f, wick::zeros({0}), Tensor(0.5), Tensor(1.3));
  wick_test::expect_gradient("of 19", f, wick::linspace(-1.62, 1.7, 19), Tensor(0.5), Tensor(1.3));
  CHECK(wick::clamp(Tensor{-5, 0.5, 5, a_nan, inf, -inf}, 0, 1).to_vector()[4] == 1.0);
  CHECK(wick::clamp(Tensor(3.0), 2.0, 1.0).item() == 1.0);
  CHECK(std::isnan(wick::clamp(Tensor(a_nan), 0, 1).item()));
  CHECK(std::isnan(wick::clamp(Tensor(0.5), a_nan, 1).item()));
  CHECK(std::isnan(wick::clamp(Tensor(0.5), 0, a_nan).item()));
  CHECK(std::isnan(wick::clamp(Tensor{0.5, 1.5, 2.0}, a_nan, 1).at({1})));
  CHECK(std::isnan(wick::clamp(Tensor{0.5, 1.5, 2.0}, 0, a_nan).at({1})));
  CHECK(std::signbit(wick::clamp(Tensor{-0.0, 1.5}, 0.0, 1.0).at({0})));  // x where it is equal to a bound
  CHECK(!std::signbit(wick::clamp(Tensor{0.0, 1.5}, -0.0, 1.0).at({0})));
  CHECK(std::signbit(wick::maximum(Tensor{0.0, 1.0}, Tensor{-0.0, 1.0}).at({0})));  // b where both are equal
  const auto unit = [](const Tensor& x) { return wick::clamp(x, 0.0, 1.0); };
  CHECK(slope(unit, 0.0) == 1.0);
  CHECK(slope(unit, 1.0) == 1.0);
  CHECK(slope(unit, 1.1) == 0.0);
  CHECK(std::isnan(slope(unit, a_nan)));
}

TEST_CASE("special functions: infinite and undefined arguments, kinks and ties", "[ad]") {
  using F = Tensor (*)(const Tensor&);
  for (const F f : {F(wick::sin), F(wick::cos), F(wick::erf), F(wick::erfc), F(wick::log_ndtr), F(wick::log1mexp), F(wick::relu)}) {
    CHECK(std::isnan(f(Tensor(a_nan)).item()));
    CHECK(std::isnan(f(Tensor{1.0, a_nan}).at({1})));
    CHECK(std::isnan(slope(f, a_nan)));
    expect_same_paths("of edges", f, Tensor{0.0, -0.0, inf, -inf, a_nan, 1e300, -1e-300, 1e6, 40.0, -40.0, 1.0});
  }
  CHECK(slope(F(wick::relu), 0.0) == 0.0);
  CHECK(slope(F(wick::relu), inf) == 1.0);
  CHECK(slope(F(wick::log1mexp), 0.0) == inf);
  CHECK(slope(F(wick::log_ndtr), inf) == 0.0);
  CHECK(slope(F(wick::log_ndtr), -1e8) == Approx(1e8));
  CHECK(slope(F(wick::erf), inf) == 0.0);
  const auto pair = [](bool larger, double a, double b) {
    const auto g = wick::grad([&](const Tensor& x, const Tensor& y) { return larger ? wick::maximum(x, y) : wick::minimum(x, y); })(Tensor(a), Tensor(b));
    return std::pair(g[0].item(), g[1].item());
  };
  for (const bool larger : {true, false}) {
    CHECK(pair(larger, 2.0, 2.0) == std::pair(0.5, 0.5));
    CHECK(pair(larger, inf, inf) == std::pair(0.5, 0.5));
    CHECK(std::isnan(pair(larger, a_nan, 2.0).first));
  }
  CHECK(wick::maximum(Tensor{1.0, a_nan, 3.0, inf}, Tensor{2.0, 0.0, a_nan, 1.0}).to_vector()[3] == inf);
  CHECK(std::isnan(wick::maximum(Tensor(1.0), Tensor(a_nan)).item()));
  CHECK(std::isnan(wick::minimum(Tensor(a_nan), Tensor(1.0)).item()));
  // What leads to an adjoint of 0 leaves no trace.
  const auto masked = [](const Tensor& x) { return wick::sum(wick::where(Tensor{1, 0, 0}, x, wick::log1mexp(x) + wick::sin(x) + wick::lbeta(x, x))); };
  const Tensor g = wick::grad(masked)(Tensor{0.5, 1.0, 1.0});
  CHECK(std::isfinite(wick::sum(g).item()));
  CHECK(wick::grad([](const Tensor& x) { return wick::sum(wick::where(Tensor{0, 1}, wick::log1mexp(x), x)); })(Tensor{0.0, 1.0}).at({0}) == 1.0);
}

TEST_CASE("floor and round: values without derivative", "[ad]") {
  const Tensor x{-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, 1e300, inf, -inf};
  CHECK(wick::floor(x).to_vector() == V{-3, -2, -1, 0, 1, 2, 2, 1e300, inf, -inf});
  CHECK(wick::round(x).to_vector() == V{-2, -2, 0, 0, 2, 2, 2, 1e300, inf, -inf});
  CHECK(std::isnan(wick::floor(Tensor(a_nan)).item()));
  CHECK(std::isnan(wick::round(Tensor{a_nan, 1.0}).at({0})));
  CHECK(!std::signbit(wick::floor(Tensor{-0.0, 1.0}).at({0})));
  const double half = 2251799813685248.5;  // the largest fractions
  CHECK(wick::floor(Tensor{half, -half, half + 1, 2 * half}).to_vector() == V{half - 0.5, -half - 0.5, half + 0.5, 2 * half});
  CHECK(wick::round(Tensor{half, -half, half + 1, 2 * half}).to_vector() == V{half - 0.5, -half + 0.5, half + 1.5, 2 * half});
  CHECK(wick::floor(Tensor(-half)).item() == -half - 0.5);
  CHECK(wick::round(Tensor(half)).item() == half - 0.5);
  CHECK(!std::signbit(wick::round(Tensor{-0.3, 1.0}).at({0})));
  const auto stepped = [](const auto& t) { return t * wick::floor(t) + wick::round(t) * t; };
  expect_grad("floor and round", stepped, Tensor{-1.7, 0.2, 2.3});
  expect_grad("floor and round of a scalar", stepped, Tensor(1.7));
  expect_grad("floor and round of nothing", stepped, wick::zeros({0}));
}

TEST_CASE("special functions: errors", "[ad][errors]") {
  wick_test::expect_throws_alike<wick::DomainError>(
      "polygamma", "wick.op.E140", "polygamma(0, x)", [](const auto& x) { return wick::polygamma(-1, x); }, Tensor{1.0, 2.0});
  wick_test::expect_throws_alike<wick::ShapeError>(
      "clamp", "wick.op.E120", "reshape", [](const auto& x, const auto& a) { return wick::clamp(x, a, 1.0); }, Tensor{1.0, 2.0}, Tensor{1, 2, 3});
  wick_test::expect_throws_alike<wick::UsageError>(
      "sin of the empty tensor", "wick.tensor.E100", "value", [](const auto& x) { return x + wick::sin(Tensor()); }, Tensor{1.0});
}
