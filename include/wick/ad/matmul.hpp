/// \file
/// matmul of vectors and matrices; matmul_batch.hpp has more dimensions, and the function that users call.
#pragma once

#include <wick/ad/general.hpp>
#include <wick/ad/matmul_kernels.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// C[n, m] = A[n, k] B[k, m]; a vector on the left has n = 1, one on the right m = 1, and the outer product of two has k = 1.
struct MatmulPayload {
  const OpFns* fns;
  std::uint32_t a, b;
  Index n, k, m;
};

/// Adds A B to `c`.
WICK_NOINLINE inline void matmul_add(const double* a, const double* b, double* c, Index n, Index k, Index m) {
  if (m == 1)
    mat_vec(a, b, c, n, k);
  else if (n == 1)
    vec_mat(a, b, c, k, m);
  else if (k == 1)
    outer_product(a, b, c, n, m);
  else
    gemm({a, k, 1}, {b, m, 1}, c, n, k, m);
}

inline void matmul_run(const MatmulPayload& p, const double* a, const double* b, double* c) {
  if (p.k == 1) return outer_product(a, b, c, p.n, p.m, true);
  const Index size = p.n * p.m;
  for (Index i = 0; i < size; ++i) c[i] = 0;
  matmul_add(a, b, c, p.n, p.k, p.m);
}

inline void matmul_forward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<MatmulPayload*>(tape[i].payload);
  matmul_run(p, tape.data(p.a), tape.data(p.b), output_of(tape, i));
}

inline void matmul_add_left(const MatmulPayload& p, const double* g, const double* b, const Tape::Sink& sink) {
  if (p.m == 1) return outer_product(g, b, sink.to, p.n, p.k, sink.fresh);
  double* to = sink.started(p.n * p.k);
  if (p.n == 1)
    mat_vec(b, g, to, p.k, p.m);
  else if (p.k == 1)
    mat_vec(g, b, to, p.n, p.m);
  else
    gemm({g, p.m, 1}, {b, 1, p.m}, to, p.n, p.m, p.k);
}
inline void matmul_add_right(const MatmulPayload& p, const double* g, const double* a, const Tape::Sink& sink) {
  if (p.n == 1) return outer_product(a, g, sink.to, p.k, p.m, sink.fresh);
  double* to = sink.started(p.k * p.m);
  if (p.m == 1)
    vec_mat(g, a, to, p.n, p.k);
  else if (p.k == 1)
    vec_mat(a, g, to, p.n, p.m);
  else
    gemm({a, 1, p.k}, {g, p.m, 1}, to, p.k, p.n, p.m);
}

/// The same with 0 · x = 0 for elements of G that are 0, whatever x is.
WICK_COLD inline void matmul_add_left_of_zeros(const MatmulPayload& p, const double* g, const double* b, const Tape::Sink& sink) {
  double* to = sink.started(p.n * p.k);
  for (Index i = 0; i < p.n; ++i)
    for (Index q = 0; q < p.k; ++q)
      for (Index j = 0; j < p.m; ++j) to[i * p.k + q] += adjoint_product(g[i * p.m + j], b[q * p.m + j]);
}
WICK_COLD inline void matmul_add_right_of_zeros(const MatmulPayload& p, const double* g, const double* a, const Tape::Sink& sink) {
  double* to = sink.started(p.k * p.m);
  for (Index i = 0; i < p.n; ++i)
    for (Index q = 0; q < p.k; ++q)
      for (Index j = 0; j < p.m; ++j) to[q * p.m + j] += adjoint_product(g[i * p.m + j], a[i * p.k + q]);
}

using MatmulAdd = void (*)(const MatmulPayload& p, const double* g, const double* x, const Tape::Sink& sink);

/// Adds by `usual`; where that gives something that is not finite, by `careful` instead. `to` gets only the one that counts.
WICK_NOINLINE inline void matmul_add_checked(const MatmulPayload& p, const double* g, const double* x, const Tape::Sink& to, Index size, MatmulAdd usual,
                                             MatmulAdd careful) {
  std::size_t capacity = 0;
  const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(double);
  auto* sums = static_cast<double*>(thread_pool.take(bytes, capacity));
  usual(p, g, x, {sums, true});
  if (all_finite(size, sums))
    add_rows(1, size, sums, 0, to.to, 0, to.fresh);
  else
    careful(p, g, x, to);
  thread_pool.give(sums, capacity);
}

/// dA += G Bᵀ and dB += Aᵀ G, in this order, for the arguments that are differentiable (not null).
///
/// An element of G that is 0 leaves no trace (see `adjoint_product`): masked rows of A may hold anything. The kernels do not look;
/// so where G has zeros, first the smaller of factor and result is tested, and only where it is not finite the careful loops run.
WICK_NOINLINE inline void matmul_pull(const MatmulPayload& p, const double* g, const double* a, const double* b, const Tape::Sink& to_a, const Tape::Sink& to_b) {
  const bool zeros = has_zero(p.n * p.m, g);
  if (to_a.to != nullptr) {
    if (zeros && p.n == 1)
      matmul_add_checked(p, g, b, to_a, p.k, &matmul_add_left, &matmul_add_left_of_zeros);
    else if (zeros && !all_finite(p.k * p.m, b))
      matmul_add_left_of_zeros(p, g, b, to_a);
    else
      matmul_add_left(p, g, b, to_a);
  }
  if (to_b.to != nullptr) {
    if (zeros && p.n != 1)
      matmul_add_checked(p, g, a, to_b, p.k * p.m, &matmul_add_right, &matmul_add_right_of_zeros);
    else if (zeros && !all_finite(p.k, a))
      matmul_add_right_of_zeros(p, g, a, to_b);
    else
      matmul_add_right(p, g, a, to_b);
  }
}
inline void matmul_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const MatmulPayload*>(tape[i].payload);
  if (p.n == 1 && p.m == 1) {
    const double g = *tape.arrived(i);
    if (g != 0 && tape.differentiable(p.a)) tape.add_to_adjoint(p.a, g, tape.data(p.b));
    if (g != 0 && tape.differentiable(p.b)) tape.add_to_adjoint(p.b, g, tape.data(p.a));
    return;
  }
  const double* g = tape.arrived(i);
  const Tape::Sink to_a = tape.sink(p.a), to_b = tape.sink(p.b);  // of one record only the first is fresh
  matmul_pull(p, g, tape.data(p.a), tape.data(p.b), to_a, to_b);
}

#if defined(WICK_SECOND_ORDER)
/// dC = dA B + A dB.
WICK_COLD inline void matmul_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const MatmulPayload*>(pass.tape()[i].payload);
  double* out = pass.tangent_output(i);
  matmul_run(p, pass.tangent(p.a), pass.value(p.b), out);
  matmul_add(pass.value(p.a), pass.tangent(p.b), out, p.n, p.k, p.m);
}
/// The adjoint's tangent with the values, and the adjoint with the values' tangents.
WICK_COLD inline void matmul_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const MatmulPayload*>(pass.tape()[i].payload);
  if (pass.adjoint_tangent(i) != nullptr) matmul_pull(p, pass.adjoint_tangent(i), pass.value(p.a), pass.value(p.b), {pass.pull_to(p.a)}, {pass.pull_to(p.b)});
  if (pass.adjoint(i) != nullptr) matmul_pull(p, pass.adjoint(i), pass.tangent(p.a), pass.tangent(p.b), {pass.pull_to(p.a)}, {pass.pull_to(p.b)});
}
#endif
inline constexpr OpFns matmul_ops{"matmul", &matmul_forward, &matmul_backward, {WICK_SECOND(SecondKind::own, &matmul_tangent, &matmul_pull_second)}};

[[noreturn]] WICK_COLD inline void raise_matmul(const Shape& a, const Shape& b) {
  if (a.rank() < 1 || b.rank() < 1)
    raise<ShapeError>("wick.op.E129", "", {"matmul: shapes ", a, " and ", b, ": a scalar is no matrix"},
                      {"multiply by a scalar with *"});
  const Index inner_b = b.rank() == 1 ? b[0] : b.from_right(-2);
  if (a.from_right(-1) == inner_b)
    raise<ShapeError>("wick.op.E129", "", {"matmul: shapes ", a, " and ", b, ": the numbers of matrices do not broadcast"},
                      {"the dimensions before the last two broadcast: sizes must be equal or 1, aligned at the right"});
  raise<ShapeError>(
      "wick.op.E129", "",
      {"matmul: shapes ", a, " and ", b, ": inner sizes ", a.from_right(-1), " and ", inner_b, " differ"},
      {"the last size of the left operand equals the first of the right one; transpose(x) exchanges them"});
}

/// The product of values that hold A[n, k] and B[k, m], under the shape `to`.
WICK_NOINLINE inline Tensor product_call(const Tensor& left, const Tensor& right, Index n, Index k, Index m, const Shape& to) {
  Tape* tape = context.tape;
  const Kind ka = operand_kind("matmul", left, tape), kb = operand_kind("matmul", right, tape);
  const Kind kind = ka > kb ? ka : kb;
  Tensor room_a, room_b;
  const Tensor &a = dense(left, room_a), &b = dense(right, room_b);
  const MatmulPayload p{&matmul_ops, 0, 0, n, k, m};
  Tensor out = TensorAccess::make(to);
  matmul_run(p, TensorAccess::stored(a), TensorAccess::stored(b), TensorAccess::fresh_data(out));
  if (kind == Kind::constant) return out;
  auto* kept = new_payload<MatmulPayload>(*tape);
  *kept = p;
  kept->a = record_of(a, *tape);
  kept->b = record_of(b, *tape);
  return general_result(*tape, kept, out, kind);
}
WICK_NOINLINE inline Tensor matmul_call(const Tensor& a, const Tensor& b) {
  if (WICK_UNLIKELY(a.empty() || b.empty())) raise_empty("matmul");
  const Shape &sa = a.shape(), &sb = b.shape();
  const Index ra = sa.rank(), rb = sb.rank();
  if (WICK_UNLIKELY(ra < 1 || ra > 2 || rb < 1 || rb > 2 || sa[sa.size() - 1] != sb[0])) raise_matmul(sa, sb);
  Shape to = sa;
  to.pop_back();
  if (rb == 2) to.push_back(sb[1]);
  return product_call(a, b, ra == 2 ? sa[0] : 1, sb[0], rb == 2 ? sb[1] : 1, to);
}

}  // namespace detail

}  // namespace wick::inline WICK_ABI
