// scan: the textbook's loops over time written with it, against the same loops written out.
#include "ad/expect_grad.hpp"

#include <cmath>

#include <wick/ad/scan.hpp>

using namespace wick;
using namespace wick_test;

namespace {

Tensor series(Index n, double phase) {
  std::vector<double> v;
  for (Index t = 0; t < n; ++t) v.push_back(std::sin(phase + 0.9 * static_cast<double>(t)) + 0.3 * std::cos(2.3 * static_cast<double>(t)));
  return from_values<double>({n}, v);
}
void check_near(const Tensor& got, const Tensor& wanted, double tolerance = 1e-13) {
  REQUIRE(got.shape() == wanted.shape());
  for (Index i = 0; i < got.numel(); ++i) {
    INFO("element " << i << ": " << got.data()[i] << ", wanted " << wanted.data()[i]);
    CHECK(std::abs(got.data()[i] - wanted.data()[i]) <= tolerance * (1 + std::abs(wanted.data()[i])));
  }
}

/// σ²ₜ = ω + α rₜ₋₁² + β σ²ₜ₋₁; the log density of the returns.
Tensor garch(const Tensor& r, const Tensor& omega, const Tensor& alpha, const Tensor& beta) {
  const auto step = [](auto s, auto x, auto o, auto a, auto b) {
    const auto lp = -0.5 * (log(s) + x * x / s) - 0.91893853320467274;
    return Next{o + a * x * x + b * s, lp};
  };
  return sum(scan(step, omega / (1.0 - alpha - beta), each(r), omega, alpha, beta).first);
}
/// The same with the library's scalar operations.
Tensor garch_unrolled(const Tensor& r, const Tensor& omega, const Tensor& alpha, const Tensor& beta) {
  Tensor s = omega / (1.0 - alpha - beta), total = 0.0;
  for (Index t = 0; t < r.size(0); ++t) {
    const Tensor x = take(r, t);
    total = total - 0.5 * (log(s) + x * x / s) - 0.91893853320467274;
    s = omega + alpha * x * x + beta * s;
  }
  return total;
}

}  // namespace

TEST_CASE("scan: GARCH(1,1)", "[ad][scan]") {
  expect_grad("garch", [](const Tensor& r, const Tensor& o, const Tensor& a, const Tensor& b) { return garch(r, o, a, b); }, series(7, 0.1), Tensor(0.2), Tensor(0.15),
              Tensor(0.7));
  const Tensor r = series(60, 0.4);
  const auto with = [&](auto f) { return value_and_grad([&, f](const Tensor& o, const Tensor& a, const Tensor& b) { return f(r, o, a, b); })(0.2, 0.15, 0.7); };
  const auto [v, g] = with(garch);
  const auto [w, h] = with(garch_unrolled);
  check_near(v, w);
  for (std::size_t k = 0; k < 3; ++k) check_near(g[k], h[k], 1e-12);
}

TEST_CASE("scan: AR(5), the state being the last five values", "[ad][scan]") {
  const auto residuals = [](const Tensor& y, const Tensor& phi) {
    const auto step = [](auto s, auto x, auto p) {
      auto mean = p[0] * s[0];
      for (unsigned k = 1; k < 5; ++k) mean = mean + p[k] * s[k];
      auto next = s;
      for (unsigned k = 4; k > 0; --k) next[k] = s[k - 1];
      next[0] = x;
      return Next{next, x - mean};
    };
    return scan<5>(step, zeros({5}), each(y), whole<5>(phi)).first;
  };
  const Tensor y = series(9, 0.7), phi{0.4, -0.2, 0.1, 0.3, -0.1};
  expect_grad("ar5", residuals, y, phi);
  for (Index t = 0; t < 9; ++t) {
    double mean = 0;
    for (Index k = 0; k < 5; ++k) mean += t - 1 - k >= 0 ? phi.at({k}) * y.at({t - 1 - k}) : 0;
    CHECK(residuals(y, phi).at({t}) == Approx(y.at({t}) - mean));
  }
}

TEST_CASE("scan: a Kalman filter gives the evidence of the joint normal distribution", "[ad][scan]") {
  // x_t = a x_{t-1} + N(0, q), y_t = x_t + N(0, r), x_0 ~ N(0, 1).
  const auto evidence = [](const Tensor& y, const Tensor& a, const Tensor& q, const Tensor& r) {
    const auto step = [](auto s, auto x, auto aa, auto qq, auto rr) {
      const auto m = aa * s[0], p = aa * aa * s[1] + qq, f = p + rr, e = x - m, gain = p / f;
      auto next = s;
      next[0] = m + gain * e;
      next[1] = (1.0 - gain) * p;
      return Next{next, -0.5 * (log(f) + e * e / f) - 0.91893853320467274};
    };
    return sum(scan<2>(step, Tensor{0, 1}, each(y), a, q, r).first);
  };
  expect_grad("kalman", evidence, series(6, 0.2), Tensor(0.8), Tensor(0.3), Tensor(0.5));
  // Two observations, by the bivariate normal density.
  const double a = 0.8, q = 0.3, r = 0.5, y1 = 0.4, y2 = -1.1;
  const double p1 = a * a + q, p2 = a * a * p1 + q, c = a * p1, v1 = p1 + r, v2 = p2 + r, det = v1 * v2 - c * c;
  const double wanted = -std::log(2 * std::acos(-1.0)) - 0.5 * std::log(det) - 0.5 * (v2 * y1 * y1 - 2 * c * y1 * y2 + v1 * y2 * y2) / det;
  CHECK(evidence(Tensor{y1, y2}, a, q, r).item() == Approx(wanted).epsilon(1e-12));
}

TEST_CASE("scan: the forward pass of a hidden Markov model sums over all paths", "[ad][scan]") {
  // Two states in probability space; the outputs are the scaling constants' logarithms.
  const auto evidence = [](const Tensor& likelihoods, const Tensor& transitions) {
    const auto step = [](auto s, auto l, auto m) {
      auto next = s;
      for (unsigned j = 0; j < 2; ++j) next[j] = (s[0] * m[j] + s[1] * m[2 + j]) * l[j];
      const auto c = next[0] + next[1];
      for (unsigned j = 0; j < 2; ++j) next[j] = next[j] / c;
      return Next{next, log(c)};
    };
    return sum(scan<2>(step, Tensor{0.6, 0.4}, each<2>(likelihoods), whole<4>(transitions)).first);
  };
  const Tensor l{{0.5, 0.2}, {0.1, 0.9}, {0.3, 0.4}, {0.7, 0.6}}, m{0.7, 0.3, 0.2, 0.8};
  expect_grad("hmm", evidence, l, m);
  double total = 0;
  for (unsigned path = 0; path < 32; ++path) {
    double p = (path & 1u) == 0 ? 0.6 : 0.4;
    for (Index t = 0; t < 4; ++t) {
      const Index from = path >> t & 1u, to = path >> (t + 1) & 1u;
      p *= m.at({2 * from + to}) * l.at({t, to});
    }
    total += p;
  }
  CHECK(evidence(l, m).item() == Approx(std::log(total)).epsilon(1e-13));
}

TEST_CASE("scan: Lotka-Volterra by Runge and Kutta's method, a loop in the step", "[ad][scan]") {
  const auto solve = [](const Tensor& u0, const Tensor& theta, const Tensor& times) {
    const auto step = [](auto s, auto, auto p) {
      const auto slope = [&](auto u) {
        auto d = u;
        d[0] = (p[0] - p[1] * u[1]) * u[0];
        d[1] = (p[3] * u[0] - p[2]) * u[1];
        return d;
      };
      const double h = 0.05;
      for (int inner = 0; inner < 4; ++inner) {
        const auto plus = [&](const auto& k, double f) {
          auto u = s;
          for (unsigned i = 0; i < 2; ++i) u[i] = s[i] + f * k[i];
          return u;
        };
        const auto k1 = slope(s), k2 = slope(plus(k1, h / 2)), k3 = slope(plus(k2, h / 2)), k4 = slope(plus(k3, h));
        for (unsigned i = 0; i < 2; ++i) s[i] = s[i] + h / 6 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]);
      }
      return s;
    };
    return scan<2>(step, u0, each(times), whole<4>(theta));
  };
  const Tensor u0{1.0, 1.0}, theta{1.1, 0.4, 0.4, 0.1};
  expect_grad("lotka-volterra", [&](const Tensor& u, const Tensor& p) { return solve(u, p, arange(3)); }, u0, theta);
  // d u1 - c log u1 + b u2 - a log u2 stays as it is.
  const auto conserved = [&](double x, double y) { return 0.1 * x - 0.4 * std::log(x) + 0.4 * y - 1.1 * std::log(y); };
  const Tensor path = solve(u0, theta, arange(200));
  CHECK(path.shape() == Shape{200, 2});
  CHECK(conserved(path.at({199, 0}), path.at({199, 1})) == Approx(conserved(1.0, 1.0)).epsilon(1e-5));
}

TEST_CASE("scan: states, outputs and last state have the shapes that are told", "[ad][scan]") {
  const Tensor x = series(3, 0.0), wide = reshape(series(6, 0.0), {3, 2});
  const auto add = [](auto s, auto v) { return s + v; };
  expect_grad("cumulative sum", [&](const Tensor& s, const Tensor& v) { return scan(add, s, each(v)); }, Tensor(0.3), x);
  CHECK(scan(add, 0.0, each(x)).shape() == Shape{3});
  const auto rows = [](auto s, auto v) {
    s[0] = s[0] * v[0];
    s[1] = s[1] + v[1];
    return s;
  };
  CHECK(scan<2>(rows, ones({2}), each<2>(wide)).shape() == Shape{3, 2});
  const auto both = [](auto s, auto v) { return Next{s + v[0], v}; };
  const auto [out, last] = scan(both, 1.0, each<2>(wide));
  CHECK(out.shape() == Shape{3, 2});
  check_near(out, wide, 0.0);
  CHECK(last.item() == Approx(1.0 + wide.at({0, 0}) + wide.at({1, 0}) + wide.at({2, 0})));
  // A scan of a scan, and expanded arguments.
  expect_grad("nested", [&](const Tensor& s, const Tensor& v) { return scan(add, s, each(scan(add, v, each(expand(v, {3}))))); }, Tensor(0.3), Tensor(0.2));
  // No steps.
  CHECK(scan(add, 1.0, each(zeros({0}))).shape() == Shape{0});
  const auto [none, first] = scan([](auto s, auto v) { return Next{s, v}; }, 4.0, each(zeros({0})));
  CHECK(none.shape() == Shape{0});
  CHECK(first.item() == 4.0);
}

TEST_CASE("scan: gradients do not depend on how much is computed again", "[ad][scan]") {
  const Tensor r = series(5000, 0.4);  // more steps than Jacobians are kept for
  const auto step = [](auto s, auto x, auto o, auto a, auto b) { return o + a * x * x + b * s; };
  const auto all = [&](const ScanOptions& options) {
    return value_and_grad([&](const Tensor& x, const Tensor& o, const Tensor& a, const Tensor& b) { return sum(log(scan(options, step, 1.0, each(x), o, a, b))); })(r, 0.2, 0.15, 0.7);
  };
  const auto [v, g] = all({});
  const auto [w, h] = all({.checkpoint = true});
  CHECK(v.item() == w.item());
  for (std::size_t k = 0; k < 4; ++k) check_near(g[k], h[k], 0.0);
  const auto unrolled = value_and_grad([&](const Tensor& o, const Tensor& a, const Tensor& b) {
    Tensor s = 1.0, total = 0.0;
    for (Index t = 0; t < 5000; ++t) {
      s = o + a * r.at({t}) * r.at({t}) + b * s;
      total = total + log(s);
    }
    return total;
  })(0.2, 0.15, 0.7);
  check_near(v, unrolled.first, 1e-12);
  for (std::size_t k = 0; k < 3; ++k) check_near(g[k + 1], unrolled.second[k], 1e-11);
}

TEST_CASE("scan: an adjoint of 0 leaves no trace, NaN or not", "[ad][scan]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x{0.5, nan, 0.25};
  const auto f = [&](const Tensor& a) {
    const auto step = [](auto s, auto v, auto p) { return Next{s, p * v}; };
    return sum(where(Tensor{1, 0, 1}, scan(step, 0.0, each(x), a).first, 0.0));
  };
  CHECK(grad(f)(2.0).item() == Approx(0.75));
}

TEST_CASE("scan: wrong shapes", "[ad][scan][errors]") {
  const Tensor x = series(3, 0.0);
  const auto add = [](auto s, auto v) { return s + v; };
  expect_throws_alike<ShapeError>("init", "wick.op.E150", "scan<2>", [&](const Tensor& s) { return scan(add, s, each(x)); }, zeros({2}));
  const auto rows = [](auto s, auto v) {
    s[0] = s[0] + v;
    return s;
  };
  expect_throws_alike<ShapeError>("init of another size", "wick.op.E150", "another K", [&](const Tensor& s) { return scan<2>(rows, s, each(x)); }, zeros({3}));
  expect_throws_alike<ShapeError>("sequence", "wick.op.E150", "each<n>", [&](const Tensor& v) { return scan(add, 0.0, each(v)); }, zeros({3, 2}));
  const auto three = [](auto s, auto v, auto w) { return s + v * w; };
  expect_throws_alike<ShapeError>("lengths", "wick.op.E150", "one length", [&](const Tensor& v) { return scan(three, 0.0, each(x), each(v)); }, zeros({4}));
  expect_throws_alike<ShapeError>("constant", "wick.op.E150", "each(x)", [&](const Tensor& v) { return scan(three, 0.0, each(x), v); }, zeros({3}));
}
