#include "plots.hpp"

#include <algorithm>
#include <numeric>

namespace movielens {
namespace {

std::string colour(const std::string& model) { return model == "tutorial" ? "#d55e00" : "#0072b2"; }
std::string called(const std::string& model) { return model == "tutorial" ? "tutorial's model" : "improved model"; }

double quantile(const std::vector<double>& sorted, double p) {
  const double at = p * static_cast<double>(sorted.size() - 1);
  const auto i = static_cast<std::size_t>(at);
  const double rest = at - static_cast<double>(i);
  return i + 1 < sorted.size() ? (1 - rest) * sorted[i] + rest * sorted[i + 1] : sorted[i];
}

std::string loss_picture(const example::Output& output, const std::vector<Fitted>& fits, std::size_t ratings, const std::string& source) {
  std::string script = "set datafile separator ','\nset title '" + source + ": the loss over " + std::to_string(ratings) + " training ratings'\n" + R"gp(set xlabel 'step'
set ylabel 'loss / training ratings (negative ELBO, log scale)'
set logscale y
set yrange [1.2:20]
set ytics (1.2, 1.4, 1.6, 2, 2.5, 3, 4, 5, 7, 10, 15, 20)
set tics out nomirror
set grid ytics lt 1 lc rgb '#e4e4e4'
set key top right
plot )gp";
  for (const Fitted& f : fits) {
    std::vector<double> step, each;
    for (std::size_t i = 0; i < f.losses.size(); ++i) {
      step.push_back(static_cast<double>(i));
      each.push_back(f.losses[i] / static_cast<double>(ratings));
    }
    output.csv("loss_" + f.name + ".csv", "step,loss_per_rating", {step, each});
    script += (&f == fits.data() ? "" : ", \\\n  ") + ("'loss_" + f.name + ".csv' skip 1 using 1:2 with lines lw 1.5 lc rgb '" + colour(f.name) + "' title \"" + called(f.name) + "\"");
  }
  return script + "\n";
}

std::string prediction_picture(const example::Output& output, const std::vector<Fitted>& fits, const Ratings& test, const std::string& source) {
  std::string script = "set datafile separator ','\nset title '" + source + ": predicted against true ratings, test part'\n" + R"gp(set xlabel 'true rating'
set ylabel 'prediction (not clipped)'
set xrange [0.5:5.5]
set yrange [0:6]
set xtics 1,1,5 nomirror
set ytics 1 nomirror
set grid ytics lt 1 lc rgb '#e4e4e4'
set key top left Left reverse
set boxwidth 0.3
set style fill solid 0.35 border
plot x with lines dt 2 lc rgb '#888888' title 'prediction = rating')gp";
  for (const Fitted& f : fits) {
    std::vector<double> truth, count, q[5];
    constexpr double level[] = {0.05, 0.25, 0.5, 0.75, 0.95};
    for (int rating = 1; rating <= 5; ++rating) {
      std::vector<double> of;
      for (std::size_t j = 0; j < test.size(); ++j)
        if (test.rating[j] == rating) of.push_back(f.prediction[j]);
      if (of.empty()) continue;
      std::sort(of.begin(), of.end());
      truth.push_back(rating);
      count.push_back(static_cast<double>(of.size()));
      for (int i = 0; i < 5; ++i) q[i].push_back(quantile(of, level[i]));
    }
    const std::string file = "prediction_" + f.name + ".csv";
    output.csv(file, "rating,ratings,q05,q25,median,q75,q95", {truth, count, q[0], q[1], q[2], q[3], q[4]});
    const std::string x = fits.size() == 1 ? "($1)" : f.name == "tutorial" ? "($1-0.18)" : "($1+0.18)", c = "lc rgb '" + colour(f.name) + "'";
    script += ", \\\n  '" + file + "' skip 1 using " + x + ":4:3:7:6 with candlesticks " + c + " title \"" + called(f.name) + ": box 25 to 75 %, whiskers 5 to 95 %\" whiskerbars 0.5, \\\n  '' skip 1 using " + x +
              ":5:5:5:5 with candlesticks lw 3 " + c + " notitle";
  }
  return script + "\n";
}

/// Posterior sd of users or movies in groups by their number of training ratings.
void sd_groups(const example::Output& output, const std::string& file, const std::vector<double>& n, const std::vector<double>& sd) {
  std::vector<double> x, number, low, middle, high;
  // 0; 1; 2, 3; 4 to 7; ...
  for (double first = 0, last = 0; first <= 1024; first = last + 1, last = first == 1 ? 1 : 2 * first - 1) {
    std::vector<double> group, counts;
    for (std::size_t i = 0; i < sd.size(); ++i)
      if (n[i] >= first && n[i] <= last) {
        group.push_back(sd[i]);
        counts.push_back(n[i]);
      }
    if (group.empty()) continue;
    std::sort(group.begin(), group.end());
    std::sort(counts.begin(), counts.end());
    x.push_back(quantile(counts, 0.5));
    number.push_back(static_cast<double>(group.size()));
    low.push_back(quantile(group, 0.1));
    middle.push_back(quantile(group, 0.5));
    high.push_back(quantile(group, 0.9));
  }
  output.csv(file, "ratings,number,q10,median,q90", {x, number, low, middle, high});
}

std::string sd_picture(const example::Output& output, const std::vector<Fitted>& fits, const Counts& train, const std::string& source) {
  std::string script = "set datafile separator ','\nset multiplot layout 1," + std::to_string(fits.size()) + " title '" + source + ": the more ratings, the surer the factors'\n" + R"gp(set xlabel 'training ratings of a user or movie (0 stands at 0.5)'
set ylabel 'posterior sd of the factors / prior sd (root mean square)'
set logscale x
set xrange [0.4:1000]
set yrange [0:1.3]
set xtics (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
set tics out nomirror
set grid ytics lt 1 lc rgb '#e4e4e4'
set key top right
)gp";
  for (const Fitted& f : fits) {
    const std::string users = "sd_users_" + f.name + ".csv", movies = "sd_movies_" + f.name + ".csv";
    sd_groups(output, users, train.of_user, f.user_sd);
    sd_groups(output, movies, train.of_movie, f.movie_sd);
    const auto series = [&](const std::string& file, const std::string& c, const std::string& title) {
      return "'" + file + "' skip 1 using ($1>0?$1:0.5):4:3:5 with yerrorbars pt 7 ps 0.9 lw 1.5 lc rgb '" + c + "' title '" + title + ": median, 10 to 90 %'";
    };
    script += "set title \"" + called(f.name) + "\"\nplot 1 with lines dt 2 lc rgb '#888888' title 'the prior', \\\n  " + series(users, "#009e73", "users") + ", \\\n  " + series(movies, "#cc79a7", "movies") + "\n";
  }
  return script + "unset multiplot\n";
}

}  // namespace

void plot(const example::Output& output, const std::vector<Fitted>& fits, const Ratings& test, const Counts& train, const std::string& source) {
  const auto ratings = static_cast<std::size_t>(std::accumulate(train.of_user.begin(), train.of_user.end(), 0.0));
  output.pictures({{"loss", 760, 500, loss_picture(output, fits, ratings, source)},
                   {"prediction", 760, 520, prediction_picture(output, fits, test, source)},
                   {"sd", fits.size() == 1 ? 700 : 1180, 540, sd_picture(output, fits, train, source)}});
}

}  // namespace movielens
