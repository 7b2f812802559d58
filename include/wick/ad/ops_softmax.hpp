/// \file
/// softmax and log_softmax along a dimension.
#pragma once

#include <wick/ad/ops_reduce.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// Calls `each(first element, columns)` for every eight columns of x[outer, n, inner], of which only so many are there.
template <class F>
WICK_INLINE void for_each_slice(const ReducePayload& e, F each) {
  for (Index o = 0; o < e.outer; ++o)
    for (Index j = 0; j < e.inner; j += 8) each(o * e.n * e.inner + j, e.inner - j);
}

/// out = exp(x - shift) in one row; returns the sum.
inline double exp_row(const double* x, Index n, double shift, double* out) {
  PairwiseSum total;
  for (Index first = 0; first < n; first += kChunk) {
    const Index m = n - first < kChunk ? n - first : kChunk;
    Packet s(0.0);
    for (Index i = 0; i < m; i += 8) {
      const Packet e = exp(load_at(x + first, true, i, m) - Packet(shift));
      store_at(out + first, i, m, e);
      s = s + (m - i >= 8 ? e : where(first_lanes(m - i), e, Packet(0.0)));
    }
    total.add(math::sum(s));
  }
  return total.total();
}

inline void softmax_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& e = static_cast<const ReducePayload&>(base);
  if (e.inner == 1) {
    for (Index o = 0; o < e.outer; ++o, x += e.n, out += e.n) {
      const Packet s(exp_row(x, e.n, exp_shift(Scalar(largest_of(x, e.n))).v, out));
      for (Index i = 0; i < e.n; i += 8) store_at(out, i, e.n, load_at(out, true, i, e.n) / s);
    }
    return;
  }
  for_each_slice(e, [&](Index at, Index width) {
    Packet largest(-kInf), s(0.0);
    for (Index r = 0; r < e.n; ++r) largest = max(largest, load_at(x + at + r * e.inner, true, 0, width));
    const Packet shift = exp_shift(largest);
    for (Index r = 0; r < e.n; ++r) {
      const Packet y = exp(load_at(x + at + r * e.inner, true, 0, width) - shift);
      store_at(out + at + r * e.inner, 0, width, y);
      s = s + y;
    }
    for (Index r = 0; r < e.n; ++r) store_at(out + at + r * e.inner, 0, width, load_at(out + at + r * e.inner, true, 0, width) / s);
  });
}

/// to += y (g - Σ g y).
inline void softmax_put(const UnaryPayload& base, const double* g, const double*, const double* y, double* to, bool fresh) {
  const auto& e = static_cast<const ReducePayload&>(base);
  if (e.inner == 1) {
    for (Index o = 0; o < e.outer; ++o, g += e.n, y += e.n, to += e.n) {
      const Packet s(dot_array(e.n, g, y));
      for (Index i = 0; i < e.n; i += 8)
        add_at(to, i, e.n, adjoint_product(load_at(g, true, i, e.n) - s, load_at(y, true, i, e.n)), fresh);
    }
    return;
  }
  for_each_slice(e, [&](Index at, Index width) {
    const auto load = [&](const double* p, Index r) { return load_at(p + at + r * e.inner, true, 0, width); };
    Packet s(0.0);
    for (Index r = 0; r < e.n; ++r) s = s + adjoint_product(load(g, r), load(y, r));
    for (Index r = 0; r < e.n; ++r) add_at(to + at + r * e.inner, 0, width, adjoint_product(load(g, r) - s, load(y, r)), fresh);
  });
}

inline void log_softmax_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& e = static_cast<const ReducePayload&>(base);
  if (e.inner == 1) {
    for (Index o = 0; o < e.outer; ++o, x += e.n, out += e.n) {
      const Packet shift(exp_shift(Scalar(largest_of(x, e.n))).v), l(log(Scalar(sum_of_exp(x, e.n, shift.lane(0)))).v);
      for (Index i = 0; i < e.n; i += 8) store_at(out, i, e.n, (load_at(x, true, i, e.n) - shift) - l);
    }
    return;
  }
  for_each_slice(e, [&](Index at, Index width) {
    const auto load = [&](Index r) { return load_at(x + at + r * e.inner, true, 0, width); };
    Packet largest(-kInf), s(0.0);
    for (Index r = 0; r < e.n; ++r) largest = max(largest, load(r));
    const Packet shift = exp_shift(largest);
    for (Index r = 0; r < e.n; ++r) s = s + exp(load(r) - shift);
    const Packet l = log(s);
    for (Index r = 0; r < e.n; ++r) store_at(out + at + r * e.inner, 0, width, (load(r) - shift) - l);
  });
}

/// to += g - e^y Σ g.
inline void log_softmax_put(const UnaryPayload& base, const double* g, const double*, const double* y, double* to, bool fresh) {
  const auto& e = static_cast<const ReducePayload&>(base);
  if (e.inner == 1) {
    for (Index o = 0; o < e.outer; ++o, g += e.n, y += e.n, to += e.n) {
      const Packet s(sum_array(g, e.n));
      for (Index i = 0; i < e.n; i += 8)
        add_at(to, i, e.n, load_at(g, true, i, e.n) - adjoint_product(s, exp(load_at(y, true, i, e.n))), fresh);
    }
    return;
  }
  for_each_slice(e, [&](Index at, Index width) {
    const auto load = [&](const double* p, Index r) { return load_at(p + at + r * e.inner, true, 0, width); };
    Packet s(0.0);
    for (Index r = 0; r < e.n; ++r) s = s + load(g, r);
    for (Index r = 0; r < e.n; ++r) add_at(to + at + r * e.inner, 0, width, load(g, r) - adjoint_product(s, exp(load(y, r))), fresh);
  });
}

#if defined(WICK_SECOND_ORDER)
template <bool Log>
WICK_COLD void softmax_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  const double *y = pass.value(i), *dx = pass.tangent(e.in);
  double* out = pass.tangent_output(i);
  for (Index o = 0; o < e.outer; ++o)
    for (Index j = 0; j < e.inner; ++j) {
      const Index at = o * e.n * e.inner + j;
      const auto weight = [&](Index k) { return Log ? std::exp(y[at + k]) : y[at + k]; };
      double s = 0;
      for (Index r = 0; r < e.n; ++r) s += adjoint_product(dx[at + r * e.inner], weight(r * e.inner));
      for (Index r = 0; r < e.n; ++r) {
        const Index k = r * e.inner;
        out[at + k] = Log ? dx[at + k] - s : adjoint_product(dx[at + k] - s, y[at + k]);
      }
    }
}
template <bool Log>
WICK_COLD void softmax_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  const double *y = pass.value(i), *dy = pass.tangent(i), *g = pass.adjoint(i), *dg = pass.adjoint_tangent(i);
  double* to = pass.pull_to(e.in);
  const auto of = [](const double* p, Index k) { return p == nullptr ? 0.0 : p[k]; };
  for (Index o = 0; o < e.outer; ++o)
    for (Index j = 0; j < e.inner; ++j) {
      const Index at = o * e.n * e.inner + j;
      double s = 0, ds = 0;
      for (Index r = 0; r < e.n; ++r) {
        const Index k = at + r * e.inner;
        s += Log ? of(g, k) : adjoint_product(of(g, k), y[k]);
        ds += Log ? of(dg, k) : adjoint_product(of(dg, k), y[k]) + adjoint_product(of(g, k), dy[k]);
      }
      for (Index r = 0; r < e.n; ++r) {
        const Index k = at + r * e.inner;
        if constexpr (Log)
          to[k] += of(dg, k) - adjoint_product(ds, std::exp(y[k])) - adjoint_product(s, std::exp(y[k]) * dy[k]);
        else
          to[k] += adjoint_product(of(g, k) - s, dy[k]) + adjoint_product(of(dg, k) - ds, y[k]);
      }
    }
}
#endif
inline constexpr UnaryFns softmax_fns =
    unary_fns("softmax", &softmax_run, &softmax_put, {WICK_SECOND(SecondKind::own, &softmax_tangent<false>, &softmax_pull_second<false>)});
inline constexpr UnaryFns log_softmax_fns =
    unary_fns("log_softmax", &log_softmax_run, &log_softmax_put, {WICK_SECOND(SecondKind::own, &softmax_tangent<true>, &softmax_pull_second<true>)});

}  // namespace detail

/// e^x / Σ e^x along `dim`, without overflow: numbers that add up to 1.
///
/// Shapes: x's. Gradients: all. An element −∞ has weight 0; where all are −∞, or one is +∞ or NaN, the slice is NaN. Throws: wick.op.E121.
inline Tensor softmax(const Tensor& x, Count dim = -1) { return detail::along(detail::softmax_fns, x, dim.value); }
/// x − log Σ e^x along `dim`: the logarithm of softmax(x, dim), accurate where that is tiny. As `softmax`; −∞ has −∞.
inline Tensor log_softmax(const Tensor& x, Count dim = -1) { return detail::along(detail::log_softmax_fns, x, dim.value); }

}  // namespace wick::inline WICK_ABI
