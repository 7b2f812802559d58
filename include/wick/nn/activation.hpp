/// \file
/// Activations: functions of single elements, and the layers that apply them.
#pragma once

#include <wick/ad/fuse.hpp>
#include <wick/ad/ops_math.hpp>
#include <wick/ad/ops_softmax.hpp>
#include <wick/ad/ops_special.hpp>

namespace wick::inline WICK_ABI {

/// x where that is positive, slope · x elsewhere. Gradient at 0: `slope`. Shapes: elementwise.
inline Tensor leaky_relu(const Tensor& x, double slope = 0.01) {
  return fuse([](auto a, auto s) { return where(a > 0.0, a, s * a); }, x, slope);
}
/// x where that is positive, alpha (eˣ − 1) elsewhere. Shapes: elementwise.
inline Tensor elu(const Tensor& x, double alpha = 1.0) {
  return fuse([](auto a, auto s) { return where(a > 0.0, a, s * expm1(where(a > 0.0, 0.0 * a, a))); }, x, alpha);
}
/// x Φ(x), with the normal distribution function itself, not an approximation. Shapes: elementwise.
inline Tensor gelu(const Tensor& x) {
  return fuse([](auto a) { return 0.5 * a * erfc(-0.70710678118654752 * a); }, x);
}
/// x σ(x), also called swish. Shapes: elementwise.
inline Tensor silu(const Tensor& x) { return x * sigmoid(x); }

// Layers without parameters: what Sequential takes where a function's name would not do.
struct ReLU {
  Tensor operator()(const Tensor& x) const { return relu(x); }
};
struct Tanh {
  Tensor operator()(const Tensor& x) const { return tanh(x); }
};
struct Sigmoid {
  Tensor operator()(const Tensor& x) const { return sigmoid(x); }
};
struct Softplus {
  Tensor operator()(const Tensor& x) const { return softplus(x); }
};
struct GELU {
  Tensor operator()(const Tensor& x) const { return gelu(x); }
};
struct SiLU {
  Tensor operator()(const Tensor& x) const { return silu(x); }
};
struct LeakyReLU {
  double slope = 0.01;
  Tensor operator()(const Tensor& x) const { return leaky_relu(x, slope); }
};
struct ELU {
  double alpha = 1.0;
  Tensor operator()(const Tensor& x) const { return elu(x, alpha); }
};
struct Softmax {
  Index dim = -1;
  Tensor operator()(const Tensor& x) const { return softmax(x, dim); }
};
struct LogSoftmax {
  Index dim = -1;
  Tensor operator()(const Tensor& x) const { return log_softmax(x, dim); }
};
struct Identity {
  Tensor operator()(const Tensor& x) const { return x; }
};

}  // namespace wick::inline WICK_ABI
