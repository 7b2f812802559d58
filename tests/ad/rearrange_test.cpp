#include "ad/expect_grad.hpp"

#include <algorithm>

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;
using wick_test::expect_throws_alike;

namespace {

using V = std::vector<double>;
const double inf = wick::detail::kInf, a_nan = wick::detail::kNaN;

Tensor wave(const Shape& shape) {
  V v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::sin(1.0 + 2.3 * static_cast<double>(i));
  return wick::reshape(wick::from_values({v.size()}, v), shape);
}

}  // namespace

TEST_CASE("sort and argsort: agree with finite differences along any dimension", "[ad][grad]") {
  const auto f = [](int d) { return [d](const auto& x) { return wick::sort(x, d); }; };
  expect_grad("sort", f(-1), wave({6}));
  for (int d = 0; d < 3; ++d) expect_grad("sort along " + std::to_string(d), f(d), wave({2, 3, 2}));
  expect_grad("sort of repeats", [](const auto& x) { return wick::sort(wick::expand(x, {2, 3}) * wave({2, 3}), 0); }, wave({3}));
  expect_grad("sort of one", f(0), wave({1}));
  expect_grad("sort of nothing", f(0), wick::zeros({0}));
  for (const Index n : {47, 48, 49, 50, 100}) wick_test::expect_gradient("sort of " + std::to_string(n), f(0), wave({n}));
  expect_grad("by argsort", [](const auto& x) { return wick::take(x, wick::argsort(x)); }, wave({5}));
}

TEST_CASE("sort and argsort: the order of numbers, with ties, infinities and NaN", "[ad]") {
  CHECK(wick::sort(Tensor{3, -inf, 1, inf, -2}).to_vector() == V{-inf, -2, 1, 3, inf});
  CHECK(wick::argsort(Tensor{3, 1, 3, 1, a_nan, 1, -inf}).to_vector() == V{6, 1, 3, 5, 0, 2, 4});
  CHECK(std::isnan(wick::sort(Tensor{a_nan, 1.0, inf}).at({2})));
  CHECK(wick::sort(Tensor{{3, 1}, {2, 4}}, 0).to_vector() == V{2, 1, 3, 4});
  CHECK(wick::argsort(Tensor{{3, 1}, {2, 4}}, 0).to_vector() == V{1, 0, 0, 1});
  for (const Index n : {1, 2, 40, 48, 49, 1000, 70000}) {
    V v = (wave({n}) * 3.0).to_vector();
    for (std::size_t i = 0; i < v.size(); i += 3) v[i] = std::round(v[i]) + 0.0;
    V expected = v;
    std::sort(expected.begin(), expected.end());
    const Tensor x = wick::from_values({n}, v);
    CHECK(wick::sort(x).to_vector() == expected);
    const V at = wick::argsort(x).to_vector();
    bool ordered = true;
    for (std::size_t i = 1; i < at.size(); ++i) {
      const double a = v[static_cast<std::size_t>(at[i - 1])], b = v[static_cast<std::size_t>(at[i])];
      ordered = ordered && (a < b || (a == b && at[i - 1] < at[i]));
    }
    CHECK(ordered);
  }
  wick_test::expect_same_paths("sort of edges", [](const auto& x) { return wick::sort(x); }, Tensor{0.0, -0.0, a_nan, -inf, inf, 1.0, 1.0});
  CHECK(wick::grad([](const Tensor& x) { return wick::sum(wick::sort(x) * Tensor{1, 2, 3}); })(Tensor{2, 2, 1}).to_vector() == V{2, 3, 1});
  expect_throws_alike<wick::ShapeError>("sort", "wick.op.E121", "-1", [](const auto& x) { return wick::sort(x, 1); }, wave({3}));
  expect_throws_alike<wick::ShapeError>("argsort", "wick.op.E121", "-1", [](const auto& x) { return wick::argsort(x, 0); }, Tensor(1.0));
}

TEST_CASE("flip and tile: agree with finite differences", "[ad][grad]") {
  CHECK(wick::flip(Tensor{{1, 2}, {3, 4}}, 0).to_vector() == V{3, 4, 1, 2});
  CHECK(wick::flip(Tensor{{1, 2}, {3, 4}}, 1).to_vector() == V{2, 1, 4, 3});
  CHECK(wick::flip(Tensor{{1, 2}, {3, 4}}).to_vector() == V{4, 3, 2, 1});
  CHECK(wick::tile(Tensor{1, 2}, {2}).to_vector() == V{1, 2, 1, 2});
  CHECK(wick::tile(Tensor{{1, 2}}, {2, 2}).to_vector() == V{1, 2, 1, 2, 1, 2, 1, 2});
  CHECK(wick::tile(Tensor{1, 2}, {2, 1}).shape() == Shape{2, 2});
  CHECK(wick::tile(Tensor{{1}, {2}}, {3}).to_vector() == V{1, 1, 1, 2, 2, 2});
  CHECK(wick::tile(Tensor(5.0), {3}).to_vector() == V{5, 5, 5});
  CHECK(wick::tile(Tensor{1, 2}, {0}).shape() == Shape{0});
  for (int d = 0; d < 3; ++d) expect_grad("flip along " + std::to_string(d), [d](const auto& x) { return wick::flip(x, d); }, wave({2, 3, 2}));
  expect_grad("flip of all", [](const auto& x) { return wick::flip(x); }, wave({2, 3}));
  expect_grad("flip of two", [](const auto& x) { return wick::flip(x, {0, -1}); }, wave({2, 2, 3}));
  expect_grad("flip of a scalar", [](const auto& x) { return wick::flip(x); }, Tensor(1.5));
  expect_grad("flip of repeats", [](const auto& x) { return wick::flip(wick::expand(x, {2, 3}), 1); }, wave({3}));
  expect_grad("flip of nothing", [](const auto& x) { return wick::flip(x, 0); }, wick::zeros({0, 2}));
  expect_grad("tile", [](const auto& x) { return wick::tile(x, {2, 3}); }, wave({2, 2}));
  expect_grad("tile of a scalar", [](const auto& x) { return wick::tile(x, {3}); }, Tensor(0.7));
  expect_grad("tile of nothing", [](const auto& x) { return wick::tile(x, {2}); }, wick::zeros({0}));
  expect_throws_alike<wick::ShapeError>("flip", "wick.op.E121", "-1", [](const auto& x) { return wick::flip(x, 1); }, wave({3}));
  expect_throws_alike<wick::ShapeError>("tile", "wick.op.E142", "from 0", [](const auto& x) { return wick::tile(x, {-1}); }, wave({3}));
}

TEST_CASE("split and pad: agree with finite differences", "[ad][grad]") {
  const auto [a, b] = wick::split<2>(Tensor{{1, 2}, {3, 4}}, 1);
  CHECK((a.to_vector() == V{1, 3} && b.to_vector() == V{2, 4}));
  const auto parts = wick::split(wick::arange(6), {1, 0, 3, 2});
  REQUIRE(parts.size() == 4);
  CHECK((parts[1].numel() == 0 && parts[2].to_vector() == V{1, 2, 3}));
  CHECK(wick::pad(Tensor{1, 2}, 0, 1, 2, 9.0).to_vector() == V{9, 1, 2, 9, 9});
  CHECK(wick::pad(Tensor{{1, 2}, {3, 4}}, 0, 1, 0).to_vector() == V{0, 0, 1, 2, 3, 4});
  CHECK(wick::pad(Tensor{{1, 2}, {3, 4}}, 1, 0, 1, a_nan).shape() == Shape{2, 3});
  CHECK(wick::pad(wick::zeros({0}), 0, 1, 1, 3.0).to_vector() == V{3, 3});
  expect_grad("split", [](const auto& x) {
    const auto p = wick::split(x, {1, 2}, 1);
    return wick::sum(p[0]) * p[1];
  }, wave({2, 3}));
  expect_grad("split in two", [](const auto& x) {
    const auto [p, q] = wick::split<2>(x);
    return p * q;
  }, wave({4}));
  for (int d = 0; d < 3; ++d) expect_grad("pad along " + std::to_string(d), [d](const auto& x) { return wick::pad(x, d, 1, 2, 0.5); }, wave({2, 1, 2}));
  expect_grad("pad of products", [](const auto& x) { return wick::square(wick::pad(x * x, 0, 1, 1, 2.0)); }, wave({3}));
  expect_grad("pad of nothing", [](const auto& x) { return wick::pad(x, 0, 2, 0); }, wick::zeros({0}));
  expect_throws_alike<wick::ShapeError>("split", "wick.op.E143", "add up", [](const auto& x) { return wick::split(x, {1, 1})[0]; }, wave({3}));
  expect_throws_alike<wick::ShapeError>("split in two", "wick.op.E143", "sizes", [](const auto& x) { return wick::split<2>(x)[0]; }, wave({3}));
  expect_throws_alike<wick::ShapeError>("split", "wick.op.E142", "from 0", [](const auto& x) { return wick::split(x, {4, -1})[0]; }, wave({3}));
  expect_throws_alike<wick::ShapeError>("pad", "wick.op.E142", "slice", [](const auto& x) { return wick::pad(x, 0, -1, 0); }, wave({3}));
}

TEST_CASE("gather and scatter_add: agree with finite differences, repeated indices adding up", "[ad][grad]") {
  const Tensor x{{1, 2, 3}, {4, 5, 6}}, across{{2, 2}, {0, 1}}, down{{1, 0, 1}};
  CHECK(wick::gather(x, across).to_vector() == V{3, 3, 4, 5});
  CHECK(wick::gather(x, down, 0).to_vector() == V{4, 2, 6});
  CHECK(wick::scatter_add(wick::zeros({2, 3}), across, wick::ones({2, 2})).to_vector() == V{0, 0, 2, 1, 1, 0});
  CHECK(wick::scatter_add(x, down, Tensor{{10, 20, 30}}, 0).to_vector() == V{1, 22, 3, 14, 5, 36});
  expect_grad("gather", [&](const auto& t) { return wick::gather(t, across); }, wave({2, 3}));
  expect_grad("gather down", [&](const auto& t) { return wick::gather(t, down, 0); }, wave({2, 3}));
  expect_grad("gather in the middle", [&](const auto& t) { return wick::gather(t, wick::zeros({2, 4, 2}), 1); }, wave({2, 3, 2}));
  expect_grad("gather of a vector", [&](const auto& t) { return wick::gather(t, Tensor{2, 0, 2}); }, wave({3}));
  expect_grad("gather of nothing", [&](const auto& t) { return wick::gather(t, wick::zeros({0})); }, wave({3}));
  expect_grad("scatter_add", [&](const auto& t, const auto& s) { return wick::square(wick::scatter_add(t, across, s)); }, wave({2, 3}), wave({2, 2}));
  expect_grad("scatter_add down", [&](const auto& t, const auto& s) { return wick::scatter_add(t, down, s, 0); }, wave({2, 3}), wave({1, 3}));
  expect_grad("scatter_add of repeats", [&](const auto& t, const auto& s) { return wick::scatter_add(wick::expand(t, {2, 3}), across, wick::expand(s, {2, 2})); },
              wave({3}), Tensor(0.4));
  expect_grad("scatter_add of nothing", [&](const auto& t, const auto& s) { return wick::scatter_add(t, wick::zeros({0}), s); }, wave({3}), wick::zeros({0}));
  const auto gathered = [](const Tensor& index) { return [index](const auto& t) { return wick::gather(t, index); }; };
  expect_throws_alike<wick::DomainError>("gather", "wick.op.E127", "from 0", gathered(Tensor{3.0}), wave({3}));
  expect_throws_alike<wick::DomainError>("gather", "wick.op.E126", "round", gathered(Tensor{a_nan}), wave({3}));
  expect_throws_alike<wick::ShapeError>("gather", "wick.op.E144", "expand", gathered(Tensor{1.0}), wave({3, 2}));
  expect_throws_alike<wick::ShapeError>("gather", "wick.op.E121", "-1", gathered(Tensor(1.0)), Tensor(2.0));
  expect_throws_alike<wick::ShapeError>("scatter_add", "wick.op.E144", "one index",
                                        [&](const auto& s) { return wick::scatter_add(wick::zeros({3}), Tensor{1.0}, s); }, wave({2}));
}

TEST_CASE("gather and one_hot: a varying index is converted again when the recording is run again", "[ad]") {
  using namespace wick::detail;
  Recording recording;
  Tape& tape = recording.tape();
  const Tensor index = push_leaf(tape, Tensor{0.0, 1.0}, Kind::varying), x = push_leaf(tape, Tensor{10.0, 20.0, 30.0}, Kind::differentiable);
  const Tensor y = wick::gather(x, index), z = wick::one_hot(index, 3), w = wick::scatter_add(x, index, wick::ones({2}));
  tape[TensorAccess::record(index)].block->data[0] = 2.0;
  for (const Tensor& t : {y, z, w})
    (*static_cast<const OpFns* const*>(tape[TensorAccess::record(t)].payload))->forward(tape, TensorAccess::record(t));
  CHECK(y.to_vector() == V{30, 20});
  CHECK(z.to_vector() == V{0, 0, 1, 0, 1, 0});
  CHECK(w.to_vector() == V{10, 21, 31});
}

TEST_CASE("one_hot and masked_select: values and gradients", "[ad][grad]") {
  CHECK(wick::one_hot(Tensor{2, 0}, 3).to_vector() == V{0, 0, 1, 1, 0, 0});
  CHECK(wick::one_hot(1, 3).to_vector() == V{0, 1, 0});
  CHECK(wick::one_hot(Tensor{{0, 1}}, 2).shape() == Shape{1, 2, 2});
  CHECK(wick::one_hot(wick::zeros({0}), 3).shape() == Shape{0, 3});
  expect_grad("one_hot", [](const auto& x) { return wick::matmul(wick::one_hot(wick::floor(x * x), 3), x); }, Tensor{0.5, 1.2, 1.5});
  expect_throws_alike<wick::DomainError>("one_hot", "wick.op.E127", "from 0", [](const auto& x) { return wick::one_hot(x, 2); }, Tensor{0.0, 2.0});
  expect_throws_alike<wick::DomainError>("one_hot", "wick.op.E126", "round", [](const auto& x) { return wick::one_hot(x, 2); }, Tensor(0.5));
  CHECK(wick::masked_select(Tensor{1, 2, 3}, Tensor{1, 0, 2}).to_vector() == V{1, 3});
  CHECK(wick::masked_select(Tensor{{1, 2}, {3, 4}}, Tensor{0, 1}).to_vector() == V{2, 4});
  CHECK(wick::masked_select(Tensor(7.0), Tensor{0, 1, 1}).to_vector() == V{7, 7});
  CHECK(wick::masked_select(Tensor(7.0), 0.0).shape() == Shape{0});
  for (const Index n : {1, 2, 7, 8, 9, 31})
    for (const Index every : {1, 2, 5, 40}) {
      const Tensor x = wick::arange(n), mask = wick::round(wick::sin(x * 7.0 / static_cast<double>(every)));
      V chosen, slope;
      for (Index i = 0; i < n; ++i) {
        if (mask.at({i}) != 0) chosen.push_back(x.at({i}));
        slope.push_back(mask.at({i}) != 0 ? 2 * x.at({i}) : 0.0);
      }
      CHECK(wick::masked_select(x, mask).to_vector() == chosen);
      CHECK(wick::grad([&](const Tensor& t) { return wick::sum(wick::square(wick::masked_select(t, mask))); })(x).to_vector() == slope);
    }
  CHECK(wick::grad([](const Tensor& x) { return wick::sum(wick::masked_select(wick::log(x), x > 0.0)); })(Tensor{-1.0, 2.0, a_nan}).to_vector() == V{0, 0.5, 0});
  expect_grad("masked_select", [](const auto& x) { return wick::masked_select(x * x, x > 0.0); }, Tensor{0.5, -1.2, 1.5});
  expect_grad("masked_select, broadcast", [](const auto& x) { return wick::masked_select(x, Tensor{{1, 0}, {1, 1}, {0, 0}}); }, Tensor{0.5, -1.2});
  expect_grad("masked_select of a scalar", [](const auto& x) { return wick::masked_select(x, Tensor(1.0)); }, Tensor(0.5));
  expect_grad("masked_select of nothing", [](const auto& x) { return wick::masked_select(x, Tensor(1.0)); }, wick::zeros({0}));
  expect_throws_alike<wick::ShapeError>("masked_select", "wick.op.E120", "reshape", [](const auto& x) { return wick::masked_select(x, Tensor{1, 0}); }, wave({3}));
}
