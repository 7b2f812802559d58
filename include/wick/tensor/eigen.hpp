/// \file
/// Eigen views of tensors. (Tensors are made from Eigen expressions without this header.)
#pragma once

#include <Eigen/Core>

#include <wick/tensor/eigen_source.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMatrixMap = Eigen::Map<const RowMajorMatrix>;
using MatrixMap = Eigen::Map<RowMajorMatrix>;
using ConstVectorMap = Eigen::Map<const Eigen::VectorXd>;
using VectorMap = Eigen::Map<Eigen::VectorXd>;

[[noreturn]] WICK_COLD inline void raise_view(const char* what, const Shape& s, const char* advice) {
  raise<ShapeError>("wick.tensor.E106", "", {what, " of a tensor of shape ", s}, {advice});
}

}  // namespace detail

/// A read-only Eigen view of a rank-2 tensor; valid while the tensor lives. Throws wick.tensor.E106 for another rank.
inline detail::ConstMatrixMap as_matrix(const Tensor& t) {
  if (t.dim() != 2) detail::raise_view("as_matrix()", t.shape(), "reshape it first, as in reshape(x, {rows, cols})");
  return {t.data(), t.size(0), t.size(1)};
}
/// A read-only Eigen view of a rank-1 tensor; valid while the tensor lives. Throws wick.tensor.E106 for another rank.
inline detail::ConstVectorMap as_vector(const Tensor& t) {
  if (t.dim() != 1) detail::raise_view("as_vector()", t.shape(), "use as_matrix(x) for a matrix, or reshape it first, as in reshape(x, {-1})");
  return {t.data(), t.size(0)};
}

}  // namespace wick::inline WICK_ABI
