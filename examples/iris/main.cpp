// Which iris is it? Logistic regression on two measurements of 100 flowers, where the weights are not numbers but
// distributions: the fit says how sure it is of each, and so of each prediction.
//
// Two functions state the problem. The *model* says how data come about: draw weights from their priors, draw each
// flower's species given the weights. Run backwards (which weights could have made these data?) that is Bayes' rule,
// and it has no formula here. So the *guide* names a family of simple distributions over the same weights, with
// parameters, and SVI (stochastic variational inference) turns these parameters until the guide is as close to the true
// posterior as it can be.
#include <wick/wick.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <string>
#include <vector>

#include "../common/options.hpp"
#include "../common/output.hpp"
#include "data.hpp"
#include "plots.hpp"

using namespace wick;

namespace {

/// `sample` draws a named value, or takes the given one where it is observed. Everything in the scope of a `plate` is
/// repeated along one dimension, independently: here one species a flower.
void model(const Tensor& X, const Tensor& y) {
  const Tensor w = sample("w", Normal(zeros({2}), ones({2})).to_event(1));  // one draw of a vector, not two draws
  const Tensor b = sample("b", Normal(0.0, 1.0));
  const Tensor logits = matmul(X, w) + b;
  const plate data("data", X.size(0));
  sample("obs", Bernoulli({.logits = logits}), obs(y));
}

/// `param` is a named number to be fitted, by default any real one. The guide draws what the model draws, under the
/// same names.
void guide(const Tensor&, const Tensor&) {
  const Tensor w_loc = param("w_loc", zeros({2}));
  const Tensor w_scale = param("w_scale", ones({2}), constraints::positive);
  const Tensor b_loc = param("b_loc", 0.0);
  const Tensor b_scale = param("b_scale", 1.0, constraints::positive);
  sample("w", Normal(w_loc, w_scale).to_event(1));
  sample("b", Normal(b_loc, b_scale));
}

/// The best parameters this guide can have, by Gauss–Hermite quadrature: what the fit is measured by.
const struct {
  const char* name;
  Tensor exact;
} parameters[] = {
    {"w_loc", {2.2841, -3.8048}}, {"w_scale", {0.05876, 0.10181}}, {"b_loc", -0.5986}, {"b_scale", 0.30235}};
constexpr double exact_loss = 30.8617;

/// The tutorial's fit, printed as it prints it. The loss is the negative ELBO, an upper bound of −log p(data),
/// estimated from one draw a step. The parameters are left in the store, where `param` finds them.
std::vector<double> fit(const Tensor& X, const Tensor& y, const example::Options& options) {
  SVI svi(model, guide, Adam({.lr = 0.05}), Trace_ELBO(), {.seed = options.seed});
  std::vector<double> losses;
  for (long step = 0; step < options.steps; ++step) {
    const double loss = svi.step(X, y);
    losses.push_back(loss);
    if (step % 400 == 0) std::printf("Step %ld | ELBO loss = %.2f\n", step, loss);
  }
  return losses;
}

/// The parameters of a longer fit, in the order of the table above. With a constant learning rate the parameters never
/// come to rest: each step follows a noisy gradient. So here the rate falls from 0.05 to 0.001 over the first half of
/// the steps, and the parameters are averaged over all but the first quarter.
std::vector<Tensor> fit_decayed(const Tensor& X, const Tensor& y, long steps, std::uint64_t seed) {
  ParamStore store;
  const ParamScope scope(store);  // parameters of its own, beside those of the fit above
  SVI svi(model, guide, Adam(), Trace_ELBO(), {.seed = seed});
  const long first = steps / 4;
  std::vector<Tensor> averages(std::size(parameters), 0.0);
  for (long step = 0; step < steps; ++step) {
    const double progress = static_cast<double>(step) / static_cast<double>(steps);
    svi.optim().set_lr(0.05 * std::pow(0.001 / 0.05, std::min(1.0, 2 * progress)));
    svi.step(X, y);
    if (step < first) continue;
    for (std::size_t i = 0; i < averages.size(); ++i) averages[i] += store.get(parameters[i].name) / (steps - first);
  }
  return averages;
}

/// P(versicolor) of each row of X, over many draws from the fitted guide: their mean is the prediction, the standard
/// deviation says how much the draws disagree about it.
struct Prediction {
  Tensor mean, sd;
};
Prediction predict(const Tensor& X, int draws) {
  Tensor sum = 0.0, sum_of_squares = 0.0;
  for (int i = 0; i < draws; ++i) {
    const Trace drawn = handlers::trace(guide).get_trace(X, Tensor());  // what the guide drew, by name
    const Tensor p = sigmoid(matmul(X, drawn["w"].value) + drawn["b"].value);
    sum += p;
    sum_of_squares += square(p);
  }
  const Tensor mean = sum / draws;
  return {mean, sqrt(abs(sum_of_squares / draws - square(mean)))};
}

double mean_of_last(const std::vector<double>& x, std::size_t n) {
  n = std::min(n, x.size());
  double total = 0;
  for (std::size_t i = x.size() - n; i < x.size(); ++i) total += x[i];
  return total / static_cast<double>(n);
}

void print_parameters(const std::vector<Tensor>& decayed) {
  std::printf("\n%-12s %14s %14s %14s\n", "parameter", "this run", "decayed run", "exact optimum");
  for (std::size_t i = 0; i < decayed.size(); ++i) {
    const Tensor fitted = param_store().get(parameters[i].name);
    for (std::size_t k = 0; k < fitted.values().size(); ++k) {
      std::string name = parameters[i].name;
      if (fitted.dim() != 0) name.append("[").append(std::to_string(k)).append("]");
      std::printf("%-12s %14.4f %14.4f %14.4f\n", name.c_str(), fitted.values()[k], decayed[i].values()[k],
                  parameters[i].exact.values()[k]);
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const example::Options options = example::read_options(
      argc, argv,
      {.name = "iris", .about = "logistic regression with uncertain weights on Fisher's irises", .steps = 2000});
  const example::Output output(options);

  std::vector<double> features, species;
  for (const iris::Flower& f : iris::flowers) {
    features.insert(features.end(), {f.sepal_length, f.sepal_width});
    species.push_back(f.species);
  }
  const Tensor y = species, X = from_values({y.size(0), 2}, features);

  const auto begin = std::chrono::steady_clock::now();
  const std::vector<double> losses = fit(X, y, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double loss_last200 = mean_of_last(losses, 200);

  const std::vector<Tensor> decayed = fit_decayed(X, y, options.quick ? 1000 : 20000, options.seed);
  print_parameters(decayed);
  std::printf("%-12s %14.4f %14s %14.4f   (mean of the last 200 steps)\n\n", "loss", loss_last200, "", exact_loss);

  const iris::Grid grid = options.quick ? iris::Grid{40, 30} : iris::Grid{160, 120};
  const handlers::seed seeded(options.seed);
  const Prediction p = predict(from_values({grid.columns * grid.rows, 2}, grid.points()), options.quick ? 50 : 1000);
  iris::plot(output, losses, exact_loss, grid, p.mean.values(), p.sd.values());

  example::Summary summary;
  summary.add("loss_last200", loss_last200);
  for (std::size_t i = 0; i < decayed.size(); ++i) {
    const std::string name = parameters[i].name;
    summary.add(name, param_store().get(name).values());
    summary.add("decayed_" + name, decayed[i].values());
    summary.add("exact_" + name, parameters[i].exact.values());
  }
  summary.add("exact_loss", exact_loss);
  summary.add("seconds", seconds);
  summary.add("ns_per_step", 1e9 * seconds / static_cast<double>(options.steps));
  summary.add("seed", static_cast<double>(options.seed));
  summary.add("steps", static_cast<double>(options.steps));
  output.summary(summary);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
