/// \file
/// A probabilistic programming language in one short file: sample, param, plate; trace, replay, condition; SVI.
///
/// It is made to be read from top to bottom; docs/mini.md walks through it. Numbers, gradients and distributions are wick's; everything that
/// gives a model its meaning is here. Its loss is that of the library's Trace_ELBO, to the last digits but a few, with a fraction of its
/// care: few errors are noticed, and memory is taken as it comes.
#pragma once

#include <wick/ad/grad.hpp>
#include <wick/ad/ops.hpp>
#include <wick/dist/dist.hpp>
#include <wick/tensor/make.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mini {

using wick::Constraint, wick::Distribution, wick::Index, wick::Shape, wick::Tensor;

// --- 1. Messages and handlers ----------------------------------------------------------------------------------------
// A model does not say what is to become of its random choices. Each `sample` sends a message to whoever listens and takes the value that
// comes back. So one model can be drawn from, scored, replayed and fitted: what differs is who listens.

struct Message {
  enum Type { sample, param, plate } type;
  std::string name;
  Tensor value = {};                          // empty until somebody knows it
  std::shared_ptr<Distribution> fn = nullptr;  // of a sample
  bool is_observed = false;
  double scale = 1;                           // multiplies the log density

  Tensor log_prob_sum() const { return scale * sum(fn->log_prob(value)); }
};

/// A listener, from `enter` until the end of its scope. `process` may change a message before its value is chosen; `postprocess` sees it
/// when all is said.
struct Handler {
  static inline thread_local std::vector<Handler*> stack;
  Handler() = default;
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  virtual ~Handler() { std::erase(stack, this); }
  void enter() { stack.push_back(this); }
  virtual void process(Message&) {}
  virtual void postprocess(Message&) {}
};

/// The way of a message: past all listeners, the last one first; then the default, where nobody gave a value; then back.
template <class Default>
Tensor send(Message& m, Default otherwise) {
  const std::vector<Handler*> listeners = Handler::stack;
  for (std::size_t i = listeners.size(); i-- > 0;) listeners[i]->process(m);
  if (m.value.empty()) m.value = otherwise();
  for (Handler* h : listeners) h->postprocess(m);
  return m.value;
}

// --- 2. The language -------------------------------------------------------------------------------------------------

/// A named random choice; with a value, an observation.
template <class D>
Tensor sample(const std::string& name, const D& fn, const Tensor& observed = {}) {
  Message m{Message::sample, name, observed, std::make_shared<D>(fn), !observed.empty()};
  return send(m, [&] { return m.fn->sample(); });
}

/// Parameters outlive all runs. They are kept in unconstrained space, where any number will do: optimisers then need not take care.
struct Param {
  std::string name;
  Constraint constraint;
  Tensor unconstrained;
  Tensor m = 0.0, v = 0.0;  // Adam's averages of slope and squared slope
  Tensor value() const { return constraint.to_constrained(unconstrained); }
};
inline thread_local std::vector<Param> store;

inline Param* find_param(const std::string& name) {
  const auto found = std::find_if(store.begin(), store.end(), [&](const Param& p) { return p.name == name; });
  return found == store.end() ? nullptr : &*found;
}

/// A named number to be fitted.
inline Tensor param(const std::string& name, const Tensor& init, const Constraint& constraint = wick::constraints::real) {
  if (find_param(name) == nullptr) store.push_back({name, constraint, constraint.to_unconstrained(init)});
  Message m{Message::param, name};
  return send(m, [&] { return find_param(name)->value(); });
}

/// In its scope sites are independent along one dimension. A plate is a listener, too: it makes each distribution as wide as itself, and where
/// it shows only some of its elements, a random part, each of them counts for several.
class plate : public Handler {
 public:
  plate(const std::string& name, Index full_size, Index size = 0) {
    for (const Handler* h : stack)
      if (const auto* outer = dynamic_cast<const plate*>(h)) dim_ = std::min(dim_, outer->dim_ - 1);
    Message m{Message::plate, name};  // which elements? A guide and its model must show the same
    indices_ = send(m, [&] {
      if (size == 0 || size == full_size) return wick::arange(full_size);
      return slice(argsort(wick::Uniform(wick::zeros({full_size}), 1.0).sample()), 0, 0, size);
    });
    enter();
    full_size_ = full_size;
  }
  const Tensor& indices() const { return indices_; }

  void process(Message& m) override {
    m.scale *= static_cast<double>(full_size_) / static_cast<double>(indices_.numel());
    if (m.type != Message::sample) return;
    Shape batch = m.fn->batch_shape();
    while (batch.rank() < -dim_) batch.insert_front(1, 1);
    Index& size = batch[static_cast<std::size_t>(batch.rank() + dim_)];
    if (size != 1 && size != indices_.numel()) throw std::runtime_error(m.name + " does not fit its plate");
    size = indices_.numel();
    m.fn->expand_to(batch);
  }

 private:
  Index dim_ = -1, full_size_ = 0;
  Tensor indices_;
};

// --- 3. The handlers that inference is made of -----------------------------------------------------------------------

/// What happened in a run.
struct Trace {
  std::vector<Message> messages;

  const Message* find(const std::string& name) const {
    for (const Message& m : messages)
      if (m.name == name) return &m;
    return nullptr;
  }
  Tensor log_prob_sum() const {
    Tensor total = 0.0;
    for (const Message& m : messages)
      if (m.type == Message::sample) total += m.log_prob_sum();
    return total;
  }
};

/// Writes down every message, as it was in the end.
struct trace : Handler {
  explicit trace(Trace& into) : out(into) { enter(); }
  Trace& out;
  void postprocess(Message& m) override {
    if (m.type == Message::sample && out.find(m.name) != nullptr) throw std::runtime_error("there are two sites " + m.name);
    out.messages.push_back(m);
  }
};
template <class Program, class... T>
Trace run(const Program& program, const T&... x) {
  Trace out;
  const trace listener(out);
  program(x...);
  return out;
}

/// Chooses as another run did, and shows the same parts of plates; what is observed stays as it is.
struct replay : Handler {
  explicit replay(const Trace& t) : earlier(t) { enter(); }
  const Trace& earlier;
  void process(Message& m) override {
    const Message* then = m.type == Message::param || m.is_observed ? nullptr : earlier.find(m.name);
    if (then != nullptr) m.value = then->value;
  }
};

/// Observes sites from outside.
struct condition : Handler {
  explicit condition(std::map<std::string, Tensor> data) : values(std::move(data)) { enter(); }
  std::map<std::string, Tensor> values;
  void process(Message& m) override {
    const auto found = values.find(m.name);
    if (m.type != Message::sample || found == values.end()) return;
    m.value = found->second;
    m.is_observed = true;
  }
};

/// Gives parameters their numbers out of one long vector, in which a gradient can be taken.
struct unpack : Handler {
  explicit unpack(const Tensor& numbers) : all(numbers) { enter(); }
  const Tensor& all;
  void process(Message& m) override {
    if (m.type != Message::param) return;
    Index begin = 0;
    for (const Param& p : store) {
      const Index end = begin + p.unconstrained.numel();
      if (p.name == m.name && end <= all.numel()) m.value = p.constraint.to_constrained(reshape(slice(all, 0, begin, end), p.unconstrained.shape()));
      begin = end;
    }
  }
};

// --- 4. Variational inference ----------------------------------------------------------------------------------------

/// The evidence lower bound log p(x, z) − log q(z) for one z drawn by the guide, and a number whose gradient is right on average. Where a draw
/// carries its gradient (z = loc + scale · noise) the two are the same. Where it cannot, as with coins, the score function steps in:
/// ∇ E_q[f] = E_q[f ∇ log q] + E_q[∇ f].
struct Elbo {
  Tensor value, surrogate;
};
template <class Model, class Guide, class... T>
Elbo elbo(const Model& model, const Guide& guide, const T&... x) {
  const Trace q = run(guide, x...);
  const replay same(q);
  const Tensor log_p = run(model, x...).log_prob_sum(), value = stop_gradient(log_p - q.log_prob_sum());
  Tensor surrogate = log_p;
  for (const Message& m : q.messages) {
    if (m.type != Message::sample) continue;
    surrogate += m.fn->has_rsample() ? -m.log_prob_sum() : value * sum(m.fn->log_prob(m.value));
  }
  return {value, surrogate};
}

/// Stochastic variational inference: draw, differentiate, and let Adam step (Kingma and Ba 2015, algorithm 1).
template <class Model, class Guide, class... T>
double svi_step(const Model& model, const Guide& guide, double lr, int step, const T&... x) {
  if (step == 1) elbo(model, guide, x...);  // makes the parameters
  std::vector<Tensor> numbers;
  for (const Param& p : store) numbers.push_back(reshape(p.unconstrained, {-1}));
  double loss = 0;
  const auto objective = [&](const Tensor& all) {
    const unpack leaves(all);
    const Elbo e = elbo(model, guide, x...);
    loss = -e.value.item();
    return -e.surrogate;
  };
  const Tensor slope = wick::value_and_grad(objective)(cat(numbers, 0)).second;
  Index at = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    Param& p = store[i];
    const Tensor g = reshape(slice(slope, 0, at, at + numbers[i].numel()), p.unconstrained.shape());
    at += numbers[i].numel();
    p.m = 0.9 * p.m + 0.1 * g;
    p.v = 0.999 * p.v + 0.001 * square(g);
    const Tensor m = p.m / (1 - std::pow(0.9, step)), v = p.v / (1 - std::pow(0.999, step));
    p.unconstrained = p.unconstrained - lr * m / (sqrt(v) + 1e-8);
  }
  return loss;
}

}  // namespace mini
