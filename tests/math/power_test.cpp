#include "catch.hpp"

#include <vector>

#include <wick/math/power.hpp>

#include "math/ulp.hpp"

namespace {

using wick::math::Packet;
using wick_test::Arguments;
using wick_test::inf;
using wick_test::quiet_nan;
using wick_test::same;

constexpr int many = 200000;

// x^y against long double, x and y made by the two generators.
template <class X, class Y>
wick_test::Worst worst(X make_x, Y make_y) {
  wick_test::Worst w;
  for (int i = 0; i < many; ++i) {
    const double x = make_x(), y = make_y();
    const long double exact = std::pow(static_cast<long double>(x), static_cast<long double>(y));
    const auto expected = static_cast<double>(exact);
    const double got = pow(Packet(x), Packet(y)).lane(i % 8);
    if (!std::isfinite(expected) || std::fabs(expected) < 1e-300) {
      if (std::isfinite(expected) ? std::fabs(got - expected) > 1e-310 + 1e-14 * std::fabs(expected)
                                  : !same(got, expected))
        w.kind(x);
      continue;
    }
    const auto error = static_cast<double>(std::fabs((static_cast<long double>(got) - exact) / exact));
    if (error > w.error) {
      w.error = error;
      w.at = x;
    }
  }
  return w;
}

}  // namespace

TEST_CASE("pow: relative error over moderate and extreme results", "[math]") {
  Arguments a(31);
  struct {
    const char* what;
    wick_test::Worst worst;
    double limit;
  } rows[] = {
      {"moderate", worst([&] { return a.log_uniform(1e-3, 1e3); }, [&] { return a.uniform(-5, 5); }), 4.5e-16},
      {"square roots", worst([&] { return a.positive_bits(); }, [] { return 0.5; }), 4e-16},
      {"near one", worst([&] { return 1 + a.uniform(-1e-3, 1e-3); }, [&] { return a.uniform(-3e4, 3e4); }), 6e-16},
      {"all results", worst([&] { return a.log_uniform(1e-300, 1e300); }, [&] { return a.uniform(-4, 4); }), 2e-15},
      {"large exponents", worst([&] { return a.uniform(0.5, 2); }, [&] { return a.uniform(-1000, 1000); }), 1e-14},
      {"integers", worst([&] { return a.uniform(-10, 10); }, [&] { return std::floor(a.uniform(-20, 20)); }), 5e-16},
      {"bit patterns", worst([&] { return a.bits(); }, [&] { return a.uniform(-3, 3); }), 2e-15},
  };
  for (const auto& row : rows) {
    INFO(row.what << ": " << row.worst.text());
    CHECK(row.worst.wrong == 0);
    CHECK(row.worst.error <= row.limit);
  }
}

TEST_CASE("pow: special values are those of std::pow", "[math]") {
  const std::vector<double> values = {0.0,
                                      -0.0,
                                      1.0,
                                      -1.0,
                                      0.5,
                                      -0.5,
                                      2.0,
                                      -2.0,
                                      3.0,
                                      -3.0,
                                      2.5,
                                      -2.5,
                                      1e300,
                                      -1e300,
                                      4e-324,
                                      -4e-324,
                                      inf,
                                      -inf,
                                      quiet_nan,
                                      1e19,
                                      9007199254740991.0,
                                      9007199254740993.0};
  for (double x : values)
    for (double y : values) {
      INFO(x << " ^ " << y);
      const double got = pow(Packet(x), Packet(y)).lane(6), expected = std::pow(x, y);
      if (std::isfinite(expected) && expected != 0)
        CHECK(got == Approx(expected).epsilon(1e-14));
      else
        CHECK(same(got, expected));
    }
}

TEST_CASE("pow: a special lane leaves its neighbours alone", "[math]") {
  Packet x = 1.7;
  x.set_lane(2, -3.0);
  const Packet r = pow(x, 3.0);
  CHECK(r.lane(2) == -27.0);
  CHECK(same(r.lane(3), pow(Packet(1.7), Packet(3.0)).lane(3)));
}
