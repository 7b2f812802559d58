// The first-order optimisers against sequences computed elsewhere, on problems with a known minimum, and with bad options.
#define WICK_TEST_DEFINE_ALLOC_COUNTER
#include "support/alloc_counter.hpp"

#include "catch.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <wick/optim/optim.hpp>

#include "support/errors.hpp"

using namespace wick;
using namespace wick_test;

namespace {

using Vector = std::vector<double>;

/// The gradient of generate_reference.py.
Vector crooked_gradient(const Vector& x, int t) {
  const double a = x[0], b = x[1], c = x[2];
  return {4 * a * (a * a - b) + 2 * (a - 1) + 0.3 * std::sin(1.7 * t), -2 * (a * a - b) + 0.5 * (b - c), 40 * std::tanh(c - 0.5 * b) + std::cos(0.9 * t)};
}

void take_step(Optimizer& o, const std::vector<ParamStep>& steps) {
  o.prepare(steps);
  o.step(steps);
}
ParamStep step_of(std::uint64_t key, Vector& x, const Vector& g, std::string_view name = "p") { return {key, name, x.data(), g.data(), static_cast<Index>(x.size())}; }

/// The three numbers as one parameter among others that stay 0: in packets, and in the rest that fills none.
template <class O>
std::vector<Vector> positions_in_one(O optimizer) {
  constexpr std::size_t at[] = {0, 9, 18};
  std::vector<Vector> out;
  Vector x(19, 0.0), three{-0.7, 1.1, 2.0};
  for (std::size_t k = 0; k < 3; ++k) x[at[k]] = three[k];
  for (int t = 1; t <= 60; ++t) {
    const Vector g3 = crooked_gradient(three, t);
    Vector g(19, 0.0);
    for (std::size_t k = 0; k < 3; ++k) g[at[k]] = g3[k];
    take_step(optimizer, {step_of(5, x, g)});
    for (std::size_t k = 0; k < 3; ++k) three[k] = x[at[k]];
    if (t <= 3 || t == 10 || t == 60) out.push_back(three);
  }
  return out;
}
/// The three numbers as three parameters, in changing order.
template <class O>
std::vector<Vector> positions_in_three(O optimizer) {
  std::vector<Vector> out, x{{-0.7}, {1.1}, {2.0}};
  for (int t = 1; t <= 60; ++t) {
    const Vector three{x[0][0], x[1][0], x[2][0]}, g3 = crooked_gradient(three, t);
    const std::vector<Vector> g{{g3[0]}, {g3[1]}, {g3[2]}};
    std::vector<ParamStep> steps;
    for (std::size_t k = 0; k < 3; ++k) {
      const std::size_t i = t % 2 == 0 ? k : (k + 2) % 3;
      steps.push_back(step_of(10 + i, x[i], g[i]));
    }
    take_step(optimizer, steps);
    if (t <= 3 || t == 10 || t == 60) out.push_back({x[0][0], x[1][0], x[2][0]});
  }
  return out;
}
double largest_difference(const std::vector<Vector>& a, const std::vector<Vector>& b) {
  double worst = a.size() == b.size() ? 0.0 : 1e9;
  for (std::size_t t = 0; t < a.size() && t < b.size(); ++t)
    for (std::size_t k = 0; k < 3; ++k) worst = std::max(worst, std::abs(a[t][k] - b[t][k]));
  return worst;
}

/// Steps down f's gradient; returns where it ends.
template <class O, class Gradient>
Vector descend(O optimizer, Vector x, Gradient gradient, int steps) {
  for (int t = 0; t < steps; ++t) {
    const Vector g = gradient(x);
    take_step(optimizer, {step_of(1, x, g)});
  }
  return x;
}
Vector bowl(const Vector& x) { return {2 * (x[0] - 3), 20 * (x[1] + 1), 0.5 * (x[2] - 0.25)}; }
Vector rosenbrock(const Vector& x) { return {-400 * x[0] * (x[1] - x[0] * x[0]) - 2 * (1 - x[0]), 200 * (x[1] - x[0] * x[0])}; }

template <class O>
void check_bowl(O optimizer, int steps, double tolerance) {
  const Vector x = descend(std::move(optimizer), {0, 0, 0}, bowl, steps);
  CAPTURE(x[0], x[1], x[2]);
  REQUIRE(std::abs(x[0] - 3) + std::abs(x[1] + 1) + std::abs(x[2] - 0.25) < tolerance);
}
template <class O>
void check_rosenbrock(O optimizer, int steps, double tolerance) {
  const Vector x = descend(std::move(optimizer), {-1.2, 1}, rosenbrock, steps);
  CAPTURE(x[0], x[1]);
  REQUIRE(std::abs(x[0] - 1) + std::abs(x[1] - 1) < tolerance);
}

/// Allocations of 1,000 steps after the first.
template <class O>
std::uint64_t allocations(O optimizer) {
  Vector x(37, 1.0), y(1, 2.0), gx(37, 0.1), gy(1, -0.1);
  const std::vector<ParamStep> steps{step_of(1, x, gx, "x"), step_of(2, y, gy, "y")};
  take_step(optimizer, steps);
  const AllocationGuard guard;
  for (int t = 0; t < 1000; ++t) take_step(optimizer, steps);
  return guard.count();
}

}  // namespace

TEST_CASE("optimisers: 60 steps equal those computed from the documented formulas", "[optim]") {
#define WICK_REFERENCE_STEPS(optimizer, ...)                                                \
  {                                                                                         \
    INFO(#optimizer);                                                                       \
    const std::vector<Vector> expected __VA_ARGS__;                                         \
    CHECK(largest_difference(positions_in_one(optimizer), expected) < 1e-11);               \
    CHECK(largest_difference(positions_in_three(optimizer), expected) < 1e-11);             \
  }
#include "optim/reference_steps.hpp"
#undef WICK_REFERENCE_STEPS
}

TEST_CASE("optimisers: they find the minimum of a quadratic and of Rosenbrock's function", "[optim]") {
  check_bowl(SGD({.lr = 0.05}), 1000, 1e-8);
  check_bowl(SGD({.lr = 0.02, .momentum = 0.9}), 1000, 1e-8);
  check_bowl(SGD({.lr = 0.02, .momentum = 0.9, .nesterov = true}), 1000, 1e-8);
  check_bowl(Adam({.lr = 0.1}), 3000, 1e-6);
  check_bowl(AdamW({.lr = 0.1, .weight_decay = 0}), 3000, 1e-6);
  check_bowl(ClippedAdam({.lr = 0.2, .clip_norm = 1, .lrd = 0.998}), 5000, 1e-3);
  check_bowl(Adagrad({.lr = 1}), 3000, 1e-6);
  check_bowl(Scheduled(RMSprop({.lr = 0.05}), schedules::cosine(3000)), 3000, 1e-4);
  check_rosenbrock(SGD({.lr = 1e-3, .momentum = 0.95}), 5000, 1e-3);
  check_rosenbrock(Adam({.lr = 0.02}), 5000, 1e-3);
  check_rosenbrock(ClippedAdam({.lr = 0.02, .clip_norm = 50, .lrd = 0.9995}), 8000, 1e-3);
  check_rosenbrock(Scheduled(RMSprop({.lr = 0.01}), schedules::cosine(8000)), 8000, 1e-2);
  check_rosenbrock(Adagrad({.lr = 0.5}), 20000, 1e-2);
  // Weight decay moves AdamW's fixed point, where g + 0 = 0 for Adam's part and x shrinks: x = 0 without a gradient.
  const Vector shrunk = descend(AdamW({.lr = 0.1, .weight_decay = 0.1}), {1, -2, 3}, [](const Vector& x) { return Vector(x.size(), 0.0); }, 100);
  for (std::size_t k = 0; k < 3; ++k) REQUIRE(std::abs(shrunk[k] - Vector{1, -2, 3}[k] * std::pow(0.99, 100)) < 1e-12);
}

TEST_CASE("ClippedAdam: clips by value or by the norm over all parameters, whatever their size", "[optim]") {
  // The first step of Adam has length lr whatever the gradient, so clipping shows in the second, where m and v remember the first.
  const auto second = [](ClippedAdamOptions o, double first_x, double first_y) {
    o.beta1 = 0, o.beta2 = 0.5, o.eps = 1e-300;
    ClippedAdam adam(o);
    Vector x{0.0}, y{0.0};
    take_step(adam, {step_of(1, x, {first_x}), step_of(2, y, {first_y})});
    const double before = x[0];
    take_step(adam, {step_of(1, x, {1e-3}), step_of(2, y, {0.0})});
    return before - x[0];
  };
  // v = g₁²/4 + g₂²/2 after two steps, its bias correction is 3/4.
  const auto expected = [](double clipped) { return std::sqrt(0.75) * 1e-3 / std::sqrt(clipped * clipped / 4 + 0.5e-6); };
  const ClippedAdamOptions by_value{.lr = 1, .clip_norm = 2}, by_norm{.lr = 1, .clip_norm = 2, .clip = Clip::global_norm};
  REQUIRE(std::abs(second(by_value, 1.5, 9) - expected(1.5)) < 1e-14);
  REQUIRE(std::abs(second(by_value, 3, 0) - expected(2)) < 1e-14);
  REQUIRE(std::abs(second(by_value, -1e200, 0) - expected(-2)) < 1e-14);
  REQUIRE(std::abs(second(by_norm, 1, 1) - expected(1)) < 1e-14);
  REQUIRE(std::abs(second(by_norm, 3, 4) - expected(1.2)) < 1e-14);
  REQUIRE(std::abs(second(by_norm, 3e200, 4e200) - expected(1.2)) < 1e-14);
  REQUIRE(std::abs(second({.lr = 1, .clip_norm = std::numeric_limits<double>::infinity()}, 30, 0) - expected(30)) < 1e-14);
  REQUIRE(std::abs(second({.lr = 1, .clip_norm = std::numeric_limits<double>::infinity(), .clip = Clip::global_norm}, 30, 40) - expected(30)) < 1e-14);
}

TEST_CASE("ClippedAdam: the rate decays with the parameter's own steps", "[optim]") {
  ClippedAdam adam({.lr = 1, .beta1 = 0, .beta2 = 0, .eps = 1e-300, .lrd = 0.5});  // each step has length lr
  Vector x{0.0}, y{0.0};
  take_step(adam, {step_of(1, x, {-1})});
  REQUIRE(x[0] == 0.5);  // the rate falls before the first step, as in Pyro
  take_step(adam, {step_of(1, x, {-1}), step_of(2, y, {-1})});
  REQUIRE(x[0] == 0.75);
  REQUIRE(y[0] == 0.5);
  adam.set_lr(4);
  take_step(adam, {step_of(2, y, {-1})});
  REQUIRE(y[0] == 1.5);
}

TEST_CASE("optimisers: steps allocate nothing", "[optim][alloc]") {
  REQUIRE(allocations(SGD({.lr = 0.1, .momentum = 0.5})) == 0);
  REQUIRE(allocations(Adam()) == 0);
  REQUIRE(allocations(AdamW()) == 0);
  REQUIRE(allocations(ClippedAdam({.clip = Clip::global_norm})) == 0);
  REQUIRE(allocations(RMSprop({.momentum = 0.5, .centered = true})) == 0);
  REQUIRE(allocations(Adagrad()) == 0);
  REQUIRE(allocations(PerParam(Adam(), {{"y", SGD()}})) == 0);
  REQUIRE(allocations(Scheduled(PerParam([](std::string_view n) { return Adam({.lr = n == "x" ? 0.1 : 0.2}); }), schedules::warm_up(9) * schedules::join({{0, schedules::exponential(0.9)}}))) == 0);
}

TEST_CASE("optimisers: many new parameters at once, in any order, and many that go", "[optim]") {
  constexpr std::size_t n = 50'000;
  Vector x(n, 1.0), g(n, 0.5);
  std::vector<ParamStep> forwards, backwards;
  for (std::size_t i = 0; i < n; ++i) forwards.push_back({i + 1, "p", &x[i], &g[i], 1});
  for (std::size_t i = n; i-- > 0;) backwards.push_back(forwards[i]);
  Adagrad adagrad({.lr = 1, .eps = 1e-300});
  take_step(adagrad, forwards);
  take_step(adagrad, backwards);
  std::vector<std::uint64_t> gone;
  for (std::size_t i = 0; i < n; i += 2) gone.push_back(i + 1);
  adagrad.forget(gone);
  take_step(adagrad, backwards);
  for (std::size_t i = 0; i < n; ++i) REQUIRE(std::abs(x[i] - (1 - 1 - 1 / std::sqrt(2.0) - (i % 2 == 0 ? 1 : 1 / std::sqrt(3.0)))) < 1e-14);
}

namespace {

template <class O, class Options>
void refused(const std::vector<Options>& bad) {
  for (const Options& o : bad) {
    const ErrorReport report = expect_error<DomainError>([&] { return O(o); }, "wick.optim.E260", "", "use ");
    INFO(report.text);
    REQUIRE(report.ok);
  }
  O optimizer;
  const ErrorReport report = expect_error_unchanged<DomainError>([&] { optimizer.set_lr(-1); }, [&] { return optimizer.lr(); }, "wick.optim.E260", "", "use lr with");
  INFO(report.text);
  REQUIRE(report.ok);
}

}  // namespace

TEST_CASE("optimisers: options outside their range are refused", "[optim][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  refused<SGD, SGDOptions>({{.lr = -1}, {.lr = nan}, {.lr = inf}, {.momentum = 1}, {.momentum = -0.1}, {.momentum = 0.5, .dampening = 2}, {.weight_decay = -1}, {.nesterov = true},
                            {.momentum = 0.5, .dampening = 0.1, .nesterov = true}});
  refused<AdamW, AdamWOptions>({{.lr = nan}, {.beta1 = 1}, {.beta1 = -1}, {.beta2 = nan}, {.eps = 0}, {.weight_decay = inf}});
  refused<ClippedAdam, ClippedAdamOptions>({{.lr = -1}, {.beta1 = 1}, {.beta2 = 1.5}, {.eps = -1}, {.weight_decay = nan}, {.clip_norm = 0}, {.clip_norm = nan}, {.lrd = 0}, {.lrd = 1.01}, {.lrd = nan}});
  refused<RMSprop, RMSpropOptions>({{.lr = nan}, {.alpha = 1}, {.eps = 0}, {.weight_decay = -1}, {.momentum = 1}});
  refused<Adagrad, AdagradOptions>({{.lr = nan}, {.lr_decay = -1}, {.weight_decay = -1}, {.initial_accumulator_value = -1}, {.eps = 0}});
}
