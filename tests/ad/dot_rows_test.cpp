// dot_rows against the sum over gathered rows, and against finite differences.
#include "ad/expect_grad.hpp"

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;
using wick_test::expect_throws_alike;

namespace {

Tensor ramp(const Shape& shape, double from, double to) { return wick::reshape(wick::linspace(from, to, shape.numel()), shape); }
auto pairs(const Tensor& left, const Tensor& right) {
  return [left, right](const Tensor& u, const Tensor& v) { return wick::dot_rows(u, left, v, right); };
}
/// Σ_k U[left, k] V[right, k] by loops.
std::vector<double> by_loops(const Tensor& u, const std::vector<int>& left, const Tensor& v, const std::vector<int>& right) {
  std::vector<double> out;
  for (std::size_t j = 0; j < left.size(); ++j) {
    double s = 0;
    for (Index k = 0; k < u.size(1); ++k) s += u.at({left[j], k}) * v.at({right[j], k});
    out.push_back(s);
  }
  return out;
}

}  // namespace

TEST_CASE("dot_rows: agrees with loops for every width, sorted or not", "[ad]") {
  // Two rows on the right are few enough for 9 pairs to be copied first.
  const int rows = GENERATE(5, 2);
  const std::vector<int> left{0, 0, 0, 2, 2, 1, 3, 3, 0};
  std::vector<int> right{4, 0, 1, 1, 4, 2, 3, 2, 4};
  for (int& r : right) r %= rows;
  const Tensor users(left), items(right);
  for (const int width : {0, 1, 2, 7, 8, 9, 10, 15, 16, 17, 23, 24, 25, 32, 33, 40, 43}) {
    const Tensor u = width == 0 ? wick::zeros({4, 0}) : wick::sin(ramp({4, width}, 1, 40)), v = width == 0 ? wick::zeros({rows, 0}) : wick::cos(ramp({rows, width}, 2, 60));
    const std::vector<double> got = wick::dot_rows(u, users, v, items).to_vector(), wanted = by_loops(u, left, v, right);
    // The gradient of Σ w out by the same sums over gathered rows.
    const Tensor w = ramp({9}, -1, 2) * wick::floor(ramp({9}, 0.2, 1.9));  // with zeros
    const auto [value, g] = wick::value_and_grad([&](const Tensor& a, const Tensor& b) { return wick::sum(w * wick::dot_rows(a, users, b, items)); })(u, v);
    const auto [value2, h] = wick::value_and_grad([&](const Tensor& a, const Tensor& b) { return wick::sum(w * wick::sum(wick::take(a, users) * wick::take(b, items), -1)); })(u, v);
    INFO("width " << width);
    for (std::size_t j = 0; j < got.size(); ++j) CHECK(got[j] == Approx(wanted[j]).margin(1e-14));
    CHECK(value.item() == Approx(value2.item()).margin(1e-14));
    for (std::size_t k = 0; k < 2; ++k)
      for (Index i = 0; i < g[k].numel(); ++i) CHECK(g[k].data()[i] == Approx(h[k].data()[i]).margin(1e-14));
  }
}

TEST_CASE("dot_rows: agrees with finite differences", "[ad][grad]") {
  const Tensor sorted{0.0, 0.0, 1.0, 2.0}, any{1.0, 0.0, 1.0, 1.0};
  expect_grad("rows of 2", pairs(sorted, any), ramp({3, 2}, -1, 2), ramp({2, 2}, 0.5, 1.5));
  expect_grad("rows of 10", pairs(Tensor{0.0, 0.0, 1.0}, Tensor{1.0, 0.0, 1.0}), ramp({2, 10}, -1, 2), ramp({2, 10}, 0.5, 1.5));
  expect_grad("one pair", pairs(Tensor(1.0), Tensor(0.0)), ramp({2, 3}, -1, 2), ramp({1, 3}, 0.5, 1.5));
  expect_grad("one user", pairs(Tensor(1.0), Tensor{0.0, 1.0, 0.0}), ramp({2, 3}, -1, 2), ramp({2, 3}, 0.5, 1.5));
  expect_grad("a table of pairs", pairs(Tensor{{0.0}, {1.0}}, Tensor{0.0, 1.0}), ramp({2, 2}, -1, 2), ramp({2, 2}, 0.5, 1.5));
  expect_grad("a batch", pairs(Tensor{0.0, 1.0, 1.0}, Tensor{1.0, 1.0, 0.0}), ramp({2, 2, 2}, -1, 2), ramp({2, 2}, 0.5, 1.5));
  expect_grad("batches that broadcast", pairs(Tensor{0.0, 1.0}, Tensor{1.0, 0.0}), ramp({2, 1, 2, 2}, -1, 2), ramp({3, 2, 2}, 0.5, 1.5));
  expect_grad("no pair", pairs(wick::zeros({0}), wick::zeros({0})), ramp({2, 2}, -1, 2), ramp({2, 2}, 0.5, 1.5));
  expect_grad("a matrix with itself", [](const Tensor& u) { return wick::dot_rows(u, Tensor{0.0, 0.0, 1.0}, u, Tensor{0.0, 1.0, 1.0}); }, ramp({2, 9}, -1, 2));
  CHECK(wick::dot_rows(ramp({2, 1, 4, 3}, 0, 1), wick::zeros({5, 1}), ramp({3, 4, 3}, 0, 1), wick::zeros({6})).shape() == Shape{2, 3, 5, 6});
}

TEST_CASE("dot_rows: pairs whose adjoint is 0 leave no trace, whatever their rows hold", "[ad]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const int width : {3, 10}) {
    std::vector<double> rows(static_cast<std::size_t>(2 * width), 1.0);
    rows.back() = nan;
    const Tensor u = wick::from_values({2, width}, rows), v = wick::ones({2, width}), users{0.0, 1.0}, items{0.0, 1.0};
    const auto [value, g] = wick::value_and_grad([&](const Tensor& a, const Tensor& b) { return wick::sum(wick::where(Tensor{1.0, 0.0} > 0.0, wick::dot_rows(a, users, b, items), 0.0)); })(u, v);
    CHECK(value.item() == width);
    for (const Tensor& t : g)
      for (const double x : t.values()) CHECK((x == 0.0 || x == 1.0));
    // An infinite number that only the last packet overlaps is counted once.
    rows.back() = 0.0;
    rows[static_cast<std::size_t>(width - 2)] = std::numeric_limits<double>::infinity();
    CHECK(wick::dot_rows(wick::from_values({2, width}, rows), Tensor(0.0), v, Tensor(0.0)).item() == std::numeric_limits<double>::infinity());
  }
}

TEST_CASE("dot_rows: varying indices are read again when the recording is run again", "[ad]") {
  using namespace wick::detail;
  Recording recording;
  Tape& tape = recording.tape();
  const Tensor index = push_leaf(tape, Tensor{0.0, 1.0}, Kind::varying), u = push_leaf(tape, Tensor{{1.0}, {2.0}, {3.0}}, Kind::differentiable);
  const Tensor y = wick::dot_rows(u, index, Tensor{{10.0}, {100.0}}, Tensor{0.0, 1.0});
  CHECK(y.to_vector() == std::vector<double>{10, 200});
  tape[TensorAccess::record(index)].block->data[0] = 2.0;
  (*static_cast<const OpFns* const*>(tape[TensorAccess::record(y)].payload))->forward(tape, TensorAccess::record(y));
  CHECK(y.to_vector() == std::vector<double>{30, 200});
  const Tensor varying = wick::dot_rows(Tensor{{1.0}}, wick::zeros({1}), Tensor{{1.0}}, wick::take(index, Tensor{1.0}) - 1.0);
  CHECK(TensorAccess::kind(varying) == Kind::varying);
}

TEST_CASE("dot_rows: bad arguments throw E190 to E193, E126, E127", "[ad][errors]") {
  const Tensor m = wick::ones({2, 3}), i{0.0, 1.0};
  expect_throws_alike<wick::ShapeError>("dot_rows", "wick.op.E190", "column", pairs(i, i), wick::ones({3}), m);
  expect_throws_alike<wick::ShapeError>("dot_rows", "wick.op.E191", "length", pairs(i, i), m, wick::ones({2, 4}));
  expect_throws_alike<wick::ShapeError>("dot_rows", "wick.op.E192", "broadcast", pairs(i, i), wick::ones({2, 2, 3}), wick::ones({3, 2, 3}));
  expect_throws_alike<wick::ShapeError>("dot_rows", "wick.op.E193", "take(", pairs(i, Tensor{0.0, 1.0, 1.0}), m, m);
  expect_throws_alike<wick::DomainError>("dot_rows", "wick.op.E126", "", pairs(Tensor{0.5, 1.0}, i), m, m);
  expect_throws_alike<wick::DomainError>("dot_rows", "wick.op.E127", "from 0", pairs(Tensor{0.0, 2.0}, i), m, m);
  expect_throws_alike<wick::DomainError>("dot_rows", "wick.op.E127", "from 0", pairs(i, Tensor{-1.0, 0.0}), m, m);
}
