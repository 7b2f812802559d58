/// \file
/// The example's figures.
#pragma once

#include <span>
#include <vector>

#include "../common/output.hpp"

namespace schools {

/// Posterior mean and standard deviation of each school's effect.
struct Effects {
  std::vector<double> mean, sd;
};

/// Draws the effects under both guides beside the reference posterior, and the losses of both fits.
void plot(const example::Output& output, std::span<const double> tutorial_losses, std::span<const double> better_losses,
          const Effects& tutorial, const Effects& better);

}  // namespace schools
