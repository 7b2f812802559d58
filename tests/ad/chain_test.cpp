// 10^7 operations in a row: no recursion anywhere, flat memory where nothing is recorded.
#include "ad/expect_grad.hpp"

#include <chrono>

#include "support/alloc_counter.hpp"

using wick::Tensor;

namespace {

constexpr int kLength = 10'000'000;
double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
// Bounds for a slow machine under a sanitizer; the operations themselves take some ten nanoseconds.
constexpr double kTimeLimit = 120;

}  // namespace

TEST_CASE("chain: ten million scalar operations off the tape run in flat memory", "[ad][slow]") {
  const auto start = std::chrono::steady_clock::now();
  Tensor x = 1.0;
  x = x * 1.0000001;
  const std::size_t before = wick_test::current_rss_bytes();
  for (int i = 0; i < kLength; ++i) x = x * 1.0000001;
  CHECK(wick_test::current_rss_bytes() <= before + (1 << 20));
  CHECK(x.item() == Approx(std::exp(1.0)).epsilon(1e-6));
  CHECK(seconds_since(start) < kTimeLimit);
}

TEST_CASE("chain: ten million vector operations off the tape run in flat memory", "[ad][slow]") {
  const auto start = std::chrono::steady_clock::now();
  Tensor x{1.0, 2.0, 3.0};
  x = x * 1.0000001;
  const std::size_t before = wick_test::current_rss_bytes();
  for (int i = 0; i < kLength; ++i) x = x * 1.0000001;
  CHECK(wick_test::current_rss_bytes() <= before + (1 << 20));
  CHECK(x.at({2}) == Approx(3 * std::exp(1.0)).epsilon(1e-6));
  CHECK(seconds_since(start) < kTimeLimit);
}

TEST_CASE("chain: ten million scalar operations on a tape, and back", "[ad][slow]") {
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < 2; ++round) {  // the second time in the memory of the first
    const auto [v, g] = wick::value_and_grad([](const Tensor& a) {
      Tensor x = a;
      for (int i = 0; i < kLength; ++i) x = wick::sigmoid(x) - a;
      return x;
    })(Tensor(0.3));
    CHECK(std::isfinite(v.item()));
    // x = sigmoid(x) - a settles: dx/da = -1 / (1 - s (1 - s)) with s = x + a.
    const double s = v.item() + 0.3;
    CHECK(g.item() == Approx(-1 / (1 - s * (1 - s))).epsilon(1e-10));
  }
  CHECK(seconds_since(start) < kTimeLimit);
}

TEST_CASE("chain: a million vector operations on a tape, and back", "[ad][slow]") {
  const auto start = std::chrono::steady_clock::now();
  const Tensor g = wick::grad([](const Tensor& a) {
    Tensor x = a;
    for (int i = 0; i < kLength / 10; ++i) x = x * 1.000001;
    return wick::sum(x);
  })(Tensor{1.0, 2.0});
  CHECK(g.at({0}) == Approx(std::exp(1.0)).epsilon(1e-5));
  CHECK(seconds_since(start) < kTimeLimit);
}
