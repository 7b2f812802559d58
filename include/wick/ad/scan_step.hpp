/// \file
/// The step of a scan over tensors: recorded once on a tape of its own, then run forwards and backwards for every step.
#pragma once

#include <wick/ad/general.hpp>
#include <wick/ad/matmul_batch.hpp>
#include <wick/ad/ops_index.hpp>
#include <wick/ad/ops_math.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/ad/ops_sort.hpp>
#include <wick/ad/scan_chain.hpp>

namespace wick::inline WICK_ABI::detail {

/// Where a tensor of the step lies: in row r of the rows at `base + r * stride`, or, as an output, in step t of the result likewise.
struct StepPlace {
  std::uint32_t record;
  bool series;
  double* base;
  Index stride, at;  ///< at: offset in a row, or in the result
  double* own;       ///< the block's own memory, to which it returns at the end
  double** slot;     ///< the block's pointer to its data
  bool held;         ///< its adjoint lies elsewhere than with the others
  bool first;        ///< it need not be cleared
  double* of(Index t, Index row) const noexcept { return base + (series ? t : row) * stride; }
};
/// A number of the step, kept in a row.
struct StepNumber {
  double *value, *adjoint;
  Index at;
};
/// A tensor of the state: its leaf, and the record of its next value.
struct StepState {
  std::uint32_t leaf, next;
  bool scalar;
  const StepPlace* place;  ///< of `next`; null: a number, or a constant
  Index n, at;             ///< size and offset in the whole state
  double* own;
  double** slot;
  bool first;              ///< the leaf's adjoint need not be cleared
  bool hands_on;           ///< the adjoint behind the step lies where that of `next` is summed
};
struct StepArgument {
  std::uint32_t leaf;  ///< 0: a constant, which the step holds itself
  bool scalar, moves;
  Index n;  ///< numbers a step
  double* own;
  double** slot;
};
struct StepOutput {
  std::uint32_t record;
  bool scalar, copied;
  Index n, at;
};
/// vector · matrix or matrix · vector with an argument that is the same in all steps: its derivative is one product over the steps of a segment.
struct StepProduct {
  std::uint32_t record;
  std::uint32_t argument;    ///< which
  const StepPlace* place;    ///< of the vector, or null
  const StepState* state;    ///< whose leaf the vector is, or null
  std::uint32_t moving;      ///< else the argument whose leaf it is
  Index n, m, vector;        ///< the matrix is [n, m]
  bool left;                 ///< the vector is on the left
  double* adjoints;          ///< of the products, row by row
};

/// A step that has been recorded. Lives as long as the recording outside.
struct StepProgram : Tape::Kept {
  Tape* tape = take_tape();
  std::size_t states = 0, arguments = 0, outputs = 0, places = 0, numbers = 0, products = 0, matrices = 0, code_size = 0, redo_size = 0;
  bool tail = false;  ///< the last state follows the outputs; else these are the states themselves
  StepState* state = nullptr;
  StepArgument* argument = nullptr;
  StepOutput* output = nullptr;
  StepPlace* place = nullptr;
  StepNumber* number = nullptr;
  StepProduct* product = nullptr;
  StepMatrix* matrix = nullptr;
  StepCode* code = nullptr;       ///< what is computed, in order
  std::uint32_t* redo = nullptr;  ///< of it what keeps more than its value
  Index state_size = 0, row = 0, result = 0;       ///< sizes of the state, of a row, and of the result
  double* adjoints = nullptr;                      ///< of all tensors of the step that are begun anew in each
  Index adjoint_size = 0, clear_size = 0;          ///< of them, those before the first pull adds to them must be 0
  StepChain chain;

  StepProgram() = default;
  StepProgram(const StepProgram&) = delete;
  StepProgram& operator=(const StepProgram&) = delete;
  ~StepProgram() {
    Tape& t = *tape;
    // A handle may have left the step: what it reads must not be memory of the recording outside.
    for (std::size_t k = 0; k < places; ++k) t[place[k].record].block->data = place[k].own;
    for (std::size_t k = 0; k < states; ++k)
      if (state[k].own != nullptr) t[state[k].leaf].block->data = state[k].own;
    for (std::size_t k = 0; k < arguments; ++k)
      if (argument[k].own != nullptr) t[argument[k].leaf].block->data = argument[k].own;
    t.close();
    give_tape(tape);
  }
};

/// The scope in which the step is recorded.
class StepTracing {
 public:
  [[nodiscard]] explicit StepTracing(Tape& tape) noexcept : outer_(context.tape) {
    tape.open(outer_);
    scope_ = {tape.run(), context.step};
    context.tape = &tape;
    context.step = &scope_;
  }
  StepTracing(const StepTracing&) = delete;
  StepTracing& operator=(const StepTracing&) = delete;
  ~StepTracing() {
    context.tape = outer_;
    context.step = scope_.outer;
  }

 private:
  Tape* outer_;
  StepScope scope_{};
};

/// Whether the reverse loop reads nothing of the operation but values and what was settled when it was recorded.
inline bool keeps_nothing(const OpFns* f) {
  if (f->forward == &unary_forward) return f != &sort_fns.fns && f != &argsort_fns.fns;
  return f == &element_ops || f == &matmul_ops || f == &batch_ops || f == &join_ops || f == &broadcast_ops;
}
inline const OpFns* step_fns(const Record& r) noexcept { return *static_cast<const OpFns* const*>(r.payload); }

/// Computes everything anew from the leaves.
WICK_NOINLINE inline void run_step(const StepProgram& s) {
  Tape& tape = *s.tape;
  for (std::size_t k = 0; k < s.code_size; ++k) {
    const StepCode& c = s.code[k];
    Record& r = tape[c.record];
    if (c.kernel == StepKernel::general) {
      step_fns(r)->forward(tape, c.record);
      continue;
    }
    if (c.kernel != StepKernel::number) {
      run_kernel(c, *c.a_at, *c.b_at, *c.y_at);
      continue;
    }
    const double a = tape[r.in.a].value, b = tape[r.in.b].value;
    switch (r.op) {
      case Op::add: r.value = a + b; break;
      case Op::sub: r.value = a - b; break;
      case Op::mul: r.value = a * b; break;
      case Op::div: r.value = a / b; break;
      case Op::neg: r.value = -a; break;
      default: r.value = function_table[static_cast<std::uint16_t>(r.op)].load_relaxed()->f(a, b);
    }
  }
}

/// Values from outside: the inputs (init's tensors, then the arguments), and the result. All of them as they are stored.
struct StepData {
  const double* const* in;
  double* result;
};

/// Binds what does not change while steps run.
inline void bind_step(const StepProgram& s, const StepData& d, double* rows) {
  for (std::size_t k = 0; k < s.places; ++k) {
    StepPlace& p = s.place[k];
    p.base = (p.series ? d.result : rows) + p.at;
  }
  for (std::size_t k = 0; k < s.arguments; ++k) {
    const StepArgument& a = s.argument[k];
    if (a.leaf == 0 || a.moves) continue;
    Record& r = (*s.tape)[a.leaf];
    if (a.scalar)
      r.value = *d.in[s.states + k];
    else
      r.block->data = const_cast<double*>(d.in[s.states + k]);  // only read
  }
}
/// Turns the tensors of the step to step `t`, kept in row `row`; `before` is the row of the step before (negative: the state is at `start`).
inline void turn_step(const StepProgram& s, const StepData& d, Index t, Index row, Index before, const double* start) {
  Tape& tape = *s.tape;
  for (std::size_t k = 0; k < s.states; ++k) {
    const StepState& c = s.state[k];
    if (c.scalar) continue;
    double*& at = *c.slot;
    if (before < 0)
      at = const_cast<double*>(start) + c.at;  // only read
    else
      at = c.place != nullptr ? c.place->of(t - 1, before) : tape[c.next].block->data;
  }
  for (std::size_t k = 0; k < s.places; ++k) *s.place[k].slot = s.place[k].of(t, row);
  for (std::size_t k = 0; k < s.arguments; ++k) {
    const StepArgument& a = s.argument[k];
    if (!a.moves) continue;
    const double* x = d.in[s.states + k] + t * a.n;
    if (a.scalar)
      tape[a.leaf].value = *x;
    else
      *a.slot = const_cast<double*>(x);
  }
}

/// Where the value of a record lies in rows j ≥ 1 of a run that begins with step `first`; two rows take turns unless all are kept.
inline ChainPlace chain_value_at(const StepProgram& s, const StepData& d, std::uint32_t i, Index first, double* rows, bool keep) {
  const auto row = [&](double* base) { return keep ? ChainPlace{base, s.row, 0} : ChainPlace{base, 0, s.row}; };
  const auto place = [&](const StepPlace& p) { return p.series ? ChainPlace{p.base + first * p.stride, p.stride, 0} : row(p.base); };
  for (std::size_t k = 0; k < s.states; ++k) {
    const StepState& c = s.state[k];
    if (c.leaf != i) continue;
    if (c.place == nullptr) return {(*s.tape)[c.next].block->data, 0, 0};
    const ChainPlace next = place(*c.place);
    return {next.base - next.step + next.turn, next.step, -next.turn};  // a step earlier
  }
  for (std::size_t k = 0; k < s.arguments; ++k) {
    const StepArgument& x = s.argument[k];
    if (x.leaf == i && i != 0) return {const_cast<double*>(d.in[s.states + k]) + (x.moves ? first * x.n : 0), x.moves ? x.n : 0, 0};  // only read
  }
  for (std::size_t k = 0; k < s.places; ++k)
    if (s.place[k].record == i) return place(s.place[k]);
  for (std::size_t k = 0; k < s.numbers; ++k)
    if (s.number[k].value == &(*s.tape)[i].value) return row(rows + s.number[k].at);
  return {const_cast<double*>(s.tape->data(i)), 0, 0};
}
/// Runs all steps but the first of a run by its chain. Returns the row of the last.
WICK_NOINLINE inline Index run_steps_by_chain(const StepProgram& s, const StepData& d, Index first, Index steps, const double* start, double* rows, bool keep) {
  for (std::size_t k = 0; k < s.chain.values; ++k) {
    ChainValue& c = s.chain.value[k];
    c.y_at = chain_value_at(s, d, c.y, first, rows, keep);
    c.a_at = chain_value_at(s, d, c.a, first, rows, keep);
    c.b_at = chain_value_at(s, d, c.b, first, rows, keep);
    c.copy_at = {d.result + c.copy + first, 1, 0};
  }
  run_chain(s.chain, 1, steps);
  const auto row_of = [keep](Index j) { return keep ? j : j & 1; };
  turn_step(s, d, first + steps - 1, row_of(steps - 1), row_of(steps - 2), start);  // for whoever looks for the values by record
  return row_of(steps - 1);
}

/// Runs steps [first, first + steps) from the state at `start` (contiguous). With `keep` step t lies in row t − first of `rows`; else two rows
/// take turns. Returns where the last row is.
WICK_NOINLINE inline Index run_steps(const StepProgram& s, const StepData& d, Index first, Index steps, const double* start, double* rows, bool keep) {
  Tape& tape = *s.tape;
  bind_step(s, d, rows);
  for (std::size_t k = 0; k < s.matrices; ++k) fill_matrix(s.matrix[k], s.tape->data(s.matrix[k].record));
  Index row = -1;
  const Index by_records = s.chain.packets == 0 || steps < 2 ? steps : 1;
  for (Index j = 0; j < by_records; ++j) {
    const Index t = first + j, before = row;
    row = keep ? j : j & 1;
    turn_step(s, d, t, row, before, start);
    for (std::size_t k = 0; k < s.states; ++k) {
      const StepState& c = s.state[k];
      if (c.scalar) tape[c.leaf].value = j == 0 ? start[c.at] : tape[c.next].value;
    }
    run_step(s);
    if (keep)
      for (std::size_t k = 0; k < s.numbers; ++k) rows[row * s.row + s.number[k].at] = *s.number[k].value;
    for (std::size_t k = 0; k < s.outputs; ++k) {
      const StepOutput& o = s.output[k];
      if (o.scalar)
        d.result[o.at + t] = tape[o.record].value;
      else if (o.copied && o.n > 0)
        std::memcpy(d.result + o.at + t * o.n, tape[o.record].block->data, static_cast<std::size_t>(o.n) * sizeof(double));
    }
  }
  return by_records < steps ? run_steps_by_chain(s, d, first, steps, start, rows, keep) : row;
}
/// The state after the step that was run last.
inline void copy_state(const StepProgram& s, double* to) {
  Tape& tape = *s.tape;
  for (std::size_t k = 0; k < s.states; ++k) {
    const StepState& c = s.state[k];
    if (c.scalar)
      to[c.at] = tape[c.next].value;
    else if (c.n > 0)
      std::memcpy(to + c.at, tape[c.next].block->data, static_cast<std::size_t>(c.n) * sizeof(double));
  }
}

}  // namespace wick::inline WICK_ABI::detail
