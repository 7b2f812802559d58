// custom_op and check_grad.
#include "ad/expect_grad.hpp"

#include <wick/ad/check_grad.hpp>
#include <wick/ad/custom_op.hpp>
#include <wick/ad/matmul.hpp>

#include "support/alloc_counter.hpp"

using namespace wick;
using namespace wick_test;

namespace {

const auto cube = custom_op("cube", [](const Tensor& x) { return x * x * x; }, [](const Tensor& g, const Tensor&, const Tensor& x) { return 3.0 * g * x * x; });
/// x y / (x + y), element by element, of arguments of one shape.
const auto parallel = custom_op(
    "parallel", [](const Tensor& x, const Tensor& y) { return x * y / (x + y); },
    [](const Tensor& g, const Tensor&, const Tensor& x, const Tensor& y) {
      const Tensor s = square(x + y);
      return std::array<Tensor, 2>{g * y * y / s, g * x * x / s};
    });

}  // namespace

TEST_CASE("custom_op: value and gradient are those of the two functions", "[ad][custom]") {
  expect_gradient("cube of a number", [](const Tensor& x) { return cube(x); }, Tensor(0.7));
  expect_gradient("cube", [](const Tensor& x) { return cube(x); }, Tensor{{0.5, -1.0}, {2.0, 0.3}});
  expect_gradient("of nothing", [](const Tensor& x) { return cube(x); }, zeros({0, 2}));
  expect_gradient("parallel", [](const Tensor& x, const Tensor& y) { return parallel(x, y); }, Tensor{1.0, 2.0}, Tensor{0.5, 3.0});
  expect_gradient("expanded", [](const Tensor& x) { return cube(expand(x, {3})); }, Tensor(0.7));
  expect_gradient("twice", [](const Tensor& x) { return cube(cube(x)) + x; }, Tensor{0.5, -1.0});
}

TEST_CASE("custom_op: a function may return its argument, and what it captures lives as long as the recording", "[ad][custom]") {
  const auto same = custom_op("same", [](const Tensor& x) { return x; }, [](const Tensor& g, const Tensor&, const Tensor&) { return g; });
  expect_gradient("same", [&](const Tensor& x) { return same(x) * x; }, Tensor{1.0, 2.0});
  const auto f = [](const Tensor& x) {
    const Tensor weights{1.0, 2.0, 3.0};  // gone before the reverse loop
    return sum(custom_op("weigh", [weights](const Tensor& v) { return weights * v; }, [weights](const Tensor& g, const Tensor&, const Tensor&) { return g * weights; })(x));
  };
  const Tensor g = grad(f)(Tensor{4, 5, 6});
  CHECK(g.to_vector() == std::vector<double>{1, 2, 3});
}

TEST_CASE("custom_op: a step that uses one allocates nothing", "[ad][custom][alloc]") {
  const Tensor x{1.0, 2.0};
  const auto step = [&] { return grad([](const Tensor& v) { return sum(cube(v)); })(x); };
  for (int i = 0; i < 10; ++i) step();
  const AllocationGuard guard;
  for (int i = 0; i < 100; ++i) step();
  CHECK(guard.count() == 0);
}

TEST_CASE("custom_op: what its functions return is checked", "[ad][custom][errors]") {
  const auto check = [](const ErrorReport& r) {
    INFO(r.text);
    CHECK(r.ok);
  };
  const auto narrow = custom_op("narrow", [](const Tensor& x) { return x; }, [](const Tensor& g, const Tensor&, const Tensor&) { return sum(g); });
  check(expect_error<ShapeError>([&] { grad([&](const Tensor& x) { return sum(narrow(x)); })(Tensor{1, 2}); }, "wick.ad.E134", "", "argument's own shape"));
  const auto nothing = custom_op("nothing", [](const Tensor&) { return Tensor(); }, [](const Tensor& g, const Tensor&, const Tensor&) { return g; });
  check(expect_error<UsageError>([&] { nothing(1.0); }, "wick.ad.E133", "", "return a number"));
  check(expect_error<UsageError>([&] { cube(Tensor()); }, "wick.tensor.E100", "", "value"));
  check(expect_error<UsageError>([&] { hessian([](const Tensor& x) { return cube(x); })(2.0); }, "wick.ad.E131", "", "use grad"));
}

TEST_CASE("check_grad: finds a wrong adjoint, and nothing wrong with a right one", "[ad][custom]") {
  CHECK(check_grad(cube, Tensor{0.5, -1.0, 2.0}));
  CHECK(check_grad([](const Tensor& x, const Tensor& y) { return exp(x) * y; }, Tensor{0.5, -1.0}, 0.3).worst < 1e-9);
  CHECK(check_grad([](const Tensor& a, const Tensor& b) { return matmul(a, b); }, Tensor{{1, 2}, {3, 4}}, Tensor{{0.1, 0.2}, {0.3, -0.4}}));
  const auto wrong = custom_op("wrong", [](const Tensor& x) { return x * x * x; }, [](const Tensor& g, const Tensor&, const Tensor& x) { return 3.001 * g * x * x; });
  const GradCheck found = check_grad(wrong, Tensor{0.5, -1.0});
  CHECK_FALSE(found.ok);
  CHECK(found.worst == Approx(0.001 / 3).epsilon(1e-3));
  CHECK(found.text.find("argument 0, element 1") != std::string::npos);
  CHECK(check_grad({.tolerance = 0.01}, wrong, Tensor{0.5, -1.0}));
}
