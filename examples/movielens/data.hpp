/// \file
/// The ratings: where they come from, how they are divided, and what simple means make of them.
///
/// MovieLens 100k, collected by the GroupLens Research Project at the University of Minnesota. Licence: research use; no redistribution and no
/// commercial use without permission, so no rating is in this repository, and none may be put there. Whoever publishes results must cite:
/// F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), article 19, 2015, doi 10.1145/2827872.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace movielens {

/// Who rated what how; users and movies are counted from 0.
struct Ratings {
  std::vector<std::int32_t> user, movie;
  std::vector<double> rating;
  int users = 943, movies = 1682;
  std::size_t size() const { return rating.size(); }
};

/// Reads a file of lines user, movie, rating, time (tabs between). With `checked` it must be the published u.data, by its SHA-256.
/// Throws std::runtime_error, which names file and line: what is no such line, ids and ratings out of range, a pair twice, a file cut short;
/// for another SHA-256, both.
Ratings load(const std::string& path, bool checked);

/// Made-up ratings of the same form, from a factorisation with noise; always the same ones. `small`: 94 users, 168 movies, 4000 ratings.
Ratings synthetic(bool small);

/// The u1 split: the first fifth of the file for testing, the rest for training, each sorted by user and movie.
struct Split {
  Ratings train, test;
};
Split split_u1(const Ratings& all);

/// Root mean squared errors on the test part of predictions without a model.
struct Simple {
  double global_mean, movie_mean, user_mean;
  double biases;  ///< regularised biases of movies and users (shrunk by 10), clipped to 1..5
};
Simple simple_predictions(const Split& s);

/// How many ratings each user and each movie has.
struct Counts {
  std::vector<double> of_user, of_movie;
  explicit Counts(const Ratings& r);
};

/// sqrt(mean (prediction - rating)²); with `clip`, predictions are first clipped to 1..5.
double rmse(std::span<const double> prediction, std::span<const double> rating, bool clip);

}  // namespace movielens
