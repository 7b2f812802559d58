// svi.elbo_terms: the ELBO in its parts.
#include "catch.hpp"

#include <algorithm>

#include "infer/common.hpp"
#include "support/errors.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// Global and local latents, a subsample, a mask, scale, an auxiliary site, factors on both sides, a sequential plate and a site from the prior.
void rich_model() {
  const Tensor mu = sample("mu", Normal(0.0, 2.0));
  sample("free", Normal(0.0, 1.0), Infer{.from_prior = true});
  factor("bonus", 0.25 * mu);
  {
    const plate rows("rows", 20, {.subsample_size = 5});
    const handlers::scale<> half(0.5);
    const Tensor z = sample("z", Normal(mu, 1.0));
    const handlers::mask<> mask(Tensor{1, 0, 1, 1, 0});
    sample("x", Normal(z, 1.0), obs(rows.subsample(0.1 * arange(20))));
  }
  plate turns("turns", 3);
  for (const Index i : turns) sample("w" + std::to_string(i), Normal(mu, 1.0));
}
void rich_guide() {
  const Tensor a = sample("a", Normal(0.0, 1.0), Infer{.is_auxiliary = true});
  sample("mu", Normal(param("loc", 0.3) + 0.1 * a, param("scale", 0.7, constraints::positive)));
  {
    const plate rows("rows", 20, {.subsample_size = 5});
    const handlers::scale<> half(0.5);
    sample("z", Normal(param("z_loc", zeros({20}), constraints::real, {.event_dim = 0}), 0.5));
  }
  plate turns("turns", 3);
  for (const Index i : turns) sample("w" + std::to_string(i), Normal(0.1, 0.9));
}

}  // namespace

TEST_CASE("elbo_terms: the parts add up to the ELBO, for every kind of site", "[infer][elbo_terms]") {
  const OwnStore own;
  for (const Index particles : {1, 3}) {
    const auto make = [&] { return SVI(rich_model, rich_guide, Adam(), Trace_ELBO({.num_particles = particles}), {.seed = 11}); };
    SVI svi = make(), same = make();
    const Surroundings before = surroundings();
    for (int i = 0; i < 20; ++i) {
      const ElboTerms t = svi.elbo_terms();
      REQUIRE(-t.elbo == same.evaluate_loss());
      REQUIRE(std::abs(t.likelihood - t.global_kl - t.local_kl - t.elbo) < 1e-12 * (1 + std::abs(t.elbo)));
      double sum = 0;
      for (const ElboTerm& s : t.sites()) sum += s.log_p - s.log_q;
      REQUIRE(std::abs(sum - t.elbo) < 1e-12 * (1 + std::abs(t.elbo)));
    }
    REQUIRE(before == surroundings());
  }
  SVI svi(rich_model, rich_guide, Adam(), Trace_ELBO(), {.seed = 11});
  const ElboTerms t = svi.elbo_terms();
  std::vector<std::string> names;
  for (const ElboTerm& s : t.sites()) names.push_back(s.site);
  REQUIRE(names == std::vector<std::string>{"mu", "free", "bonus", "z", "x", "w0", "w1", "w2", "a"});
  for (const char* site : {"mu", "free", "bonus", "a"}) REQUIRE(!t[site].is_local);
  for (const char* site : {"z", "x", "w0", "w2"}) REQUIRE(t[site].is_local);
  for (const char* site : {"x", "bonus"}) REQUIRE(t[site].is_observed);
  REQUIRE(t["free"].kl() == 0);
  REQUIRE(t["a"].log_p == 0);
  REQUIRE(t["a"].log_q != 0);
  REQUIRE(std::abs(t.likelihood - t["x"].log_p - t["bonus"].log_p) < 1e-12);
  REQUIRE(std::abs(t.global_kl - t["mu"].kl() - t["a"].kl()) < 1e-12);
}

TEST_CASE("elbo_terms: each term is the density written out", "[infer][elbo_terms]") {
  const OwnStore own;
  double z = 0;
  Tensor w;
  const auto model = [&] {
    const Tensor mean = sample("z", Normal(0.0, 2.0));
    const plate data("data", 3, {.subsample_size = 3});
    const Tensor v = sample("w", Normal(mean, 1.0));
    sample("x", Normal(v, 0.5), obs(Tensor{0.1, 0.2, 0.3}));
  };
  const auto guide = [&] {
    z = sample("z", Normal(0.4, 0.6)).item();
    const plate data("data", 3, {.subsample_size = 3});
    w = sample("w", Normal(0.5, 0.7));
  };
  SVI svi(model, guide, Adam(), Trace_ELBO(), {.seed = 2});
  const ElboTerms t = svi.elbo_terms();
  double p_w = 0, q_w = 0, p_x = 0;
  std::vector<double> drawn = w.to_vector();
  for (std::size_t i = 0; i < 3; ++i) p_w += log_normal_density(drawn[i], z, 1), q_w += log_normal_density(drawn[i], 0.5, 0.7);
  // The subsample is a permutation of all three elements; the data are taken whole, in their order.
  for (std::size_t i = 0; i < 3; ++i) p_x += log_normal_density(0.1 * static_cast<double>(i + 1), drawn[i], 0.5);
  REQUIRE(std::abs(t["z"].log_p - log_normal_density(z, 0, 2)) < 1e-13);
  REQUIRE(std::abs(t["z"].log_q - log_normal_density(z, 0.4, 0.6)) < 1e-13);
  REQUIRE(std::abs(t.global_kl - t["z"].log_q + t["z"].log_p) < 1e-13);
  REQUIRE(std::abs(t.local_kl - (q_w - p_w)) < 1e-12);
  REQUIRE(std::abs(t.likelihood - p_x) < 1e-12);
}

TEST_CASE("elbo_terms: they print as a table", "[infer][elbo_terms]") {
  const OwnStore own;
  SVI svi([] { point_model(1.5); }, [] { point_guide(0.5); }, Adam());
  REQUIRE(svi.elbo_terms().format() ==
          "  site        what              log p        log q  log q/log p\n"
          "  z           global          -1.0439       0.0000       1.0439\n"
          "  x           observed        -1.4189\n"
          "  likelihood                  -1.4189\n"
          "  global KL                                              1.0439\n"
          "  local KLs                                              0.0000\n"
          "  ELBO                        -2.4629\n");
  const ElboTerms t = svi.elbo_terms();
  const ErrorReport report = expect_error<SiteError>([&] { return t["y"].log_p; }, "wick.trace.E220", "y", "table");
  INFO(report.text);
  REQUIRE(report.ok);
}
