/// \file
/// A growable array.
///
/// Not std::vector: each element type costs a program some hundred small functions of it, of which few are used.
#pragma once

#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include <wick/core/config.hpp>

namespace wick::inline WICK_ABI::detail {

/// A growable array of `T`, which moves without throwing. Errors: none but std::bad_alloc and what copies of `T` throw.
template <class T>
class List {
 public:
  List() noexcept = default;
  List(const List& o) : List() { append(o); }
  List(List&& o) noexcept { swap(o); }
  List& operator=(const List& o) {
    if (this == &o) return *this;
    clear();
    append(o);
    return *this;
  }
  List& operator=(List&& o) noexcept {
    swap(o);
    return *this;
  }
  ~List() {
    clear();
    ::operator delete(begin_);
  }
  void swap(List& o) noexcept {
    std::swap(begin_, o.begin_);
    std::swap(size_, o.size_);
    std::swap(room_, o.room_);
  }

  T* data() noexcept { return begin_; }
  const T* data() const noexcept { return begin_; }
  T* begin() noexcept { return begin_; }
  const T* begin() const noexcept { return begin_; }
  T* end() noexcept { return begin_ + size_; }
  const T* end() const noexcept { return begin_ + size_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  T& operator[](std::size_t i) noexcept { return begin_[i]; }
  const T& operator[](std::size_t i) const noexcept { return begin_[i]; }
  T& back() noexcept { return begin_[size_ - 1]; }
  const T& back() const noexcept { return begin_[size_ - 1]; }

  void push_back(T x) {
    if (WICK_UNLIKELY(size_ == room_)) grow(size_ + 1);
    new (static_cast<void*>(begin_ + size_)) T(std::move(x));
    ++size_;
  }
  void clear() noexcept { truncate(0); }
  /// Drops the elements from `n` on.
  void truncate(std::size_t n) noexcept {
    if constexpr (!std::is_trivially_destructible_v<T>)
      for (std::size_t i = size_; i > n; --i) begin_[i - 1].~T();
    if (n < size_) size_ = n;
  }
  /// Drops elements, or adds copies of `x`.
  void resize(std::size_t n, const T& x = T()) {
    truncate(n);
    reserve(n);
    for (; size_ < n; ++size_) new (static_cast<void*>(begin_ + size_)) T(x);
  }
  void reserve(std::size_t n) {
    if (n > room_) grow(n);
  }

 private:
  void append(const List& o) {
    reserve(size_ + o.size_);
    for (const T& x : o) push_back(x);
  }
  WICK_COLD void grow(std::size_t need) {
    static_assert(std::is_nothrow_move_constructible_v<T> && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    const std::size_t room = need > 2 * room_ ? need : 2 * room_;
    T* fresh = static_cast<T*>(::operator new(room * sizeof(T)));
    if constexpr (std::is_trivially_copyable_v<T>) {
      if (size_ != 0) std::memcpy(static_cast<void*>(fresh), begin_, size_ * sizeof(T));
    } else {
      for (std::size_t i = 0; i < size_; ++i) {
        new (static_cast<void*>(fresh + i)) T(std::move(begin_[i]));
        begin_[i].~T();
      }
    }
    ::operator delete(begin_);
    begin_ = fresh;
    room_ = room;
  }

  T* begin_ = nullptr;
  std::size_t size_ = 0, room_ = 0;
};

}  // namespace wick::inline WICK_ABI::detail
