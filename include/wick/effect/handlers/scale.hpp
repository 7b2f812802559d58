/// \file
/// handlers::scale
#pragma once

#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class scale;

/// Multiplies the log densities of all sample sites inside by `factor`, observed ones too; scales multiply.
///
/// Reads: type. Writes: scale. As a scope: `{ handlers::scale annealed(0.1); model(x); }`; as a wrapper: `handlers::scale(model, 0.1)(x)`.
/// Throws: wick.handler.E250 unless every element of the factor is positive and finite.
/// Example:
///     const handlers::scale tempered(0.1);
///     model(y);
template <>
class scale<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit scale(Tensor factor) : factor_(std::move(factor)) {
    check(factor_);
    enter(types_of(SiteType::sample, SiteType::inspect), no_types);
  }
  void process(Message& m) override { detail::scale_by(m.scale, factor_); }
  static void check(const Tensor& factor) {
    if (WICK_LIKELY(detail::TensorAccess::is_scalar(factor) && factor.item() > 0 && factor.item() < detail::kInf)) return;
    if (factor.empty()) detail::raise_empty("handlers::scale: the factor");
    detail::kind_in(factor, detail::context.tape);  // another thread's unfinished step?
    const Index bad = constraints::positive.first_violation(factor);
    if (bad >= 0) raise(factor, bad);
  }

 private:
  [[noreturn]] WICK_COLD static void raise(const Tensor& factor, Index bad) {
    detail::raise<DomainError>("wick.handler.E250", "", {"handlers::scale: the factor must be positive and finite; element ", bad, " is ", factor.data()[bad]},
                               {"to leave sites out, use handlers::mask with 0 instead of a factor of 0"});
  }
  Tensor factor_;
};

template <class F>
class scale final : public Wrapper<scale<F>, F> {
 public:
  scale(F f, Tensor factor) : Wrapper<scale<F>, F>(std::move(f)), factor_(std::move(factor)) { scale<Scope>::check(factor_); }
  handlers::scale<Scope> make_scope() const { return handlers::scale<Scope>(factor_); }

 private:
  Tensor factor_;
};
template <class T>
  requires std::convertible_to<T, Tensor>
scale(T) -> scale<Scope>;
template <class F, class T>
scale(F, T) -> scale<F>;

}  // namespace wick::inline WICK_ABI::handlers
