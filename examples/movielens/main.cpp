// Which film would she like? 943 people have given 100,000 ratings from 1 to 5 to 1682 films. Matrix factorisation says: a rating is the product of
// what a user likes, a row of U, and of what a film has to offer, a row of V. Nobody says what the ten columns mean; they are found.
//
// As a Bayesian model (model.hpp) each row has a posterior with a width: a user with five ratings is known badly, and the model knows that. The
// example fits the tutorial's model as it stands there, and an improved one, and puts both beside what simple means make of the ratings.
// iris/main.cpp explains models and guides.
//
// The data, their licence and how to get them: data.hpp and the script `download`.
#include <wick/wick.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "../common/options.hpp"
#include "../common/output.hpp"
#include "data.hpp"
#include "model.hpp"
#include "plots.hpp"

using namespace wick;
using namespace movielens;

namespace {

const char* const made_up =
    "*** SYNTHETIC RATINGS: made up by this program, not by people. The numbers below say nothing about MovieLens. ***";

/// The most memory that the process has had so far, as Linux tells it (getrusage gives the same number); 0 elsewhere.
double peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return 1024.0 * std::strtod(line.c_str() + 6, nullptr);
  return 0;
}

/// The file to read: what was given, or u.data in it if that is a folder; else what the script `download` has got.
std::string data_file(const example::Options& options) {
  namespace fs = std::filesystem;
  const bool given = options["--data"].given;
  fs::path path = given ? fs::path(options["--data"].value) : fs::path(WICK_EXAMPLE_DIR) / "data";
  if (fs::is_directory(path)) path /= "u.data";
  if (fs::exists(path)) return path.string();
  std::fprintf(stderr,
               "There is no %s.\n"
               "Try: %s/download, which gets the ratings of MovieLens 100k and checks them (their licence forbids to ship them with this program)\n"
               "  or --data PATH, where PATH is its file u.data or the folder of it\n"
               "  or --synthetic, which makes ratings up\n",
               path.string().c_str(), WICK_EXAMPLE_DIR);
  std::exit(1);
}

struct Errors {
  double train, train_clipped, test, test_clipped;
};
struct Result {
  Fitted fitted;
  Errors rmse;
  double seconds;
};

/// The mean prediction of pairs: under the guide U, V and the biases are independent, so that the mean of the product is the product of the means.
std::vector<double> predict(const ParamStore& store, const Tensor& user, const Tensor& movie) {
  const Tensor U = store.get("U_loc"), V = store.get("V_loc");
  if (!store.contains("mean_loc")) return dot_rows(U, user, V, movie).to_vector();
  return improved::expected(store.get("mean_loc"), store.get("user_bias_loc"), U, user, store.get("movie_bias_loc"), V, movie).to_vector();
}

Result fit(const std::string& name, const Setting& s, const Ratings& test, const example::Options& options) {
  ParamStore store;
  const ParamScope scope(store);
  const bool ours = name == "improved";
  SVI svi([&] { ours ? improved::model(s) : tutorial::model(s); }, [&] { ours ? improved::guide(s) : tutorial::guide(s); }, Adam({.lr = ours ? 0.02 : 0.01}), Trace_ELBO(),
          {.seed = options.seed});
  std::printf("\nThe %s model\n", ours ? "improved" : "tutorial's");
  Result r;
  r.fitted.name = name;
  const auto begin = std::chrono::steady_clock::now();
  for (long step = 0; step < options.steps; ++step) {
    const double loss = svi.step();
    r.fitted.losses.push_back(loss);
    if (step % 500 == 0) std::printf("Step %4ld | ELBO loss: %.2f\n", step, loss);
  }
  r.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  const std::vector<double> train = predict(store, s.user, s.movie);
  const std::vector<double>& of_test = r.fitted.prediction = predict(store, test.user, test.movie);
  r.rmse = {rmse(train, s.rating.values(), false), rmse(train, s.rating.values(), true), rmse(of_test, test.rating, false), rmse(of_test, test.rating, true)};
  const Tensor movie_prior = ours ? store.get("factor_spread_loc") : ones({s.k});
  r.fitted.user_sd = sqrt(mean(square(store.get("U_scale")), -1)).to_vector();
  r.fitted.movie_sd = sqrt(mean(square(store.get("V_scale") / movie_prior), -1)).to_vector();
  r.fitted.sigma = store.get("sigma_loc").item();
  if (ours) {
    const Tensor spread = flip(sort(store.get("factor_spread_loc")));
    std::printf("spread of user biases %.3f, of movie biases %.3f, of the factors of movies", store.get("user_spread_loc").item(), store.get("movie_spread_loc").item());
    for (const double x : spread.values()) std::printf(" %.3f", x);
    std::printf("\n");
  }
  return r;
}

void print_report(const Simple& simple, const std::vector<Result>& results, const Setting& s, const Ratings& test) {
  std::printf("\nRoot mean squared error at the last step (training %ld ratings, test %zu)\n", static_cast<long>(s.ratings()), test.size());
  std::printf("%-38s %9s %9s %9s %9s\n", "", "test", "clipped", "training", "clipped");
  std::printf("%-38s %9.5f\n", "mean of all ratings", simple.global_mean);
  std::printf("%-38s %9.5f\n", "mean of the movie", simple.movie_mean);
  std::printf("%-38s %9.5f\n", "mean of the user", simple.user_mean);
  std::printf("%-38s %9s %9.5f\n", "biases of movie and user, shrunk by 10", "", simple.biases);
  for (const Result& r : results)
    std::printf("%-38s %9.5f %9.5f %9.5f %9.5f   sigma %.3f\n", r.fitted.name == "tutorial" ? "tutorial's model" : "improved model", r.rmse.test, r.rmse.test_clipped, r.rmse.train,
                r.rmse.train_clipped, r.fitted.sigma);
  std::printf("Clipped: predictions below 1 count as 1, above 5 as 5.\n\n");
}

double mean_of_last(const std::vector<double>& x, std::size_t n) {
  n = std::min(n, x.size());
  double total = 0;
  for (std::size_t i = x.size() - n; i < x.size(); ++i) total += x[i];
  return total / static_cast<double>(n);
}

/// An optional size: of a minibatch, at most the size of the whole.
Index part(const example::Options& options, const std::string& option, Index whole) {
  if (!options[option].given) return 0;
  return std::min<Index>(options.integer(option), whole);
}

}  // namespace

int main(int argc, char** argv) try {
  const example::Options options = example::read_options(
      argc, argv,
      {.name = "movielens",
       .about = "matrix factorisation of 100,000 ratings of films",
       .steps = 3000,
       .extra = {{.option = "--data", .argument = "PATH", .about = "MovieLens 100k's u.data, or its folder (that of the script `download`)", .value = ""},
                 {.option = "--unchecked", .argument = "", .about = "take a file that is not the published one, too", .value = ""},
                 {.option = "--synthetic", .argument = "", .about = "ratings made up by the program; few of them with --quick", .value = ""},
                 {.option = "--model", .argument = "WHICH", .about = "tutorial, improved or both", .value = "both", .one_of = {"tutorial", "improved", "both"}},
                 {.option = "--k", .argument = "K", .about = "dimensions of users and movies", .value = "10"},
                 {.option = "--batch", .argument = "N", .about = "ratings a step, chosen at random; all without it", .value = ""},
                 {.option = "--user-batch", .argument = "N", .about = "users a step, with the ratings among users and movies of the step", .value = ""},
                 {.option = "--movie-batch", .argument = "N", .about = "movies a step, likewise", .value = ""}}});
  if (options["--synthetic"].given && options["--data"].given) example::refuse(options, "--synthetic and --data exclude each other");
  const bool by_plates = options["--user-batch"].given || options["--movie-batch"].given;
  if (by_plates && options["--batch"].given) example::refuse(options, "--batch takes ratings at random; with --user-batch or --movie-batch they are those of users and movies: give one of the two");
  const Index k = options.integer("--k");
  for (const char* size : {"--batch", "--user-batch", "--movie-batch"})
    if (options[size].given) options.integer(size);
  if (k > 1000) example::refuse(options, "--k is at most 1000");
  const double peak_before = peak_bytes();
  const bool synthetic_data = options["--synthetic"].given;
  if (synthetic_data) std::printf("%s\n", made_up);
  Split data = split_u1(synthetic_data ? synthetic(options.quick) : load(data_file(options), !options["--unchecked"].given));
  const Simple simple = simple_predictions(data);
  const Counts counts(data.train);
  Setting setting(data.train, k);
  data.train = {};  // the tensors have the ratings now
  setting.seed = options.seed;
  setting.batch = part(options, "--batch", setting.ratings());
  setting.user_batch = part(options, "--user-batch", setting.users);
  setting.movie_batch = part(options, "--movie-batch", setting.movies);
  if (by_plates) {  // one of the two alone: all of the other
    if (setting.user_batch == 0) setting.user_batch = setting.users;
    if (setting.movie_batch == 0) setting.movie_batch = setting.movies;
  }
  const example::Output output(options);

  std::vector<Result> results;
  for (const char* model : {"tutorial", "improved"})
    if (options["--model"].value == "both" || options["--model"].value == model) results.push_back(fit(model, setting, data.test, options));
  const double peak_after = peak_bytes();
  print_report(simple, results, setting, data.test);
  if (synthetic_data) std::printf("%s\n", made_up);

  std::vector<Fitted> fits;
  for (const Result& r : results) fits.push_back(r.fitted);
  plot(output, fits, data.test, counts, synthetic_data ? "SYNTHETIC ratings" : "MovieLens 100k");

  example::Summary summary;
  summary.add("data", synthetic_data ? "synthetic: made up by the program" : options["--unchecked"].given ? "a file that was not checked" : "MovieLens 100k, split u1");
  summary.add("ratings", static_cast<double>(setting.ratings()) + static_cast<double>(data.test.size()));
  summary.add("k", static_cast<double>(k));
  summary.add("batch", static_cast<double>(setting.batch));
  summary.add("user_batch", static_cast<double>(setting.user_batch));
  summary.add("movie_batch", static_cast<double>(setting.movie_batch));
  summary.add("global_mean_rmse_test", simple.global_mean);
  summary.add("movie_mean_rmse_test", simple.movie_mean);
  summary.add("user_mean_rmse_test", simple.user_mean);
  summary.add("biases_rmse_test_clipped", simple.biases);
  double seconds = 0;
  for (const Result& r : results) {
    const std::string& name = r.fitted.name;
    summary.add(name + "_loss_last200", mean_of_last(r.fitted.losses, 200));
    summary.add(name + "_rmse_test", r.rmse.test);
    summary.add(name + "_rmse_test_clipped", r.rmse.test_clipped);
    summary.add(name + "_rmse_train", r.rmse.train);
    summary.add(name + "_rmse_train_clipped", r.rmse.train_clipped);
    summary.add(name + "_sigma", r.fitted.sigma);
    summary.add(name + "_ns_per_step", 1e9 * r.seconds / static_cast<double>(options.steps));
    seconds += r.seconds;
  }
  // What the fit needs by itself: a rating as three numbers and two indices, two parameters a latent number (location and scale), two moments of
  // Adam a parameter. The peak is what was added to the memory that the process had before it read the data.
  const double numbers = 2.0 * static_cast<double>((setting.users + setting.movies) * k), needed = 8 * 3 * numbers + 32 * (static_cast<double>(setting.ratings()) + static_cast<double>(data.test.size()));
  summary.add("peak_memory_bytes", peak_after - peak_before);
  summary.add("data_parameters_optimiser_bytes", needed);
  summary.add("seconds", seconds);
  summary.add("seed", static_cast<double>(options.seed));
  summary.add("steps", static_cast<double>(options.steps));
  output.summary(summary);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
