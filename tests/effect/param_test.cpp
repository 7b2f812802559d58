// E11: param and the parameter store.
#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <thread>

#include <wick/ad/grad.hpp>
#include <wick/ad/scan.hpp>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

const double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("E11: a parameter is made by its first call, later initial values are ignored", "[effect][param]") {
  const OwnParams params;
  CHECK(param("p", 2.0, constraints::positive).item() == Approx(2.0));
  CHECK(param("p", 5.0, constraints::positive).item() == Approx(2.0));
  CHECK(param("p").item() == Approx(2.0));
  CHECK(params.store.at("p").unconstrained().item() == Approx(std::log(2.0)));
}

TEST_CASE("E11: values are stored unconstrained, and read through the constraint", "[effect][param]") {
  const OwnParams params;
  const auto check = [&](const char* name, const Tensor& init, const Constraint& c, double u) {
    CHECK(param(name, init, c).item() == Approx(init.item()));
    CHECK(params.store.at(name).unconstrained().item() == Approx(u));
  };
  check("real", -1.5, constraints::real, -1.5);
  check("unit", 0.25, constraints::unit_interval, std::log(0.25 / 0.75));
  check("interval", 3.0, constraints::interval(2.0, 6.0), std::log(0.25 / 0.75));
  check("above", 3.0, constraints::greater_than(2.5), std::log(0.5));
}

TEST_CASE("E11: without a value a parameter wants an initial one", "[effect][param]") {
  const OwnParams params;
  check_error<SiteError>([] { param("p"); }, "wick.param.E230", "p", "param(\"p\", init)");
  check_error<UsageError>([] { param("p", Tensor()); }, "wick.param.E237", "p", "give a number");
  for (const char* name : {"get", "at", "set", "[]"})
    check_error<SiteError>(
        [&] {
          const std::string_view how = name;
          if (how == "get") params.store.get("p");
          if (how == "at") params.store.at("p");
          if (how == "set") params.store.set("p", 1.0);
          if (how == "[]") params.store["p"];
        },
        "wick.param.E230", "p", "param(\"p\", init)");
}

TEST_CASE("E11: a lazy initial value is computed once, and only when it is needed", "[effect][param]") {
  const OwnParams params;
  int calls = 0;
  const auto init = [&] {
    ++calls;
    return Tensor{1.0, 2.0};
  };
  for (int i = 0; i < 3; ++i) CHECK(values(param("p", init, constraints::positive)) == Values{1.0, 2.0});
  CHECK(calls == 1);
  CHECK(param("q", [] { return 2.0; }).item() == 2.0);  // whatever becomes a tensor
}

TEST_CASE("E11: the stored value is detached, dense and its own", "[effect][param]") {
  const OwnParams params;
  Tensor init = full({3}, 2.0);
  {
    const detail::Recording recording;
    const Tensor leaf = detail::push_leaf(recording.tape(), Tensor(2.0), detail::Kind::differentiable);
    param("p", leaf * 3.0);
    param("lazy", [&] { return leaf * 3.0; });
    param("wide", expand(leaf, {2, 3}), constraints::positive);
    param("own", init);
  }
  for (const Param& p : params.store) {
    CHECK(detail::TensorAccess::run(p.unconstrained()) == 0);
    CHECK_FALSE(detail::TensorAccess::is_expanded(p.unconstrained()));
  }
  CHECK(params.store.get("p").item() == 6.0);
  CHECK(params.store.get("lazy").item() == 6.0);
  CHECK(params.store.get("wide").shape() == Shape{2, 3});
  CHECK(params.store.at("own").unconstrained().data() != init.data());
}

TEST_CASE("E11 (ours): another constraint for a known parameter is an error", "[effect][param]") {
  const OwnParams params;
  param("p", 1.0, constraints::positive);
  param("q", 0.5, constraints::interval(0.0, 2.0));
  check_error<SiteError>([] { param("p", 1.0); }, "wick.param.E231", "p", "clear_param_store()");
  check_error<SiteError>([] { param("p", 1.0, constraints::greater_than(0.0)); }, "wick.param.E231", "p", "clear_param_store()");
  check_error<SiteError>([] { param("p", [] { return 1.0; }); }, "wick.param.E231", "p", "clear_param_store()");
  check_error<SiteError>([] { param("q", 0.5, constraints::interval(0.0, 3.0)); }, "wick.param.E231", "q", "clear_param_store()");
  CHECK(param("q", 0.5, constraints::interval(0.0, 2.0)).item() == Approx(0.5));  // equal bounds are the same constraint
}

TEST_CASE("E11 (ours): another shape for a known parameter is an error", "[effect][param]") {
  const OwnParams params;
  param("p", zeros({2, 3}));
  check_error<ShapeError>([] { param("p", zeros({3, 2})); }, "wick.param.E232", "p", "one shape");
  check_error<ShapeError>([] { param("p", 0.0); }, "wick.param.E232", "p", "one shape");
  check_error<ShapeError>([&] { params.store.set("p", zeros({3})); }, "wick.param.E232", "p", "same shape");
  check_error<UsageError>([&] { params.store.set("p", Tensor()); }, "wick.param.E237", "p", "give a number");
  // Bounds may have broadcast the value: the call is the same, and so is the parameter.
  const Constraint bounds = constraints::interval(zeros({3}), ones({3}));
  for (int i = 0; i < 2; ++i) CHECK(param("q", 0.5, bounds).shape() == Shape{3});
}

TEST_CASE("E11: a value outside the constraint is an error, on its edge too", "[effect][param]") {
  const OwnParams params;
  const auto make = [](const Tensor& init, const Constraint& c) { return [=] { param("new", init, c); }; };
  check_error<DomainError>(make(-1.0, constraints::positive), "wick.param.E233", "new", "inside");
  check_error<DomainError>(make(0.0, constraints::positive), "wick.param.E233", "new", "inside");
  check_error<DomainError>(make(Tensor{0.5, 1.0}, constraints::unit_interval), "wick.param.E233", "new", "inside");
  check_error<DomainError>(make(not_a_number, constraints::real), "wick.param.E233", "new", "inside");
  check_error<DomainError>(make(std::numeric_limits<double>::infinity(), constraints::real), "wick.param.E233", "new", "inside");
  CHECK_FALSE(params.store.contains("new"));
  param("p", 1.0, constraints::positive);
  check_error<DomainError>([&] { params.store.set("p", -2.0); }, "wick.param.E233", "p", "inside");
  const ErrorReport report = expect_error<DomainError>(make(2.0, constraints::interval(zeros({2}), Tensor{3.0, 1.0})), "wick.param.E233", "new");
  CHECK_THAT(report.message, contains("value[1] = 2"));
}

TEST_CASE("E11: every read applies the transform anew and carries gradients to the unconstrained value", "[effect][param]") {
  const OwnParams params;
  param("p", 2.0, constraints::positive);
  const detail::Recording recording;
  const Tensor a = param("p", 2.0, constraints::positive), b = param("p");
  const Tensor f = a * b;  // p², p = eᵘ
  recording.tape()[detail::TensorAccess::record(f)].adjoint = 1.0;
  recording.tape().backward();
  const Param& p = params.store.at("p");
  CHECK(p.run() == recording.tape().run());
  CHECK(recording.tape()[p.record()].adjoint == Approx(2.0 * 4.0));
}

TEST_CASE("E11 (ours): a parameter that is read in a recording and in a gradient inside it is an error", "[effect][param]") {
  const OwnParams params;
  param("p", 3.0);
  const auto inner = [] { return value_and_grad([](const Tensor& x) { return x * param("p"); })(Tensor(2.0)).first.item(); };
  check_error<UsageError>(
      [&] {
        const detail::Recording recording;
        param("p");
        inner();
      },
      "wick.param.E235", "p", "stop_gradient");
  check_error<UsageError>(
      [&] {
        const detail::Recording recording;
        inner();
        param("p");
      },
      "wick.param.E235", "p", "stop_gradient");
  CHECK(inner() == 6.0);
  const detail::Recording recording;
  CHECK(inner() == 6.0);  // only the inner one reads it: a gradient of its own
}

TEST_CASE("E11: the store is read, set and gone through by name", "[effect][param]") {
  const OwnParams params;
  param("b", 2.0, constraints::positive);
  param("a", Tensor{1.0, 2.0});
  CHECK(params.store.size() == 2);
  CHECK(params.store.names() == std::vector<std::string>{"b", "a"});  // in order of first use
  std::string seen;
  for (const Param& p : params.store) seen += std::string(p.name().view()) + p.constraint().name() + " ";
  CHECK(seen == "bpositive areal ");
  params.store.set("b", 3.0);
  CHECK(params.store["b"].value().item() == Approx(3.0));
  CHECK(params.store["b"].unconstrained().item() == Approx(std::log(3.0)));
  CHECK(param("b").item() == Approx(3.0));
  CHECK(values(params.store.get("a")) == Values{1.0, 2.0});
  CHECK(params.store.contains("a"));
  CHECK_FALSE(params.store.contains("c"));
}

TEST_CASE("E11: tensors that were read do not change when the parameter is set", "[effect][param]") {
  const OwnParams params;
  const Tensor before = param("p", Tensor{1.0, 2.0});
  params.store.set("p", Tensor{3.0, 4.0});
  CHECK(values(before) == Values{1.0, 2.0});
  const Tensor then = param("p");
  double* storage = params.store.find(Name("p"))->mutable_unconstrained();
  storage[0] = 9.0;
  CHECK(values(then) == Values{3.0, 4.0});
  CHECK(values(param("p")) == Values{9.0, 4.0});
}

TEST_CASE("E11: a store of many parameters finds each, also after some are dropped", "[effect][param]") {
  const OwnParams params;
  for (int i = 0; i < 200; ++i) param("p" + std::to_string(i), i);
  for (int i = 0; i < 200; ++i) REQUIRE(param("p" + std::to_string(i)).item() == i);
  for (const std::size_t keep : {std::size_t{100}, std::size_t{9}, std::size_t{8}, std::size_t{1}}) {
    params.store.truncate(keep);
    CHECK(params.store.size() == keep);
    for (std::size_t i = 0; i < 200; ++i) REQUIRE(params.store.contains("p" + std::to_string(i)) == (i < keep));
  }
  for (int i = 0; i < 20; ++i) param("q" + std::to_string(i), i);
  CHECK(params.store.size() == 21);
  for (int i = 0; i < 20; ++i) CHECK(params.store.at("q" + std::to_string(i)).value().item() == i);
  CHECK_FALSE(params.store.contains("p5"));
}

TEST_CASE("E11: the time to make parameters grows with their number, not with its square", "[effect][param]") {
  const auto seconds = [](int n) {
    double best = 1e9;
    for (int r = 0; r < 3; ++r) {
      const OwnParams params;
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < n; ++i) param("many" + std::to_string(i), 0.0);
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
  };
  seconds(20000);  // interns the names
  CHECK(seconds(20000) < 150 * seconds(1000));  // 20 times the number; the square would be 400
}

TEST_CASE("E11: clear empties the store; a parameter may then be another", "[effect][param]") {
  const OwnParams params;
  param("p", 1.0, constraints::positive);
  const std::uint64_t before = params.store.generation();
  clear_param_store();
  CHECK(params.store.size() == 0);
  CHECK(params.store.generation() != before);
  CHECK(param("p", zeros({3})).shape() == Shape{3});
  check_error<UsageError>(
      [&] {
        const handlers::scale s(2.0);
        params.store.clear();
      },
      "wick.param.E234", "", "between two runs");
}

TEST_CASE("E11 (ours): a scope puts another store in force", "[effect][param]") {
  clear_param_store();
  param("p", 1.0);
  ParamStore other;
  {
    const ParamScope scope(other);
    param("p", 2.0, constraints::positive);  // no clash
    ParamStore third;
    {
      const ParamScope inner(third);
      CHECK_FALSE(param_store().contains("p"));
    }
    CHECK(param("p").item() == Approx(2.0));
  }
  CHECK(param("p").item() == 1.0);
  CHECK(other.size() == 1);
  clear_param_store();
  CHECK(other.size() == 1);
}

TEST_CASE("E11: every thread has a store of its own", "[effect][param][thread]") {
  clear_param_store();
  param("p", 1.0);
  std::size_t there = 99;
  std::thread([&] {
    there = param_store().size();
    param("p", 2.0);
    param("q", 2.0);
  }).join();
  CHECK(there == 0);
  CHECK(param("p").item() == 1.0);
  CHECK(param_store().size() == 1);
  clear_param_store();
}

TEST_CASE("E11: an error in a lazy initial value leaves the store as it was", "[effect][param]") {
  const OwnParams params;
  param("p", 1.0);
  CHECK_THROWS_AS(param("new", []() -> Tensor { throw std::runtime_error("mine"); }), std::runtime_error);
  CHECK(params.store.size() == 1);
  CHECK(detail::context.tape == nullptr);
}

TEST_CASE("param: event_dim beyond the parameter's dims is an error", "[effect][param]") {
  const OwnParams params;
  for (const Index event_dim : {Index{-5}, Index{2}})
    check_error<ShapeError>([&] { param("p", zeros({3}), constraints::real, {.event_dim = event_dim}); }, "wick.param.E236", "p", "0 to 1");
  CHECK_NOTHROW(param("p", zeros({3}), constraints::real, {.event_dim = 1}));
}

TEST_CASE("ParamScope: scopes that end out of order, and stores that die early", "[effect][param]") {
  const OwnParams params;
  param("mine", 1.0);
  {
    ParamStore a, b;
    auto first = std::make_unique<ParamScope>(a);
    auto second = std::make_unique<ParamScope>(b);
    const Warnings warnings;
    first.reset();  // before the one inside it
    REQUIRE(warnings.messages.size() == 1);
    CHECK(warnings.messages[0].starts_with("wick.param.W238"));
    CHECK(&param_store() == &b);
    second.reset();
    CHECK(&param_store() == &params.store);
  }
  auto store = std::make_unique<ParamStore>();
  const ParamScope scope(*store);
  CHECK(&param_store() == store.get());
  store.reset();
  CHECK(&param_store() == &params.store);
  CHECK(param("mine").item() == 1.0);
}

TEST_CASE("E11: sites and parameters have no place in the step of a scan", "[effect][param][errors]") {
  const OwnParams params;
  const auto run = [](auto draw) { return scan([draw](const Tensor& s, const Tensor& x) { return s * x + draw(); }, 1.0, each(ones({3}))); };
  const auto parameter = expect_error<UsageError>([&] { return run([] { return param("w", 1.0); }); }, "wick.op.E183", "w", "before the scan");
  const auto site = expect_error<UsageError>([&] { return run([] { return sample("z", Normal(0, 1)); }); }, "wick.op.E183", "z", "before the scan");
  INFO(parameter.text << site.text);
  CHECK((parameter.ok && site.ok));
  CHECK(params.store.size() == 0);
  CHECK(run([] { return Tensor(1.0); }).at({2}) == 4.0);
}
