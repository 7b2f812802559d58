/// \file
/// Numbers and texts as bytes in a fixed order, and back.
#pragma once

#include <bit>
#include <cstring>
#include <string_view>

#include <wick/core/list.hpp>

namespace wick::inline WICK_ABI::detail {

/// Collects bytes: whole numbers and doubles as 8 bytes, the lowest first, texts and arrays behind their lengths.
class ByteWriter {
 public:
  void count(std::uint64_t n) {
    unsigned char b[8];
    for (unsigned i = 0; i < 8; ++i) b[i] = static_cast<unsigned char>(n >> (8 * i));
    raw(b, 8);
  }
  void number(double x) { count(std::bit_cast<std::uint64_t>(x)); }
  void text(std::string_view s) {
    count(s.size());
    raw(s.data(), s.size());
  }
  void numbers(const double* x, std::size_t n) {
    count(n);
    if constexpr (std::endian::native == std::endian::little)
      raw(x, n * sizeof(double));
    else
      for (std::size_t i = 0; i < n; ++i) number(x[i]);
  }
  void raw(const void* p, std::size_t n) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + n);
    if (n != 0) std::memcpy(bytes_.data() + at, p, n);
  }
  const unsigned char* data() const noexcept { return bytes_.data(); }
  std::size_t size() const noexcept { return bytes_.size(); }

 private:
  List<unsigned char> bytes_;
};

/// Reads them back; past the end everything is 0 and empty, and `failed` says so.
class ByteReader {
 public:
  ByteReader(const unsigned char* begin, std::size_t n) noexcept : at_(begin), left_(n) {}
  bool failed() const noexcept { return failed_; }
  std::size_t left() const noexcept { return left_; }
  std::uint64_t count() noexcept {
    std::uint64_t n = 0;
    const unsigned char* b = take(8);
    for (unsigned i = 0; b != nullptr && i < 8; ++i) n |= std::uint64_t{b[i]} << (8 * i);
    return n;
  }
  double number() noexcept { return std::bit_cast<double>(count()); }
  std::string_view text() noexcept {
    const std::size_t n = length(1);
    const unsigned char* b = take(n);
    return b == nullptr ? std::string_view() : std::string_view(reinterpret_cast<const char*>(b), n);
  }
  /// The length of an array of numbers that follows.
  std::size_t numbers() noexcept { return length(sizeof(double)); }
  void numbers(double* to, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) to[i] = number();
  }
  /// A number of things that follow, each of at least `size` bytes: never more than there is room for.
  std::size_t length(std::size_t size) noexcept {
    const std::uint64_t n = count();
    if (n <= left_ / size) return static_cast<std::size_t>(n);
    failed_ = true;
    return 0;
  }

 private:
  const unsigned char* take(std::size_t n) noexcept {
    if (n > left_) {
      failed_ = true;
      left_ = 0;
      return nullptr;
    }
    const unsigned char* p = at_;
    at_ += n;
    left_ -= n;
    return p;
  }
  const unsigned char* at_;
  std::size_t left_;
  bool failed_ = false;
};

}  // namespace wick::inline WICK_ABI::detail
