// The language once more, in 240 lines. mini.hpp implements sample, param, plate, trace, replay and SVI over the library's tensors
// and distributions, for readers who want to see how little there is to it; docs/mini.md walks through it. Here it fits
// six readings of a length with a gauge of unknown precision, as the README's first program does with the library itself.
#include "mini.hpp"

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "../common/options.hpp"
#include "../common/output.hpp"

using wick::Tensor;

namespace {

void model(const Tensor& y) {
  const Tensor length = mini::sample("length", wick::Normal(0.0, 10.0));
  const Tensor error = mini::sample("error", wick::LogNormal(0.0, 1.0));
  const mini::plate readings("readings", 6);
  mini::sample("y", wick::Normal(length, error), y);
}

void guide(const Tensor&) {
  using wick::constraints::positive;
  mini::sample("length", wick::Normal(mini::param("loc", 0.0), mini::param("scale", 1.0, positive)));
  mini::sample("error", wick::LogNormal(mini::param("log_loc", 0.0), mini::param("log_scale", 1.0, positive)));
}

}  // namespace

int main(int argc, char** argv) try {
  const example::Options options = example::read_options(
      argc, argv, {.name = "mini", .about = "the language implemented anew in 240 lines", .steps = 4000, .quick_steps = 200});
  const example::Output output(options);
  wick::set_seed(options.seed);

  const Tensor y = {2.14, 1.87, 2.52, 2.36, 1.95, 2.61};
  const mini::Trace drawn = mini::run(model, Tensor());  // no data: the model draws them
  std::printf("One run of the model, without data: length %.2f, error %.2f\n", drawn.find("length")->value.item(),
              drawn.find("error")->value.item());

  const auto begin = std::chrono::steady_clock::now();
  double last200 = 0;
  for (int step = 1; step <= options.steps; ++step) {
    const double loss = mini::svi_step(model, guide, 0.01, step, y);
    if (step % 500 == 0) std::printf("Step %4d | ELBO loss = %.2f\n", step, loss);
    if (step > options.steps - 200) last200 += loss / static_cast<double>(std::min(200L, options.steps));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  example::Summary summary;
  summary.add("loss_last200", last200);
  for (const mini::Param& p : mini::store) {
    std::printf("%-10s %6.3f\n", p.name.c_str(), p.value().item());
    summary.add(p.name, p.value().item());
  }
  std::printf("The exact posterior: length 2.24 +- 0.18, error about 0.38\n");
  summary.add("seconds", seconds);
  summary.add("ns_per_step", 1e9 * seconds / static_cast<double>(options.steps));
  summary.add("seed", static_cast<double>(options.seed));
  summary.add("steps", static_cast<double>(options.steps));
  output.summary(summary);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
