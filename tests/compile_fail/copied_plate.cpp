// expect: (use of|call to).*deleted
#include <wick/effect/plate.hpp>

void f() {
  const wick::plate data("data", 3);
#ifdef WICK_CONTROL
  const auto& same = data;
#else
  const auto same = data;
#endif
  static_cast<void>(same);
}
