/// \file
/// The iris example's SVI step, as tight as we can make it for this one model: the stricter of the two baselines (the
/// plain one is iris_eigen.hpp). It does less than the model says: one draw for both sites, sufficient statistics.
///
/// One step = draw (w, b) from the mean-field normal guide with the reparameterisation trick, the loss -ELBO with one
/// particle, its gradient with respect to the six unconstrained parameters, one Adam update. Double precision, SIMD exp
/// and log inlined, the library's random engine. Derived by hand and used below:
///  - the log-likelihood is sum_i y_i l_i - softplus(l_i), and sum_i y_i l_i = w . (X^T y) + b sum(y) needs no loop;
///  - the normalising constants of prior and guide cancel; log scale is the unconstrained parameter itself, so the loss
///  of a
///    latent is w^2/2 - e^2/2 - u, and its derivatives are g and g e exp(u) - 1 with g = d loss / d w.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <wick/math/exp_log.hpp>
#include <wick/math/noise.hpp>

#include "adam.hpp"

namespace hand {

class Iris {
 public:
  /// x0, x1: sepal length and width; y: 0 or 1.
  Iris(const double* x0, const double* x1, const double* y, int n, double lr, std::uint64_t seed)
      : adam_(lr), seed_(seed), rows_(static_cast<std::size_t>((n + 7) / 8)) {
    // The bias is a third feature, 0 in the padding: a padded row adds log 2 to the loss and nothing to the gradient.
    const int padded = static_cast<int>(rows_.size()) * 8;
    padding_loss_ = (padded - n) * 0.69314718055994530942;
    for (int i = 0; i < padded; ++i) {
      Rows& r = rows_[static_cast<std::size_t>(i / 8)];
      r.x0.set_lane(i % 8, i < n ? x0[i] : 0.0);
      r.x1.set_lane(i % 8, i < n ? x1[i] : 0.0);
      r.one.set_lane(i % 8, i < n ? 1.0 : 0.0);
      if (i >= n) continue;
      xy_[0] += x0[i] * y[i];
      xy_[1] += x1[i] * y[i];
      xy_[2] += y[i];
    }
  }

  /// One SVI step; returns the loss.
  double step() {
    double noise[4];
    wick::math::fill_normal(wick::site_key(wick::make_base(seed_, 0, step_++, 0), 1, 0, 0), noise, 3);
    alignas(64) double gradient[8];
    const double loss = loss_and_gradient(noise, gradient);
    adam_.begin_step();
    adam_.update(parameters_, gradient, 0);
    return loss;
  }

  /// The loss at the present parameters for given noise (3 numbers), and its gradient in the order of parameters().
  double loss_and_gradient(const double* noise, double* gradient) const {
    using wick::math::Packet;
    using namespace wick::math::detail;  // the inlined forms of exp and log
    alignas(64) double scale[8];
    double w[3];
    exp_core(Packet::load(parameters_)).store(scale);
    for (int k = 0; k < 3; ++k) w[k] = parameters_[k] + noise[k] * scale[4 + k];
    const Packet w0 = w[0], w1 = w[1], b = w[2], zero = 0.0, one = 1.0;
    Packet loss = 0.0, d0 = 0.0, d1 = 0.0, db = 0.0;
    for (const Rows& r : rows_) {
      const Packet l = w0 * r.x0 + w1 * r.x1 + b * r.one;
      const Packet t = exp_core(Packet(-abs(l)));
      const Packet u = 1.0 + t;
      loss += log_core(u) + max(l, zero);            // softplus; 1 <= u <= 2, so log(u) loses nothing that matters
      const Packet s = where(l < zero, t, one) / u;  // sigmoid
      d0 += s * r.x0;
      d1 += s * r.x1;
      db += s * r.one;
    }
    const double slope[3] = {sum(d0), sum(d1), sum(db)};
    double total = sum(loss) - padding_loss_;
    for (int k = 0; k < 3; ++k) {
      const double g = slope[k] - xy_[k] + w[k];
      total += 0.5 * (w[k] * w[k] - noise[k] * noise[k]) - parameters_[4 + k] - w[k] * xy_[k];
      gradient[k] = g;
      gradient[4 + k] = g * noise[k] * scale[4 + k] - 1.0;
    }
    gradient[3] = gradient[7] = 0.0;
    return total;
  }

  /// Unconstrained: loc of w0, w1, b in 0..2, log scale in 4..6; 3 and 7 are unused.
  double* parameters() { return parameters_; }

 private:
  struct Rows {
    wick::math::Packet x0, x1, one;
  };

  alignas(64) double parameters_[8] = {};
  Adam<1> adam_;
  std::uint64_t seed_, step_ = 0;
  std::vector<Rows> rows_;
  double xy_[3] = {0.0, 0.0, 0.0};
  double padding_loss_ = 0.0;
};

}  // namespace hand
