/// \file
/// The two models of the ratings and their guides.
#pragma once

#include <wick/wick.hpp>

#include <algorithm>
#include <vector>

#include "data.hpp"

namespace movielens {

using namespace wick;

/// Ratings of some users for some movies, both given by their places among those.
struct Chosen {
  std::vector<std::int32_t> user, movie;
  std::vector<double> rating;
  std::vector<std::int32_t> place;  ///< of each movie among those of the step; -1: none
};

/// What a fit works on, and with how much of it at a time.
struct Setting {
  Index users, movies, k;
  Index batch = 0;                        ///< ratings a step; 0: all
  Index user_batch = 0, movie_batch = 0;  ///< users and movies a step; 0: all
  std::uint64_t seed = 1;                 ///< of where the improved model begins
  Tensor user, movie, rating;             ///< of each rating, sorted by user
  std::vector<std::size_t> first;         ///< where each user's ratings begin; one more at the end
  mutable Chosen chosen;                  ///< those of a step; here, so that its memory is used again in the next

  Setting(const Ratings& r, Index factors) : users(r.users), movies(r.movies), k(factors), user(r.user), movie(r.movie), rating(r.rating), first(static_cast<std::size_t>(r.users) + 1, 0) {
    for (const std::int32_t u : r.user) ++first[static_cast<std::size_t>(u) + 1];
    for (std::size_t u = 1; u < first.size(); ++u) first[u] += first[u - 1];
  }
  Index ratings() const { return rating.size(0); }
  bool subsamples_plates() const { return user_batch != 0 || movie_batch != 0; }
};

inline const Chosen& ratings_among(const Setting& s, const Tensor& users, const Tensor& movies) {
  Chosen& out = s.chosen;
  out.user.clear();
  out.movie.clear();
  out.rating.clear();
  out.place.assign(static_cast<std::size_t>(s.movies), -1);
  for (Index i = 0; i < movies.numel(); ++i) out.place[static_cast<std::size_t>(movies.data()[i])] = static_cast<std::int32_t>(i);
  for (Index i = 0; i < users.numel(); ++i) {
    const auto u = static_cast<std::size_t>(users.data()[i]);
    for (std::size_t j = s.first[u]; j < s.first[u + 1]; ++j) {
      const std::int32_t m = out.place[static_cast<std::size_t>(s.movie.data()[j])];
      if (m < 0) continue;
      out.user.push_back(static_cast<std::int32_t>(i));
      out.movie.push_back(m);
      out.rating.push_back(s.rating.data()[j]);
    }
  }
  return out;
}

/// Observes the ratings of a step. `mean(user, movie)` is the expected rating of pairs of rows of what was drawn for the users and movies of the step.
///
/// A minibatch is a subsample of the plate "data", whose densities are multiplied by what was left out. If users or movies are
/// subsampled themselves, the ratings are those among the chosen ones: a rating is there with probability
/// (users chosen / all) · (movies chosen / all), and is weighed by the inverse.
template <class Mean>
void observe_ratings(const Setting& s, const Tensor& users, const Tensor& movies, const Tensor& sigma, const Mean& mean) {
  if (!s.subsamples_plates()) {
    const plate data("data", s.ratings(), {.subsample_size = s.batch});
    sample("ratings", Normal(mean(data.subsample(s.user), data.subsample(s.movie)), sigma), obs(data.subsample(s.rating)));
    return;
  }
  const Chosen& c = ratings_among(s, users, movies);
  if (c.rating.empty()) return;
  const double weight = static_cast<double>(s.users * s.movies) / static_cast<double>(users.numel() * movies.numel());
  const handlers::scale weighed(weight);
  const plate data("data", c.rating.size());
  sample("ratings", Normal(mean(c.user, c.movie), sigma), obs(Tensor(c.rating)));
}

/// The tutorial's: a rating is the product of what a user likes and what a movie has, plus noise.
namespace tutorial {

inline void model(const Setting& s) {
  Tensor U, V, users, movies;
  {
    const plate each("users", s.users, {.subsample_size = s.user_batch});
    U = sample("U", Normal(0.0, 1.0).expand({s.k}).to_event(1));
    users = each.indices();
  }
  {
    const plate each("movies", s.movies, {.subsample_size = s.movie_batch});
    V = sample("V", Normal(0.0, 1.0).expand({s.k}).to_event(1));
    movies = each.indices();
  }
  const Tensor sigma = sample("sigma", Exponential(1.0));
  observe_ratings(s, users, movies, sigma, [&](const Tensor& user, const Tensor& movie) { return dot_rows(U, user, V, movie); });
}

/// Every parameter in a plate is stored in full size; `event_dim` lets a plate that is subsampled take its elements.
inline void guide(const Setting& s) {
  {
    const plate each("users", s.users, {.subsample_size = s.user_batch});
    const Tensor loc = param("U_loc", zeros({s.users, s.k}), constraints::real, {.event_dim = 1});
    const Tensor scale = param("U_scale", ones({s.users, s.k}), constraints::positive, {.event_dim = 1});
    sample("U", Normal(loc, scale).to_event(1));
  }
  {
    const plate each("movies", s.movies, {.subsample_size = s.movie_batch});
    const Tensor loc = param("V_loc", zeros({s.movies, s.k}), constraints::real, {.event_dim = 1});
    const Tensor scale = param("V_scale", ones({s.movies, s.k}), constraints::positive, {.event_dim = 1});
    sample("V", Normal(loc, scale).to_event(1));
  }
  sample("sigma", Delta(param("sigma_loc", 1.0, constraints::positive)));
}

}  // namespace tutorial

/// Ours: a mean, biases of users and movies, and a factorisation of what is left; how far biases and factors reach is learned, for the factors
/// dimension by dimension, so that dimensions that are not needed are switched off.
namespace improved {

/// The expected ratings of pairs of rows. Biases are factors too: a user's is multiplied by 1 in every movie's row, and the other way round. So
/// all is one product of rows, and nothing but the result has the size of the ratings.
inline Tensor expected(const Tensor& mean, const Tensor& user_bias, const Tensor& U, const Tensor& user, const Tensor& movie_bias, const Tensor& V, const Tensor& movie) {
  const auto column = [](const Tensor& x) { return reshape(x, {x.size(0), 1}); };
  const Tensor of_users = cat({U, column(mean + user_bias), ones({U.size(0), 1})}, 1), of_movies = cat({V, ones({V.size(0), 1}), column(movie_bias)}, 1);
  return dot_rows(of_users, user, of_movies, movie);
}

inline void model(const Setting& s) {
  const Tensor mean = sample("mean", Normal(3.0, 1.0));
  const Tensor user_spread = sample("user_spread", HalfNormal(1.0)), movie_spread = sample("movie_spread", HalfNormal(1.0));
  const Tensor factor_spread = sample("factor_spread", HalfNormal(1.0).expand({s.k}).to_event(1));
  Tensor U, V, user_bias, movie_bias, users, movies;
  {
    const plate each("users", s.users, {.subsample_size = s.user_batch});
    user_bias = sample("user_bias", Normal(0.0, user_spread));
    U = sample("U", Normal(0.0, 1.0).expand({s.k}).to_event(1));
    users = each.indices();
  }
  {
    const plate each("movies", s.movies, {.subsample_size = s.movie_batch});
    movie_bias = sample("movie_bias", Normal(0.0, movie_spread));
    V = sample("V", Normal(0.0, factor_spread).to_event(1));
    movies = each.indices();
  }
  const Tensor sigma = sample("sigma", Exponential(1.0));
  observe_ratings(s, users, movies, sigma, [&](const Tensor& user, const Tensor& movie) { return expected(mean, user_bias, U, user, movie_bias, V, movie); });
}

/// The factors begin small and at random: at 0, where the tutorial's begin, each waits for the other to move, and only noise moves them.
inline void guide(const Setting& s) {
  const auto at_random = [&s](const char* name, Index rows, Index columns) { return 0.1 * Normal(0.0, 1.0).expand({rows, columns}).sample_with(Key{hash_name(name), s.seed}); };
  sample("mean", Delta(param("mean_loc", 3.0)));
  sample("user_spread", Delta(param("user_spread_loc", 0.5, constraints::positive)));
  sample("movie_spread", Delta(param("movie_spread_loc", 0.5, constraints::positive)));
  sample("factor_spread", Delta(param("factor_spread_loc", full({s.k}, 0.5), constraints::positive)).to_event(1));
  {
    const plate each("users", s.users, {.subsample_size = s.user_batch});
    sample("user_bias", Normal(param("user_bias_loc", zeros({s.users}), constraints::real, {.event_dim = 0}), param("user_bias_scale", full({s.users}, 0.1), constraints::positive, {.event_dim = 0})));
    const Tensor loc = param("U_loc", [&] { return at_random("U", s.users, s.k); }, constraints::real, {.event_dim = 1});
    const Tensor scale = param("U_scale", full({s.users, s.k}, 0.1), constraints::positive, {.event_dim = 1});
    sample("U", Normal(loc, scale).to_event(1));
  }
  {
    const plate each("movies", s.movies, {.subsample_size = s.movie_batch});
    sample("movie_bias", Normal(param("movie_bias_loc", zeros({s.movies}), constraints::real, {.event_dim = 0}), param("movie_bias_scale", full({s.movies}, 0.1), constraints::positive, {.event_dim = 0})));
    const Tensor loc = param("V_loc", [&] { return at_random("V", s.movies, s.k); }, constraints::real, {.event_dim = 1});
    const Tensor scale = param("V_scale", full({s.movies, s.k}, 0.1), constraints::positive, {.event_dim = 1});
    sample("V", Normal(loc, scale).to_event(1));
  }
  sample("sigma", Delta(param("sigma_loc", 1.0, constraints::positive)));
}

}  // namespace improved
}  // namespace movielens
