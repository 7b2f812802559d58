/// \file
/// Tensors as text.
#pragma once

#include <cmath>
#include <concepts>
#include <string>

#include <wick/tensor/tensor.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

// Templates, though nothing varies: a program that prints no tensor compiles none of this.

/// How the elements of one tensor are written: the same for all of them, so that columns align.
struct NumberFormat {
  bool scientific = false;
  int decimals = 0;
  int width = 0;
};

inline constexpr Index kPrintAll = 1000;  // larger tensors are abbreviated
inline constexpr Index kPrintEdge = 3;    // to this many at each end of a dimension

WICK_COLD inline int print_number(double x, const NumberFormat& f, char (&text)[64]) {
  if (std::isnan(x)) return std::snprintf(text, sizeof text, "nan");
  if (std::isinf(x)) return std::snprintf(text, sizeof text, x > 0 ? "inf" : "-inf");
  if (f.scientific) return std::snprintf(text, sizeof text, "%.*e", f.decimals, x);
  const int n = std::snprintf(text, sizeof text, "%.*f", f.decimals, x);
  if (f.decimals != 0) {
    for (int i = n; text[i - 1] == '0'; --i) text[i - 1] = ' ';
    return n;
  }
  text[n] = '.';  // whole numbers keep a point, as in numpy
  text[n + 1] = '\0';
  return n + 1;
}

/// The decimals that `x` needs when written with at most `most` of them.
WICK_COLD inline int decimals_of(double x, bool scientific, int most) {
  char text[352];
  const int n = std::snprintf(text, sizeof text, scientific ? "%.*e" : "%.*f", most, x);
  const char* end = text + n;
  if (scientific)
    while (*--end != 'e') {
    }
  int needed = most;
  while (needed > 0 && *--end == '0') --needed;
  return needed;
}

/// Calls `each` for the elements that are written, in order.
template <class Each>
WICK_COLD void for_printed(const Shape& shape, const double* x, bool all, std::size_t depth, Index& at,
                           const Each& each) {
  if (depth == shape.size()) {
    each(x[at++]);
    return;
  }
  Index below = 1;
  for (std::size_t d = depth + 1; d < shape.size(); ++d) below *= shape[d];
  for (Index i = 0; i < shape[depth]; ++i) {
    if (!all && shape[depth] > 2 * kPrintEdge && i == kPrintEdge) {
      at += (shape[depth] - 2 * kPrintEdge) * below;
      i = shape[depth] - kPrintEdge;
    }
    for_printed(shape, x, all, depth + 1, at, each);
  }
}

/// Eight decimals where all numbers are whole or of similar size, else scientific; no more than any of them needs.
template <class = void>
WICK_COLD NumberFormat number_format(const Shape& shape, const double* x, bool all) {
  NumberFormat f;
  double most = 0, least = kInf;
  bool whole = true;
  Index at = 0;
  for_printed(shape, x, all, 0, at, [&](double v) {
    const double a = std::fabs(v);
    if (!(a > 0) || std::isinf(a)) return;
    whole = whole && a == std::floor(a);
    most = a > most ? a : most;
    least = a < least ? a : least;
  });
  f.scientific = most >= 1e8 || (!whole && (least < 1e-4 || most / least > 1000));
  at = 0;
  for_printed(shape, x, all, 0, at, [&](double v) {
    if (!std::isfinite(v)) return;
    const int own = decimals_of(v, f.scientific, 8);
    f.decimals = own > f.decimals ? own : f.decimals;
  });
  at = 0;
  for_printed(shape, x, all, 0, at, [&](double v) {
    char text[64];
    const int own = print_number(v, f, text);
    f.width = own > f.width ? own : f.width;
  });
  return f;
}

template <class = void>
WICK_COLD void print_level(std::string& out, const Shape& shape, const double* x, bool all, std::size_t depth, Index& at,
                           const NumberFormat& f) {
  if (depth == shape.size()) {
    char text[64];
    const int n = print_number(x[at++], f, text);
    if (n < f.width) out.append(static_cast<std::size_t>(f.width - n), ' ');
    out.append(text, static_cast<std::size_t>(n));
    return;
  }
  const bool last = depth + 1 == shape.size();
  Index below = 1;
  for (std::size_t d = depth + 1; d < shape.size(); ++d) below *= shape[d];
  const auto separate = [&] {
    if (last) {
      out += ' ';
    } else {
      out.append(shape.size() - depth - 1, '\n');
      out.append(depth + 1, ' ');
    }
  };
  out += '[';
  for (Index i = 0; i < shape[depth]; ++i) {
    if (i != 0) separate();
    if (!all && shape[depth] > 2 * kPrintEdge && i == kPrintEdge) {
      out += "...";
      separate();
      at += (shape[depth] - 2 * kPrintEdge) * below;
      i = shape[depth] - kPrintEdge;
    }
    print_level<>(out, shape, x, all, depth + 1, at, f);
  }
  out += ']';
}

}  // namespace detail

/// The elements in nested brackets, as numpy prints them: `[1.  2.5]`, `[[1. 2.]\n [3. 4.]]`, a scalar without
/// brackets. At most eight decimals; tensors of more than 1,000 elements are abbreviated with `...`. The empty tensor
/// is "(empty)".
template <class = void>
WICK_COLD std::string to_string(const Tensor& t) {
  if (t.empty()) return "(empty)";
  const bool all = t.numel() <= detail::kPrintAll;
  const double* x = t.data();
  if (t.dim() == 0) {
    char text[64];
    return {text, static_cast<std::size_t>(std::snprintf(text, sizeof text, "%.10g", *x))};
  }
  if (t.numel() == 0) return "[] of shape " + detail::to_string(t.shape());
  const detail::NumberFormat f = detail::number_format<>(t.shape(), x, all);
  std::string out;
  Index at = 0;
  detail::print_level<>(out, t.shape(), x, all, 0, at, f);
  return out;
}

/// `std::cout << x`: as `to_string`. For every stream that takes a std::string; this header includes none.
template <class Stream, std::same_as<Tensor> T>
  requires requires(Stream& s, const std::string& text) { s << text; }
decltype(auto) operator<<(Stream& s, const T& t) {
  return s << to_string(t);
}

}  // namespace wick::inline WICK_ABI
