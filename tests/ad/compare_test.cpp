#include "ad/expect_grad.hpp"

using wick::Tensor;
using wick_test::expect_grad;

namespace {
const double inf = wick::detail::kInf, a_nan = wick::detail::kNaN;

std::vector<double> values(const Tensor& t) { return t.to_vector(); }
}  // namespace

TEST_CASE("comparisons: 1 where they hold, 0 elsewhere, and 0 for NaN but for !=", "[ad]") {
  const Tensor a{1.0, 2.0, 3.0, a_nan, inf, -0.0, a_nan, 1.0, 2.0}, b{2.0, 2.0, 1.0, 1.0, inf, 0.0, a_nan, a_nan, -inf};
  using V = std::vector<double>;
  CHECK(values(a < b) == V{1, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(values(a <= b) == V{1, 1, 0, 0, 1, 1, 0, 0, 0});
  CHECK(values(a > b) == V{0, 0, 1, 0, 0, 0, 0, 0, 1});
  CHECK(values(a >= b) == V{0, 1, 1, 0, 1, 1, 0, 0, 1});
  CHECK(values(a == b) == V{0, 1, 0, 0, 1, 1, 0, 0, 0});
  CHECK(values(a != b) == V{1, 0, 1, 1, 0, 0, 1, 1, 1});
  for (wick::Index i = 0; i < a.numel(); ++i) {  // scalars do the same
    const Tensor x = a.at({i}), y = b.at({i});
    CHECK((x < y).item() == (a < b).at({i}));
    CHECK((x <= y).item() == (a <= b).at({i}));
    CHECK((x == y).item() == (a == b).at({i}));
    CHECK((x != y).item() == (a != b).at({i}));
  }
}

TEST_CASE("masks: logic takes anything but 0 for true", "[ad]") {
  const Tensor a{0.0, 1.0, 2.0, -3.0}, b{0.0, 0.0, 5.0, 1.0};
  using V = std::vector<double>;
  CHECK(values(!a) == V{1, 0, 0, 0});
  CHECK(values(a & b) == V{0, 0, 1, 1});
  CHECK(values(a | b) == V{0, 1, 1, 1});
  CHECK(values(!(a & Tensor{{0.0}, {1.0}})) == V{1, 1, 1, 1, 1, 0, 0, 0});
}

TEST_CASE("comparisons: have no gradient, and their results are varying", "[ad]") {
  using wick::detail::TensorAccess;
  wick::detail::Recording recording;
  const Tensor x = push_leaf(recording.tape(), Tensor{1.0, 2.0}, wick::detail::Kind::differentiable);
  CHECK(TensorAccess::kind(x < 1.5) == wick::detail::Kind::varying);
  CHECK(TensorAccess::kind(!x) == wick::detail::Kind::varying);
  CHECK(TensorAccess::kind(wick::sum(x) == wick::sum(x)) == wick::detail::Kind::varying);
}

TEST_CASE("where: agrees with finite differences for all shapes", "[ad][grad]") {
  const auto f = [](const auto& c, const auto& a, const auto& b) { return wick::where(c > 0.0, a * a, 3.0 * b); };
  expect_grad("where of scalars, true", f, Tensor(1.0), Tensor(2.0), Tensor(3.0));
  expect_grad("where of scalars, false", f, Tensor(-1.0), Tensor(2.0), Tensor(3.0));
  expect_grad("where of vectors", f, Tensor{1.0, -1.0, 2.0}, Tensor{0.3, 0.4, 0.5}, Tensor{1.3, 1.4, 1.5});
  expect_grad("where, broadcast", f, Tensor{{1.0}, {-1.0}}, Tensor{0.3, 0.4, 0.5}, Tensor(1.5));
  expect_grad("where of a scalar condition", f, Tensor(1.0), Tensor{0.3, 0.4, 0.5}, Tensor{{1.5}, {2.5}});
  expect_grad("where of nothing", f, wick::zeros({0}), wick::zeros({0}), Tensor(1.0));
}

TEST_CASE("where: what is not selected leaves no trace, NaN included", "[ad]") {
  const Tensor c{1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0};
  const auto f = [&](const Tensor& x) { return wick::sum(wick::where(c, wick::log(x), 2.0 * x)); };
  const auto [v, g] = wick::value_and_grad(f)(Tensor{1.0, -1.0, 1.0, -2.0, 1.0, -1.0, 1.0, 0.0, 1.0, -5.0});
  CHECK(v.item() == -18.0);
  CHECK(g.to_vector() == std::vector<double>{1, 2, 1, 2, 1, 2, 1, 2, 1, 2});
  // The same through products, quotients and fused functions, for scalars and vectors.
  const double not_selected[] = {0.0, a_nan, inf};
  for (const double bad : not_selected) {
    const Tensor data{bad, 2.0}, mask{0.0, 1.0};
    const auto check = [&](const auto& loss) {
      const Tensor gw = wick::grad([&](const Tensor& w) { return wick::sum(wick::where(mask, loss(w, data), 0.0)); })(
          Tensor{3.0, 3.0});
      CHECK(gw.at({0}) == 0.0);
      CHECK(std::isfinite(gw.at({1})));
      const Tensor s =
          wick::grad([&](const Tensor& w) { return wick::sum(wick::where(mask, loss(w, data), 0.0)); })(Tensor(3.0));
      CHECK(std::isfinite(s.item()));
      const Tensor t = wick::grad(
          [&](const Tensor& w) { return wick::sum(wick::where(mask, loss(w, Tensor(bad)), 0.0)); })(Tensor{3.0, 3.0});
      CHECK(t.at({0}) == 0.0);
    };
    check([](const Tensor& w, const Tensor& d) { return w * d; });
    check([](const Tensor& w, const Tensor& d) { return w / d; });
    check([](const Tensor& w, const Tensor& d) { return wick::exp(d * w) + wick::pow(d, w); });
    check([](const Tensor& w, const Tensor& d) {
      return wick::fuse([](auto x, auto y) { return x * log(y) + x / y; }, w, d);
    });
  }
}
