/// \file
/// Linear: x Wᵀ + b.
#pragma once

#include <wick/ad/matmul_batch.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/nn/linear_op.hpp>
#include <wick/nn/module.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// For layers that read the last dimension of their input.
[[noreturn]] WICK_COLD inline void raise_width(const ModuleState& s, const Tensor& x, Index wanted) {
  if (x.empty()) raise_empty(s.kind.c_str());
  raise<ShapeError>("wick.nn.E511", module_path(s), {std::string_view(s.kind), " wants inputs whose last dimension has size ", wanted, ", this one has shape ", x.shape()},
                    {"reshape the input, as in unsqueeze(x, -1) for numbers\n  or make the layer with another input size"});
}
inline void check_width(const ModuleState& s, const Tensor& x, Index wanted) {
  if (WICK_UNLIKELY(x.dim() < 1 || x.shape()[x.shape().size() - 1] != wanted)) raise_width(s, x, wanted);
}
inline std::string sizes_text(const char* name, std::initializer_list<Index> sizes) {
  std::string out = name;
  char sep = '(';
  for (const Index n : sizes) {
    out += sep;
    if (sep == ',') out += ' ';
    out += std::to_string(n);
    sep = ',';
  }
  return out + ")";
}
WICK_COLD inline void check_sizes(const std::string& kind, std::initializer_list<Index> sizes) {
  for (const Index n : sizes)
    if (n < 1) raise<DomainError>("wick.nn.E509", "", {std::string_view(kind), ": size ", n, " is not at least 1"}, {"give the number of inputs, outputs or units"});
}

/// Weights with batch dimensions, as priors in plates give them: they broadcast with those of x, element by element.
WICK_COLD inline Tensor linear_batch(const ModuleState& s, const Tensor& x, const Tensor& w, const Tensor& b) try {
  Tensor y;
  if (w.dim() == 2)
    y = linear(x, w);
  else if (w.shape().from_right(-3) == 1 && x.dim() > 1)  // one weight for all rows of x
    y = matmul(x, transpose(squeeze(w, -3)));
  else
    y = squeeze(matmul(w, unsqueeze(x, -1)), -1);
  return b.empty() ? y : y + b;
} catch (Error& e) {
  e.locate(module_path(s), "");
  throw;
}

}  // namespace detail

/// Options of Linear; the constraints are those of `param`.
struct LinearOptions {
  bool bias = true;
  Init weight_init = initializers::fan_in();
  /// Left out: uniform between ±1 / √inputs, as in PyTorch.
  Init bias_init = Init(Tensor());
  Constraint weight_constraint = constraints::real;
  Constraint bias_constraint = constraints::real;
};

/// x weightᵀ + bias, over the last dimension of inputs of any leading shape.
///
/// Parameters: weight (outputs, inputs), bias (outputs). Shapes: (…, inputs) to (…, outputs). Throws: wick.nn.E509 (a size below 1), E511 (another width).
/// A weight that has batch dimensions, being drawn in a plate or for many particles, broadcasts them with those of the inputs.
class Linear : public Module {
 public:
  Parameter weight, bias;

  Linear(Count inputs, Count outputs, const LinearOptions& o = {}) : Module(detail::sizes_text("Linear", {inputs, outputs})), inputs_(inputs) {
    detail::check_sizes(state()->kind, {inputs, outputs});
    const double bound = 1.0 / std::sqrt(static_cast<double>(inputs.value));
    weight = register_parameter("weight", Shape{outputs, inputs}, o.weight_init, o.weight_constraint);
    if (o.bias) bias = register_parameter("bias", Shape{outputs}, o.bias_init.given() ? o.bias_init : initializers::uniform(-bound, bound), o.bias_constraint);
  }
  Tensor operator()(const Tensor& x) const {
    const detail::ModuleState& s = *state();
    detail::check_width(s, x, inputs_);
    const detail::Binding* b = detail::binding_of(s);
    const Tensor w = detail::read_slot(s, b, 0), c = bias.empty() ? Tensor() : detail::read_slot(s, b, 1);
    return WICK_LIKELY(w.dim() == 2 && c.dim() <= 1) ? linear(x, w, c) : detail::linear_batch(s, x, w, c);
  }

 private:
  Index inputs_;
};

}  // namespace wick::inline WICK_ABI
