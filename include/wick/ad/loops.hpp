/// \file
/// Plain loops over contiguous doubles: copies, sums and what adjoints are made of. None of them is a template.
#pragma once

#include <cstring>

#include <wick/ad/walk.hpp>
#include <wick/core/pool.hpp>
#include <wick/math/scalar.hpp>

namespace wick::inline WICK_ABI::detail {

using math::Packet;
using math::Scalar;

/// Copies n < 8 elements to a packet's room, of which the rest repeats the last: no element is out of the domain that
/// was not before.
inline void pad(double* room, const double* p, Index n) {
  for (Index i = 0; i < 8; ++i) room[i] = p[i < n ? i : n - 1];
}

/// As many elements as fit `V`, from `i` on; past the end the last one is repeated.
template <class V = Packet>
WICK_INLINE V load_at(const double* p, bool step, Index i, Index n) {
  if (!step) return V(*p);
  if (WICK_LIKELY(n - i >= V::lanes)) return V::load(p + i);
  return V::load_tail(p + i, n - i);
}
template <class V>
WICK_INLINE void store_at(double* p, Index i, Index n, const V& x) {
  if (WICK_LIKELY(n - i >= V::lanes)) {
    x.store(p + i);
  } else {
    x.store_tail(p + i, n - i);
  }
}
/// Adds to as many elements, or stores to them where they are fresh (see below).
template <class V>
WICK_INLINE void add_at(double* p, Index i, Index n, const V& x, bool fresh) {
  store_at(p, i, n, (fresh ? V(0.0) : load_at<V>(p, true, i, n)) + x);
}
/// The first `n` lanes.
template <class V = Packet>
WICK_INLINE typename V::Mask first_lanes(Index n) {
  alignas(64) static constexpr double lanes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  return V::load(lanes) < V(static_cast<double>(n));
}

/// y = x in every element.
WICK_NOINLINE inline void fill_array(Index n, double x, double* y) {
  const Packet xx(x);
  Index i = 0;
  for (; i + 8 <= n; i += 8) xx.store(y + i);
  for (; i < n; ++i) y[i] = x;
}
/// y += x.
WICK_NOINLINE inline void add_array(Index n, const double* x, double* y) {
  Index i = 0;
  for (; i + 8 <= n; i += 8) (Packet::load(y + i) + Packet::load(x + i)).store(y + i);
  for (; i < n; ++i) y[i] += x[i];
}
// Where an adjoint goes, memory may be fresh: it has no value, so that is not read, and what would be added to 0 is stored. What an adjoint is
// made of may be a packet of one number, read again and again: then its step is 0, else 8.
WICK_INLINE Packet present(const double* y, bool fresh) { return fresh ? Packet(0.0) : Packet::load(y); }
inline double present_number(const double* y, bool fresh) { return fresh ? 0.0 : *y; }

/// y += a x.
WICK_NOINLINE inline void add_scaled(Index n, double a, const double* x, double* y, bool fresh = false, Index step = 8) {
  const Packet aa(a);
  Index i = 0;
  for (; i + 8 <= n; i += 8, x += step) mul_add(aa, Packet::load(x), present(y + i, fresh)).store(y + i);
  for (; i < n; ++i) y[i] = present_number(y + i, fresh) + a * *x++;
}
// What leads to an adjoint of 0 must leave no trace, even where a partial is NaN or infinite: a value may be out of the
// domain just where `where` or a mask does not select it. So in these products 0 · b is 0 whatever b is.
WICK_INLINE Packet adjoint_product(const Packet& g, const Packet& b) {
  return where(g == Packet(0.0), Packet(0.0), g * b);
}
inline double adjoint_product(double g, double b) { return g == 0 ? 0.0 : g * b; }

/// y += g b, with 0 for g = 0.
WICK_NOINLINE inline void add_product(Index n, const double* g, const double* b, double* y, bool fresh = false, Index g_step = 8, Index b_step = 8) {
  Index i = 0;
  for (; i + 8 <= n; i += 8, g += g_step, b += b_step) (present(y + i, fresh) + adjoint_product(Packet::load(g), Packet::load(b))).store(y + i);
  for (; i < n; ++i) y[i] = present_number(y + i, fresh) + adjoint_product(*g++, *b++);
}
/// Σ g b, with 0 for g = 0, in an order that depends on `n` alone.
WICK_NOINLINE inline double dot_array(Index n, const double* g, const double* b, Index g_step = 8, Index b_step = 8) {
  PairwiseSum total;
  double sum = 0;
  for (Index begin = 0; begin < n; begin += kChunk) {
    const Index end = n - begin < kChunk ? n : begin + kChunk;
    Packet s(0.0), t(0.0);
    double rest = 0;
    Index i = begin;
    for (; i + 16 <= end; i += 16, g += 2 * g_step, b += 2 * b_step) {
      s = s + adjoint_product(Packet::load(g), Packet::load(b));
      t = t + adjoint_product(Packet::load(g + g_step), Packet::load(b + b_step));
    }
    if (i + 8 <= end) {
      s = s + adjoint_product(Packet::load(g), Packet::load(b));
      i += 8;
      g += g_step;
      b += b_step;
    }
    for (; i < end; ++i) rest += adjoint_product(*g++, *b++);
    sum = math::sum(s + t) + rest;
    if (n > kChunk) total.add(sum);
  }
  return n > kChunk ? total.total() : sum;
}
/// Whether any element is 0.
WICK_NOINLINE inline bool has_zero(Index n, const double* x) {
  Index i = 0;
  for (; i + 32 <= n; i += 32) {
    const Packet none(0.0);
    if (any((Packet::load(x + i) == none) | (Packet::load(x + i + 8) == none) | (Packet::load(x + i + 16) == none) |
            (Packet::load(x + i + 24) == none)))
      return true;
  }
  for (; i < n; ++i)
    if (x[i] == 0) return true;
  return false;
}
/// Whether no element is NaN or infinite.
WICK_NOINLINE inline bool all_finite(Index n, const double* x) {
  Packet s(0.0);
  double rest = 0;
  Index i = 0;
  for (; i + 8 <= n; i += 8) s = s + Packet::load(x + i) * Packet(0.0);
  for (; i < n; ++i) rest += x[i] * 0.0;
  return math::sum(s) + rest == 0;
}

/// Whether all elements are 0 or 1: the numbers whose square they are. One test at the end, for densities can be nearly as cheap.
WICK_NOINLINE inline bool all_boolean(Index n, const double* x) {
  typename Packet::Bits differences(0), more(0);
  Index i = 0;
  for (; i + 16 <= n; i += 16) {
    const Packet a = Packet::load(x + i), b = Packet::load(x + i + 8);
    differences = differences | to_bits(a * a - a);
    more = more | to_bits(b * b - b);
  }
  for (; i < n; ++i)
    if (x[i] != 0 && x[i] != 1) return false;
  return all(from_bits(differences | more) == Packet(0.0));
}

/// Sums a b, both of shape `from`, into `to`, whose shape broadcasts to it.
WICK_NOINLINE inline void add_product_walk(const Shape& from, const double* a, const double* b, const Shape& shape,
                                           double* to) {
  const Shape* operand = &shape;
  for (Walk w(from, &operand, 1); w.live(); w.next()) {
    if (w.step(0))
      add_product(w.length(), a, b, to + w.offset(0));
    else
      to[w.offset(0)] += dot_array(w.length(), a, b);
    a += w.length();
    b += w.length();
  }
}
/// y += a in every element.
WICK_NOINLINE inline void add_constant(Index n, double a, double* y) {
  const Packet aa(a);
  Index i = 0;
  for (; i + 8 <= n; i += 8) (Packet::load(y + i) + aa).store(y + i);
  for (; i < n; ++i) y[i] += a;
}

/// Copies (or adds) `rows` runs of `width` doubles, a stride apart on both sides.
WICK_NOINLINE inline void copy_rows(Index rows, Index width, const double* from, Index from_stride, double* to,
                                    Index to_stride) {
  if (width == 0) return;
  for (Index r = 0; r < rows; ++r)
    std::memcpy(to + r * to_stride, from + r * from_stride, static_cast<std::size_t>(width) * sizeof(double));
}
WICK_NOINLINE inline void add_rows(Index rows, Index width, const double* from, Index from_stride, double* to,
                                   Index to_stride, bool fresh = false) {
  if (fresh) return copy_rows(rows, width, from, from_stride, to, to_stride);
  for (Index r = 0; r < rows; ++r) add_array(width, from + r * from_stride, to + r * to_stride);
}

inline constexpr Index kPanel = 64;  // columns whose running sums stay in the fastest memory

/// to[j] += the sum of column j of rows [0, n), at most a panel wide. Fewer than eight columns are read as one stream
/// of packets: eight rows are `width` packets, of which element e belongs to column e mod width.
inline void sum_panel(const double* x, Index n, Index width, Index stride, double* to) {
  alignas(64) double acc[kPanel];
  for (Index j = 0; j < kPanel; ++j) acc[j] = 0;
  Index r = 0;
  if (width < 8 && width == stride) {
    for (; r + 8 <= n; r += 8) add_array(8 * width, x + r * width, acc);
    for (Index e = 0; e < 8 * width; ++e) to[e % width] += acc[e];
    for (; r < n; ++r)
      for (Index j = 0; j < width; ++j) to[j] += x[r * width + j];
    return;
  }
  for (; r + 4 <= n; r += 4) {
    const double* p = x + r * stride;
    Index j = 0;
    for (; j + 8 <= width; j += 8, p += 8)
      (Packet::load(acc + j) +
       ((Packet::load(p) + Packet::load(p + stride)) + (Packet::load(p + 2 * stride) + Packet::load(p + 3 * stride))))
          .store(acc + j);
    for (; j < width; ++j, ++p) acc[j] += (p[0] + p[stride]) + (p[2 * stride] + p[3 * stride]);
  }
  for (; r < n; ++r) add_array(width, x + r * stride, acc);
  for (Index j = 0; j < width; ++j) to[j] += acc[j];
}

/// The sum of a few elements, in an order that depends on `n` alone.
WICK_INLINE double sum_chunk_inline(const double* x, Index n) {
  double rest = 0;
  Index i = 0;
  if (n >= 8) {
    Packet a(0.0), b(0.0), c(0.0), d(0.0);
    for (; i + 32 <= n; i += 32) {
      a = a + Packet::load(x + i);
      b = b + Packet::load(x + i + 8);
      c = c + Packet::load(x + i + 16);
      d = d + Packet::load(x + i + 24);
    }
    for (; i + 8 <= n; i += 8) a = a + Packet::load(x + i);
    rest = math::sum((a + b) + (c + d));
  }
  double tail = 0;
  for (; i < n; ++i) tail += x[i];
  return rest + tail;
}
/// The sums of `rows` rows of n elements, each as above.
WICK_NOINLINE inline void sum_short_rows(const double* x, Index rows, Index n, double* out) {
  Index o = 0;
  for (; n >= 8 && n < 32 && o + 8 <= rows; o += 8, x += 8 * n) (Packet(0.0) + math::joined_rows<false>(x, n)).store(out + o);  // 0, not −0, of zeros
  for (; o < rows; ++o, x += n) out[o] = sum_chunk_inline(x, n);
}
/// to[o, :] = scale x[o] in rows of n elements. What is written past the end of a row is written over by the next.
WICK_NOINLINE inline void repeat_in_rows(const double* x, double scale, Index rows, Index n, double* to) {
  const double* const end = to + rows * n;
  for (Index o = 0; o < rows; ++o, to += n) {
    const double v = 0.0 + scale * x[o];
    Index k = 0;
    for (; k < n && end - (to + k) >= 8; k += 8) Packet(v).store(to + k);
    for (; k < n; ++k) to[k] = v;
  }
}
WICK_NOINLINE inline double sum_chunk(const double* x, Index n) { return sum_chunk_inline(x, n); }
/// The sum of any number of elements: chunks of 2,048 combined pairwise.
WICK_NOINLINE inline double sum_array(const double* x, Index n) {
  if (WICK_LIKELY(n <= kChunk)) return sum_chunk(x, n);
  PairwiseSum total;
  for (Index i = 0; i < n; i += kChunk) total.add(sum_chunk(x + i, n - i < kChunk ? n - i : kChunk));
  return total.total();
}

}  // namespace wick::inline WICK_ABI::detail
