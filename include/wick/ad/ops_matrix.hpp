/// \file
/// Matrices from and to their diagonals and triangles: diag, diagonal, tril, triu, fill_tril, vech.
#pragma once

#include <cmath>

#include <wick/ad/general.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// Copies some elements of each of `outer` arrays of `from` elements to arrays of `to` elements, whose others are 0.
struct EntriesPayload : UnaryPayload {
  Index outer, n, from, to;
  Index offset;  ///< of a diagonal: 0 the main one, 1 the one above it
};

// Which elements go where, for matrices of n rows and columns: f(from, to, how many). Whether all elements of the argument go somewhere, and whether
// all of the result come from somewhere.
struct DiagEntries {
  static constexpr bool all_from = true, all_to = false;
  template <class F> static void each(const EntriesPayload& p, F f) {
    for (Index i = 0; i < p.n; ++i) f(i, i * p.n + i, 1);
  }
};
struct DiagonalEntries {
  static constexpr bool all_from = false, all_to = true;
  template <class F> static void each(const EntriesPayload& p, F f) {
    for (Index i = 0; i < p.n; ++i) f(i * p.n + i, i, 1);
  }
};
/// A matrix of n rows keeps what lies on the diagonal `offset` and below it.
struct TrilEntries {
  static constexpr bool all_from = false, all_to = false;
  template <class F> static void each(const EntriesPayload& p, F f) {
    const Index columns = p.n == 0 ? 0 : p.from / p.n;
    for (Index i = 0; i < p.n; ++i) {
      const Index last = i + p.offset + 1;
      f(i * columns, i * columns, last < columns ? last : columns);
    }
  }
};
struct TriuEntries {
  static constexpr bool all_from = false, all_to = false;
  template <class F> static void each(const EntriesPayload& p, F f) {
    const Index columns = p.n == 0 ? 0 : p.from / p.n;
    for (Index i = 0; i < p.n; ++i) {
      const Index first = i + p.offset > 0 ? i + p.offset : 0;
      f(i * columns + first, i * columns + first, columns - first);
    }
  }
};
struct FillTrilEntries {
  static constexpr bool all_from = true, all_to = false;
  template <class F> static void each(const EntriesPayload& p, F f) {
    for (Index i = 0, k = 0; i < p.n; k += ++i) f(k, i * p.n, i + 1);
  }
};
struct VechEntries {
  static constexpr bool all_from = false, all_to = true;
  template <class F> static void each(const EntriesPayload& p, F f) {
    for (Index i = 0, k = 0; i < p.n; k += ++i) f(i * p.n, k, i + 1);
  }
};

/// to = from, or to += from; where `n` is 1 or less nothing is left of the first loop.
WICK_INLINE void move_entries(const double* from, double* to, Index n, bool add) {
  Index i = 0;
  for (; i + 8 <= n; i += 8) (add ? Packet::load(to + i) + Packet::load(from + i) : Packet::load(from + i)).store(to + i);
  for (; i < n; ++i) to[i] = add ? to[i] + from[i] : from[i];
}
template <class Entries>
void entries_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& p = static_cast<const EntriesPayload&>(base);
  if (!Entries::all_to) fill_array(p.outer * p.to, 0.0, out);
  for (Index o = 0; o < p.outer; ++o, x += p.from, out += p.to)
    Entries::each(p, [&](Index from, Index to, Index n) WICK_LAMBDA_INLINE { move_entries(x + from, out + to, n, false); });
}
template <class Entries>
void entries_put(const UnaryPayload& base, const double* g, const double*, const double*, double* adjoint, bool fresh) {
  const auto& p = static_cast<const EntriesPayload&>(base);
  if (fresh && !Entries::all_from) fill_array(p.outer * p.from, 0.0, adjoint);
  for (Index o = 0; o < p.outer; ++o, adjoint += p.from, g += p.to)
    Entries::each(p, [&](Index from, Index to, Index n) WICK_LAMBDA_INLINE { move_entries(g + to, adjoint + from, n, !fresh); });
}
template <class Entries>
inline constexpr UnaryFns entries_fns = unary_fns("a triangle", &entries_run<Entries>, &entries_put<Entries>, second_linear);

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
  Shape to = in.shape();
  Index from = 1;
  for (Index d = 0; d < rank; ++d) {
    from *= to.back();
    to.pop_back();
  }
  const EntriesPayload p{{}, to.numel(), n, from, tail.numel(), offset};
  for (const Index size : tail) to.push_back(size);
  return unary(entries_fns<Entries>, p, in, TensorAccess::make(to));
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
  const auto n = static_cast<Index>(std::sqrt(2.0 * static_cast<double>(size < 0 ? 0 : size)));  // n² < n (n + 1) < (n + 1)²
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
