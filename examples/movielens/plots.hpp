/// \file
/// The example's figures.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "../common/output.hpp"
#include "data.hpp"

namespace movielens {

/// What a fitted model has to show.
struct Fitted {
  std::string name;  ///< "tutorial" or "improved"
  std::vector<double> losses;
  std::vector<double> prediction;         ///< of each rating of the test part
  std::vector<double> user_sd, movie_sd;  ///< posterior sd of the factors in units of the prior's, root mean square over their dimensions
  double sigma;
};

/// Draws the losses, predictions against true ratings of the test part, and posterior sd against the number of ratings. `source` is what the
/// titles call the data, `train` how many ratings users and movies have in the training part.
void plot(const example::Output& output, const std::vector<Fitted>& fits, const Ratings& test, const Counts& train, const std::string& source);

}  // namespace movielens
