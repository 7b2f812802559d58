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

/// An elementwise operation: scalar and packet forms of its value and of its partials.
///
/// `forward` fills `packets` packets of `out`; operand k advances by `step[k]` (8, or 0 where it is fixed: then its
/// packet is filled with one number). `partials` writes g · partial to `d[k]` where that is not null. Tails,
/// broadcasting and sums are the driver's.
struct ElementFns {
  const char* name;
  unsigned arity;
  bool smooth;  ///< false: the result is varying at most (comparisons, floor)
  Op op;        ///< the rank-0 opcode, or `first_function` for one from the table
  Pull pull;
  ScalarFn scalar;
  void (*forward)(Index packets, double* out, const double* const* in, const Index* step);
  void (*partials)(Index packets, const double* g, const double* out, const double* const* in, const Index* step,
                   double* const* d);
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

template <class F, unsigned Arity>
void element_partials(Index packets, const double* g, const double* out, const double* const* in, const Index* step,
                      double* const* d) {
  const double *a = in[0], *b = Arity > 1 ? in[1] : a, *c = Arity > 2 ? in[2] : a;
  using V = math::PacketPart;
  constexpr Index parts = Packet::parts;
  const Index sa = step[0] / parts, sb = Arity > 1 ? step[1] / parts : 0, sc = Arity > 2 ? step[2] / parts : 0, n = 8 * packets;
  for (Index i = 0; i < n; i += V::lanes, a += sa, b += sb, c += sc) {
    const V gi = V::load(g + i), x = V::load(a);
    if constexpr (Arity == 1) {
      F::d(gi, x, V::load(out + i)).store(d[0] + i);
    } else if constexpr (Arity == 2) {
      if (d[0] != nullptr) F::da(gi, x, V::load(b), V::load(out + i)).store(d[0] + i);
      if (d[1] != nullptr) F::db(gi, x, V::load(b), V::load(out + i)).store(d[1] + i);
    } else if constexpr (element_live<F, Arity>() == 0b111u) {
      const V y = V::load(b), z = V::load(c);
      if (d[0] != nullptr) F::da(gi, x, y, z).store(d[0] + i);
      if (d[1] != nullptr) F::db(gi, x, y, z).store(d[1] + i);
      if (d[2] != nullptr) F::dc(gi, x, y, z).store(d[2] + i);
    } else {  // where(c, a, b): the condition has no derivative
      if (d[1] != nullptr) F::da(gi, x).store(d[1] + i);
      if (d[2] != nullptr) F::db(gi, x).store(d[2] + i);
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

inline constexpr Index kPartials = 256;  // partials are worked out in pieces that stay in the fastest memory

/// The partials of one run, for operations with a kernel: g · partial of operand k to d[k], and 0 for g = 0.
WICK_NOINLINE inline void element_partials_run(const ElementFns& f, ElementRun& r, Index n, const double* g,
                                               const double* out, double* const* d) {
  const Index full = n & ~Index{7};
  if (full > 0) f.partials(full / 8, g, out, r.at, r.step, d);
  if (full < n) {
    alignas(64) double tail_g[8], tail_out[8];
    double* tail_d[3];
    for (unsigned k = 0; k < f.arity; ++k) tail_d[k] = d[k] == nullptr ? nullptr : d[k] + full;
    pad(tail_g, g + full, n - full);
    pad(tail_out, out + full, n - full);
    r.turn_to_tail(f.arity, full, n - full);
    f.partials(1, tail_g, tail_out, r.at, r.step, tail_d);
  }
  for (unsigned k = 0; k < f.arity; ++k)
    if (d[k] != nullptr) silence(n, g, d[k]);
}

/// to += s g p over a run, where p (null: 1) or the receiving operand may be fixed; 0 for g = 0.
WICK_NOINLINE inline void pull_product(Index n, double s, const double* g, const double* p, bool p_moves, double* to,
                                       bool to_moves) {
  alignas(64) double room[kPartials];
  if (p != nullptr && !p_moves) {
    s *= *p;
    if (WICK_UNLIKELY(!(std::abs(s) < kInf))) {  // as if it moved
      for (Index i = 0; i < n; ++i) room[i] = *p;
      p = room;
      p_moves = true;
    }
  }
  if (to_moves)
    p_moves ? add_product(n, g, p, to) : add_scaled(n, s, g, to);
  else
    *to += p_moves ? dot_array(n, g, p) : s * sum_chunk(g, n);
}

/// Passes the adjoint `g` of a run of at most `kPartials` elements on to the adjoints `to` that are not null.
WICK_NOINLINE inline void element_pull(const ElementFns& f, Index n, const double* g, const double* out,
                                       const double* const* at, const bool* moves, double* const* to) {
  alignas(64) double room[3][kPartials];
  double* d[3];
  if (f.pull == Pull::kernel) {
    ElementRun r;
    for (unsigned k = 0; k < f.arity; ++k) {
      r.set(k, at[k], moves[k]);
      d[k] = to[k] == nullptr ? nullptr : room[k];
    }
    element_partials_run(f, r, n, g, out, d);
  }
  for (unsigned k = 0; k < f.arity; ++k) {
    if (to[k] == nullptr) continue;
    const double* p = nullptr;
    bool p_moves = false;
    double s = 1;
    const double* from = g;
    switch (f.pull) {
      case Pull::kernel: from = d[k]; break;
      case Pull::add: break;
      case Pull::sub: s = k == 1 ? -1 : 1; break;
      case Pull::neg: s = -1; break;
      case Pull::mul:
        p = at[1 - k];
        p_moves = moves[1 - k];
        break;
    }
    pull_product(n, s, from, p, p_moves, to[k], moves[k]);
  }
}

inline void element_adjoint(Tape& tape, std::uint32_t i) {
  auto* p = static_cast<ElementPayload*>(tape[i].payload);
  const ElementFns& f = *p->element;
  const ElementOperands in = element_operands(tape, *p);
  const double *g = tape.adjoint(i), *out = tape.data(i);
  double *adjoint[3], *to[3];
  const double* at[3];
  bool moves[3];
  for (unsigned k = 0; k < f.arity; ++k) adjoint[k] = (f.live >> k & 1u) != 0 ? tape.adjoint(p->in[k]) : nullptr;
  const Index n = tape.numel(i);
  if (n <= kPartials && in.plain(f.arity, n)) {
    for (unsigned k = 0; k < f.arity; ++k) moves[k] = in.numel[k] != 1;
    if (n > 0) element_pull(f, n, g, out, in.data, moves, adjoint);
    return;
  }
  double part[3] = {0, 0, 0};
  PairwiseSum single[3];  // of scalar operands, which may be fixed over very many elements
  for (Walk w(tape.shape(i), in.shape, f.arity, kPartials); w.live(); w.next()) {
    for (unsigned k = 0; k < f.arity; ++k) {
      at[k] = in.data[k] + w.offset(k);
      moves[k] = w.step(k);
      to[k] = adjoint[k] == nullptr ? nullptr : in.numel[k] == 1 ? &part[k] : adjoint[k] + w.offset(k);
    }
    element_pull(f, w.length(), g, out, at, moves, to);
    for (unsigned k = 0; k < f.arity; ++k) {
      if (to[k] != &part[k]) continue;
      single[k].add(part[k]);
      part[k] = 0;
    }
    g += w.length();
    out += w.length();
  }
  for (unsigned k = 0; k < f.arity; ++k)
    if (adjoint[k] != nullptr && in.numel[k] == 1) *adjoint[k] += single[k].total();
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
