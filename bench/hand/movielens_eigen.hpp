/// \file
/// The MovieLens example's SVI step (the tutorial's matrix factorisation) in plain C++ with Eigen: the *hand-written* step of the project's speed rule.
///
/// One step = draw U and V from the mean-field normal guide with the reparameterisation trick, each under the key that the library gives that site
/// in that step; the loss -ELBO with one particle; its gradient with respect to all locations, log scales and log sigma; one Adam update. Double
/// precision, no fast-math, Eigen's vectorised exp, normals from the library's random engine. It draws the numbers that wick::SVI draws, so its
/// losses are those of the library up to rounding (bench/movielens.cpp checks that before it measures). No memory is allocated in a step.
///
/// What a specialist does: K is known to the compiler; ratings are sorted by user, so that a user's row and its derivative stay in registers; one
/// pass over the ratings computes prediction, residual, loss and both derivatives. A latent's loss is z²/2 - e²/2 - log scale (the normalising
/// constants of prior and guide cancel), with derivatives g and g (z - loc) - 1, where g = d loss / d z.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include <Eigen/Core>

#include <wick/core/random.hpp>
#include <wick/math/noise.hpp>

namespace hand {

/// `row[j]`, `column[j]`, `rating[j]`, sorted by row; rows that nobody rated are allowed.
struct Ratings {
  std::vector<int> row, column;
  std::vector<double> rating;
  int rows = 0, columns = 0;
};

template <int K>
class MovielensEigen {
 public:
  using Array = Eigen::ArrayXd;
  static constexpr int width = (K + 7) / 8 * 8;

  MovielensEigen(const Ratings& data, double lr, std::uint64_t seed) : data_(data), lr_(lr), seed_(seed), user_(data.rows * K), movie_(data.columns * K) {
    wide_.setZero(width, data.columns);
    wide_g_.setZero(width, data.columns);
    begin_.assign(static_cast<std::size_t>(data.rows) + 1, 0);
    for (const int u : data.row) ++begin_[static_cast<std::size_t>(u) + 1];
    for (std::size_t u = 1; u < begin_.size(); ++u) begin_[u] += begin_[u - 1];
  }

  /// One SVI step; returns the loss.
  double step() {
    static constexpr std::uint64_t u = wick::hash_name("U"), v = wick::hash_name("V");
    const wick::KeyBase base = wick::make_base(seed_, wick::make_stream(wick::Role::guide), step_++, 0);
    double loss = user_.draw(wick::site_key(base, u, 0, 0)) + movie_.draw(wick::site_key(base, v, 0, 0));
    const double n = static_cast<double>(data_.rating.size()), sigma = std::exp(log_sigma_);
    const double squares = ratings(1.0 / (sigma * sigma));
    loss += 0.5 * squares / (sigma * sigma) + n * (log_sigma_ + 0.91893853320467274178) + sigma;
    begin_adam();
    user_.adam(rate_, correction_);
    movie_.adam(rate_, correction_);
    adam(log_sigma_, n + sigma - squares / (sigma * sigma), sigma_m_, sigma_v_);
    return loss;
  }

  const Array& user_loc() const { return user_.loc; }
  const Array& movie_log_scale() const { return movie_.log_scale; }
  double log_sigma() const { return log_sigma_; }

 private:
  /// One factor matrix: parameters, Adam's moments, and what a step leaves for the reverse direction.
  struct Factor {
    Array loc, log_scale, m_loc, v_loc, m_scale, v_scale, z, spread, g;
    explicit Factor(int n)
        : loc(Array::Zero(n)), log_scale(Array::Zero(n)), m_loc(Array::Zero(n)), v_loc(Array::Zero(n)), m_scale(Array::Zero(n)), v_scale(Array::Zero(n)), z(n), spread(n), g(n) {}

    /// Draws, and returns the loss of prior and guide. `g` begins with the prior's derivative.
    double draw(wick::Key key) {
      wick::math::fill_normal(key, z.data(), z.size());
      const double noise = z.square().sum();
      spread = log_scale.exp() * z;
      z = loc + spread;
      g = z;
      return 0.5 * (z.square().sum() - noise) - log_scale.sum();
    }
    void adam(double rate, double correction) {
      update(loc, g, m_loc, v_loc, rate, correction);
      update(log_scale, g * spread - 1.0, m_scale, v_scale, rate, correction);
    }
    template <class Gradient>
    static void update(Array& x, const Gradient& gradient, Array& m, Array& v, double rate, double correction) {
      // Block by block, so that gradient and moments are still in the first cache level when they are used again.
      for (Eigen::Index i = 0; i < x.size(); i += 512) {
        const Eigen::Index n = std::min<Eigen::Index>(512, x.size() - i);
        m.segment(i, n) = 0.9 * m.segment(i, n) + (1.0 - 0.9) * gradient.segment(i, n);
        v.segment(i, n) = 0.999 * v.segment(i, n) + (1.0 - 0.999) * gradient.segment(i, n).square();
        x.segment(i, n) -= rate * (m.segment(i, n) / (v.segment(i, n).sqrt() * correction + 1e-8));
      }
    }
  };

  /// Adds the likelihood's derivatives, and returns the sum of squared residuals. Rows are copied to whole vectors first, the spare numbers 0: a
  /// row of 10 would otherwise be worked on two numbers at a time.
  double ratings(double precision) {
    using Row = Eigen::Array<double, width, 1>;
    using Rows = Eigen::Map<Eigen::Matrix<double, K, Eigen::Dynamic>>;
    wide_.template topRows<K>() = Rows(movie_.z.data(), K, data_.columns);
    wide_g_.setZero();
    double squares = 0;
    for (int u = 0; u < data_.rows; ++u) {
      Row row = Row::Zero(), sum = Row::Zero();
      row.template head<K>() = user_.z.template segment<K>(u * K);
      for (std::size_t j = begin_[static_cast<std::size_t>(u)]; j < begin_[static_cast<std::size_t>(u) + 1]; ++j) {
        const auto v = wide_.col(data_.column[j]).array();
        auto to = wide_g_.col(data_.column[j]).array();
        const double error = (v * row).sum() - data_.rating[j];
        squares += error * error;
        const double d = error * precision;
        sum += d * v;
        to += d * row;
      }
      user_.g.template segment<K>(u * K) += sum.template head<K>();
    }
    Rows(movie_.g.data(), K, data_.columns) += wide_g_.template topRows<K>();
    return squares;
  }

  /// Kingma and Ba 2015 with b1 = 0.9, b2 = 0.999, eps = 1e-8, as PyTorch and wick::Adam write it.
  void begin_adam() {
    power1_ *= 0.9;
    power2_ *= 0.999;
    rate_ = lr_ / (1.0 - power1_);
    correction_ = 1.0 / std::sqrt(1.0 - power2_);
  }
  void adam(double& x, double gradient, double& m, double& v) const {
    m = 0.9 * m + (1.0 - 0.9) * gradient;
    v = 0.999 * v + (1.0 - 0.999) * gradient * gradient;
    x -= rate_ * (m / (std::sqrt(v) * correction_ + 1e-8));
  }

  const Ratings& data_;
  std::vector<std::size_t> begin_;
  Eigen::Matrix<double, width, Eigen::Dynamic> wide_, wide_g_;
  double lr_, power1_ = 1.0, power2_ = 1.0, rate_ = 0.0, correction_ = 0.0;
  std::uint64_t seed_, step_ = 0;
  Factor user_, movie_;
  double log_sigma_ = 0.0, sigma_m_ = 0.0, sigma_v_ = 0.0;
};

}  // namespace hand
