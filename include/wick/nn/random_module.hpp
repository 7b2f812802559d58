/// \file
/// random_module: a network whose parameters are drawn from priors.
#pragma once

#include <optional>

#include <wick/effect/priors.hpp>
#include <wick/nn/register.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// One parameter as a sample site: the prior is expanded to its shape, all of which is one event.
WICK_NOINLINE inline void draw_parameter(const Slot& slot, Bound& x, const Distribution& prior) {
  DistBox box;
  box.assign(prior);
  Distribution& d = *box.get();
  const Shape shape = constrained_shape(slot.shape, slot.constraint);
  const Index event = d.event_dim(), rest = shape.rank() - event;
  if (WICK_UNLIKELY(rest < 0 || !(shape.tail(event) == d.event_shape()) || !broadcasts_to(d.batch_shape(), shape.head(rest))))
    raise<ShapeError>("wick.nn.E520", x.name.view(), {"the prior, ", d.name(), " with batch_shape ", d.batch_shape(), " and event_shape ", d.event_shape(), ", does not expand to the parameter's shape ", shape},
                      {"give a prior of one number, which is expanded, or one of the parameter's shape"});
  d.expand_to(shape.head(rest));
  d.reinterpret_batch(rest);
  const Tensor value = sample_site(x.name.view(), d, {}, {});
  check_given(slot, x.name, value);
  x.bind(value);
}

/// Throws wick.nn.E522 for a prior whose path no parameter has.
WICK_COLD inline void check_prior_paths(std::string_view root, const Module& net, const handlers::Priors& priors) {
  const std::vector<std::string> paths = net.parameter_names();
  const Name stray = priors.unknown([&](Name n) {
    for (const std::string& p : paths)
      if (n.view() == p) return true;
    return false;
  });
  if (!stray) return;
  Text names;
  for (const std::string& p : paths) names.add(names.empty() ? "" : ", ").add(std::string_view(p));
  raise<SiteError>("wick.nn.E522", root, {"there is a prior for \"", stray.view(), "\", but no such parameter; there are: ", names}, {"use one of these paths, without the name of the module"});
}

/// As register_tree, with `find(path, slot)` for the priors; null: the parameter stays one. `check` is called when all have been asked for.
template <class Find, class Check>
void randomise_tree(std::string_view root, const std::shared_ptr<ModuleState>& top, std::uint64_t seed, Find find, Check check) {
  Binding& head = named_tree(root, top);
  claim_name(head.root, top);
  ParamStore& store = param_store();
  const std::size_t before = store.size();
  try {
    for (const auto& m : head.tree)
      for (std::size_t k = 0; k < m.binding->bound.size(); ++k) {
        Slot& slot = *m.state->slots[k];
        Bound& x = m.binding->bound[k];
        if (const Distribution* prior = find(x.name.view().substr(root.size() + 3), slot))
          draw_parameter(slot, x, *prior);
        else
          bind_param(slot, x, seed);
      }
    check();
  } catch (...) {
    store.truncate(before);
    throw;
  }
}

}  // namespace detail

/// As `module`, but the parameters that have a prior are sample sites, of the same names: a Bayesian network.
///
/// `random_module("net", net, Normal(0.0, 1.0))` for all parameters; `random_module("net", net, priors)` with handlers::Priors by path in the
/// module, `{{"0.weight", Normal(0.0, 1.0)}}`, made once; or with a function of (path, shape) that returns a distribution, or a
/// std::optional<handlers::Prior> for some parameters only. A prior is expanded to its parameter's shape and is one event: for the guide,
/// "net$$$0.weight" is a site of event_dim 2. Parameters without a prior are param sites. `handlers::lift(model, priors)` does the same
/// from outside a model. Throws: as `module`; wick.nn.E520 for a prior that does not fit, E522 for the prior of a
/// parameter that there is not.
template <class M, class P>
  requires std::derived_from<std::remove_cvref_t<M>, Module>
M random_module(std::string_view name, M&& net, const P& priors, const ModuleOptions& options = {}) {
  const auto run = [&](auto find, auto... check) { detail::randomise_tree(name, net.state(), options.seed, find, [&] { (check(), ...); }); };
  if constexpr (std::derived_from<P, Distribution>) {
    run([&](std::string_view, const detail::Slot&) -> const Distribution* { return &priors; });
  } else if constexpr (std::is_same_v<P, handlers::Priors>) {
    std::size_t hits = 0;
    const auto find = [&](std::string_view path, const detail::Slot&) {
      const Name full = detail::intern(path);
      hits += priors.count(full);
      return priors.find(full);
    };
    run(find, [&] {
      if (WICK_UNLIKELY(hits < priors.named())) detail::check_prior_paths(name, net, priors);
    });
  } else {
    static_assert(std::is_invocable_v<const P&, std::string_view, const Shape&>, "random_module: priors are a distribution, handlers::Priors or a function of (path, shape)");
    std::optional<handlers::Prior> made;
    run([&](std::string_view path, const detail::Slot& slot) -> const Distribution* {
      made.reset();
      if constexpr (std::is_convertible_v<decltype(priors(path, slot.shape)), std::optional<handlers::Prior>>) {
        std::optional<handlers::Prior> fresh = priors(path, slot.shape);
        if (fresh) made.emplace(*fresh);
      } else {
        made.emplace(priors(path, slot.shape));
      }
      return made ? &made->get() : nullptr;
    });
  }
  return std::forward<M>(net);
}
/// As above, the priors by path: `random_module("net", net, {{"0.weight", Normal(0.0, 1.0)}})`.
template <class M>
  requires std::derived_from<std::remove_cvref_t<M>, Module>
M random_module(std::string_view name, M&& net, const handlers::Priors& priors, const ModuleOptions& options = {}) {
  return random_module<M, handlers::Priors>(name, std::forward<M>(net), priors, options);
}

}  // namespace wick::inline WICK_ABI
