/// \file
/// Rule C for models of one latent and one observed site in all structures. Each function makes one table; the planted
/// faults run the same functions.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "gradient/probe.hpp"
#include "gradient/structure.hpp"

namespace wick_test {

using Vector = std::vector<double>;

inline Vector exp_of(Vector v) {
  for (double& x : v) x = std::exp(x);
  return v;
}
inline Vector part_of(const Vector& v, std::size_t from, std::size_t n) {
  return Vector(v.begin() + static_cast<std::ptrdiff_t>(from), v.begin() + static_cast<std::ptrdiff_t>(from + n));
}
/// A vector, or a scalar for one element.
inline wick::Tensor parameter_of(const Vector& v) { return v.size() == 1 ? wick::Tensor(v[0]) : wick::Tensor(v); }

/// The sd of the priors of the models below: 1, unless that fault is planted.
inline double prior_sd() { return WICK_FAULT(prior_scale, 1.0, 1.2); }

/// z ~ Normal(0, 1), x ~ Normal(z, 1); guide z ~ Normal(loc, scale), pathwise or by the score function.
inline void compare_normal_normal(MonteCarloTable& table, const Structure& s, bool pathwise) {
  using namespace wick;
  const Vector x{-0.5, 2.0, 3.1};
  const std::size_t n = s.global ? 1 : 3;
  const Vector p = s.global ? Vector{-1.4, -0.5} : Vector{1.2, -0.9, -0.4, 0.2, -0.5, 0.1};
  const auto model = structured_model(s, x, [] { return Normal(0.0, prior_sd()); }, [](const Tensor& z) { return Normal(z, 1.0); });
  const Tensor loc = parameter_of(part_of(p, 0, n)), scale = parameter_of(exp_of(part_of(p, n, n)));
  const auto guide = structured_guide(s, 3, [=](const Part& part) {
    const Normal q(part.param("loc", loc), part.param("scale", scale, constraints::positive));
    return pathwise ? q : q.without_rsample();
  });
  compare_step(table, s.name, model, guide, {{"loc", n}, {"scale", n}}, normal_normal(p, x, s.weights(3)), s.particles);
}

/// z ~ Bernoulli(0.3), x ~ Normal(z ? 1.5 : -1, 1); guide z ~ Bernoulli(logits).
inline void compare_bernoulli_normal(MonteCarloTable& table, const Structure& s) {
  using namespace wick;
  const Vector x{-0.5, 2.0, 0.7};
  const std::size_t n = s.global ? 1 : 3;
  const Vector p = s.global ? Vector{-0.7} : Vector{0.8, -0.6, 0.2};
  const auto model = structured_model(s, x, [] { return Bernoulli(0.3); }, [](const Tensor& z) { return Normal(z * 2.5 - 1.0, 1.0); });
  const auto guide = structured_guide(s, 3, [logits = parameter_of(p)](const Part& part) {
    return Bernoulli({.logits = part.param("logits", logits)});
  });
  compare_step(table, s.name, model, guide, {{"logits", n}}, bernoulli_normal(p, x, s.weights(3)), s.particles);
}

/// z ~ Gamma(2, 0.5), x ~ Poisson(z); guide z ~ Gamma(concentration, rate), pathwise or by the score function.
inline void compare_poisson_gamma(MonteCarloTable& table, const Structure& s, bool pathwise) {
  using namespace wick;
  const Vector x{0.0, 3.0, 5.0};
  const std::size_t n = s.global ? 1 : 3;
  const Vector p = s.global ? Vector{1.3, 0.9} : Vector{0.9, 1.9, 1.0, 0.3, 0.1, 0.4};
  const auto model = structured_model(s, x, [] { return Gamma(2.0, 0.5); }, [](const Tensor& z) { return Poisson(z); });
  const Tensor concentration = parameter_of(exp_of(part_of(p, 0, n))), rate = parameter_of(exp_of(part_of(p, n, n)));
  const auto guide = structured_guide(s, 3, [=](const Part& part) {
    const Gamma q(part.param("concentration", concentration, constraints::positive), part.param("rate", rate, constraints::positive));
    return pathwise ? q : q.without_rsample();
  });
  compare_step(table, s.name, model, guide, {{"concentration", n}, {"rate", n}}, poisson_gamma(p, x, s.weights(3)), s.particles);
}

/// Whether a structure is among those wanted: no name given means all.
inline bool wanted(const Structure& s, const std::vector<std::string>& names) {
  return names.empty() || std::find(names.begin(), names.end(), s.name) != names.end();
}

inline MonteCarloReport normal_normal_table(bool pathwise, const std::vector<std::string>& only = {}) {
  MonteCarloTable table(pathwise ? "gradient: Normal-Normal, pathwise" : "gradient: Normal-Normal, score function");
  for (const Structure& s : structures())
    if (wanted(s, only)) compare_normal_normal(table, s, pathwise);
  return table.report();
}
inline MonteCarloReport bernoulli_normal_table(const std::vector<std::string>& only = {}) {
  MonteCarloTable table("gradient: Bernoulli-Normal");
  for (const Structure& s : structures())
    if (wanted(s, only)) compare_bernoulli_normal(table, s);
  return table.report();
}
inline MonteCarloReport poisson_gamma_table(bool pathwise, const std::vector<std::string>& only = {}) {
  MonteCarloTable table(pathwise ? "gradient: Poisson-Gamma, pathwise" : "gradient: Poisson-Gamma, score function");
  for (const Structure& s : structures())
    if (wanted(s, only)) compare_poisson_gamma(table, s, pathwise);
  return table.report();
}

}  // namespace wick_test
