// Rule J of the operations beyond arithmetic: a gradient in steady state makes no heap allocation.
#include "support/alloc_counter.hpp"

#include "ad/expect_grad.hpp"

#include <wick/ad/linalg_spectral.hpp>
#include <wick/ad/scan.hpp>

using namespace wick;

namespace {

const Tensor x = linspace(0.1, 1.9, 36), m = reshape(x, {6, 6}) + diag(full({6}, 9.0)), at = floor(x * 3.0);

template <class F>
void expect_none(const char* name, const F& f, const Tensor& argument) {
  const auto g = value_and_grad(f);
  double total = 0;
  for (int i = 0; i < 20; ++i) total += g(argument).first.item();
  const wick_test::AllocationGuard guard;
  for (int i = 0; i < 200; ++i) total += g(argument).first.item();
  const auto count = guard.count();
  INFO(name << ' ' << total);
  CHECK(count == 0);
}

}  // namespace

TEST_CASE("steady state: a gradient of the operations beyond arithmetic allocates nothing", "[ad][alloc]") {
  expect_none("elementwise", [](const Tensor& t) { return sum(sin(t) * cos(t) + erf(t) + log_ndtr(t) + log1mexp(t) + lbeta(t, 2.0) + relu(t)); }, x);
  expect_none("pairs", [](const Tensor& t) { return sum(polygamma(3, t) + clamp(t, 0.5, 1.0) + maximum(t, 1.0) * minimum(t, 0.7) + floor(t) * round(t)); }, x);
  expect_none("reductions", [](const Tensor& t) { return max(t) + min(t) + prod(t) + sum(t * argmax(t)); }, x);
  expect_none("along", [](const Tensor& t) { return sum(square(softmax(t)) + log_softmax(t) + cumsum(t) + cumprod(t) + sort(t) * argsort(t)); }, x);
  expect_none("moving", [](const Tensor& t) { return sum(flip(t)) + sum(tile(t, {3})) + sum(split<2>(t)[0]) + sum(pad(t, 0, 2, 3)); }, x);
  expect_none("choosing", [](const Tensor& t) { return sum(gather(t, at) + scatter_add(t, at, t)) + sum(one_hot(floor(t), 2)) + sum(masked_select(t, x > 0.7)); }, x);
  expect_none("products", [](const Tensor& t) { return dot(t, t) + sum(outer(t, t)) + sum(matmul(reshape(t, {3, 2, 6}), reshape(t, {3, 6, 2}))); }, x);
  expect_none("einsum", [](const Tensor& t) { return sum(einsum("ij,kj->ki", t, t)) + sum(diag(diagonal(t))) + sum(conv1d(t, reshape(t, {2, 6, 3}))); }, m);
  expect_none("chosen rows", [](const Tensor& t) { return sum(dot_rows(t, Tensor{0, 0, 3}, t, Tensor{1, 2, 3})) + sum(dot_rows(t, floor(diagonal(t) * 0.1), t, floor(diagonal(t) * 0.2))); }, m);
  expect_none("triangles", [](const Tensor& t) { return sum(tril(t)) + sum(triu(t)) + sum(fill_tril(vech(t))); }, m);
  expect_none("linear algebra", [](const Tensor& t) { return sum(cholesky(t)) + sum(solve(t, t)) + sum(triangular_solve(t, t)) + sum(inverse(t)) + logdet(t); }, m);
  const auto forward = [](const Tensor& p, const Tensor& l, const Tensor& a) {
    const Tensor n = matmul(p, a) * l, c = sum(n);
    return Next{n / c, c};
  };
  const Tensor many = full({12, 6}, 0.3);  // enough for a chain
  expect_none("scan", [&](const Tensor& t) {
    return sum(scan(forward, full({6}, 0.2), each(many), t).first) + sum(scan({.checkpoint = true}, forward, full({6}, 0.2), each(many), t).first) +
           sum(scan(forward, full({6}, 0.2), each(t), t).first);
  }, m);
}
