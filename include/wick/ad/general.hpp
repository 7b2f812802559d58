/// \file
/// What operations that are not elementwise share: how they are run, recorded, and given dense inputs.
#pragma once

#include <wick/ad/loops.hpp>
#include <wick/ad/result.hpp>
#include <wick/ad/second_pass.hpp>

namespace wick::inline WICK_ABI::detail {

/// The head of the payload of an operation with one dense input; its own data follow in a derived struct.
struct UnaryPayload {
  const OpFns* fns = nullptr;
  std::uint32_t in = 0;
};
using UnaryRun = void (*)(const UnaryPayload& p, const double* x, double* out);
using UnaryPull = void (*)(const UnaryPayload& p, const double* g, const double* x, const double* out, double* to);
using UnaryPut = void (*)(const UnaryPayload& p, const double* g, const double* x, const double* out, double* to, bool fresh);
/// Such an operation: `run` computes the output, `pull` adds to the input's adjoint, or `put`, which sees to every element and may therefore find fresh
/// memory. Neither: no derivative.
struct UnaryFns {
  OpFns fns;  ///< first, since payloads point to it
  UnaryRun run;
  UnaryPull pull;
  UnaryPut put;
};

inline void unary_forward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<UnaryPayload*>(tape[i].payload);
  reinterpret_cast<const UnaryFns*>(p.fns)->run(p, tape.data(p.in), output_of(tape, i));
}
inline void unary_backward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<UnaryPayload*>(tape[i].payload);
  const auto& f = *reinterpret_cast<const UnaryFns*>(p.fns);
  const double *g = tape.arrived(i), *x = tape.data(p.in), *y = tape.data(i);
  if (f.put == nullptr) return f.pull(p, g, x, y, tape.adjoint(p.in));
  const Tape::Sink to = tape.sink(p.in);
  f.put(p, g, x, y, to.to, to.fresh);
}
constexpr UnaryFns unary_fns(const char* name, UnaryRun run, UnaryPull pull, const SecondFns& second = {}) {
  return {{name, &unary_forward, &unary_backward, second}, run, pull, nullptr};
}
constexpr UnaryFns unary_fns(const char* name, UnaryRun run, UnaryPut put, const SecondFns& second = {}, decltype(OpFns::backward) backward = &unary_backward) {
  return {{name, &unary_forward, backward, second}, run, nullptr, put};
}

WICK_NOINLINE inline Tensor unary_call(const UnaryFns& f, UnaryPayload& p, std::size_t bytes, const Tensor& x,
                                       Tensor& out) {
  Tape* tape = context.tape;
  Kind kind = operand_kind(f.fns.name, x, tape);
  if (f.pull == nullptr && f.put == nullptr && kind == Kind::differentiable) kind = Kind::varying;  // it has no derivative
  f.run(p, TensorAccess::stored(x), TensorAccess::fresh_data(out));
  if (kind == Kind::constant) return std::move(out);
  p.fns = &f.fns;
  p.in = record_of(x, *tape);
  return general_result(*tape, std::memcpy(tape->arena().take_small(bytes), static_cast<const void*>(&p), bytes), out,
                        kind);
}
/// Runs an operation with one dense input into the fresh value `out`, and records it where the input is not constant.
template <class P>
Tensor unary(const UnaryFns& f, P p, const Tensor& x, Tensor out) {
  static_assert(std::is_trivially_copyable_v<P> && std::is_base_of_v<UnaryPayload, P>);
  return unary_call(f, p, sizeof(P), x, out);
}

/// Sums `g` of shape `from` into `to`, whose shape broadcasts to it.
WICK_NOINLINE inline void add_broadcast(const double* g, const Shape& from, double* to, const Shape& shape) {
  const Shape* operand = &shape;
  for (Walk w(from, &operand, 1, kChunk); w.live(); w.next()) {
    if (w.step(0))
      add_array(w.length(), g, to + w.offset(0));
    else
      to[w.offset(0)] += sum_chunk(g, w.length());
    g += w.length();
  }
}

inline void broadcast_forward(Tape& tape, std::uint32_t i) {
  const std::uint32_t in = static_cast<UnaryPayload*>(tape[i].payload)->in;
  broadcast_copy(tape.data(in), tape.shape(in), output_of(tape, i), tape.shape(i));
}
inline void broadcast_backward(Tape& tape, std::uint32_t i) {
  const std::uint32_t in = static_cast<UnaryPayload*>(tape[i].payload)->in;
  add_broadcast(tape.arrived(i), tape.shape(i), tape.adjoint(in), tape.shape(in));
}
inline constexpr OpFns broadcast_ops{"broadcast", &broadcast_forward, &broadcast_backward, second_linear};

/// The dense form of an expanded value, for operations that read rows: recorded as a copy where it is not constant.
WICK_NOINLINE inline Tensor materialise(const Tensor& x) {
  if (!TensorAccess::is_expanded(x)) return x;
  Tape* tape = context.tape;
  const Kind kind = operand_kind("broadcast", x, tape);
  if (kind == Kind::constant) {
    Block* dense = dense_block(TensorAccess::block(x));
    retain(dense);
    return TensorAccess::adopt(dense);
  }
  Tensor out = TensorAccess::make(x.shape());
  broadcast_copy(TensorAccess::stored(x), TensorAccess::stored_shape(x), TensorAccess::fresh_data(out), x.shape());
  auto* p = new_payload<UnaryPayload>(*tape);
  p->fns = &broadcast_ops;
  p->in = record_of(x, *tape);
  return general_result(*tape, p, out, kind);
}

/// `x` itself, or its dense form held in `room`.
WICK_INLINE const Tensor& dense(const Tensor& x, Tensor& room) {
  if (WICK_LIKELY(!TensorAccess::is_expanded(x))) return x;
  room = materialise(x);
  return room;
}

[[noreturn]] WICK_COLD inline void raise_op_dim(const char* name, Index d, const Shape& s) {
  raise<ShapeError>("wick.op.E121", "", {name, ": no dimension ", d, " in shape ", s},
                    {"dimensions count from 0, or from -1 at the right"});
}
/// Dimension `d` of `rank` as a position from the left.
inline std::size_t dim_at(const char* name, Index d, const Shape& s, Index rank) {
  const Index at = d < 0 ? d + rank : d;
  if (WICK_UNLIKELY(at < 0 || at >= rank)) raise_op_dim(name, d, s);
  return static_cast<std::size_t>(at);
}

/// The number of elements in the dimensions [first, last).
inline Index count_of(const Shape& s, std::size_t first, std::size_t last) {
  Index n = 1;
  for (std::size_t i = first; i < last; ++i) n *= s[i];
  return n;
}

}  // namespace wick::inline WICK_ABI::detail
