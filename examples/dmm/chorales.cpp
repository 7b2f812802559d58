#include "chorales.hpp"

#include <wick/io/csv.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <random>
#include <stdexcept>

#include "model.hpp"
#include "plots.hpp"

namespace dmm {
namespace {

constexpr int lowest = 21, keys = 88;  // of a piano, as MIDI numbers

const char* const source =
    "the chorales as Boulanger-Lewandowski, Bengio and Vincent (2012) split them are jsb-chorales-quarter.json in the "
    "repository\n"
    "  czhuang/JSB-Chorales-dataset on GitHub (no licence stated, so they do not come with this example); write them "
    "as lines\n"
    "  split,seq,t,notes with split train, valid or test and notes as MIDI numbers, as in\n"
    "  train,0,0,60 72 79 88";

[[noreturn]] void give_up(const std::string& why, const std::string& what_to_do) {
  throw std::runtime_error(why + "\nTry: " + what_to_do);
}

/// The keys of one step. Throws where a note is none.
void sound(const std::string& notes, double* row, const std::string& file, std::size_t line) {
  const char* at = notes.c_str();
  while (*at != '\0') {
    char* end = nullptr;
    const long note = std::strtol(at, &end, 10);
    if (end == at || (*end != ' ' && *end != '\0') || note < lowest || note >= lowest + keys)
      give_up(file + ":" + std::to_string(line) + ": \"" + notes + "\" is no list of notes from 21 to 108",
              "look whether this is the file of the chorales");
    row[note - lowest] = 1;
    for (at = end; *at == ' ';) ++at;
  }
}

/// A batch of sequences: each step is one row of every sequence, and the mask leaves out the steps that a shorter one
/// does not have.
struct ChoralesModel {
  Dmm net;
  ModuleOptions init = {};

  void operator()(const Batch& b, double annealing) const {
    module("dmm", net, init);
    const plate sequences("sequences", b.x.size(0));
    Tensor z = expand(net.z_0, {b.x.size(0), net.z_0.shape()[0]});
    for (Index t = 0; t < b.x.size(1); ++t) {
      const std::string turn = std::to_string(t);
      const Tensor there = take(b.mask, t, 1);
      const auto [loc, scale] = net.transition(z);
      {
        const handlers::scale annealed(annealing);
        z = sample("z_" + turn, Normal(loc, scale).to_event(1).mask(there));
      }
      sample("x_" + turn, Bernoulli({.logits = net.emitter(z)}).to_event(1).mask(there), obs(take(b.x, t, 1)));
    }
  }
};
struct ChoralesGuide {
  Dmm net;
  ModuleOptions init = {};

  void operator()(const Batch& b, double annealing) const {
    module("dmm", net, init);
    const handlers::scale annealed(annealing);
    const plate sequences("sequences", b.x.size(0));
    const Tensor rnn_out = net.rnn(b.x, {.h0 = net.h_0, .lengths = b.lengths}).output;
    Tensor z = expand(net.z_q_0, {b.x.size(0), net.z_q_0.shape()[0]});
    for (Index t = 0; t < b.x.size(1); ++t) {
      const auto [loc, scale] = net.combiner(z, take(rnn_out, t, 1));
      z = sample("z_" + std::to_string(t), Normal(loc, scale).to_event(1).mask(take(b.mask, t, 1)));
    }
  }
};

struct Settings {
  Sizes sizes;
  ClippedAdamOptions optim;
  long batch, epochs, annealing_epochs;
};

/// Those of the published run are those of Pyro's example dmm.py; ours reach something in minutes.
Settings settings_of(const example::Options& o) {
  long epochs = o["--epochs"].given ? o.integer("--epochs") : o.quick ? 1 : 0;
  if (o["--published"].given)
    return {{.x = keys, .z = 100, .transition = 200, .emitter = 100, .rnn = 600},
            {.lr = 3e-4, .beta1 = 0.96, .weight_decay = 2.0, .clip_norm = 10.0, .lrd = 0.99996},
            20,
            epochs != 0 ? epochs : 5000,
            1000};
  epochs = epochs != 0 ? epochs : o.integer("--epochs");
  return {{.x = keys, .z = 16, .transition = 64, .emitter = 64, .rnn = 64},
          {.lr = 5e-3, .clip_norm = 10.0, .lrd = 0.9995},
          20,
          epochs,
          std::max(1l, epochs / 3)};
}

/// Negative ELBO of these sequences per time slice, averaged over a few draws.
template <class Svi>
double nats(Svi& svi, const Chorales& part, int draws) {
  if (part.slices == 0) return std::numeric_limits<double>::quiet_NaN();
  std::vector<std::size_t> all(part.sequences.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const Batch batch = pad(part.sequences, all);
  double sum = 0;
  for (int i = 0; i < draws; ++i) sum += svi.evaluate_loss(batch, 1.0);
  return sum / draws / static_cast<double>(part.slices);
}

/// Nats per time slice where no key knows of another, nor of time: each sounds as often as in the training part.
double independent_keys(const Chorales& train, const Chorales& test) {
  Tensor often = 0.5;
  for (const Tensor& one : train.sequences) often = often + sum(one, {0});
  const Bernoulli each({.probs = often / (static_cast<double>(train.slices) + 1.0)});
  double total = 0;
  for (const Tensor& one : test.sequences) total -= sum(each.log_prob(one)).item();
  return total / static_cast<double>(test.slices);
}

}  // namespace

Chorales read_chorales(const std::string& file, const std::string& split) {
  if (!std::filesystem::exists(file)) give_up("there is no file " + file, source);
  const CsvTable table = read_csv(file, {.text = {"split", "notes"}});
  const std::vector<std::string>&splits = table.text("split"), &notes = table.text("notes");
  const Tensor &seq = table["seq"], &time = table["t"];
  Chorales out;
  std::vector<double> rows;
  const auto finish = [&] {
    const auto steps = static_cast<Index>(rows.size()) / keys;
    if (steps == 0) return;
    out.sequences.push_back(from_values({steps, keys}, rows));
    out.slices += steps;
    rows.clear();
  };
  for (std::size_t i = 0; i < splits.size(); ++i) {
    if (splits[i] != split) continue;
    const double t = time.data()[i];
    if (t == 0) finish();
    if (t * keys != static_cast<double>(rows.size()) || (t > 0 && seq.data()[i] != seq.data()[i - 1]))
      give_up(file + ":" + std::to_string(i + 2) + ": the steps of a sequence do not follow one another",
              "sort the file by split, seq and t");
    rows.resize(rows.size() + keys, 0.0);
    sound(notes[i], rows.data() + rows.size() - keys, file, i + 2);
  }
  finish();
  return out;
}

Batch pad(const std::vector<Tensor>& sequences, const std::vector<std::size_t>& which) {
  std::size_t longest = 0;
  for (const std::size_t i : which) longest = std::max(longest, static_cast<std::size_t>(sequences[i].size(0)));
  const std::size_t n = which.size(), width = longest * keys;
  std::vector<double> x(n * width, 0.0), mask(n * longest, 0.0), lengths;
  for (std::size_t k = 0; k < n; ++k) {
    const Tensor& one = sequences[which[k]];
    const auto steps = static_cast<std::size_t>(one.size(0));
    std::copy(one.data(), one.data() + steps * keys, x.begin() + static_cast<std::ptrdiff_t>(k * width));
    std::fill_n(mask.begin() + static_cast<std::ptrdiff_t>(k * longest), steps, 1.0);
    lengths.push_back(static_cast<double>(steps));
  }
  return {from_values({n, longest, keys}, x), from_values({n, longest}, mask), Tensor(lengths)};
}

void fit_chorales(const example::Options& options, const example::Output& output) {
  const std::string file = options["--data"].value;
  const Chorales train = read_chorales(file, "train"), valid = read_chorales(file, "valid"),
                 test = read_chorales(file, "test");
  if (train.slices == 0 || test.slices == 0)
    give_up(file + " has no sequences of split train, or none of test", source);
  const Settings s = settings_of(options);
  const Dmm net(s.sizes, options["--rnn"].value != "forward");
  const ModuleOptions init{.seed = options.seed};
  SVI svi(ChoralesModel{net, init}, ChoralesGuide{net, init}, ClippedAdam(s.optim), Trace_ELBO(),
          {.seed = options.seed});
  std::printf("%zu chorales, %ld time slices; %ld epochs of %zu minibatches\n", train.sequences.size(),
              static_cast<long>(train.slices), s.epochs,
              (train.sequences.size() + static_cast<std::size_t>(s.batch) - 1) / static_cast<std::size_t>(s.batch));

  std::mt19937_64 random(options.seed);
  std::vector<std::size_t> order(train.sequences.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<double> epochs, losses, validation;
  const auto begin = std::chrono::steady_clock::now();
  const double ramp = static_cast<double>(s.annealing_epochs) * static_cast<double>(order.size());
  for (long epoch = 0; epoch < s.epochs; ++epoch) {
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    double loss = 0;
    for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(s.batch)) {
      const std::size_t last = std::min(order.size(), first + static_cast<std::size_t>(s.batch));
      const double seen = static_cast<double>(epoch) * static_cast<double>(order.size()) + static_cast<double>(last);
      const double annealing = std::min(1.0, 0.2 + 0.8 * seen / ramp);
      loss += svi.step(pad(train.sequences, {order.begin() + static_cast<std::ptrdiff_t>(first),
                                             order.begin() + static_cast<std::ptrdiff_t>(last)}),
                       annealing);
    }
    epochs.push_back(static_cast<double>(epoch + 1));
    losses.push_back(loss / static_cast<double>(train.slices));
    validation.push_back(nats(svi, valid, 1));
    std::printf("Epoch %4ld | training %.3f", epoch + 1, losses.back());
    if (valid.slices != 0) std::printf(" | validation %.3f", validation.back());
    std::printf(" nats per time slice\n");
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double tested = nats(svi, test, options.quick ? 1 : 10);
  const double independent = independent_keys(train, test);
  std::printf("\n%.3f nats per time slice of the test part where keys know nothing of each other or of time\n",
              independent);
  std::printf("test: %.3f nats per time slice after %ld epochs (published: 6.87 after 5000 epochs, with --published)\n",
              tested, s.epochs);
  plot_chorales(output, epochs, losses, validation);

  example::Summary summary;
  summary.add("test_nll", tested);
  summary.add("independent_keys", independent);
  if (valid.slices != 0) summary.add("validation_nll", validation);
  summary.add("training_loss", losses);
  summary.add("seconds", seconds);
  summary.add("seconds_per_epoch", seconds / static_cast<double>(s.epochs));
  summary.add("seed", static_cast<double>(options.seed));
  summary.add("epochs", static_cast<double>(s.epochs));
  output.summary(summary);
}

}  // namespace dmm
