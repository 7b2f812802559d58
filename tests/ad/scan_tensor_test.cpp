// scan over tensors: filters and forward passes of any size, against joint densities, sums over paths and the same loops unrolled.
#include "ad/expect_grad.hpp"

#include <cmath>

#include <Eigen/Dense>

#include <wick/ad/linalg_spectral.hpp>
#include <wick/ad/scan.hpp>
#include <wick/dist/normal.hpp>

using namespace wick;
using namespace wick_test;

namespace {

Tensor numbers(const Shape& shape, double phase, double least = -2.0) {
  std::vector<double> v;
  for (Index i = 0; i < shape.numel(); ++i) v.push_back(std::max(std::sin(phase + 0.9 * static_cast<double>(i)) + 0.3 * std::cos(2.3 * static_cast<double>(i)), least));
  return from_values(shape, v);
}
Tensor positive(const Shape& shape, double phase) { return exp(0.5 * numbers(shape, phase)); }
void check_near(const Tensor& got, const Tensor& wanted, double tolerance = 1e-12) {
  REQUIRE(got.shape() == wanted.shape());
  for (Index i = 0; i < got.numel(); ++i) {
    INFO("element " << i << ": " << got.data()[i] << ", wanted " << wanted.data()[i]);
    CHECK(std::abs(got.data()[i] - wanted.data()[i]) <= tolerance * (1 + std::abs(wanted.data()[i])));
  }
}

/// Forward pass in probabilities: the logarithms of the scales.
Tensor hmm(const Tensor& start, const Tensor& likelihoods, const Tensor& transitions, const ScanOptions& options = {}) {
  const auto step = [](const Tensor& p, const Tensor& l, const Tensor& a) {
    const Tensor n = matmul(p, a) * l, c = sum(n);
    return Next{n / c, c};
  };
  return sum(log(scan(options, step, start, each(likelihoods), transitions).first));
}
/// The same in logarithms.
Tensor log_hmm(const Tensor& start, const Tensor& likelihoods, const Tensor& transitions) {
  const auto step = [](const Tensor& p, const Tensor& l, const Tensor& a) { return logsumexp(reshape(p, {-1, 1}) + a, 0) + l; };
  const Tensor all = scan(step, log(start), each(log(likelihoods)), log(transitions));
  return logsumexp(slice(all, 0, all.size(0) - 1, all.size(0)));
}
Tensor unrolled_hmm(const Tensor& start, const Tensor& likelihoods, const Tensor& transitions) {
  Tensor p = start, total = 0.0;
  for (Index t = 0; t < likelihoods.size(0); ++t) {
    const Tensor n = matmul(p, transitions) * take(likelihoods, t), c = sum(n);
    p = n / c;
    total = total + log(c);
  }
  return total;
}

}  // namespace

TEST_CASE("scan over tensors: the forward pass of a hidden Markov model", "[ad][scan]") {
  const Tensor start{0.5, 0.3, 0.2}, a{{0.7, 0.2, 0.1}, {0.3, 0.5, 0.2}, {0.2, 0.2, 0.6}}, l = positive({3, 3}, 0.3);
  const auto plain = [](const Tensor& p, const Tensor& x, const Tensor& m) { return hmm(p, x, m); };
  expect_grad("hmm", plain, start, l, a);
  double total = 0;
  for (Index path = 0; path < 81; ++path) {
    double p = start.at({path % 3});
    for (Index t = 0, rest = path; t < 3; ++t, rest /= 3) p *= a.at({rest % 3, rest / 3 % 3}) * l.at({t, rest / 3 % 3});
    total += p;
  }
  CHECK(hmm(start, l, a).item() == Approx(std::log(total)).epsilon(1e-13));
  CHECK(log_hmm(start, l, a).item() == Approx(std::log(total)).epsilon(1e-13));
  // Sizes around those that fill packets; more steps than are kept; steps computed again.
  for (const Index k : {1, 5, 8, 16, 19}) {
    const Tensor p = softmax(numbers({k}, 0.1)), m = softmax(numbers({k, k}, 0.4)), x = positive({40, k}, 0.9);
    const auto [v, g] = value_and_grad(plain)(p, x, m);
    const auto [w, h] = value_and_grad(unrolled_hmm)(p, x, m);
    const auto [u, i] = value_and_grad([](const Tensor& s, const Tensor& y, const Tensor& b) { return hmm(s, y, b, {.checkpoint = true}); })(p, x, m);
    const auto [z, j] = value_and_grad(log_hmm)(p, x, m);
    check_near(v, w);
    check_near(v, z);
    CHECK(v.item() == u.item());
    for (std::size_t n = 0; n < 3; ++n) {
      INFO(k << " states, argument " << n);
      check_near(g[n], h[n]);
      check_near(g[n], i[n], 1e-14);
      check_near(g[n], j[n], 1e-11);
    }
  }
}

TEST_CASE("scan over tensors: a Kalman filter gives the evidence of the joint normal distribution", "[ad][scan]") {
  // x_t = A x_{t-1} + N(0, Q), y_t = h·x_t + N(0, r), x_0 ~ N(0, I); the state is mean and covariance.
  const auto evidence = [](const Tensor& y, const Tensor& a, const Tensor& q, const Tensor& h, const Tensor& r) {
    const auto step = [](const std::array<Tensor, 2>& s, const Tensor& x, const Tensor& aa, const Tensor& qq, const Tensor& hh, const Tensor& rr) {
      const Tensor m = matmul(aa, s[0]), p = matmul(matmul(aa, s[1]), transpose(aa)) + qq;
      const Tensor ph = matmul(p, hh), f = dot(hh, ph) + rr, e = x - dot(hh, m), gain = ph / f;
      return Next{std::array{m + gain * e, p - outer(gain, ph)}, -0.5 * (log(f) + e * e / f)};
    };
    return sum(scan(step, std::array{zeros({2}), Tensor{{1, 0}, {0, 1}}}, each(y), a, q, h, r).first) - 0.91893853320467274 * static_cast<double>(y.size(0));
  };
  const Tensor y = numbers({4}, 0.2), a{{0.8, 0.3}, {-0.2, 0.7}}, q{{0.3, 0.1}, {0.1, 0.4}}, h{1.0, 0.5}, r = 0.2;
  expect_grad("kalman", evidence, y, a, q, h, r);
  // The covariance of all observations, built forwards.
  using M = Eigen::MatrixXd;
  M aa(2, 2), qq(2, 2), hh(1, 2), cov = M::Zero(4, 4);
  aa << 0.8, 0.3, -0.2, 0.7;
  qq << 0.3, 0.1, 0.1, 0.4;
  hh << 1.0, 0.5;
  M p = M::Identity(2, 2);
  for (int t = 0; t < 4; ++t) {
    p = aa * p * aa.transpose() + qq;
    M lag = p;
    for (int u = t; u < 4; ++u, lag = aa * lag) cov(u, t) = cov(t, u) = (hh * lag * hh.transpose())(0, 0) + (u == t ? 0.2 : 0.0);
  }
  Eigen::VectorXd v(4);
  for (int t = 0; t < 4; ++t) v[t] = y.at({t});
  const double wanted = -0.5 * v.dot(cov.llt().solve(v)) - 0.5 * std::log(cov.determinant()) - 4 * 0.91893853320467274;
  CHECK(evidence(y, a, q, h, r).item() == Approx(wanted).epsilon(1e-12));
}

TEST_CASE("scan over tensors: every form of state, argument and output", "[ad][scan]") {
  const Tensor x = numbers({4}, 0.0), rows = numbers({4, 3}, 0.5), w = numbers({3, 3}, 0.8), s0 = numbers({3}, 0.3);
  // A recurrent net with everything differentiable; a state and an output that are the same value, and an output that is an argument.
  expect_grad("net", [](const Tensor& s, const Tensor& u, const Tensor& m, const Tensor& b) {
    const auto step = [](const Tensor& h, const Tensor& v, const Tensor& ww, const Tensor& bb) {
      const Tensor next = tanh(matmul(ww, h) + v * bb);
      return Next{next, std::array{next, v, sum(next * next)}};
    };
    const auto [out, last] = scan(step, s, each(u), m, b);
    return sum(out[0] * out[1]) + sum(out[2]) + sum(last);
  }, s0, rows, 0.5 * w, Tensor(0.7));
  // States that change places, a state that is an argument, one that is a constant, numbers and tensors mixed.
  expect_grad("places", [](const Tensor& s, const Tensor& u, const Tensor& v) {
    const auto step = [](const std::array<Tensor, 4>& c, const Tensor& y, const Tensor& z) {
      return Next{std::array<Tensor, 4>{c[1], c[0] * y, z, Tensor{1, 2, 3}}, c[2] * c[3] + c[0]};
    };
    const auto [out, last] = scan(step, std::array<Tensor, 4>{Tensor(0.3), Tensor(-0.4), s, s * 2.0}, each(u), each(v));
    return sum(out * numbers({4, 3}, 1.3)) + last[0] * last[1] + sum(last[2] * last[3]);
  }, s0, x, rows);
  // Without outputs: all states; a matrix as the state; a density in the step; an index that moves; what has no derivative.
  expect_grad("matrix state", [](const Tensor& s, const Tensor& m) { return scan([](const Tensor& c, const Tensor&, const Tensor& b) { return matmul(c, b) * 0.5; }, s, each(arange(3)), m); },
              numbers({2, 3}, 0.1), w);
  expect_grad("density", [](const Tensor& u, const Tensor& scale) {
    const auto step = [](const Tensor& m, const Tensor& y, const Tensor& s) { return Next{0.5 * m + 0.5 * y, Normal(m, s).log_prob(y)}; };
    return sum(scan(step, 0.0, each(u), scale).first);
  }, x, Tensor(0.8));
  const auto [picked, sorted] = scan([](const Tensor& c, const Tensor& i, const Tensor& table) {
    const Tensor row = take(table, i);
    return Next{c + sort(row) * stop_gradient(c), max(row)};
  }, s0, each(Tensor{2, 0, 1, 2}), w);
  Tensor c = s0;
  for (const Index i : {2, 0, 1, 2}) c = c + sort(take(w, i)) * c;
  check_near(sorted, c, 1e-14);
  CHECK(picked.at({1}) == max(take(w, 0)).item());
  expect_gradient("chosen", [](const Tensor& s, const Tensor& table) {
    const auto step = [](const Tensor& d, const Tensor& i, const Tensor& m) {
      const Tensor row = take(m, i);
      return Next{d + sort(row) * max(row), sum(d * row)};
    };
    const auto [out, last] = scan(step, s, each(Tensor{2, 0, 1, 2}), table);
    return sum(out) + sum(last);
  }, s0, w);
  // The state before a step as its output: what arrives there comes before what the step itself sends back.
  expect_grad("state before", [](const Tensor& s, const Tensor& u) {
    const auto [out, last] = scan([](const Tensor& d, const Tensor& v) { return Next{d * v, d}; }, s, each(u));
    return sum(out * numbers({4, 3}, 1.3)) + sum(last);
  }, s0, rows);
  // Nested: the inner scan's sequence is the outer's row, its argument the outer state.
  expect_grad("nested", [](const Tensor& s, const Tensor& u) {
    const auto inner = [](const Tensor& d, const Tensor& e, const Tensor& f) { return d * e + f; };
    return scan([inner](const Tensor& d, const Tensor& row) { return sum(scan(inner, d, each(row), d * d)) * 0.2; }, s, each(u));
  }, Tensor(0.4), rows);
  // Nothing to do, and sizes of 0.
  const auto [none, first] = scan([](const Tensor& s, const Tensor& v) { return Next{s + v, s * 2.0}; }, s0, each(zeros({0, 3})));
  CHECK(none.shape() == Shape{0, 3});
  check_near(first, s0, 0.0);
  CHECK(grad([](const Tensor& s) { return sum(scan([](const Tensor& d, const Tensor& v) { return Next{d, v}; }, s, each(zeros({0}))).second); })(s0).at({1}) == 1.0);
  CHECK(scan([](const Tensor& s, const Tensor& v) { return s * v; }, zeros({0}), each(x)).shape() == Shape{4, 0});
  CHECK(scan([](const Tensor& s, const Tensor& v) { return s * v; }, 1.0, each(expand(Tensor(2.0), {4}))).at({3}) == 16.0);
}

TEST_CASE("scan over tensors: long series, zeros and NaN", "[ad][scan]") {
  // More steps than are kept: 3,000 of 100 numbers.
  const Tensor s0 = numbers({50}, 0.2), x = numbers({3000}, 0.7), b = positive({50}, 0.5);
  const auto f = [](const Tensor& s, const Tensor& u, const Tensor& w) { return sum(scan([](const Tensor& c, const Tensor& v, const Tensor& ww) { return Next{0.9 * c + v * ww, sum(c * c)}; }, s, each(u), w).first); };
  const auto g = grad(f)(s0, x, b);
  const auto h = grad([](const Tensor& s, const Tensor& u, const Tensor& w) {
    Tensor c = s, total = 0.0;
    for (Index t = 0; t < 3000; ++t) {
      total = total + sum(c * c);
      c = 0.9 * c + take(u, t) * w;
    }
    return total;
  })(s0, x, b);
  for (std::size_t k = 0; k < 3; ++k) check_near(g[k], h[k], 1e-11);
  // An adjoint of 0 leaves no trace.
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto masked = [&](const Tensor& w) {
    const auto step = [](const Tensor& s, const Tensor& v, const Tensor& ww) { return Next{s, matmul(v, ww)}; };
    return sum(where(Tensor{{1.0}, {0.0}, {1.0}}, scan(step, 0.0, each(Tensor{{0.5, 1}, {nan, 1}, {0.25, 1}}), w).first, 0.0));
  };
  check_near(grad(masked)(ones({2, 2})), Tensor{{0.75, 0.75}, {2, 2}}, 0.0);
  const Tensor spoilt = scan([](const Tensor& s, const Tensor& v) { return s * v; }, ones({2}), each(Tensor{2, nan, 1}));
  CHECK((spoilt.at({0, 0}) == 2 && std::isnan(spoilt.at({1, 0})) && std::isnan(spoilt.at({2, 1}))));
}

TEST_CASE("scan over tensors: what cannot be done says so, and leaves the recording as it was", "[ad][scan][errors]") {
  const Tensor x = numbers({3}, 0.0), s0 = numbers({2}, 0.1);
  const auto keep = [](const Tensor& s, const Tensor&) { return s; };
  expect_throws_alike<ShapeError>("lengths", "wick.op.E150", "one length", [&](const Tensor& v) { return scan([](const Tensor& s, const Tensor&, const Tensor&) { return s; }, s0, each(x), each(v)); }, zeros({4}));
  expect_throws_alike<ShapeError>("no steps in a number", "wick.op.E150", "without each()", [&](const Tensor& v) { return scan(keep, s0, each(v)); }, Tensor(1.0));
  expect_throws_alike<ShapeError>("width", "wick.op.E150", "each(x)", [&](const Tensor& v) { return scan(keep, s0, each<2>(v)); }, zeros({3, 4}));
  expect_throws_alike<ShapeError>("state", "wick.op.E180", "expand(init, shape)", [&](const Tensor& s) { return scan([](const Tensor& c, const Tensor& v) { return c + v; }, s, each(zeros({3, 2}))); }, Tensor(0.0));
  expect_throws_alike<ShapeError>("no state", "wick.op.E180", "(2,)", [&](const Tensor& s) { return scan([](const Tensor&, const Tensor&) { return Tensor(); }, s, each(x)); }, s0);
  expect_throws_alike<UsageError>("read", "wick.op.E181", "where(", [&](const Tensor& s) { return scan([](const Tensor& c, const Tensor& v) { return v.item() > 0 ? c : -c; }, s, each(x)); }, s0);
  expect_throws_alike<UsageError>("element", "wick.op.E181", "where(", [&](const Tensor& s) { return scan([](const Tensor& c, const Tensor&) { return c * c.at({0}); }, s, each(x)); }, s0);
  expect_throws_alike<UsageError>("gradient", "wick.op.E182", "whole scan", [&](const Tensor& s) { return scan([](const Tensor& c, const Tensor&) { return grad([](const Tensor& y) { return sum(y * y); })(c); }, s, each(x)); }, s0);
  expect_throws_alike<UsageError>("inner capture", "wick.op.E182", "as an argument", [&](const Tensor& s) {
    return scan([&](const Tensor& c, const Tensor&) { return sum(scan([&](const Tensor& d, const Tensor& v) { return d * v + c; }, 0.0, each(x))) * c; }, s, each(x));
  }, s0);
  expect_throws_alike<UsageError>("draw", "wick.op.E183", "before the scan", [&](const Tensor& s) { return scan([](const Tensor& c, const Tensor&) { return c + Normal(0, 1).sample(); }, s, each(x)); }, s0);
  // What is captured is a constant; a differentiable value would lose its derivative.
  Tensor kept;
  const auto captures = [&](const Tensor& w) { return sum(scan([&](const Tensor& c, const Tensor& v) { return kept = c * v * w; }, s0, each(x))); };
  const auto report = expect_error<UsageError>([&] { return grad(captures)(s0); }, "wick.op.E182", "", "as an argument");
  INFO(report.text);
  CHECK(report.ok);
  CHECK(captures(s0).item() == Approx(sum(cumprod(outer(x, s0), 0) * s0).item()));
  CHECK(kept.shape() == Shape{2});  // a value that left its step can be read, whatever it is
  CHECK(std::isfinite(kept.data()[1]));
  CHECK(grad([&](const Tensor& w) { return sum(scan([&](const Tensor& c, const Tensor& v) { return c * v * stop_gradient(w); }, w, each(x))); })(s0).shape() == Shape{2});
  CHECK(detail::context.step == nullptr);
  CHECK(detail::context.tape == nullptr);
}
