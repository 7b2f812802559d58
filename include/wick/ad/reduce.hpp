/// \file
/// Kernels of reductions: x[outer, n, inner] to out[outer, inner], and their adjoints.
#pragma once

#include <wick/ad/general.hpp>
#include <wick/math/exp_log.hpp>

namespace wick::inline WICK_ABI::detail {

/// A reduction over neighbouring dimensions as three numbers; a sum is divided by `divisor`.
struct ReducePayload : UnaryPayload {
  Index outer, n, inner;
  double divisor;
};

/// out[j] = the sum of column j of x[n, inner]; chunks of 2,048 rows, so that rounding does not grow with n itself.
WICK_NOINLINE inline void sum_columns(const double* x, Index n, Index inner, double* out) {
  for (Index j = 0; j < inner; ++j) out[j] = 0;
  for (Index j = 0; j < inner; j += kPanel) {
    const Index width = inner - j < kPanel ? inner - j : kPanel;
    for (Index r = 0; r < n; r += kChunk)
      sum_panel(x + r * inner + j, n - r < kChunk ? n - r : kChunk, width, inner, out + j);
  }
}

inline void sum_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& e = static_cast<const ReducePayload&>(base);
  const bool few = e.inner == 1 && e.n < 64;
  if (few) sum_short_rows(x, e.outer, e.n, out);
  for (Index o = 0; !few && o < e.outer; ++o) {
    if (e.inner == 1)
      out[o] = sum_array(x + o * e.n, e.n);
    else
      sum_columns(x + o * e.n * e.inner, e.n, e.inner, out + o * e.inner);
  }
  if (e.divisor != 1)
    for (Index i = 0; i < e.outer * e.inner; ++i) out[i] /= e.divisor;
}

/// Adds the row g[width] times `scale` to each of `n` rows.
WICK_NOINLINE inline void add_to_rows(Index n, Index width, double scale, const double* g, double* to, bool fresh) {
  if (width >= 8) {
    for (Index r = 0; r < n; ++r) add_scaled(width, scale, g, to + r * width, fresh);
    return;
  }
  alignas(64) double tile[64];
  for (Index e = 0; e < 8 * width; ++e) tile[e] = scale * g[e % width];
  Index r = 0;
  for (; r + 8 <= n; r += 8) add_scaled(8 * width, 1.0, tile, to + r * width, fresh);
  add_scaled((n - r) * width, 1.0, tile, to + r * width, fresh);
}

inline void sum_put(const UnaryPayload& base, const double* g, const double*, const double*, double* to, bool fresh) {
  const auto& e = static_cast<const ReducePayload&>(base);
  const double scale = 1.0 / e.divisor;
  if (e.inner == 1 && e.n < 64 && fresh) return repeat_in_rows(g, scale, e.outer, e.n, to);
  alignas(64) double same[8];
  for (Index o = 0; o < e.outer; ++o) {
    if (e.inner == 1) {
      Packet(g[o]).store(same);
      add_scaled(e.n, scale, same, to + o * e.n, fresh, 0);
    } else {
      add_to_rows(e.n, e.inner, scale, g + o * e.inner, to + o * e.n * e.inner, fresh);
    }
  }
}
/// The adjoint of everything summed is one number.
inline void sum_backward(Tape& tape, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(tape[i].payload);
  if (e.outer != 1 || e.inner != 1 || !tape.lends(e.in)) return unary_backward(tape, i);
  double* packet = tape.arena().doubles(8);
  Packet(*tape.arrived(i) * (1.0 / e.divisor)).store(packet);
  tape.lend(tape[e.in], packet, true);
}

inline constexpr UnaryFns sum_fns = unary_fns("sum", &sum_run, &sum_put, second_linear, &sum_backward);

/// What is subtracted before exp: the largest element, or 0 where that is infinite or NaN.
template <class V>
WICK_INLINE V exp_shift(const V& largest) {
  return where(abs(largest) < V(kInf), largest, V(0.0));
}

/// The largest of a row; where there are NaNs it may be any of the others.
inline double largest_of(const double* x, Index n) {
  Packet m(-kInf);
  for (Index i = 0; i < n; i += 8) m = max(m, load_at(x, true, i, n));
  double best = -kInf;
  alignas(64) double lanes[8];
  m.store(lanes);
  for (const double v : lanes) best = v > best ? v : best;
  return best;
}

inline double sum_of_exp(const double* x, Index n, double shift) {
  PairwiseSum total;
  for (Index first = 0; first < n; first += kChunk) {
    const Index m = n - first < kChunk ? n - first : kChunk;
    Packet s(0.0);
    for (Index i = 0; i < m; i += 8) {
      const Packet e = exp(load_at(x + first, true, i, m) - Packet(shift));
      s = s + (m - i >= 8 ? e : where(first_lanes(m - i), e, Packet(0.0)));
    }
    total.add(math::sum(s));
  }
  return total.total();
}

/// Eight columns at a time.
inline void logsumexp_columns(const ReducePayload& e, const double* x, double* out) {
  for (Index j = 0; j < e.inner; j += 8) {
    Packet largest(-kInf);
    for (Index r = 0; r < e.n; ++r) largest = max(largest, load_at(x + r * e.inner, true, j, e.inner));
    const Packet shift = exp_shift(largest);
    Packet sum(0.0);
    for (Index first = 0; first < e.n; first += kChunk) {
      const Index last = e.n - first < kChunk ? e.n : first + kChunk;
      Packet part(0.0);
      for (Index r = first; r < last; ++r) part = part + exp(load_at(x + r * e.inner, true, j, e.inner) - shift);
      sum = sum + part;
    }
    store_at(out, j, e.inner, shift + log(sum));
  }
}

inline void logsumexp_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& e = static_cast<const ReducePayload&>(base);
  for (Index o = 0; o < e.outer; ++o) {
    const double* p = x + o * e.n * e.inner;
    if (e.inner != 1) {
      logsumexp_columns(e, p, out + o * e.inner);
      continue;
    }
    const Scalar shift = exp_shift(Scalar(largest_of(p, e.n)));
    out[o] = shift.v + log(Scalar(sum_of_exp(p, e.n, shift.v))).v;
  }
}

/// The weights are exp(x − out); where out is −∞ no element counts, and 0 · NaN must not arise.
inline void logsumexp_put(const UnaryPayload& base, const double* g, const double* x, const double* out, double* to, bool fresh) {
  const auto& e = static_cast<const ReducePayload&>(base);
  const Packet nothing(-kInf);
  for (Index o = 0; o < e.outer; ++o)
    for (Index r = 0; r < e.n; ++r) {
      // One row of `inner` columns; with a single column the whole of n is one run.
      const Index width = e.inner == 1 ? e.n : e.inner;
      const double* xr = x + (o * e.n + r) * e.inner;
      double* tr = to + (o * e.n + r) * e.inner;
      for (Index i = 0; i < width; i += 8) {
        const Packet y = load_at(out + o * e.inner, e.inner != 1, i, width),
                     gi = load_at(g + o * e.inner, e.inner != 1, i, width);
        const Packet d = where(y == nothing, Packet(0.0), adjoint_product(gi, exp(load_at(xr, true, i, width) - y)));
        add_at(tr, i, width, d, fresh);
      }
      if (e.inner == 1) break;
    }
}
#if defined(WICK_SECOND_ORDER)
/// Calls `each(row's element of the result, element of x, its weight exp(x - result))`.
template <class F>
void for_each_weight(SecondPass& pass, std::uint32_t i, F each) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  const double *x = pass.value(e.in), *y = pass.value(i);
  for (Index o = 0; o < e.outer; ++o)
    for (Index r = 0; r < e.n; ++r)
      for (Index j = 0; j < e.inner; ++j) {
        const Index to = o * e.inner + j, from = (o * e.n + r) * e.inner + j;
        if (y[to] != -kInf) each(to, from, std::exp(x[from] - y[to]));
      }
}
WICK_COLD inline void logsumexp_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  const double* dx = pass.tangent(e.in);
  double* out = pass.tangent_output(i);
  for (Index k = 0; k < e.outer * e.inner; ++k) out[k] = 0;
  for_each_weight(pass, i, [&](Index to, Index from, double w) { out[to] += w == 0 ? 0.0 : w * dx[from]; });
}
/// The weights w change by w (dx - dy).
WICK_COLD inline void logsumexp_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  const double *dx = pass.tangent(e.in), *dy = pass.tangent(i), *g = pass.adjoint(i), *dg = pass.adjoint_tangent(i);
  double* out = pass.pull_to(e.in);
  for_each_weight(pass, i, [&](Index to, Index from, double w) {
    const double gi = g == nullptr ? 0.0 : g[to], dgi = dg == nullptr ? 0.0 : dg[to];
    if (w != 0) out[from] += w * (dgi + gi * (dx[from] - dy[to]));
  });
}
#endif
inline constexpr UnaryFns logsumexp_fns =
    unary_fns("logsumexp", &logsumexp_run, &logsumexp_put, {WICK_SECOND(SecondKind::own, &logsumexp_tangent, &logsumexp_pull_second)});

/// An operation along one dimension whose result has the shape of its argument.
WICK_NOINLINE inline Tensor along(const UnaryFns& f, const Tensor& x, Index dim) {
  if (WICK_UNLIKELY(x.empty())) raise_empty(f.fns.name);
  const std::size_t d = dim_at(f.fns.name, dim, x.shape(), x.dim());
  Tensor room;
  const Tensor& in = dense(x, room);
  const Shape& s = in.shape();
  return unary(f, ReducePayload{{}, count_of(s, 0, d), s[d], count_of(s, d + 1, s.size()), 1.0}, in, TensorAccess::make(s));
}

}  // namespace wick::inline WICK_ABI::detail
