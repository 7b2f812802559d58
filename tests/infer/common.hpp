/// \file
/// What the tests of SVI share: stores of their own, small programs, bits of parameters.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <wick/wick.hpp>

namespace wick_test {

/// A parameter store for one test.
struct OwnStore {
  wick::ParamStore store;
  wick::ParamScope scope{store};
};

/// Names and unconstrained values of all parameters of the store in force.
using Snapshot = std::vector<std::pair<std::string, std::vector<double>>>;
inline Snapshot snapshot() {
  Snapshot out;
  const wick::ParamStore& store = wick::param_store();
  for (const std::string& name : store.names()) out.emplace_back(name, store.at(name).unconstrained().to_vector());
  return out;
}

/// What a step must leave as it was, whatever happened in it, beside the parameters.
struct Surroundings {
  const void *handlers, *tape, *random, *store;
  std::uint32_t site;
  std::uint64_t turns;  ///< of sequential plates
  bool operator==(const Surroundings&) const = default;
};
inline Surroundings surroundings() {
  const auto& c = wick::detail::context;
  return {c.innermost, c.tape, c.random, c.store, c.site, wick::detail::plate_turns};
}

inline double log_normal_density(double x, double mean, double sd) {
  const double z = (x - mean) / sd;
  return -0.5 * z * z - std::log(sd) - 0.91893853320467274178;
}

// A program without noise: z at a parameter (a point estimate), z ~ Normal(0, 1), x ~ Normal(z, 1) observed. Its loss is
// point_loss and its gradient 2 z - x.
inline void point_model(double x) {
  using namespace wick;
  const Tensor z = sample("z", Normal(0.0, 1.0));
  sample("x", Normal(z, 1.0), obs(x));
}
inline void point_guide(double start) { wick::sample("z", wick::Delta(wick::param("z_at", start))); }
inline double point_loss(double z, double x) { return -log_normal_density(z, 0.0, 1.0) - log_normal_density(x, z, 1.0); }

// A program with noise: z ~ Normal(0, 1), x ~ Normal(z, 1) observed; guide z ~ Normal(loc, scale).
inline void noisy_model(double x) { point_model(x); }
inline void noisy_guide() {
  using namespace wick;
  sample("z", Normal(param("loc", 0.3), param("scale", 0.8, constraints::positive)));
}

/// Adam, written out, for one number (tests/optim shows that wick's is this).
struct AdamReference {
  wick::AdamOptions o;
  double m = 0.0, v = 0.0, power1 = 1.0, power2 = 1.0;
  double step(double x, double g) {
    power1 *= o.beta1;
    power2 *= o.beta2;
    const double rate = o.lr / (1.0 - power1), correction = 1.0 / std::sqrt(1.0 - power2);
    m = o.beta1 * m + (1.0 - o.beta1) * g;
    v = o.beta2 * v + (1.0 - o.beta2) * (g * g);
    return x - rate * (m / (std::sqrt(v) * correction + o.eps));
  }
};

}  // namespace wick_test
