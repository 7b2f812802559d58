/// \file
/// What scopes and wrappers of handlers share.
#pragma once

#include <utility>

#include <wick/core/list.hpp>
#include <wick/effect/message.hpp>

namespace wick::inline WICK_ABI::handlers {

/// Names the scope form of a handler template: `scale<>` is a scope, `scale<F>` wraps the callable F.
struct Scope {};

/// The call operator of `Handler<F>`: runs the callable, held by value, inside the scope that `Handler<F>::scope()` makes.
/// A callable that cannot be called when const is called through wrappers that are not const.
template <class Derived, class F>
class Wrapper {
 public:
  template <class... T>
  decltype(auto) operator()(T&&... x) {
    [[maybe_unused]] const auto scope = static_cast<const Derived&>(*this).scope();
    return f_(std::forward<T>(x)...);
  }
  template <class... T>
  decltype(auto) operator()(T&&... x) const {
    [[maybe_unused]] const auto scope = static_cast<const Derived&>(*this).scope();
    return f_(std::forward<T>(x)...);
  }

 protected:
  explicit Wrapper(F f) : f_(std::move(f)) {}
  F f_;
};

/// Values by site name.
class Values {
 public:
  Values() = default;
  Values(std::initializer_list<std::pair<std::string_view, Tensor>> list) {
    for (const auto& [name, value] : list) set(name, value);
  }
  void set(std::string_view name, Tensor value) { items_.push_back({Name(name), std::move(value)}); }
  /// Null when there is none; the last one given counts.
  const Tensor* find(Name name) const noexcept {
    for (std::size_t i = items_.size(); i-- > 0;)
      if (items_[i].first == name) return &items_[i].second;
    return nullptr;
  }

 private:
  detail::List<std::pair<Name, Tensor>> items_;
};

}  // namespace wick::inline WICK_ABI::handlers
