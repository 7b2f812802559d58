/// \file
/// Trace_ELBO: the evidence lower bound from one trace of guide and model.
#pragma once

#include <wick/core/fault.hpp>
#include <wick/core/list.hpp>
#include <wick/effect/handlers/replay.hpp>
#include <wick/effect/handlers/trace.hpp>

namespace wick::inline WICK_ABI {

struct ElboOptions {
  Count num_particles = 1;
};

namespace detail {

/// Model and guide as calls without arguments.
struct Program {
  Callable model, guide;
};

/// log p − log q of all sites that are in the same vectorised plates.
struct FrameCost {
  Frames frames;
  Tensor cost;
};

/// The traces of one particle; kept from step to step so that their memory is reused.
struct ParticleTraces {
  Trace guide, model;
  RandomScope random;
  List<FrameCost> costs;
  void clear() noexcept {
    guide.clear();
    model.clear();
    costs.clear();
  }
};

/// Where a particle's draws come from.
struct Draws {
  std::uint64_t seed, step, particle;
  bool evaluation;
};

[[noreturn]] WICK_COLD inline void raise_pair(const char* id, const Site& s, Parts text, Parts tries, const Trace& guide, const Trace& model) {
  try {
    raise<SiteError>(id, s.name.view(), text, tries);
  } catch (Error& e) {
    e.add_note(join({"guide:\n", guide.shape_table(), "model:\n", model.shape_table()}));
    throw;
  }
}

/// Whether a latent model site is drawn from its prior because the guide leaves it out on purpose.
inline bool from_prior(const Site& m, const Trace& guide) noexcept {
  return m.infer.from_prior && m.type == SiteType::sample && !m.is_observed && guide.find(m.name) == nullptr;
}

/// Equal but for dims of size 1 at the left.
WICK_NOINLINE inline bool same_extent(const Shape& a, const Shape& b) noexcept {
  const Index rank = a.rank() > b.rank() ? a.rank() : b.rank();
  for (Index d = -1; d >= -rank; --d)
    if (a.from_right(d) != b.from_right(d)) return false;
  return true;
}

/// Plates of one name must have one size. A plate that the model does not have, or not yet, is left out.
inline void check_plate_size(const Site& g, const Site* m, const Trace& guide, const Trace& model) {
  if (m != nullptr && m->type == SiteType::plate && WICK_UNLIKELY(m->full_size != g.full_size))
    raise_pair("wick.elbo.E303", g, {"the plate has size ", g.full_size, " in the guide and ", m->full_size, " in the model"},
               {"use one size for plates of one name\n  or give one of the two plates another name"}, guide, model);
}
/// The same of all plates, where a shape does not fit: another size would be the reason.
WICK_COLD inline void check_plate_sizes(const Trace& guide, const Trace& model) {
  for (const Site& g : guide)
    if (g.type == SiteType::plate) check_plate_size(g, model.find(g.name), guide, model);
}

/// Why a site's plates in the guide are not those in the model.
[[noreturn]] WICK_COLD inline void raise_plates(const Site& m, const Frame& f, const Trace& guide, const Trace& model) {
  Text has("the model does not");
  for (const Frame& h : m.frames)
    if (h.name == f.name) has = join({"the model in one of that name with size ", h.size, ", dim ", h.dim});
  raise_pair("wick.elbo.E303", m, {"guide has the site in plate \"", f.name.view(), "\" (size ", f.size, ", dim ", f.dim, "), ", has},
             {"use the same plates, by name, size and dim, around the site on both sides"}, guide, model);
}

/// A latent site of the model and its counterpart in the guide.
inline void check_latent(const Site& m, const Trace& guide, const Trace& model) {
  const Site* g = guide.find(m.name);
  if (WICK_UNLIKELY(g == nullptr || g->type != SiteType::sample))
    raise_pair("wick.elbo.E300", m, {"latent site of the model is missing in the guide"},
               {"sample \"", m.name.view(), "\" in the guide, observe it in the model, or mark it with Infer{.from_prior = true}"}, guide, model);
  const Shape &a = g->fn()->shape(), &b = m.fn()->shape();
  if (WICK_UNLIKELY(g->fn()->event_dim() != m.fn()->event_dim() || !(a == b || same_extent(a, b)))) {
    check_plate_sizes(guide, model);
    raise_pair("wick.elbo.E302", m,
               {"guide and model differ in shape: guide batch_shape ", g->fn()->batch_shape(), " event_shape ", g->fn()->event_shape(), ", model batch_shape ",
                m.fn()->batch_shape(), " event_shape ", m.fn()->event_shape()},
               {"use the same to_event(n) and the same plates on both sides"}, guide, model);
  }
  for (const Frame& f : g->frames) {
    bool found = false;
    for (const Frame& h : m.frames) found = found || h == f;
    if (WICK_UNLIKELY(!found)) raise_plates(m, f, guide, model);
  }
}

/// Whether a plate of the guide is there for auxiliary sites alone.
WICK_COLD inline bool only_auxiliary(Name plate, const Trace& guide) {
  bool used = false;
  for (const Site& s : guide)
    for (const Frame& f : s.frames) {
      if (f.name != plate) continue;
      used = used || s.infer.is_auxiliary;
      if (s.type == SiteType::sample && !s.infer.is_auxiliary) return false;
    }
  return used;
}

/// Guide and model must speak of the same sites, plates and shapes.
WICK_NOINLINE inline void check_pair(const Trace& guide, const Trace& model) {
  for (const Site& m : model)
    if (m.type == SiteType::sample && !m.is_observed && !from_prior(m, guide)) check_latent(m, guide, model);
  for (const Site& g : guide) {
    if (g.type == SiteType::param || g.type == SiteType::deterministic || g.infer.is_auxiliary) continue;
    const Site* m = model.find(g.name);
    if (g.type == SiteType::plate) {
      if (WICK_UNLIKELY(m == nullptr && !only_auxiliary(g.name, guide)))
        raise_pair("wick.elbo.E303", g, {"the plate is in the guide, but not in the model"},
                   {"use the same plates on both sides\n  or leave the plate out of the guide"}, guide, model);
      check_plate_size(g, m, guide, model);
      continue;
    }
    if (WICK_UNLIKELY(m == nullptr || m->type != SiteType::sample))
      raise_pair("wick.elbo.E301", g, {"site of the guide is not in the model"},
                 {"sample \"", g.name.view(), "\" in the model, or mark it with Infer{.is_auxiliary = true} in the guide"}, guide, model);
    if (WICK_UNLIKELY(m->is_observed))
      raise_pair("wick.elbo.E301", g, {"site of the guide is observed in the model"},
                 {"leave \"", g.name.view(), "\" out of the guide\n  or leave it unobserved in the model: obs of an empty tensor means that"}, guide, model);
  }
}

[[noreturn]] WICK_COLD inline void raise_unaccounted(const Site& s, const Trace& t, Index dim, Index size) {
  try {
    raise<ShapeError>("wick.elbo.E304", s.name.view(),
                      {"the log density of ", s.fn()->name(), " with batch_shape ", s.fn()->batch_shape(), " has size ", size, " at dim ", dim,
                       ", which no plate around the site accounts for"},
                      {"declare dependent dimensions: dist.to_event(n)\n  or declare independent ones: plate p(\"name\", ", size,
                       ")\n  or check that parameters, value, mask and scale have the shapes you mean"});
  } catch (Error& e) {
    e.add_note(join({"sites:\n", t.shape_table()}));
    throw;
  }
}

[[noreturn]] WICK_COLD inline void raise_missing_dim(const Site& s, const Trace& t, const Frame& f) {
  try {
    raise<ShapeError>("wick.elbo.E304", s.name.view(),
                      {"the site is in plate \"", f.name.view(), "\" (size ", f.size, ", dim ", f.dim, "), but its ", s.fn()->name(), " has batch_shape ", s.fn()->batch_shape(),
                       ": its value was given inside the plate"},
                      {"put the handler that gives the value outside the plate\n  or expand the distribution to the plate's size"});
  } catch (Error& e) {
    e.add_note(join({"sites:\n", t.shape_table()}));
    throw;
  }
}

/// Whether a site's log density has one number, or as many as its only plate.
inline bool fits_one_plate(const Site& s) noexcept {
  const Shape &own = s.fn()->shape(), &value = s.value.shape();
  const Index event = s.fn()->event_dim(), rank = own.rank() - event;
  if (value.rank() > own.rank() || s.mask.dim() != 0 || s.scale.dim() != 0) return false;
  if (s.frames.empty()) return rank <= 0;
  const Frame& f = s.frames[0];
  return s.frames.size() == 1 && f.dim == -1 && rank == 1 && own[0] == f.size && (value.rank() < own.rank() || value[0] == f.size || value[0] == 1);
}

/// The shape of a site's log density, with value, mask and scale, must be accounted for by its plates.
WICK_NOINLINE inline void check_plates(const Site& s, const Trace& t) {
  const Shape &own = s.fn()->shape(), &value = s.value.shape();
  const Index event = s.fn()->event_dim();
  Index rank = (own.rank() > value.rank() ? own.rank() : value.rank()) - event;
  for (const Tensor* more : {&s.mask, &s.scale})
    if (WICK_UNLIKELY(more->dim() > rank)) rank = more->dim();
  for (Index d = -1; d >= -rank; --d) {
    Index size = own.from_right(d - event);
    for (const Index other : {value.from_right(d - event), s.mask.shape().from_right(d), s.scale.shape().from_right(d)})
      if (size == 1) size = other;
    if (size == 1) continue;
    bool covered = false;
    for (const Frame& f : s.frames) covered = covered || (f.dim == d && f.size == size);
    if (WICK_UNLIKELY(!covered)) raise_unaccounted(s, t, d, size);
  }
  // A value given inside a plate, before the plate has seen the site, would count once instead of once for each element.
  for (const Frame& f : s.frames)
    if (WICK_UNLIKELY(f.vectorized() && f.size != 1 && own.from_right(f.dim - event) != f.size && value.from_right(f.dim - event) != f.size))
      raise_missing_dim(s, t, f);
}

/// Adds `g` to the adjoint of a recorded scalar.
inline void seed_adjoint(Tape& tape, const Tensor& t, double g) {
  if (TensorAccess::run(t) != tape.run() || TensorAccess::kind(t) != Kind::differentiable) return;
  tape[TensorAccess::record(t)].adjoint += g;
}

/// Adds a site's log density, or takes it away, among the costs of its plates.
inline void add_cost(List<FrameCost>& costs, const Site& s, bool subtract) {
  Frames frames;
  for (const Frame& f : s.frames)
    if (f.vectorized()) frames.push_back(f);
  const Tensor& lp = s.log_prob();
  for (FrameCost& c : costs) {
    bool same = c.frames.size() == frames.size();
    for (std::size_t i = 0; same && i < frames.size(); ++i) same = c.frames[i] == frames[i];
    if (!same) continue;
    c.cost = subtract ? c.cost - lp : c.cost + lp;
    return;
  }
  costs.push_back({frames, subtract ? -lp : lp});
}

/// `cost` summed over its plates that `target` is not in.
inline Tensor sum_to_frames(const FrameCost& cost, const Frames& target) {
  Tensor out = cost.cost;
  for (const Frame& f : cost.frames) {
    bool shared = false;
    for (const Frame& t : target) shared = shared || WICK_FAULT(rao_blackwell_wrong_plate, t == f, t.dim == f.dim);
    if (!shared && out.dim() >= -f.dim) out = sum(out, {f.dim}, true);
  }
  return out;
}

}  // namespace detail

/// The single-sample evidence lower bound E_q[log p(x, z) − log q(z)] and its gradient.
///
/// Reparameterised guide sites give pathwise gradients; the others the score-function gradient: the score of each element of a site, neither
/// scaled nor masked, is weighed by all log p − log q terms but those of other elements of its vectorised plates (Rao–Blackwellisation by plates).
/// Turns of a sequential plate are not taken apart: the gradient is right even where one turn depends on another. Sites marked `from_prior` count
/// as drawn by the guide from their prior: log p − log q is 0.
/// Space: constants are kept. Throws: wick.elbo.E300–E307. Source: Wingate & Weber 2013; Ranganath et al. 2014.
class Trace_ELBO {
 public:
  Trace_ELBO() = default;
  explicit Trace_ELBO(const ElboOptions& o) : particles_(o.num_particles.value) {
    if (particles_ < 1)
      detail::raise<DomainError>("wick.elbo.E306", "", {"num_particles is ", particles_, "; it must be at least 1"}, {"use num_particles = 1 or more"});
  }
  Index num_particles() const noexcept { return particles_; }

  /// Runs guide and model for one particle, leaves 1 / num_particles times the gradient's seeds on the open tape (if any),
  /// and returns this particle's loss, −ELBO.
  double particle(const detail::Program& program, detail::ParticleTraces& t, const detail::Draws& d) const {
    run(program, t, d);
    detail::check_pair(t.guide, t.model);
    return score(t);
  }

 private:
  static void run(const detail::Program& program, detail::ParticleTraces& t, const detail::Draws& d) {
    const detail::RandomGuard random(t.random);
    record(program.guide, t.guide, t, d, Role::guide);
    auto replayed = [&] {
      const handlers::replay<> given(t.guide);
      program.model();
    };
    try {
      record(detail::Callable(replayed), t.model, t, d, Role::model);
    } catch (const Error&) {  // of the guide's values in the model's plates
      detail::check_plate_sizes(t.guide, t.model);
      throw;
    }
  }
  WICK_NOINLINE static void record(const detail::Callable& program, Trace& out, detail::ParticleTraces& t, const detail::Draws& d, Role role) {
    try {
      t.random.restart(d.seed, make_stream(role, WICK_FAULT(evaluation_replays, d.evaluation, false) ? 1 : 0), d.step, d.particle);
      const handlers::trace<> recorder(out);
      program();
    } catch (Error& e) {
      detail::add_shape_table(e, out);
      throw;
    }
  }
  /// Whether a guide site's gradient needs no score function.
  static bool is_pathwise(const Site& s) noexcept { return s.fn()->has_rsample() || (s.is_observed && !s.infer.is_score_factor); }
  double score(detail::ParticleTraces& t) const;
  static double score_site(const Site& s, const Trace& t, bool in_guide, double weight);
  static void score_function(detail::ParticleTraces& t, double weight);
  static void add_score(const Site& s, const detail::List<detail::FrameCost>& costs, double weight);
  [[noreturn]] static void raise_non_finite(const Site& s, double value, bool in_guide);
  [[noreturn]] static void raise_open_factor(const Site& s);

  Index particles_ = 1;
};

WICK_COLD inline void Trace_ELBO::raise_non_finite(const Site& s, double value, bool in_guide) {
  detail::Text element;
  const Tensor& lp = s.log_prob();
  Index bad = 0;
  while (bad < lp.numel() && lp.data()[bad] - lp.data()[bad] == 0) ++bad;
  if (lp.dim() > 0 && bad < lp.numel()) element.add(" in element ").add(detail::index_text(lp.shape(), bad));
  detail::raise<NumericalError>("wick.elbo.E305", s.name.view(),
                                {"the log density of the ", s.is_observed ? "observed" : "latent", in_guide ? " guide" : " model", " site is ", value, element},
                                {"check the parameters' initial values and the learning rate\n  or look for values on the edge of the support: 0 or 1 for probabilities, 0 for scales"});
}

WICK_COLD inline void Trace_ELBO::raise_open_factor(const Site& s) {
  detail::raise<UsageError>("wick.elbo.E307", s.name.view(), {"a factor of the guide does not say what it is the weight of"},
                            {"say {.has_rsample = true} if its values were drawn with gradients\n  or {.has_rsample = false} if it is the log density of something drawn without"});
}

/// The log density of a site of model or guide; its part of the gradient is left as a seed.
WICK_NOINLINE inline double Trace_ELBO::score_site(const Site& s, const Trace& t, bool in_guide, double weight) {
  if (WICK_UNLIKELY(!detail::fits_one_plate(s))) detail::check_plates(s, t);
  const Tensor& lp = s.log_prob_sum();
  const double v = lp.item();
  if (WICK_UNLIKELY(v - v != 0)) raise_non_finite(s, v, in_guide);
  detail::Tape* tape = detail::context.tape;
  if (tape != nullptr && (!in_guide || is_pathwise(s))) detail::seed_adjoint(*tape, lp, in_guide ? weight : -weight);
  return v;
}

inline double Trace_ELBO::score(detail::ParticleTraces& t) const {
  const double weight = 1.0 / static_cast<double>(particles_);
  double elbo = 0;
  bool needs_score = false;
  for (const Site& s : t.model) {
    if (s.type != SiteType::sample) continue;
    if (WICK_UNLIKELY(s.infer.enumerate != Enumerate::no && !s.is_observed)) detail::raise_enumerated(s.name, "Trace_ELBO");
    if (WICK_UNLIKELY(detail::from_prior(s, t.guide))) {  // the guide's density is the same: both cancel
      detail::check_plates(s, t.model);
      needs_score = needs_score || !is_pathwise(s);
      continue;
    }
    elbo += score_site(s, t.model, false, weight);
  }
  for (const Site& s : t.guide) {
    if (s.type != SiteType::sample) continue;
    if (WICK_UNLIKELY(s.infer.is_open_factor)) raise_open_factor(s);
    elbo -= score_site(s, t.guide, true, weight);
    needs_score = needs_score || !is_pathwise(s);
  }
  if (needs_score && detail::context.tape != nullptr) score_function(t, weight);
  return -elbo;
}

WICK_NOINLINE inline void Trace_ELBO::score_function(detail::ParticleTraces& t, double weight) {
  t.costs.clear();
  // Scores are recorded before recording is switched off for their weights: a site remembers its density in the form it was computed in.
  for (const Site& s : t.guide)
    if (s.type == SiteType::sample && !is_pathwise(s)) s.unscaled_log_prob();
  {
    const detail::Unrecorded off;
    for (const Site& s : t.model)
      if (s.type == SiteType::sample && !detail::from_prior(s, t.guide)) detail::add_cost(t.costs, s, false);
    for (const Site& s : t.guide)
      if (s.type == SiteType::sample && WICK_FAULT(auxiliary_entropy_dropped, true, !s.infer.is_auxiliary)) detail::add_cost(t.costs, s, true);
  }
  for (const Site& s : t.guide)
    if (s.type == SiteType::sample && !is_pathwise(s)) add_score(s, t.costs, weight);
  for (const Site& s : t.model)
    if (detail::from_prior(s, t.guide) && !is_pathwise(s)) add_score(s, t.costs, weight);
}

/// Seeds the score of one site's elements with the costs that they may have caused.
inline void Trace_ELBO::add_score(const Site& s, const detail::List<detail::FrameCost>& costs, double weight) {
  detail::Tape& tape = *detail::context.tape;
  Tensor score = s.score_function();
  if (detail::kind_in(score, &tape) != detail::Kind::differentiable) return;
#ifdef WICK_PLANTED_FAULTS
  score = WICK_FAULT(score_scaled, score, s.scale * score);
  if (!s.mask.empty()) score = WICK_FAULT(score_masked, score, s.mask * score);
#endif
  Tensor log_r = 0.0;
  {
    const detail::Unrecorded off;
    for (const detail::FrameCost& c : costs) log_r = log_r + detail::sum_to_frames(c, s.frames);
  }
  detail::seed_adjoint(tape, sum(stop_gradient(log_r) * score), -weight);
}

}  // namespace wick::inline WICK_ABI
