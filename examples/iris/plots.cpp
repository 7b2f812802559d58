#include "plots.hpp"

#include <cmath>
#include <string>

#include "data.hpp"

namespace iris {
namespace {

constexpr double x_first = 4.0, x_last = 7.2, y_first = 1.8, y_last = 4.6;

const std::string plane = R"gp(set datafile separator ','
set xlabel 'sepal length (cm)'
set ylabel 'sepal width (cm)'
set xrange [4:7.2]
set yrange [1.8:4.6]
set tics out nomirror
)gp";

const std::string data = plane + R"gp(set title 'The data: the sepals of 100 irises'
set key top right
plot 'data.csv' skip 1 using ($3 == 0 ? $1 : NaN):2 with points pt 7 ps 0.9 lc rgb '#0072b2' title 'setosa (50)', \
  '' skip 1 using ($3 == 1 ? $1 : NaN):2 with points pt 9 ps 1.1 lc rgb '#d55e00' title 'versicolor (50)'
)gp";

const std::string loss = R"gp(set datafile separator ','
set title 'Loss: the negative ELBO, estimated from one draw a step'
set xlabel 'step'
set ylabel 'loss'
set logscale y
set yrange [25:*]
set tics out nomirror
set ytics (25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000)
set grid ytics lt 1 lc rgb '#e4e4e4'
plot 'loss.csv' skip 1 using 1:2 with lines lw 0.6 lc rgb '#9ecae1' title 'each step', \
  '' skip 1 using 1:3 with lines lw 2 lc rgb '#0072b2' title 'mean of 50 steps', \
  '' skip 1 using 1:4 with lines dt 2 lw 1.5 lc rgb '#d55e00' title 'least possible with this guide (quadrature)'
)gp";

/// The flowers on top of a coloured plane, each with a white rim; goes on a `plot` command that ends with a comma.
const std::string flowers_on_top =
    R"gp('data.csv' skip 1 using ($3 == 0 ? $1 : NaN):2 with points pt 7 ps 1.0 lc rgb 'white' notitle, \
  '' skip 1 using ($3 == 0 ? $1 : NaN):2 with points pt 7 ps 0.75 lc rgb '#0072b2' title 'setosa', \
  '' skip 1 using ($3 == 1 ? $1 : NaN):2 with points pt 9 ps 1.3 lc rgb 'white' notitle, \
  '' skip 1 using ($3 == 1 ? $1 : NaN):2 with points pt 9 ps 0.9 lc rgb '#b34700' title 'versicolor'
)gp";

/// The line P = 0.5 goes through a datablock, which gnuplot writes with blanks between the columns.
const std::string probability = plane + R"gp(set contour base
set cntrparam levels discrete 0.5
unset surface
set table $half
splot 'prediction.csv' skip 1 using 1:2:3
unset table
unset contour
set title 'Posterior predictive probability of versicolor'
set cbrange [0:1]
set cblabel 'P(versicolor)'
set palette defined (0 '#5b9bd0', 0.5 '#f7f7f7', 1 '#f0a35e')
set key top right opaque
plot 'prediction.csv' skip 1 using 1:2:3 with image notitle, \
  $half using (real(word(strcol(1), 1))):(real(word(strcol(1), 2))) with lines lw 2 lc rgb 'black' title 'P = 0.5', \
  )gp" + flowers_on_top;

const std::string uncertainty = plane +
                                R"gp(set multiplot layout 1,2 title 'How sure is the decision between the two species?'
set palette defined (0 '#ffffff', 0.35 '#c9b7dc', 0.7 '#8d63b0', 1 '#4a1a70')
set key top right opaque
set title 'Entropy of the predicted species (bits)'
set cbrange [0:1]
plot 'prediction.csv' skip 1 using 1:2:4 with image notitle, \
  )gp" + flowers_on_top + R"gp(set title 'Standard deviation of P(versicolor) between draws of the weights'
set cbrange [0:*]
plot 'prediction.csv' skip 1 using 1:2:5 with image notitle, \
  )gp" + flowers_on_top + "unset multiplot\n";

double entropy_bits(double p) {
  const auto part = [](double q) { return q > 0 ? -q * std::log2(q) : 0.0; };
  return part(p) + part(1 - p);
}

}  // namespace

std::vector<double> Grid::points() const {
  std::vector<double> out;
  for (int i = 0; i < columns; ++i)
    for (int j = 0; j < rows; ++j) {
      out.push_back(x_first + (x_last - x_first) * i / (columns - 1));
      out.push_back(y_first + (y_last - y_first) * j / (rows - 1));
    }
  return out;
}

void plot(const example::Output& output, std::span<const double> losses, double exact_loss, const Grid& grid,
          std::span<const double> mean, std::span<const double> sd) {
  std::vector<double> length, width, species;
  for (const Flower& f : flowers) {
    length.push_back(f.sepal_length);
    width.push_back(f.sepal_width);
    species.push_back(f.species);
  }
  output.csv("data.csv", "sepal_length,sepal_width,species", {length, width, species});

  // A running mean shows the course under the noise.
  std::vector<double> step, running, exact;
  double window = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    window += losses[i] - (i < 50 ? 0 : losses[i - 50]);
    step.push_back(static_cast<double>(i));
    running.push_back(window / static_cast<double>(i < 50 ? i + 1 : 50));
    exact.push_back(exact_loss);
  }
  output.csv("loss.csv", "step,loss,mean_of_50,least_possible", {step, losses, running, exact});

  const std::vector<double> points = grid.points();
  std::vector<double> x, y, entropy;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    x.push_back(points[2 * i]);
    y.push_back(points[2 * i + 1]);
    entropy.push_back(entropy_bits(mean[i]));
  }
  output.csv("prediction.csv", "sepal_length,sepal_width,probability,entropy_bits,sd", {x, y, mean, entropy, sd},
             static_cast<std::size_t>(grid.rows));

  output.pictures({{"data", 720, 560, data},
                   {"loss", 720, 480, loss},
                   {"probability", 780, 560, probability},
                   {"uncertainty", 1200, 560, uncertainty}});
}

}  // namespace iris
