/// \file
/// loc + scale · noise as one record: the draws of location-scale families.
#pragma once

#include <wick/dist/draw.hpp>

namespace wick::inline WICK_ABI::detail {

/// Kept with its key and noise: the reverse loop needs the noise, a re-run draws it anew.
struct LocationScalePayload {
  const OpFns* fns;
  const DrawSpec* noise;
  Key key;
  std::uint32_t loc, scale;  ///< records; loc 0: none
  double* e;                 ///< the noise of a tensor
  double e_scalar;           ///< that of a single number
};

/// What `location_scale` reads: stored data and shapes of loc and scale.
struct LocationScaleInputs {
  const double* data[2];
  const Shape* shapes[2];
};

/// y = loc + scale · e. `y` may be `e`.
WICK_NOINLINE inline void location_scale_run(Index n, const double* loc, Index loc_step, const double* scale, Index scale_step, const double* e, double* y) {
  if (loc == nullptr)
    for (Index i = 0; i < n; ++i) y[i] = scale[i * scale_step] * e[i];
  else
    for (Index i = 0; i < n; ++i) y[i] = loc[i * loc_step] + scale[i * scale_step] * e[i];
}
WICK_NOINLINE inline void location_scale_walk(const LocationScaleInputs& in, const Shape& shape, const double* e, double* y) {
  for (Walk w(shape, in.shapes, 2); w.live(); w.next()) {
    location_scale_run(w.length(), in.data[0] == nullptr ? nullptr : in.data[0] + w.offset(0), w.step(0), in.data[1] + w.offset(1), w.step(1), e, y);
    e += w.length();
    y += w.length();
  }
}
WICK_NOINLINE inline void location_scale_value(const LocationScaleInputs& in, const Shape& shape, Index n, const double* e, double* y) {
  const Index own[] = {in.data[0] == nullptr ? 1 : in.shapes[0]->numel(), in.shapes[1]->numel()};
  if (WICK_LIKELY((own[0] == 1 || own[0] == n) && (own[1] == 1 || own[1] == n)))
    return location_scale_run(n, in.data[0], own[0] != 1, in.data[1], own[1] != 1, e, y);
  location_scale_walk(in, shape, e, y);
}

inline void location_scale_rerun(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<LocationScalePayload*>(tape[i].payload);
  const std::uint32_t loc = p.loc != 0 ? p.loc : p.scale;
  const LocationScaleInputs in{{p.loc != 0 ? tape.data(loc) : nullptr, tape.data(p.scale)}, {&tape.shape(loc), &tape.shape(p.scale)}};
  double* e = tape[i].is_tensor() ? p.e : &p.e_scalar;
  p.noise->fill(p.key, tape.shape(i), e, {});
  location_scale_value(in, tape.shape(i), tape.numel(i), e, output_of(tape, i));
}
inline void location_scale_adjoint(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<LocationScalePayload*>(tape[i].payload);
  if (!tape[i].is_tensor()) {  // then loc and scale are single numbers
    const double g = tape[i].adjoint;
    if (double* to = p.loc != 0 ? tape.adjoint(p.loc) : nullptr) *to += g;
    if (double* to = tape.adjoint(p.scale)) *to += g * p.e_scalar;
    return;
  }
  const double* g = tape.arrived(i);
  const Index n = tape.numel(i);
  if (double* to = p.loc != 0 ? tape.adjoint(p.loc) : nullptr) {
    if (tape.numel(p.loc) == n)
      add_array(n, g, to);
    else
      add_broadcast(g, tape.shape(i), to, tape.shape(p.loc));
  }
  if (double* to = tape.adjoint(p.scale)) {
    const Index own = tape.numel(p.scale);
    if (own == n)
      add_product(n, g, p.e, to);
    else if (own == 1)
      *to += dot_array(n, g, p.e);
    else
      add_product_walk(tape.shape(i), g, p.e, tape.shape(p.scale), to);
  }
}
inline constexpr OpFns location_scale_ops{"loc + scale * noise", &location_scale_rerun, &location_scale_adjoint, second_linear};

/// loc + scale · e of a shape, to which loc (null: none) and scale broadcast, with noise `e` without parameters.
WICK_NOINLINE inline Tensor location_scale(const Tensor* loc, const Tensor& scale, const DrawSpec& noise, Key key, const Shape& shape) {
  Tape* tape = context.tape;
  Kind kind = operand_kind(noise.name, scale, tape);
  if (loc != nullptr) {
    const Kind own = operand_kind(noise.name, *loc, tape);
    if (own > kind) kind = own;
  }
  if (kind == Kind::constant) kind = Kind::varying;
  const bool single = shape.empty();
  const Index n = single ? 1 : shape.numel();
  double e_scalar = 0;
  Tensor out = TensorAccess::make(shape);
  double *y = TensorAccess::fresh_data(out), *e = single ? &e_scalar : tape == nullptr ? y : tape->arena().doubles(n);
  noise.fill(key, shape, e, {});
  if (single) {
    const double spread = TensorAccess::scalar(scale) * e_scalar;
    *y = loc == nullptr ? spread : TensorAccess::scalar(*loc) + spread;
  } else {
    const Tensor& first = loc == nullptr ? scale : *loc;
    location_scale_value({{loc == nullptr ? nullptr : TensorAccess::stored(*loc), TensorAccess::stored(scale)},
                          {&TensorAccess::stored_shape(first), &TensorAccess::stored_shape(scale)}},
                         shape, n, e, y);
  }
  if (tape == nullptr) return out;
  const std::uint32_t records[] = {loc == nullptr ? 0 : record_of(*loc, *tape), record_of(scale, *tape)};
  auto* p = static_cast<LocationScalePayload*>(tape->arena().take_small(sizeof(LocationScalePayload)));
  *p = {&location_scale_ops, &noise, key, records[0], records[1], e, e_scalar};
  return general_result(*tape, p, out, kind);
}

}  // namespace wick::inline WICK_ABI::detail
