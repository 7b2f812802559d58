#include "catch.hpp"

#include <wick/math/beta.hpp>

#include "math/ulp.hpp"

namespace {

using wick::math::Packet;
using wick_test::inf;
using wick_test::quiet_nan;
using wick_test::same;

}  // namespace

// Reference values: mpmath 1.3 with 40 to 400 digits.
TEST_CASE("lbeta and its derivative: agree with mpmath", "[math]") {
  static const double table[][4] = {
      {0.5, 0.5, 1.14472988584940017, -1.38629436111989062},
      {1, 1, 0.0, -1.0},
      {3, 2, -2.48490664978800031, -0.583333333333333333},
      {4.4, 4.4, -5.54663647439535712, -0.753173335474349582},
      {4.6, 0.001, 6.90576532341975533, -0.000242688093636761113},
      {1e-20, 1, 46.0517018598809137, -1.00000000000000005e+20},
      {1e-200, 3, 460.517018598809137, -1.00000000000000002e+200},
      {10, 20, -19.1153272998870454, -1.13268554361880377},
      {1000.0, 0.001, 6.90027162968795493, -1.00049966616671719e-6},
      {100000000.0, 1.5, -27.7518033573137934, -1.49999999625000002e-8},
      {10000000000.0, 10000000000.0, -13862943621.4463195, -0.693147180584945309},
      {1000000000000000.0, 7, -235.192183552364717, -6.999999999999979e-15},
      {6, 5, -7.13886699994552368, -0.645634920634920635},
      {4.6, 4.7, -5.92176008562509945, -0.761847949552053907},
      {3.7, 1000000.0, -49.6893217327971005, -12.6483602185976843},
      {1e-05, 1e-07, 16.128045981809843, -990.099010065480884},
      {1e+290, 2.5, -1669.0895095502102, -2.49999999999999985e-290},
      {100.5, 100000.0, -795.663450853808255, -6.90875061272562509},
  };
  for (const auto& [a, b, value, slope] : table) {
    INFO(a << ", " << b);
    CHECK(std::abs(lbeta(Packet(a), Packet(b)).lane(0) - value) <= 4e-15 * (1 + std::abs(value)));
    CHECK(same(lbeta(Packet(b), Packet(a)).lane(5), lbeta(Packet(a), Packet(b)).lane(0)));
    CHECK(std::abs(lbeta_slope(Packet(a), Packet(b)).lane(0) - slope) <= (a < 8 ? 1e-14 : 4e-15 * std::abs(slope)) + 4e-15 * std::abs(slope));
  }
}

TEST_CASE("lbeta: both sides of its seams agree with sums of lgamma", "[math]") {
  wick_test::Arguments a(86);
  double worst = 0;
  for (int i = 0; i < 100000; ++i) {
    const double x = a.log_uniform(1e-3, 30), y = a.log_uniform(1e-3, 30);
    const long double r = std::lgamma(static_cast<long double>(x)) + std::lgamma(static_cast<long double>(y)) - std::lgamma(static_cast<long double>(x) + y);
    const auto value = static_cast<double>(r);
    worst = std::max(worst, std::abs(lbeta(Packet(x), Packet(y)).lane(1) - value) / (1 + std::abs(value)));
  }
  INFO(worst);
  CHECK(worst <= 4e-15);
}

TEST_CASE("lbeta: edges", "[math]") {
  const auto f = [](double a, double b) { return lbeta(Packet(a), Packet(b)).lane(2); };
  CHECK(same(f(0.0, 1.0), inf));
  CHECK(same(f(2.0, 0.0), inf));
  CHECK(same(f(inf, 1.0), -inf));
  CHECK(std::isnan(f(-1.0, 2.0)));
  CHECK(std::isnan(f(quiet_nan, 1.0)));
  CHECK(std::isnan(f(1.0, quiet_nan)));
  CHECK(std::isnan(f(inf, 0.0)));
  CHECK(f(1e-310, 1.0) == Approx(-std::log(1e-310)).epsilon(1e-14));
  CHECK(f(1e305, 2.0) == Approx(-2 * std::log(1e305)).epsilon(1e-14));
  CHECK(f(1e305, 1e305) == Approx(-2 * std::log(2.0) * 1e305).epsilon(1e-14));
}

TEST_CASE("polygamma: agrees with mpmath", "[math]") {
  static const double table[][3] = {
      {2, 0.001, -2000000002.39763216},
      {2, 0.3, -75.2725365887260389},
      {2, 1.0, -2.40411380631918857},
      {2, 2.5, -0.236204051641727403},
      {2, 9.75, -0.0116534442879583337},
      {2, 40.0, -0.000640820271835298588},
      {2, 10000.0, -1.00010000499999998e-8},
      {2, -0.25, 122.69736678366236},
      {2, -3.7, -68.8934546886735474},
      {2, -20.125, 1022.29204148358881},
      {3, 0.001, 6000000000006.46861},
      {3, 0.3, 743.141764655049777},
      {3, 1.0, 6.49393940226682915},
      {3, 2.5, 0.223905848817252051},
      {3, 9.75, 0.00251237892139889412},
      {3, 40.0, 0.0000324414001515635003},
      {3, 10000.0, 2.0003000199999999e-12},
      {3, -0.25, 1555.7633125348506},
      {3, -3.7, 768.994649440866012},
      {3, -20.125, 24591.0020968727319},
      {4, 0.001, -24000000000000022.3},
      {4, 0.3, -9883.46855549698968},
      {4, 1.0, -24.8862661234408782},
      {4, 2.5, -0.313755999506731363},
      {4, 9.75, -0.000811696409224862234},
      {4, 40.0, -2.46337783927721268e-6},
      {4, 10000.0, -6.0012000999999993e-16},
      {4, -0.25, 24473.1993941845825},
      {4, -3.7, -9738.77873038364824},
      {4, -20.125, 786397.992473821894},
      {7, 0.001, 5.03999999999999916e+27},
      {7, 0.3, 76818182.998493221},
      {7, 1.0, 5060.54987523763947},
      {7, 2.5, 3.56523635252313135},
      {7, 9.75, 0.000120973826318918255},
      {7, 40.0, 4.79185812442768336e-9},
      {7, 10000.0, 7.20252033599999496e-26},
      {7, -0.25, 330351842.146499657},
      {7, -3.7, 76905684.3055973942},
      {7, -20.125, 84557185319.0926857},
      {20, 0.001, -2.43290200817663894e+81},
      {20, 0.3, -2.32583160526452913e+29},
      {20, 1.0, -2.43290316850786132e+18},
      {20, 2.5, -10709198259.1241325},
      {20, 9.75, -0.0047741018670744151},
      {20, 40.0, -1.40701977523558481e-15},
      {20, 10000.0, -1.21766788085022385e-63},
      {20, -0.25, 1.07000161878962753e+31},
      {20, -3.7, -2.32583156170677193e+29},
      {20, -20.125, 2.24395603506242505e+37},
  };
  for (const auto& [n, x, value] : table) {
    INFO(n << ", " << x);
    CHECK(polygamma(Packet(n), Packet(x)).lane(0) == Approx(value).epsilon(x > 0 ? 1e-13 : 1e-12));
  }
  CHECK(same(polygamma(Packet(0.0), Packet(2.5)).lane(0), digamma(Packet(2.5)).lane(0)));
  CHECK(same(polygamma(Packet(1.0), Packet(2.5)).lane(0), trigamma(Packet(2.5)).lane(0)));
  CHECK(same(polygamma(Packet(3.0), Packet(0.0)).lane(0), inf));
  CHECK(same(polygamma(Packet(3.0), Packet(-2.0)).lane(0), inf));
  CHECK(std::isnan(polygamma(Packet(4.0), Packet(-2.0)).lane(0)));
  CHECK(same(polygamma(Packet(4.0), Packet(inf)).lane(0), 0.0));
  CHECK(std::isnan(polygamma(Packet(3.0), Packet(quiet_nan)).lane(0)));
}
