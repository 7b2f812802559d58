// Schedules and options by parameter.
#include "catch.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <wick/optim/optim.hpp>

#include "support/errors.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// Steps of length lr in the direction of −gradient's sign, so that positions show rates.
Adam signs(double lr) { return Adam({.lr = lr, .beta1 = 0, .beta2 = 0, .eps = 1e-300}); }

/// One number named p under an optimiser: how far each step goes.
template <class O>
std::vector<double> lengths(O& optimizer, int steps) {
  std::vector<double> out;
  double x = 0;
  const double g = -1;
  for (int t = 0; t < steps; ++t) {
    const double before = x;
    const ParamStep step[] = {{1, "p", &x, &g, 1}};
    optimizer.prepare(step);
    optimizer.step(step);
    out.push_back(x - before);
  }
  return out;
}

std::string warnings;
struct CaughtWarnings {
  WarningSink old = set_warning_sink([](std::string_view s) { warnings.append(s).append("\n"); });
  CaughtWarnings() { warnings.clear(); }
  ~CaughtWarnings() { set_warning_sink(old); }
};

/// An optimiser of a user: plain gradient steps, with a rate that schedules can change.
class Plain final : public Optimizer {
 public:
  explicit Plain(double lr) : lr_(lr) {}
  void set_rate_factor(double f) noexcept { factor_ = f; }
  void prepare(std::span<const ParamStep>) override {}
  void step(std::span<const ParamStep> params) noexcept override {
    for (const ParamStep& p : params)
      for (Index i = 0; i < p.size; ++i) p.value[i] -= lr_ * factor_ * p.gradient[i];
  }

 private:
  double lr_, factor_ = 1;
};

}  // namespace

TEST_CASE("schedules: each gives the documented factor", "[optim][schedules]") {
  const Schedule e = schedules::exponential(0.9), s = schedules::step(10, 0.5), c = schedules::cosine(100, 0.2), w = schedules::warm_up(4, 0.2);
  REQUIRE(e(0) == 1);
  REQUIRE(std::abs(e(7) - std::pow(0.9, 7)) < 1e-15);
  for (const auto& [t, factor] : std::vector<std::pair<Index, double>>{{0, 1}, {9, 1}, {10, 0.5}, {19, 0.5}, {20, 0.25}, {35, 0.125}}) REQUIRE(s(t) == factor);
  REQUIRE(c(0) == 1);
  REQUIRE(std::abs(c(50) - 0.6) < 1e-15);
  REQUIRE(std::abs(c(25) - (0.2 + 0.8 * (1 + std::sqrt(0.5)) / 2)) < 1e-15);
  REQUIRE(c(100) == 0.2);
  REQUIRE(c(1'000'000) == 0.2);
  for (const auto& [t, factor] : std::vector<std::pair<Index, double>>{{0, 0.2}, {1, 0.4}, {2, 0.6}, {3, 0.8}, {4, 1}, {50, 1}}) REQUIRE(std::abs(w(t) - factor) < 1e-15);
  const Schedule joined = schedules::join({{0, w}, {4, s}, {30, [](Index t) { return 100.0 + static_cast<double>(t); }}});
  REQUIRE(joined(3) == w(3));
  REQUIRE(joined(4) == 1);
  REQUIRE(joined(13) == 1);
  REQUIRE(joined(14) == 0.5);
  REQUIRE(joined(29) == 0.25);
  REQUIRE(joined(30) == 100);
  REQUIRE(joined(42) == 112);
  REQUIRE((w * e)(2) == w(2) * e(2));
}

TEST_CASE("schedules: they set the rate of any optimiser, step by step", "[optim][schedules]") {
  Scheduled scheduled(signs(2), schedules::step(2, 0.5));
  REQUIRE(lengths(scheduled, 5) == std::vector<double>{2, 2, 1, 1, 0.5});
  REQUIRE(scheduled.steps() == 5);
  REQUIRE(scheduled.factor() == 0.25);
  scheduled.optim().set_lr(16);
  REQUIRE(lengths(scheduled, 1) == std::vector<double>{4});

  Scheduled own(Plain(1), [](Index t) { return t == 1 ? 0.25 : 1.0; });
  REQUIRE(lengths(own, 3) == std::vector<double>{1, 0.25, 1});
  // Schedules around one another multiply.
  Scheduled twice(Scheduled(signs(8), schedules::step(1, 0.5)), schedules::step(2, 0.5));
  REQUIRE(lengths(twice, 4) == std::vector<double>{8, 4, 1, 0.5});
  // One optimiser for each kind.
  Scheduled sgd(SGD({.lr = 1}), schedules::step(1, 0.5));
  REQUIRE(lengths(sgd, 3) == std::vector<double>{1, 0.5, 0.25});
  Scheduled adagrad(Adagrad({.lr = 1, .eps = 1e-300}), schedules::step(1, 0.5));
  REQUIRE(lengths(adagrad, 2)[1] == Approx(0.5 / std::sqrt(2.0)));
  Scheduled clipped(ClippedAdam({.lr = 1, .beta1 = 0, .beta2 = 0, .eps = 1e-300, .lrd = 0.5}), schedules::step(1, 0.5));
  REQUIRE(lengths(clipped, 3) == std::vector<double>{0.5, 0.125, 0.03125});
  Scheduled rms(RMSprop({.lr = 1, .alpha = 0, .eps = 1e-300}), schedules::step(1, 0.5));
  REQUIRE(lengths(rms, 3) == std::vector<double>{1, 0.5, 0.25});
  Scheduled adamw(AdamW({.lr = 1, .beta1 = 0, .beta2 = 0, .eps = 1e-300, .weight_decay = 0}), schedules::step(1, 0.5));
  REQUIRE(lengths(adamw, 3) == std::vector<double>{1, 0.5, 0.25});
}

TEST_CASE("schedules: bad numbers are refused, and a bad factor stops the step", "[optim][schedules][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [](auto make) {
    const ErrorReport report = expect_error<DomainError>(make, "wick.optim.E600", "", "");
    INFO(report.text);
    REQUIRE(report.ok);
  };
  refused([&] { return schedules::exponential(nan); });
  refused([&] { return schedules::exponential(-0.5); });
  refused([&] { return schedules::step(0); });
  refused([&] { return schedules::step(-3, 0.5); });
  refused([&] { return schedules::cosine(0); });
  refused([&] { return schedules::cosine(10, 2); });
  refused([&] { return schedules::warm_up(0); });
  refused([&] { return schedules::warm_up(5, -1); });
  refused([&] { return schedules::join({}); });
  refused([&] { return schedules::join({{5, schedules::cosine(3)}}); });
  refused([&] { return schedules::join({{0, schedules::cosine(3)}, {0, schedules::cosine(3)}}); });
  for (const double bad : {nan, -1.0, std::numeric_limits<double>::infinity()}) {
    Scheduled scheduled(signs(1), [bad](Index t) { return t == 2 ? bad : 1.0; });
    lengths(scheduled, 2);
    const ErrorReport report = expect_error_unchanged<DomainError>([&] { lengths(scheduled, 1); }, [&] { return scheduled.steps(); }, "wick.optim.E601", "", "finite number");
    INFO(report.text);
    REQUIRE(report.ok);
  }
}

TEST_CASE("PerParam: the first rule for a name counts, the rest has the first optimiser", "[optim][per_param]") {
  const auto first_lengths = [](auto optimizer, int steps = 1) {
    double x[4] = {0, 0, 0, 0};
    const double g = -1;
    const ParamStep all[] = {{1, "a", &x[0], &g, 1}, {2, "b_scale", &x[1], &g, 1}, {3, "c_scale", &x[2], &g, 1}, {4, "d", &x[3], &g, 1}};
    for (int t = 0; t < steps; ++t) {
      optimizer.prepare(all);
      optimizer.step(all);
    }
    return std::vector<double>(x, x + 4);
  };
  const auto is_scale = [](std::string_view n) { return n.ends_with("_scale"); };
  const std::string d = "d";
  const CaughtWarnings caught;
  REQUIRE(first_lengths(PerParam(signs(1), {{"c_scale", signs(2)}, {is_scale, signs(3)}, {d, SGD({.lr = 4})}})) == std::vector<double>{1, 3, 2, 4});
  REQUIRE(first_lengths(PerParam([](std::string_view n) { return signs(n == "a" ? 8 : 4); })) == std::vector<double>{8, 4, 4, 4});
  REQUIRE(first_lengths(PerParam([](std::string_view n) { return Plain(n == "a" ? 8 : 4); }), 3) == std::vector<double>{24, 12, 12, 12});
  REQUIRE(first_lengths(Scheduled(PerParam(signs(1), {{"d", Plain(2)}}), schedules::step(1, 0.5)), 2) == std::vector<double>{1.5, 1.5, 1.5, 3});
  REQUIRE(warnings.empty());
  REQUIRE(first_lengths(PerParam(signs(1), {{"e", signs(2)}, {[](std::string_view) { return false; }, signs(3)}}), 2) == std::vector<double>{2, 2, 2, 2});
  REQUIRE(warnings == "wick.optim.W602: PerParam: no parameter of the first step is named \"e\"; there are \"a\", \"b_scale\", \"c_scale\", \"d\". "
                      "Try: write the name as in param(\"e\", …)\n");
  const ErrorReport report = expect_error<UsageError>([] { return PerParam(Adam(), {{"", Adam()}}); }, "wick.optim.E603", "", "name");
  INFO(report.text);
  REQUIRE(report.ok);
}

TEST_CASE("PerParam: state goes by parameter, whatever a step names and in what order, and is copied", "[optim][per_param]") {
  PerParam both(Adam({.lr = 0.1}), {{"b", SGD({.lr = 0.2, .momentum = 0.5})}});
  Adam adam({.lr = 0.1});
  SGD sgd({.lr = 0.2, .momentum = 0.5});
  double x[3] = {1, 2, 3}, y[3] = {1, 2, 3};
  const auto step = [&](PerParam& o, std::initializer_list<int> which) {
    std::vector<ParamStep> all, of_adam, of_sgd;
    const double g[3] = {x[0], 2 * x[1], x[2] - 1};
    constexpr std::string_view names[] = {"a", "b", "c"};
    for (const int i : which) {
      all.push_back({static_cast<std::uint64_t>(i + 1), names[i], &x[i], &g[i], 1});
      (i == 1 ? of_sgd : of_adam).push_back({static_cast<std::uint64_t>(i + 1), names[i], &y[i], &g[i], 1});
    }
    o.prepare(all), o.step(all), adam.prepare(of_adam), adam.step(of_adam), sgd.prepare(of_sgd), sgd.step(of_sgd);
    for (int i = 0; i < 3; ++i) REQUIRE(x[i] == y[i]);
  };
  for (int round = 0; round < 3; ++round) step(both, {0, 1, 2}), step(both, {2, 1}), step(both, {1}), step(both, {2, 0});
  PerParam copy = both;
  step(copy, {1, 2, 0});
  const std::uint64_t gone[] = {2, 3};
  copy.forget(gone), adam.forget(gone), sgd.forget(gone);
  step(copy, {0, 1, 2});
}
