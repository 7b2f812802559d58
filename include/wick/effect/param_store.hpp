/// \file
/// Parameters: named unconstrained values with their constraints.
#pragma once

#include <vector>

#include <wick/core/list.hpp>
#include <wick/core/names.hpp>
#include <wick/core/owner.hpp>
#include <wick/constraint/constraint.hpp>

namespace wick::inline WICK_ABI {

/// One parameter: its unconstrained value and the constraint it was declared with.
class Param {
 public:
  Param(Name name, Constraint constraint, Tensor unconstrained)
      : name_(name), constraint_(std::move(constraint)), unconstrained_(std::move(unconstrained)) {}
  Name name() const noexcept { return name_; }
  /// A number that no other parameter of this process ever has, of whatever name, store or thread.
  std::uint64_t serial() const noexcept { return serial_; }
  const Constraint& constraint() const noexcept { return constraint_; }
  /// The value that optimisers step.
  const Tensor& unconstrained() const noexcept { return unconstrained_; }
  const Shape& shape() const noexcept { return unconstrained_.shape(); }
  Index numel() const noexcept { return unconstrained_.numel(); }
  /// The constrained value as a constant.
  Tensor value() const {
    const detail::Unrecorded off;
    return constraint_.to_constrained(unconstrained_);
  }
  /// Replaces the unconstrained value; the shape stays. For optimisers.
  double* mutable_unconstrained();
  void set_unconstrained(Tensor u) { unconstrained_ = std::move(u); }

  /// The value in the recording under way: a leaf, made once a recording.
  /// Throws wick.param.E235 when it is read both in a recording and in a gradient inside it.
  Tensor read() {
    detail::Tape* tape = detail::context.tape;
    if (tape == nullptr) return value();
    if (run_ != tape->run()) {
      check_nesting(*tape);
      const Tensor leaf = detail::push_leaf(*tape, unconstrained_, detail::Kind::differentiable);
      run_ = tape->run();
      record_ = detail::TensorAccess::record(leaf);
      return constraint_.to_constrained(leaf);
    }
    Tensor leaf = unconstrained_;
    detail::TensorAccess::attach(leaf, run_, record_, detail::Kind::differentiable);
    return constraint_.to_constrained(leaf);
  }
  std::uint64_t run() const noexcept { return run_; }
  std::uint32_t record() const noexcept { return record_; }
  /// The outermost recording around `run()`; 0 if none ever was.
  std::uint64_t inside() const noexcept { return inside_; }
  [[noreturn]] WICK_COLD void raise_nested() const {
    detail::raise<UsageError>("wick.param.E235", name_.view(), {"parameter is read in a gradient inside a recording that differentiates it too; first-order tapes cannot do that"},
                              {"read it outside, and pass stop_gradient(value) into the inner gradient"});
  }
  /// Whether this is the first time for this stamp.
  bool mark(std::uint64_t stamp) noexcept {
    const bool first = mark_ != stamp;
    mark_ = stamp;
    return first;
  }

 private:
  static std::uint64_t next_serial() noexcept {
    static constinit detail::Atomic<std::uint64_t> last{0};
    return last.count(1) + 1;
  }
  /// The inner recording would take for a constant what the outer one differentiates.
  void check_nesting(const detail::Tape& tape) {
    bool both = inside_ == tape.run();
    for (const detail::Tape* t = tape.outer(); t != nullptr; t = t->outer()) {
      both = both || t->run() == run_;
      inside_ = t->run();
    }
    if (WICK_UNLIKELY(both)) raise_nested();
  }
  std::uint64_t serial_ = next_serial();
  Name name_;
  Constraint constraint_;
  Tensor unconstrained_;
  std::uint64_t run_ = 0;     ///< the recording that last read it
  std::uint64_t inside_ = 0;  ///< the outermost recording around the last one that read it
  std::uint32_t record_ = 0;
  std::uint64_t mark_ = 0;
};

inline double* Param::mutable_unconstrained() {
  using detail::TensorAccess;
  if (TensorAccess::is_block(unconstrained_)) {
    // Somebody may hold the old value: tensors do not change under their holders.
    detail::Block* b = TensorAccess::block(unconstrained_);
    if (__atomic_load_n(&b->count, __ATOMIC_ACQUIRE) != 1) {
      detail::Block* fresh = detail::make_block(b->shape);
      std::memcpy(fresh->data, b->data, static_cast<std::size_t>(b->numel) * sizeof(double));
      unconstrained_ = TensorAccess::adopt(fresh);
    }
  }
  return TensorAccess::fresh_data(unconstrained_);
}

namespace detail {

/// The shape of a value together with the bounds of its constraint.
WICK_COLD inline Shape constrained_shape(const Shape& value, const Constraint& c) {
  Shape all = value;
  broadcast_into(all, c.lower().shape());
  broadcast_into(all, c.upper().shape());
  return all;
}

}  // namespace detail

/// The parameters of a program by name. Each thread has one by default; `ParamScope` puts another in its place.
class ParamStore {
 public:
  ParamStore() = default;
  ~ParamStore();
  ParamStore(const ParamStore&) = delete;
  ParamStore& operator=(const ParamStore&) = delete;

  std::size_t size() const noexcept { return params_.size(); }
  bool contains(std::string_view name) const { return find(Name(name)) != nullptr; }
  /// Names in order of first use.
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const Param& p : *this) out.emplace_back(p.name().view());
    return out;
  }
  /// Goes through the parameters in order of first use: `for (const Param& p : store) …`.
  class Iterator {
   public:
    const Param& operator*() const noexcept { return *at_->param; }
    Iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    friend bool operator==(Iterator a, Iterator b) noexcept { return a.at_ == b.at_; }

   private:
    friend class ParamStore;
    struct Entry {
      Name name;
      detail::Owner<Param> param;
    };
    explicit Iterator(const Entry* at) noexcept : at_(at) {}
    const Entry* at_;
  };
  Iterator begin() const noexcept { return Iterator(params_.data()); }
  Iterator end() const noexcept { return Iterator(params_.data() + params_.size()); }
  /// The constrained value. Throws wick.param.E230 when there is none of that name.
  Tensor get(std::string_view name) const { return at(name).value(); }
  const Param& at(std::string_view name) const {
    const Param* p = find(Name(name));
    if (p == nullptr) raise_missing(name);
    return *p;
  }
  const Param& operator[](std::string_view name) const { return at(name); }
  /// Sets the constrained value under the parameter's constraint. Throws E230; E232 for another shape; E233 outside the constraint;
  /// E234 in the middle of a step of SVI, which could not be undone if it failed.
  void set(std::string_view name, const Tensor& value);
  /// Forgets all parameters. Throws wick.param.E234 while a program runs under handlers, which point to them.
  void clear() {
    if (WICK_UNLIKELY(steps_ != 0 || detail::context.innermost != nullptr)) raise_busy("emptied");
    params_.clear();
    index_.clear();
    ++generation_;
  }
  /// While one lives, a step of inference is under way: the store is neither emptied nor set.
  class Step {
   public:
    [[nodiscard]] explicit Step(ParamStore& store) noexcept : store_(store) { ++store_.steps_; }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step() { --store_.steps_; }

   private:
    ParamStore& store_;
  };
  /// Changes whenever the set of parameters changes.
  std::uint64_t generation() const noexcept { return generation_; }

  Param* find(Name name) const noexcept {
    if (params_.size() <= 8) {
      for (const Entry& e : params_)
        if (e.name == name) return e.param.get();
      return nullptr;
    }
    for (std::size_t i = name.id() & (index_.size() - 1);; i = (i + 1) & (index_.size() - 1)) {
      Param* p = index_[i];
      if (p == nullptr || p->name() == name) return p;
    }
  }
  /// Adds a parameter from its constrained initial value. Throws E233 for a value outside the constraint.
  Param& add(Name name, const Tensor& init, const Constraint& constraint);
  /// Adds a parameter from its unconstrained value, in storage of its own. For checkpoints.
  Param& add_unconstrained(Name name, const Constraint& constraint, Tensor u);
  /// Whether a step of inference is under way.
  bool in_step() const noexcept { return steps_ != 0; }
  /// Forgets the parameters added after there were `size`: what a failed step made goes with it.
  void truncate(std::size_t size) {
    if (size >= params_.size()) return;
    params_.truncate(size);
    ++generation_;
    rebuild();
  }

  [[noreturn]] WICK_COLD static void raise_no_init(std::string_view name) {
    detail::raise<UsageError>("wick.param.E237", name, {"the value given for parameter \"", name, "\" is the empty tensor"}, {"give a number or a tensor with a shape"});
  }
  [[noreturn]] WICK_COLD static void raise_missing(std::string_view name) {
    detail::raise<SiteError>("wick.param.E230", name, {"parameter \"", name, "\" has no value yet"},
                             {"pass an initial value where it is first used: param(\"", name, "\", init)"});
  }

 private:
  using Entry = Iterator::Entry;
  /// Puts the newest parameter into the index; amortised, a constant number of steps.
  WICK_COLD void index_newest() {
    if (index_.size() < 2 * params_.size()) return rebuild();
    put(params_[params_.size() - 1]);
  }
  void put(const Entry& e) {
    std::size_t i = e.name.id() & (index_.size() - 1);
    while (index_[i] != nullptr) i = (i + 1) & (index_.size() - 1);
    index_[i] = e.param.get();
  }
  WICK_COLD void rebuild() {
    if (params_.size() <= 8) return index_.clear();  // so few are found without
    std::size_t room = 32;
    while (room < 4 * params_.size()) room *= 2;
    index_.clear();
    index_.resize(room, nullptr);
    for (const Entry& e : params_) put(e);
  }
  [[noreturn]] WICK_COLD static void raise_busy(const char* what) {
    detail::raise<UsageError>("wick.param.E234", "", {"the parameter store is ", what, " while a program runs under handlers"}, {"do it between two runs or steps"});
  }
  [[noreturn]] WICK_COLD static void raise_outside(Name name, const Constraint& c, const Tensor& x, Index i) {
    const Shape all = detail::constrained_shape(x.shape(), c);
    const double value = expand(detail::TensorAccess::detached(x), all).data()[i];
    detail::raise<DomainError>("wick.param.E233", name.view(), {"value", detail::index_text(all, i), " = ", value, " is not inside ", c.text()},
                               {"give a value inside the constraint, and not on its edge"});
  }

  detail::List<Entry> params_;
  int steps_ = 0;
  detail::List<Param*> index_;
  std::uint64_t generation_ = 0;
};

namespace detail {

/// The unconstrained form of a constrained value in dense storage of its own; `bad` gets the first element that has none, or −1.
WICK_COLD inline Tensor unconstrain(const Tensor& value, const Constraint& constraint, Index& bad) {
  const Unrecorded off;
  bad = constraint.first_violation(value);
  if (bad >= 0) return {};
  const Tensor u = constraint.to_unconstrained(TensorAccess::detached(value));
  bad = constraints::real.first_violation(u);  // the edge of the set is infinitely far away
  if (!TensorAccess::is_block(u)) return TensorAccess::detached(u);
  Tensor own = TensorAccess::make(u.shape());
  std::memcpy(TensorAccess::fresh_data(own), u.data(), static_cast<std::size_t>(u.numel()) * sizeof(double));
  return own;
}

}  // namespace detail

WICK_COLD inline Param& ParamStore::add(Name name, const Tensor& init, const Constraint& constraint) {
  if (init.empty()) raise_missing(name.view());
  Index bad = -1;
  Tensor u = detail::unconstrain(init, constraint, bad);
  if (bad >= 0) raise_outside(name, constraint, init, bad);
  return add_unconstrained(name, constraint, std::move(u));
}
WICK_COLD inline Param& ParamStore::add_unconstrained(Name name, const Constraint& constraint, Tensor u) {
  params_.push_back({name, detail::Owner<Param>(new Param(name, constraint, std::move(u)))});
  ++generation_;
  index_newest();
  return *params_.back().param;
}

WICK_COLD inline void ParamStore::set(std::string_view name, const Tensor& value) {
  Param* p = find(Name(name));
  if (p == nullptr) raise_missing(name);
  if (value.empty()) raise_no_init(name);
  if (WICK_UNLIKELY(steps_ != 0)) raise_busy("changed");
  if (!(value.shape() == p->shape()))
    detail::raise<ShapeError>("wick.param.E232", name, {"parameter has shape ", p->shape(), ", the new value ", value.shape()}, {"give a value of the same shape"});
  Index bad = -1;
  Tensor u = detail::unconstrain(value, p->constraint(), bad);
  if (bad >= 0) raise_outside(p->name(), p->constraint(), value, bad);
  p->set_unconstrained(std::move(u));
}

namespace detail {

/// The store of a thread that uses no other; in force from its first use on.
struct OwnStore {
  ParamStore store;
  ~OwnStore() {
    if (context.store == &store) context.store = nullptr;
  }
};
WICK_COLD inline ParamStore& own_store() {
  static thread_local OwnStore own;
  context.store = &own.store;
  return own.store;
}

}  // namespace detail

/// The store in force.
inline ParamStore& param_store() { return WICK_LIKELY(detail::context.store != nullptr) ? *detail::context.store : detail::own_store(); }
/// Empties the store in force. Throws wick.param.E234 while a program runs under handlers.
inline void clear_param_store() { param_store().clear(); }

/// Puts `store` in force until the scope ends: two models in one thread need not share names. The innermost scope counts; one that ends before
/// those inside it leaves them in force, with a warning (wick.param.W238). A store that dies before its scope is no longer in force.
class ParamScope {
 public:
  [[nodiscard]] explicit ParamScope(ParamStore& store) noexcept : store_(&store), outer_(innermost_), under_(detail::context.store) {
    innermost_ = this;
    detail::context.store = &store;
  }
  ParamScope(const ParamScope&) = delete;
  ParamScope& operator=(const ParamScope&) = delete;
  ~ParamScope() {
    if (WICK_LIKELY(innermost_ == this)) {
      innermost_ = outer_;
      detail::context.store = under_;
    } else {
      leave_late();
    }
  }

 private:
  friend class ParamStore;
  /// Takes this scope out from under those inside it.
  WICK_COLD void leave_late() noexcept {
    for (ParamScope* s = innermost_; s != nullptr; s = s->outer_) {
      if (s->outer_ != this) continue;
      s->outer_ = outer_;
      s->under_ = under_;
      break;
    }
    try {
      detail::warn("wick.param.W238", {"a ParamScope was destroyed before the scopes entered inside it. Try: keep scopes in local variables, which end in order"});
    } catch (...) {  // a destructor must not throw; the warning is lost
    }
  }
  ParamStore* store_;
  ParamScope* outer_;
  ParamStore* under_;  ///< in force when this scope has ended
  static inline constinit thread_local ParamScope* innermost_ = nullptr;
};

inline ParamStore::~ParamStore() {
  for (ParamScope* s = ParamScope::innermost_; s != nullptr; s = s->outer_) {
    if (WICK_LIKELY(s->store_ != this && s->under_ != this)) continue;
    if (s->store_ == this) s->store_ = s->under_;
    if (s->under_ == this) s->under_ = nullptr;
  }
  if (detail::context.store == this) detail::context.store = ParamScope::innermost_ == nullptr ? nullptr : ParamScope::innermost_->store_;
}

}  // namespace wick::inline WICK_ABI
