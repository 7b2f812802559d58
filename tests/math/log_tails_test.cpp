#include "catch.hpp"

#include <wick/math/log_tails.hpp>

#include "math/ulp.hpp"

namespace {

using wick::math::Packet;
using wick_test::Arguments;
using wick_test::inf;
using wick_test::quiet_nan;
using wick_test::same;

constexpr int many = 400000;

const auto log_ndtr_of = [](const Packet& x) { return log_ndtr(x); };
const auto slope_of = [](const Packet& x) { return log_ndtr_slope(x); };
const auto log1mexp_of = [](const Packet& x) { return log1mexp(x); };

/// P(Z > a) e^(a^2/2) by its continued fraction, a > 5.
long double scaled_tail(long double a) {
  long double f = a;
  for (int k = 400; k > 0; --k) f = a + k / f;
  return 1 / (f * std::sqrt(2 * std::acos(-1.0L)));
}
long double log_ndtr_reference(long double x) {
  if (x < -5) return std::log(scaled_tail(-x)) - x * x / 2;
  const long double tail = std::erfc(std::fabs(x) * std::sqrt(0.5L)) / 2;
  return x > 0 ? std::log1p(-tail) : std::log(tail);
}
long double slope_reference(long double x) {
  const long double root = std::sqrt(2 * std::acos(-1.0L));
  if (x < -5) return 1 / (root * scaled_tail(-x));
  return std::exp(-x * x / 2) / root / (std::erfc(-x * std::sqrt(0.5L)) / 2);
}
long double log1mexp_reference(long double x) {
  const long double a = std::fabs(x);
  return a < 0.7L ? std::log(-std::expm1(-a)) : std::log1p(-std::exp(-a));
}

}  // namespace

TEST_CASE("log_ndtr: within 4 ulp, in the upper tail 8", "[math]") {
  Arguments a(83);
  WICK_REQUIRE_CLOSE(4.0, log_ndtr_of, log_ndtr_reference, [&] { return a.uniform(-40, 0); }, many);
  WICK_REQUIRE_CLOSE(8.0, log_ndtr_of, log_ndtr_reference, [&] { return a.uniform(0, 38.4); }, many);
  WICK_REQUIRE_CLOSE(4.0, log_ndtr_of, log_ndtr_reference, [&] { return a.uniform(-5, 0); }, many);
  WICK_REQUIRE_CLOSE(4.0, log_ndtr_of, log_ndtr_reference, [&] { return -a.log_uniform(30, 1e150); }, many);
}

TEST_CASE("log_ndtr_slope: its derivative", "[math]") {
  Arguments a(84);
  using wick_test::Unit;
  WICK_REQUIRE_CLOSE(2e-15, slope_of, slope_reference, [&] { return a.uniform(-40, 6); }, many, Unit::relative);
  WICK_REQUIRE_CLOSE(2e-15, slope_of, slope_reference, [&] { return a.uniform(-2, 2); }, many, Unit::relative);
  WICK_REQUIRE_CLOSE(2e-15, slope_of, slope_reference, [&] { return -a.log_uniform(30, 1e150); }, many, Unit::relative);
  WICK_REQUIRE_CLOSE(2e-13, slope_of, slope_reference, [&] { return a.uniform(6, 37); }, many, Unit::relative);
}

TEST_CASE("log1mexp: within 3 ulp for small and large arguments of either sign", "[math]") {
  Arguments a(85);
  WICK_REQUIRE_CLOSE(3.0, log1mexp_of, log1mexp_reference, [&] { return a.log_uniform(1e-300, 700); }, many);
  WICK_REQUIRE_CLOSE(3.0, log1mexp_of, log1mexp_reference, [&] { return a.uniform(-3, 3); }, many);
}

TEST_CASE("log_ndtr and log1mexp: edges", "[math]") {
  CHECK(log_ndtr(Packet(inf)).lane(0) == 0.0);
  CHECK(same(log_ndtr(Packet(-inf)).lane(0), -inf));
  CHECK(same(log_ndtr(Packet(-1e200)).lane(0), -inf));
  CHECK(same(log_ndtr(Packet(quiet_nan)).lane(0), quiet_nan));
  CHECK(same(log_ndtr_slope(Packet(inf)).lane(0), 0.0));
  CHECK(same(log_ndtr_slope(Packet(-inf)).lane(0), inf));
  CHECK(same(log_ndtr_slope(Packet(quiet_nan)).lane(0), quiet_nan));
  CHECK(same(log1mexp(Packet(0.0)).lane(0), -inf));
  CHECK(log1mexp(Packet(inf)).lane(0) == 0.0);
  CHECK(log1mexp(Packet(-inf)).lane(0) == 0.0);
  CHECK(same(log1mexp(Packet(quiet_nan)).lane(0), quiet_nan));
}
