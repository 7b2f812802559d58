/// \file
/// The reverse loop over the recorded step of a scan.
#pragma once

#include <wick/ad/scan_step.hpp>
#include <wick/ad/scratch.hpp>

namespace wick::inline WICK_ABI::detail {

/// Where derivatives come from and go to: `g` of the result; by argument a buffer (null: none wanted), of the sequences for all steps.
struct StepAdjoints {
  const double* g;
  double* const* to;
  double *carry, *spare;  ///< of the state behind the present step, and room for that before it; they change places
};

/// Lays out the adjoints of the step's tensors, and turns those of arguments that stay to where they are wanted.
inline void begin_reverse(const StepProgram& s, const StepAdjoints& a) {
  Tape& tape = *s.tape;
  double* at = s.adjoints;
  for (const bool first : {false, true})
    for (std::size_t k = 0; k < s.places; ++k) {
      Record& r = tape[s.place[k].record];
      if (r.kind != Kind::differentiable || s.place[k].held || s.place[k].first != first) continue;
      r.buffer = at;
      at += r.block->numel;
    }
  for (std::size_t k = 0; k < s.arguments; ++k) {
    const StepArgument& x = s.argument[k];
    if (x.leaf == 0 || x.moves || a.to[k] == nullptr) continue;
    if (x.scalar)
      tape[x.leaf].adjoint = 0;
    else
      tape[x.leaf].buffer = a.to[k];
  }
  for (std::size_t k = 0; k < s.matrices; ++k) {
    const StepMatrix& x = s.matrix[k];
    if (x.adjoint != nullptr) std::memset(x.adjoint, 0, static_cast<std::size_t>(matrix_room(x.n, x.m)) * sizeof(double));
  }
}
inline void end_reverse(const StepProgram& s, const StepAdjoints& a) {
  for (std::size_t k = 0; k < s.arguments; ++k) {
    const StepArgument& x = s.argument[k];
    if (x.leaf != 0 && !x.moves && x.scalar && a.to[k] != nullptr) *a.to[k] += (*s.tape)[x.leaf].adjoint;
  }
  for (std::size_t k = 0; k < s.matrices; ++k) {
    const StepMatrix& x = s.matrix[k];
    double* to = (*s.tape)[x.record].buffer;
    for (Index i = 0; i < x.n && x.adjoint != nullptr; ++i) add_array(x.m, x.adjoint + i * round_to_packet(x.m), to + i * x.m);
  }
}

/// Adds to the adjoint of a value of the step.
inline void seed_step(Tape& tape, std::uint32_t record, Index n, const double* g) {
  Record& r = tape[record];
  if (r.kind != Kind::differentiable) return;
  if (r.is_tensor())
    step_add(n, g, r.buffer);
  else
    r.adjoint += *g;
}

/// The reverse of rank-0 arithmetic, as in Tape::backward.
inline void pull_number(Tape& tape, Record& r) {
  const double g = r.adjoint;
  Record &a = tape[r.in.a], &b = tape[r.in.b];
  switch (r.op) {
    case Op::add:
      a.adjoint += g;
      b.adjoint += g;
      break;
    case Op::sub:
      a.adjoint += g;
      b.adjoint -= g;
      break;
    case Op::mul: {
      const double value = a.value;
      a.adjoint += g * b.value;
      b.adjoint += g * value;
      break;
    }
    case Op::div:
      a.adjoint += g / b.value;
      b.adjoint -= g / b.value * r.value;
      break;
    case Op::neg: a.adjoint -= g; break;
    default:
      function_table[static_cast<std::uint16_t>(r.op)].load_relaxed()->df(g, a.value, b.value, r.value, a.kind == Kind::differentiable ? &a.adjoint : nullptr,
                                                                        b.kind == Kind::differentiable ? &b.adjoint : nullptr);
  }
}

/// Passes the adjoints of the step's results on to its leaves.
WICK_NOINLINE inline void pull_step(const StepProgram& s) {
  Tape& tape = *s.tape;
  for (std::size_t k = s.code_size; k-- > 0;) {
    const StepCode& c = s.code[k];
    if (c.kernel != StepKernel::general && c.kernel != StepKernel::number) {
      if (c.y_adjoint != nullptr)
        pull_kernel(c, *c.y_adjoint, *c.a_at, *c.b_at, *c.y_at, c.a_adjoint == nullptr ? nullptr : *c.a_adjoint, c.b_adjoint == nullptr ? nullptr : *c.b_adjoint);
      continue;
    }
    Record& r = tape[c.record];
    if (r.kind != Kind::differentiable || (!r.is_tensor() && r.adjoint == 0)) continue;
    if (c.kernel == StepKernel::general)
      step_fns(r)->backward(tape, c.record);
    else
      pull_number(tape, r);
  }
}

/// The reverse loop of one step, whose values are there: `carry` becomes the adjoint of the state before it.
WICK_NOINLINE inline void reverse_step(const StepProgram& s, Index t, Index row, StepAdjoints& a) {
  Tape& tape = *s.tape;
  step_clear(s.clear_size, s.adjoints);
  for (std::size_t k = 0; k < s.numbers; ++k) *s.number[k].adjoint = 0;
  for (std::size_t k = 0; k < s.products; ++k) {
    const StepProduct& p = s.product[k];
    const Index n = p.left ? p.m : p.n;
    double* at = p.adjoints + row * n;
    std::memset(at, 0, static_cast<std::size_t>(n) * sizeof(double));
    tape[p.record].buffer = at;
  }
  for (std::size_t k = 0; k < s.arguments; ++k) {
    const StepArgument& x = s.argument[k];
    if (!x.moves || a.to[k] == nullptr) continue;
    if (x.scalar)
      tape[x.leaf].adjoint = 0;
    else
      tape[x.leaf].buffer = a.to[k] + t * x.n;
  }
  for (std::size_t k = 0; k < s.states; ++k) {
    const StepState& c = s.state[k];
    if (!c.first) step_clear(c.n, a.spare + c.at);
    if (!c.scalar) tape[c.leaf].buffer = a.spare + c.at;
    if (c.hands_on)
      tape[c.next].buffer = a.carry + c.at;
    else
      seed_step(tape, c.next, c.n, a.carry + c.at);
  }
  for (std::size_t k = 0; k < s.outputs; ++k) seed_step(tape, s.output[k].record, s.output[k].n, a.g + s.output[k].at + t * s.output[k].n);
  pull_step(s);
  for (std::size_t k = 0; k < s.states; ++k)
    if (s.state[k].scalar) a.spare[s.state[k].at] = tape[s.state[k].leaf].adjoint;
  std::swap(a.carry, a.spare);
  for (std::size_t k = 0; k < s.arguments; ++k) {
    const StepArgument& x = s.argument[k];
    if (x.moves && x.scalar && a.to[k] != nullptr) a.to[k][t] += tape[x.leaf].adjoint;
  }
}

/// Adds the derivative of a product's matrix, Σ over steps of vector ⊗ adjoint; an adjoint of 0 leaves no trace whatever the vector is.
WICK_NOINLINE inline void reverse_product(const StepProgram& s, const StepProduct& p, const StepData& d, Index first, Index steps, const double* start, double* to) {
  const Index wide = p.left ? p.m : p.n;
  const auto vector_at = [&](Index j) -> const double* {  // of the step in row j
    if (p.place != nullptr) return p.place->of(first + j, j);
    if (p.state == nullptr) return d.in[s.states + p.moving] + (first + j) * p.vector;
    if (j == 0) return start + p.state->at;
    return p.state->place->of(first + j - 1, j - 1);
  };
  const Scratch sums(p.n * p.m);
  std::memset(sums.data(), 0, static_cast<std::size_t>(p.n * p.m) * sizeof(double));
  const auto add = [&](const double* v, Index v_stride, const double* g, Index count) {
    if (p.n <= kStepColumns && p.m <= kStepColumns)
      return p.left ? step_outer_sum(v, v_stride, g, wide, count, p.n, p.m, sums.data()) : step_outer_sum(g, wide, v, v_stride, count, p.n, p.m, sums.data());
    const Strided vector{v, 1, v_stride}, adjoint{g, 1, wide};
    if (p.left)
      gemm(vector, {g, wide, 1}, sums.data(), p.n, count, p.m);
    else
      gemm(adjoint, {v, v_stride, 1}, sums.data(), p.n, count, p.m);
  };
  const Index lead = p.state != nullptr ? 1 : 0;  // the first state lies elsewhere
  if (lead == 1) add(vector_at(0), p.vector, p.adjoints, 1);
  if (steps > lead) {
    const double* v = vector_at(lead);
    add(v, steps > lead + 1 ? vector_at(lead + 1) - v : p.vector, p.adjoints + lead * wide, steps - lead);
  }
  if (all_finite(p.n * p.m, sums.data())) return add_array(p.n * p.m, sums.data(), to);
  for (Index j = 0; j < steps; ++j) {
    const double *v = vector_at(j), *g = p.adjoints + j * wide;
    for (Index r = 0; r < p.n; ++r)
      for (Index c = 0; c < p.m; ++c) to[r * p.m + c] += p.left ? adjoint_product(g[c], v[r]) : adjoint_product(g[r], v[c]);
  }
}

/// Where the adjoint of a tensor of the state lies, behind the step in row j or before it: carry and spare change places with every step.
inline ChainPlace chain_state_at(const StepState& c, bool behind, Index steps, const StepAdjoints& a) {
  const bool last = (steps & 1) != 0;  // whether row 0 has them as the last row
  double *even = last == behind ? a.carry : a.spare, *odd = last == behind ? a.spare : a.carry;
  return {even + c.at, 0, odd - even};
}
/// Where the adjoint of a record lies in row j of a run of steps; after `begin_reverse`.
inline ChainPlace chain_adjoint_at(const StepProgram& s, std::uint32_t i, Index first, Index steps, const StepAdjoints& a) {
  Record& r = (*s.tape)[i];
  if (r.kind != Kind::differentiable) return {};
  for (std::size_t k = 0; k < s.products; ++k) {
    const StepProduct& p = s.product[k];
    const Index n = p.left ? p.m : p.n;
    if (p.record == i) return {p.adjoints, n, 0};
  }
  for (std::size_t k = 0; k < s.states; ++k) {
    const StepState& c = s.state[k];
    if (c.leaf == i) return chain_state_at(c, false, steps, a);
    if (c.next == i && c.hands_on) return chain_state_at(c, true, steps, a);
  }
  for (std::size_t k = 0; k < s.arguments; ++k) {
    const StepArgument& x = s.argument[k];
    if (x.leaf == i && x.moves) return {a.to[k] + first * x.n, x.n, 0};
  }
  return {r.is_tensor() ? r.buffer : &r.adjoint, 0, 0};
}
/// The reverse loop over all steps of a run but the first, by its chain.
WICK_NOINLINE inline void reverse_steps_by_chain(const StepProgram& s, const StepData& d, Index first, Index steps, double* rows, StepAdjoints& a) {
  for (std::size_t k = 0; k < s.chain.pulls; ++k) {
    ChainPull& c = s.chain.pull[k];
    c.main_at = chain_adjoint_at(s, c.main, first, steps, a);
    c.other_at = chain_adjoint_at(s, c.other, first, steps, a);
    if (c.kernel == StepKernel::general) {
      c.g_at = c.b != 0 ? chain_state_at(s.state[c.a], true, steps, a)
                        : ChainPlace{const_cast<double*>(a.g) + s.output[c.a].at + first * c.n, c.n, 0};  // only read
      continue;
    }
    c.g_at = chain_adjoint_at(s, c.y, first, steps, a);
    c.y_at = chain_value_at(s, d, c.y, first, rows, true);
    c.a_at = chain_value_at(s, d, c.a, first, rows, true);
    c.b_at = chain_value_at(s, d, c.b, first, rows, true);
  }
  reverse_chain(s.chain, 1, steps);
  if ((steps & 1) == 0) std::swap(a.carry, a.spare);
}

/// The reverse loop over steps [first, first + steps), kept in `rows`.
WICK_NOINLINE inline void reverse_steps(const StepProgram& s, const StepData& d, Index first, Index steps, const double* start, double* rows, StepAdjoints& a) {
  Tape& tape = *s.tape;
  bind_step(s, d, rows);
  begin_reverse(s, a);
  const Arena::Mark mark = tape.arena().mark();
  Index by_records = steps;
  if (s.chain.pulls != 0 && steps > 1) {
    reverse_steps_by_chain(s, d, first, steps, rows, a);
    by_records = 1;
  }
  for (Index j = by_records; j-- > 0;) {
    turn_step(s, d, first + j, j, j - 1, start);
    for (std::size_t k = 0; k < s.numbers; ++k) *s.number[k].value = rows[j * s.row + s.number[k].at];
    for (std::size_t k = 0; k < s.redo_size; ++k) step_fns(tape[s.redo[k]])->forward(tape, s.redo[k]);
    reverse_step(s, first + j, j, a);
    tape.arena().rewind(mark);
  }
  end_reverse(s, a);
  for (std::size_t k = 0; k < s.products; ++k) reverse_product(s, s.product[k], d, first, steps, start, a.to[s.product[k].argument]);
}

}  // namespace wick::inline WICK_ABI::detail
