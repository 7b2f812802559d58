/// \file
/// What scopes and wrappers of handlers share.
#pragma once

#include <utility>

#include <wick/core/list.hpp>
#include <wick/effect/message.hpp>

namespace wick::inline WICK_ABI::handlers {

/// Names the scope form of a handler template: `scale<>` is a scope, `scale<F>` wraps the callable F.
struct Scope {};

/// The call operator of `Handler<F>`: runs the callable, held by value, inside the scope that `Handler<F>::make_scope()` makes.
/// A callable that cannot be called when const is called through wrappers that are not const.
template <class Derived, class F>
class Wrapper {
 public:
  template <class... T>
  decltype(auto) operator()(T&&... x) {
    [[maybe_unused]] const auto scope = static_cast<const Derived&>(*this).make_scope();
    return f_(std::forward<T>(x)...);
  }
  template <class... T>
  decltype(auto) operator()(T&&... x) const {
    [[maybe_unused]] const auto scope = static_cast<const Derived&>(*this).make_scope();
    return f_(std::forward<T>(x)...);
  }

 protected:
  explicit Wrapper(F f) : f_(std::move(f)) {}
  F f_;
};

/// The call operator of a wrapper whose scope needs one argument, which is held here and lent to the scope:
/// `template <class F> class lift : public Holding<lift, F, Priors> { using Holding<lift, F, Priors>::Holding; };`
template <template <class> class H, class F, class Argument>
class Holding : public Wrapper<H<F>, F> {
 public:
  Holding(F f, Argument argument) : Wrapper<H<F>, F>(std::move(f)), argument_(std::move(argument)) {}
  H<Scope> make_scope() const { return H<Scope>(&argument_); }

 private:
  Argument argument_;
};

/// Values by site name.
class Values {
 public:
  Values() = default;
  Values(std::initializer_list<std::pair<std::string_view, Tensor>> list) {
    for (const auto& [name, value] : list) set(name, value);
  }
  /// In place of what the name had.
  void set(std::string_view name, Tensor value) {
    const Name key(name);
    for (auto& [own, old] : items_)
      if (own == key) return static_cast<void>(old = std::move(value));
    items_.push_back({key, std::move(value)});
  }
  /// Null when there is none.
  const Tensor* find(Name name) const noexcept {
    for (const auto& [own, value] : items_)
      if (own == name) return &value;
    return nullptr;
  }
  /// In the order in which they were given.
  const std::pair<Name, Tensor>* begin() const noexcept { return items_.begin(); }
  const std::pair<Name, Tensor>* end() const noexcept { return items_.end(); }

 private:
  detail::List<std::pair<Name, Tensor>> items_;
};

}  // namespace wick::inline WICK_ABI::handlers

namespace wick::inline WICK_ABI::detail {

/// An object in the thread's pool, so that a run in steady state allocates nothing; `T` has a member `capacity`.
template <class T, class... A>
T* make_pooled(A&&... arguments) {
  std::size_t capacity = 0;
  void* memory = thread_pool.take(sizeof(T), capacity);
  try {
    T* t = new (memory) T(std::forward<A>(arguments)...);
    t->capacity = capacity;
    return t;
  } catch (...) {
    thread_pool.give(memory, capacity);
    throw;
  }
}
template <class T>
void drop_pooled(T* t) noexcept {
  const std::size_t capacity = t->capacity;
  t->~T();
  thread_pool.give(t, capacity);
}

/// The name of `parts` one after the other; short ones are put together without the heap.
WICK_NOINLINE inline Name joined_name(std::initializer_list<std::string_view> parts) {
  SmallVector<char, 120> text;
  for (const std::string_view p : parts)
    for (const char c : p) text.push_back(c);
  return intern({text.begin(), text.size()});
}

}  // namespace wick::inline WICK_ABI::detail
