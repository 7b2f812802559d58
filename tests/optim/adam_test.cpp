#include "catch.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <wick/optim/adam.hpp>

#include "support/errors.hpp"
#include "support/stat.hpp"

using namespace wick_test;
using wick::Adam;
using wick::AdamOptions;
using wick::ParamStep;

namespace {

using Vector = std::vector<double>;

/// Numbers in (-1, 1) from a seed.
class Numbers {
 public:
  explicit Numbers(const char* test) : state_(seed_of(test)) {}
  double next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(static_cast<std::int64_t>(state_)) * 0x1p-63;
  }
  Vector vector(std::size_t n) {
    Vector v(n);
    for (double& x : v) x = next();
    return v;
  }

 private:
  std::uint64_t state_;
};

/// Adam written out for one parameter.
struct Reference {
  AdamOptions o;
  Vector x, m, v;
  double power1 = 1.0, power2 = 1.0;

  explicit Reference(const AdamOptions& options, Vector start) : o(options), x(std::move(start)), m(x.size()), v(x.size()) {}
  void step(const Vector& g) {
    power1 *= o.beta1;
    power2 *= o.beta2;
    const double rate = o.lr / (1.0 - power1), correction = 1.0 / std::sqrt(1.0 - power2);
    for (std::size_t i = 0; i < x.size(); ++i) {
      m[i] = o.beta1 * m[i] + (1.0 - o.beta1) * g[i];
      v[i] = o.beta2 * v[i] + (1.0 - o.beta2) * (g[i] * g[i]);
      x[i] = x[i] - rate * (m[i] / (std::sqrt(v[i]) * correction + o.eps));
    }
  }
};

void take_step(Adam& adam, const std::vector<ParamStep>& steps) {
  adam.prepare(steps);
  adam.step(steps);
}
ParamStep step_of(std::uint64_t key, Vector& x, const Vector& g) {
  return {key, "p", x.data(), g.data(), static_cast<wick::Index>(x.size())};
}

}  // namespace

TEST_CASE("Adam: 50 steps equal the formula bit by bit", "[optim]") {
  Numbers numbers("Adam: formula");
  for (const AdamOptions& o : {AdamOptions{}, AdamOptions{.lr = 0.05}, AdamOptions{.lr = 0.3, .beta1 = 0.5, .beta2 = 0.9, .eps = 1e-3}, AdamOptions{.lr = 0.1, .beta1 = 0.0, .beta2 = 0.0}}) {
    Adam adam(o);
    std::vector<Vector> x{numbers.vector(1), numbers.vector(7), numbers.vector(8), numbers.vector(19)};
    std::vector<Reference> expected;
    for (const Vector& start : x) expected.emplace_back(o, start);
    for (int t = 0; t < 50; ++t) {
      std::vector<Vector> g;
      std::vector<ParamStep> steps;
      for (const Vector& v : x) g.push_back(numbers.vector(v.size()));
      for (std::size_t k = 0; k < x.size(); ++k) {
        steps.push_back(step_of(k + 1, x[k], g[k]));
        expected[k].step(g[k]);
      }
      take_step(adam, steps);
      for (std::size_t k = 0; k < x.size(); ++k) REQUIRE(x[k] == expected[k].x);
    }
  }
}

TEST_CASE("Adam: agrees with algorithm 1 of the paper as it is printed", "[optim]") {
  Numbers numbers("Adam: paper");
  const AdamOptions o{.lr = 0.02};
  Adam adam(o);
  Vector x{0.5};
  double expected = 0.5, m = 0.0, v = 0.0;
  for (int t = 1; t <= 200; ++t) {
    const Vector g{std::sin(3.0 * x[0]) + numbers.next()};
    take_step(adam, {step_of(1, x, g)});
    m = o.beta1 * m + (1 - o.beta1) * g[0];
    v = o.beta2 * v + (1 - o.beta2) * g[0] * g[0];
    expected -= o.lr * (m / (1 - std::pow(o.beta1, t))) / (std::sqrt(v / (1 - std::pow(o.beta2, t))) + o.eps);
    REQUIRE(std::abs(x[0] - expected) < 1e-12);
  }
}

TEST_CASE("Adam: the first step has length lr, whatever the gradient's", "[optim]") {
  for (const double g : {1e-3, 1.0, -1e6}) {
    Adam adam({.lr = 0.1});
    Vector x{2.0};
    take_step(adam, {step_of(1, x, {g})});
    REQUIRE(std::abs(x[0] - (2.0 - std::copysign(0.1, g))) < 2e-6);
  }
}

TEST_CASE("Adam: state belongs to the parameter and not to its place in the step", "[optim]") {
  Numbers numbers("Adam: places");
  const AdamOptions o{.lr = 0.05};
  Adam adam(o);
  std::vector<Vector> x(5, Vector{0.1, -0.2});
  std::vector<Reference> expected(5, Reference(o, x[0]));
  const std::vector<std::vector<std::size_t>> orders{{0, 1, 2}, {2, 1, 0}, {4}, {3, 0, 4}, {1}, {0, 1, 2, 3, 4}, {4, 2, 0}, {3, 1}};
  for (int round = 0; round < 4; ++round)
    for (const auto& order : orders) {
      std::vector<Vector> g(5);
      std::vector<ParamStep> steps;
      for (const std::size_t k : order) {
        g[k] = numbers.vector(2);
        steps.push_back(step_of(k + 10, x[k], g[k]));
        expected[k].step(g[k]);
      }
      take_step(adam, steps);
      for (std::size_t k = 0; k < 5; ++k) REQUIRE(x[k] == expected[k].x);
    }
}

TEST_CASE("Adam: state of parameters that are gone can go, that of the others stays", "[optim]") {
  const auto run = [](bool forget) {
    double x[3] = {1.0, 2.0, 3.0}, y = 4.0, z[2] = {5.0, 6.0};
    const double g[3] = {0.3, -0.2, 0.1};
    const ParamStep all[] = {{1, "x", x, g, 3}, {2, "y", &y, g, 1}, {3, "z", z, g, 2}};
    Adam adam({.lr = 0.1});
    adam.prepare(all);
    adam.step(all);
    const std::uint64_t gone[] = {2, 77};
    if (forget) adam.forget(gone);
    const ParamStep rest[] = {all[0], all[2]};
    adam.prepare(rest);
    adam.step(rest);
    const std::vector<double> kept = {x[0], x[1], x[2], z[0], z[1]};
    // The forgotten one begins anew: its first step has length lr, though the slope has turned.
    const double before = y, back = -g[0];
    const ParamStep again[] = {{2, "y", &y, &back, 1}};
    adam.prepare(again);
    adam.step(again);
    CHECK((std::abs(std::abs(y - before) - 0.1) < 1e-6) == forget);
    return kept;
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("Adam: set_lr counts from the next step on, and a rate of 0 changes nothing", "[optim]") {
  Adam adam({.lr = 0.1});
  Reference expected({.lr = 0.1}, {1.0});
  Vector x{1.0};
  const auto both = [&](double lr, double g) {
    adam.set_lr(lr);
    expected.o.lr = lr;
    REQUIRE(adam.lr() == lr);
    take_step(adam, {step_of(1, x, {g})});
    expected.step({g});
    REQUIRE(x == expected.x);
  };
  both(0.1, 0.7);
  const double before = x[0];
  both(0.0, -0.3);
  REQUIRE(x[0] == before);
  both(0.01, 0.2);
}

TEST_CASE("Adam: options outside their range are refused", "[optim][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  std::vector<AdamOptions> bad;
  for (const double lr : {-1e-3, nan, inf}) bad.push_back({.lr = lr});
  for (const double beta : {-0.1, 1.0, 1.5, nan}) {
    bad.push_back({.beta1 = beta});
    bad.push_back({.beta2 = beta});
  }
  for (const double eps : {0.0, -1e-8, nan, inf}) bad.push_back({.eps = eps});
  for (const AdamOptions& o : bad) {
    const ErrorReport report = expect_error<wick::DomainError>([&] { return Adam(o); }, "wick.optim.E260", "", "lr");
    INFO(report.text);
    REQUIRE(report.ok);
  }
  Adam adam;
  for (const double lr : {-1.0, nan, inf}) {
    const ErrorReport report = expect_error_unchanged<wick::DomainError>([&] { adam.set_lr(lr); }, [&] { return adam.lr(); }, "wick.optim.E260", "", "lr");
    INFO(report.text);
    REQUIRE(report.ok);
  }
}
