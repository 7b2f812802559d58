/// \file
/// SVI: steps of stochastic variational inference.
#pragma once

#include <vector>

#include <wick/core/list.hpp>
#include <wick/core/owner.hpp>
#include <wick/effect/param_store.hpp>
#include <wick/infer/elbo_terms.hpp>
#include <wick/infer/unreached.hpp>
#include <wick/io/progress.hpp>
#include <wick/optim/adam.hpp>

namespace wick::inline WICK_ABI {

/// Options of an SVI object. With the same seed, a fit draws the same numbers on any thread; seed 0 takes one from the random scope in force.
struct SviOptions {
  std::uint64_t seed = 0;
};

/// How far a run is.
struct SviProgress {
  Index step;       ///< steps done
  Index steps;      ///< steps asked for
  double loss;      ///< of the last step
  double smoothed;  ///< exponential average of the losses
};

/// Options of `SVI::run`.
struct RunOptions {
  Count steps = 1000;
  /// Show a line with rate, loss and remaining time on standard error; only if that is a terminal.
  bool progress = true;
  /// Called after each step with a `const SviProgress&`; return false to stop early. Held by value (use std::ref to share one).
  detail::Callback<SviProgress> callback = {};
};

namespace detail {

/// Notes which parameters a step touches. It stands outside all other handlers, so a parameter that `block` hides is not trained.
class ParamCapture final : public Handler {
 public:
  ParamCapture(List<Param*>& out, const ParamStore& store) : out_(&out), store_(&store) { enter(no_types, types_of(SiteType::param)); }
  void postprocess(Message& m) override {
    if (WICK_UNLIKELY(context.store != store_)) raise_other_store(m);
    if (m.param != nullptr && m.param->mark(stamp_)) out_->push_back(m.param);
  }
  /// A number that no other capture ever had: each thread counts in a range of its own.
  static std::uint64_t next_stamp() noexcept {
    static constinit Atomic<std::uint64_t> ranges{0};
    static constinit thread_local std::uint64_t last = 0;
    if (WICK_UNLIKELY((last & 0xFFFFFFFFu) == 0)) last = (ranges.count(1) + 1) << 32;
    return ++last;
  }

 private:
  [[noreturn]] WICK_COLD static void raise_other_store(const Message& m) {
    raise<UsageError>("wick.svi.E312", m.name.view(), {"the parameter belongs to another ParamStore than the one in force when the step began, which is the one that is trained"},
                      {"open the ParamScope around svi.step(...), not inside model or guide"});
  }
  List<Param*>* out_;
  const ParamStore* store_;
  std::uint64_t stamp_ = next_stamp();
};

/// What one SVI object keeps from step to step.
class SviState {
 public:
  explicit SviState(const SviOptions& o)
      : seed_(o.seed != 0 ? o.seed : next_key(hash_name("wick.svi"), 0).k0) {}

  /// One step: loss, gradients, optimiser. On any error parameters and optimiser are as before.
  WICK_NOINLINE double step(const Program& program, const Trace_ELBO& elbo, Optimizer& optimizer) {
    ParamStore& store = param_store();
    const ParamStore::Step under_way(store);
    const std::size_t before = store.size();
    const Draws draws{seed_, step_++, 0, false};
    double loss = 0;
    try {
      loss = differentiate(program, elbo, draws);
      if (WICK_UNLIKELY(store.generation() != generation_)) forget_removed(store, optimizer);
      optimizer.prepare(params_);
    } catch (...) {
      traces_.clear();
      store.truncate(before);
      throw;
    }
    for (std::size_t i = 0; i < touched_.size(); ++i) params_[i].value = touched_[i]->mutable_unconstrained();
    optimizer.step(params_);
    return loss;
  }

  /// The loss alone, on draws of its own.
  WICK_NOINLINE double evaluate(const Program& program, const Trace_ELBO& elbo) {
    return inspect(program, elbo, [](const ParticleTraces&) {});
  }
  /// The same, with a look at the traces of each particle.
  template <class Look>
  double inspect(const Program& program, const Trace_ELBO& elbo, Look look) {
    ParamStore& store = param_store();
    const ParamStore::Step under_way(store);
    const std::size_t before = store.size();
    const Unrecorded off;
    double loss = 0;
    const std::uint64_t step = evaluation_++;
    try {
      for (Index p = 0; p < elbo.num_particles(); ++p) {
        loss += elbo.particle(program, traces_, {seed_, step, static_cast<std::uint64_t>(p), true});
        look(traces_);
        traces_.clear();
      }
    } catch (...) {
      traces_.clear();
      store.truncate(before);
      throw;
    }
    return loss / static_cast<double>(elbo.num_particles());
  }

  std::uint64_t steps() const noexcept { return step_; }
  std::uint64_t seed() const noexcept { return seed_; }
  /// What a checkpoint keeps of it.
  struct Position {
    std::uint64_t seed, step, evaluation;
  };
  Position position() const noexcept { return {seed_, step_, evaluation_}; }
  /// Goes on from there, with an optimiser that has state of this store's parameters alone. Changes nothing if it throws.
  void go_to(const Position& p, const ParamStore& store);

 private:
  double differentiate(const Program& program, const Trace_ELBO& elbo, Draws draws);
  void collect(Tape& tape);
  void find_bad_gradient() const;
  void report_unreached(const Unreached& unreached) const;
  void forget_removed(const ParamStore& store, Optimizer& optimizer);
  [[noreturn]] static void raise_gradient(const Param& p, Index i, double g) ;

  std::uint64_t seed_;
  std::uint64_t step_ = 0, evaluation_ = 0;
  ParticleTraces traces_;
  List<Param*> touched_;
  List<double> gradient_;
  List<ParamStep> params_;
  /// Parameters that the optimiser has state for, by the store they were in.
  struct Trained {
    std::uint64_t key;
    const ParamStore* store;
  };
  List<Trained> trained_;
  std::uint64_t generation_ = 0;  ///< of the store in the last step
};

WICK_COLD inline void SviState::raise_gradient(const Param& p, Index i, double g) {
  raise<NumericalError>("wick.svi.E310", p.name().view(), {"the loss is finite, but element ", i, " of its gradient in this parameter is ", g},
                        {"lower the learning rate or start elsewhere\n  or look for sqrt, log or pow at 0, or for x / x in the model: their slopes are infinite there"});
}

/// The parameters of a store have changed: the optimiser drops the state of those that are gone.
WICK_COLD inline void SviState::forget_removed(const ParamStore& store, Optimizer& optimizer) {
  KeyTable alive;
  for (const Param& p : store) alive.put(p.serial(), 0);
  List<std::uint64_t> removed;
  KeyTable known;
  std::size_t kept = 0;
  for (const Trained& t : trained_) {
    if (t.store != &store || alive.contains(t.key)) {
      known.put(t.key, 0);
      trained_[kept++] = t;
    } else {
      removed.push_back(t.key);
    }
  }
  trained_.truncate(kept);
  if (!removed.empty()) optimizer.forget(removed);
  for (const ParamStep& p : params_)
    if (!known.contains(p.key)) trained_.push_back({p.key, &store});
  generation_ = store.generation();
}

WICK_COLD inline void SviState::go_to(const Position& p, const ParamStore& store) {
  List<Trained> trained;
  for (const Param& x : store) trained.push_back({x.serial(), &store});
  trained_.swap(trained);
  generation_ = store.generation();
  seed_ = p.seed;
  step_ = p.step;
  evaluation_ = p.evaluation;
}

inline double SviState::differentiate(const Program& program, const Trace_ELBO& elbo, Draws draws) {
  touched_.clear();
  gradient_.clear();
  params_.clear();
  ParamStore& store = param_store();
  const ParamCapture capture(touched_, store);
  Unreached unreached;
  double loss = 0;
  for (Index p = 0; p < elbo.num_particles(); ++p) {
    draws.particle = static_cast<std::uint64_t>(p);
    const Recording recording;
    loss += elbo.particle(program, traces_, draws);
    const bool new_params = store.generation() != generation_;
    if (WICK_UNLIKELY(new_params)) unreached.note_seeds(recording.tape());
    recording.tape().backward();
    collect(recording.tape());
    if (WICK_UNLIKELY(new_params)) unreached.look(recording.tape(), touched_, gradient_);
    traces_.clear();  // before the recording ends, so that its values go back to the pool
  }
  const double* g = gradient_.data();
  if (WICK_UNLIKELY(!all_finite(static_cast<Index>(gradient_.size()), g))) find_bad_gradient();
  for (ParamStep& p : params_) {
    p.gradient = g;
    g += p.size;
  }
  if (WICK_UNLIKELY(store.generation() != generation_)) report_unreached(unreached);
  return loss / static_cast<double>(elbo.num_particles());
}

WICK_COLD inline void SviState::report_unreached(const Unreached& unreached) const {
  unreached.report(touched_, [this](const Param& p) {
    for (const Trained& t : trained_)
      if (t.key == p.serial()) return true;
    return false;
  });
}

WICK_COLD inline void SviState::find_bad_gradient() const {
  const double* g = gradient_.data();
  for (Param* p : touched_) {
    const Index bad = first_outside(real_set, g, p->numel());
    if (bad >= 0) raise_gradient(*p, bad, g[bad]);
    g += p->numel();
  }
}

/// Adds this recording's gradients to those of the particles before.
inline void SviState::collect(Tape& tape) {
  std::size_t at = 0, i = 0;
  for (Param* p : touched_) {
    if (i == params_.size()) {  // not seen by an earlier particle
      params_.push_back({p->serial(), p->name().view(), nullptr, nullptr, p->numel()});
      gradient_.resize(at + static_cast<std::size_t>(params_[i].size), 0.0);
    }
    const Index n = params_[i++].size;
    if (WICK_LIKELY(p->run() == tape.run())) {
      const Record& r = tape[p->record()];
      double* to = gradient_.data() + at;
      if (!r.is_tensor())
        *to += r.adjoint;
      else if (r.buffer != nullptr)
        add_array(n, tape.arrived(p->record()), to);
    } else if (WICK_UNLIKELY(p->inside() == tape.run())) {
      p->raise_nested();
    }
    at += static_cast<std::size_t>(n);
  }
}

/// The loop of `SVI::run`.
WICK_NOINLINE inline std::vector<double> run_steps(const RunOptions& o, const Callable& step, const double& last) {
  if (o.steps.value < 0)
    raise<DomainError>("wick.svi.E311", "", {"SVI::run: steps is ", o.steps.value, "; it must not be negative"}, {"give the number of steps to do"});
  std::vector<double> losses;
  losses.reserve(static_cast<std::size_t>(o.steps.value));
  ProgressLine line(o.progress);
  double smoothed = 0;
  for (Index i = 0; i < o.steps.value; ++i) {
    step();
    losses.push_back(last);
    smoothed = i == 0 ? last : 0.98 * smoothed + 0.02 * last;
    line.update(i + 1, o.steps.value, smoothed);
    if (o.callback && !o.callback({i + 1, o.steps.value, last, smoothed})) break;
  }
  return losses;
}

}  // namespace detail

/// Stochastic variational inference: fits the parameters of guide (and model) by gradient steps on the loss.
///
/// `SVI svi(model, guide, Adam({.lr = 0.05}), Trace_ELBO()); for (...) double loss = svi.step(x, y);`
/// Model and guide are callables with the same arguments, held by value (use std::ref to share one). A step that throws leaves
/// parameters, optimiser state and the handler stack as they were, so that the caller can go on; the step after it draws other numbers.
/// Parameters are those of the store in force when the step begins. An SVI object is neither copied nor moved.
/// Throws: what the program throws, wick.elbo.E300–E307, wick.svi.E310 (non-finite gradient), E311, E312 (a parameter of another store). Warns: wick.svi.W313, in the
/// first step that has it, of a parameter that the loss does not depend on.
template <class Model, class Guide, class Optim = Adam, class Elbo = Trace_ELBO>
class SVI {
 public:
  SVI(Model model, Guide guide, Optim optim = Optim(), Elbo elbo = Elbo(), const SviOptions& options = {})
      : model_(std::move(model)), guide_(std::move(guide)), optim_(std::move(optim)), elbo_(std::move(elbo)), state_(options) {}

  /// One gradient step; returns the loss before it, an estimate of −ELBO.
  template <class... T>
  double step(const T&... x) {
    return call([&](const detail::Program& p) { return state_.step(p, elbo_, optim_); }, x...);
  }
  /// An estimate of the loss on fresh draws, without a step.
  template <class... T>
  double evaluate_loss(const T&... x) {
    return call([&](const detail::Program& p) { return state_.evaluate(p, elbo_); }, x...);
  }
  /// An estimate of the ELBO on fresh draws, in its parts: per site, likelihood, global and local KL.
  template <class... T>
  ElboTerms elbo_terms(const T&... x) {
    return call(
        [&](const detail::Program& p) {
          ElboTerms terms;
          const double weight = 1.0 / static_cast<double>(elbo_.num_particles());
          terms.finish(state_.inspect(p, elbo_, [&](const detail::ParticleTraces& t) { terms.add(t, weight); }));
          return terms;
        },
        x...);
  }
  /// Many steps; returns the losses. See RunOptions for progress display and callback.
  template <class... T>
  std::vector<double> run(const RunOptions& options, const T&... x) {
    return call(
        [&](const detail::Program& p) {
          double loss = 0;
          auto one = [&] { loss = state_.step(p, elbo_, optim_); };
          return detail::run_steps(options, detail::Callable(one), loss);
        },
        x...);
  }
  template <class... T>
  std::vector<double> run(Count steps, const T&... x) {
    return run(RunOptions{.steps = steps}, x...);
  }

  Optim& optim() noexcept { return optim_; }
  const Elbo& elbo() const noexcept { return elbo_; }
  /// Steps tried so far.
  std::uint64_t steps() const noexcept { return state_.steps(); }
  /// For checkpoints.
  detail::SviState& state() noexcept { return state_; }

 private:
  template <class Run, class... T>
  auto call(Run run, const T&... x) {
    static_assert(std::is_invocable_v<Model&, const T&...>, "SVI: the model cannot be called with these arguments");
    static_assert(std::is_invocable_v<Guide&, const T&...>, "SVI: the guide cannot be called with these arguments");
    auto model = [&] { static_cast<void>(model_(x...)); };
    auto guide = [&] { static_cast<void>(guide_(x...)); };
    return run(detail::Program{detail::Callable(model), detail::Callable(guide)});
  }

  Model model_;
  Guide guide_;
  Optim optim_;
  Elbo elbo_;
  detail::SviState state_;
};

}  // namespace wick::inline WICK_ABI
