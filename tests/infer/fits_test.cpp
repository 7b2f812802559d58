// The figures of issue 3 for iris and eight schools.
#include "catch.hpp"

#include "infer/fits.hpp"

using namespace wick_test;

TEST_CASE("fits: the iris tutorial ends with the loss that it should", "[infer][fits]") {
  for (const char* run : {"iris a", "iris b", "iris c"}) {
    const double loss = iris_loss_last200(seed_of(run));
    INFO(run << ": " << loss);
    REQUIRE(loss >= 30.9);
    REQUIRE(loss <= 31.8);
  }
}

TEST_CASE("fits: iris with a falling rate reaches the exact optimum", "[infer][fits]") {
  using namespace wick;
  const OwnStore own;
  SVI svi([x = iris_features(), y = iris_species()] { iris_model(x, y); }, [start = Vector(6, 0.0)] { iris_guide(start); },
          Adam({.lr = 0.05}), Trace_ELBO(), {.seed = seed_of("iris decayed")});
  const Vector got = decayed_fit(svi, iris_slots(), 0.05, 1e-3, 20000, 5000);
  const Optimum exact = optimum_iris();
  REQUIRE(std::abs(exact.loss - 30.8617) < 1e-4);
  // Order of exact_iris: w_loc, w_scale, b_loc, b_scale.
  for (const std::size_t k : {0u, 1u, 4u}) {
    INFO("location " << k << ": " << got[k] << ", exact " << exact.x[k]);
    REQUIRE(std::abs(got[k] - exact.x[k]) < 0.01);
  }
  for (const std::size_t k : {2u, 3u, 5u}) {
    INFO("scale " << k << ": " << std::exp(got[k]) << ", exact " << std::exp(exact.x[k]));
    REQUIRE(std::abs(got[k] - exact.x[k]) < std::log(1.03));
  }
}

TEST_CASE("fits: eight schools, the better guide's loss and importance-weighted bound", "[infer][fits]") {
  const Vector fitted = schools_fit(seed_of("schools fit"));
  const SchoolsFigures figures = schools_figures(fitted, seed_of("schools figures"), 100'000);
  INFO("mean loss " << figures.mean_loss << ", bound " << figures.bound << ", log evidence " << schools_log_evidence());
  REQUIRE(figures.mean_loss >= 31.31);
  REQUIRE(figures.mean_loss <= 31.70);
  REQUIRE(std::abs(figures.bound - (-31.3113)) <= 0.05);
}
