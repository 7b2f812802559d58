/// \file
/// Positions by key, for lists of parameters that may be long.
#pragma once

#include <wick/core/list.hpp>

namespace wick::inline WICK_ABI::detail {

/// Finds the position that was put in for a key: open addressing, a constant number of steps however many keys there are.
class KeyTable {
 public:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  void clear() noexcept {
    entries_.clear();
    used_ = 0;
  }
  std::size_t find(std::uint64_t key) const noexcept {
    if (entries_.empty()) return none;
    const Entry& e = entries_[place(key)];
    return e.position == 0 ? none : e.position - 1;
  }
  bool contains(std::uint64_t key) const noexcept { return find(key) != none; }
  /// A key that is there already gets the new position.
  WICK_COLD void put(std::uint64_t key, std::size_t position) {
    if (2 * (used_ + 1) > entries_.size()) grow();
    Entry& e = entries_[place(key)];
    if (e.position == 0) ++used_;
    e = {key, position + 1};
  }

 private:
  struct Entry {
    std::uint64_t key;
    std::size_t position;  ///< plus 1; 0 for none
  };
  std::size_t place(std::uint64_t key) const noexcept {
    const std::size_t mask = entries_.size() - 1;
    std::size_t i = static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> 32) & mask;
    while (entries_[i].position != 0 && entries_[i].key != key) i = (i + 1) & mask;
    return i;
  }
  WICK_COLD void grow() {
    List<Entry> old;
    old.resize(entries_.empty() ? 32 : 2 * entries_.size(), Entry{0, 0});
    old.swap(entries_);
    for (const Entry& e : old)
      if (e.position != 0) entries_[place(e.key)] = e;
  }
  List<Entry> entries_;
  std::size_t used_ = 0;
};

}  // namespace wick::inline WICK_ABI::detail
