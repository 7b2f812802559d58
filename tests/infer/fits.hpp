/// \file
/// The fits that issue 3 gives figures for: iris and eight schools, as the examples run them.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "gradient/programs.hpp"
#include "infer/common.hpp"

namespace wick_test {

/// The unconstrained parameters of the store in force in the order of the slots.
inline Vector unconstrained(const std::vector<ParamSlot>& slots) {
  Vector out;
  for (const ParamSlot& s : slots) {
    const Vector v = wick::param_store().at(s.name).unconstrained().to_vector();
    out.insert(out.end(), v.begin(), v.end());
  }
  return out;
}

/// Adam whose rate falls exponentially from `first` to `last` over the steps; returns the mean of the parameters over the last `tail` steps.
template <class Svi>
Vector decayed_fit(Svi& svi, const std::vector<ParamSlot>& slots, double first, double last, int steps, int tail) {
  Vector mean;
  for (int i = 0; i < steps; ++i) {
    svi.optim().set_lr(first * std::pow(last / first, static_cast<double>(i) / (steps - 1)));
    svi.step();
    if (i < steps - tail) continue;
    const Vector p = unconstrained(slots);
    mean.resize(p.size(), 0.0);
    for (std::size_t k = 0; k < p.size(); ++k) mean[k] += p[k] / tail;
  }
  return mean;
}

inline std::vector<ParamSlot> iris_slots() { return {{"w_loc", 2}, {"w_scale", 2}, {"b_loc"}, {"b_scale"}}; }

/// The mean loss of the last 200 of the tutorial's 2000 steps.
inline double iris_loss_last200(std::uint64_t seed) {
  using namespace wick;
  const OwnStore own;
  SVI svi([](const Tensor& x, const Tensor& y) { iris_model(x, y); },
          [start = Vector(6, 0.0)](const Tensor&, const Tensor&) { iris_guide(start); }, Adam({.lr = 0.05}), Trace_ELBO(), {.seed = seed});
  const std::vector<double> losses = svi.run(2000, iris_features(), iris_species());
  double sum = 0.0;
  for (std::size_t i = losses.size() - 200; i < losses.size(); ++i) sum += losses[i];
  return sum / 200.0;
}

/// Eight schools with the better guide at given parameters: the mean loss over `evaluations`, and the importance-weighted bound
/// with 1,000 particles, averaged over groups of that many evaluations.
struct SchoolsFigures {
  double mean_loss, bound;
};
inline SchoolsFigures schools_figures(const Vector& parameters, std::uint64_t seed, int evaluations) {
  using namespace wick;
  const OwnStore own;
  SVI svi([y = schools_tensor(schools_y), sigma = schools_tensor(schools_sigma)] { schools_model(y, sigma); },
          [&] { schools_guide(parameters); }, Adam({.lr = 0.0}), Trace_ELBO(), {.seed = seed});
  constexpr int group = 1000;
  SchoolsFigures out{0.0, 0.0};
  Vector elbo(group);
  for (int i = 0; i < evaluations; i += group) {
    for (double& e : elbo) {
      e = -svi.evaluate_loss();
      out.mean_loss -= e / evaluations;
    }
    const double most = *std::max_element(elbo.begin(), elbo.end());
    double sum = 0.0;
    for (const double e : elbo) sum += std::exp(e - most);
    out.bound += (most + std::log(sum / group)) * group / evaluations;
  }
  return out;
}

/// Fits eight schools with the better guide.
inline Vector schools_fit(std::uint64_t seed) {
  using namespace wick;
  const OwnStore own;
  SVI svi([y = schools_tensor(schools_y), sigma = schools_tensor(schools_sigma)] { schools_model(y, sigma); },
          [start = Vector(schools_parameters, 0.0)] { schools_guide(start); }, Adam({.lr = 0.03}), Trace_ELBO(), {.seed = seed});
  return decayed_fit(svi, schools_slots(), 0.03, 1e-3, 20000, 5000);
}

}  // namespace wick_test
