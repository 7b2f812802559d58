/// \file
/// Running sums and products along a dimension: cumsum and cumprod.
#pragma once

#include <wick/ad/reduce.hpp>
#include <wick/ad/scratch.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

inline void cumsum_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& e = static_cast<const ReducePayload&>(base);
  const Index w = e.inner;
  for (Index o = 0; o < e.outer; ++o, x += e.n * w, out += e.n * w) {
    if (w == 1) {
      double s = 0;
      for (Index r = 0; r < e.n; ++r) out[r] = s += x[r];
      continue;
    }
    for (Index k = 0; k < w && e.n > 0; ++k) out[k] = x[k];
    for (Index k = w; k < e.n * w; ++k) out[k] = out[k - w] + x[k];
  }
}
inline void cumsum_put(const UnaryPayload& base, const double* g, const double*, const double*, double* to, bool fresh) {
  const auto& e = static_cast<const ReducePayload&>(base);
  const Index w = e.inner;
  const Scratch sum(w);
  for (Index o = 0; o < e.outer; ++o, g += e.n * w, to += e.n * w) {
    if (w == 1) {
      double s = 0;
      for (Index r = e.n; r-- > 0;) to[r] = present_number(to + r, fresh) + (s += g[r]);
      continue;
    }
    double* const s = sum.data();
    for (Index k = 0; k < w; ++k) s[k] = 0;
    for (Index r = e.n; r-- > 0;) {
      add_array(w, g + r * w, s);
      add_rows(1, w, s, w, to + r * w, w, fresh);
    }
  }
}
inline constexpr UnaryFns cumsum_fns = unary_fns("cumsum", &cumsum_run, &cumsum_put, second_linear);

inline void cumprod_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& e = static_cast<const ReducePayload&>(base);
  const Index w = e.inner;
  for (Index o = 0; o < e.outer; ++o, x += e.n * w, out += e.n * w) {
    if (w == 1) {
      double p = 1;
      for (Index r = 0; r < e.n; ++r) out[r] = p *= x[r];
      continue;
    }
    for (Index k = 0; k < w && e.n > 0; ++k) out[k] = x[k];
    for (Index k = w; k < e.n * w; ++k) out[k] = out[k - w] * x[k];
  }
}
/// The derivative in element r is the product before it times s_r = g_r + x_{r+1} s_{r+1}: no division, so that zeros do no harm.
inline void cumprod_put(const UnaryPayload& base, const double* g, const double* x, const double* y, double* to, bool fresh) {
  const auto& e = static_cast<const ReducePayload&>(base);
  const Index w = e.inner;
  for (Index o = 0; o < e.outer; ++o, g += e.n * w, x += e.n * w, y += e.n * w, to += e.n * w)
    for (Index j = 0; j < w; ++j) {
      double s = 0;
      for (Index k = (e.n - 1) * w + j; k >= 0; k -= w) {
        s = g[k] + (k + w < e.n * w ? adjoint_product(s, x[k + w]) : 0.0);
        to[k] = present_number(to + k, fresh) + (k < w ? s : adjoint_product(s, y[k - w]));
      }
    }
}
#if defined(WICK_SECOND_ORDER)
WICK_COLD inline void cumprod_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  const double *x = pass.value(e.in), *dx = pass.tangent(e.in), *y = pass.value(i);
  double* out = pass.tangent_output(i);
  for (Index o = 0; o < e.outer; ++o)
    for (Index r = 0; r < e.n; ++r)
      for (Index j = 0; j < e.inner; ++j) {
        const Index k = (o * e.n + r) * e.inner + j, before = k - e.inner;
        out[k] = r == 0 ? dx[k] : adjoint_product(out[before], x[k]) + adjoint_product(dx[k], y[before]);
      }
}
WICK_COLD inline void cumprod_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  const double *x = pass.value(e.in), *dx = pass.tangent(e.in), *y = pass.value(i), *dy = pass.tangent(i), *g = pass.adjoint(i),
               *dg = pass.adjoint_tangent(i);
  double* to = pass.pull_to(e.in);
  for (Index o = 0; o < e.outer; ++o)
    for (Index j = 0; j < e.inner; ++j) {
      double s = 0, ds = 0;
      for (Index r = e.n; r-- > 0;) {
        const Index k = (o * e.n + r) * e.inner + j, next = k + e.inner, before = k - e.inner;
        const bool last = r + 1 == e.n;
        ds = (dg == nullptr ? 0.0 : dg[k]) + (last ? 0.0 : adjoint_product(ds, x[next]) + adjoint_product(s, dx[next]));
        s = (g == nullptr ? 0.0 : g[k]) + (last ? 0.0 : adjoint_product(s, x[next]));
        to[k] += r == 0 ? ds : adjoint_product(ds, y[before]) + adjoint_product(s, dy[before]);
      }
    }
}
#endif
inline constexpr UnaryFns cumprod_fns =
    unary_fns("cumprod", &cumprod_run, &cumprod_put, {WICK_SECOND(SecondKind::own, &cumprod_tangent, &cumprod_pull_second)});

}  // namespace detail

/// The sum, and the product, of the elements up to and with each one along `dim`.
///
/// Shapes: x's. Gradients: all, those of products also where elements are 0. Throws: wick.op.E121.
inline Tensor cumsum(const Tensor& x, Count dim = -1) { return detail::along(detail::cumsum_fns, x, dim.value); }
inline Tensor cumprod(const Tensor& x, Count dim = -1) { return detail::along(detail::cumprod_fns, x, dim.value); }

}  // namespace wick::inline WICK_ABI
