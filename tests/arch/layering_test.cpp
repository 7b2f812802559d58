#include <sstream>

#include "arch/rules.hpp"

#include "catch.hpp"

namespace {

// A small tree without a fault; each test plants one.
arch::Files sound_tree() {
  const std::string once = "#pragma once\n";
  return {
      {"wick/wick.hpp", once + "#include <wick/dist/normal.hpp>\n#include <wick/infer/svi.hpp>\n"},
      {"wick/all.hpp", once + "#include <wick/wick.hpp>\n"},
      {"wick/core/config.hpp", once + "#include <cstddef>\nnamespace wick::inline WICK_ABI {}\n"},
      {"wick/core/shape.hpp", once + "#include <wick/core/config.hpp>\nnamespace wick::inline WICK_ABI::detail {}\n"},
      {"wick/math/gamma.hpp", once + "#include <boost/math/special_functions.hpp>\n#include <wick/core/config.hpp>\n"},
      {"wick/tensor/tensor.hpp", once + "#include <Eigen/Core>\n#include <wick/core/shape.hpp>\n"},
      {"wick/ad/tape.hpp", once + "#include <wick/tensor/tensor.hpp>\n#include <wick/math/gamma.hpp>\n"},
      {"wick/dist/detail/prep.hpp", once + "#include <wick/ad/tape.hpp>\n"},
      {"wick/dist/normal.hpp", once + "#include <wick/dist/detail/prep.hpp>\n#include <vector>\n"},
      {"wick/effect/plate.hpp", once + "#include <wick/dist/normal.hpp>\n"},
      {"wick/infer/svi.hpp", once + "#include <wick/effect/plate.hpp>\n"},
      {"examples/iris/main.cpp", "#include <wick/wick.hpp>\n#include <iostream>\n#include \"../common.hpp\"\n"},
      {"examples/common.hpp", "#pragma once\n#include <map>\n"},
  };
}

arch::Violations with(const std::string& path, const std::string& more) {
  arch::Files files = sound_tree();
  auto& text = files[path];
  if (text.empty()) text = "#pragma once\n";
  text += more;
  return arch::check(files);
}

void check_refused(const std::string& path, const std::string& more, const std::string& message) {
  const arch::Violations found = with(path, more);
  INFO(path << " + " << more);
  REQUIRE(found.size() >= 1);
  CHECK(found.front() == message);
  CHECK(found.size() == 1);
}

std::string joined(const arch::Violations& violations) {
  std::string all;
  for (const auto& violation : violations) all += violation + "\n";
  return all;
}

}  // namespace

TEST_CASE("layering: the headers and examples keep the rules of docs/design.md", "[arch]") {
  const arch::Files files = arch::read_tree(wick_test::source_dir());
  REQUIRE(files.contains("wick/core/version.hpp"));
  const arch::Violations found = arch::check(files);
  INFO(joined(found));
  CHECK(found.empty());
}

TEST_CASE("layering: each handler is a file one reads at a glance", "[arch]") {
  std::size_t handlers = 0, effect = 0;
  for (const auto& [path, text] : arch::read_tree(wick_test::source_dir())) {
    if (!path.starts_with("wick/effect/")) continue;
    std::size_t lines = 0;
    std::istringstream code(arch::without_comments(text));
    for (std::string line; std::getline(code, line);) lines += line.find_first_not_of(" \t") != std::string::npos ? 1 : 0;
    effect += lines;
    if (!path.starts_with("wick/effect/handlers/")) continue;
    handlers += lines;
    INFO(path << ": " << lines << " lines without comments");
    CHECK(lines <= 135);
  }
  CHECK(handlers > 0);
  CHECK(handlers <= 1200);
  CHECK(effect <= 3100);  // with parameter store, traces, plates and the dependency graph
}

TEST_CASE("layering: a sound tree passes", "[arch]") {
  const arch::Violations found = arch::check(sound_tree());
  INFO(joined(found));
  CHECK(found.empty());
  CHECK(with("wick/core/shape.hpp", "// #include <wick/ad/tape.hpp>\n/*\n#include <Eigen/Core>\n*/\n").empty());
  CHECK(with("wick/dist/gamma.hpp", "#include <map>\n").empty());  // not reached from the umbrella
}

TEST_CASE("layering: a header that includes a higher or an equal layer is named", "[arch]") {
  check_refused("wick/core/shape.hpp", "#include <wick/ad/grad.hpp>\n",
                "wick/core/shape.hpp -> wick/ad/grad.hpp: there is no such header");
  check_refused("wick/dist/gamma.hpp", "#include <wick/effect/plate.hpp>\n",
                "wick/dist/gamma.hpp -> wick/effect/plate.hpp: effect (layer 5) is not below dist (layer 4)");
  check_refused("wick/dist/gamma.hpp", "  #  include  \"../effect/plate.hpp\"\n",
                "wick/dist/gamma.hpp -> wick/effect/plate.hpp: effect (layer 5) is not below dist (layer 4)");
  check_refused("wick/tensor/print.hpp", "#include <wick/math/gamma.hpp>\n",
                "wick/tensor/print.hpp -> wick/math/gamma.hpp: math (layer 1) is not below tensor (layer 1)");
  check_refused("wick/math/noise.hpp", "#include <wick/tensor/tensor.hpp>\n",
                "wick/math/noise.hpp -> wick/tensor/tensor.hpp: tensor (layer 1) is not below math (layer 1)");
  check_refused("wick/io/csv.hpp", "#include <wick/infer/svi.hpp>\n",
                "wick/io/csv.hpp -> wick/infer/svi.hpp: infer (layer 6) is not below io (layer 5)");
  check_refused("wick/optim/adam.hpp", "/* why */ #include <wick/effect/plate.hpp>  // here\n",
                "wick/optim/adam.hpp -> wick/effect/plate.hpp: effect (layer 5) is not below optim (layer 3)");
}

TEST_CASE("layering: umbrella, detail, unknown folders and cycles are named", "[arch]") {
  check_refused("wick/io/csv.hpp", "#include <wick/wick.hpp>\n",
                "wick/io/csv.hpp -> wick/wick.hpp: no header includes the umbrella");
  check_refused("wick/io/csv.hpp", "#include <wick/all.hpp>\n",
                "wick/io/csv.hpp -> wick/all.hpp: no header includes the umbrella");
  check_refused("wick/io/csv.hpp", "#include <wick/dist/detail/prep.hpp>\n",
                "wick/io/csv.hpp -> wick/dist/detail/prep.hpp: detail/ belongs to dist/ alone");
  check_refused(
      "wick/util/x.hpp", "",
      "wick/util/x.hpp: the folder \"util\" has no layer; docs/design.md §1 and tests/arch/rules.hpp name them");
  check_refused("wick/core/config.hpp", "#include <wick/core/shape.hpp>\n",
                "wick/core/shape.hpp -> wick/core/config.hpp -> wick/core/shape.hpp: a cycle");
}

TEST_CASE("layering: foreign includes in the wrong place are named", "[arch]") {
  check_refused("wick/core/shape.hpp", "#include <Eigen/Core>\n",
                "wick/core/shape.hpp -> Eigen/Core: core/ includes the standard library only");
  check_refused("wick/dist/normal.hpp", "#include <boost/math/distributions.hpp>\n",
                "wick/dist/normal.hpp -> boost/math/distributions.hpp: only math/ includes Boost");
  check_refused("wick/core/shape.hpp", "#include <boost/config.hpp>\n",
                "wick/core/shape.hpp -> boost/config.hpp: only math/ includes Boost");
  check_refused("wick/io/json.hpp", "#include <nlohmann/json.hpp>\n",
                "wick/io/json.hpp -> nlohmann/json.hpp: not the standard library, Eigen or Boost");
}

TEST_CASE("layering: heavy standard headers below the umbrella are named", "[arch]") {
  for (const std::string name : {"iostream", "sstream", "functional", "map", "regex", "random"}) {
    check_refused("wick/core/shape.hpp", "#include <" + name + ">\n",
                  "wick/core/shape.hpp -> " + name + ": too heavy for a header that wick/wick.hpp reaches");
  }
}

TEST_CASE("layering: examples include the umbrella and the standard library only", "[arch]") {
  check_refused(
      "examples/iris/main.cpp", "#include <wick/infer/svi.hpp>\n",
      "examples/iris/main.cpp -> wick/infer/svi.hpp: an example includes <wick/wick.hpp>, <wick/nn/nn.hpp>, <wick/io/csv.hpp> and the standard library");
  check_refused("examples/iris/main.cpp", "#include <Eigen/Dense>\n",
                "examples/iris/main.cpp -> Eigen/Dense: an example includes <wick/wick.hpp>, <wick/nn/nn.hpp>, <wick/io/csv.hpp> and the standard library");
  check_refused(
      "examples/iris/main.cpp", "#include \"../../include/wick/wick.hpp\"\n",
      "examples/iris/main.cpp -> include/wick/wick.hpp: an example includes <wick/wick.hpp>, <wick/nn/nn.hpp>, <wick/io/csv.hpp> and the standard library");
}

TEST_CASE("layering: what every header must have", "[arch]") {
  std::string lines;
  for (int i = 0; i < arch::max_header_lines; ++i) lines += "\n";
  check_refused("wick/core/shape.hpp", lines, "wick/core/shape.hpp: 403 lines, the budget is 400");
  check_refused("wick/core/shape.hpp", "namespace wick {}\n",
                "wick/core/shape.hpp: a namespace wick without inline WICK_ABI");
  arch::Files files = sound_tree();
  files["wick/core/shape.hpp"] = "// #pragma once\n#include <wick/core/config.hpp>\n";
  CHECK(joined(arch::check(files)) == "wick/core/shape.hpp: no #pragma once\n");
}
