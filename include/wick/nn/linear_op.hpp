/// \file
/// linear(x, weight, bias): x weightᵀ + bias as one operation.
#pragma once

#include <wick/ad/matmul.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// Y[n, m] = X[n, k] Wᵀ, W[m, k], plus b[m] on every row; `b` 0: no bias.
struct LinearPayload {
  const OpFns* fns;
  std::uint32_t x, w, b;
  Index n, k, m;
};

/// y += X Wᵀ.
WICK_NOINLINE inline void linear_add(const double* x, const double* w, double* y, Index n, Index k, Index m) {
  if (n == 1)
    mat_vec(w, x, y, m, k);
  else if (m == 1)
    mat_vec(x, w, y, n, k);
  else
    gemm({x, k, 1}, {w, 1, k}, y, n, k, m);
}
WICK_NOINLINE inline void linear_run(const LinearPayload& p, const double* x, const double* w, const double* b, double* y) {
  for (Index i = 0; i < p.n; ++i)
    for (Index j = 0; j < p.m; ++j) y[i * p.m + j] = b != nullptr ? b[j] : 0.0;
  linear_add(x, w, y, p.n, p.k, p.m);
}

inline void linear_forward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const LinearPayload*>(tape[i].payload);
  linear_run(p, tape.data(p.x), tape.data(p.w), p.b != 0 ? tape.data(p.b) : nullptr, output_of(tape, i));
}

/// dX += G W.
inline void linear_add_x(const LinearPayload& p, const double* g, const double* w, double* to) {
  if (p.n == 1)
    vec_mat(g, w, to, p.m, p.k);
  else if (p.m == 1)
    outer_product(g, w, to, p.n, p.k);
  else
    gemm({g, p.m, 1}, {w, p.k, 1}, to, p.n, p.m, p.k);
}
/// dW += Gᵀ X.
inline void linear_add_w(const LinearPayload& p, const double* g, const double* x, double* to) {
  if (p.n == 1)
    outer_product(g, x, to, p.m, p.k);
  else if (p.m == 1)
    vec_mat(g, x, to, p.n, p.k);
  else
    gemm({g, 1, p.m}, {x, p.k, 1}, to, p.m, p.n, p.k);
}
/// Both with 0 · x = 0 for elements of G that are 0, whatever x is (see matmul_pull).
WICK_COLD inline void linear_add_of_zeros(const LinearPayload& p, const double* g, const double* x, const double* w, double* to_x, double* to_w) {
  for (Index i = 0; i < p.n; ++i)
    for (Index j = 0; j < p.m; ++j)
      for (Index q = 0; q < p.k; ++q) {
        if (to_x != nullptr) to_x[i * p.k + q] += adjoint_product(g[i * p.m + j], w[j * p.k + q]);
        if (to_w != nullptr) to_w[j * p.k + q] += adjoint_product(g[i * p.m + j], x[i * p.k + q]);
      }
}

/// dX += G W for one row, where G has zeros.
inline void linear_add_row(const LinearPayload& p, const double* g, const double* x, const double* w, double* to) {
  constexpr Index most = 64;
  alignas(64) double sums[most];
  if (p.k > most && !all_finite(p.m * p.k, w)) return linear_add_of_zeros(p, g, x, w, to, nullptr);
  if (p.k > most) return linear_add_x(p, g, w, to);
  for (Index q = 0; q < p.k; ++q) sums[q] = 0;
  linear_add_x(p, g, w, sums);
  if (all_finite(p.k, sums))
    add_array(p.k, sums, to);
  else
    linear_add_of_zeros(p, g, x, w, to, nullptr);
}

/// Adds to the adjoints that are not null.
WICK_NOINLINE inline void linear_pull(const LinearPayload& p, const double* g, const double* x, const double* w, double* to_x, double* to_w, double* to_b) {
  for (Index i = 0; to_b != nullptr && i < p.n; ++i) add_array(p.m, g + i * p.m, to_b);
  const bool zeros = has_zero(p.n * p.m, g);
  if (to_x != nullptr) {
    if (zeros && p.n == 1)
      linear_add_row(p, g, x, w, to_x);  // rectifiers make zeros: looking at the product is cheaper than at the weight
    else if (zeros && !all_finite(p.m * p.k, w))
      linear_add_of_zeros(p, g, x, w, to_x, nullptr);
    else
      linear_add_x(p, g, w, to_x);
  }
  if (to_w != nullptr) {
    if (zeros && !all_finite(p.n * p.k, x))
      linear_add_of_zeros(p, g, x, w, nullptr, to_w);
    else
      linear_add_w(p, g, x, to_w);
  }
}
inline void linear_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const LinearPayload*>(tape[i].payload);
  linear_pull(p, tape.adjoint(i), tape.data(p.x), tape.data(p.w), tape.adjoint(p.x), tape.adjoint(p.w), p.b != 0 ? tape.adjoint(p.b) : nullptr);
}

#if defined(WICK_SECOND_ORDER)
/// dY = dX Wᵀ + X dWᵀ + db.
WICK_COLD inline void linear_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const LinearPayload*>(pass.tape()[i].payload);
  double* out = pass.tangent_output(i);
  linear_run(p, pass.tangent(p.x), pass.value(p.w), p.b != 0 ? pass.tangent(p.b) : nullptr, out);
  linear_add(pass.value(p.x), pass.tangent(p.w), out, p.n, p.k, p.m);
}
WICK_COLD inline void linear_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const LinearPayload*>(pass.tape()[i].payload);
  if (pass.adjoint_tangent(i) != nullptr)
    linear_pull(p, pass.adjoint_tangent(i), pass.value(p.x), pass.value(p.w), pass.pull_to(p.x), pass.pull_to(p.w), p.b != 0 ? pass.pull_to(p.b) : nullptr);
  if (pass.adjoint(i) != nullptr) linear_pull(p, pass.adjoint(i), pass.tangent(p.x), pass.tangent(p.w), pass.pull_to(p.x), pass.pull_to(p.w), nullptr);
}
#endif
inline constexpr OpFns linear_ops{"linear", &linear_forward, &linear_backward, {WICK_SECOND(SecondKind::own, &linear_tangent, &linear_pull_second)}};

[[noreturn]] WICK_COLD inline void raise_linear(const Shape& x, const Shape& w, const Shape* b) {
  if (b != nullptr)
    raise<ShapeError>("wick.nn.E510", "", {"linear: the bias has shape ", *b, ", the weight ", w}, {"give one number an output: shape (", w.rank() == 2 ? w[0] : 0, ",)"});
  raise<ShapeError>("wick.nn.E510", "", {"linear: x has shape ", x, ", the weight ", w}, {"the weight is a matrix (outputs, inputs); the last dimension of x has the inputs"});
}

}  // namespace detail

/// x weightᵀ + bias over the last dimension of `x`: a linear layer, as one record.
///
/// Shapes: x (…, inputs), weight (outputs, inputs), bias (outputs) or empty; returns (…, outputs). Gradients: all three, also second ones.
/// Throws: wick.nn.E510.
WICK_NOINLINE inline Tensor linear(const Tensor& x_in, const Tensor& w_in, const Tensor& b_in = {}) {
  using namespace detail;
  Tape* tape = context.tape;
  const bool biased = !b_in.empty();
  Kind kind = operand_kind("linear", x_in, tape);
  if (const Kind k = operand_kind("linear", w_in, tape); k > kind) kind = k;
  if (const Kind k = biased ? operand_kind("linear", b_in, tape) : Kind::constant; k > kind) kind = k;
  Tensor room_x, room_w, room_b;
  const Tensor &x = dense(x_in, room_x), &w = dense(w_in, room_w), &b = dense(b_in, room_b);
  const Shape &sx = x.shape(), &sw = w.shape();
  if (WICK_UNLIKELY(sx.rank() < 1 || sw.rank() != 2 || sx[sx.size() - 1] != sw[1])) raise_linear(sx, sw, nullptr);
  if (WICK_UNLIKELY(biased && !(b.dim() == 1 && b.shape()[0] == sw[0]))) raise_linear(sx, sw, &b.shape());
  const Index k = sw[1], m = sw[0];
  Shape shape = sx;
  shape[shape.size() - 1] = m;
  Index n = 1;
  for (unsigned i = 0; i + 1 < sx.size(); ++i) n *= sx[i];
  const LinearPayload p{&linear_ops, 0, 0, 0, n, k, m};
  Tensor out = TensorAccess::make(shape);
  linear_run(p, TensorAccess::stored(x), TensorAccess::stored(w), biased ? TensorAccess::stored(b) : nullptr, TensorAccess::fresh_data(out));
  if (kind == Kind::constant) return out;
  auto* kept = new_payload<LinearPayload>(*tape);
  *kept = p;
  kept->x = record_of(x, *tape);
  kept->w = record_of(w, *tape);
  kept->b = biased ? record_of(b, *tape) : 0;
  return general_result(*tape, kept, out, kind);
}

}  // namespace wick::inline WICK_ABI
