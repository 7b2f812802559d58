/// \file
/// The language: sample, param, deterministic, factor.
#pragma once

#include <concepts>

#include <wick/dist/unit.hpp>
#include <wick/effect/message.hpp>
#include <wick/effect/param_store.hpp>

namespace wick::inline WICK_ABI {

/// An observed value; an empty tensor means "not observed".
struct Obs {
  Tensor value;
};
/// Marks a site as observed: `sample("y", Normal(m, s), obs(y))`. With an empty `y` the site is sampled.
inline Obs obs(Tensor value) { return {std::move(value)}; }

namespace detail {

WICK_NOINLINE inline Tensor sample_site(std::string_view text, Distribution& fn, Tensor&& observed, const Infer& infer) {
  const Name name = intern(text);
  const SiteMark mark(name);
  try {
    if (context.innermost == nullptr) {  // no handler: no message
      if (!observed.empty()) return std::move(observed);
      return fn.sample_with(next_key(name.hash(), plate_turns));
    }
    if (WICK_UNLIKELY(TensorAccess::run(observed) != 0)) kind_in(observed, context.tape);  // another thread's unfinished step?
    Message m;
    m.name = name;
    m.fn = &fn;
    m.is_observed = !observed.empty();
    m.value = std::move(observed);
    m.infer = infer;
    send(m, nullptr);
    return std::move(m.value);
  } catch (Error& e) {
    rethrow_located(e, name);
  }
}

}  // namespace detail

/// A named random choice; the value is drawn, observed, or given by a handler.
///
/// Shapes: batch_shape (broadcast to the enclosing plates) + event_shape. Gradients: through reparameterised distributions. Throws: whatever is wrong
/// with the distribution or its place, with the site's name and plates.
template <class D>
  requires std::derived_from<D, Distribution>
WICK_NOINLINE Tensor sample(std::string_view name, D dist, Obs observed = {}, const Infer& infer = {}) {  // one copy a family, not one a site
  return detail::sample_site(name, dist, std::move(observed.value), infer);
}
template <class D>
  requires std::derived_from<D, Distribution>
WICK_NOINLINE Tensor sample(std::string_view name, D dist, const Infer& infer) {
  return detail::sample_site(name, dist, {}, infer);
}

/// How a parameter stands in plates: `event_dim` rightmost dims are the event, dims left of them belong to plates.
struct ParamOptions {
  Index event_dim = -1;
};

namespace detail {

[[noreturn]] WICK_COLD inline void raise_param_differs(const Param& p, const Constraint& c) {
  raise<SiteError>("wick.param.E231", p.name().view(),
                   {"parameter was declared with constraint ", p.constraint().text(), ", now with ", c.text()},
                   {"use one constraint for one name\n  or rename one of the two\n  or call clear_param_store() before fitting another model"});
}
/// A parameter comes back with an initial value of another shape: an error, unless its bounds had broadcast the first one.
WICK_COLD inline void check_param_shape(const Param& p, const Shape& s) {
  if (constrained_shape(s, p.constraint()) == p.shape()) return;
  raise<ShapeError>("wick.param.E232", p.name().view(), {"parameter has shape ", p.shape(), ", the initial value given now has ", s},
                    {"use one shape for one name\n  or call clear_param_store() before fitting another model"});
}

[[noreturn]] WICK_COLD inline void raise_event_dim(Name name, const Shape& s, Index event_dim) {
  raise<ShapeError>("wick.param.E236", name.view(), {"event_dim is ", event_dim, ", the parameter has shape ", s},
                    {"give the number of rightmost dims that belong to one element of the plates: 0 to ", s.rank()});
}
inline void check_event_dim(Name name, const Shape& s, Index event_dim) {
  if (WICK_UNLIKELY(event_dim < -1 || event_dim > s.rank())) raise_event_dim(name, s, event_dim);
}

/// How a parameter is declared: what it begins with (nothing; a value; a function that makes one) and its constraint (null: whatever it was declared with).
struct ParamRequest {
  const Tensor* given = nullptr;
  Tensor (*make)(void*) = nullptr;
  void* function = nullptr;
  const Constraint* constraint = nullptr;
  Index event_dim = -1;
};
/// The initial value: what is made is made outside any recording. Throws wick.param.E230, E237.
WICK_COLD inline Tensor initial_value(const ParamRequest& r, Name name) {
  if (r.given != nullptr) return *r.given;
  if (r.make == nullptr) ParamStore::raise_missing(name.view());
  const Unrecorded off;
  Tensor value = TensorAccess::detached(r.make(r.function));
  if (value.empty()) ParamStore::raise_no_init(name.view());
  return value;
}
/// The shape of the parameter's value. Throws as `initial_value`.
WICK_COLD inline Shape param_shape(const ParamRequest& r, Name name) {
  if (r.given == nullptr)
    if (const Param* p = param_store().find(name)) return p->shape();
  const Shape own = initial_value(r, name).shape();
  return r.constraint != nullptr ? constrained_shape(own, *r.constraint) : own;
}
WICK_COLD inline Param& new_param(const ParamRequest& r, Name name) {
  const Tensor init = initial_value(r, name);
  check_event_dim(name, r.constraint != nullptr ? constrained_shape(init.shape(), *r.constraint) : init.shape(), r.event_dim);
  return param_store().add(name, init, r.constraint != nullptr ? *r.constraint : constraints::real);
}
/// The parameter of that name in the store in force, made if it is not there.
inline Param& find_param(const ParamRequest& r, Name name) {
  Param* p = param_store().find(name);
  if (WICK_UNLIKELY(p == nullptr)) return new_param(r, name);
  check_event_dim(name, p->shape(), r.event_dim);
  if (r.constraint != nullptr && !(*r.constraint == p->constraint())) raise_param_differs(*p, *r.constraint);
  if (r.given != nullptr && !(r.given->shape() == p->shape())) check_param_shape(*p, r.given->shape());
  return *p;
}

inline void read_param(Message& m) {
  m.param = &find_param(*m.request, m.name);
  m.value = m.param->read();
}

WICK_NOINLINE inline Tensor param_site(std::string_view text, const ParamRequest& r) {
  const Name name = intern(text);
  const SiteMark mark(name);
  try {
    if (WICK_UNLIKELY(context.step != nullptr)) raise_in_step("a parameter");
    if (context.innermost == nullptr) return find_param(r, name).read();
    Message m;
    m.type = SiteType::param;
    m.name = name;
    m.request = &r;
    m.event_dim = r.event_dim;
    send(m, &read_param);
    return std::move(m.value);
  } catch (Error& e) {
    rethrow_located(e, name);
  }
}

}  // namespace detail

/// A named parameter: created with `init` on first use, then read from the store.
///
/// Space: `init` and the result are constrained; optimisers step the unconstrained value. Later calls ignore the numbers in `init`, but its shape and
/// the constraint must stay. Throws: wick.param.E231 (another constraint), E232 (another shape), E233 (init outside the constraint), E236 (event_dim).
WICK_NOINLINE inline Tensor param(std::string_view name, const Tensor& init, const Constraint& constraint = constraints::real, const ParamOptions& options = {}) {
  if (WICK_UNLIKELY(init.empty())) ParamStore::raise_no_init(name);
  return detail::param_site(name, {.given = &init, .constraint = &constraint, .event_dim = options.event_dim});
}
/// As above with an initial value that is computed only on first use.
template <class F>
  requires std::is_invocable_r_v<Tensor, F>
Tensor param(std::string_view name, F&& init, const Constraint& constraint = constraints::real, const ParamOptions& options = {}) {
  using Function = std::remove_reference_t<F>;
  const auto make = [](void* f) { return Tensor((*static_cast<Function*>(f))()); };
  if constexpr (std::is_function_v<Function>) {
    auto* pointer = &init;
    return param(name, pointer, constraint, options);
  } else {
    auto* function = const_cast<std::remove_const_t<Function>*>(&init);
    return detail::param_site(name, {.make = make, .function = function, .constraint = &constraint, .event_dim = options.event_dim});
  }
}
/// The parameter of that name. Throws wick.param.E230 when it has no value yet.
inline Tensor param(std::string_view name) { return detail::param_site(name, {}); }

/// The elements of `data` that are in the subsampled plates around this point, as a parameter of that `event_dim` would be: of the dims left of the
/// `event_dim` rightmost ones, each that belongs to a plate has the plate's full size, or 1. What is empty stays empty. Throws wick.plate.E209.
inline Tensor subsample(Tensor data, Index event_dim) {
  if (detail::context.innermost == nullptr || data.empty()) return data;
  Message m;
  m.type = SiteType::subsample;
  m.value = std::move(data);
  m.done = true;
  m.event_dim = event_dim;
  detail::send(m, nullptr);
  return std::move(m.value);
}

/// Records a computed value under a name; its only effect is to be in the trace, as it is: plates do not expand it. Returns the value.
inline Tensor deterministic(std::string_view name, Tensor value) {
  if (detail::context.innermost == nullptr) return value;
  Message m;
  m.type = SiteType::deterministic;
  m.name = detail::intern(name);
  m.value = std::move(value);
  m.done = true;
  try {
    detail::send(m, [](Message&) {});
  } catch (Error& e) {
    detail::rethrow_located(e, m.name);
  }
  return std::move(m.value);
}

/// Yes, no, or not said.
class Stated {
 public:
  constexpr Stated() noexcept = default;
  constexpr Stated(bool yes) noexcept : answer_(yes ? 1 : 0) {}  // NOLINT: implicit by design
  constexpr bool said() const noexcept { return answer_ >= 0; }
  constexpr bool is(bool yes) const noexcept { return answer_ == (yes ? 1 : 0); }

 private:
  signed char answer_ = -1;
};

/// What a factor is the weight of: in a guide, `has_rsample` says whether the weight is a function of values drawn with gradients (true)
/// or the log density of something drawn without (false), which then gets the score-function gradient.
struct FactorOptions {
  Stated has_rsample = {};
};

/// Adds `log_factor` to the log density of the run.
///
/// Shapes: log_factor has the batch shape of the site; inside a plate it is broadcast as any batch shape, so that a single number counts once
/// for every element. In a guide `has_rsample` must be stated. Throws: wick.dist.E201 for NaN.
inline void factor(std::string_view name, Tensor log_factor, const FactorOptions& options = {}) {
  if (detail::context.innermost == nullptr) return;
  if (WICK_UNLIKELY(log_factor.empty()))
    detail::raise<UsageError>("wick.dist.E209", name, {"factor: the log weight has no value"}, {"give it a number or a tensor"});
  Unit unit(std::move(log_factor));
  unit.use_score_gradient(options.has_rsample.is(false));
  const Infer infer{.is_auxiliary = true, .is_score_factor = options.has_rsample.is(false), .is_open_factor = !options.has_rsample.said()};
  detail::sample_site(name, unit, 0.0, infer);
}

}  // namespace wick::inline WICK_ABI
