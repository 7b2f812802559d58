/// \file
/// One SVI step of the variational autoencoder (examples/vae/model.hpp) in plain C++ with Eigen, and its matrix
/// products alone.
///
/// `step` is complete: codes drawn as the library draws them, loss, gradient by hand, Adam. It is here to show that
/// `products` does the products of such a step and no others: each layer forward, its weights' gradient, its input's
/// gradient (but for the first layer's). A picture is a column; weights are (outputs, inputs) column after column,
/// biases follow their weights.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include <Eigen/Core>

#include <wick/math/noise.hpp>

namespace hand {

class Vae {
 public:
  using Matrix = Eigen::MatrixXd;
  enum Layer { enc1, enc2, loc, scale, dec1, dec2, dec3, layers };
  struct Slot {
    const char* name;
    Eigen::Index out, in, at;
  };

  /// x: pictures row after row, 64 numbers from 0 to 16 each.
  Vae(const double* x, Eigen::Index pictures, Eigen::Index hidden, double lr, std::uint64_t seed)
      : slots_{{"encoder$$$first", hidden, 64, 0}, {"encoder$$$second", hidden, hidden, 0},
               {"encoder$$$loc", 2, hidden, 0},    {"encoder$$$scale", 2, hidden, 0},
               {"decoder$$$first", hidden, 2, 0},  {"decoder$$$second", hidden, hidden, 0},
               {"decoder$$$third", 64, hidden, 0}},
        n_(pictures),
        lr_(lr),
        seed_(seed),
        x_(Eigen::Map<const Matrix>(x, 64, pictures)),
        scaled_(x_ / 16.0),
        eps_(2, pictures) {
    Eigen::Index total = 0;
    for (Slot& s : slots_) {
      s.at = total;
      total += s.out * s.in + s.out;
    }
    for (auto* a : {&parameters_, &gradient_, &m_, &v_}) a->setZero(total);
    for (int k = 0; k < layers; ++k) {
      y_[k].setZero(slots_[k].out, n_);
      d_[k].setZero(slots_[k].out, n_);
    }
    z_.setZero(2, n_);
    dz_.setZero(2, n_);
  }

  double step() {
    const wick::KeyBase base = wick::make_base(seed_, wick::make_stream(wick::Role::guide), step_++, 0);
    wick::math::fill_normal(wick::site_key(base, wick::hash_name("z"), 0, 0), eps_.data(), 2 * n_);
    const double loss = loss_and_gradient();
    power1_ *= 0.9;
    power2_ *= 0.999;
    const double rate = lr_ / (1.0 - power1_), correction = 1.0 / std::sqrt(1.0 - power2_);
    m_ = 0.9 * m_ + (1.0 - 0.9) * gradient_;
    v_ = 0.999 * v_ + (1.0 - 0.999) * gradient_.square();
    parameters_ -= rate * (m_ / (v_.sqrt() * correction + 1e-8));
    return loss;
  }

  /// The products alone, on what the last step left in its matrices.
  void products() {
    for (int k = 0; k < layers; ++k) forward(static_cast<Layer>(k));
    for (int k = layers - 1; k >= 0; --k) pull(static_cast<Layer>(k));
  }

  const Slot* slots() const { return slots_; }
  Eigen::ArrayXd& parameters() { return parameters_; }

 private:
  auto weight(Eigen::ArrayXd& p, Layer k) {
    return Eigen::Map<Matrix>(p.data() + slots_[k].at, slots_[k].out, slots_[k].in);
  }
  auto bias(Eigen::ArrayXd& p, Layer k) {
    return Eigen::Map<Eigen::VectorXd>(p.data() + slots_[k].at + slots_[k].out * slots_[k].in, slots_[k].out);
  }
  const Matrix& input(Layer k) const {
    switch (k) {
      case enc1: return scaled_;
      case dec1: return z_;
      case scale: return y_[enc2];
      default: return y_[k - 1];
    }
  }
  void forward(Layer k) { y_[k].noalias() = weight(parameters_, k) * input(k); }
  /// The gradient of the weights, and, into d_ of the layer before (or dz_), that of the input.
  void pull(Layer k) {
    weight(gradient_, k).noalias() = d_[k] * input(k).transpose();
    if (k == dec1)
      dz_.noalias() = weight(parameters_, k).transpose() * d_[k];
    else if (k == loc)
      d_[enc2].noalias() += weight(parameters_, k).transpose() * d_[k];
    else if (k == scale)
      d_[enc2].noalias() = weight(parameters_, k).transpose() * d_[k];
    else if (k != enc1)
      d_[k - 1].noalias() = weight(parameters_, k).transpose() * d_[k];
  }
  void affine(Layer k, bool rectify) {
    forward(k);
    y_[k].colwise() += bias(parameters_, k);
    if (rectify) y_[k] = y_[k].cwiseMax(0.0);
  }
  void pull_affine(Layer k, bool rectified) {
    if (rectified) d_[k] = (y_[k].array() > 0.0).select(d_[k], 0.0);
    bias(gradient_, k) = d_[k].rowwise().sum();
    pull(k);
  }

  double loss_and_gradient() {
    affine(enc1, true);
    affine(enc2, true);
    affine(loc, false);
    affine(scale, false);  // the logarithm
    const Matrix spread = eps_.array() * y_[scale].array().exp();
    z_ = y_[loc] + spread;
    affine(dec1, true);
    affine(dec2, true);
    affine(dec3, false);
    const Eigen::ArrayXXd e = (-y_[dec3].array().abs()).exp();
    const double pixels = (16.0 * (y_[dec3].array().max(0.0) + (1.0 + e).log()) - x_.array() * y_[dec3].array()).sum();
    const double codes = 0.5 * (z_.array().square() - eps_.array().square()).sum() - y_[scale].sum();
    d_[dec3] = 16.0 / (1.0 + (-y_[dec3].array()).exp()) - x_.array();
    pull_affine(dec3, false);
    pull_affine(dec2, true);
    pull_affine(dec1, true);
    dz_ += z_;
    d_[loc] = dz_;
    d_[scale] = dz_.array() * spread.array() - 1.0;
    pull_affine(scale, false);
    pull_affine(loc, false);
    pull_affine(enc2, true);
    pull_affine(enc1, true);
    return pixels + codes;
  }

  Slot slots_[layers];
  Eigen::Index n_;
  double lr_, power1_ = 1.0, power2_ = 1.0;
  std::uint64_t seed_, step_ = 0;
  Matrix x_, scaled_, eps_, z_, dz_;
  Matrix y_[layers], d_[layers];
  Eigen::ArrayXd parameters_, gradient_, m_, v_;
};

}  // namespace hand
