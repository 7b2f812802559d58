// expect: ignoring (return )?(value|temporary|returned)|declared (with )?'?nodiscard
#include <wick/effect/plate.hpp>

void f() {
#ifdef WICK_CONTROL
  const wick::plate data("data", 3);
#else
  wick::plate("data", 3);
#endif
}
