/// \file
/// The rules of docs/design.md §1 as a function from source texts to violations, so that they can be tested themselves.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace arch {

/// Texts by path: "wick/core/shape.hpp" (relative to include/) or "examples/iris/main.cpp".
using Files = std::map<std::string, std::string>;

/// One broken rule: "wick/dist/normal.hpp -> wick/effect/plate.hpp: effect (layer 5) is not below dist (layer 4)".
using Violations = std::vector<std::string>;

struct Include {
  std::string target;
  bool quoted = false;
};

/// The layer of each folder; a folder that is not here is a violation. docs/design.md §1 has the same table.
inline const std::map<std::string, int> layers = {
    {"core", 0}, {"math", 1},   {"tensor", 1}, {"ad", 2},    {"optim", 3}, {"constraint", 3},
    {"dist", 4}, {"effect", 5}, {"nn", 6},     {"infer", 6}, {"io", 5},
};

inline constexpr int max_header_lines = 400;

/// Not in headers that the umbrella reaches: they cost too much compile time.
inline const std::set<std::string> heavy = {"iostream", "sstream", "functional", "map", "regex", "random"};

/// The headers that users include to get everything; all.hpp adds to wick.hpp what is too heavy for it.
inline const std::set<std::string> umbrellas = {"wick/wick.hpp", "wick/all.hpp"};

/// What an example may include of wick, as its users would. examples/mini writes the effects anew: it includes what lies below them.
inline const std::set<std::string> of_examples = {"wick/wick.hpp", "wick/nn/nn.hpp", "wick/io/csv.hpp"};
inline constexpr int below_effects = 4;

/// Blanks comments, and keeps line breaks.
inline std::string without_comments(const std::string& text) {
  std::string out = text;
  enum { code, line, block, string, character } state = code;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const char c = out[i], next = i + 1 < out.size() ? out[i + 1] : '\0';
    const bool blank = state == line || state == block;
    if (state == code && c == '/' && (next == '/' || next == '*')) {
      state = next == '/' ? line : block;
      out[i] = ' ';
    } else if (state == code && c == '"') {
      state = string;
    } else if (state == code && c == '\'' && (i == 0 || std::isalnum(static_cast<unsigned char>(out[i - 1])) == 0)) {
      state = character;  // not the separator in 1'000
    } else if ((state == string && c == '"') || (state == character && c == '\'')) {
      state = code;
    } else if ((state == string || state == character) && c == '\\') {
      ++i;
    } else if (state != block && c == '\n') {
      state = code;
    } else if (state == block && c == '*' && next == '/') {
      out[i] = out[i + 1] = ' ';
      ++i;
      state = code;
    } else if (blank && c != '\n') {
      out[i] = ' ';
    }
  }
  return out;
}

inline std::vector<Include> includes_of(const std::string& text) {
  static const std::regex pattern(R"re(^[ \t]*#[ \t]*include[ \t]*(<([^>]+)>|"([^"]+)"))re");
  std::vector<Include> found;
  std::istringstream lines(without_comments(text));
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, pattern)) continue;
    const bool quoted = match[3].matched;
    found.push_back({(quoted ? match[3] : match[2]).str(), quoted});
  }
  return found;
}

inline bool starts_with_folder(const std::string& path, std::string_view folder) {
  return path.size() > folder.size() && path.compare(0, folder.size(), folder) == 0 && path[folder.size()] == '/';
}

/// "core" of "wick/core/shape.hpp"; empty for "wick/wick.hpp".
inline std::string folder_of(const std::string& path) {
  const auto first = path.find('/'), second = path.find('/', first + 1);
  return second == std::string::npos ? "" : path.substr(first + 1, second - first - 1);
}

/// What a quoted include in `from` names, as a key of Files.
inline std::string resolve(const std::string& from, const Include& include) {
  if (!include.quoted) return include.target;
  return (std::filesystem::path(from).parent_path() / include.target).lexically_normal().generic_string();
}

/// The rule that `from` breaks by including `to` (both headers of wick), if any.
inline std::optional<std::string> broken_layering(const std::string& from, const std::string& to) {
  const std::string from_folder = folder_of(from), to_folder = folder_of(to);
  if (umbrellas.contains(to) && from != "wick/all.hpp") return "no header includes the umbrella";
  if (to.find("/detail/") != std::string::npos && from_folder != to_folder)
    return "detail/ belongs to " + to_folder + "/ alone";
  if (umbrellas.contains(from)) return std::nullopt;
  if (from_folder == to_folder) return std::nullopt;
  const auto from_layer = layers.find(from_folder), to_layer = layers.find(to_folder);
  if (from_layer == layers.end() || to_layer == layers.end()) return std::nullopt;  // reported with the file itself
  if (to_layer->second < from_layer->second) return std::nullopt;
  return to_folder + " (layer " + std::to_string(to_layer->second) + ") is not below " + from_folder + " (layer " +
         std::to_string(from_layer->second) + ")";
}

/// The rule that a header breaks by including something that is not ours, if any.
inline std::optional<std::string> broken_dependency(const std::string& from, const std::string& to) {
  const std::string folder = folder_of(from);
  if (starts_with_folder(to, "boost")) {
    return folder == "math" ? std::nullopt : std::optional<std::string>("only math/ includes Boost");
  }
  if (starts_with_folder(to, "Eigen") || starts_with_folder(to, "unsupported/Eigen")) {
    return folder != "core" ? std::nullopt : std::optional<std::string>("core/ includes the standard library only");
  }
  if (to.find('/') == std::string::npos || starts_with_folder(to, "sys")) return std::nullopt;
  return "not the standard library, Eigen or Boost";
}

inline void check_includes(const Files& files, Violations& out) {
  for (const auto& [path, text] : files) {
    const bool example = starts_with_folder(path, "examples");
    for (const Include& include : includes_of(text)) {
      const std::string to = resolve(path, include);
      const bool ours = starts_with_folder(to, "wick") || include.quoted;
      std::optional<std::string> broken;
      if (example) {
        const bool standard = !include.quoted && to.find('/') == std::string::npos;
        const bool own = include.quoted && starts_with_folder(to, "examples") && files.contains(to);
        const auto layer = layers.find(folder_of(to));
        const bool mini = starts_with_folder(path, "examples/mini") && layer != layers.end() && layer->second <= below_effects;
        if (!of_examples.contains(to) && !standard && !own && !mini)
          broken = "an example includes <wick/wick.hpp>, <wick/nn/nn.hpp>, <wick/io/csv.hpp> and the standard library";
      } else if (ours) {
        broken = files.contains(to) ? broken_layering(path, to) : std::optional<std::string>("there is no such header");
      } else {
        broken = broken_dependency(path, to);
      }
      if (broken) out.push_back(path + " -> " + to + ": " + *broken);
    }
  }
}

/// What holds for one header by itself.
inline void check_headers(const Files& files, Violations& out) {
  static const std::regex outside(R"re((^|\n)namespace wick\b(?!::inline WICK_ABI\b))re");
  for (const auto& [path, text] : files) {
    if (!starts_with_folder(path, "wick")) continue;
    const std::string code = without_comments(text);
    const auto lines = std::count(text.begin(), text.end(), '\n');
    if (lines > max_header_lines)
      out.push_back(path + ": " + std::to_string(lines) + " lines, the budget is " + std::to_string(max_header_lines));
    if (code.find("#pragma once") == std::string::npos) out.push_back(path + ": no #pragma once");
    if (std::regex_search(code, outside)) out.push_back(path + ": a namespace wick without inline WICK_ABI");
    if (!umbrellas.contains(path) && !layers.contains(folder_of(path))) {
      out.push_back(path + ": the folder \"" + folder_of(path) +
                    "\" has no layer; docs/design.md §1 and tests/arch/rules.hpp name them");
    }
  }
}

/// Walks the includes among `files` from `path`: reports cycles, and heavy includes when `light`.
struct Walk {
  const Files& files;
  Violations& out;
  bool light = false;
  std::vector<std::string> chain{};
  std::set<std::string> done{};

  void visit(const std::string& path) {
    if (const auto at = std::find(chain.begin(), chain.end(), path); at != chain.end()) {
      std::string cycle;
      for (auto i = at; i != chain.end(); ++i) cycle += *i + " -> ";
      if (!light) out.push_back(cycle + path + ": a cycle");
      return;
    }
    const auto file = files.find(path);
    if (file == files.end() || !done.insert(path).second) return;
    chain.push_back(path);
    for (const Include& include : includes_of(file->second)) {
      const std::string to = resolve(path, include);
      if (light && heavy.contains(to))
        out.push_back(path + " -> " + to + ": too heavy for a header that wick/wick.hpp reaches");
      visit(to);
    }
    chain.pop_back();
  }
};

inline Violations check(const Files& files) {
  Violations out;
  check_headers(files, out);
  check_includes(files, out);
  Walk all{files, out};
  for (const auto& [path, text] : files) all.visit(path);
  Walk{files, out, true}.visit("wick/wick.hpp");
  return out;
}

/// Reads include/ and examples/ under `root`.
inline Files read_tree(const std::filesystem::path& root) {
  Files files;
  const auto read = [&](const std::filesystem::path& dir, const std::filesystem::path& base) {
    if (!std::filesystem::exists(dir)) return;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir)) {
      const auto extension = entry.path().extension();
      if (!entry.is_regular_file() || (extension != ".hpp" && extension != ".cpp")) continue;
      std::ifstream in(entry.path());
      files[entry.path().lexically_relative(base).generic_string()] =
          std::string(std::istreambuf_iterator<char>(in), {});
    }
  };
  read(root / "include", root / "include");
  read(root / "examples", root);
  return files;
}

}  // namespace arch
