// Programs as measures. A probabilistic program is an ordinary function with named random choices. Each run makes a *trace*: the
// values that it drew, and how probable they are. So a program defines a measure over traces, and observing a value
// restricts it: what is left, normalised, is the posterior.
//
// This example prints traces of three programs, and then computes posteriors in the simplest way there is: run the
// program many times as it is (its prior), and weigh each run by the density of what was observed. This is called
// importance sampling. It needs no gradients and copes with programs whose sites change from run to run; where the
// posterior is far from the prior, it needs too many runs. iris and eight_schools show what one does then.
#include <wick/wick.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "../common/options.hpp"
#include "../common/output.hpp"
#include "programs.hpp"

using namespace wick;

namespace {

/// One line a site: name, distribution, value and log density; then the log density of the whole run.
void print(const char* title, const Trace& run) {
  std::printf("%s\n", title);
  for (const Site& site : run)
    std::printf("  %-4s %-9s = %7.4f   log p %8.4f%s\n", std::string(site.name.view()).c_str(), site.fn()->name(),
                site.value.item(), site.log_prob_sum().item(), site.is_observed ? "   observed" : "");
  std::printf("  %-26s log p %8.4f\n", "the run", run.log_prob_sum().item());
}

void print_traces(std::uint64_t seed) {
  const handlers::seed seeded(seed);  // until the end of this function, draws come from this seed
  const Tensor x = quickstart::observed_x, nothing;
  print("z ~ Normal(0, 1), x ~ Normal(z, 1)", handlers::trace(quickstart::chain).get_trace(nothing));
  print("the same with x observed", handlers::trace(quickstart::chain).get_trace(x));
  for (int i = 0; i < 2; ++i)
    print("n ~ Poisson(3), then n times Normal(0, 1)", handlers::trace(quickstart::varying).get_trace());
  for (int i = 0; i < 3; ++i)
    print("k ~ Bernoulli(0.5), z from a Normal or from a Gamma, x observed",
          handlers::trace(quickstart::branching).get_trace(x));
}

/// Estimates beside the exact values, with the standard error and the difference in units of it.
class Table {
 public:
  Table() { std::printf("\n%-30s %10s %10s %10s %6s\n", "", "estimate", "+-", "exact", "z"); }
  void add(const std::string& name, const char* key, double estimate, double error, double exact) {
    const double z = (estimate - exact) / error;
    std::printf("%-30s %10.6f %10.6f %10.6f %6.2f\n", name.c_str(), estimate, error, exact, z);
    const double row[] = {estimate, error, exact, z};
    summary.add(key, row);
  }
  /// The posterior mean of `f`, one number a draw, under these weights. The error is that of a ratio of two means.
  void add_mean(const std::string& name, const char* key, const Tensor& f, const Tensor& log_weights, double exact) {
    const Tensor w = normalized_weights(log_weights);
    const Tensor estimate = weighted_mean(f, log_weights);
    add(name, key, estimate.item(), std::sqrt(sum(square(w * (f - estimate))).item()), exact);
  }
  /// The mean of f without weights.
  void add_plain_mean(const std::string& name, const char* key, const Tensor& f, double exact) {
    const Tensor centre = mean(f);
    add(name, key, centre.item(), std::sqrt(mean(square(f - centre)).item() / static_cast<double>(f.numel())), exact);
  }
  example::Summary summary;
};

/// The values are draws of the prior, the weights make them draws of the posterior. Many runs at once: the program has
/// no branches, so that it can be run with vectors in place of numbers.
void weigh_chain(Table& table, long draws, std::uint64_t seed) {
  Predictive prior(quickstart::chain, {.num_samples = draws, .return_sites = {"z"}, .log_weights = true,
                                       .parallel = true, .seed = seed});
  const Samples s = prior(quickstart::observed_x);
  const Tensor &z = s["z"], &weights = s.log_weights();
  const double mean = quickstart::chain_mean, sd = std::sqrt(quickstart::chain_variance);
  table.add_mean("E[z | x]", "chain_mean", z, weights, mean);
  table.add_mean("Var[z | x]", "chain_variance", square(z - mean), weights, quickstart::chain_variance);
  for (const double at : {-1.0, 0.0, 1.0}) {  // the distribution function at three points
    const std::string key = "chain_below_" + std::to_string(static_cast<int>(at) + 1);
    char name[40];
    std::snprintf(name, sizeof name, "P(z < %.4f | x)", mean + at * sd);
    table.add_mean(name, key.c_str(), z < mean + at * sd, weights, 0.5 * std::erfc(-at / std::sqrt(2.0)));
  }
  std::printf("The weighted draws are worth %.0f of the posterior.\n", effective_sample_size(weights));
}

/// Here the program decides by the value of k what to do next, so runs are made one by one.
void weigh_branching(Table& table, long draws, std::uint64_t seed) {
  Predictive prior(quickstart::branching,
                   {.num_samples = draws, .return_sites = {"k"}, .log_weights = true, .seed = seed});
  const Samples s = prior(quickstart::observed_x);
  const Tensor &k = s["k"], w = exp(s.log_weights());
  table.add_plain_mean("p(x | k = 1)", "density_if_one", 2.0 * k * w, quickstart::density_if_one);
  table.add_plain_mean("p(x | k = 0)", "density_if_zero", 2.0 * (1.0 - k) * w, quickstart::density_if_zero);
  table.add_mean("P(k = 1 | x)", "one_given_x", k, s.log_weights(), quickstart::one_given_x);
  std::printf("The weighted draws are worth %.0f of the posterior.\n", effective_sample_size(s.log_weights()));
}

}  // namespace

int main(int argc, char** argv) try {
  const example::Options options =
      example::read_options(argc, argv,
                            {.name = "quickstart",
                             .about = "three programs as measures, and their posteriors by importance sampling",
                             .steps = 1000000,
                             .quick_steps = 20000,
                             .steps_are = "draws of each program"});
  const example::Output output(options);

  print_traces(options.seed);

  const auto begin = std::chrono::steady_clock::now();
  std::printf("\nGiven x = %g, from %ld runs of the prior:\n", quickstart::observed_x, options.steps);
  Table table;
  weigh_chain(table, options.steps, options.seed);
  weigh_branching(table, options.steps, options.seed);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  table.summary.add("seconds", seconds);
  table.summary.add("seed", static_cast<double>(options.seed));
  table.summary.add("steps", static_cast<double>(options.steps));
  output.summary(table.summary);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
