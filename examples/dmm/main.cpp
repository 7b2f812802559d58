// A deep Markov model. A series of numbers is what a hidden state shows of itself, through noise; the state moves by a
// law that nobody knows. So the law is a neural network, what the state shows is another, and both are fitted together
// with a third that infers the state from the data. The guide is no table of parameters: it is a function of the
// series.
//
// With --data the same model, more units and Bernoulli observations, is fitted to Bach's chorales (chorales.cpp).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <span>
#include <vector>

#include "chorales.hpp"
#include "model.hpp"
#include "plots.hpp"
#include "series.hpp"

using namespace dmm;

namespace {

/// The weight of the latents' terms in the loss: from 0.1 to 1 over the first 40 % of the steps. As long as it is
/// small, the latents are free to follow the data, and the networks learn what they are good for.
double annealing(long step, long steps) {
  const double ramp = 0.4 * static_cast<double>(steps);
  return std::min(1.0, 0.1 + 0.9 * static_cast<double>(step) / ramp);
}

struct Fit {
  std::vector<double> losses;
  Inferred inferred;
  double obs_scale, affine_rmse, emitted_rmse, seconds;
};

double rmse(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

/// The root mean square error of the best a + b · x: a latent is known up to what the emitter can undo.
double affine_rmse(const std::vector<double>& x, const std::vector<double>& truth) {
  const auto n = static_cast<double>(x.size());
  double mx = 0, my = 0, xx = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mx += x[i] / n, my += truth[i] / n;
  for (std::size_t i = 0; i < x.size(); ++i) xx += (x[i] - mx) * (x[i] - mx), xy += (x[i] - mx) * (truth[i] - my);
  std::vector<double> aligned;
  for (const double v : x) aligned.push_back(my + (xx > 0 ? xy / xx : 0.0) * (v - mx));
  return rmse(aligned, truth);
}

/// Mean and standard deviation of what z shows, and the mean of z, over draws from the guide.
Inferred infer(const Dmm& net, const SeriesGuide& guide, const Tensor& x, int draws) {
  Tensor z_sum = 0.0, sum = 0.0, squares = 0.0;
  const auto steps = static_cast<std::size_t>(x.size(0));
  std::vector<Tensor> z(steps);
  for (int i = 0; i < draws; ++i) {
    const Trace drawn = handlers::trace(guide).get_trace(x, 1.0);
    for (std::size_t t = 0; t < steps; ++t) z[t] = drawn["z_" + std::to_string(t)].value;
    const Tensor all = stack_tensors(z),
                 shown = net.emitter(all);  // (steps, 1): the emitter takes any number of states
    z_sum += all;
    sum += shown;
    squares += square(shown);
  }
  const Tensor mean = sum / draws;
  return {(z_sum / draws).to_vector(), mean.to_vector(), sqrt(abs(squares / draws - square(mean))).to_vector()};
}

Fit fit(const Tensor& x, const std::vector<double>& truth, bool backward, long steps, double lrd, std::uint64_t seed,
        int draws, bool talk) {
  const Dmm net({.x = 1}, backward);
  const ModuleOptions init{.seed = seed};
  const SeriesGuide guide{net, init};
  ParamStore store;
  const ParamScope scope(store);
  SVI svi(SeriesModel{net, init}, guide, ClippedAdam({.lr = 0.01, .clip_norm = 10.0, .lrd = lrd}), Trace_ELBO(),
          {.seed = seed});
  Fit out;
  const auto begin = std::chrono::steady_clock::now();
  for (long step = 0; step < steps; ++step) {
    const double loss = svi.step(x, annealing(step, steps));
    out.losses.push_back(loss);
    if (talk && step % 100 == 0) std::printf("Step %4ld | ELBO loss: %.2f\n", step, loss);
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const handlers::seed seeded(seed);
  out.inferred = infer(net, guide, x, draws);
  out.obs_scale = store.get("obs_scale").item();
  out.affine_rmse = affine_rmse(out.inferred.z, truth);
  out.emitted_rmse = rmse(out.inferred.mean, truth);
  return out;
}

double mean_of_last(const std::vector<double>& x, std::ptrdiff_t n) {
  n = std::min(n, std::ssize(x));
  double total = 0;
  for (auto i = x.end() - n; i != x.end(); ++i) total += *i;
  return total / static_cast<double>(n);
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return 0.5 * (x[(x.size() - 1) / 2] + x[x.size() / 2]);
}

/// One number of every fit.
template <class F>
std::vector<double> each(const std::vector<Fit>& fits, F f) {
  std::vector<double> out;
  for (const Fit& one : fits) out.push_back(f(one));
  return out;
}

/// The fits of one direction: prints a line a seed and the medians, and adds them to the summary.
void report(const char* direction, const std::vector<Fit>& fits, std::uint64_t seed, const std::string& prefix,
            example::Summary& summary) {
  const struct {
    const char* key;
    std::vector<double> values;
  } columns[] = {{"loss_last200", each(fits, [](const Fit& f) { return mean_of_last(f.losses, 200); })},
                 {"affine_rmse", each(fits, [](const Fit& f) { return f.affine_rmse; })},
                 {"emitted_rmse", each(fits, [](const Fit& f) { return f.emitted_rmse; })},
                 {"obs_scale", each(fits, [](const Fit& f) { return f.obs_scale; })}};
  for (std::size_t i = 0; i < fits.size(); ++i) {
    std::printf("%-10s %6llu", direction, static_cast<unsigned long long>(seed + i));
    for (const auto& c : columns) std::printf(" %14.3f", c.values[i]);
    std::printf("\n");
  }
  std::printf("%-10s median", direction);
  for (const auto& c : columns) {
    std::printf(" %14.3f", median(c.values));
    summary.add(prefix + c.key, median(c.values));
    summary.add(prefix + c.key + "_of_seeds", c.values);
  }
  std::printf("\n");
}

void fit_series(const example::Options& options, const example::Output& output) {
  std::vector<double> truth;
  for (int t = 0; t < series_length; ++t) truth.push_back(true_latent(t));
  const Tensor x = unsqueeze(std::span(series), -1);
  const std::string wanted = options["--rnn"].value;
  const int seeds = options.quick ? 2 : 5, draws = options.quick ? 20 : 400;

  std::vector<Fit> fits[2];
  for (const bool backward : {true, false}) {
    if (wanted != "both" && wanted != (backward ? "backward" : "forward")) continue;
    for (int i = 0; i < seeds; ++i) {
      if (i == 0)
        std::printf("RNN %s, seed %llu\n", backward ? "backward" : "forward",
                    static_cast<unsigned long long>(options.seed));
      fits[backward ? 0 : 1].push_back(fit(x, truth, backward, options.steps, options.number("--lrd"),
                                           options.seed + static_cast<std::uint64_t>(i), draws, i == 0));
    }
  }
  const std::vector<Fit>& shown = fits[0].empty() ? fits[1] : fits[0];

  example::Summary summary;
  std::printf("\n%-10s %6s %14s %14s %14s %14s\n", "RNN", "seed", "loss, last 200", "affine RMSE", "emitted RMSE",
              "obs_scale");
  report(fits[0].empty() ? "forward" : "backward", shown, options.seed, "", summary);
  if (!fits[0].empty() && !fits[1].empty()) report("forward", fits[1], options.seed, "forward_", summary);
  const std::vector<double> raw(series, series + series_length);
  std::printf("the data themselves: RMSE %.3f (noise 0.5)\n\n", rmse(raw, truth));

  std::vector<std::vector<double>> losses;
  for (const Fit& f : shown) losses.push_back(f.losses);
  plot_series(output, raw, truth, shown[0].inferred, losses);

  double seconds = 0;
  for (const Fit& f : shown) seconds += f.seconds;
  summary.add("data_rmse", rmse(raw, truth));
  summary.add("seconds", seconds);
  summary.add("ns_per_step", 1e9 * seconds / static_cast<double>(options.steps * seeds));
  summary.add("seed", static_cast<double>(options.seed));
  summary.add("steps", static_cast<double>(options.steps));
  output.summary(summary);
}

}  // namespace

int main(int argc, char** argv) try {
  const example::Options options = example::read_options(
      argc, argv,
      {.name = "dmm",
       .about = "a deep Markov model of a noisy series, or of Bach's chorales",
       .steps = 400,
       .quick_steps = 60,
       .steps_are = "steps of each fit of the series",
       .extra = {{"--rnn",
                  "WAY",
                  "backward (as it should be), forward (as the tutorial's code does), or both",
                  "both",
                  false,
                  {"backward", "forward", "both"}},
                 {"--lrd", "X", "the learning rate 0.01 is multiplied by this in each step", "0.995"},
                 {"--data", "FILE", "fit the chorales in this CSV file instead", ""},
                 {"--epochs", "N", "passes over the chorales", "80"},
                 {"--published", "", "the chorales with the published sizes and rates: hours", ""}}});
  const example::Output output(options);
  if (options["--data"].given)
    fit_chorales(options, output);
  else
    fit_series(options, output);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
