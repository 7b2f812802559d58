/// \file
/// Priors of parameters, by name.
#pragma once

#include <wick/core/list.hpp>
#include <wick/effect/dist_box.hpp>

namespace wick::inline WICK_ABI::handlers {

/// A copy of a distribution of any family.
class Prior {
 public:
  template <class D>
    requires std::derived_from<D, Distribution>
  Prior(const D& d) {  // NOLINT: implicit by design
    box_.assign(d);
  }
  const Distribution& get() const noexcept { return *box_.get(); }

 private:
  detail::DistBox box_;
};

/// Prior distributions by the names of parameters, or one for all.
class Priors {
 public:
  Priors() = default;
  template <class D>
    requires std::derived_from<D, Distribution>
  Priors(const D& all) {  // NOLINT: implicit by design
    set({}, all);
  }
  Priors(std::initializer_list<std::pair<std::string_view, Prior>> list) {
    for (const auto& [name, prior] : list) set(name, prior);
  }
  /// Later ones count; one for the empty name is for all parameters that are not named.
  void set(std::string_view name, Prior prior) { items_.push_back({name.empty() ? Name() : Name(name), std::move(prior)}); }
  const Distribution* find(Name name) const noexcept {
    const Distribution* found = nullptr;
    for (const auto& [own, prior] : items_)
      if (own == name || (!own && found == nullptr)) found = &prior.get();
    return found;
  }
  /// How many are for this name, and how many for any name.
  std::size_t count(Name name) const noexcept {
    std::size_t n = 0;
    for (const auto& item : items_) n += item.first == name;
    return n;
  }
  std::size_t named() const noexcept { return items_.size() - count(Name()); }
  /// The first name that `known(name)` says no to; none if there is no such.
  template <class F>
  Name unknown(F known) const {
    for (const auto& [own, prior] : items_)
      if (own && !known(own)) return own;
    return {};
  }

 private:
  detail::List<std::pair<Name, Prior>> items_;
};

}  // namespace wick::inline WICK_ABI::handlers
