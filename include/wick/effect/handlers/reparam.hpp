/// \file
/// handlers::reparam, LocScaleReparam and TransformReparam
#pragma once

#include <wick/dist/unit_form.hpp>
#include <wick/effect/dist_box.hpp>
#include <wick/effect/handlers/common.hpp>
#include <wick/effect/primitives.hpp>

namespace wick::inline WICK_ABI {

/// A site that is being drawn in another way: `message` is the site, and auxiliary sites and parameters get its name with a suffix.
class ReparamSite {
 public:
  ReparamSite(const Message& m, Handler& h) noexcept : message(m), handler_(&h) {}
  const Message& message;

  /// A latent sample site in the same plates, under the same scales and masks. `fn` has the batch shape of the site's distribution.
  Tensor sample(std::string_view suffix, Distribution& fn) const {
    Message m = message;
    m.fn = &fn;
    return issue(m, suffix, nullptr);
  }
  Tensor param(std::string_view suffix, const Tensor& init, const Constraint& constraint) const {
    const detail::ParamRequest request{.given = &init, .constraint = &constraint};
    Message m;
    m.type = SiteType::param;
    m.request = &request;
    return issue(m, suffix, &detail::read_param);
  }

 private:
  /// The handlers inside have done their part with the site itself: the message goes on outwards from here.
  Tensor issue(Message& m, std::string_view suffix, detail::Default otherwise) const {
    m.name = detail::joined_name({message.name.view(), suffix});
    const detail::SiteMark mark(m.name);
    Handler* last = detail::pass_out(m, handler_->outer());
    detail::pass_in(m, otherwise, last != nullptr ? last : handler_);
    return std::move(m.value);
  }
  Handler* handler_;
};

/// A way to draw a site. `apply` returns its value, computed from other sites, or the empty tensor to leave the site as it is.
struct Reparam {
  Tensor (*apply)(const ReparamSite&, const Reparam&) = nullptr;
  Tensor centered = {};
};

namespace detail {

[[noreturn]] WICK_COLD inline void raise_reparam(const Message& m, const char* what, const char* wants) {
  raise<UsageError>("wick.handler.E266", m.name.view(), {"reparam: ", what, " does not work for ", m.fn->name(), ", only for ", wants}, {"leave the site out of the reparam handler"});
}

/// x = loc + scale^(1−c) (d − c loc) with d of the same family at (c loc, scale^c).
inline Tensor loc_scale_value(const ReparamSite& site, const Reparam& own) {
  const Message& m = site.message;
  const FamilyInfo& family = m.fn->info();
  unsigned loc = family.arity, scale = family.arity;
  for (unsigned k = 0; k < family.arity; ++k) {
    if (std::string_view(family.parameters[k]) == "loc") loc = k;
    if (std::string_view(family.parameters[k]) == "scale") scale = k;
  }
  if (loc == family.arity || scale == family.arity || std::string_view(m.fn->support().name()) != "real")
    raise_reparam(m, "LocScaleReparam", "distributions over all numbers with loc and scale, such as Normal");
  const bool fixed = !own.centered.empty() && own.centered.dim() == 0;
  if (fixed && own.centered.item() == 1.0) return {};
  const Tensor c = own.centered.empty() ? site.param("_centered", expand(Tensor(0.5), m.fn->event_shape()), constraints::unit_interval) : own.centered;
  const Tensor l = m.fn->parameters()[loc], s = m.fn->parameters()[scale];
  const bool none = fixed && c.item() == 0.0;
  DistBox noise(*m.fn);
  auto* p = const_cast<Tensor*>(noise.get()->parameters());  // our own copy
  p[loc] = none ? Tensor(0.0) : l * c;
  p[scale] = none ? Tensor(1.0) : pow(s, c);
  const Tensor d = site.sample("_decentered", *noise.get());
  return none ? l + s * d : l + pow(s, 1.0 - c) * (d - l * c);
}

/// exp of a normal number for LogNormal, as its own draws are made; else the unit form shifted and scaled.
inline Tensor transform_value(const ReparamSite& site, const Reparam&) {
  const Message& m = site.message;
  if (std::string_view(m.fn->name()) == "LogNormal") {
    Normal base = normal_of(*m.fn);
    return apply1(op_positive_exp<>, site.sample("_base", base));
  }
  DistBox base(*m.fn);
  const UnitForm unit = take_unit_form(*base.get());
  if (unit.factor.empty()) raise_reparam(m, "TransformReparam", "LogNormal, Normal, Uniform, Exponential, Gamma, HalfNormal and HalfCauchy");
  return unit.value(site.sample("_base", *base.get()));
}

}  // namespace detail

/// Draws `name_decentered` near a standard form and computes the site from it: x = loc + scale^(1−c) (d − c loc), with d of the site's family at
/// (c loc, scale^c). c = 0 is the non-centred form, c = 1 leaves the site alone; without a number, c is the parameter `name_centered`, which
/// begins at 0.5, one number for each element of the event. Guides then draw `name_decentered`.
/// Throws: wick.handler.E266 for a family without loc and scale, E268 for c outside [0, 1]. Source: Gorinova, Moore & Hoffman 2020.
struct LocScaleReparam : Reparam {
  explicit LocScaleReparam(Tensor c = {}) : Reparam{&detail::loc_scale_value, std::move(c)} {
    if (!centered.empty() && !constraints::unit_interval.contains(centered))
      detail::raise<DomainError>("wick.handler.E268", "", {"LocScaleReparam: the centring is not between 0 and 1"}, {"give a number between 0 (non-centred) and 1 (centred)\n  or none, to learn it"});
  }
};
/// Draws `name_base`, which has the distribution before its transform, and computes the site by a smooth one-to-one map: of LogNormal(loc, scale),
/// exp of Normal(loc, scale); of the other families, the unit form shifted and scaled: Normal loc + scale b, Uniform low + (high − low) b with b of
/// Uniform(0, 1), HalfNormal and HalfCauchy scale b, Exponential b / rate, Gamma b / rate with b of Gamma(concentration, 1).
/// Throws: wick.handler.E266 for other families, such as discrete ones.
struct TransformReparam : Reparam {
  TransformReparam() : Reparam{&detail::transform_value} {}
};

namespace handlers {

/// Ways to draw sites, by name.
class Reparams {
 public:
  Reparams() = default;
  Reparams(std::initializer_list<std::pair<std::string_view, Reparam>> list) {
    for (const auto& [name, how] : list) items_.push_back({Name(name), how});
  }
  const Reparam* find(Name name) const noexcept {
    for (const auto& i : items_)
      if (i.first == name) return &i.second;
    return nullptr;
  }

 private:
  detail::List<std::pair<Name, Reparam>> items_;
};

template <class F = Scope>
class reparam;

/// Draws latent sites in another way: the site becomes a deterministic one, computed from auxiliary sites. The program and the joint density of what it
/// computes stay the same; what a guide approximates, or a sampler moves in, is easier.
///
/// Reads: type, name, fn, is_observed, value. Writes: type, fn, value, done. Throws: wick.handler.E267 for a site that is observed or has a value;
/// wick.dist.E201 for parameters outside their domain, as the site's own draw would, unless a mask inside the handler leaves elements out.
/// Example:
///     handlers::reparam(model, {{"z", LocScaleReparam(0.0)}})(y);  // draws z_decentered ~ Normal(0, 1)
template <>
class reparam<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit reparam(Reparams how) : own_(std::move(how)), how_(&own_) { enter(types_of(SiteType::sample), no_types); }
  /// Not copied: it must outlive the scope.
  [[nodiscard]] explicit reparam(const Reparams* how) : how_(how) { enter(types_of(SiteType::sample), no_types); }
  void process(Message& m) override {
    const Reparam* how = how_->find(m.name);
    if (how == nullptr) return;
    if (WICK_UNLIKELY(!m.value.empty())) raise(m);
    // The auxiliary sites do not have them; where a mask leaves elements out theirs may hold anything.
    if (m.mask.empty() && !m.fn->has_mask()) m.fn->check_parameters();
    Tensor value = how->apply(ReparamSite(m, *this), *how);
    if (value.empty()) return;
    m.type = SiteType::deterministic;
    m.fn = nullptr;
    m.value = std::move(value);
    m.done = true;
  }

 private:
  [[noreturn]] WICK_COLD static void raise(const Message& m) {
    detail::raise<UsageError>("wick.handler.E267", m.name.view(), {"reparam: the site ", m.is_observed ? "is observed" : "has a value already"},
                              {"leave observed sites out of the reparam handler\n  or put handlers that give values around it, for the auxiliary sites' names"});
  }
  Reparams own_;
  const Reparams* how_;
};

template <class F>
class reparam final : public Holding<reparam, F, Reparams> {
  using Holding<reparam, F, Reparams>::Holding;
};
reparam(Reparams) -> reparam<Scope>;
template <class F>
reparam(F, Reparams) -> reparam<F>;

}  // namespace handlers
}  // namespace wick::inline WICK_ABI
