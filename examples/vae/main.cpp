// A variational autoencoder. A picture of a digit has 64 pixels, but there are far fewer ways to write a digit than
// there are pictures. So each picture gets a code of two numbers, and two networks are fitted together: the decoder
// says what a code looks like (the model), the encoder which codes a picture may have (the guide). Nobody tells them
// which digit it is.
#include <wick/io/csv.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

#include "../common/options.hpp"
#include "../common/output.hpp"
#include "model.hpp"
#include "plots.hpp"

using namespace vae;

namespace {

struct Digits {
  Tensor x;  ///< (pictures, 64): counts from 0 to 16
  std::vector<double> label;
};

/// Five sixths of the pictures are fitted, the others held out.
struct Data {
  Digits train, test;
};

Data read_digits(const std::string& file) {
  const CsvTable table = read_csv(file);
  std::vector<std::string> names;
  for (int i = 0; i < pixels; ++i) names.push_back(std::string("p") + std::to_string(i / 8) + std::to_string(i % 8));
  const Tensor x = table.matrix(names), labels = table["label"];
  const Index n = x.size(0), training = n * 5 / 6;
  if (training < 1 || training == n)
    throw std::runtime_error(file + ": too few pictures\nTry: leave --data out, the digits are part of the example");
  for (Index i = 0; i < x.numel(); ++i)
    if (!(x.data()[i] >= 0 && x.data()[i] <= block))
      throw std::runtime_error(file + ":" + std::to_string(i / pixels + 2) + ": a pixel is " +
                               std::to_string(x.data()[i]) +
                               ", not a count from 0 to 16\nTry: divide the bitmap into blocks of 4 x 4 and count");
  return {{slice(x, 0, 0, training), slice(labels, 0, 0, training).to_vector()},
          {slice(x, 0, training, n), slice(labels, 0, training, n).to_vector()}};
}

/// Nats per picture where no pixel knows of another: what the codes must beat.
double independent_pixels(const Digits& train, const Digits& test) {
  const Tensor p = (sum(train.x, {0}) + 0.5) / (block * static_cast<double>(train.x.size(0)) + 1.0);
  const Pixels each(log(p) - log(1.0 - p));
  return -(sum(each.log_prob(test.x)).item() + log_bitmaps(test.x)) / static_cast<double>(test.x.size(0));
}

/// How many held-out digits have the label of most of the five nearest codes.
double nearest_five(const std::vector<double>& train_z, const std::vector<double>& train_label,
                    const std::vector<double>& z, const std::vector<double>& label) {
  double right = 0;
  for (std::size_t i = 0; i < label.size(); ++i) {
    std::vector<std::pair<double, int>> near;
    for (std::size_t j = 0; j < train_label.size(); ++j)
      near.emplace_back(std::hypot(z[2 * i] - train_z[2 * j], z[2 * i + 1] - train_z[2 * j + 1]),
                        static_cast<int>(train_label[j]));
    std::partial_sort(near.begin(), near.begin() + 5, near.end());
    int votes[10] = {}, best = 0;
    for (int k = 0; k < 5; ++k) ++votes[near[static_cast<std::size_t>(k)].second];
    for (int d = 1; d < 10; ++d)
      if (votes[d] > votes[best]) best = d;
    right += best == static_cast<int>(label[i]) ? 1 : 0;
  }
  return right / static_cast<double>(label.size());
}

/// The quantile of the standard normal distribution, by bisection.
double normal_quantile(double p) {
  double low = -8, high = 8;
  for (int i = 0; i < 60; ++i)
    (0.5 * std::erfc(-(low + high) / 2 / std::sqrt(2.0)) < p ? low : high) = (low + high) / 2;
  return low;
}

Mosaic decoded(const Decoder& decoder, const Tensor& z, int columns) {
  return {columns, sigmoid(decoder(z)).to_vector()};
}

/// The first two held-out pictures of each digit, each row of ten above its reconstructions.
Mosaic reconstructions(const Encoder& encoder, const Decoder& decoder, const Digits& test) {
  Mosaic out{10, {}};
  for (int nth = 0; nth < 2; ++nth) {
    std::vector<double> chosen;
    for (int d = 0; d < 10; ++d) {
      int seen = 0;
      for (std::size_t i = 0; i < test.label.size(); ++i)
        if (static_cast<int>(test.label[i]) == d && seen++ == nth) chosen.push_back(static_cast<double>(i));
    }
    const Tensor x = take(test.x, Tensor(chosen));
    const std::vector<double> original = (x / block).to_vector(), again = sigmoid(decoder(encoder(x).loc)).to_vector();
    for (const auto* row : {&original, &again}) {
      out.pictures.insert(out.pictures.end(), row->begin(), row->end());
      out.pictures.resize((out.pictures.size() + 639) / 640 * 640, 0.0);  // fewer than ten in a small file
    }
  }
  return out;
}

Tensor plane_of_codes(int side) {
  std::vector<double> z;
  for (int j = 0; j < side; ++j)
    for (int i = 0; i < side; ++i) {
      const auto at = [side](int k) { return normal_quantile(0.025 + 0.95 * k / (side - 1)); };
      z.push_back(at(i));
      z.push_back(at(side - 1 - j));  // upwards, as in the figure of the codes
    }
  return from_values({side * side, codes}, z);
}

}  // namespace

int main(int argc, char** argv) try {
  const example::Options options =
      example::read_options(argc, argv,
                            {.name = "vae",
                             .about = "handwritten digits as two numbers each, by a variational autoencoder",
                             .steps = 6000,
                             .quick_steps = 100,
                             .extra = {{"--batch", "N", "pictures a step", "128"},
                                       {"--hidden", "N", "units of each hidden layer", "128"},
                                       {"--data", "FILE", "other digits: columns p00 .. p77 (0 to 16) and label",
                                        WICK_EXAMPLE_DIR "/digits.csv"}}});
  const example::Output output(options);
  const Data data = read_digits(options["--data"].value);
  const Index batch = std::min<Index>(options.integer("--batch"), data.train.x.size(0));
  const Decoder decoder(options.integer("--hidden"));
  const Encoder encoder(options.integer("--hidden"));
  const ModuleOptions init{.seed = options.seed};

  SVI svi(Model{decoder, batch, init}, Guide{encoder, batch, init}, ClippedAdam({.lr = 2e-3, .lrd = 0.9995}),
          Trace_ELBO(), {.seed = options.seed});
  SVI whole(Model{decoder, 0, init}, Guide{encoder, 0, init}, Adam(), Trace_ELBO(),
            {.seed = options.seed});  // only to evaluate: no part is left out
  const double train_constant = log_bitmaps(data.train.x) / static_cast<double>(data.train.x.size(0));
  const double test_constant = log_bitmaps(data.test.x) / static_cast<double>(data.test.x.size(0));
  const auto held_out_loss = [&](int draws) {
    double sum = 0;
    for (int i = 0; i < draws; ++i) sum += whole.evaluate_loss(data.test.x) / static_cast<double>(data.test.x.size(0));
    return sum / draws - test_constant;
  };

  std::vector<double> losses, held_out;
  double seconds = 0;
  const long report = std::max(1l, options.steps / 20);
  for (long step = 0; step < options.steps; ++step) {
    const auto begin = std::chrono::steady_clock::now();
    losses.push_back(svi.step(data.train.x) / static_cast<double>(data.train.x.size(0)) - train_constant);
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if ((step + 1) % report == 0) held_out.push_back(held_out_loss(5));
    if (step % (5 * report) == 0) std::printf("Step %4ld | ELBO loss per picture: %.2f\n", step, losses.back());
  }

  // The figures: codes by the encoder, pictures by the decoder.
  const handlers::seed seeded(options.seed);
  const Tensor z_train = encoder(data.train.x).loc, z_test = encoder(data.test.x).loc;
  const std::vector<double> z = z_test.to_vector();
  Codes shown{{}, {}, data.test.label};
  for (std::size_t i = 0; i < data.test.label.size(); ++i)
    shown.first.push_back(z[2 * i]), shown.second.push_back(z[2 * i + 1]);
  const Tensor codes_drawn = Normal(zeros({60, codes}), 1.0).sample();
  const Mosaic samples{12, (Pixels(decoder(codes_drawn)).sample() / block).to_vector()};
  plot(output, losses, held_out, reconstructions(encoder, decoder, data.test), samples,
       decoded(decoder, plane_of_codes(15), 15), shown);

  const auto n = static_cast<std::ptrdiff_t>(std::min<std::size_t>(200, losses.size()));
  double last200 = 0;
  for (auto i = losses.end() - n; i != losses.end(); ++i) last200 += *i / static_cast<double>(n);
  const double tested = held_out_loss(options.quick ? 5 : 100), independent = independent_pixels(data.train, data.test);
  const double accuracy = nearest_five(z_train.to_vector(), data.train.label, z, data.test.label);
  std::printf("\nnats per held-out picture: %.2f with a code, %.2f where pixels know nothing of each other\n", tested,
              independent);
  std::printf("training, last 200 steps: %.2f\n", last200);
  std::printf("held-out digits whose five nearest codes have their label: %.1f %%\n\n", 100 * accuracy);

  example::Summary summary;
  summary.add("loss_last200", last200);
  summary.add("held_out_loss", tested);
  summary.add("independent_pixels", independent);
  summary.add("nearest_five", accuracy);
  summary.add("seconds", seconds);
  summary.add("ns_per_step", 1e9 * seconds / static_cast<double>(options.steps));
  summary.add("seed", static_cast<double>(options.seed));
  summary.add("steps", static_cast<double>(options.steps));
  output.summary(summary);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
