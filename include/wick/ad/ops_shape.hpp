/// \file
/// Operations that move or repeat elements without computing: reshape, transpose, slice, expand.
#pragma once

#include <wick/ad/general.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// The same elements under another shape; without a copy where neither side is a scalar.
struct ReshapePayload : UnaryPayload {
  Index n;
};
inline void reshape_run(const UnaryPayload& p, const double* x, double* out) {
  const Index n = static_cast<const ReshapePayload&>(p).n;
  if (out != x && n > 0) std::memcpy(out, x, static_cast<std::size_t>(n) * sizeof(double));
}
inline void reshape_put(const UnaryPayload& p, const double* g, const double*, const double*, double* to, bool fresh) {
  add_rows(1, static_cast<const ReshapePayload&>(p).n, g, 0, to, 0, fresh);
}
inline void reshape_backward(Tape& tape, std::uint32_t i) {
  const std::uint32_t in = static_cast<const UnaryPayload*>(tape[i].payload)->in;
  if (!tape.lends(in) || !tape[i].is_tensor()) return unary_backward(tape, i);
  const Tape::Arrived g = tape.arrived_packets(i);
  tape.lend(tape[in], g.at, g.step == 0);
}
inline constexpr UnaryFns reshape_fns = unary_fns("reshape", &reshape_run, &reshape_put, second_linear, &reshape_backward);

struct SlicePayload : UnaryPayload {
  Index outer, width, stride, offset;
};
inline void slice_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& p = static_cast<const SlicePayload&>(base);
  copy_rows(p.outer, p.width, x + p.offset, p.stride, out, p.width);
}
inline void slice_put(const UnaryPayload& base, const double* g, const double*, const double*, double* to, bool fresh) {
  const auto& p = static_cast<const SlicePayload&>(base);
  const Index end = p.offset + p.width;
  for (Index o = 0; fresh && o < p.outer; ++o) {
    fill_array(p.offset, 0.0, to + o * p.stride);
    fill_array(p.stride - end, 0.0, to + o * p.stride + end);
  }
  add_rows(p.outer, p.width, g, p.width, to + p.offset, p.stride, fresh);
}
inline constexpr UnaryFns slice_fns = unary_fns("slice", &slice_run, &slice_put, second_linear);

/// out[j, i] = x[i, j], added where `add`: eight rows of x at a time are eight neighbours in each row of the result.
WICK_NOINLINE inline void transpose_plane(const double* x, Index ni, Index nj, double* out, bool add) {
  constexpr Index columns = 64;
  const bool fours = !add && ni >= 4 && nj >= 4;  // the last four rows or columns may lie over those before them
  for (Index j0 = 0; j0 < nj; j0 += columns) {
    const Index j1 = j0 + columns < nj ? j0 + columns : nj;
    for (Index i0 = 0; i0 < ni; i0 += 8) {
      const Index i1 = i0 + 8 < ni ? i0 + 8 : ni;
      for (Index j = j0; fours && j < j1; j += 4)
        for (Index i = i0; i < i1; i += 4) {
          const Index top = i + 4 <= ni ? i : ni - 4, left = j + 4 <= nj ? j : nj - 4;
          math::detail::transpose_four(x + top * nj + left, nj, out + left * ni + top, ni);
        }
      for (Index j = j0; !fours && j < j1; ++j)
        for (Index i = i0; i < i1; ++i) out[j * ni + i] = add ? out[j * ni + i] + x[i * nj + j] : x[i * nj + j];
    }
  }
}

/// out[a, j, b, i, :] = x[a, i, b, j, :], added to `out` when `add`; in tiles, so that both sides stay in cache.
WICK_NOINLINE inline void swap_axes(const double* x, double* out, const Index (&n)[5], bool add) {
  constexpr Index tile = 16;
  const Index ni = n[1], nb = n[2], nj = n[3], nc = n[4];
  if (nb == 1 && nc == 1) {
    for (Index a = 0; a < n[0]; ++a) transpose_plane(x + a * ni * nj, ni, nj, out + a * ni * nj, add);
    return;
  }
  for (Index a = 0; a < n[0]; ++a, x += ni * nb * nj * nc, out += ni * nb * nj * nc)
    for (Index b = 0; b < nb; ++b)
      for (Index i0 = 0; i0 < ni; i0 += tile)
        for (Index j0 = 0; j0 < nj; j0 += tile) {
          const Index i1 = i0 + tile < ni ? i0 + tile : ni, j1 = j0 + tile < nj ? j0 + tile : nj;
          for (Index j = j0; j < j1; ++j)
            for (Index i = i0; i < i1; ++i) {
              const double* from = x + ((i * nb + b) * nj + j) * nc;
              double* to = out + ((j * nb + b) * ni + i) * nc;
              if (add)
                for (Index c = 0; c < nc; ++c) to[c] += from[c];
              else
                for (Index c = 0; c < nc; ++c) to[c] = from[c];
            }
        }
}

struct TransposePayload : UnaryPayload {
  Index n[5];
};
inline void transpose_run(const UnaryPayload& p, const double* x, double* out) {
  swap_axes(x, out, static_cast<const TransposePayload&>(p).n, false);
}
inline void transpose_put(const UnaryPayload& p, const double* g, const double*, const double*, double* to, bool fresh) {
  const Index(&n)[5] = static_cast<const TransposePayload&>(p).n;
  const Index back[5] = {n[0], n[3], n[2], n[1], n[4]};
  swap_axes(g, to, back, !fresh);
}
inline constexpr UnaryFns transpose_fns = unary_fns("transpose", &transpose_run, &transpose_put, second_linear);

[[noreturn]] WICK_COLD inline void raise_reshape(const Shape& from, const Shape& to) {
  raise<ShapeError>(
      "wick.op.E123", "", {"reshape: shape ", from, " has ", from.numel(), " elements, they do not fill ", to},
      {"give sizes whose product is the number of elements; one of them may be -1, it is then worked out"});
}
[[noreturn]] WICK_COLD inline void raise_expand(const Shape& from, const Shape& to) {
  raise<ShapeError>(
      "wick.op.E124", "", {"expand: shape ", from, " does not broadcast to ", to},
      {"only sizes of 1 and missing leading dimensions can be repeated; reshape first, as in reshape(x, {n, 1})"});
}
[[noreturn]] WICK_COLD inline void raise_slice(Index dim, Index first, Index last, const Shape& s) {
  raise<ShapeError>("wick.op.E125", "",
                    {"slice: [", first, ", ", last, ") of dimension ", dim, " does not lie in shape ", s},
                    {"0 <= first <= last <= size; negative ends count from the right"});
}

/// The sizes asked of a reshape, with a −1 worked out.
inline Shape reshaped(const Shape& from, const Shape& to) {
  Shape out = to;
  Index known = 1, unknown = -1;
  bool fits = true;
  for (unsigned i = 0; i < to.size(); ++i) {
    if (to[i] == -1 && unknown < 0)
      unknown = static_cast<Index>(i);
    else if (to[i] < 0)
      raise_reshape(from, to);
    else
      fits = !__builtin_mul_overflow(known, to[i], &known) && fits;
  }
  const Index n = from.numel();
  if (!fits) raise_reshape(from, to);
  if (unknown >= 0) {
    if (known == 0 || n % known != 0) raise_reshape(from, to);
    out[static_cast<std::size_t>(unknown)] = n / known;
  } else if (known != n) {
    raise_reshape(from, to);
  }
  return out;
}

/// An expanded value over the stored data of `x`: it keeps the record of `x`, since operations read through it.
WICK_NOINLINE inline Tensor with_expanded_shape(const Tensor& x, const Shape& shape) {
  const bool single = TensorAccess::stored_shape(x).empty();
  const Index n = checked_numel(shape);
  Block* b = make_block_raw(single ? sizeof(double) : 0);
  b->expanded = true;
  b->numel = n;
  b->shape = shape;
  if (single) {
    b->data = reinterpret_cast<double*>(reinterpret_cast<unsigned char*>(b) + kHeader);
    *b->data = *TensorAccess::stored(x);
  } else {
    Block* from = TensorAccess::block(x);
    b->base = from->expanded ? from->base : from;
    b->data = from->data;
    retain(b->base);
  }
  Tensor out = TensorAccess::adopt(b);
  TensorAccess::attach(out, TensorAccess::run(x), TensorAccess::record(x), TensorAccess::kind(x));
  return out;
}

/// `x` under the shape of as many elements.
WICK_NOINLINE inline Tensor with_shape(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  if (TensorAccess::is_expanded(x) && TensorAccess::stored_shape(x).empty() && !shape.empty())
    return with_expanded_shape(x, shape);
  Tensor room;
  const Tensor& in = dense(x, room);
  const ReshapePayload p{{}, in.numel()};
  // A scalar lives in its handle, so going to or from one copies.
  if (TensorAccess::is_scalar(in) || shape.empty()) return unary(reshape_fns, p, in, TensorAccess::make(shape));
  return unary(reshape_fns, p, in, TensorAccess::adopt(make_view(TensorAccess::block(in), shape)));
}

}  // namespace detail

/// The elements of `x` in the same row-major order under another shape, sharing its memory. One size may be −1.
/// Shapes: as many elements as x. Gradients: passed on. Throws: wick.op.E123.
inline Tensor reshape(const Tensor& x, const Shape& shape) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("reshape");
  return detail::with_shape(x, detail::reshaped(x.shape(), shape));
}

/// `x` with a dimension of size 1 at `dim`, which counts in the result. Throws: wick.op.E121.
inline Tensor unsqueeze(const Tensor& x, Count dim) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("unsqueeze");
  const auto at = static_cast<Index>(detail::dim_at("unsqueeze", dim, x.shape(), x.dim() + 1));
  return detail::with_shape(x, x.shape().head(at) + Shape{1} + x.shape().slice(at, x.dim()));
}

/// `x` without dimension `dim` if that has size 1, else `x`; without `dim`, free of all dimensions of size 1.
/// Throws: wick.op.E121.
inline Tensor squeeze(const Tensor& x, Count dim) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("squeeze");
  const auto at = static_cast<Index>(detail::dim_at("squeeze", dim, x.shape(), x.dim()));
  if (x.shape()[static_cast<std::size_t>(at)] != 1) return x;
  return detail::with_shape(x, x.shape().head(at) + x.shape().slice(at + 1, x.dim()));
}
inline Tensor squeeze(const Tensor& x) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("squeeze");
  Shape to;
  for (const Index n : x.shape())
    if (n != 1) to.push_back(n);
  return detail::with_shape(x, to);
}

/// `x` with dimensions `d0` and `d1` exchanged; without them the last two, and a scalar or vector as it is.
/// Gradients: passed on. Throws: wick.op.E121.
inline Tensor transpose(const Tensor& x, Count d0, Count d1) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("transpose");
  std::size_t i = detail::dim_at("transpose", d0, x.shape(), x.dim()),
              j = detail::dim_at("transpose", d1, x.shape(), x.dim());
  if (i == j) return x;
  if (i > j) std::swap(i, j);
  Tensor room;
  const Tensor& in = detail::dense(x, room);
  const Shape& s = in.shape();
  Shape to = s;
  std::swap(to[i], to[j]);
  const detail::TransposePayload p{
      {}, {detail::count_of(s, 0, i), s[i], detail::count_of(s, i + 1, j), s[j], detail::count_of(s, j + 1, s.size())}};
  if (p.n[2] == 1 && (s[i] == 1 || s[j] == 1)) return detail::with_shape(in, to);
  return detail::unary(detail::transpose_fns, p, in, detail::TensorAccess::make(to));
}
inline Tensor transpose(const Tensor& x) { return x.dim() < 2 && !x.empty() ? x : transpose(x, -2, -1); }

/// The elements [first, last) of dimension `dim`; negative ends count from the right. Copies.
/// Shapes: x's, with last − first in `dim`. Gradients: passed on. Throws: wick.op.E121, wick.op.E125.
inline Tensor slice(const Tensor& x, Count dim, Count first, Count last) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("slice");
  const std::size_t d = detail::dim_at("slice", dim, x.shape(), x.dim());
  const Index n = x.shape()[d], from = first.value < 0 ? first.value + n : first.value,
              to = last.value < 0 ? last.value + n : last.value;
  if (WICK_UNLIKELY(from < 0 || from > to || to > n)) detail::raise_slice(dim, first, last, x.shape());
  if (to - from == n) return x;
  Tensor room;
  const Tensor& in = detail::dense(x, room);
  Shape shape = in.shape();
  shape[d] = to - from;
  const Index outer = detail::count_of(shape, 0, d), inner = detail::count_of(shape, d + 1, shape.size());
  const detail::SlicePayload p{{}, outer, (to - from) * inner, n * inner, from * inner};
  return detail::unary(detail::slice_fns, p, in, detail::TensorAccess::make(shape));
}

/// `x` repeated along dimensions of size 1 and along new leading ones, without a copy. A size of −1 keeps x's.
/// Shapes: x broadcasts to `shape`. Gradients: summed over what was repeated. Throws: wick.op.E124; wick.tensor.E104 for
/// more elements than there can be.
inline Tensor expand(const Tensor& x, const Shape& shape) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("expand");
  Shape to = shape;
  for (unsigned i = 0; i < to.size(); ++i) {
    const Index d = static_cast<Index>(i) - to.rank();
    if (to[i] == -1 && -d <= x.dim()) to[i] = x.shape().from_right(d);
    if (WICK_UNLIKELY(to[i] < 0)) detail::raise_expand(x.shape(), shape);
  }
  if (x.shape() == to) return x;
  if (WICK_UNLIKELY(!detail::broadcasts_to(x.shape(), to))) detail::raise_expand(x.shape(), shape);
  return detail::with_expanded_shape(x, to);
}

}  // namespace wick::inline WICK_ABI
