/// \file
/// The command line that every example understands.
#pragma once

#include <cstdint>
#include <string>

namespace example {

struct Options {
  std::string name;        ///< of the example, and of its folder below `out`
  std::string about;       ///< one line for --help
  long steps;              ///< the default without --quick; then, what is to be done
  long quick_steps = 200;  ///< the default with --quick
  std::uint64_t seed = 1;
  std::string out = "out";
  bool quick = false;
  std::string steps_are = "steps of the fit";  ///< what --steps counts, for --help
};

/// Fills in what the command line says. Prints and exits for --help and for anything it does not understand.
Options read_options(int argc, char** argv, Options defaults);

}  // namespace example
