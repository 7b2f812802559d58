/// \file
/// The one driver behind every elementwise operation.
#pragma once

#include <wick/ad/element_pull.hpp>
#include <wick/ad/second_pointwise.hpp>

namespace wick::inline WICK_ABI::detail {

inline void element_rerun(Tape& tape, std::uint32_t i) {
  auto* p = static_cast<ElementPayload*>(tape[i].payload);
  element_run(*p->element, output_of(tape, i), tape.shape(i), tape.numel(i), element_operands(tape, *p));
}

#if defined(WICK_SECOND_ORDER)
inline Pointwise element_pointwise(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ElementPayload*>(pass.tape()[i].payload);
  if (e.element->scalar.second == nullptr) SecondPass::raise_none(e.element->name);
  Pointwise p{e.element->scalar.second, nullptr, e.element->arity, {}, {}, {}, 0, pass.tape().shape(i), 1.0, false};
  for (unsigned k = 0; k < p.arity; ++k) {
    p.in[k] = e.in[k];
    p.live[k] = (e.element->live >> k & 1u) != 0;
  }
  return p;
}
inline void element_tangent(SecondPass& pass, std::uint32_t i) { pointwise_tangent(pass, i, element_pointwise(pass, i)); }
inline void element_pull_second(SecondPass& pass, std::uint32_t i) { pointwise_pull(pass, i, element_pointwise(pass, i)); }
#endif
inline constexpr OpFns element_ops{"elementwise", &element_rerun, &element_adjoint, {WICK_SECOND(SecondKind::own, &element_tangent, &element_pull_second)}};

/// An operation on one or two scalars: one record, without payload.
WICK_NOINLINE inline Tensor element_scalars(ElementFns& f, const Tensor& a, const Tensor* b) {
  Tape* tape = context.tape;
  Kind kind = kind_in(a, tape);
  double second = 0;
  if (b != nullptr) {
    second = TensorAccess::scalar(*b);
    const Kind own = kind_in(*b, tape);
    kind = own > kind ? own : kind;
  }
  const double y = f.scalar.f(TensorAccess::scalar(a), second);
  if (kind == Kind::constant || tape == nullptr) return Tensor(y);
  if (!f.smooth) kind = Kind::varying;
  const std::uint32_t ra = record_of(a, *tape), rb = b != nullptr ? record_of(*b, *tape) : 0;
  const std::uint32_t record =
      tape->push_scalar(f.op == Op::first_function ? opcode_of(f.scalar) : f.op, ra, rb, y, kind);
  Tensor out(y);
  TensorAccess::attach(out, tape->run(), record, kind);
  return out;
}

/// Evaluates an elementwise operation with a tensor among its operands and records it where one is varying or
/// differentiable. Errors: wick.op.E120 (shapes), wick.tensor.E100 (an operand without a value).
WICK_NOINLINE inline Tensor elementwise(ElementFns& f, const Tensor* const* in) {
  Tape* tape = context.tape;
  Kind kind = Kind::constant;
  for (unsigned k = 0; k < f.arity; ++k) {
    const Kind own = operand_kind(f.name, *in[k], tape);
    if (own > kind) kind = own;
  }
  if (!f.smooth && kind == Kind::differentiable) kind = Kind::varying;
  ElementOperands operands;
  Shape shape = in[0]->shape();
  for (unsigned k = 0; k < f.arity; ++k) {
    operands.data[k] = TensorAccess::stored(*in[k]);
    operands.shape[k] = &TensorAccess::stored_shape(*in[k]);
    operands.numel[k] = TensorAccess::stored_numel(*in[k]);
    if (k != 0 && WICK_UNLIKELY(!broadcast_into(shape, in[k]->shape()))) raise_broadcast_of(f.name, in, k);
  }
  Tensor out = TensorAccess::make(shape);
  element_run(f, TensorAccess::fresh_data(out), shape, out.numel(), operands);
  if (kind == Kind::constant) return out;
  auto* p = new_payload<ElementPayload>(*tape);
  p->fns = &element_ops;
  p->element = &f;
  for (unsigned k = 0; k < f.arity; ++k) p->in[k] = record_of(*in[k], *tape);
  return general_result(*tape, p, out, kind);
}

}  // namespace wick::inline WICK_ABI::detail
