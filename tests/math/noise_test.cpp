#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/math/special_functions/erf.hpp>

#include <wick/math/noise.hpp>

#include "support/stat.hpp"

namespace {

using wick::Index;
using wick::Key;
namespace math = wick::math;

Key test_key(const char* test_name) {
  return wick::site_key(wick::make_base(wick_test::seed_of(test_name), 0, 0, 0), wick::hash_name("x"), 0, 0);
}

std::vector<double> uniforms(Key key, Index n) {
  std::vector<double> out(static_cast<std::size_t>(n) + 1, -7.0);
  math::fill_uniform(key, out.data(), n);
  REQUIRE(out.back() == -7.0);  // nothing is written beyond n
  out.pop_back();
  return out;
}

std::vector<double> normals(Key key, Index n) {
  std::vector<double> out(static_cast<std::size_t>(n) + 1, -7.0);
  math::fill_normal(key, out.data(), n);
  REQUIRE(out.back() == -7.0);
  out.pop_back();
  return out;
}

std::vector<double> prefix(Key key, Index n, Index k) {
  std::vector<double> out(static_cast<std::size_t>(k) + 1, -7.0);
  std::vector<std::uint64_t> scratch(static_cast<std::size_t>(math::permutation_scratch(n, k)) + 1, 0xDEADBEEFu);
  math::fill_permutation_prefix(key, n, k, out.data(), scratch.data());
  REQUIRE(out.back() == -7.0);
  REQUIRE(scratch.back() == 0xDEADBEEFu);
  out.pop_back();
  return out;
}

// Distance in units of the last place of the reference.
double ulps(double x, long double reference) {
  int exponent = 0;
  std::frexp(static_cast<double>(reference), &exponent);
  return static_cast<double>(std::fabs(x - reference) / std::ldexp(1.0L, exponent - 53));
}

// The standard normal quantile in extended precision. The distance to the nearer end of (0, 1) is exact in `p` and 1 -
// p.
long double exact_quantile(double p) {
  const long double root2 = 1.41421356237309504880168872420969808L;
  return p < 0.5 ? -root2 * boost::math::erfc_inv(2.0L * p) : root2 * boost::math::erfc_inv(2.0L * (1.0L - p));
}

double chi_squared(const std::vector<int>& counts) {
  double total = 0.0, sum = 0.0;
  for (int c : counts) total += c;
  const double expected = total / static_cast<double>(counts.size());
  for (int c : counts) sum += (c - expected) * (c - expected) / expected;
  return sum;
}

bool fits(const std::vector<int>& counts) {
  return chi_squared(counts) <= wick_test::chi_squared_quantile(1.0 - 1e-3, static_cast<double>(counts.size() - 1));
}

// Cells of equal probability for a sample, through the distribution function `cdf`.
template <class Cdf>
std::vector<int> cells(const std::vector<double>& sample, std::size_t count, Cdf cdf) {
  std::vector<int> counts(count, 0);
  for (double x : sample) {
    const auto cell = static_cast<std::size_t>(cdf(x) * static_cast<double>(count));
    ++counts[std::min(cell, count - 1)];
  }
  return counts;
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

}  // namespace

TEST_CASE("fill_uniform: has the bits of the scalar engine, whatever the number asked for", "[math]") {
  const Key key = test_key("fill_uniform: has the bits of the scalar engine");
  const std::vector<double> all = uniforms(key, 5000);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i] != wick::uniform_from_bits(wick::random_bits(key, i))) ++wrong;
  CHECK(wrong == 0);
  for (Index n = 0; n <= 70; ++n) {
    const std::vector<double> some = uniforms(key, n);
    REQUIRE(std::equal(some.begin(), some.end(), all.begin()));
  }
  CHECK(math::uniform(key) == all[0]);
}

TEST_CASE("fill_uniform: a draw of more than 2^24 elements", "[math]") {
  const Key key = test_key("fill_uniform: a draw of more than 2^24 elements");
  const Index n = (Index{1} << 24) + 37;  // more than one call of the vector engine
  const std::vector<double> all = uniforms(key, n);
  for (Index i : {Index{0}, (Index{1} << 24) - 1, Index{1} << 24, (Index{1} << 24) + 1, n - 1})
    CHECK(all[static_cast<std::size_t>(i)] ==
          wick::uniform_from_bits(wick::random_bits(key, static_cast<std::uint64_t>(i))));
}

TEST_CASE("fill_normal: element i does not depend on the number asked for", "[math]") {
  const Key key = test_key("fill_normal: element i does not depend on the number asked for");
  const std::vector<double> all = normals(key, 5000);
  for (Index n = 0; n <= 70; ++n) {
    const std::vector<double> some = normals(key, n);
    REQUIRE(std::equal(some.begin(), some.end(), all.begin()));
  }
  for (Index n : {Index{511}, Index{512}, Index{513}, Index{1024}, Index{1025}, Index{4999}}) {
    const std::vector<double> some = normals(key, n);
    REQUIRE(std::equal(some.begin(), some.end(), all.begin()));
  }
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const Key other = wick::sub_key(key, i);
    REQUIRE(math::normal(other) == normals(other, 1)[0]);
    REQUIRE(math::normal(other) == normals(other, 40)[0]);
  }
}

TEST_CASE("fill_normal: the quantiles of fill_uniform within 4 ulp", "[math]") {
  const Key key = test_key("fill_normal: the quantiles of fill_uniform within 4 ulp");
  const Index n = 200000;
  const std::vector<double> u = uniforms(key, n), z = normals(key, n);
  double worst = 0.0;
  for (std::size_t i = 0; i < u.size(); ++i) worst = std::max(worst, ulps(z[i], exact_quantile(u[i])));
  CHECK(worst <= 4.0);
}

TEST_CASE("fill_normal: the quantiles at the ends, the middle and the seam of the approximations", "[math]") {
  std::vector<double> p;
  for (double tail = 0x1p-53; tail < 0.5; tail *= 1.01) p.push_back((std::floor(tail * 0x1p52) + 0.5) * 0x1p-52);
  for (int i = 0; i < 500; ++i) p.push_back(0.5 + (i + 0.5) * 0x1p-52);
  for (int i = -500; i < 500; ++i) p.push_back((std::floor(0.005 * 0x1p52) + i + 0.5) * 0x1p-52);
  while (p.size() % 8 != 0) p.push_back(p.back());
  std::vector<double> z = p, mirrored;
  for (double x : p) mirrored.push_back(1.0 - x);
  math::detail::quantiles_in_place(z.data(), static_cast<Index>(z.size() / 8));
  math::detail::quantiles_in_place(mirrored.data(), static_cast<Index>(z.size() / 8));
  double worst = 0.0;
  std::size_t asymmetric = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    worst = std::max(worst, ulps(z[i], exact_quantile(p[i])));
    if (mirrored[i] != -z[i]) ++asymmetric;
  }
  CHECK(worst <= 4.0);
  CHECK(asymmetric == 0);
}

TEST_CASE("noise: moments", "[math][stat]") {
  wick_test::MonteCarloTable table("noise: moments");
  const Key key = test_key("noise: moments");
  const Index n = 600000;  // the tail needs most
  const std::vector<double> u = uniforms(key, n), z = normals(wick::sub_key(key, 1), n);
  auto& uniform = table.joint("uniform");
  uniform.expect("mean", 0.5).expect("square", 1.0 / 3.0).expect("cube", 0.25).expect("neighbours", 0.25);
  auto& normal = table.joint("normal");
  normal.expect("mean", 0.0, 1.0).expect("square", 1.0).expect("cube", 0.0, 1.0).expect("fourth power", 3.0);
  normal.expect("above 2", 0.022750131948179207).expect("neighbours", 0.0, 1.0).expect("next pair", 0.0, 1.0);
  for (std::size_t i = 0; i + 2 < u.size(); i += 3) {
    uniform.sample(u[i], u[i] * u[i], u[i] * u[i] * u[i], u[i] * u[i + 1]);
    const double x = z[i], s = x * x;
    normal.sample(x, s, s * x, s * s, x > 2.0 ? 1.0 : 0.0, x * z[i + 1], x * z[i + 2]);
  }
  const auto report = table.report();
  INFO(report.text);
  CHECK(report.ok);
}

TEST_CASE("noise: distributions, and a fault of 2 % in the scale is noticed", "[math][stat]") {
  const Key key = test_key("noise: distributions, and a fault of 2 % in the scale is noticed");
  const Index n = 1000000;
  CHECK(fits(cells(uniforms(key, n), 1000, [](double x) { return x; })));
  std::vector<double> z = normals(wick::sub_key(key, 1), n);
  CHECK(fits(cells(z, 1000, normal_cdf)));
  for (double& x : z) x *= 1.02;
  CHECK_FALSE(fits(cells(z, 1000, normal_cdf)));
  // Pairs of neighbours, which share a block of the generator.
  const std::vector<double> u = uniforms(wick::sub_key(key, 2), n);
  std::vector<int> pairs(32 * 32, 0);
  for (std::size_t i = 0; i + 1 < u.size(); i += 2)
    ++pairs[static_cast<std::size_t>(u[i] * 32) * 32 + static_cast<std::size_t>(u[i + 1] * 32)];
  CHECK(fits(pairs));
}

TEST_CASE("fill_permutation_prefix: distinct integers below n for every method", "[math]") {
  const Key key = test_key("fill_permutation_prefix: distinct integers below n for every method");
  const std::vector<std::pair<Index, Index>> sizes = {
      {0, 0},     {1, 0},     {1, 1},       {2, 1},         {2, 2},         {5, 2},          {5, 3},
      {64, 32},   {64, 64},   {1000, 500},  {1000, 501},    {1000, 999},    {1000, 1000},    {4096, 16},
      {4096, 17}, {4097, 16}, {100000, 64}, {1000000, 200}, {100000, 4096}, {3000000000, 7}, {Index{1} << 50, 1000},
      {10, 4},    {130, 65},  {131, 65}};
  std::set<math::detail::SubsampleBy> methods;
  for (const auto& size : sizes) {
    const Index n = size.first, k = size.second;
    methods.insert(math::detail::SubsamplePlan(n, k).by);
    REQUIRE(math::permutation_scratch(n, k) < 16 * k + 65);
    const std::vector<double> drawn = prefix(key, n, k);
    REQUIRE(std::set<double>(drawn.begin(), drawn.end()).size() == static_cast<std::size_t>(k));
    for (double x : drawn) {
      REQUIRE(x >= 0.0);
      REQUIRE(x < static_cast<double>(n));
      REQUIRE(x == std::floor(x));
    }
    REQUIRE(prefix(key, n, k) == drawn);  // whatever the scratch holds
  }
  CHECK(methods.size() == 3);
}

TEST_CASE("fill_permutation_prefix: the same on every platform", "[math]") {
  // From an independent program (Python), as the values in tests/core/key_test.cpp, which belong to the same key.
  const Key key = wick::site_key(wick::make_base(1, wick::make_stream(wick::Role::guide, 2), 3, 4),
                                 wick::hash_name("theta"), wick::hash_counter(0, wick::hash_name("data"), 5), 6);
  CHECK(prefix(key, 100000, 8) == std::vector<double>{82343, 46424, 48097, 16957, 11710, 84145, 6643, 37392});
  CHECK(prefix(key, 20, 8) == std::vector<double>{16, 9, 3, 2, 1, 7, 15, 14});
  CHECK(prefix(key, 10, 8) == std::vector<double>{8, 5, 1, 4, 3, 9, 6, 0});
  CHECK(prefix(key, Index{1} << 50, 3) == std::vector<double>{927101527419223, 522688763894662, 541525750146514});
}

TEST_CASE("fill_permutation_prefix: the bitmap and the table draw alike", "[math]") {
  const Key key = test_key("fill_permutation_prefix: the bitmap and the table draw alike");
  for (Index n : {Index{600}, Index{5000}, Index{1000000}}) {
    const Index k = 300, slots = 1024, words = n / 64 + 1;
    std::vector<double> a(300), b(300);
    std::vector<std::uint64_t> map(static_cast<std::size_t>(words)), table(1024);
    math::detail::draw_distinct(key, n, k, a.data(), math::detail::SeenBitmap(map.data(), words));
    math::detail::draw_distinct(key, n, k, b.data(), math::detail::SeenTable(table.data(), slots));
    CHECK(a == b);
  }
}

TEST_CASE("fill_permutation_prefix: every ordered choice is equally likely", "[math][stat]") {
  const Key key = test_key("fill_permutation_prefix: every ordered choice is equally likely");
  // Both methods: 2 of 7 are drawn one by one, 3 of 5 and 4 of 4 by shuffling.
  for (const auto& size : {std::pair<Index, Index>{7, 2}, {5, 3}, {4, 4}}) {
    const Index n = size.first, k = size.second;
    std::map<std::vector<double>, std::size_t> index;
    std::vector<int> counts;
    for (std::uint64_t i = 0; i < 60000; ++i) {
      const std::vector<double> drawn = prefix(wick::sub_key(key, i), n, k);
      const auto found = index.emplace(drawn, index.size());
      if (found.second) counts.push_back(0);
      ++counts[found.first->second];
    }
    std::size_t choices = 1;
    for (Index i = 0; i < k; ++i) choices *= static_cast<std::size_t>(n - i);
    REQUIRE(counts.size() == choices);
    CHECK(fits(counts));
  }
  // The test notices the usual fault, a shuffle that exchanges with any place instead of a later one.
  std::map<std::vector<int>, int> orders;
  for (std::uint64_t i = 0; i < 60000; ++i) {
    std::vector<int> order{0, 1, 2, 3};
    for (std::size_t j = 0; j < 4; ++j) std::swap(order[j], order[wick::random_below(wick::sub_key(key, i), 4, j)]);
    ++orders[order];
  }
  std::vector<int> counts;
  for (const auto& order : orders) counts.push_back(order.second);
  REQUIRE(counts.size() == 24);
  CHECK_FALSE(fits(counts));
}

TEST_CASE("fill_permutation_prefix: every item is drawn equally often, in every place", "[math][stat]") {
  const Key key = test_key("fill_permutation_prefix: every item is drawn equally often, in every place");
  const Index n = 50;
  for (Index k : {Index{10}, Index{25}, Index{40}}) {
    std::vector<int> first(50, 0), last(50, 0), cell(50 * 5, 0);
    for (std::uint64_t i = 0; i < 50000; ++i) {
      const std::vector<double> drawn = prefix(wick::sub_key(key, i), n, k);
      ++first[static_cast<std::size_t>(drawn.front())];
      ++last[static_cast<std::size_t>(drawn.back())];
      // One place a draw, so that counts are independent.
      const std::size_t place = i % 5, at = place * (static_cast<std::size_t>(k) / 5);
      ++cell[place * 50 + static_cast<std::size_t>(drawn[at])];
    }
    CHECK(fits(first));
    CHECK(fits(last));
    CHECK(fits(cell));
  }
}
