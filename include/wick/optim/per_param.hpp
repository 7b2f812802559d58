/// \file
/// Options by parameter: another optimiser for some parameters than for the others.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>

#include <wick/core/context.hpp>
#include <wick/core/owner.hpp>
#include <wick/optim/optim_archive.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// An optimiser of any type, owned.
class AnyOptimizer {
 public:
  template <class O>
    requires std::is_base_of_v<Optimizer, O>
  AnyOptimizer(O o) : ops_(&ops_of<O>), optimizer_(new O(std::move(o))) {  // NOLINT: implicit by design
    static_assert(has_rate_factor<O>, "PerParam: the optimiser has no set_rate_factor(double), by which a schedule would change its rate");
  }
  AnyOptimizer(const AnyOptimizer& o) : ops_(o.ops_), optimizer_(o.ops_->copy(*o.optimizer_)) {}
  AnyOptimizer(AnyOptimizer&& o) noexcept : ops_(o.ops_), optimizer_(std::move(o.optimizer_)) {}
  AnyOptimizer& operator=(AnyOptimizer o) noexcept {
    std::swap(ops_, o.ops_);
    optimizer_ = std::move(o.optimizer_);
    return *this;
  }
  Optimizer* operator->() const noexcept { return optimizer_.get(); }
  void set_rate_factor(double factor) const noexcept { ops_->set_rate_factor(*optimizer_, factor); }
  template <class A>
  void archive(A& a) const {
    if constexpr (std::is_same_v<A, OptimWriter>)
      ops_->save(*optimizer_, a);
    else
      ops_->load(*optimizer_, a);
  }
  /// Whether both are the same but for their state, as far as that can be told.
  bool same_options(const AnyOptimizer& o) const { return ops_ == o.ops_ && ops_->same(*optimizer_, *o.optimizer_); }

 private:
  struct Ops {
    Optimizer* (*copy)(const Optimizer&);
    void (*set_rate_factor)(Optimizer&, double) noexcept;
    bool (*same)(const Optimizer&, const Optimizer&);
    void (*save)(Optimizer&, OptimWriter&);
    void (*load)(Optimizer&, OptimReader&);
  };
  template <class O, class A>
  static void archive_of(Optimizer& o, A& a) {
    if constexpr (can_be_archived<O>)
      static_cast<O&>(o).archive(a);
    else
      raise<UsageError>("wick.checkpoint.E639", "", {"an optimiser in PerParam has no archive(a): its state cannot be part of a checkpoint"}, {"give its type template <class A> void archive(A& a), as docs/writing-a-constraint-or-optimizer.md shows"});
  }
  template <class O>
  static constexpr Ops ops_of{[](const Optimizer& o) -> Optimizer* { return new O(static_cast<const O&>(o)); },
                              [](Optimizer& o, double factor) noexcept {
                                static_cast<O&>(o).set_rate_factor(factor);
                              },
                              [](const Optimizer& a, const Optimizer& b) {
                                if constexpr (requires(const O& x) { { x.options() == x.options() } -> std::same_as<bool>; })
                                  return static_cast<const O&>(a).options() == static_cast<const O&>(b).options();
                                return false;
                              },
                              &archive_of<O, OptimWriter>, &archive_of<O, OptimReader>};
  const Ops* ops_;
  Owner<Optimizer> optimizer_;
};

/// Which parameters a rule is for: those of a name, or those that a callable says yes to.
class ParamChoice {
 public:
  ParamChoice() = default;
  ParamChoice(const char* name) : name_(name) {}             // NOLINT: implicit by design
  ParamChoice(std::string_view name) : name_(name) {}        // NOLINT
  ParamChoice(const std::string& name) : name_(name) {}      // NOLINT
  template <class F>
    requires std::is_invocable_r_v<bool, F&, const std::string_view&>
  ParamChoice(F f) : predicate_(std::move(f)) {}  // NOLINT
  bool operator()(std::string_view name) const { return predicate_ ? predicate_(name) : name == name_.view(); }
  /// The name; empty for a callable.
  const Text& name() const noexcept { return name_; }
  bool is_predicate() const noexcept { return static_cast<bool>(predicate_); }

 private:
  Text name_;
  Callback<std::string_view> predicate_;
};

}  // namespace detail

/// One optimiser for some parameters and others for the rest, by name.
///
/// `PerParam(Adam({.lr = 0.01}), {{"tau_loc", Adam({.lr = 0.001})}, {[](std::string_view n) { return n.ends_with("_scale"); }, SGD()}})`: the
/// first rule that is for a parameter counts; what has none goes to the first argument. `PerParam([](std::string_view name) { return
/// Adam({.lr = name == "tau_loc" ? 0.001 : 0.01}); })` is Pyro's form: the callable is asked once for each parameter. The optimisers may be of
/// different types; each sees its own parameters alone, so a global norm is that of these.
/// Warns: wick.optim.W602, once, for a rule's name that no parameter of the first step has. Throws: wick.optim.E603 for a rule without a name.
class PerParam final : public Optimizer {
 public:
  struct Rule {
    detail::ParamChoice params;
    detail::AnyOptimizer optimizer;
  };
  PerParam(detail::AnyOptimizer others, std::initializer_list<Rule> rules) {
    groups_.push_back({std::move(others), {}, {}, false});
    for (const Rule& r : rules) {
      if (r.params.name().empty() && !r.params.is_predicate())
        detail::raise<UsageError>("wick.optim.E603", "", {"PerParam: a rule names no parameter"}, {"give the parameter's name, or a callable that says yes to names"});
      groups_.push_back({r.optimizer, r.params, {}, false});
    }
  }
  template <class F>
    requires std::is_base_of_v<Optimizer, std::invoke_result_t<F&, std::string_view>>
  explicit PerParam(F f) : choose_([f = std::move(f)](const Request& r) mutable { r.out->push_back({detail::AnyOptimizer(f(r.name)), {}, {}, true}); }) {}

  /// For schedules: the rates of all are multiplied by this from the next step on.
  void set_rate_factor(double factor) noexcept {
    factor_ = factor;
    for (const Group& g : groups_) g.optimizer.set_rate_factor(factor);
  }

  void prepare(std::span<const ParamStep> params) override {
    std::size_t near = 0;
    for (const ParamStep& p : params) {
      const std::size_t at = known_.find(p.key, near);
      if (WICK_UNLIKELY(at == known_.size())) add(p);
      near = at + 1;
    }
    for (Group& g : groups_) g.part.reserve(params.size());
    share(params);
    for (const Group& g : groups_)
      if (!g.part.empty()) g.optimizer->prepare(g.part);
    if (WICK_UNLIKELY(!warned_)) warn_unused(params);
  }
  void forget(std::span<const std::uint64_t> keys) override {
    known_.forget(keys);
    for (const Group& g : groups_) g.optimizer->forget(keys);
  }
  void step(std::span<const ParamStep> params) noexcept override {
    share(params);
    for (const Group& g : groups_)
      if (!g.part.empty()) g.optimizer->step(g.part);
  }
  template <class A>
  void archive(A& a) {
    a.section("PerParam");
    a.slots(known_);
    if constexpr (std::is_same_v<A, OptimReader>) regroup(a);
    std::uint64_t groups = groups_.size();
    a.count(groups);
    if constexpr (std::is_same_v<A, OptimReader>)
      if (!a.failed() && groups != groups_.size()) a.differs({"it has ", static_cast<Index>(groups), " optimisers in PerParam, this program ", static_cast<Index>(groups_.size())});
    for (const Group& g : groups_) g.optimizer.archive(a);
  }

 private:
  struct Group {
    detail::AnyOptimizer optimizer;
    detail::ParamChoice params;
    detail::List<ParamStep> part;  ///< of the step under way
    bool used;
  };
  struct Request {
    std::string_view name;
    detail::List<Group>* out;
  };
  /// Gives each optimiser its part.
  void share(std::span<const ParamStep> params) noexcept {
    for (Group& g : groups_) g.part.clear();
    std::size_t near = 0;
    for (const ParamStep& p : params) {
      const std::size_t at = known_.find(p.key, near);
      groups_[static_cast<std::size_t>(known_[at].a)].part.push_back(p);
      near = at + 1;
    }
  }
  WICK_COLD void add(const ParamStep& p) {
    std::size_t group = choose_ ? chosen(p.name) : 0;
    for (std::size_t i = 1; !choose_ && group == 0 && i < groups_.size(); ++i)
      if (groups_[i].params(p.name)) group = i;
    groups_[group].used = true;
    known_.add(p.key, p.size).a = static_cast<double>(group);
  }
  /// Finds the groups of parameters that were read by asking anew, in the order in which they were first seen.
  void regroup(OptimReader& a) {
    const ParamSlots read = known_;
    known_.clear();
    if (choose_) groups_.clear();
    detail::KeyTable places;
    for (std::size_t i = 0; i < a.params().size(); ++i) places.put(a.params()[i].key, i);
    for (std::size_t i = 0; i < read.size(); ++i) {
      const OptimReader::Stored& p = a.params()[places.find(read[i].key)];
      add({p.key, p.name, nullptr, nullptr, p.size});
      if (known_[i].a != read[i].a) a.differs({"parameter \"", p.name, "\" belongs to another rule of PerParam"});
    }
    warned_ = true;
  }
  /// The group that the callable's optimiser for this name is in; a new one unless there is one with the same options.
  std::size_t chosen(std::string_view name) {
    choose_({name, &groups_});
    const std::size_t last = groups_.size() - 1;
    for (std::size_t i = 0; i < last; ++i)
      if (groups_[i].optimizer.same_options(groups_[last].optimizer)) {
        groups_.truncate(last);
        return i;
      }
    groups_[last].optimizer.set_rate_factor(factor_);
    return last;
  }
  WICK_COLD void warn_unused(std::span<const ParamStep> params) {
    warned_ = true;
    for (const Group& g : groups_) {
      if (g.used || g.params.name().empty()) continue;
      detail::Text names;
      for (const ParamStep& p : params) names.add({names.empty() ? "\"" : ", \"", p.name, "\""});
      detail::warn("wick.optim.W602", {"PerParam: no parameter of the first step is named \"", g.params.name(), "\"; there are ", names.empty() ? detail::Text("none") : names,
                                       ". Try: write the name as in param(\"", g.params.name(), "\", …)"});
    }
  }

  detail::List<Group> groups_;       ///< without a callable: the others, then the rules in turn
  detail::Callback<Request> choose_;
  ParamSlots known_{0};           ///< a is the parameter's group
  double factor_ = 1;
  bool warned_ = false;
};

}  // namespace wick::inline WICK_ABI
