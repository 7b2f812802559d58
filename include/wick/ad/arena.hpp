/// \file
/// Bump memory for what lives as long as one recording.
#pragma once

#include <cstring>
#include <new>

#include <wick/core/config.hpp>

namespace wick::inline WICK_ABI::detail {

/// Memory that is handed out piece by piece and taken back all at once; its chunks are kept for the next recording.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    for (Chunk* c = first_; c != nullptr;) {
      Chunk* next = c->next;
      ::operator delete(static_cast<void*>(c), std::align_val_t{64});
      c = next;
    }
  }

  /// 64-byte aligned, uninitialised.
  void* take(std::size_t bytes) {
    bytes = (bytes + 63) & ~std::size_t{63};
    if (WICK_UNLIKELY(static_cast<std::size_t>(end_ - at_) < bytes)) next_chunk(bytes);
    void* out = at_;
    at_ += bytes;
    return out;
  }
  /// 8-byte aligned, for small payloads.
  void* take_small(std::size_t bytes) {
    void* out = peek_small(bytes);
    small_ += (bytes + 7) & ~std::size_t{7};
    return out;
  }
  /// What the next `take_small` of as many bytes gives.
  void* peek_small(std::size_t bytes) {
    if (WICK_UNLIKELY(static_cast<std::size_t>(small_end_ - small_) < bytes)) refill_small(bytes);
    return small_;
  }
  double* doubles(Index n) { return static_cast<double*>(take(static_cast<std::size_t>(n) * sizeof(double))); }
  WICK_NOINLINE double* zeros(Index n) {
    double* p = doubles(n);
    std::memset(p, 0, static_cast<std::size_t>(n) * sizeof(double));
    return p;
  }

  /// A place to come back to: what was taken since is given up.
  struct Mark {
    void* chunk;
    unsigned char *at, *end, *small, *small_end;
  };
  Mark mark() const noexcept { return {current_, at_, end_, small_, small_end_}; }
  void rewind(const Mark& m) noexcept {
    current_ = static_cast<Chunk*>(m.chunk);
    at_ = m.at;
    end_ = m.end;
    small_ = m.small;
    small_end_ = m.small_end;
  }

  void reset() noexcept {
    current_ = nullptr;
    at_ = end_ = small_ = small_end_ = nullptr;
    if (first_ != nullptr) enter(first_);
  }

 private:
  struct Chunk {
    Chunk* next;
    std::size_t bytes;
  };
  static constexpr std::size_t kHead = 64;
  static constexpr std::size_t kFirst = std::size_t{1} << 16;

  WICK_NOINLINE void refill_small(std::size_t bytes) {
    const std::size_t room = bytes > 1024 ? (bytes + 7) & ~std::size_t{7} : 1024;
    small_ = static_cast<unsigned char*>(take(room));
    small_end_ = small_ + room;
  }
  void enter(Chunk* c) noexcept {
    current_ = c;
    at_ = reinterpret_cast<unsigned char*>(c) + kHead;
    end_ = reinterpret_cast<unsigned char*>(c) + c->bytes;
  }
  WICK_COLD void next_chunk(std::size_t bytes) {
    Chunk* next = current_ == nullptr ? first_ : current_->next;
    while (next != nullptr && next->bytes < bytes + kHead) next = next->next;
    if (next == nullptr) {
      std::size_t size = last_ == nullptr ? kFirst : last_->bytes * 2;
      if (size > (std::size_t{1} << 28)) size = std::size_t{1} << 28;
      if (size < bytes + kHead) size = bytes + kHead;
      next = static_cast<Chunk*>(::operator new(size, std::align_val_t{64}));
      next->next = nullptr;
      next->bytes = size;
      (last_ == nullptr ? first_ : last_->next) = next;
      last_ = next;
    }
    enter(next);
  }

  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;
  Chunk* current_ = nullptr;
  unsigned char* at_ = nullptr;
  unsigned char* end_ = nullptr;
  unsigned char* small_ = nullptr;
  unsigned char* small_end_ = nullptr;
};

}  // namespace wick::inline WICK_ABI::detail
