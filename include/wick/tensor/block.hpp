/// \file
/// The shared storage behind tensors of rank 1 and more.
#pragma once

#include <new>

#include <wick/core/atomic.hpp>
#include <wick/core/error.hpp>
#include <wick/core/pool.hpp>
#include <wick/core/shape.hpp>

namespace wick::inline WICK_ABI::detail {

/// A counted value: shape and data. See docs/design.md §2 for the rules of counts.
struct Block {
  std::int32_t count = 1;
  bool shared = true;        ///< counted atomically; false while it belongs to the running step of its thread
  bool expanded = false;     ///< `shape` is logical, the data has the shape of `base` (or one element, without base)
  Pool* owner = nullptr;
  std::size_t capacity = 0;  ///< of the whole block in bytes, as the pool knows it
  Index numel = 0;
  double* data = nullptr;
  Block* base = nullptr;     ///< whose data this value reads; counted
  Atomic<Block*> dense{nullptr};           ///< the materialised form of an expanded value
  Atomic<Block*> index_form{nullptr};      ///< the int32 form of an index value (tensor/index.hpp)
  Shape shape;

  const Shape& data_shape() const noexcept { return base != nullptr && expanded ? base->shape : shape; }
};

inline constexpr std::size_t kHeader = (sizeof(Block) + 63) / 64 * 64;

WICK_INLINE Block* block_here(std::size_t data_bytes) {
  std::size_t capacity = 0;
  void* memory = thread_pool.take_here(kHeader + data_bytes, capacity);
  Block* b = new (memory) Block;
  b->owner = &thread_pool;
  b->capacity = capacity;
  return b;
}

WICK_NOINLINE inline Block* make_block_raw(std::size_t data_bytes) { return block_here(data_bytes); }

inline constexpr Index kMaxElements = Index{1} << 58;  // addresses have fewer bits than their bytes would need
inline constexpr unsigned kMaxRank = 64;               // sets of dimensions are the bits of a word

[[noreturn]] WICK_COLD inline void raise_sizes(const Shape& shape) {
  for (const Index n : shape)
    if (n < 0) raise<ShapeError>("wick.tensor.E104", "", {"a size is negative: ", shape}, {"sizes are 0 or more"});
  if (shape.size() > kMaxRank)
    raise<ShapeError>("wick.tensor.E104", "", {shape.rank(), " dimensions, at most ", kMaxRank, " are supported"}, {"join dimensions, as in reshape(x, {rows, -1})"});
  raise<ShapeError>("wick.tensor.E104", "", {"shape ", shape, " has more elements than any memory holds"},
                    {"check how the sizes are computed; an expanded value takes no memory, but has sizes all the same"});
}
[[noreturn]] WICK_COLD inline void raise_sizes(Index n) { raise_sizes(Shape{n}); }

WICK_NOINLINE inline Index checked_numel_of_many(const Shape& shape) {
  Index n = 1;
  bool fits = shape.size() <= kMaxRank;
  for (const Index d : shape) fits = fits && d >= 0 && !__builtin_mul_overflow(n, d, &n) && n <= kMaxElements;
  if (WICK_UNLIKELY(!fits)) raise_sizes(shape);
  return n;
}
/// The number of elements of a shape that may have come from anywhere. Throws wick.tensor.E104 for negative sizes and for more elements
/// or dimensions than there can be. Every value with a new shape goes through here.
WICK_INLINE Index checked_numel(const Shape& shape) {
  if (WICK_UNLIKELY(shape.size() > 1)) return checked_numel_of_many(shape);
  const Index n = shape.empty() ? 1 : shape[0];
  if (WICK_UNLIKELY(static_cast<std::uint64_t>(n) > static_cast<std::uint64_t>(kMaxElements))) raise_sizes(n);
  return n;
}

// Large data begin at different places of a page: where two arrays lie alike, the processor takes loads from one for dependent on stores to the other.
inline constexpr std::size_t kLargeData = std::size_t{1} << 15, kPlaces = 7, kPlace = 576;

/// A block of this shape with uninitialised data, count 1, atomic. Throws wick.tensor.E104 for sizes that cannot be.
WICK_NOINLINE inline Block* make_block(const Shape& shape) {
  const Index n = checked_numel(shape);
  const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(double);
  const bool large = bytes >= kLargeData;
  Block* b = block_here(WICK_UNLIKELY(large) ? bytes + (kPlaces - 1) * kPlace : bytes);
  std::size_t at = kHeader;
  if (WICK_UNLIKELY(large)) at += thread_pool.place++ % kPlaces * kPlace;
  b->numel = n;
  b->data = reinterpret_cast<double*>(reinterpret_cast<unsigned char*>(b) + at);
  b->shape = shape;
  return b;
}

inline void retain(Block* b) noexcept {
  if (b->shared)
    __atomic_add_fetch(&b->count, 1, __ATOMIC_RELAXED);
  else
    ++b->count;
}

void free_block(Block* b) noexcept;

/// Gives one reference back. Not inlined: every tensor in a user's program is dropped in several places, and once more on
/// the way of an exception.
WICK_NOINLINE inline void release(Block* b) noexcept {
  const bool last = b->shared ? __atomic_sub_fetch(&b->count, 1, __ATOMIC_ACQ_REL) == 0 : --b->count == 0;
  if (WICK_UNLIKELY(last)) free_block(b);
}

/// Called with the last reference gone.
WICK_NOINLINE inline void free_block(Block* b) noexcept {
  Block* base = b->base;
  if (Block* dense = b->dense.load()) release(dense);
  if (Block* index = b->index_form.load()) release(index);
  const std::size_t capacity = b->capacity;
  Pool* owner = b->owner;
  b->~Block();
  if (owner == &thread_pool)
    thread_pool.give_here(b, capacity);
  else
    ::operator delete(static_cast<void*>(b), Pool::kAlign);
  if (base != nullptr) release(base);  // bases are never based: this goes no deeper
}

/// A block of another shape over the data of `b`, which is not expanded.
WICK_NOINLINE inline Block* make_view(Block* b, const Shape& shape) {
  Block* base = b->base != nullptr ? b->base : b;  // bases are never based
  checked_numel(shape);
  Block* v = make_block_raw(0);
  v->numel = b->numel;
  v->data = b->data;
  v->shape = shape;
  v->base = base;
  retain(base);
  return v;
}

}  // namespace wick::inline WICK_ABI::detail
