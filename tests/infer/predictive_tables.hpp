/// \file
/// Rule A's tables of Predictive, for its own tests and for those that plant faults.
#pragma once

#include <cmath>
#include <string>

#include <wick/core/fault.hpp>
#include <wick/wick.hpp>

#include "infer/common.hpp"
#include "support/stat.hpp"

namespace wick_test {

/// z ~ N(0, 1); in a plate y_i ~ N(z, 0.5).
inline wick::Tensor chain(const wick::Tensor& y) {
  using namespace wick;
  const Tensor z = sample("z", Normal(0.0, WICK_FAULT(prior_scale, 1.0, 1.2)));
  const plate data("data", 3);
  return sample("y", Normal(z, 0.5), obs(y));
}
inline void chain_guide(const wick::Tensor&) {
  using namespace wick;
  sample("z", Normal(param("loc", 0.75), param("scale", 0.5, constraints::positive)));
}
inline wick::Tensor chain_data() { return {1.5, 0.5, 1.0}; }
/// log N(y | 0, 0.25 I + 1 1'), whose determinant is 0.25² · 3.25; given y, z is N(12/13, 1/13).
inline double chain_log_evidence() {
  const double squares = 1.5 * 1.5 + 0.5 * 0.5 + 1.0;
  return -0.5 * (3 * std::log(2 * std::acos(-1.0)) + std::log(0.25 * 0.25 * 3.25) + (squares - 9.0 / 3.25) / 0.25);
}

/// Element i of a draw.
inline double value(const wick::Tensor& t, wick::Index draw, wick::Index i = 0) { return t.data()[draw * (t.numel() / t.size(0)) + i]; }

inline constexpr wick::Index predictive_draws = 20000;

inline MonteCarloReport prior_table(bool parallel) {
  using namespace wick;
  MonteCarloTable table(parallel ? "predictive prior, at once" : "predictive prior");
  auto& joint = table.joint("prior").expect("z", 0.0, 1.0).expect("z^2", 1.0).expect("y", {0.0, 0.0, 0.0}, 1.0).expect("y0 y0", 1.25).expect("y0 y1", 1.0).expect("z y2", 1.0);
  const Samples s = Predictive(chain, {.num_samples = predictive_draws, .parallel = parallel, .seed = table.seed()})(Tensor());
  for (Index i = 0; i < predictive_draws; ++i) {
    const double z = value(s["z"], i), a = value(s["y"], i, 0), b = value(s["y"], i, 1), c = value(s["y"], i, 2);
    joint.sample(z, z * z, a, b, c, a * a, a * b, z * c);
  }
  return table.report();
}

/// The guide's parameters are set behind its back: draws are of those in the store.
inline MonteCarloReport posterior_table(bool parallel) {
  using namespace wick;
  const OwnStore own;
  MonteCarloTable table(parallel ? "predictive posterior, at once" : "predictive posterior");
  auto& joint = table.joint("posterior").expect("z", 0.3).expect("(z - 0.3)^2", 0.04).expect("y", {0.3, 0.3, 0.3}).expect("cov(y0, y1)", 0.04, 0.29).expect("var(y2)", 0.29);
  param("loc", 0.3);
  param("scale", 0.2, constraints::positive);
  const Samples s = Predictive(chain, chain_guide, {.num_samples = predictive_draws, .parallel = parallel, .seed = table.seed()})(Tensor());
  for (Index i = 0; i < predictive_draws; ++i) {
    const double z = value(s["z"], i) - 0.3, a = value(s["y"], i, 0) - 0.3, b = value(s["y"], i, 1) - 0.3, c = value(s["y"], i, 2) - 0.3;
    joint.sample(z + 0.3, z * z, a + 0.3, b + 0.3, c + 0.3, a * b, c * c);
  }
  return table.report();
}

/// Draws of prior or guide, weighted, against evidence and posterior.
inline MonteCarloReport weights_table(bool parallel, bool guided) {
  using namespace wick;
  const OwnStore own;
  MonteCarloTable table(std::string("predictive weights") + (parallel ? ", at once" : "") + (guided ? ", guide" : ""));
  auto& joint = table.joint("w f / p(y)").expect("1", 1.0).expect("z", 12.0 / 13.0).expect("(z - mean)^2", 1.0 / 13.0);
  const PredictiveOptions o{.num_samples = predictive_draws, .log_weights = true, .parallel = parallel, .seed = table.seed()};
  const Samples s = guided ? Predictive(chain, chain_guide, o)(chain_data()) : Predictive(chain, o)(chain_data());
  for (Index i = 0; i < predictive_draws; ++i) {
    const double z = value(s["z"], i), w = std::exp(value(s.log_weights(), i) - chain_log_evidence()), d = z - 12.0 / 13.0;
    joint.sample(w, w * z, w * d * d);
  }
  return table.report();
}

}  // namespace wick_test
