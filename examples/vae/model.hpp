/// \file
/// The variational autoencoder: a code of two numbers for each picture.
#pragma once

#include <wick/nn/nn.hpp>

#include <cmath>

#include "pixels.hpp"

namespace vae {

using namespace wick;

inline constexpr Index pixels = 64, codes = 2;

/// From a code to the logits of the pixels.
struct Decoder : Module {
  Linear first, second, third;

  explicit Decoder(Index hidden)
      : first(register_module("first", Linear(codes, hidden))),
        second(register_module("second", Linear(hidden, hidden))),
        third(register_module("third", Linear(hidden, pixels))) {}
  Tensor operator()(const Tensor& z) const { return third(relu(second(relu(first(z))))); }
};

/// From a picture to what is known of its code.
struct Encoder : Module {
  Linear first, second, loc, scale;

  explicit Encoder(Index hidden)
      : first(register_module("first", Linear(pixels, hidden))),
        second(register_module("second", Linear(hidden, hidden))),
        loc(register_module("loc", Linear(hidden, codes))),
        scale(register_module("scale", Linear(hidden, codes))) {}
  struct Code {
    Tensor loc, scale;
  };
  Code operator()(const Tensor& x) const {
    const Tensor h = relu(second(relu(first(x / block))));
    return {loc(h), exp(scale(h))};
  }
};

/// A picture is what the decoder makes of a code from the standard normal distribution. A step sees a random part of
/// the pictures; their plate counts each as often as it stands for another one.
struct Model {
  Decoder decoder;
  Index batch;
  ModuleOptions init = {};

  void operator()(const Tensor& x) const {
    module("decoder", decoder, init);
    const plate images("images", x.size(0), {.subsample_size = batch});
    const Tensor z = sample("z", Normal(zeros({codes}), 1.0).to_event(1));
    sample("x", Pixels(decoder(z)).to_event(1), obs(images.subsample(x)));
  }
};

/// One network infers all codes: new pictures need no fit.
struct Guide {
  Encoder encoder;
  Index batch;
  ModuleOptions init = {};

  void operator()(const Tensor& x) const {
    module("encoder", encoder, init);
    const plate images("images", x.size(0), {.subsample_size = batch});
    const auto [loc, scale] = encoder(images.subsample(x));
    sample("z", Normal(loc, scale).to_event(1));
  }
};

}  // namespace vae
