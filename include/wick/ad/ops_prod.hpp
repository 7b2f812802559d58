/// \file
/// prod over all or some dimensions.
#pragma once

#include <wick/ad/ops_reduce.hpp>
#include <wick/ad/scratch.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

inline double product_of(const double* x, Index n) {
  Packet a(1.0), b(1.0), c(1.0), d(1.0);
  Index i = 0;
  for (; i + 32 <= n; i += 32) {
    a = a * Packet::load(x + i);
    b = b * Packet::load(x + i + 8);
    c = c * Packet::load(x + i + 16);
    d = d * Packet::load(x + i + 24);
  }
  for (; i + 8 <= n; i += 8) a = a * Packet::load(x + i);
  double tail = 1;
  for (; i < n; ++i) tail *= x[i];
  return math::product((a * b) * (c * d)) * tail;
}
/// out[o] = the product of row o of x[rows, n].
inline void product_of_rows(const double* x, Index rows, Index n, double* out) {
  Index o = 0;
  for (; n >= 8 && n < 32 && o + 8 <= rows; o += 8, x += 8 * n) math::joined_rows<true>(x, n).store(out + o);
  for (; o < rows; ++o, x += n) out[o] = product_of(x, n);
}

inline void prod_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& e = static_cast<const ReducePayload&>(base);
  if (e.inner == 1) return product_of_rows(x, e.outer, e.n, out);
  for (Index o = 0; o < e.outer; ++o, x += e.n * e.inner, out += e.inner) {
    for (Index j = 0; j < e.inner; j += 8) {
      Packet y(1.0);
      for (Index r = 0; r < e.n; ++r) y = y * load_at(x + r * e.inner, true, j, e.inner);
      store_at(out, j, e.inner, y);
    }
  }
}

/// The derivative of a product in an element is the product of the others: of those before it and those after it.
inline void prod_put_careful(double g, const double* x, Index n, Index stride, double* to, bool fresh) {
  for (Index r = 0; fresh && r < n; ++r) to[r * stride] = 0;
  if (g == 0) return;
  const Scratch before(n + 1);
  double product = 1;
  for (Index r = 0; r < n; ++r) {
    before[r] = product;
    product *= x[r * stride];
  }
  product = 1;
  for (Index r = n; r-- > 0;) {
    to[r * stride] += g * (before[r] * product);
    product *= x[r * stride];
  }
}

inline void prod_put(const UnaryPayload& base, const double* g, const double* x, const double* y, double* to, bool fresh) {
  const auto& e = static_cast<const ReducePayload&>(base);
  for (Index o = 0; o < e.outer; ++o, x += e.n * e.inner, to += e.n * e.inner, y += e.inner, g += e.inner) {
    // Usually that is the product over the element; not where one of them is 0 or the product left the range of numbers.
    bool usual = true;
    for (Index j = 0; j < e.inner; ++j) usual = usual && std::abs(y[j]) > 1e-290 && std::abs(y[j]) < 1e290 && std::abs(g[j]) < 1e10;
    if (!usual) {
      for (Index j = 0; j < e.inner; ++j) prod_put_careful(g[j], x + j, e.n, e.inner, to + j, fresh);
      continue;
    }
    const Index width = e.inner == 1 ? e.n : e.inner, rows = e.inner == 1 ? 1 : e.n;
    for (Index j = 0; j < width; j += 8) {
      const Packet gy = load_at(g, e.inner != 1, j, width) * load_at(y, e.inner != 1, j, width);
      for (Index r = 0; r < rows; ++r)
        add_at(to + r * width, j, width, gy / load_at(x + r * width, true, j, width), fresh);
    }
  }
}
#if defined(WICK_SECOND_ORDER)
WICK_COLD inline void prod_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  const double *x = pass.value(e.in), *dx = pass.tangent(e.in);
  double* out = pass.tangent_output(i);
  for (Index o = 0; o < e.outer; ++o)
    for (Index j = 0; j < e.inner; ++j) {
      double y = 1, dy = 0;
      for (Index r = 0; r < e.n; ++r) {
        const Index at = (o * e.n + r) * e.inner + j;
        dy = dy * x[at] + y * dx[at];
        y *= x[at];
      }
      out[o * e.inner + j] = dy;
    }
}
WICK_COLD inline void prod_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ReducePayload*>(pass.tape()[i].payload);
  const double *x = pass.value(e.in), *dx = pass.tangent(e.in), *g = pass.adjoint(i), *dg = pass.adjoint_tangent(i);
  double* to = pass.pull_to(e.in);
  const Scratch before(2 * e.n + 1);
  for (Index o = 0; o < e.outer; ++o)
    for (Index j = 0; j < e.inner; ++j) {
      const double gi = g == nullptr ? 0.0 : g[o * e.inner + j], dgi = dg == nullptr ? 0.0 : dg[o * e.inner + j];
      if (gi == 0 && dgi == 0) continue;
      double p = 1, dp = 0;
      for (Index r = 0; r < e.n; ++r) {
        const Index at = (o * e.n + r) * e.inner + j;
        before[2 * r] = p;
        before[2 * r + 1] = dp;
        dp = dp * x[at] + p * dx[at];
        p *= x[at];
      }
      p = 1;
      dp = 0;
      for (Index r = e.n; r-- > 0;) {
        const Index at = (o * e.n + r) * e.inner + j;
        to[at] += adjoint_product(dgi, before[2 * r] * p) + adjoint_product(gi, before[2 * r + 1] * p + before[2 * r] * dp);
        dp = dp * x[at] + p * dx[at];
        p *= x[at];
      }
    }
}
#endif
inline constexpr UnaryFns prod_fns = unary_fns("prod", &prod_run, &prod_put, {WICK_SECOND(SecondKind::own, &prod_tangent, &prod_pull_second)});

}  // namespace detail

/// The product of all elements, or over `dims`. Shapes: as `sum`; the product of nothing is 1. Gradients: the product of the other elements,
/// also where some are 0. Throws: wick.op.E121.
inline Tensor prod(const Tensor& x) { return detail::reduce_all(detail::prod_fns, x); }
inline Tensor prod(const Tensor& x, const Dims& dims, bool keepdim = false) {
  const auto set = detail::dim_set("prod", dims, x);
  return detail::reduce(detail::prod_fns, x, set, detail::reduced_shape(x.shape(), set, keepdim));
}

}  // namespace wick::inline WICK_ABI
