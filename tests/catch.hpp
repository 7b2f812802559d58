/// \file
/// Catch2, version 2 or 3: every test includes this and not Catch2 itself. It is the tests' precompiled header.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <string>

namespace wick_test {

/// Matcher: the string contains `part`. Its name differs between the two versions.
inline auto contains(const std::string& part) {
#if CATCH_VERSION_MAJOR >= 3
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

/// The root of the source tree, without a slash at the end.
std::string source_dir();

/// A directory of this process alone, made on the first call and removed at exit.
std::string scratch_dir();

}  // namespace wick_test
