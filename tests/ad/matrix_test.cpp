#include "ad/expect_grad.hpp"

using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;
using wick_test::expect_throws_alike;

namespace {
using V = std::vector<double>;
Tensor count(const Shape& shape) { return wick::reshape(wick::arange(shape.numel()) + 1.0, shape); }
}  // namespace

TEST_CASE("diag, diagonal, tril, triu, fill_tril, vech: agree with finite differences", "[ad][grad]") {
  CHECK(wick::diag(Tensor{1, 2}).to_vector() == V{1, 0, 0, 2});
  CHECK(wick::diagonal(count({2, 2, 2})).to_vector() == V{1, 4, 5, 8});
  CHECK(wick::tril(count({2, 3})).to_vector() == V{1, 0, 0, 4, 5, 0});
  CHECK(wick::tril(count({2, 3}), -1).to_vector() == V{0, 0, 0, 4, 0, 0});
  CHECK(wick::triu(count({2, 3})).to_vector() == V{1, 2, 3, 0, 5, 6});
  CHECK(wick::triu(count({3, 2}), 1).to_vector() == V{0, 2, 0, 0, 0, 0});
  CHECK(wick::triu(count({2, 2}), -5).to_vector() == V{1, 2, 3, 4});
  CHECK(wick::fill_tril(Tensor{1, 2, 3}).to_vector() == V{1, 0, 2, 3});
  CHECK(wick::vech(count({2, 2})).to_vector() == V{1, 3, 4});
  CHECK(wick::fill_tril(wick::zeros({2, 0})).shape() == Shape{2, 0, 0});
  CHECK(wick::diag(Tensor{wick::detail::kNaN, 1.0}).at({0, 1}) == 0.0);
  expect_grad("diag", [](const auto& x) { return wick::diag(x); }, count({2, 3}));
  expect_grad("diag of repeats", [](const auto& x) { return wick::diag(wick::expand(x, {3})); }, Tensor(0.7));
  expect_grad("diag of nothing", [](const auto& x) { return wick::diag(x); }, wick::zeros({0}));
  expect_grad("diagonal", [](const auto& x) { return wick::diagonal(x); }, count({2, 2, 2}));
  expect_grad("tril", [](const auto& x) { return wick::tril(x, 1); }, count({3, 3}));
  expect_grad("triu", [](const auto& x) { return wick::triu(x); }, count({2, 2, 3}));
  expect_grad("fill_tril", [](const auto& x) { return wick::fill_tril(x); }, count({2, 3}));
  expect_grad("vech", [](const auto& x) { return wick::vech(x); }, count({3, 3}));
  expect_grad("vech of nothing", [](const auto& x) { return wick::vech(x); }, wick::zeros({0, 0}));
  expect_grad("L Lᵀ", [](const auto& x) {
    const Tensor l = wick::fill_tril(x);
    return wick::matmul(l, wick::transpose(l));
  }, count({3}));
  expect_throws_alike<wick::ShapeError>("diag", "wick.op.E121", "-1", [](const auto& x) { return wick::diag(x); }, Tensor(1.0));
  expect_throws_alike<wick::ShapeError>("diagonal", "wick.op.E146", "equal", [](const auto& x) { return wick::diagonal(x); }, count({2, 3}));
  expect_throws_alike<wick::ShapeError>("tril", "wick.op.E146", "last two", [](const auto& x) { return wick::tril(x); }, count({3}));
  expect_throws_alike<wick::ShapeError>("fill_tril", "wick.op.E146", "1, 3, 6", [](const auto& x) { return wick::fill_tril(x); }, count({4}));
  expect_throws_alike<wick::ShapeError>("vech", "wick.op.E146", "equal", [](const auto& x) { return wick::vech(x); }, count({3}));
}
