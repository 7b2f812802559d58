/// \file
/// A vector of trivially copyable elements with room for the first few inside.
#pragma once

#include <cstring>
#include <initializer_list>
#include <type_traits>
#include <utility>

#include <wick/core/config.hpp>

namespace wick::inline WICK_ABI::detail {

/// A growable array of trivially copyable `T` that keeps up to `N` elements without the heap.
/// Errors: none but std::bad_alloc from growth beyond `N`.
template <class T, unsigned N>
class SmallVector {
  static_assert(std::is_trivially_copyable_v<T>, "SmallVector: elements are copied as bytes");

 public:
  constexpr SmallVector() noexcept : heap_(nullptr) {}  // the rest of the room stays uninitialised
  SmallVector(const SmallVector& o) : size_(o.size_) {
    // The whole room is copied: a copy of known size is a few moves, one of known count is a call.
    if (WICK_LIKELY(o.capacity_ == N)) {
      std::memcpy(room_, o.room_, sizeof room_);
    } else {
      size_ = 0;
      assign(o.begin(), o.size_);
    }
  }
  SmallVector(SmallVector&& o) noexcept : SmallVector() { take(o); }
  SmallVector& operator=(const SmallVector& o) {
    if (this == &o) return *this;
    if (WICK_LIKELY(o.capacity_ == N && capacity_ == N)) {
      size_ = o.size_;
      std::memcpy(room_, o.room_, sizeof room_);
    } else {
      assign(o.begin(), o.size_);
    }
    return *this;
  }
  SmallVector& operator=(SmallVector&& o) noexcept {
    if (this != &o) {
      release();
      take(o);
    }
    return *this;
  }
  ~SmallVector() { release(); }

  T* begin() noexcept { return capacity_ == N ? room() : heap_; }
  const T* begin() const noexcept { return capacity_ == N ? room() : heap_; }
  T* end() noexcept { return begin() + size_; }
  const T* end() const noexcept { return begin() + size_; }
  unsigned size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  T& operator[](std::size_t i) noexcept { return begin()[i]; }
  const T& operator[](std::size_t i) const noexcept { return begin()[i]; }
  T& back() noexcept { return begin()[size_ - 1]; }
  const T& back() const noexcept { return begin()[size_ - 1]; }
  void clear() noexcept { size_ = 0; }
  void pop_back() noexcept { --size_; }

  void push_back(const T& x) {
    const T copy = x;
    if (WICK_UNLIKELY(size_ == capacity_)) grow(size_ + 1);
    begin()[size_++] = copy;
  }
  /// New elements are uninitialised.
  void resize(std::size_t n) {
    if (WICK_UNLIKELY(n > capacity_)) grow(static_cast<unsigned>(n));
    size_ = static_cast<unsigned>(n);
  }
  void assign(const T* first, std::size_t n) {
    resize(n);
    for (std::size_t i = 0; i < n; ++i) begin()[i] = first[i];
  }
  void insert_front(std::size_t count, const T& x) {
    const T copy = x;
    const std::size_t n = size_;
    resize(n + count);
    std::memmove(static_cast<void*>(begin() + count), begin(), n * sizeof(T));
    for (std::size_t i = 0; i < count; ++i) begin()[i] = copy;
  }

 private:
  T* room() noexcept { return reinterpret_cast<T*>(room_); }
  const T* room() const noexcept { return reinterpret_cast<const T*>(room_); }
  void take(SmallVector& o) noexcept {
    if (o.capacity_ == N) {
      size_ = o.size_;
      std::memcpy(room_, o.room_, sizeof room_);
    } else {
      size_ = o.size_;
      capacity_ = o.capacity_;
      heap_ = o.heap_;
      o.capacity_ = N;
    }
    o.size_ = 0;
  }
  void release() noexcept {
    if (WICK_UNLIKELY(capacity_ != N)) ::operator delete(heap_);
    capacity_ = N;
    size_ = 0;
  }
  WICK_COLD void grow(unsigned need) {
    unsigned room = capacity_ * 2 > need ? capacity_ * 2 : need;
    if (room == N) ++room;  // capacity N marks the inline form
    T* fresh = static_cast<T*>(::operator new(room * sizeof(T)));
    std::memcpy(static_cast<void*>(fresh), begin(), size_ * sizeof(T));
    if (capacity_ != N) ::operator delete(heap_);
    heap_ = fresh;
    capacity_ = room;
  }

  unsigned size_ = 0;
  unsigned capacity_ = N;
  union {
    T* heap_;
    alignas(T) unsigned char room_[N * sizeof(T)];
  };
};

}  // namespace wick::inline WICK_ABI::detail
