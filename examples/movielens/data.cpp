#include "data.hpp"

#include <wick/wick.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "sha256.hpp"

namespace movielens {
namespace {

constexpr const char* published = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490";
constexpr std::size_t published_lines = 100000;

[[noreturn]] void fail(const std::string& text, const std::string& advice) { throw std::runtime_error(text + "\nTry: " + advice); }

const std::string again = "get the file anew: examples/movielens/download";

std::string read_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) fail(path + ": cannot be opened", "check the path given with --data\n  or " + again);
  std::string text;
  std::error_code no_size;
  const auto size = std::filesystem::file_size(path, no_size);
  if (!no_size) text.resize(static_cast<std::size_t>(size));
  const bool whole = !no_size && std::fread(text.data(), 1, text.size(), file) == text.size();
  std::fclose(file);
  if (!whole) fail(path + ": cannot be read", "check that it is a file, and that it may be read");
  return text;
}

/// One line after the other. The file is not read as a CSV table: that holds all cells at once, several times the ratings' own memory.
class Lines {
 public:
  Lines(const std::string& path, const std::string& text) : path_(path), rest_(text) {}
  bool next() {
    if (rest_.empty()) return false;
    ++number_;
    const std::size_t end = rest_.find('\n');
    complete_ = end != std::string_view::npos;
    line_ = rest_.substr(0, end);
    rest_.remove_prefix(complete_ ? end + 1 : rest_.size());
    if (!line_.empty() && line_.back() == '\r') line_.remove_suffix(1);
    column_ = 0;
    return true;
  }
  bool complete() const { return complete_; }
  std::size_t number() const { return number_; }
  /// The next whole number of the line, which must lie in [least, most].
  std::int64_t number_of(const char* what, std::int64_t least, std::int64_t most) {
    ++column_;
    if (column_ > 1) {
      if (line_.empty()) cut(std::string("column ") + std::to_string(column_) + " (" + what + ") is missing");
      line_.remove_prefix(1);  // the tab before which the last number ended
    }
    const std::string_view cell = line_.substr(0, line_.find('\t'));
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (cell.empty()) cut(std::string("column ") + std::to_string(column_) + " (" + what + ") is missing");
    if (error != std::errc() || end != cell.data() + cell.size()) bad(std::string(what) + " is \"" + std::string(cell) + "\", which is no whole number");
    if (value < least || value > most) bad(std::string(what) + " is " + std::string(cell) + ", outside " + std::to_string(least) + " to " + std::to_string(most));
    line_.remove_prefix(cell.size());
    return value;
  }
  void end_of_line() const {
    if (!line_.empty()) bad("more than four columns");
  }
  [[noreturn]] void bad(const std::string& what) const {
    fail(path_ + ":" + std::to_string(number_) + ": " + what, "lines are user, movie, rating, time with tabs between them\n  or " + again);
  }
  [[noreturn]] void cut(const std::string& what) const {
    if (!complete_) fail(path_ + ":" + std::to_string(number_) + ": " + what + ": the file is cut short", again);
    bad(what);
  }

 private:
  const std::string& path_;
  std::string_view rest_, line_;
  std::size_t number_ = 0;
  int column_ = 0;
  bool complete_ = true;
};

/// The ratings in an order given by positions.
Ratings chosen(const Ratings& r, const std::vector<std::uint32_t>& order) {
  Ratings out;
  out.users = r.users;
  out.movies = r.movies;
  out.user.reserve(order.size());
  out.movie.reserve(order.size());
  out.rating.reserve(order.size());
  for (const std::uint32_t i : order) {
    out.user.push_back(r.user[i]);
    out.movie.push_back(r.movie[i]);
    out.rating.push_back(r.rating[i]);
  }
  return out;
}

}  // namespace

Ratings load(const std::string& path, bool checked) {
  const std::string text = read_file(path);
  if (text.empty()) fail(path + ": the file is empty", again);
  Ratings out;
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  out.user.reserve(lines);
  out.movie.reserve(lines);
  out.rating.reserve(lines);
  std::vector<std::uint32_t> seen(static_cast<std::size_t>(out.users) * static_cast<std::size_t>(out.movies) / 32 + 1, 0);
  Lines line(path, text);
  while (line.next()) {
    const std::int64_t user = line.number_of("user", 1, out.users), movie = line.number_of("movie", 1, out.movies), rating = line.number_of("rating", 1, 5);
    line.number_of("time", 0, std::numeric_limits<std::int64_t>::max());
    line.end_of_line();
    if (!line.complete()) line.cut("the last line does not end");
    const auto pair = static_cast<std::size_t>((user - 1) * out.movies + movie - 1);
    if ((seen[pair / 32] >> pair % 32 & 1u) != 0) line.bad("user " + std::to_string(user) + " has rated movie " + std::to_string(movie) + " before");
    seen[pair / 32] |= 1u << pair % 32;
    out.user.push_back(static_cast<std::int32_t>(user - 1));
    out.movie.push_back(static_cast<std::int32_t>(movie - 1));
    out.rating.push_back(static_cast<double>(rating));
  }
  if (!checked) {
    if (out.size() < 10) fail(path + ": " + std::to_string(out.size()) + " ratings are too few to be divided", "give a file with 10 or more lines");
    return out;
  }
  if (out.size() < published_lines)
    fail(path + ":" + std::to_string(out.size()) + ": the file is cut short: it ends here, the published one has " + std::to_string(published_lines) + " lines",
         again + "\n  or, if these are other ratings: --unchecked");
  const std::string found = Sha256::of(text);
  if (found != published)
    fail(path + ": not the file that was published\n  SHA-256 found  " + found + "\n  SHA-256 wanted " + published, again + "\n  or, if these are other ratings: --unchecked");
  return out;
}

Ratings synthetic(bool small) {
  Ratings all;
  if (small) {
    all.users = 94;
    all.movies = 168;
  }
  const std::size_t wanted = small ? 4000 : 100000;
  constexpr int factors = 3;
  const wick::Key key{20150301, 100};
  std::uint64_t at = 0;
  const auto uniform = [&] { return wick::uniform_from_bits(wick::random_bits(key, at++)); };
  const auto normal = [&] { return std::sqrt(-2 * std::log(uniform())) * std::cos(6.283185307179586 * uniform()); };
  const auto factor_of = [&](int rows) {
    std::vector<double> out(static_cast<std::size_t>(rows) * (factors + 1));
    for (double& x : out) x = 0.45 * normal();
    return out;
  };
  const std::vector<double> u = factor_of(all.users), v = factor_of(all.movies);
  // As in the real ones, some users and movies have many ratings, and many have few.
  std::vector<bool> seen(static_cast<std::size_t>(all.users) * static_cast<std::size_t>(all.movies));
  while (all.size() < wanted) {
    const int user = static_cast<int>(all.users * std::pow(uniform(), 1.6)), movie = static_cast<int>(all.movies * std::pow(uniform(), 2.2));
    const auto pair = static_cast<std::size_t>(user * all.movies + movie);
    if (seen[pair]) continue;
    seen[pair] = true;
    const double *a = &u[static_cast<std::size_t>(user) * (factors + 1)], *b = &v[static_cast<std::size_t>(movie) * (factors + 1)];
    double score = 3.5 + a[factors] + b[factors] + 0.9 * normal();
    for (int k = 0; k < factors; ++k) score += 2 * a[k] * b[k];
    all.user.push_back(user);
    all.movie.push_back(movie);
    all.rating.push_back(std::clamp(std::round(score), 1.0, 5.0));
  }
  return all;
}

Split split_u1(const Ratings& all) {
  std::vector<std::uint32_t> order(all.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto middle = static_cast<std::ptrdiff_t>(all.size() / 5);
  const auto by_pair = [&](std::uint32_t a, std::uint32_t b) { return all.user[a] != all.user[b] ? all.user[a] < all.user[b] : all.movie[a] < all.movie[b]; };
  std::sort(order.begin(), order.begin() + middle, by_pair);
  std::sort(order.begin() + middle, order.end(), by_pair);
  return {chosen(all, {order.begin() + middle, order.end()}), chosen(all, {order.begin(), order.begin() + middle})};
}

Simple simple_predictions(const Split& s) {
  const Ratings &r = s.train, &t = s.test;
  const auto mean_of = [](const std::vector<double>& x) { return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size()); };
  const double mean = mean_of(r.rating);
  // Means of what is left of the ratings after `offset`, by user or movie, with `shrink` more ratings of 0.
  const auto means_by = [&](const std::vector<std::int32_t>& of, int count, const std::vector<double>& offset, double shrink) {
    std::vector<double> sum(static_cast<std::size_t>(count), 0.0), n(sum.size(), shrink);
    for (std::size_t j = 0; j < r.size(); ++j) {
      sum[static_cast<std::size_t>(of[j])] += r.rating[j] - offset[j];
      n[static_cast<std::size_t>(of[j])] += 1;
    }
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = n[i] == 0 ? 0.0 : sum[i] / n[i];
    return sum;
  };
  const std::vector<double> same(r.size(), mean);
  const std::vector<double> movie_mean = means_by(r.movie, r.movies, same, 0), user_mean = means_by(r.user, r.users, same, 0), movie_bias = means_by(r.movie, r.movies, same, 10);
  std::vector<double> offset(r.size());
  for (std::size_t j = 0; j < r.size(); ++j) offset[j] = mean + movie_bias[static_cast<std::size_t>(r.movie[j])];
  const std::vector<double> user_bias = means_by(r.user, r.users, offset, 10);
  std::vector<double> by_movie, by_user, by_both;
  for (std::size_t j = 0; j < t.size(); ++j) {
    const auto u = static_cast<std::size_t>(t.user[j]), m = static_cast<std::size_t>(t.movie[j]);
    by_movie.push_back(mean + movie_mean[m]);
    by_user.push_back(mean + user_mean[u]);
    by_both.push_back(mean + movie_bias[m] + user_bias[u]);
  }
  return {rmse(std::vector<double>(t.size(), mean), t.rating, false), rmse(by_movie, t.rating, false), rmse(by_user, t.rating, false), rmse(by_both, t.rating, true)};
}

Counts::Counts(const Ratings& r) : of_user(static_cast<std::size_t>(r.users), 0.0), of_movie(static_cast<std::size_t>(r.movies), 0.0) {
  for (std::size_t j = 0; j < r.size(); ++j) {
    of_user[static_cast<std::size_t>(r.user[j])] += 1;
    of_movie[static_cast<std::size_t>(r.movie[j])] += 1;
  }
}

double rmse(std::span<const double> prediction, std::span<const double> rating, bool clip) {
  double squares = 0;
  for (std::size_t j = 0; j < rating.size(); ++j) {
    const double p = clip ? std::clamp(prediction[j], 1.0, 5.0) : prediction[j], error = p - rating[j];
    squares += error * error;
  }
  return std::sqrt(squares / static_cast<double>(rating.size()));
}

}  // namespace movielens
