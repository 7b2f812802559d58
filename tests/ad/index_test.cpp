#include "ad/expect_grad.hpp"

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;
using wick_test::expect_throws_alike;

namespace {

Tensor count(const Shape& shape) { return wick::reshape(wick::arange(shape.numel()), shape); }
using V = std::vector<double>;

/// Drops the index argument from what is differentiated.
template <class F>
auto with(const Tensor& index, F f) {
  return [index, f](const auto& x) { return f(x, index); };
}
const auto take = [](const Tensor& x, const Tensor& i) { return wick::take(x, i); };

}  // namespace

TEST_CASE("take: gathers along any dimension", "[ad]") {
  const Tensor x = count({3, 4});
  CHECK(wick::take(x, Tensor{2, 0, 2}).to_vector() == V{8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11});
  CHECK(wick::take(x, Tensor{3, 1}, 1).to_vector() == V{3, 1, 7, 5, 11, 9});
  CHECK(wick::take(x, Tensor{3, 1}, -1).shape() == Shape{3, 2});
  CHECK(wick::take(x, Tensor(1)).to_vector() == V{4, 5, 6, 7});
  CHECK(wick::take(x, 2, 1).to_vector() == V{2, 6, 10});
  CHECK(wick::take(wick::arange(5), 3).item() == 3.0);
  CHECK(wick::take(x, Tensor{{0, 1}, {2, 0}}).shape() == Shape{2, 2, 4});
  CHECK(wick::take(x, wick::zeros({0})).shape() == Shape{0, 4});
  CHECK(wick::take(wick::zeros({3, 0}), Tensor{1.0}).shape() == Shape{1, 0});
  CHECK(wick::take(wick::expand(Tensor{1.0, 2.0}, {3, 2}), Tensor{2, 2}).to_vector() == V{1, 2, 1, 2});
  CHECK(wick::take(x, wick::expand(Tensor(1.0), {2})).shape() == Shape{2, 4});
}

TEST_CASE("take: agrees with finite differences, repeated indices adding up", "[ad][grad]") {
  const Tensor x = wick::linspace(-1, 2, 6), m = wick::reshape(wick::linspace(-1, 2, 12), {2, 3, 2});
  expect_grad("of a vector", with(Tensor{4, 0, 4, 4}, take), x);
  expect_grad("of a matrix", with(Tensor{1, 1, 0}, take), wick::reshape(x, {2, 3}));
  for (int dim = 0; dim < 3; ++dim)
    expect_grad("along " + std::to_string(dim),
                with(Tensor{1, 0, 1}, [dim](const Tensor& t, const Tensor& i) { return wick::take(t, i, dim); }), m);
  expect_grad("one element", with(Tensor(2.0), take), x);
  expect_grad("one row", with(Tensor(1.0), take), wick::reshape(x, {3, 2}));
  expect_grad("by a matrix", with(Tensor{{0, 5}, {3, 3}}, take), x);
  expect_grad("nothing", with(wick::zeros({0}), take), x);
  expect_grad("of repeats",
              with(Tensor{1, 0},
                   [](const Tensor& t, const Tensor& i) {
                     return wick::take(wick::expand(t, {3, 2}), i);
                   }),
              Tensor{0.5, 1.5});
  const Tensor wide = wick::reshape(wick::linspace(-1, 2, 4 * 19), {4, 19});
  wick_test::expect_gradient("rows of 19", with(Tensor{3, 1, 3}, take), wide);
}

TEST_CASE("take: a varying index is converted again when the recording is run again", "[ad]") {
  using namespace wick::detail;
  Recording recording;
  Tape& tape = recording.tape();
  const Tensor index = push_leaf(tape, Tensor{0.0, 1.0}, Kind::varying);
  const Tensor x = push_leaf(tape, Tensor{10.0, 20.0, 30.0}, Kind::differentiable);
  const Tensor y = wick::take(x, index);
  CHECK(y.to_vector() == V{10, 20});
  tape[TensorAccess::record(index)].block->data[0] = 2.0;
  (*static_cast<const OpFns* const*>(tape[TensorAccess::record(y)].payload))->forward(tape, TensorAccess::record(y));
  CHECK(y.to_vector() == V{30, 20});
  const Tensor varying = wick::take(Tensor{1.0, 2.0}, wick::take(index, 1));
  CHECK(TensorAccess::kind(varying) == Kind::varying);
}

TEST_CASE("take: the int32 form of a constant index is made once", "[ad]") {
  using wick::detail::TensorAccess;
  const Tensor index{1.0, 0.0}, x = count({2, 2});
  wick::take(x, index);
  const auto* form = TensorAccess::block(index)->index_form.load();
  REQUIRE(form != nullptr);
  wick::take(x, index);
  wick::grad([&](const Tensor& t) { return wick::sum(wick::take(t, index)); })(x);
  CHECK(TensorAccess::block(index)->index_form.load() == form);
}

TEST_CASE("take: refuses what is no index, before reading anything", "[ad][errors]") {
  const Tensor x = wick::linspace(0, 1, 5);
  const auto fails = [&](const Tensor& index, const std::string& id, const std::string& advice) {
    expect_throws_alike<wick::DomainError>("take", id, advice, with(index, take), x);
    expect_throws_alike<wick::DomainError>(
        "take by itself", id, advice, [&](const auto& i) { return wick::take(x, i); }, index);
  };
  fails(Tensor{0.0, 0.5}, "wick.op.E126", "round");
  fails(Tensor(1.5), "wick.op.E126", "round");
  fails(Tensor{wick::detail::kNaN}, "wick.op.E126", "round");
  fails(Tensor{1e300}, "wick.op.E126", "round");
  fails(Tensor{2147483648.0}, "wick.op.E126", "round");
  fails(Tensor{0.0, 5.0}, "wick.op.E127", "from 0");
  fails(Tensor{-1.0}, "wick.op.E127", "from 0");
  fails(Tensor(7.0), "wick.op.E127", "from 0");
  CHECK_THAT(wick_test::expect_error<wick::DomainError>(
                 [&] {
                   return wick::take(x, Tensor{4.0, 9.0, 0.0});
                 },
                 "wick.op.E127", "")
                 .message,
             wick_test::contains("index 9 (element 1 of the indices) is outside [0, 5)"));
  expect_throws_alike<wick::DomainError>("of nothing", "wick.op.E127", "from 0", with(Tensor{0.0}, take),
                                         wick::zeros({0}));
  expect_throws_alike<wick::ShapeError>("of a scalar", "wick.op.E121", "-1", with(Tensor{0.0}, take), Tensor(1.0));
  expect_throws_alike<wick::ShapeError>(
      "dimension", "wick.op.E121", "-1", [](const auto& t) { return wick::take(t, Tensor{0.0}, 1); }, x);
}

TEST_CASE("cat: joins along any dimension", "[ad][grad]") {
  CHECK(wick::cat({Tensor{1, 2}, Tensor{3}, Tensor{4, 5, 6}}).to_vector() == V{1, 2, 3, 4, 5, 6});
  CHECK(wick::cat({count({2, 2}), count({2, 1})}, 1).to_vector() == V{0, 1, 0, 2, 3, 1});
  CHECK(wick::cat({count({2, 2}), count({1, 2})}, -2).shape() == Shape{3, 2});
  CHECK(wick::cat({wick::zeros({0}), Tensor{1}}).to_vector() == V{1});
  CHECK(wick::cat({wick::zeros({0, 2}), wick::zeros({0, 3})}, 1).shape() == Shape{0, 5});
  CHECK(wick::cat(std::vector<Tensor>{Tensor{1}, Tensor{2}}).to_vector() == V{1, 2});
  CHECK(wick::cat({wick::expand(Tensor(7.0), {2}), Tensor{1}}).to_vector() == V{7, 7, 1});
  const Tensor a = wick::reshape(wick::linspace(-1, 1, 4), {2, 2}), b = wick::reshape(wick::linspace(1, 2, 6), {2, 3});
  expect_grad(
      "cat of vectors",
      [](const auto& x, const auto& y) {
        return wick::cat({x, y, x * y});
      },
      Tensor{1.0, 2.0}, Tensor{0.5, -0.5});
  expect_grad(
      "cat along 1",
      [](const auto& x, const auto& y) {
        return wick::cat({x, y, x}, 1);
      },
      a, b);
  expect_grad(
      "cat along 0",
      [](const auto& x, const auto& y) {
        return wick::cat({x, y}, 0);
      },
      a, wick::transpose(b));
  expect_grad(
      "cat with repeats",
      [](const auto& x, const auto& y) {
        return wick::cat({wick::expand(x, {2}), y});
      },
      Tensor(1.5), Tensor{0.5, -0.5});
  expect_grad(
      "cat with nothing",
      [](const auto& x, const auto& y) {
        return wick::cat({x, y});
      },
      wick::zeros({0}), Tensor{0.5, -0.5});
}

TEST_CASE("stack_tensors: makes a new dimension", "[ad][grad]") {
  CHECK(wick::stack_tensors({Tensor(1.0), Tensor(2.0), Tensor(3.0)}).to_vector() == V{1, 2, 3});
  CHECK(wick::stack_tensors({Tensor{1, 2}, Tensor{3, 4}}).shape() == Shape{2, 2});
  CHECK(wick::stack_tensors({Tensor{1, 2}, Tensor{3, 4}}, -1).to_vector() == V{1, 3, 2, 4});
  CHECK(wick::stack_tensors({count({2, 2}), count({2, 2})}, 1).to_vector() == V{0, 1, 0, 1, 2, 3, 2, 3});
  expect_grad(
      "stack of scalars",
      [](const auto& x, const auto& y) {
        return wick::stack_tensors({x, y, x * y});
      },
      Tensor(1.5), Tensor(-0.5));
  expect_grad(
      "stack of vectors",
      [](const auto& x, const auto& y) {
        return wick::stack_tensors({x, y}, 1);
      },
      Tensor{1.5, 2.0}, Tensor{0.5, -0.5});
}

TEST_CASE("cat and stack_tensors: errors", "[ad][errors]") {
  const auto cat = [](const auto& a, const auto& b) { return wick::cat({a, b}); };
  const auto stack = [](const auto& a, const auto& b) { return wick::stack_tensors({a, b}); };
  expect_throws_alike<wick::ShapeError>("cat", "wick.op.E128", "join along", cat, count({2, 2}), count({2, 3}));
  expect_throws_alike<wick::ShapeError>("cat", "wick.op.E128", "join along", cat, count({2}), count({2, 3}));
  expect_throws_alike<wick::ShapeError>("cat of scalars", "wick.op.E121", "-1", cat, Tensor(1.0), Tensor(2.0));
  expect_throws_alike<wick::ShapeError>("stack", "wick.op.E128", "expand", stack, Tensor{1.0}, Tensor(2.0));
  CHECK(wick_test::expect_error<wick::ShapeError>([&] { return wick::cat(std::vector<Tensor>{}); }, "wick.op.E128", "",
                                                  "at least one")
            .ok);
  CHECK(wick_test::expect_error<wick::ShapeError>([&] { return wick::stack_tensors(std::vector<Tensor>{}); },
                                                  "wick.op.E128", "", "at least one")
            .ok);
}
