/// \file
/// handlers::scope
#pragma once

#include <string>

#include <wick/effect/handlers/common.hpp>

namespace wick::inline WICK_ABI::handlers {

template <class F = Scope>
class scope;

/// Puts a prefix and "/" before the names of all sites, parameters and plates inside: a program that is used twice in another one has sites of its own
/// each time. Scopes nest: "outer/inner/x". Handlers inside see the bare names, those outside the full ones.
///
/// Reads: name. Writes: name. Throws: wick.handler.E264 for an empty prefix.
/// Example:
///     handlers::scope(model, "left")(y);   // left/z, left/y
///     handlers::scope(model, "right")(y);  // right/z, right/y
template <>
class scope<Scope> final : public Handler {
 public:
  [[nodiscard]] explicit scope(std::string_view prefix) : prefix_(prefix) {
    if (prefix.empty()) detail::raise<UsageError>("wick.handler.E264", "", {"scope: the prefix is empty"}, {"give a name, as in handlers::scope(model, \"left\")"});
    enter(all_types, no_types);
  }
  void process(Message& m) override { m.name = detail::joined_name({prefix_.view(), "/", m.name.view()}); }

 private:
  Name prefix_;
};

template <class F>
class scope final : public Wrapper<scope<F>, F> {
 public:
  scope(F f, std::string_view prefix) : Wrapper<scope<F>, F>(std::move(f)), prefix_(prefix) {}
  handlers::scope<Scope> make_scope() const { return handlers::scope<Scope>(prefix_.view()); }

 private:
  Name prefix_;
};
scope(std::string_view) -> scope<Scope>;
scope(const char*) -> scope<Scope>;
template <class F>
scope(F, std::string_view) -> scope<F>;

}  // namespace wick::inline WICK_ABI::handlers
