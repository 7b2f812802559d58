#include "ad/expect_grad.hpp"
#include "nn_test.hpp"

using namespace wick_test;

namespace wick_test {
Numbers recurrent_outputs(char kind);
}

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
  law(initializers::fan_in(), 1 / std::sqrt(150.0), 1 / std::sqrt(50.0));
  law(initializers::xavier_uniform(2.0), 2 * std::sqrt(2.0 / 250), 2 * std::sqrt(6.0 / 250));
  law(initializers::xavier_normal(), std::sqrt(2.0 / 250), 0);
  law(initializers::kaiming_uniform(), std::sqrt(2.0 / 50), std::sqrt(6.0 / 50));
  law(initializers::kaiming_normal(1.0), std::sqrt(1.0 / 50), 0);
  law(initializers::uniform(-3, 3), std::sqrt(3.0), 3);
  law(initializers::normal(0, 2), 2, 0);
  for (const Shape& shape : {Shape{4, 4}, Shape{3, 7}, Shape{7, 3}}) {
    const Tensor q = initializers::orthogonal(2.0)(shape, key);
    const Tensor gram = shape[0] <= shape[1] ? matmul(q, transpose(q)) : matmul(transpose(q), q);
    CHECK(distance(gram, 4.0 * initializers::identity()(gram.shape(), key)) < 1e-13);
  }
  CHECK(numbers(initializers::identity()({2, 3}, key)) == Numbers{1, 0, 0, 0, 1, 0});
  CHECK(numbers(initializers::constant(3)({2}, key)) == Numbers{3, 3});
  CHECK(numbers(initializers::uniform(1, 1)({0}, key)).empty());
  const auto matrix = expect_error<ShapeError>([&] { return initializers::orthogonal()({3}, key); }, "wick.nn.E505", "", "initializers::uniform");
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
  const Linear bare(2, 2, {.bias = false, .weight_init = initializers::identity()});
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

TEST_CASE("LayerNorm: value, gradient, errors", "[nn][layer_norm]") {
  const LayerNorm net(3), wide(Shape{2, 3}, {.eps = 0.1, .affine = false});
  const Tensor x = some({2, 2, 3});
  Numbers rows, blocks;
  const auto normalise = [&](Numbers& to, Index n, double eps) {
    for (Index i = 0; i < x.numel(); i += n) {
      double m = 0, v = 0;
      for (Index k = 0; k < n; ++k) m += x.data()[i + k] / static_cast<double>(n);
      for (Index k = 0; k < n; ++k) v += (x.data()[i + k] - m) * (x.data()[i + k] - m) / static_cast<double>(n);
      for (Index k = 0; k < n; ++k) to.push_back((x.data()[i + k] - m) / std::sqrt(v + eps));
    }
  };
  normalise(rows, 3, 1e-5);
  normalise(blocks, 6, 0.1);
  CHECK(distance(net(x), from_values(x.shape(), rows)) < 1e-14);
  CHECK(distance(wide(x), from_values(x.shape(), blocks)) < 1e-14);
  expect_gradient("LayerNorm", [&](const Tensor& t, const Tensor& w, const Tensor& b) {
    const handlers::scale program(1.0);  // what is bound holds as long as a handler is there
    net.parameter("weight").bind(w);
    return linear(net(t), b);
  }, x, ones({3}), some({2, 3}));
  const auto report = expect_error<ShapeError>([&] { net(some({3, 2})); }, "wick.nn.E518", "", "last dimensions");
  INFO(report.text);
  CHECK(report.ok);
}

TEST_CASE("Embedding: rows, gradients of repeated ones, padding", "[nn][embedding]") {
  const Embedding net(4, 2), padded(4, 2, {.padding_index = 1});
  const Tensor i{{0, 3}, {3, 1}};
  CHECK(net(i).shape() == Shape{2, 2, 2});
  CHECK(same(slice(reshape(net(i), {4, 2}), 0, 1, 2), slice(net.weight, 0, 3, 4)));
  CHECK(numbers(value_and_grad(net, [&] { return sum(net(i)); }).second[0].gradient) == Numbers{1, 1, 1, 1, 0, 0, 2, 2});
  CHECK(numbers(value_and_grad(padded, [&] { return sum(padded(i)); }).second[0].gradient) == Numbers{1, 1, 0, 0, 0, 0, 2, 2});
  CHECK(numbers(padded(Tensor(1))) == Numbers{0, 0});
  const FreshStore fresh;
  module("things", net);
  const auto report = expect_error<ShapeError>([&] { net(Tensor{4}); }, "wick.op.E127", "things", "");
  INFO(report.text);
  CHECK((report.ok || report.message.find("wick.op.E127: at site \"things\"") == 0));
  CHECK_THROWS_AS(Embedding(4, 2, {.padding_index = 4}), DomainError);
  handlers::trace([&] {  // a table of its own for each element of a plate: they broadcast with the indices
    const plate groups("groups", 5);
    random_module("tables", padded, Normal(0.0, 1.0));
    const Tensor w = padded.weight, rows = padded(reshape(i, {2, 2, 1})), own = padded(Tensor{0, 1, 2, 3, 3});
    CHECK(rows.shape() == Shape{2, 2, 5, 2});
    for (Index g = 0; g < 5; ++g) {
      CHECK(rows.at({0, 1, g, 1}) == w.at({g, 3, 1}));
      CHECK(own.at({g, 0}) == w.at({g, g < 4 ? g : 3, 0}));
    }
    CHECK_THROWS_AS(padded(Tensor{0, 1, 2, 3, 4}), DomainError);
  }).get_trace();
}

TEST_CASE("Dropout: keyed noise in training, nothing in evaluation", "[nn][dropout]") {
  const Dropout net(0.3), other(0.3);
  const Tensor x = ones({100, 100});
  const auto draw = [&](std::uint64_t seed) { return handlers::seed([&] { return net(x); }, seed)(); };
  const Tensor y = draw(1);
  CHECK(same(draw(1), y));
  CHECK_FALSE(same(draw(2), y));
  CHECK(max(y).item() == 1 / 0.7);
  const double dropped = mean(y == 0.0).item();
  CHECK(std::abs(dropped - 0.3) < 4 * std::sqrt(0.3 * 0.7 / 1e4));
  handlers::seed([&] { CHECK_FALSE(same(net(x), net(x))); }, 1)();
  const FreshStore fresh;
  module("a", net), module("b", other);
  const Tensor a = draw(1);
  CHECK_FALSE(same(a, handlers::seed([&] { return other(x); }, 1)()));  // each layer has noise of its own
  CHECK(same(grad([&](const Tensor& t) { return sum(handlers::seed([&] { return net(t); }, 1)()); })(x), a));
  net.eval();
  CHECK(same(net(x), x));
  CHECK(max(Dropout(1.0)(x)).item() == 0);
  const auto report = expect_error<DomainError>([] { Dropout(1.5); }, "wick.nn.E519", "", "0 <= p < 1");
  INFO(report.text);
  CHECK(report.ok);
}

TEST_CASE("recurrent layers: second derivatives", "[nn][recurrent]") {
  const FreshStore fresh;
  for (const char kind : {'r', 't', 'g', 'l'}) {
    const Recurrent net = kind == 'g' ? Recurrent(GRU(2, 3)) : kind == 'l' ? Recurrent(LSTM(2, 3)) : RNN(2, 3, {.nonlinearity = kind == 'r' ? "relu" : "tanh"});
    expect_grad("recurrent layer", [&](const Tensor& x) { return net(x).output; }, some({2, 2}));
    clear_param_store();
    for (const std::string& path : net.parameter_names()) net.set(path, some(net.parameter(path).shape(), 1));
    const Numbers here = numbers(net(some({2, 4, 2}), {.lengths = Tensor{4, 2}}).output), there = wick_test::recurrent_outputs(kind);
    REQUIRE(here.size() == there.size());
    for (std::size_t i = 0; i < here.size(); ++i) CHECK(std::abs(here[i] - there[i]) < 1e-14);
  }
}
