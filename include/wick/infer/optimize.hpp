/// \file
/// optimize: the most probable values of a model's latent sites and parameters.
#pragma once

#include <string>
#include <vector>

#include <wick/effect/handlers/common.hpp>
#include <wick/infer/svi.hpp>
#include <wick/optim/lbfgs.hpp>

namespace wick::inline WICK_ABI {

/// Options of `optimize`.
struct OptimizeOptions {
  /// Add log |dT/du| of the latent sites' maps from unconstrained space: the mode is then that of the density in unconstrained space.
  bool jacobian = false;
  /// Where latent sites begin, by name: values inside their supports. The others begin at T(0): real ones at 0, positive ones at 1.
  handlers::Values init = {};
  Count steps = 1000;       ///< first-order optimisers: at most so many
  double tol_grad = 1e-6;   ///< first-order optimisers: ends when the largest |gradient| is at most this
  std::uint64_t seed = 0;   ///< for subsampled plates, which first-order optimisers can have; 0: from the random scope in force
};

/// What `optimize` found.
struct OptimizeResult {
  handlers::Values values;         ///< of the latent sites, constrained: for handlers::condition and substitute
  std::vector<std::string> sites;  ///< their names, in the order of the model
  double log_density = 0;          ///< the density that was maximised, at the point reached
  Index iterations = 0;
  Index evaluations = 0;
  bool converged = false;
  std::string reason;              ///< why it ended
  /// The value of a latent site. Throws wick.trace.E220.
  const Tensor& operator[](std::string_view site) const {
    const Tensor* v = values.find(Name(site));
    if (v == nullptr) detail::raise<SiteError>("wick.trace.E220", site, {"the model has no latent site of this name"}, {"use one of `sites`; a parameter's value is in the store"});
    return *v;
  }
};

namespace detail {

/// The log density of a model as a function of unconstrained numbers: those of its latent sites, which it keeps, and of the parameters in the store.
class PointProblem {
 public:
  PointProblem(const Callable& model, const OptimizeOptions& o, bool noisy)
      : model_(model), o_(o), noisy_(noisy), seed_(o.seed != 0 ? o.seed : next_key(hash_name("wick.optimize"), 0).k0) {}
  PointProblem(const PointProblem&) = delete;
  PointProblem& operator=(const PointProblem&) = delete;

  /// Minus the log density where the parameters are now; `steps()` has the gradient.
  double evaluate(std::uint64_t draw);
  std::span<ParamStep> steps() noexcept { return {steps_.data(), steps_.size()}; }
  /// Lets the steps point at the values, which then can be changed.
  void open() {
    for (std::size_t i = 0; i < params_.size(); ++i) steps_[i].value = params_[i]->mutable_unconstrained();
  }
  std::size_t size() const noexcept { return gradient_.size(); }
  double largest_gradient() const noexcept { return largest(gradient_.data(), gradient_.size()); }
  /// Throws wick.optim.E625 if it is not finite.
  WICK_COLD void check_gradient() const {
    for (const ParamStep& s : steps_)
      for (Index i = 0; i < s.size; ++i)
        if (s.gradient[i] - s.gradient[i] != 0)
          raise<NumericalError>("wick.optim.E625", s.name, {"optimize: the log density is finite, but element ", i, " of its gradient in this site or parameter is ", s.gradient[i]},
                                {"begin elsewhere: {.init = {{\"site\", value}}}\n  or lower the learning rate\n  or look for sqrt, log or pow at 0 in the model: their slopes are infinite there"});
  }
  const double* gradient() const noexcept { return gradient_.data(); }
  void put(const double* x) {
    open();
    for (const ParamStep& s : steps_) {
      std::memcpy(s.value, x, static_cast<std::size_t>(s.size) * sizeof(double));
      x += s.size;
    }
  }
  void get(double* x) const {
    for (const Param* p : params_) {
      std::memcpy(x, p->unconstrained().data(), static_cast<std::size_t>(p->numel()) * sizeof(double));
      x += p->numel();
    }
  }
  /// The latent sites' values where they were evaluated last.
  void tell(OptimizeResult& out) const {
    for (const Latent& l : latents_) {
      out.values.set(l.name.view(), l.value);
      out.sites.emplace_back(l.name.view());
    }
  }

 private:
  friend class PointValues;
  struct Latent {
    Name name;
    Owner<Param> param;
    Tensor value;
  };
  Tensor value_of(Message& m);
  Latent& make(const Message& m, const Constraint& support);
  void learn();
  void check_init() const;
  void gather(Tape& tape);

  const Callable& model_;
  const OptimizeOptions& o_;
  bool noisy_;
  std::uint64_t seed_;
  List<Latent> latents_;
  Trace trace_;
  RandomScope random_;
  Tensor log_jacobian_ = 0.0;
  List<Param*> touched_, params_;  ///< touched by the last run; all that are optimised: latent sites, then the store's
  KeyTable known_;                 ///< the store's among them, by serial
  List<double> gradient_;
  List<ParamStep> steps_;
};

/// Gives latent sites the values of the point.
class PointValues final : public Handler {
 public:
  explicit PointValues(PointProblem& problem) : problem_(problem) { enter(types_of(SiteType::sample), no_types); }
  void process(Message& m) override {
    if (m.type != SiteType::sample || m.is_observed || !m.value.empty()) return;
    m.value = problem_.value_of(m);
    m.done = true;
  }

 private:
  PointProblem& problem_;
};

inline Tensor PointProblem::value_of(Message& m) {
  const Constraint support = m.fn->support();
  Latent* latent = nullptr;
  for (Latent& l : latents_)
    if (l.name == m.name) latent = &l;
  if (latent == nullptr) latent = &make(m, support);
  const Tensor u = latent->param->read();
  const Tensor x = support.to_constrained(u);
  if (o_.jacobian) log_jacobian_ = log_jacobian_ + sum(support.log_abs_det(u, x));
  latent->value = TensorAccess::detached(x);
  return x;
}

WICK_COLD inline PointProblem::Latent& PointProblem::make(const Message& m, const Constraint& support) {
  const std::string_view site = m.name.view();
  if (!params_.empty())
    raise<SiteError>("wick.optim.E624", site, {"a latent site that the first run of the model did not have"}, {"let the model have the same latent sites in every run, or condition on what decides about them"});
  if (support.is_discrete())
    raise<UsageError>("wick.optim.E621", site, {"optimize: the site is discrete (", support.text(), "); there is no gradient in it"}, {"observe it: handlers::condition(model, {{\"", site, "\", value}})"});
  for (const Frame& f : m.frames)
    if (f.vectorized() && f.size < f.full_size)
      raise<UsageError>("wick.optim.E622", site, {"optimize: a latent site in a subsample of plate \"", f.name.view(), "\" (", f.size, " of ", f.full_size, ")"}, {"take the whole plate, or fit a guide with SVI"});
  Tensor u = zeros(m.fn->shape());
  if (const Tensor* init = o_.init.find(m.name)) {
    const Unrecorded off;
    Index bad = -1;
    if (!(init->shape() == m.fn->shape()) && init->dim() != 0)
      raise<ShapeError>("wick.optim.E623", site, {"optimize: the site has shape ", m.fn->shape(), ", its initial value ", init->shape()}, {"give a value of the site's shape, or a number"});
    u = unconstrain(expand(*init, m.fn->shape()), support, bad);
    if (bad >= 0) raise<DomainError>("wick.optim.E626", site, {"optimize: element ", bad, " of the initial value is not inside ", support.text()}, {"give a value inside the support, and not on its edge"});
  }
  latents_.push_back({m.name, Owner<Param>(new Param(m.name, constraints::real, std::move(u))), {}});
  return latents_.back();
}

/// An initial value for a name that no latent site has is a slip of the pen.
WICK_COLD inline void PointProblem::check_init() const {
  for (const auto& [name, value] : o_.init) {
    bool found = false;
    Text names;
    for (const Latent& l : latents_) {
      found = found || l.name == name;
      names.add({names.empty() ? "\"" : ", \"", l.name.view(), "\""});
    }
    if (!found) raise<SiteError>("wick.optim.E628", name.view(), {"optimize: an initial value for a latent site that the model does not have; it has ", names.empty() ? Text("none") : names}, {"use one of these names; a parameter begins with its value in the store"});
  }
}

/// After the first run: what is optimised.
WICK_COLD inline void PointProblem::learn() {
  check_init();
  for (const Latent& l : latents_) params_.push_back(l.param.get());
  for (Param* p : touched_) {
    params_.push_back(p);
    known_.put(p->serial(), 0);
  }
  std::size_t n = 0;
  for (const Param* p : params_) n += static_cast<std::size_t>(p->numel());
  gradient_.resize(n, 0.0);
  double* g = gradient_.data();
  for (Param* p : params_) {
    steps_.push_back({p->serial(), p->name().view(), nullptr, g, p->numel()});
    g += p->numel();
  }
}

inline void PointProblem::gather(Tape& tape) {
  if (params_.empty()) learn();
  for (Param* p : touched_)
    if (WICK_UNLIKELY(!known_.contains(p->serial())))
      raise<SiteError>("wick.optim.E624", p->name().view(), {"a parameter that the first run of the model did not have"}, {"let the model have the same parameters in every run"});
  double* to = gradient_.data();
  for (std::size_t i = 0; i < gradient_.size(); ++i) to[i] = 0;
  for (Param* p : params_) {
    if (p->run() == tape.run()) {
      const Record& r = tape[p->record()];
      if (!r.is_tensor())
        *to = r.adjoint;
      else if (r.buffer != nullptr)
        add_array(p->numel(), tape.arrived(p->record()), to);
    }
    to += p->numel();
  }
}

inline double PointProblem::evaluate(std::uint64_t draw) {
  const ParamStore::Step under_way(param_store());
  touched_.clear();
  log_jacobian_ = 0.0;
  const ParamCapture capture(touched_, param_store());
  const Recording recording;
  double total = 0;
  try {
    {
      const RandomGuard guard(random_);
      random_.restart(seed_, make_stream(Role::model), draw, 0);
      const handlers::trace<> recorder(trace_);
      const PointValues values(*this);
      model_();
    }
    for (const Site& s : trace_) {
      if (s.type == SiteType::plate && !s.value.empty() && s.value.numel() < s.full_size && !noisy_)
        raise<UsageError>("wick.optim.E620", s.name.view(), {"optimize: the plate is subsampled, so that the density is another one at each evaluation; L-BFGS cannot follow that"}, {"take the whole plate, or use a first-order optimiser: optimize(model, Adam({.lr = 0.01}))"});
      if (s.type != SiteType::sample) continue;
      check_plates(s, trace_);
      const double v = s.log_prob_sum().item();
      if (WICK_UNLIKELY(v - v != 0))
        raise<NumericalError>("wick.optim.E625", s.name.view(), {"optimize: the log density of the site is ", v}, {"begin elsewhere: {.init = {{\"site\", value}}}\n  or look for values on the edge of the support"});
      seed_adjoint(recording.tape(), s.log_prob_sum(), -1.0);
      total += v;
    }
    if (o_.jacobian) {
      total += log_jacobian_.item();
      seed_adjoint(recording.tape(), log_jacobian_, -1.0);
    }
    recording.tape().backward();
    gather(recording.tape());
  } catch (Error& e) {
    add_shape_table(e, trace_);
    log_jacobian_ = 0.0;
    trace_.clear();
    throw;
  } catch (...) {
    log_jacobian_ = 0.0;
    trace_.clear();
    throw;
  }
  log_jacobian_ = 0.0;
  trace_.clear();  // before the recording ends, so that its values go back to the pool
  return -total;
}

/// Maximises by L-BFGS.
WICK_NOINLINE inline void optimize_point(PointProblem& problem, const LBFGS& method, const OptimizeOptions&, OptimizeResult& out) {
  problem.evaluate(0);
  problem.check_gradient();
  List<double> x;
  x.resize(problem.size(), 0.0);
  problem.get(x.data());
  bool first = true;
  const auto objective = [&](const double* at, double* gradient) {
    problem.put(at);
    double value = kInf;
    try {
      value = problem.evaluate(0);
      std::memcpy(gradient, problem.gradient(), problem.size() * sizeof(double));
    } catch (const NumericalError&) {  // too far: the search goes back
      if (first) throw;
    } catch (const DomainError&) {
      if (first) throw;
    }
    first = false;
    return value;
  };
  const LBFGSResult r = method.minimize(objective, std::span<double>(x.data(), x.size()));
  problem.put(x.data());
  out.log_density = -problem.evaluate(0);
  out.iterations = r.iterations;
  out.evaluations = r.evaluations + 2;
  out.converged = r.converged;
  out.reason = r.reason;
}

/// Maximises by steps of a first-order optimiser.
WICK_NOINLINE inline void optimize_point(PointProblem& problem, Optimizer& method, const OptimizeOptions& o, OptimizeResult& out) {
  if (o.steps.value < 0) raise<DomainError>("wick.optim.E627", "", {"optimize: steps is ", o.steps}, {"give a number ≥ 0"});
  for (;; ++out.iterations) {
    out.log_density = -problem.evaluate(static_cast<std::uint64_t>(out.iterations));
    ++out.evaluations;
    const double most = problem.largest_gradient();
    if (WICK_UNLIKELY(!(most < kInf))) problem.check_gradient();
    out.converged = most <= o.tol_grad;
    out.reason = out.converged ? "tol_grad" : "steps";
    if (out.converged || out.iterations == o.steps.value) return;
    method.prepare(problem.steps());
    problem.open();
    method.step(problem.steps());
  }
}

/// Runs the optimisation; on any error the store's parameters are as they were.
template <class Method>
OptimizeResult optimize_program(const Callable& model, Method& method, const OptimizeOptions& o) {
  ParamStore& store = param_store();
  const std::size_t before = store.size();
  List<Tensor> values;
  for (const Param& p : store) values.push_back(p.unconstrained());
  OptimizeResult out;
  try {
    PointProblem problem(model, o, std::is_base_of_v<Optimizer, Method>);
    optimize_point(problem, method, o, out);
    problem.tell(out);
  } catch (...) {
    store.truncate(before);
    std::size_t i = 0;
    for (const Param& p : store) store.find(p.name())->set_unconstrained(std::move(values[i++]));
    throw;
  }
  return out;
}

}  // namespace detail

/// A model with the way to optimise it; called with the model's arguments.
template <class Model, class Method>
class Optimization {
 public:
  Optimization(Model model, Method method, OptimizeOptions options) : model_(std::move(model)), method_(std::move(method)), options_(std::move(options)) {}
  template <class... T>
  OptimizeResult operator()(const T&... x) const {
    static_assert(std::is_invocable_v<Model&, const T&...>, "optimize: the model cannot be called with these arguments");
    Model model = model_;
    Method method = method_;
    auto run = [&] { static_cast<void>(model(x...)); };
    return detail::optimize_program(detail::Callable(run), method, options_);
  }

 private:
  Model model_;
  Method method_;
  OptimizeOptions options_;
};

/// Maximises a model's log joint density: `const OptimizeResult fit = optimize(model)(x, y); fit["w"]`.
///
/// What is maximised is Σ log p of all sites, scaled and masked as in a loss, as a function of the values of the latent sites and of the parameters of the
/// store in force. Latent sites are moved in unconstrained space, but the density is that of their constrained values: no Jacobian is added, so that
/// the result is the MAP estimate in the model's own terms, as Stan's `optimize`; with `{.jacobian = true}` it is the mode of the density in
/// unconstrained space. Parameters have no density: they are fitted by maximum likelihood, and left in the store. A model without latent sites is fitted
/// by maximum likelihood alone.
/// The method is `LBFGS` or any optimiser of SVI; L-BFGS wants the same density at each evaluation, so no subsampled plates.
/// Throws, with the parameters as they were: wick.optim.E604, E620–E628, wick.elbo.E304, and what the model throws.
template <class Model, class Method = LBFGS>
Optimization<Model, Method> optimize(Model model, Method method = Method(), OptimizeOptions options = {}) {
  static_assert(std::is_same_v<Method, LBFGS> || std::is_base_of_v<Optimizer, Method>, "optimize: the method is neither LBFGS nor an optimiser");
  return {std::move(model), std::move(method), std::move(options)};
}

}  // namespace wick::inline WICK_ABI
