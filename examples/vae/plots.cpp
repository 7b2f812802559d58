#include "plots.hpp"

#include <cmath>
#include <limits>
#include <string>

namespace vae {
namespace {

const std::string picture_style = R"gp(set datafile separator ','
set palette defined (0 'white', 1 'black')
set cbrange [0:1]
unset colorbox
unset xtics
unset ytics
unset border
set size ratio -1
set yrange [*:*] reverse
set autoscale xfix
set autoscale yfix
)gp";

const std::string reconstructions =
    picture_style +
    R"gp(set title 'Held-out digits (first and third row) and what is left of them after two numbers (second and fourth)'
plot 'reconstructions.csv' skip 1 using 1:2:3 with image notitle
)gp";

const std::string samples =
    picture_style + R"gp(set title 'Pictures that the model draws: a code from the normal distribution, then the pixels'
plot 'samples.csv' skip 1 using 1:2:3 with image notitle
)gp";

const std::string plane =
    picture_style +
    R"gp(set title 'The plane of codes, decoded at the quantiles of the normal distribution (2.5 % to 97.5 %)'
plot 'plane.csv' skip 1 using 1:2:3 with image notitle
)gp";

const std::string latent = R"gp(set datafile separator ','
set title 'Codes of the held-out digits (means of the guide), which never saw the labels'
set xlabel 'z, first number'
set ylabel 'z, second number'
set size ratio -1
set tics out nomirror
set grid lt 1 lc rgb '#e4e4e4'
set key outside right title 'digit'
array colour[10] = ['#1f77b4', '#ff7f0e', '#2ca02c', '#d62728', '#9467bd', '#8c564b', '#e377c2', '#7f7f7f', '#bcbd22', '#17becf']
plot for [d=0:9] NaN with points pt 7 ps 1 lc rgb colour[d+1] title sprintf('%d', d), \
  for [d=0:9] 'codes.csv' skip 1 using ($3 == d ? $1 : NaN):2:(sprintf('%d', d)) with labels tc rgb colour[d+1] font ',9' notitle
)gp";

const std::string loss = R"gp(set datafile separator ','
set title 'Loss per picture (negative ELBO)'
set xlabel 'step'
set ylabel 'nats per picture'
set yrange [110:250]
set tics out nomirror
set grid ytics lt 1 lc rgb '#e4e4e4'
set key top right
plot 'loss.csv' skip 1 using 1:2 with lines lw 0.6 lc rgb '#9ecae1' title 'training, each step (one minibatch)', \
  'held_out.csv' skip 1 using 1:2 with linespoints pt 7 ps 0.5 lw 2 lc rgb '#d55e00' title 'held-out pictures'
)gp";

/// The mosaic's pixels with a white line between pictures.
void write(const example::Output& output, const char* name, const Mosaic& m) {
  constexpr int side = 8, step = side + 1;
  const int count = static_cast<int>(m.pictures.size()) / (side * side), rows = (count + m.columns - 1) / m.columns;
  std::vector<double> x, y, value;
  for (int j = 0; j < rows * step - 1; ++j)
    for (int i = 0; i < m.columns * step - 1; ++i) {
      const int picture = j / step * m.columns + i / step, row = j % step, column = i % step;
      const bool gap = row == side || column == side || picture >= count;
      x.push_back(i);
      y.push_back(j);
      value.push_back(gap ? 0.0 : m.pictures[static_cast<std::size_t>(picture * side * side + row * side + column)]);
    }
  output.csv(name, "x,y,black", {x, y, value});
}

}  // namespace

void plot(const example::Output& output, std::span<const double> losses, std::span<const double> held_out,
          const Mosaic& reconstruction, const Mosaic& drawn, const Mosaic& decoded, const Codes& codes) {
  std::vector<double> step, checked;
  for (std::size_t i = 0; i < losses.size(); ++i) step.push_back(static_cast<double>(i));
  for (std::size_t i = 0; i < held_out.size(); ++i)
    checked.push_back(static_cast<double>((i + 1) * losses.size() / held_out.size()));
  output.csv("loss.csv", "step,loss", {step, losses});
  output.csv("held_out.csv", "step,loss", {checked, held_out});
  output.csv("codes.csv", "z1,z2,digit", {codes.first, codes.second, codes.label});
  write(output, "reconstructions.csv", reconstruction);
  write(output, "samples.csv", drawn);
  write(output, "plane.csv", decoded);
  output.pictures({{"reconstructions", 900, 420, reconstructions},
                   {"samples", 760, 400, samples},
                   {"plane", 700, 740, plane},
                   {"latent", 760, 640, latent},
                   {"loss", 720, 480, loss}});
}

}  // namespace vae
