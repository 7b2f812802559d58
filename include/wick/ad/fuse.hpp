/// \file
/// Fused operations: one generic lambda, one record, value and all partials in one pass.
#pragma once

#include <concepts>

#include <wick/ad/elementwise.hpp>
#include <wick/ad/fuse_kernel.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// A fused call, in the arena if it is recorded; its arguments follow it. While it is evaluated, `in` is an argument's
/// stored data; of a recorded one only the rest counts. The partials of one number are `sum`; otherwise `partial` has, for a sum,
/// the argument's own stored shape, and for an elementwise result the output's shape.
struct FusePayload {
  const OpFns* fns;
  const FuseSpec* spec;
  const void* f;
  double factor;
  Index n;             ///< elements of the result before the sum
  const Index* sizes;  ///< of a sum whose arguments broadcast: the `rank` sizes of what is summed
  std::uint32_t rank;
  std::uint32_t mask;  ///< record of the mask, 0 = none
  FuseArgument* arguments() noexcept { return reinterpret_cast<FuseArgument*>(this + 1); }
  static std::size_t bytes(unsigned arity) noexcept { return sizeof(FusePayload) + arity * sizeof(FuseArgument); }
};

/// What the walks of a call that is more than one run need besides: stored shapes of arguments and mask, and the mask.
struct FuseOperands {
  const Shape* shapes[kMaxFused + 1];
  const double* mask;  ///< null: none
};

/// Makes `a`, copies of a call's arguments, those of the present run.
WICK_INLINE void fuse_set_run(FuseRun& run, const Walk& w, FusePayload& p, const FuseOperands& o) {
  run.n = w.length();
  for (unsigned k = 0; k < p.spec->arity; ++k) {
    run.arguments[k].in = p.arguments()[k].in + w.offset(k);
    run.arguments[k].step = w.step(k);
  }
  if (o.mask == nullptr) return;
  run.mask = o.mask + w.offset(p.spec->arity);
  run.mask_step = w.step(p.spec->arity);
}

/// As `fuse_sum_run`, with broadcasting arguments or more than one chunk. What is one number in the end has no `partial`.
WICK_NOINLINE inline double fuse_sum_walk(FusePayload& p, const FuseOperands& o, const Shape& shape, FuseKernel kernel) {
  const unsigned arity = p.spec->arity;
  Walk w(shape, o.shapes, arity + (o.mask != nullptr ? 1 : 0), kChunk);
  FuseArgument a[kMaxFused];
  FuseRun run{0, a, nullptr, false, nullptr, 0};
  for (unsigned k = 0; k < arity; ++k) {
    a[k] = p.arguments()[k];
    if (a[k].keep == Keep::none) continue;
    a[k].keep = !w.step(k) ? Keep::sum : w.repeats(k) ? Keep::add : Keep::store;
    // What is summed run by run starts from zero.
    if (a[k].partial != nullptr && a[k].keep != Keep::store) std::memset(a[k].partial, 0, static_cast<std::size_t>(o.shapes[k]->numel()) * sizeof(double));
  }
  PairwiseSum total;
  PairwiseSum sums[kMaxFused];
  for (; w.live(); w.next()) {
    fuse_set_run(run, w, p, o);
    for (unsigned k = 0; k < arity; ++k)
      if (p.arguments()[k].partial != nullptr) a[k].partial = p.arguments()[k].partial + w.offset(k);
    kernel(p.f, run);
    total.add(run.sum);
    for (unsigned k = 0; k < arity; ++k) {
      if (a[k].keep != Keep::sum) continue;
      if (a[k].partial == nullptr)
        sums[k].add(a[k].sum);
      else
        *a[k].partial += a[k].sum;
    }
  }
  for (unsigned k = 0; k < arity; ++k)
    if (a[k].keep != Keep::none && a[k].partial == nullptr) p.arguments()[k].sum = sums[k].total();
  return total.total();
}

/// As `fuse_out_run`, with broadcasting arguments.
WICK_NOINLINE inline void fuse_out_walk(FusePayload& p, const FuseOperands& o, const Shape& shape, double* out, FuseKernel kernel) {
  const unsigned arity = p.spec->arity;
  FuseArgument a[kMaxFused];
  for (unsigned k = 0; k < arity; ++k) a[k] = p.arguments()[k];
  FuseRun run{0, a, nullptr, false, out, 0};
  for (Walk w(shape, o.shapes, arity + (o.mask != nullptr ? 1 : 0)); w.live(); w.next()) {
    fuse_set_run(run, w, p, o);
    kernel(p.f, run);
    run.out += run.n;
    for (unsigned k = 0; k < arity; ++k)
      if (a[k].keep != Keep::none) a[k].partial += run.n;
  }
}

/// The stored operands of a recorded call, for another evaluation; `plain` as in `fuse_call`.
inline void fuse_bind(Tape& tape, FusePayload& p, FuseOperands& o, bool& plain) {
  const unsigned arity = p.spec->arity;
  o.mask = p.mask != 0 ? tape.data(p.mask) : nullptr;
  plain = true;
  for (unsigned k = 0; k < arity + (p.mask != 0 ? 1u : 0u); ++k) {
    FuseArgument& a = p.arguments()[k];  // only where k is no mask
    const std::uint32_t in = k == arity ? p.mask : a.record;
    const Index own = in == 0 ? 1 : tape.numel(in);
    o.shapes[k] = in == 0 ? &tape.scalar_shape() : &tape.shape(in);
    plain = plain && (own == 1 || own == p.n);
    if (k == arity) break;
    a.in = in == 0 ? &a.sum : tape.data(in);
    a.step = own != 1;
  }
}
inline FuseKernel fuse_kernel_of(Tape& tape, const FusePayload& p, std::uint32_t i) noexcept {
  return tape.differentiable(i) ? p.spec->gradient : p.spec->value;
}

inline void fuse_sum_rerun(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<FusePayload*>(tape[i].payload);
  FuseOperands o;
  bool plain = false;
  fuse_bind(tape, p, o, plain);
  if (plain && p.n <= kChunk && p.n > 0) {
    FuseRun run{p.n, p.arguments(), o.mask, p.mask != 0 && tape.numel(p.mask) != 1, nullptr, 0};
    fuse_kernel_of(tape, p, i)(p.f, run);
    tape[i].value = p.factor * run.sum;
    return;
  }
  Shape shape;
  shape.assign(p.sizes, p.rank);
  tape[i].value = p.factor * fuse_sum_walk(p, o, shape, fuse_kernel_of(tape, p, i));
}

inline void fuse_sum_adjoint(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<FusePayload*>(tape[i].payload);
  const double g = tape[i].adjoint * p.factor;
  const unsigned arity = p.spec->arity;
  for (const FuseArgument *a = p.arguments(), *end = a + arity; a != end; ++a) {
    if (a->keep == Keep::none) continue;
    Record& r = tape[a->record];
    if (!r.is_tensor())
      r.adjoint += g * a->sum;
    else if (a->partial == nullptr)
      *tape.adjoint(a->record) += g * a->sum;
    else
      tape.add_to_adjoint(a->record, g, a->partial);
  }
}
#if defined(WICK_SECOND_ORDER)
inline Pointwise fuse_pointwise(SecondPass& pass, std::uint32_t i, bool sum) {
  auto& f = *static_cast<FusePayload*>(pass.tape()[i].payload);
  Pointwise p{f.spec->second, f.f, f.spec->arity, {}, {}, {}, f.mask, {}, f.factor, sum};
  for (unsigned k = 0; k < p.arity; ++k) {
    const FuseArgument& a = f.arguments()[k];
    p.in[k] = a.record;
    p.constant[k] = a.sum;
    p.live[k] = (f.spec->live >> k & 1u) != 0;
  }
  if (!sum)
    p.shape = pass.tape().shape(i);
  else
    p.shape.assign(f.sizes, f.rank);
  return p;
}
inline void fuse_sum_tangent(SecondPass& pass, std::uint32_t i) { pointwise_tangent(pass, i, fuse_pointwise(pass, i, true)); }
inline void fuse_sum_pull(SecondPass& pass, std::uint32_t i) { pointwise_pull(pass, i, fuse_pointwise(pass, i, true)); }
inline void fuse_out_tangent(SecondPass& pass, std::uint32_t i) { pointwise_tangent(pass, i, fuse_pointwise(pass, i, false)); }
inline void fuse_out_pull(SecondPass& pass, std::uint32_t i) { pointwise_pull(pass, i, fuse_pointwise(pass, i, false)); }
#endif
inline constexpr OpFns fuse_sum_ops{"fuse_sum", &fuse_sum_rerun, &fuse_sum_adjoint, {WICK_SECOND(SecondKind::own, &fuse_sum_tangent, &fuse_sum_pull)}};

inline void fuse_out_rerun(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<FusePayload*>(tape[i].payload);
  FuseOperands o;
  bool plain = false;
  fuse_bind(tape, p, o, plain);
  if (!plain || p.n == 0) return fuse_out_walk(p, o, tape.shape(i), output_of(tape, i), fuse_kernel_of(tape, p, i));
  FuseRun run{p.n, p.arguments(), o.mask, p.mask != 0 && tape.numel(p.mask) != 1, output_of(tape, i), 0};
  fuse_kernel_of(tape, p, i)(p.f, run);
}

inline void fuse_out_adjoint(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<FusePayload*>(tape[i].payload);
  const Tape::Arrived g = tape.arrived_packets(i);
  const Index n = tape.numel(i);
  const FuseArgument* a = p.arguments();
  for (unsigned k = 0; k < p.spec->arity; ++k) {
    if (a[k].keep == Keep::none) continue;
    const Index own = tape.numel(a[k].record);
    if (own == 1) {
      *tape.adjoint(a[k].record) += dot_array(n, g.at, a[k].partial, g.step);
    } else if (own == n) {
      const Tape::Sink to = tape.sink(a[k].record);
      add_product(n, g.at, a[k].partial, to.to, to.fresh, g.step);
    } else {
      add_product_walk(tape.shape(i), tape.arrived(i), a[k].partial, tape.shape(a[k].record), tape.adjoint(a[k].record));
    }
  }
}
inline constexpr OpFns fuse_out_ops{"fuse", &fuse_out_rerun, &fuse_out_adjoint, {WICK_SECOND(SecondKind::own, &fuse_out_tangent, &fuse_out_pull)}};

/// A fused call's request: arguments, how far it extends, and what is wanted.
struct FuseRequest {
  const FuseSpec* spec;
  const void* f;
  std::size_t f_bytes;
  const Tensor* const* in;
  const Shape* shape;        ///< to which the arguments broadcast
  const Tensor* mask;        ///< null: none
  double factor = 1.0;
  bool sum = true;
};

/// The broadcast of the arguments' shapes. Throws wick.op.E120, wick.tensor.E100.
WICK_NOINLINE inline Shape fuse_shape(const FuseSpec& spec, const Tensor* const* in) {
  Shape out;
  for (unsigned k = 0; k < spec.arity; ++k) {
    if (in[k]->empty()) raise_empty(spec.name);
    if (!broadcast_into(out, in[k]->shape())) raise_broadcast_of(spec.name, in, k);
  }
  return out;
}

/// The operands for a walk.
WICK_NOINLINE inline FuseOperands fuse_operands(const FuseRequest& q) {
  FuseOperands o;
  for (unsigned k = 0; k < q.spec->arity; ++k) o.shapes[k] = &TensorAccess::stored_shape(*q.in[k]);
  o.mask = nullptr;
  if (q.mask != nullptr) {
    o.mask = TensorAccess::stored(*q.mask);
    o.shapes[q.spec->arity] = &TensorAccess::stored_shape(*q.mask);
  }
  return o;
}

/// Completes the record of a call that has been evaluated in the arena. `constants`: the arguments, bit by bit, that are constant tensors.
WICK_INLINE void fuse_commit(Tape& tape, const FuseRequest& q, FusePayload* p, const OpFns& fns, Index n, bool plain, unsigned constants) {
  const unsigned arity = q.spec->arity;
  for (unsigned k = 0; constants != 0; ++k, constants >>= 1)
    if ((constants & 1u) != 0) p->arguments()[k].record = constant_record(*q.in[k], tape);
  tape.arena().take_small(FusePayload::bytes(arity));
  p->fns = &fns;
  p->factor = q.factor;
  p->n = n;
  p->mask = WICK_UNLIKELY(q.mask != nullptr) ? record_of(*q.mask, tape) : 0;
  if (WICK_UNLIKELY(q.f_bytes != 0)) p->f = std::memcpy(tape.arena().take_small(q.f_bytes), q.f, q.f_bytes);
  if (WICK_LIKELY(plain) WICK_SECOND(&&false)) return;  // second derivatives walk the shape
  p->rank = q.shape->size();
  p->sizes = static_cast<Index*>(std::memcpy(tape.arena().take_small(p->rank * sizeof(Index)), q.shape->begin(), p->rank * sizeof(Index)));
}

/// Evaluates and, where an input is varying or differentiable, records a fused call.
WICK_NOINLINE inline Tensor fuse_call(const FuseRequest& q) {
  Tape* tape = context.tape;
  const FuseSpec& spec = *q.spec;
  const unsigned arity = spec.arity;
  struct {
    FusePayload payload;
    FuseArgument arguments[kMaxFused];
  } room;
  // What is recorded is evaluated in the place where it stays.
  auto* p = tape == nullptr ? &room.payload : static_cast<FusePayload*>(tape->arena().peek_small(FusePayload::bytes(arity)));
  FuseArgument* a = p->arguments();
  const Index n = q.shape->numel();
  Kind kind = Kind::constant;
  bool plain = n > 0;
  unsigned constants = 0;
  for (unsigned k = 0; k < arity; ++k, ++a) {
    const Tensor& t = *q.in[k];
    Index own = 1;
    if (TensorAccess::is_scalar(t)) {
      a->in = TensorAccess::stored(t);
      a->sum = *a->in;
    } else {
      if (WICK_UNLIKELY(t.empty())) raise_empty(spec.name);
      own = TensorAccess::stored_numel(t);
      a->in = TensorAccess::block(t)->data;
      plain = plain && (own == n || own == 1);
    }
    a->step = own != 1;
    a->keep = Keep::none;
    a->record = 0;
    Kind own_kind = kind_in(t, tape);
    if (own_kind == Kind::constant || tape == nullptr) {
      if (!TensorAccess::is_scalar(t)) constants |= 1u << k;
      continue;
    }
    a->record = TensorAccess::record(t);
    if (own_kind == Kind::differentiable) {
      if (WICK_UNLIKELY((spec.live >> k & 1u) == 0)) {
        own_kind = Kind::varying;
      } else if (q.sum && own == 1) {
        a->keep = Keep::sum;
        a->partial = nullptr;
      } else {
        a->keep = Keep::store;
        a->partial = tape->arena().doubles(q.sum ? own : n);
      }
    }
    if (own_kind > kind) kind = own_kind;
  }
  FuseRun run;
  run.n = n;
  run.arguments = p->arguments();
  run.mask = nullptr;
  run.out = nullptr;
  if (WICK_UNLIKELY(q.mask != nullptr)) {
    const Index own = TensorAccess::stored_numel(*q.mask);
    plain = plain && (own == 1 || own == n);
    run.mask = TensorAccess::stored(*q.mask);
    run.mask_step = own != 1;
    if (kind_in(*q.mask, tape) != Kind::constant && tape != nullptr && kind == Kind::constant) kind = Kind::varying;
  }
  p->spec = &spec;
  p->f = q.f;
  const FuseKernel kernel = kind == Kind::differentiable ? spec.gradient : spec.value;
  if (q.sum) {
    plain = plain && n <= kChunk;
    if (WICK_LIKELY(plain))
      kernel(q.f, run);
    else
      run.sum = fuse_sum_walk(*p, fuse_operands(q), *q.shape, kernel);
    const double y = q.factor * run.sum;
    if (kind == Kind::constant) return Tensor(y);
    fuse_commit(*tape, q, p, fuse_sum_ops, n, plain, constants);
    const std::uint32_t record = tape->push_general_scalar(p, y, kind);
    Tensor out(y);
    TensorAccess::attach(out, tape->run(), record, kind);
    return out;
  }
  Tensor out = TensorAccess::make(*q.shape);
  run.out = TensorAccess::fresh_data(out);
  if (plain)
    kernel(q.f, run);
  else
    fuse_out_walk(*p, fuse_operands(q), *q.shape, run.out, kernel);
  if (kind == Kind::constant) return out;
  fuse_commit(*tape, q, p, fuse_out_ops, n, true, constants);
  return general_result(*tape, p, out, kind);
}

template <class F, std::size_t... K>
Tensor fuse_user(bool sum, const F& f, std::index_sequence<K...>, const Tensor* const* in) {
  static_assert(std::is_trivially_copyable_v<F>,
                "fuse: the lambda is kept as bytes; capture plain numbers by value and pass tensors as arguments");
  const FuseSpec& spec = fuse_spec<F, sizeof...(K)>;
  const Shape shape = fuse_shape(spec, in);
  return fuse_call({&spec, &f, sizeof(F), in, &shape, nullptr, 1.0, sum});
}

}  // namespace detail

/// Σ f(x…) over the broadcast elements of its arguments, as one record.
///
/// `f` is a generic lambda over number types (eight values, or eight values with partials), for example
/// `[](auto x, auto m, auto s) { auto z = (x - m) / s; return -0.5 * z * z - log(s); }`; it may call the functions of `math/` and
/// `where(condition, a, b)`, and may capture plain numbers by value. Up to 8 arguments. Sums run in chunks of 2,048 combined pairwise.
/// Shapes: the arguments broadcast; returns a scalar. Gradients: all arguments, partials computed in the same pass.
/// Throws: wick.op.E120 (shapes).
template <class F, class... T>
  requires(sizeof...(T) >= 1 && sizeof...(T) <= detail::kMaxFused && (std::convertible_to<const T&, Tensor> && ...))
Tensor fuse_sum(const F& f, const T&... x) {
  const Tensor held[] = {Tensor(x)...};
  const Tensor* in[sizeof...(T)];
  for (std::size_t k = 0; k < sizeof...(T); ++k) in[k] = &held[k];
  return detail::fuse_user(true, f, std::index_sequence_for<T...>{}, in);
}

/// f(x…) element by element over the broadcast of its arguments, as one record. As `fuse_sum`, without the sum.
template <class F, class... T>
  requires(sizeof...(T) >= 1 && sizeof...(T) <= detail::kMaxFused && (std::convertible_to<const T&, Tensor> && ...))
Tensor fuse(const F& f, const T&... x) {
  const Tensor held[] = {Tensor(x)...};
  const Tensor* in[sizeof...(T)];
  for (std::size_t k = 0; k < sizeof...(T); ++k) in[k] = &held[k];
  return detail::fuse_user(false, f, std::index_sequence_for<T...>{}, in);
}

}  // namespace wick::inline WICK_ABI
