// Rule J: a step in steady state makes no heap allocation.
#define WICK_TEST_DEFINE_ALLOC_COUNTER
#include "support/alloc_counter.hpp"

#include "ad/expect_grad.hpp"

using wick::Tensor;
using wick::detail::Kind;
using wick::detail::Recording;
using wick::detail::TensorAccess;

namespace {

/// Allocations of 1,000 steps after some to warm up.
template <class Step>
std::uint64_t allocations(const Step& step) {
  for (int i = 0; i < 20; ++i) step();
  const wick_test::AllocationGuard guard;
  for (int i = 0; i < 1000; ++i) step();
  return guard.count();
}

const Tensor x = wick::reshape(wick::linspace(-1, 1, 600), {100, 6}), y = wick::linspace(0, 1, 100),
             some{1.0, 5.0, 0.0};

}  // namespace

TEST_CASE("steady state: a gradient of every operation allocates nothing", "[ad][alloc]") {
  const auto loss = [](const Tensor& w, const Tensor& s) {
    const Tensor eta = wick::matmul(x, w) + s;
    Tensor l = wick::fuse_sum([](auto a, auto b) { return softplus(a) - a * b; }, eta, y);
    l += wick::sum(wick::square(wick::take(w, some))) + wick::logsumexp(wick::cat({w, w * 2.0}));
    l += wick::mean(wick::reshape(wick::exp(w), {2, 3}), 0).at({0}) +
         wick::sum(wick::transpose(wick::reshape(w, {3, 2})) * wick::expand(s, {2, 3}));
    l += wick::sum(wick::slice(w, 0, 1, 4) / 3.0, -1) + wick::sum(wick::where(w > 0.0, w, -w)) +
         wick::sum(wick::matmul(wick::reshape(w, {3, 2}), wick::reshape(w, {2, 3})));
    l += wick::sum(wick::expand(w, {2, 3, 6}), {0, 2}).at({0}) +
         wick::sum(wick::fuse([](auto a, auto b) { return a * b; }, w, wick::reshape(w, {6, 1})));
    return l + wick::sum(wick::reshape(wick::linspace(0, 1, 8), {2, 1, 4}) * wick::reshape(w, {6, 1})) +
           wick::lgamma(s + 2.0) * wick::pow(s, 2.0);
  };
  const auto f = wick::value_and_grad(loss);
  const Tensor w = wick::linspace(-1, 1, 6), s = 0.5;
  double last = 0;
  CHECK(allocations([&] { last = f(w, s).second[1].item(); }) == 0);
  CHECK(std::isfinite(last));
  CHECK(allocations([&] { last = loss(w, s).item(); }) == 0);  // the value alone
}

TEST_CASE("steady state: a varying index and kept values allocate nothing", "[ad][alloc]") {
  Tensor state = wick::linspace(0, 1, 6), indices = some;
  CHECK(allocations([&] {
          Recording recording;
          const Tensor i = push_leaf(recording.tape(), indices, Kind::varying),
                       w = push_leaf(recording.tape(), state, Kind::differentiable);
          const Tensor z = wick::take(w, i) * wick::take(y, i);
          wick::detail::run_backward(recording.tape(), wick::sum(z));
          const Tensor g = wick::detail::adjoint_of(recording.tape(), TensorAccess::record(w));
          state = state - 0.001 * g;  // survives the step
          indices = wick::cat(
              {wick::slice(indices, 0, 1, 3), wick::slice(indices, 0, 0, 1)});  // fresh indices, converted once each
          wick::take(y, indices);
        }) == 0);
}

TEST_CASE("steady state: large tensors are reused too", "[ad][alloc]") {
  const Tensor big = wick::linspace(0, 1, 300'000);
  double last = 0;
  for (int i = 0; i < 3; ++i)
    last += wick::grad([](const Tensor& t) { return wick::sum(wick::exp(t) * t); })(big).at({5});
  const wick_test::AllocationGuard guard;
  for (int i = 0; i < 10; ++i)
    last += wick::grad([](const Tensor& t) { return wick::sum(wick::exp(t) * t); })(big).at({5});
  CHECK(guard.count() == 0);
  CHECK(std::isfinite(last));
}
