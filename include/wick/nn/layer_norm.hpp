/// \file
/// LayerNorm: mean 0 and variance 1 over the last dimensions.
#pragma once

#include <wick/ad/ops_math.hpp>
#include <wick/ad/ops_reduce.hpp>
#include <wick/nn/linear.hpp>

namespace wick::inline WICK_ABI {

struct LayerNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< with weight and bias of the shape that is normalised
};

/// (x − mean) / √(variance + eps) · weight + bias, over the last dimensions; the variance is that of the n numbers, not of a sample.
///
/// Parameters: weight, beginning at 1, and bias, at 0. Shapes: (…, shape) to the same. Throws: wick.nn.E509 (a size below 1, no dimension, a negative eps), E518 (another shape).
class LayerNorm : public Module {
 public:
  Parameter weight, bias;

  explicit LayerNorm(const Shape& shape, const LayerNormOptions& o = {}) : Module("LayerNorm"), shape_(shape), eps_(o.eps) {
    set_kind(detail::join({"LayerNorm", shape}).view());
    for (const Index n : shape) detail::check_sizes(state()->kind, {n});
    if (shape.rank() == 0 || !(o.eps >= 0 && o.eps < detail::kInf))
      detail::raise<DomainError>("wick.nn.E509", "", {std::string_view(state()->kind), ": ", shape.rank(), " dimensions and eps ", o.eps}, {"give at least one dimension, and a finite eps >= 0"});
    if (!o.affine) return;
    weight = register_parameter("weight", shape, initializers::ones());
    bias = register_parameter("bias", shape, initializers::zeros());
  }
  explicit LayerNorm(Count size, const LayerNormOptions& o = {}) : LayerNorm(Shape{size}, o) {}

  Tensor operator()(const Tensor& x) const {
    if (WICK_UNLIKELY(x.empty())) detail::raise_empty(state()->kind.c_str());
    const Index rank = shape_.rank();
    if (WICK_UNLIKELY(x.dim() < rank || !(x.shape().tail(rank) == shape_)))
      detail::raise<ShapeError>("wick.nn.E518", detail::module_path(*state()), {std::string_view(state()->kind), " wants inputs that end in its shape, this one has shape ", x.shape()},
                                {"make the layer for the last dimensions of its inputs"});
    const Shape rows = x.shape().head(x.dim() - rank);
    const Tensor flat = rank == 1 ? x : reshape(x, rows + Shape{shape_.numel()});
    const Tensor centred = flat - mean(flat, -1, true);
    Tensor y = centred / sqrt(mean(square(centred), -1, true) + eps_);
    if (rank != 1) y = reshape(y, x.shape());
    return weight.empty() ? y : y * weight + bias;
  }

 private:
  Shape shape_;
  double eps_;
};

}  // namespace wick::inline WICK_ABI
