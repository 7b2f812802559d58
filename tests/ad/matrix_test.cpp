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
  for (const wick::Index n : {1, 5, 8, 9, 19})
    for (const wick::Index offset : {-30, -2, 0, 1, 8, 30}) {
      CAPTURE(n, offset);
      const Tensor a = count({2, n, 11}), low = wick::tril(a, offset), high = wick::triu(a, offset), line = count({2, n * (n + 1) / 2}), filled = wick::fill_tril(line);
      const Tensor w = wick::sin(a);
      const auto twice = [&](const Tensor& t) { return wick::sum(wick::tril(t, offset) * w) + wick::sum(wick::tril(t, offset) * w); };
      const Tensor g = wick::grad([&](const Tensor& t) { return wick::sum(wick::tril(t, offset) * w); })(a), gg = wick::grad(twice)(a);
      bool same = true;
      for (wick::Index k = 0; k < 2; ++k)
        for (wick::Index i = 0; i < n; ++i) {
          for (wick::Index j = 0; j < 11; ++j) {
            const double x = a.at({k, i, j}), of_w = w.at({k, i, j});
            same = same && low.at({k, i, j}) == (j <= i + offset ? x : 0.0) && high.at({k, i, j}) == (j >= i + offset ? x : 0.0);
            same = same && g.at({k, i, j}) == (j <= i + offset ? of_w : 0.0) && gg.at({k, i, j}) == (j <= i + offset ? 2 * of_w : 0.0);
          }
          for (wick::Index j = 0; j < n; ++j) same = same && filled.at({k, i, j}) == (j <= i ? line.at({k, i * (i + 1) / 2 + j}) : 0.0);
        }
      CHECK(same);
      CHECK(wick::vech(filled).to_vector() == line.to_vector());
    }
  expect_grad("fill_tril", [](const auto& x) { return wick::fill_tril(x) * wick::fill_tril(x); }, count({45}) * 0.1);
  expect_grad("vech", [](const auto& x) { return wick::square(wick::vech(x)); }, count({9, 9}) * 0.1);
  expect_throws_alike<wick::ShapeError>("diag", "wick.op.E121", "-1", [](const auto& x) { return wick::diag(x); }, Tensor(1.0));
  expect_throws_alike<wick::ShapeError>("diagonal", "wick.op.E146", "equal", [](const auto& x) { return wick::diagonal(x); }, count({2, 3}));
  expect_throws_alike<wick::ShapeError>("tril", "wick.op.E146", "last two", [](const auto& x) { return wick::tril(x); }, count({3}));
  expect_throws_alike<wick::ShapeError>("fill_tril", "wick.op.E146", "1, 3, 6", [](const auto& x) { return wick::fill_tril(x); }, count({4}));
  expect_throws_alike<wick::ShapeError>("vech", "wick.op.E146", "equal", [](const auto& x) { return wick::vech(x); }, count({3}));
}
