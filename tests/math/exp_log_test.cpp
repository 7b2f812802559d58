#include "catch.hpp"

#include <wick/math/exp_log.hpp>

#include "math/ulp.hpp"

namespace {

using wick::math::Packet;
using wick_test::Arguments;
using wick_test::from_bits_of;
using wick_test::inf;
using wick_test::quiet_nan;
using wick_test::same;

constexpr int many = 1000000;
constexpr double tiniest = 4.9406564584124654e-324;

const auto exp_of = [](const Packet& x) { return exp(x); };
const auto expm1_of = [](const Packet& x) { return expm1(x); };
const auto log_of = [](const Packet& x) { return log(x); };
const auto log1p_of = [](const Packet& x) { return log1p(x); };

// The value in a lane whose neighbours are ordinary numbers.
template <class F>
double at(F f, double x) {
  Packet p = 0.75;
  p.set_lane(5, x);
  return f(p).lane(5);
}

}  // namespace

TEST_CASE("exp: within 1.2 ulp at random bit patterns and over its range", "[math]") {
  Arguments a(11);
  const auto reference = [](long double x) { return std::exp(x); };
  WICK_REQUIRE_CLOSE(
      1.2, exp_of, reference, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(
      1.2, exp_of, reference, [&] { return a.uniform(-708, 709); }, many / 2);
  WICK_REQUIRE_CLOSE(
      1.2, exp_of, reference, [&] { return a.uniform(-1, 1); }, many / 2);
  WICK_REQUIRE_CLOSE(
      1.2, exp_of, reference, [&] { return a.uniform(-746, -700); }, many / 10);  // subnormal results
}

TEST_CASE("exp: edges", "[math]") {
  CHECK(same(at(exp_of, 0.0), 1.0));
  CHECK(same(at(exp_of, -0.0), 1.0));
  CHECK(same(at(exp_of, inf), inf));
  CHECK(same(at(exp_of, -inf), 0.0));
  CHECK(same(at(exp_of, quiet_nan), quiet_nan));
  CHECK(same(at(exp_of, 709.782712893384), std::exp(709.782712893384)));  // the largest with a finite result
  CHECK(same(at(exp_of, 709.7827128933841), inf));
  CHECK(same(at(exp_of, 710.0), inf));
  CHECK(same(at(exp_of, 1e300), inf));
  CHECK(same(at(exp_of, -745.1332191019411), tiniest));
  CHECK(same(at(exp_of, -745.1332191019412), 0.0));
  CHECK(same(at(exp_of, -1e300), 0.0));
  CHECK(same(at(exp_of, tiniest), 1.0));
}

TEST_CASE("expm1: within 1.2 ulp at random bit patterns and over its range", "[math]") {
  Arguments a(12);
  const auto reference = [](long double x) { return std::expm1(x); };
  WICK_REQUIRE_CLOSE(
      1.2, expm1_of, reference, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(
      1.2, expm1_of, reference, [&] { return a.uniform(-50, 720); }, many / 2);
  WICK_REQUIRE_CLOSE(
      1.2, expm1_of, reference, [&] { return a.uniform(-1, 1); }, many / 2);
}

TEST_CASE("expm1: edges", "[math]") {
  CHECK(same(at(expm1_of, 0.0), 0.0));
  CHECK(same(at(expm1_of, -0.0), -0.0));
  CHECK(same(at(expm1_of, tiniest), tiniest));
  CHECK(same(at(expm1_of, -tiniest), -tiniest));
  CHECK(same(at(expm1_of, inf), inf));
  CHECK(same(at(expm1_of, -inf), -1.0));
  CHECK(same(at(expm1_of, quiet_nan), quiet_nan));
  CHECK(same(at(expm1_of, 709.7827128933841), inf));
  CHECK(same(at(expm1_of, 709.0), std::exp(709.0)));
  CHECK(same(at(expm1_of, -1e300), -1.0));
}

TEST_CASE("log: within 1 ulp at random bit patterns and over its range", "[math]") {
  Arguments a(13);
  const auto reference = [](long double x) { return std::log(x); };
  WICK_REQUIRE_CLOSE(
      1.0, log_of, reference, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(
      1.0, log_of, reference, [&] { return a.uniform(0.5, 2); }, many / 2);
  WICK_REQUIRE_CLOSE(
      1.0, log_of, reference, [&] { return a.uniform(0.99, 1.01); }, many / 2);
  WICK_REQUIRE_CLOSE(
      1.0, log_of, reference, [&] { return a.positive_bits() * 0x1p-1022; }, many / 10);
}

TEST_CASE("log: edges", "[math]") {
  CHECK(same(at(log_of, 1.0), 0.0));
  CHECK(same(at(log_of, 0.0), -inf));
  CHECK(same(at(log_of, -0.0), -inf));
  CHECK(same(at(log_of, inf), inf));
  CHECK(same(at(log_of, -inf), quiet_nan));
  CHECK(same(at(log_of, -1.0), quiet_nan));
  CHECK(same(at(log_of, -tiniest), quiet_nan));
  CHECK(same(at(log_of, quiet_nan), quiet_nan));
  CHECK(same(at(log_of, tiniest), -744.4400719213812));
  CHECK(same(at(log_of, from_bits_of(0x0010000000000000)), -708.3964185322641));
  CHECK(same(at(log_of, from_bits_of(0x7fefffffffffffff)), 709.782712893384));
}

TEST_CASE("log1p: within 1 ulp at random bit patterns and over its range", "[math]") {
  Arguments a(14);
  const auto reference = [](long double x) { return std::log1p(x); };
  WICK_REQUIRE_CLOSE(
      1.0, log1p_of, reference, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(
      1.0, log1p_of, reference, [&] { return a.uniform(-1, 3); }, many / 2);
  WICK_REQUIRE_CLOSE(
      1.0, log1p_of, reference, [&] { return a.uniform(-0.1, 0.1); }, many / 2);
  WICK_REQUIRE_CLOSE(
      1.0, log1p_of, reference, [&] { return a.log_uniform(1e-20, 1e20); }, many / 2);
  WICK_REQUIRE_CLOSE(
      1.0, log1p_of, reference, [&] { return -a.log_uniform(1e-20, 1); }, many / 2);
}

TEST_CASE("log1p: edges", "[math]") {
  CHECK(same(at(log1p_of, 0.0), 0.0));
  CHECK(same(at(log1p_of, -0.0), -0.0));
  CHECK(same(at(log1p_of, tiniest), tiniest));
  CHECK(same(at(log1p_of, -1.0), -inf));
  CHECK(same(at(log1p_of, -1.0000000000000002), quiet_nan));
  CHECK(same(at(log1p_of, -inf), quiet_nan));
  CHECK(same(at(log1p_of, inf), inf));
  CHECK(same(at(log1p_of, quiet_nan), quiet_nan));
  CHECK(same(at(log1p_of, from_bits_of(0x7fefffffffffffff)), 709.782712893384));
}
