/// \file
/// From operands to records: what a value means to the recording under way, and how results join it.
#pragma once

#include <wick/ad/tape.hpp>

namespace wick::inline WICK_ABI::detail {

/// Inside the step of a scan: what belongs to a step changes with every step, and what an outer recording differentiates would lose its derivative.
WICK_COLD inline void check_step_value(const Tensor& t) {
  for (const StepScope* s = context.step; s != nullptr; s = s->outer)
    if (TensorAccess::run(t) == s->run)
      raise<UsageError>("wick.op.E182", "", {"a value of the step of a scan is used outside the step's own recording: in a step inside it, a gradient, or where nothing is recorded"},
                        {"pass it to an inner scan as an argument\n  or differentiate the whole scan, not a step"});
  if (TensorAccess::kind(t) == Kind::differentiable)
    raise<UsageError>("wick.op.E182", "", {"the step of a scan captures a value that the recording outside differentiates"},
                      {"pass it to scan as an argument: scan(f, init, each(xs), value)\n  or capture stop_gradient(value)"});
}

/// A value whose run is not the innermost open one: ended (then it is a constant), outer, or another thread's.
WICK_NOINLINE inline Kind foreign_kind(const Tensor& t) {
  const std::uint64_t run = TensorAccess::run(t);
  if (tape_slots[run & (kTapeSlots - 1)].live.load() != run) return Kind::constant;
  if (tape_slots[run & (kTapeSlots - 1)].owner.load_relaxed() != &context)
    raise<UsageError>("wick.tape.E112", "", {"a value of a step that is under way on another thread is used here"},
                      {"finish the step before another thread reads its values\n  or pass plain numbers (item(), "
                       "to_vector()) to worker threads"});
  if (WICK_UNLIKELY(context.step != nullptr)) check_step_value(t);
  if (context.tape != nullptr && TensorAccess::kind(t) == Kind::differentiable)
    raise<UsageError>(
        "wick.tape.E113", "",
        {"an inner gradient depends on a differentiable value of an outer recording; first-order tapes cannot "
         "differentiate through it"},
        {"use hvp or jvp for second derivatives\n  or pass stop_gradient(x) if x is meant as a constant"});
  return Kind::constant;
}

/// What `t` means to the recording under way.
WICK_INLINE Kind kind_in(const Tensor& t, const Tape* tape) {
  const std::uint64_t run = TensorAccess::run(t);
  if (run == 0) return Kind::constant;
  if (tape != nullptr && run == tape->run()) return TensorAccess::kind(t);
  return foreign_kind(t);
}

/// A record of its own for a constant, which owns a reference.
WICK_NOINLINE inline std::uint32_t constant_record(const Tensor& t, Tape& tape) {
  if (!TensorAccess::is_block(t)) return tape.push_scalar(Op::constant, 0, 0, TensorAccess::scalar(t), Kind::constant);
  Block* b = TensorAccess::block(t);
  if (b->expanded) {  // operations read the stored data: keep that
    if (b->base == nullptr) return tape.push_scalar(Op::constant, 0, 0, b->data[0], Kind::constant);
    b = b->base;
  }
  retain(b);
  return tape.push_tensor(Op::constant, nullptr, b, Kind::constant);
}

/// The record of an input.
WICK_INLINE std::uint32_t record_of(const Tensor& t, Tape& tape) {
  return TensorAccess::run(t) == tape.run() ? TensorAccess::record(t) : constant_record(t, tape);
}

/// A scalar result as a handle.
inline Tensor scalar_result(Tape& tape, std::uint32_t record, Kind kind) {
  Tensor out(tape[record].value);
  TensorAccess::attach(out, tape.run(), record, kind);
  return out;
}

/// Marks a fresh block as owned by the tape and records it; returns its handle.
inline Tensor tensor_result(Tape& tape, Op op, void* payload, Block* block, Kind kind) {
  block->shared = false;
  block->count = 2;  // the tape's and the handle's
  const std::uint32_t record = tape.push_tensor(op, payload, block, kind);
  Tensor out = TensorAccess::adopt(block);
  TensorAccess::attach(out, tape.run(), record, kind);
  return out;
}

/// A new leaf with the value of `t`. Expanded values are made dense.
inline Tensor push_leaf(Tape& tape, const Tensor& t, Kind kind) {
  std::uint32_t record = 0;
  Tensor out = TensorAccess::detached(t);
  if (TensorAccess::is_block(t)) {
    Block* b = dense_block(TensorAccess::block(t));
    if (b != TensorAccess::block(t)) {
      retain(b);
      out = TensorAccess::adopt(b);
    }
    retain(b);
    record = tape.push_tensor(Op::leaf, nullptr, b, kind);
  } else {
    record = tape.push_scalar(Op::leaf, 0, 0, TensorAccess::scalar(t), kind);
  }
  TensorAccess::attach(out, tape.run(), record, kind);
  return out;
}

/// Begins a general operation: room for its payload in the arena. `Payload` begins with `const OpFns*`.
template <class Payload>
Payload* new_payload(Tape& tape) {
  static_assert(std::is_trivially_destructible_v<Payload>, "payloads are dropped without a destructor");
  return new (tape.arena().take_small(sizeof(Payload))) Payload{};
}

/// What an operand makes of the result; nothing depends on anything where nothing is recorded.
/// Errors: wick.tensor.E100 (no value), wick.tape.E112, E113.
WICK_INLINE Kind operand_kind(const char* name, const Tensor& t, const Tape* tape) {
  if (WICK_UNLIKELY(t.empty())) raise_empty(name);
  const Kind kind = kind_in(t, tape);
  return tape == nullptr ? Kind::constant : kind;
}

/// Where the value of record `i` lies.
inline double* output_of(Tape& tape, std::uint32_t i) {
  return tape[i].is_tensor() ? tape[i].block->data : &tape[i].value;
}

/// Records a finished value whose payload is in the arena; takes it out of `out`.
WICK_NOINLINE inline Tensor general_result(Tape& tape, void* payload, Tensor& out, Kind kind) {
  if (TensorAccess::is_scalar(out))
    return scalar_result(tape, tape.push_general_scalar(payload, TensorAccess::scalar(out), kind), kind);
  return tensor_result(tape, Op::general, payload, TensorAccess::take_block(out), kind);
}

[[noreturn]] WICK_COLD inline void raise_broadcast(const char* name, const Shape& a, const Shape& b) {
  raise<ShapeError>("wick.op.E120", "", {name, ": shapes ", a, " and ", b, " do not broadcast"},
                    {"sizes must be equal or 1, aligned at the right; reshape one operand, as in reshape(x, {n, 1})"});
}
/// As above, for the operand `k` that did not fit those before it.
[[noreturn]] WICK_COLD inline void raise_broadcast_of(const char* name, const Tensor* const* in, unsigned k) {
  Shape before;
  for (unsigned j = 0; j < k; ++j) broadcast_into(before, in[j]->shape());
  raise_broadcast(name, before, in[k]->shape());
}

}  // namespace wick::inline WICK_ABI::detail
