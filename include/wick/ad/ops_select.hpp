/// \file
/// Operations that choose elements one by one: gather, scatter_add, one_hot, masked_select.
#pragma once

#include <wick/ad/ops_index.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/ad/scratch.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// Indices as an operand: of a constant its own int32 form, else `own`, which is filled anew from a varying index in every run.
struct IndexOperand {
  std::uint32_t record;
  IndexView view;
  std::int32_t* own;
};
WICK_NOINLINE inline IndexOperand index_operand(const char* name, const Tensor& index, Kind kind, Tape* tape, std::int32_t* single) {
  if (kind == Kind::constant && TensorAccess::is_block(index)) return {0, indices_of(name, TensorAccess::block(index)), nullptr};
  const auto bytes = static_cast<std::size_t>(index.numel()) * sizeof(std::int32_t);
  auto* own = kind == Kind::constant ? single : static_cast<std::int32_t*>(tape->arena().take(bytes));
  return {0, convert_indices(name, TensorAccess::stored(index), index.numel(), own), kind == Kind::constant ? nullptr : own};
}
inline void refresh_indices(const char* name, Tape& tape, IndexOperand& index, Index n) {
  if (index.own == nullptr) return;
  index.view = convert_indices(name, tape.data(index.record), index.view.count, index.own);
  check_range(name, index.view, n);
}

/// Elements of x[outer, n, inner] at indices[outer, m, inner] of the middle dimension.
struct GatherPayload {
  const OpFns* fns;
  std::uint32_t in, source;  ///< source: what is added by scatter_add
  Index outer, n, m, inner;
  IndexOperand index;
};
/// Calls `each(element among the indices, element of x)`.
template <class F>
WICK_INLINE void for_each_index(const GatherPayload& p, F each) {
  const std::int32_t* at = p.index.view.at;
  if (p.inner == 1 && p.outer == 1) {
    for (Index k = 0; k < p.m; ++k) each(k, static_cast<Index>(at[k]));
    return;
  }
  if (p.inner == 1) {
    for (Index o = 0, k = 0; o < p.outer; ++o)
      for (const Index end = k + p.m; k < end; ++k) each(k, o * p.n + at[k]);
    return;
  }
  for (Index o = 0, k = 0; o < p.outer; ++o)
    for (Index r = 0; r < p.m; ++r)
      for (Index j = 0; j < p.inner; ++j, ++k) each(k, (o * p.n + at[k]) * p.inner + j);
}
inline void gather_run(const GatherPayload& p, const double* x, double* out) {
  for_each_index(p, [&](Index k, Index from) WICK_LAMBDA_INLINE { out[k] = x[from]; });
}
inline void gather_forward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<GatherPayload*>(tape[i].payload);
  refresh_indices("gather", tape, p.index, p.n);
  gather_run(p, tape.data(p.in), output_of(tape, i));
}
inline void gather_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const GatherPayload*>(tape[i].payload);
  const double* g = tape.arrived(i);
  if (double* to = tape.adjoint(p.in)) for_each_index(p, [&](Index k, Index from) WICK_LAMBDA_INLINE { to[from] += g[k]; });
}
inline void scatter_run(const GatherPayload& p, const double* x, const double* source, double* out) {
  copy_rows(1, p.outer * p.n * p.inner, x, 0, out, 0);
  for_each_index(p, [&](Index k, Index at) WICK_LAMBDA_INLINE { out[at] += source[k]; });
}
inline void scatter_forward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<GatherPayload*>(tape[i].payload);
  refresh_indices("scatter_add", tape, p.index, p.n);
  scatter_run(p, tape.data(p.in), tape.data(p.source), output_of(tape, i));
}
inline void scatter_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const GatherPayload*>(tape[i].payload);
  const double* g = tape.arrived(i);
  if (tape.lends(p.in))
    tape.lend(tape[p.in], g, false);
  else if (double* to = tape.adjoint(p.in))
    add_array(p.outer * p.n * p.inner, g, to);
  if (!tape.differentiable(p.source)) return;
  const Tape::Sink s = tape.sink(p.source);
  for_each_index(p, [&](Index k, Index at) WICK_LAMBDA_INLINE { s.to[k] = present_number(s.to + k, s.fresh) + g[at]; });
}
#if defined(WICK_SECOND_ORDER)
// Linear, but for the indices.
WICK_COLD inline void gather_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const GatherPayload*>(pass.tape()[i].payload);
  gather_run(p, pass.tangent(p.in), pass.tangent_output(i));
}
WICK_COLD inline void scatter_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const GatherPayload*>(pass.tape()[i].payload);
  scatter_run(p, pass.tangent(p.in), pass.tangent(p.source), pass.tangent_output(i));
}
WICK_COLD inline void gather_pull_second(SecondPass& pass, std::uint32_t i) {
  if (pass.adjoint_tangent(i) != nullptr) gather_backward(pass.tape(), i);
}
WICK_COLD inline void scatter_pull_second(SecondPass& pass, std::uint32_t i) {
  if (pass.adjoint_tangent(i) != nullptr) scatter_backward(pass.tape(), i);
}
#endif
inline constexpr OpFns gather_ops{"gather", &gather_forward, &gather_backward, {WICK_SECOND(SecondKind::own, &gather_tangent, &gather_pull_second)}};
inline constexpr OpFns scatter_ops{"scatter_add", &scatter_forward, &scatter_backward,
                                   {WICK_SECOND(SecondKind::own, &scatter_tangent, &scatter_pull_second)}};

[[noreturn]] WICK_COLD inline void raise_gather(const char* name, const Shape& x, const Shape& index, const Shape* source) {
  if (source != nullptr)
    raise<ShapeError>("wick.op.E144", "", {name, ": indices have shape ", index, ", what is added has shape ", *source},
                      {"give one index for every element that is added; expand(x, shape) repeats"});
  raise<ShapeError>("wick.op.E144", "", {name, ": x has shape ", x, ", the indices ", index, ": they differ in more than the dimension that is indexed"},
                    {"expand the indices to x's other sizes; or use take(x, indices, dim), which gives whole rows"});
}

/// `source` null: gather, else scatter_add.
WICK_NOINLINE inline Tensor gather_call(const Tensor& x, const Tensor& indices, const Tensor* source, Index dim) {
  const char* const name = source == nullptr ? "gather" : "scatter_add";
  Tape* tape = context.tape;
  Kind kind = operand_kind(name, x, tape);
  const Kind of_index = operand_kind(name, indices, tape), of_source = source == nullptr ? Kind::constant : operand_kind(name, *source, tape);
  const std::size_t d = dim_at(name, dim, x.shape(), x.dim());
  kind = of_source > kind ? of_source : kind;
  if (kind == Kind::constant && of_index != Kind::constant) kind = Kind::varying;
  Tensor room, index_room, source_room;
  const Tensor &in = dense(x, room), &index = dense(indices, index_room);
  const Shape &s = in.shape(), &si = index.shape();
  bool fits = si.size() == s.size();
  for (unsigned i = 0; fits && i < s.size(); ++i) fits = i == d || s[i] == si[i];
  if (WICK_UNLIKELY(!fits)) raise_gather(name, s, si, nullptr);
  if (source != nullptr && WICK_UNLIKELY(!(source->shape() == si))) raise_gather(name, s, si, &source->shape());
  GatherPayload p{source == nullptr ? &gather_ops : &scatter_ops, 0, 0, count_of(s, 0, d), s[d], si[d], count_of(s, d + 1, s.size()),
                  index_operand(name, index, of_index, tape, nullptr)};
  check_range(name, p.index.view, p.n);
  Tensor out = TensorAccess::make(source == nullptr ? si : s);
  double* const to = TensorAccess::fresh_data(out);
  const Tensor* added = source == nullptr ? nullptr : &dense(*source, source_room);
  if (added == nullptr)
    gather_run(p, TensorAccess::stored(in), to);
  else
    scatter_run(p, TensorAccess::stored(in), TensorAccess::stored(*added), to);
  if (kind == Kind::constant) return out;
  p.in = record_of(in, *tape);
  p.index.record = record_of(index, *tape);  // also keeps a constant's int32 form alive
  if (added != nullptr) p.source = record_of(*added, *tape);
  auto* kept = new_payload<GatherPayload>(*tape);
  *kept = p;
  return general_result(*tape, kept, out, kind);
}

struct OneHotPayload {
  const OpFns* fns;
  Index depth;
  IndexOperand index;
};
inline void one_hot_run(const OneHotPayload& p, double* out) {
  fill_array(p.index.view.count * p.depth, 0.0, out);
  for (Index k = 0; k < p.index.view.count; ++k, out += p.depth) out[p.index.view.at[k]] = 1;
}
inline void one_hot_forward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<OneHotPayload*>(tape[i].payload);
  refresh_indices("one_hot", tape, p.index, p.depth);
  one_hot_run(p, output_of(tape, i));
}
inline constexpr OpFns one_hot_ops{"one_hot", &one_hot_forward, nullptr};  // no derivative: the reverse loop does not come here

WICK_NOINLINE inline Tensor one_hot_call(const Tensor& indices, Index depth) {
  Tape* tape = context.tape;
  Kind kind = operand_kind("one_hot", indices, tape);
  Tensor room;
  const Tensor& index = dense(indices, room);
  std::int32_t single = 0;
  OneHotPayload p{&one_hot_ops, depth, index_operand("one_hot", index, kind, tape, &single)};
  check_range("one_hot", p.index.view, depth);
  Tensor out = TensorAccess::make(index.shape() + Shape{depth});
  one_hot_run(p, TensorAccess::fresh_data(out));
  if (kind == Kind::constant) return out;
  p.index.record = record_of(index, *tape);
  auto* kept = new_payload<OneHotPayload>(*tape);
  *kept = p;
  return general_result(*tape, kept, out, Kind::varying);
}

/// The elements of the vector x where m is not 0: taken at their positions, which belong to the recording.
WICK_NOINLINE inline Tensor select_call(const Tensor& x, const double* m) {
  Tape* tape = context.tape;
  const Kind kind = operand_kind("masked_select", x, tape);
  const Index n = x.numel();
  if (WICK_UNLIKELY(n > std::numeric_limits<std::int32_t>::max())) raise_index("masked_select", static_cast<double>(n), n);
  Index count = 0;
  for (Index i = 0; i < n; ++i) count += m[i] != 0;
  const Index room = count / 2 + 1;  // in doubles, for one position more than there are
  const Scratch own(kind == Kind::constant ? room : 1);
  auto* at = reinterpret_cast<std::int32_t*>(kind == Kind::constant ? own.data() : tape->arena().doubles(room));
  for (Index i = 0, k = 0; i < n; ++i) {
    at[k] = static_cast<std::int32_t>(i);
    k += m[i] != 0;
  }
  TakePayload p{&take_ops, 0, 0, 1, n, 1, {at, count, 0, static_cast<std::int32_t>(n - 1)}, nullptr};
  Tensor out = TensorAccess::make({count});
  gather(TensorAccess::stored(x), 1, n, 1, p.view, TensorAccess::fresh_data(out));
  if (kind == Kind::constant) return out;
  p.in = record_of(x, *tape);
  auto* kept = new_payload<TakePayload>(*tape);
  *kept = p;
  return general_result(*tape, kept, out, kind);
}

}  // namespace detail

/// One element for every index: out[…, j, …] = x[…, indices[…, j, …], …] along `dim`.
///
/// Shapes: x and indices have equal sizes but in `dim`; returns the shape of `indices`. Gradients: of x, added up where an index is repeated.
/// Throws: wick.op.E121, wick.op.E126, wick.op.E127 (indices), wick.op.E144 (shapes).
inline Tensor gather(const Tensor& x, const Tensor& indices, Count dim = -1) { return detail::gather_call(x, indices, nullptr, dim.value); }
/// `x` with the elements of `source` added where their indices along `dim` say: out[…, indices[…, j, …], …] += source[…, j, …], in order.
/// The reverse of `gather`. Gradients: of x and source. Throws: as gather.
inline Tensor scatter_add(const Tensor& x, const Tensor& indices, const Tensor& source, Count dim = -1) {
  return detail::gather_call(x, indices, &source, dim.value);
}
/// 1 at the index, 0 elsewhere. Shapes: that of the indices, and behind it `depth`. No gradient. Throws: wick.op.E126, wick.op.E127.
inline Tensor one_hot(const Tensor& indices, Count depth) {
  if (WICK_UNLIKELY(depth.value < 0)) detail::raise<ShapeError>("wick.op.E142", "", {"one_hot: the depth is ", depth.value}, {"give counts from 0 on"});
  return detail::one_hot_call(indices, depth.value);
}
/// The elements of `x` where the mask is not 0, as a vector in row-major order; x and mask broadcast.
///
/// The mask is read here: how many elements there are does not change when a recording is run again. Gradients: of x. Throws: wick.op.E120.
inline Tensor masked_select(const Tensor& x, const Tensor& mask) {
  if (WICK_UNLIKELY(x.empty() || mask.empty())) detail::raise_empty("masked_select");
  Shape shape = x.shape();
  if (WICK_UNLIKELY(!detail::broadcast_into(shape, mask.shape()))) detail::raise_broadcast("masked_select", x.shape(), mask.shape());
  const Tensor all = detail::with_shape(detail::materialise(expand(x, shape)), {shape.numel()});
  const Tensor chosen = detail::TensorAccess::detached(expand(mask, shape));
  return detail::select_call(all, chosen.data());
}

}  // namespace wick::inline WICK_ABI
