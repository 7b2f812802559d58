/// \file
/// How the recorded step of a scan is laid out: where its values and adjoints lie, and which of its operations the loops over the steps do themselves.
#pragma once

#include <wick/ad/scan_step.hpp>

namespace wick::inline WICK_ABI::detail {

template <class T>
T* step_array(Arena& arena, std::size_t n) {
  static_assert(alignof(T) <= 8 && std::is_trivially_destructible_v<T>);
  T* at = static_cast<T*>(arena.take_small(n * sizeof(T)));
  for (std::size_t k = 0; k < n; ++k) new (static_cast<void*>(at + k)) T{};
  return at;
}

/// Whether an operand of `n` elements can be read as it is: it has as many, or one.
inline bool step_operand(Tape& tape, std::uint32_t i, Index n, bool& moves) {
  moves = tape.numel(i) != 1;
  return tape.numel(i) == n || !moves;
}
/// How the loops run a record.
WICK_NOINLINE inline StepCode step_code(Tape& tape, std::uint32_t i) {
  const Record& r = tape[i];
  StepCode c{i, 0, 0, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, {}, StepKernel::general, true, true, false, false, false, false, tape.numel(i), nullptr};
  if (r.op != Op::general) {
    c.kernel = StepKernel::number;
    return c;
  }
  const OpFns* f = step_fns(r);
  if (f == &element_ops && r.is_tensor() && c.n > 0 && c.n <= kStepShort) {
    const auto& e = *static_cast<const ElementPayload*>(r.payload);
    const Op op = e.element->op;
    if (op != Op::add && op != Op::sub && op != Op::mul && op != Op::div) return c;
    c.a = e.in[0];
    c.b = e.in[1];
    if (step_operand(tape, c.a, c.n, c.a_moves) && step_operand(tape, c.b, c.n, c.b_moves))
      c.kernel = op == Op::add ? StepKernel::add : op == Op::sub ? StepKernel::sub : op == Op::mul ? StepKernel::mul : StepKernel::div;
  } else if (f == &sum_fns.fns && !r.is_tensor()) {
    const auto& p = *static_cast<const ReducePayload*>(r.payload);
    if (p.outer != 1 || p.inner != 1 || p.divisor != 1 || p.n > kStepShort) return c;
    c.a = c.b = p.in;
    c.n = p.n;
    c.kernel = StepKernel::sum;
  }
  return c;
}

/// Where the values and adjoints of a kernel's operands are. After everything has been recorded: records move no more.
WICK_NOINLINE inline void link_code(Tape& tape, StepCode& c) {
  const std::uint32_t records[] = {c.record, c.a, c.b};
  double *const **value[] = {&c.y_at, &c.a_at, &c.b_at}, *const **adjoint[] = {&c.y_adjoint, &c.a_adjoint, &c.b_adjoint};
  for (unsigned k = 0; k < 3; ++k) {
    Record& r = tape[records[k]];
    c.fixed[k] = &r.value;
    c.fixed[3 + k] = &r.adjoint;
    *value[k] = r.is_tensor() ? &r.block->data : &c.fixed[k];
    *adjoint[k] = r.kind != Kind::differentiable ? nullptr : r.is_tensor() ? &r.buffer : &c.fixed[3 + k];
  }
}

/// Gives everything that the step computes its place.
WICK_NOINLINE inline void lay_out_step(StepProgram& s, Index steps, Arena& arena) {
  Tape& tape = *s.tape;
  std::size_t computed = 0;
  for (std::uint32_t i = 1; i < tape.size(); ++i) computed += tape[i].op != Op::leaf && tape[i].op != Op::constant;
  s.place = step_array<StepPlace>(arena, computed);
  s.number = step_array<StepNumber>(arena, computed + s.states);
  s.code = step_array<StepCode>(arena, computed);
  s.redo = step_array<std::uint32_t>(arena, computed);
  for (std::size_t k = 0; k < s.outputs; ++k) {
    s.output[k].at = s.result;
    s.result += steps * s.output[k].n;
  }
  const auto number = [&](std::uint32_t i) { s.number[s.numbers++] = {&tape[i].value, &tape[i].adjoint, s.row++}; };
  for (std::size_t k = 0; k < s.states; ++k)
    if (s.state[k].scalar) number(s.state[k].leaf);
  for (std::uint32_t i = 1; i < tape.size(); ++i) {
    Record& r = tape[i];
    if (r.op == Op::leaf || r.op == Op::constant) continue;
    s.code[s.code_size++] = step_code(tape, i);
    if (r.op == Op::general && r.kind == Kind::differentiable && !keeps_nothing(step_fns(r))) s.redo[s.redo_size++] = i;
    if (!r.is_tensor()) {
      number(i);
      continue;
    }
    StepPlace p{i, false, nullptr, 0, 0, r.block->data, &r.block->data, false, false};
    for (std::size_t k = 0; k < s.outputs && !p.series; ++k)
      if (s.output[k].record == i) {
        p.series = true;
        p.at = s.output[k].at;
        p.stride = s.output[k].n;
        s.output[k].copied = false;
      }
    s.place[s.places++] = p;
  }
  s.row = round_to_packet(s.row);
  for (std::size_t k = 0; k < s.places; ++k) {
    StepPlace& p = s.place[k];
    if (p.series) continue;
    p.at = s.row;
    s.row += round_to_packet(tape.numel(p.record));
  }
  s.row = s.row == 0 ? 8 : s.row;
  for (std::size_t k = 0; k < s.places; ++k) {
    if (!s.place[k].series) s.place[k].stride = s.row;
    for (std::size_t c = 0; c < s.states; ++c)
      if (s.state[c].next == s.place[k].record) {
        s.state[c].hands_on = !s.place[k].held && tape.differentiable(s.place[k].record);
        s.place[k].held = s.place[k].held || s.state[c].hands_on;
        s.state[c].place = &s.place[k];
      }
  }
  for (std::size_t k = 0; k < s.states; ++k)
    if (!s.state[k].scalar) s.state[k].slot = &tape[s.state[k].leaf].block->data;
  for (std::size_t k = 0; k < s.arguments; ++k)
    if (s.argument[k].leaf != 0 && !s.argument[k].scalar) s.argument[k].slot = &tape[s.argument[k].leaf].block->data;
}

/// Products of vectors with small matrices that stay are kernels of the loops.
WICK_NOINLINE inline void find_matrices(StepProgram& s, bool gradient, Arena& arena) {
  Tape& tape = *s.tape;
  s.matrix = step_array<StepMatrix>(arena, s.places);
  for (std::size_t k = 0; k < s.code_size; ++k) {
    StepCode& c = s.code[k];
    const Record& r = tape[c.record];
    if (r.op != Op::general || !r.is_tensor() || step_fns(r) != &matmul_ops) continue;
    const auto& p = *static_cast<const MatmulPayload*>(r.payload);
    if (p.n != 1 && p.m != 1) continue;
    const bool left = p.n == 1;
    const std::uint32_t record = left ? p.b : p.a;
    const Index n = left ? p.k : p.n, m = left ? p.m : p.k;
    bool stays = tape[record].op == Op::constant;
    for (std::size_t a = 0; a < s.arguments; ++a) stays = stays || (s.argument[a].leaf == record && !s.argument[a].moves);
    if (!stays || n < 1 || m < 1 || n > kStepColumns || m > kStepColumns) continue;
    const StepMatrix* found = nullptr;
    for (std::size_t j = 0; j < s.matrices; ++j)
      if (s.matrix[j].record == record && s.matrix[j].n == n && s.matrix[j].m == m) found = &s.matrix[j];
    if (found == nullptr) {
      const Index plain = matrix_room(n, m), transposed = matrix_room(m, n);
      s.matrix[s.matrices] = {record, n, m, arena.zeros(plain), arena.zeros(transposed), gradient && tape.differentiable(record) ? arena.doubles(plain) : nullptr};
      found = &s.matrix[s.matrices++];
    }
    c.kernel = StepKernel::product;
    c.a = p.a;
    c.b = p.b;
    c.left = left;
    c.matrix = found;
  }
}

/// A product whose matrix is an argument: the matrix's derivative is left to `reverse_product`.
struct StepMatmulPayload : MatmulPayload {
  bool left;
};
inline void step_matmul_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const StepMatmulPayload*>(tape[i].payload);
  matmul_pull(p, tape.adjoint(i), tape.data(p.a), tape.data(p.b), {p.left ? tape.adjoint(p.a) : nullptr}, {p.left ? nullptr : tape.adjoint(p.b)});
}
inline constexpr OpFns step_matmul_ops{"matmul", &matmul_forward, &step_matmul_backward, {WICK_SECOND(SecondKind::own, &matmul_tangent, &matmul_pull_second)}};

/// Finds these products; `rows` is the length of a segment.
WICK_NOINLINE inline void find_products(StepProgram& s, Index rows, Arena& arena) {
  Tape& tape = *s.tape;
  s.product = step_array<StepProduct>(arena, s.places);
  for (std::size_t k = 0; k < s.places; ++k) {
    Record& r = tape[s.place[k].record];
    if (r.kind != Kind::differentiable || step_fns(r) != &matmul_ops) continue;
    const auto& m = *static_cast<const MatmulPayload*>(r.payload);
    if (m.n != 1 && m.m != 1) continue;
    const bool left = m.n == 1;
    const std::uint32_t vector = left ? m.a : m.b, matrix = left ? m.b : m.a;
    StepProduct p{};
    p.record = s.place[k].record;
    p.left = left;
    p.vector = m.k;
    p.n = left ? m.k : m.n;
    p.m = left ? m.m : m.k;
    bool found = false, held = false;
    for (std::size_t a = 0; a < s.arguments; ++a) {
      const StepArgument& x = s.argument[a];
      if (x.leaf == matrix && !x.moves && tape[matrix].kind == Kind::differentiable) {
        p.argument = static_cast<std::uint32_t>(a);
        found = true;
      }
      if (x.leaf == vector && x.moves) {
        p.moving = static_cast<std::uint32_t>(a);
        held = true;
      }
    }
    for (std::size_t j = 0; j < s.places; ++j)
      if (s.place[j].record == vector) p.place = &s.place[j];
    for (std::size_t c = 0; c < s.states; ++c)
      if (s.state[c].leaf == vector && s.state[c].place != nullptr) p.state = &s.state[c];
    if (!found || !(held || p.place != nullptr || p.state != nullptr)) continue;
    for (std::size_t j = 0; j < s.code_size; ++j)
      if (s.code[j].record == p.record) s.code[j].later = true;
    auto* own = new_payload<StepMatmulPayload>(tape);
    static_cast<MatmulPayload&>(*own) = m;
    own->fns = &step_matmul_ops;
    own->left = left;
    r.payload = own;
    p.adjoints = arena.doubles(rows * (left ? m.m : m.n));
    for (std::size_t c = 0; c < s.states; ++c)
      if (s.state[c].next == p.record) s.state[c].hands_on = false;
    s.place[k].held = true;
    s.product[s.products++] = p;
  }
}

/// Finds adjoints that a kernel sets, so that they need not be cleared before each step.
WICK_NOINLINE inline void find_first_pulls(StepProgram& s) {
  Tape& tape = *s.tape;
  const auto open = [&](std::uint32_t i) -> bool* {  // the mark of a record whose adjoint nobody has added to
    for (std::size_t k = 0; k < s.outputs; ++k)
      if (s.output[k].record == i) return nullptr;
    for (std::size_t k = 0; k < s.states; ++k) {
      if (s.state[k].next == i) return nullptr;
      if (s.state[k].leaf == i) return s.state[k].scalar || s.state[k].first ? nullptr : &s.state[k].first;
    }
    for (std::size_t k = 0; k < s.places; ++k)
      if (s.place[k].record == i) return s.place[k].held || s.place[k].first ? nullptr : &s.place[k].first;
    return nullptr;
  };
  for (std::size_t k = s.code_size; k-- > 0;) {
    StepCode& c = s.code[k];
    if (!tape.differentiable(c.record) || c.kernel == StepKernel::number) continue;
    if (c.kernel == StepKernel::general) break;  // it may add to anything before it
    for (unsigned side = 0; side < (c.kernel == StepKernel::sum ? 1u : 2u); ++side) {
      const std::uint32_t i = side == 0 ? c.a : c.b;
      bool* mark = tape.differentiable(i) && tape[i].is_tensor() ? open(i) : nullptr;
      if (mark == nullptr) continue;
      if (!(side == 0 ? c.a_moves : c.b_moves)) return;  // a tensor of one element, to which sums are added
      *mark = true;
      (side == 0 ? c.a_first : c.b_first) = true;
    }
  }
}

}  // namespace wick::inline WICK_ABI::detail
