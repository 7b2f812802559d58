#include "catch.hpp"

#include <boost/math/special_functions/polygamma.hpp>

#include <wick/math/dual.hpp>

#include "math/ulp.hpp"

namespace {

using wick::math::Dual;
using wick::math::Packet;
using wick::math::partial;
using wick::math::Scalar;
using wick::math::value_of;
using wick::math::variable;

// Central differences with one Richardson step: error about 1e-11.
template <class F>
double slope(F f, double x) {
  const double h = 1e-3 * std::max(1.0, std::fabs(x));
  const auto d = [&](double step) { return (f(x + step) - f(x - step)) / (2 * step); };
  return (4 * d(h / 2) - d(h)) / 3;
}

// f's derivative in a packet (lane 2 of three inputs) and in a scalar against differences of its own values.
template <class F>
void check_derivative(const char* name, F f, std::initializer_list<double> points) {
  for (double x : points) {
    INFO(name << " at " << x);
    const double expected = slope([&](double t) { return value_of(f(Scalar(t))).v; }, x);
    const auto packet = f(variable<2>(Packet(x)));
    CHECK(partial<2>(packet).lane(3) == Approx(expected).epsilon(1e-8).margin(1e-10));
    CHECK(partial<0>(packet).lane(3) == 0.0);
    CHECK(wick_test::same(packet.v.lane(3), f(Packet(x)).lane(3)));
    CHECK(partial<0>(f(variable<0>(Scalar(x)))).v == Approx(expected).epsilon(1e-8).margin(1e-10));
  }
}
#define WICK_CHECK_DERIVATIVE(expression, ...) \
  check_derivative(#expression, [](const auto& x) { return expression; }, {__VA_ARGS__})

// Second derivative through Dual of Dual against differences of the first.
template <class F>
void check_second(const char* name, F f, std::initializer_list<double> points) {
  for (double x : points) {
    INFO(name << " at " << x);
    const double expected = slope([&](double t) { return partial<0>(f(variable<0>(Scalar(t)))).v; }, x);
    const auto nested = f(variable<0>(variable<0>(Scalar(x))));
    CHECK(partial<0>(partial<0>(nested)).v == Approx(expected).epsilon(1e-7).margin(1e-9));
    CHECK(partial<0>(value_of(nested)).v == Approx(value_of(partial<0>(nested)).v));
  }
}
#define WICK_CHECK_SECOND(expression, ...) \
  check_second(#expression, [](const auto& x) { return expression; }, {__VA_ARGS__})

}  // namespace

TEST_CASE("dual: the live set of a result is the union", "[math]") {
  const auto a = variable<0>(Packet(2.0));
  const auto c = variable<5>(Packet(3.0));
  STATIC_REQUIRE(std::is_same_v<decltype(a * c), Dual<Packet, 0b100001u>>);
  STATIC_REQUIRE(std::is_same_v<decltype(a * 2.0), Dual<Packet, 1u>>);
  STATIC_REQUIRE(std::is_same_v<decltype(Packet(1.0) - c), Dual<Packet, 0b100000u>>);
  STATIC_REQUIRE(std::is_same_v<decltype(where(a < 1.0, a, c)), Dual<Packet, 0b100001u>>);
  STATIC_REQUIRE(sizeof(a) == 2 * sizeof(Packet));  // only live partials are stored
  STATIC_REQUIRE(sizeof(a * c) == 3 * sizeof(Packet));
  STATIC_REQUIRE(sizeof(Dual<Packet, 0>) == sizeof(Packet));
  const auto r = a * c;
  CHECK(value_of(r).lane(0) == 6.0);
  CHECK(partial<0>(r).lane(0) == 3.0);
  CHECK(partial<5>(r).lane(0) == 2.0);
  CHECK(partial<3>(r).lane(0) == 0.0);
}

TEST_CASE("dual: plain numbers have zero partials", "[math]") {
  CHECK(value_of(Packet(4.0)).lane(0) == 4.0);
  CHECK(partial<0>(Packet(4.0)).lane(0) == 0.0);
  CHECK(value_of(Scalar(4.0)).v == 4.0);
}

TEST_CASE("dual: more live lanes may be asked for", "[math]") {
  const Dual<Scalar, 0b111u> w = variable<1>(Scalar(2.0));
  CHECK(w.v.v == 2.0);
  CHECK(partial<0>(w).v == 0.0);
  CHECK(partial<1>(w).v == 1.0);
  Dual<Scalar, 0b11u> sum(Scalar(0.0));
  sum += variable<0>(Scalar(1.5)) * 2.0;
  sum -= variable<1>(Scalar(0.5));
  sum *= 3.0;
  CHECK(sum.v.v == 7.5);
  CHECK(partial<0>(sum).v == 6.0);
  CHECK(partial<1>(sum).v == -3.0);
}

TEST_CASE("dual: derivatives of arithmetic", "[math]") {
  WICK_CHECK_DERIVATIVE(x + x * x - 3.0, -1.3, 0.7);
  WICK_CHECK_DERIVATIVE(2.0 - x, 0.7);
  WICK_CHECK_DERIVATIVE(-x * 2 + x, 0.7);
  WICK_CHECK_DERIVATIVE(x / (1.0 + x * x), -1.3, 0.7);
  WICK_CHECK_DERIVATIVE(1.0 / x, -1.3, 0.7);
  WICK_CHECK_DERIVATIVE(x / 3.0, 0.7);
}

TEST_CASE("dual: derivatives of functions", "[math]") {
  WICK_CHECK_DERIVATIVE(exp(x), -3.0, 0.3, 5.0);
  WICK_CHECK_DERIVATIVE(expm1(x), -3.0, 0.3, 5.0);
  WICK_CHECK_DERIVATIVE(log(x), 0.3, 5.0);
  WICK_CHECK_DERIVATIVE(log1p(x), -0.5, 0.3, 5.0);
  WICK_CHECK_DERIVATIVE(sqrt(x), 0.3, 5.0);
  WICK_CHECK_DERIVATIVE(square(x), -0.3, 5.0);
  WICK_CHECK_DERIVATIVE(abs(x), -0.3, 5.0);
  WICK_CHECK_DERIVATIVE(tanh(x), -2.0, 0.3);
  WICK_CHECK_DERIVATIVE(sigmoid(x), -12.0, 0.3, 4.0);
  WICK_CHECK_DERIVATIVE(softplus(x), -12.0, 0.3, 4.0);
  WICK_CHECK_DERIVATIVE(lgamma(x), 0.3, 1.4, 3.7, 12.0);
  WICK_CHECK_DERIVATIVE(digamma(x), 0.3, 1.4, 3.7, 12.0);
  WICK_CHECK_DERIVATIVE(erf(x), -1.2, 0.3);
  WICK_CHECK_DERIVATIVE(erfc(x), -1.2, 0.3, 2.5);
  WICK_CHECK_DERIVATIVE(pow(x, 2.5), 0.3, 4.0);
  WICK_CHECK_DERIVATIVE(pow(x, 3.0), -1.7);
  WICK_CHECK_DERIVATIVE(pow(1.7, x), -1.2, 2.3);
  WICK_CHECK_DERIVATIVE(pow(x, x), 0.6, 2.3);
  WICK_CHECK_DERIVATIVE(max(x, 0.5) * min(x, 2.0), 0.1, 1.0, 3.0);
  WICK_CHECK_DERIVATIVE(max(0.5, x) + min(2.0, x), 0.1, 1.0, 3.0);
  WICK_CHECK_DERIVATIVE(where(x < 1.0, x * x, 2.0), 0.3, 3.0);
  WICK_CHECK_DERIVATIVE(where(x < 1.0, 2.0, x * x), 0.3, 3.0);
}

TEST_CASE("dual: second derivatives by nesting", "[math]") {
  WICK_CHECK_SECOND(exp(x) * log(x) / x, 0.6, 2.0);
  WICK_CHECK_SECOND(tanh(x) - expm1(-x) + log1p(x), 0.6);
  WICK_CHECK_SECOND(sigmoid(x) * 3.0, -1.0, 2.0);
  WICK_CHECK_SECOND(softplus(x) + sqrt(x), 0.4, 2.0);
  WICK_CHECK_SECOND(lgamma(x) + square(x), 0.6, 5.0);
  WICK_CHECK_SECOND(pow(x, 2.5) + 1.0, 0.6, 2.0);
  WICK_CHECK_SECOND(pow(2.0, x) + erf(x), 0.6);
  WICK_CHECK_SECOND(where(x < 1.0, x * x * x, 2.0) + max(x, 0.1) + abs(x), 0.6);
}

TEST_CASE("dual: pow at a zero base", "[math]") {
  const auto at = [](double y) { return pow(variable<0>(Scalar(0.0)), variable<1>(Scalar(y))); };
  CHECK(at(2.0).v.v == 0.0);
  CHECK(partial<0>(at(2.0)).v == 0.0);
  CHECK(partial<0>(at(1.0)).v == 1.0);
  CHECK(partial<0>(at(0.5)).v == wick_test::inf);
  CHECK(partial<1>(at(2.0)).v == 0.0);
}

TEST_CASE("dual: the slope of sigmoid and softplus is accurate in the tails", "[math]") {
  for (double x : {-700.0, -40.0, 40.0, 700.0}) {
    const long double e = std::exp(-std::fabs(static_cast<long double>(x)));
    const auto expected = static_cast<double>(e / ((1 + e) * (1 + e)));
    CHECK(partial<0>(sigmoid(variable<0>(Scalar(x)))).v == Approx(expected).epsilon(1e-15));
  }
}

TEST_CASE("dual: the slope of digamma is trigamma to rounding", "[math]") {
  wick_test::Arguments a(71);
  for (int i = 0; i < 1000; ++i) {
    const double x = a.log_uniform(0.01, 100);
    CHECK(partial<0>(digamma(variable<0>(Scalar(x)))).v == Approx(boost::math::trigamma(x)).epsilon(1e-14));
  }
}

TEST_CASE("dual: comparisons look at the values", "[math]") {
  const auto a = variable<0>(Scalar(1.0));
  const auto b = variable<1>(Scalar(2.0));
  CHECK(static_cast<bool>(a < b));
  CHECK(static_cast<bool>(a <= 1.0));
  CHECK(static_cast<bool>(2.0 == b));
  CHECK(static_cast<bool>(b != a));
  CHECK_FALSE(static_cast<bool>(a > b));
  CHECK_FALSE(static_cast<bool>(0.5 >= a));
}

namespace {

// Partials with respect to n inputs at once, where there are many in registers, against each of them by itself.
template <unsigned N, class F>
void check_many(F f, const double* at) {
  constexpr unsigned all = N == 32 ? ~0u : (1u << N % 32) - 1u;
  Dual<Scalar, all> x[N];
  for (unsigned k = 0; k < N; ++k) {
    x[k] = Dual<Scalar, all>(Scalar(at[k]));
    x[k].d[k] = 1.0;
  }
  const Dual<Scalar, all> y = f(x);
  for (unsigned k = 0; k < N; ++k) {
    Dual<Scalar, 1u> one[N];
    for (unsigned j = 0; j < N; ++j) {
      one[j] = Dual<Scalar, 1u>(Scalar(at[j]));
      one[j].d[0] = j == k ? 1.0 : 0.0;
    }
    const Dual<Scalar, 1u> wanted = f(one);
    INFO(N << " inputs, the " << k << ". of them");
    CHECK(y.v.v == wanted.v.v);
    CHECK(y.d[k].v == Approx(wanted.d[0].v).epsilon(1e-14).margin(1e-14));
  }
}
template <unsigned N>
void check_many() {
  double at[N];
  for (unsigned k = 0; k < N; ++k) at[k] = 0.3 + 0.07 * k;
  check_many<N>(
      [](const auto* x) {
        auto y = x[0];
        for (unsigned k = 1; k < N; ++k) {
          const auto before = y;
          y = where(x[k] > 0.5, y * x[k] + 2.0 / (x[k] + y), exp(-x[k]) - y);
          y += tanh(before) / 3.0 - log(x[k] * x[k - 1]) + max(x[k], before) * where(x[k] > 9.0, x[k], 1.5);
        }
        return pow(y * y + 1.0, x[N - 1]);
      },
      at);
}

}  // namespace

TEST_CASE("dual: many partials at once are those of each input by itself", "[math]") {
  check_many<2>();
  check_many<5>();
  check_many<6>();
  check_many<8>();
  check_many<11>();
  check_many<32>();
}

TEST_CASE("dual: lanes that differ meet in registers too", "[math]") {
  Dual<Scalar, 0xFFu> a(Scalar(2.0));
  for (unsigned k = 0; k < 8; ++k) a.d[k] = 1.0 + k;
  const auto product = a * variable<9>(Scalar(3.0)) + variable<0>(Scalar(1.0));
  CHECK(product.v.v == 7.0);
  CHECK(partial<0>(product).v == 3.0 * 1.0 + 1.0);
  CHECK(partial<7>(product).v == 24.0);
  CHECK(partial<8>(product).v == 0.0);
  CHECK(partial<9>(product).v == 2.0);
  const Dual<Scalar, 0xFFu> wide = variable<3>(Scalar(5.0));
  CHECK((a - wide).d[3].v == 3.0);
  CHECK((a - wide).d[4].v == 5.0);
  const auto chosen = where(a > 1.0, wide, variable<1>(Scalar(4.0)));
  CHECK(partial<3>(chosen).v == 1.0);
  CHECK(partial<1>(chosen).v == 0.0);
}
