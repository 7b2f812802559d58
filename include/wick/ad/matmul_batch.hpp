/// \file
/// matmul of more than two dimensions, and dot and outer, which are made of it.
#pragma once

#include <wick/ad/matmul.hpp>
#include <wick/ad/ops_math.hpp>
#include <wick/ad/ops_shape.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// The matrices of a[..., n, k] and b[..., k, m], whose leading dimensions broadcast.
struct BatchPayload {
  MatmulPayload one;  ///< one product; begins with the functions
};
/// Calls `each(which matrix of the result, which of a, which of b)`.
template <class F>
void for_each_matrix(const Shape& out, const Shape& a, const Shape& b, F each) {
  const Shape batch = out.head(out.rank() - 2), of_a = a.head(a.rank() - 2), of_b = b.head(b.rank() - 2);
  const Shape* shapes[] = {&of_a, &of_b};
  Index at = 0;
  for (Walk w(batch, shapes, 2); w.live(); w.next())
    for (Index i = 0; i < w.length(); ++i) each(at++, w.offset(0) + (w.step(0) ? i : 0), w.offset(1) + (w.step(1) ? i : 0));
}
inline void batch_run(const MatmulPayload& p, const Shape& out, const Shape& sa, const double* a, const Shape& sb, const double* b, double* c) {
  for_each_matrix(out, sa, sb, [&](Index i, Index ia, Index ib) { matmul_run(p, a + ia * p.n * p.k, b + ib * p.k * p.m, c + i * p.n * p.m); });
}
inline void batch_pull(const MatmulPayload& p, const Shape& out, const Shape& sa, const double* a, const Shape& sb, const double* b, const double* g,
                       double* to_a, double* to_b) {
  for_each_matrix(out, sa, sb, [&](Index i, Index ia, Index ib) {
    const Index in_a = ia * p.n * p.k, in_b = ib * p.k * p.m;
    matmul_pull(p, g + i * p.n * p.m, a + in_a, b + in_b, {to_a == nullptr ? nullptr : to_a + in_a}, {to_b == nullptr ? nullptr : to_b + in_b});
  });
}
inline void batch_forward(Tape& tape, std::uint32_t i) {
  const auto& p = static_cast<const BatchPayload*>(tape[i].payload)->one;
  batch_run(p, tape.shape(i), tape.shape(p.a), tape.data(p.a), tape.shape(p.b), tape.data(p.b), output_of(tape, i));
}
inline void batch_backward(Tape& tape, std::uint32_t i) {
  const auto& p = static_cast<const BatchPayload*>(tape[i].payload)->one;
  batch_pull(p, tape.shape(i), tape.shape(p.a), tape.data(p.a), tape.shape(p.b), tape.data(p.b), tape.arrived(i), tape.adjoint(p.a), tape.adjoint(p.b));
}
#if defined(WICK_SECOND_ORDER)
WICK_COLD inline void batch_tangent(SecondPass& pass, std::uint32_t i) {
  Tape& tape = pass.tape();
  const auto& p = static_cast<const BatchPayload*>(tape[i].payload)->one;
  double* out = pass.tangent_output(i);
  batch_run(p, tape.shape(i), tape.shape(p.a), pass.tangent(p.a), tape.shape(p.b), pass.value(p.b), out);
  const double *a = pass.value(p.a), *db = pass.tangent(p.b);
  for_each_matrix(tape.shape(i), tape.shape(p.a), tape.shape(p.b),
                  [&](Index k, Index ia, Index ib) { matmul_add(a + ia * p.n * p.k, db + ib * p.k * p.m, out + k * p.n * p.m, p.n, p.k, p.m); });
}
WICK_COLD inline void batch_pull_second(SecondPass& pass, std::uint32_t i) {
  Tape& tape = pass.tape();
  const auto& p = static_cast<const BatchPayload*>(tape[i].payload)->one;
  const auto pull = [&](const double* g, const double* a, const double* b) {
    if (g != nullptr) batch_pull(p, tape.shape(i), tape.shape(p.a), a, tape.shape(p.b), b, g, pass.pull_to(p.a), pass.pull_to(p.b));
  };
  pull(pass.adjoint_tangent(i), pass.value(p.a), pass.value(p.b));
  pull(pass.adjoint(i), pass.tangent(p.a), pass.tangent(p.b));
}
#endif
inline constexpr OpFns batch_ops{"matmul", &batch_forward, &batch_backward, {WICK_SECOND(SecondKind::own, &batch_tangent, &batch_pull_second)}};

WICK_NOINLINE inline Tensor batch_call(const Tensor& left, const Tensor& right) {
  Tape* tape = context.tape;
  const Kind ka = operand_kind("matmul", left, tape), kb = operand_kind("matmul", right, tape);
  const Kind kind = ka > kb ? ka : kb;
  if (WICK_UNLIKELY(left.dim() < 1 || right.dim() < 1)) raise_matmul(left.shape(), right.shape());
  // A vector is a matrix of one row, or column, that the result does not have.
  if (left.dim() == 1) {
    const Tensor y = batch_call(reshape(left, {1, left.numel()}), right);
    return squeeze(y, -2);
  }
  if (right.dim() == 1) {
    const Tensor y = batch_call(left, reshape(right, {right.numel(), 1}));
    return squeeze(y, -1);
  }
  Tensor room_a, room_b;
  const Tensor &a = dense(left, room_a), &b = dense(right, room_b);
  const Shape &sa = a.shape(), &sb = b.shape();
  const Index ra = sa.rank(), rb = sb.rank(), n = sa.from_right(-2), k = sa.from_right(-1), m = sb.from_right(-1);
  Shape out_shape = sa.head(ra - 2);
  if (WICK_UNLIKELY(k != sb.from_right(-2) || !broadcast_into(out_shape, sb.head(rb - 2)))) raise_matmul(sa, sb);
  if (rb == 2) return reshape(matmul_call(reshape(a, {sa.head(ra - 1).numel(), k}), b), sa.head(ra - 1) + Shape{m});  // one tall matrix
  out_shape = out_shape + Shape{n, m};
  const MatmulPayload p{&batch_ops, 0, 0, n, k, m};
  Tensor out = TensorAccess::make(out_shape);
  batch_run(p, out_shape, sa, TensorAccess::stored(a), sb, TensorAccess::stored(b), TensorAccess::fresh_data(out));
  if (kind == Kind::constant) return out;
  auto* kept = new_payload<BatchPayload>(*tape);
  kept->one = p;
  kept->one.a = record_of(a, *tape);
  kept->one.b = record_of(b, *tape);
  return general_result(*tape, kept, out, kind);
}

}  // namespace detail

/// The product of vectors and matrices: (k)·(k) → scalar, (n, k)·(k) → (n), (k)·(k, m) → (m), (n, k)·(k, m) → (n, m). Dimensions
/// before these count matrices and broadcast: (7, n, k)·(5, 1, k, m) → (5, 7, n, m).
///
/// Gradients: both, each computed only where it is needed. Throws: wick.op.E129 (a scalar, inner sizes, numbers of matrices that do not
/// broadcast).
inline Tensor matmul(const Tensor& a, const Tensor& b) {
  if (WICK_LIKELY(a.dim() <= 2 && b.dim() <= 2)) return detail::matmul_call(a, b);
  return detail::batch_call(a, b);
}

namespace detail {
[[noreturn]] WICK_COLD inline void raise_dot(const Shape& a, const Shape& b) {
  if (a.rank() < 1 || b.rank() < 1) raise<ShapeError>("wick.op.E129", "", {"dot: shapes ", a, " and ", b, ": a scalar is no vector"}, {"multiply by a scalar with *"});
  const bool sizes = a.from_right(-1) != b.from_right(-1);
  raise<ShapeError>("wick.op.E129", "", {"dot: shapes ", a, " and ", b, ": the ", sizes ? "last sizes differ" : "dimensions before the last do not broadcast"},
                    {"give vectors whose last size is the same; sizes before it must be equal or 1, aligned at the right"});
}
}  // namespace detail

/// Σ a b over the last dimension; those before it broadcast. Gradients: both. Throws: wick.op.E129 (a scalar, sizes).
inline Tensor dot(const Tensor& a, const Tensor& b) {
  const Shape &sa = a.shape(), &sb = b.shape();
  if (WICK_LIKELY(sa.rank() == 1 && sb.rank() == 1 && sa[0] == sb[0])) return detail::product_call(a, b, 1, sa[0], 1, {});
  if (a.empty() || b.empty()) return detail::matmul_call(a, b);  // says which
  if (sa.rank() < 1 || sb.rank() < 1 || sa.from_right(-1) != sb.from_right(-1)) detail::raise_dot(sa, sb);
  Shape lead = sa.head(sa.rank() - 1);
  if (!broadcast_into(lead, sb.head(sb.rank() - 1))) detail::raise_dot(sa, sb);
  return squeeze(squeeze(detail::batch_call(unsqueeze(a, -2), unsqueeze(b, -1)), -1), -1);
}
/// All products of an element of `a` with one of `b`: (…, n), (…, m) → (…, n, m); the dimensions before the last broadcast. Gradients: both.
/// Throws: wick.op.E120, wick.op.E121 (a scalar).
inline Tensor outer(const Tensor& a, const Tensor& b) {
  if (a.dim() < 1 || b.dim() < 1) detail::raise_op_dim("outer", -1, a.dim() < 1 ? a.shape() : b.shape());
  if (a.dim() == 1 && b.dim() == 1) return detail::product_call(a, b, a.numel(), 1, b.numel(), {a.numel(), b.numel()});
  return unsqueeze(a, -1) * unsqueeze(b, -2);
}

}  // namespace wick::inline WICK_ABI
