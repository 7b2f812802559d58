/// \file
/// Room for a distribution of any family.
#pragma once

#include <wick/dist/distribution.hpp>

namespace wick::inline WICK_ABI::detail {

/// Owns a copy of a distribution, small ones in place.
class DistBox {
 public:
  DistBox() noexcept {}  // NOLINT: the room stays uninitialised
  explicit DistBox(const Distribution& d) : DistBox() { assign(d); }
  DistBox(const DistBox& o) : DistBox() {
    if (o.held_ != nullptr) assign(*o.held_);
  }
  DistBox(DistBox&& o) noexcept : DistBox() { take(o); }
  DistBox& operator=(const DistBox& o) {
    if (this == &o) return *this;
    if (o.held_ != nullptr)
      assign(*o.held_);
    else
      clear();
    return *this;
  }
  DistBox& operator=(DistBox&& o) noexcept {
    if (this != &o) {
      clear();
      take(o);
    }
    return *this;
  }
  ~DistBox() { clear(); }

  void assign(const Distribution& d) {
    clear();
    std::size_t bytes = sizeof room_;
    held_ = d.clone_into(room_, bytes);
    if (WICK_UNLIKELY(held_ == nullptr)) assign_large(d, bytes);
  }
  void clear() noexcept {
    if (held_ == nullptr) return;
    held_->~Distribution();
    held_ = nullptr;
    if (heap_ == nullptr) return;
    if (owner_ == &thread_pool)
      thread_pool.give(heap_, capacity_);
    else
      ::operator delete(heap_, Pool::kAlign);
    heap_ = nullptr;
  }
  Distribution* get() const noexcept { return held_; }

 private:
  WICK_COLD void assign_large(const Distribution& d, std::size_t bytes) {
    heap_ = thread_pool.take(bytes, capacity_);
    owner_ = &thread_pool;
    held_ = d.clone_into(heap_, bytes);
  }
  void take(DistBox& o) noexcept {
    if (o.heap_ != nullptr) {
      held_ = o.held_;
      heap_ = o.heap_;
      capacity_ = o.capacity_;
      owner_ = o.owner_;
      o.heap_ = nullptr;
      o.held_ = nullptr;
    } else if (o.held_ != nullptr) {
      held_ = o.held_->move_into(room_);
      o.clear();
    }
  }
  Distribution* held_ = nullptr;
  void* heap_ = nullptr;
  std::size_t capacity_ = 0;
  Pool* owner_ = nullptr;
  alignas(16) unsigned char room_[256];  // enough for all families of the library
};

}  // namespace wick::inline WICK_ABI::detail
