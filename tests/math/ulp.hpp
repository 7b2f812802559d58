/// \file
/// How far a packet function is from a reference of higher precision, over many arguments.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include <wick/math/special.hpp>

namespace wick_test {

inline constexpr double inf = std::numeric_limits<double>::infinity();
inline constexpr double quiet_nan = std::numeric_limits<double>::quiet_NaN();

inline std::uint64_t bits_of(double x) {
  std::uint64_t b = 0;
  std::memcpy(&b, &x, sizeof b);
  return b;
}

inline double from_bits_of(std::uint64_t b) {
  double x = 0;
  std::memcpy(&x, &b, sizeof x);
  return x;
}

/// Equal bits, or both NaN (whose payload and sign say nothing).
inline bool same(double a, double b) { return bits_of(a) == bits_of(b) || (a != a && b != b); }

/// The distance of neighbouring doubles at r.
inline double ulp_at(double r) {
  r = std::fabs(r);
  if (r < std::numeric_limits<double>::min()) return std::numeric_limits<double>::denorm_min();
  int e = 0;
  std::frexp(r, &e);
  return std::ldexp(1.0, e - 53);
}

/// Arguments: random bit patterns (every exponent, subnormals, infinities, NaNs) or numbers from an interval.
class Arguments {
 public:
  explicit Arguments(std::uint64_t seed) : engine_(seed) {}
  double bits() { return from_bits_of(engine_()); }
  double positive_bits() { return std::fabs(bits()); }
  double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(engine_() >> 11) * 0x1p-53);
  }
  double log_uniform(double low, double high) { return std::exp(uniform(std::log(low), std::log(high))); }

 private:
  std::mt19937_64 engine_;
};

/// The largest error found and where.
struct Worst {
  double error = 0, at = 0;
  int wrong = 0;  ///< results whose kind (NaN, infinite, finite, sign of zero) is not the reference's
  double wrong_at = 0;

  void kind(double x) {
    if (wrong++ == 0) wrong_at = x;
  }
  std::string text() const {
    char t[160];
    std::snprintf(t, sizeof t, "worst error %.3g at %.17g; of the wrong kind: %d, first at %.17g", error, at, wrong,
                  wrong_at);
    return t;
  }
};

enum class Unit { ulp, absolute, relative };

/// Compares f (of packets) with `reference` (of long doubles) at n arguments made by `argument`.
template <class F, class R, class A>
Worst worst_of(F f, R reference, A argument, int n, Unit unit = Unit::ulp) {
  using wick::math::Packet;
  Worst w;
  double x[8], y[8];
  for (int i = 0; i < n; i += 8) {
    for (double& v : x) v = argument();
    f(Packet::load(x)).store(y);
    for (int j = 0; j < 8; ++j) {
      const long double r = reference(static_cast<long double>(x[j]));
      const auto d = static_cast<double>(r);
      if (d != d || y[j] != y[j]) {
        if ((d != d) != (y[j] != y[j])) w.kind(x[j]);
      } else if (std::isinf(d) || std::isinf(y[j])) {
        if (d != y[j]) w.kind(x[j]);
      } else if (d == 0 && y[j] == 0) {
        if (std::signbit(d) != std::signbit(y[j])) w.kind(x[j]);
      } else {
        const auto difference = static_cast<double>(std::fabs(static_cast<long double>(y[j]) - r));
        const double scale = unit == Unit::ulp ? ulp_at(d) : unit == Unit::relative ? std::fabs(d) : 1.0;
        if (difference / scale > w.error) {
          w.error = difference / scale;
          w.at = x[j];
        }
      }
    }
  }
  return w;
}

}  // namespace wick_test

/// Requires f to agree with `reference` to `limit`.
#define WICK_REQUIRE_CLOSE(limit, ...)                               \
  do {                                                               \
    const wick_test::Worst worst = wick_test::worst_of(__VA_ARGS__); \
    INFO(worst.text());                                              \
    REQUIRE(worst.wrong == 0);                                       \
    REQUIRE(worst.error <= (limit));                                 \
  } while (false)
