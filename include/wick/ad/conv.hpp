/// \file
/// Convolution along one dimension.
#pragma once

#include <wick/ad/ops_layout.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// x[batch, from, size] and w[to, from, width] to out[batch, to, n]: out[t] = Σ w[k] x[stride t + k].
struct ConvPayload {
  const OpFns* fns;
  std::uint32_t x, w;
  Index batch, from, to, size, width, n, stride;
};

/// Calls `each(row of the result, tap of w, first element of x)` for every product of a row of x with a number of w.
template <class F>
WICK_INLINE void for_each_tap(const ConvPayload& p, F each) {
  for (Index b = 0; b < p.batch; ++b)
    for (Index o = 0; o < p.to; ++o)
      for (Index i = 0; i < p.from; ++i)
        for (Index k = 0; k < p.width; ++k) each((b * p.to + o) * p.n, (o * p.from + i) * p.width + k, (b * p.from + i) * p.size + k);
}

/// y[t] += Σ taps[q] from[t + q direction].
template <Index... Q>
WICK_NOINLINE void conv_taps(Index n, const double* from, Index direction, const double* taps, double* y, bool fresh, std::integer_sequence<Index, Q...>) {
  Index t = 0;
  for (; t + 8 <= n; t += 8) {
    Packet s = present(y + t, fresh);
    ((s = mul_add(Packet(taps[Q]), Packet::load(from + t + Q * direction), s)), ...);
    s.store(y + t);
  }
  for (; t < n; ++t) {
    double s = present_number(y + t, fresh);
    ((s += taps[Q] * from[t + Q * direction]), ...);
    y[t] = s;
  }
}
/// Any number of taps, eight at a time: y is loaded and stored once for them.
inline void conv_row(Index n, const double* from, Index direction, const double* taps, Index width, double* y, bool fresh) {
  for (; width > 0; fresh = false) {
    const Index some = width >= 8 ? 8 : width >= 4 ? 4 : 1;
    if (some == 8)
      conv_taps(n, from, direction, taps, y, fresh, std::make_integer_sequence<Index, 8>{});
    else if (some == 4)
      conv_taps(n, from, direction, taps, y, fresh, std::make_integer_sequence<Index, 4>{});
    else
      add_scaled(n, *taps, from, y, fresh);
    taps += some;
    from += some * direction;
    width -= some;
  }
}

/// Adds the convolution to `out`, or stores it there.
WICK_NOINLINE inline void conv_add(const ConvPayload& p, const double* x, const double* w, double* out, bool fresh = false) {
  if (p.stride != 1 || p.from == 0) {
    if (fresh) fill_array(p.batch * p.to * p.n, 0.0, out);
    for_each_tap(p, [&](Index row, Index tap, Index first) WICK_LAMBDA_INLINE {
      for (Index t = 0; t < p.n; ++t) out[row + t] += w[tap] * x[first + p.stride * t];
    });
    return;
  }
  for (Index b = 0; b < p.batch; ++b)
    for (Index o = 0; o < p.to; ++o)
      for (Index i = 0; i < p.from; ++i)
        conv_row(p.n, x + (b * p.from + i) * p.size, 1, w + (o * p.from + i) * p.width, p.width, out + (b * p.to + o) * p.n, fresh && i == 0);
}
inline void conv_run(const ConvPayload& p, const double* x, const double* w, double* out) { conv_add(p, x, w, out, true); }

/// to[t + k] += w[k] g[t] in one row: for each element the taps that reach it.
inline void conv_spread(const ConvPayload& p, const double* g, const double* w, double* to, bool fresh) {
  const Index edge = p.width - 1, inside = p.n - edge;  // elements [edge, n) get all taps
  const auto careful = [&](Index first, Index last) {
    for (Index s = first; s < last; ++s) {
      double sum = present_number(to + s, fresh);
      for (Index k = 0; k < p.width; ++k)
        if (s - k >= 0 && s - k < p.n) sum += w[k] * g[s - k];
      to[s] = sum;
    }
  };
  if (inside <= 0) return careful(0, p.n + edge);
  careful(0, edge);
  conv_row(inside, g + edge, -1, w, p.width, to + edge, fresh);
  careful(p.n, p.n + edge);
}
WICK_NOINLINE inline void conv_pull(const ConvPayload& p, const double* g, const double* x, const double* w, double* to_x, double* to_w, bool fresh = false) {
  // What leads to an adjoint of 0 leaves no trace, whatever the tap is.
  const bool rows = p.stride == 1 && p.size == p.n + p.width - 1 && p.to > 0 && all_finite(p.to * p.from * p.width, w);
  if (to_x != nullptr && fresh && !rows) fill_array(p.batch * p.from * p.size, 0.0, to_x);
  for (Index b = 0; rows && to_x != nullptr && b < p.batch; ++b)
    for (Index o = 0; o < p.to; ++o)
      for (Index i = 0; i < p.from; ++i)
        conv_spread(p, g + (b * p.to + o) * p.n, w + (o * p.from + i) * p.width, to_x + (b * p.from + i) * p.size, fresh && o == 0);
  if (rows) to_x = nullptr;
  if (to_x == nullptr && to_w == nullptr) return;
  for_each_tap(p, [&](Index row, Index tap, Index first) {
    if (p.stride == 1 && to_w != nullptr) to_w[tap] += dot_array(p.n, g + row, x + first);
    if (p.stride == 1 && to_x == nullptr) return;
    for (Index t = 0; t < p.n; ++t) {
      const double gt = g[row + t];
      if (to_x != nullptr) to_x[first + p.stride * t] += adjoint_product(gt, w[tap]);
      if (to_w != nullptr && p.stride != 1) to_w[tap] += adjoint_product(gt, x[first + p.stride * t]);
    }
  });
}
inline void conv_forward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const ConvPayload*>(tape[i].payload);
  conv_run(p, tape.data(p.x), tape.data(p.w), output_of(tape, i));
}
inline void conv_backward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const ConvPayload*>(tape[i].payload);
  const Tape::Sink to_x = tape.differentiable(p.x) ? tape.sink(p.x) : Tape::Sink{nullptr, false};
  conv_pull(p, tape.arrived(i), tape.data(p.x), tape.data(p.w), to_x.to, tape.adjoint(p.w), to_x.fresh);
}
#if defined(WICK_SECOND_ORDER)
WICK_COLD inline void conv_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const ConvPayload*>(pass.tape()[i].payload);
  conv_run(p, pass.tangent(p.x), pass.value(p.w), pass.tangent_output(i));
  conv_add(p, pass.value(p.x), pass.tangent(p.w), pass.tangent_output(i));
}
WICK_COLD inline void conv_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const ConvPayload*>(pass.tape()[i].payload);
  double *to_x = pass.pull_to(p.x), *to_w = pass.pull_to(p.w);
  if (pass.adjoint_tangent(i) != nullptr) conv_pull(p, pass.adjoint_tangent(i), pass.value(p.x), pass.value(p.w), to_x, to_w);
  if (pass.adjoint(i) != nullptr) conv_pull(p, pass.adjoint(i), pass.tangent(p.x), pass.tangent(p.w), to_x, to_w);
}
#endif
inline constexpr OpFns conv_ops{"conv1d", &conv_forward, &conv_backward, {WICK_SECOND(SecondKind::own, &conv_tangent, &conv_pull_second)}};

[[noreturn]] WICK_COLD inline void raise_conv(const Shape& x, const Shape& w, Index stride, Index padding) {
  raise<ShapeError>("wick.op.E148", "", {"conv1d: x of shape ", x, " and weights of shape ", w, " with stride ", stride, " and padding ", padding, " do not fit"},
                    {"x is (…, channels, size), the weights (channels out, channels, width) with 1 <= width <= size + 2 padding; stride from 1 on"});
}

WICK_NOINLINE inline Tensor conv_call(const Tensor& left, const Tensor& weights, Index stride, Index padding) {
  Tape* tape = context.tape;
  const Kind kx = operand_kind("conv1d", left, tape), kw = operand_kind("conv1d", weights, tape), kind = kx > kw ? kx : kw;
  const Shape& before = left.shape();
  if (WICK_UNLIKELY(before.rank() < 2 || weights.dim() != 3 || stride < 1 || padding < 0 || weights.shape()[1] != before.from_right(-2) ||
                    weights.shape()[2] < 1 || weights.shape()[2] > before.from_right(-1) + 2 * padding))
    raise_conv(before, weights.shape(), stride, padding);
  const Tensor around = padding == 0 ? left : pad(left, -1, padding, padding);
  Tensor room_x, room_w;
  const Tensor &x = dense(around, room_x), &w = dense(weights, room_w);
  const Shape &sx = x.shape(), &sw = w.shape(), head = sx.head(sx.rank() - 2);
  const Index size = sx.from_right(-1);
  ConvPayload p{&conv_ops, 0, 0, head.numel(), sw[1], sw[0], size, sw[2], (size - sw[2]) / stride + 1, stride};
  Tensor out = TensorAccess::make(head + Shape{p.to, p.n});
  conv_run(p, TensorAccess::stored(x), TensorAccess::stored(w), TensorAccess::fresh_data(out));
  if (kind == Kind::constant) return out;
  p.x = record_of(x, *tape);
  p.w = record_of(w, *tape);
  auto* kept = new_payload<ConvPayload>(*tape);
  *kept = p;
  return general_result(*tape, kept, out, kind);
}

}  // namespace detail

/// Convolution along the last dimension, as neural networks define it: out[…, o, t] = Σ w[o, i, k] x[…, i, stride t + k], where x has
/// `padding` zeros before and after it.
///
/// Shapes: (…, channels, size) and (channels out, channels, width) → (…, channels out, (size + 2 padding − width) / stride + 1). Gradients:
/// both. Throws: wick.op.E148.
inline Tensor conv1d(const Tensor& x, const Tensor& weights, Count stride = 1, Count padding = 0) {
  return detail::conv_call(x, weights, stride.value, padding.value);
}

}  // namespace wick::inline WICK_ABI
