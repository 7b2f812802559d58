/// \file
/// The Cholesky decomposition by Eigen, with its derivatives, and what other decompositions share with it. The operations themselves are in linalg.hpp.
#pragma once

#include <Eigen/Cholesky>

#include <wick/ad/general.hpp>
#include <wick/ad/scratch.hpp>

namespace wick::inline WICK_ABI::detail {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixMap = Eigen::Map<RowMatrix>;
using ConstMatrixMap = Eigen::Map<const RowMatrix>;

inline bool any_nonzero(Index n, const double* g) {
  for (Index i = 0; i < n; ++i)
    if (g[i] != 0) return true;
  return false;
}

/// Operations on square matrices of n rows, one by one.
struct SquarePayload : UnaryPayload {
  Index count, n;
};

inline void cholesky_run(const UnaryPayload& base, const double* a, double* out) {
  const auto& p = static_cast<const SquarePayload&>(base);
  for (Index k = 0; k < p.count; ++k, a += p.n * p.n, out += p.n * p.n) {
    for (Index i = 0; i < p.n; ++i)
      for (Index j = 0; j < p.n; ++j) out[i * p.n + j] = j <= i ? a[i * p.n + j] : 0.0;
    if (p.n == 0) continue;
    MatrixMap l(out, p.n, p.n);
    const Eigen::LLT<Eigen::Ref<RowMatrix>, Eigen::Lower> factor(l);
    if (factor.info() == Eigen::Success) continue;
    for (Index i = 0; i < p.n; ++i)
      for (Index j = 0; j <= i; ++j) out[i * p.n + j] = kNaN;
  }
}
/// Lower triangle with half of the diagonal.
template <class M>
void halve_lower(M& m) {
  for (Index i = 0; i < m.rows(); ++i) {
    m(i, i) *= 0.5;
    for (Index j = i + 1; j < m.cols(); ++j) m(i, j) = 0;
  }
}
/// Adds a derivative with respect to all elements of a symmetric matrix to that of its lower triangle.
template <class M>
void add_symmetric(const M& s, Index n, double* to) {
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < i; ++j) to[i * n + j] += s(i, j) + s(j, i);
    to[i * n + i] += s(i, i);
  }
}
/// m = L⁻ᵀ m L⁻¹.
template <class L, class M>
void divide_both_sides(const L& l, M& m) {
  l.transpose().template triangularView<Eigen::Upper>().solveInPlace(m);
  l.template triangularView<Eigen::Lower>().template solveInPlace<Eigen::OnTheRight>(m);
}
/// Turns G, the derivative with respect to L, into that with respect to the lower triangle of A = L Lᵀ, for a few rows.
inline void cholesky_reverse_rows(const double* l, Index stride, Index n, double* g) {
  for (Index j = n; j-- > 0;) {
    const double d = l[j * (stride + 1)];
    double& gd = g[j * (stride + 1)];
    for (Index i = j + 1; i < n; ++i) {
      double& gc = g[i * stride + j];
      gd -= l[i * stride + j] * gc / d;
      gc /= d;
    }
    gd /= d;
    add_scaled(j, -gd, l + j * stride, g + j * stride);
    for (Index i = j + 1; i < n; ++i) {
      const double gc = g[i * stride + j];
      add_scaled(j, -gc, l + i * stride, g + j * stride);
      add_scaled(j, -gc, l + j * stride, g + i * stride);
    }
    gd *= 0.5;
  }
}
/// The same by blocks. Source: Murray, "Differentiation of the Cholesky decomposition" (2016), section 3: twice the work of the decomposition.
inline void cholesky_reverse(const ConstMatrixMap& l, MatrixMap& g) {
  constexpr Index rows = 24;
  const Index n = l.rows();
  const Scratch memory(rows * rows);
  for (Index end = n; end > 0;) {
    const Index size = end < rows ? end : rows, at = end - size, below = n - end;
    const auto diagonal = l.block(at, at, size, size), left = l.block(at, 0, size, at), corner = l.block(end, 0, below, at), under = l.block(end, at, below, size);
    auto g_diagonal = g.block(at, at, size, size);
    if (below > 0) {
      auto g_under = g.block(end, at, below, size);
      diagonal.template triangularView<Eigen::Lower>().template solveInPlace<Eigen::OnTheRight>(g_under);
      MatrixMap product(memory.data(), size, size);
      product.noalias() = g_under.transpose() * under;
      g_diagonal.template triangularView<Eigen::Lower>() -= product;
      if (at > 0) {
        g.block(end, 0, below, at).noalias() -= g_under * left;
        g.block(at, 0, size, at).noalias() -= g_under.transpose() * corner;
      }
    }
    cholesky_reverse_rows(l.data() + at * (n + 1), n, size, g.data() + at * (n + 1));
    if (at > 0) {
      MatrixMap both(memory.data(), size, size);
      both = g_diagonal.template selfadjointView<Eigen::Lower>();
      both.diagonal() *= 2.0;
      g.block(at, 0, size, at).noalias() -= both * left;
    }
    end = at;
  }
}
inline void cholesky_pull(const UnaryPayload& base, const double* g, const double*, const double* y, double* to) {
  const auto& p = static_cast<const SquarePayload&>(base);
  const Index size = p.n * p.n;
  const Scratch memory(size + 1);
  for (Index k = 0; k < p.count; ++k, g += size, y += size, to += size) {
    MatrixMap lower(memory.data(), p.n, p.n);
    lower = ConstMatrixMap(g, p.n, p.n).triangularView<Eigen::Lower>();
    if (!any_nonzero(size, lower.data())) continue;
    cholesky_reverse(ConstMatrixMap(y, p.n, p.n), lower);
    for (Index i = 0; i < p.n; ++i) add_array(i + 1, lower.data() + i * p.n, to + i * p.n);
  }
}
#if defined(WICK_SECOND_ORDER)
inline RowMatrix symmetric_of(const double* a, Index n) { return RowMatrix(ConstMatrixMap(a, n, n).selfadjointView<Eigen::Lower>()); }
/// dL = L Φ(L⁻¹ dA L⁻ᵀ), Φ being the lower triangle with half of the diagonal.
WICK_COLD inline void cholesky_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const SquarePayload*>(pass.tape()[i].payload);
  const Index size = p.n * p.n;
  for (Index k = 0; k < p.count; ++k) {
    const ConstMatrixMap l(pass.value(i) + k * size, p.n, p.n);
    RowMatrix m = symmetric_of(pass.tangent(p.in) + k * size, p.n);
    l.triangularView<Eigen::Lower>().solveInPlace(m);
    l.transpose().triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(m);
    halve_lower(m);
    MatrixMap(pass.tangent_output(i) + k * size, p.n, p.n) = l * m;
  }
}
/// The derivative of what `cholesky_pull` adds: S = L⁻ᵀ P L⁻¹ with P = Φ(Lᵀ G).
WICK_COLD inline void cholesky_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const SquarePayload*>(pass.tape()[i].payload);
  const Index size = p.n * p.n;
  for (Index k = 0; k < p.count; ++k) {
    const auto lower = [&](const double* g) {
      RowMatrix m = RowMatrix::Zero(p.n, p.n);
      if (g != nullptr) m = ConstMatrixMap(g + k * size, p.n, p.n).triangularView<Eigen::Lower>();
      return m;
    };
    const RowMatrix g = lower(pass.adjoint(i)), dg = lower(pass.adjoint_tangent(i)), dl = lower(pass.tangent(i));
    if (!any_nonzero(size, g.data()) && !any_nonzero(size, dg.data())) continue;
    const ConstMatrixMap l(pass.value(i) + k * size, p.n, p.n);
    RowMatrix s = l.transpose() * g, ds = dl.transpose() * g + l.transpose() * dg, turned = dl.transpose();
    halve_lower(s);
    halve_lower(ds);
    divide_both_sides(l, s);
    divide_both_sides(l, ds);
    l.transpose().triangularView<Eigen::Upper>().solveInPlace(turned);  // L⁻ᵀ dLᵀ
    ds -= turned * s + s * turned.transpose();
    add_symmetric(ds, p.n, pass.pull_to(p.in) + k * size);
  }
}
#endif
inline constexpr UnaryFns cholesky_fns = unary_fns("cholesky", &cholesky_run, &cholesky_pull, {WICK_SECOND(SecondKind::own, &cholesky_tangent, &cholesky_pull_second)});

}  // namespace wick::inline WICK_ABI::detail
