// Rule K: every bad input has an id, names what is wrong and says what to try.
#include "catch.hpp"

#include <functional>

#include <wick/ad/grad.hpp>

#include "dist/families.hpp"
#include "support/errors.hpp"

using namespace wick;
using namespace wick_test;

namespace {

template <class E>
void expect(const char* id, const std::string& says, const std::string& advice, const std::function<void()>& f) {
  const ErrorReport report = expect_error<E>(f, id, "", advice);
  INFO(report.text << report.message);
  CHECK(report.ok);
  CHECK_THAT(report.message, contains(says));
  // The same while recording, with a parameter that has a gradient around.
  const ErrorReport recorded = expect_error<E>([&] { (void)grad([&](const Tensor& x) { f(); return x; })(1.0); }, id, "", advice);
  INFO(recorded.text);
  CHECK(recorded.ok);
  CHECK(detail::context.tape == nullptr);
}

const double NaN = detail::kNaN, Inf = detail::kInf;

}  // namespace

TEST_CASE("errors: parameters outside their domain are E201, at sample and log_prob", "[dist][errors]") {
  const auto both = [](const char* id, const std::string& says, const auto& d, double x) {
    expect<DomainError>(id, says, "check how", [&] { return d.sample(); });
    expect<DomainError>(id, says, "check how", [&] { return d.log_prob(x); });
    expect<DomainError>(id, says, "check how", [&] { return d.log_prob_sum(x, 2.0); });
  };
  both("wick.dist.E201", "Normal: scale = -1 is not in positive", Normal(0.0, -1.0), 0.5);
  both("wick.dist.E201", "Normal: scale = 0 is not in positive", Normal(0.0, 0.0), 0.5);
  both("wick.dist.E201", "Normal: scale = inf is not in positive", Normal(0.0, Inf), 0.5);
  both("wick.dist.E201", "Normal: loc = nan is not in real", Normal(NaN, 1.0), 0.5);
  both("wick.dist.E201", "Normal: loc = inf is not in real", Normal(Inf, 1.0), 0.5);
  both("wick.dist.E201", "Normal: scale[1, 2] = -3 is not in positive", Normal(0.0, Tensor{{1, 2, 3}, {1, 1, -3}}), 0.5);
  both("wick.dist.E201", "LogNormal: scale = -1 is not in positive", LogNormal(0.0, -1.0), 0.5);
  both("wick.dist.E201", "LogNormal: loc[0] = nan is not in real", LogNormal(Tensor{NaN, 1.0}, 1.0), 0.5);
  both("wick.dist.E201", "HalfNormal: scale = -1 is not in positive", HalfNormal(-1.0), 0.5);
  both("wick.dist.E201", "HalfCauchy: scale = 0 is not in positive", HalfCauchy(0.0), 0.5);
  both("wick.dist.E201", "Exponential: rate = -2 is not in positive", Exponential(-2.0), 0.5);
  both("wick.dist.E201", "Gamma: concentration = 0 is not in positive", Gamma(0.0, 1.0), 0.5);
  both("wick.dist.E201", "Gamma: rate = inf is not in positive", Gamma(1.0, Inf), 0.5);
  both("wick.dist.E201", "Uniform: high = 1 is not in greater_than(2)", Uniform(2.0, 1.0), 1.5);
  both("wick.dist.E201", "Uniform: high[1] = 1 is not in greater_than", Uniform(Tensor{0.0, 1.0}, Tensor{2.0, 1.0}), 1.0);
  both("wick.dist.E201", "Uniform: low = -inf is not in real", Uniform(-Inf, 1.0), 0.5);
  both("wick.dist.E201", "Bernoulli: probs = 1.5 is not in unit_interval", Bernoulli(1.5), 1.0);
  both("wick.dist.E201", "Bernoulli: probs[1] = nan", Bernoulli(Tensor{0.5, NaN}), 0.0);
  both("wick.dist.E201", "Bernoulli: logits = nan", Bernoulli({.logits = NaN}), 1.0);
  both("wick.dist.E201", "Poisson: rate = -1 is not in nonnegative", Poisson(-1.0), 1.0);
  both("wick.dist.E201", "Categorical: probs[1] = -0.5 is not in nonnegative", Categorical(Tensor{1.0, -0.5}), 0.0);
  both("wick.dist.E201", "Categorical: logits[1, 0] = nan", Categorical({.logits = Tensor{{0.0, 1.0}, {NaN, 1.0}}}), 0.0);
  both("wick.dist.E201", "Delta: v = nan is not in real", Delta(NaN), 0.0);
  expect<DomainError>("wick.dist.E201", "Categorical: probs[1] gives no category a positive probability", "positive weight", [] { return Categorical(Tensor{{1, 1}, {0, 0}}).sample(); });
  expect<DomainError>("wick.dist.E201", "Categorical: logits gives no category", "positive weight", [] { return Categorical({.logits = Tensor{-Inf, -Inf}}).log_prob(0); });
}

TEST_CASE("errors: values outside the support are E202 and name the element", "[dist][errors]") {
  const auto check = [](const std::string& says, const auto& d, const Tensor& x) {
    expect<DomainError>("wick.dist.E202", says, "mask", [&] { return d.log_prob(x); });
    expect<DomainError>("wick.dist.E202", says, "mask", [&] { return d.log_prob_sum(x); });
  };
  check("Normal: value[2] = nan is not in real", Normal(0.0, 1.0), Tensor{0.0, 1.0, NaN});
  check("Normal: value = inf is not in real", Normal(0.0, 1.0), Inf);
  check("Normal: value[1, 0] = nan", Normal(Tensor{0.0, 1.0}, 1.0), Tensor{{0.0, 1.0}, {NaN, 2.0}});
  check("LogNormal: value = 0 is not in positive", LogNormal(0.0, 1.0), 0.0);
  check("LogNormal: value[1] = -2 is not in positive", LogNormal(0.0, 1.0), Tensor{1.0, -2.0});
  check("HalfNormal: value = -1 is not in nonnegative", HalfNormal(1.0), -1.0);
  check("HalfCauchy: value = inf is not in nonnegative", HalfCauchy(1.0), Inf);
  check("Exponential: value = -0.5 is not in nonnegative", Exponential(1.0), -0.5);
  check("Gamma: value = -0.5 is not in nonnegative", Gamma(2.0, 1.0), -0.5);
  check("Uniform: value = 1.5 is not in interval(0, 1)", Uniform(0.0, 1.0), 1.5);
  check("Uniform: value[1] = 1.5 is not in interval(0, tensor of shape (2,))", Uniform(0.0, Tensor{2.0, 1.0}), 1.5);
  check("Bernoulli: value = 0.5 is not in boolean", Bernoulli(0.3), 0.5);
  check("Bernoulli: value = nan is not in boolean", Bernoulli({.logits = 0.3}), NaN);
  check("Categorical: value[0] = 2 is not in integer_interval(0, 1)", Categorical(Tensor{0.5, 0.5}), Tensor{2, 0});
  check("Categorical: value = -1 is not in", Categorical({.logits = Tensor{0.5, 0.5}}), -1);
  check("Categorical: value = 0.5 is not in", Categorical(Tensor{0.5, 0.5}), 0.5);
  check("Poisson: value = 1.5 is not in nonnegative_integer", Poisson(1.0), 1.5);
  check("Poisson: value = -1 is not in nonnegative_integer", Poisson(1.0), -1);
  check("Delta: value = nan is not in real", Delta(1.0), NaN);
  check("Delta: value[1, 0] = nan is not in real", Delta(Tensor{1.0, 2.0}, 0.0, 1), Tensor{{1.0, 2.0}, {NaN, 2.0}});
  // The element that is named is one that counts.
  expect<DomainError>("wick.dist.E202", "value[2] = nan", "mask", [] { return Normal(0.0, 1.0).log_prob(Tensor{NaN, 1.0, NaN}, Tensor{0, 1, 1}); });
  expect<DomainError>("wick.dist.E202", "value[1, 1] = nan", "mask", [] { return Normal(0.0, 1.0).expand({2, 2}).to_event(1).log_prob_sum(Tensor{{NaN, 0.0}, {0.0, NaN}}, 1.0, Tensor{0, 1}); });
  expect<DomainError>("wick.dist.E201", "scale[1] = -1", "check how", [] { return Normal(0.0, Tensor{-5, -1}).log_prob_sum(Tensor{NaN, 1.0}, 1.0, Tensor{0, 1}); });
  expect<DomainError>("wick.dist.E201", "logits[1, 1] = nan", "check how", [] { return Categorical({.logits = Tensor{{NaN, 0.0}, {0.0, NaN}}}).log_prob_sum(0, 1.0, Tensor{0, 1}); });
}

TEST_CASE("errors: a NaN for no such reason is E204", "[dist][errors]") {
  expect<NumericalError>("wick.dist.E204", "Normal: the log density is NaN", "extreme magnitudes", [] { return Normal(-1.5e308, 1.0).log_prob(1.5e308); });
}

TEST_CASE("errors: shapes that do not fit", "[dist][errors]") {
  expect<ShapeError>("wick.dist.E203", "Normal: parameter shapes do not broadcast: loc (2,), scale (3,)", "reshape", [] { return Normal(zeros({2}), ones({3})).event_dim(); });
  expect<ShapeError>("wick.dist.E203", "Categorical: probs of shape () has no categories", "last dimension", [] { return Categorical(0.5).event_dim(); });
  expect<ShapeError>("wick.dist.E203", "logits of shape (2, 0) has no categories", "last dimension", [] { return Categorical({.logits = zeros({2, 0})}).event_dim(); });
  expect<ShapeError>("wick.dist.E203", "v (2,), log_density (3,)", "", [] { return Delta(zeros({2, 5}), zeros({3}), 1).event_dim(); });
  expect<ShapeError>("wick.dist.E205", "Normal: batch_shape (2,) does not expand to (3,)", "equal", [] { return Normal(zeros({2}), 1.0).expand({3}).event_dim(); });
  expect<ShapeError>("wick.dist.E205", "batch_shape (2, 3) does not expand to (3,)", "equal", [] { return Normal(zeros({2, 3}), 1.0).expand({3}).event_dim(); });
  expect<ShapeError>("wick.dist.E205", "batch_shape (2,) does not expand to (2, 3)", "event_shape (3,)", [] { return Normal(zeros({2, 3}), 1.0).to_event(1).expand({2, 3}).event_dim(); });
  expect<ShapeError>("wick.dist.E205", "Categorical", "equal", [] { return Categorical(ones({2, 3})).expand({2, 3}).event_dim(); });
  expect<ShapeError>("wick.dist.E206", "to_event(2) wants 0 to 1 dimensions, batch_shape is (2,)", "number", [] { return Normal(zeros({2}), 1.0).to_event(2).event_dim(); });
  expect<ShapeError>("wick.dist.E206", "to_event(-1)", "number", [] { return Normal(zeros({2}), 1.0).to_event(-1).event_dim(); });
  expect<ShapeError>("wick.dist.E206", "Delta: to_event(2)", "number", [] { return Delta(zeros({2}), 0.0, 2).event_dim(); });
  expect<ShapeError>("wick.dist.E207", "value of shape (4,) does not fit batch_shape (3,)", "broadcast", [] { return Normal(zeros({3}), 1.0).log_prob(zeros({4})); });
  expect<ShapeError>("wick.dist.E207", "value of shape (2, 1) does not fit batch_shape (2,) and event_shape (3,)", "to_event", [] { return Normal(zeros({2, 3}), 1.0).to_event(1).log_prob(zeros({2, 1})); });
  expect<ShapeError>("wick.dist.E207", "value of shape ()", "to_event", [] { return Normal(zeros({3}), 1.0).to_event(1).log_prob_sum(0.0); });
  expect<ShapeError>("wick.dist.E207", "Categorical: value of shape (3,)", "broadcast", [] { return Categorical(ones({2, 3})).log_prob(zeros({3})); });
  expect<ShapeError>("wick.dist.E207", "Delta: value of shape (3,)", "", [] { return Delta(ones({2, 2}), 0.0, 1).log_prob(zeros({3})); });
  expect<ShapeError>("wick.dist.E208", "mask of shape (2,) does not broadcast with batch_shape (3,)", "batch shape", [] { return Normal(zeros({3}), 1.0).mask(zeros({2})).event_dim(); });
  expect<ShapeError>("wick.dist.E208", "mask of shape (2,)", "batch shape", [] { return Normal(zeros({3}), 1.0).log_prob_sum(0.0, 1.0, ones({2})); });
  expect<ShapeError>("wick.dist.E208", "mask of shape (3,)", "batch shape", [] { return Normal(zeros({2, 3}), 1.0).to_event(1).log_prob(zeros({2, 3}), ones({3})); });
  expect<ShapeError>("wick.dist.E208", "mask of shape (3,)", "batch shape", [] { return Normal(0.0, 1.0).log_prob(zeros({2}), ones({3})); });
}

TEST_CASE("errors: sizes that cannot be", "[dist][errors]") {
  // Whatever the family: none may write a draw of such a shape.
  const auto each = [](const auto& d) {
    for (const Shape& s : {Shape{-3}, Shape{-1}, Shape{2, -1}}) expect<ShapeError>("wick.dist.E205", "does not expand", "-1 keeps", [&] { return d.sample(s); });
    expect<ShapeError>("wick.dist.E205", "does not expand to (-3,)", "-1 keeps", [&] { return d.expand({-3}).event_dim(); });
    expect<ShapeError>("wick.dist.E205", "does not expand to (-1, 2)", "-1 keeps", [&] { return d.expand({-1, 2}).event_dim(); });
    expect<ShapeError>("wick.tensor.E104", "more elements", "computed", [&] { return d.sample({Index{1} << 61}); });
    expect<ShapeError>("wick.tensor.E104", "more elements", "computed", [&] { return d.expand({Index{1} << 40, Index{1} << 40, 2}).event_dim(); });
  };
  each(Normal(zeros({2}), 1.0));
  each(Gamma(ones({2}), 1.0));
  each(Poisson(ones({2})));
  each(Bernoulli(full({2}, 0.5)));
  each(Categorical(ones({2, 3})));
  each(Delta(zeros({2})));
  expect<ShapeError>("wick.dist.E205", "batch_shape () does not expand to (-1,)", "whole new batch_shape", [] { return Normal(0.0, 1.0).expand({-1}).event_dim(); });
}

TEST_CASE("errors: what to try fits the parameter's domain", "[dist][errors]") {
  const auto tries = [](const std::string& advice, const std::string& never, const std::function<void()>& f) {
    const ErrorReport report = expect_error<DomainError>([&] { return f(), 0; }, "wick.dist.E201", "", advice);
    INFO(report.text << report.message);
    CHECK(report.ok);
    CHECK(report.message.find(never) == std::string::npos);
  };
  tries("exp(...)", "learning rate", [] { Normal(0.0, -1.0).log_prob(0.0); });
  tries("lower the learning rate", "exp(...)", [] { Normal(0.0, 0.0).log_prob(0.0); });
  tries("lower the learning rate", "exp(...)", [] { Gamma(1.0, Inf).log_prob(0.0); });
  tries("inf - inf", "positive", [] { Normal(NaN, 1.0).log_prob(0.0); });
  tries("infinite", "positive", [] { Normal(Inf, 1.0).log_prob(0.0); });
  tries("sigmoid(...)", "positive", [] { Bernoulli(1.2).log_prob(0.0); });
  tries("param(name, init, constraint)", "positive", [] { Uniform(2.0, 1.0).log_prob(1.5); });
}

TEST_CASE("errors: masks hold 0 and 1", "[dist][errors]") {
  for (const double bad : {0.5, 2.0, -1.0, NaN, Inf}) {
    expect<DomainError>("wick.dist.E210", "Normal: mask = ", "x > 0", [&] { return Normal(0.0, 1.0).mask(bad).event_dim(); });
    expect<DomainError>("wick.dist.E210", "Normal: mask[9] = ", "handlers::scale", [&] {
      std::vector<double> m(11, 1.0);
      m[9] = bad;
      return Normal(zeros({11}), 1.0).log_prob_sum(0.0, 1.0, m);
    });
    expect<DomainError>("wick.dist.E210", "Categorical: mask[1, 0] = ", "x > 0", [&] { return Categorical(ones({2, 3})).log_prob(zeros({2, 2}), Tensor{{1.0, 0.0}, {bad, 1.0}}); });
  }
  // Every place of a longer one, and what is nearly 0 or 1.
  for (const double bad : {5e-324, -5e-324, 1 - 0x1p-53, 1 + 0x1p-52, -1.0, 1e300, NaN, -Inf})
    for (std::size_t at = 0; at < 40; ++at) {
      std::vector<double> m(40, 1.0);
      m[20] = 0;
      m[21] = -0.0;
      CHECK(detail::all_boolean(40, m.data()));
      m[at] = bad;
      CHECK_FALSE(detail::all_boolean(40, m.data()));
    }
  CHECK(Normal(zeros({2}), 1.0).mask(Tensor{true, false}).log_prob_sum(Tensor{0.0, 7.0}).item() == Normal(0.0, 1.0).log_prob(0.0).item());
  CHECK(Normal(zeros({2}), 1.0).mask(expand(Tensor(0.0), {2})).log_prob_sum(7.0).item() == 0.0);
}

TEST_CASE("errors: missing values", "[dist][errors]") {
  expect<UsageError>("wick.dist.E209", "Normal: parameter scale has no value", "number or a tensor", [] { return Normal(0.0, Tensor()).event_dim(); });
  expect<UsageError>("wick.dist.E209", "Categorical: parameter probs has no value", "tensor", [] { return Categorical(Tensor()).event_dim(); });
  expect<UsageError>("wick.dist.E209", "Bernoulli: neither probs nor logits", "exactly one", [] { return Bernoulli(BernoulliOptions{}).event_dim(); });
  expect<UsageError>("wick.dist.E209", "Categorical: both probs and logits", "exactly one", [] { return Categorical({.probs = ones({2}), .logits = ones({2})}).event_dim(); });
  expect<UsageError>("wick.dist.E209", "Delta: parameter v has no value", "number", [] { return Delta(Tensor(), 0.0, 1).event_dim(); });
  expect<UsageError>("wick.tensor.E100", "log_prob", "give it a value", [] { return Normal(0.0, 1.0).log_prob(Tensor()); });
  expect<UsageError>("wick.tensor.E100", "mask", "give it a value", [] { return Normal(0.0, 1.0).mask(Tensor()).event_dim(); });
}

TEST_CASE("errors: an impossible value is -inf, not an error", "[dist][errors]") {
  CHECK(Bernoulli(Tensor{0.0, 0.5}).log_prob_sum(Tensor{1, 1}).item() == -Inf);
  CHECK(Normal(0.0, 1e-300).log_prob(1.0).item() == -Inf);
  CHECK(Delta(Tensor{1.0, 2.0}).log_prob_sum(Tensor{1.0, 1.0}, 2.0).item() == -Inf);
}
