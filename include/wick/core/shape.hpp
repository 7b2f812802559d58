/// \file
/// Shapes: sizes of dimensions, outermost first, and the broadcasting rule.
#pragma once

#include <wick/core/small_vector.hpp>

namespace wick::inline WICK_ABI {

/// The sizes of a tensor's dimensions, outermost first; rank 0 is a scalar.
///
/// `Shape{3, n}` takes any integer types. Up to five dimensions are kept without the heap.
class Shape : public detail::SmallVector<Index, 5> {
 public:
  constexpr Shape() noexcept = default;
  WICK_NOINLINE Shape(std::initializer_list<Count> sizes) {
    resize(sizes.size());
    std::size_t i = 0;
    for (const Count n : sizes) (*this)[i++] = n.value;
  }

  Index rank() const noexcept { return static_cast<Index>(size()); }

  /// The number of elements; 1 for rank 0. Of sizes that may not have been checked it is something, but no more.
  Index numel() const noexcept {
    if (WICK_UNLIKELY(size() > 2)) return numel_of_many();  // a loop would be vectorised, which costs more than it gains
    return empty() ? 1 : size() == 1 ? (*this)[0] : product((*this)[0], (*this)[1]);
  }

  /// The size of dimension `dim`, counted from the right when negative; 1 for dimensions left of the first.
  Index from_right(Index dim) const noexcept {
    const Index i = rank() + dim;
    return i < 0 ? 1 : (*this)[static_cast<std::size_t>(i)];
  }

  /// The `n` rightmost (`tail`) dimensions, or all but these (`head`).
  Shape tail(Index n) const { return slice(rank() - n, rank()); }
  Shape head(Index n) const { return slice(0, n); }
  WICK_NOINLINE Shape slice(Index first, Index last) const {
    Shape out;
    out.assign(begin() + first, static_cast<std::size_t>(last - first));
    return out;
  }

 private:
  static constexpr Index product(Index a, Index b) noexcept {
    return static_cast<Index>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  }
  WICK_NOINLINE Index numel_of_many() const noexcept {
    Index n = 1;
    for (const Index d : *this) n = product(n, d);
    return n;
  }

 public:
  friend bool operator==(const Shape& a, const Shape& b) noexcept {
    if (a.size() != b.size()) return false;
    for (unsigned i = 0; i < a.size(); ++i)
      if (a[i] != b[i]) return false;
    return true;
  }

  /// `a` followed by `b`.
  WICK_NOINLINE friend Shape operator+(const Shape& a, const Shape& b) {
    Shape out;
    out.resize(a.size() + b.size());
    for (unsigned i = 0; i < a.size(); ++i) out[i] = a[i];
    for (unsigned i = 0; i < b.size(); ++i) out[a.size() + i] = b[i];
    return out;
  }
};

namespace detail {

/// Broadcasts `b` into `into` by numpy's rule (right-aligned; equal sizes or 1). Returns false where they do not fit,
/// with `into` unchanged in value up to the dimension that failed.
WICK_NOINLINE inline bool broadcast_into(Shape& into, const Shape& b) {
  if (b.size() > into.size()) into.insert_front(b.size() - into.size(), 1);
  const unsigned off = into.size() - b.size();
  for (unsigned i = 0; i < b.size(); ++i) {
    Index& d = into[off + i];
    if (d == b[i] || b[i] == 1) continue;
    if (d != 1) return false;
    d = b[i];
  }
  return true;
}

/// Whether `from` broadcasts to exactly `to`.
WICK_NOINLINE inline bool broadcasts_to(const Shape& from, const Shape& to) noexcept {
  if (from.size() > to.size()) return false;
  const unsigned off = to.size() - from.size();
  for (unsigned i = 0; i < from.size(); ++i)
    if (from[i] != 1 && from[i] != to[off + i]) return false;
  return true;
}

}  // namespace detail
}  // namespace wick::inline WICK_ABI
