/// \file
/// handlers::mask
#pragma once

#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class mask;

/// Leaves elements where the mask (0/1, broadcasting to batch shapes) is 0 out of the log densities of all sample sites inside; masks are combined by "and".
///
/// Masked elements may hold anything: value and gradients stay finite. Reads: type. Writes: mask. Throws: wick.handler.E251 for a mask with other values than 0 and 1.
/// Example:
///     const handlers::mask there(y == y);  // NaN is no datum
///     model(y);
template <>
class mask<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit mask(Tensor m) : mask_(std::move(m)) {
    check(mask_);
    enter(types_of(SiteType::sample, SiteType::inspect), no_types);
  }
  void process(Message& m) override { m.mask = m.mask.empty() ? mask_ : (m.mask & mask_); }
  static void check(const Tensor& m) {
    if (WICK_UNLIKELY(m.empty())) detail::raise_empty("handlers::mask: the mask");
    detail::kind_in(m, detail::context.tape);  // another thread's unfinished step?
    const Index bad = constraints::boolean.first_violation(m);
    if (WICK_UNLIKELY(bad >= 0)) raise(m, bad);
  }

 private:
  [[noreturn]] WICK_COLD static void raise(const Tensor& m, Index bad) {
    detail::raise<DomainError>("wick.handler.E251", "", {"handlers::mask: a mask holds 0 and 1 only; element ", bad, " is ", m.data()[bad]},
                               {"compare, as in handlers::mask(x > 0)\n  or use handlers::scale for weights"});
  }
  Tensor mask_;
};

template <class F>
class mask final : public Wrapper<mask<F>, F> {
 public:
  mask(F f, Tensor m) : Wrapper<mask<F>, F>(std::move(f)), mask_(std::move(m)) { mask<Scope>::check(mask_); }
  handlers::mask<Scope> make_scope() const { return handlers::mask<Scope>(mask_); }

 private:
  Tensor mask_;
};
template <class T>
  requires std::convertible_to<T, Tensor>
mask(T) -> mask<Scope>;
template <class F, class T>
mask(F, T) -> mask<F>;

}  // namespace wick::inline WICK_ABI::handlers
