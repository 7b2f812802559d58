/// \file
/// What a scan does whatever its step is: segments, the recorded form, the reverse loop.
#pragma once

#include <utility>

#include <wick/ad/general.hpp>
#include <wick/ad/ops_index.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/math/dual_number.hpp>

namespace wick::inline WICK_ABI::detail {

inline constexpr unsigned kScanLanes = 32;
/// Numbers in a row of the Jacobian: whole registers where there are many lanes.
constexpr unsigned scan_row(unsigned lanes) noexcept {
  const int count = static_cast<int>(lanes);
  return static_cast<unsigned>(math::detail::many_partials(count) ? math::detail::partials_room(count) : count);
}

/// One run of steps. `in` and `stride` are the lanes behind the state's: element and distance from step to step (0: the same always).
struct ScanRun {
  Index steps;
  double* state;  ///< before the first step; afterwards after the last
  const double* in[kScanLanes];
  Index stride[kScanLanes];
  double* states;    ///< the state after each step; null: not wanted
  double* outputs;   ///< of each step; null where there are none
  double* jacobian;  ///< of (state, outputs) with respect to all lanes, step by step, in rows of `scan_row`
};

struct ScanAdjoint;

/// The compiled forms of a step.
struct ScanSpec {
  unsigned states, outputs, lanes;
  void (*value)(const void* f, ScanRun& run);
  void (*jacobian)(const void* f, ScanRun& run);
  void (*reverse)(const double* jacobian, Index first, Index steps, const double* g, ScanAdjoint& adjoint);
  /// One step with tangents, and (where wanted) its Jacobian with tangents.
  void (*second)(const void* f, const double* x, const double* dx, double* y, double* dy, double* j, double* dj) = nullptr;
};

/// How an argument is given: `width` numbers (0: one) a step.
struct ScanWidth {
  unsigned width;
  bool moves;
};

struct ScanRequest {
  const ScanSpec* spec;
  const void* f;
  std::size_t f_bytes;
  const Tensor* init;
  const Tensor* arguments;
  const ScanWidth* widths;
  std::size_t count;
  unsigned state_size;  ///< of init's shape; 0: a single number
  bool checkpoint;
};

/// The recorded form: `count` records of arguments follow init's.
struct ScanPayload {
  const OpFns* fns;
  const ScanSpec* spec;
  const void* f;
  const ScanWidth* widths;
  std::size_t count;
  Index steps, segment;
  double* kept;      ///< the state at the start of each segment
  double* jacobian;  ///< of all steps where there is one segment, else of the segment under way
  std::uint32_t* in;
};

/// The lanes of the arguments at step `first`.
WICK_NOINLINE inline void scan_bind(Tape& tape, const ScanPayload& p, Index first, ScanRun& run) {
  unsigned lane = 0;
  for (std::size_t a = 0; a < p.count; ++a) {
    const double* x = tape.data(p.in[a + 1]);
    const unsigned n = p.widths[a].width == 0 ? 1 : p.widths[a].width;
    for (unsigned i = 0; i < n; ++i, ++lane) {
      run.stride[lane] = p.widths[a].moves ? static_cast<Index>(n) : 0;
      run.in[lane] = x + i + first * run.stride[lane];
    }
  }
}

/// Computes all steps. The result is the states after each step, or the outputs of each and then the last state.
WICK_NOINLINE inline void scan_forward(Tape& tape, const ScanPayload& p, double* y, bool gradient) {
  const ScanSpec& s = *p.spec;
  double state[kScanLanes];
  const double* init = tape.data(p.in[0]);
  for (unsigned k = 0; k < s.states; ++k) state[k] = init[k];
  const bool keeps = gradient && p.segment >= p.steps;
  ScanRun run;
  run.state = state;
  for (Index first = 0, segment = 0; first < p.steps; first += p.segment, ++segment) {
    scan_bind(tape, p, first, run);
    run.steps = p.steps - first < p.segment ? p.steps - first : p.segment;
    run.states = s.outputs == 0 ? y + first * s.states : nullptr;
    run.outputs = s.outputs == 0 ? nullptr : y + first * s.outputs;
    run.jacobian = p.jacobian;
    if (gradient)
      for (unsigned k = 0; k < s.states; ++k) p.kept[segment * s.states + k] = state[k];
    (keeps ? s.jacobian : s.value)(p.f, run);
  }
  if (s.outputs != 0)
    for (unsigned k = 0; k < s.states; ++k) y[p.steps * s.outputs + k] = state[k];
}
inline void scan_rerun(Tape& tape, std::uint32_t i) {
  scan_forward(tape, *static_cast<ScanPayload*>(tape[i].payload), output_of(tape, i), tape.differentiable(i));
}

/// What the reverse loop carries from step to step, and where the arguments' derivatives go.
struct ScanAdjoint {
  double next[kScanLanes];      ///< of the state behind the present step
  double sums[kScanLanes];      ///< of the lanes behind the state's that are the same in every step
  double* moving[kScanLanes];   ///< of those that move: their element at step 0, null where none is wanted
  Index stride[kScanLanes];
};

/// The reverse loop over the steps of one segment, whose Jacobians are there. `g` is the result's adjoint.
template <unsigned S, unsigned O, unsigned L>
WICK_NOINLINE void scan_reverse(const double* jacobian, Index first, Index steps, const double* g, ScanAdjoint& adjoint) {
  using math::detail::Register;
  constexpr unsigned row = scan_row(L);
  alignas(64) double next[row] = {}, sums[row] = {}, before[row];
  for (unsigned k = 0; k < S; ++k) next[k] = adjoint.next[k];
  for (unsigned k = S; k < L; ++k) sums[k] = adjoint.sums[k - S];
  unsigned moves = 0;
  for (unsigned k = S; k < L; ++k) moves |= adjoint.moving[k - S] != nullptr ? 1u << k : 0u;
  const double* j = jacobian + steps * static_cast<Index>((S + O) * row);
  for (Index t = first + steps; t-- > first;) {
    j -= (S + O) * row;
    const auto adjoint_of = [&](unsigned r) WICK_LAMBDA_INLINE {
      if (r >= S) return g[t * static_cast<Index>(O) + static_cast<Index>(r - S)];
      return O == 0 ? next[r] + g[t * static_cast<Index>(S) + static_cast<Index>(r)] : next[r];
    };
    if constexpr (!math::detail::many_partials(static_cast<int>(L))) {
      for (double& b : before) b = 0;
      for (unsigned r = 0; r < S + O; ++r) {
        const double a = adjoint_of(r);
        if (a == 0) continue;  // leaves no trace, whatever the partials are
        for (unsigned k = 0; k < L; ++k) before[k] += a * j[r * row + k];
      }
      for (unsigned k = 0; k < S; ++k) next[k] = before[k];
      for (unsigned k = S; k < L; ++k) sums[k] += before[k];
    } else {
      double a[S + O];
      for (unsigned r = 0; r < S + O; ++r) a[r] = adjoint_of(r);
      for (unsigned k = 0; k < row; k += Register::lanes) {
        Register b(0.0);
        for (unsigned r = 0; r < S + O; ++r)
          if (a[r] != 0) b = mul_add(Register(a[r]), Register::load(j + r * row + k), b);
        b.store(before + k);
        b.store(next + k);
        (Register::load(sums + k) + b).store(sums + k);
      }
    }
    if (moves == 0) continue;
    for (unsigned k = S; k < L; ++k)
      if ((moves >> k & 1u) != 0) adjoint.moving[k - S][t * adjoint.stride[k - S]] += before[k];
  }
  for (unsigned k = 0; k < S; ++k) adjoint.next[k] = next[k];
  for (unsigned k = S; k < L; ++k) adjoint.sums[k - S] = sums[k];
}

inline void scan_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const ScanPayload*>(tape[i].payload);
  const ScanSpec& s = *p.spec;
  const double* g = tape.arrived(i);
  ScanRun run;
  scan_bind(tape, p, 0, run);
  ScanAdjoint adjoint;
  for (unsigned k = 0; k < s.states; ++k) adjoint.next[k] = s.outputs == 0 ? 0.0 : g[p.steps * s.outputs + k];
  unsigned lane = 0;
  for (std::size_t a = 0; a < p.count; ++a) {
    double* to = p.widths[a].moves ? tape.adjoint(p.in[a + 1]) : nullptr;
    const unsigned n = p.widths[a].width == 0 ? 1 : p.widths[a].width;
    for (unsigned k = 0; k < n; ++k, ++lane) {
      adjoint.sums[lane] = 0;
      adjoint.moving[lane] = to == nullptr ? nullptr : to + k;
      adjoint.stride[lane] = run.stride[lane];
    }
  }
  for (Index segment = (p.steps + p.segment - 1) / p.segment; segment-- > 0;) {
    const Index first = segment * p.segment;
    run.steps = p.steps - first < p.segment ? p.steps - first : p.segment;
    if (p.segment < p.steps) {
      double state[kScanLanes];
      for (unsigned k = 0; k < s.states; ++k) state[k] = p.kept[segment * s.states + k];
      scan_bind(tape, p, first, run);
      run.state = state;
      run.states = run.outputs = nullptr;
      run.jacobian = p.jacobian;
      s.jacobian(p.f, run);
    }
    s.reverse(p.jacobian, first, run.steps, g, adjoint);
  }
  lane = 0;
  for (std::size_t a = 0; a < p.count; ++a) {
    double* to = p.widths[a].moves ? nullptr : tape.adjoint(p.in[a + 1]);
    const unsigned n = p.widths[a].width == 0 ? 1 : p.widths[a].width;
    for (unsigned k = 0; k < n; ++k, ++lane)
      if (to != nullptr) to[k] += adjoint.sums[lane];
  }
  if (double* first = tape.adjoint(p.in[0]))
    for (unsigned k = 0; k < s.states; ++k) first[k] += adjoint.next[k];
}
#if defined(WICK_SECOND_ORDER)
void scan_tangent(SecondPass& pass, std::uint32_t i);
void scan_pull_second(SecondPass& pass, std::uint32_t i);
#endif
inline constexpr OpFns scan_ops{"scan", &scan_rerun, &scan_backward, {WICK_SECOND(SecondKind::own, &scan_tangent, &scan_pull_second)}};

[[noreturn]] WICK_COLD inline void raise_scan_init(const Shape& s, unsigned wanted) {
  if (wanted == 0)
    raise<ShapeError>("wick.op.E150", "", {"scan: init has shape ", s, ", a single number is wanted"}, {"say how many numbers the state has, as in scan<2>(f, init, ...)"});
  raise<ShapeError>("wick.op.E150", "", {"scan: init has shape ", s, ", wanted is ", Shape{wanted}}, {"give one number for each of the state's, or another K in scan<K>"});
}
[[noreturn]] WICK_COLD inline void raise_scan_argument(std::size_t at, const Shape& s, const ScanWidth& w, Index steps) {
  const auto number = static_cast<Index>(at);
  if (!w.moves)
    raise<ShapeError>("wick.op.E150", "", {"scan: argument ", number, " has shape ", s, ", wanted is ", w.width == 0 ? Shape{} : Shape{w.width}},
                      {"wrap a sequence in each(x), several numbers for every step in whole<n>(x)"});
  if (steps >= 0 && s.rank() > 0 && s[0] != steps)
    raise<ShapeError>("wick.op.E150", "", {"scan: argument ", number, " has ", s[0], " steps, those before it have ", steps}, {"give sequences of one length"});
  raise<ShapeError>("wick.op.E150", "", {"scan: argument ", number, " has shape ", s, ", wanted is ", w.width == 0 ? "a vector" : "a matrix of that many columns"},
                    {"each(x) takes a vector, each<n>(x) a matrix with n columns"});
}

/// The number of steps; checks all shapes.
WICK_NOINLINE inline Index scan_steps(const ScanRequest& q) {
  if (q.init->empty()) raise_empty("scan: init");
  const Shape& init = q.init->shape();
  if (!(q.state_size == 0 ? init.empty() : init == Shape{q.state_size})) raise_scan_init(init, q.state_size);
  Index steps = -1;
  for (std::size_t a = 0; a < q.count; ++a) {
    const Tensor& x = q.arguments[a];
    if (x.empty()) raise_empty("scan");
    const Shape& s = x.shape();
    const ScanWidth& w = q.widths[a];
    const Index rank = (w.moves ? 1 : 0) + (w.width == 0 ? 0 : 1);
    const bool fits = s.rank() == rank && (w.width == 0 || s.from_right(-1) == static_cast<Index>(w.width)) && (!w.moves || steps < 0 || s[0] == steps);
    if (!fits) raise_scan_argument(a, s, w, steps);
    if (w.moves) steps = s[0];
  }
  return steps;
}

/// Computes a scan of dense arguments into `out`, with its payload in the tape's arena.
WICK_NOINLINE inline ScanPayload* scan_evaluate(Tape& tape, const ScanRequest& q, Index steps, Index segment, bool gradient, Tensor& out) {
  const ScanSpec& s = *q.spec;
  auto* p = new_payload<ScanPayload>(tape);
  Arena& arena = tape.arena();
  p->fns = &scan_ops;
  p->spec = &s;
  p->f = std::memcpy(arena.take_small(q.f_bytes), q.f, q.f_bytes);
  p->widths = q.widths;
  p->count = q.count;
  p->steps = steps;
  p->segment = segment;
  if (gradient) {
    p->kept = arena.doubles((steps / segment + 1) * static_cast<Index>(s.states));
    p->jacobian = arena.doubles(segment * static_cast<Index>((s.states + s.outputs) * scan_row(s.lanes)));
  }
  p->in = static_cast<std::uint32_t*>(arena.take_small((q.count + 1) * sizeof(std::uint32_t)));
  for (std::size_t a = 0; a <= q.count; ++a) p->in[a] = record_of(a == 0 ? *q.init : q.arguments[a - 1], tape);
  scan_forward(tape, *p, TensorAccess::fresh_data(out), gradient);
  return p;
}

WICK_NOINLINE inline Tensor scan_call(ScanRequest q) {
  const Index steps = scan_steps(q);
  const ScanSpec& s = *q.spec;
  Kind kind = operand_kind("scan", *q.init, context.tape);
  for (std::size_t a = 0; a < q.count; ++a) {
    const Kind own = operand_kind("scan", q.arguments[a], context.tape);
    if (own > kind) kind = own;
  }
  const bool gradient = kind == Kind::differentiable;
  const auto row = static_cast<Index>((s.states + s.outputs) * scan_row(s.lanes));
  Index segment = 32768 / row > 16 ? 32768 / row : 16;
  if (q.checkpoint)
    for (segment = 1; segment * segment < steps;) ++segment;
  if (!gradient || segment > steps) segment = steps > 0 ? steps : 1;
  Shape shape;
  if (s.outputs != 0) {
    shape.push_back(steps * static_cast<Index>(s.outputs) + static_cast<Index>(s.states));
  } else {
    shape.push_back(steps);
    if (q.state_size != 0) shape.push_back(q.state_size);
  }
  Tensor out = TensorAccess::make(shape);
  Tensor init = materialise(*q.init), arguments[kScanLanes];
  for (std::size_t a = 0; a < q.count; ++a) arguments[a] = materialise(q.arguments[a]);
  q.init = &init;
  q.arguments = arguments;
  if (kind == Kind::constant) {
    init = TensorAccess::detached(init);
    for (std::size_t a = 0; a < q.count; ++a) arguments[a] = TensorAccess::detached(arguments[a]);
    const Recording dropped;  // the same work, in a recording of its own
    scan_evaluate(dropped.tape(), q, steps, segment, false, out);
    return out;
  }
  return general_result(*context.tape, scan_evaluate(*context.tape, q, steps, segment, gradient, out), out, kind);
}

/// {outputs, last state} out of the result of a scan with outputs.
inline std::pair<Tensor, Tensor> scan_parts(const Tensor& y, unsigned states, unsigned outputs, bool single_state, bool single_output) {
  const Index all = y.numel() - static_cast<Index>(states), steps = all / static_cast<Index>(outputs);
  const Tensor last = slice(y, 0, all, y.numel());
  const Tensor out = slice(y, 0, 0, all);
  return {reshape(out, single_output ? Shape{steps} : Shape{steps, outputs}), single_state ? reshape(last, {}) : last};
}

}  // namespace wick::inline WICK_ABI::detail
