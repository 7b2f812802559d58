/// \file
/// The iris example's SVI step in plain C++ with Eigen: the *hand-written* step of the project's speed rule.
///
/// One step = draw w and b from the mean-field normal guide with the reparameterisation trick, each under the key that the
/// library gives that site in that step; the loss -ELBO with one particle; its gradient with respect to the six
/// unconstrained parameters; one Adam update. Double precision, no fast-math, Eigen's vectorised exp and log, normals from
/// the library's random engine (fill_normal). It draws the numbers that wick::SVI draws, so its losses are those of the
/// library up to rounding (bench/svi.cpp checks that before it measures). No memory is allocated in a step. Arrays of
/// the fixed size 100 are slower than these (Eigen then works in vectors of half the width), the size 104 is as fast.
///
/// What a specialist derives: the unconstrained scale u is log scale; the normalising constants of prior and guide
/// cancel, so a latent's loss is w^2/2 - e^2/2 - u, with derivatives g and g e exp(u) - 1 where g = d loss / d w. The
/// likelihood is evaluated flower by flower as it is written, y l - softplus(l): no sufficient statistics.
/// hand/iris.hpp goes further.
#pragma once

#include <cstdint>

#include <wick/math/noise.hpp>

#include "adam_eigen.hpp"

namespace hand {

class IrisEigen {
 public:
  using Rows = Eigen::ArrayXd;
  /// Unconstrained: loc of w0, w1, b in 0..2, log scale in 4..6; 3 and 7 are unused.
  using Parameters = Eigen::Array<double, 8, 1>;
  using Half = Eigen::Array<double, 4, 1>;

  /// x0, x1: sepal length and width; y: 0 or 1.
  IrisEigen(const double* x0, const double* x1, const double* y, int n, double lr, std::uint64_t seed)
      : adam_(lr),
        seed_(seed),
        x0_(Eigen::Map<const Rows>(x0, n)),
        x1_(Eigen::Map<const Rows>(x1, n)),
        y_(Eigen::Map<const Rows>(y, n)),
        logits_(n),
        t_(n),
        residual_(n) {}

  /// One SVI step; returns the loss.
  double step() {
    static constexpr std::uint64_t w = wick::hash_name("w"), b = wick::hash_name("b");
    const wick::KeyBase base = wick::make_base(seed_, wick::make_stream(wick::Role::guide), step_++, 0);
    Half noise = Half::Zero();
    wick::math::fill_normal(wick::site_key(base, w, 0, 0), noise.data(), 2);
    wick::math::fill_normal(wick::site_key(base, b, 0, 0), noise.data() + 2, 1);
    Parameters gradient;
    const double loss = loss_and_gradient(noise, gradient);
    adam_.step(parameters_, gradient);
    return loss;
  }

  /// The loss at the present parameters for given noise (of w0, w1, b; 0), and its gradient.
  double loss_and_gradient(const Half& noise, Parameters& gradient) {
    const Half log_scale = parameters_.tail<4>();
    const Half spread = noise * log_scale.exp();
    const Half w = parameters_.head<4>() + spread;

    logits_ = w[0] * x0_ + w[1] * x1_ + w[2];
    t_ = (-logits_.abs()).exp();
    // softplus(l) = max(l, 0) + log(1 + t): 1 <= 1 + t <= 2, so log1p would gain nothing that matters.
    const double likelihood_loss = ((1.0 + t_).log() + logits_.max(0.0) - y_ * logits_).sum();
    residual_ = (logits_ < 0.0).select(t_, 1.0) / (1.0 + t_) - y_;  // sigmoid(l) - y
    const Half slope((residual_ * x0_).sum(), (residual_ * x1_).sum(), residual_.sum(), 0.0);

    const Half g = slope + w;
    gradient.head<4>() = g;
    gradient.tail<4>() = g * spread - 1.0;
    gradient[7] = 0.0;
    return likelihood_loss + 0.5 * (w.square() - noise.square()).sum() - log_scale.sum();
  }

  Parameters& parameters() { return parameters_; }

 private:
  Parameters parameters_ = Parameters::Zero();
  AdamEigen<8> adam_;
  std::uint64_t seed_, step_ = 0;
  Rows x0_, x1_, y_;
  Rows logits_, t_, residual_;  // of the present step
};

}  // namespace hand
