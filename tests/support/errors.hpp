/// \file
/// Rule K: the check of an error's type, id, site and `Try:` line, and that a failed call left its surroundings
/// unchanged.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>

namespace wick_test {

/// `INFO(report.text); REQUIRE(report.ok);`
struct ErrorReport {
  bool ok = true;
  std::string text;     ///< every check that failed
  std::string message;  ///< what() of the exception that was caught

  void fail(const std::string& what) {
    ok = false;
    text += what + "\n";
  }
};

namespace errors_detail {

inline std::string quoted(std::string_view s) { return '"' + std::string(s) + '"'; }

inline void same(ErrorReport& report, const char* field, std::string_view actual, std::string_view expected) {
  if (actual != expected) report.fail(std::string(field) + " is " + quoted(actual) + ", expected " + quoted(expected));
}

/// There must be a `Try:` whose text, to the end of the message, is not blank and contains the substring.
inline void advice(ErrorReport& report, std::string_view message, std::string_view substring) {
  const std::size_t at = message.find("Try:");
  if (at == std::string_view::npos) return report.fail("no `Try:` in " + quoted(message));
  const std::string_view rest = message.substr(at + 4);
  if (rest.find_first_not_of(" \t\n") == std::string_view::npos) report.fail("nothing follows `Try:`");
  if (rest.find(substring) == std::string_view::npos)
    report.fail("`Try:` does not say " + quoted(substring) + " in " + quoted(message));
}

}  // namespace errors_detail

/// Calls `call` and requires an exception of the very type E (not a type derived from it) with `.id()` and `.site()`
/// equal to the given ones and a `what()` that begins with the id and has a `Try:` containing `try_substring`.
template <class E, class Call>
ErrorReport expect_error(Call&& call, std::string_view id, std::string_view site, std::string_view try_substring = "") {
  using namespace errors_detail;
  ErrorReport report;
  try {
    static_cast<void>(call());
    report.fail("no exception, expected " + quoted(id));
  } catch (const E& error) {
    report.message = error.what();
    if constexpr (std::is_polymorphic_v<E>)
      if (typeid(error) != typeid(E)) report.fail("a derived exception type was thrown");
    same(report, "id", error.id(), id);
    same(report, "site", error.site(), site);
    if (report.message.rfind(std::string(id), 0) != 0) report.fail("the message does not begin with its id");
    if (!site.empty() && report.message.find(quoted(site)) == std::string::npos)
      report.fail("the message does not quote the site");
    advice(report, report.message, try_substring);
  } catch (const std::exception& other) {
    report.message = other.what();
    report.fail("another exception type: " + report.message);
  } catch (...) {
    report.fail("an exception that is no std::exception");
  }
  return report;
}

/// The same, and `state()` (anything with ==: the parameter store, optimiser state, depth of the handler stack) must
/// return the same before and after.
template <class E, class Call, class State>
ErrorReport expect_error_unchanged(Call&& call, State&& state, std::string_view id, std::string_view site,
                                   std::string_view try_substring = "") {
  const auto before = state();
  ErrorReport report = expect_error<E>(call, id, site, try_substring);
  if (!(before == state())) report.fail("the failed call changed the state");
  return report;
}

}  // namespace wick_test
