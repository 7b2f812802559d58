/// \file
/// scan over tensors as an operation: what it is asked, how its step is laid out, its record.
#pragma once

#include <wick/ad/scan_chain_layout.hpp>
#include <wick/ad/scan_layout.hpp>
#include <wick/ad/scan_reverse.hpp>
#include <wick/ad/scan_run.hpp>

namespace wick::inline WICK_ABI::detail {

/// What is asked of a scan over tensors. `call` runs the user's function on the tensors of one step.
struct TensorScan {
  const Tensor* init;
  std::size_t states;
  const Tensor* arguments;
  const ScanWidth* widths;
  std::size_t count, outputs;
  const void* f;
  void (*call)(const void* f, const Tensor* state, const Tensor* arguments, Tensor* next, Tensor* out);
  bool checkpoint;
  // Room of the caller: `inputs` and `leaves` for states + count, `next` for states, `out` and `shapes` for outputs (or states where there are none).
  Tensor *inputs, *leaves, *next, *out;
  Shape* shapes;
  Kind* kinds;
};

[[noreturn]] WICK_COLD inline void raise_next_state(std::size_t k, std::size_t states, const Shape& was, const Tensor& next) {
  Text which("the state");
  if (states > 1) which = join({"tensor ", static_cast<Index>(k), " of the state"});
  if (next.empty()) raise<ShapeError>("wick.op.E180", "", {"scan: the step returns ", which, " without a value"}, {"return the next state, a tensor of shape ", was});
  raise<ShapeError>("wick.op.E180", "", {"scan: ", which, " has shape ", was, ", the step returns shape ", next.shape()},
                    {"a state keeps its shape; give an init of the shape it is to have, as in expand(init, shape)"});
}
[[noreturn]] WICK_COLD inline void raise_scan_rows(std::size_t at, const Shape& s, Index width, Index steps) {
  const auto number = static_cast<Index>(at);
  if (s.empty()) raise<ShapeError>("wick.op.E150", "", {"scan: argument ", number, " has shape ", s, ": a single number has no steps"}, {"pass it without each() to give it to every step"});
  if (width != 0) raise<ShapeError>("wick.op.E150", "", {"scan: argument ", number, " has shape ", s, ", wanted are ", width, " numbers a step"}, {"leave the number out, as in each(x), to take whatever shape it has"});
  raise<ShapeError>("wick.op.E150", "", {"scan: argument ", number, " has ", s[0], " steps, those before it have ", steps}, {"give sequences of one length"});
}

/// The number of steps; checks all shapes.
WICK_NOINLINE inline Index tensor_scan_steps(const TensorScan& q) {
  for (std::size_t k = 0; k < q.states; ++k)
    if (q.init[k].empty()) raise_empty("scan: init");
  Index steps = -1;
  for (std::size_t a = 0; a < q.count; ++a) {
    const Tensor& x = q.arguments[a];
    if (x.empty()) raise_empty("scan");
    const Shape& s = x.shape();
    const ScanWidth& w = q.widths[a];
    const Index rank = (w.moves ? 1 : 0) + 1;
    if (w.width != 0 && (s.rank() != rank || s.from_right(-1) != static_cast<Index>(w.width))) raise_scan_rows(a, s, static_cast<Index>(w.width), steps);
    if (!w.moves) continue;
    if (s.empty() || (steps >= 0 && s[0] != steps)) raise_scan_rows(a, s, 0, steps);
    steps = s[0];
  }
  return steps;
}

/// A leaf of the step with memory of its own, filled from `data` (null: zeros).
inline Tensor step_leaf(Tape& tape, const Shape& shape, const double* data, Kind kind) {
  Tensor x = TensorAccess::make(shape);
  double* to = TensorAccess::fresh_data(x);
  for (Index i = 0, n = x.numel(); i < n; ++i) to[i] = data == nullptr ? 0.0 : data[i];
  return push_leaf(tape, x, kind);
}
/// A value of the step as something that can lie in a row: dense, and where it must not be a leaf a copy of it.
inline Tensor step_result(Tape& tape, const Tensor& x, bool copies_leaf) {
  if (TensorAccess::run(x) != tape.run()) {
    operand_kind("scan", x, &tape);  // of a step or recording outside?
    return TensorAccess::detached(x);
  }
  Tensor dense = materialise(x);
  if (!copies_leaf || tape[TensorAccess::record(dense)].op != Op::leaf) return dense;
  const Index n = dense.numel();
  if (TensorAccess::is_scalar(dense)) return dense * 1.0;
  return unary(slice_fns, SlicePayload{{}, 1, n, n, 0}, dense, TensorAccess::make(dense.shape()));
}

/// Records the step, on the values of the first one, and notes its leaves and results.
WICK_NOINLINE inline void trace_step(StepProgram& s, const TensorScan& q, Kind kind, Arena& arena) {
  const StepTracing scope(*s.tape);
  Tape& tape = *s.tape;
  Tensor *leaves = q.leaves, *next = q.next, *out = q.out;
  const Kind* kinds = q.kinds + q.states;
  s.states = q.states;
  s.state = step_array<StepState>(arena, q.states);
  for (std::size_t k = 0; k < q.states; ++k) {
    StepState& c = s.state[k];
    leaves[k] = step_leaf(tape, q.init[k].shape(), TensorAccess::stored(q.init[k]), kind);
    c.leaf = TensorAccess::record(leaves[k]);
    c.scalar = q.init[k].shape().empty();
    c.n = q.init[k].numel();
    c.own = c.scalar ? nullptr : tape[c.leaf].block->data;
    c.at = s.state_size;
    s.state_size += c.n;
  }
  s.arguments = q.count;
  s.argument = step_array<StepArgument>(arena, q.count);
  for (std::size_t a = 0; a < q.count; ++a) {
    StepArgument& x = s.argument[a];
    const Tensor& from = q.arguments[a];
    x.moves = q.widths[a].moves;
    if (!x.moves && kinds[a] == Kind::constant) {
      leaves[q.states + a] = TensorAccess::detached(from);
      continue;
    }
    const Shape shape = x.moves ? from.shape().tail(from.dim() - 1) : from.shape();
    const double* data = from.numel() == 0 ? nullptr : TensorAccess::stored(from);
    leaves[q.states + a] = step_leaf(tape, shape, data, kinds[a] == Kind::differentiable ? kinds[a] : Kind::varying);
    x.leaf = TensorAccess::record(leaves[q.states + a]);
    x.scalar = shape.empty();
    x.n = shape.numel();
    x.own = x.scalar ? nullptr : tape[x.leaf].block->data;
  }
  const std::uint32_t last_leaf = tape.size();
  q.call(q.f, leaves, leaves + q.states, next, out);
  for (std::uint32_t i = last_leaf; i < tape.size(); ++i)
    if (tape[i].op == Op::leaf) raise_in_step("a parameter");
  for (std::size_t k = 0; k < q.states; ++k) {
    if (next[k].empty() || !(next[k].shape() == q.init[k].shape())) raise_next_state(k, q.states, q.init[k].shape(), next[k]);
    next[k] = step_result(tape, next[k], true);
    s.state[k].next = record_of(next[k], tape);
  }
  s.tail = q.outputs != 0;
  s.outputs = s.tail ? q.outputs : q.states;
  s.output = step_array<StepOutput>(arena, s.outputs);
  for (std::size_t k = 0; k < s.outputs; ++k) {
    if (!s.tail) out[k] = next[k];
    if (out[k].empty()) raise_empty("scan: the step's output");
    out[k] = step_result(tape, out[k], false);
    s.output[k] = {record_of(out[k], tape), out[k].shape().empty(), true, out[k].numel(), 0};
  }
}

struct TensorScanPayload {
  const OpFns* fns;
  StepProgram* program;
  Index steps, segment;
  bool gradient;
  std::uint32_t* in;  ///< init's tensors, then the arguments
  const double** data;
  double** to;
  double *kept, *rows, *carry;  ///< kept: the state at the start of each segment
};

/// The values of the inputs, as an outer recording has them.
inline StepData scan_data(Tape& tape, const TensorScanPayload& p, double* result) {
  const StepProgram& s = *p.program;
  for (std::size_t k = 0; k < s.states + s.arguments; ++k) p.data[k] = tape.data(p.in[k]);
  return {p.data, result};
}
inline void copy_init(const StepProgram& s, const double* const* in, double* to) {
  for (std::size_t k = 0; k < s.states; ++k)
    if (s.state[k].n > 0) std::memcpy(to + s.state[k].at, in[k], static_cast<std::size_t>(s.state[k].n) * sizeof(double));
}
inline void run_tensor_scan(const TensorScanPayload& p, const StepData& d) {
  const StepProgram& s = *p.program;
  copy_init(s, d.in, p.kept);
  const bool keeps = p.gradient && p.segment >= p.steps;
  double* start = p.kept;
  for (Index first = 0; first < p.steps; first += p.segment) {
    const Index steps = p.steps - first < p.segment ? p.steps - first : p.segment;
    run_steps(s, d, first, steps, start, p.rows, keeps);
    if (first + steps < p.steps) copy_state(s, start += s.state_size);
  }
  double* last = d.result + s.result;
  if (!s.tail) return;
  if (p.steps == 0)
    copy_init(s, d.in, last);
  else
    copy_state(s, last);
}
inline void tensor_scan_forward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const TensorScanPayload*>(tape[i].payload);
  run_tensor_scan(p, scan_data(tape, p, output_of(tape, i)));
}
inline void tensor_scan_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const TensorScanPayload*>(tape[i].payload);
  const StepProgram& s = *p.program;
  const StepData d = scan_data(tape, p, output_of(tape, i));
  StepAdjoints a{tape.adjoint(i), p.to, p.carry, p.carry + s.state_size};
  for (std::size_t k = 0; k < s.arguments; ++k) p.to[k] = tape.adjoint(p.in[s.states + k]);
  for (Index k = 0; k < s.state_size; ++k) a.carry[k] = s.tail ? a.g[s.result + k] : 0.0;
  for (Index segment = (p.steps + p.segment - 1) / p.segment; segment-- > 0;) {
    const Index first = segment * p.segment, steps = p.steps - first < p.segment ? p.steps - first : p.segment;
    const double* start = p.kept + segment * s.state_size;
    if (p.segment < p.steps) run_steps(s, d, first, steps, start, p.rows, true);
    reverse_steps(s, d, first, steps, start, p.rows, a);
  }
  for (std::size_t k = 0; k < s.states; ++k)
    if (double* to = tape.adjoint(p.in[k])) add_array(s.state[k].n, a.carry + s.state[k].at, to);
}
#if defined(WICK_SECOND_ORDER)
void tensor_scan_tangent(SecondPass& pass, std::uint32_t i);
void tensor_scan_pull(SecondPass& pass, std::uint32_t i);
#endif
inline constexpr OpFns tensor_scan_ops{"scan", &tensor_scan_forward, &tensor_scan_backward, {WICK_SECOND(SecondKind::own, &tensor_scan_tangent, &tensor_scan_pull)}};

/// Room for what a call computes and its gradient needs.
WICK_NOINLINE inline void room_for_steps(TensorScanPayload& p, bool checkpoint, Arena& arena) {
  constexpr Index limit = Index{1} << 17;  // numbers kept for the reverse loop
  StepProgram& s = *p.program;
  Index segment = limit / s.row > 16 ? limit / s.row : 16;
  if (checkpoint)
    for (segment = 1; segment * segment < p.steps;) ++segment;
  if (!p.gradient || segment > p.steps) segment = p.steps > 0 ? p.steps : 1;
  p.segment = segment;
  const Index rows = p.gradient && segment > 2 ? segment : 2;
  p.rows = arena.doubles(rows * s.row);
  p.kept = arena.doubles((p.steps / segment + 1) * s.state_size);
  if (p.steps >= 8) find_matrices(s, p.gradient, arena);
  for (std::size_t k = 0; k < s.code_size; ++k)
    if (s.code[k].kernel != StepKernel::general && s.code[k].kernel != StepKernel::number) link_code(*s.tape, s.code[k]);
  if (p.gradient) find_products(s, segment, arena);
  if (p.steps >= 8) ChainFinder(s, arena).find(p.gradient);
  if (!p.gradient) return;
  p.carry = arena.doubles(2 * s.state_size);
  Tape& tape = *s.tape;
  find_first_pulls(s);
  for (std::size_t k = 0; k < s.places; ++k) {
    const Index size = !s.place[k].held && tape.differentiable(s.place[k].record) ? tape.numel(s.place[k].record) : 0;
    s.adjoint_size += size;
    s.clear_size += s.place[k].first ? 0 : size;
  }
  s.adjoints = arena.doubles(s.adjoint_size);
}

/// Records and runs a scan of dense tensors; the result is flat: the outputs of all steps one after the other, then the last state. The shapes of one
/// step's outputs go to `q.shapes`.
WICK_NOINLINE inline Tensor tensor_scan_record(Tape& tape, const TensorScan& q, Index steps, Kind kind) {
  Arena& arena = tape.arena();
  auto* p = new_payload<TensorScanPayload>(tape);
  p->fns = &tensor_scan_ops;
  p->program = tape.keep<StepProgram>();
  p->steps = steps;
  p->gradient = kind == Kind::differentiable;
  StepProgram& s = *p->program;
  trace_step(s, q, p->gradient ? kind : Kind::varying, arena);
  for (std::size_t k = 0; k < s.outputs; ++k) q.shapes[k] = q.out[k].shape();
  lay_out_step(s, steps, arena);
  room_for_steps(*p, q.checkpoint, arena);
  const std::size_t inputs = q.states + q.count;
  p->in = step_array<std::uint32_t>(arena, inputs);
  p->data = step_array<const double*>(arena, inputs);
  p->to = step_array<double*>(arena, inputs);
  for (std::size_t k = 0; k < inputs; ++k) p->in[k] = record_of(k < q.states ? q.init[k] : q.arguments[k - q.states], tape);
  Tensor y = TensorAccess::make({s.result + (s.tail ? s.state_size : 0)});
  run_tensor_scan(*p, scan_data(tape, *p, TensorAccess::fresh_data(y)));
  return general_result(tape, p, y, kind == Kind::constant ? Kind::varying : kind);
}

/// A scan over tensors. `results`: the outputs, then the last state; without outputs the states after each step.
WICK_NOINLINE inline void tensor_scan(TensorScan q, Tensor* results) {
  const Index steps = tensor_scan_steps(q);
  Kind kind = Kind::constant;
  for (std::size_t k = 0; k < q.states + q.count; ++k) {
    const Tensor& x = k < q.states ? q.init[k] : q.arguments[k - q.states];
    q.kinds[k] = operand_kind("scan", x, context.tape);
    if (q.kinds[k] > kind) kind = q.kinds[k];
    q.inputs[k] = q.kinds[k] == Kind::constant ? TensorAccess::detached(materialise(x)) : materialise(x);
  }
  q.init = q.inputs;
  q.arguments = q.inputs + q.states;
  const std::size_t series = q.outputs != 0 ? q.outputs : q.states;
  Tensor y;
  if (kind == Kind::constant) {
    const Recording dropped;  // the same work, in a recording of its own
    y = TensorAccess::detached(tensor_scan_record(dropped.tape(), q, steps, kind));
  } else {
    y = tensor_scan_record(*context.tape, q, steps, kind);
  }
  Index at = 0;
  const auto part = [&](const Shape& shape) {
    const Index first = at;
    at += shape.numel();
    return reshape(first == 0 && at == y.numel() ? y : slice(y, 0, first, at), shape);
  };
  for (std::size_t k = 0; k < series; ++k) results[k] = part(Shape{steps} + q.shapes[k]);
  for (std::size_t k = 0; q.outputs != 0 && k < q.states; ++k) results[series + k] = part(q.init[k].shape());
}

}  // namespace wick::inline WICK_ABI::detail
