/// \file
/// handlers::lift
#pragma once

#include <wick/effect/dist_box.hpp>
#include <wick/effect/handlers/common.hpp>
#include <wick/effect/primitives.hpp>

namespace wick::inline WICK_ABI::handlers {

/// A copy of a distribution of any family.
class Prior {
 public:
  template <class D>
    requires std::derived_from<D, Distribution>
  Prior(const D& d) {  // NOLINT: implicit by design
    box_.assign(d);
  }
  const Distribution& get() const noexcept { return *box_.get(); }

 private:
  detail::DistBox box_;
};

/// Prior distributions by the names of parameters, or one for all.
class Priors {
 public:
  Priors() = default;
  template <class D>
    requires std::derived_from<D, Distribution>
  Priors(const D& all) {  // NOLINT: implicit by design
    set({}, all);
  }
  Priors(std::initializer_list<std::pair<std::string_view, Prior>> list) {
    for (const auto& [name, prior] : list) set(name, prior);
  }
  /// Later ones count; one for the empty name is for all parameters that are not named.
  void set(std::string_view name, Prior prior) { items_.push_back({name.empty() ? Name() : Name(name), std::move(prior)}); }
  const Distribution* find(Name name) const noexcept {
    const Distribution* found = nullptr;
    for (const auto& [own, prior] : items_)
      if (own == name || (!own && found == nullptr)) found = &prior.get();
    return found;
  }
  /// How many are for this name, and how many for any name.
  std::size_t count(Name name) const noexcept {
    std::size_t n = 0;
    for (const auto& item : items_) n += item.first == name;
    return n;
  }
  std::size_t named() const noexcept { return items_.size() - count(Name()); }
  /// The first name that `known(name)` says no to; none if there is no such.
  template <class F>
  Name unknown(F known) const {
    for (const auto& [own, prior] : items_)
      if (own && !known(own)) return own;
    return {};
  }

 private:
  detail::List<std::pair<Name, Prior>> items_;
};

template <class F = Scope>
class lift;

/// Makes sample sites of parameters, drawn from priors: `handlers::lift(model, Normal(0.0, 1.0))` for all of them, or
/// `handlers::lift(model, {{"w", Normal(0.0, 1.0)}, {"s", Gamma(2.0, 1.0)}})` for those named; the others stay parameters.
///
/// A prior is expanded to the shape of its parameter, whose dimensions become one event, but for those that belong to plates outside the scope. The
/// parameter store is not filled. A parameter that the program reads again has the value it had. Handlers inside the scope,
/// which have seen a parameter, find one afterwards too, so that plates take their elements of it.
/// Reads: type, name, request, event_dim. Writes: type, fn, value, done, stop, lifted. Throws: wick.handler.E260 for a prior that does not fit.
/// Example:
///     handlers::lift(guide, Normal(0.0, 1.0))(y);  // loc is a sample site now
template <>
class lift<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit lift(Priors priors) : own_(std::move(priors)), priors_(&own_) { enter(types_of(SiteType::param), kBack); }
  /// The priors are not copied: they must outlive the scope.
  [[nodiscard]] explicit lift(const Priors* priors) : priors_(priors) { enter(types_of(SiteType::param), kBack); }
  ~lift() override {
    while (newest_ != nullptr) detail::drop_pooled(std::exchange(newest_, newest_->next));
  }
  void process(Message& m) override {
    const Distribution* prior = priors_->find(m.name);
    if (prior == nullptr || m.done) return;
    for (const Lifted* l = newest_; l != nullptr; l = l->next)
      if (l->name == m.name && !l->value.empty()) {
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
