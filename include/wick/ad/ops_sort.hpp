/// \file
/// sort and argsort along a dimension.
#pragma once

#include <wick/ad/reduce.hpp>
#include <wick/ad/scratch.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// A whole number in the order of the doubles: −∞ first, −0 before 0, every NaN last.
inline std::uint64_t sort_key(double x) {
  std::uint64_t u = 0;
  std::memcpy(&u, &x, sizeof u);
  if (x != x) return ~std::uint64_t{0};
  return (u >> 63) != 0 ? ~u : u | std::uint64_t{1} << 63;
}
inline double from_sort_key(std::uint64_t key) {
  if (key == ~std::uint64_t{0}) return kNaN;
  const std::uint64_t u = (key >> 63) != 0 ? key & ~(std::uint64_t{1} << 63) : ~key;
  double x = 0;
  std::memcpy(&x, &u, sizeof x);
  return x;
}

struct SortItem {
  std::uint64_t key;
  std::int64_t at;  ///< where it came from
};
inline std::uint64_t key_of(std::uint64_t key) { return key; }
inline std::uint64_t key_of(const SortItem& item) { return item.key; }

/// Sorts `n` items, equal ones in the order in which they stand; `room` is for as many. Returns where they are in the end.
template <class T>
WICK_NOINLINE T* sort_items(T* items, T* room, Index n) {
  if (n <= 48) {
    for (Index i = 1; i < n; ++i) {
      const T x = items[i];
      Index j = i;
      for (; j > 0 && key_of(items[j - 1]) > key_of(x); --j) items[j] = items[j - 1];
      items[j] = x;
    }
    return items;
  }
  // By bytes, from the last: eight passes, less those in which all have the same byte.
  Index counts[8][256] = {};
  for (Index i = 0; i < n; ++i)
    for (unsigned b = 0; b < 8; ++b) ++counts[b][key_of(items[i]) >> 8 * b & 255];
  for (unsigned b = 0; b < 8; ++b) {
    if (counts[b][key_of(items[0]) >> 8 * b & 255] == n) continue;
    Index start = 0;
    for (Index& c : counts[b]) {
      const Index own = c;
      c = start;
      start += own;
    }
    for (Index i = 0; i < n; ++i) room[counts[b][key_of(items[i]) >> 8 * b & 255]++] = items[i];
    T* const sorted = room;
    room = items;
    items = sorted;
  }
  return items;
}

/// `order` (of a recorded call): for every element of the result the place in its slice that it comes from.
struct SortPayload : ReducePayload {
  std::int32_t* order;
  bool places;  ///< the result is the places
};
inline void sort_slice(const SortPayload& p, const double* x, double* out, std::int32_t* order, double* memory) {
  const Index n = p.n, w = p.inner;
  if (order == nullptr && !p.places) {
    auto* keys = reinterpret_cast<std::uint64_t*>(memory);
    for (Index i = 0; i < n; ++i) keys[i] = sort_key(x[i * w]);
    keys = sort_items(keys, keys + n, n);
    for (Index i = 0; i < n; ++i) out[i * w] = from_sort_key(keys[i]);
    return;
  }
  auto* items = reinterpret_cast<SortItem*>(memory);
  for (Index i = 0; i < n; ++i) items[i] = {sort_key(x[i * w]), i};
  items = sort_items(items, items + n, n);
  for (Index i = 0; i < n; ++i) out[i * w] = p.places ? static_cast<double>(items[i].at) : from_sort_key(items[i].key);
  for (Index i = 0; i < n && order != nullptr; ++i) order[i * w] = static_cast<std::int32_t>(items[i].at);
}
inline void sort_run(const UnaryPayload& base, const double* x, double* out) {
  const auto& p = static_cast<const SortPayload&>(base);
  const Scratch memory(4 * p.n);
  for (Index o = 0; o < p.outer; ++o)
    for (Index j = 0; j < p.inner; ++j) {
      const Index at = o * p.n * p.inner + j;
      sort_slice(p, x + at, out + at, p.order == nullptr ? nullptr : p.order + at, memory.data());
    }
}
/// Calls `each(element of the result, element it comes from)`.
template <class F>
void for_each_sorted(const SortPayload& p, F each) {
  Index k = 0;
  for (Index o = 0; o < p.outer; ++o)
    for (Index r = 0; r < p.n; ++r)
      for (Index j = 0; j < p.inner; ++j, ++k) each(k, (o * p.n + p.order[k]) * p.inner + j);
}
inline void sort_put(const UnaryPayload& base, const double* g, const double*, const double*, double* to, bool fresh) {
  for_each_sorted(static_cast<const SortPayload&>(base), [&](Index k, Index from) { to[from] = present_number(to + from, fresh) + g[k]; });
}
#if defined(WICK_SECOND_ORDER)
WICK_COLD inline void sort_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const SortPayload*>(pass.tape()[i].payload);
  const double* dx = pass.tangent(p.in);
  double* out = pass.tangent_output(i);
  for_each_sorted(p, [&](Index k, Index from) { out[k] = dx[from]; });
}
WICK_COLD inline void sort_pull_second(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const SortPayload*>(pass.tape()[i].payload);
  if (pass.adjoint_tangent(i) != nullptr) sort_put(p, pass.adjoint_tangent(i), nullptr, nullptr, pass.pull_to(p.in), false);
}
#endif
inline constexpr UnaryFns sort_fns = unary_fns("sort", &sort_run, &sort_put, {WICK_SECOND(SecondKind::own, &sort_tangent, &sort_pull_second)});
inline constexpr UnaryFns argsort_fns = unary_fns("argsort", &sort_run, UnaryPull{});

WICK_NOINLINE inline Tensor sort_call(const UnaryFns& f, const Tensor& x, Index dim, bool places) {
  Tape* tape = context.tape;
  const Kind kind = operand_kind(f.fns.name, x, tape);
  const std::size_t d = dim_at(f.fns.name, dim, x.shape(), x.dim());
  Tensor room;
  const Tensor& in = dense(x, room);
  const Shape& s = in.shape();
  SortPayload p{{{}, count_of(s, 0, d), s[d], count_of(s, d + 1, s.size()), 1.0}, nullptr, places};
  if (kind == Kind::differentiable && !places)
    p.order = static_cast<std::int32_t*>(tape->arena().take(static_cast<std::size_t>(in.numel()) * sizeof(std::int32_t)));
  return unary(f, p, in, TensorAccess::make(s));
}

}  // namespace detail

/// The elements along `dim` in ascending order, NaNs last, −0 before 0. Takes time in proportion to their number.
/// Shapes: x's. Gradients: each element's goes to where it came from. Throws: wick.op.E121.
inline Tensor sort(const Tensor& x, Count dim = -1) { return detail::sort_call(detail::sort_fns, x, dim.value, false); }
/// The positions of the elements of sort(x, dim); equal elements keep their order. No gradient. Throws: wick.op.E121.
inline Tensor argsort(const Tensor& x, Count dim = -1) { return detail::sort_call(detail::argsort_fns, x, dim.value, true); }

}  // namespace wick::inline WICK_ABI
