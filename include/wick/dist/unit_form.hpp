/// \file
/// What a family's distributions are transforms of.
#pragma once

#include <string_view>
#include <utility>

#include <wick/dist/log_normal.hpp>

namespace wick::inline WICK_ABI::detail {

/// x = shift + factor u. An empty shift is 0; an empty factor: the family has no unit form.
struct UnitForm {
  Tensor shift, factor;
  Tensor value(const Tensor& u) const { return shift.empty() ? factor * u : shift + factor * u; }
};

/// Makes `d`, a copy of the caller's, the distribution of u: Normal(0, 1), Uniform(0, 1), Exponential(1), Gamma(concentration, 1), HalfNormal(1),
/// HalfCauchy(1), of the shapes and with the mask that it has. Families are known by name: in others "scale" and "rate" may mean something else.
inline UnitForm take_unit_form(Distribution& d) {
  UnitForm out;
  const std::string_view family = d.name();
  bool known = false;
  for (const char* one : {"Normal", "Uniform", "Exponential", "Gamma", "HalfNormal", "HalfCauchy"}) known = known || family == one;
  auto* p = const_cast<Tensor*>(d.parameters());
  for (unsigned k = 0; known && k < d.info().arity; ++k) {
    const std::string_view name = d.info().parameters[k];
    if (name == "loc" || name == "low") out.shift = std::exchange(p[k], 0.0);
    if (name == "scale") out.factor = std::exchange(p[k], 1.0);
    if (name == "high") out.factor = std::exchange(p[k], 1.0) - out.shift;
    if (name == "rate") out.factor = 1.0 / std::exchange(p[k], 1.0);
  }
  return out;
}

/// The distribution of log x, of the shapes, mask and gradients of a LogNormal.
inline Normal normal_of(const Distribution& log_normal) {
  Normal out(log_normal.parameters()[0], log_normal.parameters()[1]);
  out.expand_to(log_normal.shape());
  out.reinterpret_batch(log_normal.event_dim());
  out.take_mask(log_normal);
  out.use_score_gradient(!log_normal.has_rsample());
  return out;
}

}  // namespace wick::inline WICK_ABI::detail
