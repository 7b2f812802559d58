/// \file
/// Text for messages, put together in cold paths from parts.
///
/// Not std::string: in C++20 every translation unit compiles the members of std::string it uses, which cost more than
/// everything that says what is wrong.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>

#include <wick/core/shape.hpp>

namespace wick::inline WICK_ABI::detail {

class Part;

/// A growable, zero-terminated character string. When memory is short it stays as it is: a message is never worth an error of its own.
class Text {
 public:
  constexpr Text() noexcept = default;
  WICK_COLD Text(std::string_view s) noexcept { add(s); }  // NOLINT: implicit by design
  WICK_COLD Text(const char* s) noexcept { add(std::string_view(s)); }  // NOLINT
  WICK_COLD Text(const Text& o) noexcept { add(o.view()); }
  Text(Text&& o) noexcept : begin_(o.begin_), size_(o.size_), room_(o.room_) {
    o.begin_ = nullptr;
    o.size_ = o.room_ = 0;
  }
  WICK_COLD Text& operator=(Text o) noexcept {
    swap(o);
    return *this;
  }
  WICK_COLD ~Text() { std::free(begin_); }
  void swap(Text& o) noexcept {
    std::swap(begin_, o.begin_);
    std::swap(size_, o.size_);
    std::swap(room_, o.room_);
  }

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  const char* c_str() const noexcept { return begin_ == nullptr ? "" : begin_; }
  std::string_view view() const noexcept { return {c_str(), size_}; }
  operator std::string_view() const noexcept { return view(); }  // NOLINT
  void clear() noexcept { size_ = 0; }

  WICK_COLD Text& add(std::string_view s) noexcept {
    if (size_ + s.size() + 1 > room_) {
      const std::size_t room = 2 * (size_ + s.size()) + 32;
      char* fresh = static_cast<char*>(std::realloc(begin_, room));
      if (fresh == nullptr) return *this;
      begin_ = fresh;
      room_ = room;
    }
    if (!s.empty()) std::memcpy(begin_ + size_, s.data(), s.size());  // the view of no name has no address
    size_ += s.size();
    begin_[size_] = '\0';
    return *this;
  }
  Text& add(const char* s) noexcept { return add(std::string_view(s)); }
  Text& add(const Text& s) noexcept { return add(s.view()); }
  WICK_COLD Text& pad_to(std::size_t size) noexcept {
    while (size_ < size) add(" ");
    return *this;
  }
  WICK_COLD void trim() noexcept {
    while (size_ > 0 && begin_[size_ - 1] == ' ') begin_[--size_] = '\0';
  }
  Text& add(const Part& p) noexcept;
  Text& add(std::initializer_list<Part> parts) noexcept;

 private:
  char* begin_ = nullptr;
  std::size_t size_ = 0, room_ = 0;
};

/// One piece of a message.
class Part {
 public:
  Part(const char* s) : kind_(Kind::text), text_(s) {}           // NOLINT: implicit by design
  Part(std::string_view s) : kind_(Kind::text), text_(s) {}      // NOLINT
  Part(const Text& s) : kind_(Kind::text), text_(s.view()) {}    // NOLINT
  Part(const Shape& s) : kind_(Kind::shape), shape_(&s) {}       // NOLINT
  Part(double x) : kind_(Kind::real), real_(x) {}                // NOLINT
  Part(Count n) : kind_(Kind::integer), integer_(n.value) {}     // NOLINT
  Part(Index n) : kind_(Kind::integer), integer_(n) {}           // NOLINT
  Part(int n) : kind_(Kind::integer), integer_(n) {}             // NOLINT
  Part(unsigned n) : kind_(Kind::integer), integer_(n) {}        // NOLINT

 private:
  friend class Text;
  enum class Kind : unsigned char { text, shape, real, integer };
  Kind kind_;
  union {
    std::string_view text_;
    const Shape* shape_;
    double real_;
    Index integer_;
  };
};

using Parts = std::initializer_list<Part>;

WICK_COLD inline Text& Text::add(const Part& p) noexcept {
  char buffer[40];
  switch (p.kind_) {
    case Part::Kind::text: return add(p.text_);
    case Part::Kind::integer: std::snprintf(buffer, sizeof buffer, "%lld", static_cast<long long>(p.integer_)); break;
    case Part::Kind::real: std::snprintf(buffer, sizeof buffer, "%.10g", p.real_); break;
    case Part::Kind::shape: {
      add("(");
      for (unsigned i = 0; i < p.shape_->size(); ++i) {
        std::snprintf(buffer, sizeof buffer, i == 0 ? "%lld" : ", %lld", static_cast<long long>((*p.shape_)[i]));
        add(std::string_view(buffer));
      }
      return add(p.shape_->size() == 1 ? ",)" : ")");
    }
  }
  return add(std::string_view(buffer));
}
WICK_COLD inline Text& Text::add(Parts parts) noexcept {
  for (const Part& p : parts) add(p);
  return *this;
}

WICK_COLD inline Text join(Parts parts) noexcept {
  Text out;
  out.add(parts);
  return out;
}

/// "(3, 4)", "(8,)" or "()", for users.
inline std::string to_string(const Shape& s) { return std::string(join({s}).view()); }

}  // namespace wick::inline WICK_ABI::detail
