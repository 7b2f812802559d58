/// \file
/// handlers::block
#pragma once

#include <string>

#include <wick/core/owner.hpp>
#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI {
namespace handlers {

/// Which sites a block hides: by name, by type ("observe" means observed sample sites), all but the exposed ones, or by a predicate
/// `bool(const Message&)`. With nothing given, all are hidden.
struct BlockOptions {
  std::vector<std::string> hide = {};
  std::vector<std::string> expose = {};
  std::vector<std::string> hide_types = {};  ///< "sample", "observe", "param", "plate", "deterministic"
  std::vector<std::string> expose_types = {};
  detail::Callback<Message> hide_fn = {};
};

template <class F = Scope>
class block;

}  // namespace handlers

namespace detail {

/// BlockOptions, looked up.
class HideRule {
 public:
  explicit HideRule(const handlers::BlockOptions& o) : exposes_(o.hide.empty() && o.hide_types.empty()), fn_(o.hide_fn) {
    const bool both = !exposes_ && (!o.expose.empty() || !o.expose_types.empty());
    if (both || (fn_ && !(exposes_ && o.expose.empty() && o.expose_types.empty())))
      raise<UsageError>("wick.handler.E252", "", {"handlers::block: give one of: what to hide, what to expose, a predicate"}, {"drop the others"});
    for (const std::string& n : exposes_ ? o.expose : o.hide) names_.emplace_back(n);
    for (const std::string& t : exposes_ ? o.expose_types : o.hide_types) types_ |= bit_of(t);
  }
  bool operator()(const Message& m) const {
    if (fn_) return fn_(m);
    bool named = (types_ & bit_of(m)) != 0;
    for (const Name n : names_) named = named || n == m.name;
    return named != exposes_;
  }

 private:
  static constexpr unsigned observe = 1u << 8;
  static unsigned bit_of(const Message& m) noexcept {
    return m.type == SiteType::sample && m.is_observed ? observe : 1u << static_cast<unsigned>(m.type);
  }
  WICK_COLD static unsigned bit_of(const std::string& t) {
    const char* const types[] = {"sample", "param", "plate", "deterministic"};  // as in SiteType
    for (unsigned i = 0; i < 4; ++i)
      if (t == types[i]) return 1u << i;
    if (t != "observe")
      raise<UsageError>("wick.handler.E252", "", {"handlers::block: unknown site type \"", std::string_view(t), "\""}, {"use sample, observe, param, plate or deterministic"});
    return observe;
  }
  std::vector<Name> names_;
  unsigned types_ = 0;
  bool exposes_;
  Callback<Message> fn_;
};

/// The plate that the last warning of this thread was about: a step in a loop warns once.
inline constinit thread_local std::uint32_t warned_plate = 0;

WICK_COLD inline void warn_hidden_plate(Name plate) {
  if (warned_plate == plate.id()) return;
  warned_plate = plate.id();
  warn("wick.handler.W254", {"handlers::block hides the subsample of plate \"", plate.view(),
                                           "\": a program that replays the trace draws another one. Try: expose the plate, or give both programs the indices"});
}

}  // namespace detail

namespace handlers {

/// Hides sites from all handlers outside it: for a hidden site these do nothing at all, whether they trace, condition, scale, mask or are plates.
///
/// Reads: type, name, is_observed. Writes: stop. Throws: wick.handler.E252 for an unknown type name or for more than one of hide, expose and
/// hide_fn. Warns (W254) when it hides the subsample of a plate.
/// Example:
///     handlers::block(model, {.hide = {"z"}})(y);  // a trace around it records y alone
template <>
class block<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit block(const BlockOptions& o = {}) : own_(o), rule_(&own_) { enter(kSeen, no_types); }
  /// The rule is not copied: it must outlive the scope.
  [[nodiscard]] explicit block(const detail::HideRule* rule) : own_({}), rule_(rule) { enter(kSeen, no_types); }
  void process(Message& m) override {
    if (!(*rule_)(m)) return;
    m.stop = true;
    if (WICK_UNLIKELY(m.type == SiteType::plate && m.size != m.full_size && m.value.empty() && outer() != nullptr)) detail::warn_hidden_plate(m.name);
  }

 private:
  static constexpr SiteTypes kSeen = all_types | types_of(SiteType::subsample, SiteType::inspect);
  detail::HideRule own_;
  const detail::HideRule* rule_;
};

template <class F>
class block final : public Wrapper<block<F>, F> {
 public:
  explicit block(F f, const BlockOptions& o = {}) : Wrapper<block<F>, F>(std::move(f)), rule_(o) {}
  handlers::block<Scope> make_scope() const { return handlers::block<Scope>(&rule_); }

 private:
  detail::HideRule rule_;
};
block(BlockOptions) -> block<Scope>;
block() -> block<Scope>;
template <class F>
block(F) -> block<F>;
template <class F>
block(F, BlockOptions) -> block<F>;
// Wrapping a wrapper wraps twice; without this, class template argument deduction would copy it.
template <class F>
block(block<F>) -> block<block<F>>;

}  // namespace handlers
}  // namespace wick::inline WICK_ABI
