/// \file
/// The example's figures.
#pragma once

#include <span>
#include <vector>

#include "../common/output.hpp"

namespace vae {

/// Pictures of 8 × 8 numbers between 0 and 1, side by side in rows of `columns`.
struct Mosaic {
  int columns;
  std::vector<double> pictures;
};

struct Codes {
  std::vector<double> first, second, label;
};

void plot(const example::Output& output, std::span<const double> losses, std::span<const double> held_out,
          const Mosaic& reconstructions, const Mosaic& samples, const Mosaic& plane, const Codes& codes);

}  // namespace vae
