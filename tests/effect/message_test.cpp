// E1 to E3: the machine, the message, and how handlers enter and leave.
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// A probe that writes its letter to a log.
auto letter(std::string& log, char c) {
  return [&log, c](Message&) { log += c; };
}

/// The key that semantics E10 gives to a draw of the thread's own scope after set_seed.
Key own_key(std::uint64_t seed, std::string_view name, std::uint64_t occurrence = 0) {
  return site_key(make_base(seed, make_stream(Role::user), 0, 0), hash_name(name), 0, occurrence);
}

/// Like any user-written handler, but with `enter` and `leave` in the open.
struct Open final : Handler {
  using Handler::enter;
  using Handler::entered;
  using Handler::leave;
};

}  // namespace

TEST_CASE("E1: process runs from the innermost handler outwards, postprocess back", "[effect][message]") {
  std::string log;
  {
    const Probe a(letter(log, 'a'), letter(log, 'A'));
    const Probe b(letter(log, 'b'), letter(log, 'B'));
    const Probe c(letter(log, 'c'), letter(log, 'C'));
    sample("x", Normal(0.0, 1.0));
  }
  CHECK(log == "cbaABC");
}

TEST_CASE("E1(a): of two writers of a field the outermost wins", "[effect][message]") {
  const auto model = [] { return sample("x", Normal(0.0, 1.0)); };
  const auto inner_one = handlers::condition(model, {{"x", 1.0}});
  const auto both = handlers::condition(inner_one, {{"x", 2.0}});
  CHECK(both().item() == 2.0);
  const Trace t = handlers::trace(both).get_trace();
  CHECK(t.log_prob_sum().item() == Approx(normal_lpdf(2.0)));
}

TEST_CASE("E1(b): a handler beyond the one that stops sees neither phase", "[effect][message]") {
  std::string log;
  {
    const Probe a(letter(log, 'a'), letter(log, 'A'));
    const Probe b([&](Message& m) { log += 'b', m.stop = true; }, letter(log, 'B'));  // the stopper takes part in both
    const Probe c(letter(log, 'c'), letter(log, 'C'));
    sample("x", Normal(0.0, 1.0));
  }
  CHECK(log == "cbBC");
}

TEST_CASE("E1(c): a trace outside a subsampled plate records a parameter before the plate narrows it", "[effect][message][plate]") {
  const OwnParams params;
  Trace outside, inside;
  Shape seen;
  {
    const handlers::trace outer(outside);
    const plate data("data", 6, {.subsample_size = 2});
    const handlers::trace inner(inside);
    seen = param("p", zeros({6}), constraints::real, {.event_dim = 0}).shape();
  }
  CHECK(shape(outside, "p") == Shape{6});
  CHECK(shape(inside, "p") == Shape{2});
  CHECK(seen == Shape{2});
  CHECK(outside.at("p").param == inside.at("p").param);  // the link to what is trained stays
  CHECK(outside.at("p").param->shape() == Shape{6});
}

TEST_CASE("E1(d): a handler may change the type, and those outside see the new one", "[effect][message]") {
  Trace t;
  {
    const handlers::trace record(t);
    const handlers::scale doubled(2.0);
    const auto to_deterministic = [](Message& m) {
      m.type = SiteType::deterministic;
      m.value = 7.0;
      m.fn = nullptr;
    };
    const Probe p(to_deterministic, ignore);
    CHECK(sample("x", Normal(0.0, 1.0)).item() == 7.0);
  }
  CHECK(t.at("x").type == SiteType::deterministic);
  CHECK(t.at("x").scale.item() == 1.0);  // scale is for sample sites
}

TEST_CASE("E1(d): a parameter that a handler makes a sample site is drawn", "[effect][message]") {
  const OwnParams params;
  Normal prior(5.0, 0.001);
  Trace t;
  const handlers::seed seeded(3);
  const handlers::trace record(t);
  const auto lift = [&](Message& m) {
    if (m.type != SiteType::param) return;
    m.type = SiteType::sample;
    m.fn = &prior;
  };
  const Probe p(lift, ignore);
  CHECK(std::abs(param("w", 0.25).item() - 5.0) < 0.01);
  CHECK(t.at("w").type == SiteType::sample);
  CHECK(t.at("w").log_prob_sum().item() == Approx(prior.log_prob(t.at("w").value).item()));
}

TEST_CASE("handlers: a site that they leave without a value is an error", "[effect][message]") {
  check_error<SiteError>(
      [] {
        const auto observe_nothing = [](Message& m) { m.is_observed = true; };
        const Probe p(observe_nothing, ignore);
        sample("x", Normal(0.0, 1.0));
      },
      "wick.handler.E255", "x", "set `value`");
}

TEST_CASE("E1: without handlers sample draws, an observation is returned, a parameter is read", "[effect][message]") {
  const OwnParams params;
  set_seed(11);
  CHECK(sample("x", Normal(0.0, 1.0)).item() == Normal(0.0, 1.0).sample_with(own_key(11, "x")).item());
  CHECK(sample("y", Normal(0.0, 1.0), obs(3.0)).item() == 3.0);
  CHECK(param("p", 2.0, constraints::positive).item() == Approx(2.0));
  CHECK(deterministic("d", 5.0).item() == 5.0);
  factor("f", 1.0);  // nothing to add to
}

TEST_CASE("E1: the default draws only where nobody gave a value", "[effect][message]") {
  set_seed(12);
  {
    const Probe give([](Message& m) { m.value = 4.0; }, ignore);
    CHECK(sample("x", Normal(0.0, 1.0)).item() == 4.0);
  }
  // No number was used up: this is the first draw of the name.
  CHECK(sample("x", Normal(0.0, 1.0)).item() == Normal(0.0, 1.0).sample_with(own_key(12, "x", 0)).item());
}

TEST_CASE("E1 (ours): obs of an empty tensor means not observed", "[effect][message]") {
  const auto model = [](const Tensor& y) { return sample("y", Normal(0.0, 1.0), obs(y)); };
  const Trace drawn = handlers::trace(model).get_trace(Tensor());
  const Trace seen = handlers::trace(model).get_trace(Tensor(0.25));
  CHECK_FALSE(drawn.at("y").is_observed);
  CHECK(drawn.at("y").value.numel() == 1);
  CHECK(seen.at("y").is_observed);
  CHECK(seen.at("y").value.item() == 0.25);
  set_seed(13);
  CHECK(model({}).item() == Normal(0.0, 1.0).sample_with(own_key(13, "y")).item());
}

TEST_CASE("E2: a message starts with scale 1, no mask, no plates, not observed", "[effect][message]") {
  bool looked = false;
  const Probe p(
      [&](Message& m) {
        looked = true;
        CHECK(m.type == SiteType::sample);
        CHECK(m.name == Name("x"));
        CHECK(m.scale.item() == 1.0);
        CHECK(m.mask.empty());
        CHECK(m.frames.empty());
        CHECK(m.value.empty());
        CHECK_FALSE((m.is_observed || m.done || m.stop));
        CHECK(m.infer.is_auxiliary);
      },
      ignore);
  sample("x", Normal(0.0, 1.0), Infer{.is_auxiliary = true});
  CHECK(looked);
}

TEST_CASE("E2: the caller's infer and distribution are copied", "[effect][message]") {
  const Infer infer{.is_auxiliary = true};
  const Normal d(0.0, 1.0);
  const Probe p([](Message& m) { m.infer.is_auxiliary = false, m.infer.from_prior = true, m.fn->expand_to({4}); }, ignore);
  CHECK(sample("x", d, infer).shape() == Shape{4});
  CHECK(infer.is_auxiliary);
  CHECK_FALSE(infer.from_prior);
  CHECK(d.batch_shape().empty());
}

TEST_CASE("E3: the same handler cannot be on the stack twice", "[effect][message]") {
  check_error<UsageError>(
      [] {
        Open h;
        h.enter();
        h.enter();
      },
      "wick.handler.E240", "", "a second handler object");
  Open again;
  for (int i = 0; i < 2; ++i) {  // one after the other is fine
    again.enter();
    again.leave();
  }
  CHECK(stack_is_empty());
}

TEST_CASE("E3: an exception through five nested handlers leaves an empty stack and free dims", "[effect][message]") {
  const auto fail = [] {
    Trace t;
    const handlers::trace record(t);
    const handlers::scale s(2.0);
    const plate outer("outer", 3);
    const handlers::mask m(1.0);
    const plate inner("inner", 2);
    CHECK(inner.dim() == -2);
    for (Index i : plate("steps", 4)) {
      sample("x_" + std::to_string(i), Normal(0.0, 1.0));
      if (i == 2) throw std::runtime_error("the user's own");
    }
  };
  const World before = world();
  CHECK_THROWS_AS(fail(), std::runtime_error);
  CHECK(before == world());
  CHECK(stack_is_empty());
  CHECK(plate("inner", 2).dim() == -1);
}

TEST_CASE("E3: destroyed out of order a handler takes itself off the stack, with a warning", "[effect][message]") {
  const Warnings warnings;
  std::string log;
  {
    using P = Probe<decltype(letter(log, 'a')), decltype(letter(log, 'a'))>;
    std::optional<P> a, b, c;
    a.emplace(letter(log, 'a'), letter(log, 'A'));
    b.emplace(letter(log, 'b'), letter(log, 'B'));
    c.emplace(letter(log, 'c'), letter(log, 'C'));
    CHECK(Warnings::messages.empty());
    b.reset();
    REQUIRE(Warnings::messages.size() == 1);
    CHECK_THAT(Warnings::messages[0], contains("wick.handler.W241"));
    sample("x", Normal(0.0, 1.0));
    CHECK(log == "caAC");
    c.reset();
    a.reset();
    CHECK(Warnings::messages.size() == 1);  // in order: nothing to say
  }
  CHECK(stack_is_empty());
}

TEST_CASE("E3: another thread starts with an empty stack, and may destroy a handler that it is given", "[effect][message][thread]") {
  std::optional<Open> mine;
  mine.emplace();
  mine->enter();
  bool empty_there = false, warned = false;
  std::thread([&] {
    const Warnings warnings;
    empty_there = stack_is_empty();
    mine.reset();
    warned = Warnings::messages.size() == 1;
  }).join();
  CHECK(empty_there);
  CHECK(warned);
  CHECK(stack_is_empty());
}

TEST_CASE("E3: a handler may outlive its thread", "[effect][message][thread]") {
  std::optional<Open> left;
  std::thread([&] {
    left.emplace();
    left->enter();
  }).join();
  CHECK_FALSE(left->entered());
  left->enter();  // here it is like new
  CHECK(detail::context.innermost == &*left);
  left.reset();
  CHECK(stack_is_empty());
}

TEST_CASE("E3: scopes are neither copied nor moved", "[effect][message]") {
  const auto fixed = []<class T>() { return !std::is_copy_constructible_v<T> && !std::is_move_constructible_v<T> && !std::is_copy_assignable_v<T> && !std::is_move_assignable_v<T>; };
  using handlers::Scope;
  STATIC_REQUIRE(fixed.operator()<plate>());
  STATIC_REQUIRE(fixed.operator()<handlers::trace<>>());
  STATIC_REQUIRE(fixed.operator()<handlers::replay<>>());
  STATIC_REQUIRE(fixed.operator()<handlers::block<>>());
  STATIC_REQUIRE(fixed.operator()<handlers::condition<>>());
  STATIC_REQUIRE(fixed.operator()<handlers::scale<>>());
  STATIC_REQUIRE(fixed.operator()<handlers::mask<>>());
  STATIC_REQUIRE(fixed.operator()<handlers::seed<>>());
  STATIC_REQUIRE(fixed.operator()<ParamScope>());
  STATIC_REQUIRE(fixed.operator()<plate::Turn>());
  STATIC_REQUIRE_FALSE(std::is_default_constructible_v<plate>);
}
