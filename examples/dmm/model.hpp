/// \file
/// The deep Markov model's networks: what the latent state does from step to step, what it shows, and what is inferred
/// of it.
#pragma once

#include <wick/nn/nn.hpp>
#include <wick/wick.hpp>

#include <string>

namespace dmm {

using namespace wick;

/// The parameters of a normal distribution.
struct Gaussian {
  Tensor loc, scale;
};

/// A scale: positive, and never so small that a density explodes.
inline Tensor positive(const Tensor& x) {
  return fuse([](auto a) { return softplus(a) + 1e-4; }, x);
}

/// p(z_t | z_{t-1}): a gate decides, dimension by dimension, between a linear step and a proposal of any form.
struct GatedTransition : Module {
  Linear lin_gate, lin_gate_out, lin_prop, lin_prop_out, lin_z;

  GatedTransition(Index z, Index hidden)
      : lin_gate(register_module("lin_gate", Linear(z, hidden))),
        lin_gate_out(register_module("lin_gate_out", Linear(hidden, z))),
        lin_prop(register_module("lin_prop", Linear(z, hidden))),
        lin_prop_out(register_module("lin_prop_out", Linear(hidden, z))),
        lin_z(register_module(
            "lin_z", Linear(z, z, {.weight_init = initializers::identity(), .bias_init = initializers::zeros()}))) {}

  Gaussian operator()(const Tensor& z) const {
    const Tensor gate = sigmoid(lin_gate_out(relu(lin_gate(z))));
    const Tensor prop = lin_prop_out(relu(lin_prop(z)));
    // One operation in place of four: (1 - g) * l + g * p.
    const auto mix = [](auto g, auto l, auto p) { return (1.0 - g) * l + g * p; };
    return {fuse(mix, gate, lin_z(z), prop), positive(prop)};
  }
};

/// What z_t shows: the mean of x_t, or the logits of the keys that sound.
struct Emitter : Module {
  Linear first, second, third;

  Emitter(Index z, Index hidden, Index x)
      : first(register_module("first", Linear(z, hidden))),
        second(register_module("second", Linear(hidden, hidden))),
        third(register_module("third", Linear(hidden, x))) {}

  Tensor operator()(const Tensor& z) const { return third(relu(second(relu(first(z))))); }
};

/// q(z_t | z_{t-1}, h_t): what the state before and the RNN's summary h_t of the data say of z_t.
struct Combiner : Module {
  Linear lin_z_to_hidden, lin_hidden_to_loc, lin_hidden_to_scale;

  Combiner(Index z, Index rnn)
      : lin_z_to_hidden(register_module("lin_z_to_hidden", Linear(z, rnn))),
        lin_hidden_to_loc(register_module("lin_hidden_to_loc", Linear(rnn, z))),
        lin_hidden_to_scale(register_module("lin_hidden_to_scale", Linear(rnn, z))) {}

  Gaussian operator()(const Tensor& z, const Tensor& h) const {
    const Tensor hc = fuse([](auto a, auto b) { return 0.5 * (tanh(a) + b); }, lin_z_to_hidden(z), h);
    return {lin_hidden_to_loc(hc), positive(lin_hidden_to_scale(hc))};
  }
};

struct Sizes {
  Index x;  ///< numbers a time step
  Index z = 1;
  Index transition = 32, emitter = 32;  ///< hidden units
  Index rnn = 32;
};

/// All of it, and the three states that there are before the first step.
struct Dmm : Module {
  GatedTransition transition;
  Emitter emitter;
  Combiner combiner;
  RNN rnn;
  Parameter z_0, z_q_0, h_0;

  /// With `backward`, the RNN's output at t summarises x_t .. x_T, on which z_t depends given z_{t-1}; else x_1 .. x_t.
  Dmm(const Sizes& n, bool backward)
      : transition(register_module("transition", GatedTransition(n.z, n.transition))),
        emitter(register_module("emitter", Emitter(n.z, n.emitter, n.x))),
        combiner(register_module("combiner", Combiner(n.z, n.rnn))),
        rnn(register_module("rnn", RNN(n.x, n.rnn, {.reverse = backward, .nonlinearity = "relu"}))),
        z_0(register_parameter("z_0", Shape{n.z}, initializers::zeros())),
        z_q_0(register_parameter("z_q_0", Shape{n.z}, initializers::zeros())),
        h_0(register_parameter("h_0", Shape{n.rnn}, initializers::zeros())) {}
};

/// One series: x has shape (steps, 1).
struct SeriesModel {
  Dmm net;
  ModuleOptions init = {};

  void operator()(const Tensor& x, double annealing) const {
    module("dmm", net, init);
    const Tensor obs_scale = param("obs_scale", 1.0, constraints::positive);
    Tensor z = net.z_0;
    for (Index t = 0; t < x.size(0); ++t) {
      const std::string turn = std::to_string(t);
      const auto [loc, scale] = net.transition(z);
      {
        const handlers::scale annealed(annealing);
        z = sample("z_" + turn, Normal(loc, scale).to_event(1));
      }
      sample("x_" + turn, Normal(net.emitter(z), obs_scale).to_event(1), obs(take(x, t)));
    }
  }
};
struct SeriesGuide {
  Dmm net;
  ModuleOptions init = {};

  void operator()(const Tensor& x, double annealing) const {
    module("dmm", net, init);
    const handlers::scale annealed(annealing);
    const Tensor rnn_out = net.rnn(x, {.h0 = net.h_0}).output;
    Tensor z = net.z_q_0;
    for (Index t = 0; t < x.size(0); ++t) {
      const auto [loc, scale] = net.combiner(z, take(rnn_out, t));
      z = sample("z_" + std::to_string(t), Normal(loc, scale).to_event(1));
    }
  }
};

}  // namespace dmm
