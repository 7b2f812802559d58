// A program of a user: prints the library's version and a sum computed in two translation units.
#include <wick/wick.hpp>

#include <cstdio>

double sum_elsewhere();

int main() {
  wick::Tensor t = wick::ones({3});
  const double here = wick::sum(t).item();
  std::printf("wick %d.%d.%d: %g + %g\n", WICK_VERSION_MAJOR, WICK_VERSION_MINOR, WICK_VERSION_PATCH, here,
              sum_elsewhere());
}
