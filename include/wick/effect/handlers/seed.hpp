/// \file
/// handlers::seed
#pragma once

#include <wick/core/random.hpp>
#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class seed;

/// Draws inside come from this seed; the innermost seed counts, and the state before returns at the end.
///
/// A site's draw depends on the seed, its name, the turns of sequential plates around it and its occurrence only: not on the order of sites,
/// other handlers or threads. Reads and writes no message: the key is taken when a value is drawn, so `block` does not hide it.
/// Example:
///     handlers::seed(model, 1)(y);
template <>
class seed<Scope> final {
 public:
  [[nodiscard]] explicit seed(std::uint64_t s) : guard_(scope_) { scope_.restart(s, make_stream(Role::user), 0, 0); }
  seed(const seed&) = delete;
  seed& operator=(const seed&) = delete;

 private:
  detail::RandomScope scope_;
  detail::RandomGuard guard_;
};

template <class F>
class seed final : public Wrapper<seed<F>, F> {
 public:
  seed(F f, std::uint64_t s) : Wrapper<seed<F>, F>(std::move(f)), seed_(s) {}
  handlers::seed<Scope> make_scope() const { return handlers::seed<Scope>(seed_); }

 private:
  std::uint64_t seed_;
};
template <class T>
  requires std::is_integral_v<T>
seed(T) -> seed<Scope>;
template <class F, class T>
seed(F, T) -> seed<F>;

}  // namespace wick::inline WICK_ABI::handlers
