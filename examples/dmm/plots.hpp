/// \file
/// The example's figures.
#pragma once

#include <vector>

#include "../common/output.hpp"

namespace dmm {

/// What a guide says of a series: the mean of z, and mean and standard deviation of what z shows.
struct Inferred {
  std::vector<double> z, mean, sd;
};

/// Draws what the guide infers beside the truth, and the losses of all seeds.
void plot_series(const example::Output& output, const std::vector<double>& data, const std::vector<double>& truth,
                 const Inferred& inferred, const std::vector<std::vector<double>>& losses);

/// Draws the negative log likelihood per time slice over the epochs.
void plot_chorales(const example::Output& output, const std::vector<double>& epoch, const std::vector<double>& train,
                   const std::vector<double>& valid);

}  // namespace dmm
