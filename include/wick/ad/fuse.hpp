/// \file
/// Fused operations: one generic lambda, one record, value and all partials in one pass.
#pragma once

#include <concepts>

#include <wick/ad/elementwise.hpp>
#include <wick/ad/fuse_kernel.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// One argument of a recorded fused call. The partials of a single number are `sum`; otherwise `partial` has, for a sum, the
/// argument's own stored shape, and for an elementwise result the output's shape.
struct FuseArgument {
  std::uint32_t in;
  bool live;
  double* partial;
  double sum;
};

/// The recorded form of a fused call; `arity` arguments follow it in the arena.
struct FusePayload {
  const OpFns* fns;
  const FuseSpec* spec;
  const void* f;
  double factor;
  const Index* sizes;  ///< of the summed elements, `rank` of them
  std::uint32_t rank;
  std::uint32_t mask;  ///< record of the mask, 0 = none
  FuseArgument* arguments() noexcept { return reinterpret_cast<FuseArgument*>(this + 1); }
};

/// One fused evaluation. As a run it is the whole of it, where one run does: `in` is the stored data, the mask's behind the
/// arguments', and `partial` is where the partials of what has more than one element go.
struct FuseCall : FuseRun {
  const FuseSpec* spec;
  const void* f;
  const Shape* shapes[kMaxFused + 1];
  Index numel[kMaxFused + 1];
  bool masked;
  bool wants[kMaxFused];  ///< whose partials are kept
};

/// Whether every argument is one number or covers all `n` elements: then one run does it.
inline bool fuse_plain(const FuseCall& c, Index n) noexcept {
  for (unsigned k = 0; k < c.spec->arity + (c.masked ? 1u : 0u); ++k)
    if (c.numel[k] != 1 && c.numel[k] != n) return false;
  return n > 0;
}

/// Prepares the one run of a plain call.
WICK_INLINE void fuse_plain_run(FuseCall& c, Index elements) {
  const unsigned arity = c.spec->arity;
  c.n = elements;
  c.mask = nullptr;
  for (unsigned k = 0; k < arity; ++k) c.step[k] = c.numel[k] != 1;
  if (c.masked) {
    c.mask = c.in[arity];
    c.mask_step = c.numel[arity] != 1;
  }
}

/// As `fuse_sum_run`, with broadcasting arguments or more than one chunk.
WICK_NOINLINE inline double fuse_sum_walk(FuseCall& c, const Shape& shape, bool gradient) {
  const unsigned arity = c.spec->arity;
  Walk w(shape, c.shapes, arity + (c.masked ? 1 : 0), kChunk);
  FuseRun run;
  run.out = nullptr;
  run.mask = nullptr;
  for (unsigned k = 0; k < arity; ++k) {
    run.step[k] = w.step(k);
    run.partial[k] = nullptr;
    const bool wanted = gradient && c.wants[k];
    run.keep[k] = !wanted ? Keep::none : !w.step(k) ? Keep::sum : w.repeats(k) ? Keep::add : Keep::store;
    // What is summed run by run starts from zero.
    if (wanted && c.numel[k] != 1) std::memset(c.partial[k], 0, static_cast<std::size_t>(c.numel[k]) * sizeof(double));
  }
  const FuseKernel kernel = gradient ? c.spec->gradient : c.spec->value;
  PairwiseSum total;
  PairwiseSum sums[kMaxFused];
  for (; w.live(); w.next()) {
    run.n = w.length();
    for (unsigned k = 0; k < arity; ++k) {
      run.in[k] = c.in[k] + w.offset(k);
      if (run.keep[k] == Keep::store || run.keep[k] == Keep::add) run.partial[k] = c.partial[k] + w.offset(k);
    }
    if (c.masked) {
      run.mask = c.in[arity] + w.offset(arity);
      run.mask_step = w.step(arity);
    }
    kernel(c.f, run);
    total.add(run.sum);
    for (unsigned k = 0; k < arity; ++k) {
      if (run.keep[k] != Keep::sum) continue;
      if (c.numel[k] == 1)
        sums[k].add(run.partial_sum[k]);
      else
        c.partial[k][w.offset(k)] += run.partial_sum[k];
    }
  }
  for (unsigned k = 0; k < arity; ++k) c.partial_sum[k] = gradient && c.wants[k] && c.numel[k] == 1 ? sums[k].total() : 0.0;
  return total.total();
}

/// Runs a fused sum over `shape` of `n` elements; the partials of argument k go to `partial[k]`, or `sum[k]` for one number.
WICK_INLINE double fuse_sum_run(FuseCall& c, const Shape& shape, Index n, bool gradient) {
  if (WICK_UNLIKELY(n > kChunk || !fuse_plain(c, n))) return fuse_sum_walk(c, shape, gradient);
  fuse_plain_run(c, n);
  c.out = nullptr;
  const unsigned arity = c.spec->arity;
  for (unsigned k = 0; k < arity; ++k) c.keep[k] = !(gradient && c.wants[k]) ? Keep::none : c.numel[k] == 1 ? Keep::sum : Keep::store;
  (gradient ? c.spec->gradient : c.spec->value)(c.f, c);
  return c.sum;
}

WICK_NOINLINE inline void fuse_out_walk(FuseCall& c, const Shape& shape, double* out, bool gradient) {
  const unsigned arity = c.spec->arity;
  Index done = 0;
  FuseRun run;
  run.mask = nullptr;
  for (Walk w(shape, c.shapes, arity + (c.masked ? 1 : 0)); w.live(); w.next()) {
    run.n = w.length();
    run.out = out + done;
    for (unsigned k = 0; k < arity; ++k) {
      run.in[k] = c.in[k] + w.offset(k);
      run.step[k] = w.step(k);
      const bool keep = gradient && c.wants[k];
      run.keep[k] = keep ? Keep::store : Keep::none;
      run.partial[k] = keep ? c.partial[k] + done : nullptr;
    }
    if (c.masked) {
      run.mask = c.in[arity] + w.offset(arity);
      run.mask_step = w.step(arity);
    }
    (gradient ? c.spec->gradient : c.spec->value)(c.f, run);
    done += run.n;
  }
}

/// Runs a fused function over `shape` into `out`; partials of argument k (output-shaped) go to `partial[k]`.
WICK_INLINE void fuse_out_run(FuseCall& c, const Shape& shape, Index n, double* out, bool gradient) {
  if (WICK_UNLIKELY(!fuse_plain(c, n))) return fuse_out_walk(c, shape, out, gradient);
  fuse_plain_run(c, n);
  c.out = out;
  for (unsigned k = 0; k < c.spec->arity; ++k) c.keep[k] = gradient && c.wants[k] ? Keep::store : Keep::none;
  (gradient ? c.spec->gradient : c.spec->value)(c.f, c);
}

inline void fuse_bind(Tape& tape, FusePayload& p, FuseCall& c) {
  c.spec = p.spec;
  c.f = p.f;
  c.masked = p.mask != 0;
  const FuseArgument* a = p.arguments();
  for (unsigned k = 0; k <= p.spec->arity; ++k) {
    const bool mask = k == p.spec->arity;
    if (mask && !c.masked) break;
    const std::uint32_t in = mask ? p.mask : a[k].in;
    c.in[k] = tape.data(in);
    c.shapes[k] = &tape.shape(in);
    c.numel[k] = tape.numel(in);
    if (mask) break;
    c.wants[k] = a[k].live;
    c.partial[k] = a[k].partial;
  }
}

inline void fuse_sum_rerun(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<FusePayload*>(tape[i].payload);
  FuseCall c;
  fuse_bind(tape, p, c);
  Shape shape;
  shape.assign(p.sizes, p.rank);
  const bool gradient = tape.differentiable(i);
  tape[i].value = p.factor * fuse_sum_run(c, shape, shape.numel(), gradient);
  if (gradient)
    for (unsigned k = 0; k < p.spec->arity; ++k) p.arguments()[k].sum = c.partial_sum[k];
}

inline void fuse_sum_adjoint(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<FusePayload*>(tape[i].payload);
  const double g = tape[i].adjoint * p.factor;
  const FuseArgument* a = p.arguments();
  for (unsigned k = 0; k < p.spec->arity; ++k) {
    if (!a[k].live) continue;
    double* to = tape.adjoint(a[k].in);
    if (a[k].partial == nullptr)
      *to += g * a[k].sum;
    else
      add_scaled(tape.numel(a[k].in), g, a[k].partial, to);
  }
}
inline constexpr OpFns fuse_sum_ops{"fuse_sum", &fuse_sum_rerun, &fuse_sum_adjoint};

inline void fuse_out_rerun(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<FusePayload*>(tape[i].payload);
  FuseCall c;
  fuse_bind(tape, p, c);
  fuse_out_run(c, tape.shape(i), tape.numel(i), tape[i].is_tensor() ? tape[i].block->data : &tape[i].value, tape.differentiable(i));
}

inline void fuse_out_adjoint(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<FusePayload*>(tape[i].payload);
  const double* g = tape.adjoint(i);
  const Index n = tape.numel(i);
  const FuseArgument* a = p.arguments();
  for (unsigned k = 0; k < p.spec->arity; ++k) {
    if (!a[k].live) continue;
    double* to = tape.adjoint(a[k].in);
    const Index own = tape.numel(a[k].in);
    if (own == n)
      add_product(n, g, a[k].partial, to);
    else if (own == 1)
      *to += dot_array(n, g, a[k].partial);
    else
      add_product_walk(tape.shape(i), g, a[k].partial, tape.shape(a[k].in), to);
  }
}
inline constexpr OpFns fuse_out_ops{"fuse", &fuse_out_rerun, &fuse_out_adjoint};

/// A fused call's request: arguments, how far it extends, and what is wanted.
struct FuseRequest {
  const FuseSpec* spec;
  const void* f;
  std::size_t f_bytes;
  const Tensor* const* in;
  const Shape* shape;        ///< null: the broadcast of the arguments
  const Tensor* mask;        ///< null: none
  double factor = 1.0;
  bool sum = true;
};

/// Records a fused call that has been evaluated.
WICK_INLINE void* fuse_record(Tape& tape, const FuseRequest& q, const FuseCall& c, const Shape& shape) {
  const unsigned arity = q.spec->arity;
  auto* p = static_cast<FusePayload*>(tape.arena().take_small(sizeof(FusePayload) + arity * sizeof(FuseArgument)));
  p->fns = q.sum ? &fuse_sum_ops : &fuse_out_ops;
  p->spec = q.spec;
  p->factor = q.factor;
  p->f = q.f_bytes == 0 ? nullptr : std::memcpy(tape.arena().take_small(q.f_bytes), q.f, q.f_bytes);
  FuseArgument* a = p->arguments();
  for (unsigned k = 0; k < arity; ++k) a[k] = {record_of(*q.in[k], tape), c.wants[k], c.partial[k], c.partial_sum[k]};
  p->mask = c.masked ? record_of(*q.mask, tape) : 0;
  p->rank = shape.size();
  p->sizes = nullptr;
  if (q.sum && p->rank > 0) {
    auto* sizes = static_cast<Index*>(tape.arena().take_small(shape.size() * sizeof(Index)));
    sizes[0] = shape[0];  // mostly all there is; a call of memcpy would cost as much as the rest of the record
    if (p->rank > 1) std::memcpy(sizes, shape.begin(), shape.size() * sizeof(Index));
    p->sizes = sizes;
  }
  return p;
}

/// Evaluates and, where an input is varying or differentiable, records a fused call.
WICK_NOINLINE inline Tensor fuse_call(const FuseRequest& q) {
  Tape* tape = context.tape;
  const unsigned arity = q.spec->arity;
  FuseCall c;
  c.spec = q.spec;
  c.f = q.f;
  c.masked = q.mask != nullptr;
  Kind kind = Kind::constant;
  Shape own;
  for (unsigned k = 0; k < arity; ++k) {
    const Tensor& t = *q.in[k];
    if (WICK_UNLIKELY(t.empty())) raise_empty(q.spec->name);
    Kind kk = kind_in(t, tape);
    if (tape == nullptr) kk = Kind::constant;
    if (kk == Kind::differentiable && (q.spec->live >> k & 1u) == 0) kk = Kind::varying;
    c.wants[k] = kk == Kind::differentiable;
    if (kk > kind) kind = kk;
    c.in[k] = TensorAccess::stored(t);
    c.shapes[k] = &TensorAccess::stored_shape(t);
    c.numel[k] = TensorAccess::stored_numel(t);
    c.partial[k] = nullptr;
    c.partial_sum[k] = 0;
    if (q.shape == nullptr && !broadcast_into(own, t.shape())) raise_broadcast_of(q.spec->name, q.in, k);
  }
  const Shape& shape = q.shape != nullptr ? *q.shape : own;
  const Index n = shape.numel();
  if (c.masked) {
    c.in[arity] = TensorAccess::stored(*q.mask);
    c.shapes[arity] = &TensorAccess::stored_shape(*q.mask);
    c.numel[arity] = TensorAccess::stored_numel(*q.mask);
    if (tape != nullptr && kind_in(*q.mask, tape) > kind) kind = Kind::varying;
  }
  const bool gradient = kind == Kind::differentiable;
  if (gradient)
    for (unsigned k = 0; k < arity; ++k)
      if (c.wants[k] && !(q.sum && c.numel[k] == 1)) c.partial[k] = tape->arena().doubles(q.sum ? c.numel[k] : n);
  if (q.sum) {
    const double y = q.factor * fuse_sum_run(c, shape, n, gradient);
    if (kind == Kind::constant) return Tensor(y);
    void* p = fuse_record(*tape, q, c, shape);
    return scalar_result(*tape, tape->push_general_scalar(p, y, kind), kind);
  }
  Tensor out = TensorAccess::make(shape);
  fuse_out_run(c, shape, n, TensorAccess::fresh_data(out), gradient);
  if (kind == Kind::constant) return out;
  void* p = fuse_record(*tape, q, c, shape);
  if (TensorAccess::is_scalar(out)) return scalar_result(*tape, tape->push_general_scalar(p, TensorAccess::scalar(out), kind), kind);
  return tensor_result(*tape, Op::general, p, TensorAccess::take_block(out), kind);
}

template <class F, std::size_t... K>
Tensor fuse_user(bool sum, const F& f, std::index_sequence<K...>, const Tensor* const* in) {
  static_assert(std::is_trivially_copyable_v<F>,
                "fuse: the lambda is kept as bytes; capture plain numbers by value and pass tensors as arguments");
  FuseRequest q{&fuse_spec<F, sizeof...(K)>, &f, sizeof(F), in, nullptr, nullptr};
  q.sum = sum;
  return fuse_call(q);
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
