/// \file
/// Linear: x Wᵀ + b.
#pragma once

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

}  // namespace detail

/// Options of Linear; the constraints are those of `param`.
struct LinearOptions {
  bool bias = true;
  Init weight_init = init::fan_in();
  /// Left out: uniform between ±1 / √inputs, as in PyTorch.
  Init bias_init = Init(Tensor());
  Constraint weight_constraint = constraints::real;
  Constraint bias_constraint = constraints::real;
};

/// x weightᵀ + bias, over the last dimension of inputs of any leading shape.
///
/// Parameters: weight (outputs, inputs), bias (outputs). Shapes: (…, inputs) to (…, outputs). Throws: wick.nn.E509 (a size below 1), E511 (another width).
class Linear : public Module {
 public:
  Parameter weight, bias;

  Linear(Count inputs, Count outputs, const LinearOptions& o = {}) : Module(detail::sizes_text("Linear", {inputs, outputs})), inputs_(inputs) {
    detail::check_sizes(state()->kind, {inputs, outputs});
    const double bound = 1.0 / std::sqrt(static_cast<double>(inputs.value));
    weight = register_parameter("weight", Shape{outputs, inputs}, o.weight_init, o.weight_constraint);
    if (o.bias) bias = register_parameter("bias", Shape{outputs}, o.bias_init.given() ? o.bias_init : init::uniform(-bound, bound), o.bias_constraint);
  }
  Tensor operator()(const Tensor& x) const {
    const detail::ModuleState& s = *state();
    detail::check_width(s, x, inputs_);
    const detail::Binding* b = detail::binding_of(s);
    return linear(x, detail::read_slot(s, b, 0), bias.empty() ? Tensor() : detail::read_slot(s, b, 1));
  }

 private:
  Index inputs_;
};

}  // namespace wick::inline WICK_ABI
