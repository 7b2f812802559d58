// Rule B for the statistical tests of Predictive.
#include "catch.hpp"

#include "infer/predictive_tables.hpp"

using namespace wick_test;
using wick::detail::Fault;

namespace {

template <class F>
void noticed(Fault fault, F table) {
  for (const bool parallel : {false, true}) {
    wick::detail::planted_fault = Fault::none;
    const MonteCarloReport sound = table(parallel);
    INFO(sound.text);
    CHECK(sound.ok);
    wick::detail::planted_fault = fault;
    const MonteCarloReport report = table(parallel);
    wick::detail::planted_fault = Fault::none;
    INFO(report.text);
    CHECK_FALSE(report.agrees);
  }
}

}  // namespace

TEST_CASE("planted: the tables of Predictive notice a wide prior", "[planted]") {
  noticed(Fault::prior_scale, prior_table);
  noticed(Fault::prior_scale, [](bool parallel) { return weights_table(parallel, true); });
}

TEST_CASE("planted: the tables of Predictive notice a guide that is ignored", "[planted]") { noticed(Fault::predictive_ignores_guide, posterior_table); }

TEST_CASE("planted: the tables of Predictive notice weights without the guide's density", "[planted]") {
  noticed(Fault::weight_without_guide, [](bool parallel) { return weights_table(parallel, true); });
}
