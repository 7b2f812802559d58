/// \file
/// Module: what neural networks are made of.
#pragma once

#include <concepts>

#include <wick/nn/module_state.hpp>

namespace wick::inline WICK_ABI {

/// A parameter of a module; converts to the tensor that it is now.
///
/// Reads, in this order: what `module(...)` has bound in the run under way, the value in the store in force, the module's own value.
class Parameter {
 public:
  Parameter() = default;
  Parameter(std::shared_ptr<detail::ModuleState> state, std::size_t index) : state_(std::move(state)), index_(index) {}
  /// Whether there is no parameter behind this handle, as a layer's bias may be absent.
  bool empty() const noexcept { return state_ == nullptr; }
  Tensor value() const { return empty() ? Tensor() : detail::read_slot(*state_, detail::binding_of(*state_), index_); }
  operator Tensor() const { return value(); }  // NOLINT: implicit by design
  const Shape& shape() const noexcept { return slot().shape; }
  const Constraint& constraint() const noexcept { return slot().constraint; }
  /// Its name in the module that declared it.
  const std::string& name() const noexcept { return slot().name; }
  /// Sets the value where it is read from now: in the store in force if that has it, else in the module. Not while a program runs.
  /// Throws wick.nn.E506 (another shape), wick.param.E233 (outside the constraint), E234.
  void set(const Tensor& value) const;
  /// From now on `value`, until the recording or the program under way ends. For inference.
  void bind(const Tensor& value) const {
    detail::Binding& b = detail::bindings().of(state_);
    if (b.bound.size() <= index_) b.bound.resize(state_->slots.size());
    b.bound[index_].bind(value);
  }

 private:
  detail::Slot& slot() const noexcept { return *state_->slots[index_]; }
  std::shared_ptr<detail::ModuleState> state_;
  std::size_t index_ = 0;
};

inline void Parameter::set(const Tensor& v) const {
  using namespace detail;
  Slot& s = slot();
  if (v.empty() || !(v.shape() == s.shape))
    raise<ShapeError>("wick.nn.E506", module_path(*state_), {"the value for \"", std::string_view(s.name), "\" has shape ", v.shape(), ", the parameter ", s.shape}, {"give a value of the parameter's shape"});
  Binding* b = binding_of(*state_);
  if (b != nullptr && index_ < b->bound.size()) {
    Bound& x = b->bound[index_];
    if (x.stored && param_store().find(x.stored) != nullptr) {
      param_store().set(x.stored.view(), v);
      return x.release();
    }
  }
  const Index bad = s.constraint.first_violation(v);
  if (bad >= 0)
    raise<DomainError>("wick.param.E233", module_path(*state_), {"value", index_text(s.shape, bad), " of \"", std::string_view(s.name), "\" is not inside ", s.constraint.text()},
                       {"give a value inside the constraint, and not on its edge"});
  Tensor room;
  auto fresh = std::make_unique<Tensor>(TensorAccess::detached(dense(v, room)));
  delete s.own.load();
  s.own.store(fresh.release());
  if (b != nullptr && index_ < b->bound.size()) {
    b->bound[index_].release();
    b->bound[index_].initial = Tensor();
  }
}

/// A named set of parameters and submodules. A module is a handle: copies share parameters and mode, so that a lambda that captured one by
/// value trains the same network.
///
/// Derive from it, declare what belongs to the module in the constructor, and write what it computes as a function:
///
///     struct Emitter : Module {
///       Linear hidden, out;
///       Emitter(Index z, Index h, Index x)
///           : hidden(register_module("hidden", Linear(z, h))), out(register_module("out", Linear(h, x))) {}
///       Tensor operator()(const Tensor& z) const { return out(relu(hidden(z))); }
///     };
///
/// `module("emitter", net)` in a model or guide makes the parameters param sites "emitter$$$hidden.weight", …; without it a module computes
/// with values of its own. Threads may use one module together, each with its own store; declaring and setting is for one thread alone.
class Module {
 public:
  explicit Module(std::string_view kind = "Module") : state_(std::make_shared<detail::ModuleState>()) { state_->kind = kind; }

  /// Declares `child` as a submodule and returns it. Throws wick.nn.E503 for an empty name, one with '.' or '$' or one that is taken,
  /// E504 for a module that contains this one.
  template <class M>
    requires std::derived_from<std::remove_cvref_t<M>, Module>
  std::remove_cvref_t<M> register_module(std::string_view name, M&& child) {
    add_child(name, child.state_);
    return std::forward<M>(child);
  }
  /// Declares a parameter that begins as `init` says. Throws E503.
  Parameter register_parameter(std::string_view name, const Shape& shape, const Init& init, const Constraint& constraint = constraints::real) {
    check_name(name);
    detail::checked_numel(shape);
    state_->slots.push_back(std::make_unique<detail::Slot>(name, shape, constraint, init));
    ++state_->version;
    return Parameter(state_, state_->slots.size() - 1);
  }
  /// One that begins with this value.
  Parameter register_parameter(std::string_view name, const Tensor& value, const Constraint& constraint = constraints::real) {
    return register_parameter(name, value.shape(), Init(value), constraint);
  }

  /// The paths of all parameters below this module, in order of declaration, shared ones once: "hidden.weight".
  std::vector<std::string> parameter_names() const {
    std::vector<std::string> out;
    visit([&](const std::string& path, const Parameter&) { out.push_back(path); });
    return out;
  }
  /// The parameter of that path. Throws wick.nn.E507.
  Parameter parameter(std::string_view path) const {
    Parameter found;
    visit([&](const std::string& p, const Parameter& x) {
      if (p == path) found = x;
    });
    if (found.empty()) raise_missing(path);
    return found;
  }
  /// The value of that parameter as a constant.
  Tensor get(std::string_view path) const {
    const detail::Unrecorded off;
    return detail::TensorAccess::detached(parameter(path).value());
  }
  void set(std::string_view path, const Tensor& value) const { parameter(path).set(value); }
  /// How many numbers the parameters have.
  Index numel() const {
    Index n = 0;
    visit([&](const std::string&, const Parameter& p) { n += p.shape().numel(); });
    return n;
  }
  /// Calls `f(path, parameter)` for each parameter.
  template <class F>
  void visit(F f) const {
    std::vector<const detail::ModuleState*> seen;
    walk(state_, "", seen, f);
  }

  /// Training mode on or off, for submodules too: Dropout is active in training only.
  void train(bool on = true) const {
    std::vector<const detail::ModuleState*> seen;
    const auto each = [&](auto&& self, detail::ModuleState& s) -> void {
      for (const auto* x : seen)
        if (x == &s) return;
      seen.push_back(&s);
      if (s.training.load() != on) detail::mode_generation.count(1);
      s.training.store(on);
      for (const auto& c : s.children) self(self, *c.state);
    };
    each(each, *state_);
  }
  void eval() const { train(false); }
  bool training() const noexcept { return state_->training.load_relaxed(); }
  /// Whether both are handles of one module.
  bool same_as(const Module& o) const noexcept { return state_ == o.state_; }

  const std::shared_ptr<detail::ModuleState>& state() const noexcept { return state_; }

 protected:
  explicit Module(std::shared_ptr<detail::ModuleState> state) : state_(std::move(state)) {}
  /// What messages call this module before it has a path.
  void set_kind(std::string_view kind) { state_->kind = kind; }
  void add_child(std::string_view name, const std::shared_ptr<detail::ModuleState>& child) {
    check_name(name);
    std::vector<const detail::ModuleState*> seen;
    if (contains(*child, state_.get(), seen))
      detail::raise<UsageError>("wick.nn.E504", "", {std::string_view(state_->kind), ": submodule \"", name, "\" contains the module that it is added to"}, {"make a second module"});
    state_->children.push_back({std::string(name), child});
    ++state_->version;
  }

 private:
  void check_name(std::string_view name) const {
    bool bad = name.empty() || name.find('.') != name.npos || name.find('$') != name.npos;
    for (const auto& s : state_->slots) bad = bad || s->name == name;
    for (const auto& c : state_->children) bad = bad || c.name == name;
    if (bad)
      detail::raise<UsageError>("wick.nn.E503", "", {std::string_view(state_->kind), ": the name \"", name, "\" is empty, has a '.' or '$' in it, or is taken in this module"},
                                {"give each parameter and submodule of a module a name of its own"});
  }
  [[noreturn]] WICK_COLD void raise_missing(std::string_view path) const {
    detail::Text names;
    for (const std::string& n : parameter_names()) names.add(names.empty() ? "" : ", ").add(std::string_view(n));
    detail::raise<SiteError>("wick.nn.E507", detail::module_path(*state_), {"there is no parameter \"", path, "\"; there are: ", names}, {"use one of these names"});
  }
  static bool contains(const detail::ModuleState& in, const detail::ModuleState* what, std::vector<const detail::ModuleState*>& seen) {
    if (&in == what) return true;
    for (const auto* s : seen)
      if (s == &in) return false;
    seen.push_back(&in);
    for (const auto& c : in.children)
      if (contains(*c.state, what, seen)) return true;
    return false;
  }
  template <class F>
  static void walk(const std::shared_ptr<detail::ModuleState>& s, const std::string& prefix, std::vector<const detail::ModuleState*>& seen, F& f) {
    for (const auto* x : seen)
      if (x == s.get()) return;
    seen.push_back(s.get());
    for (std::size_t k = 0; k < s->slots.size(); ++k) f(prefix + s->slots[k]->name, Parameter(s, k));
    for (const auto& c : s->children) walk(c.state, prefix + c.name + ".", seen, f);
  }
  std::shared_ptr<detail::ModuleState> state_;
};

}  // namespace wick::inline WICK_ABI
