#include "plots.hpp"

#include <string>

namespace dmm {
namespace {

const std::string series_picture = R"gp(set datafile separator ','
set multiplot layout 1,2
set tics out nomirror
set grid ytics lt 1 lc rgb '#e4e4e4'
set title 'What the guide infers of the hidden state (first seed)'
set xlabel 'time step'
set ylabel 'in the units of the data'
set yrange [-1:7]
set key top left
plot 'series.csv' skip 1 using 1:($4-2*$5):($4+2*$5) with filledcurves fc rgb '#b9d7ea' title '± 2 sd of its draws', \
  '' skip 1 using 1:2 with points pt 7 ps 0.45 lc rgb '#999999' title 'data', \
  '' skip 1 using 1:3 with lines lw 2 lc rgb 'black' title 'truth: sin(0.2 t) + 0.05 t', \
  '' skip 1 using 1:4 with lines lw 2 lc rgb '#0072b2' title 'mean of what z shows'
set title 'Loss (negative ELBO, one draw a step), each seed'
set xlabel 'step'
set ylabel 'loss, latents weighted by the annealing factor'
set logscale y
set yrange [50:*]
set ytics (50, 75, 100, 150, 200, 300, 500, 1000)
set key top right
stats 'loss.csv' skip 1 nooutput
plot for [i=2:STATS_columns] 'loss.csv' skip 1 using 1:i with lines lw 0.8 lc rgb '#9ecae1' notitle, \
  NaN with lines lw 1.5 lc rgb '#9ecae1' title 'one seed', \
  'loss.csv' skip 1 using 1:(sum [i=2:STATS_columns] column(i) / (STATS_columns - 1.0)) with lines lw 1.8 lc rgb '#0072b2' title 'mean of the seeds'
unset multiplot
)gp";

const std::string chorales_picture = R"gp(set datafile separator ','
set title 'Chorales: nats per time slice (negative ELBO, an upper bound)'
set xlabel 'epoch'
set ylabel 'nats per time slice'
set tics out nomirror
set grid ytics lt 1 lc rgb '#e4e4e4'
set key top right
plot 'chorales.csv' skip 1 using 1:2 with lines lw 2 lc rgb '#9ecae1' title 'training (latents weighted by the annealing factor)', \
  '' skip 1 using 1:3 with linespoints pt 7 ps 0.6 lw 2 lc rgb '#d55e00' title 'validation'
)gp";

}  // namespace

void plot_series(const example::Output& output, const std::vector<double>& data, const std::vector<double>& truth,
                 const Inferred& inferred, const std::vector<std::vector<double>>& losses) {
  std::vector<double> time, step;
  for (std::size_t i = 0; i < data.size(); ++i) time.push_back(static_cast<double>(i));
  for (std::size_t i = 0; i < losses[0].size(); ++i) step.push_back(static_cast<double>(i));
  output.csv("series.csv", "t,data,truth,mean,sd,z", {time, data, truth, inferred.mean, inferred.sd, inferred.z});
  if (losses.size() == 5)
    output.csv("loss.csv", "step,seed_1,seed_2,seed_3,seed_4,seed_5",
               {step, losses[0], losses[1], losses[2], losses[3], losses[4]});
  else
    output.csv("loss.csv", "step,seed_1,seed_2", {step, losses[0], losses[1]});
  output.pictures({{"series", 1200, 520, series_picture}});
}

void plot_chorales(const example::Output& output, const std::vector<double>& epoch, const std::vector<double>& train,
                   const std::vector<double>& valid) {
  output.csv("chorales.csv", "epoch,training,validation", {epoch, train, valid});
  output.pictures({{"chorales", 720, 480, chorales_picture}});
}

}  // namespace dmm
