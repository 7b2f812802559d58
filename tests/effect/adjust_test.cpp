// E6 and E7: block, condition, mask, scale.
#include <limits>

#include <wick/ad/grad.hpp>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

const double not_a_number = std::numeric_limits<double>::quiet_NaN();

void model() {
  sample("a", Normal(0.0, 1.0));
  sample("b", Normal(0.0, 1.0), obs(2.0));
  deterministic("d", 1.0);
  param("p", 1.0);
  const plate data("data", 2);
}

std::vector<std::string> exposed(const handlers::BlockOptions& o) { return names(handlers::trace(handlers::block(model, o)).get_trace()); }
using Names = std::vector<std::string>;

Tensor one_site() { return sample("x", Normal(0.0, 1.0), obs(1.5)); }

}  // namespace

TEST_CASE("E6: block hides by name, by type, by predicate, all but the exposed, or all", "[effect][block]") {
  const OwnParams params;
  CHECK(exposed({.hide = {"a", "d"}}) == Names{"b", "p", "data"});
  CHECK(exposed({.hide_types = {"sample"}}) == Names{"b", "d", "p", "data"});
  CHECK(exposed({.hide_types = {"observe"}}) == Names{"a", "d", "p", "data"});
  CHECK(exposed({.hide_types = {"param", "plate"}}) == Names{"a", "b", "d"});
  CHECK(exposed({.hide = {"a"}, .hide_types = {"deterministic"}}) == Names{"b", "p", "data"});
  CHECK(exposed({.expose = {"a"}}) == Names{"a"});
  CHECK(exposed({.expose_types = {"observe", "param"}}) == Names{"b", "p"});
  CHECK(exposed({.expose = {"a"}, .expose_types = {"param"}}) == Names{"a", "p"});
  const std::string which = "b";
  CHECK(exposed({.hide_fn = [which](const Message& m) { return m.name.view() == which; }}) == Names{"a", "d", "p", "data"});
  CHECK(exposed({}).empty());
  Trace t;
  {
    const handlers::trace record(t);
    const handlers::block all;
    model();
  }
  CHECK(t.empty());
}

TEST_CASE("E6: a hidden site is hidden from every handler outside, not from those inside", "[effect][block][plate]") {
  Shape outside, inside;
  {
    const plate p("p", 3);
    const handlers::block hidden({.hide_types = {"sample"}});
    outside = sample("x", Normal(0.0, 1.0)).shape();
  }
  {
    const handlers::block hidden({.hide_types = {"sample"}});
    const plate p("p", 3);
    inside = sample("x", Normal(0.0, 1.0)).shape();
  }
  CHECK(outside.empty());
  CHECK(inside == Shape{3});

  Trace t;
  const handlers::condition given({{"x", 7.0}});
  const handlers::scale scaled(2.0);
  const handlers::mask masked(0.0);
  const plate data("data", 10, {.subsample_size = 5});
  const handlers::block hidden({.hide = {"x"}});
  const handlers::trace record(t);
  sample("x", Normal(0.0, 1.0), obs(1.5));
  sample("y", Normal(0.0, 1.0), obs(1.5));
  CHECK(t.at("x").value.item() == 1.5);
  CHECK(t.at("x").log_prob_sum().item() == Approx(normal_lpdf(1.5)));
  CHECK(t.at("x").frames.empty());
  CHECK(t.at("y").scale.item() == 4.0);  // the control: everything applies to y
  CHECK(t.at("y").log_prob_sum().item() == 0.0);
  CHECK(frames(t.at("y")) == "data 5/10 dim -1");
}

TEST_CASE("E6 (ours): block does not hide a site from seed", "[effect][block][seed]") {
  const auto draw = [](bool hide) {
    const handlers::seed s(3);
    const handlers::block hidden({.hide = {hide ? "x" : "none"}});
    return sample("x", Normal(0.0, 1.0)).item();
  };
  CHECK(draw(true) == draw(false));
}

TEST_CASE("E6: hiding the subsample of a plate breaks sharing, with a warning", "[effect][block][plate]") {
  const auto program = [] {
    const plate data("E6 data", 1000, {.subsample_size = 5});
    return data.indices();
  };
  const Warnings warnings;
  Trace g;
  {
    const handlers::trace record(g);
    const handlers::block hidden({.hide = {"E6 data"}});
    for (int i = 0; i < 3; ++i) program();
  }
  REQUIRE(Warnings::messages.size() == 1);  // a loop warns once
  CHECK_THAT(Warnings::messages[0], contains("wick.handler.W254"));
  CHECK_THAT(Warnings::messages[0], contains("E6 data"));
  CHECK(g.empty());
  {
    const handlers::trace record(g);
    program();
  }
  CHECK(values(handlers::replay(program, g)()) == values(g.at("E6 data").value));  // the control: not hidden, shared
  {
    const handlers::block hidden({.hide_types = {"plate"}});
    const plate whole("E6 whole", 3);  // no subsample, nobody to hide it from
  }
  CHECK(Warnings::messages.size() == 1);
}

TEST_CASE("E6: block refuses what it cannot mean", "[effect][block]") {
  const auto make = [](const handlers::BlockOptions& o) { return [o] { const handlers::block b(o); }; };
  check_error<UsageError>(make({.hide_types = {"latent"}}), "wick.handler.E252", "", "observe");
  check_error<UsageError>(make({.hide = {"a"}, .expose = {"b"}}), "wick.handler.E252", "", "drop the others");
  check_error<UsageError>(make({.expose = {"b"}, .hide_fn = [](const Message&) { return true; }}), "wick.handler.E252", "", "drop the others");
  check_error<UsageError>([] { handlers::block(model, {.hide_types = {"latent"}}); }, "wick.handler.E252", "", "observe");
}

TEST_CASE("E7: condition observes a latent site and scores it", "[effect][condition]") {
  const Trace t = handlers::trace(handlers::condition([] { return sample("x", Normal(1.0, 2.0)); }, {{"x", 0.5}, {"unknown", 1.0}})).get_trace();
  CHECK(t.at("x").is_observed);
  CHECK(t.return_value().item() == 0.5);
  CHECK(t.log_prob_sum().item() == Approx(normal_lpdf(0.5, 1.0, 2.0)));
}

TEST_CASE("E7: condition on an empty value makes a site latent", "[effect][condition]") {
  const Trace t = handlers::trace(handlers::condition(one_site, {{"x", Tensor()}})).get_trace();
  CHECK_FALSE(t.at("x").is_observed);
  CHECK(t.at("x").value.item() != 1.5);
  // Also where a handler inside has given a value.
  const Trace g = handlers::trace([] { return sample("x", Normal(9.0, 0.001)); }).get_trace();
  const auto latent = [] { return sample("x", Normal(0.0, 1.0)); };
  CHECK(std::abs(handlers::condition(handlers::replay(latent, g), {{"x", Tensor()}})().item()) < 8.0);
}

TEST_CASE("E7: condition is for sample sites only", "[effect][condition]") {
  const OwnParams params;
  const auto program = [] { return deterministic("d", 1.0) + param("p", 2.0); };
  CHECK(handlers::condition(program, {{"d", 5.0}, {"p", 5.0}})().item() == 3.0);
}

TEST_CASE("E7: a conditioned site is still broadcast to its plates", "[effect][condition][plate]") {
  Trace t;
  const handlers::trace record(t);
  const plate p("p", 3);
  const handlers::condition given({{"x", Tensor{1.0, 2.0, 3.0}}});
  sample("x", Normal(0.0, 1.0));
  CHECK(t.at("x").fn()->batch_shape() == Shape{3});
}

TEST_CASE("E7: scale multiplies the density of latent and observed sites, in the order of nesting or not", "[effect][scale]") {
  const auto program = [] {
    sample("x", Normal(0.0, 1.0), obs(1.5));
    sample("y", Normal(0.0, 1.0));
  };
  const Trace t = handlers::trace(handlers::scale(handlers::scale(program, 2.0), 3)).get_trace();
  const double y = t.at("y").value.item();
  CHECK(t.at("x").scale.item() == 6.0);
  CHECK(t.at("x").log_prob_sum().item() == Approx(6.0 * normal_lpdf(1.5)));
  CHECK(t.at("y").log_prob_sum().item() == Approx(6.0 * normal_lpdf(y)));
  CHECK(t.at("x").log_prob().item() == Approx(6.0 * normal_lpdf(1.5)));
  CHECK(t.at("x").unscaled_log_prob().item() == Approx(normal_lpdf(1.5)));
}

TEST_CASE("E7: a scale may be a tensor, and carries gradients", "[effect][scale]") {
  const auto f = [](const Tensor& s) {
    Trace t;
    const handlers::trace record(t);
    const handlers::scale scaled(s);
    const plate p("p", 2);
    sample("x", Normal(0.0, 1.0), obs(Tensor{0.5, 2.0}));
    return t.log_prob_sum();
  };
  const auto [value, gradient] = value_and_grad(f)(Tensor{1.0, 10.0});
  CHECK(value.item() == Approx(normal_lpdf(0.5) + 10.0 * normal_lpdf(2.0)));
  CHECK(gradient.at({0}) == Approx(normal_lpdf(0.5)));
  CHECK(gradient.at({1}) == Approx(normal_lpdf(2.0)));
}

TEST_CASE("E7: a factor that is not positive and finite is an error that recommends mask", "[effect][scale]") {
  for (const double bad : {0.0, -1.0, not_a_number, std::numeric_limits<double>::infinity()}) {
    check_error<DomainError>([&] { const handlers::scale s(bad); }, "wick.handler.E250", "", "handlers::mask");
    check_error<DomainError>([&] { const handlers::scale s(Tensor{1.0, bad}); }, "wick.handler.E250", "", "handlers::mask");
    check_error<DomainError>([&] { handlers::scale(one_site, bad); }, "wick.handler.E250", "", "handlers::mask");
  }
}

TEST_CASE("E7: masks are combined by and, and are kept beside the distribution", "[effect][mask]") {
  Trace t;
  const handlers::trace record(t);
  const handlers::mask outer(Tensor{1.0, 1.0, 0.0, 0.0});
  const handlers::mask inner(Tensor{1.0, 0.0, 1.0, 0.0});
  const handlers::scale tripled(3.0);
  const plate p("p", 4);
  sample("x", Normal(0.0, 1.0), obs(Tensor{0.1, 0.2, 0.3, 0.4}));
  const Site& x = t.at("x");
  CHECK(values(x.mask) == Values{1.0, 0.0, 0.0, 0.0});
  CHECK_FALSE(x.fn()->has_mask());
  CHECK(x.log_prob().at({0}) == Approx(3.0 * normal_lpdf(0.1)));
  CHECK(values(x.log_prob())[1] == 0.0);
  CHECK(x.log_prob_sum().item() == Approx(3.0 * normal_lpdf(0.1)));
  CHECK(x.unscaled_log_prob().at({3}) == Approx(normal_lpdf(0.4)));
}

TEST_CASE("E7 (ours): masked elements may be NaN or outside the support, in value and gradients", "[effect][mask]") {
  const auto f = [](const Tensor& loc) {
    Trace t;
    const handlers::trace record(t);
    const plate p("p", 3);
    {
      const handlers::mask seen(Tensor{1.0, 0.0, 1.0});
      sample("x", Normal(loc, 1.0), obs(Tensor{0.5, not_a_number, 2.0}));
      sample("y", Exponential(exp(loc)), obs(Tensor{0.5, -1.0, 2.0}));
    }
    CHECK(std::isfinite(t.at("x").log_prob_sum().item()));
    return t.log_prob_sum() + sum(t.at("x").log_prob());
  };
  const auto [value, gradient] = value_and_grad(f)(Tensor(0.25));
  const double rate = std::exp(0.25);
  CHECK(value.item() == Approx(2.0 * (normal_lpdf(0.5, 0.25) + normal_lpdf(2.0, 0.25)) + 2.0 * 0.25 - rate * 2.5));
  CHECK(gradient.item() == Approx(2.0 * (0.25 + 1.75) + 2.0 - rate * 2.5));
}

TEST_CASE("E7: a mask of anything but 0 and 1 is an error", "[effect][mask]") {
  for (const double bad : {0.5, 2.0, -1.0, not_a_number}) {
    check_error<DomainError>([&] { const handlers::mask m(Tensor{1.0, bad}); }, "wick.handler.E251", "", "handlers::scale");
    check_error<DomainError>([&] { handlers::mask(one_site, bad); }, "wick.handler.E251", "", "handlers::scale");
  }
}

TEST_CASE("E7: a mask that does not broadcast to the site is an error that names it", "[effect][mask]") {
  check_error<ShapeError>(
      [] {
        Trace t;
        {
          const handlers::trace record(t);
          const handlers::mask m(Tensor{1.0, 0.0});
          const plate p("p", 3);
          sample("x", Normal(0.0, 1.0));
        }
        return t.log_prob_sum();
      },
      "wick.dist.E208", "x", "batch shape");
}

TEST_CASE("E7: the score is neither scaled nor masked", "[effect][scale][mask]") {
  Trace t;
  const handlers::trace record(t);
  const handlers::scale scaled(5.0);
  const handlers::mask nothing(0.0);
  sample("x", Normal(0.0, 1.0), obs(1.0854));
  sample("y", Normal(0.0, 1.0).mask(false), obs(1.0854));
  for (const char* name : {"x", "y"}) {
    CHECK(t.at(name).log_prob_sum().item() == 0.0);
    CHECK(t.at(name).score_function().item() == Approx(-1.508).epsilon(1e-4));
  }
  CHECK(5.0 * t.at("x").unscaled_log_prob().item() == Approx(-7.54).epsilon(1e-4));
}
