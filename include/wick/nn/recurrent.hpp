/// \file
/// What RNN, GRU and LSTM share: parameters, layers, directions, padded sequences.
#pragma once

#include <wick/ad/ops_index.hpp>
#include <wick/ad/ops_math.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/nn/dropout.hpp>
#include <wick/nn/linear.hpp>
#include <wick/nn/recurrent_op.hpp>

namespace wick::inline WICK_ABI {

/// Options of recurrent layers. `reverse` runs from the last step to the first; `bidirectional` does both and joins the outputs.
struct RecurrentOptions {
  Index num_layers = 1;
  bool bias = true;
  bool reverse = false;
  bool bidirectional = false;
  double dropout = 0.0;                    ///< between layers, in training
  std::string_view nonlinearity = "tanh";  ///< of RNN: "tanh" or "relu"
};

/// What a recurrent layer is told about a batch of sequences.
///
/// `h0`, `c0`: the states before the first step, which broadcast over the batch; left out: 0. `lengths` (one number a sequence) or `mask`
/// (…, steps) of 0 and 1 say which steps there are: where there is none, the state stays and the output is 0.
struct SequenceOptions {
  Tensor h0 = {}, c0 = {};
  Tensor lengths = {};
  Tensor mask = {};
};

/// The outputs of all steps and the states after the last one.
struct SequenceOutput {
  Tensor output;  ///< (…, steps, units), for both directions (…, steps, 2 units)
  Tensor h_n;     ///< (…, units); with several layers or directions (layers · directions, …, units)
  Tensor c_n;     ///< as h_n; LSTM only
};

namespace detail {

/// One direction of one layer: its parameters' values, read once.
struct DirectionWeights {
  Tensor w_ih, w_hh, b_ih, b_hh;
};

/// A prior in a plate, or many draws at once, give weights batch dimensions.
inline void check_weights(const ModuleState& s, const DirectionWeights& w) {
  for (const Tensor* t : {&w.w_ih, &w.w_hh, &w.b_ih, &w.b_hh})
    if (WICK_UNLIKELY(t->dim() > (t == &w.w_ih || t == &w.w_hh ? 2 : 1)))
      raise<ShapeError>("wick.nn.E521", module_path(s), {std::string_view(s.kind), " computes with one network at a time, but has a parameter of shape ", t->shape(), ", with batch dimensions"},
                        {"draw its parameters outside the plates\n  or leave out .parallel of Predictive: networks are then drawn one by one"});
}

#if defined(WICK_SECOND_ORDER)
/// One step, of operations that have second derivatives.
WICK_COLD inline void cell_step(Cell cell, const Tensor& p, Tensor& h, Tensor& c, const DirectionWeights& w, Index units) {
  const Tensor q = linear(h, w.w_hh, w.b_hh);
  const auto gate = [&](const Tensor& t, Index k) { return slice(t, -1, k * units, (k + 1) * units); };
  if (cell == Cell::relu || cell == Cell::tanh) {
    h = cell == Cell::relu ? where(p + q > 0.0, p + q, 0.0) : tanh(p + q);
  } else if (cell == Cell::gru) {
    const Tensor r = sigmoid(gate(p, 0) + gate(q, 0)), z = sigmoid(gate(p, 1) + gate(q, 1)), n = tanh(gate(p, 2) + r * gate(q, 2));
    h = (1.0 - z) * n + z * h;
  } else {
    const Tensor s = p + q;
    c = sigmoid(gate(s, 1)) * c + sigmoid(gate(s, 0)) * tanh(gate(s, 2));
    h = sigmoid(gate(s, 3)) * tanh(c);
  }
}
/// The same as recurrent_call, step by step.
WICK_COLD inline Tensor recurrent_steps(Cell cell, bool reverse, Index units, const Tensor& pre, const DirectionWeights& w, Tensor h, Tensor c, const Tensor& mask) {
  const Index steps = pre.size(-2);
  const Shape batch = pre.shape().head(pre.dim() - 2);
  std::vector<Tensor> parts(static_cast<std::size_t>(steps));
  for (Index k = 0; k < steps; ++k) {
    const Index t = reverse ? steps - 1 - k : k;
    const Tensor before_h = h, before_c = c, p = reshape(slice(pre, -2, t, t + 1), batch + Shape{pre.shape().from_right(-1)});
    cell_step(cell, p, h, c, w, units);
    parts[static_cast<std::size_t>(t)] = h;
    if (mask.empty()) continue;
    const Tensor m = slice(mask, -1, t, t + 1);
    parts[static_cast<std::size_t>(t)] = where(m, h, 0.0);
    h = where(m, h, before_h);
    if (cell == Cell::lstm) c = where(m, c, before_c);
  }
  parts.push_back(h);
  if (cell == Cell::lstm) parts.push_back(c);
  return cat(parts, -1);
}
#endif

/// `x` broadcast to the shape, dense.
inline Tensor broadcast_dense(const Tensor& x, const Shape& shape) { return x.empty() ? x : materialise(expand(x, shape)); }

/// One direction over all steps: the input's part of all gates in one product, then the steps as one operation.
WICK_NOINLINE inline SequenceOutput run_direction(Cell cell, const Tensor& x, const DirectionWeights& w, const Tensor& h0, const Tensor& c0, const Tensor& mask, Index units, bool reverse) {
  const Shape batch = x.shape().head(x.dim() - 2), states = batch + Shape{units};
  const Index steps = x.size(-2);
  const Tensor pre = linear(x, w.w_ih, w.b_ih);
  const Tensor h = broadcast_dense(h0, states), c = broadcast_dense(c0, states), m = broadcast_dense(mask, batch + Shape{steps});
#if defined(WICK_SECOND_ORDER)
  const Tensor all = recurrent_steps(cell, reverse, units, pre, w, h, c, m);
#else
  Tensor room_w, room_b;
  const Tensor all = recurrent_call(cell, reverse, units, pre, dense(w.w_hh, room_w), w.b_hh.empty() ? w.b_hh : dense(w.b_hh, room_b), h, c, m);
#endif
  const auto part = [&](Index first, Index count) { return slice(all, -1, first * units, (first + count) * units); };
  return {reshape(part(0, steps), batch + Shape{steps, units}), part(steps, 1), cell == Cell::lstm ? part(steps + 1, 1) : Tensor()};
}

}  // namespace detail

/// The base of recurrent layers; users name RNN, GRU or LSTM.
///
/// Parameters, named and laid out as in PyTorch: weight_ih_l{k} (gates · units, inputs), weight_hh_l{k} (gates · units, units), bias_ih_l{k},
/// bias_hh_l{k} (gates · units), those of the second direction with "_reverse"; all begin uniform between ±1 / √units.
class Recurrent : public Module {
 public:
  /// All outputs and the last states. Shapes: x (…, steps, inputs); see SequenceOptions and SequenceOutput.
  /// Throws: wick.nn.E511 (width), E508 (c0 for other cells), E512 (no dimension for the steps), E513 (states), E514 (lengths), E515 (mask), E521
  /// (parameters with batch dimensions, as priors in plates give them).
  SequenceOutput operator()(const Tensor& x, const SequenceOptions& o = {}) const;
  Index units() const noexcept { return units_; }

 protected:
  Recurrent(const char* name, detail::Cell cell, Index gates, Count inputs, Count units, const RecurrentOptions& o);

 private:
  Tensor mask_of(const Tensor& x, const SequenceOptions& o) const;
  Tensor state_of(const Tensor& given, const char* name, Index which, const Shape& batch) const;
  detail::Cell cell_;
  Index inputs_, units_, layers_;
  double dropout_;
  bool bias_, reverse_, both_;
};

inline Recurrent::Recurrent(const char* name, detail::Cell cell, Index gates, Count inputs, Count units, const RecurrentOptions& o)
    : Module(detail::sizes_text(name, {inputs, units})), cell_(cell), inputs_(inputs), units_(units), layers_(o.num_layers), dropout_(o.dropout), bias_(o.bias), reverse_(o.reverse), both_(o.bidirectional) {
  detail::check_sizes(state()->kind, {inputs, units});
  if (o.num_layers < 1)
    detail::raise<DomainError>("wick.nn.E509", "", {std::string_view(state()->kind), ": num_layers is ", o.num_layers}, {"give the number of layers, at least 1"});
  if (o.reverse && o.bidirectional)
    detail::raise<UsageError>("wick.nn.E508", "", {std::string_view(state()->kind), ": reverse and bidirectional exclude each other"}, {"drop reverse: bidirectional runs both ways"});
  if (!(o.dropout >= 0 && o.dropout <= 1)) detail::raise_dropout(o.dropout);
  const double bound = 1.0 / std::sqrt(static_cast<double>(units.value));
  const Init uniform = initializers::uniform(-bound, bound);
  for (Index layer = 0; layer < layers_; ++layer)
    for (int way = 0; way < (both_ ? 2 : 1); ++way) {
      const std::string end = "_l" + std::to_string(layer) + (way == 1 ? "_reverse" : "");
      const Index in = layer == 0 ? inputs_ : units_ * (both_ ? 2 : 1);
      register_parameter("weight_ih" + end, Shape{gates * units_, in}, uniform);
      register_parameter("weight_hh" + end, Shape{gates * units_, units_}, uniform);
      if (!bias_) continue;
      register_parameter("bias_ih" + end, Shape{gates * units_}, uniform);
      register_parameter("bias_hh" + end, Shape{gates * units_}, uniform);
    }
}

/// 0 and 1 for each step of each sequence; empty where there are all.
inline Tensor Recurrent::mask_of(const Tensor& x, const SequenceOptions& o) const {
  const Shape batch = x.shape().head(x.dim() - 2), all = x.shape().head(x.dim() - 1);
  const Index steps = x.size(-2);
  if (!o.lengths.empty()) {
    bool good = o.mask.empty() && detail::broadcasts_to(o.lengths.shape(), batch);
    detail::Text what;
    what.add({" of shape ", o.lengths.shape()});
    for (Index i = 0; good && i < o.lengths.numel(); ++i) {
      const double n = o.lengths.data()[i];
      good = n >= 0 && n <= static_cast<double>(steps) && n == std::floor(n);
      if (!good) what.add({", of which element ", i, " is ", n, ","});
    }
    if (!good)
      detail::raise<ShapeError>("wick.nn.E514", detail::module_path(*state()), {"lengths", what, " for sequences of shape ", x.shape(), ": wanted are whole numbers from 0 to ", steps, ", one for each of ", batch, ", and no mask beside them"},
                                {"give one length a sequence"});
    return arange(steps) < unsqueeze(o.lengths, -1);
  }
  if (!o.mask.empty() && !detail::broadcasts_to(o.mask.shape(), all))
    detail::raise<ShapeError>("wick.nn.E515", detail::module_path(*state()), {"the mask has shape ", o.mask.shape(), ", the steps ", all}, {"give one number a step: 1 where there is one, else 0"});
  return o.mask;
}

inline Tensor Recurrent::state_of(const Tensor& given, const char* name, Index which, const Shape& batch) const {
  const Index count = layers_ * (both_ ? 2 : 1);
  const Shape wanted = batch + Shape{units_};
  if (given.empty()) return zeros(wanted);
  Tensor one = given;
  if (count > 1 && given.dim() > 0 && given.shape()[0] == count) one = reshape(slice(given, 0, which, which + 1), given.shape().tail(given.dim() - 1));
  if (!detail::broadcasts_to(one.shape(), wanted) || (count > 1 && (given.dim() < 2 || given.shape()[0] != count)))
    detail::raise<ShapeError>("wick.nn.E513", detail::module_path(*state()), {name, " has shape ", given.shape(), ", wanted is ", count > 1 ? Shape{count} + wanted : wanted, " or what broadcasts to it"},
                              {"give one state of ", units_, " numbers, or one a sequence"});
  return one;
}

inline SequenceOutput Recurrent::operator()(const Tensor& x, const SequenceOptions& o) const {
  using namespace detail;
  check_width(*state(), x, inputs_);
  if (x.dim() < 2)
    raise<ShapeError>("wick.nn.E512", module_path(*state()), {std::string_view(state()->kind), " wants inputs (..., steps, ", inputs_, "), this one has shape ", x.shape()}, {"give a sequence: unsqueeze(x, -2) is one of a single step"});
  if (cell_ != Cell::lstm && !o.c0.empty())
    raise<UsageError>("wick.nn.E508", module_path(*state()), {"c0 is given, but only LSTM has a second state"}, {"drop c0"});
  const Tensor mask = mask_of(x, o);
  const Shape batch = x.shape().head(x.dim() - 2);
  const Binding* b = binding_of(*state());
  const Index ways = both_ ? 2 : 1, per = bias_ ? 4 : 2;
  SequenceOutput result{x, {}, {}};
  const Index count = layers_ * ways;
  std::vector<Tensor> h, c;  // only where there are several
  for (Index layer = 0; layer < layers_; ++layer) {
    if (layer > 0) result.output = drop_out(*state(), result.output, dropout_);
    SequenceOutput part[2];
    for (Index way = 0; way < ways; ++way) {
      const Index which = layer * ways + way;
      const auto read = [&](Index k) { return read_slot(*state(), b, static_cast<std::size_t>(which * per + k)); };
      const DirectionWeights w{read(0), read(1), bias_ ? read(2) : Tensor(), bias_ ? read(3) : Tensor()};
      check_weights(*state(), w);
      part[way] = run_direction(cell_, result.output, w, state_of(o.h0, "h0", which, batch), cell_ == Cell::lstm ? state_of(o.c0, "c0", which, batch) : Tensor(), mask, units_, reverse_ || way == 1);
      if (count == 1) return std::move(part[0]);
      h.push_back(part[way].h_n);
      c.push_back(part[way].c_n);
    }
    result.output = both_ ? cat({part[0].output, part[1].output}, -1) : part[0].output;
  }
  result.h_n = stack_tensors(h, 0);
  if (cell_ == Cell::lstm) result.c_n = stack_tensors(c, 0);
  return result;
}

/// h_t = f(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh), f = tanh or relu. Throws: wick.nn.E508 (nonlinearity), E509 (sizes), and as Recurrent.
class RNN : public Recurrent {
 public:
  RNN(Count inputs, Count units, const RecurrentOptions& o = {}) : Recurrent("RNN", cell_of(o.nonlinearity), 1, inputs, units, o) {}

 private:
  static detail::Cell cell_of(std::string_view name) {
    if (name != "tanh" && name != "relu")
      detail::raise<UsageError>("wick.nn.E508", "", {"RNN: unknown nonlinearity \"", name, "\""}, {"use \"tanh\" or \"relu\""});
    return name == "relu" ? detail::Cell::relu : detail::Cell::tanh;
  }
};

/// r, z = σ(…), n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h = (1 − z) n + z h; gates in the order r, z, n, as in PyTorch.
class GRU : public Recurrent {
 public:
  GRU(Count inputs, Count units, const RecurrentOptions& o = {}) : Recurrent("GRU", detail::Cell::gru, 3, inputs, units, o) {}
};

/// i, f, o = σ(…), g = tanh(…), c = f c + i g, h = o tanh(c); gates in the order i, f, g, o, as in PyTorch.
class LSTM : public Recurrent {
 public:
  LSTM(Count inputs, Count units, const RecurrentOptions& o = {}) : Recurrent("LSTM", detail::Cell::lstm, 4, inputs, units, o) {}
};

}  // namespace wick::inline WICK_ABI
