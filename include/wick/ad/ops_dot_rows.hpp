/// \file
/// dot_rows: dot products of chosen rows of two matrices, without the rows being gathered.
#pragma once

#include <wick/ad/ops_shape.hpp>
#include <wick/ad/scratch.hpp>
#include <wick/tensor/index.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// One list of row numbers: a constant's own int32 form, or `own`, which is filled anew from a varying index.
struct RowChoice {
  std::uint32_t record;
  IndexView view;
  std::int32_t* own;
};

/// out[batch, j] = Σ_k a[batch, left[j], k] b[batch, right[j], k].
struct DotRowsPayload {
  const OpFns* fns;
  std::uint32_t a, b;
  RowChoice left, right;
  Index a_rows, b_rows, width;
  const Index* sizes;  ///< `rank` of the batch, to which those of the two factors broadcast
  std::uint32_t rank, a_rank, b_rank;
  const Index *a_sizes, *b_sizes;
};

/// One matrix by another: what a kernel works on.
struct DotRowsRun {
  const double *a, *b;
  const std::int32_t *left, *right;
  Index count, width, b_rows;
};

/// The kernels, as a template so that programs without them do not compile them. A row of up to 32 numbers is kept in P packets of registers
/// while the left index stays the same: sorted by it, the operation reads and adds to one row of b an element. The last packet of a row
/// ends with it and overlaps the one before, so that no element beyond the row is touched; it is stored first. P = 0: any width, in memory.
/// `Wide`: b and its adjoint are copies whose rows are whole packets one after the other, for rows that would straddle cache lines.
template <unsigned P>
struct DotRowsKernel {
  static WICK_INLINE Index at(Index width, unsigned p) { return p + 1 < P ? Index{8} * p : width - 8; }
  /// A row as packets; lanes of the last one that belong to the one before are 0.
  static WICK_INLINE void load_row(Index width, const double* from, Packet* x) {
    for (unsigned p = 0; p < P; ++p) x[p] = Packet::load(from + at(width, p));
    x[P - 1] = where(first_lanes(Index{8} * P - width), Packet(0.0), x[P - 1]);
  }
  static WICK_INLINE void add_row(Index width, const Packet* x, double* to) {
    Packet y[P];
    for (unsigned p = 0; p < P; ++p) y[p] = Packet::load(to + at(width, p)) + x[p];
    y[P - 1].store(to + at(width, P - 1));
    for (unsigned p = 0; p + 1 < P; ++p) y[p].store(to + Index{8} * p);
  }
  static WICK_NOINLINE void widen(const DotRowsRun& r, double* to) {
    Packet x[P];
    for (Index i = 0; i < r.b_rows; ++i) {
      load_row(r.width, r.b + i * r.width, x);
      for (unsigned p = 0; p < P; ++p, to += 8) x[p].store(to);
    }
  }
  /// Whether copying all rows pays, and there is something to gain.
  static bool pays(const DotRowsRun& r) { return r.width % 8 != 0 && r.count >= 4 * r.b_rows; }

  template <bool Wide>
  static WICK_NOINLINE void value_of(const DotRowsRun& r, const double* rows, double* out, bool add) {
    const Index width = r.width, stride = Wide ? Index{8} * P : width, last = Wide ? stride - 8 : width - 8;
    const auto repeated = first_lanes(Index{8} * P - width);
    for (Index j = 0; j < r.count;) {
      const std::int32_t present = r.left[j];
      Packet row[P];
      load_row(width, r.a + present * width, row);
      do {
        const double* b = rows + r.right[j] * stride;
        Packet s = row[P - 1] * Packet::load(b + last);
        if constexpr (!Wide) s = where(repeated, Packet(0.0), s);  // 0 · ∞
        for (unsigned p = 0; p + 1 < P; ++p) s = mul_add(row[p], Packet::load(b + Index{8} * p), s);
        const double y = math::sum(s);
        out[j] = add ? out[j] + y : y;
      } while (++j < r.count && r.left[j] == present);
    }
  }
  static void value(const DotRowsRun& r, double* out, bool add) {
    if (!pays(r)) return value_of<false>(r, r.b, out, add);
    const Scratch rows(r.b_rows * 8 * P);
    widen(r, rows.data());
    value_of<true>(r, rows.data(), out, add);
  }

  /// Asks for the rows of b and its adjoint that come some pairs later: where the tables are larger than the caches, that takes a third off.
  static WICK_INLINE void prefetch(const DotRowsRun& r, Index j, Index stride, const double* rows, const double* to) {
    if (j >= r.count) return;
    const Index at = r.right[j] * stride;
    for (unsigned p = 0; p < P; ++p) {
      __builtin_prefetch(rows + at + Index{8} * p);
      __builtin_prefetch(to + at + Index{8} * p, 1);
    }
  }
  /// da += g b, db += g a, for rows whose g is not 0.
  template <bool Wide>
  static WICK_NOINLINE void pull_of(const DotRowsRun& r, const double* g, const double* rows, double* to_a, double* to_b) {
    const Index width = r.width, stride = Wide ? Index{8} * P : width, last = Wide ? stride - 8 : width - 8;
    for (Index j = 0; j < r.count;) {
      const std::int32_t present = r.left[j];
      Packet row[P], sum[P];
      load_row(width, r.a + present * width, row);
      for (unsigned p = 0; p < P; ++p) sum[p] = Packet(0.0);
      do {
        prefetch(r, j + 8, stride, rows, to_b);
        if (g[j] == 0) continue;
        const Packet gj(g[j]);
        const double* b = rows + r.right[j] * stride;
        double* to = to_b + r.right[j] * stride;
        Packet y[P];
        for (unsigned p = 0; p < P; ++p) {
          const Index at = p + 1 < P ? Index{8} * p : last;
          sum[p] = mul_add(gj, Packet::load(b + at), sum[p]);
          y[p] = mul_add(gj, row[p], Packet::load(to + at));
        }
        y[P - 1].store(to + last);
        for (unsigned p = 0; p + 1 < P; ++p) y[p].store(to + Index{8} * p);
      } while (++j < r.count && r.left[j] == present);
      add_row(width, sum, to_a + present * width);
    }
  }
  static void pull(const DotRowsRun& r, const double* g, double* to_a, double* to_b) {
    if (!pays(r)) return pull_of<false>(r, g, r.b, to_a, to_b);
    const Scratch rows(r.b_rows * 8 * P), sums(r.b_rows * 8 * P);
    widen(r, rows.data());
    std::memset(sums.data(), 0, static_cast<std::size_t>(r.b_rows) * 64 * P);
    pull_of<true>(r, g, rows.data(), to_a, sums.data());
    Packet x[P];
    for (Index i = 0; i < r.b_rows; ++i) {
      for (unsigned p = 0; p < P; ++p) x[p] = Packet::load(sums.data() + (i * P + p) * 8);
      add_row(r.width, x, to_b + i * r.width);
    }
  }
};

template <>
struct DotRowsKernel<0> {
  static WICK_NOINLINE void value(const DotRowsRun& r, double* out, bool add) {
    for (Index j = 0; j < r.count; ++j) {
      const double *a = r.a + r.left[j] * r.width, *b = r.b + r.right[j] * r.width;
      Packet s(0.0);
      double rest = 0;
      Index i = 0;
      for (; i + 8 <= r.width; i += 8) s = mul_add(Packet::load(a + i), Packet::load(b + i), s);
      for (; i < r.width; ++i) rest += a[i] * b[i];
      const double y = (r.width < 8 ? 0.0 : math::sum(s)) + rest;
      out[j] = add ? out[j] + y : y;
    }
  }
  static WICK_INLINE void add(Index n, double g, const double* x, double* to) {
    Index i = 0;
    for (; i + 8 <= n; i += 8) mul_add(Packet(g), Packet::load(x + i), Packet::load(to + i)).store(to + i);
    for (; i < n; ++i) to[i] += g * x[i];
  }
  /// One of the two derivatives may be unwanted (null).
  static WICK_NOINLINE void pull(const DotRowsRun& r, const double* g, double* to_a, double* to_b) {
    for (Index j = 0; j < r.count; ++j) {
      if (g[j] == 0) continue;
      const Index a = r.left[j] * r.width, b = r.right[j] * r.width;
      if (to_a != nullptr) add(r.width, g[j], r.b + b, to_a + a);
      if (to_b != nullptr) add(r.width, g[j], r.a + a, to_b + b);
    }
  }
};

template <class = void>
void dot_rows_value(const DotRowsRun& r, double* out, bool add) {
  if (r.width < 8 || r.width > 32) return DotRowsKernel<0>::value(r, out, add);
  if (r.width <= 8) return DotRowsKernel<1>::value(r, out, add);
  if (r.width <= 16) return DotRowsKernel<2>::value(r, out, add);
  if (r.width <= 24) return DotRowsKernel<3>::value(r, out, add);
  DotRowsKernel<4>::value(r, out, add);
}
template <class = void>
void dot_rows_pull(const DotRowsRun& r, const double* g, double* to_a, double* to_b) {
  if (r.width < 8 || r.width > 32 || to_a == nullptr || to_b == nullptr) return DotRowsKernel<0>::pull(r, g, to_a, to_b);
  if (r.width <= 8) return DotRowsKernel<1>::pull(r, g, to_a, to_b);
  if (r.width <= 16) return DotRowsKernel<2>::pull(r, g, to_a, to_b);
  if (r.width <= 24) return DotRowsKernel<3>::pull(r, g, to_a, to_b);
  DotRowsKernel<4>::pull(r, g, to_a, to_b);
}

/// Calls `f(run, a's offset, b's offset, j's offset)` for every pair of matrices of the batch.
template <class F>
void dot_rows_each(const DotRowsPayload& p, const double* a, const double* b, const F& f) {
  DotRowsRun run{a, b, p.left.view.at, p.right.view.at, p.left.view.count, p.width, p.b_rows};
  if (run.count == 0) return;
  const Index a_size = p.a_rows * p.width, b_size = p.b_rows * p.width;
  if (WICK_LIKELY(p.rank == 0)) return f(run, Index{0}, Index{0}, Index{0});
  Shape shape, of_a, of_b;
  shape.assign(p.sizes, p.rank);
  of_a.assign(p.a_sizes, p.a_rank);
  of_b.assign(p.b_sizes, p.b_rank);
  const Shape* shapes[] = {&of_a, &of_b};
  Index at = 0;
  for (Walk w(shape, shapes, 2); w.live(); w.next())
    for (Index i = 0; i < w.length(); ++i, at += run.count) {
      const Index from_a = (w.offset(0) + (w.step(0) ? i : 0)) * a_size, from_b = (w.offset(1) + (w.step(1) ? i : 0)) * b_size;
      run.a = a + from_a;
      run.b = b + from_b;
      f(run, from_a, from_b, at);
    }
}
template <class = void>
void dot_rows_run(const DotRowsPayload& p, const double* a, const double* b, double* out, bool add) {
  dot_rows_each(p, a, b, [&](const DotRowsRun& r, Index, Index, Index at) { dot_rows_value(r, out + at, add); });
}
template <class = void>
void dot_rows_adjoint(const DotRowsPayload& p, const double* g, const double* a, const double* b, double* to_a, double* to_b) {
  dot_rows_each(p, a, b, [&](const DotRowsRun& r, Index from_a, Index from_b, Index at) {
    dot_rows_pull(r, g + at, to_a == nullptr ? nullptr : to_a + from_a, to_b == nullptr ? nullptr : to_b + from_b);
  });
}

inline void reread_rows(Tape& tape, RowChoice& c, Index rows) {
  if (c.own == nullptr || tape[c.record].kind == Kind::constant) return;
  c.view = convert_indices("dot_rows", tape.data(c.record), c.view.count, c.own);
  check_range("dot_rows", c.view, rows);
}
template <class = void>
void dot_rows_forward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<DotRowsPayload*>(tape[i].payload);
  reread_rows(tape, p.left, p.a_rows);
  reread_rows(tape, p.right, p.b_rows);
  dot_rows_run(p, tape.data(p.a), tape.data(p.b), output_of(tape, i), false);
}
template <class = void>
void dot_rows_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const DotRowsPayload*>(tape[i].payload);
  // The adjoints first: a factor used twice has one buffer.
  double *to_a = tape.adjoint(p.a), *to_b = tape.adjoint(p.b);
  dot_rows_adjoint(p, tape.adjoint(i), tape.data(p.a), tape.data(p.b), to_a, to_b);
}
#if defined(WICK_SECOND_ORDER)
/// Bilinear: one factor's tangent by the other's value, and the other way round.
template <class = void>
WICK_COLD void dot_rows_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const DotRowsPayload*>(pass.tape()[i].payload);
  double* out = pass.tangent_output(i);
  dot_rows_run(p, pass.tangent(p.a), pass.value(p.b), out, false);
  dot_rows_run(p, pass.value(p.a), pass.tangent(p.b), out, true);
}
template <class = void>
WICK_COLD void dot_rows_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const DotRowsPayload*>(pass.tape()[i].payload);
  double *to_a = pass.pull_to(p.a), *to_b = pass.pull_to(p.b);
  if (pass.adjoint_tangent(i) != nullptr) dot_rows_adjoint(p, pass.adjoint_tangent(i), pass.value(p.a), pass.value(p.b), to_a, to_b);
  if (pass.adjoint(i) != nullptr) dot_rows_adjoint(p, pass.adjoint(i), pass.tangent(p.a), pass.tangent(p.b), to_a, to_b);
}
#endif
template <class T = void>
inline constexpr OpFns dot_rows_ops{"dot_rows", &dot_rows_forward<T>, &dot_rows_backward<T>,
                                    {WICK_SECOND(SecondKind::own, &dot_rows_tangent<T>, &dot_rows_pull_second<T>)}};

[[noreturn]] WICK_COLD inline void raise_dot_rows_matrix(const Shape& a, const Shape& b) {
  if (a.rank() < 2 || b.rank() < 2)
    raise<ShapeError>("wick.op.E190", "", {"dot_rows: the factors have shapes ", a, " and ", b, ", where matrices of rows are wanted"},
                      {"a vector of numbers as a matrix of one column: reshape(x, {n, 1})"});
  if (a.from_right(-1) != b.from_right(-1))
    raise<ShapeError>("wick.op.E191", "", {"dot_rows: rows of ", a.from_right(-1), " numbers and rows of ", b.from_right(-1), " in shapes ", a, " and ", b},
                      {"rows of both matrices must be of one length: the last size of each"});
  raise<ShapeError>("wick.op.E192", "", {"dot_rows: shapes ", a, " and ", b, ": the numbers of matrices do not broadcast"},
                    {"the dimensions before the last two broadcast: sizes must be equal or 1, aligned at the right"});
}
[[noreturn]] WICK_COLD inline void raise_dot_rows_indices(const Shape& left, const Shape& right) {
  raise<ShapeError>("wick.op.E193", "", {"dot_rows: row numbers of shapes ", left, " and ", right, " do not broadcast"},
                    {"give one row number of each matrix for every product: dot_rows(U, take(users, i), V, take(items, i))"});
}

/// The int32 form of an index, and whether it is to be read again in a re-run.
WICK_NOINLINE inline void choose_rows(RowChoice& c, const Tensor& index, Kind kind, Index rows, Tape* tape, std::int32_t* single) {
  if (kind == Kind::constant && TensorAccess::is_block(index)) {
    c.view = indices_of("dot_rows", TensorAccess::block(index));
  } else {
    const auto bytes = static_cast<std::size_t>(index.numel()) * sizeof(std::int32_t);
    c.own = tape == nullptr ? single : static_cast<std::int32_t*>(tape->arena().take_small(bytes));
    c.view = convert_indices("dot_rows", TensorAccess::stored(index), index.numel(), c.own);
  }
  check_range("dot_rows", c.view, rows);
}

template <class T = void>
WICK_NOINLINE Tensor dot_rows_call(const Tensor& left_factor, const Tensor& left, const Tensor& right_factor, const Tensor& right) {
  Tape* tape = context.tape;
  const Kind ka = operand_kind("dot_rows", left_factor, tape), kb = operand_kind("dot_rows", right_factor, tape);
  const Kind kl = operand_kind("dot_rows", left, tape), kr = operand_kind("dot_rows", right, tape);
  Kind kind = ka > kb ? ka : kb;
  if (kind == Kind::constant && (kl != Kind::constant || kr != Kind::constant)) kind = Kind::varying;
  Tensor room_a, room_b, room_l, room_r;
  const Tensor &a = dense(left_factor, room_a), &b = dense(right_factor, room_b);
  const Shape &sa = a.shape(), &sb = b.shape();
  if (WICK_UNLIKELY(sa.rank() < 2 || sb.rank() < 2 || sa.from_right(-1) != sb.from_right(-1))) raise_dot_rows_matrix(sa, sb);
  Shape batch = sa.head(sa.rank() - 2);
  const Shape of_b = sb.head(sb.rank() - 2);
  if (WICK_UNLIKELY(!broadcast_into(batch, of_b))) raise_dot_rows_matrix(sa, sb);
  Shape each = left.shape();
  if (WICK_UNLIKELY(!broadcast_into(each, right.shape()))) raise_dot_rows_indices(left.shape(), right.shape());
  const auto whole = [&each](const Tensor& index, Tensor& room) -> const Tensor& {
    if (WICK_LIKELY(index.shape() == each)) return dense(index, room);
    room = materialise(expand(index, each));
    return room;
  };
  const Tensor &l = whole(left, room_l), &r = whole(right, room_r);
  DotRowsPayload p{};
  std::int32_t single[2] = {0, 0};
  p.a_rows = sa.from_right(-2);
  p.b_rows = sb.from_right(-2);
  p.width = sa.from_right(-1);
  choose_rows(p.left, l, kl, p.a_rows, tape, &single[0]);
  choose_rows(p.right, r, kr, p.b_rows, tape, &single[1]);
  p.rank = batch.size();
  p.sizes = batch.begin();
  p.a_rank = sa.size() - 2;
  p.a_sizes = sa.begin();
  p.b_rank = sb.size() - 2;
  p.b_sizes = sb.begin();
  Tensor out = TensorAccess::make(batch + each);
  dot_rows_run(p, TensorAccess::stored(a), TensorAccess::stored(b), TensorAccess::fresh_data(out), false);
  if (kind == Kind::constant) return out;
  p.fns = &dot_rows_ops<T>;
  p.a = record_of(a, *tape);
  p.b = record_of(b, *tape);
  p.left.record = record_of(l, *tape);  // also keeps a constant's int32 form alive
  p.right.record = record_of(r, *tape);
  if (p.rank != 0) {
    const auto keep = [&](const Index* sizes, std::uint32_t rank) {
      return rank == 0 ? nullptr : static_cast<const Index*>(std::memcpy(tape->arena().take_small(rank * sizeof(Index)), sizes, rank * sizeof(Index)));
    };
    p.sizes = keep(p.sizes, p.rank);
    p.a_sizes = keep(p.a_sizes, p.a_rank);
    p.b_sizes = keep(p.b_sizes, p.b_rank);
  }
  auto* kept = new_payload<DotRowsPayload>(*tape);
  *kept = p;
  return general_result(*tape, kept, out, kind);
}

}  // namespace detail

/// Dot products of chosen rows of two matrices: out[j] = Σ_k U[users[j], k] V[items[j], k]. The score of every (user, item) pair of a
/// factorisation, and its gradient, without a copy of the rows.
///
/// Shapes: U (…, n, K), V (…, m, K), whose leading dimensions broadcast; indices of shapes that broadcast; returns the broadcast of the leading
/// dimensions followed by that of the indices. Gradients: U and V, added up where a row is chosen more than once; none for the indices; pairs whose
/// adjoint is 0 leave no trace. Complexity: O(pairs · K); nothing depends on rows that are not chosen, but that a gradient of U's shape is made.
/// Fastest where equal numbers in `users` follow one another: the row then stays in registers.
/// Throws: wick.op.E190 (no matrix), E191 (rows of two lengths), E192 (leading dimensions), E193 (shapes of indices), E126 (not a whole number),
/// E127 (no such row).
template <class T = void>
Tensor dot_rows(const Tensor& U, const Tensor& users, const Tensor& V, const Tensor& items) {
  return detail::dot_rows_call<T>(U, users, V, items);
}

}  // namespace wick::inline WICK_ABI
