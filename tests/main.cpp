// main() of every test executable. Beside Catch2's own command line:
//   wick_test_<folder> --write-ctest FILE PREFIX FOLDER
// writes one add_test() for each test case to FILE (CMake runs this after linking). The executable writes the file
// itself because a script that parses Catch2's listing breaks on names with ; [ ] or commas.
// Tags become ctest labels; [serial] also runs the test alone and [slow] gives it more time and starts it early.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Case {
  std::string name;
  std::vector<std::string> tags;
  bool has_tag(std::string_view tag) const { return std::find(tags.begin(), tags.end(), tag) != tags.end(); }
};

std::vector<Case> visible_cases(Catch::Session& session) {
  std::vector<Case> cases;
  for (const auto& test : Catch::getAllTestCasesSorted(session.config())) {
#if CATCH_VERSION_MAJOR >= 3
    const auto& info = test.getTestCaseInfo();
    if (info.isHidden()) continue;
    Case found{info.name, {}};
    for (const auto& tag : info.tags) found.tags.emplace_back(tag.original.begin(), tag.original.end());
#else
    if (test.isHidden()) continue;
    Case found{test.name, test.tags};
#endif
    cases.push_back(std::move(found));
  }
  return cases;
}

// A test specification that selects the test of this name only.
std::string spec_of(const std::string& name) {
  std::string spec;
  for (char c : name) {
    if (std::string_view("\\,[]\"").find(c) != std::string_view::npos) spec += '\\';
    spec += c;
  }
  return spec;
}

std::string quoted(const std::string& text) { return "[==[" + text + "]==]"; }

int write_ctest(Catch::Session& session, const char* executable, char** args) {
  const std::string file = args[0], prefix = args[1], folder = args[2];
  std::ofstream out(file);
  for (const Case& test : visible_cases(session)) {
    const std::string name = quoted(prefix + folder + "/" + test.name);
    const bool slow = test.has_tag("slow");
    std::string labels = folder;
    for (const std::string& tag : test.tags) {
      if (tag != folder) labels += ";" + tag;
    }
    out << "add_test(" << name << " " << quoted(executable) << " " << quoted(spec_of(test.name)) << ")\n"
        << "set_tests_properties(" << name << " PROPERTIES LABELS " << quoted(labels) << " TIMEOUT "
        << (slow ? "1200 COST 100" : "300") << (test.has_tag("serial") ? " RUN_SERIAL ON" : "") << ")\n";
  }
  return out.flush() ? 0 : 1;
}

std::filesystem::path scratch_path;

}  // namespace

std::string wick_test::source_dir() { return WICK_SOURCE_DIR; }

std::string wick_test::scratch_dir() {
  if (scratch_path.empty()) {
    scratch_path = std::filesystem::temp_directory_path() / ("wick-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(scratch_path);
  }
  return scratch_path.string();
}

int main(int argc, char** argv) {
  Catch::Session session;
  if (argc == 5 && std::string_view(argv[1]) == "--write-ctest") {
    return write_ctest(session, std::filesystem::absolute(argv[0]).c_str(), argv + 2);
  }
  if (const int failed = session.applyCommandLine(argc, argv)) return failed;
#if CATCH_VERSION_MAJOR < 3
  // A name that matches no test is an error; version 3 does this by itself.
  auto& config = session.configData();
  config.warnings = static_cast<Catch::WarnAbout::What>(config.warnings | Catch::WarnAbout::NoTests);
#endif
  const int failures = session.run();
  std::error_code ignored;
  if (!scratch_path.empty()) std::filesystem::remove_all(scratch_path, ignored);
  return failures;
}
