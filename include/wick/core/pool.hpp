/// \file
/// The per-thread memory pool behind tensors.
#pragma once

#include <new>

#include <wick/core/config.hpp>

namespace wick::inline WICK_ABI::detail {

/// Keeps freed memory of one thread for its next use.
///
/// Sizes up to 1 MiB fall in classes of four steps per doubling; each class keeps at most `kClassBytes`. Larger memory is
/// kept in a short best-fit list. Memory is 64-byte aligned. A block is given back to the pool of the thread that frees
/// it only if that pool made it; otherwise it goes to the system allocator. The struct is constant-initialised and
/// trivially destructible so that reaching it costs no guard; `PoolReaper` empties it when the thread ends.
struct Pool {
  static constexpr unsigned kClasses = 4 * 15;
  static constexpr std::size_t kMaxClass = std::size_t{1} << 20;
  static constexpr std::size_t kClassBytes = std::size_t{32} << 20;
  static constexpr unsigned kLarge = 32;
  static constexpr std::size_t kLargeBytes = std::size_t{1} << 30;
  static constexpr std::align_val_t kAlign{64};

  struct Free {
    Free* next;
  };
  struct Class {
    Free* head = nullptr;
    std::size_t bytes = 0;
  };
  struct Large {
    void* memory = nullptr;
    std::size_t bytes = 0;
  };

  Class classes[kClasses] = {};
  Large large[kLarge] = {};
  std::size_t large_bytes = 0;
  std::size_t place = 0;  ///< counts large blocks
  bool has_reaper = false;
  bool dead = false;

  /// The class of a size and the size it rounds up to: 64, 80, 96, 112, 128, 160, ...
  static unsigned class_of(std::size_t bytes, std::size_t& rounded) noexcept {
    if (bytes <= 64) {
      rounded = 64;
      return 0;
    }
    const unsigned log = 63u - static_cast<unsigned>(__builtin_clzll(bytes - 1));  // 2^log < bytes <= 2^(log+1)
    const std::size_t step = std::size_t{1} << (log - 2);
    const std::size_t quarter = (bytes - 1 - (std::size_t{1} << log)) / step;
    rounded = (std::size_t{1} << log) + (quarter + 1) * step;
    return (log - 6) * 4 + static_cast<unsigned>(quarter) + 1;
  }

  WICK_NOINLINE void* take(std::size_t bytes, std::size_t& capacity) { return take_here(bytes, capacity); }
  /// The same in the place of the call.
  WICK_INLINE void* take_here(std::size_t bytes, std::size_t& capacity) {
    if (WICK_UNLIKELY(bytes > kMaxClass)) return take_large(bytes, capacity);
    const unsigned c = class_of(bytes, capacity);
    Class& list = classes[c];
    if (WICK_LIKELY(list.head != nullptr)) {
      Free* f = list.head;
      list.head = f->next;
      list.bytes -= capacity;
      return f;
    }
    return system(capacity);
  }

  /// `capacity` is what `take` reported.
  WICK_NOINLINE void give(void* memory, std::size_t capacity) noexcept { give_here(memory, capacity); }
  WICK_INLINE void give_here(void* memory, std::size_t capacity) noexcept {
    if (WICK_UNLIKELY(capacity > kMaxClass)) return give_large(memory, capacity);
    std::size_t rounded = 0;
    Class& list = classes[class_of(capacity, rounded)];
    if (WICK_UNLIKELY(dead || list.bytes + capacity > kClassBytes)) {
      ::operator delete(memory, kAlign);
      return;
    }
    Free* f = static_cast<Free*>(memory);
    f->next = list.head;
    list.head = f;
    list.bytes += capacity;
  }

  WICK_COLD void empty() noexcept {
    for (Class& c : classes) {
      while (c.head != nullptr) {
        Free* f = c.head;
        c.head = f->next;
        ::operator delete(static_cast<void*>(f), kAlign);
      }
      c.bytes = 0;
    }
    for (Large& l : large) {
      if (l.memory != nullptr) ::operator delete(l.memory, kAlign);
      l = Large{};
    }
    large_bytes = 0;
  }

 private:
  void* system(std::size_t bytes);

  WICK_NOINLINE void* take_large(std::size_t bytes, std::size_t& capacity) {
    Large* best = nullptr;
    for (Large& l : large)
      if (l.memory != nullptr && l.bytes >= bytes && l.bytes <= 2 * bytes && (best == nullptr || l.bytes < best->bytes)) best = &l;
    if (best != nullptr) {
      void* memory = best->memory;
      capacity = best->bytes;
      large_bytes -= capacity;
      *best = Large{};
      return memory;
    }
    capacity = (bytes + 4095) / 4096 * 4096;
    return system(capacity);
  }

  WICK_NOINLINE void give_large(void* memory, std::size_t bytes) noexcept {
    if (!dead && large_bytes + bytes <= kLargeBytes) {
      for (Large& l : large) {
        if (l.memory != nullptr) continue;
        l = Large{memory, bytes};
        large_bytes += bytes;
        return;
      }
    }
    ::operator delete(memory, kAlign);
  }
};

inline constinit thread_local Pool thread_pool{};

/// Empties the thread's pool when the thread ends; what is freed later goes straight to the system allocator.
struct PoolReaper {
  bool armed = false;
  ~PoolReaper() {
    thread_pool.dead = true;
    thread_pool.empty();
  }
};
inline thread_local PoolReaper pool_reaper;

WICK_COLD inline void* Pool::system(std::size_t bytes) {
  if (!has_reaper && !dead) {
    has_reaper = true;
    pool_reaper.armed = true;  // the first access registers its destructor
  }
  return ::operator new(bytes, kAlign);
}

}  // namespace wick::inline WICK_ABI::detail
