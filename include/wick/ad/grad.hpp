/// \file
/// value_and_grad and grad.
#pragma once

#include <array>
#include <tuple>
#include <utility>

#include <wick/ad/result.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// The adjoint of a record as a tensor of its own; zeros where nothing arrived. That of an argument is given away: once.
WICK_NOINLINE inline Tensor adjoint_of(Tape& tape, std::uint32_t record) {
  Record& r = tape[record];
  if (!r.is_tensor()) return Tensor(r.adjoint);
  if ((r.flags & kHandedOver) != 0) {
    tape.adjoint(record);  // now it is in the block
    Block* own = static_cast<Block*>(r.payload);
    r.payload = nullptr;
    r.buffer = nullptr;
    return TensorAccess::adopt(own);
  }
  Block* b = make_block(tape.shape(record));
  const double* from = r.buffer == nullptr ? nullptr : tape.arrived(record);
  for (Index i = 0; i < b->numel; ++i) b->data[i] = from == nullptr ? 0.0 : from[i];
  return TensorAccess::adopt(b);
}

/// An argument as a leaf of the inner recording. Throws wick.tape.E113 if an outer one differentiates it.
WICK_NOINLINE inline Tensor gradient_leaf(Tape& tape, const Tensor& x) {
  operand_kind("value_and_grad", x, &tape);
  const Tensor leaf = push_leaf(tape, x, Kind::differentiable);
  if (TensorAccess::is_block(leaf)) tape[TensorAccess::record(leaf)].flags |= kHandedOver;
  return leaf;
}

/// Seeds the scalar `value` with 1 and runs the reverse loop. Throws wick.ad.E130 when it is not a scalar.
WICK_NOINLINE inline void run_backward(Tape& tape, const Tensor& value) {
  operand_kind("value_and_grad", value, &tape);  // also a value of an outer recording that was merely passed through
  if (!TensorAccess::is_scalar(value))
    raise<ShapeError>("wick.ad.E130", "", {"the function to differentiate returned shape ", value.shape(), " instead of a scalar"},
                      {"reduce it, as in sum(y)"});
  if (TensorAccess::run(value) != tape.run()) return;  // does not depend on the arguments
  Record& r = tape[TensorAccess::record(value)];
  if (r.kind != Kind::differentiable) return;
  r.adjoint += 1.0;
  tape.backward();
}

template <class F>
struct ValueAndGrad {
  F f;
  template <class... T>
  auto operator()(const T&... x) const {
    static_assert(sizeof...(T) >= 1, "value_and_grad: the function needs at least one tensor argument");
    Recording recording;
    Tape& tape = recording.tape();
    std::array<Tensor, sizeof...(T)> leaves{gradient_leaf(tape, x)...};
    const Tensor value = std::apply(f, leaves);
    run_backward(tape, value);
    std::array<Tensor, sizeof...(T)> gradients;
    for (std::size_t k = 0; k < sizeof...(T); ++k) gradients[k] = adjoint_of(tape, TensorAccess::record(leaves[k]));
    if constexpr (sizeof...(T) == 1)
      return std::pair<Tensor, Tensor>(TensorAccess::detached(value), std::move(gradients[0]));
    else
      return std::pair<Tensor, std::array<Tensor, sizeof...(T)>>(TensorAccess::detached(value), std::move(gradients));
  }
};

template <class F>
struct Grad {
  ValueAndGrad<F> both;
  template <class... T>
  auto operator()(const T&... x) const {
    return both(x...).second;
  }
};

}  // namespace detail

/// Turns a function of tensors with a scalar result into one that returns {value, gradient}: with several arguments
/// the gradients come as an array. `auto [v, g] = value_and_grad(f)(x);`
///
/// Shapes: each gradient has its argument's shape. Throws: wick.ad.E130 (result not a scalar), wick.tape.E113 when it is called inside another
/// recording on values that the outer one differentiates.
template <class F>
auto value_and_grad(F f) {
  return detail::ValueAndGrad<F>{std::move(f)};
}

/// As `value_and_grad`, the gradient alone.
template <class F>
auto grad(F f) {
  return detail::Grad<F>{{std::move(f)}};
}

}  // namespace wick::inline WICK_ABI
