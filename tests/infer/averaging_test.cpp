// TailAverage and LossPlateau.
#include "catch.hpp"

#include <memory>

#include <limits>

#include <wick/infer/checkpoint.hpp>

#include "infer/common.hpp"
#include "support/errors.hpp"
#include "support/stat.hpp"

using namespace wick;
using namespace wick_test;

namespace {

void guide() { sample("z", Normal(param("loc", zeros({2})), param("scale", 1.0, constraints::positive)).to_event(1)); }
void model2() {
  const Tensor z = sample("z", Normal(zeros({2}), 1.0).to_event(1));
  sample("x", Normal(z, 1.0).to_event(1), obs(Tensor{1.5, -1.0}));
}

/// Independent normals from a seed.
double noise(std::uint64_t seed, std::uint64_t i) {
  double total = 0;
  for (std::uint64_t k = 0; k < 12; ++k) total += uniform_from_bits(random_bits(Key{seed, 12 * i + k}));
  return total - 6;
}

}  // namespace

TEST_CASE("TailAverage: it is the mean of the values after the burn-in, in the space asked for", "[infer][averaging]") {
  for (const AverageSpace space : {AverageSpace::unconstrained, AverageSpace::constrained}) {
    const OwnStore own;
    SVI svi(model2, guide, Adam({.lr = 0.1}), Trace_ELBO(), {.seed = 3});
    TailAverage average({.burn_in = 50, .every = 3, .space = space});
    std::vector<double> loc(2), scale(1);
    const auto callback = [&](const SviProgress& p) {
      if (p.step > 50 && (p.step - 51) % 3 == 0) {
        for (std::size_t i = 0; i < 2; ++i) loc[i] += param_store().get("loc").data()[i];
        const double s = param_store().get("scale").item();
        scale[0] += space == AverageSpace::constrained ? s : std::log(s);
      }
      return average(p);
    };
    svi.run({.steps = 200, .callback = callback});
    REQUIRE(average.count() == 50);
    const double s = scale[0] / 50, expected = space == AverageSpace::constrained ? s : std::exp(s);
    const Snapshot before = snapshot();
    REQUIRE(std::abs(average.get("scale").item() - expected) < 1e-13);
    REQUIRE(std::abs(average.get("loc").at({1}) - loc[1] / 50) < 1e-13);
    REQUIRE(snapshot() == before);
    average.apply();
    REQUIRE(std::abs(param_store().get("scale").item() - expected) < 1e-13);
    REQUIRE(std::abs(param_store().get("loc").at({0}) - loc[0] / 50) < 1e-13);
    svi.step();  // the fit can go on from there
  }
}

TEST_CASE("TailAverage: it is nearer to the optimum than the last step", "[infer][averaging]") {
  const OwnStore own;
  SVI svi(model2, guide, Adam({.lr = 0.05}), Trace_ELBO(), {.seed = seed_of("TailAverage: nearer")});
  TailAverage average({.burn_in = 1000});
  double last = 0;
  int steps = 0;
  const auto distance = [](const Tensor& loc) { return std::hypot(loc.at({0}) - 0.75, loc.at({1}) + 0.5); };
  svi.run({.steps = 5000, .callback = [&](const SviProgress& p) {
             if (p.step > 1000) last += distance(param_store().get("loc")), ++steps;
             return average(p);
           }});
  const double of_average = distance(average.get("loc"));
  CAPTURE(of_average, last / steps);
  REQUIRE(of_average < 0.25 * last / steps);
  REQUIRE(of_average < 0.03);
}

TEST_CASE("TailAverage: a parameter that comes late; errors", "[infer][averaging][errors]") {
  const OwnStore own;
  TailAverage average;
  param("a", 1.0);
  average.step();
  param("b", 5.0);
  param_store().set("a", 4.0);
  average.step();
  REQUIRE(average.get("a").item() == 2.5);
  REQUIRE(average.get("b").item() == 5);
  const auto refused = [](auto call, const char* site, const char* advice) {
    const ErrorReport report = expect_error_unchanged<UsageError>(call, snapshot, "wick.optim.E610", site, advice);
    INFO(report.text << report.message);
    REQUIRE(report.ok);
  };
  param("c", 1.0);
  refused([&] { return average.get("c"); }, "c", "burn-in");
  const TailAverage none({.burn_in = 10});
  refused([&] { none.apply(); }, "a", "it is 10 steps");
  REQUIRE_THROWS_AS(average.get("d"), SiteError);
  for (const TailAverageOptions& o : {TailAverageOptions{.burn_in = -1}, TailAverageOptions{.every = 0}}) {
    const ErrorReport report = expect_error<DomainError>([&] { return TailAverage(o); }, "wick.optim.E612", "", "numbers of steps");
    INFO(report.text);
    REQUIRE(report.ok);
  }
}

TEST_CASE("LossPlateau: it stops where the mean falls no more, not before, and not for noise alone", "[infer][averaging]") {
  // Losses that fall exponentially to 10, with noise: after 1,200 steps they are within 0.1 % of it, after 700 within 1 %.
  const std::uint64_t seed = seed_of("LossPlateau: falls");
  const auto loss = [&](Index t, double sd) { return 10 + 100 * std::exp(-static_cast<double>(t) / 130.0) + sd * noise(seed, static_cast<std::uint64_t>(t)); };
  const auto stops_at = [&](const LossPlateauOptions& o, double sd, Index most) {
    LossPlateau plateau(o);
    Index t = 0;
    while (t < most && plateau.add(loss(t, sd))) ++t;
    return t + 1;
  };
  const LossPlateauOptions fine{.window = 100, .tolerance = 1e-3, .patience = 3}, coarse{.window = 100, .tolerance = 1e-2, .patience = 3};
  for (const double sd : {0.0, 0.5, 3.0}) {
    CAPTURE(sd);
    const Index at = stops_at(coarse, sd, 100'000);
    REQUIRE(at % 100 == 0);
    REQUIRE(at >= 700);
    REQUIRE(at <= 1500);
  }
  // Without noise: the window that ends at 1,300 is the first within 1e-3 of the one before; three without a fall follow, or some more while falls add up.
  const Index exact = stops_at(fine, 0, 100'000);
  REQUIRE(exact >= 1500);
  REQUIRE(exact <= 1900);
  // A slow fall, in each window far below its error, is seen as long as it lasts.
  LossPlateau slow({.window = 100, .tolerance = 0, .patience = 10});
  Index t = 0;
  while (t < 20'000 && slow.add(50 - 0.001 * static_cast<double>(t) + noise(seed, static_cast<std::uint64_t>(t)))) ++t;
  REQUIRE(t == 20'000);
  // Its error is that of the mean.
  LossPlateau still({.window = 1000});
  double z = 0;
  int windows = 0;
  for (std::uint64_t i = 0; i < 50'000; ++i) {
    still.add(3 + 2 * noise(seed, i));
    if ((i + 1) % 1000 == 0) z += std::pow((still.mean() - 3) / still.error(), 2), ++windows;
  }
  REQUIRE(still.error() == Approx(2 / std::sqrt(1000.0)).epsilon(0.8));
  REQUIRE(z / windows > 0.5);  // the mean of 50 squares of t-distributed numbers: 9/7 ± 0.36
  REQUIRE(z / windows < 2.6);
  REQUIRE(still.stopped());
}

TEST_CASE("LossPlateau: it ends a run, and says where it stands", "[infer][averaging]") {
  const OwnStore own;
  SVI svi(model2, guide, Adam({.lr = 0.02}), Trace_ELBO({.num_particles = 10}), {.seed = 5});
  LossPlateau plateau({.tolerance = 1e-2});
  TailAverage average({.burn_in = 500});
  const std::vector<double> losses = svi.run({.steps = 50'000, .callback = [&](const SviProgress& p) { return average(p) && plateau(p); }});
  REQUIRE(plateau.stopped());
  REQUIRE(losses.size() >= 600);
  REQUIRE(losses.size() < 5000);
  REQUIRE(losses.size() % 200 == 0);
  REQUIRE(plateau.windows() == static_cast<Index>(losses.size() / 200));
  const std::vector<double> last(losses.end() - 200, losses.end());
  double mean = 0;
  for (const double x : last) mean += x / 200;
  REQUIRE(std::abs(plateau.mean() - mean) < 1e-12);
  REQUIRE(std::abs(average.get("loc").at({0}) - 0.75) < 0.05);
}

TEST_CASE("LossPlateau: bad options are refused", "[infer][averaging][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const LossPlateauOptions& o : {LossPlateauOptions{.window = 0}, LossPlateauOptions{.window = 105}, LossPlateauOptions{.tolerance = -1}, LossPlateauOptions{.tolerance = nan},
                                      LossPlateauOptions{.errors = nan}, LossPlateauOptions{.patience = 0}}) {
    const ErrorReport report = expect_error<DomainError>([&] { return LossPlateau(o); }, "wick.optim.E611", "", "use ");
    INFO(report.text);
    REQUIRE(report.ok);
  }
}

TEST_CASE("TailAverage and LossPlateau: a checkpoint keeps them", "[infer][averaging][checkpoint]") {
  const std::string path = scratch_dir() + "/beside.wick";
  const auto run = [&](bool interrupted) {
    auto own = std::make_unique<OwnStore>();
    const auto make = [] { return SVI(model2, guide, Adam({.lr = 0.05}), Trace_ELBO(), {.seed = 8}); };
    auto svi = std::make_unique<decltype(make())>(model2, guide, Adam({.lr = 0.05}), Trace_ELBO(), SviOptions{.seed = 8});
    TailAverage average({.burn_in = 100});
    LossPlateau plateau({.window = 60});
    const auto go = [&] { svi->run({.steps = 250, .callback = [&](const SviProgress& p) { return average(p) && plateau(p); }}); };
    go();
    if (interrupted) {
      save_checkpoint(path, *svi, average, plateau);
      svi.reset(), own.reset();
      own = std::make_unique<OwnStore>();
      svi = std::make_unique<decltype(make())>(model2, guide, Adam(), Trace_ELBO(), SviOptions{});
      average = TailAverage({.burn_in = 100}), plateau = LossPlateau({.window = 60});
      load_checkpoint(path, *svi, average, plateau);
    }
    go();
    std::vector<double> out{average.get("scale").item(), average.get("loc").at({0}), plateau.mean(), plateau.error(), plateau.best(), static_cast<double>(plateau.windows())};
    return out;
  };
  REQUIRE(run(true) == run(false));
  const OwnStore own;
  SVI svi(model2, guide, Adam(), Trace_ELBO());
  TailAverage other({.burn_in = 7}), same({.burn_in = 100});
  LossPlateau plateau({.window = 60}), longer({.window = 80});
  const auto says = [&](std::string_view text, auto load) {
    const ErrorReport report = expect_error_unchanged<CheckpointError>(load, snapshot, "wick.checkpoint.E636", "", "what is saved beside it");
    INFO(report.text << report.message);
    REQUIRE(report.ok);
    REQUIRE(report.message.find("was saved with other things beside the optimiser: " + std::string(text)) != std::string::npos);
  };
  // The part that differs is named, not the optimiser.
  says("2 were saved, 1 are to be loaded", [&] { load_checkpoint(path, svi, other); });
  says("number 1 is TailAverage, this one is LossPlateau", [&] { load_checkpoint(path, svi, plateau, same); });
  says("number 1, a TailAverage, has burn_in 100, this one 7", [&] { load_checkpoint(path, svi, other, plateau); });
  says("number 2, a LossPlateau, has window 60, this one 80", [&] { load_checkpoint(path, svi, same, longer); });
}
