/// \file
/// The example's four figures.
#pragma once

#include <span>
#include <vector>

#include "../common/output.hpp"

namespace iris {

/// A grid over the plane of the two measurements.
struct Grid {
  int columns, rows;

  /// x and y of each point in turn, column by column.
  std::vector<double> points() const;
};

/// Draws the data; the loss against the step; P(versicolor) over the plane (`mean`, one number for each point of the
/// grid); and the uncertainty of the decision: the entropy that belongs to `mean`, and `sd`, the disagreement between
/// draws.
void plot(const example::Output& output, std::span<const double> losses, double exact_loss, const Grid& grid,
          std::span<const double> mean, std::span<const double> sd);

}  // namespace iris
