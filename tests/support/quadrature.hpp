/// \file
/// Quadrature rules: Gauss-Hermite and Gauss-Legendre nodes by Golub & Welsch (1969), adaptive rules of Boost.Math.
/// Heavy to compile (Eigen's eigenvalues, Boost): normal_expectation.hpp suffices for expectations under a normal.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <Eigen/Eigenvalues>
#include <boost/math/quadrature/exp_sinh.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/quadrature/sinh_sinh.hpp>
#include <boost/math/quadrature/tanh_sinh.hpp>

namespace wick_test {

/// Nodes in increasing order; the weights are those of a probability measure (they sum to 1).
struct QuadratureRule {
  std::vector<double> nodes, weights;

  template <class F>
  double operator()(F f) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < nodes.size(); ++i) sum += weights[i] * f(nodes[i]);
    return sum;
  }
};

namespace quadrature_detail {

/// The rule of n nodes for a symmetric measure whose orthonormal polynomials obey
/// x p_j = beta(j + 1) p_(j+1) + beta(j) p_(j-1), p_0 = 1. The nodes are eigenvalues of the Jacobi matrix; the weights
/// 1 / sum_j p_j(x)^2 keep full relative accuracy in the tails, which squared eigenvector elements do not.
template <class Beta>
QuadratureRule golub_welsch(int n, Beta beta) {
  Eigen::VectorXd diagonal = Eigen::VectorXd::Zero(n), sub(n > 1 ? n - 1 : 0);
  for (int j = 1; j < n; ++j) sub[j - 1] = beta(j);
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(diagonal, sub, Eigen::EigenvaluesOnly);
  QuadratureRule rule;
  for (int i = 0; i < n; ++i) {
    // The measure is symmetric: so are the nodes.
    const double x = 0.5 * (solver.eigenvalues()[i] - solver.eigenvalues()[n - 1 - i]);
    double previous = 0.0, current = 1.0, squares = 1.0;
    for (int j = 1; j < n; ++j) {
      const double next = (x * current - (j > 1 ? beta(j - 1) : 0.0) * previous) / beta(j);
      previous = current;
      current = next;
      squares += current * current;
    }
    rule.nodes.push_back(x);
    rule.weights.push_back(1.0 / squares);
  }
  return rule;
}

}  // namespace quadrature_detail

/// Gauss-Hermite for the standard normal: exact for polynomials of degree 2n - 1 under Normal(0, 1). n <= 300.
inline QuadratureRule gauss_hermite(int n) {
  return quadrature_detail::golub_welsch(n, [](int j) { return std::sqrt(static_cast<double>(j)); });
}

/// Gauss-Legendre for Uniform(-1, 1).
inline QuadratureRule gauss_legendre(int n) {
  return quadrature_detail::golub_welsch(n, [](int j) { return j / std::sqrt(4.0 * j * j - 1.0); });
}

/// E f(X), X ~ Normal(mean, sd), by Gauss-Hermite.
template <class F>
double expect_normal(const QuadratureRule& hermite, double mean, double sd, F f) {
  return hermite([&](double z) { return f(mean + sd * z); });
}

/// Integral of f over [a, b], n panels of the Gauss-Legendre rule each.
template <class F>
double integrate_panels(const QuadratureRule& legendre, F f, double a, double b, int panels) {
  const double half = 0.5 * (b - a) / panels;
  double sum = 0.0;
  for (int i = 0; i < panels; ++i)
    sum += 2.0 * half * legendre([&](double x) { return f(a + half * (2.0 * i + 1.0 + x)); });
  return sum;
}

/// Adaptive integral over a finite interval; the integrand may be singular at the ends.
template <class F>
double integrate(F f, double a, double b, double tolerance = 1e-13) {
  return boost::math::quadrature::tanh_sinh<double>().integrate(f, a, b, tolerance);
}

/// Adaptive integral of a smooth integrand over a finite or infinite interval. The depth is bounded: where rounding of
/// the integrand hides the tolerance the panels would be halved for ever.
template <class F>
double integrate_smooth(F f, double a, double b, double tolerance = 1e-12) {
  return boost::math::quadrature::gauss_kronrod<double, 31>::integrate(f, a, b, 10, tolerance);
}

/// Integral over (0, infinity).
template <class F>
double integrate_half_line(F f, double tolerance = 1e-13) {
  return boost::math::quadrature::exp_sinh<double>().integrate(f, tolerance);
}

/// Integral over the real line.
template <class F>
double integrate_line(F f, double tolerance = 1e-13) {
  return boost::math::quadrature::sinh_sinh<double>().integrate(f, tolerance);
}

}  // namespace wick_test
