// Rule B for the statistical tests of SVI.
#include "catch.hpp"

#include "infer/fits.hpp"
#include "infer/tables.hpp"

using namespace wick_test;
using wick::detail::Fault;

namespace {

template <class F>
auto with(Fault fault, F f) {
  wick::detail::planted_fault = fault;
  const auto result = f();
  wick::detail::planted_fault = Fault::none;
  return result;
}

}  // namespace

TEST_CASE("planted: evaluations that replay the draws of training", "[planted]") {
  const MonteCarloReport report = with(Fault::evaluation_replays, [] { return independent_draws_table(); });
  INFO(report.text);
  CHECK_FALSE(report.agrees);
  CHECK(report.accurate);
}

TEST_CASE("planted: the figures of eight schools notice a missing Jacobian and a wide prior", "[planted]") {
  const Vector fitted = schools_fit(seed_of("schools fit"));
  const auto noticed = [&](Fault fault) {
    const SchoolsFigures figures = with(fault, [&] { return schools_figures(fitted, seed_of("schools figures"), 20'000); });
    INFO("mean loss " << figures.mean_loss << ", bound " << figures.bound);
    CHECK(std::abs(figures.bound + 31.3113) > 0.05);
  };
  noticed(Fault::density_jacobian_missing);
  noticed(Fault::prior_scale);
}

TEST_CASE("planted: the iris fit notices a wide prior", "[planted]") {
  const double loss = with(Fault::prior_scale, [] { return iris_loss_last200(seed_of("iris a")); });
  INFO("loss " << loss);
  CHECK_FALSE((loss >= 30.9 && loss <= 31.8));
}
