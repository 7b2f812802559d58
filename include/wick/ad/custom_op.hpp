/// \file
/// custom_op: an operation with a value and an adjoint of the user's.
#pragma once

#include <array>
#include <utility>

#include <wick/ad/general.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// The recorded form; its `fns` are its own, so that errors name the operation. `in` follows the function's object.
struct CustomPayload {
  const OpFns* fns;
  OpFns own;
  Tape::Kept* kept;
  Tensor (*value)(const Tape::Kept* f, const Tensor* x);
  void (*adjoint)(const Tape::Kept* f, const Tensor& g, const Tensor& y, const Tensor* x, Tensor* out);
  std::size_t count;
  std::uint32_t* in;
};

/// The present value of a record as a constant.
inline Tensor value_of_record(Tape& tape, std::uint32_t i) {
  if (!tape[i].is_tensor()) return Tensor(tape[i].value);
  retain(tape[i].block);
  return TensorAccess::adopt(tape[i].block);
}
[[noreturn]] WICK_COLD inline void raise_custom_value(const char* name, const Shape* got, const Shape* wanted) {
  if (got == nullptr) raise<UsageError>("wick.ad.E133", "", {name, ": its function returned the empty tensor"}, {"return a number or a tensor with a shape"});
  raise<ShapeError>("wick.ad.E135", "", {name, ": its function returned shape ", *got, ", before it was ", *wanted}, {"the shape of the value must depend on the arguments' shapes alone"});
}
[[noreturn]] WICK_COLD inline void raise_custom_adjoint(const char* name, std::size_t k, const Tensor& got, const Shape& wanted) {
  raise<ShapeError>("wick.ad.E134", "", {name, ": its adjoint returned ", got.empty() ? join({"no value"}) : join({"shape ", got.shape()}), " for argument ", static_cast<Index>(k), ", which has shape ", wanted},
                    {"return g · ∂y/∂x with the argument's own shape; sum over what was broadcast"});
}

/// Copies `y`, of the shape, to where a record's value lies.
inline void copy_value(const Tensor& y, double* to) { std::memcpy(to, y.data(), static_cast<std::size_t>(y.numel()) * sizeof(double)); }

inline void custom_forward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const CustomPayload*>(tape[i].payload);
  Tensor x[8];
  for (std::size_t k = 0; k < p.count; ++k) x[k] = value_of_record(tape, p.in[k]);
  const Unrecorded off;
  const Tensor y = p.value(p.kept, x);
  if (y.empty() || !(y.shape() == tape.shape(i))) raise_custom_value(p.own.name, y.empty() ? nullptr : &y.shape(), &tape.shape(i));
  copy_value(y, output_of(tape, i));
}
inline void custom_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const CustomPayload*>(tape[i].payload);
  Tensor x[8], out[8];
  for (std::size_t k = 0; k < p.count; ++k) x[k] = value_of_record(tape, p.in[k]);
  Tensor g = TensorAccess::make(tape.shape(i));
  std::memcpy(TensorAccess::fresh_data(g), tape.arrived(i), static_cast<std::size_t>(tape.numel(i)) * sizeof(double));
  {
    const Unrecorded off;
    p.adjoint(p.kept, g, value_of_record(tape, i), x, out);
  }
  for (std::size_t k = 0; k < p.count; ++k) {
    double* to = tape.adjoint(p.in[k]);
    if (to == nullptr) continue;
    if (out[k].empty() || !(out[k].shape() == tape.shape(p.in[k]))) raise_custom_adjoint(p.own.name, k, out[k], tape.shape(p.in[k]));
    add_array(out[k].numel(), out[k].data(), to);
  }
}

/// The user's functions, as long as the recording lives.
template <class Value, class Adjoint>
struct CustomFunctions : Tape::Kept {
  Value value;
  Adjoint adjoint;
  CustomFunctions(const Value& v, const Adjoint& a) : value(v), adjoint(a) {}
};

template <std::size_t N, class R>
void custom_results(R&& r, Tensor* out) {
  if constexpr (std::is_convertible_v<R&&, Tensor>) {
    static_assert(N == 1, "custom_op: the adjoint of a function of several arguments returns std::array<Tensor, N>");
    out[0] = std::forward<R>(r);
  } else {
    static_assert(std::is_convertible_v<R&&, std::array<Tensor, N>>, "custom_op: the adjoint returns a Tensor for one argument, std::array<Tensor, N> for N");
    const std::array<Tensor, N> all = std::forward<R>(r);
    for (std::size_t k = 0; k < N; ++k) out[k] = all[k];
  }
}

/// Everything of a call that does not depend on the functions' types. `x` is dense.
WICK_NOINLINE inline Tensor custom_record(Tape& tape, CustomPayload* p, const Tensor* x, const Tensor& y, Kind kind) {
  p->fns = &p->own;
  p->in = static_cast<std::uint32_t*>(tape.arena().take_small(p->count * sizeof(std::uint32_t)));
  for (std::size_t k = 0; k < p->count; ++k) p->in[k] = record_of(x[k], tape);
  Tensor out = TensorAccess::make(y.shape());  // the function may have returned something that others hold
  copy_value(y, TensorAccess::fresh_data(out));
  return general_result(tape, p, out, kind);
}

}  // namespace detail

/// An operation made by `custom_op`; call it like any other, with as many tensors as its functions take.
template <class Value, class Adjoint>
class CustomOp {
 public:
  CustomOp(const char* name, Value value, Adjoint adjoint) : name_(name), value_(std::move(value)), adjoint_(std::move(adjoint)) {}

  template <class... T>
    requires(sizeof...(T) >= 1 && sizeof...(T) <= 8 && (std::is_convertible_v<const T&, Tensor> && ...))
  Tensor operator()(const T&... arguments) const {
    return call({Tensor(arguments)...}, std::make_index_sequence<sizeof...(T)>{});
  }

 private:
  template <std::size_t... K>
  Tensor call(std::array<Tensor, sizeof...(K)> x, std::index_sequence<K...>) const {
    using namespace detail;
    using Functions = CustomFunctions<Value, Adjoint>;
    Tape* tape = context.tape;
    Kind kind = Kind::constant;
    for (Tensor& t : x) {
      const Kind own = operand_kind(name_, t, tape);
      if (own > kind) kind = own;
      t = materialise(t);
    }
    const Tensor y = [&] {
      const Unrecorded off;
      return TensorAccess::detached(Tensor(value_(TensorAccess::detached(x[K])...)));
    }();
    if (y.empty()) raise_custom_value(name_, nullptr, nullptr);
    if (kind == Kind::constant) return y;
    auto* p = new_payload<CustomPayload>(*tape);
    p->own = {name_, &custom_forward, &custom_backward};
    p->kept = tape->keep<Functions>(value_, adjoint_);
    p->value = [](const Tape::Kept* f, const Tensor* in) { return TensorAccess::detached(Tensor(static_cast<const Functions*>(f)->value(in[K]...))); };
    p->adjoint = [](const Tape::Kept* f, const Tensor& g, const Tensor& v, const Tensor* in, Tensor* out) {
      custom_results<sizeof...(K)>(static_cast<const Functions*>(f)->adjoint(g, v, in[K]...), out);
    };
    p->count = sizeof...(K);
    return custom_record(*tape, p, x.data(), y, kind);
  }

  const char* name_;
  Value value_;
  Adjoint adjoint_;
};

/// An operation from two functions: `value(x...)`, and `adjoint(g, y, x...)`, which returns g · ∂y/∂x for each argument, as a Tensor where there is
/// one argument, else as std::array<Tensor, N>.
///
/// Both work on plain tensors, nothing they do is recorded, and they may capture what they like by value. Check them with `check_grad`.
/// Shapes: any value; each derivative has its argument's shape. `name` (for errors) must outlive the operation. Gradients: first order only.
/// Throws: wick.ad.E133 (no value), E134 (the shape of a derivative), E131 under hvp and hessian.
template <class Value, class Adjoint>
CustomOp<Value, Adjoint> custom_op(const char* name, Value value, Adjoint adjoint) {
  return {name, std::move(value), std::move(adjoint)};
}

}  // namespace wick::inline WICK_ABI
