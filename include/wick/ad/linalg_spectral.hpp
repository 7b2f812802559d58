/// \file
/// logdet and the eigenvalues of symmetric matrices.
#pragma once

#include <Eigen/Eigenvalues>

#include <wick/ad/linalg.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

inline void logdet_run(const UnaryPayload& base, const double* a, double* out) {
  const auto& p = static_cast<const SquarePayload&>(base);
  for (Index k = 0; k < p.count; ++k) {
    out[k] = 0;
    if (p.n == 0) continue;
    const RowElimination lu(a + k * p.n * p.n, p.n);
    for (Index i = 0; i < p.n; ++i) out[k] += std::log(std::abs(lu.pivot(i)));
  }
}
inline void inverse_transpose_into(const double* a, MatrixMap& out) {
  out.setIdentity();
  RowElimination(a, out.rows()).solve(out, true);
}
inline void logdet_pull(const UnaryPayload& base, const double* g, const double* a, const double*, double* to) {
  const auto& p = static_cast<const SquarePayload&>(base);
  const Scratch memory(p.n * p.n + 1);
  MatrixMap w(memory.data(), p.n, p.n);
  for (Index k = 0; k < p.count; ++k) {
    if (g[k] == 0 || p.n == 0) continue;
    inverse_transpose_into(a + k * p.n * p.n, w);
    MatrixMap(to + k * p.n * p.n, p.n, p.n) += g[k] * w;
  }
}

inline void eigvalsh_run(const UnaryPayload& base, const double* a, double* out) {
  const auto& p = static_cast<const SquarePayload&>(base);
  for (Index k = 0; k < p.count && p.n > 0; ++k) {
    const ConstMatrixMap matrix(a + k * p.n * p.n, p.n, p.n);
    Eigen::Map<Eigen::VectorXd> to(out + k * p.n, p.n);
    const Eigen::SelfAdjointEigenSolver<RowMatrix> solver(matrix, Eigen::EigenvaluesOnly);
    if (solver.info() == Eigen::Success && solver.eigenvalues().allFinite())
      to = solver.eigenvalues();
    else
      to.setConstant(kNaN);
  }
}
/// Σ g v vᵀ.
inline void eigvalsh_pull(const UnaryPayload& base, const double* g, const double* a, const double*, double* to) {
  const auto& p = static_cast<const SquarePayload&>(base);
  for (Index k = 0; k < p.count; ++k) {
    if (!any_nonzero(p.n, g + k * p.n)) continue;
    const Eigen::SelfAdjointEigenSolver<RowMatrix> solver(ConstMatrixMap(a + k * p.n * p.n, p.n, p.n));
    const RowMatrix& v = solver.eigenvectors();
    const RowMatrix s = v * Eigen::Map<const Eigen::VectorXd>(g + k * p.n, p.n).asDiagonal() * v.transpose();
    add_symmetric(s, p.n, to + k * p.n * p.n);
  }
}
#if defined(WICK_SECOND_ORDER)
inline RowMatrix inverse_transpose(const double* a, Index n) {
  RowMatrix out(n, n);
  MatrixMap map(out.data(), n, n);
  inverse_transpose_into(a, map);
  return out;
}
WICK_COLD inline void logdet_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const SquarePayload*>(pass.tape()[i].payload);
  const Index size = p.n * p.n;
  for (Index k = 0; k < p.count; ++k) {
    double dy = 0;
    const double* dx = pass.tangent(p.in) + k * size;
    if (any_nonzero(size, dx)) dy = inverse_transpose(pass.value(p.in) + k * size, p.n).cwiseProduct(ConstMatrixMap(dx, p.n, p.n)).sum();
    pass.tangent_output(i)[k] = dy;
  }
}
WICK_COLD inline void logdet_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const SquarePayload*>(pass.tape()[i].payload);
  const Index size = p.n * p.n;
  for (Index k = 0; k < p.count; ++k) {
    const double g = pass.adjoint(i) == nullptr ? 0.0 : pass.adjoint(i)[k], dg = pass.adjoint_tangent(i) == nullptr ? 0.0 : pass.adjoint_tangent(i)[k];
    if ((g == 0 && dg == 0) || p.n == 0) continue;
    const RowMatrix w = inverse_transpose(pass.value(p.in) + k * size, p.n);
    MatrixMap to(pass.pull_to(p.in) + k * size, p.n, p.n);
    to += dg * w;
    if (g != 0) to -= g * (w * ConstMatrixMap(pass.tangent(p.in) + k * size, p.n, p.n).transpose() * w);
  }
}
WICK_COLD inline void eigvalsh_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const SquarePayload*>(pass.tape()[i].payload);
  const Index size = p.n * p.n;
  for (Index k = 0; k < p.count && p.n > 0; ++k) {
    const Eigen::SelfAdjointEigenSolver<RowMatrix> solver(ConstMatrixMap(pass.value(p.in) + k * size, p.n, p.n));
    const RowMatrix& v = solver.eigenvectors();
    const RowMatrix m = v.transpose() * symmetric_of(pass.tangent(p.in) + k * size, p.n) * v;
    for (Index j = 0; j < p.n; ++j) pass.tangent_output(i)[k * p.n + j] = m(j, j);
  }
}
/// The vectors turn by M_ij / (λ_j - λ_i), M = Vᵀ dA V; there is no derivative where eigenvalues of different weight are equal.
WICK_COLD inline void eigvalsh_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const SquarePayload*>(pass.tape()[i].payload);
  const Index size = p.n * p.n;
  for (Index k = 0; k < p.count && p.n > 0; ++k) {
    Eigen::VectorXd g = Eigen::VectorXd::Zero(p.n), dg = g;
    if (pass.adjoint(i) != nullptr) g = Eigen::Map<const Eigen::VectorXd>(pass.adjoint(i) + k * p.n, p.n);
    if (pass.adjoint_tangent(i) != nullptr) dg = Eigen::Map<const Eigen::VectorXd>(pass.adjoint_tangent(i) + k * p.n, p.n);
    if (!any_nonzero(p.n, g.data()) && !any_nonzero(p.n, dg.data())) continue;
    const Eigen::SelfAdjointEigenSolver<RowMatrix> solver(ConstMatrixMap(pass.value(p.in) + k * size, p.n, p.n));
    const RowMatrix& v = solver.eigenvectors();
    RowMatrix m = v.transpose() * symmetric_of(pass.tangent(p.in) + k * size, p.n) * v;
    for (Index r = 0; r < p.n; ++r)
      for (Index c = 0; c < p.n; ++c) {
        if (r == c)
          m(r, c) = dg[r];
        else
          m(r, c) = m(r, c) == 0 || g[r] == g[c] ? 0.0 : m(r, c) * (g[c] - g[r]) / (solver.eigenvalues()[c] - solver.eigenvalues()[r]);
      }
    add_symmetric(RowMatrix(v * m * v.transpose()), p.n, pass.pull_to(p.in) + k * size);
  }
}
#endif
inline constexpr UnaryFns logdet_fns = unary_fns("logdet", &logdet_run, &logdet_pull, {WICK_SECOND(SecondKind::own, &logdet_tangent, &logdet_pull_second)});
inline constexpr UnaryFns eigvalsh_fns =
    unary_fns("eigvalsh", &eigvalsh_run, &eigvalsh_pull, {WICK_SECOND(SecondKind::own, &eigvalsh_tangent, &eigvalsh_pull_second)});

}  // namespace detail

/// log |det A| of each matrix; −∞ where it is singular. Of A = L Lᵀ it is 2 Σ log of L's diagonal. Shapes: (…, n, n) → (…). Gradients: A⁻ᵀ.
/// Throws: wick.op.E146.
inline Tensor logdet(const Tensor& a) { return detail::square_call(detail::logdet_fns, a, detail::square_size("logdet", a), {}); }
/// The eigenvalues of symmetric matrices in ascending order; reads A's lower triangle only. NaN where A has NaN or infinity.
/// Shapes: (…, n, n) → (…, n). Gradients: of A's lower triangle, which stands for both. Throws: wick.op.E146.
inline Tensor eigvalsh(const Tensor& a) {
  const Index n = detail::square_size("eigvalsh", a);
  return detail::square_call(detail::eigvalsh_fns, a, n, {n});
}

}  // namespace wick::inline WICK_ABI
