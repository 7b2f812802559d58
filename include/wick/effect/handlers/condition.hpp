/// \file
/// handlers::condition
#pragma once

#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class condition;

/// Observes sample sites at given values, as if the program had said so: `handlers::condition(model, {{"w", w0}})(x)`. An empty value
/// makes its site latent, also where the program observes it.
///
/// Reads: type, name. Writes: value, is_observed, done. Of two conditions the outer one wins.
/// Example:
///     handlers::condition(model, {{"z", 0.5}})(y);
template <>
class condition<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit condition(Values data) : own_(std::move(data)), data_(&own_) { enter(types_of(SiteType::sample), no_types); }
  /// The values are not copied: they must outlive the scope.
  [[nodiscard]] explicit condition(const Values* data) : data_(data) { enter(types_of(SiteType::sample), no_types); }
  void process(Message& m) override {
    const Tensor* v = data_->find(m.name);
    if (v == nullptr) return;
    m.value = *v;
    m.is_observed = !v->empty();
    if (v->empty()) m.done = false;
  }

 private:
  Values own_;
  const Values* data_;
};

template <class F>
class condition final : public Holding<condition, F, Values> {
  using Holding<condition, F, Values>::Holding;
};
condition(Values) -> condition<Scope>;
template <class F>
condition(F, Values) -> condition<F>;

}  // namespace wick::inline WICK_ABI::handlers
