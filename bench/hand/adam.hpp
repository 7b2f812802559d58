/// \file
/// Adam for the hand-written baselines: a fixed number of parameters, eight at a time.
#pragma once

#include <cmath>

#include <wick/math/packet.hpp>

namespace hand {

/// Kingma and Ba 2015 with b1 = 0.9, b2 = 0.999, eps = 1e-8, as PyTorch writes it:
/// p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps).
template <int packets>
class Adam {
 public:
  explicit Adam(double lr) : lr_(lr) {}

  /// Once a step, before the updates.
  void begin_step() {
    power1_ *= 0.9;
    power2_ *= 0.999;
    rate_ = lr_ / (1.0 - power1_);
    correction_ = 1.0 / std::sqrt(1.0 - power2_);
  }

  /// Updates the eight parameters of packet i.
  WICK_INLINE void update(double* parameters, const double* gradient, int i) {
    using wick::math::Packet;
    const Packet g = Packet::load(gradient);
    m_[i] = 0.9 * m_[i] + (1.0 - 0.9) * g;
    v_[i] = 0.999 * v_[i] + (1.0 - 0.999) * (g * g);
    (Packet::load(parameters) - rate_ * m_[i] / (sqrt(v_[i]) * correction_ + 1e-8)).store(parameters);
  }

 private:
  double lr_, power1_ = 1.0, power2_ = 1.0, rate_ = 0.0, correction_ = 0.0;
  wick::math::Packet m_[packets] = {}, v_[packets] = {};
};

}  // namespace hand
