/// \file
/// The eight-schools example's SVI step (the tutorial's model and guide) in plain C++ with Eigen: the *hand-written* step
/// of the project's speed rule.
///
/// One step = draw mu0, tau and theta from the guide with the reparameterisation trick, each under the key that the
/// library gives that site in that step; the loss -ELBO with one particle; its gradient with respect to the 19
/// unconstrained parameters; one Adam update. Double precision, no fast-math, Eigen's vectorised exp on arrays of fixed
/// size, the single numbers by <cmath>, normals and uniforms from the library's random engine. It draws the numbers that
/// wick::SVI draws, so its losses are those of the library up to rounding (bench/svi.cpp checks that before it measures).
///
/// What a specialist derives: an unconstrained scale u is log scale. A normal guide's log density is -e^2/2 - u and its
/// constant cancels against the prior's. tau = exp(u) t with t standard half-Cauchy; the guide's log density of it is
/// log(2/pi) - u - log(1 + t^2).
#pragma once

#include <cmath>
#include <cstdint>

#include <wick/math/noise.hpp>

#include "adam_eigen.hpp"

namespace hand {

class EightSchoolsEigen {
 public:
  using Schools = Eigen::Array<double, 8, 1>;
  /// Where a parameter is in parameters() and in the gradient; 19 .. 23 are unused.
  enum : int { theta_loc = 0, theta_log_scale = 8, mu_loc = 16, mu_log_scale = 17, tau_log_scale = 18, size = 24 };
  using Parameters = Eigen::Array<double, size, 1>;
  struct Noise {
    Schools theta;
    double mu;
    double t;  ///< half-Cauchy
  };

  /// y, sigma: eight numbers each.
  EightSchoolsEigen(const double* y, const double* sigma, double lr, std::uint64_t seed)
      : adam_(lr), seed_(seed), y_(Eigen::Map<const Schools>(y)), inverse_sigma_(Eigen::Map<const Schools>(sigma).inverse()) {
    const double log_sqrt_2pi = 0.91893853320467274178;
    constant_ = Eigen::Map<const Schools>(sigma).log().sum() + 8.0 * log_sqrt_2pi  // of the likelihood
                + 2.0 * std::log(5.0);                                             // of the priors of mu0 and tau
  }

  /// One SVI step; returns the loss.
  double step() {
    static constexpr std::uint64_t mu0 = wick::hash_name("mu0"), tau = wick::hash_name("tau"), theta = wick::hash_name("theta");
    const wick::KeyBase base = wick::make_base(seed_, wick::make_stream(wick::Role::guide), step_++, 0);
    Noise noise;
    wick::math::fill_normal(wick::site_key(base, mu0, 0, 0), &noise.mu, 1);
    noise.t = std::tan(0.5 * 3.14159265358979323846 * wick::math::uniform(wick::site_key(base, tau, 0, 0)));
    wick::math::fill_normal(wick::site_key(base, theta, 0, 0), noise.theta.data(), 8);
    Parameters gradient;
    const double loss = loss_and_gradient(noise, gradient);
    adam_.step(parameters_, gradient);
    return loss;
  }

  /// The loss at the present parameters for given noise, and its gradient.
  double loss_and_gradient(const Noise& noise, Parameters& gradient) const {
    const Schools log_scale = parameters_.segment<8>(theta_log_scale);
    const double mu_spread = noise.mu * std::exp(parameters_[mu_log_scale]), mu = parameters_[mu_loc] + mu_spread;
    const double tau = std::exp(parameters_[tau_log_scale]) * noise.t, inverse_tau = 1.0 / tau;

    const Schools spread = noise.theta * log_scale.exp();
    const Schools theta = parameters_.segment<8>(theta_loc) + spread;
    const Schools from_prior = (theta - mu) * inverse_tau, from_data = (theta - y_) * inverse_sigma_;
    const Schools pull = from_prior * inverse_tau;
    const Schools d_theta = pull + from_data * inverse_sigma_;
    gradient.segment<8>(theta_loc) = d_theta;
    gradient.segment<8>(theta_log_scale) = d_theta * spread - 1.0;

    const double square = from_prior.square().sum();
    const double z = mu / 5.0, tail = tau / 5.0, d_mu = z / 5.0 - pull.sum();
    gradient[mu_loc] = d_mu;
    gradient[mu_log_scale] = d_mu * mu_spread - 1.0;
    // d/du of 8 log tau - square/2 ... + log(1 + tail^2) - (u of the guide's density), with d tau / du = tau.
    gradient[tau_log_scale] = 8.0 - square + 2.0 * tail * tail / (1.0 + tail * tail) - 1.0;
    gradient.tail<size - tau_log_scale - 1>().setZero();

    const double theta_loss = (0.5 * (from_data.square() - noise.theta.square()) - log_scale).sum() + 0.5 * square + 8.0 * std::log(tau);
    const double mu_loss = 0.5 * (z * z - noise.mu * noise.mu) - parameters_[mu_log_scale];
    const double tau_loss = std::log((1.0 + tail * tail) / (1.0 + noise.t * noise.t)) - parameters_[tau_log_scale];
    return constant_ + theta_loss + mu_loss + tau_loss;
  }

  Parameters& parameters() { return parameters_; }

 private:
  Parameters parameters_ = Parameters::Zero();
  AdamEigen<size> adam_;
  std::uint64_t seed_, step_ = 0;
  Schools y_, inverse_sigma_;
  double constant_;
};

}  // namespace hand
