// Scans whose step is a chain of kernels over short vectors, and steps that nearly are: against the same loops unrolled.
#include "ad/expect_grad.hpp"

#include <cmath>
#include <limits>

#include <wick/ad/scan.hpp>

using namespace wick;
using namespace wick_test;

namespace {

using Args = std::vector<Tensor>;
using State = std::array<Tensor, 2>;

Tensor numbers(const Shape& shape, double phase) {
  std::vector<double> v;
  for (Index i = 0; i < shape.numel(); ++i) v.push_back(std::sin(phase + 0.9 * static_cast<double>(i)) + 0.3 * std::cos(2.3 * static_cast<double>(i)));
  return from_values(shape, v);
}
Tensor positive(const Shape& shape, double phase) { return exp(0.3 * numbers(shape, phase)); }

/// Packets of the chain of the scan that was recorded last; 0: it has none, -1: nothing has been recorded.
Index chain_packets() {
  if (detail::context.tape == nullptr) return -1;
  detail::Tape& tape = *detail::context.tape;
  for (std::uint32_t i = tape.size(); i-- > 1;) {
    if (tape[i].op != detail::Op::general) continue;
    const auto* p = static_cast<const detail::TensorScanPayload*>(tape[i].payload);
    if (p->fns == &detail::tensor_scan_ops) return p->program->chain.packets;
  }
  return -1;
}

void check_near(const Tensor& got, const Tensor& wanted, double tolerance) {
  REQUIRE(got.shape() == wanted.shape());
  for (Index i = 0; i < got.numel(); ++i) {
    INFO("element " << i << ": " << got.data()[i] << ", wanted " << wanted.data()[i]);
    CHECK(std::abs(got.data()[i] - wanted.data()[i]) <= tolerance * (1 + std::abs(wanted.data()[i])));
  }
}

/// Compares value and gradient of a scan by `step(state, rows, numbers, matrix, vector, number)`, which returns state and output, with the loop unrolled;
/// with and without checkpoints, and with only some of the arguments differentiable. `packets`: those of the chain, 0 where there is to be none.
template <class Step>
void check(const char* name, Index packets, Index n, Index steps, const Step& step) {
  INFO(name << ": " << n << " numbers, " << steps << " steps");
  Index found = -1;
  const Tensor weight = positive({steps, n}, 1.9);
  const auto weighted = [&](const Tensor& out, Index t) { return sum(out * take(weight, t)) / static_cast<double>(n); };
  const auto scanned = [&](bool checkpoint) {
    return [&, checkpoint](const Tensor& s, const Tensor& x, const Tensor& c, const Tensor& m, const Tensor& v, const Tensor& k) {
      const auto [out, last] = scan({.checkpoint = checkpoint}, step, s, each(x), each(c), m, v, k);
      found = chain_packets();
      const Tensor all = out.dim() == 2 ? out : reshape(out, {steps, 1}) * ones({steps, n});
      return sum(all * weight) / static_cast<double>(n) + sum(last * numbers({n}, 0.4));
    };
  };
  const auto unrolled = [&](const Tensor& s, const Tensor& x, const Tensor& c, const Tensor& m, const Tensor& v, const Tensor& k) {
    Tensor state = s, total = 0.0;
    for (Index t = 0; t < steps; ++t) {
      const auto next = step(state, take(x, t), take(c, t), m, v, k);
      total = total + weighted(next.out, t);
      state = next.state;
    }
    return total + sum(state * numbers({n}, 0.4));
  };
  const Tensor s = positive({n}, 0.1), x = positive({steps, n}, 0.9), c = positive({steps}, 0.3), m = softmax(numbers({n, n}, 0.4)), v = positive({n}, 0.7), k = 0.8;
  const auto [value, g] = value_and_grad(scanned(false))(s, x, c, m, v, k);
  CHECK(found == packets);
  const auto [wanted, h] = value_and_grad(unrolled)(s, x, c, m, v, k);
  const auto [again, i] = value_and_grad(scanned(true))(s, x, c, m, v, k);
  check_near(value, wanted, 1e-12);
  CHECK(value.item() == again.item());
  CHECK(value.item() == scanned(false)(s, x, c, m, v, k).item());  // constants: in a recording of its own
  for (std::size_t a = 0; a < 6; ++a) {
    INFO("argument " << a);
    check_near(g[a], h[a], 1e-11);
    check_near(i[a], h[a], 1e-11);
  }
  const auto some = value_and_grad([&](const Tensor& rows, const Tensor& vector) { return scanned(false)(s, rows, c, m, vector, k); })(x, v).second;
  check_near(some[0], h[1], 1e-11);
  check_near(some[1], h[4], 1e-11);
  const auto matrix = value_and_grad([&](const Tensor& mm) { return scanned(false)(s, x, c, mm, v, k); })(m).second;
  check_near(matrix, h[3], 1e-11);
}
template <class Step>
void check_sizes(const char* name, const Step& step) {
  for (const Index n : {2, 5, 8, 9, 16, 19, 24, 31}) check(name, (n + 7) / 8, n, 9, step);
  check(name, 2, 11, 8, step);
  check(name, 0, 11, 7, step);  // too few to be worth it
  check(name, 0, 33, 9, step);  // too wide
}

}  // namespace

TEST_CASE("scan chains: products, sums and arithmetic of all sizes", "[ad][scan]") {
  // Both products, numbers that are computed, and values that are used again later.
  check_sizes("hmm", [](const Tensor& s, const Tensor& x, const Tensor&, const Tensor& m, const Tensor&, const Tensor&) {
    const Tensor n = matmul(s, m) * x, c = sum(n);
    return Next{n / c, c};
  });
  check_sizes("right", [](const Tensor& s, const Tensor& x, const Tensor&, const Tensor& m, const Tensor& v, const Tensor&) {
    const Tensor q = matmul(m, s) + x, r = q - v, total = sum(q * q);
    return Next{q / (total * r / r), total};
  });
  check_sizes("twice", [](const Tensor& s, const Tensor& x, const Tensor&, const Tensor& m, const Tensor&, const Tensor&) {
    const Tensor q = matmul(m, matmul(s, m));
    return Next{q - x * s, q};
  });
  // All forms of operands: one and the same, numbers on either side, from outside and moving.
  check_sizes("operands", [](const Tensor& s, const Tensor& x, const Tensor& c, const Tensor&, const Tensor& v, const Tensor& k) {
    const Tensor a = s * s + x, b = v / (s + s), d = (k - a) / (a / a), e = (c / v) * (k * b) - 0.5 * (s - s);
    const Tensor total = sum(b * c);
    return Next{(d / k + e * c) * 0.125 + v / total, total};
  });
  check_sizes("only numbers go back", [](const Tensor& s, const Tensor& x, const Tensor& c, const Tensor&, const Tensor&, const Tensor& k) {
    const Tensor fixed = full({x.size(0)}, 0.25), u = fixed * k + c * fixed - fixed / c;
    return Next{s * u + fixed, s * sum(u)};
  });
}

TEST_CASE("scan chains: the product is the state, or the state only an operand", "[ad][scan]") {
  check_sizes("product is next", [](const Tensor& s, const Tensor& x, const Tensor&, const Tensor& m, const Tensor& v, const Tensor&) { return Next{matmul(s * x, m), s * v}; });
  check_sizes("state is the output too", [](const Tensor& s, const Tensor& x, const Tensor& c, const Tensor& m, const Tensor&, const Tensor&) {
    const Tensor next = matmul(m, s) + c * x;
    return Next{next, next};
  });
  check_sizes("state after its use", [](const Tensor& s, const Tensor& x, const Tensor&, const Tensor&, const Tensor&, const Tensor& k) {
    const Tensor next = 0.5 * s + x;
    return Next{next, next * s / k};
  });
}

TEST_CASE("scan chains: steps that are none", "[ad][scan]") {
  const auto none = [](const char* name, const auto& step) { check(name, 0, 11, 9, step); };
  none("a function", [](const Tensor& s, const Tensor& x, const Tensor&, const Tensor& m, const Tensor&, const Tensor&) { return Next{tanh(matmul(s, m)) * x, sum(s)}; });
  none("arithmetic of numbers", [](const Tensor& s, const Tensor& x, const Tensor& c, const Tensor&, const Tensor&, const Tensor& k) { return Next{s * 0.5 + x, sum(s) * c + k}; });
  none("an argument comes out", [](const Tensor& s, const Tensor& x, const Tensor& c, const Tensor&, const Tensor&, const Tensor&) { return Next{s * 0.5 + x, c}; });
  none("the state comes out", [](const Tensor& s, const Tensor& x, const Tensor&, const Tensor&, const Tensor&, const Tensor&) { return Next{s * 0.5 + x, s}; });
  none("no state goes in", [](const Tensor&, const Tensor& x, const Tensor&, const Tensor& m, const Tensor&, const Tensor& k) { return Next{matmul(x, m) * k, sum(x)}; });
  none("a matrix times a vector that stays", [](const Tensor& s, const Tensor& x, const Tensor&, const Tensor& m, const Tensor& v, const Tensor&) { return Next{s * 0.5 + matmul(m, v), sum(x)}; });
  none("rows of a matrix", [](const Tensor& s, const Tensor& x, const Tensor&, const Tensor& m, const Tensor&, const Tensor&) { return Next{s * 0.5, sum(m * x)}; });
  check("single numbers in vectors", 0, 1, 9, [](const Tensor& s, const Tensor& x, const Tensor&, const Tensor& m, const Tensor&, const Tensor&) { return Next{matmul(s, m) * x, s + x}; });
}

TEST_CASE("scan chains: several tensors, no outputs, sizes that differ, many segments", "[ad][scan]") {
  const auto step = [](const State& c, const Tensor& u, const Tensor& a, const Tensor& b) {
    const Tensor p = matmul(c[0], a), q = matmul(b, p * c[1]);
    return State{q + u, matmul(u, a) - c[1] * p};
  };
  const auto two = [&](const Tensor& s0, const Tensor& s1, const Tensor& u, const Tensor& a, const Tensor& b) {
    const State all = scan(step, State{s0, s1}, each(u), a, transpose(b));
    CHECK(chain_packets() != 0);
    return sum(all[0] * 0.5) + sum(all[1] * all[1]);
  };
  const auto inputs = [](const char* name, Index n, Index k, const auto& expect, const auto& f) {
    expect(name, f, numbers({n}, 0.1), numbers({k}, 0.8), numbers({9, n}, 0.3), 0.3 * numbers({n, k}, 0.2), 0.3 * numbers({k, n}, 0.5));
  };
  inputs("two tensors", 2, 3, [](const auto&... x) { expect_grad(x...); }, two);
  inputs("two tensors of two packets", 11, 16, [](const auto&... x) { expect_gradient(x...); }, two);
  const Tensor s = numbers({3}, 0.1), r = numbers({3}, 0.8), x = 0.3 * numbers({9, 3}, 0.3);
  // A state that is a constant after the first step, and one that both are.
  const auto shared = [](const State& c, const Tensor& u) {
    const Tensor next = c[0] * u + c[1];
    return Next{State{next, next}, std::array{c[0] * c[1], u - c[1]}};
  };
  expect_grad("shared", [&](const Tensor& s0, const Tensor& s1, const Tensor& u) {
    const auto [out, last] = scan(shared, State{s0, s1}, each(u));
    return sum(out[0] * out[1]) + sum(last[0] * last[1]);
  }, s, r, x);
  expect_grad("constant", [&](const Tensor& s0, const Tensor& s1, const Tensor& u) {
    const auto turn = [](const State& c, const Tensor& v) { return State{c[0] * v + c[1], Tensor(std::vector<double>(3, 0.5))}; };
    const State all = scan(turn, State{s0, s1}, each(u));
    return sum(all[0] * all[0]);
  }, s, r, x);
  // More steps than are kept at once: 40 · 8 numbers a step.
  check("segments", 3, 24, 1200, [](const Tensor& c, const Tensor& u, const Tensor& k, const Tensor& a, const Tensor& v, const Tensor& one) {
    const Tensor p = matmul(c, a) * v, q = p - u * p, y = q / v, z = y + p * k, n = z * 0.1 + c * 0.1, o = n - n * one, t = sum(p * q);
    return Next{n + o * 0.1, t};
  });
}

TEST_CASE("scan chains: zeros, infinities and NaN", "[ad][scan]") {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
  // An adjoint of 0 leaves no trace: of a row with a NaN whose output is not wanted, of a matrix with a column that is not.
  std::vector<double> rows(90, 0.5), wanted(9, 1.0);
  rows[45] = kNan;
  wanted[4] = 0.0;
  const Tensor x = from_values({9, 10}, rows), chosen = reshape(Tensor(wanted), {9, 1});
  const auto masked = [&](const Tensor& s, const Tensor& u, const Tensor& a) {
    const auto step = [](const Tensor& c, const Tensor& v, const Tensor& m) { return Next{c * 0.5, matmul(v * c, m) * v / (c + 1.0)}; };
    const Tensor out = scan(step, s, each(u), a).first;
    CHECK(chain_packets() == 2);
    return sum(where(chosen == 1.0, out, 0.0));
  };
  const auto g = value_and_grad(masked)(ones({10}), x, full({10, 10}, 0.1)).second;
  for (std::size_t k = 0; k < 3; ++k)
    for (const double d : g[k].to_vector()) CHECK(std::isfinite(d));
  CHECK(g[1].at({4, 5}) == 0.0);
  CHECK(g[1].at({3, 5}) != 0.0);
  const auto infinite = [&](const Tensor& s, const Tensor& a) {
    const auto step = [](const Tensor& c, const Tensor& v, const Tensor& m) { return Next{c * 0.5, matmul(c + v, m)}; };
    return sum(slice(scan(step, s, each(full({9, 10}, 0.5)), a).first, 1, 0, 9));
  };
  Tensor a = full({10, 10}, 0.1);
  std::vector<double> last = a.to_vector();
  last[99] = kInf;
  const auto h = value_and_grad(infinite)(ones({10}), from_values({10, 10}, last)).second;
  CHECK(h[0].at({0}) == Approx(0.9 * (2 - std::ldexp(1.0, -8))));
  CHECK(h[0].at({9}) == Approx(0.9 * (2 - std::ldexp(1.0, -8))));
  // A divisor whose inverse is out of range.
  const auto small = value_and_grad([&](const Tensor& s, const Tensor& d) {
    const auto step = [](const Tensor& c, const Tensor& v, const Tensor& t) { return Next{c + v, c * v / t}; };
    return sum(scan(step, s, each(full({9, 10}, 1e-200)), d).first) * 1e-100;
  })(full({10}, 1e-10), Tensor(1e-310));
  CHECK(small.second[0].at({3}) == Approx(9e10).epsilon(1e-6));
  // NaN spreads as it does in the loop.
  const Tensor spoilt = scan([](const Tensor& c, const Tensor& v) { return c * v; }, ones({10}), each(x));
  CHECK((!std::isnan(spoilt.at({3, 5})) && std::isnan(spoilt.at({8, 5})) && !std::isnan(spoilt.at({8, 4}))));
}
