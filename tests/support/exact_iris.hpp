/// \file
/// The exact expected loss of the iris example: logistic regression with standard normal priors on (w, b) and a
/// mean-field normal guide. Given a datum, the logit x.w + b is normal under the guide, so its log-likelihood is a 1-D
/// expectation.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "support/iris_data.hpp"
#include "support/normal_expectation.hpp"
#include "support/optimise.hpp"

namespace wick_test {

/// Order of the unconstrained parameters: w_loc[0], w_loc[1], log w_scale[0], log w_scale[1], b_loc, log b_scale.
inline constexpr int iris_parameters = 6;

/// Expected -ELBO and its gradient with respect to the unconstrained parameters. `rows` stands for another data set (a
/// minibatch), whose likelihood is multiplied by `likelihood_scale`.
inline LossGrad exact_iris(std::span<const double> parameters, std::span<const IrisRow> rows = iris,
                           double likelihood_scale = 1.0) {
  const double pi = 3.14159265358979323846;
  const double loc[3] = {parameters[0], parameters[1], parameters[4]};
  const double scale[3] = {std::exp(parameters[2]), std::exp(parameters[3]), std::exp(parameters[5])};
  LossGrad result{0.0, std::vector<double>(iris_parameters, 0.0)};
  double d_loc[3] = {}, d_variance[3] = {};
  for (const IrisRow& row : rows) {
    const double x[3] = {row.length, row.width, 1.0};
    double mean = 0.0, variance = 0.0;
    for (int k = 0; k < 3; ++k) {
      mean += x[k] * loc[k];
      variance += x[k] * x[k] * scale[k] * scale[k];
    }
    double expected = 0.0, slope = 0.0, curvature = 0.0;  // of softplus: E f, E f', E f''
    visit_normal(
        mean, std::sqrt(variance),
        [&](double logit, double weight) {
          const double p = sigmoid(logit);
          expected += weight * softplus(logit);
          slope += weight * p;
          curvature += weight * p * (1.0 - p);
        },
        pi);
    result.loss += likelihood_scale * (expected - row.species * mean);
    for (int k = 0; k < 3; ++k) {
      d_loc[k] += likelihood_scale * (slope - row.species) * x[k];
      d_variance[k] += likelihood_scale * 0.5 * curvature * x[k] * x[k];  // d E f / d variance = E f'' / 2
    }
  }
  constexpr std::size_t loc_at[3] = {0, 1, 4}, scale_at[3] = {2, 3, 5};
  for (int k = 0; k < 3; ++k) {
    const double s = scale[k];
    result.loss += kl_normal(loc[k], s, 1.0);
    result.grad[loc_at[k]] = d_loc[k] + loc[k];
    result.grad[scale_at[k]] = 2.0 * s * s * d_variance[k] + s * s - 1.0;
  }
  return result;
}

/// The optimum of the family, from the tutorial's starting point.
inline Optimum optimum_iris() {
  return minimise([](const std::vector<double>& p) { return exact_iris(p); },
                  std::vector<double>(iris_parameters, 0.0));
}

}  // namespace wick_test
