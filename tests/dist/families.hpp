/// \file
/// The families under test by name, behind pointers.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <wick/dist/dist.hpp>

namespace wick_test {

/// A copy on the heap.
template <class D>
std::unique_ptr<wick::Distribution> boxed(const D& d) {
  return std::make_unique<D>(d);
}

/// The family `dist` with parameters of these names; `p` has one tensor for each.
inline std::unique_ptr<wick::Distribution> make_family(const std::string& dist, const std::string& names, const std::vector<wick::Tensor>& p) {
  using namespace wick;
  const bool logits = names == "logits";
  if (dist == "Normal") return boxed(Normal(p[0], p[1]));
  if (dist == "LogNormal") return boxed(LogNormal(p[0], p[1]));
  if (dist == "HalfNormal") return boxed(HalfNormal(p[0]));
  if (dist == "HalfCauchy") return boxed(HalfCauchy(p[0]));
  if (dist == "Uniform") return boxed(Uniform(p[0], p[1]));
  if (dist == "Exponential") return boxed(Exponential(p[0]));
  if (dist == "Gamma") return boxed(Gamma(p[0], p[1]));
  if (dist == "Bernoulli") return logits ? boxed(Bernoulli({.logits = p[0]})) : boxed(Bernoulli(p[0]));
  if (dist == "Categorical") return logits ? boxed(Categorical({.logits = p[0]})) : boxed(Categorical(p[0]));
  if (dist == "Poisson") return boxed(Poisson(p[0]));
  if (dist == "Delta") return boxed(Delta(p[0], p[1]));
  throw std::invalid_argument(dist);
}

/// |a - b| <= 1e-12 (1 + |b|), rule F.
inline bool within_rule_f(double a, double b) {
  if (std::isinf(b)) return a == b;
  return std::abs(a - b) <= 1e-12 * (1.0 + std::abs(b));
}

}  // namespace wick_test
