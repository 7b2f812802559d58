// expect: ignoring (return )?(value|temporary|returned)|declared (with )?'?nodiscard
#include <wick/effect/handlers/handlers.hpp>

void f() {
#ifdef WICK_CONTROL
  const wick::handlers::block hidden;
#else
  wick::handlers::block();
#endif
}
