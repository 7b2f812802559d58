// The log marginal likelihood of a Gaussian process and its gradient as one writes them by hand with Eigen: squared-exponential kernel with a length
// scale for each of two inputs, a variance and noise; one Cholesky factorisation, the inverse from it, the gradient by its trace formula.
#pragma once

#include <Eigen/Dense>

#include <cmath>

namespace hand {

class GaussianProcess {
 public:
  using Matrix = Eigen::MatrixXd;

  /// `first` and `second`: squared distances between the points, input by input.
  GaussianProcess(const Matrix& first, const Matrix& second, const Eigen::VectorXd& y)
      : first_(first), second_(second), y_(y), kernel_(y.size(), y.size()), full_(y.size(), y.size()), inverse_(y.size(), y.size()), factor_(y.size()) {}

  /// Returns the value; `gradient` is with respect to variance, the two length scales, and the noise's standard deviation.
  double operator()(double variance, double scale1, double scale2, double noise, double (&gradient)[4]) {
    const double a = -0.5 / (scale1 * scale1), b = -0.5 / (scale2 * scale2);
    kernel_.array() = variance * (a * first_.array() + b * second_.array()).exp();
    full_ = kernel_;
    full_.diagonal().array() += noise * noise;
    factor_.compute(full_);
    alpha_ = factor_.solve(y_);
    inverse_.setIdentity();
    factor_.solveInPlace(inverse_);
    const double value =
        -0.5 * y_.dot(alpha_) - factor_.matrixLLT().diagonal().array().log().sum() - 0.91893853320467274178 * static_cast<double>(y_.size());
    inverse_.noalias() -= alpha_ * alpha_.transpose();  // - what multiplies the kernel's derivative
    const double noise_part = inverse_.trace();
    inverse_.array() *= kernel_.array();
    gradient[0] = -0.5 * inverse_.sum() / variance;
    gradient[1] = -0.5 * inverse_.cwiseProduct(first_).sum() / (scale1 * scale1 * scale1);
    gradient[2] = -0.5 * inverse_.cwiseProduct(second_).sum() / (scale2 * scale2 * scale2);
    gradient[3] = -noise * noise_part;
    return value;
  }

 private:
  Matrix first_, second_;
  Eigen::VectorXd y_, alpha_;
  Matrix kernel_, full_, inverse_;
  Eigen::LLT<Matrix> factor_;
};

}  // namespace hand
