// E10: seed, and which random numbers a site gets.
#include <algorithm>
#include <map>
#include <thread>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

double draw(std::string_view name) { return sample(name, Normal(0.0, 1.0)).item(); }

/// Semantics E10: key = (seed, stream, step, particle, site name, plate counters, occurrence).
double expected(std::uint64_t seed, std::string_view name, std::uint64_t counters = 0, std::uint64_t occurrence = 0) {
  return Normal(0.0, 1.0).sample_with(site_key(make_base(seed, make_stream(Role::user), 0, 0), hash_name(name), counters, occurrence)).item();
}
std::uint64_t turn(std::string_view plate, std::uint64_t counter, std::uint64_t outer = 0) { return hash_counter(outer, hash_name(plate), counter); }

}  // namespace

TEST_CASE("E10: a draw depends on seed, name and occurrence", "[effect][seed]") {
  const handlers::seed s(7);
  CHECK(draw("x") == expected(7, "x"));
  CHECK(draw("y") == expected(7, "y"));
  CHECK(draw("x") == expected(7, "x", 0, 1));
  CHECK(draw("x") == expected(7, "x", 0, 2));
}

TEST_CASE("E10: a draw depends on the turns of the sequential plates around it", "[effect][seed][plate]") {
  const handlers::seed s(7);
  const plate vectorised("v", 3, {.dim = -1});  // no turn, no part of the key
  for (Index i : plate("a", 2)) {
    const auto a = static_cast<std::uint64_t>(i + 1);
    CHECK(values(sample("x", Normal(0.0, 1.0)))[0] ==
          values(Normal(zeros({3}), 1.0).sample_with(site_key(make_base(7, make_stream(Role::user), 0, 0), hash_name("x"), turn("a", a), 0)))[0]);
    for (Index j : plate("b", 2)) {
      const handlers::block outside;  // scalars again
      CHECK(draw("y") == expected(7, "y", turn("b", static_cast<std::uint64_t>(j + 1), turn("a", a))));
    }
    const handlers::block outside;
    CHECK(draw("z") == expected(7, "z", turn("a", a)));
  }
  const handlers::block outside;
  CHECK(draw("y") == expected(7, "y"));
}

TEST_CASE("E10 (ours): nesting and order of handlers and sites do not change a draw", "[effect][seed]") {
  const double x = expected(9, "x"), y = expected(9, "y");
  const auto both = [&](bool x_first) {
    const handlers::seed s(9);
    const double first = draw(x_first ? "x" : "y"), second = draw(x_first ? "y" : "x");
    CHECK((x_first ? first : second) == x);
    CHECK((x_first ? second : first) == y);
  };
  both(true);
  both(false);
  {
    Trace t;
    const handlers::scale a(2.0);
    const handlers::trace b(t);
    const handlers::seed s(9);
    const handlers::mask c(1.0);
    const handlers::condition d({{"w", 1.0}});
    draw("w");  // a value that is given uses up nothing
    CHECK(draw("x") == x);
    const handlers::block e;
    CHECK(draw("y") == y);
  }
  const auto program = [&] { return draw("x"); };
  CHECK(handlers::seed(handlers::scale(handlers::trace(program), 2.0), 9)() == x);
  CHECK(handlers::scale(handlers::trace(handlers::seed(program, 9)), 2.0)() == x);
}

TEST_CASE("E10: the innermost seed counts, and the state before comes back", "[effect][seed]") {
  const handlers::seed outer(1);
  CHECK(draw("x") == expected(1, "x"));
  {
    const handlers::seed inner(2);
    CHECK(draw("x") == expected(2, "x"));
    try {
      const handlers::seed third(3);
      throw 0;
    } catch (int) {
    }
    CHECK(draw("x") == expected(2, "x", 0, 1));
  }
  CHECK(draw("x") == expected(1, "x", 0, 1));
  CHECK(handlers::seed(handlers::seed([] { return draw("x"); }, 4), 5)() == expected(4, "x"));
}

TEST_CASE("E10: a seed begins anew with every call of its wrapper", "[effect][seed]") {
  const auto seeded = handlers::seed([] { return draw("x"); }, 6);
  CHECK(seeded() == seeded());
}

TEST_CASE("E10: without a seed the thread's own occurrences count on; set_seed restarts them", "[effect][seed]") {
  set_seed(21);
  const double first = draw("x"), second = draw("x");
  CHECK(first == expected(21, "x"));
  CHECK(second == expected(21, "x", 0, 1));
  const Trace t = handlers::trace([] { draw("x"); }).get_trace();  // handlers make no difference
  CHECK(t.at("x").value.item() == expected(21, "x", 0, 2));
  set_seed(21);
  CHECK(draw("x") == first);
}

TEST_CASE("E10: a fit does not depend on the thread: the same seed, the same draws", "[effect][seed][thread]") {
  std::vector<double> found(4);
  const auto program = [] {
    const handlers::seed s(33);
    double total = 0.0;
    for (Index i : plate("steps", 10)) total = 0.5 * total + draw("x_" + std::to_string(i)) + draw("x");
    return total;
  };
  std::vector<std::thread> threads;
  for (double& f : found) threads.emplace_back([&f, &program] { f = program(); });
  for (std::thread& t : threads) t.join();
  CHECK(found == std::vector<double>(4, program()));
}

TEST_CASE("E10: a plate's subsample has a key of its own", "[effect][seed][plate]") {
  const auto indices = [](std::string_view name) {
    const handlers::seed s(8);
    const plate data(name, 1000, {.subsample_size = 20});
    return values(data.indices());
  };
  CHECK(indices("data") == indices("data"));
  CHECK(indices("data") != indices("other"));
  const handlers::seed s(8);
  Values turns;
  for (int i = 0; i < 2; ++i) {
    const plate data("data", 1000, {.subsample_size = 20});
    turns.push_back(data.indices().at({0}));
  }
  CHECK(turns[0] == indices("data")[0]);
  CHECK(turns[0] != turns[1]);  // the second draw of the name
}

TEST_CASE("E10: draws of neighbouring sites, turns, occurrences and seeds are uncorrelated", "[effect][seed][stat]") {
  const std::string name = "E10: draws of neighbouring sites, turns, occurrences and seeds are uncorrelated";
  const auto table = [&](bool planted) {
    MonteCarloTable t(name);
    auto& joint = t.joint("correlation");
    const char* pairs[] = {"site", "site in a plate", "turn", "nested turn", "occurrence", "seed", "element", "guide and model"};
    for (const char* p : pairs) joint.expect(p, 0.0, 1.0);
    for (std::uint64_t i = 0; i < 20000; ++i) {
      const std::uint64_t seed = t.seed() + 2 * i;
      const handlers::seed s(seed);
      const double x = draw("x"), y = draw("y");
      Values turns, nested, elements, guide;
      for (Index a : plate("a", 2)) {
        turns.push_back(draw("t"));
        for (Index b : plate("b", 2))
          if (a + b == 1) nested.push_back(draw("n"));
      }
      {
        const plate p("p", 2);
        elements = values(sample("e", Normal(0.0, 1.0)));
      }
      const double again = draw(planted && i % 10 == 0 ? "w" : "x");  // the planted fault: in one run of ten, a site …
      const double next = [&] {
        const handlers::seed other(seed + 1);
        return draw("x");
      }();
      detail::RandomScope scope;
      for (const Role role : {Role::guide, Role::model}) {
        const detail::RandomGuard guard(scope);
        scope.restart(seed, make_stream(role), i, 0);
        guide.push_back(draw("z"));
      }
      const double other = planted && i % 10 == 0 ? x : y;  // … gets the numbers of another one
      joint.sample(x * other, elements[0] * x, turns[0] * turns[1], nested[0] * nested[1], x * again, x * next, elements[0] * elements[1], guide[0] * guide[1]);
    }
    return t.report();
  };
  const auto report = table(false);
  INFO(report.text);
  CHECK(report.ok);
  CHECK_FALSE(table(true).agrees);
}
