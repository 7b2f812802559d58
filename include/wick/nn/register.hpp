/// \file
/// module(name, net): a network's parameters as param sites; gradients of a network outside models.
#pragma once

#include <wick/ad/grad.hpp>
#include <wick/effect/primitives.hpp>
#include <wick/nn/module.hpp>

namespace wick::inline WICK_ABI {

/// Initial values depend on the seed and the parameter's full name alone: not on threads, order, or the seeds of draws.
struct ModuleOptions {
  std::uint64_t seed = 0;
};

namespace detail {

/// Lists the tree below a module and its parameters' names, without changing anything yet.
class TreeNames {
 public:
  struct Item {
    std::shared_ptr<ModuleState> state;
    std::string path;
  };
  TreeNames(std::string_view root, const std::shared_ptr<ModuleState>& top) { walk(top, std::string(root) + "$$$"); }
  const std::vector<Item>& items() const noexcept { return items_; }

 private:
  void walk(const std::shared_ptr<ModuleState>& s, const std::string& path) {
    for (const Item& i : items_)
      if (i.state == s) return;
    items_.push_back({s, path});
    for (const auto& c : s->children) walk(c.state, path + c.name + ".");
  }
  std::vector<Item> items_;
};

/// Gives the modules below `top` their names under `root` on this thread. Throws wick.nn.E501; where handlers give values, as `lift` does, no
/// store knows of the first name, but the run does.
WICK_COLD inline void name_tree(Name root, const std::shared_ptr<ModuleState>& top) {
  const TreeNames names(root.view(), top);
  const ParamStore& store = param_store();
  for (const auto& [state, path] : names.items()) {
    const Binding& b = bindings().of(state);
    for (std::size_t k = 0; k < b.bound.size(); ++k) {
      const Name before = b.bound[k].stored, now(path + state->slots[k]->name);
      if (before && !(b.bound[k].name == now) && (store.find(before) != nullptr || (context.innermost != nullptr && b.bound[k].in_force())))
        raise<UsageError>("wick.nn.E501", root.view(), {"the parameter \"", before.view(), "\" is registered again, as \"", now.view(), "\": a parameter has one name"},
                          {"use one name for one module\n  or make a second module for the second name\n  or call clear_param_store() before fitting another model"});
    }
  }
  Binding& head = bindings().of(top);
  head.tree.clear();
  head.root = root;
  for (const auto& [state, path] : names.items()) {
    Binding& b = bindings().of(state);
    b.bound.resize(state->slots.size());
    for (std::size_t k = 0; k < b.bound.size(); ++k) {
      b.bound[k].name = Name(path + state->slots[k]->name);
      b.bound[k].stored = b.bound[k].name;
      b.bound[k].initial = Tensor();
    }
    b.path = path.substr(0, path.size() - (path.back() == '.' ? 1 : 3));
    head.tree.push_back({state.get(), &b, state->version});
  }
}

/// The binding of a module whose tree has its names under `root`.
inline Binding& named_tree(std::string_view root_text, const std::shared_ptr<ModuleState>& top) {
  if (WICK_UNLIKELY(root_text.empty()))
    raise<UsageError>("wick.nn.E500", "", {"module: the name is empty"}, {"give it a name: module(\"net\", net)"});
  const Name root = intern(root_text);
  Binding* b = binding_of(*top);
  bool known = b != nullptr && b->root == root;
  if (known)
    for (const auto& m : b->tree) known = known && m.version == m.state->version && m.binding->bound.size() == m.state->slots.size();
  if (WICK_UNLIKELY(!known)) {
    name_tree(root, top);
    b = binding_of(*top);
  }
  return *b;
}

/// The value that a parameter of this name begins with.
WICK_COLD inline Tensor initial_value(Slot& slot, Name full, std::uint64_t seed) {
  if (slot.own.load() != nullptr) return own_value(slot);
  const Unrecorded off;
  return slot.init(slot.shape, site_key(make_base(seed, make_stream(Role::initialisation), 0, 0), full.hash(), 0, 0));
}

/// Notes that `top` has this name in the run under way. Throws wick.nn.E516 when another module that is alive has it.
inline void claim_name(Name root, const std::shared_ptr<ModuleState>& top) {
  const std::uint64_t run = context.tape != nullptr ? context.tape->run() : 0;
  std::vector<Registered>& roots = bindings().roots;
  for (Registered& r : roots) {
    if (!(r.root == root)) continue;
    const auto before = r.state.lock();
    if (before != top) {
      if (before != nullptr && context.innermost != nullptr && r.run == run && r.stack == context.stacks)
        raise<UsageError>("wick.nn.E516", root.view(), {"two modules are registered as \"", root.view(), "\" in one run"}, {"give each module its own name\n  or use one module at both places: copies share their parameters"});
      r.state = top;
    }
    r.run = run;
    r.stack = context.stacks;
    return;
  }
  roots.push_back({root, top, run, context.stacks});
}

/// What a handler gives ends in the parameter's shape; the dimensions before it are those of plates. Throws wick.nn.E506.
inline void check_given(const Slot& slot, Name full, const Tensor& value) {
  const Shape wanted = constrained_shape(slot.shape, slot.constraint);
  if (WICK_UNLIKELY(value.dim() < wanted.rank() || !(value.shape().tail(wanted.rank()) == wanted)))
    raise<ShapeError>("wick.nn.E506", full.view(), {"a handler gives a value of shape ", value.shape(), ", the parameter has shape ", wanted}, {"give a value of the parameter's shape"});
}

/// One parameter of a module as a param site. What the store calls it is the handlers' matter: a scope may add to the name.
inline void bind_param(Slot& slot, Bound& x, std::uint64_t seed) {
  struct First {
    Slot& slot;
    Bound& x;
    std::uint64_t seed;
  } first{slot, x, seed};
  const auto make = [](void* f) {  // kept until a store has the parameter: under lift none ever has
    auto& [declared, bound, wanted] = *static_cast<First*>(f);
    if (bound.initial.empty() || bound.seed != wanted) bound.initial = initial_value(declared, bound.name, wanted);
    bound.seed = wanted;
    return bound.initial;
  };
  const ParamRequest request{.make = make, .function = &first, .constraint = &slot.constraint};
  Message m;
  m.type = SiteType::param;
  m.name = x.name;
  m.request = &request;
  const SiteMark mark(x.name);
  try {
    if (context.innermost == nullptr)
      read_param(m);
    else
      send(m, &read_param);
  } catch (Error& e) {
    rethrow_located(e, x.name);
  }
  if (WICK_UNLIKELY(m.param == nullptr)) {  // a handler has given a value: no store has one
    check_given(slot, x.name, m.value);
    return x.bind(m.value);
  }
  const Param& p = *m.param;
  if (WICK_UNLIKELY(!(p.shape() == slot.shape) && !(p.shape() == constrained_shape(slot.shape, slot.constraint))))
    raise<ShapeError>("wick.nn.E502", p.name().view(), {"the parameter in the store has shape ", p.shape(), ", the module's ", slot.shape},
                      {"give two modules two names\n  or call clear_param_store() before fitting another model"});
  x.stored = p.name();
  if (WICK_UNLIKELY(!x.initial.empty())) x.initial = Tensor();
  const Tensor& u = p.unconstrained();
  const bool stored = context.innermost == nullptr || (TensorAccess::is_block(m.value) && TensorAccess::is_block(u) && TensorAccess::block(m.value) == TensorAccess::block(u));
  if (stored && context.tape == nullptr)
    x.release();
  else
    x.bind(m.value);
}

WICK_NOINLINE inline void register_tree(std::string_view root, const std::shared_ptr<ModuleState>& top, std::uint64_t seed) {
  Binding& head = named_tree(root, top);
  claim_name(head.root, top);
  ParamStore& store = param_store();
  const std::size_t before = store.size();
  try {
    for (const auto& m : head.tree)
      for (std::size_t k = 0; k < m.binding->bound.size(); ++k) bind_param(*m.state->slots[k], m.binding->bound[k], seed);
  } catch (...) {
    store.truncate(before);
    throw;
  }
}

}  // namespace detail

/// Makes the parameters of `net` and its submodules param sites named "name$$$path", created in the store on first use; until the run ends
/// the module computes with their values. Returns `net`.
///
/// The prefix keeps them apart from sites: the parameter z_0 of module "dmm" is "dmm$$$z_0". Plates do not expand them. A module made anew in
/// each run is the same network as long as its name is the same. `net` must not be changed while the program runs.
/// Throws: wick.nn.E500 (no name), E501 (registered under another name), E502 (another shape in the store),
/// E506 (a handler gives another shape), E516 (another module of this name in the run), wick.param.E231, E233.
template <class M>
  requires std::derived_from<std::remove_cvref_t<M>, Module>
M module(std::string_view name, M&& net, const ModuleOptions& options = {}) {
  detail::register_tree(name, net.state(), options.seed);
  return std::forward<M>(net);
}

/// The gradient of a loss in each parameter of a module.
struct ParameterGradient {
  std::string name;  ///< the path in the module
  Parameter parameter;
  Tensor gradient;
};

/// {value, gradients} of `f()`, a scalar, in the parameters of `net`, outside models: `auto [loss, slopes] = value_and_grad(net, [&] { … });`
///
/// Space: constrained values. A parameter that `f` does not read has gradient 0. Throws: wick.ad.E130 (result not a scalar).
template <class F>
std::pair<Tensor, std::vector<ParameterGradient>> value_and_grad(const Module& net, F f) {
  using namespace detail;
  std::vector<ParameterGradient> out;
  std::vector<std::uint32_t> records;
  net.visit([&](const std::string& path, const Parameter& p) { out.push_back({path, p, p.value()}); });
  const Recording recording;
  Tape& tape = recording.tape();
  for (ParameterGradient& g : out) {
    const Tensor leaf = gradient_leaf(tape, g.gradient);
    records.push_back(TensorAccess::record(leaf));
    g.parameter.bind(leaf);
  }
  const Tensor value = f();
  run_backward(tape, value);
  for (std::size_t i = 0; i < out.size(); ++i) out[i].gradient = adjoint_of(tape, records[i]);
  return {TensorAccess::detached(value), std::move(out)};
}

}  // namespace wick::inline WICK_ABI
