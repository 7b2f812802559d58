// Rule K: every bad input in a step gives its error, and leaves parameters, optimiser and handlers as they were.
#include "catch.hpp"

#include <functional>
#include <limits>
#include <stdexcept>

#include "infer/common.hpp"
#include "support/errors.hpp"

using namespace wick;
using namespace wick_test;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

using Body = std::function<void()>;
const Body nothing = [] {};

/// A program without noise that goes wrong on demand, between its two sites.
class Program {
 public:
  Program(Body in_model, Body in_guide) : in_model_(std::move(in_model)), in_guide_(std::move(in_guide)) {}
  void model() const {
    const Tensor z = sample("z", Normal(0.0, 1.0));
    if (wrong) in_model_();
    sample("x", Normal(z * param("slope", 1.2, constraints::positive), 1.0), obs(1.5));
  }
  void guide() const {
    sample("z", Delta(param("z_at", 0.5)));
    if (!wrong) return;
    param("fresh", ones({3}));  // must vanish with the failed step
    in_guide_();
  }
  bool wrong = false;

 private:
  Body in_model_, in_guide_;
};

/// Three steps, a wrong one, a wrong evaluation, three steps: the error is as told, nothing has changed, and what follows is as if nothing had been.
template <class E>
ErrorReport failing(std::string_view id, std::string_view site, std::string_view tries, Body in_model, Body in_guide = nothing) {
  Program program(std::move(in_model), std::move(in_guide));
  const auto model = [&] { program.model(); };
  const auto guide = [&] { program.guide(); };
  const auto final_state = [&](const auto& between) {
    const OwnStore own;
    SVI svi(model, guide, Adam({.lr = 0.1}));
    for (int i = 0; i < 3; ++i) svi.step();
    between(svi);
    for (int i = 0; i < 3; ++i) svi.step();
    return snapshot();
  };
  const Snapshot expected = final_state([](auto&) {});
  ErrorReport report;
  const auto state = [] { return std::pair(snapshot(), surroundings()); };
  const Snapshot got = final_state([&](auto& svi) {
    program.wrong = true;
    report = expect_error_unchanged<E>([&] { svi.step(); }, state, id, site, tries);
    // An evaluation needs no gradient, so that it may succeed.
    const Snapshot before = snapshot();
    const std::size_t size = param_store().size();
    try {
      svi.evaluate_loss();
    } catch (const Error& e) {
      if (e.id() != id) report.fail("evaluate_loss: another error, " + std::string(e.id()));
      if (snapshot() != before) report.fail("evaluate_loss: the parameters have changed");
    }
    param_store().truncate(size);
    program.wrong = false;
  });
  if (got != expected) report.fail("the steps after the failed one differ");
  return report;
}

void require(const ErrorReport& report) {
  INFO(report.text);
  INFO(report.message);
  REQUIRE(report.ok);
}

Tensor with_nan() { return Tensor{0.5, nan_value, 1.0}; }

}  // namespace

TEST_CASE("errors: wrong shapes", "[infer][errors]") {
  require(failing<ShapeError>("wick.dist.E203", "", "reshape", [] { sample("y", Normal(zeros({3}), ones({2}))); }));
  require(failing<ShapeError>("wick.dist.E207", "y", "to_event", [] {
    const plate data("data", 3);
    sample("y", Normal(zeros({3}), 1.0), obs(ones({4})));
  }));
  require(failing<ShapeError>("wick.plate.E208", "y", "plate.subsample", [] {
    const plate data("data", 3);
    sample("y", Normal(zeros({4}), 1.0), obs(ones({4})));
  }));
  require(failing<ShapeError>("wick.dist.E206", "", "rightmost batch dimensions", [] { sample("y", Normal(zeros({3}), 1.0).to_event(2)); }));
}

TEST_CASE("errors: duplicate site", "[infer][errors]") {
  require(failing<SiteError>("wick.trace.E221", "x", "its own name", [] { sample("x", Normal(0.0, 1.0), obs(0.0)); }));
  require(failing<SiteError>("wick.trace.E221", "u", "its own name", nothing, [] {
    for (int i = 0; i < 2; ++i) sample("u", Normal(0.0, 1.0), Infer{.is_auxiliary = true});
  }));
  require(failing<SiteError>("wick.trace.E222", "slope", "rename", [] { sample("slope", Normal(0.0, 1.0), obs(0.0)); }));
}

TEST_CASE("E4: an inference inside a traced program says that its sites come to the trace around", "[infer][errors]") {
  const OwnStore own;
  const auto inner = [] { sample("y", Normal(sample("w", Normal(0.0, 1.0)), 1.0), obs(1.0)); };
  const auto check = [](auto model, std::string_view site) {
    require(expect_error_unchanged<SiteError>([&] { handlers::trace(model).get_trace(); }, snapshot, "wick.trace.E223", site, "handlers::block"));
    const auto hidden = [&] {
      const handlers::block rest;
      model();
    };
    REQUIRE(handlers::trace(hidden).get_trace().empty());
  };
  check([&] { optimize(inner)(); }, "w");
  check([&] { optimize(inner, Adam(), {.steps = 3})(); }, "w");
  check([&] { SVI(inner, [] { sample("w", Normal(0.0, 1.0)); }).step(); }, "w");
  check([&] { Predictive(inner, {.num_samples = 2})(); }, "w");
  check([&] {
    for (int i = 0; i < 2; ++i) handlers::trace(inner).get_trace();
  }, "w");
  // The inner program's own doubles are its own.
  const auto twice = [&] { inner(), inner(); };
  const auto run = [&] { optimize(twice)(); };
  require(expect_error_unchanged<SiteError>([&] { handlers::trace(run).get_trace(); }, snapshot, "wick.trace.E221", "w", "its own name"));
  const auto hidden = [&] {
    const handlers::block rest;
    handlers::trace(twice).get_trace();
  };
  require(expect_error_unchanged<SiteError>([&] { handlers::trace(hidden).get_trace(); }, snapshot, "wick.trace.E221", "w", "its own name"));
}

TEST_CASE("E12: a latent site of the model that the guide lacks is an error", "[infer][errors]") {
  const ErrorReport report = failing<SiteError>("wick.elbo.E300", "u", "from_prior", [] { sample("u", Normal(0.0, 1.0)); });
  require(report);
  REQUIRE_THAT(report.message, contains("guide:") && contains("model:") && contains("z_at"));
  require(failing<SiteError>("wick.elbo.E300", "y", "observe it in the model", [] { sample("y", Normal(0.0, 1.0), obs(Tensor())); }));
}

TEST_CASE("E12: a site of the guide that the model lacks, or observes, is an error", "[infer][errors]") {
  require(failing<SiteError>("wick.elbo.E301", "u", "is_auxiliary", nothing, [] { sample("u", Normal(0.0, 1.0)); }));
  const ErrorReport report = failing<SiteError>("wick.elbo.E301", "x", "leave", nothing, [] { sample("x", Normal(0.0, 1.0)); });
  require(report);
  REQUIRE_THAT(report.message, contains("observed in the model"));
  require(failing<SiteError>("wick.handler.E253", "u", "without obs", [] { sample("u", Normal(0.0, 1.0)); },
                             [] { sample("u", Normal(0.0, 1.0), obs(0.0)); }));
}

TEST_CASE("errors: observed value outside the support", "[infer][errors]") {
  const auto observe = [](auto dist, double value) { return [=] { sample("y", dist, obs(value)); }; };
  require(failing<DomainError>("wick.dist.E202", "y", "mask", observe(Bernoulli(0.3), 2.0)));
  require(failing<DomainError>("wick.dist.E202", "y", "mask", observe(Gamma(2.0, 1.0), -0.5)));
  require(failing<DomainError>("wick.dist.E202", "y", "mask", observe(Poisson(2.0), 1.5)));
  require(failing<DomainError>("wick.dist.E202", "y", "mask", observe(Uniform(0.0, 1.0), 1.5)));
  require(failing<DomainError>("wick.dist.E202", "y", "mask", observe(Categorical(Tensor{0.2, 0.8}), 2.0)));
  require(failing<DomainError>("wick.dist.E202", "y", "mask", observe(LogNormal(0.0, 1.0), -1.0)));
}

TEST_CASE("errors: NaN in the data", "[infer][errors]") {
  const ErrorReport report = failing<DomainError>("wick.dist.E202", "y", "mask", [] {
    const plate data("data", 3);
    sample("y", Normal(0.0, 1.0), obs(with_nan()));
  });
  require(report);
  REQUIRE_THAT(report.message, contains("value[1] = nan") && contains("plate(\"data\", size=3, dim=-1)"));
}

TEST_CASE("errors: NaN in a log density", "[infer][errors]") {
  require(failing<DomainError>("wick.dist.E201", "y", "check how loc", [] { sample("y", Normal(nan_value, 1.0), obs(0.0)); }));
  require(failing<NumericalError>("wick.dist.E204", "y", "extreme magnitudes", [] { sample("y", Normal(-1e308, 1.0), obs(1.5e308)); }));
  require(failing<DomainError>("wick.dist.E201", "f", "", [] { factor("f", nan_value); }));
}

TEST_CASE("errors: negative scale", "[infer][errors]") {
  require(failing<DomainError>("wick.handler.E250", "", "handlers::mask", [] {
    const handlers::scale<> scale(-1.0);
    sample("y", Normal(0.0, 1.0), obs(0.0));
  }));
  require(failing<DomainError>("wick.handler.E250", "", "handlers::mask", [] { const handlers::scale<> scale(Tensor{1.0, 0.0}); }));
  require(failing<DomainError>("wick.dist.E201", "y", "positive", [] { sample("y", Normal(0.0, -1.0), obs(0.0)); }));
  require(failing<DomainError>("wick.dist.E201", "u", "positive", nothing, [] { sample("u", Normal(0.0, Tensor(-1.0)), Infer{.is_auxiliary = true}); }));
}

TEST_CASE("errors: empty data, and plates of size 0", "[infer][errors]") {
  require(failing<DomainError>("wick.plate.E200", "data", "when the data are empty", [] { const plate data("data", 0); }));
  require(failing<DomainError>("wick.plate.E200", "data", "how the size is computed", [] { const plate data("data", -3); }));
  require(failing<ShapeError>("wick.elbo.E304", "y", "plate", [] { sample("y", Normal(zeros({0}), 1.0), obs(zeros({0}))); }));
}

TEST_CASE("errors: subsamples that do not fit their plate", "[infer][errors]") {
  require(failing<DomainError>("wick.plate.E201", "data", "min(batch, size)", [] { const plate data("data", 3, {.subsample_size = 4}); }));
  require(failing<DomainError>("wick.plate.E203", "data", "0 <= i < size", [] { const plate data("data", 3, {.subsample = Tensor{1, 3}}); }));
  require(failing<SiteError>("wick.plate.E202", "data", "same subsample_size", [] { const plate data("data", 9, {.subsample_size = 4}); },
                             [] { const plate data("data", 9, {.subsample_size = 3}); }));
}

TEST_CASE("errors: parameters that come back otherwise", "[infer][errors]") {
  require(failing<SiteError>("wick.param.E231", "slope", "one constraint", [] { param("slope", 1.0); }));
  require(failing<SiteError>("wick.param.E231", "slope", "rename", nothing, [] { param("slope", 1.0, constraints::unit_interval); }));
  require(failing<ShapeError>("wick.param.E232", "slope", "one shape", [] { param("slope", ones({2}), constraints::positive); }));
  require(failing<SiteError>("wick.param.E230", "nowhere", "initial value", [] { param("nowhere"); }));
  require(failing<DomainError>("wick.param.E233", "negative", "inside the constraint", [] { param("negative", -1.0, constraints::positive); }));
}

TEST_CASE("E12: a log density that is not finite is an error that names the site", "[infer][errors]") {
  const ErrorReport element = failing<NumericalError>("wick.elbo.E305", "y", "learning rate", [] {
    const plate data("data", 3);
    sample("y", Bernoulli(Tensor{0.5, 0.5, 1.0}), obs(zeros({3})));
  });
  require(element);
  REQUIRE_THAT(element.message, contains("observed model site is -inf in element [2]"));
  require(failing<NumericalError>("wick.elbo.E305", "y", "learning rate", [] { sample("y", Bernoulli(1.0), obs(0.0)); }));
  require(failing<NumericalError>("wick.elbo.E305", "y", "edge of the support", [] { sample("y", Gamma(2.0, 1.0), obs(0.0)); }));
  require(failing<NumericalError>("wick.elbo.E305", "f", "", [] { factor("f", -std::numeric_limits<double>::infinity()); }));
  const ErrorReport report = failing<NumericalError>("wick.elbo.E305", "a", "", nothing, [] {
    sample("a", Delta(0.5, std::numeric_limits<double>::infinity()), Infer{.is_auxiliary = true});
  });
  require(report);
  REQUIRE_THAT(report.message, contains("guide"));
}

TEST_CASE("E13: a gradient that is not finite is an error that names the parameter", "[infer][errors]") {
  const ErrorReport report = failing<NumericalError>("wick.svi.E310", "root", "slopes are infinite", [] {
    sample("y", Normal(sqrt(param("root", zeros({2}))), 1.0).to_event(1), obs(ones({2})));
  });
  require(report);
  REQUIRE_THAT(report.message, contains("element 0"));
}

TEST_CASE("E13: a program that throws in the middle of a step changes nothing", "[infer][errors]") {
  const auto state = [] { return std::pair(snapshot(), surroundings()); };
  for (const bool in_model : {true, false}) {
    const Body bad = [] {
      const plate data("data", 4, {.subsample_size = 2});
      const handlers::scale<> scale(2.0);
      const handlers::mask<> mask(Tensor{1, 0});
      const handlers::block<> block;
      const handlers::seed<> seed(3);
      for (const Index i : plate("loop", 3)) {
        param("p" + std::to_string(i), 0.5);
        if (i == 1) throw std::runtime_error("not ours");
      }
    };
    const OwnStore own;
    Program program(in_model ? bad : nothing, in_model ? nothing : bad);
    SVI svi([&] { program.model(); }, [&] { program.guide(); }, Adam({.lr = 0.1}));
    svi.step();
    for (int i = 0; i < 3; ++i) {
      program.wrong = true;
      const auto before = state();
      std::string message;
      try {
        svi.step();
      } catch (const std::runtime_error& e) {
        message = e.what();
      }
      REQUIRE(message == "not ours");
      REQUIRE(state() == before);
      REQUIRE_THROWS_AS(svi.evaluate_loss(), std::runtime_error);
      REQUIRE(state() == before);
      REQUIRE(surroundings().handlers == nullptr);
      REQUIRE(surroundings().tape == nullptr);
      REQUIRE(surroundings().random == nullptr);
      program.wrong = false;
      svi.step();
    }
  }
  // Something that is no exception at all.
  const OwnStore own;
  bool wrong = false;
  SVI svi([&] {
    if (wrong) throw 7;
    point_model(1.0);
  }, [] { point_guide(0.5); });
  svi.step();
  wrong = true;
  const auto before = state();
  REQUIRE_THROWS_AS(svi.step(), int);
  REQUIRE(state() == before);
}

TEST_CASE("E13: a first step that fails leaves an empty store", "[infer][errors]") {
  const OwnStore own;
  bool wrong = true;
  const auto model = [&] {
    const Tensor z = sample("z", Normal(0.0, 1.0));
    for (int i = 0; i < 20; ++i) param("p" + std::to_string(i), 1.0 * i);
    sample("x", Normal(z, wrong ? -1.0 : 1.0), obs(1.0));
  };
  SVI svi(model, [] { point_guide(0.5); });
  REQUIRE_THROWS_AS(svi.step(), DomainError);
  REQUIRE(param_store().size() == 0);
  REQUIRE_THROWS_AS(svi.evaluate_loss(), DomainError);
  REQUIRE(param_store().size() == 0);
  wrong = false;
  svi.step();
  REQUIRE(param_store().size() == 21);
  REQUIRE(param_store().get("p19").item() == 19.0);
}

TEST_CASE("E13: one bad particle of several spoils the step", "[infer][errors]") {
  const OwnStore own;
  int call = 0;
  const auto model = [&] {
    const Tensor z = sample("z", Normal(0.0, 1.0));
    param("late" + std::to_string(call), 1.0);
    sample("x", Normal(z, ++call == 6 ? -1.0 : 1.0), obs(1.0));
  };
  SVI svi(model, [] { point_guide(0.5); }, Adam({.lr = 0.1}), Trace_ELBO({.num_particles = 4}));
  svi.step();
  const Snapshot before = snapshot();
  REQUIRE(before.size() == 5);
  REQUIRE_THROWS_AS(svi.step(), DomainError);
  REQUIRE(snapshot() == before);
}

TEST_CASE("E12: guide and model that differ in event or plates are an error", "[infer][errors]") {
  const auto pair = [](std::string_view id, std::string_view tries, const Body& model, const Body& guide) {
    return failing<SiteError>(id, "u", tries, model, guide);
  };
  require(pair("wick.elbo.E302", "to_event", [] { sample("u", Normal(zeros({3}), 1.0).to_event(1)); }, [] {
    const plate data("data", 3);
    sample("u", Normal(0.0, 1.0));
  }));
  require(pair("wick.elbo.E302", "to_event", [] { sample("u", Normal(zeros({3}), 1.0).to_event(1)); },
               [] { sample("u", Normal(zeros({2}), 1.0).to_event(1)); }));
  require(pair("wick.elbo.E303", "same plates",
               [] {
                 const plate data("data", 3);
                 sample("u", Normal(0.0, 1.0));
               },
               [] {
                 const plate data("other", 3);
                 sample("u", Normal(0.0, 1.0));
               }));
  require(failing<SiteError>("wick.elbo.E303", "data", "one size",
                             [] { const plate data("data", 4); }, [] { const plate data("data", 3); }));
  // Plates of two sizes are said to be that, not the shapes that follow from it: in the model's run, or at its end.
  const auto local = [](Index size, bool seen) {
    return [=] {
      const plate data("data", size);
      const Tensor u = sample("u", Normal(0.0, 1.0));
      if (seen) sample("y", Normal(u, 1.0), obs(0.0));
    };
  };
  for (const bool seen : {false, true}) {
    const ErrorReport report = failing<SiteError>("wick.elbo.E303", "data", "one size", local(7, seen), local(6, false));
    require(report);
    REQUIRE_THAT(report.message, contains("size 6 in the guide and 7 in the model"));
  }
  const ErrorReport moved = failing<SiteError>("wick.elbo.E303", "u", "same plates",
                                               [] {
                                                 const plate data("data", 3, {.dim = -2});
                                                 sample("u", Normal(zeros({3, 1}), 1.0));
                                               },
                                               [] {
                                                 const plate other("other", 1);
                                                 const plate more("more", 3);
                                                 sample("u", Normal(zeros({3, 1}), 1.0));
                                               });
  require(moved);
}

TEST_CASE("E12: batch dimensions without a plate are an error, with the three ways out", "[infer][errors]") {
  const ErrorReport report = failing<ShapeError>("wick.elbo.E304", "y", "to_event(n)", [] { sample("y", Normal(zeros({3}), 1.0), obs(zeros({3}))); });
  require(report);
  REQUIRE_THAT(report.message, contains("plate p(\"name\", 3)") && contains("check that parameters") && contains("has size 3 at dim -1") && contains("sites:"));
  // Observed values, masks and scales that are wider than the distribution.
  require(failing<ShapeError>("wick.elbo.E304", "y", "to_event(n)", [] { sample("y", Normal(0.0, 1.0), obs(zeros({3}))); }));
  require(failing<ShapeError>("wick.elbo.E304", "y", "mask", [] {
    const handlers::mask<> mask(Tensor{1, 0, 1});
    sample("y", Normal(0.0, 1.0), obs(0.0));
  }));
  require(failing<ShapeError>("wick.elbo.E304", "y", "scale", [] {
    const handlers::scale<> scale(Tensor{1, 2});
    sample("y", Normal(0.0, 1.0), obs(0.0));
  }));
  require(failing<ShapeError>("wick.elbo.E304", "y", "plate", [] {
    const plate data("data", 3);
    sample("y", Normal(zeros({2, 3}), 1.0), obs(zeros({2, 3})));
  }));
  require(failing<ShapeError>("wick.elbo.E304", "u", "plate", nothing,
                              [] { sample("u", Normal(zeros({2}), 1.0), Infer{.is_auxiliary = true}); }));
}

TEST_CASE("E12: a factor of the guide that does not say what it weighs is an error", "[infer][errors]") {
  require(failing<UsageError>("wick.elbo.E307", "f", "has_rsample", nothing, [] { factor("f", 0.3); }));
}

TEST_CASE("E12: a site marked for enumeration is an error: Trace_ELBO draws", "[infer][errors]") {
  const Infer marked{.enumerate = Enumerate::parallel};
  const Body coin = [marked] { sample("k", Bernoulli({.probs = 0.5}), marked); };
  require(failing<UsageError>("wick.handler.E270", "k", "score-function", coin, coin));
}

TEST_CASE("errors: masked data may be NaN: loss and gradient are those of the other elements", "[infer][errors]") {
  const Tensor mask{1, 0, 1};
  const auto result = [&](int how, const Tensor& data) {
    const OwnStore own;
    const auto model = [=] {
      const Tensor z = sample("z", Normal(0.0, 1.0)), slope = param("slope", Tensor{1.2, 0.7, 0.4});
      const plate all("data", 3);
      const Normal likelihood(z * slope, data);  // NaN among the scales too
      if (how == 0) {
        const handlers::mask<> scope(mask);
        sample("x", likelihood, obs(data));
      } else if (how == 1) {
        sample("x", likelihood.mask(mask), obs(data));
      } else {
        const handlers::scale<> scope(ones({3}));
        const handlers::mask<> inner(mask);
        sample("x", likelihood, obs(data));
      }
    };
    SVI svi(model, [] { sample("z", Normal(param("loc", 0.3), 0.5).without_rsample()); }, Adam({.lr = 0.1}), Trace_ELBO(), {.seed = 4});
    std::vector<double> out = svi.run(5);
    out.push_back(svi.evaluate_loss());
    for (const auto& [name, values] : snapshot()) out.insert(out.end(), values.begin(), values.end());
    return out;
  };
  for (int how = 0; how < 3; ++how) {
    const auto masked = result(how, with_nan()), whole = result(how, Tensor{0.5, 9.0, 1.0});
    for (const double x : masked) REQUIRE(std::isfinite(x));
    REQUIRE(masked == whole);
  }
  REQUIRE(result(0, with_nan()) == result(1, with_nan()));
}

TEST_CASE("errors: a store that is set or emptied in the middle of a step", "[infer][errors]") {
  failing<UsageError>("wick.param.E234", "z", "between two runs or steps", [] { param_store().set("z_at", 99.0); });
  failing<UsageError>("wick.param.E234", "", "between two runs or steps", [] { param_store().clear(); });
}

TEST_CASE("E13: parameters of a store that is not the step's are an error", "[infer][errors]") {
  failing<UsageError>("wick.svi.E312", "inner", "around svi.step", nothing, [] {
    ParamStore local;
    const ParamScope scope(local);
    param("inner", 1.0);
  });
}

TEST_CASE("E12: a plate that only the guide has is an error", "[infer][errors]") {
  failing<SiteError>("wick.elbo.E303", "extra", "leave the plate out", nothing, [] { const plate extra("extra", 7); });
  // Unless it is there for auxiliary sites.
  const OwnStore own;
  const auto model = [] { sample("z", Normal(0.0, 1.0)); };
  const auto guide = [] {
    {
      const plate extra("extra", 7);
      sample("a", Normal(0.0, 1.0), {.is_auxiliary = true});
    }
    sample("z", Normal(param("m", 0.0), 1.0));
  };
  SVI svi(model, guide);
  CHECK_NOTHROW(svi.step());
}

TEST_CASE("E12: a value given inside a plate that has not seen the site is an error", "[infer][errors]") {
  failing<ShapeError>("wick.elbo.E304", "inside", "outside the plate", [] {
    class Given final : public Handler {
     public:
      Given() { enter(); }
      void process(Message& m) override {
        m.value = 1.0;
        m.is_observed = m.done = true;
      }
    };
    const plate p("p", 3);
    const Given given;
    sample("inside", Normal(0.0, 1.0));
  });
}
