/// \file
/// Names that a misspelt one might have been.
#pragma once

#include <utility>

#include <wick/core/list.hpp>
#include <wick/core/names.hpp>
#include <wick/core/text.hpp>

namespace wick::inline WICK_ABI::detail {

/// How many letters must be put in, taken out or changed to make one of the other.
WICK_COLD inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  List<std::size_t> row;
  for (std::size_t j = 0; j <= b.size(); ++j) row.push_back(j);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t other = diagonal + (a[i] == b[j] ? 0 : 1), gap = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
      diagonal = std::exchange(row[j + 1], other < gap ? other : gap);
    }
  }
  return row[b.size()];
}

/// Keeps the five names that are nearest to one.
class NearNames {
 public:
  explicit NearNames(Name wanted) noexcept : wanted_(wanted) {}
  WICK_COLD void add(Name name) {
    std::size_t distance = edit_distance(wanted_.view(), name.view());
    for (auto& [own, far] : best_) {
      if (own == name) return;
      if (own && far <= distance) continue;
      std::swap(own, name);
      std::swap(far, distance);
      if (!name) return;
    }
  }
  /// The nearest first, in quotation marks.
  WICK_COLD Text text() const {
    Text out;
    for (const auto& [name, far] : best_)
      if (name) out.add({out.empty() ? "\"" : ", \"", name.view(), "\""});
    return out;
  }

 private:
  Name wanted_;
  std::pair<Name, std::size_t> best_[5] = {};
};

}  // namespace wick::inline WICK_ABI::detail
