/// \file
/// Exact expected losses and gradients for rule C: small models with structural factors (plates, scales, masks,
/// subsamples), by closed form, enumeration or a 1-D expectation. With weight = scale * mask of each element of a site,
///     loss = -E_q[sum weight log p] + E_q[sum weight log q],
/// and the gradient is the derivative of that number, whether the estimator reparameterises or scores.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "support/normal_expectation.hpp"
#include "support/optimise.hpp"

namespace wick_test {

/// scale * mask per element of the latent site in the model, the observed site and the latent site in the guide. Either
/// one latent per datum (a plate around everything) or one latent for all data. An element outside the minibatch has
/// weight 0. The mean over all minibatches of a plate of N has weights 1, so `plate(n)` is also the answer for random
/// subsampling.
struct Weights {
  std::vector<double> latent, observed, guide;

  static Weights plate(std::size_t n) { return make(n, n); }
  static Weights global(std::size_t n) { return make(1, n); }

  bool per_datum() const { return latent.size() == observed.size(); }

  Weights scale_latent(double s) const { return times(s, 1.0, 1.0); }
  Weights scale_observed(double s) const { return times(1.0, s, 1.0); }
  Weights scale_guide(double s) const { return times(1.0, 1.0, s); }
  Weights scale_model(double s) const { return times(s, s, 1.0); }

  Weights mask_latent(const std::vector<bool>& mask) const { return masked(&Weights::latent, mask); }
  Weights mask_observed(const std::vector<bool>& mask) const { return masked(&Weights::observed, mask); }
  Weights mask_guide(const std::vector<bool>& mask) const { return masked(&Weights::guide, mask); }

  /// The minibatch `indices` of the plate: its members times N/B, all else 0. A global latent is outside the plate.
  Weights batch(const std::vector<std::size_t>& indices) const {
    std::vector<double> factor(observed.size(), 0.0);
    for (std::size_t i : indices)
      factor[i] = static_cast<double>(observed.size()) / static_cast<double>(indices.size());
    Weights result = *this;
    for (std::size_t i = 0; i < factor.size(); ++i) {
      result.observed[i] *= factor[i];
      if (!per_datum()) continue;
      result.latent[i] *= factor[i];
      result.guide[i] *= factor[i];
    }
    return result;
  }

 private:
  static Weights make(std::size_t latents, std::size_t n) {
    return {std::vector<double>(latents, 1.0), std::vector<double>(n, 1.0), std::vector<double>(latents, 1.0)};
  }
  Weights times(double l, double o, double g) const {
    Weights result = *this;
    for (double& w : result.latent) w *= l;
    for (double& w : result.observed) w *= o;
    for (double& w : result.guide) w *= g;
    return result;
  }
  Weights masked(std::vector<double> Weights::*site, const std::vector<bool>& mask) const {
    Weights result = *this;
    for (std::size_t i = 0; i < mask.size(); ++i)
      if (!mask[i]) (result.*site)[i] = 0.0;
    return result;
  }
};

namespace exact_detail {

/// Calls visit(i, j) for every datum j that depends on latent i.
template <class Visit>
void for_data_of(const Weights& weights, std::size_t latent, Visit visit) {
  if (weights.per_datum()) return visit(latent);
  for (std::size_t j = 0; j < weights.observed.size(); ++j) visit(j);
}

/// psi(x) and psi'(x), x > 0: recurrence up to 20, then the asymptotic series.
inline double digamma(double x) {
  double result = 0.0;
  for (; x < 20.0; x += 1.0) result -= 1.0 / x;
  const double r = 1.0 / (x * x);
  return result + std::log(x) - 0.5 / x -
         r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r * (1.0 / 240 - r * (1.0 / 132 - r * 691.0 / 32760)))));
}

inline double trigamma(double x) {
  double result = 0.0;
  for (; x < 20.0; x += 1.0) result += 1.0 / (x * x);
  const double r = 1.0 / (x * x);
  return result + (1.0 + 0.5 / x + r * (1.0 / 6 - r * (1.0 / 30 - r * (1.0 / 42 - r * (1.0 / 30 - r * 5.0 / 66))))) / x;
}

}  // namespace exact_detail

/// z ~ Normal(0, 1), x ~ Normal(z, 1); guide z ~ Normal(loc, exp(log_scale)).
/// Parameters: loc of each latent, then log_scale of each latent, or one log_scale that all share.
inline LossGrad normal_normal(std::span<const double> parameters, std::span<const double> x, const Weights& weights) {
  const std::size_t n = weights.latent.size();
  LossGrad result{0.0, std::vector<double>(parameters.size(), 0.0)};
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t at = parameters.size() == 2 * n ? n + i : n;
    const double m = parameters[i], log_s = parameters[at], v = std::exp(2.0 * log_s);
    const double a = weights.latent[i], g = weights.guide[i];
    result.loss += a * (log_sqrt_2pi() + 0.5 * (m * m + v)) - g * (log_sqrt_2pi() + log_s + 0.5);
    result.grad[i] += a * m;
    result.grad[at] += a * v - g;
    exact_detail::for_data_of(weights, i, [&](std::size_t j) {
      const double c = weights.observed[j], residual = x[j] - m;
      result.loss += c * (log_sqrt_2pi() + 0.5 * (residual * residual + v));
      result.grad[i] -= c * residual;
      result.grad[at] += c * v;
    });
  }
  return result;
}

/// z ~ Bernoulli(prior), x ~ Normal(z ? mean1 : mean0, 1).
struct BernoulliNormal {
  double prior = 0.3, mean0 = -1.0, mean1 = 1.5;
};

/// Guide z ~ Bernoulli(sigmoid(logit)). Parameters: the logit of each latent. By enumeration.
inline LossGrad bernoulli_normal(std::span<const double> logits, std::span<const double> x, const Weights& weights,
                                 const BernoulliNormal& model = {}) {
  LossGrad result{0.0, std::vector<double>(logits.size(), 0.0)};
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double q1 = sigmoid(logits[i]), q0 = sigmoid(-logits[i]);
    // cost(z) = -weighted log p + weighted log q
    double cost0 = -weights.latent[i] * std::log1p(-model.prior) - weights.guide[i] * softplus(logits[i]);
    double cost1 = -weights.latent[i] * std::log(model.prior) - weights.guide[i] * softplus(-logits[i]);
    exact_detail::for_data_of(weights, i, [&](std::size_t j) {
      cost0 -= weights.observed[j] * normal_log_density(x[j], model.mean0, 1.0);
      cost1 -= weights.observed[j] * normal_log_density(x[j], model.mean1, 1.0);
    });
    result.loss += q0 * cost0 + q1 * cost1;
    result.grad[i] = q0 * q1 * (cost1 - cost0);  // the expected score of log q itself is 0
  }
  return result;
}

/// lambda ~ Gamma(shape, rate), x ~ Poisson(lambda).
struct PoissonGamma {
  double shape = 2.0, rate = 0.5;
};

/// Guide lambda ~ Gamma(exp(la), exp(lb)). Parameters: la of each latent, then lb of each latent.
inline LossGrad poisson_gamma(std::span<const double> parameters, std::span<const double> x, const Weights& weights,
                              const PoissonGamma& model = {}) {
  using exact_detail::digamma;
  const std::size_t n = weights.latent.size();
  LossGrad result{0.0, std::vector<double>(2 * n, 0.0)};
  for (std::size_t i = 0; i < n; ++i) {
    const double a = std::exp(parameters[i]), b = std::exp(parameters[n + i]), w = weights.latent[i];
    const double mean = a / b, mean_log = digamma(a) - parameters[n + i], g = weights.guide[i];
    // E log p = constant + power * E log lambda - linear * E lambda
    double constant = w * (model.shape * std::log(model.rate) - std::lgamma(model.shape));
    double power = w * (model.shape - 1.0), linear = w * model.rate;
    exact_detail::for_data_of(weights, i, [&](std::size_t j) {
      constant -= weights.observed[j] * std::lgamma(x[j] + 1.0);
      power += weights.observed[j] * x[j];
      linear += weights.observed[j];
    });
    const double negative_entropy = parameters[n + i] - std::lgamma(a) + (a - 1.0) * digamma(a) - a;
    result.loss += -(constant + power * mean_log - linear * mean) + g * negative_entropy;
    const double psi1 = exact_detail::trigamma(a);
    result.grad[i] = a * (-power * psi1 + linear / b + g * ((a - 1.0) * psi1 - 1.0));
    result.grad[n + i] = power - linear * mean + g;
  }
  return result;
}

/// scale * mask of the five terms of the branch model.
struct BranchWeights {
  double k = 1.0, z = 1.0, x = 1.0, guide_k = 1.0, guide_z = 1.0;
};

/// k ~ Bernoulli(1/2); k = 1: z ~ Normal(0, 1), k = 0: z ~ Gamma(2, 2); x ~ Normal(z, 1) observed. Guide k ~
/// Bernoulli(sigmoid(logit)); k = 1: z ~ Normal(m, exp(ls)), k = 0: z ~ Gamma(exp(la), exp(lb)).
/// Parameters: logit, m, ls, la, lb. Both branches are closed forms in E z, E z^2 and E log z.
inline LossGrad branch(std::span<const double> parameters, double x = 1.5, const BranchWeights& w = {}) {
  using exact_detail::digamma;
  const double logit = parameters[0], q1 = sigmoid(logit), q0 = sigmoid(-logit);
  const double m = parameters[1], v = std::exp(2.0 * parameters[2]);
  const double a = std::exp(parameters[3]), b = std::exp(parameters[4]), psi1 = exact_detail::trigamma(a);
  const double mean = a / b, square = mean * mean + mean / b, mean_log = digamma(a) - parameters[4];

  const double normal = w.z * (log_sqrt_2pi() + 0.5 * (m * m + v)) +
                        w.x * (log_sqrt_2pi() + 0.5 * ((x - m) * (x - m) + v)) -
                        w.guide_z * (log_sqrt_2pi() + parameters[2] + 0.5);
  const double gamma = -w.z * (2.0 * std::log(2.0) + mean_log - 2.0 * mean) +
                       w.x * (log_sqrt_2pi() + 0.5 * (x * x - 2.0 * x * mean + square)) +
                       w.guide_z * (parameters[4] - std::lgamma(a) + (a - 1.0) * digamma(a) - a);
  const double cost1 = w.k * std::log(2.0) - w.guide_k * softplus(-logit) + normal;
  const double cost0 = w.k * std::log(2.0) - w.guide_k * softplus(logit) + gamma;

  LossGrad result{q1 * cost1 + q0 * cost0, std::vector<double>(5)};
  result.grad[0] = q0 * q1 * (cost1 - cost0);
  result.grad[1] = q1 * (w.z * m - w.x * (x - m));
  result.grad[2] = q1 * ((w.z + w.x) * v - w.guide_z);
  // In la: E z grows by mean, E z^2 by 2 mean^2 + mean / b, E log z by a psi'(a); in lb: by -mean, -2 E z^2 and -1.
  result.grad[3] = q0 * (-w.z * (a * psi1 - 2.0 * mean) + w.x * 0.5 * (-2.0 * x * mean + 2.0 * mean * mean + mean / b) +
                         w.guide_z * a * ((a - 1.0) * psi1 - 1.0));
  result.grad[4] = q0 * (-w.z * (-1.0 + 2.0 * mean) + w.x * (x * mean - square) + w.guide_z);
  return result;
}

/// w ~ Normal(0, 1) global; in a plate z_i ~ Bernoulli(prior), x_i ~ Normal(z_i + w, 1).
struct LocalBernoulli {
  double prior = 0.3;
  double global_weight = 1.0, global_guide_weight = 1.0;
};

/// Guide w ~ Normal(m, exp(ls)), z_i ~ Bernoulli(sigmoid(logit_i + slope * w)): with slope != 0 the score of every z_i
/// carries a gradient into w. Parameters: m, ls, slope, logits. z_i is enumerated, w is a 1-D expectation.
inline LossGrad local_bernoulli(std::span<const double> parameters, std::span<const double> x, const Weights& weights,
                                const LocalBernoulli& model = {}) {
  const double pi = 3.14159265358979323846;
  const double m = parameters[0], log_s = parameters[1], s = std::exp(log_s), slope = parameters[2];
  const double u = model.global_weight, h = model.global_guide_weight;
  LossGrad result{u * (log_sqrt_2pi() + 0.5 * (m * m + s * s)) - h * (log_sqrt_2pi() + log_s + 0.5),
                  std::vector<double>(parameters.size(), 0.0)};
  result.grad[0] = u * m;
  result.grad[1] = u * s * s - h;
  const auto visit = [&](double w, double node) {
    double d_w = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double logit = parameters[3 + i] + slope * w, q1 = sigmoid(logit), q0 = sigmoid(-logit);
      const double a = weights.latent[i], c = weights.observed[i], g = weights.guide[i];
      const double cost0 = -a * std::log1p(-model.prior) - c * normal_log_density(x[i], w, 1.0) - g * softplus(logit);
      const double cost1 =
          -a * std::log(model.prior) - c * normal_log_density(x[i], w + 1.0, 1.0) - g * softplus(-logit);
      const double d_logit = q0 * q1 * (cost1 - cost0);
      result.loss += node * (q0 * cost0 + q1 * cost1);
      result.grad[3 + i] += node * d_logit;
      result.grad[2] += node * w * d_logit;
      d_w += slope * d_logit - c * (x[i] - q1 - w);
    }
    result.grad[0] += node * d_w;
    result.grad[1] += node * d_w * (w - m);
  };
  visit_normal(m, s, visit, slope == 0.0 ? std::numeric_limits<double>::infinity() : pi / std::abs(slope));
  return result;
}

/// Model z ~ Normal(0, 1), x ~ Normal(z, 1) observed; guide a ~ Bernoulli(sigmoid(logit)), auxiliary: not in the model;
/// z ~ Normal(mean_a, 1). loss = -E[log p(x, z) - log q(a) - log q(z | a)]. Parameters: logit, mean_0, mean_1.
/// semantics.md, E12: at the default point the gradient in the logit is 0.242, and 0.420 if log q(a) is left out of log
/// r.
struct Auxiliary {
  double x = 1.0;
  bool entropy_of_a = true;  ///< false: the gradient of the planted fault, log q(a) left out of log r
};

inline std::vector<double> auxiliary_point() { return {std::log(0.3 / 0.7), 0.0, 2.0}; }

inline LossGrad auxiliary(std::span<const double> parameters, const Auxiliary& model = {}) {
  const double logit = parameters[0], q[2] = {sigmoid(-logit), sigmoid(logit)};
  const double log_q[2] = {-softplus(logit), -softplus(-logit)};
  LossGrad result{0.0, std::vector<double>(3)};
  double cost[2];
  for (std::size_t a = 0; a < 2; ++a) {
    const double mean = parameters[1 + a], residual = model.x - mean;
    // E: -log p(z) - log p(x | z) + log q(z | a)
    cost[a] = log_sqrt_2pi() + 0.5 * (mean * mean + 1.0) + 0.5 * (residual * residual + 1.0) - 0.5;
    result.loss += q[a] * (cost[a] + log_q[a]);
    if (model.entropy_of_a) cost[a] += log_q[a];
    result.grad[1 + a] = q[a] * (mean - residual);
  }
  result.grad[0] = q[0] * q[1] * (cost[1] - cost[0]);
  return result;
}

}  // namespace wick_test
