/// \file
/// Init: how the parameters of modules begin.
#pragma once

#include <cmath>

#include <wick/core/key.hpp>
#include <wick/math/noise.hpp>
#include <wick/tensor/make.hpp>

namespace wick::inline WICK_ABI {

/// How a parameter begins: a rule from namespace `initializers`, or a tensor, which is the value itself (numbers fill any shape).
///
/// The numbers depend on the key and the shape alone. Space: values are constrained, as in `param`.
class Init {
 public:
  enum class Rule : std::uint8_t { value, uniform, normal, xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal, identity, orthogonal };
  template <class T>
    requires std::is_convertible_v<const T&, Tensor>
  Init(const T& value) : value_(value) {}  // NOLINT: implicit by design
  Init(Rule rule, double a, double b = 0) : rule_(rule), a_(a), b_(b) {}

  /// The same, but row `row` of the parameter is 0.
  Init with_zero_row(Index row) const {
    Init out = *this;
    out.zero_row_ = row;
    return out;
  }
  /// Whether it says anything: one of the empty tensor does not.
  bool given() const noexcept { return rule_ != Rule::value || !value_.empty(); }
  /// The value for a parameter of this shape. Throws wick.nn.E505 for a rule that wants a matrix, E506 for a tensor of another shape.
  Tensor operator()(const Shape& shape, Key key) const;

 private:
  void fill(const Shape& shape, Key key, double* out) const;
  [[noreturn]] WICK_COLD static void raise_matrix(const Shape& s) {
    detail::raise<ShapeError>("wick.nn.E505", "", {"this initialiser wants a parameter of at least two dimensions, (outputs, inputs), not shape ", s},
                              {"use initializers::uniform, initializers::normal or a value"});
  }
  Rule rule_ = Rule::value;
  double a_ = 0, b_ = 0;
  Tensor value_;
  Index zero_row_ = -1;
};

namespace detail {

/// Makes the rows of `x` (n by m, n ≤ m) orthonormal, in order; twice is enough for all digits (Giraud et al. 2005).
WICK_COLD inline void orthonormalise_rows(double* x, Index n, Index m) {
  for (Index i = 0; i < n; ++i) {
    double* row = x + i * m;
    for (int pass = 0; pass < 2; ++pass)
      for (Index j = 0; j < i; ++j) {
        const double* other = x + j * m;
        double d = 0;
        for (Index k = 0; k < m; ++k) d += row[k] * other[k];
        for (Index k = 0; k < m; ++k) row[k] -= d * other[k];
      }
    double norm = 0;
    for (Index k = 0; k < m; ++k) norm += row[k] * row[k];
    norm = std::sqrt(norm);
    for (Index k = 0; k < m; ++k) row[k] /= norm;
  }
}

}  // namespace detail

WICK_COLD inline void Init::fill(const Shape& shape, Key key, double* out) const {
  const Index n = shape.numel();
  // As PyTorch counts them: dimensions after the second belong to both.
  const Index rows = shape.rank() > 0 ? shape[0] : 1, columns = shape.rank() > 1 ? shape[1] : 1;
  const Index field = rows * columns == 0 ? 1 : n / (rows * columns);
  const auto fan_in = static_cast<double>(columns * field), fan_out = static_cast<double>(rows * field);
  const auto uniform = [&](double low, double high) {
    math::fill_uniform(key, out, n);
    for (Index i = 0; i < n; ++i) out[i] = low + (high - low) * out[i];
  };
  const auto normal = [&](double mean, double sd) {
    math::fill_normal(key, out, n);
    for (Index i = 0; i < n; ++i) out[i] = mean + sd * out[i];
  };
  const double xavier = a_ * std::sqrt(2.0 / (fan_in + fan_out)), kaiming = std::sqrt(2.0 / ((1 + a_ * a_) * fan_in));
  switch (rule_) {
    case Rule::value: return;
    case Rule::uniform: return uniform(a_, b_);
    case Rule::normal: return normal(a_, b_);
    case Rule::xavier_uniform: return uniform(-std::sqrt(3.0) * xavier, std::sqrt(3.0) * xavier);
    case Rule::xavier_normal: return normal(0, xavier);
    case Rule::kaiming_uniform: return uniform(-std::sqrt(3.0) * kaiming, std::sqrt(3.0) * kaiming);
    case Rule::kaiming_normal: return normal(0, kaiming);
    case Rule::identity:
      for (Index i = 0; i < n; ++i) out[i] = 0;
      for (Index i = 0; i < rows && i < columns; ++i) out[i * (n / rows) + i] = a_;
      return;
    case Rule::orthogonal: {
      const Index width = columns * field;
      normal(0, 1);
      if (rows <= width) {
        detail::orthonormalise_rows(out, rows, width);
      } else {  // orthonormal columns: work on the transpose
        Tensor turned = detail::TensorAccess::make({width, rows});
        double* t = detail::TensorAccess::fresh_data(turned);
        math::fill_normal(key, t, n);
        detail::orthonormalise_rows(t, width, rows);
        for (Index i = 0; i < rows; ++i)
          for (Index j = 0; j < width; ++j) out[i * width + j] = t[j * rows + i];
      }
      for (Index i = 0; i < n; ++i) out[i] *= a_;
    }
  }
}

WICK_COLD inline Tensor Init::operator()(const Shape& shape, Key key) const {
  using detail::TensorAccess;
  Tensor out = TensorAccess::make(shape);
  double* to = TensorAccess::fresh_data(out);
  if (rule_ == Rule::value) {
    const bool number = value_.dim() == 0 && !value_.empty();
    if (!number && !(value_.shape() == shape && !value_.empty()))
      detail::raise<ShapeError>("wick.nn.E506", "", {"the initial value has shape ", value_.shape(), ", the parameter ", shape}, {"give a number or a tensor of the parameter's shape"});
    for (Index i = 0; i < shape.numel(); ++i) to[i] = value_.data()[number ? 0 : i];
  } else {
    if (shape.rank() < 2 && rule_ > Rule::normal) raise_matrix(shape);
    fill(shape, key, to);
  }
  const Index row = zero_row_ < 0 ? 0 : shape.numel() / shape[0];
  for (Index i = 0; i < row; ++i) to[zero_row_ * row + i] = 0;
  return out;
}

/// Initializers, named as in PyTorch's `nn.init`. Parameters have shape (outputs, inputs): fan_in is the number of inputs, fan_out of outputs.
namespace initializers {

inline Init constant(double c) { return Init(c); }
inline Init zeros() { return Init(0.0); }
inline Init ones() { return Init(1.0); }
inline Init uniform(double low, double high) { return {Init::Rule::uniform, low, high}; }
inline Init normal(double mean = 0.0, double sd = 1.0) { return {Init::Rule::normal, mean, sd}; }
/// Variance 2 gain² / (fan_in + fan_out). Source: Glorot and Bengio 2010.
inline Init xavier_uniform(double gain = 1.0) { return {Init::Rule::xavier_uniform, gain}; }
inline Init xavier_normal(double gain = 1.0) { return {Init::Rule::xavier_normal, gain}; }
/// Variance 2 / ((1 + a²) fan_in); `a` is the slope of the rectifier below 0. Source: He et al. 2015.
inline Init kaiming_uniform(double a = 0.0) { return {Init::Rule::kaiming_uniform, a}; }
inline Init kaiming_normal(double a = 0.0) { return {Init::Rule::kaiming_normal, a}; }
/// Uniform between ±1 / √fan_in: what PyTorch's layers begin with.
inline Init fan_in() { return kaiming_uniform(2.23606797749978969641); }
/// `gain` on the diagonal, 0 elsewhere.
inline Init identity(double gain = 1.0) { return {Init::Rule::identity, gain}; }
/// A random matrix with orthonormal rows or columns, whichever are fewer, times `gain`. Source: Saxe et al. 2013.
inline Init orthogonal(double gain = 1.0) { return {Init::Rule::orthogonal, gain}; }

}  // namespace initializers

}  // namespace wick::inline WICK_ABI
