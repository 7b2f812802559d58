// How much does coaching help? Eight schools measured it, each with a large error. A hierarchical model lets them learn
// from one another: each school has its own effect theta, drawn from a common normal distribution with unknown mean mu0
// and spread tau.
//
// The example fits it twice. First as the tutorial does, with a guide that cannot work and looks as if it did; then
// with one that does. Both are put beside the posterior as it is known from long MCMC runs. iris/main.cpp explains
// models and guides.
#include <wick/wick.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "../common/options.hpp"
#include "../common/output.hpp"
#include "data.hpp"
#include "plots.hpp"

using namespace wick;

namespace {

namespace tutorial {

void model(const Tensor& y, const Tensor& sigma) {
  const Tensor mu0 = sample("mu0", Normal(0.0, 5.0));
  const Tensor tau = sample("tau", HalfCauchy(5.0));
  const plate each_school("schools", schools::count);
  const Tensor theta = sample("theta", Normal(mu0, tau));
  sample("obs", Normal(theta, sigma), obs(y));
}

/// Two things are wrong with it. The model's log density of theta holds −(theta − mu0)² / (2 tau²), and under a
/// half-Cauchy tau the mean of 1 / tau² is infinite: so is the mean of the loss, and the fit never comes to rest.
/// And theta is drawn independently of tau, which in the posterior decides how far the thetas may be from mu0.
void guide(const Tensor&, const Tensor&) {
  const Tensor mu0_loc = param("mu0_loc", 0.0);
  const Tensor mu0_scale = param("mu0_scale", 1.0, constraints::positive);
  const Tensor tau_loc = param("tau_loc", 1.0, constraints::positive);
  sample("mu0", Normal(mu0_loc, mu0_scale));
  sample("tau", HalfCauchy(tau_loc));
  const Tensor theta_loc = param("theta_loc", zeros({schools::count}));
  const Tensor theta_scale = param("theta_scale", ones({schools::count}), constraints::positive);
  const plate each_school("schools", schools::count);
  sample("theta", Normal(theta_loc, theta_scale));
}

}  // namespace tutorial

namespace better {

/// The same model in other coordinates ("non-centred"): theta = mu0 + tau · eta, and eta does not depend on tau a
/// priori. `deterministic` gives a computed value a name, so that it can be read from a trace.
void model(const Tensor& y, const Tensor& sigma) {
  const Tensor mu0 = sample("mu0", Normal(0.0, 5.0));
  const Tensor tau = sample("tau", HalfCauchy(5.0));
  const plate each_school("schools", schools::count);
  const Tensor eta = sample("eta", Normal(0.0, 1.0));
  const Tensor theta = deterministic("theta", mu0 + tau * eta);
  sample("obs", Normal(theta, sigma), obs(y));
}

/// A log-normal tau is positive like a half-Cauchy one, and all moments of tau and 1 / tau are finite.
void guide(const Tensor&, const Tensor&) {
  const Tensor mu0_loc = param("mu0_loc", 0.0);
  const Tensor mu0_scale = param("mu0_scale", 1.0, constraints::positive);
  const Tensor tau_loc = param("tau_loc", 0.0);  // of log tau
  const Tensor tau_scale = param("tau_scale", 1.0, constraints::positive);
  sample("mu0", Normal(mu0_loc, mu0_scale));
  sample("tau", LogNormal(tau_loc, tau_scale));
  const Tensor eta_loc = param("eta_loc", zeros({schools::count}));
  const Tensor eta_scale = param("eta_scale", ones({schools::count}), constraints::positive);
  const plate each_school("schools", schools::count);
  sample("eta", Normal(eta_loc, eta_scale));
}

}  // namespace better

struct Fit {
  std::vector<double> losses;
  double seconds;
};

/// Prints as the tutorial does. The learning rate falls from 0.03 to `last_rate`.
template <class Svi>
Fit run(Svi& svi, const Tensor& y, const Tensor& sigma, long steps, double last_rate) {
  Fit fit;
  const auto begin = std::chrono::steady_clock::now();
  for (long step = 0; step < steps; ++step) {
    svi.optim().set_lr(0.03 * std::pow(last_rate / 0.03, static_cast<double>(step) / static_cast<double>(steps)));
    const double loss = svi.step(y, sigma);
    fit.losses.push_back(loss);
    if (step % 500 == 0) std::printf("Step %4ld | ELBO loss: %.2f\n", step, loss);
  }
  fit.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return fit;
}

/// log (1/K) Σ p(data, z_k) / q(z_k) with K draws z_k from the guide q. Like the ELBO (K = 1), in the mean it lies
/// below log p(data); but it reaches it as K grows, whatever the guide, if the ratio has a finite mean.
double importance_weighted_bound(const Tensor& y, const Tensor& sigma, int draws) {
  std::vector<double> log_ratios;
  for (int k = 0; k < draws; ++k) {
    const Trace q = handlers::trace(better::guide).get_trace(y, sigma);
    const Trace p =
        handlers::trace(handlers::replay(better::model, q)).get_trace(y, sigma);  // the model at the guide's values
    log_ratios.push_back((p.log_prob_sum() - q.log_prob_sum()).item());
  }
  return logsumexp(log_ratios).item() - std::log(draws);
}

/// Mean and standard deviation of theta under the better guide: theta is not in the guide, but in the model at the
/// guide's values.
schools::Effects posterior_effects(const Tensor& y, const Tensor& sigma, int draws) {
  Tensor sum = 0.0, sum_of_squares = 0.0;
  for (int i = 0; i < draws; ++i) {
    const Trace q = handlers::trace(better::guide).get_trace(y, sigma);
    const Trace p = handlers::trace(handlers::replay(better::model, q)).get_trace(y, sigma);
    sum += p["theta"].value;
    sum_of_squares += square(p["theta"].value);
  }
  const Tensor mean = sum / draws;
  return {mean.to_vector(), sqrt(sum_of_squares / draws - square(mean)).to_vector()};
}

struct Estimate {
  double mean, error;
};

/// Mean and standard error of the mean.
Estimate estimate(const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  double sum = 0, squares = 0;
  for (const double v : x) sum += v;
  for (const double v : x) squares += (v - sum / n) * (v - sum / n);
  return {sum / n, std::sqrt(squares / (n - 1) / n)};
}

std::vector<double> last200(const std::vector<double>& x) {
  return {x.end() - std::min<std::ptrdiff_t>(200, std::ssize(x)), x.end()};
}

double median(std::vector<double> x) {
  const auto middle = x.begin() + std::ssize(x) / 2;
  std::nth_element(x.begin(), middle, x.end());
  return *middle;
}

/// What is known of the better fit besides its parameters.
struct Check {
  Estimate loss;   ///< over fresh draws from the guide
  Estimate bound;  ///< importance-weighted
  schools::Effects effects;
};

void print_report(const ParamStore& tutorial, const std::vector<double>& tutorial_last, const ParamStore& better,
                  const Check& check) {
  namespace known = schools::reference;
  std::printf(
      "\nTutorial's guide: median of the last %zu losses %.2f. Their mean, %.2f, estimates nothing: the expected loss\n"
      "is infinite, because E[1/tau^2] is infinite when tau is half-Cauchy. Its theta are no estimate either.\n",
      tutorial_last.size(), median(tutorial_last), estimate(tutorial_last).mean);
  std::printf("Better guide: mean loss %.3f +- %.3f, importance-weighted bound %.4f +- %.4f, log evidence %.4f.\n\n",
              check.loss.mean, check.loss.error, check.bound.mean, check.bound.error, known::log_evidence);

  std::printf("%-8s %20s %20s %20s\n", "", "tutorial's guide", "better guide", "reference (MCMC)");
  const auto row = [](const char* name, double m0, double s0, double m1, double s1, double m2, double s2) {
    std::printf("%-8s %12.2f +- %4.2f %12.2f +- %4.2f %12.2f +- %4.2f\n", name, m0, s0, m1, s1, m2, s2);
  };
  for (std::size_t i = 0; i < schools::count; ++i)
    row((std::string("theta ") + "ABCDEFGH"[i]).c_str(), tutorial.get("theta_loc").values()[i],
        tutorial.get("theta_scale").values()[i], check.effects.mean[i], check.effects.sd[i], known::theta_mean[i],
        known::theta_sd[i]);
  row("mu0", tutorial.get("mu0_loc").item(), tutorial.get("mu0_scale").item(), better.get("mu0_loc").item(),
      better.get("mu0_scale").item(), known::mu_mean, known::mu_sd);
  // A half-Cauchy variable has neither mean nor standard deviation; its median is its scale.
  std::printf("%-8s %20.2f %20.2f %20.2f\n\n", "tau (*)", tutorial.get("tau_loc").item(),
              std::exp(better.get("tau_loc").item()), known::tau_median);
  std::printf("(*) the median: a half-Cauchy tau has no mean\n\n");
}

}  // namespace

int main(int argc, char** argv) try {
  const example::Options options = example::read_options(
      argc, argv,
      {.name = "eight_schools", .about = "a hierarchical model, a guide that fails and one that works", .steps = 5000});
  const example::Output output(options);
  const Tensor y = std::span(schools::effect), sigma = std::span(schools::error);
  const handlers::seed seeded(options.seed);  // of the draws outside the fits

  ParamStore tutorial_params, better_params;  // both guides have a "mu0_loc": each fit has a store of its own
  Fit tutorial_fit, better_fit;
  Check check;
  {
    std::printf("The tutorial's guide\n");
    const ParamScope scope(tutorial_params);
    SVI svi(tutorial::model, tutorial::guide, Adam(), Trace_ELBO(), {.seed = options.seed});
    tutorial_fit = run(svi, y, sigma, options.steps, 0.03);
  }
  {
    std::printf("\nThe better guide\n");
    const ParamScope scope(better_params);
    SVI svi(better::model, better::guide, Adam(), Trace_ELBO(), {.seed = options.seed});
    better_fit = run(svi, y, sigma, options.steps, 0.001);

    std::vector<double> losses(options.quick ? 1000 : 100000), bounds(options.quick ? 5 : 100);
    for (double& loss : losses) loss = svi.evaluate_loss(y, sigma);
    for (double& bound : bounds) bound = importance_weighted_bound(y, sigma, 1000);
    check = {estimate(losses), estimate(bounds), posterior_effects(y, sigma, options.quick ? 1000 : 50000)};
  }
  const std::vector<double> tutorial_last = last200(tutorial_fit.losses);
  print_report(tutorial_params, tutorial_last, better_params, check);
  schools::plot(output, tutorial_fit.losses, better_fit.losses,
                {tutorial_params.get("theta_loc").to_vector(), tutorial_params.get("theta_scale").to_vector()},
                check.effects);

  example::Summary summary;
  summary.add("loss_last200", estimate(tutorial_last).mean);
  summary.add("loss_last200_note", "of the tutorial's guide, whose expected loss is infinite: see loss_last200_median");
  summary.add("loss_last200_median", median(tutorial_last));
  for (const std::string& name : tutorial_params.names()) summary.add(name, tutorial_params.get(name).values());
  summary.add("better_loss_last200", estimate(last200(better_fit.losses)).mean);
  for (const std::string& name : better_params.names()) summary.add("better_" + name, better_params.get(name).values());
  summary.add("better_loss", check.loss.mean);
  summary.add("better_loss_error", check.loss.error);
  summary.add("importance_weighted_bound", check.bound.mean);
  summary.add("importance_weighted_bound_error", check.bound.error);
  summary.add("log_evidence", schools::reference::log_evidence);
  summary.add("better_theta_mean", check.effects.mean);
  summary.add("better_theta_sd", check.effects.sd);
  summary.add("seconds", tutorial_fit.seconds + better_fit.seconds);
  summary.add("ns_per_step", 1e9 * tutorial_fit.seconds / static_cast<double>(options.steps));
  summary.add("better_ns_per_step", 1e9 * better_fit.seconds / static_cast<double>(options.steps));
  summary.add("seed", static_cast<double>(options.seed));
  summary.add("steps", static_cast<double>(options.steps));
  output.summary(summary);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
