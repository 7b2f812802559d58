/// \file
/// Errors: every message has a stable id, the site, what was expected and what to try.
#pragma once

#include <exception>

#include <wick/core/text.hpp>

namespace wick::inline WICK_ABI {

/// Base of everything wick throws.
///
/// `id()` is stable across versions ("wick.plate.E203"); `site()` is empty where no site is involved; `what()` is
/// "id: at site "x" inside plates: text", notes (such as a shape table), and "Try:" lines.
class Error : public std::exception {
 public:
  WICK_COLD Error(std::string_view id, std::string_view site, detail::Text text, detail::Text tries) noexcept
      : id_(id), site_(site), text_(std::move(text)), tries_(std::move(tries)) {
    compose();
  }
  std::string_view id() const noexcept { return id_; }
  std::string_view site() const noexcept { return site_; }
  const char* what() const noexcept override { return what_.c_str(); }

  /// Adds the site where the error came up and its enclosing scopes; kept from the innermost call.
  WICK_COLD void locate(std::string_view site, std::string_view scopes) noexcept {
    if (located_) return;
    located_ = true;
    if (site_.empty()) site_ = site;
    scopes_ = scopes;
    compose();
  }
  /// Appends a note, for example the shape table of the trace under way.
  WICK_COLD void add_note(std::string_view note) noexcept {
    notes_.add("\n").add(note);
    compose();
  }
  bool has_notes() const noexcept { return !notes_.empty(); }

 private:
  WICK_COLD void compose() noexcept {
    what_.clear();
    what_.add(id_).add(": ");
    if (!site_.empty()) what_.add("at site \"").add(site_).add("\"");
    if (!site_.empty() && !scopes_.empty()) what_.add(" ");
    if (!scopes_.empty()) what_.add("inside ").add(scopes_);
    if (!site_.empty() || !scopes_.empty()) what_.add(": ");
    what_.add(text_).add(notes_);
    if (!tries_.empty()) what_.add("\nTry: ").add(tries_);
  }

  detail::Text id_, site_, text_, tries_, scopes_, notes_, what_;
  bool located_ = false;
};

/// Shapes, sizes or dims that do not fit.
class ShapeError : public Error { using Error::Error; };
/// Sites that are missing, doubled, or differ between model and guide.
class SiteError : public Error { using Error::Error; };
/// Values outside a domain: parameters, observations, masks, scales.
class DomainError : public Error { using Error::Error; };
/// Calls that the library does not allow in this place.
class UsageError : public Error { using Error::Error; };
/// Results that are not finite.
class NumericalError : public Error { using Error::Error; };

namespace detail {

/// Throws `E` with the message put together from parts.
template <class E>
[[noreturn]] WICK_COLD void raise(const char* id, std::string_view site, Parts text, Parts tries) {
  throw E(id, site, join(text), join(tries));
}

}  // namespace detail

/// Where warnings go: a plain function that gets the finished message. Set per thread through `Context`.
using WarningSink = void (*)(std::string_view message);

}  // namespace wick::inline WICK_ABI
