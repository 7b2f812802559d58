/// \file
/// handlers::block_plate
#pragma once

#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class block_plate;

/// Switches one plate around off, found by its name or its dim: sites inside are as if they stood outside of it. Its dim stays taken. The scope
/// ends before the plate does.
/// Inside a handlers::scope the plate's bare name will do.
///
/// Reads and writes no message. Throws: wick.handler.E265 when there is no such plate around.
/// Example:
///     const plate rows("rows", 3);
///     {
///       const handlers::block_plate outside("rows");
///       sample("shared", Normal(0.0, 1.0));  // one for all rows
///     }
template <>
class block_plate<Scope> final {
 public:
  [[nodiscard]] explicit block_plate(std::string_view name) {
    for (plate_ = detail::context.innermost; plate_ != nullptr; plate_ = plate_->outer())
      if (const Frame* f = plate_->frame(); f != nullptr && is_named(f->name.view(), name)) break;
    if (WICK_UNLIKELY(plate_ == nullptr)) raise(detail::join({"\"", name, "\""}));
    switch_off();
  }
  [[nodiscard]] explicit block_plate(Index dim) {
    for (plate_ = detail::context.innermost; plate_ != nullptr; plate_ = plate_->outer())
      if (const Frame* f = plate_->frame(); f != nullptr && f->dim == dim && f->vectorized()) break;
    if (WICK_UNLIKELY(plate_ == nullptr)) raise(detail::join({"at dim ", dim}));
    switch_off();
  }
  block_plate(const block_plate&) = delete;
  block_plate& operator=(const block_plate&) = delete;
  ~block_plate() { detail::HandlerAccess::set_types(*plate_, types_); }

 private:
  void switch_off() noexcept {
    types_ = detail::HandlerAccess::types(*plate_);
    detail::HandlerAccess::set_types(*plate_, 0);
  }
  /// Programs know their plates by the bare names, whatever scopes are around.
  static bool is_named(std::string_view full, std::string_view name) noexcept {
    return full == name || (full.size() > name.size() && full[full.size() - name.size() - 1] == '/' && full.substr(full.size() - name.size()) == name);
  }
  [[noreturn]] WICK_COLD static void raise(const detail::Text& what) {
    const detail::Text around = detail::scopes_text();
    detail::raise<UsageError>("wick.handler.E265", "", {"block_plate: no plate ", what, " around; there ", around.empty() ? "is none at all" : "are ", around},
                              {"give the name, or the dim, of a plate that is in force here"});
  }
  Handler* plate_;
  unsigned types_;
};

template <class F>
class block_plate final : public Wrapper<block_plate<F>, F> {
 public:
  block_plate(F f, std::string_view name) : Wrapper<block_plate<F>, F>(std::move(f)), name_(name) {}
  block_plate(F f, Index dim) : Wrapper<block_plate<F>, F>(std::move(f)), dim_(dim) {}
  handlers::block_plate<Scope> make_scope() const { return name_ ? block_plate<Scope>(name_.view()) : block_plate<Scope>(dim_); }

 private:
  Name name_;
  Index dim_ = 0;  ///< where there is no name
};
block_plate(std::string_view) -> block_plate<Scope>;
block_plate(Index) -> block_plate<Scope>;
block_plate(int) -> block_plate<Scope>;
block_plate(const char*) -> block_plate<Scope>;
template <class F>
block_plate(F, std::string_view) -> block_plate<F>;
template <class F>
block_plate(F, Index) -> block_plate<F>;

}  // namespace wick::inline WICK_ABI::handlers
