#include "catch.hpp"

#include <boost/math/special_functions/erf.hpp>

#include <wick/math/normal.hpp>

#include "math/ulp.hpp"

namespace {

using wick::math::Packet;
using wick_test::Arguments;
using wick_test::inf;
using wick_test::quiet_nan;
using wick_test::same;

constexpr int many = 1000000;

const auto erf_of = [](const Packet& x) { return erf(x); };
const auto erfc_of = [](const Packet& x) { return erfc(x); };
const auto ndtri_of = [](const Packet& x) { return ndtri(x); };

// The quantile to long double accuracy: Halley's steps on the nearer tail, from the value under test.
long double quantile(long double p) {
  const bool low = p < 0.5L;
  const long double q = low ? p : 1.0L - p;
  long double x = -std::fabs(static_cast<long double>(ndtri(Packet(static_cast<double>(p))).lane(0)));
  for (int i = 0; i < 3; ++i) {
    const long double f =
        (0.5L * std::erfc(-x * std::sqrt(0.5L)) - q) * std::sqrt(2 * std::acos(-1.0L)) * std::exp(x * x / 2);
    x -= f / (1 + x * f / 2);
  }
  return low ? x : -x;
}

}  // namespace

TEST_CASE("erf: within 1.5 ulp", "[math]") {
  Arguments a(51);
  const auto reference = [](long double x) { return std::erf(x); };
  WICK_REQUIRE_CLOSE(
      1.5, erf_of, reference, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(
      1.5, erf_of, reference, [&] { return a.uniform(-7, 7); }, many / 2);
  WICK_REQUIRE_CLOSE(
      1.5, erf_of, [](long double x) { return boost::math::erf(x); }, [&] { return a.uniform(-3, 3); }, 20000);
}

TEST_CASE("erfc: within 8 ulp", "[math]") {
  Arguments a(52);
  const auto reference = [](long double x) { return std::erfc(x); };
  WICK_REQUIRE_CLOSE(
      8.0, erfc_of, reference, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(
      8.0, erfc_of, reference, [&] { return a.uniform(-28, 28); }, many / 2);
  WICK_REQUIRE_CLOSE(
      8.0, erfc_of, reference, [&] { return a.uniform(-2, 2); }, many / 2);
  WICK_REQUIRE_CLOSE(
      8.0, erfc_of, [](long double x) { return boost::math::erfc(x); }, [&] { return a.uniform(-3, 26); }, 20000);
}

TEST_CASE("erf and erfc: edges", "[math]") {
  CHECK(same(erf(Packet(-0.0)).lane(0), -0.0));
  CHECK(same(erf(Packet(inf)).lane(0), 1.0));
  CHECK(same(erf(Packet(-inf)).lane(0), -1.0));
  CHECK(same(erf(Packet(quiet_nan)).lane(0), quiet_nan));
  CHECK(same(erfc(Packet(0.0)).lane(0), 1.0));
  CHECK(same(erfc(Packet(inf)).lane(0), 0.0));
  CHECK(same(erfc(Packet(-inf)).lane(0), 2.0));
  CHECK(same(erfc(Packet(30.0)).lane(0), 0.0));
  CHECK(same(erfc(Packet(quiet_nan)).lane(0), quiet_nan));
}

TEST_CASE("ndtri: within 4 ulp at the arguments noise has", "[math]") {
  Arguments a(53);
  WICK_REQUIRE_CLOSE(
      4.0, ndtri_of, quantile, [&] { return a.uniform(0x1p-54, 1); }, many / 4);
  WICK_REQUIRE_CLOSE(
      4.0, ndtri_of, quantile, [&] { return a.log_uniform(0x1p-54, 0.5); }, many / 4);
  WICK_REQUIRE_CLOSE(
      4.0, ndtri_of, quantile, [&] { return 1 - a.log_uniform(0x1p-50, 0.5); }, many / 4);
  WICK_REQUIRE_CLOSE(
      4.0, ndtri_of, quantile, [&] { return 0.5 + a.log_uniform(1e-15, 0.4); }, many / 4);
}

TEST_CASE("ndtri: within 6 ulp in the far tail", "[math]") {
  Arguments a(54);
  WICK_REQUIRE_CLOSE(
      6.0, ndtri_of, quantile, [&] { return a.log_uniform(1e-307, 1e-15); }, many / 4);
}

TEST_CASE("ndtri: edges, symmetry and order", "[math]") {
  CHECK(same(ndtri(Packet(0.5)).lane(0), 0.0));
  CHECK(same(ndtri(Packet(0.0)).lane(0), -inf));
  CHECK(same(ndtri(Packet(1.0)).lane(0), inf));
  CHECK(same(ndtri(Packet(-0.1)).lane(0), quiet_nan));
  CHECK(same(ndtri(Packet(1.1)).lane(0), quiet_nan));
  CHECK(same(ndtri(Packet(inf)).lane(0), quiet_nan));
  CHECK(same(ndtri(Packet(quiet_nan)).lane(0), quiet_nan));
  CHECK(ndtri(Packet(4.9406564584124654e-324)).lane(0) == Approx(-38.467405617144344).epsilon(1e-14));
  Arguments a(55);
  for (int i = 0; i < 10000; ++i) {
    const double p = std::ldexp(std::floor(a.uniform(1, 0x1p52)), -53);  // p and 1 - p are both doubles
    REQUIRE(same(ndtri(Packet(p)).lane(0), -ndtri(Packet(1 - p)).lane(0)));
  }
  // The seam between the two formulas: no step back.
  double last = -inf;
  for (int i = -4000; i <= 4000; ++i) {
    const double x = ndtri(Packet(0.0004828472 + i * 1e-15)).lane(0);
    REQUIRE(x >= last - 2 * wick_test::ulp_at(x));
    last = x;
  }
}
