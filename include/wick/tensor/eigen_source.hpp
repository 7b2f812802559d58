/// \file
/// Tensors from Eigen expressions, without including Eigen: a program that uses no Eigen does not pay for its headers.
#pragma once

#include <wick/tensor/tensor.hpp>

namespace Eigen {
template <class Derived>
class DenseBase;
}

namespace wick::inline WICK_ABI::detail {

// A segment of a vector derives from the DenseBase of a block and not of itself, so the base is found by deduction.
template <class Derived>
void accept_eigen(const Eigen::DenseBase<Derived>&);
template <class T>
concept EigenDense = std::is_class_v<T> && requires(const T& t) { accept_eigen(t); };

/// Any dense Eigen expression: matrices, arrays, maps, blocks, in any storage order.
template <EigenDense T>
struct TensorSource<T> {
  static Tensor make(const T& expression) {
    const auto& m = expression.derived().eval();  // a reference where there is nothing to evaluate
    if constexpr (T::IsVectorAtCompileTime) {
      Tensor t = TensorAccess::make(Shape{m.size()});
      double* to = TensorAccess::fresh_data(t);
      for (Index i = 0; i < m.size(); ++i) to[i] = static_cast<double>(m.coeff(i));
      return t;
    } else {
      Tensor t = TensorAccess::make(Shape{m.rows(), m.cols()});
      double* to = TensorAccess::fresh_data(t);
      for (Index i = 0; i < m.rows(); ++i)
        for (Index j = 0; j < m.cols(); ++j) *to++ = static_cast<double>(m.coeff(i, j));
      return t;
    }
  }
};

}  // namespace wick::inline WICK_ABI::detail
