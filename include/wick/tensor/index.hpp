/// \file
/// Index tensors: the int32 form in which kernels read them, made once and kept with the value.
#pragma once

#include <wick/tensor/tensor.hpp>

namespace wick::inline WICK_ABI::detail {

/// Indices ready for use; `least` and `most` are their extremes, so that bounds are checked without another pass.
struct IndexView {
  const std::int32_t* at = nullptr;
  Index count = 0;
  std::int32_t least = 0, most = -1;
};

[[noreturn]] WICK_COLD inline void raise_index(const char* op, double x, Index at) {
  raise<DomainError>("wick.op.E126", "", {op, ": indices are whole numbers, element ", at, " is ", x},
                     {"round the indices first; a mask of 0 and 1 is not an index, select with where(mask, a, b)"});
}
[[noreturn]] WICK_COLD inline void raise_index_range(const char* op, const IndexView& v, Index n) {
  Index j = 0;
  while (v.at[j] >= 0 && v.at[j] < n) ++j;
  raise<DomainError>(
      "wick.op.E127", "",
      {op, ": index ", static_cast<Index>(v.at[j]), " (element ", j, " of the indices) is outside [0, ", n, ")"},
      {"count indices from 0; negative ones do not count from the right here"});
}

/// Writes the int32 form of `n` numbers to `to`. Throws wick.op.E126 for what is not a whole number of 32 bits.
WICK_NOINLINE inline IndexView convert_indices(const char* op, const double* from, Index n, std::int32_t* to) {
  std::int32_t least = std::numeric_limits<std::int32_t>::max(), most = -1;
  for (Index i = 0; i < n; ++i) {
    const double x = from[i];
    // NaN fails the comparison; the conversion is defined only inside this range.
    if (!(x >= -2147483648.0 && x <= 2147483647.0)) raise_index(op, x, i);
    const auto k = static_cast<std::int32_t>(x);
    if (static_cast<double>(k) != x) raise_index(op, x, i);
    to[i] = k;
    least = k < least ? k : least;
    most = k > most ? k : most;
  }
  return {to, n, n == 0 ? 0 : least, most};
}

/// Throws wick.op.E127 unless all indices lie in [0, n).
inline void check_range(const char* op, const IndexView& v, Index n) {
  if (WICK_UNLIKELY(v.least < 0 || v.most >= n)) raise_index_range(op, v, n);
}

/// The int32 form of a block's values, made on first use and kept with the block. For blocks whose data never change.
WICK_NOINLINE inline IndexView indices_of(const char* op, Block* b) {
  b = dense_block(b);
  Block* form = b->index_form.load();
  if (form == nullptr) {
    const auto bytes = static_cast<std::size_t>(b->numel) * sizeof(std::int32_t);
    Block* fresh = make_block_raw(sizeof(IndexView) + bytes);
    auto* head = reinterpret_cast<unsigned char*>(fresh) + kHeader;
    try {
      new (head)
          IndexView(convert_indices(op, b->data, b->numel, reinterpret_cast<std::int32_t*>(head + sizeof(IndexView))));
    } catch (...) {
      release(fresh);
      throw;
    }
    if (b->index_form.replace(form, fresh))
      form = fresh;
    else
      release(fresh);
  }
  return *reinterpret_cast<const IndexView*>(reinterpret_cast<unsigned char*>(form) + kHeader);
}

}  // namespace wick::inline WICK_ABI::detail
