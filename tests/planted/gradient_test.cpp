// Rule B for the gradient tests: with its fault planted, each table must notice; without one, the same tables pass.
#include "catch.hpp"

#include "gradient/programs.hpp"

using namespace wick_test;
using wick::detail::Fault;

namespace {

/// Plants a fault for a scope.
class Planted {
 public:
  explicit Planted(Fault f) { wick::detail::planted_fault = f; }
  Planted(const Planted&) = delete;
  Planted& operator=(const Planted&) = delete;
  ~Planted() { wick::detail::planted_fault = Fault::none; }
};

/// The table must disagree because of the fault, not because it is too inaccurate.
template <class Table>
void require_noticed(Fault fault, Table table) {
  const MonteCarloReport report = [&] {
    const Planted planted(fault);
    return table();
  }();
  INFO(report.text);
  CHECK_FALSE(report.agrees);
  CHECK(report.accurate);
}

using Names = std::vector<std::string>;
const Names subsampled{"plate, subsample {1}", "plate, random subsample", "sequential plate, random subsample"};
const Names masked{"plate, masks of latent and guide"};
const Names scaled{"plate, scales of model and guide"};
const Names plain{"plate"};

}  // namespace

TEST_CASE("planted: without a fault the tables pass", "[planted]") {
  for (const MonteCarloReport& report :
       {normal_normal_table(false, plain), bernoulli_normal_table(masked), local_bernoulli_table(subsampled), auxiliary_table({"plate"})}) {
    INFO(report.text);
    CHECK(report.ok);
  }
}

TEST_CASE("planted: N/B dropped", "[planted]") {
  const Fault fault = Fault::plate_scale_dropped;
  require_noticed(fault, [] { return normal_normal_table(true, subsampled); });
  require_noticed(fault, [] { return normal_normal_table(false, {"plate, random subsample"}); });
  require_noticed(fault, [] { return bernoulli_normal_table({"global, random subsample"}); });
  require_noticed(fault, [] { return poisson_gamma_table(true, {"plate, random subsample"}); });
  require_noticed(fault, [] { return local_bernoulli_table({"sequential plate, random subsample"}); });
  require_noticed(fault, [] { return auxiliary_table({"random subsample"}); });
  require_noticed(fault, [] { return crossed_plates_table(); });
}

TEST_CASE("planted: entropy of auxiliary sites dropped", "[planted]") {
  require_noticed(Fault::auxiliary_entropy_dropped, [] { return auxiliary_table({"plate"}); });
  require_noticed(Fault::auxiliary_entropy_dropped, [] { return auxiliary_table({"sequential plate"}); });
  require_noticed(Fault::auxiliary_entropy_dropped, [] { return factor_table(); });
}

TEST_CASE("planted: score masked", "[planted]") {
  const Fault fault = Fault::score_masked;
  require_noticed(fault, [] { return normal_normal_table(false, masked); });
  require_noticed(fault, [] { return bernoulli_normal_table(masked); });
  require_noticed(fault, [] { return bernoulli_normal_table({"global, masked in the guide, scales"}); });
  require_noticed(fault, [] { return poisson_gamma_table(false, masked); });
  require_noticed(fault, [] { return local_bernoulli_table(masked); });
}

TEST_CASE("planted: score scaled", "[planted]") {
  const Fault fault = Fault::score_scaled;
  require_noticed(fault, [] { return normal_normal_table(false, scaled); });
  require_noticed(fault, [] { return bernoulli_normal_table({"plate, random subsample"}); });
  require_noticed(fault, [] { return poisson_gamma_table(false, scaled); });
  require_noticed(fault, [] { return branch_table(true); });
  require_noticed(fault, [] { return local_bernoulli_table(subsampled); });
  require_noticed(fault, [] { return crossed_plates_table(); });
}

TEST_CASE("planted: Rao-Blackwellisation over the wrong plate", "[planted]") {
  require_noticed(Fault::rao_blackwell_wrong_plate, [] { return neighbouring_plates_table(); });
}

TEST_CASE("planted: Jacobian missing", "[planted]") {
  const Fault fault = Fault::constraint_jacobian_missing;
  require_noticed(fault, [] { return normal_normal_table(true, plain); });
  require_noticed(fault, [] { return poisson_gamma_table(true, plain); });
  require_noticed(fault, [] { return poisson_gamma_table(false, plain); });
  require_noticed(fault, [] { return from_prior_table(); });
  require_noticed(fault, [] { return iris_table({2}); });
  require_noticed(fault, [] { return factor_table(); });
  require_noticed(Fault::density_jacobian_missing, [] { return schools_table(1); });
  require_noticed(Fault::density_jacobian_missing, [] { return factor_table(); });
}

TEST_CASE("planted: sd of the prior 1.2 times too large", "[planted]") {
  const Fault fault = Fault::prior_scale;
  require_noticed(fault, [] { return normal_normal_table(true, plain); });
  require_noticed(fault, [] { return normal_normal_table(false, plain); });
  require_noticed(fault, [] { return branch_table(); });
  require_noticed(fault, [] { return local_bernoulli_table(plain); });
  require_noticed(fault, [] { return auxiliary_table({"plate"}); });
  require_noticed(fault, [] { return iris_table({2}); });
  require_noticed(fault, [] { return schools_table(2); });
}
