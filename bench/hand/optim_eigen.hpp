/// \file
/// Steps of Adam and ClippedAdam on n numbers as Eigen expressions, 256 numbers at a time, so that what one expression leaves the next one finds
/// in the first-level cache.
#pragma once

#include <cmath>

#include <Eigen/Core>

namespace hand {

struct MomentsEigen {
  using Array = Eigen::ArrayXd;
  using Part = Eigen::Map<Array>;
  double lr, power1 = 1.0, power2 = 1.0;
  Array m, v, clipped = Array::Zero(256);

  MomentsEigen(double rate, Eigen::Index n) : lr(rate), m(Array::Zero(n)), v(Array::Zero(n)) {}

  template <class F>
  static void parts(Eigen::Index n, F f) {
    for (Eigen::Index i = 0; i < n; i += 256) f(i, n - i < 256 ? n - i : 256);
  }
  /// x ← x − lr m̂ / (√v̂ + ε).
  void adam(Array& x, const Array& g) {
    power1 *= 0.9;
    power2 *= 0.999;
    const double rate = lr / (1.0 - power1), correction = 1.0 / std::sqrt(1.0 - power2);
    parts(x.size(), [&](Eigen::Index i, Eigen::Index k) {
      m.segment(i, k) = 0.9 * m.segment(i, k) + (1.0 - 0.9) * g.segment(i, k);
      v.segment(i, k) = 0.999 * v.segment(i, k) + (1.0 - 0.999) * g.segment(i, k).square();
      x.segment(i, k) -= rate * (m.segment(i, k) / (v.segment(i, k).sqrt() * correction + 1e-8));
    });
  }
  /// The same with gradients clamped to ±10, a rate that falls by lrd a step, and ε as Pyro has it.
  void clipped_adam(Array& x, const Array& g, double lrd) {
    power1 *= 0.9;
    power2 *= 0.999;
    lr *= lrd;
    const double rate = lr * std::sqrt(1.0 - power2) / (1.0 - power1);
    parts(x.size(), [&](Eigen::Index i, Eigen::Index k) {
      clipped.head(k) = g.segment(i, k).max(-10.0).min(10.0);
      m.segment(i, k) = 0.9 * m.segment(i, k) + (1.0 - 0.9) * clipped.head(k);
      v.segment(i, k) = 0.999 * v.segment(i, k) + (1.0 - 0.999) * clipped.head(k).square();
      x.segment(i, k) -= rate * (m.segment(i, k) / (v.segment(i, k).sqrt() + 1e-8));
    });
  }
};

}  // namespace hand
