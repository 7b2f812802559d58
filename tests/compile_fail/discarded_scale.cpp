// expect: ignoring (return )?(value|temporary|returned)|declared (with )?'?nodiscard
#include <wick/effect/handlers/handlers.hpp>

void f() {
#ifdef WICK_CONTROL
  const wick::handlers::scale annealed(0.5);
#else
  wick::handlers::scale(0.5);
#endif
}
