/// \file
/// Matrices from and to their diagonals and triangles: diag, diagonal, tril, triu, fill_tril, vech.
#pragma once

#include <wick/ad/general.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// Copies some elements of each of `outer` arrays of `from` elements to arrays of `to` elements, whose others are 0.
struct EntriesPayload : UnaryPayload {
  Index outer, n, from, to;
  Index offset;  ///< of a diagonal: 0 the main one, 1 the one above it
};

// Which element goes where, for matrices of n rows and columns.
struct DiagEntries {
  template <class F> static void each(const EntriesPayload& p, F f) {
    for (Index i = 0; i < p.n; ++i) f(i, i * p.n + i);
  }
};
struct DiagonalEntries {
  template <class F> static void each(const EntriesPayload& p, F f) {
    for (Index i = 0; i < p.n; ++i) f(i * p.n + i, i);
  }
};
/// A matrix of n rows keeps what lies on the diagonal `offset` and below it.
struct TrilEntries {
  template <class F> static void each(const EntriesPayload& p, F f) {
    const Index columns = p.n == 0 ? 0 : p.from / p.n;
    for (Index i = 0; i < p.n; ++i)
      for (Index j = 0; j < columns && j <= i + p.offset; ++j) f(i * columns + j, i * columns + j);
  }
};
struct TriuEntries {
  template <class F> static void each(const EntriesPayload& p, F f) {
    const Index columns = p.n == 0 ? 0 : p.from / p.n;
    for (Index i = 0; i < p.n; ++i)
      for (Index j = i + p.offset > 0 ? i + p.offset : 0; j < columns; ++j) f(i * columns + j, i * columns + j);
  }
};
struct FillTrilEntries {
  template <class F> static void each(const EntriesPayload& p, F f) {
    for (Index i = 0, k = 0; i < p.n; ++i)
      for (Index j = 0; j <= i; ++j, ++k) f(k, i * p.n + j);
  }
};
struct VechEntries {
  template <class F> static void each(const EntriesPayload& p, F f) {
    for (Index i = 0, k = 0; i < p.n; ++i)
      for (Index j = 0; j <= i; ++j, ++k) f(i * p.n + j, k);
  }
};

template <class Entries>
void entries_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& p = static_cast<const EntriesPayload&>(base);
  for (Index o = 0; o < p.outer; ++o, x += p.from, out += p.to) {
    for (Index k = 0; k < p.to; ++k) out[k] = 0;
    Entries::each(p, [&](Index from, Index to) WICK_LAMBDA_INLINE { out[to] = x[from]; });
  }
}
template <class Entries>
void entries_pull(const UnaryPayload& base, const double* g, const double*, const double*, double* adjoint) {
  const auto& p = static_cast<const EntriesPayload&>(base);
  for (Index o = 0; o < p.outer; ++o, adjoint += p.from, g += p.to)
    Entries::each(p, [&](Index from, Index to) WICK_LAMBDA_INLINE { adjoint[from] += g[to]; });
}
template <class Entries>
inline constexpr UnaryFns entries_fns = unary_fns("a triangle", &entries_run<Entries>, &entries_pull<Entries>, second_linear);

[[noreturn]] WICK_COLD inline void raise_square(const char* name, const Shape& s) {
  raise<ShapeError>("wick.op.E146", "", {name, ": shape ", s, " is not that of square matrices"}, {"the last two sizes are equal; the dimensions before them count matrices"});
}
/// Rows of square matrices.
inline Index square_size(const char* name, const Tensor& a) {
  if (WICK_UNLIKELY(a.empty())) raise_empty(name);
  if (WICK_UNLIKELY(a.dim() < 2 || a.shape().from_right(-1) != a.shape().from_right(-2))) raise_square(name, a.shape());
  return a.shape().from_right(-1);
}
/// Keeps `rank` dimensions of x at the right as one array, and gives them the shape `tail` instead.
template <class Entries>
Tensor entries(const Tensor& x, Index rank, Index n, const Shape& tail, Index offset = 0) {
  Tensor room;
  const Tensor& in = dense(x, room);
  const Shape head = in.shape().head(in.dim() - rank);
  return unary(entries_fns<Entries>, EntriesPayload{{}, head.numel(), n, in.shape().tail(rank).numel(), tail.numel(), offset}, in, TensorAccess::make(head + tail));
}
inline const Shape& matrix_shape(const char* name, const Tensor& a) {
  if (WICK_UNLIKELY(a.empty())) raise_empty(name);
  if (WICK_UNLIKELY(a.dim() < 2)) raise_square(name, a.shape());
  return a.shape();
}

}  // namespace detail

/// Matrices with these diagonals, 0 elsewhere: (…, n) → (…, n, n). Gradients: passed on. Throws: wick.op.E121 (a scalar).
inline Tensor diag(const Tensor& x) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("diag");
  if (WICK_UNLIKELY(x.dim() < 1)) detail::raise_op_dim("diag", -1, x.shape());
  const Index n = x.shape().from_right(-1);
  return detail::entries<detail::DiagEntries>(x, 1, n, {n, n});
}
/// The diagonals of square matrices: (…, n, n) → (…, n). Gradients: passed on. Throws: wick.op.E146.
inline Tensor diagonal(const Tensor& a) {
  const Index n = detail::square_size("diagonal", a);
  return detail::entries<detail::DiagonalEntries>(a, 2, n, {n});
}
/// Matrices with 0 above (tril), or below (triu), the diagonal `offset`: 0 is the main one, 1 the one above it. Gradients: passed on.
/// Throws: wick.op.E146 (less than two dimensions).
inline Tensor tril(const Tensor& a, Count offset = 0) {
  const Shape& s = detail::matrix_shape("tril", a);
  return detail::entries<detail::TrilEntries>(a, 2, s.from_right(-2), s.tail(2), offset.value);
}
inline Tensor triu(const Tensor& a, Count offset = 0) {
  const Shape& s = detail::matrix_shape("triu", a);
  return detail::entries<detail::TriuEntries>(a, 2, s.from_right(-2), s.tail(2), offset.value);
}
/// Lower triangular matrices from their elements row by row: (…, n (n + 1) / 2) → (…, n, n). Gradients: passed on. Throws: wick.op.E146.
inline Tensor fill_tril(const Tensor& x) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("fill_tril");
  const Index size = x.dim() < 1 ? -1 : x.shape().from_right(-1);
  Index n = 0;
  while (n * (n + 1) / 2 < size) ++n;
  if (WICK_UNLIKELY(n * (n + 1) / 2 != size))
    detail::raise<ShapeError>("wick.op.E146", "", {"fill_tril: the last size of shape ", x.shape(), " is no number n (n + 1) / 2"},
                              {"a lower triangle of n rows has n (n + 1) / 2 elements: 1, 3, 6, 10, …"});
  return detail::entries<detail::FillTrilEntries>(x, 1, n, {n, n});
}
/// The lower triangles of square matrices row by row, the reverse of `fill_tril`. Gradients: passed on. Throws: wick.op.E146.
inline Tensor vech(const Tensor& a) {
  const Index n = detail::square_size("vech", a);
  return detail::entries<detail::VechEntries>(a, 2, n, {n * (n + 1) / 2});
}

}  // namespace wick::inline WICK_ABI
