#include "options.hpp"

#include <cstdio>
#include <cstdlib>

namespace example {
namespace {

std::uint64_t positive_integer(const Options& o, const std::string& option, const std::string& text) {
  const bool digits = !text.empty() && text.size() < 16 && text.find_first_not_of("0123456789") == std::string::npos;
  const std::uint64_t value = digits ? std::strtoull(text.c_str(), nullptr, 10) : 0;
  if (value == 0) refuse(o, option + " wants a positive integer, not \"" + text + "\"");
  return value;
}

void print_help(const Options& o) {
  std::printf("%s [options]: %s\n\n", o.name.c_str(), o.about.c_str());
  std::printf("  --steps N   %s (%ld; with --quick %ld)\n", o.steps_are.c_str(), o.steps, o.quick_steps);
  std::printf("  --seed N    seed of all random numbers (%llu)\n", static_cast<unsigned long long>(o.seed));
  std::printf("  --out DIR   where the numbers and pictures go: DIR/%s (%s)\n", o.name.c_str(), o.out.c_str());
  std::printf("  --quick     a short run: does everything once, reaches nothing\n");
  for (const Extra& e : o.extra) {
    const std::string left = e.option + (e.argument.empty() ? "" : " " + e.argument);
    std::printf("  %-11s %s", left.c_str(), e.about.c_str());
    std::printf(e.value.empty() ? "\n" : " (%s)\n", e.value.c_str());
  }
}

Extra* find(Options& o, const std::string& option) {
  for (Extra& e : o.extra)
    if (e.option == option) return &e;
  return nullptr;
}

void check_value(const Options& o, const Extra& e) {
  if (e.value.empty()) refuse(o, e.option + " wants a value: " + e.argument);
  if (e.one_of.empty()) return;
  std::string choices;
  for (const std::string& one : e.one_of) {
    if (one == e.value) return;
    choices += (choices.empty() ? "" : " or ") + one;
  }
  refuse(o, e.option + " is " + choices + ", not \"" + e.value + "\"");
}

}  // namespace

void refuse(const Options& o, const std::string& why) {
  std::fprintf(stderr, "%s: %s\nTry: %s --help\n", o.name.c_str(), why.c_str(), o.name.c_str());
  std::exit(2);
}

const Extra& Options::operator[](const std::string& option) const {
  for (const Extra& e : extra)
    if (e.option == option) return e;
  refuse(*this, "there is no option " + option);
}
long Options::integer(const std::string& option) const {
  return static_cast<long>(positive_integer(*this, option, (*this)[option].value));
}
double Options::number(const std::string& option) const {
  const std::string& text = (*this)[option].value;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') refuse(*this, option + " wants a number, not \"" + text + "\"");
  return value;
}

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
      print_help(o);
      std::exit(0);
    }
    if (option == "--quick" && equals == std::string::npos) {
      o.quick = true;
      continue;
    }
    Extra* own = find(o, option);
    if (own != nullptr && own->argument.empty()) {
      if (equals != std::string::npos) refuse(o, option + " takes no value");
      own->given = true;
      continue;
    }
    if (own == nullptr && option != "--steps" && option != "--seed" && option != "--out")
      refuse(o, std::string("there is no option ") + argv[i]);
    if (equals == std::string::npos) {
      if (i + 1 == argc) refuse(o, option + " wants a value");
      value = argv[++i];
    }
    if (own != nullptr) {
      own->value = value;
      own->given = true;
      check_value(o, *own);
    } else if (option == "--steps") {
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
