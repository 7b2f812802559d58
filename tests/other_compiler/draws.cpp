// draws FILE: writes a million draws of every kind of sampler.  draws --compare A B: what two such files differ in.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <wick/dist/dist.hpp>

using namespace wick;

namespace {

/// What two compilers owe each other (rule H).
enum class Promise { identical, ulps, rejection };

struct Table {
  const char* name;
  Promise promise;
};

constexpr Index kDraws = 250000;

template <class Each>
void for_each_table(const Each& each) {
  std::uint64_t n = 0;
  const auto one = [&](const char* name, Promise promise, const Distribution& d) { each(Table{name, promise}, d.sample_with(Key{7, ++n})); };
  const Shape many{kDraws};
  one("Uniform(0, 1)", Promise::identical, Uniform(0.0, 1.0).expand(many));
  one("Uniform(-3, 7)", Promise::identical, Uniform(-3.0, 7.0).expand(many));
  one("Bernoulli(0.3)", Promise::identical, Bernoulli(0.3).expand(many));
  one("Categorical(1, 2, 3, 4)", Promise::identical, Categorical(Tensor{1, 2, 3, 4}).expand(many));
  one("Normal(0, 1)", Promise::ulps, Normal(0.0, 1.0).expand(many));
  one("HalfNormal(1)", Promise::ulps, HalfNormal(1.0).expand(many));
  one("Exponential(1)", Promise::ulps, Exponential(1.0).expand(many));
  one("HalfCauchy(1)", Promise::ulps, HalfCauchy(1.0).expand(many));
  one("Bernoulli(logits -1.2)", Promise::rejection, Bernoulli({.logits = -1.2}).expand(many));
  one("Gamma(0.001, 1)", Promise::rejection, Gamma(0.001, 1.0).expand(many));
  one("Gamma(0.4, 2)", Promise::rejection, Gamma(0.4, 2.0).expand(many));
  one("Gamma(1, 1)", Promise::rejection, Gamma(1.0, 1.0).expand(many));
  one("Gamma(3.7, 1)", Promise::rejection, Gamma(3.7, 1.0).expand(many));
  one("Gamma(1e5, 3)", Promise::rejection, Gamma(1e5, 3.0).expand(many));
  one("Poisson(0.7)", Promise::rejection, Poisson(0.7).expand(many));
  one("Poisson(9)", Promise::rejection, Poisson(9.0).expand(many));
  one("Poisson(11)", Promise::rejection, Poisson(11.0).expand(many));
  one("Poisson(300)", Promise::rejection, Poisson(300.0).expand(many));
  one("Poisson(1e6)", Promise::rejection, Poisson(1e6).expand(many));
}

double ulps(double a, double b) {
  if (a == b) return 0;
  return std::fabs(a - b) / (std::nextafter(std::fabs(a), HUGE_VAL) - std::fabs(a));
}

std::vector<double> read(const char* path) {
  std::vector<double> all;
  std::FILE* f = std::fopen(path, "rb");
  if (f == nullptr) return all;
  std::vector<double> part(static_cast<std::size_t>(kDraws));
  while (std::fread(part.data(), sizeof(double), part.size(), f) == part.size()) all.insert(all.end(), part.begin(), part.end());
  std::fclose(f);
  return all;
}

int compare(const char* first, const char* second) {
  const std::vector<double> a = read(first), b = read(second);
  std::size_t at = 0, rejected = 0, differing = 0;
  bool good = true;
  for_each_table([&](const Table& t, const Tensor&) {
    const auto end = at + static_cast<std::size_t>(kDraws);
    if (a.size() < end || b.size() < end) {
      good = false;
      return;
    }
    std::size_t others = 0;
    double most = 0;
    for (; at < end; ++at) {
      if (std::memcmp(&a[at], &b[at], sizeof(double)) == 0) continue;
      ++others;
      const double u = ulps(a[at], b[at]);
      most = u > most ? u : most;
    }
    const bool fits = t.promise == Promise::identical ? others == 0 : t.promise == Promise::ulps ? most <= 4 : true;
    if (t.promise == Promise::rejection) {
      rejected += static_cast<std::size_t>(kDraws);
      differing += others;
    }
    std::printf("%-24s %7zu of %ld differ, by %.1f ulp at most%s\n", t.name, others, static_cast<long>(kDraws), most, fits ? "" : "  TOO MUCH");
    good = good && fits;
  });
  const double share = static_cast<double>(differing) / static_cast<double>(rejected);
  std::printf("rejection samplers: %zu of %zu draws differ, a share of %.2g (allowed: 1e-6)\n", differing, rejected, share);
  return good && at == a.size() && at == b.size() && share <= 1e-6 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--compare") return compare(argv[2], argv[3]);
  if (argc != 2) return 2;
  std::FILE* f = std::fopen(argv[1], "wb");
  if (f == nullptr) return 2;
  for_each_table([&](const Table&, const Tensor& x) { std::fwrite(x.data(), sizeof(double), static_cast<std::size_t>(kDraws), f); });
  return std::fclose(f);
}
