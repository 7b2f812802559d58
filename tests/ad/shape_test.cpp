#include "ad/expect_grad.hpp"

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick::detail::TensorAccess;
using wick_test::expect_grad;
using wick_test::expect_throws_alike;

namespace {

Tensor count(const Shape& shape) { return wick::reshape(wick::arange(shape.numel()), shape); }
using V = std::vector<double>;

}  // namespace

TEST_CASE("reshape: keeps the order of elements and shares their memory", "[ad]") {
  const Tensor x = count({2, 3, 2}), y = wick::reshape(x, {4, -1});
  CHECK(y.shape() == Shape{4, 3});
  CHECK(y.data() == x.data());
  CHECK(wick::reshape(y, {12}).data() == x.data());
  CHECK(wick::reshape(x, {2, 3, 2}).data() == x.data());
  CHECK(wick::reshape(Tensor{7.0}, {}).item() == 7.0);
  CHECK(wick::reshape(Tensor(7.0), {1, 1}).shape() == Shape{1, 1});
  CHECK(wick::reshape(wick::zeros({0, 3}), {3, 0}).shape() == Shape{3, 0});
  CHECK(wick::reshape(wick::zeros({0, 3}), {3, -1}).shape() == Shape{3, 0});
  Tensor view;
  {
    const Tensor owner = wick::arange(6);
    view = wick::reshape(owner, {2, 3});
  }
  CHECK(view.to_vector() == V{0, 1, 2, 3, 4, 5});  // the memory outlives its first owner
}

TEST_CASE("reshape: agrees with finite differences", "[ad][grad]") {
  const auto f = [](const Shape& s) { return [s](const auto& x) { return wick::square(wick::reshape(x, s)); }; };
  expect_grad("vector to matrix", f({2, 3}), wick::linspace(-1, 2, 6));
  expect_grad("matrix to vector", f({-1}), wick::reshape(wick::linspace(-1, 2, 6), {3, 2}));
  expect_grad("scalar to matrix", f({1, 1}), Tensor(1.5));
  expect_grad("one element to scalar", f({}), Tensor{{1.5}});
  expect_grad("nothing", f({0, 2}), wick::zeros({2, 0}));
  expect_grad(
      "a repeated scalar",
      [](const auto& x) {
        return wick::reshape(wick::expand(x, {4}), {2, 2});
      },
      Tensor(1.5));
  expect_grad(
      "a repeated row",
      [](const auto& x) {
        return wick::reshape(wick::expand(x, {2, 3}), {3, 2});
      },
      Tensor{1.0, 2.0, 3.0});
  expect_grad(
      "of a reshape",
      [](const auto& x) {
        return wick::reshape(wick::reshape(x * x, {3, 2}), {2, 3}) * wick::reshape(x, {2, 3});
      },
      wick::linspace(-1, 2, 6));
  expect_grad(
      "unsqueeze", [](const auto& x) { return wick::unsqueeze(x, 0) * wick::unsqueeze(x, -1); }, Tensor{1.0, 2.0, 3.0});
  expect_grad(
      "squeeze", [](const auto& x) { return wick::squeeze(x, 1) * wick::squeeze(x); },
      wick::reshape(wick::linspace(-1, 2, 3), {3, 1}));
}

TEST_CASE("unsqueeze and squeeze: shapes", "[ad]") {
  const Tensor x = count({2, 3});
  CHECK(wick::unsqueeze(x, 0).shape() == Shape{1, 2, 3});
  CHECK(wick::unsqueeze(x, 2).shape() == Shape{2, 3, 1});
  CHECK(wick::unsqueeze(x, -1).shape() == Shape{2, 3, 1});
  CHECK(wick::unsqueeze(Tensor(1.0), 0).shape() == Shape{1});
  CHECK(wick::squeeze(count({1, 2, 1, 3})).shape() == Shape{2, 3});
  CHECK(wick::squeeze(count({1, 2, 1, 3}), 0).shape() == Shape{2, 1, 3});
  CHECK(wick::squeeze(count({1, 2, 1, 3}), 1).shape() == Shape{1, 2, 1, 3});
  CHECK(wick::squeeze(Tensor{{5.0}}).shape() == Shape{});
}

TEST_CASE("transpose: values and gradients", "[ad][grad]") {
  CHECK(wick::transpose(count({2, 3})).to_vector() == V{0, 3, 1, 4, 2, 5});
  CHECK(wick::transpose(count({2, 3, 2})).shape() == Shape{2, 2, 3});
  CHECK(wick::transpose(count({2, 3, 2}), 0, 2).to_vector() == V{0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11});
  CHECK(wick::transpose(Tensor{1.0, 2.0}).to_vector() == V{1, 2});
  CHECK(wick::transpose(count({1, 4})).data() != nullptr);
  CHECK(wick::transpose(count({4, 1})).shape() == Shape{1, 4});
  const Tensor big = count({37, 53});
  const Tensor turned = wick::transpose(big);
  std::size_t wrong = 0;
  for (Index i = 0; i < 37; ++i)
    for (Index j = 0; j < 53; ++j) wrong += big.at({i, j}) != turned.at({j, i}) ? 1 : 0;
  CHECK(wrong == 0);
  CHECK(wick::transpose(turned).to_vector() == big.to_vector());
  for (const Index n : {1, 2, 3, 4, 5, 7, 8, 9, 13, 65})
    for (const Index m : {1, 3, 4, 6, 8, 11, 66}) {  // blocks of four, which overlap at the ends
      const Tensor x = count({n, m}) - 1.0;
      const auto f = [](const Tensor& t) { return wick::transpose(t); };
      const Tensor y = f(x), w = wick::sin(count({m, n}));
      // Once where the adjoint is stored, once where it is added to what is there.
      const Tensor once = wick::grad([&](const Tensor& t) { return wick::sum(f(t) * w); })(x);
      const Tensor twice = wick::grad([&](const Tensor& t) { return wick::sum(f(t) * w) + wick::sum(f(t) * w); })(x);
      bool same = true;
      for (Index i = 0; i < n; ++i)
        for (Index j = 0; j < m; ++j)
          same = same && y.at({j, i}) == x.at({i, j}) && once.at({i, j}) == w.at({j, i}) && twice.at({i, j}) == 2 * w.at({j, i});
      CHECK(same);
    }
  CHECK(std::signbit(wick::transpose(wick::full({5, 6}, -0.0)).at({5, 4})));
  for (const auto& [d0, d1] : {std::pair(0, 1), std::pair(0, 2), std::pair(1, 2), std::pair(-1, 0), std::pair(1, 1)})
    expect_grad(
        "transpose", [d0 = d0, d1 = d1](const auto& x) { return wick::transpose(x, d0, d1); },
        wick::reshape(wick::linspace(-1, 2, 12), {2, 3, 2}));
  expect_grad(
      "transpose of a row", [](const auto& x) { return wick::transpose(x) * x; }, Tensor{{1.0, 2.0, 3.0}});
  expect_grad(
      "transpose of nothing", [](const auto& x) { return wick::transpose(x); }, wick::zeros({0, 3}));
  expect_grad(
      "transpose of repeats",
      [](const auto& x) {
        return wick::transpose(wick::expand(x, {2, 3}));
      },
      Tensor{1.0, 2.0, 3.0});
}

TEST_CASE("slice: values and gradients", "[ad][grad]") {
  CHECK(wick::slice(count({2, 3}), 1, 1, 3).to_vector() == V{1, 2, 4, 5});
  CHECK(wick::slice(count({3, 2}), 0, -2, -1).to_vector() == V{2, 3});
  CHECK(wick::slice(count({5}), 0, 2, 2).shape() == Shape{0});
  CHECK(wick::slice(count({5}), 0, 0, 5).to_vector() == V{0, 1, 2, 3, 4});
  for (int dim = 0; dim < 3; ++dim)
    expect_grad(
        "slice of dimension " + std::to_string(dim), [dim](const auto& x) { return wick::slice(x, dim, 1, 2); },
        wick::reshape(wick::linspace(-1, 2, 12), {2, 3, 2}));
  expect_grad(
      "overlapping slices", [](const auto& x) { return wick::slice(x, 0, 0, 3) * wick::slice(x, 0, 1, 4); },
      wick::linspace(-1, 2, 4));
  expect_grad(
      "empty slice", [](const auto& x) { return wick::slice(x, 0, 1, 1); }, wick::linspace(-1, 2, 4));
  expect_grad(
      "slice of repeats",
      [](const auto& x) {
        return wick::slice(wick::expand(x, {3, 2}), 0, 1, 3);
      },
      Tensor{1.0, 2.0});
}

TEST_CASE("expand: repeats without a copy, and operations read through it", "[ad]") {
  const Tensor x{1.0, 2.0, 3.0}, big = wick::expand(x, {1000, 3});
  CHECK(TensorAccess::is_expanded(big));
  CHECK(TensorAccess::stored(big) == x.data());
  CHECK(big.numel() == 3000);
  CHECK(big.at({999, 2}) == 3.0);
  CHECK(wick::expand(x, {2, -1}).shape() == Shape{2, 3});
  CHECK(wick::expand(big, {2, 1000, 3}).shape() == Shape{2, 1000, 3});
  CHECK((wick::expand(Tensor(2.0), {2, 2}) + Tensor{{1.0}, {2.0}}).to_vector() == V{3, 3, 4, 4});
  CHECK(wick::expand(Tensor{{1.0}, {2.0}}, {2, 3}).to_vector() == V{1, 1, 1, 2, 2, 2});
  CHECK(wick::expand(wick::reshape(x, {3, 1, 1}), {2, 3, 2, 2}).to_vector() ==
        V{1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3});
  CHECK(wick::expand(wick::zeros({1, 3}), {0, 3}).numel() == 0);
  CHECK(wick::sum(wick::expand(Tensor(5.0), {0})).item() == 0.0);
  // It still reads through when only leading dimensions are added.
  Tensor kept;
  {
    const Tensor owner = wick::arange(3);
    kept = wick::expand(owner, {2, 3});
  }
  CHECK(kept.to_vector() == V{0, 1, 2, 0, 1, 2});
  CHECK(kept.data() == kept.data());
}

TEST_CASE("expand: agrees with finite differences", "[ad][grad]") {
  const auto f = [](const Shape& s) {
    return [s](const auto& x) { return wick::expand(x, s) * wick::expand(x, s) + wick::exp(wick::expand(x, s)); };
  };
  expect_grad("scalar", f({2, 2}), Tensor(0.7));
  expect_grad("vector", f({2, 3}), Tensor{0.7, -0.2, 0.4});
  expect_grad("column", f({2, 3}), Tensor{{0.7}, {-0.2}});
  expect_grad("middle", f({2, 3, 2}), wick::reshape(wick::linspace(-1, 1, 4), {2, 1, 2}));
  expect_grad("to nothing", f({0, 3}), Tensor{0.7, -0.2, 0.4});
  expect_grad(
      "of an expanded value",
      [](const auto& x) {
        return wick::expand(wick::expand(x, {2, 1}), {2, 2}) * 2.0;
      },
      Tensor(0.7));
  expect_grad(
      "alone",
      [](const auto& x) {
        return wick::detail::materialise(wick::expand(x, {2, 3}));
      },
      Tensor{0.7, -0.2, 0.4});
}

TEST_CASE("expand: a recorded value keeps its record", "[ad]") {
  wick::detail::Recording recording;
  const Tensor x = push_leaf(recording.tape(), Tensor{1.0, 2.0}, wick::detail::Kind::differentiable);
  const auto before = recording.tape().size();
  const Tensor big = wick::expand(x, {1000, 2});
  CHECK(recording.tape().size() == before);
  CHECK(TensorAccess::record(big) == TensorAccess::record(x));
  CHECK(TensorAccess::kind(big) == wick::detail::Kind::differentiable);
}

TEST_CASE("shape operations: errors", "[ad][errors]") {
  const Tensor x = count({2, 3});
  expect_throws_alike<wick::ShapeError>(
      "reshape", "wick.op.E123", "-1", [](const auto& t) { return wick::reshape(t, {4}); }, x);
  expect_throws_alike<wick::ShapeError>(
      "reshape", "wick.op.E123", "-1",
      [](const auto& t) {
        return wick::reshape(t, {-1, 4});
      },
      x);
  expect_throws_alike<wick::ShapeError>(
      "reshape", "wick.op.E123", "-1",
      [](const auto& t) {
        return wick::reshape(t, {-1, -1});
      },
      x);
  expect_throws_alike<wick::ShapeError>(
      "reshape", "wick.op.E123", "-1",
      [](const auto& t) {
        return wick::reshape(t, {-2, -3});
      },
      x);
  expect_throws_alike<wick::ShapeError>(
      "reshape of nothing", "wick.op.E123", "-1",
      [](const auto& t) {
        return wick::reshape(t, {0, -1});
      },
      wick::zeros({0}));
  expect_throws_alike<wick::ShapeError>(
      "transpose", "wick.op.E121", "-1", [](const auto& t) { return wick::transpose(t, 0, 2); }, x);
  expect_throws_alike<wick::ShapeError>(
      "unsqueeze", "wick.op.E121", "-1", [](const auto& t) { return wick::unsqueeze(t, 3); }, x);
  expect_throws_alike<wick::ShapeError>(
      "squeeze", "wick.op.E121", "-1", [](const auto& t) { return wick::squeeze(t, 2); }, x);
  expect_throws_alike<wick::ShapeError>(
      "slice", "wick.op.E121", "-1", [](const auto& t) { return wick::slice(t, 2, 0, 1); }, x);
  expect_throws_alike<wick::ShapeError>(
      "slice", "wick.op.E125", "first", [](const auto& t) { return wick::slice(t, 1, 0, 4); }, x);
  expect_throws_alike<wick::ShapeError>(
      "slice", "wick.op.E125", "first", [](const auto& t) { return wick::slice(t, 1, 2, 1); }, x);
  expect_throws_alike<wick::ShapeError>(
      "slice", "wick.op.E125", "first", [](const auto& t) { return wick::slice(t, 1, -4, 1); }, x);
  expect_throws_alike<wick::ShapeError>(
      "expand", "wick.op.E124", "reshape",
      [](const auto& t) {
        return wick::expand(t, {4, 3});
      },
      x);
  expect_throws_alike<wick::ShapeError>(
      "expand", "wick.op.E124", "reshape", [](const auto& t) { return wick::expand(t, {3}); }, x);
  expect_throws_alike<wick::ShapeError>(
      "expand", "wick.op.E124", "reshape",
      [](const auto& t) {
        return wick::expand(t, {-1, 2, 3});
      },
      x);
  for (const auto& f :
       {+[](const Tensor& t) { return wick::reshape(t, {1}); }, +[](const Tensor& t) { return wick::transpose(t); },
        +[](const Tensor& t) { return wick::slice(t, 0, 0, 0); }, +[](const Tensor& t) { return wick::expand(t, {2}); },
        +[](const Tensor& t) { return wick::sum(t); }, +[](const Tensor& t) { return wick::sum(t, 0); },
        +[](const Tensor& t) { return wick::mean(t); }, +[](const Tensor& t) { return wick::logsumexp(t); },
        +[](const Tensor& t) { return wick::take(t, 0); }, +[](const Tensor& t) { return wick::take(Tensor{1.0}, t); },
        +[](const Tensor& t) {
          return wick::cat({t, t});
        },
        +[](const Tensor& t) { return wick::stack_tensors({t}); }, +[](const Tensor& t) { return wick::matmul(t, t); },
        +[](const Tensor& t) { return wick::exp(t); }}) {
    const auto report =
        wick_test::expect_error<wick::UsageError>([&] { return f(Tensor()); }, "wick.tensor.E100", "", "empty()");
    INFO(report.text);
    CHECK(report.ok);
  }
}

TEST_CASE("shape operations: more elements or dimensions than there can be", "[ad][errors]") {
  using wick::Index;
  const auto refused = [](const char* id, const auto& f) {
    const auto report = wick_test::expect_error<wick::ShapeError>(f, id, "");
    INFO(report.text << report.message);
    CHECK(report.ok);
  };
  const Index huge = Index{1} << 61;
  refused("wick.tensor.E104", [&] { return wick::expand(wick::Tensor(1.0), {huge}); });
  refused("wick.tensor.E104", [&] { return wick::expand(wick::ones({3, 1}), {3, huge}); });
  refused("wick.tensor.E104", [&] { return wick::expand(wick::Tensor(1.0), {Index{1} << 32, Index{1} << 32}); });
  refused("wick.op.E123", [&] { return wick::reshape(wick::ones({8}), {huge + 1, 8}); });
  refused("wick.op.E123", [&] { return wick::reshape(wick::ones({8}), {huge + 1, 8, -1}); });
  // Two expanded values that fit, whose broadcast does not.
  const wick::Tensor tall = wick::expand(wick::Tensor(1.0), {Index{1} << 40, 1}), wide = wick::expand(wick::Tensor(1.0), {Index{1} << 40});
  refused("wick.tensor.E104", [&] { return tall + wide; });
  wick::Shape many;
  for (int i = 0; i < 64; ++i) many.push_back(i == 63 ? 2 : 1);
  const wick::Tensor x = wick::reshape(wick::Tensor{1, 2}, many);
  CHECK(wick::sum(x, {-1}).item<int>() == 3);
  CHECK(wick::sum(x, {0, 63}).dim() == 62);
  CHECK(wick::detail::sum_to(x, {1}).item() == 3);
  many.push_back(1);
  refused("wick.tensor.E104", [&] { return wick::reshape(wick::Tensor{1, 2}, many); });
  refused("wick.tensor.E104", [&] { return wick::unsqueeze(x, 0); });
  refused("wick.tensor.E104", [&] { return wick::expand(x, wick::Shape{1} + x.shape()); });
}
