#include "catch.hpp"

#include <wick/math/trig.hpp>

#include "math/ulp.hpp"

namespace {

using wick::math::Packet;
using wick_test::Arguments;
using wick_test::inf;
using wick_test::quiet_nan;
using wick_test::same;

constexpr int many = 1000000;

const auto sin_of = [](const Packet& x) { return sin(x); };
const auto cos_of = [](const Packet& x) { return cos(x); };
const auto sine = [](long double x) { return std::sin(x); };
const auto cosine = [](long double x) { return std::cos(x); };

}  // namespace

TEST_CASE("sin and cos: within 1 ulp", "[math]") {
  Arguments a(81);
  WICK_REQUIRE_CLOSE(1.0, sin_of, sine, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(1.0, cos_of, cosine, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(1.0, sin_of, sine, [&] { return a.uniform(-7, 7); }, many);
  WICK_REQUIRE_CLOSE(1.0, cos_of, cosine, [&] { return a.uniform(-7, 7); }, many);
  WICK_REQUIRE_CLOSE(1.0, sin_of, sine, [&] { return a.uniform(-1.1e6, 1.1e6); }, many);
  WICK_REQUIRE_CLOSE(1.0, cos_of, cosine, [&] { return a.uniform(-1.1e6, 1.1e6); }, many);
}

TEST_CASE("sin and cos: within 1 ulp of the doubles next to their zeros", "[math]") {
  Arguments a(82);
  const auto near_zero = [&] { return static_cast<double>(std::floor(a.uniform(0, 636000)) * (std::acos(-1.0L) / 2)); };
  // The reference's own pi has 66 bits: it is good for so much of what is left.
  WICK_REQUIRE_CLOSE(1.0, sin_of, sine, near_zero, many / 2);
  WICK_REQUIRE_CLOSE(1.0, cos_of, cosine, near_zero, many / 2);
}

TEST_CASE("sin and cos: edges", "[math]") {
  CHECK(same(sin(Packet(0.0)).lane(3), 0.0));
  CHECK(same(sin(Packet(-0.0)).lane(3), -0.0));
  CHECK(same(cos(Packet(-0.0)).lane(3), 1.0));
  CHECK(same(sin(Packet(5e-324)).lane(3), 5e-324));
  for (const double x : {inf, -inf, quiet_nan}) {
    CHECK(std::isnan(sin(Packet(x)).lane(0)));
    CHECK(std::isnan(cos(Packet(x)).lane(7)));
  }
}
