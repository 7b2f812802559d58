/// \file
/// handlers::uncondition
#pragma once

#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class uncondition;

/// Makes observed sites latent: they are drawn anew, whatever the program or a handler inside has observed.
///
/// Factors stay. Reads: type, is_observed, fn. Writes: is_observed, value, done, infer.was_observed.
/// Example:
///     const Tensor simulated = handlers::uncondition(model)(y);  // data of the prior predictive
template <>
class uncondition<Scope> final : public Handler {
 public:
  [[nodiscard]] uncondition() { enter(types_of(SiteType::sample), no_types); }
  /// Keeps what was observed in `observed`, which must outlive the scope.
  [[nodiscard]] explicit uncondition(Values& observed) : kept_(&observed) { enter(types_of(SiteType::sample), no_types); }
  void process(Message& m) override {
    if (!m.is_observed || std::string_view(m.fn->name()) == "Unit") return;
    if (kept_ != nullptr) kept_->set(m.name.view(), m.value);
    m.is_observed = m.done = false;
    m.infer.was_observed = true;
    m.value = Tensor();
  }

 private:
  Values* kept_ = nullptr;
};

template <class F>
class uncondition final : public Wrapper<uncondition<F>, F> {
 public:
  explicit uncondition(F f) : Wrapper<uncondition<F>, F>(std::move(f)) {}
  handlers::uncondition<Scope> make_scope() const { return handlers::uncondition<Scope>(); }
};
uncondition() -> uncondition<Scope>;
uncondition(Values&) -> uncondition<Scope>;
template <class F>
uncondition(F) -> uncondition<F>;
// Wrapping a wrapper wraps twice; without this, class template argument deduction would copy it.
template <class F>
uncondition(uncondition<F>) -> uncondition<uncondition<F>>;

}  // namespace wick::inline WICK_ABI::handlers
