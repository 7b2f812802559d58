/// \file
/// handlers::substitute
#pragma once

#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class substitute;

/// Gives sites their values without observing them: latent sample sites, parameters, plates (their indices), deterministic sites.
///
/// Densities stay those of the program: `handlers::trace(handlers::substitute(model, {{"z", 0.5}})).get_trace(x).log_prob_sum()` is the log density at
/// z = 0.5. A substituted parameter need not be in the store, and is not trained. Sites that the program observes are left alone; of two
/// substitutes the outer one wins. Reads: type, name, is_observed. Writes: value.
/// Throws: wick.plate.E203 for a plate whose value is no vector of its indices.
/// Example:
///     const Trace t = handlers::trace(handlers::substitute(model, {{"z", 0.5}})).get_trace(y);
///     std::printf("log density at z = 0.5: %.3f\n", t.log_prob_sum().item());
template <>
class substitute<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit substitute(Values values) : own_(std::move(values)), values_(&own_) { enter(all_types, no_types); }
  /// The values are not copied: they must outlive the scope.
  [[nodiscard]] explicit substitute(const Values* values) : values_(values) { enter(all_types, no_types); }
  void process(Message& m) override {
    const Tensor* v = m.is_observed ? nullptr : values_->find(m.name);
    if (v == nullptr || v->empty()) return;
    if (WICK_UNLIKELY(m.type == SiteType::plate && (v->dim() != 1 || !constraints::integer_interval(0.0, static_cast<double>(m.full_size - 1)).contains(*v)))) raise(m, *v);
    m.value = *v;
  }

 private:
  [[noreturn]] WICK_COLD static void raise(const Message& m, const Tensor& v) {
    detail::raise<DomainError>("wick.plate.E203", m.name.view(),
                               {"substitute: the value of a plate is its indices; given is shape ", v.shape(), ", not a vector of indices between 0 and ", m.full_size - 1},
                               {"give integers 0 <= i < size, as in {{\"", m.name.view(), "\", Tensor{2, 0}}}"});
  }
  Values own_;
  const Values* values_;
};

template <class F>
class substitute final : public Holding<substitute, F, Values> {
  using Holding<substitute, F, Values>::Holding;
};
substitute(Values) -> substitute<Scope>;
template <class F>
substitute(F, Values) -> substitute<F>;

}  // namespace wick::inline WICK_ABI::handlers
