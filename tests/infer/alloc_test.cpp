// Rule J: steps allocate nothing after warm-up, and memory stays flat.
#define WICK_TEST_DEFINE_ALLOC_COUNTER
#include "support/alloc_counter.hpp"

#include "catch.hpp"

#include "gradient/programs.hpp"
#include "infer/common.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// Allocations of 1,000 steps (and 200 evaluations) after 200 others.
template <class Model, class Guide>
std::uint64_t allocations(Model model, Guide guide, Index particles = 1) {
  const OwnStore own;
  SVI svi(model, guide, Adam({.lr = 0.001}), Trace_ELBO({.num_particles = particles}), {.seed = 1});
  const auto some = [&](int steps) {
    for (int i = 0; i < steps; ++i) {
      svi.step();
      if (i % 5 == 0) svi.evaluate_loss();
    }
  };
  some(200);
  const AllocationGuard guard;
  some(1000);
  return guard.count();
}

Tensor range_of(Index n) { return 0.1 * arange(n); }

}  // namespace

TEST_CASE("alloc: iris steps allocate nothing", "[infer][alloc]") {
  const auto model = [x = iris_features(), y = iris_species()] { iris_model(x, y); };
  const auto guide = [start = Vector(6, 0.0)] { iris_guide(start); };
  REQUIRE(allocations(model, guide) == 0);
  REQUIRE(allocations(model, guide, 3) == 0);
}

TEST_CASE("alloc: eight-schools steps allocate nothing", "[infer][alloc]") {
  const Tensor y = schools_tensor(schools_y), sigma = schools_tensor(schools_sigma);
  REQUIRE(allocations([=] { schools_model(y, sigma); }, [start = Vector(20, 0.0)] { schools_guide(start); }) == 0);
  const auto centred = [=] {
    const Tensor mu = sample("mu0", Normal(0.0, 5.0)), tau = sample("tau", HalfCauchy(5.0));
    const plate schools("schools", 8);
    const Tensor theta = sample("theta", Normal(mu, tau));
    sample("obs", Normal(theta, sigma), obs(y));
  };
  const auto guide = [] {
    sample("mu0", Normal(param("mu0_loc", 0.0), param("mu0_scale", 1.0, constraints::positive)));
    sample("tau", HalfCauchy(param("tau_loc", 1.0, constraints::positive)));
    const plate schools("schools", 8);
    sample("theta", Normal(param("theta_loc", zeros({8})), param("theta_scale", ones({8}), constraints::positive)));
  };
  REQUIRE(allocations(centred, guide) == 0);
}

TEST_CASE("alloc: subsampled plates allocate nothing", "[infer][alloc]") {
  const auto model = [x = range_of(1000)] {
    const plate data("data", 1000, {.subsample_size = 37});
    const Tensor z = sample("z", Normal(0.0, 1.0));
    sample("x", Normal(z, 1.0), obs(data.subsample(x)));
  };
  const auto guide = [] {
    const plate data("data", 1000, {.subsample_size = 37});
    sample("z", Normal(param("loc", zeros({1000}), constraints::real, {.event_dim = 0}), 0.5));
  };
  REQUIRE(allocations(model, guide) == 0);
}

TEST_CASE("alloc: minibatches of a factorisation allocate nothing", "[infer][alloc]") {
  const auto factors = [](const char* plate_name, const char* name, const Tensor& loc, Index size) {
    const plate rows(plate_name, size);
    return sample(name, Normal(loc, 1.0).to_event(1));
  };
  const auto model = [=, user = floor(range_of(300)), movie = floor(0.1 * range_of(300)), rating = range_of(300)] {
    const Tensor u = factors("users", "U", zeros({10}), 30), v = factors("movies", "V", zeros({10}), 3);
    const plate data("data", 300, {.subsample_size = 70});
    sample("rating", Normal(dot_rows(u, data.subsample(user), v, data.subsample(movie)), 1.0), obs(data.subsample(rating)));
  };
  const auto guide = [=] {
    factors("users", "U", param("u", zeros({30, 10})), 30);
    factors("movies", "V", param("v", full({3, 10}, 0.1)), 3);
  };
  REQUIRE(allocations(model, guide) == 0);
}

TEST_CASE("alloc: score-function steps allocate nothing", "[infer][alloc]") {
  const auto model = [x = range_of(20)] {
    const Tensor p = sample("p", Uniform(0.0, 1.0));
    const plate data("data", 20);
    const Tensor k = sample("k", Bernoulli(p));
    const handlers::scale<> scale(0.5);
    const handlers::mask<> mask(x < 1.5);
    sample("x", Normal(k, 1.0), obs(x));
  };
  const auto guide = [] {
    sample("p", Uniform(0.2, 0.7));
    const Tensor a = sample("a", Bernoulli({.logits = param("a_logit", 0.1)}), Infer{.is_auxiliary = true});
    const plate data("data", 20);
    sample("k", Bernoulli({.logits = param("logits", zeros({20})) + a}));
  };
  REQUIRE(allocations(model, guide) == 0);
  REQUIRE(allocations(model, guide, 2) == 0);
}

TEST_CASE("alloc: loops, branches and lazily made values allocate nothing", "[infer][alloc]") {
  const auto model = [x = range_of(6)] {
    const Tensor k = sample("k", Bernoulli(0.5));
    const Tensor z = k.item() == 1.0 ? sample("z", Normal(0.0, 1.0)) : sample("z", Gamma(2.0, 2.0));
    plate data("data", 6, {.subsample_size = 3});
    for (const Index i : data) sample("x" + std::to_string(i), Normal(z, 1.0), obs(take(x, Tensor(i))));
  };
  const auto guide = [] {
    const Tensor k = sample("k", Bernoulli({.logits = param("logit", 0.4)}));
    if (k.item() == 1.0)
      sample("z", Normal(param("m", 0.1), param("s", 1.0, constraints::positive)).without_rsample());
    else
      sample("z", Gamma(param("a", 1.0, constraints::positive), param("b", 1.0, constraints::positive)));
  };
  REQUIRE(allocations(model, guide) == 0);
}

TEST_CASE("alloc: memory stays flat over 10^6 steps", "[infer][alloc][serial]") {
  const OwnStore own;
  const auto model = [] {
    const Tensor z = sample("z", Normal(0.0, 1.0));
    const plate data("data", 3);
    sample("x", Normal(z, 1.0), obs(Tensor{0.1, 0.2, 0.3}));
  };
  SVI svi(model, noisy_guide, Adam({.lr = 0.001}), Trace_ELBO(), {.seed = 1});
  for (int i = 0; i < 10'000; ++i) svi.step();
  const std::size_t before = current_rss_bytes(), peak = peak_rss_bytes();
  for (int i = 0; i < 1'000'000; ++i) svi.step();
  INFO("resident before " << before << ", after " << current_rss_bytes() << "; peak before " << peak << ", after " << peak_rss_bytes());
  REQUIRE(current_rss_bytes() <= before + 262144);  // a quarter of a byte a step
  REQUIRE(peak_rss_bytes() <= peak + 262144);
}
