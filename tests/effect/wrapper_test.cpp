// The two forms of a handler: scope and wrapper, and what may be wrapped.
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <wick/effect/handlers/enum.hpp>
#include <wick/effect/handlers/queue.hpp>
#include <wick/effect/handlers/reparam.hpp>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

Tensor function(double loc) { return sample("x", Normal(loc, 1.0), obs(1.0)); }

struct Counter {
  int calls = 0;
  int operator()(int by) { return calls += by; }
};

/// How many handlers are on the stack.
int depth() {
  int n = 0;
  for (const Handler* h = detail::context.innermost; h != nullptr; h = h->outer()) ++n;
  return n;
}

}  // namespace

TEST_CASE("wrappers: every handler wraps a wrapper of its own kind twice", "[effect][wrapper]") {
  using namespace handlers;
  const Trace none;
  const BlockOptions nothing{.hide = {"none"}};
  CHECK(trace(trace(depth))() == 2);
  CHECK(trace(trace(trace(depth)))() == 3);
  CHECK(block(block(depth))() == 2);
  CHECK(block(block(depth, nothing), nothing)() == 2);
  CHECK(scale(scale(depth, 2.0), 3)() == 2);
  CHECK(mask(mask(depth, 1.0), true)() == 2);
  CHECK(condition(condition(depth, {{"x", 1.0}}), {{"x", 1.0}})() == 2);
  CHECK(replay(replay(depth, none), none)() == 2);
  CHECK(seed(seed(depth, 1), 2)() == 0);  // seed is no handler on the stack
  CHECK(substitute(substitute(depth, {}), {{"x", 1.0}})() == 2);
  CHECK(do_(do_(depth, {}), {{"x", 1.0}})() == 2);
  CHECK(lift(lift(depth, Normal(0.0, 1.0)), {{"w", Normal(0.0, 1.0)}})() == 2);
  CHECK(reparam(reparam(depth, {}), {{"x", LocScaleReparam()}})() == 2);
  CHECK(uncondition(uncondition(depth))() == 2);
  CHECK(broadcast(broadcast(depth))() == 2);
  CHECK(scope(scope(depth, "a"), std::string("b"))() == 2);
  CHECK(enum_(enum_(depth, -1), -2)() == 2);
  CHECK(infer_config(infer_config(depth, [](const Message&, Infer&) {}), [](const Message&, Infer&) {})() == 2);
  CHECK(escape(escape(depth, [](const Message&) { return true; }), [](const Message&) { return true; })() == 2);
  {
    const plate rows("rows", 2);
    CHECK(block_plate(block_plate(depth, "rows"), "rows")() == 1);  // no handler either
  }
  CHECK(queue(trace(depth)).get_traces().size() == 1);
  const auto once = trace(depth);
  CHECK(trace(once)() == 2);  // an lvalue too
  const auto blocked = block(depth);
  CHECK(block(blocked)() == 2);
  CHECK(trace(block(scale(mask(condition(replay(seed(depth, 1), none), {}), 1.0), 2.0)))() == 6);
  CHECK(stack_is_empty());
}

TEST_CASE("wrappers: wrap functions, lambdas that change, and references", "[effect][wrapper]") {
  CHECK(handlers::trace(function).get_trace(0.5).log_prob_sum().item() == Approx(normal_lpdf(1.0, 0.5)));
  CHECK(handlers::trace(&function).get_trace(0.5).log_prob_sum().item() == Approx(normal_lpdf(1.0, 0.5)));
  Counter counter;
  auto own = handlers::scale(counter, 2.0);
  CHECK(own(1) == 1);
  CHECK(own(1) == 2);
  CHECK(counter.calls == 0);  // held by value
  const auto shared = handlers::scale(std::ref(counter), 2.0);
  CHECK(shared(5) == 5);
  CHECK(handlers::trace(handlers::mask(std::ref(counter), 1.0))(2) == 7);
  CHECK(counter.calls == 7);
  int n = 0;
  auto changing = handlers::trace([n]() mutable { return ++n; });
  CHECK(changing() == 1);
  CHECK(changing.get_trace().return_value().item() == 2.0);
}

TEST_CASE("wrappers: arguments and results are passed on as they are", "[effect][wrapper]") {
  double there = 0.0;
  const auto give = handlers::scale([&](double& x, std::string&& s) -> double& { return x = static_cast<double>(s.size()), there = x, x; }, 2.0);
  double mine = 0.0;
  double& back = give(mine, std::string("four"));
  CHECK(&back == &mine);
  CHECK(mine == 4.0);
  static_assert(std::is_same_v<decltype(handlers::mask([] {}, 1.0)()), void>);
  const auto move_only = handlers::condition([](std::unique_ptr<int> p) { return p; }, {});
  CHECK(*move_only(std::make_unique<int>(3)) == 3);
}

TEST_CASE("wrappers: scope and wrapper mean the same", "[effect][wrapper]") {
  Trace scope;
  {
    const handlers::trace record(scope);
    const handlers::scale scaled(2.0);
    function(0.0);
  }
  const Trace wrapper = handlers::trace(handlers::scale(function, 2.0)).get_trace(0.0);
  CHECK(scope.log_prob_sum().item() == wrapper.log_prob_sum().item());
  CHECK(scope.log_prob_sum().item() == Approx(2.0 * normal_lpdf(1.0)));
}

TEST_CASE("names: characters, strings and views are one name", "[effect][wrapper]") {
  const OwnParams params;
  const std::string text = "site";
  const char* pointer = "site";
  char room[] = {'s', 'i', 't', 'e', 'X', '\0'};
  const std::string_view view(room, 4);
  set_seed(4);
  const double first = sample("site", Normal(0.0, 1.0)).item();
  for (int i = 0; i < 3; ++i) {
    set_seed(4);
    CHECK(sample(i == 0 ? std::string_view(text) : i == 1 ? pointer : view, Normal(0.0, 1.0)).item() == first);
  }
  param(text, 1.0);
  CHECK(param(view).item() == 1.0);
  // The same place in memory may hold another name next time.
  const Trace t = handlers::trace([&] {
                    for (char c = 'a'; c <= 'e'; ++c) {
                      room[0] = c;
                      sample(view, Normal(0.0, 1.0));
                    }
                    for (const char* n : {"", "ab", "abc", "12345678", "1234567890123456", "12345678901234567"}) sample(std::string(n), Normal(0.0, 1.0));
                  }).get_trace();
  CHECK(names(t) == std::vector<std::string>{"aite", "bite", "cite", "dite", "eite", "", "ab", "abc", "12345678", "1234567890123456", "12345678901234567"});
}
