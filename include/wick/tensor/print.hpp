/// \file
/// Tensors as text.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdlib>
#include <string>

#include <wick/tensor/tensor.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

// Templates, though nothing varies: a program that prints no tensor compiles none of this.

/// How the elements of one tensor are written: the same for all of them, so that columns align.
struct NumberFormat {
  bool scientific = false;
  int decimals = 0;         ///< the most that any of them needs
  int left = 0;             ///< characters left of the point
  int exponent_digits = 2;
  int width() const noexcept { return left + 1 + decimals + (scientific ? 2 + exponent_digits : 0); }
};

inline constexpr Index kPrintAll = 1000;        // larger tensors are abbreviated
inline constexpr Index kPrintEdge = 3;          // to this many at each end of a dimension
inline constexpr std::size_t kPrintWidth = 75;  // of lines
inline constexpr int kPrintDecimals = 8;

/// A number in parts, as "%.*e" or "%.*f" give them, with a point in every locale.
struct NumberText {
  char text[352];
  int point = 0;     ///< where it is, or would be
  int decimals = 0;  ///< behind it
  int end = 0;       ///< of the decimals
  int length = 0;

  WICK_COLD NumberText(double x, int places, bool scientific) : decimals(places) {
    length = std::snprintf(text, sizeof text, scientific ? "%.*e" : "%.*f", places, x);
    for (end = 0; end < length && text[end] != 'e'; ++end) {
    }
    point = places == 0 ? end : end - places - 1;
    if (places != 0) text[point] = '.';
  }
  /// How many of the decimals are not zeros at the end.
  WICK_COLD int needed() const noexcept {
    int n = decimals;
    while (n > 0 && text[point + n] == '0') --n;
    return n;
  }
};

/// The decimals that `x` needs: those of the shortest text that reads as the same double, eight at most.
WICK_COLD inline int decimals_of(double x, bool scientific) {
  int needed = NumberText(x, kPrintDecimals, scientific).needed();
  // Just below 1e8, and below the normal numbers, these may be more digits than a double has: digits that nobody wrote would show.
  if (scientific ? std::fabs(x) < 1e-300 : std::fabs(x) >= 1e7)
    for (int places = 0; places < needed; ++places) {
      char text[352];  // in the locale's way, which strtod reads
      std::snprintf(text, sizeof text, scientific ? "%.*e" : "%.*f", places, x);
      if (std::strtod(text, nullptr) == x) needed = places;
    }
  return needed;
}

template <class = void>
WICK_COLD void print_number(std::string& out, double x, const NumberFormat& f) {
  const auto pad = [&](int n) { out.append(static_cast<std::size_t>(n > 0 ? n : 0), ' '); };
  if (!std::isfinite(x)) {
    const char* text = std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
    pad(f.width() - static_cast<int>(std::char_traits<char>::length(text)));
    out += text;
    return;
  }
  const int places = f.scientific ? f.decimals : decimals_of(x, false);
  const NumberText t(x, places, f.scientific);
  pad(f.left - t.point);
  out.append(t.text, static_cast<std::size_t>(t.point));
  out += '.';  // whole numbers keep a point, as in numpy
  if (places != 0) out.append(t.text + t.point + 1, static_cast<std::size_t>(places));
  if (!f.scientific) return pad(f.decimals - places);
  out.append(t.text + t.end, 2);  // e and the sign
  out.append(static_cast<std::size_t>(f.exponent_digits - (t.length - t.end - 2)), '0');
  out.append(t.text + t.end + 2, static_cast<std::size_t>(t.length - t.end - 2));
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

/// numpy's rules (FloatingFormat in numpy/_core/arrayprint.py): scientific from 1e8 on, for numbers below 1e-4, and where the largest
/// is more than 1,000 times the smallest.
template <class = void>
WICK_COLD NumberFormat number_format(const Shape& shape, const double* x, bool all) {
  NumberFormat f;
  double most = 0, least = kInf;
  Index at = 0;
  for_printed(shape, x, all, 0, at, [&](double v) {
    const double a = std::fabs(v);
    if (!(a > 0) || std::isinf(a)) return;
    most = a > most ? a : most;
    least = a < least ? a : least;
  });
  f.scientific = most >= 1e8 || (most > 0 && (least < 1e-4 || most / least > 1000));
  int special = 0;
  at = 0;
  for_printed(shape, x, all, 0, at, [&](double v) {
    if (!std::isfinite(v)) {
      const int length = std::isinf(v) && v < 0 ? 4 : 3;
      special = length > special ? length : special;
      return;
    }
    const int own = decimals_of(v, f.scientific);
    const NumberText t(v, own, f.scientific);
    f.decimals = own > f.decimals ? own : f.decimals;
    f.left = t.point > f.left ? t.point : f.left;
    if (f.scientific && t.length - t.end - 2 > f.exponent_digits) f.exponent_digits = t.length - t.end - 2;
  });
  if (f.width() < special) f.left += special - f.width();
  return f;
}

template <class = void>
WICK_COLD void print_level(std::string& out, const Shape& shape, const double* x, bool all, std::size_t depth, Index& at,
                           const NumberFormat& f) {
  const bool last = depth + 1 == shape.size();
  const std::size_t indent = depth + 1;
  Index below = 1;
  for (std::size_t d = depth + 1; d < shape.size(); ++d) below *= shape[d];
  // A word goes to a line of its own where it and the brackets behind it have no room.
  const auto add = [&](const std::string& word) {
    const std::size_t line_break = out.rfind('\n'), column = out.size() - (line_break == out.npos ? 0 : line_break + 1);
    if (column + word.size() + shape.size() > kPrintWidth && column > indent) {
      while (out.back() == ' ') out.pop_back();
      out += '\n';
      out.append(indent, ' ');
    }
    out += word;
  };
  const auto separate = [&] {
    if (last) {
      out += ' ';
    } else {
      out.append(shape.size() - depth - 1, '\n');
      out.append(indent, ' ');
    }
  };
  out += '[';
  std::string word;
  for (Index i = 0; i < shape[depth]; ++i) {
    if (i != 0) separate();
    if (!all && shape[depth] > 2 * kPrintEdge && i == kPrintEdge) {
      last ? add("...") : static_cast<void>(out += "...");
      separate();
      at += (shape[depth] - 2 * kPrintEdge) * below;
      i = shape[depth] - kPrintEdge;
    }
    if (last) {
      word.clear();
      print_number<>(word, x[at++], f);
      add(word);
    } else {
      print_level<>(out, shape, x, all, depth + 1, at, f);
    }
  }
  out += ']';
}

}  // namespace detail

/// The elements in nested brackets, as numpy prints them: `[1.  2.5]`, `[[1. 2.]\n [3. 4.]]`, a scalar without
/// brackets. At most eight decimals; lines of 75 characters; tensors of more than 1,000 elements are abbreviated with `...`. Where there are no
/// elements, the shape is told; the empty tensor is "(empty)".
template <class = void>
WICK_COLD std::string to_string(const Tensor& t) {
  if (t.empty()) return "(empty)";
  const bool all = t.numel() <= detail::kPrintAll;
  const double* x = t.data();
  if (t.dim() == 0) {
    char text[64];
    const int n = std::snprintf(text, sizeof text, "%.10g", *x);
    for (int i = 0; i < n; ++i)
      if (std::isfinite(*x) && (text[i] < '0' || text[i] > '9') && text[i] != '-' && text[i] != '+' && text[i] != 'e') text[i] = '.';
    return {text, static_cast<std::size_t>(n)};
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
