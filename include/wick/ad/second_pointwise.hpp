/// \file
/// Second derivatives of functions that are applied element by element: elementwise operations and fused kernels.
#pragma once

#include <wick/ad/second_pass.hpp>

#if defined(WICK_SECOND_ORDER)

namespace wick::inline WICK_ABI::detail {

/// A recorded function of the elements of its arguments, which broadcast to `shape`.
struct Pointwise {
  void (*point)(const void* f, SecondPoint&);
  const void* f;
  unsigned arity;
  std::uint32_t in[8];      ///< records; 0: the number in `constant`
  double constant[8];
  bool live[8];             ///< has a derivative
  std::uint32_t mask;       ///< record, 0 = none: where it is 0 an element has neither value nor derivative
  Shape shape;
  double factor;
  bool sum;                 ///< the result is the sum over the elements, times the factor
};

/// Calls `each(element, where)` for every element that counts; `where[k]` is the stored element of argument k.
template <class F>
void for_each_point(SecondPass& pass, const Pointwise& p, F each) {
  const Shape* shapes[9];
  for (unsigned k = 0; k < p.arity; ++k) shapes[k] = p.in[k] == 0 ? &Tape::scalar_shape() : &pass.tape().shape(p.in[k]);
  if (p.mask != 0) shapes[p.arity] = &pass.tape().shape(p.mask);
  const double* mask = p.mask != 0 ? pass.value(p.mask) : nullptr;
  Index at = 0, where[9];
  for (Walk w(p.shape, shapes, p.arity + (mask != nullptr ? 1 : 0)); w.live(); w.next())
    for (Index i = 0; i < w.length(); ++i, ++at) {
      for (unsigned k = 0; k < p.arity + (mask != nullptr ? 1u : 0u); ++k) where[k] = w.offset(k) + (w.step(k) ? i : 0);
      if (mask == nullptr || mask[where[p.arity]] != 0) each(at, where);
    }
}
/// Loads the point of one element; returns whether it moves.
inline bool load_point(SecondPass& pass, const Pointwise& p, const Index* where, SecondPoint& s) {
  bool moves = false;
  for (unsigned k = 0; k < p.arity; ++k) {
    s.x[k] = p.in[k] == 0 ? p.constant[k] : pass.value(p.in[k])[where[k]];
    s.dx[k] = p.in[k] == 0 || !p.live[k] ? 0.0 : pass.tangent(p.in[k])[where[k]];
    moves = moves || s.dx[k] != 0;
  }
  return moves;
}

WICK_COLD inline void pointwise_tangent(SecondPass& pass, std::uint32_t i, const Pointwise& p) {
  double* out = pass.tangent_output(i);
  double total = 0;
  SecondPoint s;
  for_each_point(pass, p, [&](Index at, const Index* where) {
    double dy = 0;
    if (load_point(pass, p, where, s)) {  // else 0, also where a partial is infinite
      p.point(p.f, s);
      dy = s.dy;
    }
    if (p.sum)
      total += dy;
    else
      out[at] = dy;
  });
  if (p.sum) *out = p.factor * total;
}

WICK_COLD inline void pointwise_pull(SecondPass& pass, std::uint32_t i, const Pointwise& p) {
  const double *g = pass.adjoint(i), *dg = pass.adjoint_tangent(i);
  double* to[8];
  for (unsigned k = 0; k < p.arity; ++k) to[k] = p.in[k] == 0 || !p.live[k] ? nullptr : pass.pull_to(p.in[k]);
  SecondPoint s;
  for_each_point(pass, p, [&](Index at, const Index* where) {
    const Index j = p.sum ? 0 : at;
    const double gi = g == nullptr ? 0.0 : p.factor * g[j], dgi = dg == nullptr ? 0.0 : p.factor * dg[j];
    if (gi == 0 && dgi == 0) return;
    const bool moves = load_point(pass, p, where, s);
    p.point(p.f, s);
    for (unsigned k = 0; k < p.arity; ++k)
      if (to[k] != nullptr) to[k][where[k]] += (dgi == 0 ? 0.0 : dgi * s.p[k]) + (gi == 0 || !moves ? 0.0 : gi * s.dp[k]);
  });
}

}  // namespace wick::inline WICK_ABI::detail

#endif
