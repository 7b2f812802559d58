/// \file
/// All steps of one recurrent layer as one operation.
#pragma once

#include <wick/ad/ops_shape.hpp>
#include <wick/math/special.hpp>
#include <wick/nn/linear_op.hpp>

namespace wick::inline WICK_ABI::detail {

enum class Cell : std::uint8_t { relu, tanh, gru, lstm };
inline constexpr Index gates_of(Cell c) noexcept { return c == Cell::lstm ? 4 : c == Cell::gru ? 3 : 1; }

/// The recorded form. `pre` is the input's part of the gates, (batch, steps, gates · units). The output is, for each sequence, the outputs of
/// all steps, the last h and, for LSTM, the last c. What the steps keep is in `work`, step after step in the order in which they run:
/// h before the first step and after each, (steps + 1, batch, units), the same for c, the gates after their activations, and for GRU the
/// recurrent part of n, for LSTM tanh(c).
struct RecurrentPayload {
  const OpFns* fns;
  std::uint32_t pre, w, b, h0, c0, mask;  ///< 0: there is none
  Index n, steps, units;
  Cell cell;
  bool reverse;
  double* work;

  Index gates() const noexcept { return gates_of(cell); }
  Index plane() const noexcept { return n * units; }
  bool two_states() const noexcept { return cell == Cell::lstm; }
  Index row_out() const noexcept { return (steps + (two_states() ? 2 : 1)) * units; }
  double* h(Index k) const noexcept { return work + k * plane(); }
  double* c(Index k) const noexcept { return work + (steps + 1 + k) * plane(); }
  double* gate(Index k) const noexcept { return work + (two_states() ? 2 : 1) * (steps + 1) * plane() + k * gates() * plane(); }
  double* extra(Index k) const noexcept { return gate(steps) + k * plane(); }
  Index work_size() const noexcept { return ((two_states() ? 2 : 1) * (steps + 1) + (gates() + (gates() > 1 ? 1 : 0)) * steps) * plane(); }
  Index time(Index k) const noexcept { return reverse ? steps - 1 - k : k; }
};

/// Where the values of the inputs lie; null: there is none.
struct RecurrentData {
  const double *pre, *w, *b, *h0, *c0, *mask;
};

/// One sequence, one step: `q` has the recurrent part of the gates and becomes the gates; `p` is the input's part.
inline void cell_forward(Cell cell, Index units, const double* p, double* q, const double* h, const double* c, double* h_next, double* c_next, double* extra) {
  using V = math::PacketPart;
  for (Index j = 0; j < units; j += V::lanes) {
    const auto in = [&](const double* x, Index gate = 0) { return load_at<V>(x + gate * units, true, j, units); };
    const auto put = [&](double* x, const V& v, Index gate = 0) { store_at(x + gate * units, j, units, v); };
    switch (cell) {
      case Cell::relu: {
        const V a = in(p) + in(q);
        put(h_next, where(a > V(0.0), a, where(a == a, V(0.0), a)));
        break;
      }
      case Cell::tanh: put(h_next, tanh(in(p) + in(q))); break;
      case Cell::gru: {
        const V r = sigmoid(in(p, 0) + in(q, 0)), z = sigmoid(in(p, 1) + in(q, 1)), m = in(q, 2), n = tanh(in(p, 2) + r * m);
        put(q, r, 0), put(q, z, 1), put(q, n, 2), put(extra, m);
        put(h_next, (V(1.0) - z) * n + z * in(h));
        break;
      }
      case Cell::lstm: {
        const V i = sigmoid(in(p, 0) + in(q, 0)), f = sigmoid(in(p, 1) + in(q, 1)), g = tanh(in(p, 2) + in(q, 2)), o = sigmoid(in(p, 3) + in(q, 3));
        const V next = f * in(c) + i * g, t = tanh(next);
        put(q, i, 0), put(q, f, 1), put(q, g, 2), put(q, o, 3), put(extra, t);
        put(c_next, next), put(h_next, o * t);
      }
    }
  }
}

WICK_NOINLINE inline void recurrent_run(const RecurrentPayload& p, const RecurrentData& in, double* out) {
  const Index size = p.units, plane = p.plane(), gates = p.gates() * size;
  const auto copy = [](const double* from, double* to, Index n) { std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(double)); };
  copy(in.h0, p.h(0), plane);
  if (p.two_states()) copy(in.c0, p.c(0), plane);
  for (Index k = 0; k < p.steps; ++k) {
    const Index t = p.time(k);
    double* q = p.gate(k);
    for (Index i = 0; i < p.n; ++i)
      for (Index j = 0; j < gates; ++j) q[i * gates + j] = in.b != nullptr ? in.b[j] : 0.0;
    linear_add(p.h(k), in.w, q, p.n, size, gates);
    for (Index i = 0; i < p.n; ++i) {
      const Index at = i * size;
      double *h_next = p.h(k + 1) + at, *c_next = p.two_states() ? p.c(k + 1) + at : nullptr, *to = out + i * p.row_out() + t * size;
      if (in.mask == nullptr || in.mask[i * p.steps + t] != 0) {
        cell_forward(p.cell, size, in.pre + (i * p.steps + t) * gates, q + i * gates, p.h(k) + at, p.two_states() ? p.c(k) + at : nullptr, h_next, c_next,
                     p.gates() > 1 ? p.extra(k) + at : nullptr);
        copy(h_next, to, size);
      } else {
        copy(p.h(k) + at, h_next, size);
        if (p.two_states()) copy(p.c(k) + at, c_next, size);
        for (Index j = 0; j < size; ++j) to[j] = 0;
      }
    }
  }
  for (Index i = 0; i < p.n; ++i) {
    double* last = out + i * p.row_out() + p.steps * size;
    copy(p.h(p.steps) + i * size, last, size);
    if (p.two_states()) copy(p.c(p.steps) + i * size, last + size, size);
  }
}

/// One sequence, one step back: `dh` (and `dc`) of after the step become those of before, without what comes through the gates; `a` gets the
/// derivatives by the input's part of the gates, `b` those by the recurrent part.
inline void cell_backward(Cell cell, Index units, const double* gate, const double* extra, const double* h, const double* c, const double* h_next, double* dh, double* dc, double* a, double* b) {
  using V = math::PacketPart;
  const V one(1.0), none(0.0);
  for (Index j = 0; j < units; j += V::lanes) {
    const auto in = [&](const double* x, Index g = 0) { return load_at<V>(x + g * units, true, j, units); };
    const auto put = [&](double* x, const V& v, Index g = 0) { store_at(x + g * units, j, units, v); };
    const V d = in(dh);
    switch (cell) {
      case Cell::relu:
      case Cell::tanh: {
        const V y = in(h_next), e = cell == Cell::tanh ? d * (one - y * y) : where(y > none, d, none);
        put(a, e), put(b, e), put(dh, none);
        break;
      }
      case Cell::gru: {
        const V r = in(gate, 0), z = in(gate, 1), n = in(gate, 2), m = in(extra);
        const V dn = d * (one - z) * (one - n * n), dz = d * (in(h) - n) * z * (one - z), dr = dn * m * r * (one - r);
        put(a, dr, 0), put(a, dz, 1), put(a, dn, 2);
        put(b, dr, 0), put(b, dz, 1), put(b, dn * r, 2);
        put(dh, d * z);
        break;
      }
      case Cell::lstm: {
        const V i = in(gate, 0), f = in(gate, 1), g = in(gate, 2), o = in(gate, 3), t = in(extra);
        const V s = in(dc) + d * o * (one - t * t);
        const V e[] = {s * g * i * (one - i), s * in(c) * f * (one - f), s * i * (one - g * g), d * t * o * (one - o)};
        for (Index q = 0; q < 4; ++q) put(a, e[q], q), put(b, e[q], q);
        put(dc, s * f), put(dh, none);
      }
    }
  }
}

inline void recurrent_forward(Tape& tape, std::uint32_t i) {
  const auto& p = *static_cast<const RecurrentPayload*>(tape[i].payload);
  const auto data = [&](std::uint32_t r) { return r != 0 ? tape.data(r) : nullptr; };
  recurrent_run(p, {data(p.pre), data(p.w), data(p.b), data(p.h0), data(p.c0), data(p.mask)}, output_of(tape, i));
}

/// Back through time; the weight's derivative is one product over all steps at the end.
WICK_NOINLINE inline void recurrent_backward(Tape& tape, std::uint32_t record) {
  const auto& p = *static_cast<const RecurrentPayload*>(tape[record].payload);
  const double *out = tape.adjoint(record), *mask = p.mask != 0 ? tape.data(p.mask) : nullptr, *w = tape.data(p.w);
  double* to_pre = tape.adjoint(p.pre);
  const Index size = p.units, plane = p.plane(), gates = p.gates() * size;
  double *dh = tape.arena().zeros(plane), *dc = p.two_states() ? tape.arena().zeros(plane) : nullptr;
  double *a = tape.arena().zeros(gates), *b = tape.arena().zeros(p.steps * p.n * gates);
  for (Index i = 0; i < p.n; ++i) {
    const double* last = out + i * p.row_out() + p.steps * size;
    add_array(size, last, dh + i * size);
    if (dc != nullptr) add_array(size, last + size, dc + i * size);
  }
  for (Index k = p.steps; k-- > 0;) {
    const Index t = p.time(k);
    double* d = b + k * p.n * gates;
    for (Index i = 0; i < p.n; ++i) {
      if (mask != nullptr && mask[i * p.steps + t] == 0) continue;  // the state passed: so does its adjoint
      const Index at = i * size;
      add_array(size, out + i * p.row_out() + t * size, dh + at);
      cell_backward(p.cell, size, p.gate(k) + i * gates, p.gates() > 1 ? p.extra(k) + at : nullptr, p.h(k) + at, dc != nullptr ? p.c(k) + at : nullptr, p.h(k + 1) + at, dh + at,
                    dc != nullptr ? dc + at : nullptr, a, d + i * gates);
      if (to_pre != nullptr) add_array(gates, a, to_pre + (i * p.steps + t) * gates);
    }
    linear_add_x({nullptr, 0, 0, 0, p.n, size, gates}, d, w, dh);
  }
  const Index rows = p.steps * p.n;
  if (double* to = tape.adjoint(p.w)) linear_add_w({nullptr, 0, 0, 0, rows, size, gates}, b, p.h(0), to);
  if (double* to = p.b != 0 ? tape.adjoint(p.b) : nullptr)
    for (Index r = 0; r < rows; ++r) add_array(gates, b + r * gates, to);
  if (double* to = tape.adjoint(p.h0)) add_array(plane, dh, to);
  if (double* to = p.c0 != 0 ? tape.adjoint(p.c0) : nullptr) add_array(plane, dc, to);
}
inline constexpr OpFns recurrent_ops{"recurrent layer", &recurrent_forward, &recurrent_backward, {}};

/// Runs the steps and records them. All are dense: `pre` (…, steps, gates · units), `h0`, `c0` (…, units), `mask` (…, steps).
WICK_NOINLINE inline Tensor recurrent_call(Cell cell, bool reverse, Index units, const Tensor& pre, const Tensor& w, const Tensor& b, const Tensor& h0, const Tensor& c0, const Tensor& mask) {
  Tape* tape = context.tape;
  const Tensor* const in[] = {&pre, &w, &b, &h0, &c0, &mask};
  Kind kind = Kind::constant;
  for (const Tensor* t : in)
    if (!t->empty())
      if (const Kind own = operand_kind("recurrent layer", *t, tape); own > kind) kind = own;
  const Shape batch = pre.shape().head(pre.dim() - 2);
  RecurrentPayload p{&recurrent_ops, 0, 0, 0, 0, 0, 0, batch.numel(), pre.shape().from_right(-2), units, cell, reverse, nullptr};
  Tensor out = TensorAccess::make(batch + Shape{p.row_out()});
  const auto data = [](const Tensor& t) { return t.empty() ? nullptr : TensorAccess::stored(t); };
  const RecurrentData values{data(pre), data(w), data(b), data(h0), data(c0), data(mask)};
  if (kind == Kind::constant) {
    std::size_t capacity = 0;
    p.work = static_cast<double*>(thread_pool.take(static_cast<std::size_t>(p.work_size() + 8) * sizeof(double), capacity));
    recurrent_run(p, values, TensorAccess::fresh_data(out));
    thread_pool.give(p.work, capacity);
    return out;
  }
  p.work = tape->arena().doubles(p.work_size() + 8);
  recurrent_run(p, values, TensorAccess::fresh_data(out));
  std::uint32_t* const records[] = {&p.pre, &p.w, &p.b, &p.h0, &p.c0, &p.mask};
  for (unsigned k = 0; k < 6; ++k)
    if (!in[k]->empty()) *records[k] = record_of(*in[k], *tape);
  auto* kept = new_payload<RecurrentPayload>(*tape);
  *kept = p;
  return general_result(*tape, kept, out, kind);
}

}  // namespace wick::inline WICK_ABI::detail
