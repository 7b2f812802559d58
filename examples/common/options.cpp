#include "options.hpp"

#include <cstdio>
#include <cstdlib>

namespace example {
namespace {

[[noreturn]] void refuse(const Options& o, const std::string& why) {
  std::fprintf(stderr, "%s: %s\nTry: %s --help\n", o.name.c_str(), why.c_str(), o.name.c_str());
  std::exit(2);
}

std::uint64_t positive_integer(const Options& o, const std::string& option, const std::string& text) {
  const bool digits = !text.empty() && text.size() < 16 && text.find_first_not_of("0123456789") == std::string::npos;
  const std::uint64_t value = digits ? std::strtoull(text.c_str(), nullptr, 10) : 0;
  if (value == 0) refuse(o, option + " wants a positive integer, not \"" + text + "\"");
  return value;
}

}  // namespace

Options read_options(int argc, char** argv, Options o) {
  bool steps_given = false;
  for (int i = 1; i < argc; ++i) {
    std::string option = argv[i], value;
    const std::size_t equals = option.find('=');
    if (equals != std::string::npos) {
      value = option.substr(equals + 1);
      option.resize(equals);
    }
    if (option == "--help" || option == "-h") {
      std::printf("%s [options]: %s\n\n", o.name.c_str(), o.about.c_str());
      std::printf("  --steps N   %s (%ld; with --quick %ld)\n", o.steps_are.c_str(), o.steps, o.quick_steps);
      std::printf("  --seed N    seed of all random numbers (%llu)\n", static_cast<unsigned long long>(o.seed));
      std::printf("  --out DIR   where the numbers and pictures go: DIR/%s (%s)\n", o.name.c_str(), o.out.c_str());
      std::printf("  --quick     a short run: does everything once, reaches nothing\n");
      std::exit(0);
    }
    if (option == "--quick" && equals == std::string::npos) {
      o.quick = true;
      continue;
    }
    if (option != "--steps" && option != "--seed" && option != "--out")
      refuse(o, std::string("there is no option ") + argv[i]);
    if (equals == std::string::npos) {
      if (i + 1 == argc) refuse(o, option + " wants a value");
      value = argv[++i];
    }
    if (option == "--steps") {
      o.steps = static_cast<long>(positive_integer(o, option, value));
      steps_given = true;
    } else if (option == "--seed") {
      o.seed = positive_integer(o, option, value);
    } else {
      if (value.empty()) refuse(o, "--out wants the name of a folder");
      o.out = value;
    }
  }
  if (o.quick && !steps_given) o.steps = o.quick_steps;
  return o;
}

}  // namespace example
