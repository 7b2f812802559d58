/// \file
/// The one driver behind every elementwise operation, and the kernels that operations plug into it.
#pragma once

#include <cmath>

#include <wick/ad/loops.hpp>
#include <wick/ad/result.hpp>
#include <wick/ad/second_pointwise.hpp>

namespace wick::inline WICK_ABI::detail {

/// How adjoints flow: by the operation's own kernel, or, where the partials are ±1 or the other operand, without one.
enum class Pull : std::uint8_t { kernel, add, sub, neg, mul };

/// What a kernel of partials works on: packets of the adjoint, the result and the operands.
struct ElementPull {
  const double *g, *out;
  Index g_step;  ///< 8, or 0 where the adjoint is one number
  const double* in[3];
  Index step[3];
  double* d[3];
  bool fresh[3];  ///< `d[k]` has no value yet
};

/// An elementwise operation: scalar and packet forms of its value and of its partials.
///
/// `forward` fills `packets` packets of `out`; operand k advances by `step[k]` (8, or 0 where it is fixed: then its
/// packet is filled with one number). `partials` adds g · partial to `d[k]` where that is not null. Tails,
/// broadcasting and sums are the driver's.
struct ElementFns {
  const char* name;
  unsigned arity;
  bool smooth;  ///< false: the result is varying at most (comparisons, floor)
  Op op;        ///< the rank-0 opcode, or `first_function` for one from the table
  Pull pull;
  ScalarFn scalar;
  void (*forward)(Index packets, double* out, const double* const* in, const Index* step);
  void (*partials)(Index packets, const ElementPull& p);
  unsigned live;  ///< operands that have a derivative, bit by bit
};

template <class F, unsigned Arity>
constexpr unsigned element_live() {
  if constexpr (requires { F::live; })
    return F::live;
  else
    return (1u << Arity) - 1u;
}

template <class F, unsigned Arity>
void element_forward(Index packets, double* out, const double* const* in, const Index* step) {
  const double *a = in[0], *b = Arity > 1 ? in[1] : a, *c = Arity > 2 ? in[2] : a;
  using V = math::PacketPart;
  constexpr Index parts = Packet::parts;
  const Index sa = step[0] / parts, sb = Arity > 1 ? step[1] / parts : 0, sc = Arity > 2 ? step[2] / parts : 0;
  for (Index left = packets * parts; left > 0; --left, out += V::lanes, a += sa, b += sb, c += sc) {
    if constexpr (Arity == 1)
      F::f(V::load(a)).store(out);
    else if constexpr (Arity == 2)
      F::f(V::load(a), V::load(b)).store(out);
    else
      F::f(V::load(a), V::load(b), V::load(c)).store(out);
  }
}

/// Adds g · partial; an adjoint of 0 leaves no trace.
template <class V>
WICK_INLINE void add_partial(double* to, bool fresh, const V& g, const V& d) {
  const V was = fresh ? V(0.0) : V::load(to);
  (was + where(g == V(0.0), V(0.0), d)).store(to);
}
template <class F, unsigned Arity>
void element_partials(Index packets, const ElementPull& p) {
  using V = math::PacketPart;
  constexpr Index parts = Packet::parts;
  const double *g = p.g, *out = p.out, *a = p.in[0], *b = p.in[Arity > 1 ? 1 : 0], *c = p.in[Arity > 2 ? 2 : 0];
  const Index sg = p.g_step / parts, sa = p.step[0] / parts, sb = Arity > 1 ? p.step[1] / parts : 0, sc = Arity > 2 ? p.step[2] / parts : 0, n = 8 * packets;
  double* const d[] = {p.d[0], p.d[Arity > 1 ? 1 : 0], p.d[Arity > 2 ? 2 : 0]};
  const bool fresh[] = {p.fresh[0], p.fresh[Arity > 1 ? 1 : 0], p.fresh[Arity > 2 ? 2 : 0]};
  for (Index i = 0; i < n; i += V::lanes, g += sg, a += sa, b += sb, c += sc) {
    const V gi = V::load(g), x = V::load(a);
    if constexpr (Arity == 1) {
      add_partial(d[0] + i, fresh[0], gi, F::d(gi, x, V::load(out + i)));
    } else if constexpr (Arity == 2) {
      if (d[0] != nullptr) add_partial(d[0] + i, fresh[0], gi, F::da(gi, x, V::load(b), V::load(out + i)));
      if (d[1] != nullptr) add_partial(d[1] + i, fresh[1], gi, F::db(gi, x, V::load(b), V::load(out + i)));
    } else if constexpr (element_live<F, Arity>() == 0b111u) {
      const V y = V::load(b), z = V::load(c);
      if (d[0] != nullptr) add_partial(d[0] + i, fresh[0], gi, F::da(gi, x, y, z));
      if (d[1] != nullptr) add_partial(d[1] + i, fresh[1], gi, F::db(gi, x, y, z));
      if (d[2] != nullptr) add_partial(d[2] + i, fresh[2], gi, F::dc(gi, x, y, z));
    } else {  // where(c, a, b): the condition has no derivative
      if (d[1] != nullptr) add_partial(d[1] + i, fresh[1], gi, F::da(gi, x));
      if (d[2] != nullptr) add_partial(d[2] + i, fresh[2], gi, F::db(gi, x));
    }
  }
}

template <class F, unsigned Arity>
double element_scalar(double a, double b) {
  if constexpr (Arity == 1)
    return static_cast<void>(b), F::f(Scalar{a}).v;
  else
    return F::f(Scalar{a}, Scalar{b}).v;
}
template <class F, unsigned Arity>
void element_scalar_adjoint(double g, double a, double b, double y, double* da, double* db) {
  if constexpr (Arity == 1) {
    static_cast<void>(b), static_cast<void>(db);
    if (da != nullptr) *da += F::d(Scalar{g}, Scalar{a}, Scalar{y}).v;
  } else {
    if (da != nullptr) *da += F::da(Scalar{g}, Scalar{a}, Scalar{b}, Scalar{y}).v;
    if (db != nullptr) *db += F::db(Scalar{g}, Scalar{a}, Scalar{b}, Scalar{y}).v;
  }
}

#if defined(WICK_SECOND_ORDER)
template <class F>
struct ElementFormula {
  auto operator()(const auto&... x) const { return F::f(x...); }
};
template <class F, unsigned Arity>
WICK_COLD void element_second(const void*, SecondPoint& s) {
  second_point<ElementFormula<F>, element_live<F, Arity>()>({}, s, std::make_index_sequence<Arity>{});
}
#endif

/// Describes the smooth operation `F` (with `f` and `d`, or `da` and `db`).
template <class F, unsigned Arity>
constexpr ElementFns smooth_op(const char* name, Op op = Op::first_function) {
  return {name, Arity, true, op, Pull::kernel, {&element_scalar<F, Arity>, &element_scalar_adjoint<F, Arity>, {}, WICK_SECOND(&element_second<F, Arity>)},
          &element_forward<F, Arity>, &element_partials<F, Arity>, element_live<F, Arity>()};
}
/// Describes one of three operands, with `da`, `db` and `dc`, or, where the first has no derivative, `da` and `db` of the others.
template <class F>
constexpr ElementFns ternary_op(const char* name) {
  return {name, 3, true, Op::first_function, Pull::kernel, {nullptr, nullptr, {}, WICK_SECOND(&element_second<F, 3>)},
          &element_forward<F, 3>, &element_partials<F, 3>, element_live<F, 3>()};
}
/// Describes one whose adjoint needs no kernel, with an opcode of its own.
template <class F, unsigned Arity>
constexpr ElementFns plain_op(const char* name, Op op, Pull pull) {
  return {name, Arity, true, op, pull, {&element_scalar<F, Arity>, nullptr, {}, WICK_SECOND(&element_second<F, Arity>)},
          &element_forward<F, Arity>, nullptr, element_live<F, Arity>()};
}
/// Describes an operation without derivative.
template <class F, unsigned Arity>
constexpr ElementFns flat_op(const char* name) {
  return {name, Arity, false, Op::first_function, Pull::kernel, {&element_scalar<F, Arity>, nullptr}, &element_forward<F, Arity>, nullptr, 0};
}

struct ElementPayload {
  const OpFns* fns;
  const ElementFns* element;
  std::uint32_t in[3];
};

/// The operands of an elementwise operation as they are stored.
struct ElementOperands {
  const double* data[3];
  const Shape* shape[3];
  Index numel[3];
  /// Whether every operand is one number or covers all `n` elements: then one run does it.
  bool plain(unsigned arity, Index n) const noexcept {
    for (unsigned k = 0; k < arity; ++k)
      if (numel[k] != 1 && numel[k] != n) return false;
    return true;
  }
};
inline ElementOperands element_operands(Tape& tape, const ElementPayload& p) {
  ElementOperands in;
  for (unsigned k = 0; k < p.element->arity; ++k) {
    in.data[k] = tape.data(p.in[k]);
    in.shape[k] = &tape.shape(p.in[k]);
    in.numel[k] = tape.numel(p.in[k]);
  }
  return in;
}

/// The operands of one run as kernels want them: fixed ones filled to a packet.
struct ElementRun {
  const double* at[3];
  Index step[3];
  alignas(64) double room[3][8];

  void set(unsigned k, const double* data, bool moves) {
    at[k] = data;
    step[k] = moves ? 8 : 0;
    if (moves) return;
    Packet(*data).store(room[k]);
    at[k] = room[k];
  }
  /// Turns to the last `n` < 8 elements, from `full` on.
  void turn_to_tail(unsigned arity, Index full, Index n) {
    for (unsigned k = 0; k < arity; ++k) {
      if (step[k] == 0) continue;
      pad(room[k], at[k] + full, n);
      at[k] = room[k];
    }
  }
};

/// The value over one run.
inline void element_forward_run(const ElementFns& f, ElementRun& r, Index n, double* out) {
  const Index full = n & ~Index{7};
  if (full > 0) f.forward(full / 8, out, r.at, r.step);
  if (full == n) return;
  alignas(64) double tail[8];
  r.turn_to_tail(f.arity, full, n - full);
  f.forward(1, tail, r.at, r.step);
  for (Index i = full; i < n; ++i) out[i] = tail[i - full];
}

/// The value of an elementwise operation of `n` elements into `out`, eager and re-run alike.
WICK_NOINLINE inline void element_run(const ElementFns& f, double* out, const Shape& shape, Index n,
                                      const ElementOperands& in) {
  ElementRun r;
  if (WICK_LIKELY(in.plain(f.arity, n))) {
    if (n == 0) return;
    for (unsigned k = 0; k < f.arity; ++k) r.set(k, in.data[k], in.numel[k] != 1);
    return element_forward_run(f, r, n, out);
  }
  for (Walk w(shape, in.shape, f.arity); w.live(); w.next()) {
    for (unsigned k = 0; k < f.arity; ++k) r.set(k, in.data[k] + w.offset(k), w.step(k));
    element_forward_run(f, r, w.length(), out);
    out += w.length();
  }
}

inline void element_rerun(Tape& tape, std::uint32_t i) {
  auto* p = static_cast<ElementPayload*>(tape[i].payload);
  element_run(*p->element, output_of(tape, i), tape.shape(i), tape.numel(i), element_operands(tape, *p));
}

inline constexpr Index kPartials = 256;  // partials that are to be summed are worked out in pieces that stay in the fastest memory

/// Where the adjoints of one run come from and go to: operand k to `to[k]`, where that is not null; one that does not move gets a sum.
struct ElementTargets {
  Tape::Arrived g;
  const double* out;
  bool moves[3];
  double* to[3];
  bool fresh[3];
};

/// By the operation's kernel, over at most `kPartials` elements where a sum is wanted.
WICK_NOINLINE inline void element_pull_kernel(const ElementFns& f, Index n, ElementRun& r, const ElementTargets& t) {
  alignas(64) double room[3][kPartials], tail[5][8];
  const Index full = n & ~Index{7};
  ElementPull p;
  p.g = t.g.at;
  p.g_step = t.g.step;
  p.out = t.out;
  for (unsigned k = 0; k < f.arity; ++k) {
    p.in[k] = r.at[k];
    p.step[k] = r.step[k];
    p.d[k] = t.to[k] == nullptr || t.moves[k] ? t.to[k] : room[k];
    p.fresh[k] = t.fresh[k] || !t.moves[k];
  }
  if (full > 0) f.partials(full / 8, p);
  if (full < n) {
    double* d[3];
    if (t.g.step != 0) {
      pad(tail[0], t.g.at + full, n - full);
      p.g = tail[0];
    }
    pad(tail[1], t.out + full, n - full);
    p.out = tail[1];
    r.turn_to_tail(f.arity, full, n - full);
    for (unsigned k = 0; k < f.arity; ++k) {
      p.in[k] = r.at[k];
      d[k] = p.d[k];
      if (d[k] == nullptr) continue;
      p.d[k] = tail[2 + k];
      p.fresh[k] = true;
    }
    f.partials(1, p);
    for (unsigned k = 0; k < f.arity; ++k)
      for (Index i = full; d[k] != nullptr && i < n; ++i) d[k][i] = present_number(d[k] + i, t.fresh[k] || !t.moves[k]) + tail[2 + k][i - full];
  }
  for (unsigned k = 0; k < f.arity; ++k)
    if (t.to[k] != nullptr && !t.moves[k]) *t.to[k] += sum_chunk(room[k], n);
}

/// to += s g p over a run, where p (null: 1) or the receiving operand may be fixed; 0 for g = 0.
WICK_NOINLINE inline void pull_product(Index n, double s, const Tape::Arrived& g, const double* p, bool p_moves, double* to, bool to_moves, bool fresh) {
  alignas(64) double room[8];
  Index p_step = 8;
  if (p != nullptr && !p_moves) {
    if (WICK_LIKELY(std::abs(*p) < kInf)) {
      s *= *p;
      p = nullptr;
    } else {
      Packet(*p).store(room);
      p = room;
      p_step = 0;
    }
  }
  if (to_moves)
    p != nullptr ? add_product(n, g.at, p, to, fresh, g.step, p_step) : add_scaled(n, s, g.at, to, fresh, g.step);
  else if (p != nullptr)
    *to += dot_array(n, g.at, p, g.step, p_step);
  else
    *to += s * (g.step != 0 ? sum_array(g.at, n) : static_cast<double>(n) * *g.at);
}

/// Passes the adjoint of a run on to operand `k`, for operations without a kernel.
inline void element_pull_plain(const ElementFns& f, unsigned k, Index n, const ElementRun& r, const ElementTargets& t) {
  const bool product = f.pull == Pull::mul;
  pull_product(n, f.pull == Pull::neg || (f.pull == Pull::sub && k == 1) ? -1 : 1, t.g, product ? r.at[1 - k] : nullptr, product && t.moves[1 - k], t.to[k], t.moves[k],
               t.fresh[k]);
}

/// An adjoint that is an array of somebody's, or one number for all elements, is passed on as that.
inline bool element_lends(Tape& tape, const ElementFns& f, unsigned k, const ElementTargets& t, const ElementRun& r, std::uint32_t in) {
  if (!t.moves[k] || tape[in].buffer != nullptr) return false;
  const bool uniform = t.g.step == 0;
  if (f.pull == Pull::add || (f.pull == Pull::sub && k == 0)) {
    tape.lend(tape[in], t.g.at, uniform);
    return true;
  }
  if (!uniform) return false;
  if (f.pull == Pull::mul && t.moves[1 - k]) {
    if (*t.g.at != 1) return false;
    tape.lend(tape[in], r.at[1 - k], false);
    return true;
  }
  double* packet = tape.arena().doubles(8);
  Packet(f.pull == Pull::mul ? adjoint_product(*t.g.at, *r.at[1 - k]) : -*t.g.at).store(packet);
  tape.lend(tape[in], packet, true);
  return true;
}

/// Where one run does it.
inline void element_adjoint_plain(Tape& tape, const ElementFns& f, const ElementPayload& p, Index n, ElementRun& r, ElementTargets& t) {
  for (unsigned k = 0; k < f.arity; ++k) {
    t.to[k] = nullptr;
    if ((f.live >> k & 1u) == 0 || !tape.differentiable(p.in[k])) continue;
    if (f.pull != Pull::kernel && element_lends(tape, f, k, t, r, p.in[k])) continue;
    const Tape::Sink sink = t.moves[k] ? tape.sink(p.in[k]) : Tape::Sink{tape.adjoint(p.in[k]), false};
    t.to[k] = sink.to;
    t.fresh[k] = sink.fresh;
    if (f.pull != Pull::kernel) element_pull_plain(f, k, n, r, t);
  }
  if (f.pull == Pull::kernel) element_pull_kernel(f, n, r, t);
}

/// By the operation's kernel, with broadcasting or sums of many elements.
WICK_NOINLINE inline void element_adjoint_walk(Tape& tape, std::uint32_t i, const ElementFns& f, const ElementPayload& p, const ElementOperands& in,
                                               const ElementTargets& whole) {
  ElementRun r;
  ElementTargets t = whole;
  double part[3] = {0, 0, 0}, *adjoint[3] = {};
  bool fresh[3] = {};
  PairwiseSum single[3];  // of scalar operands, which may be fixed over very many elements
  const Index n = tape.numel(i);
  for (unsigned k = 0; k < f.arity; ++k) {
    if ((f.live >> k & 1u) == 0 || !tape.differentiable(p.in[k])) continue;
    const Tape::Sink sink = in.numel[k] == n && n != 1 ? tape.sink(p.in[k]) : Tape::Sink{tape.adjoint(p.in[k]), false};
    adjoint[k] = sink.to;
    fresh[k] = sink.fresh;
  }
  for (Walk w(tape.shape(i), in.shape, f.arity, kPartials); w.live(); w.next()) {
    for (unsigned k = 0; k < f.arity; ++k) {
      r.set(k, in.data[k] + w.offset(k), w.step(k));
      t.moves[k] = w.step(k);
      t.to[k] = adjoint[k] == nullptr ? nullptr : in.numel[k] == 1 ? &part[k] : adjoint[k] + w.offset(k);
      t.fresh[k] = fresh[k] && w.step(k);
    }
    if (f.pull == Pull::kernel)
      element_pull_kernel(f, w.length(), r, t);
    else
      for (unsigned k = 0; k < f.arity; ++k)
        if (t.to[k] != nullptr) element_pull_plain(f, k, w.length(), r, t);
    for (unsigned k = 0; k < f.arity; ++k) {
      if (t.to[k] != &part[k]) continue;
      single[k].add(part[k]);
      part[k] = 0;
    }
    t.g.at += t.g.step == 0 ? 0 : w.length();
    t.out += w.length();
  }
  for (unsigned k = 0; k < f.arity; ++k)
    if (adjoint[k] != nullptr && in.numel[k] == 1) *adjoint[k] += single[k].total();
}

inline void element_adjoint(Tape& tape, std::uint32_t i) {
  auto* p = static_cast<ElementPayload*>(tape[i].payload);
  const ElementFns& f = *p->element;
  const ElementOperands in = element_operands(tape, *p);
  const Index n = tape.numel(i);
  if (n == 0) return;
  ElementTargets t{tape.arrived_packets(i), tape.data(i), {}, {}, {}};
  bool one_run = in.plain(f.arity, n);
  for (unsigned k = 0; k < f.arity; ++k) {
    t.moves[k] = in.numel[k] != 1;
    one_run = one_run && (t.moves[k] || f.pull != Pull::kernel || n <= kPartials || !tape.differentiable(p->in[k]));
  }
  if (WICK_UNLIKELY(!one_run)) return element_adjoint_walk(tape, i, f, *p, in, t);
  ElementRun r;
  for (unsigned k = 0; k < f.arity; ++k) r.set(k, in.data[k], t.moves[k]);
  element_adjoint_plain(tape, f, *p, n, r, t);
}

#if defined(WICK_SECOND_ORDER)
inline Pointwise element_pointwise(SecondPass& pass, std::uint32_t i) {
  const auto& e = *static_cast<const ElementPayload*>(pass.tape()[i].payload);
  if (e.element->scalar.second == nullptr) SecondPass::raise_none(e.element->name);
  Pointwise p{e.element->scalar.second, nullptr, e.element->arity, {}, {}, {}, 0, pass.tape().shape(i), 1.0, false};
  for (unsigned k = 0; k < p.arity; ++k) {
    p.in[k] = e.in[k];
    p.live[k] = (e.element->live >> k & 1u) != 0;
  }
  return p;
}
inline void element_tangent(SecondPass& pass, std::uint32_t i) { pointwise_tangent(pass, i, element_pointwise(pass, i)); }
inline void element_pull_second(SecondPass& pass, std::uint32_t i) { pointwise_pull(pass, i, element_pointwise(pass, i)); }
#endif
inline constexpr OpFns element_ops{"elementwise", &element_rerun, &element_adjoint, {WICK_SECOND(SecondKind::own, &element_tangent, &element_pull_second)}};

/// An operation on one or two scalars: one record, without payload.
WICK_NOINLINE inline Tensor element_scalars(ElementFns& f, const Tensor& a, const Tensor* b) {
  Tape* tape = context.tape;
  Kind kind = kind_in(a, tape);
  double second = 0;
  if (b != nullptr) {
    second = TensorAccess::scalar(*b);
    const Kind own = kind_in(*b, tape);
    kind = own > kind ? own : kind;
  }
  const double y = f.scalar.f(TensorAccess::scalar(a), second);
  if (kind == Kind::constant || tape == nullptr) return Tensor(y);
  if (!f.smooth) kind = Kind::varying;
  const std::uint32_t ra = record_of(a, *tape), rb = b != nullptr ? record_of(*b, *tape) : 0;
  const std::uint32_t record =
      tape->push_scalar(f.op == Op::first_function ? opcode_of(f.scalar) : f.op, ra, rb, y, kind);
  Tensor out(y);
  TensorAccess::attach(out, tape->run(), record, kind);
  return out;
}

/// Evaluates an elementwise operation with a tensor among its operands and records it where one is varying or
/// differentiable. Errors: wick.op.E120 (shapes), wick.tensor.E100 (an operand without a value).
WICK_NOINLINE inline Tensor elementwise(ElementFns& f, const Tensor* const* in) {
  Tape* tape = context.tape;
  Kind kind = Kind::constant;
  for (unsigned k = 0; k < f.arity; ++k) {
    const Kind own = operand_kind(f.name, *in[k], tape);
    if (own > kind) kind = own;
  }
  if (!f.smooth && kind == Kind::differentiable) kind = Kind::varying;
  ElementOperands operands;
  Shape shape = in[0]->shape();
  for (unsigned k = 0; k < f.arity; ++k) {
    operands.data[k] = TensorAccess::stored(*in[k]);
    operands.shape[k] = &TensorAccess::stored_shape(*in[k]);
    operands.numel[k] = TensorAccess::stored_numel(*in[k]);
    if (k != 0 && WICK_UNLIKELY(!broadcast_into(shape, in[k]->shape()))) raise_broadcast_of(f.name, in, k);
  }
  Tensor out = TensorAccess::make(shape);
  element_run(f, TensorAccess::fresh_data(out), shape, out.numel(), operands);
  if (kind == Kind::constant) return out;
  auto* p = new_payload<ElementPayload>(*tape);
  p->fns = &element_ops;
  p->element = &f;
  for (unsigned k = 0; k < f.arity; ++k) p->in[k] = record_of(*in[k], *tape);
  return general_result(*tape, p, out, kind);
}

}  // namespace wick::inline WICK_ABI::detail
