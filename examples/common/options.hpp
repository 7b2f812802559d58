/// \file
/// The command line that every example understands.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace example {

/// An option that one example has beside those of all.
struct Extra {
  std::string option;    ///< as "--data"
  std::string argument;  ///< what --help calls its value, as "FILE"; empty: the option takes none
  std::string about;     ///< for --help
  std::string value;     ///< the default; then, what was given
  bool given = false;
  std::vector<std::string> one_of = {};  ///< if not empty, the only values there are
};

struct Options {
  std::string name;        ///< of the example, and of its folder below `out`
  std::string about;       ///< one line for --help
  long steps;              ///< the default without --quick; then, what is to be done
  long quick_steps = 200;  ///< the default with --quick
  std::uint64_t seed = 1;
  std::string out = "out";
  bool quick = false;
  std::string steps_are = "steps of the fit";  ///< what --steps counts, for --help
  std::vector<Extra> extra = {};

  /// The example's own option of that name, which it has.
  const Extra& operator[](const std::string& option) const;
  /// Its value as a positive integer, as a number; prints and exits where it is none.
  long integer(const std::string& option) const;
  double number(const std::string& option) const;
};

/// Prints why the command line cannot be followed, and exits.
[[noreturn]] void refuse(const Options& o, const std::string& why);

/// Fills in what the command line says. Prints and exits for --help and for anything it does not understand.
Options read_options(int argc, char** argv, Options defaults);

}  // namespace example
