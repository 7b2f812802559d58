/// \file
/// Fused sums of single numbers, for functions that have a form for them.
#pragma once

#include <wick/ad/fuse.hpp>

namespace wick::inline WICK_ABI::detail {

inline void fuse_point_rerun(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<FusePayload*>(tape[i].payload);
  double x[kMaxFused] = {}, d[kMaxFused];
  FuseArgument* a = p.arguments();
  const unsigned arity = p.spec->arity;
  for (unsigned k = 0; k < arity; ++k) x[k] = a[k].record == 0 ? a[k].sum : *tape.data(a[k].record);
  tape[i].value = p.factor * p.spec->point(x, d);
  for (unsigned k = 0; k < arity; ++k)
    if (a[k].record != 0) a[k].sum = d[k];
}
inline void fuse_point_adjoint(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<FusePayload*>(tape[i].payload);
  const double g = tape[i].adjoint * p.factor;
  for (const FuseArgument *a = p.arguments(), *end = a + p.spec->arity; a != end; ++a)
    if (a->keep != Keep::none) tape[a->record].adjoint += g * a->sum;
}
inline constexpr OpFns fuse_point_ops{"fuse_sum", &fuse_point_rerun, &fuse_point_adjoint, {WICK_SECOND(SecondKind::own, &fuse_sum_tangent, &fuse_sum_pull)}};

/// Of the single numbers `first` and `others`; needs `spec.point`.
WICK_NOINLINE inline Tensor fuse_point(const FuseSpec& spec, const Tensor& first, const Tensor* others, double factor) {
  Tape* tape = context.tape;
  const unsigned arity = spec.arity;
  double x[kMaxFused] = {}, d[kMaxFused];
  Kind kind = Kind::constant;
  const Tensor* t = &first;
  for (unsigned k = 0; k < arity; t = others + k++) {
    x[k] = TensorAccess::scalar(*t);
    const Kind own = kind_in(*t, tape);
    kind = own > kind ? own : kind;
  }
  const double y = factor * spec.point(x, d);
  if (tape == nullptr || kind == Kind::constant) return Tensor(y);
  auto* p = static_cast<FusePayload*>(tape->arena().take_small(FusePayload::bytes(arity)));
  *p = {&fuse_point_ops, &spec, nullptr, factor, 1, nullptr, 0, 0};
  FuseArgument* a = p->arguments();
  kind = Kind::varying;
  t = &first;
  for (unsigned k = 0; k < arity; t = others + k++) {
    const bool recorded = TensorAccess::run(*t) == tape->run();
    a[k].record = recorded ? TensorAccess::record(*t) : 0;
    a[k].keep = recorded && TensorAccess::kind(*t) == Kind::differentiable && (spec.live >> k & 1u) != 0 ? Keep::sum : Keep::none;
    a[k].sum = recorded ? d[k] : x[k];
    if (a[k].keep != Keep::none) kind = Kind::differentiable;
  }
  const std::uint32_t record = tape->push_general_scalar(p, y, kind);
  Tensor out(y);
  TensorAccess::attach(out, tape->run(), record, kind);
  return out;
}

}  // namespace wick::inline WICK_ABI::detail
