/// \file
/// Eight schools: the log evidence, and the exact expected loss of the mean-field guide of the non-centred model.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "support/normal_expectation.hpp"
#include "support/optimise.hpp"

namespace wick_test {

inline constexpr std::array<double, 8> schools_y{28, 8, -3, 7, -1, 1, 18, 12};
inline constexpr std::array<double, 8> schools_sigma{15, 10, 16, 11, 9, 11, 10, 18};

/// log p(y) for mu0 ~ Normal(0, 5), tau ~ HalfCauchy(5), y_j ~ Normal(mu0, sqrt(sigma_j^2 + tau^2)): mu0 integrated in
/// closed form, log tau by the trapezoidal rule (the integrand falls like exp(-|t|), so it converges exponentially).
inline double schools_log_evidence() {
  const double pi = 3.14159265358979323846, step = 0.05;
  double sum = 0.0;
  for (int i = -800; i <= 800; ++i) {
    const double t = i * step, tau = std::exp(t);
    double precision = 1.0 / 25.0, linear = 0.0, quadratic = 0.0, log_det = std::log(25.0);
    for (std::size_t j = 0; j < 8; ++j) {
      const double variance = schools_sigma[j] * schools_sigma[j] + tau * tau;
      precision += 1.0 / variance;
      linear += schools_y[j] / variance;
      quadratic += schools_y[j] * schools_y[j] / variance;
      log_det += std::log(variance);
    }
    const double log_likelihood =
        -8.0 * log_sqrt_2pi() - 0.5 * (log_det + std::log(precision)) - 0.5 * (quadratic - linear * linear / precision);
    const double prior = 2.0 / (5.0 * pi) / (1.0 + tau * tau / 25.0);
    sum += step * prior * tau * std::exp(log_likelihood);
  }
  return std::log(sum);
}

/// Order of the unconstrained parameters: mu_loc, log mu_scale, log-tau loc, log of log-tau scale, eta_loc[8],
/// log eta_scale[8].
inline constexpr std::size_t schools_parameters = 20;

/// Expected -ELBO and its gradient for theta_j = mu0 + tau eta_j, eta_j ~ Normal(0, 1), with the guide mu0 ~ Normal,
/// tau ~ LogNormal, eta_j ~ Normal. The likelihood needs moments only; E log HalfCauchy(tau) is a 1-D expectation.
inline LossGrad exact_schools(std::span<const double> parameters) {
  const double pi = 3.14159265358979323846;
  const double m = parameters[0], s = std::exp(parameters[1]);
  const double a = parameters[2], b = std::exp(parameters[3]);
  const double t1 = std::exp(a + 0.5 * b * b), t2 = std::exp(2.0 * a + 2.0 * b * b);  // E tau, E tau^2
  LossGrad result{0.0, std::vector<double>(schools_parameters, 0.0)};
  std::vector<double>& g = result.grad;
  double d_t1 = 0.0, d_t2 = 0.0;
  for (std::size_t j = 0; j < 8; ++j) {
    const double e = parameters[4 + j], d = std::exp(parameters[12 + j]);
    const double residual = schools_y[j] - m, weight = 0.5 / (schools_sigma[j] * schools_sigma[j]);
    const double square = residual * residual + s * s - 2.0 * residual * t1 * e + t2 * (e * e + d * d);
    result.loss += log_sqrt_2pi() + std::log(schools_sigma[j]) + weight * square + kl_normal(e, d, 1.0);
    g[0] += weight * (-2.0 * residual + 2.0 * t1 * e);
    g[1] += weight * 2.0 * s * s;
    d_t1 -= weight * 2.0 * residual * e;
    d_t2 += weight * (e * e + d * d);
    g[4 + j] = weight * (-2.0 * residual * t1 + 2.0 * t2 * e) + e;
    g[12 + j] = weight * 2.0 * t2 * d * d + d * d - 1.0;
  }
  result.loss += kl_normal(m, s, 5.0);
  g[0] += m / 25.0;
  g[1] += s * s / 25.0 - 1.0;
  double expected = 0.0, slope = 0.0, curvature = 0.0;  // of log(1 + tau^2 / 25) in t = log tau
  visit_normal(
      a, b,
      [&](double t, double weight) {
        const double p = sigmoid(2.0 * t - std::log(25.0));
        expected += weight * softplus(2.0 * t - std::log(25.0));
        slope += weight * 2.0 * p;
        curvature += weight * 4.0 * p * (1.0 - p);
      },
      0.5 * pi);
  // -E log p(tau) + E log q(tau); the -log tau of the LogNormal density has mean -a.
  result.loss += std::log(2.5 * pi) + expected - log_sqrt_2pi() - std::log(b) - 0.5 - a;
  g[2] = d_t1 * t1 + 2.0 * d_t2 * t2 + slope - 1.0;
  g[3] = b * b * (d_t1 * t1 + 4.0 * d_t2 * t2 + curvature) - 1.0;
  return result;
}

/// The optimum of the family.
inline Optimum optimum_schools() {
  return minimise([](const std::vector<double>& p) { return exact_schools(p); },
                  std::vector<double>(schools_parameters, 0.0));
}

}  // namespace wick_test
