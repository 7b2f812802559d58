/// \file
/// handlers::escape
#pragma once

#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI {

/// What `handlers::escape` throws: the program has come to a site that it shall not pass. No wick::Error, so that nothing on the way takes it for one.
class NonlocalExit {
 public:
  explicit NonlocalExit(Name site) noexcept : site_(site) {}
  std::string_view site() const noexcept { return site_.view(); }

 private:
  Name site_;
};

namespace handlers {

template <class F, class Rule>
class escape;

/// Leaves the program by throwing NonlocalExit at the first site for which `rule(const Message&)` is true. All scopes on the way end.
///
/// Reads: what the rule reads. Writes: nothing.
/// Example:
///     try {
///       handlers::escape(model, [](const Message& m) { return m.name.view() == "z"; })(y);
///     } catch (const NonlocalExit& exit) {
///       std::printf("left at %s\n", std::string(exit.site()).c_str());
///     }
template <class Rule>
class escape<Scope, Rule> final : public Handler {
 public:
  [[nodiscard]] explicit escape(Rule rule) : rule_(std::move(rule)) { enter(all_types, no_types); }
  void process(Message& m) override {
    if (rule_(static_cast<const Message&>(m))) throw NonlocalExit(m.name);
  }

 private:
  Rule rule_;
};

template <class F, class Rule>
class escape final : public Wrapper<escape<F, Rule>, F> {
 public:
  escape(F f, Rule rule) : Wrapper<escape<F, Rule>, F>(std::move(f)), rule_(std::move(rule)) {}
  escape<Scope, Rule> make_scope() const { return escape<Scope, Rule>(rule_); }

 private:
  Rule rule_;
};
template <class Rule>
escape(Rule) -> escape<Scope, Rule>;
template <class F, class Rule>
escape(F, Rule) -> escape<F, Rule>;

}  // namespace handlers
}  // namespace wick::inline WICK_ABI
