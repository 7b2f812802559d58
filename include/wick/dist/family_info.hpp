/// \file
/// The static description of a family of distributions, and the cold paths that name a fault.
#pragma once

#include <wick/ad/fuse_point.hpp>
#include <wick/constraint/constraint.hpp>

namespace wick::inline WICK_ABI::detail {

/// What all distributions of a family share; a constant of the program.
struct FamilyInfo {
  const char* name;
  unsigned arity;                       ///< number of parameters
  const char* const* parameters;        ///< their names
  const ConstraintOps* const* domains;  ///< their domains, element by element
  bool has_rsample;                     ///< samples carry gradients to the parameters
  bool discrete;
  const FuseSpec* density;              ///< kernel over (value, parameters...); null: `score` is overridden
  Index parameter_event_dim = 0;        ///< rightmost parameter dims that are not batch dims
};

/// Keeps `{a, b}` from being read as options: they are given by name, `{.logits = x}`.
struct ByName {
  explicit ByName() = default;
};

/// Numbers and infinities; and without +∞: log weights.
inline constexpr ConstraintOps extended_real_set{
    "real or infinite", false, [](double x, double, double) { return x == x; }, nullptr, nullptr, nullptr, -kInf, kInf};
inline constexpr ConstraintOps log_weight_set{
    "real or -inf", false, [](double x, double, double) { return x < kInf; }, nullptr, nullptr, nullptr, -kInf, kMax};

/// The broadcast of the parameters' shapes into `shape`.
/// Throws wick.dist.E203 where they do not broadcast, E209 for one without a value.
WICK_NOINLINE inline void broadcast_parameters(const FamilyInfo& family, const Tensor* p, Shape& shape) {
  for (unsigned k = 0; k < family.arity; ++k) {
    if (p[k].empty())
      raise<UsageError>("wick.dist.E209", "", {family.name, ": parameter ", family.parameters[k], " has no value"}, {"give it a number or a tensor"});
    if (broadcast_into(shape, p[k].shape())) continue;
    Text shapes;
    for (unsigned j = 0; j < family.arity; ++j) shapes.add({j == 0 ? "" : ", ", family.parameters[j], " ", p[j].shape()});
    raise<ShapeError>("wick.dist.E203", "", {family.name, ": parameter shapes do not broadcast: ", shapes},
                      {"sizes must be equal or 1, aligned at the right; reshape one, as in reshape(x, {n, 1})"});
  }
}

/// The one of two alternative parameters that was given. Throws wick.dist.E209 for none or both.
inline Tensor only_one(const char* family, const Tensor& probs, const Tensor& logits) {
  if (WICK_UNLIKELY(probs.empty() == logits.empty()))
    raise<UsageError>("wick.dist.E209", "", {family, probs.empty() ? ": neither probs nor logits has a value" : ": both probs and logits are given"},
                      {"give exactly one of them, as in ", family, "({.logits = x})"});
  return probs.empty() ? logits : probs;
}

/// What to do about a parameter outside `set`.
WICK_COLD inline const char* parameter_advice(const Constraint& set, double value) {
  const std::string_view name = set.name();
  const bool positive = name == "positive";
  if (positive && (value == 0 || value == kInf))
    return "\n  if it is param(name, init, constraints::positive), steps have driven it there: lower the learning rate, and set it anew";
  if (value != value) return ": 0 / 0, log of a negative number and inf - inf give nan";
  if (value == kInf || value == -kInf) return ": exp of a large number and x / 0 are infinite";
  if (positive) return "; a parameter stays positive as param(name, init, constraints::positive), a computed value as exp(...)";
  if (name == "unit_interval") return "; a parameter stays a probability as param(name, init, constraints::unit_interval), a computed value as sigmoid(...), or give logits";
  return "; a parameter stays inside as param(name, init, constraint)";
}

/// Throws E201 or E202 for the first element of `x` that is outside `set` and not masked out, if there is one.
WICK_COLD inline void raise_if_outside(const char* id, const FamilyInfo& family, const char* what, const Tensor& x, const Constraint& set,
                                       const Tensor& mask) {
  const Index bad = set.first_violation(x, mask);
  if (bad < 0) return;
  Shape all = x.shape();
  for (const Tensor* t : {&set.lower(), &set.upper(), &mask}) broadcast_into(all, t->shape());
  const double value = expand(TensorAccess::detached(x), all).data()[bad];
  const Text where = index_text(all, bad), text = set.text();
  if (std::string_view(id) == "wick.dist.E201")
    raise<DomainError>(id, "", {family.name, ": ", what, where, " = ", value, " is not in ", text}, {"check how ", what, " is computed", parameter_advice(set, value)});
  raise<DomainError>(id, "", {family.name, ": ", what, where, " = ", value, " is not in ", text},
                     {"remove or repair this element of the data, or mask it, as in .mask(m): masked elements may hold anything"});
}

[[noreturn]] WICK_COLD inline void raise_nan_density(const FamilyInfo& family) {
  raise<NumericalError>("wick.dist.E204", "", {family.name, ": the log density is NaN although parameters and value are in their domains"},
                        {"look for extreme magnitudes among parameters and value: their difference or ratio overflows"});
}

}  // namespace wick::inline WICK_ABI::detail
