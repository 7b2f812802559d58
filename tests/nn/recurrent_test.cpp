#include <wick/ad/check_grad.hpp>

#include "nn_test.hpp"

using namespace wick_test;

namespace {

double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// A recurrent layer in plain loops, from PyTorch's formulas: the outputs of one sequence (steps · inputs numbers) from state h, c.
struct PlainCell {
  char kind;  ///< 'r'elu, 't'anh, 'g'ru, 'l'stm
  Numbers w_ih, w_hh, b_ih, b_hh;
  std::size_t inputs, units;

  void step(const double* x, Numbers& h, Numbers& c) const {
    const std::size_t gates = b_ih.size();
    Numbers p = b_ih, q = b_hh;
    for (std::size_t g = 0; g < gates; ++g) {
      for (std::size_t k = 0; k < inputs; ++k) p[g] += w_ih[g * inputs + k] * x[k];
      for (std::size_t k = 0; k < units; ++k) q[g] += w_hh[g * units + k] * h[k];
    }
    for (std::size_t u = 0; u < units; ++u) {
      const auto a = [&](std::size_t g) { return p[g * units + u]; };
      const auto b = [&](std::size_t g) { return q[g * units + u]; };
      if (kind == 'r') h[u] = std::max(0.0, a(0) + b(0));
      if (kind == 't') h[u] = std::tanh(a(0) + b(0));
      if (kind == 'g') {
        const double r = logistic(a(0) + b(0)), z = logistic(a(1) + b(1)), n = std::tanh(a(2) + r * b(2));
        h[u] = (1 - z) * n + z * h[u];
      }
      if (kind == 'l') {
        const double i = logistic(a(0) + b(0)), f = logistic(a(1) + b(1)), g = std::tanh(a(2) + b(2)), o = logistic(a(3) + b(3));
        c[u] = f * c[u] + i * g;
        h[u] = o * std::tanh(c[u]);
      }
    }
  }
  /// The outputs, 0 where the mask is; h and c become the last states.
  Numbers run(const double* x, std::size_t steps, const double* mask, bool reverse, Numbers& h, Numbers& c) const {
    Numbers out(steps * units, 0.0);
    for (std::size_t k = 0; k < steps; ++k) {
      const std::size_t t = reverse ? steps - 1 - k : k;
      if (mask != nullptr && mask[t] == 0) continue;
      step(x + t * inputs, h, c);
      for (std::size_t u = 0; u < units; ++u) out[t * units + u] = h[u];
    }
    return out;
  }
};

PlainCell plain(char kind, const Recurrent& net, const std::string& end, std::size_t inputs) {
  return {kind, numbers(net.get("weight_ih" + end)), numbers(net.get("weight_hh" + end)), numbers(net.get("bias_ih" + end)), numbers(net.get("bias_hh" + end)), inputs,
          static_cast<std::size_t>(net.units())};
}

Recurrent make(char kind, Index inputs, Index units, RecurrentOptions o = {}) {
  if (kind == 'g') return GRU(inputs, units, o);
  if (kind == 'l') return LSTM(inputs, units, o);
  o.nonlinearity = kind == 'r' ? "relu" : "tanh";
  return RNN(inputs, units, o);
}

double largest_difference(const Tensor& a, const Numbers& b) {
  REQUIRE(static_cast<std::size_t>(a.numel()) == b.size());
  double d = 0;
  for (std::size_t i = 0; i < b.size(); ++i) d = std::max(d, std::abs(a.data()[i] - b[i]));
  return d;
}

}  // namespace

namespace wick_test {
/// What the operation computes; layers_test.cpp compares the steps that have second derivatives.
Numbers recurrent_outputs(char kind) {
  const FreshStore fresh;
  const Recurrent net = make(kind, 2, 3);
  for (const std::string& path : net.parameter_names()) net.set(path, some(net.parameter(path).shape(), 1));
  return numbers(net(some({2, 4, 2}), {.lengths = Tensor{4, 2}}).output);
}
}  // namespace wick_test

TEST_CASE("recurrent layers: PyTorch's formulas, both directions, padded batches", "[nn][recurrent]") {
  const FreshStore fresh;
  for (const char kind : {'r', 't', 'g', 'l'})
    for (const bool reverse : {false, true}) {
      INFO(kind << " " << reverse);
      const Recurrent net = make(kind, 2, 3, {.reverse = reverse});
      const PlainCell cell = plain(kind, net, "_l0", 2);
      const Tensor x = some({2, 2, 5, 2}), h0 = some({3}, 3), c0 = kind == 'l' ? some({3}, 4) : Tensor(), lengths{{5, 2}, {0, 4}};
      for (const bool padded : {false, true}) {
        SequenceOptions o{.h0 = h0, .c0 = c0};
        if (padded) o.lengths = lengths;
        const SequenceOutput got = net(x, o);
        CHECK(got.output.shape() == Shape{2, 2, 5, 3});
        CHECK(got.h_n.shape() == Shape{2, 2, 3});
        Numbers out, last, cells;
        for (Index i = 0; i < 4; ++i) {
          Numbers h = numbers(h0), c = kind == 'l' ? numbers(c0) : Numbers(3), mask(5);
          for (std::size_t t = 0; t < 5; ++t) mask[t] = static_cast<double>(t) < lengths.data()[i] ? 1 : 0;
          const Numbers one = cell.run(x.data() + i * 10, 5, padded ? mask.data() : nullptr, reverse, h, c);
          out.insert(out.end(), one.begin(), one.end());
          last.insert(last.end(), h.begin(), h.end());
          cells.insert(cells.end(), c.begin(), c.end());
        }
        CHECK(largest_difference(got.output, out) < 1e-14);
        CHECK(largest_difference(got.h_n, last) < 1e-14);
        if (kind == 'l') CHECK(largest_difference(got.c_n, cells) < 1e-14);
      }
    }
}

TEST_CASE("recurrent layers: several layers and directions", "[nn][recurrent]") {
  const FreshStore fresh;
  const GRU net(2, 3, {.num_layers = 2, .bidirectional = true});
  const Tensor x = some({4, 2}), h0 = some({4, 3});
  const SequenceOutput got = net(x, {.h0 = h0});
  Numbers in = numbers(x), last;
  for (int layer = 0; layer < 2; ++layer) {
    Numbers joined(4 * 6), ways[2];
    for (int way = 0; way < 2; ++way) {
      const double* first = h0.data() + (layer * 2 + way) * 3;
      Numbers h(first, first + 3), c(3);
      ways[way] = plain('g', net, "_l" + std::to_string(layer) + (way == 1 ? "_reverse" : ""), layer == 0 ? 2 : 6).run(in.data(), 4, nullptr, way == 1, h, c);
      last.insert(last.end(), h.begin(), h.end());
    }
    for (std::size_t t = 0; t < 4; ++t)
      for (std::size_t u = 0; u < 6; ++u) joined[t * 6 + u] = ways[u / 3][t * 3 + u % 3];
    in = joined;
  }
  CHECK(largest_difference(got.output, in) < 1e-14);
  CHECK(largest_difference(got.h_n, last) < 1e-14);
  CHECK(got.h_n.shape() == Shape{4, 3});
}

TEST_CASE("recurrent layers: gradients", "[nn][recurrent][gradient]") {
  for (const char kind : {'r', 't', 'g', 'l'})
    for (const bool padded : {false, true}) {
      INFO(kind << " " << padded);
      const Recurrent net = make(kind, 2, 2, {.reverse = padded});
      const auto f = [&](const Tensor& x, const Tensor& h0, const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_hh) {
        const handlers::scale program(1.0);  // what is bound holds as long as a handler is there
        net.parameter("weight_ih_l0").bind(w_ih);
        net.parameter("weight_hh_l0").bind(w_hh);
        net.parameter("bias_hh_l0").bind(b_hh);
        SequenceOptions o{.h0 = h0, .c0 = kind == 'l' ? 0.5 * h0 : Tensor()};
        if (padded) o.lengths = Tensor{3, 1};
        const SequenceOutput y = net(x, o);
        return sum(y.output * some({2, 3, 2}, 5)) + sum(square(y.h_n)) + (kind == 'l' ? sum(y.c_n) : Tensor(0.0));
      };
      const auto check = check_grad(f, some({2, 3, 2}), some({2}, 1), net.get("weight_ih_l0"), net.get("weight_hh_l0"), net.get("bias_hh_l0"));
      INFO(check.text);
      CHECK(check.ok);
    }
}

TEST_CASE("recurrent layers: what a mask hides leaves no trace", "[nn][recurrent][gradient]") {
  const FreshStore fresh;
  for (const char kind : {'r', 't', 'g', 'l'}) {
    const Recurrent net = make(kind, 2, 3);
    const Tensor x = some({2, 4, 2}), holes = where(Tensor{{{1}, {1}, {0}, {0}}, {{1}, {0}, {0}, {0}}}, x, detail::kNaN);
    const Tensor lengths{2, 1};
    const auto loss = [&](const Tensor& in) { return sum(square(net(in, {.lengths = lengths}).output)); };
    const auto [v, g] = value_and_grad(loss)(x);
    const auto [w, h] = value_and_grad(loss)(holes);
    CHECK(v.item() == w.item());
    CHECK(same(g, h));
    const auto slopes = value_and_grad(net, [&] { return loss(holes); }).second;
    const auto whole = value_and_grad(net, [&] { return loss(x); }).second;
    for (std::size_t i = 0; i < slopes.size(); ++i) CHECK(same(slopes[i].gradient, whole[i].gradient));
  }
}

TEST_CASE("recurrent layers: odd sizes and bad input", "[nn][recurrent][errors]") {
  const FreshStore fresh;
  const RNN net(2, 3);
  module("rnn", net);
  const SequenceOutput none = net(zeros({0, 2}), {.h0 = Tensor{1, 2, 3}});
  CHECK(none.output.shape() == Shape{0, 3});
  CHECK(same(none.h_n, Tensor{1, 2, 3}));
  CHECK(net(zeros({0, 4, 2})).output.shape() == Shape{0, 4, 3});
  CHECK(net(zeros({1, 4, 2})).output.shape() == Shape{1, 4, 3});
  const auto refuses = [&](const Tensor& x, const SequenceOptions& o, const char* id, const char* advice) {
    const auto report = expect_error<ShapeError>([&] { net(x, o); }, id, "rnn", advice);
    INFO(report.text);
    CHECK(report.ok);
  };
  const Tensor x = some({2, 4, 2});
  refuses(some({4, 3}), {}, "wick.nn.E511", "input size");
  refuses(some({2}), {}, "wick.nn.E512", "sequence");
  refuses(x, {.h0 = Tensor{1, 2}}, "wick.nn.E513", "one a sequence");
  for (const Tensor& bad : {Tensor{5, 1}, Tensor{-1, 1}, Tensor{1.5, 1}, Tensor{1, 2, 3}}) refuses(x, {.lengths = bad}, "wick.nn.E514", "one length");
  refuses(x, {.lengths = Tensor{1, 2}, .mask = ones({4})}, "wick.nn.E514", "one length");
  for (const char* path : {"bias_hh_l0", "bias_ih_l0", "weight_hh_l0", "weight_ih_l0"}) {
    const auto in_plate = [&] {
      const plate groups("groups", 2);
      random_module("rnn", net, handlers::Priors{{path, Normal(0.0, 1.0)}});
      net(x);
    };
    const auto report = expect_error<ShapeError>([&] { handlers::trace(in_plate).get_trace(); }, "wick.nn.E521", "rnn", "one by one");
    INFO(report.text);
    CHECK(report.ok);
  }
  refuses(x, {.mask = ones({3})}, "wick.nn.E515", "one number a step");
  const auto options = [](RecurrentOptions o) {
    const auto report = expect_error<UsageError>([&] { RNN(1, 1, o); }, "wick.nn.E508", "", "");
    INFO(report.text);
    CHECK(report.ok);
  };
  options({.nonlinearity = "gelu"});
  options({.reverse = true, .bidirectional = true});
  CHECK_THROWS_AS(net(x, {.c0 = Tensor{1, 2, 3}}), UsageError);
}
