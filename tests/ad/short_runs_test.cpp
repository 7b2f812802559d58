// Broadcasting in rows of every length: value and derivatives of Σ w · f(a, b) against plain loops over all elements.
#include "catch.hpp"

#include <cmath>
#include <vector>

#include <wick/ad/grad.hpp>
#include <wick/ad/ops.hpp>
#include <wick/tensor/make.hpp>

using wick::Index;
using wick::Shape;
using wick::Tensor;

namespace {

Tensor wave(const Shape& shape, double phase) {
  std::vector<double> x(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 1.5 + std::sin(phase + 0.7 * static_cast<double>(i));
  return wick::from_values(shape, x);
}
/// The element of `x` that takes part in element (i, j, k) of the result.
std::size_t place(const Tensor& x, Index i, Index j, Index k) {
  const Shape& s = x.shape();
  const Index at[] = {i, j, k};
  Index out = 0;
  for (Index d = -s.rank(); d < 0; ++d) out = out * s.from_right(d) + (s.from_right(d) == 1 ? 0 : at[3 + d]);
  return static_cast<std::size_t>(out);
}

struct Op {
  const char* name;
  Tensor (*f)(const Tensor&, const Tensor&);
  double (*value)(double, double);
  double (*da)(double, double);
  double (*db)(double, double);
};
const Op ops[] = {
    {"add", [](const Tensor& a, const Tensor& b) { return a + b; }, [](double a, double b) { return a + b; }, [](double, double) { return 1.0; }, [](double, double) { return 1.0; }},
    {"sub", [](const Tensor& a, const Tensor& b) { return a - b; }, [](double a, double b) { return a - b; }, [](double, double) { return 1.0; }, [](double, double) { return -1.0; }},
    {"mul", [](const Tensor& a, const Tensor& b) { return a * b; }, [](double a, double b) { return a * b; }, [](double, double b) { return b; }, [](double a, double) { return a; }},
    {"div", [](const Tensor& a, const Tensor& b) { return a / b; }, [](double a, double b) { return a / b; }, [](double, double b) { return 1 / b; }, [](double a, double b) { return -a / (b * b); }},
};

void check(const Op& op, const Shape& of_a, const Shape& of_b, const Shape& all) {
  const Tensor a = wave(of_a, 0.3), b = wave(of_b, 1.1), w = wave(all, 2.0);
  std::vector<double> da(static_cast<std::size_t>(a.numel()), 0.0), db(static_cast<std::size_t>(b.numel()), 0.0);
  const Tensor y = op.f(a, b);
  REQUIRE(y.shape() == all);
  const Index n2 = all.from_right(-1), n1 = all.from_right(-2), n0 = all.from_right(-3);
  std::size_t at = 0, wrong = 0;
  for (Index i = 0; i < n0; ++i)
    for (Index j = 0; j < n1; ++j)
      for (Index k = 0; k < n2; ++k, ++at) {
        const std::size_t pa = place(a, i, j, k), pb = place(b, i, j, k);
        const double x = a.data()[pa], z = b.data()[pb], g = w.data()[at];
        wrong += y.data()[at] == op.value(x, z) ? 0 : 1;
        da[pa] += g * op.da(x, z);
        db[pb] += g * op.db(x, z);
      }
  const auto [value, slopes] = wick::value_and_grad([&](const Tensor& u, const Tensor& v) { return wick::sum(w * op.f(u, v)); })(a, b);
  const auto close = [](double x, double wanted) { return std::abs(x - wanted) <= 1e-11 * (1 + std::abs(wanted)); };
  for (std::size_t i = 0; i < da.size(); ++i) wrong += close(slopes[0].data()[i], da[i]) ? 0 : 1;
  for (std::size_t i = 0; i < db.size(); ++i) wrong += close(slopes[1].data()[i], db[i]) ? 0 : 1;
  INFO(op.name << " of " << wick::detail::join({of_a, " and ", of_b}).c_str());
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("short runs: broadcasting in rows of every length", "[ad][grad]") {
  for (const Op& op : ops)
    for (const Index width : {1, 2, 3, 7, 8, 9, 10, 17, 31, 33, 63, 64, 65})
      for (const Index rows : {1, 3, 8, 30}) {
        const Shape all{rows, width};
        check(op, all, {width}, all);
        check(op, {rows, 1}, all, all);
        check(op, {rows, 1}, {1, width}, all);
        check(op, {1, width}, {rows, 1}, all);
      }
}

TEST_CASE("short runs: three dimensions", "[ad][grad]") {
  for (const Op& op : ops)
    for (const Index width : {1, 2, 5, 8, 13, 40}) {
      check(op, {4, 1, width}, {6, 1}, {4, 6, width});
      check(op, {4, 6, width}, {6, width}, {4, 6, width});
      check(op, {4, 6, 1}, {1, 6, width}, {4, 6, width});
      check(op, {4, 1, 1}, {4, 6, width}, {4, 6, width});
      check(op, {1, 6, 1}, {4, 1, width}, {4, 6, width});
      check(op, {4, 1, width}, {4, 6, 1}, {4, 6, width});
    }
}
