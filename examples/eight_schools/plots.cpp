#include "plots.hpp"

#include <algorithm>
#include <string>

#include "data.hpp"

namespace schools {
namespace {

const std::string effects = R"gp(set datafile separator ','
set multiplot
set origin 0,0.13
set size 1,0.87
set title 'Eight schools: posterior mean ± standard deviation of each effect'
set ylabel 'effect of coaching (points)'
set xlabel 'school'
set xrange [0.5:8.5]
set yrange [-5:30]
set xtics ('A' 1, 'B' 2, 'C' 3, 'D' 4, 'E' 5, 'F' 6, 'G' 7, 'H' 8) nomirror
set ytics 5 nomirror
set grid ytics lt 1 lc rgb '#e4e4e4'
set xzeroaxis lt 1 lc rgb '#888888'
set key top right
set bars 0
plot 'schools.csv' skip 1 using ($1-0.27):2 with points pt 2 ps 0.8 lw 1.5 lc rgb '#888888' title 'measured effect', \
  '' skip 1 using ($1-0.09):4:5 with yerrorbars pt 9 ps 0.8 lw 2 lc rgb '#d55e00' title "tutorial's guide (bars hardly longer than the mark)", \
  '' skip 1 using ($1+0.09):6:7 with yerrorbars pt 7 ps 0.9 lw 2 lc rgb '#0072b2' title 'better guide', \
  '' skip 1 using ($1+0.27):8:9 with yerrorbars pt 5 ps 0.8 lw 2 lc rgb 'black' title 'reference posterior (MCMC)'
set origin 0,0
set size 1,0.13
unset title; unset xlabel; unset ylabel; unset xtics; unset ytics; unset grid; unset xzeroaxis; unset border; unset key
set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
set xrange [0:1]
set yrange [0:1]
set label 1 "The tutorial's guide has an infinite expected loss (E[1/tau²] = ∞ under a half-Cauchy tau). Its means stop within about ±1.3" at 0.5,0.75 center
set label 2 "of 0, where the posterior means are 3.6 to 6.3: they are no estimate. The better guide has theta = mu0 + tau · eta and a" at 0.5,0.47 center
set label 3 "log-normal tau; its expected loss is finite." at 0.5,0.19 center
plot NaN notitle
unset multiplot
)gp";

const std::string losses = R"gp(set datafile separator ','
set multiplot layout 1,2
set xlabel 'step'
set ylabel 'loss (negative ELBO, one draw a step)'
set tics out nomirror
set grid ytics lt 1 lc rgb '#e4e4e4'
set key top right
set title "The tutorial's guide: the loss has no finite mean"
set logscale y
set format y '10^%T'
plot 'loss.csv' skip 1 every 2 using 1:2 with points pt 7 ps 0.2 lc rgb '#f0a35e' notitle, \
  NaN with points pt 7 ps 0.7 lc rgb '#f0a35e' title 'every second step', \
  '' skip 1 using 1:3 with lines lw 2 lc rgb '#b34700' title 'median of 100 steps'
unset logscale y
set format y '%g'
set title 'The better guide'
set yrange [27:42]
plot 'loss.csv' skip 1 every 2 using 1:4 with points pt 7 ps 0.2 lc rgb '#9ecae1' notitle, \
  NaN with points pt 7 ps 0.7 lc rgb '#9ecae1' title 'every second step', \
  '' skip 1 using 1:5 with lines lw 2 lc rgb '#0072b2' title 'exponential mean of 100 steps', \
  31.60 with lines dt 2 lw 1.5 lc rgb '#d55e00' title 'least mean loss with this guide: 31.60', \
  31.3113 with lines lw 1 lc rgb 'black' title '−log p(data) = 31.31: no mean loss lies below'
unset multiplot
)gp";

/// The median of the last 100 values at each place.
std::vector<double> running_median(std::span<const double> x) {
  std::vector<double> out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t n = std::min<std::size_t>(i + 1, 100);
    const std::span<const double> last = x.subspan(i + 1 - n, n);
    std::vector<double> sorted(last.begin(), last.end());
    std::nth_element(sorted.begin(), sorted.begin() + std::ssize(sorted) / 2, sorted.end());
    out.push_back(sorted[sorted.size() / 2]);
  }
  return out;
}

/// The average at each place, where a value that lies n steps back weighs 0.99^n.
std::vector<double> exponential_mean(std::span<const double> x) {
  std::vector<double> out;
  double sum = 0, weight = 0;
  for (const double v : x) {
    sum = 0.99 * sum + v;
    weight = 0.99 * weight + 1;
    out.push_back(sum / weight);
  }
  return out;
}

}  // namespace

void plot(const example::Output& output, std::span<const double> tutorial_losses, std::span<const double> better_losses,
          const Effects& tutorial, const Effects& better) {
  std::vector<double> school, step;
  for (int i = 1; i <= count; ++i) school.push_back(i);
  for (std::size_t i = 0; i < tutorial_losses.size(); ++i) step.push_back(static_cast<double>(i));
  output.csv("schools.csv",
             "school,measured,error,tutorial_mean,tutorial_sd,better_mean,better_sd,reference_mean,reference_sd",
             {school, effect, error, tutorial.mean, tutorial.sd, better.mean, better.sd, reference::theta_mean,
              reference::theta_sd});
  output.csv("loss.csv", "step,tutorial,tutorial_median_of_100,better,better_exponential_mean",
             {step, tutorial_losses, running_median(tutorial_losses), better_losses, exponential_mean(better_losses)});
  output.pictures({{"schools", 900, 620, effects}, {"loss", 1200, 520, losses}});
}

}  // namespace schools
