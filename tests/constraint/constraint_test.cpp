// Constraints: membership, maps and their Jacobians (rule F), equality, printing, errors.
#include "catch.hpp"

#include <cmath>
#include <string>

#include "ad/expect_grad.hpp"
#include "constraint/reference_transforms.hpp"

#include <wick/constraint/constraint.hpp>

using namespace wick;
using namespace wick_test;

namespace {

struct Named {
  std::string name;
  Constraint constraint;
};

const std::vector<Named>& continuous() {
  static const std::vector<Named> all{{"real", constraints::real},
                                      {"positive", constraints::positive},
                                      {"nonnegative", constraints::nonnegative},
                                      {"unit_interval", constraints::unit_interval},
                                      {"interval", constraints::interval(-2.0, 5.0)},
                                      {"interval of tensors", constraints::interval(Tensor{-2.0, 0.0, 1.0}, Tensor{5.0, 0.5, 11.0})},
                                      {"greater_than", constraints::greater_than(1.5)},
                                      {"greater_than tensor", constraints::greater_than(Tensor{1.5, -3.0, 0.0})}};
  return all;
}

Constraint by_reference(const TransformReference& r) {
  const std::string name = r.constraint;
  if (name == "real") return constraints::real;
  if (name == "nonnegative") return constraints::nonnegative;
  if (name == "greater_than") return constraints::greater_than(r.low);
  if (name == "unit_interval") return constraints::unit_interval;
  return constraints::interval(r.low, r.high);
}

bool within_rule_f(double a, double b) { return std::abs(a - b) <= 1e-12 * (1.0 + std::abs(b)); }

}  // namespace

TEST_CASE("constraint: maps and log-determinants equal torch's", "[constraint][reference]") {
  int seen = 0;
  for (const TransformReference& r : transform_references) {
    INFO(r.constraint << " at " << r.u);
    const Constraint c = by_reference(r);
    const Tensor x = c.to_constrained(r.u);
    CHECK(within_rule_f(x.item(), r.x));
    CHECK(within_rule_f(c.log_abs_det(r.u, x).item(), r.log_abs_det));
    CHECK(within_rule_f(c.to_unconstrained(r.x).item(), r.u));
    if (std::string(r.constraint) == "nonnegative") CHECK(within_rule_f(constraints::positive.to_constrained(r.u).item(), r.x));
    ++seen;
  }
  CHECK(seen == 24);
}

TEST_CASE("constraint: maps are inverse to each other and stay inside", "[constraint]") {
  const Tensor u{-4.0, 0.3, 2.5};
  for (const auto& [name, c] : continuous()) {
    INFO(name);
    const Tensor x = c.to_constrained(u), back = c.to_unconstrained(x), again = c.to_constrained(back);
    CHECK(c.contains(x));
    CHECK(x.shape() == Shape{3});
    for (Index i = 0; i < 3; ++i) {
      CHECK(std::abs(back.data()[i] - u.data()[i]) <= 1e-12 * (1.0 + std::abs(u.data()[i])));
      CHECK(within_rule_f(again.data()[i], x.data()[i]));
    }
    // Far out the maps saturate but do not leave the set, and the log-determinant stays finite.
    for (const double far : {-700.0, 700.0}) {
      const Tensor edge = c.to_constrained(far);
      if (c.name() != std::string("greater_than") || far > 0) CHECK(c.contains(edge));  // low + e⁻⁷⁰⁰ is low
      for (const double v : c.log_abs_det(far, edge).values()) CHECK(std::isfinite(v));
    }
  }
}

TEST_CASE("constraint: log|det J| is the log of the tape's derivative", "[constraint]") {
  for (const auto& [name, c] : continuous())
    for (const double at : {-3.0, -0.4, 0.0, 1.7, 6.0}) {
      INFO(name << " at " << at);
      const Tensor u{at, at + 0.1, at - 0.2};
      const Constraint& set = c;
      const Tensor slope = grad([&](const Tensor& t) { return sum(set.to_constrained(t)); })(u);
      const Tensor ld = set.log_abs_det(u, set.to_constrained(u));
      CHECK(ld.shape() == Shape{3});
      for (Index i = 0; i < 3; ++i) CHECK(within_rule_f(ld.data()[i], std::log(slope.data()[i])));
    }
}

TEST_CASE("constraint: derivatives of the maps, through the bounds too", "[constraint][gradient]") {
  const Tensor u{-1.0, 0.3, 2.5}, low{-2.0, 0.0, 1.0}, high{5.0, 0.5, 11.0};
  for (const auto& [name, c] : continuous()) {
    const Constraint& set = c;
    expect_grad(name, [&](const Tensor& t) { return set.to_constrained(t) + 0.0 * t; }, u);
    expect_grad(name + " inverse", [&](const Tensor& t) { return set.to_unconstrained(t) + 0.0 * t; }, set.to_constrained(u));
    expect_grad(name + " log_abs_det", [&](const Tensor& t) { return set.log_abs_det(t, set.to_constrained(t)) + 0.0 * t; }, u);
  }
  const auto both = [](const Tensor& t, const Tensor& a, const Tensor& b) {
    const Constraint c = constraints::interval(a, b);
    const Tensor x = c.to_constrained(t);
    return x + c.log_abs_det(t, x);
  };
  expect_grad("interval bounds", both, u, low, high);
  expect_grad("interval scalar bounds", both, u, -2.0, 11.0);
  expect_grad("greater_than bound", [](const Tensor& t, const Tensor& a) { return constraints::greater_than(a).to_constrained(t); }, 0.4, low);
}

TEST_CASE("constraint: membership", "[constraint]") {
  const double inf = std::numeric_limits<double>::infinity(), not_a_number = std::nan("");
  const auto in = [](const Constraint& c, double x) { return c.contains(x); };
  for (const double bad : {inf, -inf, not_a_number}) {
    for (const auto& [name, c] : continuous()) CHECK_FALSE(in(c, bad));
    for (const Constraint& c : {constraints::boolean, constraints::nonnegative_integer, constraints::integer_interval(-2, 2)}) CHECK_FALSE(in(c, bad));
  }
  CHECK((in(constraints::real, -1e308) && in(constraints::positive, 5e-324) && !in(constraints::positive, 0.0)));
  CHECK((in(constraints::nonnegative, 0.0) && in(constraints::nonnegative, -0.0) && !in(constraints::nonnegative, -5e-324)));
  CHECK((in(constraints::unit_interval, 0.0) && in(constraints::unit_interval, 1.0) && !in(constraints::unit_interval, 1.0000001)));
  const Constraint i = constraints::interval(-2.0, 5.0), g = constraints::greater_than(1.5), k = constraints::integer_interval(-2, 2);
  CHECK((in(i, -2.0) && in(i, 5.0) && !in(i, 5.1) && !in(i, -2.1)));
  CHECK((in(g, 1.6) && !in(g, 1.5)));
  CHECK((in(k, -2) && in(k, 2) && !in(k, 0.5) && !in(k, 3)));
  CHECK((in(constraints::boolean, 0) && in(constraints::boolean, 1) && !in(constraints::boolean, 0.5)));
  CHECK((in(constraints::nonnegative_integer, 7) && !in(constraints::nonnegative_integer, -1) && !in(constraints::nonnegative_integer, 7.5)));
}

TEST_CASE("constraint: the first violation is found at any length and place", "[constraint]") {
  for (const Constraint& c : {constraints::real, constraints::positive, constraints::unit_interval, constraints::interval(0.0, 1.0), constraints::boolean})
    for (const Index n : {1, 7, 8, 9, 33})
      for (Index at = 0; at < n; ++at) {
        std::vector<double> x(static_cast<std::size_t>(n), 1.0);
        CHECK(c.first_violation(Tensor(x)) == -1);
        x[static_cast<std::size_t>(at)] = c == constraints::real ? std::nan("") : -1.0;
        CHECK(c.first_violation(Tensor(x)) == at);
        if (at + 1 < n) x.back() = std::nan("");
        CHECK(c.first_violation(Tensor(x)) == at);
      }
  CHECK(constraints::positive.contains(zeros({0})));
  // Counted in the value broadcast with the bounds; masked elements are not looked at.
  const Constraint c = constraints::interval(Tensor{{0.0}, {2.0}}, 3.0);
  CHECK(c.first_violation(Tensor{2.5, 1.0}) == 3);
  CHECK(c.first_violation(Tensor{2.5, 1.0}, Tensor{1, 0}) == -1);
  CHECK(constraints::positive.first_violation(Tensor{-1.0, 1.0, -2.0}, Tensor{0, 1, 1}) == 2);
  CHECK(constraints::positive.first_violation(expand(Tensor{{1.0}, {-1.0}}, {2, 3})) == 3);
}

TEST_CASE("constraint: equality and printing", "[constraint]") {
  CHECK(constraints::positive == constraints::positive);
  CHECK_FALSE(constraints::positive == constraints::nonnegative);
  CHECK(constraints::interval(0.0, 5.0) == constraints::interval(0.0, 5.0));
  CHECK_FALSE(constraints::interval(0.0, 5.0) == constraints::interval(0.0, 6.0));
  CHECK_FALSE(constraints::interval(0.0, 5.0) == constraints::integer_interval(0.0, 5.0));
  CHECK_FALSE(constraints::greater_than(0.0) == constraints::positive);
  CHECK(constraints::greater_than(Tensor{1, 2}) == constraints::greater_than(Tensor{1, 2}));
  CHECK_FALSE(constraints::greater_than(Tensor{1, 2}) == constraints::greater_than(Tensor{1, 3}));
  CHECK_FALSE(constraints::greater_than(Tensor{1, 1}) == constraints::greater_than(1.0));
  CHECK(constraints::interval(0.0, 5.0).with_bounds(1.0, 2.0) == constraints::interval(1.0, 2.0));
  CHECK(constraints::positive.to_string() == "positive");
  CHECK(constraints::interval(0.0, 5.5).to_string() == "interval(0, 5.5)");
  CHECK(constraints::greater_than(Tensor{1, 2}).to_string() == "greater_than(tensor of shape (2,))");
  CHECK(constraints::integer_interval(0, 9).to_string() == "integer_interval(0, 9)");
  CHECK(constraints::boolean.is_discrete());
  CHECK_FALSE(constraints::real.is_discrete());
  CHECK(constraints::interval(0.0, 5.0).lower().item() == 0.0);
  CHECK(constraints::interval(0.0, 5.0).upper().item() == 5.0);
}

TEST_CASE("constraint: errors", "[constraint][errors]") {
  const double not_a_number = std::nan("");
  const auto expect = [](const ErrorReport& report, const char* says) {
    INFO(report.text << report.message);
    CHECK(report.ok);
    CHECK_THAT(report.message, contains(says));
  };
  expect(expect_error<UsageError>([] { return constraints::boolean.to_constrained(0.5); }, "wick.constraint.E180", "", "continuous"), "boolean is discrete");
  expect(expect_error<UsageError>([] { return constraints::nonnegative_integer.to_unconstrained(1); }, "wick.constraint.E180", ""), "discrete");
  expect(expect_error<UsageError>([] { return constraints::integer_interval(0, 1).log_abs_det(1, 1); }, "wick.constraint.E180", ""), "discrete");
  expect(expect_error<DomainError>([] { return constraints::interval(2.0, 1.0); }, "wick.constraint.E181", "", "bounds"), "a < b");
  expect(expect_error<DomainError>([] { return constraints::interval(1.0, 1.0); }, "wick.constraint.E181", "", "bounds"), "a < b");
  expect(expect_error<DomainError>([] { return constraints::interval(Tensor{0, 3}, Tensor{1, 2}); }, "wick.constraint.E181", ""), "element 1");
  expect(expect_error<DomainError>([&] { return constraints::interval(not_a_number, 1.0); }, "wick.constraint.E181", ""), "finite");
  expect(expect_error<DomainError>([&] { return constraints::interval(0.0, std::numeric_limits<double>::infinity()); }, "wick.constraint.E181", ""), "finite");
  expect(expect_error<DomainError>([&] { return constraints::greater_than(not_a_number); }, "wick.constraint.E181", ""), "finite");
  expect(expect_error<DomainError>([] { return constraints::integer_interval(2, 1); }, "wick.constraint.E181", ""), "integers");
  expect(expect_error<DomainError>([] { return constraints::integer_interval(0.5, 1); }, "wick.constraint.E181", ""), "integers");
  expect(expect_error<DomainError>([] { constraints::positive.check(Tensor{1.0, -2.0}, "initial value of \"s\""); }, "wick.constraint.E182", "", "inside"),
         "initial value of \"s\"[1] = -2 is not in positive");
  expect(expect_error<DomainError>([] { constraints::interval(0.0, 5.0).check(7.0, "x"); }, "wick.constraint.E182", ""), "x = 7 is not in interval(0, 5)");
  expect(expect_error<ShapeError>([] { return constraints::greater_than(Tensor{1, 2}).contains(zeros({3})); }, "wick.op.E120", "", "reshape"), "greater_than");
  expect(expect_error<UsageError>([] { return constraints::positive.contains(Tensor()); }, "wick.tensor.E100", ""), "no value");
  CHECK_NOTHROW(constraints::positive.check(2.0, "x"));
}

namespace {

// A set of one's own: x <= bound, by bound − eᵘ.
constexpr ConstraintOps less_than_ops{"less_than", false,
                                      [](double x, double a, double) { return x < a; },
                                      [](const Tensor& u, const Constraint& c) { return c.lower() - exp(u); },
                                      [](const Tensor& x, const Constraint& c) { return log(c.lower() - x); },
                                      [](const Tensor& u, const Tensor&, const Constraint&) { return u; }};

}  // namespace

TEST_CASE("constraint: a set of one's own", "[constraint]") {
  const Constraint c(less_than_ops, 3.0);
  CHECK(c.contains(2.0));
  CHECK_FALSE(c.contains(3.5));
  CHECK(within_rule_f(c.to_unconstrained(c.to_constrained(0.7)).item(), 0.7));
  CHECK(c.to_string() == "less_than(3)");
}
