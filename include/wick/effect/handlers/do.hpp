/// \file
/// handlers::do_
#pragma once

#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class do_;

/// Pearl's intervention do(x = v): the program goes on with v, and x itself stays what it is, with its draw and density, cut off from what follows.
///
/// Deterministic sites may be intervened on too, and so sites that `reparam` has made deterministic. The trace has x as the model draws it; handlers inside
/// the scope also see the intervention, as an observed site named `x__CF`, which those outside do not. Plates, scales and masks count once. Reads: type, name. Writes: name, value, is_observed, done, stop, intervened.
/// Throws: wick.handler.E262 for two interventions on one site, E263 for one without a value.
/// Example:
///     handlers::do_(model, {{"z", 1.0}})(y);  // "what if z were 1", unlike "given that z is 1"
template <>
class do_<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit do_(Values values) : own_(std::move(values)), values_(&own_) { enter(kSeen, no_types); }
  /// The values are not copied: they must outlive the scope.
  [[nodiscard]] explicit do_(const Values* values) : values_(values) { enter(kSeen, no_types); }
  void process(Message& m) override {
    const Tensor* v = values_->find(m.name);
    if (v == nullptr) return;
    if (WICK_UNLIKELY(m.intervened || v->empty())) raise(m);
    m.intervened = true;
    Message factual = m;  // goes on outwards alone: the handlers inside have done their part
    Handler* last = detail::pass_out(factual, outer());
    detail::pass_in(factual, nullptr, last != nullptr ? last : this);
    m.name = detail::joined_name({m.name.view(), "__CF"});
    m.value = *v;
    m.is_observed = m.done = m.stop = true;
  }

 private:
  static constexpr SiteTypes kSeen = types_of(SiteType::sample, SiteType::deterministic);
  [[noreturn]] WICK_COLD static void raise(const Message& m) {
    if (!m.intervened) detail::raise<UsageError>("wick.handler.E263", m.name.view(), {"do_: the intervention has no value"}, {"give a number or a tensor"});
    detail::raise<UsageError>("wick.handler.E262", m.name.view(), {"do_: a second intervention on this site"}, {"keep one of the two"});
  }
  Values own_;
  const Values* values_;
};

template <class F>
class do_ final : public Holding<do_, F, Values> {
  using Holding<do_, F, Values>::Holding;
};
do_(Values) -> do_<Scope>;
template <class F>
do_(F, Values) -> do_<F>;

}  // namespace wick::inline WICK_ABI::handlers
