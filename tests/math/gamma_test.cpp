#include "catch.hpp"

#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/trigamma.hpp>

#include <wick/math/gamma.hpp>

#include "math/ulp.hpp"

namespace {

using wick::math::Packet;
using wick_test::Arguments;
using wick_test::inf;
using wick_test::quiet_nan;
using wick_test::same;
using wick_test::Unit;

constexpr int many = 1000000;

const auto lgamma_of = [](const Packet& x) { return lgamma(x); };
const auto digamma_of = [](const Packet& x) { return digamma(x); };
const auto trigamma_of = [](const Packet& x) { return trigamma(x); };

// glibc's has an error below 1e-18 here and is fast enough for many points; boost's is the second opinion.
const auto lgamma_reference = [](long double x) { return std::lgamma(x); };
const auto lgamma_boost = [](long double x) { return boost::math::lgamma(x); };
const auto digamma_boost = [](long double x) { return boost::math::digamma(x); };
const auto trigamma_boost = [](long double x) { return boost::math::trigamma(x); };

double lgamma_at(double x) { return lgamma(Packet(x)).lane(7); }
double digamma_at(double x) { return digamma(Packet(x)).lane(7); }
double trigamma_at(double x) { return trigamma(Packet(x)).lane(7); }

}  // namespace

TEST_CASE("lgamma: positive arguments", "[math]") {
  Arguments a(41);
  WICK_REQUIRE_CLOSE(
      1e-15, lgamma_of, lgamma_reference, [&] { return a.log_uniform(1e-300, 0.5); }, many, Unit::relative);
  WICK_REQUIRE_CLOSE(
      3e-16, lgamma_of, lgamma_reference, [&] { return a.uniform(0.5, 3); }, many, Unit::absolute);
  WICK_REQUIRE_CLOSE(
      3e-15, lgamma_of, lgamma_reference, [&] { return a.uniform(0.5, 3); }, many, Unit::relative);
  WICK_REQUIRE_CLOSE(
      1e-15, lgamma_of, lgamma_reference, [&] { return a.uniform(3, 100); }, many, Unit::relative);
  WICK_REQUIRE_CLOSE(
      1e-15, lgamma_of, lgamma_reference, [&] { return a.log_uniform(3, 2.5e305); }, many, Unit::relative);
  WICK_REQUIRE_CLOSE(
      1e-15, lgamma_of, lgamma_boost, [&] { return a.log_uniform(2.5, 1e6); }, 20000, Unit::relative);
  WICK_REQUIRE_CLOSE(
      4e-16, lgamma_of, lgamma_boost, [&] { return a.uniform(0.4, 3); }, 20000, Unit::absolute);
}

TEST_CASE("lgamma: both sides of its changes of formula", "[math]") {
  Arguments a(42);
  for (double centre : {0.5, 1.0, 1.5, 2.0, 2.5, 3.5, 4.5}) {
    const double limit = 4e-16 * std::max(1.0, std::lgamma(centre));
    WICK_REQUIRE_CLOSE(
        limit, lgamma_of, lgamma_reference, [&] { return centre + a.uniform(-1e-9, 1e-9); }, 8000, Unit::absolute);
    CHECK(lgamma_at(centre) == Approx(std::lgamma(centre)).margin(1e-16).epsilon(1e-15));
  }
  CHECK(same(lgamma_at(1.0), 0.0));
  CHECK(same(lgamma_at(2.0), 0.0));
}

TEST_CASE("lgamma: negative arguments by reflection", "[math]") {
  Arguments a(43);
  WICK_REQUIRE_CLOSE(
      1e-13, lgamma_of, lgamma_boost, [&] { return a.uniform(-30, -1e-6); }, 20000, Unit::absolute);
  CHECK(lgamma_at(-1e-300) == Approx(690.7755278982137));
  CHECK(same(lgamma_at(-1.0), inf));
  CHECK(same(lgamma_at(-17.0), inf));
  CHECK(same(lgamma_at(-1e300), inf));
}

TEST_CASE("lgamma: edges", "[math]") {
  CHECK(same(lgamma_at(0.0), inf));
  CHECK(same(lgamma_at(-0.0), inf));
  CHECK(same(lgamma_at(inf), inf));
  CHECK(same(lgamma_at(-inf), inf));
  CHECK(same(lgamma_at(quiet_nan), quiet_nan));
  CHECK(lgamma_at(5e-324) == Approx(744.4400719213812));
  CHECK(same(lgamma_at(1e306), inf));
  CHECK(same(lgamma_at(1.7e308), inf));
}

TEST_CASE("digamma: positive arguments", "[math]") {
  Arguments a(44);
  WICK_REQUIRE_CLOSE(
      4e-15, digamma_of, digamma_boost, [&] { return a.log_uniform(1e-300, 1); }, many / 4, Unit::relative);
  WICK_REQUIRE_CLOSE(
      2.5e-15, digamma_of, digamma_boost, [&] { return a.uniform(1, 2); }, many / 4, Unit::absolute);
  WICK_REQUIRE_CLOSE(
      5e-15, digamma_of, digamma_boost, [&] { return a.uniform(2, 10); }, many / 4, Unit::relative);
  WICK_REQUIRE_CLOSE(
      1e-15, digamma_of, digamma_boost, [&] { return a.log_uniform(8, 1e300); }, many / 4, Unit::relative);
}

TEST_CASE("digamma: negative arguments and edges", "[math]") {
  Arguments a(45);
  WICK_REQUIRE_CLOSE(
      1e-12, digamma_of, digamma_boost, [&] { return std::floor(a.uniform(-30, 0)) + a.uniform(0.1, 0.9); }, 20000,
      Unit::absolute);
  CHECK(same(digamma_at(0.0), -inf));
  CHECK(same(digamma_at(-0.0), inf));
  CHECK(same(digamma_at(-3.0), quiet_nan));
  CHECK(same(digamma_at(inf), inf));
  CHECK(same(digamma_at(-inf), quiet_nan));
  CHECK(same(digamma_at(quiet_nan), quiet_nan));
  CHECK(same(digamma_at(1e-310), -inf));
  CHECK(digamma_at(1.4616321449683623) == Approx(0.0).margin(2e-15));
}

TEST_CASE("trigamma: positive arguments", "[math]") {
  Arguments a(46);
  WICK_REQUIRE_CLOSE(
      1.5e-15, trigamma_of, trigamma_boost, [&] { return a.log_uniform(1e-100, 1e100); }, many / 4, Unit::relative);
  WICK_REQUIRE_CLOSE(
      1.5e-15, trigamma_of, trigamma_boost, [&] { return a.uniform(0, 20); }, many / 4, Unit::relative);
}

TEST_CASE("trigamma: negative arguments and edges", "[math]") {
  Arguments a(47);
  WICK_REQUIRE_CLOSE(
      1e-12, trigamma_of, trigamma_boost, [&] { return std::floor(a.uniform(-30, 0)) + a.uniform(0.1, 0.9); }, 20000,
      Unit::relative);
  CHECK(same(trigamma_at(0.0), inf));
  CHECK(same(trigamma_at(-4.0), inf));
  CHECK(same(trigamma_at(inf), 0.0));
  CHECK(same(trigamma_at(-inf), quiet_nan));
  CHECK(same(trigamma_at(quiet_nan), quiet_nan));
  CHECK(trigamma_at(1e-151) == Approx(1e302));
  CHECK(same(trigamma_at(1e-160), inf));
}
