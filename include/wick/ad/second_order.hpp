/// \file
/// jvp, hvp, hessian and jacobian. To be included before the other headers of wick (or define WICK_SECOND_ORDER for the whole program):
/// second derivatives are another form of every kernel, which programs without them do not compile.
#pragma once

#if !defined(WICK_SECOND_ORDER)
#if defined(WICK_ABI)
#error "wick: include <wick/ad/second_order.hpp> before the other headers of wick, or define WICK_SECOND_ORDER for the whole program"
#endif
#define WICK_SECOND_ORDER
#endif

#include <array>

#include <wick/ad/general.hpp>
#include <wick/ad/grad.hpp>
#include <wick/ad/second_pass.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

[[noreturn]] WICK_COLD inline void raise_direction(const char* name, const Shape& x, const Shape& v, bool empty) {
  raise<ShapeError>("wick.ad.E132", "", {name, ": an argument has shape ", x, ", its direction ", empty ? Part("no value") : Part(v)},
                    {"give the arguments first, then one direction of the same shape for each"});
}

/// The leaves of a recording with a direction each.
template <std::size_t N>
struct Directed {
  std::array<Tensor, N> leaves, directions;
  std::uint32_t records[N];
  const double* data[N];

  /// `all`: the arguments, then their directions.
  Directed(const char* name, Tape& tape, const std::array<Tensor, 2 * N>& all) {
    for (std::size_t k = 0; k < N; ++k) {
      const Tensor& v = all[N + k];
      if (v.empty() || !(v.shape() == all[k].shape())) raise_direction(name, all[k].shape(), v.shape(), v.empty());
      operand_kind(name, v, &tape);
      leaves[k] = gradient_leaf(tape, all[k]);
      directions[k] = v;
      records[k] = TensorAccess::record(leaves[k]);
      data[k] = TensorAccess::is_scalar(directions[k]) ? TensorAccess::stored(directions[k]) : directions[k].data();
    }
  }
};

/// The tangent of a value of the recording.
WICK_COLD inline Tensor tangent_of(SecondPass& pass, const Tensor& y) {
  Tensor out = TensorAccess::make(y.shape());
  double* to = TensorAccess::fresh_data(out);
  const bool moves = TensorAccess::run(y) == pass.tape().run() && TensorAccess::kind(y) == Kind::differentiable;
  const double* from = moves ? pass.tangent(TensorAccess::record(y)) : nullptr;
  const Shape& stored = TensorAccess::stored_shape(y);
  if (from != nullptr) {
    broadcast_copy(from, stored, to, y.shape());
  } else {
    for (Index i = 0; i < out.numel(); ++i) to[i] = 0;
  }
  return out;
}

template <class F>
struct Jvp {
  F f;
  template <class... T>
    requires(sizeof...(T) >= 2 && sizeof...(T) % 2 == 0)
  std::pair<Tensor, Tensor> operator()(const T&... x) const {
    constexpr std::size_t n = sizeof...(T) / 2;
    Recording recording;
    const Directed<n> args("jvp", recording.tape(), {Tensor(x)...});
    const Tensor y = std::apply(f, args.leaves);
    operand_kind("jvp", y, &recording.tape());
    SecondPass pass(recording.tape());
    pass.run_tangents(args.records, args.data, n);
    return {TensorAccess::detached(y), tangent_of(pass, y)};
  }
};

template <class F>
struct Hvp {
  F f;
  template <class... T>
    requires(sizeof...(T) >= 2 && sizeof...(T) % 2 == 0)
  auto operator()(const T&... x) const {
    constexpr std::size_t n = sizeof...(T) / 2;
    Recording recording;
    Tape& tape = recording.tape();
    const Directed<n> args("hvp", tape, {Tensor(x)...});
    const Tensor value = std::apply(f, args.leaves);
    run_backward(tape, value);
    SecondPass pass(tape);
    pass.keep_adjoints();
    pass.run_tangents(args.records, args.data, n);
    pass.run_adjoints();
    if constexpr (n == 1) {
      return adjoint_of(tape, args.records[0]);
    } else {
      std::array<Tensor, n> out;
      for (std::size_t k = 0; k < n; ++k) out[k] = adjoint_of(tape, args.records[k]);
      return out;
    }
  }
};

template <class F>
struct Hessian {
  F f;
  Tensor operator()(const Tensor& x) const {
    Recording recording;
    Tape& tape = recording.tape();
    const Tensor leaf = gradient_leaf(tape, x);
    const std::uint32_t record = TensorAccess::record(leaf);
    run_backward(tape, f(leaf));
    SecondPass pass(tape);
    pass.keep_adjoints();
    const Index n = x.numel();
    Tensor out = TensorAccess::make(x.shape() + x.shape());
    Tensor unit = TensorAccess::make(x.shape());
    double *to = TensorAccess::fresh_data(out), *u = TensorAccess::fresh_data(unit);
    for (Index j = 0; j < n; ++j) u[j] = 0;
    for (Index i = 0; i < n; ++i) {
      u[i] = 1;
      const double* direction = u;
      pass.run_tangents(&record, &direction, 1);
      pass.run_adjoints();
      u[i] = 0;
      const Tensor row = adjoint_of(tape, record);
      const double* from = row.data();
      for (Index j = 0; j < n; ++j) to[i * n + j] = from[j];
    }
    return out;
  }
};

/// The smaller of two ways: an output at a time backwards, or an input at a time forwards; backwards where an operation has a gradient only.
template <class F>
struct Jacobian {
  F f;
  Tensor operator()(const Tensor& x) const {
    Recording recording;
    Tape& tape = recording.tape();
    const Tensor leaf = gradient_leaf(tape, x);
    const std::uint32_t record = TensorAccess::record(leaf);
    const Tensor result = f(leaf);
    operand_kind("jacobian", result, &tape);
    const Tensor y = materialise(result);
    const Index m = y.numel(), n = x.numel();
    Tensor out = TensorAccess::make(y.shape() + x.shape());
    double* to = TensorAccess::fresh_data(out);
    for (Index i = 0; i < m * n; ++i) to[i] = 0;
    if (TensorAccess::run(y) != tape.run() || TensorAccess::kind(y) != Kind::differentiable) return out;
    const std::uint32_t of = TensorAccess::record(y);
    if (m <= n || !SecondPass::has_tangents(tape)) {
      for (Index i = 0; i < m; ++i) {
        tape.clear_adjoints();
        tape.adjoint(of)[i] = 1;
        tape.backward();
        const Tensor row = adjoint_of(tape, record);
        const double* from = row.data();
        for (Index j = 0; j < n; ++j) to[i * n + j] = from[j];
      }
      return out;
    }
    SecondPass pass(tape);
    Tensor unit = TensorAccess::make(x.shape());
    double* u = TensorAccess::fresh_data(unit);
    for (Index j = 0; j < n; ++j) u[j] = 0;
    for (Index j = 0; j < n; ++j) {
      u[j] = 1;
      const double* direction = u;
      pass.run_tangents(&record, &direction, 1);
      u[j] = 0;
      const double* column = pass.tangent(of);
      for (Index i = 0; i < m; ++i) to[i * n + j] = column[i];
    }
    return out;
  }
};

}  // namespace detail

/// Turns a function of tensors into one that returns {value, derivative along a direction}: `jvp(f)(x, dx)`, or with several arguments
/// first these, then a direction for each: `jvp(f)(x, y, dx, dy)`.
///
/// Shapes: a direction has its argument's shape, the derivative that of the value, which may be any. Throws: wick.ad.E131 (an
/// operation without), E132 (shapes). Source: forward mode; Griewank & Walther 2008, chapter 3.
template <class F>
auto jvp(F f) {
  return detail::Jvp<F>{std::move(f)};
}

/// Turns a function with a scalar result into one that returns the product of its Hessian with a direction: `hvp(f)(x, v)`; with several
/// arguments, given as for `jvp`, an array of products. Costs a few gradients, whatever the number of arguments. Throws: wick.ad.E130–E132.
template <class F>
auto hvp(F f) {
  return detail::Hvp<F>{std::move(f)};
}

/// Turns a function of one tensor into one that returns its Jacobian, of shape y.shape + x.shape: backwards or forwards, whichever takes
/// fewer passes; backwards where an operation has no second derivative (`custom_op`).
template <class F>
auto jacobian(F f) {
  return detail::Jacobian<F>{std::move(f)};
}

/// Turns a function of one tensor with a scalar result into one that returns its Hessian, of shape x.shape + x.shape: one recording and a
/// Hessian-vector product for each element. Throws: wick.ad.E130, E131.
template <class F>
auto hessian(F f) {
  return detail::Hessian<F>{std::move(f)};
}

}  // namespace wick::inline WICK_ABI
