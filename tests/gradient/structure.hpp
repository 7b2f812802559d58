/// \file
/// Plates, subsamples, scales and masks around the small models of the gradient tests.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <wick/wick.hpp>

#include "support/exact_gradients.hpp"

namespace wick_test {

/// Everything that may stand around "a latent for each datum" or "one latent for all data".
struct Structure {
  std::string name;
  bool global = false;             ///< one latent for all data
  bool sequential = false;         ///< `for (i : plate)` instead of a vectorised plate
  std::vector<std::size_t> batch = {};  ///< an explicit minibatch
  std::size_t batch_size = 0;      ///< a random minibatch
  double scale_model = 1.0, scale_guide = 1.0, scale_latent = 1.0, scale_observed = 1.0;
  std::vector<double> weight_observed = {};  ///< a tensor as the scale of the observed site
  std::vector<bool> mask_latent = {}, mask_observed = {}, mask_guide = {};
  bool own_masks = false;  ///< masks by Distribution::mask instead of handlers::mask
  wick::Index particles = 1;

  /// The same as the exact gradients understand it.
  Weights weights(std::size_t n) const {
    Weights w = global ? Weights::global(n) : Weights::plate(n);
    w = w.scale_model(scale_model).scale_guide(scale_guide).scale_latent(scale_latent).scale_observed(scale_observed);
    for (std::size_t i = 0; i < weight_observed.size(); ++i) w.observed[i] *= weight_observed[i];
    w = w.mask_latent(mask_latent).mask_observed(mask_observed).mask_guide(mask_guide);
    return batch.empty() ? w : w.batch(batch);
  }
};

inline wick::Tensor tensor_of(const std::vector<bool>& mask) {
  return std::vector<double>(mask.begin(), mask.end());
}

/// What a plate's scope is about: all data, a minibatch, or one datum of a loop.
struct Part {
  const wick::plate* all = nullptr;  ///< null: outside the plate
  wick::Index one = -1;              ///< the datum of a loop

  wick::Tensor operator()(const wick::Tensor& data) const {
    if (one >= 0) return wick::take(data, wick::Tensor(one));
    return all == nullptr || data.dim() == 0 ? data : all->subsample(data);
  }
  std::string site(const std::string& name) const { return one < 0 ? name : name + "_" + std::to_string(one); }
  /// A parameter with one element a datum (or one in all, outside plates).
  wick::Tensor param(const char* name, const wick::Tensor& init, const wick::Constraint& c = wick::constraints::real) const {
    if (one >= 0) return (*this)(wick::param(name, init, c));
    return wick::param(name, init, c, {.event_dim = 0});  // the plate takes the minibatch
  }
};

template <class Body>
void in_plate(const Structure& s, std::size_t n, Body body) {
  wick::PlateOptions options;
  options.subsample_size = s.batch_size;
  if (!s.batch.empty()) options.subsample = wick::Tensor(std::vector<double>(s.batch.begin(), s.batch.end()));
  wick::plate data("data", n, options);
  if (!s.sequential) return body(Part{&data});
  for (const wick::Index i : data) body(Part{&data, i});
}
/// The latent's place: in the plate, or once outside.
template <class Body>
void for_latents(const Structure& s, std::size_t n, Body body) {
  if (s.global)
    body(Part{});
  else
    in_plate(s, n, body);
}

/// Scale and mask of one site while it is sampled.
class Around {
 public:
  Around(const Part& part, double scale, const std::vector<bool>& mask, bool own_masks, const std::vector<double>& weight = {}) {
    if (scale != 1.0) scale_.emplace(wick::Tensor(scale));
    if (!weight.empty()) weight_.emplace(part(wick::Tensor(weight)));
    if (mask.empty()) return;
    wick::Tensor m = tensor_of(mask);
    if (mask.size() == 1) m = m.item();
    (own_masks ? own_ : given_) = part(m);
    if (!given_.empty()) mask_.emplace(given_);
  }
  /// The distribution, with its own mask if that is wanted.
  template <class D>
  D operator()(D d) const {
    return own_.empty() ? d : d.mask(own_);
  }

 private:
  wick::Tensor own_, given_;
  std::optional<wick::handlers::scale<>> scale_, weight_;
  std::optional<wick::handlers::mask<>> mask_;
};

/// Model: a latent z and an observed x, `prior(part)` and `likelihood(z, part)` being their distributions.
template <class Prior, class Likelihood>
auto structured_model(const Structure& s, const std::vector<double>& data, Prior prior, Likelihood likelihood) {
  return [s, data, x = wick::Tensor(data), prior, likelihood] {
    std::optional<wick::handlers::scale<>> all;
    if (s.scale_model != 1.0) all.emplace(wick::Tensor(s.scale_model));
    const auto latent = [&](const Part& part) {
      const Around around(part, s.scale_latent, s.mask_latent, s.own_masks);
      return wick::sample(part.site("z"), around(prior()));
    };
    const auto observed = [&](const Part& part, const wick::Tensor& z) {
      const Around around(part, s.scale_observed, s.mask_observed, s.own_masks, s.weight_observed);
      wick::sample(part.site("x"), around(likelihood(z)), wick::obs(part(x)));
    };
    if (s.global) {
      const wick::Tensor z = latent(Part{});
      in_plate(s, data.size(), [&](const Part& part) { observed(part, z); });
    } else {
      in_plate(s, data.size(), [&](const Part& part) { observed(part, latent(part)); });
    }
  };
}

/// Guide: z from `posterior(part)`.
template <class Posterior>
auto structured_guide(const Structure& s, std::size_t n, Posterior posterior) {
  return [s, n, posterior] {
    for_latents(s, n, [&](const Part& part) {
      const Around around(part, s.scale_guide, s.mask_guide, s.own_masks);
      wick::sample(part.site("z"), around(posterior(part)));
    });
  };
}

/// The structures that every family is tried in, for three data.
inline std::vector<Structure> structures() {
  return {
      {.name = "plate"},
      {.name = "sequential plate", .sequential = true},
      {.name = "plate, scales of model and guide", .scale_model = 2.5, .scale_guide = 0.4},
      {.name = "plate, scales of sites", .scale_latent = 3.0, .scale_observed = 0.5},
      {.name = "plate, tensor scale", .weight_observed = {0.5, 2.0, 3.0}},
      {.name = "plate, subsample {1}", .batch = {1}},
      {.name = "plate, subsample {0, 2}, scale of guide", .batch = {0, 2}, .scale_guide = 2.0},
      {.name = "plate, random subsample", .batch_size = 2},
      {.name = "sequential plate, random subsample", .sequential = true, .batch_size = 2},
      {.name = "sequential plate, subsample {2, 1}, mask", .sequential = true, .batch = {2, 1}, .mask_observed = {true, true, false}},
      {.name = "plate, mask of observed", .mask_observed = {true, false, true}},
      {.name = "plate, masks of latent and guide", .mask_latent = {false, true, true}, .mask_guide = {true, true, false}},
      {.name = "plate, masks in distributions", .mask_latent = {false, true, true}, .mask_guide = {true, true, false}, .own_masks = true},
      {.name = "plate, subsample {2, 1}, mask", .batch = {2, 1}, .mask_observed = {true, true, false}},
      {.name = "plate, 4 particles", .particles = 4},
      {.name = "global", .global = true},
      {.name = "global, random subsample", .global = true, .batch_size = 2},
      {.name = "global, sequential, random subsample, 4 particles", .global = true, .sequential = true, .batch_size = 2, .particles = 4},
      {.name = "global, masked in the model", .global = true, .mask_latent = {false}},
      {.name = "global, masked in the guide, scales", .global = true, .scale_model = 2.0, .mask_guide = {false}},
  };
}

}  // namespace wick_test
