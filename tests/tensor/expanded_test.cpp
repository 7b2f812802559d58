#include "catch.hpp"

#include <thread>
#include <vector>

#include <wick/ad/ops.hpp>
#include <wick/tensor/index.hpp>
#include <wick/tensor/make.hpp>

using wick::Shape;
using wick::Tensor;
using wick::detail::TensorAccess;
using V = std::vector<double>;

TEST_CASE("expanded: data() makes the dense form once, at() and to_vector() read it", "[tensor]") {
  const Tensor x = wick::expand(Tensor{{1}, {2}}, {2, 3});
  CHECK(x.to_vector() == V{1, 1, 1, 2, 2, 2});
  CHECK(x.data() == x.data());
  CHECK(x.at({1, 0}) == 2.0);
  CHECK(x.numel() == 6);
  CHECK(x.shape() == Shape{2, 3});
  const Tensor copy = x;
  CHECK(copy.data() == x.data());
  CHECK(wick::expand(Tensor(4.0), {1, 1}).item() == 4.0);
}

TEST_CASE("expanded: the dense form outlives the expanded value", "[tensor]") {
  Tensor kept;
  {
    const Tensor x = wick::expand(Tensor{1, 2, 3}, {2, 3});
    kept = wick::detail::materialise(x);
    CHECK(kept.data() == x.data());
  }
  CHECK(kept.to_vector() == V{1, 2, 3, 1, 2, 3});
  wick::detail::Recording recording;
  Tensor leaf;
  {
    const Tensor x = wick::expand(Tensor{1, 2, 3}, {2, 3});
    leaf = push_leaf(recording.tape(), x, wick::detail::Kind::differentiable);
  }
  CHECK(leaf.to_vector() == V{1, 2, 3, 1, 2, 3});
}

TEST_CASE("expanded: every layout of repeats", "[tensor]") {
  const auto check = [](const Shape& small, const Shape& shape) {
    const Tensor base = small.empty() ? Tensor(3.0) : wick::reshape(wick::arange(small.numel()), small),
                 x = wick::expand(base, shape);
    const Tensor sum = wick::zeros(shape) + base;
    INFO(wick::detail::to_string(small) << " to " << wick::detail::to_string(shape));
    CHECK(x.to_vector() == sum.to_vector());
  };
  for (const Shape& s : {Shape{}, Shape{1}, Shape{4}, Shape{3, 1}, Shape{3, 4}, Shape{2, 1, 1}, Shape{2, 1, 4},
                         Shape{2, 3, 1}, Shape{1, 3, 4}, Shape{2, 3, 4}, Shape{1, 1, 1}})
    check(s, {2, 3, 4});
  for (const Shape& s : {Shape{1}, Shape{1, 1}, Shape{5, 1, 1}}) check(s, {5, 1, 1});
  check({2, 1, 2, 1, 2}, {2, 3, 2, 3, 2});
  check({3, 1}, {0, 3, 4});
}

TEST_CASE("expanded and index forms: made by several threads at once", "[tensor][threads]") {
  for (int round = 0; round < 20; ++round) {
    const Tensor x = wick::expand(wick::arange(50), {20, 50}), index{3.0, 1.0, 2.0};
    std::vector<std::thread> threads;
    std::vector<const double*> seen(4);
    std::vector<const std::int32_t*> forms(4);
    for (std::size_t t = 0; t < seen.size(); ++t)
      threads.emplace_back([&, t] {
        seen[t] = x.data();
        forms[t] = wick::detail::indices_of("test", TensorAccess::block(index)).at;
      });
    for (std::thread& t : threads) t.join();
    for (std::size_t t = 0; t < seen.size(); ++t) {
      CHECK(seen[t] == x.data());
      CHECK(forms[t] == forms[0]);
    }
    CHECK(forms[0][0] == 3);
  }
}
