// jvp, hvp, hessian and jacobian as users call them. That every operation has its second derivative is in its own line of expect_grad.
#include "ad/expect_grad.hpp"

#include <wick/ad/custom_op.hpp>
#include <wick/dist/dist.hpp>

using namespace wick;
using namespace wick_test;

namespace {

void check_near(const Tensor& got, const Tensor& wanted, double tolerance = 1e-12) {
  REQUIRE(got.shape() == wanted.shape());
  for (Index i = 0; i < got.numel(); ++i) {
    INFO("element " << i << ": " << got.data()[i] << ", wanted " << wanted.data()[i]);
    CHECK(std::abs(got.data()[i] - wanted.data()[i]) <= tolerance * (1 + std::abs(wanted.data()[i])));
  }
}

}  // namespace

TEST_CASE("hessian: of a quadratic form is its matrix, of Rosenbrock's function the textbook's", "[ad][second]") {
  const Tensor a{{2, 1, 0}, {1, 3, -1}, {0, -1, 4}};
  const Tensor x{0.3, -1.0, 2.0};
  check_near(hessian([&](const Tensor& v) { return 0.5 * sum(v * matmul(a, v)); })(x), a);
  const auto rosenbrock = [](const Tensor& v) {
    const Tensor p = take(v, 0), q = take(v, 1);
    return square(1.0 - p) + 100.0 * square(q - p * p);
  };
  const double p = 0.7, q = -0.4;
  check_near(hessian(rosenbrock)(Tensor{p, q}), Tensor{{2 - 400 * (q - 3 * p * p), -400 * p}, {-400 * p, 200.0}});
  CHECK(hessian([](const Tensor& v) { return v * v * v; })(2.0).item() == Approx(12.0));  // of a single number, a single number
}

TEST_CASE("hessian: a normal log density in its parameters has the Fisher information in the mean", "[ad][second]") {
  const Tensor data{0.2, -0.5, 1.4, 0.9};
  const double m = 0.3, s = 0.8;
  const auto f = [&](const Tensor& v) { return Normal(take(v, 0), take(v, 1)).log_prob_sum(data); };
  double d1 = 0, d2 = 0;
  for (const double x : data.to_vector()) {
    d1 += x - m;
    d2 += (x - m) * (x - m);
  }
  check_near(hessian(f)(Tensor{m, s}), Tensor{{-4 / (s * s), -2 * d1 / (s * s * s)}, {-2 * d1 / (s * s * s), 4 / (s * s) - 3 * d2 / (s * s * s * s)}});
}

TEST_CASE("hvp: equals the Hessian times the direction, for several arguments too", "[ad][second]") {
  const auto f = [](const Tensor& x, const Tensor& y) { return sum(exp(x) * y) + logsumexp(x * y); };
  const Tensor x{0.1, -0.4}, y{1.5, 0.3}, u{1.0, 2.0}, v{-0.5, 0.25};
  const auto joined = [&](const Tensor& z) { return f(slice(z, 0, 0, 2), slice(z, 0, 2, 4)); };
  const Tensor z = cat({x, y}, 0), w = cat({u, v}, 0);
  const auto [hx, hy] = hvp(f)(x, y, u, v);
  check_near(cat({hx, hy}, 0), matmul(hessian(joined)(z), w));
  check_near(hvp(joined)(z, w), matmul(hessian(joined)(z), w));
}

TEST_CASE("jvp and jacobian: of the same function agree, whichever way is shorter", "[ad][second]") {
  const Tensor a{{1, 2}, {3, 4}, {5, 6}};
  const auto wide = [&](const Tensor& x) { return tanh(matmul(a, x)); };             // 2 to 3
  const auto narrow = [&](const Tensor& x) { return matmul(transpose(a), sqrt(x)); };  // 3 to 2
  const Tensor x2{0.1, -0.2}, x3{0.5, 1.0, 2.0}, d2{1.0, -1.0}, d3{0.3, 0.2, -0.1};
  const auto [y, dy] = jvp(wide)(x2, d2);
  check_near(y, wide(x2), 0.0);
  check_near(dy, matmul(jacobian(wide)(x2), d2));
  check_near(jvp(narrow)(x3, d3).second, matmul(jacobian(narrow)(x3), d3));
  CHECK(jacobian(wide)(x2).shape() == Shape{3, 2});
  CHECK(jacobian([](const Tensor& x) { return sum(x); })(x3).shape() == Shape{3});
  // An operation without tangents goes backwards, although forwards were shorter.
  const auto twice = custom_op("twice", [](const Tensor& x) { return 2.0 * x; }, [](const Tensor& g, const Tensor&, const Tensor&) { return 2.0 * g; });
  check_near(jacobian([&](const Tensor& x) { return outer(twice(x), Tensor{1.0, 3.0}); })(x2), Tensor{{{2, 0}, {6, 0}}, {{0, 2}, {0, 6}}}, 0.0);
  check_near(jacobian([](const Tensor&) { return Tensor{1.0, 2.0}; })(x3), zeros({2, 3}), 0.0);  // depends on nothing
  check_near(jacobian([](const Tensor& x) { return expand(x, {2}); })(3.0), ones({2}), 0.0);
  check_near(jvp([](const Tensor& x) { return expand(x, {2}); })(3.0, 0.5).second, full({2}, 0.5), 0.0);
}

TEST_CASE("second order: constants and masked elements leave no trace, even where they are NaN", "[ad][second]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor data{1.0, nan, 2.0}, mask{1, 0, 1};
  const auto f = [&](const Tensor& m) { return Normal(m, 1.0).log_prob_sum(data, 1.0, mask); };
  CHECK(hessian(f)(0.5).item() == Approx(-2.0));
  CHECK(hessian([](const Tensor& x) { return where(x > 0.0, x * x, sqrt(x)); })(Tensor(1.5)).item() == Approx(2.0));
}

TEST_CASE("second order: what cannot be had says so", "[ad][second][errors]") {
  const auto report = expect_error<ShapeError>([] { hvp([](const Tensor& x) { return sum(x); })(Tensor{1, 2}, Tensor{1, 2, 3}); }, "wick.ad.E132", "", "one direction");
  INFO(report.text);
  CHECK(report.ok);
  const auto scalar = expect_error<ShapeError>([] { hessian([](const Tensor& x) { return x; })(Tensor{1, 2}); }, "wick.ad.E130", "", "sum(y)");
  INFO(scalar.text);
  CHECK(scalar.ok);
  // Draws of a gamma distribution are differentiated once.
  const auto gamma = expect_error<UsageError>([] { hessian([](const Tensor& a) { return Gamma(a, 1.0).sample(); })(2.0); }, "wick.ad.E131", "", "use grad");
  INFO(gamma.text);
  CHECK(gamma.ok);
}
