/// \file
/// Operations that gather and join: take, cat, stack_tensors.
#pragma once

#include <span>

#include <wick/ad/general.hpp>
#include <wick/tensor/index.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// out[outer, count, inner] = x[outer, index, inner].
WICK_NOINLINE inline void gather(const double* x, Index outer, Index n, Index inner, const IndexView& v, double* out) {
  for (Index o = 0; o < outer; ++o, x += n * inner) {
    if (inner == 1) {
      for (Index j = 0; j < v.count; ++j) *out++ = x[v.at[j]];
    } else {
      for (Index j = 0; j < v.count; ++j, out += inner)
        std::memcpy(out, x + v.at[j] * inner, static_cast<std::size_t>(inner) * sizeof(double));
    }
  }
}
/// to[outer, index, inner] += g[outer, count, inner], in order, so that repeated indices add up the same way always.
WICK_NOINLINE inline void scatter_add(const double* g, Index outer, Index n, Index inner, const IndexView& v,
                                      double* to) {
  for (Index o = 0; o < outer; ++o, to += n * inner) {
    if (inner == 1) {
      for (Index j = 0; j < v.count; ++j) to[v.at[j]] += *g++;
    } else {
      for (Index j = 0; j < v.count; ++j, g += inner) {
        double* row = to + v.at[j] * inner;
        Index i = 0;
        for (; i + 8 <= inner; i += 8) (Packet::load(row + i) + Packet::load(g + i)).store(row + i);
        for (; i < inner; ++i) row[i] += g[i];
      }
    }
  }
}

/// `view` is of a constant's own int32 form, or of `own`, which is filled anew from a varying index.
struct TakePayload {
  const OpFns* fns;
  std::uint32_t in, index;
  Index outer, n, inner;
  IndexView view;
  std::int32_t* own;
};

inline void take_forward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<TakePayload*>(tape[i].payload);
  if (p.own != nullptr && tape[p.index].kind != Kind::constant) {
    p.view = convert_indices("take", tape.data(p.index), p.view.count, p.own);
    check_range("take", p.view, p.n);
  }
  gather(tape.data(p.in), p.outer, p.n, p.inner, p.view, output_of(tape, i));
}
inline void take_backward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<TakePayload*>(tape[i].payload);
  if (double* to = tape.adjoint(p.in)) scatter_add(tape.arrived(i), p.outer, p.n, p.inner, p.view, to);
}
#if defined(WICK_SECOND_ORDER)
/// Linear, but for the indices, which `take_forward` would read as tangents.
inline void take_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const TakePayload*>(pass.tape()[i].payload);
  gather(pass.tangent(p.in), p.outer, p.n, p.inner, p.view, pass.tangent_output(i));
}
inline void take_pull_second(SecondPass& pass, std::uint32_t i) {
  if (pass.adjoint_tangent(i) != nullptr) take_backward(pass.tape(), i);
}
#endif
inline constexpr OpFns take_ops{"take", &take_forward, &take_backward, {WICK_SECOND(SecondKind::own, &take_tangent, &take_pull_second)}};

WICK_NOINLINE inline Tensor take_call(const Tensor& x, const Tensor& indices, Index dim) {
  Tape* tape = context.tape;
  const Kind of_x = operand_kind("take", x, tape), of_index = operand_kind("take", indices, tape);
  const std::size_t d = dim_at("take", dim, x.shape(), x.dim());
  Tensor room, index_room;
  const Tensor& in = dense(x, room);
  const Tensor& index = dense(indices, index_room);
  const Shape& s = in.shape();
  const Kind kind = of_x == Kind::constant && of_index != Kind::constant ? Kind::varying : of_x;
  TakePayload p{nullptr, 0, 0, count_of(s, 0, d), s[d], count_of(s, d + 1, s.size()), {}, nullptr};
  std::int32_t single = 0;
  if (of_index == Kind::constant && TensorAccess::is_block(index)) {
    p.view = indices_of("take", TensorAccess::block(index));
  } else {
    // A varying index changes with every run: its int32 form belongs to the recording.
    const auto bytes = static_cast<std::size_t>(index.numel()) * sizeof(std::int32_t);
    p.own = tape == nullptr ? &single : static_cast<std::int32_t*>(tape->arena().take_small(bytes));
    p.view = convert_indices("take", TensorAccess::stored(index), index.numel(), p.own);
  }
  check_range("take", p.view, p.n);
  const auto split = static_cast<Index>(d);
  Tensor out = TensorAccess::make(s.head(split) + index.shape() + s.slice(split + 1, s.rank()));
  gather(TensorAccess::stored(in), p.outer, p.n, p.inner, p.view, TensorAccess::fresh_data(out));
  if (kind == Kind::constant) return out;
  p.fns = &take_ops;
  p.in = record_of(in, *tape);
  p.index = record_of(index, *tape);  // also keeps a constant's int32 form alive
  auto* kept = new_payload<TakePayload>(*tape);
  *kept = p;
  return general_result(*tape, kept, out, kind);
}

/// Inputs side by side in out[outer, total]: input k fills `width[k]` of each row.
struct JoinPayload {
  const OpFns* fns;
  std::uint32_t* in;
  Index* width;
  std::size_t count;
  Index outer, total;
};
inline void join_forward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<JoinPayload*>(tape[i].payload);
  double* out = output_of(tape, i);
  for (std::size_t k = 0; k < p.count; out += p.width[k++])
    copy_rows(p.outer, p.width[k], tape.data(p.in[k]), p.width[k], out, p.total);
}
inline void join_backward(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<JoinPayload*>(tape[i].payload);
  const double* g = tape.arrived(i);
  for (std::size_t k = 0; k < p.count; g += p.width[k++]) {
    if (!tape.differentiable(p.in[k])) continue;
    if (p.outer == 1 && tape.lends(p.in[k])) {
      tape.lend(tape[p.in[k]], g, false);
      continue;
    }
    const Tape::Sink to = tape.sink(p.in[k]);
    add_rows(p.outer, p.width[k], g, p.total, to.to, p.width[k], to.fresh);
  }
}
inline constexpr OpFns join_ops{"cat", &join_forward, &join_backward, second_linear};

/// Joins parts whose elements are [outer, own width] into a value of shape `to`.
WICK_NOINLINE inline Tensor join_call(std::span<const Tensor> parts, const Shape& to, Index outer, Index total) {
  Tape* tape = context.tape;
  Kind kind = Kind::constant;
  for (const Tensor& t : parts) {
    const Kind own = operand_kind("cat", t, tape);
    if (own > kind) kind = own;
  }
  JoinPayload* p = nullptr;
  if (kind != Kind::constant) {
    p = new_payload<JoinPayload>(*tape);
    *p = {&join_ops,
          static_cast<std::uint32_t*>(tape->arena().take_small(parts.size() * sizeof(std::uint32_t))),
          static_cast<Index*>(tape->arena().take_small(parts.size() * sizeof(Index))),
          parts.size(),
          outer,
          total};
  }
  Tensor out = TensorAccess::make(to);
  double* at = TensorAccess::fresh_data(out);
  for (std::size_t k = 0; k < parts.size(); ++k) {
    Tensor room;
    const Tensor& in = dense(parts[k], room);
    const Index width = outer == 0 ? 0 : in.numel() / outer;
    copy_rows(outer, width, TensorAccess::stored(in), width, at, total);
    at += width;
    if (p == nullptr) continue;
    p->in[k] = record_of(in, *tape);
    p->width[k] = width;
  }
  return p == nullptr ? out : general_result(*tape, p, out, kind);
}

[[noreturn]] WICK_COLD inline void raise_no_parts(const char* name) {
  raise<ShapeError>("wick.op.E128", "", {name, ": no tensors to join"}, {"give at least one tensor"});
}
[[noreturn]] WICK_COLD inline void raise_cat(const Shape& a, const Shape& b, std::size_t k, Index dim) {
  raise<ShapeError>("wick.op.E128", "",
                    {"cat: tensor 0 has shape ", a, ", tensor ", static_cast<Index>(k), " has ", b,
                     ": they differ outside dimension ", dim},
                    {"join along the dimension in which they differ; scalars are joined with stack_tensors"});
}
[[noreturn]] WICK_COLD inline void raise_stack(const Shape& a, const Shape& b, std::size_t k) {
  raise<ShapeError>("wick.op.E128", "",
                    {"stack_tensors: tensor 0 has shape ", a, ", tensor ", static_cast<Index>(k), " has ", b},
                    {"give tensors of one shape; expand(x, shape) repeats a smaller one"});
}

}  // namespace detail

/// The elements (or sub-arrays) of dimension `dim` at these indices: out[…, j, …] = x[…, indices[j], …].
///
/// Shapes: x's with `dim` replaced by the shape of `indices`; a scalar index removes the dimension. Gradients: of x,
/// added up where an index is repeated. The int32 form of a constant index tensor is made once and kept with it.
/// Throws: wick.op.E121 (no such dimension), wick.op.E126 (not a whole number), wick.op.E127 (outside [0, size)).
inline Tensor take(const Tensor& x, const Tensor& indices, Count dim) { return detail::take_call(x, indices, dim); }
inline Tensor take(const Tensor& x, const Tensor& indices) { return detail::take_call(x, indices, 0); }

/// Tensors joined along an existing dimension. Gradients: passed on to each.
/// Shapes: equal but in `dim`, where sizes add up. Throws: wick.op.E121, wick.op.E128 (shapes, no tensors).
inline Tensor cat(std::span<const Tensor> parts, Count dim = 0) {
  if (parts.empty()) detail::raise_no_parts("cat");
  for (const Tensor& t : parts)
    if (t.empty()) detail::raise_empty("cat");
  Shape to = parts[0].shape();
  const std::size_t d = detail::dim_at("cat", dim, to, to.rank());
  for (std::size_t k = 1; k < parts.size(); ++k) {
    const Shape& s = parts[k].shape();
    bool fits = s.size() == to.size();
    for (unsigned i = 0; fits && i < s.size(); ++i) fits = i == d || s[i] == to[i];
    if (!fits) detail::raise_cat(parts[0].shape(), s, k, dim);
    to[d] += s[d];
  }
  return detail::join_call(parts, to, detail::count_of(to, 0, d), detail::count_of(to, d, to.size()));
}
inline Tensor cat(std::initializer_list<Tensor> parts, Count dim = 0) {
  return cat(std::span<const Tensor>(parts.begin(), parts.size()), dim);
}

/// Tensors of one shape joined along a new dimension `dim` of the result; also makes a vector of scalars.
/// Gradients: passed on to each. Throws: wick.op.E121, wick.op.E128.
inline Tensor stack_tensors(std::span<const Tensor> parts, Count dim = 0) {
  if (parts.empty()) detail::raise_no_parts("stack_tensors");
  for (std::size_t k = 0; k < parts.size(); ++k) {
    if (parts[k].empty()) detail::raise_empty("stack_tensors");
    if (!(parts[k].shape() == parts[0].shape())) detail::raise_stack(parts[0].shape(), parts[k].shape(), k);
  }
  const Shape& s = parts[0].shape();
  const auto d = static_cast<Index>(detail::dim_at("stack_tensors", dim, s, s.rank() + 1));
  const Shape to = s.head(d) + Shape{parts.size()} + s.slice(d, s.rank());
  return detail::join_call(parts, to, s.head(d).numel(), detail::count_of(to, static_cast<std::size_t>(d), to.size()));
}
inline Tensor stack_tensors(std::initializer_list<Tensor> parts, Count dim = 0) {
  return stack_tensors(std::span<const Tensor>(parts.begin(), parts.size()), dim);
}

}  // namespace wick::inline WICK_ABI
