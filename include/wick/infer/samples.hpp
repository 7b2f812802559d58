/// \file
/// Samples: draws of named sites, stacked.
#pragma once

#include <string>
#include <vector>

#include <wick/core/list.hpp>
#include <wick/core/names.hpp>
#include <wick/tensor/tensor.hpp>

namespace wick::inline WICK_ABI {

/// Draws by site name: each tensor has one draw for each element of its leading dimension.
///
/// `Samples{{"z", zs}, {"w", ws}}`, or what `Predictive` returns. The order is that in which the sites were set.
class Samples {
 public:
  struct Item {
    Name name;
    Tensor values;
  };
  Samples() = default;
  Samples(std::initializer_list<std::pair<std::string_view, Tensor>> list) {
    for (const auto& [name, values] : list) set(name, values);
  }

  /// Adds a site's draws, or replaces them.
  void set(std::string_view name, Tensor values) {
    const Name n(name);
    for (Item& i : items_)
      if (i.name == n) {
        i.values = std::move(values);
        return;
      }
    items_.push_back({n, std::move(values)});
  }
  /// Null when there is none.
  const Tensor* find(Name name) const noexcept {
    for (const Item& i : items_)
      if (i.name == name) return &i.values;
    return nullptr;
  }
  bool contains(std::string_view name) const { return find(Name(name)) != nullptr; }
  /// The draws of a site. Throws wick.predictive.E330 when there are none.
  const Tensor& at(std::string_view name) const {
    const Tensor* t = find(Name(name));
    if (t == nullptr) raise_missing(name);
    return *t;
  }
  const Tensor& operator[](std::string_view name) const { return at(name); }

  std::size_t size() const noexcept { return items_.size(); }
  bool empty() const noexcept { return items_.empty(); }
  const Item* begin() const noexcept { return items_.begin(); }
  const Item* end() const noexcept { return items_.end(); }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const Item& i : items_) out.emplace_back(i.name.view());
    return out;
  }

  /// One number a draw: the log importance weights. Empty unless they were asked for.
  const Tensor& log_weights() const noexcept { return log_weights_; }
  /// What the model returned, stacked. Empty unless it was asked for.
  const Tensor& return_values() const noexcept { return return_values_; }
  void set_log_weights(Tensor t) { log_weights_ = std::move(t); }
  void set_return_values(Tensor t) { return_values_ = std::move(t); }

 private:
  [[noreturn]] WICK_COLD void raise_missing(std::string_view name) const {
    detail::Text known;
    for (const Item& i : items_) known.add(known.empty() ? "" : ", ").add("\"").add(i.name.view()).add("\"");
    detail::raise<SiteError>("wick.predictive.E330", name, {"there are no draws of this site; there are those of ", known.empty() ? detail::Text("none") : known},
                             {"use one of these names\n  or name the site in Predictive's .return_sites"});
  }
  detail::List<Item> items_;
  Tensor log_weights_, return_values_;
};

}  // namespace wick::inline WICK_ABI
