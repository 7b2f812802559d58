/// \file
/// Samplers as recorded values: noise, functions of noise, and element-by-element draws.
#pragma once

#include <wick/dist/distribution.hpp>
#include <wick/math/noise.hpp>

namespace wick::inline WICK_ABI::detail {

inline constexpr unsigned kMaxDrawn = 2;

/// Where a sampler finds its parameters: the stored data of each and its shape.
struct DrawInputs {
  const double* data[kMaxDrawn];
  const Shape* shapes[kMaxDrawn];
};

/// A sampler: fills `out` of the shape with the draw that belongs to the key. Element i must depend on (key, i) and its own
/// parameters alone. `pull`, where there is one, adds g · ∂out/∂parameter to the adjoints that are not null.
struct DrawSpec {
  const char* name;
  unsigned arity;
  void (*fill)(Key key, const Shape& shape, double* out, const DrawInputs& in);
  void (*pull)(const Shape& shape, const double* g, const double* out, const DrawInputs& in, double* const* adjoint) = nullptr;
};

/// The recorded form of a draw: kept with its key, so that a re-run can draw anew.
struct DrawPayload {
  const OpFns* fns;
  const DrawSpec* spec;
  Key key;
  std::uint32_t in[kMaxDrawn];
};

inline DrawInputs draw_inputs(Tape& tape, const DrawPayload& p) {
  DrawInputs in;
  for (unsigned k = 0; k < p.spec->arity; ++k) {
    in.data[k] = tape.data(p.in[k]);
    in.shapes[k] = &tape.shape(p.in[k]);
  }
  return in;
}
inline void draw_rerun(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<DrawPayload*>(tape[i].payload);
  p.spec->fill(p.key, tape.shape(i), output_of(tape, i), draw_inputs(tape, p));
}
inline void draw_adjoint(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<DrawPayload*>(tape[i].payload);
  double* adjoint[kMaxDrawn] = {};
  for (unsigned k = 0; k < p.spec->arity; ++k) adjoint[k] = tape.adjoint(p.in[k]);
  p.spec->pull(tape.shape(i), tape.arrived(i), tape.data(i), draw_inputs(tape, p), adjoint);
}
inline constexpr OpFns draw_ops{"draw", &draw_rerun, &draw_adjoint};

/// Draws; the value is varying, or differentiable where a parameter is and the sampler has a `pull`.
WICK_NOINLINE inline Tensor draw_value(const DrawSpec& spec, Key key, const Shape& shape, const Tensor* parameters) {
  Tape* tape = context.tape;
  Kind kind = Kind::varying;
  DrawInputs in;
  for (unsigned k = 0; k < spec.arity; ++k) {
    in.data[k] = TensorAccess::stored(parameters[k]);
    in.shapes[k] = &TensorAccess::stored_shape(parameters[k]);
    const Kind own = kind_in(parameters[k], tape);
    if (spec.pull != nullptr && own == Kind::differentiable) kind = own;
  }
  Tensor out = TensorAccess::make(shape);
  spec.fill(key, shape, TensorAccess::fresh_data(out), in);
  if (tape == nullptr) return out;
  auto* p = new_payload<DrawPayload>(*tape);
  p->fns = &draw_ops;
  p->spec = &spec;
  p->key = key;
  for (unsigned k = 0; k < spec.arity; ++k) p->in[k] = record_of(parameters[k], *tape);
  return general_result(*tape, p, out, kind);
}

/// Calls `f(element, parameters...)` for every element in row-major order, each with its own parameters.
template <unsigned Arity, class F>
WICK_INLINE void for_each_element(const Shape& shape, const DrawInputs& in, F f) {
  Index at = 0;
  for (Walk w(shape, in.shapes, Arity); w.live(); w.next())
    for (Index i = 0; i < w.length(); ++i, ++at) {
      const auto parameter = [&](unsigned k) { return in.data[k][w.offset(k) + (w.step(k) ? i : 0)]; };
      if constexpr (Arity == 1)
        f(at, parameter(0));
      else
        f(at, parameter(0), parameter(1));
    }
}

// Noise without parameters.
inline void fill_normal_noise(Key key, const Shape& shape, double* out, const DrawInputs&) {
  const Index n = shape.numel();
  if (n == 1)
    *out = math::normal(key);
  else
    math::fill_normal(key, out, n);
}
inline void fill_uniform_noise(Key key, const Shape& shape, double* out, const DrawInputs&) {
  const Index n = shape.numel();
  if (n == 1)
    *out = math::uniform(key);
  else
    math::fill_uniform(key, out, n);
}
inline constexpr DrawSpec normal_noise{"normal noise", 0, &fill_normal_noise};
inline constexpr DrawSpec uniform_noise{"uniform noise", 0, &fill_uniform_noise};

/// e^x as a draw of a positive family: the smallest normal number stands for everything below it, whose density is not finite, and the
/// largest for everything above.
inline double exp_in_range(double x) { return x < -708.0 ? 2.2250738585072014e-308 : x > 709.78 ? kMax : std::exp(x); }

}  // namespace wick::inline WICK_ABI::detail
