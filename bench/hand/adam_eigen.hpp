/// \file
/// Adam for the plain Eigen baselines: all parameters of a model in one array of fixed size.
#pragma once

#include <cmath>

#include <Eigen/Core>

namespace hand {

/// Kingma and Ba 2015 with b1 = 0.9, b2 = 0.999, eps = 1e-8, as PyTorch and wick::Adam write it:
/// p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps).
template <int n>
class AdamEigen {
 public:
  using Array = Eigen::Array<double, n, 1>;

  explicit AdamEigen(double lr) : lr_(lr) {}

  void step(Array& parameters, const Array& gradient) {
    power1_ *= 0.9;
    power2_ *= 0.999;
    const double rate = lr_ / (1.0 - power1_), correction = 1.0 / std::sqrt(1.0 - power2_);
    m_ = 0.9 * m_ + (1.0 - 0.9) * gradient;
    v_ = 0.999 * v_ + (1.0 - 0.999) * gradient.square();
    parameters -= rate * (m_ / (v_.sqrt() * correction + 1e-8));
  }

 private:
  double lr_, power1_ = 1.0, power2_ = 1.0;
  Array m_ = Array::Zero(), v_ = Array::Zero();
};

}  // namespace hand
