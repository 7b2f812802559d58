#include "ad/expect_grad.hpp"

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;
using wick_test::expect_gradient;

namespace {

const auto normal = [](auto x, auto m, auto s) {
  auto z = (x - m) / s;
  return -0.5 * z * z - log(s);
};
const auto fused = [](const auto&... a) { return wick::fuse(normal, a...); };
const auto fused_sum = [](const auto&... a) { return wick::fuse_sum(normal, a...); };

Tensor wave(const Shape& shape, double phase, double offset = 0.0) {
  std::vector<double> v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = offset + 0.8 * std::sin(1.0 + phase + 0.9 * static_cast<double>(i));
  return shape.empty() ? Tensor(v[0]) : wick::reshape(wick::from_values({v.size()}, v), shape);
}

/// As densities do it: log s once a run when s does not move.
struct Prepared {
  static constexpr unsigned prep_mask = 0b100;
  static auto prep(auto, auto, auto s) { return log(s); }
  auto operator()(auto x, auto m, auto s, auto log_s) const {
    auto z = (x - m) / s;
    return -0.5 * z * z - log_s;
  }
};

/// The same function of tensor operations.
Tensor plain(const Tensor& x, const Tensor& m, const Tensor& s) {
  const Tensor z = (x - m) / s;
  return -0.5 * z * z - wick::log(s);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double most = 0;
  for (Index i = 0; i < a.numel(); ++i)
    most = std::max(most, std::abs(a.data()[i] - b.data()[i]) / (1 + std::abs(b.data()[i])));
  return most;
}

/// A fused call with a mask, as densities make it.
template <class F>
Tensor masked_call(const F& f, const std::vector<Tensor>& x, const Tensor* mask, bool sum, double factor,
                   const Shape* shape) {
  const Tensor* in[] = {&x[0], &x[1], &x[2]};
  wick::detail::FuseRequest q{&wick::detail::fuse_spec<F, 3>, &f, sizeof(F), in, shape, mask};
  q.factor = factor;
  q.sum = sum;
  return wick::detail::fuse_call(q);
}

}  // namespace

TEST_CASE("fuse: agrees with finite differences for scalars, vectors and broadcasts", "[ad][grad]") {
  const auto all = [](const std::string& name, const Tensor& x, const Tensor& m, const Tensor& s) {
    expect_grad("fuse of " + name, fused, x, m, s);
    expect_grad("fuse_sum of " + name, fused_sum, x, m, s);
  };
  all("scalars", 0.3, -0.4, 1.2);
  all("vector and scalars", wave({5}, 0), -0.4, 1.2);
  all("vectors", wave({3}, 0), wave({3}, 1), wave({3}, 2, 1.5));
  all("column, row and scalar", wave({2, 1}, 0), wave({1, 3}, 1), 1.2);
  all("matrix, row and column", wave({2, 3}, 0), wave({3}, 1), wave({2, 1}, 2, 1.5));
  all("one element and a vector", wave({1}, 0), wave({3}, 1), 1.2);
  all("nothing", wick::zeros({0}), -0.4, 1.2);
  all("no rows", wick::zeros({0, 2}), wave({2}, 0), 1.2);
  all("repeats", wick::expand(wave({2}, 0), {2, 2}), -0.4, wave({2, 1}, 2, 1.5));
}

TEST_CASE("fuse: every tail length agrees with finite differences", "[ad][grad]") {
  for (Index n = 1; n <= 17; ++n) {
    expect_gradient("fuse", fused, wave({n}, 0), -0.4, wave({n}, 2, 1.5));
    expect_gradient("fuse_sum", fused_sum, wave({n}, 0), wave({n}, 1), 1.2);
  }
}

TEST_CASE("fuse: agrees with the operations it replaces, beyond a chunk", "[ad]") {
  const std::vector<std::pair<Shape, Shape>> cases = {{{2049}, {}},        {{5000}, {5000}},    {{3, 2049}, {2049}},
                                                      {{3, 2049}, {3, 1}}, {{2049, 2}, {2}},    {{2049, 2}, {2049, 1}},
                                                      {{100'001}, {}},     {{4, 1, 6}, {5, 1}}, {{1}, {3000}}};
  for (const auto& [a, b] : cases) {
    const Tensor x = wave(a, 0), m = wave(b, 1), s = wave(b, 2, 1.5);
    const auto [v, g] = wick::value_and_grad(fused_sum)(x, m, s);
    const auto [w, h] = wick::value_and_grad(
        [](const Tensor& p, const Tensor& q, const Tensor& r) { return wick::sum(plain(p, q, r)); })(x, m, s);
    INFO(wick::detail::to_string(a) << " and " << wick::detail::to_string(b));
    CHECK(v.item() == Approx(w.item()).epsilon(1e-13));
    for (std::size_t k = 0; k < 3; ++k) CHECK(largest_difference(g[k], h[k]) < 1e-12);
    CHECK(largest_difference(wick::fuse(normal, x, m, s), plain(x, m, s)) < 1e-15);
    const auto elementwise = wick::value_and_grad([](const Tensor& p, const Tensor& q, const Tensor& r) {
      return wick::sum(wick::fuse(normal, p, q, r));
    })(x, m, s);
    for (std::size_t k = 0; k < 3; ++k) CHECK(largest_difference(elementwise.second[k], h[k]) < 1e-12);
  }
}

TEST_CASE("fuse: a mask leaves exactly nothing, whatever is behind it", "[ad][grad]") {
  const double bad[] = {0.0, wick::detail::kNaN, wick::detail::kInf, -1.0};
  struct Case {
    Shape x, m, mask;
  };
  const std::vector<Case> cases = {{{3, 1}, {1, 4}, {3, 1}},
                                   {{3, 1}, {1, 4}, {1, 4}},
                                   {{8}, {}, {8}},
                                   {{8}, {8}, {8}},
                                   {{}, {}, {}},
                                   {{11}, {}, {}},
                                   {{3, 4}, {4}, {3, 4}},
                                   {{5000}, {}, {5000}},
                                   {{2, 2049}, {2, 1}, {2049}},
                                   {{2, 2049}, {2049}, {2, 1}}};
  for (const Case& c : cases) {
    const Index n = c.mask.numel();
    std::vector<double> bits(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = i % 3 == 1 || n == 1 ? 0.0 : 1.0;
    const Tensor mask = c.mask.empty() ? Tensor(0.0) : wick::from_values(c.mask, bits);
    Shape shape = c.x;
    REQUIRE(wick::detail::broadcast_into(shape, c.m));
    REQUIRE(wick::detail::broadcast_into(shape, c.mask));
    const Tensor x = wave(c.x, 0), m = wave(c.m, 1), s = wave(c.mask, 2, 1.5);
    for (const double b : bad) {
      // Where the mask is 0 the scale is out of its domain; the reference has a good one there.
      const Tensor spoilt = wick::where(mask, s, b), good = wick::where(mask, s, 1.0);
      INFO(wick::detail::to_string(c.x) << wick::detail::to_string(c.m) << wick::detail::to_string(c.mask) << " " << b);
      for (const bool sum : {true, false}) {
        const auto loss = [&](const Tensor& p, const Tensor& q, const Tensor& r) {
          const Tensor y = masked_call(normal, {p, q, r}, &mask, sum, 1.0, &shape);
          return sum ? y : wick::sum(y);
        };
        const auto [v, g] = wick::value_and_grad(loss)(x, m, spoilt);
        const auto [w, h] = wick::value_and_grad([&](const Tensor& p, const Tensor& q, const Tensor& r) {
          return wick::sum(plain(p, q, r) * mask);
        })(x, m, good);
        CHECK(v.item() == Approx(w.item()).epsilon(1e-12).margin(1e-12));
        for (std::size_t k = 0; k < 3; ++k) CHECK(largest_difference(g[k], h[k]) < 1e-11);
        CHECK(loss(x, m, spoilt).item() == v.item());
      }
    }
  }
}

TEST_CASE("fuse: factor and shape of a request", "[ad][grad]") {
  const Shape shape{4, 3};
  const auto f = [&](const auto& x, const auto& m, const auto& s) {
    return masked_call(normal, {x, m, s}, nullptr, true, 2.5, &shape);
  };
  expect_grad("scaled sum over a larger shape", f, wave({3}, 0), -0.4, 1.2);
  const Tensor x = wave({3}, 0);
  CHECK(f(x, Tensor(-0.4), Tensor(1.2)).item() ==
        Approx(2.5 * 4 * wick::sum(plain(x, -0.4, 1.2)).item()).epsilon(1e-14));
}

TEST_CASE("fuse: one to eight arguments, captured numbers, and functions of math", "[ad][grad]") {
  const double power = 1.5;
  expect_grad(
      "one", [=](const auto& x) { return wick::fuse([power](auto a) { return exp(power * a) / (1.0 + a * a); }, x); },
      wave({3}, 0));
  expect_grad(
      "where",
      [](const auto& x, const auto& y) {
        return wick::fuse_sum([](auto a, auto b) { return where(a > 0.0, a * b, b * b); }, x, y);
      },
      wave({5}, 0), Tensor(0.7));
  expect_grad(
      "special functions",
      [](const auto& x) {
        return wick::fuse_sum([](auto a) { return lgamma(a) + softplus(a) * tanh(a) - log1p(a); }, x);
      },
      wave({4}, 0, 1.5));
  expect_grad(
      "four",
      [](const auto& a, const auto& b, const auto& c, const auto& d) {
        return wick::fuse_sum([](auto p, auto q, auto r, auto s) { return p * q / r + s * s * p; }, a, b, c, d);
      },
      wave({2}, 0), wave({2}, 1), Tensor(1.7), wave({2, 1}, 2));
  const Tensor x = wave({9}, 0);
  const auto eight = [](auto a, auto b, auto c, auto d, auto e, auto f, auto g, auto h) {
    return a * b + c * d + e * f + g * h;
  };
  const Tensor y = wick::fuse(eight, x, 1.0, x, 2.0, x, 3.0, x, 4.0);
  CHECK(largest_difference(y, 10.0 * x) < 1e-15);
  CHECK(largest_difference(
            wick::grad([&](const Tensor& t) { return wick::fuse_sum(eight, t, 1.0, t, 2.0, t, 3.0, t, 4.0); })(x),
            wick::full({9}, 10.0)) < 1e-15);
}

TEST_CASE("fuse: a preparation is evaluated for the right elements", "[ad][grad]") {
  const auto f = [](const auto& x, const auto& m, const auto& s) { return wick::fuse_sum(Prepared{}, x, m, s); };
  expect_grad("fixed", f, wave({3}, 0), Tensor(0.2), Tensor(1.3));
  expect_gradient("fixed, with a tail", f, wave({19}, 0), Tensor(0.2), Tensor(1.3));
  expect_gradient("moving", f, wave({19}, 0), Tensor(0.2), wave({19}, 2, 1.5));
  expect_gradient("by rows", f, wave({3, 5}, 0), wave({5}, 1), wave({3, 1}, 2, 1.5));
  CHECK(f(wave({19}, 0), Tensor(0.2), wave({19}, 2, 1.5)).item() ==
        Approx(fused_sum(wave({19}, 0), Tensor(0.2), wave({19}, 2, 1.5)).item()).epsilon(1e-15));
}

TEST_CASE("fuse: NaN and infinity pass through", "[ad]") {
  CHECK(std::isnan(fused_sum(wave({19}, 0), Tensor(0.2), Tensor(-1.0)).item()));
  std::vector<double> x = wave({19}, 0).to_vector();
  x[17] = wick::detail::kInf;
  CHECK(fused_sum(Tensor(x), Tensor(0.2), Tensor(1.0)).item() == -wick::detail::kInf);
  x[17] = wick::detail::kNaN;
  CHECK(std::isnan(fused_sum(Tensor(x), Tensor(0.2), Tensor(1.0)).item()));
  const Tensor y = fused(Tensor(x), Tensor(0.2), Tensor(1.0));
  for (Index i = 0; i < 19; ++i) CHECK(std::isnan(y.at({i})) == (i == 17));
}

TEST_CASE("fuse: shapes that do not broadcast", "[ad][errors]") {
  wick_test::expect_throws_alike<wick::ShapeError>("fuse", "wick.op.E120", "reshape", fused, wave({3}, 0), wave({2}, 0),
                                                   Tensor(1.0));
  wick_test::expect_throws_alike<wick::ShapeError>("fuse_sum", "wick.op.E120", "reshape", fused_sum, wave({3}, 0),
                                                   Tensor(1.0), wave({2}, 0));
}
