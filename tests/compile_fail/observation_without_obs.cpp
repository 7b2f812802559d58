// expect: no matching function for call to .sample
#include <wick/dist/normal.hpp>
#include <wick/effect/primitives.hpp>

void f(const wick::Tensor& y) {
#ifdef WICK_CONTROL
  wick::sample("y", wick::Normal(0.0, 1.0), wick::obs(y));
#else
  wick::sample("y", wick::Normal(0.0, 1.0), y);
#endif
}
