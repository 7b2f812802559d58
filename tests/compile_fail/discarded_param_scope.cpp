// expect: ignoring (return )?(value|temporary|returned)|declared (with )?'?nodiscard
#include <wick/effect/param_store.hpp>

void f(wick::ParamStore& store) {
#ifdef WICK_CONTROL
  const wick::ParamScope scope(store);
#else
  wick::ParamScope{store};
#endif
}
