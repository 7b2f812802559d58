/// \file
/// max, min, argmax, argmin over all or some dimensions.
#pragma once

#include <wick/ad/ops_reduce.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// Whether b takes the place of a: it is the larger (or smaller), or the first NaN.
template <bool Larger, class V>
WICK_INLINE auto exceeds(const V& b, const V& a) {
  if constexpr (Larger)
    return (b > a) | ((b != b) & (a == a));
  else
    return (b < a) | ((b != b) & (a == a));
}
template <bool Larger>
double extreme_of(const double* x, Index n) {
  Packet a(Larger ? -kInf : kInf), b = a, c = a, d = a;
  // The machine's max and min pass over a NaN in the new element; whether there was one is asked at the end.
  math::PacketMask bad(false);
  const auto better = [&bad](const Packet& v, const Packet& m) WICK_LAMBDA_INLINE {
    bad = bad | (v != v);
    return Larger ? max(v, m) : min(v, m);
  };
  Index i = 0;
  for (; i + 32 <= n; i += 32) {
    a = better(Packet::load(x + i), a);
    b = better(Packet::load(x + i + 8), b);
    c = better(Packet::load(x + i + 16), c);
    d = better(Packet::load(x + i + 24), d);
  }
  for (; i < n; i += 8) a = better(load_at(x, true, i, n), a);
  if (any(bad)) return kNaN;
  alignas(64) double lanes[8];
  better(better(b, a), better(d, c)).store(lanes);
  double best = lanes[0];
  for (const double v : lanes) best = exceeds<Larger>(Scalar(v), Scalar(best)) ? v : best;
  return best;
}

template <bool Larger>
void extreme_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& e = static_cast<const ReducePayload&>(base);
  for (Index o = 0; o < e.outer; ++o, x += e.n * e.inner, out += e.inner) {
    if (e.inner == 1) {
      *out = extreme_of<Larger>(x, e.n);
      continue;
    }
    for (Index j = 0; j < e.inner; j += 8) {
      Packet best = load_at(x, true, j, e.inner);
      for (Index r = 1; r < e.n; ++r) {
        const Packet v = load_at(x + r * e.inner, true, j, e.inner);
        best = where(exceeds<Larger>(v, best), v, best);
      }
      store_at(out, j, e.inner, best);
    }
  }
}

/// The elements that are the extreme one; a NaN is, where there is one.
template <class V>
WICK_INLINE auto is_extreme(const V& x, const V& y) {
  return (x == y) | (x != x);
}
/// Where the extreme element lies, if there is only one; else how many there are and the range they lie in.
struct Ties {
  Index count = 0, first = 0, last = 0;
};
inline Ties ties_of(const double* x, Index n, Index stride, double y) {
  Ties t;
  for (Index i = 0; i < n; ++i) {
    if (stride == 1 && n - i >= 8 && !any(is_extreme(Packet::load(x + i), Packet(y)))) {
      i += 7;
      continue;
    }
    if (!is_extreme(Scalar(x[i * stride]), Scalar(y))) continue;
    if (t.count++ == 0) t.first = i;
    t.last = i;
  }
  return t;
}
/// Adds g, in equal parts, to the extreme elements.
inline void add_to_ties(double g, const double* x, Index n, Index stride, double y, double* to) {
  if (g == 0) return;
  const Ties t = ties_of(x, n, stride, y);
  const double part = t.count < 2 ? g : g / static_cast<double>(t.count);
  for (Index i = t.first; i <= t.last; ++i)
    if (is_extreme(Scalar(x[i * stride]), Scalar(y))) to[i * stride] += y == y ? part : y;
}
inline void extreme_pull(const UnaryPayload& base, const double* g, const double* x, const double* y, double* to) {
  const auto& e = static_cast<const ReducePayload&>(base);
  for (Index o = 0; o < e.outer; ++o, x += e.n * e.inner, to += e.n * e.inner, y += e.inner, g += e.inner) {
    if (e.inner < 8) {
      for (Index j = 0; j < e.inner; ++j) add_to_ties(g[j], x + j, e.n, e.inner, y[j], to + j);
      continue;
    }
    for (Index j = 0; j < e.inner; j += 8) {
      const Packet best = load_at(y, true, j, e.inner), gi = load_at(g, true, j, e.inner);
      Packet count(0.0);
      for (Index r = 0; r < e.n; ++r) count = count + where(is_extreme(load_at(x + r * e.inner, true, j, e.inner), best), Packet(1.0), Packet(0.0));
      const Packet part = where(gi == Packet(0.0), gi, where(best == best, gi / count, best));
      for (Index r = 0; r < e.n; ++r) {
        const auto here = is_extreme(load_at(x + r * e.inner, true, j, e.inner), best);
        if (any(here)) store_at(to + r * e.inner, j, e.inner, load_at(to + r * e.inner, true, j, e.inner) + where(here, part, Packet(0.0)));
      }
    }
  }
}
#if defined(WICK_SECOND_ORDER)
/// Linear between its kinks: the tangent is the mean over the extreme elements.
WICK_COLD inline void extreme_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  const double *x = pass.value(e.in), *dx = pass.tangent(e.in), *y = pass.value(i);
  double* out = pass.tangent_output(i);
  for (Index o = 0; o < e.outer; ++o)
    for (Index j = 0; j < e.inner; ++j) {
      const double *from = x + o * e.n * e.inner + j, best = y[o * e.inner + j];
      const Ties t = ties_of(from, e.n, e.inner, best);
      double sum = 0;
      for (Index r = 0; r < e.n; ++r)
        if (is_extreme(Scalar(from[r * e.inner]), Scalar(best))) sum += dx[(o * e.n + r) * e.inner + j];
      out[o * e.inner + j] = sum / static_cast<double>(t.count);
    }
}
WICK_COLD inline void extreme_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  if (pass.adjoint_tangent(i) != nullptr) extreme_pull(e, pass.adjoint_tangent(i), pass.value(e.in), pass.value(i), pass.pull_to(e.in));
}
#endif
template <bool Larger>
inline constexpr UnaryFns extreme_fns = unary_fns(Larger ? "max" : "min", &extreme_run<Larger>, &extreme_pull,
                                                  {WICK_SECOND(SecondKind::own, &extreme_tangent, &extreme_pull_second)});

/// The position of the extreme element, the first one of several.
template <bool Larger>
void arg_extreme_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& e = static_cast<const ReducePayload&>(base);
  for (Index o = 0; o < e.outer; ++o, x += e.n * e.inner, out += e.inner) {
    if (e.inner == 1) {
      const double best = extreme_of<Larger>(x, e.n);
      Index i = 0;
      while (e.n - i >= 8 && !any(is_extreme(Packet::load(x + i), Packet(best)))) i += 8;
      while (!is_extreme(Scalar(x[i]), Scalar(best))) ++i;
      *out = static_cast<double>(i);
      continue;
    }
    for (Index j = 0; j < e.inner; j += 8) {
      Packet best = load_at(x, true, j, e.inner), at(0.0);
      for (Index r = 1; r < e.n; ++r) {
        const Packet v = load_at(x + r * e.inner, true, j, e.inner);
        const auto better = exceeds<Larger>(v, best);
        best = where(better, v, best);
        at = where(better, Packet(static_cast<double>(r)), at);
      }
      store_at(out, j, e.inner, at);
    }
  }
}
template <bool Larger>
inline constexpr UnaryFns arg_extreme_fns = unary_fns(Larger ? "argmax" : "argmin", &arg_extreme_run<Larger>, UnaryPull{});

[[noreturn]] WICK_COLD inline void raise_none_to_choose(const char* name, const Shape& s) {
  raise<ShapeError>("wick.op.E141", "", {name, ": no elements to choose from in shape ", s}, {"test numel() first, or join a bound to x with cat"});
}
/// Reduces over `set`, all of whose dimensions must have elements if the result has any.
WICK_NOINLINE inline Tensor extreme(const UnaryFns& f, const Tensor& x, DimSet set, bool keepdim) {
  const Shape to = reduced_shape(x.shape(), set, keepdim);
  if (x.numel() == 0 && to.numel() != 0) raise_none_to_choose(f.fns.name, x.shape());
  return reduce(f, x, set, to);
}
WICK_NOINLINE inline Tensor extreme(const UnaryFns& f, const Tensor& x) {
  if (WICK_UNLIKELY(x.empty())) raise_empty(f.fns.name);
  if (x.numel() == 0) raise_none_to_choose(f.fns.name, x.shape());
  return reduce_all(f, x);
}

}  // namespace detail

/// The largest, and the smallest, element, of all or over `dims`; NaN where there is a NaN.
///
/// Shapes: as `sum`. Gradients: of the element chosen; several that are equal have equal parts. Throws: wick.op.E121, and wick.op.E141
/// where there is nothing to choose from.
inline Tensor max(const Tensor& x) { return detail::extreme(detail::extreme_fns<true>, x); }
inline Tensor max(const Tensor& x, const Dims& dims, bool keepdim = false) {
  return detail::extreme(detail::extreme_fns<true>, x, detail::dim_set("max", dims, x), keepdim);
}
inline Tensor min(const Tensor& x) { return detail::extreme(detail::extreme_fns<false>, x); }
inline Tensor min(const Tensor& x, const Dims& dims, bool keepdim = false) {
  return detail::extreme(detail::extreme_fns<false>, x, detail::dim_set("min", dims, x), keepdim);
}

/// The position of the largest, and of the smallest, element: the first of several, and of NaNs the first. Without `dim` it counts through
/// all elements in row-major order. No gradient. Throws: wick.op.E121, wick.op.E141.
inline Tensor argmax(const Tensor& x) { return detail::extreme(detail::arg_extreme_fns<true>, x); }
inline Tensor argmax(const Tensor& x, Count dim, bool keepdim = false) {
  return detail::extreme(detail::arg_extreme_fns<true>, x, detail::dim_set("argmax", dim, x), keepdim);
}
inline Tensor argmin(const Tensor& x) { return detail::extreme(detail::arg_extreme_fns<false>, x); }
inline Tensor argmin(const Tensor& x, Count dim, bool keepdim = false) {
  return detail::extreme(detail::arg_extreme_fns<false>, x, detail::dim_set("argmin", dim, x), keepdim);
}

}  // namespace wick::inline WICK_ABI
