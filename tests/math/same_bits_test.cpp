// Packet and scalar versions are one formula; built with -ffp-contract=off they must agree to the bit, in every lane.
#include "catch.hpp"

#include <wick/math/special.hpp>

#include "math/ulp.hpp"

namespace {

using wick::math::Packet;
using wick::math::Scalar;
using wick_test::same;

// Half of the arguments are ordinary, so that packets mix ordinary and special lanes.
template <class F>
int differences(F f, int n) {
  wick_test::Arguments a(61);
  int count = 0;
  double x[8], y[8];
  for (int i = 0; i < n; i += 8) {
    for (int j = 0; j < 8; ++j)
      x[j] = (i / 8 + j) % 3 == 0 ? a.bits() : (i / 8) % 2 == 0 ? a.uniform(-40, 40) : a.uniform(0, 1);
    f(Packet::load(x)).store(y);
    for (int j = 0; j < 8; ++j) count += same(f(Scalar(x[j])).v, y[j]) ? 0 : 1;
  }
  return count;
}

constexpr int many = 200000;

}  // namespace

#define WICK_SAME_BITS(expression)                                           \
  do {                                                                       \
    INFO(#expression);                                                       \
    CHECK(differences([](const auto& x) { return expression; }, many) == 0); \
  } while (false)

TEST_CASE("math: packets and scalars give the same bits", "[math]") {
  WICK_SAME_BITS(exp(x));
  WICK_SAME_BITS(expm1(x));
  WICK_SAME_BITS(log(x));
  WICK_SAME_BITS(log1p(x));
  WICK_SAME_BITS(tanh(x));
  WICK_SAME_BITS(sigmoid(x));
  WICK_SAME_BITS(softplus(x));
  WICK_SAME_BITS(lgamma(x));
  WICK_SAME_BITS(digamma(x));
  WICK_SAME_BITS(trigamma(x));
  WICK_SAME_BITS(erf(x));
  WICK_SAME_BITS(erfc(x));
  WICK_SAME_BITS(ndtri(x));
  WICK_SAME_BITS(pow(x, 2.5));
  WICK_SAME_BITS(pow(1.3, x));
  WICK_SAME_BITS(sin(x));
  WICK_SAME_BITS(cos(x));
  WICK_SAME_BITS(log_ndtr(x));
  WICK_SAME_BITS(log_ndtr_slope(x));
  WICK_SAME_BITS(log1mexp(x));
  WICK_SAME_BITS(lbeta(x, 2.5));
  WICK_SAME_BITS(lbeta(0.3, x));
  WICK_SAME_BITS(lbeta_slope(x, std::decay_t<decltype(x)>(2.5)));
  WICK_SAME_BITS(polygamma(2.0, x));
  WICK_SAME_BITS(sqrt(x));
  WICK_SAME_BITS(floor(x));
}
