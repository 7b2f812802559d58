#include "catch.hpp"

#include <cstdint>
#include <vector>

#include <wick/math/scalar.hpp>

#include "math/ulp.hpp"

namespace {

using wick::Index;
using wick::math::Packet;
using wick::math::PacketMask;
using wick::math::Scalar;
using wick_test::inf;
using wick_test::quiet_nan;
using wick_test::same;

// Every pair of these, with ties, signed zeros and NaNs.
const std::vector<double> values = {0.0,   -0.0,    1.0,    -1.0,         0.5, 2.5,  -2.5,     3.0,
                                    1e300, -1e-310, 0x1p52, 0x1p51 - 0.5, inf, -inf, quiet_nan};

// Calls check(a, b, lane) for all pairs, eight at a time, in every lane.
template <class F>
void for_all_pairs(F check) {
  std::vector<double> a, b;
  for (double x : values)
    for (double y : values) {
      a.push_back(x);
      b.push_back(y);
    }
  while (a.size() % 8 != 0) {
    a.push_back(1.0);
    b.push_back(1.0);
  }
  for (std::size_t i = 0; i < a.size(); i += 8) check(&a[i], &b[i]);
}

// Packet operation against the one for doubles.
template <class P, class D>
bool agrees(P packet, D scalar) {
  bool good = true;
  for_all_pairs([&](const double* a, const double* b) {
    const Packet r = packet(Packet::load(a), Packet::load(b));
    for (int i = 0; i < 8; ++i) good = good && same(r.lane(i), scalar(a[i], b[i]));
  });
  return good;
}

template <class P, class D>
bool agrees_mask(P packet, D scalar) {
  bool good = true;
  for_all_pairs([&](const double* a, const double* b) {
    const PacketMask r = packet(Packet::load(a), Packet::load(b));
    unsigned expected = 0;
    for (int i = 0; i < 8; ++i) {
      expected |= scalar(a[i], b[i]) ? 1u << i : 0u;
      good = good && r.lane(i) == scalar(a[i], b[i]);
    }
    good = good && r.bits() == expected && any(r) == (expected != 0) && all(r) == (expected == 0xff);
  });
  return good;
}

}  // namespace

TEST_CASE("packet: arithmetic is that of doubles in every lane", "[math]") {
  CHECK(agrees([](auto a, auto b) { return a + b; }, [](double a, double b) { return a + b; }));
  CHECK(agrees([](auto a, auto b) { return a - b; }, [](double a, double b) { return a - b; }));
  CHECK(agrees([](auto a, auto b) { return a * b; }, [](double a, double b) { return a * b; }));
  CHECK(agrees([](auto a, auto b) { return a / b; }, [](double a, double b) { return a / b; }));
  CHECK(agrees([](auto a, auto) { return -a; }, [](double a, double) { return -a; }));
  CHECK(agrees([](auto a, auto) { return 2.0 - a * 3; }, [](double a, double) { return 2.0 - a * 3; }));
  CHECK(agrees([](auto a, auto b) { return a += b, a *= b, a -= 1.0, a /= 3.0, a; },
               [](double a, double b) { return a += b, a *= b, a -= 1.0, a /= 3.0, a; }));
}

TEST_CASE("packet: comparisons are those of doubles in every lane", "[math]") {
  CHECK(agrees_mask([](auto a, auto b) { return a < b; }, [](double a, double b) { return a < b; }));
  CHECK(agrees_mask([](auto a, auto b) { return a <= b; }, [](double a, double b) { return a <= b; }));
  CHECK(agrees_mask([](auto a, auto b) { return a > b; }, [](double a, double b) { return a > b; }));
  CHECK(agrees_mask([](auto a, auto b) { return a >= b; }, [](double a, double b) { return a >= b; }));
  CHECK(agrees_mask([](auto a, auto b) { return a == b; }, [](double a, double b) { return a == b; }));
  CHECK(agrees_mask([](auto a, auto b) { return a != b; }, [](double a, double b) { return a != b; }));
}

TEST_CASE("packet: masks combine like booleans", "[math]") {
  CHECK(agrees_mask([](auto a, auto b) { return (a < b) & (a > -2.0); },
                    [](double a, double b) { return a < b && a > -2.0; }));
  CHECK(agrees_mask([](auto a, auto b) { return (a < b) | (a == 3.0); },
                    [](double a, double b) { return a < b || a == 3.0; }));
  CHECK(agrees_mask([](auto a, auto b) { return (a < b) ^ (a < 1.0); },
                    [](double a, double b) { return (a < b) != (a < 1.0); }));
  CHECK(agrees_mask([](auto a, auto b) { return !(a < b); }, [](double a, double b) { return !(a < b); }));
  CHECK(agrees_mask([](auto a, auto b) { return (a < b) & true; }, [](double a, double b) { return a < b; }));
}

TEST_CASE("packet: where takes the chosen lane's bits, NaN or not", "[math]") {
  CHECK(
      agrees([](auto a, auto b) { return where(a < 1.0, a, b); }, [](double a, double b) { return a < 1.0 ? a : b; }));
}

TEST_CASE("packet: min and max give the second argument if either is NaN", "[math]") {
  CHECK(agrees([](auto a, auto b) { return min(a, b); }, [](double a, double b) { return a < b ? a : b; }));
  CHECK(agrees([](auto a, auto b) { return max(a, b); }, [](double a, double b) { return a > b ? a : b; }));
}

TEST_CASE("packet: sqrt, abs, copysign, square, round and floor are those of <cmath>", "[math]") {
  CHECK(agrees([](auto a, auto) { return sqrt(a); }, [](double a, double) { return std::sqrt(a); }));
  CHECK(agrees([](auto a, auto) { return abs(a); }, [](double a, double) { return std::fabs(a); }));
  CHECK(agrees([](auto a, auto b) { return copysign(a, b); }, [](double a, double b) { return std::copysign(a, b); }));
  CHECK(agrees([](auto a, auto) { return square(a); }, [](double a, double) { return a * a; }));
  // The sign of a zero result is not kept: + 0.0 makes both positive.
  CHECK(agrees([](auto a, auto) { return round(a) + 0.0; }, [](double a, double) { return std::nearbyint(a) + 0.0; }));
  CHECK(agrees([](auto a, auto) { return floor(a) + 0.0; }, [](double a, double) { return std::floor(a) + 0.0; }));
}

TEST_CASE("packet: the sum has one order on every machine", "[math]") {
  wick_test::Arguments arguments(1);
  for (int n = 0; n < 1000; ++n) {
    double a[8];
    for (double& x : a) x = arguments.uniform(-1, 1) * std::ldexp(1.0, static_cast<int>(arguments.uniform(-30, 30)));
    const double expected = ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
    REQUIRE(same(sum(Packet::load(a)), expected));
  }
}

TEST_CASE("packet: a tail repeats its last element and stores nothing beyond it", "[math]") {
  const double a[7] = {1, 2, 3, 4, 5, 6, 7};
  for (Index n = 1; n < 8; ++n) {
    const std::vector<double> data(a, a + n);  // exactly n elements, so that the sanitizer sees a read beyond
    const Packet p = Packet::load_tail(data.data(), n);
    for (Index i = 0; i < 8; ++i) REQUIRE(p.lane(i) == a[i < n ? i : n - 1]);
    std::vector<double> out(static_cast<std::size_t>(n));
    (p + 1.0).store_tail(out.data(), n);
    for (Index i = 0; i < n; ++i) REQUIRE(out[static_cast<std::size_t>(i)] == a[i] + 1.0);
  }
}

TEST_CASE("packet: loads and stores need no alignment", "[math]") {
  double a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = i;
  for (int shift = 0; shift < 8; ++shift) {
    Packet::load(a + shift).store(b + 7 - shift);
    for (int i = 0; i < 8; ++i) REQUIRE(b[7 - shift + i] == a[shift + i]);
  }
}

TEST_CASE("packet: lanes can be read and set one by one", "[math]") {
  Packet p = 1.5;
  p.set_lane(3, -2.0);
  for (int i = 0; i < 8; ++i) REQUIRE(p.lane(i) == (i == 3 ? -2.0 : 1.5));
}

TEST_CASE("scalar: has the packet's operations", "[math]") {
  for (double a : values)
    for (double b : values) {
      const Scalar x = a, y = b;
      REQUIRE(same((x * y - x / y + 2.0).v, a * b - a / b + 2.0));
      REQUIRE(static_cast<bool>((x < y) | (x == y)) == (a <= b));
      REQUIRE(same(where(x < y, x, y).v, a < b ? a : b));
      REQUIRE(same(min(x, y).v, a < b ? a : b));
      REQUIRE(same(abs(-x).v, std::fabs(a)));
      REQUIRE(same((floor(x) + 0.0).v, std::floor(a) + 0.0));
      REQUIRE(same(sqrt(x).v, std::sqrt(a)));
    }
}
