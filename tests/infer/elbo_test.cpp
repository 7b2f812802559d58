// E12: what guide and model may differ in, and what the ELBO makes of it.
#include "catch.hpp"

#include "infer/common.hpp"
#include "support/errors.hpp"

using namespace wick;
using namespace wick_test;

namespace {

template <class Model, class Guide>
double loss_of(Model model, Guide guide) {
  const OwnStore own;
  SVI svi(model, guide, Adam({.lr = 0.0}), Trace_ELBO(), {.seed = 6});
  const double loss = svi.step();
  REQUIRE(std::isfinite(svi.evaluate_loss()));
  return loss;
}
bool close(double a, double b) { return std::abs(a - b) < 1e-12; }

}  // namespace

TEST_CASE("E12: shapes may differ by leading ones", "[infer][elbo]") {
  const auto model = [] {
    const plate data("data", 3);
    sample("z", Normal(zeros({1, 3}), 1.0));
  };
  const auto guide = [] {
    const plate data("data", 3);
    sample("z", Delta(param("at", Tensor{0.1, 0.2, 0.3})));
  };
  double expected = 0.0;
  for (const double z : {0.1, 0.2, 0.3}) expected -= log_normal_density(z, 0.0, 1.0);
  REQUIRE(close(loss_of(model, guide), expected));
}

TEST_CASE("E12: an auxiliary site may stand in a plate of its own", "[infer][elbo]") {
  const auto guide = [] {
    const plate own("own", 4);
    sample("a", Delta(param("a_at", zeros({4})), 0.5), Infer{.is_auxiliary = true});
    
  };
  const auto both = [&] {
    guide();
    point_guide(0.5);
  };
  REQUIRE(close(loss_of([] { point_model(1.5); }, both), point_loss(0.5, 1.5) + 4 * 0.5));
}

TEST_CASE("E12: a whole plate in the model takes the guide's subsample", "[infer][elbo]") {
  std::vector<double> in_guide, in_model;
  const auto guide = [&] {
    const plate data("data", 10, {.subsample_size = 4});
    in_guide = data.indices().to_vector();
    sample("z", Delta(param("at", ones({10}), constraints::real, {.event_dim = 0})));
  };
  const auto model = [&] {
    const plate data("data", 10);
    in_model = data.indices().to_vector();
    sample("z", Normal(0.0, 1.0));
  };
  const OwnStore own;
  SVI svi(model, guide, Adam({.lr = 0.0}));
  REQUIRE(close(svi.step(), -10 * log_normal_density(1.0, 0.0, 1.0)));
  REQUIRE(in_guide.size() == 4);
  REQUIRE(in_guide == in_model);
}

TEST_CASE("E12: the scale N/B holds in loops too, and scales of nested plates multiply", "[infer][elbo]") {
  const auto model = [](bool sequential) {
    const plate outer("outer", 4, {.subsample_size = 2});
    if (sequential) {
      for (const Index i : plate("inner", 6, {.subsample_size = 3})) sample("x" + std::to_string(i), Normal(0.0, 1.0), obs(0.7));
    } else {
      const plate inner("inner", 6, {.subsample_size = 3});
      const handlers::scale<> scale(0.5);
      sample("x", Normal(0.0, 1.0), obs(0.7));
    }
  };
  const double one = -log_normal_density(0.7, 0.0, 1.0);
  REQUIRE(close(loss_of([=] { model(true); }, [] {}), 24 * one));
  REQUIRE(close(loss_of([=] { model(false); }, [] {}), 12 * one));
}

TEST_CASE("E12: a latent from its prior costs nothing itself", "[infer][elbo]") {
  double u = 0.0;
  const auto model = [&] {
    const Tensor z = sample("z", Normal(0.0, 1.0));
    const handlers::scale<> scale(3.0);
    const Tensor drawn = sample("u", Normal(2.0, 0.5), Infer{.from_prior = true});
    u = drawn.item();
    sample("x", Normal(z + drawn, 1.0), obs(1.5));
  };
  const OwnStore own;
  SVI svi(model, [] { point_guide(0.5); }, Adam({.lr = 0.0}));
  const double first = svi.step(), z_term = -log_normal_density(0.5, 0.0, 1.0);
  REQUIRE(close(first, z_term - 3.0 * log_normal_density(1.5, 0.5 + u, 1.0)));
  const double before = u;
  svi.step();
  REQUIRE(u != before);
}

TEST_CASE("E12: a site that the guide has after all is not drawn from its prior", "[infer][elbo]") {
  const auto model = [] {
    const Tensor z = sample("z", Normal(0.0, 1.0), Infer{.from_prior = true});
    sample("x", Normal(z, 1.0), obs(1.5));
  };
  REQUIRE(close(loss_of(model, [] { point_guide(0.5); }), point_loss(0.5, 1.5)));
}

TEST_CASE("E12: sites that block hides are drawn, and neither cost nor checked", "[infer][elbo]") {
  double u = 0.0;
  const auto model = [&] {
    {
      const handlers::block<> block;
      u = sample("u", Normal(0.0, 1.0)).item();
      sample("y", Normal(0.0, 1.0), obs(zeros({3})));
    }
    point_model(u);
  };
  REQUIRE(std::isfinite(loss_of(model, [] { point_guide(0.5); })));
}

TEST_CASE("E12: has_rsample survives expansion by plates", "[infer][elbo]") {
  // With the score function the value of z carries no gradient: the likelihood alone must not move loc.
  const auto loc_gradient = [](bool pathwise) {
    const OwnStore own;
    const auto guide = [&] {
      const plate data("data", 3);
      const Normal q(param("loc", 0.2), 0.7);
      const Tensor z = sample("z", pathwise ? q : q.without_rsample());
      REQUIRE((detail::TensorAccess::kind(z) == detail::Kind::differentiable) == (pathwise && detail::context.tape != nullptr));
    };
    const auto model = [] {
      const plate data("data", 3);
      sample("z", Normal(0.0, 1.0));
    };
    SVI svi(model, guide, Adam({.lr = 0.1}), Trace_ELBO(), {.seed = 1});
    svi.step();
    svi.evaluate_loss();
    return param_store().get("loc").item();
  };
  loc_gradient(true);
  loc_gradient(false);
}

TEST_CASE("E13: a parameter inside an inner gradient of a step is refused", "[infer][elbo][errors]") {
  for (const bool outside_too : {false, true}) {
    const OwnStore own;
    bool wrong = false;
    const auto model = [&] {
      const Tensor z = sample("z", Normal(0.0, 1.0));
      Tensor slope = 1.0;
      if (wrong) {
        if (outside_too) param("a", 2.0);
        slope = grad([](const Tensor& t) { return t * t * param("a", 2.0); })(Tensor(3.0));
      }
      sample("x", Normal(z * slope, 1.0), obs(1.5));
    };
    SVI svi(model, [] { point_guide(0.5); });
    svi.step();
    wrong = true;
    const ErrorReport report = expect_error_unchanged<UsageError>([&] { svi.step(); }, snapshot, "wick.param.E235", "a", "stop_gradient");
    INFO(report.text);
    REQUIRE(report.ok);
  }
}
