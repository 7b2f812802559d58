/// \file
/// The eight-schools example's SVI step (the tutorial's model and guide), as tight as we can make it for this one model: the
/// stricter of the two baselines (the plain one is eight_schools_eigen.hpp). One draw serves all three sites, and all
/// single numbers' exp and log share a packet.
///
/// One step = draw mu0, tau and theta from the guide with the reparameterisation trick, the loss -ELBO with one
/// particle, its gradient with respect to the 19 unconstrained parameters, one Adam update. Double precision, SIMD exp
/// and log inlined, the library's random engine. With e standard normal, t = tan(pi/2 u) half-Cauchy and log scale =
/// the parameter itself:
///  - theta = loc + e exp(u) loses -e^2/2 - u in the guide; the normalising constants of prior and guide cancel;
///  - tau = exp(u) t, so log tau = u + log t, and the guide's density is (2/pi) exp(-u) / (1 + t^2).
#pragma once

#include <cmath>
#include <cstdint>

#include <wick/math/exp_log.hpp>
#include <wick/math/noise.hpp>

#include "adam.hpp"

namespace hand {

class EightSchools {
 public:
  /// The noise of one step: e of the eight theta, e of mu0; t.
  struct Noise {
    alignas(64) double normal[9];
    double t;
  };
  /// Where a parameter is in parameters() and in the gradient; 19 .. 23 are unused.
  enum : int { theta_loc = 0, theta_log_scale = 8, mu_loc = 16, mu_log_scale = 17, tau_log_scale = 18, size = 24 };

  /// y, sigma: eight numbers each.
  EightSchools(const double* y, const double* sigma, double lr, std::uint64_t seed)
      : adam_(lr), seed_(seed), y_(wick::math::Packet::load(y)) {
    for (int j = 0; j < 8; ++j) {
      weight_.set_lane(j, 1.0 / (sigma[j] * sigma[j]));
      constant_ += std::log(sigma[j]) + 0.91893853320467274178;  // log sqrt(2 pi)
    }
    constant_ += 2.0 * std::log(5.0);  // of the priors of mu0 and tau
  }

  /// One SVI step; returns the loss.
  double step() {
    const wick::Key key = wick::site_key(wick::make_base(seed_, 0, step_++, 0), 1, 0, 0);
    Noise noise;
    wick::math::fill_normal(key, noise.normal, 9);
    noise.t = std::tan(0.5 * 3.14159265358979323846 * wick::uniform_from_bits(wick::random_bits(key, 9)));
    alignas(64) double gradient[size];
    const double loss = loss_and_gradient(noise, gradient);
    adam_.begin_step();
    for (int i = 0; i < 3; ++i) adam_.update(parameters_ + 8 * i, gradient + 8 * i, i);
    return loss;
  }

  /// The loss at the present parameters for given noise, and its gradient.
  double loss_and_gradient(const Noise& noise, double* gradient) const {
    using wick::math::Packet;
    using namespace wick::math::detail;  // the inlined forms of exp and log
    const Packet u = Packet::load(parameters_ + theta_log_scale), e = Packet::load(noise.normal);
    const Packet scale = exp_core(u);
    alignas(64) double single[8];
    exp_core(Packet::load(parameters_ + mu_loc)).store(single);
    const double mu_spread = noise.normal[8] * single[mu_log_scale - mu_loc], mu = parameters_[mu_loc] + mu_spread;
    const double t = noise.t, tau = single[tau_log_scale - mu_loc] * t;
    const double inverse = 1.0 / tau, precision = inverse * inverse;

    const Packet spread = e * scale, theta = Packet::load(parameters_ + theta_loc) + spread;
    const Packet from_mu = theta - mu, from_y = theta - y_;
    const Packet pull_mu = from_mu * precision, pull_y = from_y * weight_;
    const Packet d_theta = pull_mu + pull_y;
    d_theta.store(gradient + theta_loc);
    (d_theta * spread - 1.0).store(gradient + theta_log_scale);

    const double square = sum(from_mu * pull_mu);  // sum of ((theta - mu) / tau)^2
    const double d_mu = 0.04 * mu - sum(pull_mu);
    const double tail = tau * tau + 25.0;
    gradient[mu_loc] = d_mu;
    gradient[mu_log_scale] = d_mu * mu_spread - 1.0;
    gradient[tau_log_scale] = 7.0 - square + 2.0 * tau * tau / tail;
    for (int i = tau_log_scale + 1; i < size; ++i) gradient[i] = 0.0;

    alignas(64) double logs[8] = {t, 0.04 * tail / (1.0 + t * t), 1.0, 1.0, 1.0, 1.0, 1.0, 1.0};
    log_core(Packet::load(logs)).store(logs);
    const double latent = sum(0.5 * (from_y * pull_y - e * e) - u);
    return constant_ + latent + 0.5 * (square + 0.04 * mu * mu - noise.normal[8] * noise.normal[8]) -
           parameters_[mu_log_scale] + 7.0 * parameters_[tau_log_scale] + 8.0 * logs[0] + logs[1];
  }

  double* parameters() { return parameters_; }

 private:
  alignas(64) double parameters_[size] = {};
  Adam<3> adam_;
  std::uint64_t seed_, step_ = 0;
  wick::math::Packet y_, weight_ = 0.0;
  double constant_ = 0.0;
};

}  // namespace hand
