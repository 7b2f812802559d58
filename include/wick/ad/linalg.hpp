/// \file
/// Linear algebra by Eigen: cholesky, solve, triangular_solve, inverse, and quadratic forms. Not in the umbrella wick.hpp, since it includes
/// Eigen/Dense; wick/all.hpp has it.
#pragma once

#include <Eigen/LU>

#include <wick/ad/linalg_cholesky.hpp>
#include <wick/ad/matmul_batch.hpp>
#include <wick/ad/ops_matrix.hpp>
#include <wick/ad/ops_reduce.hpp>
#include <wick/ad/scratch.hpp>
#include <wick/tensor/make.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// P A = L U with row exchanges P, in memory of the thread's pool: Eigen's own object would allocate.
class RowElimination {
 public:
  RowElimination(const double* a, Index n) : n_(n), lu_(n * n + 1), pivots_(n + 1) {
    copy_rows(1, n * n, a, 0, lu_.data(), 0);
    int exchanges = 0;
    if (n > 0) Eigen::internal::partial_lu_impl<double, Eigen::RowMajor, int>::blocked_lu(n, n, lu_.data(), n, pivots(), exchanges);
  }
  double pivot(Index i) const noexcept { return lu_[i * (n_ + 1)]; }
  /// x becomes the solution of A X = x, or of Aᵀ X = x.
  void solve(MatrixMap& x, bool transposed) const {
    const ConstMatrixMap lu(lu_.data(), n_, n_);
    if (transposed) {
      lu.transpose().triangularView<Eigen::Lower>().solveInPlace(x);
      lu.transpose().triangularView<Eigen::UnitUpper>().solveInPlace(x);
      for (Index i = n_; i-- > 0;) exchange(x, i);
    } else {
      for (Index i = 0; i < n_; ++i) exchange(x, i);
      lu.triangularView<Eigen::UnitLower>().solveInPlace(x);
      lu.triangularView<Eigen::Upper>().solveInPlace(x);
    }
  }

 private:
  int* pivots() const noexcept { return reinterpret_cast<int*>(pivots_.data()); }
  void exchange(MatrixMap& x, Index i) const {
    if (pivots()[i] != i) x.row(i).swap(x.row(pivots()[i]));
  }
  Index n_;
  Scratch lu_, pivots_;
};

/// to -= A G B.
inline void subtract_between(Index n, Strided a, const double* g, Strided b, double* to) {
  const Scratch product(n * n + 1);
  fill_array(n * n, 0.0, product.data());
  gemm(a, {g, n, 1}, product.data(), n, n, n);
  for (Index i = 0; i < n * n; ++i) product[i] = -product[i];
  gemm({product.data(), n, 1}, b, to, n, n, n);
}
inline void inverse_run(const UnaryPayload& base, const double* a, double* out) {
  const auto& p = static_cast<const SquarePayload&>(base);
  fill_array(p.count * p.n * p.n, 0.0, out);
  for (Index k = 0; k < p.count; ++k, a += p.n * p.n, out += p.n * p.n) {
    for (Index i = 0; i < p.n; ++i) out[i * (p.n + 1)] = 1;
    MatrixMap x(out, p.n, p.n);
    if (p.n > 0) RowElimination(a, p.n).solve(x, false);
  }
}
/// dA = -Xᵀ G Xᵀ.
inline void inverse_pull(const UnaryPayload& base, const double* g, const double*, const double* x, double* to) {
  const auto& p = static_cast<const SquarePayload&>(base);
  const Index size = p.n * p.n;
  for (Index k = 0; k < p.count; ++k, g += size, x += size, to += size)
    if (any_nonzero(size, g)) subtract_between(p.n, {x, 1, p.n}, g, {x, 1, p.n}, to);
}
#if defined(WICK_SECOND_ORDER)
/// dX = -X dA X.
WICK_COLD inline void inverse_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const SquarePayload*>(pass.tape()[i].payload);
  const Index size = p.n * p.n;
  fill_array(p.count * size, 0.0, pass.tangent_output(i));
  for (Index k = 0; k < p.count; ++k) {
    const double* x = pass.value(i) + k * size;
    subtract_between(p.n, {x, p.n, 1}, pass.tangent(p.in) + k * size, {x, p.n, 1}, pass.tangent_output(i) + k * size);
  }
}
WICK_COLD inline void inverse_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const SquarePayload*>(pass.tape()[i].payload);
  const Index size = p.n * p.n;
  double* to = pass.pull_to(p.in);
  if (pass.adjoint_tangent(i) != nullptr) inverse_pull(p, pass.adjoint_tangent(i), nullptr, pass.value(i), to);
  for (Index k = 0; pass.adjoint(i) != nullptr && k < p.count; ++k) {
    const double *g = pass.adjoint(i) + k * size, *x = pass.value(i) + k * size, *dx = pass.tangent(i) + k * size;
    subtract_between(p.n, {dx, 1, p.n}, g, {x, 1, p.n}, to + k * size);
    subtract_between(p.n, {x, 1, p.n}, g, {dx, 1, p.n}, to + k * size);
  }
}
#endif
inline constexpr UnaryFns inverse_fns = unary_fns("inverse", &inverse_run, &inverse_pull, {WICK_SECOND(SecondKind::own, &inverse_tangent, &inverse_pull_second)});

/// Which equations are solved: A X = B with A general or one of its triangles, or Aᵀ X = B.
enum class Triangle : std::uint8_t { none, lower, upper };
struct SolvePayload {
  const OpFns* fns;
  std::uint32_t a, b;
  Index n, m;
  Triangle triangle;
  bool transposed;
};

/// x becomes the solution; of the transposed equations where `turn`.
inline void solve_in_place(const SolvePayload& p, const double* a, double* x, bool turn) {
  if (p.n == 0 || p.m == 0) return;
  const ConstMatrixMap matrix(a, p.n, p.n);
  MatrixMap out(x, p.n, p.m);
  const bool transposed = p.transposed != turn;
  if (p.triangle == Triangle::lower)
    transposed ? matrix.transpose().triangularView<Eigen::Upper>().solveInPlace(out) : matrix.triangularView<Eigen::Lower>().solveInPlace(out);
  else if (p.triangle == Triangle::upper)
    transposed ? matrix.transpose().triangularView<Eigen::Lower>().solveInPlace(out) : matrix.triangularView<Eigen::Upper>().solveInPlace(out);
  else
    RowElimination(a, p.n).solve(out, transposed);
}
inline void solve_run(const SolvePayload& p, const Shape& out, const Shape& sa, const double* a, const Shape& sb, const double* b, double* x) {
  for_each_matrix(out, sa, sb, [&](Index i, Index ia, Index ib) {
    copy_rows(1, p.n * p.m, b + ib * p.n * p.m, 0, x + i * p.n * p.m, 0);
    solve_in_place(p, a + ia * p.n * p.n, x + i * p.n * p.m, false);
  });
}
/// to -= W Xᵀ, the part that the equations read.
inline void subtract_outer(const SolvePayload& p, const double* w, const double* x, double* to) {
  if (p.transposed) std::swap(w, x);
  if (p.m >= 16 && p.triangle == Triangle::none) {
    MatrixMap(to, p.n, p.n).noalias() -= ConstMatrixMap(w, p.n, p.m) * ConstMatrixMap(x, p.n, p.m).transpose();
    return;
  }
  for (Index i = 0; i < p.n; ++i) {
    const Index first = p.triangle == Triangle::upper ? i : 0, last = p.triangle == Triangle::lower ? i + 1 : p.n;
    if (p.m == 1)
      add_scaled(last - first, -w[i], x + first, to + i * p.n + first);
    else
      for (Index j = first; j < last; ++j) to[i * p.n + j] -= dot(w + i * p.m, x + j * p.m, p.m);
  }
}
inline void solve_forward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const SolvePayload*>(tape[i].payload);
  solve_run(p, tape.shape(i), tape.shape(p.a), tape.data(p.a), tape.shape(p.b), tape.data(p.b), output_of(tape, i));
}
inline void solve_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const SolvePayload*>(tape[i].payload);
  const double *g = tape.arrived(i), *x = tape.data(i), *a = tape.data(p.a);
  double *to_a = tape.adjoint(p.a), *to_b = tape.adjoint(p.b);
  const Index size = p.n * p.m;
  const Scratch w(size + 1);
  for_each_matrix(tape.shape(i), tape.shape(p.a), tape.shape(p.b), [&](Index k, Index ia, Index ib) {
    if (!any_nonzero(size, g + k * size)) return;
    copy_rows(1, size, g + k * size, 0, w.data(), 0);
    solve_in_place(p, a + ia * p.n * p.n, w.data(), true);
    if (to_b != nullptr) add_array(size, w.data(), to_b + ib * size);
    if (to_a != nullptr) subtract_outer(p, w.data(), x + k * size, to_a + ia * p.n * p.n);
  });
}
#if defined(WICK_SECOND_ORDER)
/// The matrix that the equations read, of a or its tangent.
inline RowMatrix matrix_read(const SolvePayload& p, const double* a) {
  RowMatrix m = ConstMatrixMap(a, p.n, p.n);
  if (p.triangle == Triangle::lower) m = RowMatrix(m.triangularView<Eigen::Lower>());
  if (p.triangle == Triangle::upper) m = RowMatrix(m.triangularView<Eigen::Upper>());
  if (p.transposed) m = RowMatrix(m.transpose());
  return m;
}
/// dX = A⁻¹ (dB - dA X).
WICK_COLD inline void solve_tangent(SecondPass& pass, std::uint32_t i) {
  Tape& tape = pass.tape();
  const auto& p = *static_cast<const SolvePayload*>(tape[i].payload);
  const Index size = p.n * p.m;
  for_each_matrix(tape.shape(i), tape.shape(p.a), tape.shape(p.b), [&](Index k, Index ia, Index ib) {
    MatrixMap out(pass.tangent_output(i) + k * size, p.n, p.m);
    out = ConstMatrixMap(pass.tangent(p.b) + ib * size, p.n, p.m) -
          matrix_read(p, pass.tangent(p.a) + ia * p.n * p.n) * ConstMatrixMap(pass.value(i) + k * size, p.n, p.m);
    solve_in_place(p, pass.value(p.a) + ia * p.n * p.n, out.data(), false);
  });
}
/// W = A⁻ᵀ G moves by A⁻ᵀ (dG - dAᵀ W).
WICK_COLD inline void solve_pull_second(SecondPass& pass, std::uint32_t i) {
  Tape& tape = pass.tape();
  const auto& p = *static_cast<const SolvePayload*>(tape[i].payload);
  const double *g = pass.adjoint(i), *dg = pass.adjoint_tangent(i);
  double *to_a = pass.pull_to(p.a), *to_b = pass.pull_to(p.b);
  const Index size = p.n * p.m;
  for_each_matrix(tape.shape(i), tape.shape(p.a), tape.shape(p.b), [&](Index k, Index ia, Index ib) {
    RowMatrix w = RowMatrix::Zero(p.n, p.m), dw = w;
    if (g != nullptr) w = ConstMatrixMap(g + k * size, p.n, p.m);
    if (dg != nullptr) dw = ConstMatrixMap(dg + k * size, p.n, p.m);
    if (!any_nonzero(size, w.data()) && !any_nonzero(size, dw.data())) return;
    const double* a = pass.value(p.a) + ia * p.n * p.n;
    solve_in_place(p, a, w.data(), true);
    dw -= matrix_read(p, pass.tangent(p.a) + ia * p.n * p.n).transpose() * w;
    solve_in_place(p, a, dw.data(), true);
    if (to_b != nullptr) add_array(size, dw.data(), to_b + ib * size);
    if (to_a == nullptr) return;
    subtract_outer(p, dw.data(), pass.value(i) + k * size, to_a + ia * p.n * p.n);
    subtract_outer(p, w.data(), pass.tangent(i) + k * size, to_a + ia * p.n * p.n);
  });
}
#endif
inline constexpr OpFns solve_ops{"solve", &solve_forward, &solve_backward, {WICK_SECOND(SecondKind::own, &solve_tangent, &solve_pull_second)}};

[[noreturn]] WICK_COLD inline void raise_solve(const char* name, const Shape& a, const Shape& b) {
  raise<ShapeError>("wick.op.E147", "", {name, ": matrices of shape ", a, " and right-hand sides of shape ", b, " do not fit"},
                    {"b is a vector (n) or matrices (n, m) for A of n rows; the dimensions before them broadcast"});
}
WICK_NOINLINE inline Tensor solve_call(const char* name, const Tensor& left, const Tensor& right, Triangle triangle, bool transposed) {
  Tape* tape = context.tape;
  const Index n = square_size(name, left);
  const Kind ka = operand_kind(name, left, tape), kb = operand_kind(name, right, tape), kind = ka > kb ? ka : kb;
  if (right.dim() == 1 && right.numel() == n) return squeeze(solve_call(name, left, reshape(right, {n, 1}), triangle, transposed), -1);
  Tensor room_a, room_b;
  const Tensor &a = dense(left, room_a), &b = dense(right, room_b);
  const Shape &sa = a.shape(), &sb = b.shape();
  Shape shape = sa.head(sa.rank() - 2);
  if (WICK_UNLIKELY(sb.rank() < 2 || sb.from_right(-2) != n || !broadcast_into(shape, sb.head(sb.rank() - 2)))) raise_solve(name, sa, sb);
  shape = shape + sb.tail(2);
  SolvePayload p{&solve_ops, 0, 0, n, sb.from_right(-1), triangle, transposed};
  Tensor out = TensorAccess::make(shape);
  solve_run(p, shape, sa, TensorAccess::stored(a), sb, TensorAccess::stored(b), TensorAccess::fresh_data(out));
  if (kind == Kind::constant) return out;
  p.a = record_of(a, *tape);
  p.b = record_of(b, *tape);
  auto* kept = new_payload<SolvePayload>(*tape);
  *kept = p;
  return general_result(*tape, kept, out, kind);
}
/// An operation on square matrices, with results of shape `tail` each.
inline Tensor square_call(const UnaryFns& f, const Tensor& a, Index n, const Shape& tail) {
  Tensor room;
  const Tensor& in = dense(a, room);
  const Shape head = in.shape().head(in.dim() - 2);
  return unary(f, SquarePayload{{}, head.numel(), n}, in, TensorAccess::make(head + tail));
}

}  // namespace detail

/// The lower triangular L with L Lᵀ = A, of each matrix; reads A's lower triangle only. NaN where A is not positive definite.
/// Shapes: (…, n, n). Gradients: of A's lower triangle, which stands for both. Throws: wick.op.E146.
inline Tensor cholesky(const Tensor& a) {
  const Index n = detail::square_size("cholesky", a);
  return detail::square_call(detail::cholesky_fns, a, n, {n, n});
}
/// X with A X = B, by elimination with pivoting; infinite or NaN where A is singular.
/// Shapes: (…, n, n) and (…, n, m) → (…, n, m), where the dimensions before the last two broadcast; b may be one vector (n). Gradients: both.
/// Throws: wick.op.E146, wick.op.E147.
inline Tensor solve(const Tensor& a, const Tensor& b) { return detail::solve_call("solve", a, b, detail::Triangle::none, false); }
/// X with T X = B, T being the lower (or upper) triangle of A; with Tᵀ X = B when `transposed`. As `solve`.
inline Tensor triangular_solve(const Tensor& a, const Tensor& b, bool lower = true, bool transposed = false) {
  return detail::solve_call("triangular_solve", a, b, lower ? detail::Triangle::lower : detail::Triangle::upper, transposed);
}
/// The inverse of each matrix; infinite or NaN where it is singular. To multiply by an inverse use `solve`. Throws: wick.op.E146.
inline Tensor inverse(const Tensor& a) {
  const Index n = detail::square_size("inverse", a);
  return detail::square_call(detail::inverse_fns, a, n, {n, n});
}
/// xᵀ A x: (…, n, n) and (…, n) → (…), where the dimensions before broadcast. Gradients: both. Throws: wick.op.E129.
inline Tensor quad_form(const Tensor& a, const Tensor& x) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("quad_form");
  detail::square_size("quad_form", a);
  return dot(x, squeeze(matmul(a, unsqueeze(x, -1)), -1));
}
/// xᵀ (L Lᵀ)⁻¹ x by the Cholesky factor L: |L⁻¹ x|². Shapes: as quad_form. Gradients: both. Throws: wick.op.E146, wick.op.E147.
inline Tensor quad_form_cholesky(const Tensor& l, const Tensor& x) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("quad_form_cholesky");
  return sum(square(squeeze(triangular_solve(l, unsqueeze(x, -1)), -1)), -1);
}

}  // namespace wick::inline WICK_ABI
