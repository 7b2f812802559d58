/// \file
/// handlers::broadcast
#pragma once

#include <wick/effect/handlers/common.hpp>
#include <wick/effect/plate.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class broadcast;

/// Expands the distributions of sample sites to the plates inside the scope, also where a value is final already: plates themselves leave such sites
/// as they are.
///
/// Reads: type, frames. Writes: fn. Throws: wick.plate.E208 for a batch shape that contradicts a plate.
/// Example:
///     handlers::broadcast(model)(y);
template <>
class broadcast<Scope> final : public Handler {
 public:
  [[nodiscard]] broadcast() { enter(types_of(SiteType::sample), no_types); }
  void process(Message& m) override {
    for (const Frame& f : m.frames)
      if (f.vectorized() && !detail::has_plate(*m.fn, f)) detail::expand_to_plate(m, f);
  }
};

template <class F>
class broadcast final : public Wrapper<broadcast<F>, F> {
 public:
  explicit broadcast(F f) : Wrapper<broadcast<F>, F>(std::move(f)) {}
  handlers::broadcast<Scope> make_scope() const { return handlers::broadcast<Scope>(); }
};
broadcast() -> broadcast<Scope>;
template <class F>
broadcast(F) -> broadcast<F>;
// Wrapping a wrapper wraps twice; without this, class template argument deduction would copy it.
template <class F>
broadcast(broadcast<F>) -> broadcast<broadcast<F>>;

}  // namespace wick::inline WICK_ABI::handlers
