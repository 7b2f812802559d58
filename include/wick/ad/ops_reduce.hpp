/// \file
/// sum, mean and logsumexp over all or some dimensions.
#pragma once

#include <wick/ad/general.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/ad/reduce.hpp>

namespace wick::inline WICK_ABI {

/// The dimensions of a reduction: one integer or a list, negative from the right. An empty list means none.
class Dims {
 public:
  template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) Dims(T d) {  // NOLINT: implicit by design
    list_.push_back(static_cast<Index>(d));
  }
  Dims(Count d) { list_.push_back(d.value); }  // NOLINT
  Dims(std::initializer_list<Count> dims) {
    for (const Count d : dims) list_.push_back(d.value);
  }
  const Index* begin() const noexcept { return list_.begin(); }
  const Index* end() const noexcept { return list_.end(); }

 private:
  detail::SmallVector<Index, 5> list_;
};

namespace detail {

/// Which dimensions a reduction removes: bit i for dimension i from the left.
using DimSet = std::uint64_t;
inline constexpr DimSet kAllDims = ~DimSet{0};

[[noreturn]] WICK_COLD inline void raise_twice(const char* name, Index d, const Shape& s) {
  raise<ShapeError>("wick.op.E121", "", {name, ": dimension ", d, " of shape ", s, " is given twice"},
                    {"name every dimension once"});
}
inline DimSet dim_set(const char* name, const Dims& dims, const Tensor& x) {
  if (WICK_UNLIKELY(x.empty())) raise_empty(name);
  DimSet set = 0;
  for (const Index d : dims) {
    const DimSet bit = DimSet{1} << dim_at(name, d, x.shape(), x.dim());
    if ((set & bit) != 0) raise_twice(name, d, x.shape());
    set |= bit;
  }
  return set;
}

/// The shape that is left when the dimensions in `set` are removed, or kept with size 1.
inline Shape reduced_shape(const Shape& s, DimSet set, bool keepdim) {
  Shape out;
  for (unsigned i = 0; i < s.size(); ++i) {
    if ((set >> i & 1u) == 0)
      out.push_back(s[i]);
    else if (keepdim)
      out.push_back(1);
  }
  return out;
}

/// Reduces `x` over the dimensions in `set` to a value of shape `to`: one operation for each group of neighbouring
/// dimensions, from the right.
WICK_NOINLINE inline Tensor reduce(const UnaryFns& f, const Tensor& x, DimSet set, const Shape& to,
                                   double divisor = 1) {
  Tensor in = materialise(x);
  for (;;) {
    const Shape& s = in.shape();
    std::size_t last = s.size();
    while (last > 0 && (set >> (last - 1) & 1u) == 0) --last;
    if (last == 0) return with_shape(in, to);
    std::size_t first = last;
    while (first > 0 && (set >> (first - 1) & 1u) != 0) --first;
    set &= (DimSet{1} << first) - 1;
    Shape next = s;
    for (std::size_t i = first; i < last; ++i) next[i] = 1;
    const ReducePayload p{
        {}, count_of(s, 0, first), count_of(s, first, last), count_of(s, last, s.size()), set == 0 ? divisor : 1.0};
    in = unary(f, p, in, TensorAccess::make(set == 0 ? to : next));
    if (set == 0) return in;
  }
}

/// All dimensions at once.
WICK_NOINLINE inline Tensor reduce_all(const UnaryFns& f, const Tensor& x, double divisor = 1) {
  Tensor room;
  const Tensor& in = dense(x, room);
  return unary(f, ReducePayload{{}, 1, in.numel(), 1, divisor}, in, Tensor(0.0));
}

[[noreturn]] WICK_COLD inline void raise_mean_of_nothing(const Shape& s) {
  raise<ShapeError>("wick.op.E122", "", {"mean: no elements to average in shape ", s},
                    {"test numel() first; the sum of nothing is 0, its mean is not defined"});
}
[[noreturn]] WICK_COLD inline void raise_sum_to(const Shape& from, const Shape& to) {
  raise<ShapeError>("wick.op.E124", "", {"sum_to: shape ", to, " does not broadcast to ", from},
                    {"sizes must be equal or 1, aligned at the right"});
}

/// The sum over what broadcasting `shape` to x.shape() had repeated: the reverse of `expand`.
/// Shapes: returns `shape`. Throws: wick.op.E124.
inline Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (WICK_UNLIKELY(x.empty())) raise_empty("sum_to");
  if (x.shape() == shape) return x;
  if (!broadcasts_to(shape, x.shape())) raise_sum_to(x.shape(), shape);
  DimSet set = 0;
  for (Index i = 0; i < x.dim(); ++i) {
    const Index d = i - x.dim();
    if (-d > shape.rank() || (shape.from_right(d) == 1 && x.shape().from_right(d) != 1)) set |= DimSet{1} << i;
  }
  return reduce(sum_fns, x, set, shape);
}

/// The sum over the `n` rightmost dimensions. Needs 0 <= n <= x.dim().
inline Tensor sum_trailing(const Tensor& x, Index n) {
  DimSet set = 0;
  for (Index i = x.dim() - n; i < x.dim(); ++i) set |= DimSet{1} << i;
  return reduce(sum_fns, x, set, x.shape().head(x.dim() - n));
}

}  // namespace detail

/// The sum of all elements, or over `dims`. Runs of more than 2,048 are summed in chunks that are combined pairwise.
///
/// Shapes: without `dims` a scalar; else x's shape without these dimensions, or with size 1 there when `keepdim`. The
/// sum of nothing is 0. Gradients: 1 for every element. Throws: wick.op.E121 (no such dimension, or one twice).
inline Tensor sum(const Tensor& x) { return detail::reduce_all(detail::sum_fns, x); }
inline Tensor sum(const Tensor& x, const Dims& dims, bool keepdim = false) {
  const auto set = detail::dim_set("sum", dims, x);
  return detail::reduce(detail::sum_fns, x, set, detail::reduced_shape(x.shape(), set, keepdim));
}

/// The arithmetic mean of all elements, or over `dims`. Shapes: as `sum`. Gradients: 1/n for every element.
/// Throws: wick.op.E121, and wick.op.E122 where there is nothing to average.
inline Tensor mean(const Tensor& x) {
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("mean");
  if (x.numel() == 0) detail::raise_mean_of_nothing(x.shape());
  return detail::reduce_all(detail::sum_fns, x, static_cast<double>(x.numel()));
}
inline Tensor mean(const Tensor& x, const Dims& dims, bool keepdim = false) {
  const auto set = detail::dim_set("mean", dims, x);
  const Shape to = detail::reduced_shape(x.shape(), set, keepdim);
  Index n = 1;
  for (unsigned i = 0; i < x.shape().size(); ++i)
    if ((set >> i & 1u) != 0) n *= x.shape()[i];
  if (n == 0 && to.numel() != 0) detail::raise_mean_of_nothing(x.shape());
  return detail::reduce(detail::sum_fns, x, set, to, n == 0 ? 1.0 : static_cast<double>(n));
}

/// log Σ exp(x) of all elements, or over `dims`, without overflow.
///
/// Shapes: as `sum`. Of nothing, and of elements that are all −∞, it is −∞ with gradient 0; an element +∞ makes it +∞.
/// Gradients: exp(x − result); undefined (NaN) at +∞. Throws: wick.op.E121.
inline Tensor logsumexp(const Tensor& x) { return detail::reduce_all(detail::logsumexp_fns, x); }
inline Tensor logsumexp(const Tensor& x, const Dims& dims, bool keepdim = false) {
  const auto set = detail::dim_set("logsumexp", dims, x);
  return detail::reduce(detail::logsumexp_fns, x, set, detail::reduced_shape(x.shape(), set, keepdim));
}

}  // namespace wick::inline WICK_ABI
