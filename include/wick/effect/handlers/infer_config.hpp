/// \file
/// handlers::infer_config
#pragma once

#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F, class Rule>
class infer_config;

/// Changes the instructions to inference at sample sites: `rule` is called as `rule(const Message&, Infer&)`.
///
/// Reads: what the rule reads. Writes: infer.
/// Example:
///     const auto rule = [](const Message& m, Infer& infer) { infer.from_prior = m.name.view() == "z"; };
///     handlers::infer_config(model, rule)(y);
template <class Rule>
class infer_config<Scope, Rule> final : public Handler {
 public:
  [[nodiscard]] explicit infer_config(Rule rule) : rule_(std::move(rule)) { enter(types_of(SiteType::sample), no_types); }
  void process(Message& m) override { rule_(static_cast<const Message&>(m), m.infer); }

 private:
  Rule rule_;
};

template <class F, class Rule>
class infer_config final : public Wrapper<infer_config<F, Rule>, F> {
 public:
  infer_config(F f, Rule rule) : Wrapper<infer_config<F, Rule>, F>(std::move(f)), rule_(std::move(rule)) {}
  infer_config<Scope, Rule> make_scope() const { return infer_config<Scope, Rule>(rule_); }

 private:
  Rule rule_;
};
template <class Rule>
infer_config(Rule) -> infer_config<Scope, Rule>;
template <class F, class Rule>
infer_config(F, Rule) -> infer_config<F, Rule>;

}  // namespace wick::inline WICK_ABI::handlers
