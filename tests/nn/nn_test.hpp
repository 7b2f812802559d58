/// \file
/// What the tests of nn/ share.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <wick/nn/nn.hpp>
#include <wick/wick.hpp>

#include "catch.hpp"
#include "support/errors.hpp"

namespace wick_test {

using namespace wick;
using Numbers = std::vector<double>;

inline Numbers numbers(const Tensor& t) { return t.to_vector(); }
/// Different numbers of size about 1, the same in every run.
inline Tensor some(const Shape& s, double phase = 0.0) {
  Numbers v(static_cast<std::size_t>(s.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::sin(phase + 1.3 * static_cast<double>(i) + 0.2);
  return from_values(s, v);
}
inline double distance(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double d = 0;
  for (Index i = 0; i < a.numel(); ++i) d = std::max(d, std::abs(a.data()[i] - b.data()[i]));
  return d;
}
inline bool same(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && numbers(a) == numbers(b); }

/// A store for one test.
struct FreshStore {
  ParamStore store;
  ParamScope scope{store};
};

// The networks of the deep Markov model: each a few lines.
struct GatedTransition : Module {
  Linear lin_gate, lin_gate_out, lin_prop, lin_prop_out, lin_z;
  GatedTransition(Index z, Index hidden)
      : lin_gate(register_module("lin_gate", Linear(z, hidden))), lin_gate_out(register_module("lin_gate_out", Linear(hidden, z))),
        lin_prop(register_module("lin_prop", Linear(z, hidden))), lin_prop_out(register_module("lin_prop_out", Linear(hidden, z))),
        lin_z(register_module("lin_z", Linear(z, z, {.weight_init = initializers::identity(), .bias_init = initializers::zeros()}))) {}
  std::pair<Tensor, Tensor> operator()(const Tensor& z) const {
    const Tensor gate = sigmoid(lin_gate_out(relu(lin_gate(z)))), prop = lin_prop_out(relu(lin_prop(z)));
    return {(1 - gate) * lin_z(z) + gate * prop, softplus(prop) + 1e-4};
  }
};
struct Emitter : Module {
  Linear a, b, c;
  Emitter(Index z, Index hidden, Index x)
      : a(register_module("a", Linear(z, hidden))), b(register_module("b", Linear(hidden, hidden))), c(register_module("c", Linear(hidden, x))) {}
  Tensor operator()(const Tensor& z) const { return c(relu(b(relu(a(z))))); }
};
struct Combiner : Module {
  Linear lin_z_to_hidden, lin_hidden_to_loc, lin_hidden_to_scale;
  Combiner(Index z, Index hidden)
      : lin_z_to_hidden(register_module("lin_z_to_hidden", Linear(z, hidden))), lin_hidden_to_loc(register_module("lin_hidden_to_loc", Linear(hidden, z))),
        lin_hidden_to_scale(register_module("lin_hidden_to_scale", Linear(hidden, z))) {}
  std::pair<Tensor, Tensor> operator()(const Tensor& z, const Tensor& h) const {
    const Tensor hc = 0.5 * (tanh(lin_z_to_hidden(z)) + h);
    return {lin_hidden_to_loc(hc), softplus(lin_hidden_to_scale(hc)) + 1e-4};
  }
};
struct Dmm : Module {
  GatedTransition transition;
  Emitter emitter;
  Combiner combiner;
  RNN rnn;
  Parameter z_0, z_q_0, h_0;
  Dmm(Index z, Index hidden, Index x)
      : transition(register_module("transition", GatedTransition(z, hidden))), emitter(register_module("emitter", Emitter(z, hidden, x))),
        combiner(register_module("combiner", Combiner(z, hidden))),
        rnn(register_module("rnn", RNN(x, hidden, {.reverse = true, .nonlinearity = "relu"}))), z_0(register_parameter("z_0", zeros({z}))),
        z_q_0(register_parameter("z_q_0", zeros({z}))), h_0(register_parameter("h_0", zeros({hidden}))) {}
};

}  // namespace wick_test
