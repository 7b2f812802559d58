#include "ad/expect_grad.hpp"

#include <map>

#include <wick/ad/einsum.hpp>

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick_test::expect_grad;
using wick_test::expect_throws_alike;

namespace {

using V = std::vector<double>;
const double a_nan = wick::detail::kNaN;

Tensor wave(const Shape& shape, double phase = 0.0) {
  V v(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::sin(1.0 + phase + 0.9 * static_cast<double>(i));
  return wick::reshape(wick::from_values({v.size()}, v), shape);
}
const auto product = [](const auto& a, const auto& b) { return wick::matmul(a, b); };
double distance(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  return a.numel() == 0 ? 0.0 : wick::max(wick::abs(a - b)).item();
}

}  // namespace

TEST_CASE("batched matmul: agrees with finite differences, broadcasting as numpy", "[ad][grad]") {
  expect_grad("batches", product, wave({2, 2, 3}), wave({2, 3, 2}, 1));
  expect_grad("one left", product, wave({2, 3}), wave({2, 3, 2}, 1));
  expect_grad("one right", product, wave({2, 2, 3}), wave({3, 2}, 1));
  expect_grad("crossed", product, wave({2, 1, 1, 2}), wave({3, 2, 2}, 1));
  expect_grad("vector · batch", product, wave({3}), wave({2, 3, 2}, 1));
  expect_grad("batch · vector", product, wave({2, 2, 3}), wave({3}, 1));
  expect_grad("of repeats", [](const auto& a, const auto& b) { return wick::matmul(wick::expand(a, {2, 2, 3}), b); }, wave({3}), wave({2, 3, 1}, 1));
  expect_grad("x · x", [](const auto& x) { return wick::matmul(x, x); }, wave({2, 2, 2}));
  expect_grad("no batches", product, wick::zeros({0, 2, 3}), wave({3, 2}));
  expect_grad("no rows", product, wave({2, 0, 3}), wave({2, 3, 2}));
  expect_grad("no inner elements", product, wave({2, 2, 0}), wave({1, 0, 2}));
  wick_test::expect_gradient("larger", product, wave({3, 7, 9}), wave({3, 9, 10}, 1));
}

TEST_CASE("batched matmul: equals the products one by one", "[ad]") {
  CHECK(product(wave({7, 1, 2, 3}), wave({5, 3, 4})).shape() == Shape{7, 5, 2, 4});
  CHECK(product(wave({3}), wave({5, 3, 4})).shape() == Shape{5, 4});
  CHECK(product(wave({5, 2, 3}), wave({3})).shape() == Shape{5, 2});
  const Tensor a = wave({4, 1, 8, 20}), b = wave({3, 20, 30}, 2), c = product(a, b);
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 3; ++j)
      CHECK(distance(wick::take(wick::take(c, i), j), product(wick::take(wick::take(a, i), 0.0), wick::take(b, j))) == 0.0);
  // An adjoint of 0 leaves no trace.
  const Tensor g = wick::grad([](const Tensor& x) { return wick::sum(wick::take(wick::matmul(x, wave({2, 2, 1})), 0.0)); })(Tensor{{{1, 2}}, {{a_nan, 1}}});
  CHECK(std::isfinite(wick::sum(g).item()));
  CHECK(std::isnan(product(Tensor{{{1, a_nan}}}, wave({1, 2, 1})).item()));
}

TEST_CASE("dot and outer: agree with finite differences", "[ad][grad]") {
  const auto dot = [](const auto& a, const auto& b) { return wick::dot(a, b); };
  const auto outer = [](const auto& a, const auto& b) { return wick::outer(a, b); };
  CHECK(wick::dot(Tensor{1, 2}, Tensor{3, 4}).item() == 11.0);
  CHECK(wick::dot(Tensor{{1, 2}, {3, 4}}, Tensor{3, 4}).to_vector() == V{11, 25});
  CHECK(wick::outer(Tensor{1, 2}, Tensor{3, 4, 5}).to_vector() == V{3, 4, 5, 6, 8, 10});
  expect_grad("dot", dot, wave({3}), wave({3}, 1));
  expect_grad("dot of batches", dot, wave({2, 3}), wave({2, 3}, 1));
  expect_grad("dot, broadcast", dot, wave({2, 1, 3}), wave({2, 3}, 1));
  expect_grad("dot of nothing", dot, wick::zeros({0}), wick::zeros({0}));
  expect_grad("outer", outer, wave({2}), wave({3}, 1));
  for (const Index n : {1, 3, 9})
    for (const Index m : {1, 2, 7, 8, 17}) {
      expect_grad("outer", outer, wave({n}), wave({m}, 1));
      CHECK(distance(wick::outer(wave({n}), wave({m}, 1)), wick::unsqueeze(wave({n}), -1) * wave({m}, 1)) == 0.0);
    }
  expect_grad("outer of one vector with itself", [](const auto& x) { return wick::outer(x, x); }, wave({9}));
  CHECK(std::signbit(wick::outer(Tensor{-1.0, 2.0}, Tensor{0.0, 3.0}).at({0, 0})));
  expect_grad("outer of batches", outer, wave({2, 2}), wave({1, 3}, 1));
  expect_grad("outer of nothing", outer, wick::zeros({0}), wave({2}));
  expect_throws_alike<wick::ShapeError>("dot", "wick.op.E129", "last size", dot, wave({2, 3}), wave({2}));
  expect_throws_alike<wick::ShapeError>("dot of vectors", "wick.op.E129", "last size", dot, wave({2}), wave({3}));
  expect_throws_alike<wick::ShapeError>("dot of numbers of vectors", "wick.op.E129", "aligned", dot, wave({2, 3}), wave({4, 3}));
  CHECK_THROWS_WITH(wick::dot(wave({2, 4}), wave({2, 3})), wick_test::contains("dot: shapes (2, 4) and (2, 3)"));
  expect_throws_alike<wick::ShapeError>("dot of a scalar", "wick.op.E129", "*", dot, Tensor(1.0), wave({2, 2}));
  expect_throws_alike<wick::ShapeError>("outer of a scalar", "wick.op.E121", "-1", outer, Tensor(1.0), wave({2}));
}

TEST_CASE("matmul: shapes that do not fit", "[ad][errors]") {
  expect_throws_alike<wick::ShapeError>("inner", "wick.op.E129", "last size", product, wave({2, 2, 3}), wave({2, 2, 3}));
  expect_throws_alike<wick::ShapeError>("batches", "wick.op.E129", "broadcast", product, wave({2, 2, 3}), wave({3, 3, 2}));
  expect_throws_alike<wick::ShapeError>("a scalar", "wick.op.E129", "*", product, Tensor(1.0), wave({3, 3, 2}));
}

TEST_CASE("einsum: agrees with loops and with finite differences", "[ad][grad]") {
  const Tensor m = wave({2, 3}), n = wave({3, 2}, 1);
  CHECK(distance(wick::einsum("ij,jk->ik", m, n), wick::matmul(m, n)) == 0.0);
  CHECK(distance(wick::einsum("ij,jk->ki", m, n), wick::transpose(wick::matmul(m, n))) == 0.0);
  CHECK(distance(wick::einsum("ij,kj->ik", m, m), wick::matmul(m, wick::transpose(m))) < 1e-15);
  CHECK(distance(wick::einsum("ij,ij->", m, m), wick::sum(m * m)) < 1e-14);
  CHECK(distance(wick::einsum("ij,ij->ij", m, m), m * m) == 0.0);
  CHECK(distance(wick::einsum("i,j->ij", wave({2}), wave({3})), wick::outer(wave({2}), wave({3}))) == 0.0);
  CHECK(distance(wick::einsum("ij,k->ik", m, wave({2})), wick::outer(wick::sum(m, 1), wave({2}))) < 1e-15);
  CHECK(distance(wick::einsum("i,jk->", wave({2}), m), wick::sum(wave({2})) * wick::sum(m)) < 1e-14);
  CHECK(distance(wick::einsum(",ij->ji", Tensor(2.0), m), 2.0 * wick::transpose(m)) == 0.0);
  for (const char* formula : {"bij,bjk->bik", "bij,bjk->kib", "bij,kjb->ibk", "bij,bij->b", "bij,bij->ij", "bij,bkj->ikb"}) {
    const std::string f = formula;
    std::map<char, Index> size{{'b', 2}, {'i', 2}, {'j', 3}, {'k', 4}};
    const auto shape_of = [&](const std::string& letters) {
      Shape s;
      for (const char c : letters) s.push_back(size[c]);
      return s;
    };
    const std::string la = f.substr(0, f.find(',')), lb = f.substr(la.size() + 1, f.find('-') - la.size() - 1), lo = f.substr(f.find('>') + 1);
    const Tensor a = wave(shape_of(la)), b = wave(shape_of(lb), 1), got = wick::einsum(f, a, b);
    V sums(static_cast<std::size_t>(shape_of(lo).numel()), 0.0);
    std::map<char, Index> at;
    const auto offset = [&](const std::string& letters) {
      Index o = 0;
      for (const char c : letters) o = o * size[c] + at[c];
      return static_cast<std::size_t>(o);
    };
    for (at['b'] = 0; at['b'] < 2; ++at['b'])
      for (at['i'] = 0; at['i'] < 2; ++at['i'])
        for (at['j'] = 0; at['j'] < 3; ++at['j'])
          for (at['k'] = 0; at['k'] < (f.find('k') == std::string::npos ? 1 : 4); ++at['k'])
            sums[offset(lo)] += a.data()[offset(la)] * b.data()[offset(lb)];
    INFO(f);
    CHECK(distance(got, wick::reshape(wick::from_values({sums.size()}, sums), shape_of(lo))) < 1e-14);
  }
  const auto f = [](const char* formula) { return [formula](const auto& a, const auto& b) { return wick::einsum(formula, a, b); }; };
  expect_grad("matrices", f("ij,jk->ki"), wave({2, 3}), wave({3, 2}, 1));
  expect_grad("batches", f("bij,jb->ib"), wave({2, 2, 2}), wave({2, 2}, 1));
  expect_grad("to a scalar", f("ij,ij->"), wave({2, 2}), wave({2, 2}, 1));
  expect_grad("with sums of one operand", f("ij,k->k"), wave({2, 2}), wave({2}, 1));
  expect_grad("of scalars", f(",->"), Tensor(2.0), Tensor(3.0));
  expect_grad("of repeats", [](const auto& a, const auto& b) { return wick::einsum("ij,jk->ik", wick::expand(a, {2, 3}), b); }, wave({3}), wave({3, 2}));
  expect_grad("of nothing", f("ij,jk->ik"), wick::zeros({0, 2}), wave({2, 2}));
  expect_grad("over nothing", f("ij,jk->ik"), wick::zeros({2, 0}), wick::zeros({0, 2}));
}

TEST_CASE("einsum: formulas that do not fit", "[ad][errors]") {
  const auto fails = [](const char* formula, const Tensor& b) {
    expect_throws_alike<wick::ShapeError>(formula, "wick.op.E145", "one letter", [formula](const auto& x, const auto& y) { return wick::einsum(formula, x, y); },
                                          wave({2, 3}), b);
  };
  fails("ij->ij", wave({3}));
  fails("ij,j", wave({3}));
  fails("ij,jk->ik", wave({3}));
  fails("ij,j->ik", wave({3}));
  fails("ii,j->i", wave({3}));
  fails("ij,1->i", wave({3}));
  fails("ij,j->i", wave({4}));
}
