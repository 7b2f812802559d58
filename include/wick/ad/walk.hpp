/// \file
/// The broadcasting walk: contiguous inner runs for kernels, an odometer over the rest.
#pragma once

#include <wick/core/shape.hpp>

namespace wick::inline WICK_ABI::detail {

inline constexpr unsigned kMaxOperands = 10;

/// Walks a shape in runs in which every operand is either contiguous (step 1) or fixed (step 0).
///
/// Operands are stored row-major in their own shapes, which broadcast to the walked shape. Use:
/// `for (Walk w(shape, shapes, k); w.live(); w.next()) kernel(w.length(), p0 + w.offset(0), w.step(0), ...)`.
/// `limit` bounds a run's length, for reductions in fixed chunks.
class Walk {
 public:
  WICK_NOINLINE Walk(const Shape& shape, const Shape* const* operands, unsigned count, Index limit = 0) : count_(count), limit_(limit) {
    for (unsigned k = 0; k < count; ++k) offset_[k] = 0;
    bool plain = true;
    inner_ = shape.numel();
    for (unsigned k = 0; k < count; ++k) {
      const Index n = operands[k]->numel();
      step_[k] = n == inner_;
      plain = plain && (n == inner_ || n == 1);
    }
    if (WICK_LIKELY(plain)) {
      // Equal element counts do mean equal layouts here: operands broadcast to the shape, so they differ by 1s only.
      if (inner_ == 1)
        for (unsigned k = 0; k < count; ++k) step_[k] = false;
      live_ = inner_ > 0;
      start_run();
      return;
    }
    collapse(shape, operands);
    live_ = inner_ > 0;
    for (const Dim& d : outer_) live_ = live_ && d.size > 0;
    start_run();
  }

  bool live() const noexcept { return live_; }
  Index length() const noexcept { return length_; }
  bool step(unsigned k) const noexcept { return step_[k]; }
  Index offset(unsigned k) const noexcept { return offset_[k]; }
  const bool* steps() const noexcept { return step_; }
  /// Whether operand `k` is visited more than once (so partial sums must add up).
  bool repeats(unsigned k) const noexcept {
    for (const Dim& d : outer_)
      if (d.stride[k] == 0) return true;
    return false;
  }

  /// Whether it is the same in every run.
  bool same(unsigned k) const noexcept {
    for (const Dim& d : outer_)
      if (d.stride[k] != 0) return false;
    return true;
  }

  void next() noexcept {
    if (length_ != inner_) {  // a chunk
      done_ += length_;
      for (unsigned k = 0; k < count_; ++k)
        if (step_[k]) offset_[k] += length_;
      if (done_ < inner_) return start_chunk();
      for (unsigned k = 0; k < count_; ++k)
        if (step_[k]) offset_[k] -= inner_;
    }
    for (unsigned d = outer_.size(); d-- > 0;) {
      Dim& dim = outer_[d];
      for (unsigned k = 0; k < count_; ++k) offset_[k] += dim.stride[k];
      if (++dim.at < dim.size) return start_run();
      for (unsigned k = 0; k < count_; ++k) offset_[k] -= dim.stride[k] * dim.size;
      dim.at = 0;
    }
    live_ = false;
  }

 private:
  struct Dim {
    Index size, at;
    Index stride[kMaxOperands];
  };

  void start_run() noexcept {
    done_ = 0;
    start_chunk();
  }
  void start_chunk() noexcept {
    length_ = inner_ - done_;
    if (limit_ > 0 && length_ > limit_) length_ = limit_;
  }

  WICK_NOINLINE void collapse(const Shape& shape, const Shape* const* operands) {
    Index width[kMaxOperands];  // elements of the operand to the right of the dimension
    for (unsigned k = 0; k < count_; ++k) width[k] = 1;
    Dim here{};
    SmallVector<Dim, 5> dims;  // innermost first
    for (Index d = -1; d >= -shape.rank(); --d) {
      const Index size = shape.from_right(d);
      if (size == 1) continue;
      here.size = size;
      here.at = 0;
      bool joins = !dims.empty();
      for (unsigned k = 0; k < count_; ++k) {
        const Index own = operands[k]->from_right(d);
        here.stride[k] = own == 1 ? 0 : width[k];
        width[k] *= own;
        if (joins) joins = here.stride[k] == dims.back().stride[k] * dims.back().size;
      }
      if (joins)
        dims.back().size *= size;
      else
        dims.push_back(here);
    }
    inner_ = 1;
    for (unsigned k = 0; k < count_; ++k) step_[k] = false;
    if (dims.empty()) return;
    inner_ = dims[0].size;
    for (unsigned k = 0; k < count_; ++k) step_[k] = dims[0].stride[k] != 0;
    for (unsigned i = dims.size(); i-- > 1;) outer_.push_back(dims[i]);
  }

  unsigned count_;
  Index limit_;
  Index inner_ = 1, done_ = 0, length_ = 0;
  bool live_ = true;
  bool step_[kMaxOperands];
  Index offset_[kMaxOperands];
  SmallVector<Dim, 4> outer_;
};

/// Adds numbers pairwise, in an order that depends only on how many there are.
class PairwiseSum {
 public:
  WICK_NOINLINE void add(double x) noexcept {
    for (std::uint64_t n = count_++; (n & 1) != 0; n >>= 1) x += levels_[--depth_];
    levels_[depth_++] = x;
  }
  WICK_NOINLINE double total() const noexcept {
    double s = 0;
    for (unsigned i = depth_; i-- > 0;) s = i + 1 == depth_ ? levels_[i] : s + levels_[i];
    return s;
  }

 private:
  std::uint64_t count_ = 0;
  unsigned depth_ = 0;
  double levels_[64];
};

inline constexpr Index kChunk = 2048;

}  // namespace wick::inline WICK_ABI::detail
