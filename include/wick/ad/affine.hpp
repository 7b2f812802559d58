/// \file
/// loc + scale · e as one record: what location-scale samplers are made of.
#pragma once

#include <wick/ad/general.hpp>

namespace wick::inline WICK_ABI::detail {

struct AffinePayload {
  const OpFns* fns;
  std::uint32_t in[3];  ///< loc, scale, e
};

/// y = loc + scale · e over a run; fixed operands have step 0.
WICK_NOINLINE inline void affine_run(Index n, const double* loc, Index loc_step, const double* scale, Index scale_step, const double* e, Index e_step, double* y) {
  for (Index i = 0; i < n; ++i) y[i] = loc[i * loc_step] + scale[i * scale_step] * e[i * e_step];
}
inline void affine_value(const double* const* in, const Shape* const* shapes, const Shape& shape, double* y) {
  for (Walk w(shape, shapes, 3); w.live(); w.next()) {
    affine_run(w.length(), in[0] + w.offset(0), w.step(0), in[1] + w.offset(1), w.step(1), in[2] + w.offset(2), w.step(2), y);
    y += w.length();
  }
}
inline void affine_forward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<AffinePayload*>(tape[i].payload);
  const double* in[3];
  const Shape* shapes[3];
  for (unsigned k = 0; k < 3; ++k) {
    in[k] = tape.data(p.in[k]);
    shapes[k] = &tape.shape(p.in[k]);
  }
  affine_value(in, shapes, tape.shape(i), output_of(tape, i));
}
inline void affine_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<AffinePayload*>(tape[i].payload);
  const double *g = tape.adjoint(i), *e = tape.data(p.in[2]);
  const Index n = tape.numel(i);
  if (double* to = tape.adjoint(p.in[0])) {
    const Index own = tape.numel(p.in[0]);
    if (own == n)
      add_array(n, g, to);
    else
      add_broadcast(g, tape.shape(i), to, tape.shape(p.in[0]));
  }
  if (double* to = tape.adjoint(p.in[1])) {
    const Index own = tape.numel(p.in[1]);
    if (own == n)
      add_product(n, g, e, to);
    else if (own == 1)
      *to += dot_array(n, g, e);
    else
      add_product_walk(tape.shape(i), g, e, tape.shape(p.in[1]), to);
  }
}
inline constexpr OpFns affine_ops{"affine", &affine_forward, &affine_backward};

/// loc + scale · e, of the shape of `e`, to which loc and scale broadcast; `e` has no derivative.
WICK_NOINLINE inline Tensor affine(const Tensor& loc, const Tensor& scale, const Tensor& e) {
  Tape* tape = context.tape;
  const Kind kinds[] = {operand_kind("affine", loc, tape), operand_kind("affine", scale, tape), operand_kind("affine", e, tape)};
  const Kind kind = kinds[0] > kinds[1] ? (kinds[0] > kinds[2] ? kinds[0] : kinds[2]) : (kinds[1] > kinds[2] ? kinds[1] : kinds[2]);
  const Tensor* const operands[] = {&loc, &scale, &e};
  const double* in[3];
  const Shape* shapes[3];
  for (unsigned k = 0; k < 3; ++k) {
    in[k] = TensorAccess::stored(*operands[k]);
    shapes[k] = &TensorAccess::stored_shape(*operands[k]);
  }
  Tensor out = TensorAccess::make(e.shape());
  affine_value(in, shapes, e.shape(), TensorAccess::fresh_data(out));
  if (kind == Kind::constant) return out;
  auto* p = static_cast<AffinePayload*>(tape->arena().take_small(sizeof(AffinePayload)));
  p->fns = &affine_ops;
  for (unsigned k = 0; k < 3; ++k) p->in[k] = record_of(*operands[k], *tape);
  return general_result(*tape, p, out, kind);
}

}  // namespace wick::inline WICK_ABI::detail
