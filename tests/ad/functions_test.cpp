#include "ad/expect_grad.hpp"

#include <wick/ad/fuse.hpp>

using wick::Tensor;
using wick_test::expect_grad;

namespace {

/// A function of one argument on a scalar, every vector length up to 17 (all tails), a matrix, a repeated row, and
/// nothing.
template <class F>
void for_all_sizes(const std::string& name, const F& f, double from, double to) {
  expect_grad(name + " of a scalar", f, Tensor(from + 0.3 * (to - from)));
  expect_grad(name + " of a vector", f, wick::linspace(from, to, 5));
  for (int n = 1; n <= 17; ++n)
    wick_test::expect_gradient(name + " of " + std::to_string(n), f, wick::linspace(from, to, n));
  expect_grad(name + " of a matrix", f, wick::reshape(wick::linspace(from, to, 6), {2, 3}));
  expect_grad(
      name + " of a repeated row",
      [&](const auto& x) {
        return f(wick::expand(x, {2, 3}));
      },
      wick::linspace(from, to, 3));
  expect_grad(name + " of nothing", f, wick::zeros({0}));
  // Beyond a chunk, against the scalar form.
  const Tensor x = wick::linspace(from, to, 5001);
  const auto [v, g] = wick::value_and_grad([&](const Tensor& t) { return wick::sum(f(t)); })(x);
  const Tensor y = f(x);
  std::size_t wrong = 0;
  for (wick::Index i = 0; i < x.numel(); i += 7) {
    const auto [vi, gi] = wick::value_and_grad([&](const Tensor& t) { return f(t); })(Tensor(x.at({i})));
    if (std::abs(vi.item() - y.at({i})) > 4e-15 * std::abs(vi.item())) ++wrong;
    if (std::abs(gi.item() - g.at({i})) > 1e-14 * std::abs(gi.item())) ++wrong;
  }
  INFO(name);
  CHECK(wrong == 0);
}

double nan_of(const Tensor& t) { return std::isnan(t.item()) ? 1 : 0; }

}  // namespace

TEST_CASE("functions: exponentials and logarithms agree with finite differences", "[ad][grad]") {
  for_all_sizes(
      "exp", [](const auto& x) { return wick::exp(x); }, -2.1, 2.3);
  for_all_sizes(
      "log", [](const auto& x) { return wick::log(x); }, 0.4, 5.2);
  for_all_sizes(
      "log1p", [](const auto& x) { return wick::log1p(x); }, -0.6, 4.2);
  for_all_sizes(
      "expm1", [](const auto& x) { return wick::expm1(x); }, -1.6, 1.7);
}

TEST_CASE("functions: roots, squares and absolute values agree with finite differences", "[ad][grad]") {
  for_all_sizes(
      "sqrt", [](const auto& x) { return wick::sqrt(x); }, 0.5, 6.2);
  for_all_sizes(
      "square", [](const auto& x) { return wick::square(x); }, -2.4, 1.5);
  for_all_sizes(
      "abs", [](const auto& x) { return wick::abs(x); }, 0.4, 1.5);
  for_all_sizes(
      "abs of negative numbers", [](const auto& x) { return wick::abs(x); }, -2.4, -0.4);
  for_all_sizes(
      "negation", [](const auto& x) { return -x; }, -2.4, 1.5);
}

TEST_CASE("functions: tanh, sigmoid and softplus agree with finite differences", "[ad][grad]") {
  for_all_sizes(
      "tanh", [](const auto& x) { return wick::tanh(x); }, -1.4, 1.2);
  for_all_sizes(
      "sigmoid", [](const auto& x) { return wick::sigmoid(x); }, -3.1, 2.9);
  for_all_sizes(
      "softplus", [](const auto& x) { return wick::softplus(x); }, -3.1, 2.9);
}

TEST_CASE("functions: lgamma and digamma agree with finite differences", "[ad][grad]") {
  for_all_sizes(
      "lgamma", [](const auto& x) { return wick::lgamma(x); }, 0.6, 7.3);
  for_all_sizes(
      "digamma", [](const auto& x) { return wick::digamma(x); }, 0.7, 7.3);
}

TEST_CASE("functions: values and gradients at the edges", "[ad]") {
  const double inf = wick::detail::kInf, nan = wick::detail::kNaN;
  const auto grad = [](const auto& f, double x) { return wick::grad(f)(Tensor(x)).item(); };
  const auto grad_of_vector = [](const auto& f, double x) {
    return wick::grad([&](const Tensor& t) { return wick::sum(f(t)); })(Tensor{x, 1.0}).at({0});
  };
  CHECK(wick::log(Tensor(0.0)).item() == -inf);
  CHECK(nan_of(wick::log(Tensor(-1.0))) == 1);
  CHECK(nan_of(wick::sqrt(Tensor(-1.0))) == 1);
  CHECK(wick::exp(Tensor(-inf)).item() == 0.0);
  CHECK(wick::exp(Tensor(inf)).item() == inf);
  for (const auto& f :
       {+[](const Tensor& x) { return wick::exp(x); }, +[](const Tensor& x) { return wick::log(x); },
        +[](const Tensor& x) { return wick::tanh(x); }, +[](const Tensor& x) { return wick::sigmoid(x); },
        +[](const Tensor& x) { return wick::softplus(x); }, +[](const Tensor& x) { return wick::lgamma(x); },
        +[](const Tensor& x) { return wick::abs(x); }, +[](const Tensor& x) { return wick::sqrt(x); }}) {
    CHECK(std::isnan(f(Tensor(nan)).item()));
    CHECK(std::isnan(f(Tensor{1.0, nan}).at({1})));
    CHECK(std::isnan(grad(f, nan)));
    CHECK(std::isnan(grad_of_vector(f, nan)));
  }
  const auto absolute = [](const Tensor& x) { return wick::abs(x); };
  CHECK(grad(absolute, 0.0) == 0.0);
  CHECK(grad_of_vector(absolute, -0.0) == 0.0);
  const auto root = [](const Tensor& x) { return wick::sqrt(x); };
  CHECK(grad(root, 0.0) == inf);
  CHECK(grad_of_vector(root, 0.0) == inf);
  // Both tails of the sigmoid keep their relative accuracy.
  const auto sigmoid = [](const Tensor& x) { return wick::sigmoid(x); };
  for (const double x : {-700.0, -40.0, 40.0, 700.0}) {
    CHECK(grad(sigmoid, x) == Approx(std::exp(-std::abs(x))).epsilon(1e-14));
    CHECK(grad_of_vector(sigmoid, x) == Approx(std::exp(-std::abs(x))).epsilon(1e-14));
  }
}

TEST_CASE("functions: slopes keep their digits where the function is flat", "[ad][grad]") {
  // The tape's scalar and vector form, and fuse.
  const auto check = [](const char* name, const auto& f, double x, double expected) {
    INFO(name << " at " << x << ", expected " << expected);
    // The derivative's own condition: exp turns the rounding of its argument, 2 |x| ulp, into a relative error.
    const double allowed = (4e-15 + 4e-16 * std::abs(x)) * std::abs(expected);
    const double scalar = wick::grad([&](const Tensor& t) { return f(t); })(Tensor(x)).item();
    const double vector = wick::grad([&](const Tensor& t) { return wick::sum(f(t)); })(Tensor{0.25, x, -0.1}).at({1});
    const double fused = wick::grad([&](const Tensor& t) { return wick::fuse_sum(f, t); })(Tensor{0.25, x, -0.1}).at({1});
    CHECK(std::abs(scalar - expected) <= allowed);
    CHECK(std::abs(vector - expected) <= allowed);
    CHECK(std::abs(fused - expected) <= allowed);
  };
  const auto hyperbolic = [](const auto& x) { return tanh(x); };
  const auto exponential = [](const auto& x) { return expm1(x); };
  const auto logistic = [](const auto& x) { return sigmoid(x); };
  const auto plus = [](const auto& x) { return softplus(x); };
  const auto logarithm = [](const auto& x) { return log1p(x); };
  for (const double x : {0.0, 0.3, 1.0, 1.4, 1.47, 1.48, 2.0, 5.0, 15.0, 18.0, 25.0, 300.0, 354.0, 800.0})
    for (const double s : {-1.0, 1.0}) {
      const long double e = std::exp(-2.0L * static_cast<long double>(x));
      check("tanh", hyperbolic, s * x, static_cast<double>(4 * e / ((1 + e) * (1 + e))));
      const long double r = std::exp(-static_cast<long double>(x));
      if (x < 700) check("sigmoid", logistic, s * x, static_cast<double>(r / ((1 + r) * (1 + r))));
      if (x < 700) check("softplus", plus, s * x, static_cast<double>(s > 0 ? 1 / (1 + r) : r / (1 + r)));
    }
  for (const double x : {-700.0, -50.0, -38.0, -36.0, -5.0, -0.7, -0.69, -0.1, 0.0, 2.0, 30.0, 700.0}) check("expm1", exponential, x, std::exp(x));
  for (const double x : {-1 + 0x1p-50, -0.999, -0.5, 1e-20, 3.0, 1e300})
    check("log1p", logarithm, x, static_cast<double>(1 / (1 + static_cast<long double>(x))));
}

TEST_CASE("functions: the slope of pow where the power itself under- or overflows", "[ad][grad]") {
  const auto check = [](double x, double y, double expected) {
    INFO(x << "^" << y << ", expected " << expected);
    const auto power = [y](const auto& a) { return pow(a, y); };
    const auto both = [](const auto& a, const auto& b) { return pow(a, b); };
    const auto near = [&](double actual) { CHECK(((actual == expected) || std::abs(actual - expected) <= 2e-15 * std::abs(expected))); };
    near(wick::grad([&](const Tensor& t) { return power(t); })(x).item());
    near(wick::grad([&](const Tensor& t) { return wick::sum(power(t)); })(Tensor{1.0, x, 2.0}).at({1}));
    near(wick::grad([&](const Tensor& t) { return wick::fuse_sum(power, t); })(Tensor{1.0, x, 2.0}).at({1}));
    near(wick::grad([&](const Tensor& t, const Tensor& u) { return wick::fuse_sum(both, t, u); })(x, y)[0].item());
    near(wick::grad([&](const Tensor& t, const Tensor& u) { return both(t, u); })(x, y)[0].item());
  };
  check(1e-200, 2.0, 2e-200);
  check(-1e-200, 2.0, -2e-200);
  check(1e200, 2.0, 2e200);
  check(1e154, 2.0, 2e154);
  check(1e-160, 2.0, 2e-160);  // the square is subnormal
  check(1e-310, 1.0, 1.0);
  check(3.0, 0.0, 0.0);
  check(0.0, 0.0, 0.0);
  check(0.0, 1.0, 1.0);
  check(0.0, 2.0, 0.0);
  check(-2.0, 3.0, 12.0);
  check(2.0, -1.0, -0.25);
}

TEST_CASE("functions: pow at 0, where its partial derivatives are limits", "[ad]") {
  const auto f = [](const Tensor& a, const Tensor& b) { return wick::pow(a, b); };
  const auto g = [&](double a, double b) {
    const auto [x, y] = wick::value_and_grad(f)(Tensor(a), Tensor(b)).second;
    const auto vector = wick::grad([&](const Tensor& p, const Tensor& q) { return wick::sum(f(p, q)); })(
        Tensor{a, 1.0}, Tensor{b, 1.0});
    CHECK(vector[0].at({0}) == x.item());
    CHECK(vector[1].at({0}) == y.item());
    return std::pair(x.item(), y.item());
  };
  CHECK(g(0.0, 2.0) == std::pair(0.0, 0.0));
  CHECK(g(0.0, 1.0) == std::pair(1.0, 0.0));
  CHECK(g(0.0, 0.0).first == 0.0);
  CHECK(g(3.0, 0.0).first == 0.0);
  CHECK(g(3.0, 0.0).second == Approx(std::log(3.0)).epsilon(1e-15));
  CHECK(wick::grad([](const Tensor& a) { return wick::pow(a, 2.0); })(Tensor(-3.0)).item() == -6.0);
}
