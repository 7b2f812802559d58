/// \file
/// Ways to make tensors: filled, counted, and from vectors, spans and arrays.
#pragma once

#include <array>

#include <wick/tensor/tensor.hpp>

namespace wick::inline WICK_ABI {

/// A tensor of this shape with every element `value`. Throws wick.tensor.E104 for a negative size and for more elements than there can be.
WICK_NOINLINE inline Tensor full(const Shape& shape, double value) {
  Tensor t = detail::TensorAccess::make(shape);
  double* p = detail::TensorAccess::fresh_data(t);
  const Index n = t.numel();
  for (Index i = 0; i < n; ++i) p[i] = value;
  return t;
}
inline Tensor zeros(const Shape& shape) { return full(shape, 0.0); }
inline Tensor ones(const Shape& shape) { return full(shape, 1.0); }

/// 0, 1, …, n − 1.
inline Tensor arange(Count n) {
  Tensor t = full({n}, 0.0);
  double* p = detail::TensorAccess::fresh_data(t);
  for (Index i = 0; i < n.value; ++i) p[i] = static_cast<double>(i);
  return t;
}

/// `n` evenly spaced numbers from `first` to `last`, both included.
inline Tensor linspace(double first, double last, Count n) {
  Tensor t = full({n}, first);
  double* p = detail::TensorAccess::fresh_data(t);
  for (Index i = 1; i < n.value; ++i) p[i] = i + 1 == n.value ? last : first + (last - first) * static_cast<double>(i) / static_cast<double>(n.value - 1);
  return t;
}

namespace detail {

/// A vector tensor copied from any contiguous numbers.
template <class T>
Tensor copy_numbers(const T* from, std::size_t n) {
  Tensor t = TensorAccess::make(Shape{n});
  double* to = TensorAccess::fresh_data(t);
  for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<double>(from[i]);
  return t;
}

template <class T, class A>
  requires std::is_arithmetic_v<T>
struct TensorSource<std::vector<T, A>> {
  static Tensor make(const std::vector<T, A>& v) {
    if constexpr (std::is_same_v<T, bool>) {
      Tensor t = TensorAccess::make(Shape{v.size()});
      double* to = TensorAccess::fresh_data(t);
      for (std::size_t i = 0; i < v.size(); ++i) to[i] = v[i] ? 1.0 : 0.0;
      return t;
    } else {
      return copy_numbers(v.data(), v.size());
    }
  }
};
template <class T, std::size_t E>
  requires std::is_arithmetic_v<std::remove_const_t<T>>
struct TensorSource<std::span<T, E>> {
  static Tensor make(std::span<T, E> v) { return copy_numbers(v.data(), v.size()); }
};
template <class T, std::size_t N>
  requires std::is_arithmetic_v<T>
struct TensorSource<std::array<T, N>> {
  static Tensor make(const std::array<T, N>& v) { return copy_numbers(v.data(), N); }
};

/// Characters are numbers to the compiler; a text is none.
template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T> && !std::is_same_v<T, char>;
template <class T, std::size_t N>
  requires is_number<T>
struct TensorSource<T[N]> {
  static Tensor make(const T (&v)[N]) { return copy_numbers(v, N); }
};

[[noreturn]] WICK_COLD inline void raise_ragged(std::size_t row, const Shape& s, const Shape& first) {
  raise<ShapeError>("wick.tensor.E103", "", {"nested vectors of different lengths: element ", static_cast<Index>(row), " has shape ", s, ", element 0 has ", first},
                    {"give every row the same number of elements"});
}
/// Vectors of vectors, arrays or other sources: one more dimension at the left.
template <class T, class A>
  requires(!std::is_arithmetic_v<T>) && requires(const T& t) { TensorSource<T>::make(t); }
struct TensorSource<std::vector<T, A>> {
  static Tensor make(const std::vector<T, A>& v) {
    if (v.empty()) return TensorAccess::make(Shape{0, 0});
    Tensor all;
    double* to = nullptr;
    Shape first;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const Tensor row = TensorSource<T>::make(v[i]);
      if (i == 0) {
        first = row.shape();
        Shape shape = first;
        shape.insert_front(1, static_cast<Index>(v.size()));
        all = TensorAccess::make(shape);
        to = TensorAccess::fresh_data(all);
      }
      if (!(row.shape() == first)) raise_ragged(i, row.shape(), first);
      if (row.numel() != 0) std::memcpy(to, row.data(), static_cast<std::size_t>(row.numel()) * sizeof(double));
      to += row.numel();
    }
    return all;
  }
};

}  // namespace detail

/// A tensor of this shape from numbers in row-major order.
/// Throws wick.tensor.E104 for sizes that cannot be, wick.tensor.E105 when the counts differ.
template <class T>
Tensor from_values(const Shape& shape, std::span<const T> values) {
  const Index n = detail::checked_numel(shape);
  if (n != static_cast<Index>(values.size()))
    detail::raise<ShapeError>("wick.tensor.E105", "", {"shape ", shape, " holds ", n, " elements, given are ", static_cast<Index>(values.size())},
                              {"give as many values as the shape has elements"});
  Tensor t = detail::TensorAccess::make(shape);
  double* to = detail::TensorAccess::fresh_data(t);
  for (std::size_t i = 0; i < values.size(); ++i) to[i] = static_cast<double>(values[i]);
  return t;
}
inline Tensor from_values(const Shape& shape, const std::vector<double>& values) {
  return from_values<double>(shape, std::span<const double>(values));
}

}  // namespace wick::inline WICK_ABI
