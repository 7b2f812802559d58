#include "ad/expect_grad.hpp"

#include <wick/ad/conv.hpp>

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;
using wick_test::expect_throws_alike;

namespace {

using V = std::vector<double>;
Tensor wave(const Shape& shape, double phase = 0.0) {
  V v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::sin(1.0 + phase + 0.9 * static_cast<double>(i));
  return wick::reshape(wick::from_values({v.size()}, v), shape);
}
auto conv(int stride, int padding) {
  return [=](const auto& x, const auto& w) { return wick::conv1d(x, w, stride, padding); };
}

}  // namespace

TEST_CASE("conv1d: agrees with finite differences", "[ad][grad]") {
  expect_grad("one channel", conv(1, 0), wave({1, 5}), wave({1, 1, 3}, 1));
  expect_grad("channels", conv(1, 0), wave({2, 4}), wave({2, 2, 2}, 1));
  expect_grad("batches", conv(1, 0), wave({2, 1, 4}), wave({1, 1, 2}, 1));
  expect_grad("padding", conv(1, 1), wave({1, 4}), wave({1, 1, 3}, 1));
  expect_grad("strides", conv(2, 1), wave({2, 5}), wave({1, 2, 2}, 1));
  expect_grad("no batches", conv(1, 0), wick::zeros({0, 1, 4}), wave({1, 1, 2}, 1));
  expect_grad("no channels", conv(1, 0), wick::zeros({0, 4}), wick::zeros({2, 0, 2}));
  expect_grad("of repeats", [](const auto& x, const auto& w) { return wick::conv1d(wick::expand(x, {2, 4}), wick::expand(w, {1, 2, 2})); }, wave({4}), wave({2}, 1));
  for (const int width : {1, 4, 5, 9}) wick_test::expect_gradient("width " + std::to_string(width), conv(1, 2), wave({2, 30}), wave({3, 2, width}, 1));
}

TEST_CASE("conv1d: equals the sums it stands for", "[ad]") {
  const auto sums = [](const Tensor& x, const Tensor& w, Index stride) {
    V out;
    for (Index o = 0; o < w.size(0); ++o)
      for (Index t = 0; t * stride + w.size(2) <= x.size(1); ++t) {
        double s = 0;
        for (Index i = 0; i < w.size(1); ++i)
          for (Index k = 0; k < w.size(2); ++k) s += w.at({o, i, k}) * x.at({i, stride * t + k});
        out.push_back(s);
      }
    return out;
  };
  CHECK(wick::conv1d(Tensor{{1, 2, 3, 4}}, Tensor{{{1, 10}}}).to_vector() == V{21, 32, 43});
  CHECK(wick::conv1d(Tensor{{1, 2, 3}}, Tensor{{{1, 10, 100}}}, 1, 1).to_vector() == V{210, 321, 32});
  CHECK(wick::conv1d(wave({7, 2, 10}), wave({3, 2, 4}), 2, 1).shape() == Shape{7, 3, 5});
  for (const Index stride : {1, 2, 3})
    for (const Index width : {1, 3, 4, 7, 20}) {
      const Tensor x = wave({3, 41}), w = wave({2, 3, width}, 2);
      const V got = wick::conv1d(x, w, stride).to_vector(), expected = sums(x, w, stride);
      REQUIRE(got.size() == expected.size());
      double worst = 0;
      for (std::size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(got[i] - expected[i]));
      CHECK(worst < 1e-14 * 3 * static_cast<double>(width));
    }
  // An adjoint of 0 leaves no trace.
  const double inf = wick::detail::kInf;
  for (const int stride : {1, 2}) {
    const Tensor g = wick::grad([&](const Tensor& x) { return wick::sum(wick::where(Tensor{{1, 1}, {0, 0}}, wick::slice(wick::conv1d(x, Tensor{{{2.0}}, {{inf}}}, stride), 1, 0, 2), 0.0)); })(
        Tensor{{1, 2, 3}});
    CHECK(std::isfinite(wick::sum(g).item()));
  }
}

TEST_CASE("conv1d: shapes that do not fit", "[ad][errors]") {
  const auto fails = [](const Tensor& x, const Tensor& w, int stride, int padding) {
    expect_throws_alike<wick::ShapeError>("conv1d", "wick.op.E148", "channels", conv(stride, padding), x, w);
  };
  fails(wave({4}), wave({1, 1, 2}), 1, 0);
  fails(wave({2, 4}), wave({1, 1, 2}), 1, 0);
  fails(wave({1, 4}), wave({1, 1, 5}), 1, 0);
  fails(wave({1, 4}), wave({1, 2}), 1, 0);
  fails(wave({1, 4}), wave({1, 1, 2}), 0, 0);
  fails(wave({1, 4}), wave({1, 1, 2}), 1, -1);
}
