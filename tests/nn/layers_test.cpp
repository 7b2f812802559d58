#include "ad/expect_grad.hpp"
#include "nn_test.hpp"

using namespace wick_test;

namespace {

double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

}  // namespace

TEST_CASE("linear: value, gradient and Hessian for any leading shape", "[nn][linear]") {
  const auto f = [](const Tensor& x, const Tensor& w, const Tensor& b) { return linear(x, w, b); };
  const auto without = [](const Tensor& x, const Tensor& w) { return square(linear(x, w)); };
  const Tensor w = some({3, 2}, 1), b = some({3}, 2);
  expect_grad("linear vector", f, some({2}), w, b);
  expect_grad("linear matrix", f, some({4, 2}), w, b);
  expect_grad("linear of three dimensions, squared", without, some({2, 2, 2}), w);
  expect_grad("linear with one output", f, some({3, 2}), some({1, 2}, 1), some({1}, 2));
  expect_gradient("linear of many", f, some({9, 12}), some({17, 12}, 1), some({17}, 2));
  expect_same_paths("linear of no rows", f, zeros({0, 2}), w, b);
  CHECK(distance(linear(some({5, 2}), w, b), matmul(some({5, 2}), transpose(w)) + b) < 1e-14);
  CHECK(linear(zeros({0, 2}), w, b).shape() == Shape{0, 3});
  // What a mask hides may be anything.
  const auto masked = [&](const Tensor& x) { return sum(where(Tensor{{1}, {0}}, linear(x, w, b), 0.0)); };
  CHECK(numbers(grad(masked)(Tensor{{1, 2}, {detail::kNaN, 1}})).back() == 0.0);
  expect_throws_alike<ShapeError>("linear", "wick.nn.E510", "last dimension", f, some({3}), w, b);
  expect_throws_alike<ShapeError>("linear", "wick.nn.E510", "one number an output", f, some({2}), w, some({2}));
}

TEST_CASE("activations: values and gradients", "[nn][activation]") {
  const Tensor x{-2.5, -0.3, 0.4, 3.0};
  const auto check = [&](const char* name, auto layer, auto plain_function) {
    expect_grad(name, [&](const Tensor& t) { return layer(t); }, x);
    for (Index i = 0; i < 4; ++i) CHECK(std::abs(layer(x).at({i}) - plain_function(x.at({i}))) < 1e-15 * 4);
  };
  check("relu", ReLU(), [](double a) { return std::max(a, 0.0); });
  check("tanh", Tanh(), [](double a) { return std::tanh(a); });
  check("sigmoid", Sigmoid(), logistic);
  check("softplus", Softplus(), [](double a) { return std::log1p(std::exp(a)); });
  check("leaky_relu", LeakyReLU{0.2}, [](double a) { return a > 0 ? a : 0.2 * a; });
  check("elu", ELU{1.5}, [](double a) { return a > 0 ? a : 1.5 * std::expm1(a); });
  check("gelu", GELU(), [](double a) { return 0.5 * a * std::erfc(-a / std::sqrt(2.0)); });
  check("silu", SiLU(), [](double a) { return a * logistic(a); });
  CHECK(elu(800.0).item() == 800.0);
  CHECK(grad([](const Tensor& t) { return elu(t); })(Tensor(800.0)).item() == 1.0);
  CHECK(std::abs(sum(Softmax()(x)).item() - 1) < 1e-15);
  CHECK(distance(exp(LogSoftmax()(x)), Softmax()(x)) < 1e-15);
  CHECK(same(Identity()(x), x));
}

TEST_CASE("init: laws, shapes and errors", "[nn][init]") {
  const Key key{1, 2};
  const auto moments = [&](const Init& f, const Shape& s) {
    const Tensor v = f(s, key);
    return std::make_pair(mean(v).item(), std::sqrt(mean(square(v)).item()));
  };
  const Shape s{200, 50};
  const auto law = [&](const Init& f, double sd, double bound) {
    const auto [m, r] = moments(f, s);
    CHECK(std::abs(m) < 0.05 * sd);
    CHECK(std::abs(r - sd) < 0.03 * sd);  // four standard errors of 10,000 draws at most
    if (bound > 0) CHECK(max(abs(f(s, key))).item() <= bound);
  };
  law(init::fan_in(), 1 / std::sqrt(150.0), 1 / std::sqrt(50.0));
  law(init::xavier_uniform(2.0), 2 * std::sqrt(2.0 / 250), 2 * std::sqrt(6.0 / 250));
  law(init::xavier_normal(), std::sqrt(2.0 / 250), 0);
  law(init::kaiming_uniform(), std::sqrt(2.0 / 50), std::sqrt(6.0 / 50));
  law(init::kaiming_normal(1.0), std::sqrt(1.0 / 50), 0);
  law(init::uniform(-3, 3), std::sqrt(3.0), 3);
  law(init::normal(0, 2), 2, 0);
  for (const Shape& shape : {Shape{4, 4}, Shape{3, 7}, Shape{7, 3}}) {
    const Tensor q = init::orthogonal(2.0)(shape, key);
    const Tensor gram = shape[0] <= shape[1] ? matmul(q, transpose(q)) : matmul(transpose(q), q);
    CHECK(distance(gram, 4.0 * init::identity()(gram.shape(), key)) < 1e-13);
  }
  CHECK(numbers(init::identity()({2, 3}, key)) == Numbers{1, 0, 0, 0, 1, 0});
  CHECK(numbers(init::constant(3)({2}, key)) == Numbers{3, 3});
  CHECK(numbers(init::uniform(1, 1)({0}, key)).empty());
  const auto matrix = expect_error<ShapeError>([&] { return init::orthogonal()({3}, key); }, "wick.nn.E505", "", "init::uniform");
  const auto value = expect_error<ShapeError>([&] { return Init(Tensor{1, 2})({3}, key); }, "wick.nn.E506", "", "parameter's shape");
  INFO(matrix.text << value.text);
  CHECK((matrix.ok && value.ok));
}

TEST_CASE("Linear: begins as PyTorch's, and options", "[nn][linear]") {
  const FreshStore fresh;
  const Linear net(100, 50);
  CHECK(max(abs(net.weight)).item() <= 0.1);
  CHECK(max(abs(net.weight)).item() > 0.099);
  CHECK(max(abs(net.bias)).item() <= 0.1);
  const Linear bare(2, 2, {.bias = false, .weight_init = init::identity()});
  CHECK(bare.bias.empty());
  CHECK(same(bare(Tensor{3, 4}), Tensor{3, 4}));
  const Linear rates(1, 2, {.weight_init = 0.5, .weight_constraint = constraints::positive});
  module("rates", rates);
  CHECK(std::abs(param_store().at("rates$$$weight").unconstrained().data()[0] - std::log(0.5)) < 1e-15);
  const Linear first(3, 3), second(3, 3);
  CHECK_FALSE(same(first.get("weight"), second.get("weight")));  // also outside stores
}

TEST_CASE("Sequential: names by place, functions as layers", "[nn][sequential]") {
  const auto net = Sequential(Linear(2, 3), ReLU(), Sequential(Linear(3, 3), Tanh()), [](const Tensor& x) { return 2 * x; });
  CHECK(net.parameter_names() == std::vector<std::string>{"0.weight", "0.bias", "2.0.weight", "2.0.bias"});
  const Tensor x = some({4, 2}), h = relu(linear(x, net.get("0.weight"), net.get("0.bias")));
  CHECK(same(net(x), 2 * tanh(linear(h, net.get("2.0.weight"), net.get("2.0.bias")))));
  CHECK(net.size() == 4);
  CHECK(same(Sequential()(x), x));
}
