#include "catch.hpp"

#include "gradient/programs.hpp"

using namespace wick_test;

namespace {

void require(const MonteCarloReport& report) {
  INFO(report.text);
  REQUIRE(report.ok);
}

/// The variance of the gradient, summed over its elements.
template <class Model, class Guide>
double gradient_variance(const Model& model, const Guide& guide, const std::vector<ParamSlot>& slots, std::uint64_t seed) {
  StepSampler<Model, Guide> sampler(model, guide, slots, 1, seed);
  std::vector<double> sum, squares;
  const int n = 4000;
  for (int k = 0; k < n; ++k) {
    const std::vector<double>& row = sampler();
    sum.resize(row.size());
    squares.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      sum[i] += row[i];
      squares[i] += row[i] * row[i];
    }
  }
  double total = 0.0;
  for (std::size_t i = 1; i < sum.size(); ++i) total += (squares[i] - sum[i] * sum[i] / n) / (n - 1);
  return total;
}

}  // namespace

TEST_CASE("E12: gradients, branches", "[gradient][elbo]") { require(branch_table()); }

TEST_CASE("E12: gradients, local Bernoulli", "[gradient][elbo]") { require(local_bernoulli_table()); }

TEST_CASE("E12: gradients, auxiliary site", "[gradient][elbo]") { require(auxiliary_table()); }

TEST_CASE("E12: gradients, factors in the guide", "[gradient][elbo]") { require(factor_table()); }

TEST_CASE("E12: gradients, crossed plates", "[gradient][elbo]") { require(crossed_plates_table()); }

TEST_CASE("E12: gradients, neighbouring plates", "[gradient][elbo]") { require(neighbouring_plates_table()); }

TEST_CASE("E12: gradients, from the prior", "[gradient][elbo]") { require(from_prior_table()); }

TEST_CASE("E12: gradients, iris", "[gradient][elbo]") { require(iris_table()); }

TEST_CASE("E12: gradients, eight schools", "[gradient][elbo]") { require(schools_table()); }

TEST_CASE("E12: Rao-Blackwellisation by plates lowers the variance of scores", "[gradient][elbo]") {
  using namespace wick;
  constexpr Index n = 8;
  Vector x, logits;
  for (Index i = 0; i < n; ++i) {
    x.push_back(0.4 * static_cast<double>(i) - 1.0);
    logits.push_back(0.5 - 0.2 * static_cast<double>(i));
  }
  // The same program with a plate, and with n sites that no plate declares independent.
  const auto model = [data = Tensor(x)](bool plated) {
    if (plated) {
      const plate all("data", n);
      const Tensor z = sample("z", Bernoulli(0.3));
      sample("x", Normal(z, 1.0), obs(data));
    } else {
      for (Index i = 0; i < n; ++i) {
        const Tensor z = sample("z" + std::to_string(i), Bernoulli(0.3));
        sample("x" + std::to_string(i), Normal(z, 1.0), obs(take(data, Tensor(i))));
      }
    }
  };
  const auto guide = [init = Tensor(logits)](bool plated) {
    const Tensor l = param("logits", init);
    if (plated) {
      const plate all("data", n);
      sample("z", Bernoulli({.logits = l}));
    } else {
      for (Index i = 0; i < n; ++i) sample("z" + std::to_string(i), Bernoulli({.logits = take(l, Tensor(i))}));
    }
  };
  const auto variance = [&](bool plated) {
    return gradient_variance([=] { model(plated); }, [=] { guide(plated); }, {{"logits", n}}, seed_of("Rao-Blackwellisation"));
  };
  const double with = variance(true), without = variance(false);
  INFO("variance with " << with << ", without " << without);
  REQUIRE(with < 0.2 * without);
}
