#include "catch.hpp"

#include <wick/math/hyperbolic.hpp>

#include "math/ulp.hpp"

namespace {

using wick::math::Packet;
using wick_test::Arguments;
using wick_test::inf;
using wick_test::quiet_nan;
using wick_test::same;

constexpr int many = 1000000;

const auto tanh_of = [](const Packet& x) { return tanh(x); };
const auto sigmoid_of = [](const Packet& x) { return sigmoid(x); };
const auto softplus_of = [](const Packet& x) { return softplus(x); };

long double sigmoid_reference(long double x) { return 1.0L / (1.0L + std::exp(-x)); }
long double softplus_reference(long double x) { return x > 60 ? x : std::log1p(std::exp(x)); }

}  // namespace

TEST_CASE("tanh: within 3 ulp", "[math]") {
  Arguments a(21);
  const auto reference = [](long double x) { return std::tanh(x); };
  WICK_REQUIRE_CLOSE(
      3.0, tanh_of, reference, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(
      3.0, tanh_of, reference, [&] { return a.uniform(-20, 20); }, many / 2);
  WICK_REQUIRE_CLOSE(
      3.0, tanh_of, reference, [&] { return a.uniform(-1, 1); }, many / 2);
}

TEST_CASE("sigmoid: within 3 ulp in both tails", "[math]") {
  Arguments a(22);
  WICK_REQUIRE_CLOSE(
      3.0, sigmoid_of, sigmoid_reference, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(
      3.0, sigmoid_of, sigmoid_reference, [&] { return a.uniform(-750, 50); }, many / 2);
  WICK_REQUIRE_CLOSE(
      3.0, sigmoid_of, sigmoid_reference, [&] { return a.uniform(-5, 5); }, many / 2);
}

TEST_CASE("softplus: within 3 ulp in both tails", "[math]") {
  Arguments a(23);
  WICK_REQUIRE_CLOSE(
      3.0, softplus_of, softplus_reference, [&] { return a.bits(); }, many);
  WICK_REQUIRE_CLOSE(
      3.0, softplus_of, softplus_reference, [&] { return a.uniform(-750, 50); }, many / 2);
  WICK_REQUIRE_CLOSE(
      3.0, softplus_of, softplus_reference, [&] { return a.uniform(-5, 5); }, many / 2);
}

TEST_CASE("tanh, sigmoid, softplus: edges", "[math]") {
  CHECK(same(tanh(Packet(0.0)).lane(0), 0.0));
  CHECK(same(tanh(Packet(-0.0)).lane(0), -0.0));
  CHECK(same(tanh(Packet(inf)).lane(0), 1.0));
  CHECK(same(tanh(Packet(-inf)).lane(0), -1.0));
  CHECK(same(tanh(Packet(quiet_nan)).lane(0), quiet_nan));
  CHECK(same(sigmoid(Packet(0.0)).lane(0), 0.5));
  CHECK(same(sigmoid(Packet(inf)).lane(0), 1.0));
  CHECK(same(sigmoid(Packet(-inf)).lane(0), 0.0));
  CHECK(same(sigmoid(Packet(quiet_nan)).lane(0), quiet_nan));
  CHECK(same(softplus(Packet(inf)).lane(0), inf));
  CHECK(same(softplus(Packet(-inf)).lane(0), 0.0));
  CHECK(same(softplus(Packet(800.0)).lane(0), 800.0));
  CHECK(same(softplus(Packet(quiet_nan)).lane(0), quiet_nan));
}

TEST_CASE("sigmoid and softplus pairs: the bits of the single functions", "[math]") {
  Arguments a(24);
  for (int n = 0; n < 20000; ++n) {
    const double x = n % 2 == 0 ? a.bits() : a.uniform(-40, 40);
    Packet p, q, s, slope;
    sigmoid_pair(Packet(x), p, q);
    softplus_pair(Packet(x), s, slope);
    REQUIRE(same(p.lane(2), sigmoid(Packet(x)).lane(2)));
    REQUIRE(same(q.lane(2), sigmoid(Packet(-x)).lane(2)));
    REQUIRE(same(s.lane(2), softplus(Packet(x)).lane(2)));
    REQUIRE(same(slope.lane(2), p.lane(2)));
  }
}
