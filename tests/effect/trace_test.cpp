// E4: trace.
#include <string>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

Tensor two_sites() {
  const Tensor x = sample("x", Normal(0.0, 1.0));
  return sample("y", Normal(x, 2.0), obs(0.5));
}

}  // namespace

TEST_CASE("E4: a trace holds the sites in execution order with values, distributions and densities", "[effect][trace]") {
  const OwnParams params;
  const Trace t = handlers::trace([] {
                    const Tensor m = param("m", 3.0);
                    const plate data("data", 2);
                    sample("y", Normal(m, 2.0), obs(Tensor{1.0, 4.0}));
                    deterministic("d", m + 1.0);
                    sample("a", Normal(0.0, 1.0));
                  }).get_trace();
  CHECK(names(t) == std::vector<std::string>{"m", "data", "y", "d", "a"});
  CHECK(t.at("m").type == SiteType::param);
  CHECK(t.at("data").type == SiteType::plate);
  CHECK(t.at("data").full_size == 2);
  CHECK(t.at("d").type == SiteType::deterministic);
  CHECK(t.at("d").value.item() == 4.0);
  CHECK(std::string(t.at("y").fn()->name()) == "Normal");
  CHECK(t.at("y").is_observed);
  CHECK_FALSE(t.at("a").is_observed);
  CHECK(t.at("y").log_prob().at({0}) == Approx(normal_lpdf(1.0, 3.0, 2.0)));
  CHECK(t.at("y").log_prob().at({1}) == Approx(normal_lpdf(4.0, 3.0, 2.0)));
  const Values a = values(t.at("a").value);
  CHECK(t.log_prob_sum().item() ==
        Approx(normal_lpdf(1.0, 3.0, 2.0) + normal_lpdf(4.0, 3.0, 2.0) + normal_lpdf(a[0]) + normal_lpdf(a[1])));
  CHECK(t.at("data").log_prob_sum().item() == 0.0);  // plates carry no density
}

TEST_CASE("E4: a second sample site of a name is an error", "[effect][trace]") {
  check_error<SiteError>(
      [] {
        return handlers::trace([] {
                 sample("x", Normal(0.0, 1.0));
                 sample("x", Normal(0.0, 1.0));
               }).get_trace();
      },
      "wick.trace.E221", "x", "its own name");
  check_error<SiteError>(
      [] {
        return handlers::trace([] {
                 deterministic("x", 1.0);
                 deterministic("x", 1.0);
               }).get_trace();
      },
      "wick.trace.E221", "x", "its own name");
}

TEST_CASE("E4: one name for sites of two types is an error", "[effect][trace]") {
  const OwnParams params;
  param("p", 1.0);
  using Act = void (*)();
  const Act acts[] = {[] { sample("p", Normal(0.0, 1.0)); }, [] { param("p"); }, [] { const plate p("p", 3); }, [] { deterministic("p", 1.0); }};
  int pairs = 0;
  for (const Act first : acts)
    for (const Act second : acts) {
      if (first == second) continue;
      ++pairs;
      check_error<SiteError>(
          [&] {
            Trace t;
            const handlers::trace record(t);
            first();
            second();
          },
          "wick.trace.E222", "p", "rename one");
    }
  CHECK(pairs == 12);
}

TEST_CASE("E4: a parameter may be read again; the last reading is kept", "[effect][trace]") {
  const OwnParams params;
  const Trace t = handlers::trace([&] {
                    param("p", 1.0);
                    params.store.set("p", 2.0);
                    param("p", 1.0);
                  }).get_trace();
  CHECK(t.size() == 1);
  CHECK(t.at("p").value.item() == 2.0);
}

TEST_CASE("E4: a trace object begins anew with every run", "[effect][trace]") {
  Trace t;
  for (int run = 0; run < 3; ++run) {
    const handlers::trace record(t);
    CHECK(t.empty());
    two_sites();
    CHECK(names(t) == std::vector<std::string>{"x", "y"});
  }
  {
    const handlers::trace record(t);
    sample("z", Normal(0.0, 1.0));
  }
  CHECK(names(t) == std::vector<std::string>{"z"});
  CHECK_FALSE(t.contains("x"));
}

TEST_CASE("E4: the return value is kept if it is a tensor", "[effect][trace]") {
  const Trace t = handlers::trace(two_sites).get_trace();
  CHECK(t.return_value().item() == 0.5);
  CHECK(handlers::trace([](int) { return 2; }).get_trace(1).return_value().item() == 2.0);
  CHECK(handlers::trace([] {}).get_trace().return_value().empty());
  CHECK(handlers::trace([] { return std::string("no tensor"); }).get_trace().return_value().empty());
  CHECK(handlers::trace([] { return std::string("passed on"); })() == "passed on");
}

TEST_CASE("E4: an error keeps its type and gets the shapes of the sites so far, once", "[effect][trace]") {
  const auto model = [] {
    sample("first", Normal(zeros({3}), 1.0).to_event(1));
    sample("bad", Normal(0.0, -1.0));
  };
  check_error<DomainError>([&] { return handlers::trace(handlers::trace(model)).get_trace(); }, "wick.dist.E201", "bad", "positive");
  const ErrorReport report = expect_error<DomainError>([&] { return handlers::trace(handlers::trace(model)).get_trace(); }, "wick.dist.E201", "bad");
  CHECK_THAT(report.message, contains("first  Normal"));
  CHECK_THAT(report.message, contains("() | (3,)"));
  CHECK(report.message.find("sites so far") == report.message.rfind("sites so far"));
  const auto users_own = [] { throw std::runtime_error("mine"); };
  CHECK_THROWS_AS(handlers::trace(users_own).get_trace(), std::runtime_error);
  CHECK(stack_is_empty());
}

TEST_CASE("E4: nested traces both record", "[effect][trace]") {
  Trace outside, inside;
  {
    const handlers::trace outer(outside);
    sample("a", Normal(0.0, 1.0));
    const handlers::trace inner(inside);
    sample("b", Normal(0.0, 1.0));
  }
  CHECK(names(outside) == std::vector<std::string>{"a", "b"});
  CHECK(names(inside) == std::vector<std::string>{"b"});
  CHECK(outside.at("b").value.item() == inside.at("b").value.item());
}

TEST_CASE("E4: a trace of hundreds of sites finds each of them, run after run", "[effect][trace]") {
  Trace t;
  for (const int n : {5, 12, 13, 40, 300, 13, 12, 300}) {
    {
      const handlers::trace record(t);
      for (int i = 0; i < n; ++i) sample("s" + std::to_string(i), Normal(0.0, 1.0), obs(i));
    }
    REQUIRE(t.size() == static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i) REQUIRE(t.at("s" + std::to_string(i)).value.item() == i);
    CHECK_FALSE(t.contains("s" + std::to_string(n)));
    CHECK_FALSE(t.contains("never a site"));
  }
}

TEST_CASE("E4: copies of a trace are independent and outlive the run", "[effect][trace]") {
  Trace copy, moved;
  {
    Trace t = handlers::trace(two_sites).get_trace();
    copy = t;
    moved = std::move(t);
    CHECK(t.empty());  // NOLINT: a moved-from trace is empty
    const handlers::trace again(t);
    sample("z", Normal(0.0, 1.0));
    CHECK(names(t) == std::vector<std::string>{"z"});
  }
  CHECK(names(copy) == names(moved));
  CHECK(copy.at("x").value.item() == moved.at("x").value.item());
  const double x = copy.at("x").value.item();
  CHECK(copy.log_prob_sum().item() == Approx(normal_lpdf(x) + normal_lpdf(0.5, x, 2.0)));
  CHECK(moved.log_prob_sum().item() == copy.log_prob_sum().item());
}

TEST_CASE("E4: values of a recording are plain numbers in a trace that outlives it", "[effect][trace]") {
  const OwnParams params;
  Trace t;
  {
    const detail::Recording recording;
    const handlers::trace record(t);
    sample("x", Normal(param("m", Tensor{1.0, 2.0}), 1.0), obs(Tensor{1.5, 2.5}));
  }
  CHECK(t.log_prob_sum().item() == Approx(2.0 * normal_lpdf(0.5)));
}

TEST_CASE("E4: asking for a site that is not there names those that are", "[effect][trace]") {
  const Trace t = handlers::trace(two_sites).get_trace();
  check_error<SiteError>([&] { return t["nope"].value; }, "wick.trace.E220", "nope", "in the table");
  CHECK_THAT(expect_error<SiteError>([&] { return t.at("nope").value; }, "wick.trace.E220", "nope").message, contains("Normal (observed)"));
  CHECK(t["y"].value.item() == 0.5);
  CHECK(t[0].name == Name("x"));
}
