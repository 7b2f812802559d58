#include <thread>

#include "nn_test.hpp"
#define WICK_TEST_DEFINE_ALLOC_COUNTER
#include "support/alloc_counter.hpp"

using namespace wick_test;

namespace {

Linear small() { return Linear(2, 3); }

}  // namespace

TEST_CASE("module: parameters are param sites under prefixed names, apart from sites", "[nn][module]") {
  const FreshStore fresh;
  const Dmm net(1, 4, 1);
  const auto model = [&net] {
    module("dmm", net);
    sample("z_0", Normal(net.z_0, 1.0).to_event(1));
    return net.emitter(net.transition(net.z_0).first);
  };
  const Trace t = handlers::trace(model).get_trace();
  CHECK(t.at("dmm$$$z_0").type == SiteType::param);
  CHECK(t.at("z_0").type == SiteType::sample);
  CHECK(t.contains("dmm$$$transition.lin_gate_out.weight"));
  CHECK(param_store().size() == net.parameter_names().size());
  CHECK(param_store().names().front() == "dmm$$$z_0");
  CHECK(same(param_store().get("dmm$$$transition.lin_z.weight"), Tensor{{1.0}}));
  CHECK(net.parameter_names().back() == "rnn.bias_hh_l0");
}

TEST_CASE("module: initial values depend on the seed and the name alone", "[nn][module]") {
  const auto values_of = [](std::string_view name, std::uint64_t seed) {
    const FreshStore fresh;
    const Linear net = small();
    module(name, net, {.seed = seed});
    return numbers(net.weight);
  };
  const Numbers a = values_of("a", 0);
  set_seed(77);
  module("other", Linear(5, 5));
  CHECK(values_of("a", 0) == a);
  Numbers elsewhere;
  std::thread([&] { elsewhere = values_of("a", 0); }).join();
  CHECK(elsewhere == a);
  CHECK(values_of("a", 1) != a);
  CHECK(values_of("b", 0) != a);
  clear_param_store();
}

TEST_CASE("module: copies share parameters, modules made anew find theirs by name", "[nn][module]") {
  const FreshStore fresh;
  const Linear net = small(), copy = net;
  CHECK(copy.same_as(net));
  net.set("bias", Tensor{1, 2, 3});
  CHECK(numbers(copy.bias) == Numbers{1, 2, 3});
  module("net", net);
  CHECK(numbers(param_store().get("net$$$bias")) == Numbers{1, 2, 3});  // what it had
  param_store().set("net$$$bias", Tensor{4, 5, 6});
  CHECK(numbers(copy.bias) == Numbers{4, 5, 6});
  copy.set("bias", Tensor{7, 8, 9});
  CHECK(numbers(param_store().get("net$$$bias")) == Numbers{7, 8, 9});
  const auto anew = [] {
    const Linear n = small();
    module("net", n);
    return n(Tensor{0, 0});
  };
  CHECK(numbers(anew()) == Numbers{7, 8, 9});
  const Trace t = handlers::trace([&] { anew(), anew(); }).get_trace();
  CHECK(t.size() == 2);
}

TEST_CASE("module: SVI trains what the run touches, and the module then has the fitted values", "[nn][module][svi]") {
  const FreshStore fresh;
  const auto net = Sequential(Linear(1, 8), Tanh(), Linear(8, 1));
  const Linear idle(3, 3);
  module("idle", idle);
  const Numbers before = numbers(idle.weight);
  const Tensor x = reshape(linspace(-2, 2, 40), {40, 1}), y = sin(1.5 * x);
  const auto model = [net](const Tensor& in, const Tensor& out) {
    module("net", net);
    const plate data("data", in.size(0));
    sample("y", Normal(net(in), 0.1).to_event(1), obs(out));
  };
  SVI svi(model, [](const Tensor&, const Tensor&) {}, Adam({.lr = 0.02}), Trace_ELBO(), {.seed = 1});
  for (int i = 0; i < 400; ++i) svi.step(x, y);
  CHECK(mean(square(net(x) - y)).item() < 0.01);
  CHECK(numbers(idle.weight) == before);
  CHECK(same(net.get("0.weight"), param_store().get("net$$$0.weight")));
  const AllocationGuard heap;
  for (int i = 0; i < 20; ++i) svi.step(x, y);
  CHECK(heap.count() == 0);
}

TEST_CASE("module: a step of the deep Markov model allocates nothing", "[nn][module][svi]") {
  const FreshStore fresh;
  const Dmm net(2, 8, 1);
  const Index steps = 6;
  std::vector<std::string> z_names, x_names;
  for (Index t = 0; t < steps; ++t) {
    z_names.push_back("z_" + std::to_string(t));
    x_names.push_back("x_" + std::to_string(t));
  }
  const Tensor x = some({steps, 1});
  const auto model = [&](double annealing) {
    module("dmm", net);
    const Tensor noise = param("obs_scale", 1.0, constraints::positive);
    Tensor z = net.z_0;
    for (Index t = 0; t < steps; ++t) {
      const auto [loc, scale] = net.transition(z);
      {
        const handlers::scale annealed(annealing);
        z = sample(z_names[static_cast<std::size_t>(t)], Normal(loc, scale).to_event(1));
      }
      sample(x_names[static_cast<std::size_t>(t)], Normal(net.emitter(z), noise).to_event(1), obs(take(x, t)));
    }
  };
  const auto guide = [&](double annealing) {
    module("dmm", net);
    const Tensor h = net.rnn(x, {.h0 = net.h_0}).output;
    Tensor z = net.z_q_0;
    for (Index t = 0; t < steps; ++t) {
      const auto [loc, scale] = net.combiner(z, take(h, t));
      const handlers::scale annealed(annealing);
      z = sample(z_names[static_cast<std::size_t>(t)], Normal(loc, scale).to_event(1));
    }
  };
  SVI svi(model, guide, Adam({.lr = 0.01}), Trace_ELBO(), {.seed = 1});
  double first = 0, last = 0;
  for (int i = 0; i < 100; ++i) first += svi.step(0.5);
  const AllocationGuard heap;
  for (int i = 0; i < 100; ++i) last += svi.step(0.5);
  CHECK(heap.count() == 0);
  CHECK(last < first);
  CHECK(param_store().size() == net.parameter_names().size() + 1);
}

TEST_CASE("module: handlers see its parameters", "[nn][module][handler]") {
  const FreshStore fresh;
  const Linear net = small();
  const auto model = [net] {
    module("net", net);
    sample("y", Normal(sum(net(Tensor{1, 2})), 1.0), obs(0.5));
  };
  SVI svi(handlers::block(model, {.hide = {"net$$$bias"}}), [] {}, Adam({.lr = 0.1}));
  const Numbers bias = numbers(net.bias);
  svi.step();
  const Numbers hidden = numbers(net.bias), weight = numbers(net.weight);
  CHECK(hidden == bias);
  SVI all(model, [] {}, Adam({.lr = 0.1}));
  all.step();
  CHECK(numbers(net.bias) != bias);
  CHECK(numbers(net.weight) != weight);
}

TEST_CASE("module: plates leave parameters alone", "[nn][module][plate]") {
  const FreshStore fresh;
  const Linear net = small();
  const Trace t = handlers::trace([&] {
                    const plate data("data", 5);
                    module("net", net);
                    sample("y", Normal(net(some({5, 2})), 1.0).to_event(1));
                  }).get_trace();
  CHECK(t.at("net$$$weight").value.shape() == Shape{3, 2});
  CHECK(t.at("y").value.shape() == Shape{5, 3});
}

TEST_CASE("module: shared submodules, constraints, training mode", "[nn][module]") {
  struct Tied : Module {
    Linear a, b;
    Parameter s;
    Tied() : a(register_module("a", small())), b(register_module("b", a)), s(register_parameter("s", 2.0, constraints::positive)) {}
  };
  const FreshStore fresh;
  const Tied net;
  module("tied", net);
  CHECK(param_store().names() == std::vector<std::string>{"tied$$$s", "tied$$$a.weight", "tied$$$a.bias"});
  CHECK(net.b.same_as(net.a));
  CHECK(std::abs(param_store().at("tied$$$s").unconstrained().item() - std::log(2.0)) < 1e-15);
  const std::uint64_t mode = detail::mode_generation.load();
  net.eval();
  CHECK_FALSE(net.b.training());
  CHECK(detail::mode_generation.load() != mode);
  net.train();
  CHECK(net.a.training());
  CHECK(net.numel() == 10);
}

TEST_CASE("module: threads share one network, each with its own store", "[nn][module][thread]") {
  const auto net = Sequential(Linear(1, 4), Tanh(), Linear(4, 1));
  const auto fit = [net](double slope) {
    const FreshStore fresh;
    const Tensor x = reshape(linspace(-1, 1, 20), {20, 1});
    SVI svi([net, &x, slope] {
      module("net", net);
      const plate data("data", 20);
      sample("y", Normal(net(x), 0.1).to_event(1), obs(slope * x));
    }, [] {}, Adam({.lr = 0.05}), Trace_ELBO(), {.seed = 3});
    for (int i = 0; i < 60; ++i) svi.step();
    return numbers(net(x));
  };
  const Numbers up = fit(1), down = fit(-1);
  Numbers a, b;
  std::thread other([&] { a = fit(1); });
  b = fit(-1);
  other.join();
  CHECK(a == up);
  CHECK(b == down);
}

TEST_CASE("module: outside models a network computes with its own values and has gradients", "[nn][module][gradient]") {
  const FreshStore fresh;
  const Linear net = small();
  const Tensor x = some({4, 2}), w = net.get("weight"), b = net.get("bias");
  const auto [loss, slopes] = value_and_grad(net, [&] { return sum(square(net(x))); });
  const auto [v, g] = value_and_grad([&](const Tensor& p, const Tensor& q) { return sum(square(matmul(x, transpose(p)) + q)); })(w, b);
  CHECK(std::abs(loss.item() - v.item()) < 1e-13);
  REQUIRE(slopes.size() == 2);
  CHECK(slopes[0].name == "weight");
  CHECK(distance(slopes[0].gradient, g[0]) < 1e-13);
  CHECK(distance(slopes[1].gradient, g[1]) < 1e-13);
  for (int i = 0; i < 200; ++i)
    for (const auto& s : value_and_grad(net, [&] { return mean(square(net(x) - 1.0)); }).second) s.parameter.set(s.parameter.value() - 0.3 * s.gradient);
  CHECK(mean(square(net(x) - 1.0)).item() < 1e-3);
  CHECK(param_store().size() == 0);
}

TEST_CASE("module: bad input is refused and leaves the store alone", "[nn][module][errors]") {
  const FreshStore fresh;
  const Linear net = small(), other = small();
  module("net", net);
  const auto state = [] { return std::make_pair(param_store().names(), numbers(param_store().get("net$$$weight"))); };
  const auto refuses = [&](auto call, auto type, const char* id, const char* site, const char* advice) {
    const auto report = expect_error_unchanged<decltype(type)>(call, state, id, site, advice);
    INFO(report.text);
    CHECK(report.ok);
  };
  const UsageError usage("", "", "", "");
  const ShapeError shape("", "", "", "");
  refuses([&] { module("", other); }, usage, "wick.nn.E500", "", "module(\"net\", net)");
  refuses([&] { module("again", net); }, usage, "wick.nn.E501", "again", "second module");
  refuses([] { module("net", Linear(2, 4)); }, shape, "wick.nn.E502", "net$$$weight", "two names");
  refuses([] { module("fresh", Linear(2, 3, {.weight_init = -1.0, .weight_constraint = constraints::positive})); }, DomainError("", "", "", ""), "wick.param.E233", "fresh$$$weight", "");
  refuses([] { module("net", Linear(2, 3, {.weight_init = 1.0, .weight_constraint = constraints::positive})); }, SiteError("", "", "", ""), "wick.param.E231", "net$$$weight", "");
  refuses([&] { handlers::trace([&] { module("net", net), module("net", other); })(); }, usage, "wick.nn.E516", "net", "its own name");
  refuses([&] { net.set("weights", 1.0); }, SiteError("", "", "", ""), "wick.nn.E507", "net", "these names");
  refuses([&] { net.set("weight", 1.0); }, shape, "wick.nn.E506", "net", "parameter's shape");
  refuses([&] { net(Tensor{1, 2, 3}); }, shape, "wick.nn.E511", "net", "input size");
  refuses([&] { net(Tensor()); }, usage, "wick.tensor.E100", "", "");
  struct Bad : Module {
    Bad(const char* name, const Module* twice) {
      register_parameter("w", 0.0);
      if (twice != nullptr) add_child("me", twice->state());
      register_parameter(name, 0.0);
    }
    void swallow(const Module& m) { add_child("m", m.state()); }
  };
  for (const char* name : {"", "w", "a.b", "a$b"}) refuses([&] { Bad(name, nullptr); }, usage, "wick.nn.E503", "", "name of its own");
  refuses([&] {
    Bad inner("x", nullptr);
    const Bad outer("y", &inner);
    inner.swallow(outer);
  }, usage, "wick.nn.E504", "", "second module");
  refuses([] { Linear(0, 3); }, DomainError("", "", "", ""), "wick.nn.E509", "", "number of inputs");
}

TEST_CASE("module: NaN is no weight", "[nn][module][errors]") {
  const FreshStore fresh;
  const Linear net(2, 1), broken(2, 1, {.weight_init = Tensor{{1.0, detail::kNaN}}});
  const auto own = expect_error<DomainError>([&] { net.set("weight", Tensor{{1.0, detail::kNaN}}); }, "wick.param.E233", "", "inside the constraint");
  SVI svi([&] { sample("y", Normal(module("net", broken)(Tensor{1, 1}), 1.0).to_event(1), obs(Tensor{1.0})); }, [] {});
  const auto stored = expect_error<DomainError>([&] { svi.step(); }, "wick.param.E233", "net$$$weight", "inside the constraint");
  INFO(own.text << stored.text);
  CHECK((own.ok && stored.ok));
  CHECK(param_store().size() == 0);
  CHECK(detail::context.innermost == nullptr);
}

TEST_CASE("module: lift makes sample sites of parameters, and the module computes with them", "[nn][module][lift]") {
  const FreshStore fresh;
  const Linear net = small();
  const Tensor x{1, 2};
  const auto model = [net, &x] {
    module("net", net);
    return net(x);
  };
  const auto lifted = handlers::lift(model, {{"net$$$weight", Normal(3.0, 0.1)}});
  const Trace t = handlers::trace(handlers::seed(lifted, 1)).get_trace();
  CHECK(t.at("net$$$weight").type == SiteType::sample);
  CHECK(t.at("net$$$bias").type == SiteType::param);
  CHECK(param_store().names() == std::vector<std::string>{"net$$$bias"});
  CHECK(same(t.return_value(), linear(x, t.at("net$$$weight").value, t.at("net$$$bias").value)));
  CHECK_FALSE(same(net.get("weight"), t.at("net$$$weight").value));  // the draw was the run's
  const auto [loss, slopes] = value_and_grad([&](const Tensor& loc) { return sum(handlers::lift(model, Normal(loc, 1.0))()); })(Tensor(0.5));
  CHECK(std::abs(slopes.item() - 3 * (1 + 1 + 2)) < 1e-12);
  for (const auto& given : {handlers::Values{{"net$$$bias", Tensor{1}}}, handlers::Values{{"net$$$bias", ones({4, 1, 2})}}})
    for (const bool as_draw : {false, true}) {
      const auto bad = expect_error<ShapeError>([&] { as_draw ? handlers::condition(handlers::lift(model, Normal(0.0, 1.0)), given)() : handlers::substitute(model, given)(); }, "wick.nn.E506", "net$$$bias", "parameter's shape");
      INFO(bad.text);
      CHECK(bad.ok);
    }
  const Linear other = small();
  const auto twice = handlers::lift([other] { module("a", other), module("b", other); }, Normal(0.0, 1.0));
  const auto report = expect_error<UsageError>([&] { handlers::trace(twice).get_trace(); }, "wick.nn.E501", "b", "one name");
  INFO(report.text);
  CHECK(report.ok);
  const Linear positive(1, 1, {.weight_init = -1.0, .weight_constraint = constraints::positive});
  CHECK_THROWS_AS(positive(Tensor{1}), DomainError);
}

TEST_CASE("module: scopes add to the names, and the module finds its values there", "[nn][module][handler]") {
  const FreshStore fresh;
  const Linear net = small();
  const auto model = [net] { module("net", net); };
  handlers::scope(model, "a")();
  handlers::scope(model, "b")();
  CHECK(param_store().names() == std::vector<std::string>{"a/net$$$weight", "a/net$$$bias", "b/net$$$weight", "b/net$$$bias"});
  param_store().set("b/net$$$bias", Tensor{1, 2, 3});
  CHECK(numbers(net.bias) == Numbers{1, 2, 3});
}
