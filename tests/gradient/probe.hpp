/// \file
/// Loss and gradient of SVI at fixed parameters, as samples for a Monte Carlo table (rules A and C).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <wick/wick.hpp>

#include "support/optimise.hpp"
#include "support/stat.hpp"

namespace wick_test {

/// An optimiser that notes the gradients of a step and changes nothing.
class GradientProbe final : public wick::Optimizer {
 public:
  void prepare(std::span<const wick::ParamStep>) override {}
  void step(std::span<const wick::ParamStep> params) noexcept override {
    for (Entry& e : entries_) std::fill(e.gradient.begin(), e.gradient.end(), 0.0);
    for (const wick::ParamStep& p : params) {
      Entry* at = nullptr;
      for (Entry& e : entries_)
        if (e.name == p.name) at = &e;
      if (at == nullptr) at = &entries_.emplace_back(Entry{std::string(p.name), {}});
      at->gradient.assign(p.gradient, p.gradient + p.size);
    }
  }
  /// The gradient in the parameter of that name, in its unconstrained elements; empty if no step touched it so far.
  std::span<const double> gradient(std::string_view name) const {
    for (const Entry& e : entries_)
      if (e.name == name) return e.gradient;
    return {};
  }

 private:
  struct Entry {
    std::string name;
    std::vector<double> gradient;
  };
  std::vector<Entry> entries_;
};

/// A parameter and its number of elements: how gradients are put together in the order of an oracle.
struct ParamSlot {
  std::string name;
  std::size_t size = 1;
};

/// {loss, gradient...} of successive SVI steps at the parameters' initial values, each on draws of its own.
template <class Model, class Guide>
class StepSampler {
 public:
  StepSampler(Model model, Guide guide, std::vector<ParamSlot> slots, wick::Index particles, std::uint64_t seed)
      : slots_(std::move(slots)),
        svi_(std::move(model), std::move(guide), GradientProbe(),
             wick::Trace_ELBO(wick::ElboOptions{.num_particles = particles}), wick::SviOptions{.seed = seed}) {}

  const std::vector<double>& operator()() {
    const wick::ParamScope scope(store_);
    row_.assign(1, svi_.step());
    for (const ParamSlot& s : slots_) {
      const auto g = svi_.optim().gradient(s.name);
      for (std::size_t i = 0; i < s.size; ++i) row_.push_back(i < g.size() ? g[i] : 0.0);
    }
    return row_;
  }

 private:
  wick::ParamStore store_;
  std::vector<ParamSlot> slots_;
  wick::SVI<Model, Guide, GradientProbe> svi_;
  std::vector<double> row_;
};

/// How many samples make the standard error of every element 1.55 % of its norm (rule A allows 2 %), from a pilot run
/// on a seed of its own.
template <class Sampler>
std::size_t samples_needed(Sampler pilot, const LossGrad& exact) {
  constexpr std::size_t tries = 3000, least = 400, most = 3'000'000;
  constexpr double target = 0.0155;
  double norm = 0.0;
  for (double g : exact.grad) norm += g * g;
  norm = std::sqrt(norm);
  std::vector<double> mean(exact.grad.size() + 1, 0.0), square(mean.size(), 0.0);
  for (std::size_t n = 1; n <= tries; ++n) {
    const std::vector<double>& row = pilot();
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double d = row[i] - mean[i];
      mean[i] += d / static_cast<double>(n);
      square[i] += d * (row[i] - mean[i]);
    }
  }
  double needed = least;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double relative = std::sqrt(square[i] / static_cast<double>(tries)) / (i == 0 ? std::abs(exact.loss) : norm);
    needed = std::max(needed, relative * relative / (target * target));
  }
  return static_cast<std::size_t>(std::min(needed, static_cast<double>(most)));
}

/// Adds loss and gradient of one estimator to the table.
template <class Model, class Guide>
void compare_step(MonteCarloTable& table, const std::string& name, const Model& model, const Guide& guide,
                  const std::vector<ParamSlot>& slots, const LossGrad& exact, wick::Index particles = 1) {
  const std::uint64_t seed = seed_of(name) ^ table.seed();
  const auto sampler = [&](std::uint64_t s) { return StepSampler<Model, Guide>(model, guide, slots, particles, s); };
  struct Pilot {  // a sampler is a scope of its own and cannot be moved
    StepSampler<Model, Guide>* s;
    const std::vector<double>& operator()() { return (*s)(); }
  };
  auto pilot = sampler(seed + 1);
  const std::size_t n = samples_needed(Pilot{&pilot}, exact);
  auto& joint = table.joint(name).expect("loss", exact.loss).expect("grad", exact.grad);
  auto run = sampler(seed);
  for (std::size_t i = 0; i < n; ++i) joint.sample(run());
}

}  // namespace wick_test
