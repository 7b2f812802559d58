/// \file
/// Operations that mirror, repeat, divide and surround: flip, tile, split, pad.
#pragma once

#include <array>
#include <span>
#include <vector>

#include <wick/ad/ops_reduce.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// Adds the elements of x in reverse to y, or stores them where that is fresh.
inline void reverse_row(const double* x, Index n, double* y, bool fresh) {
  const double* from = x + n;
  if (fresh)
    for (Index r = 0; r < n; ++r) y[r] = *--from;
  else
    for (Index r = 0; r < n; ++r) y[r] += *--from;
}
inline void flip_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& e = static_cast<const ReducePayload&>(base);
  const Index w = e.inner;
  for (Index o = 0; o < e.outer; ++o, x += e.n * w, out += e.n * w) {
    if (w == 1)
      reverse_row(x, e.n, out, true);
    else
      for (Index r = 0; r < e.n; ++r) copy_rows(1, w, x + (e.n - 1 - r) * w, w, out + r * w, w);
  }
}
inline void flip_put(const UnaryPayload& base, const double* g, const double*, const double*, double* to, bool fresh) {
  const auto& e = static_cast<const ReducePayload&>(base);
  const Index w = e.inner;
  for (Index o = 0; o < e.outer; ++o, g += e.n * w, to += e.n * w) {
    if (w == 1)
      reverse_row(g, e.n, to, fresh);
    else
      for (Index r = 0; r < e.n; ++r) add_rows(1, w, g + (e.n - 1 - r) * w, w, to + r * w, w, fresh);
  }
}
inline constexpr UnaryFns flip_fns = unary_fns("flip", &flip_run, &flip_put, second_linear);

struct PadPayload : UnaryPayload {
  Index outer, width, before, after;  ///< elements of a row, and those put before and after it
  double value;
};
inline void pad_fill(const PadPayload& p, double value, double* out) {
  const Index stride = p.before + p.width + p.after;
  for (Index o = 0; o < p.outer; ++o, out += stride) {
    for (Index k = 0; k < p.before; ++k) out[k] = value;
    for (Index k = p.before + p.width; k < stride; ++k) out[k] = value;
  }
}
inline void pad_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& p = static_cast<const PadPayload&>(base);
  pad_fill(p, p.value, out);
  copy_rows(p.outer, p.width, x, p.width, out + p.before, p.before + p.width + p.after);
}
inline void pad_put(const UnaryPayload& base, const double* g, const double*, const double*, double* to, bool fresh) {
  const auto& p = static_cast<const PadPayload&>(base);
  add_rows(p.outer, p.width, g + p.before, p.before + p.width + p.after, to, p.width, fresh);
}
#if defined(WICK_SECOND_ORDER)
/// Linear but for what is put around, which does not move.
WICK_COLD inline void pad_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const PadPayload*>(pass.tape()[i].payload);
  double* out = pass.tangent_output(i);
  pad_fill(p, 0.0, out);
  copy_rows(p.outer, p.width, pass.tangent(p.in), p.width, out + p.before, p.before + p.width + p.after);
}
WICK_COLD inline void pad_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const PadPayload*>(pass.tape()[i].payload);
  if (pass.adjoint_tangent(i) != nullptr) pad_put(p, pass.adjoint_tangent(i), nullptr, nullptr, pass.pull_to(p.in), false);
}
#endif
inline constexpr UnaryFns pad_fns = unary_fns("pad", &pad_run, &pad_put, {WICK_SECOND(SecondKind::own, &pad_tangent, &pad_pull_second)});

[[noreturn]] WICK_COLD inline void raise_negative_count(const char* name, const char* what, Index n) {
  raise<ShapeError>("wick.op.E142", "", {name, ": ", what, " is ", n}, {"give counts from 0 on; slice(x, dim, first, last) removes elements"});
}
[[noreturn]] WICK_COLD inline void raise_split(const Shape& s, Index dim, Index wanted, bool parts) {
  if (parts)
    raise<ShapeError>("wick.op.E143", "", {"split: dimension ", dim, " of shape ", s, " cannot be divided into ", wanted, " equal parts"},
                      {"give the sizes of the parts, as in split(x, {2, 3}, dim)"});
  raise<ShapeError>("wick.op.E143", "", {"split: the sizes add up to ", wanted, ", dimension ", dim, " of shape ", s, " has another size"},
                    {"give sizes that add up to the size of the dimension"});
}

/// The size of one of `parts` equal parts of dimension `dim`.
inline Index part_size(const Tensor& x, Index parts, Index dim) {
  if (WICK_UNLIKELY(x.empty())) raise_empty("split");
  const Index n = x.shape()[dim_at("split", dim, x.shape(), x.dim())];
  if (WICK_UNLIKELY(parts < 1 || n % parts != 0)) raise_split(x.shape(), dim, parts, true);
  return n / parts;
}

}  // namespace detail

/// The elements along `dims` in reverse order; without `dims` along all. Shapes: x's. Gradients: passed on. Throws: wick.op.E121.
inline Tensor flip(const Tensor& x, const Dims& dims) {
  const detail::DimSet set = detail::dim_set("flip", dims, x);
  Tensor out = x;
  for (Index d = 0; d < x.dim(); ++d)
    if ((set >> d & 1u) != 0) out = detail::along(detail::flip_fns, out, d);
  return out;
}
inline Tensor flip(const Tensor& x) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("flip");
  return x.dim() == 0 ? x : reshape(flip(reshape(x, {-1}), 0), x.shape());
}

/// `x` side by side with itself, counts[d] times along dimension d; counts and dimensions are aligned at the right, missing ones are 1.
/// Shapes: sizes times counts. Gradients: summed over the copies. Throws: wick.op.E142 (a negative count).
inline Tensor tile(const Tensor& x, const Shape& counts) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("tile");
  const Index rank = x.dim() > counts.rank() ? x.dim() : counts.rank();
  Shape apart, repeated, out;
  for (Index d = -rank; d < 0; ++d) {
    const Index n = x.shape().from_right(d), times = counts.from_right(d);
    if (WICK_UNLIKELY(times < 0)) detail::raise_negative_count("tile", "a number of copies", times);
    apart = apart + Shape{1, n};
    repeated = repeated + Shape{times, n};
    out.push_back(times * n);
  }
  return reshape(detail::materialise(expand(reshape(x, apart), repeated)), out);
}

/// `x` in pieces of these sizes along `dim`. The list is allocated; where the number of parts is known, split<N> makes none.
/// Gradients: passed on. Throws: wick.op.E121, wick.op.E143 (sizes that do not add up).
inline std::vector<Tensor> split(const Tensor& x, std::span<const Index> sizes, Count dim = 0) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("split");
  const Index n = x.shape()[detail::dim_at("split", dim.value, x.shape(), x.dim())];
  Index total = 0;
  for (const Index size : sizes) {
    if (WICK_UNLIKELY(size < 0)) detail::raise_negative_count("split", "a size", size);
    total += size;
  }
  if (WICK_UNLIKELY(total != n)) detail::raise_split(x.shape(), dim.value, total, false);
  std::vector<Tensor> out;
  out.reserve(sizes.size());
  Index at = 0;
  for (const Index size : sizes) {
    out.push_back(slice(x, dim, at, at + size));
    at += size;
  }
  return out;
}
inline std::vector<Tensor> split(const Tensor& x, std::initializer_list<Index> sizes, Count dim = 0) {
  return split(x, std::span<const Index>(sizes.begin(), sizes.size()), dim);
}
/// `x` in N equal parts along `dim`: `auto [a, b] = split<2>(x)`. Throws: wick.op.E121, wick.op.E143 (the size is no multiple of N).
template <std::size_t N>
std::array<Tensor, N> split(const Tensor& x, Count dim = 0) {
  const Index size = detail::part_size(x, static_cast<Index>(N), dim.value);
  std::array<Tensor, N> out;
  for (std::size_t k = 0; k < N; ++k) out[k] = slice(x, dim, static_cast<Index>(k) * size, static_cast<Index>(k + 1) * size);
  return out;
}

/// `x` with so many elements `value` before and after it along `dim`. Gradients: passed on. Throws: wick.op.E121, wick.op.E142 (negative).
inline Tensor pad(const Tensor& x, Count dim, Count before, Count after, double value = 0.0) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("pad");
  const std::size_t d = detail::dim_at("pad", dim.value, x.shape(), x.dim());
  if (WICK_UNLIKELY(before.value < 0 || after.value < 0))
    detail::raise_negative_count("pad", "the number of elements to add", before.value < 0 ? before.value : after.value);
  Tensor room;
  const Tensor& in = detail::dense(x, room);
  Shape to = in.shape();
  const Index inner = detail::count_of(to, d + 1, to.size());
  const detail::PadPayload p{{}, detail::count_of(to, 0, d), to[d] * inner, before.value * inner, after.value * inner, value};
  to[d] += before.value + after.value;
  return detail::unary(detail::pad_fns, p, in, detail::TensorAccess::make(to));
}

}  // namespace wick::inline WICK_ABI
