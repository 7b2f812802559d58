/// \file
/// handlers::lift
#pragma once

#include <exception>

#include <wick/core/near_names.hpp>
#include <wick/effect/handlers/common.hpp>
#include <wick/effect/primitives.hpp>
#include <wick/effect/priors.hpp>

namespace wick::inline WICK_ABI::detail {

/// What the last warnings of this thread were about: a step in a loop warns once.
inline constinit thread_local std::uint32_t warned_priors[8] = {};
inline constinit thread_local unsigned warned_count = 0;

}  // namespace wick::inline WICK_ABI::detail

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class lift;

/// Makes sample sites of parameters, drawn from priors: `handlers::lift(model, Normal(0.0, 1.0))` for all of them, or
/// `handlers::lift(model, {{"w", Normal(0.0, 1.0)}, {"s", Gamma(2.0, 1.0)}})` for those named; the others stay parameters.
///
/// A prior is expanded to the shape of its parameter, whose dimensions become one event, but for those that belong to plates outside the scope. The
/// parameter store is not filled. A parameter that the program reads again has the value it had. Handlers inside the scope,
/// which have seen a parameter, find one afterwards too, so that plates take their elements of it.
/// Reads: type, name, request, event_dim. Writes: type, fn, value, done, stop, lifted. Throws: wick.handler.E260 for a prior that does not fit.
/// Warns: wick.handler.W275, at the end of the scope, once on a thread, of a prior for a name that no parameter inside had.
/// Example:
///     handlers::lift(guide, Normal(0.0, 1.0))(y);  // loc is a sample site now
template <>
class lift<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit lift(Priors priors) : own_(std::move(priors)), priors_(&own_) { enter(types_of(SiteType::param), kBack); }
  /// The priors are not copied: they must outlive the scope.
  [[nodiscard]] explicit lift(const Priors* priors) : priors_(priors) { enter(types_of(SiteType::param), kBack); }
  ~lift() override {
    if (const Name stray = priors_->unknown([this](Name n) { return find(n) != nullptr || was_warned(n); }); WICK_UNLIKELY(stray)) warn_stray(stray);
    while (newest_ != nullptr) detail::drop_pooled(std::exchange(newest_, newest_->next));
  }
  void process(Message& m) override {
    const Distribution* prior = priors_->find(m.name);
    if (prior == nullptr || m.done) return;
    if (const Lifted* l = find(m.name); l != nullptr && !l->value.empty()) {
      m.value = l->value;
      m.done = m.stop = true;
      return;
    }
    newest_ = detail::make_pooled<Lifted>(newest_, m.name, this);
    newest_->prior.assign(*prior);
    fit(*newest_->prior.get(), m);
    m.type = SiteType::sample;
    m.fn = newest_->prior.get();
    m.lifted = newest_;
  }
  void postprocess(Message& m) override {
    auto* l = static_cast<Lifted*>(m.lifted);
    if (l == nullptr || l->owner != this) return;
    l->value = m.value;
    m.type = SiteType::param;
    m.fn = nullptr;
  }

 private:
  static constexpr SiteTypes kBack = types_of(SiteType::sample, SiteType::deterministic);  // what handlers outside may have made of it
  /// A parameter that has become a sample site.
  struct Lifted {
    Lifted(Lifted* before, Name n, const lift* l) noexcept : next(before), name(n), owner(l) {}
    std::size_t capacity = 0;
    Lifted* next;
    Name name;
    const lift* owner;
    Tensor value;
    detail::DistBox prior;
  };
  const Lifted* find(Name name) const noexcept {
    const Lifted* l = newest_;
    while (l != nullptr && l->name != name) l = l->next;
    return l;
  }
  static bool was_warned(Name name) noexcept {
    for (const std::uint32_t id : detail::warned_priors)
      if (id == name.id()) return true;
    return false;
  }
  /// Names the parameters whose names are nearest. Nothing is said of a run that an exception has cut short.
  WICK_COLD void warn_stray(Name stray) const noexcept {
    if (std::uncaught_exceptions() > 0) return;
    detail::warned_priors[detail::warned_count++ % 8] = stray.id();
    try {
      detail::NearNames names(stray);
      for (const Lifted* l = newest_; l != nullptr; l = l->next) names.add(l->name);
      for (const Param& p : param_store()) names.add(p.name());
      const detail::Text near = names.text();
      detail::warn("wick.handler.W275", {"lift: there is a prior for \"", stray.view(), "\", but no parameter of this name came to it; there ", near.empty() ? "is none at all" : "are ", near,
                                         ". Try: give the full name, as it is outside of handlers::scope and module\n  or leave the prior out\n"
                                         "  or go on, if the parameter is there in some runs only (a branch that was not taken)"});
    } catch (...) {  // a destructor must not throw; the warning is lost
    }
  }
  /// Expands the prior to the parameter's shape, as far as that is known.
  void fit(Distribution& d, const Message& m) const {
    if (m.request->given == nullptr && m.request->make == nullptr && param_store().find(m.name) == nullptr) return;
    Shape shape = detail::param_shape(*m.request, m.name);
    const Index event = d.event_dim(), plated = m.event_dim < 0 ? 0 : shape.rank() - m.event_dim;
    bool local = false;
    for (const Handler* h = outer(); h != nullptr; h = h->outer()) {
      const Frame* f = detail::HandlerAccess::frame(*h);
      if (f == nullptr || !f->vectorized() || plated < -f->dim) continue;
      shape[static_cast<std::size_t>(plated + f->dim)] = 1;  // the plate expands it
      local = true;
    }
    const Shape batch = shape.head(shape.rank() > event ? shape.rank() - event : 0);
    if (WICK_UNLIKELY(shape.rank() < event || !(shape.tail(event) == d.event_shape()) || !detail::broadcasts_to(d.batch_shape(), batch))) raise(d, m, shape);
    d.expand_to(batch);
    const Index more = shape.rank() - event - (local ? plated : 0);
    if (WICK_UNLIKELY(more < 0)) raise(d, m, shape);
    d.reinterpret_batch(more);
  }
  [[noreturn]] WICK_COLD static void raise(const Distribution& d, const Message& m, const Shape& shape) {
    detail::raise<ShapeError>("wick.handler.E260", m.name.view(),
                              {"lift: the prior, ", d.name(), " with batch_shape ", d.batch_shape(), " and event_shape ", d.event_shape(), ", does not expand to the parameter's shape ", shape},
                              {"give a prior of one number, which is expanded, or one of the parameter's shape"});
  }

  Priors own_;
  const Priors* priors_;
  Lifted* newest_ = nullptr;
};

template <class F>
class lift final : public Holding<lift, F, Priors> {
  using Holding<lift, F, Priors>::Holding;
};
lift(Priors) -> lift<Scope>;
template <class D>
  requires std::derived_from<D, Distribution>
lift(D) -> lift<Scope>;
template <class F, class P>
lift(F, P) -> lift<F>;
template <class F>
lift(F, Priors) -> lift<F>;

}  // namespace wick::inline WICK_ABI::handlers
