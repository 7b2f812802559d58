// Rule G: derivatives of log-densities and of reparameterised samples, on every path.
#include "catch.hpp"

#include <cmath>

#include <boost/math/special_functions/gamma.hpp>

#include "ad/expect_grad.hpp"
#include "dist/families.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// All derivatives of a two-parameter density: scalar, vector, broadcast and empty arguments, sum and elements.
template <class D>
void expect_density(const std::string& name, const Tensor& xs, const Tensor& as, const Tensor& bs) {
  const auto log_prob = [](const Tensor& x, const Tensor& a, const Tensor& b) { return D(a, b).log_prob(x); };
  const auto sum = [](const Tensor& x, const Tensor& a, const Tensor& b) { return D(a, b).log_prob_sum(x, 1.5); };
  const double x = xs.data()[0], a = as.data()[0], b = bs.data()[0];
  expect_grad(name + " scalars", log_prob, x, a, b);
  expect_grad(name + " vectors", log_prob, xs, as, bs);
  expect_grad(name + " sum of vectors", sum, xs, as, bs);
  expect_grad(name + " sum over a scalar parameter", sum, xs, a, bs);
  expect_grad(name + " sum over scalar parameters", sum, xs, a, b);
  expect_grad(name + " broadcast", log_prob, reshape(xs, {xs.numel(), 1}), as, b);
  expect_grad(name + " sum of broadcast", sum, x, reshape(as, {as.numel(), 1}), bs);
  expect_grad(name + " empty", log_prob, zeros({0}), a, b);
  expect_grad(name + " sum of nothing", sum, zeros({0, 3}), a, bs);
}
template <class D>
void expect_density(const std::string& name, const Tensor& xs, const Tensor& as) {
  const auto log_prob = [](const Tensor& x, const Tensor& a) { return D(a).log_prob(x); };
  const auto sum = [](const Tensor& x, const Tensor& a) { return D(a).log_prob_sum(x, 1.5); };
  const double x = xs.data()[0], a = as.data()[0];
  expect_grad(name + " scalars", log_prob, x, a);
  expect_grad(name + " vectors", log_prob, xs, as);
  expect_grad(name + " sum of vectors", sum, xs, as);
  expect_grad(name + " sum over a scalar parameter", sum, xs, a);
  expect_grad(name + " broadcast", log_prob, reshape(xs, {xs.numel(), 1}), as);
  expect_grad(name + " sum of broadcast", sum, x, reshape(as, {as.numel(), 1}));
  expect_grad(name + " empty", log_prob, zeros({0}), a);
}
/// The same for values without derivative.
template <class Make>
void expect_mass(const std::string& name, const Make& make, const Tensor& xs, const Tensor& as) {
  const auto log_prob = [&](const Tensor& a) { return make(a).log_prob(xs); };
  const auto sum = [&](const Tensor& a) { return make(a).log_prob_sum(xs, 1.5); };
  expect_grad(name + " vectors", log_prob, as);
  expect_grad(name + " sum of vectors", sum, as);
  expect_grad(name + " broadcast", [&](const Tensor& a) { return make(a).log_prob(reshape(xs, {xs.numel(), 1})); }, as);
  expect_grad(name + " sum of an expanded parameter", [&](const Tensor& a) { return make(a).expand({2, 3}).log_prob_sum(xs); }, as);
}

}  // namespace

TEST_CASE("gradient: continuous densities", "[dist][gradient]") {
  const Tensor x{0.7, 1.9, 0.4}, a{0.3, 1.2, 2.0}, b{0.8, 1.7, 0.6};
  expect_density<Normal>("Normal", x, a, b);
  expect_density<LogNormal>("LogNormal", x, a, b);
  expect_density<Gamma>("Gamma", x, a, b);
  expect_density<Uniform>("Uniform", x, Tensor{-0.5, 0.1, -2.0}, Tensor{3.0, 2.5, 2.1});
  expect_density<HalfNormal>("HalfNormal", x, b);
  expect_density<HalfCauchy>("HalfCauchy", x, b);
  expect_density<Exponential>("Exponential", x, b);
}

TEST_CASE("gradient: masses with respect to parameters", "[dist][gradient]") {
  const Tensor bits{0, 1, 1}, counts{0, 3, 11};
  expect_mass("Bernoulli probs", [](const Tensor& p) { return Bernoulli(p); }, bits, Tensor{0.1, 0.5, 0.9});
  expect_mass("Bernoulli logits", [](const Tensor& l) { return Bernoulli({.logits = l}); }, bits, Tensor{-2.0, 0.3, 4.0});
  expect_mass("Poisson", [](const Tensor& r) { return Poisson(r); }, counts, Tensor{0.4, 2.5, 9.0});
  const Tensor rows{{0.2, 0.7, 0.4}, {1.5, 0.1, 0.3}};
  const auto probs = [](const Tensor& p) { return Categorical(p); };
  const auto logits = [](const Tensor& l) { return Categorical({.logits = l}); };
  for (const Tensor& x : {Tensor{2, 1}, Tensor{{0, 1}, {2, 2}, {1, 0}}, Tensor(1)}) {
    expect_grad("Categorical probs", [&](const Tensor& p) { return probs(p).log_prob(x); }, rows);
    expect_grad("Categorical logits", [&](const Tensor& l) { return logits(l).log_prob(x); }, rows);
    expect_grad("Categorical probs, sum", [&](const Tensor& p) { return probs(p).log_prob_sum(x, -0.5); }, rows);
    expect_grad("Categorical logits, sum", [&](const Tensor& l) { return logits(l).log_prob_sum(x, -0.5); }, rows);
    expect_grad("Categorical logits, masked", [&](const Tensor& l) { return logits(l).log_prob_sum(x, 2.0, Tensor{0, 1}); }, rows);
    expect_grad("Categorical expanded", [&](const Tensor& l) { return logits(l).expand({3, 2}).log_prob(x); }, rows);
  }
  expect_grad("Categorical of one row", [&](const Tensor& l) { return logits(l).log_prob(Tensor{{0, 2}, {1, 2}}); }, Tensor{0.3, -1.0, 0.2});
  expect_grad("Categorical of repeated logits", [&](const Tensor& l) { return logits(expand(l, {2, 3})).log_prob_sum(Tensor{1, 2}); }, Tensor{0.3, -1.0, 0.2});
  expect_grad("Categorical normalised", [&](const Tensor& l) { return logits(l).probs() + probs(exp(l)).logits(); }, rows);
}

TEST_CASE("gradient: events, masks and Delta", "[dist][gradient]") {
  const Tensor x{{0.7, 1.9, 0.4}, {1.0, 0.2, 0.9}}, loc{0.3, 1.2, 2.0};
  expect_grad("to_event", [](const Tensor& v, const Tensor& l, const Tensor& s) { return Normal(l, s).expand({2, 3}).to_event(1).log_prob(v); }, x, loc, 0.7);
  expect_grad("to_event masked", [](const Tensor& v, const Tensor& l, const Tensor& s) { return Normal(l, s).expand({2, 3}).to_event(1).log_prob_sum(v, 3.0, Tensor{1, 0}); },
              x, loc, 0.7);
  expect_grad("own mask", [](const Tensor& v, const Tensor& l, const Tensor& s) { return Normal(l, s).mask(Tensor{1, 0, 1}).log_prob(v); }, x, loc, 0.7);
  expect_grad("Delta log_density", [](const Tensor& ld) { return Delta(Tensor{1.0, 2.0}, ld).log_prob(Tensor{{1.0, 2.0}, {1.0, 2.0}}); }, Tensor{0.5, -0.3});
  expect_grad("Delta of events", [&](const Tensor& ld) { return Delta(x, ld, 1).log_prob_sum(x, 2.0); }, Tensor{0.5, -0.3});
  expect_grad("Delta sample", [](const Tensor& v) { return Delta(v).expand({2, 2}).sample(); }, Tensor{0.5, -0.3});
  expect_grad("Delta sample itself", [](const Tensor& v) { return Delta(v, 0.0, 1).sample(); }, Tensor{0.5, -0.3});
}

TEST_CASE("gradient: NaN under a mask leaves no trace", "[dist][gradient]") {
  const double nan = detail::kNaN;
  const Tensor x{0.5, nan, 1.5}, scale{1.0, -1.0, 2.0}, keep{1, 0, 1};
  const auto check = [&](const char* name, const auto& f, const auto&... args) {
    INFO(name);
    const auto [value, gradients] = value_and_grad(f)(args...);
    CHECK(std::isfinite(value.item()));
    for (const Tensor& g : gradients)
      for (const double v : g.values()) CHECK(std::isfinite(v));
  };
  check("sum", [&](const Tensor& v, const Tensor& s) { return Normal(0.1, s).log_prob_sum(v, 1.0, keep); }, x, scale);
  check("elements", [&](const Tensor& v, const Tensor& s) { return sum(Normal(0.1, s).log_prob(v, keep)); }, x, scale);
  check("own mask", [&](const Tensor& v, const Tensor& s) { return sum(LogNormal(0.1, s).mask(keep).log_prob(v)); }, x, scale);
  check("computed parameter", [&](const Tensor& v, const Tensor& s) { return Gamma(s, exp(s)).mask(keep).log_prob_sum(v); }, x, scale);
  check("event", [&](const Tensor& v, const Tensor& s) { return HalfNormal(s).mask(keep).to_event(1).log_prob_sum(v); }, x, scale);
  check("discrete", [&](const Tensor& p, const Tensor& r) { return Bernoulli(p).log_prob_sum(Tensor{1.0, nan, 0.0}, 1.0, keep) + Poisson(r).log_prob_sum(Tensor{2.0, 0.5, 0.0}, 1.0, keep); },
        Tensor{0.5, nan, 0.2}, scale);
  check("Categorical", [&](const Tensor& l, const Tensor&) { return Categorical({.logits = l}).mask(keep).log_prob_sum(Tensor{0.0, nan, 1.0}); },
        Tensor{{0.1, 0.2}, {nan, 1.0}, {2.0, 1.0}}, 1.0);
  check("Delta", [&](const Tensor& v, const Tensor& ld) { return Delta(v, ld).log_prob_sum(Tensor{0.5, 3.0, 1.5}, 1.0, keep); }, x, Tensor{1.0, nan, 2.0});
  // What is left equals the density without the element.
  const double all = Normal(0.1, 2.0).log_prob_sum(Tensor{0.5, nan, 1.5}, 3.0, keep).item();
  CHECK(within_rule_f(all, 3.0 * Normal(0.1, 2.0).log_prob_sum(Tensor{0.5, 1.5}).item()));
}

TEST_CASE("gradient: bounded masses at the edge have finite gradients where defined", "[dist][gradient]") {
  const auto of = [](double p, double x) { return grad([x](const Tensor& t) { return Bernoulli(t).log_prob(x); })(p).item(); };
  CHECK(of(0.0, 0.0) == -1.0);
  CHECK(of(1.0, 1.0) == 1.0);
  CHECK(grad([](const Tensor& t) { return Poisson(t).log_prob(0.0); })(0.0).item() == -1.0);
  CHECK(grad([](const Tensor& l) { return Bernoulli({.logits = l}).log_prob(1.0); })(-800.0).item() == 1.0);
  const Tensor g = grad([](const Tensor& l) { return Categorical({.logits = l}).log_prob(0.0); })(Tensor{0.0, -detail::kInf, 0.0});
  CHECK(g.to_vector() == std::vector<double>{0.5, 0.0, -0.5});
  const Tensor at_zero = grad([](const Tensor& x) { return Gamma(1.0, 3.0).log_prob(x); })(0.0);
  CHECK(at_zero.item() == -3.0);
}

TEST_CASE("gradient: samples with respect to parameters", "[dist][gradient]") {
  const Key key{1234, 5678};
  const Tensor a{0.3, 1.2, 2.0}, b{0.8, 1.7, 0.6};
  const auto two = [&](const std::string& name, auto make, const Tensor& p, const Tensor& q) {
    expect_gradient(name + " scalars", [&](const Tensor& s, const Tensor& t) { return make(s, t).sample_with(key); }, p.data()[0], q.data()[0]);
    expect_gradient(name + " vectors", [&](const Tensor& s, const Tensor& t) { return make(s, t).sample_with(key); }, p, q);
    expect_gradient(name + " expanded", [&](const Tensor& s, const Tensor& t) { return make(s, t).expand({4, 3}).sample_with(key); }, p, q.data()[0]);
  };
  const auto one = [&](const std::string& name, auto make, const Tensor& p) {
    expect_gradient(name + " scalar", [&](const Tensor& s) { return make(s).sample_with(key); }, p.data()[0]);
    expect_gradient(name + " expanded", [&](const Tensor& s) { return make(s).expand({4, 3}).sample_with(key); }, p);
  };
  two("Normal", [](const Tensor& s, const Tensor& t) { return Normal(s, t); }, a, b);
  two("LogNormal", [](const Tensor& s, const Tensor& t) { return LogNormal(s, t); }, a, b);
  two("Uniform", [](const Tensor& s, const Tensor& t) { return Uniform(s, t); }, a, b + 3.0);
  one("HalfNormal", [](const Tensor& s) { return HalfNormal(s); }, b);
  one("HalfCauchy", [](const Tensor& s) { return HalfCauchy(s); }, b);
  one("Exponential", [](const Tensor& s) { return Exponential(s); }, b);
}

namespace {

/// −(∂P(a, z)/∂a) / p(z; a) by Boost in extended precision and Richardson's extrapolation.
double implicit_derivative(double a, double z) {
  using Real = long double;
  const Real la = a, lz = z, log_p = (la - 1) * std::log(lz) - lz - boost::math::lgamma(la);
  const bool upper = z > a;
  const auto tail = [&](Real at) { return upper ? boost::math::gamma_q(at, lz) : -boost::math::gamma_p(at, lz); };
  const auto central = [&](Real h) { return (tail(la + h) - tail(la - h)) / (2 * h); };
  const Real h = 2e-4L * la / (1 + std::sqrt(la) / 30);
  const Real d1 = central(h), d2 = central(h / 2), d3 = central(h / 4), e1 = (4 * d2 - d1) / 3, e2 = (4 * d3 - d2) / 3;
  return static_cast<double>((16 * e2 - e1) / 15 * std::exp(-log_p));
}

}  // namespace

TEST_CASE("gradient: Gamma samples move along their quantile", "[dist][gradient]") {
  double worst = 0;
  for (const double a : {1e-3, 0.01, 0.1, 0.5, 1.0, 2.5, 10.0, 80.0, 300.0, 999.0, 1001.0, 1e4})
    for (const double deviation : {-4.0, -2.5, -1.0, -0.2, 0.1, 0.7, 2.0, 3.5, 5.0}) {
      // Wilson and Hilferty's approximate quantiles; below a = 1 the lower tail by its leading term.
      double z = a * std::pow(std::max(1 - 1 / (9 * a) + deviation / (3 * std::sqrt(a)), 0.0), 3);
      if (a < 1 && deviation < 0) z = std::exp(std::log(0.1 * (5 + deviation)) / a);
      if (a < 1 && deviation > 0) z = 0.3 * deviation * deviation;
      if (!(z > 1e-290)) continue;
      const double expected = implicit_derivative(a, z), actual = detail::gamma_derivative(a, z);
      INFO("a " << a << " z " << z << ": " << actual << ", expected " << expected);
      CHECK(std::abs(actual - expected) <= 1e-8 * std::abs(expected));
      worst = std::max(worst, std::abs(actual / expected - 1));
    }
  INFO("worst relative error " << worst);
  CHECK(worst < 1e-8);

  const Key key{42, 43};
  const Tensor a{0.01, 0.7, 3.0, 50.0}, rate{2.0, 0.5, 1.0, 4.0};
  const auto draw = [&](const Tensor& s, const Tensor& r) { return Gamma(s, r).sample_with(key); };
  expect_same_paths("Gamma sample", draw, a, rate);
  const Tensor x = draw(a, rate);
  const auto [value, g] = value_and_grad([&](const Tensor& s, const Tensor& r) { return sum(draw(s, r)); })(a, rate);
  for (Index i = 0; i < 4; ++i) {
    const double xi = x.data()[i], ri = rate.data()[i];
    const double expected = implicit_derivative(a.data()[i], xi * ri) / ri;
    CHECK(std::abs(g[0].data()[i] - expected) <= 1e-7 * std::abs(expected));
    CHECK(within_rule_f(g[1].data()[i], -xi / ri));
  }
}

TEST_CASE("gradient: without_rsample samples carry none and keep the same value", "[dist][gradient]") {
  const Key key{7, 8};
  const auto check = [&](const auto& make) {
    const auto zero = value_and_grad([&](const Tensor& s) { return sum(make(s).without_rsample().sample_with(key)); })(Tensor{0.5, 1.5});
    const auto plain = value_and_grad([&](const Tensor& s) { return sum(make(s).sample_with(key)); })(Tensor{0.5, 1.5});
    CHECK(make(Tensor(1.0)).has_rsample());
    CHECK_FALSE(make(Tensor(1.0)).without_rsample().has_rsample());
    CHECK_FALSE(make(Tensor(1.0)).without_rsample().expand({3}).to_event(1).mask(1.0).has_rsample());
    CHECK(zero.first.item() == plain.first.item());
    CHECK(zero.second.to_vector() == std::vector<double>{0.0, 0.0});
    CHECK(plain.second.to_vector() != std::vector<double>{0.0, 0.0});
    expect_same_paths("without_rsample", [&](const Tensor& s) { return make(s).without_rsample().sample_with(key) + 0.0 * s; }, Tensor{0.5, 1.5});
    expect_same_paths("without_rsample scalar", [&](const Tensor& s) { return make(s).without_rsample().sample_with(key) + 0.0 * s; }, 0.5);
  };
  check([](const Tensor& s) { return Normal(s, s); });
  check([](const Tensor& s) { return LogNormal(s, 0.5); });
  check([](const Tensor& s) { return HalfNormal(s); });
  check([](const Tensor& s) { return HalfCauchy(s); });
  check([](const Tensor& s) { return Uniform(0.0, s); });
  check([](const Tensor& s) { return Exponential(s); });
  check([](const Tensor& s) { return Gamma(s, 2.0); });
  check([](const Tensor& s) { return Delta(s); });
  CHECK_FALSE(Bernoulli(0.5).has_rsample());
  CHECK_FALSE(Categorical(Tensor{0.5, 0.5}).has_rsample());
  CHECK_FALSE(Poisson(0.5).has_rsample());
}

TEST_CASE("gradient: draws of discrete families are values that vary", "[dist][gradient]") {
  const Key key{9, 10};
  expect_same_paths("Bernoulli", [&](const Tensor& p) { return Bernoulli(p).expand({5}).sample_with(key) + 0.0 * p; }, 0.4);
  expect_same_paths("Bernoulli logits", [&](const Tensor& p) { return Bernoulli({.logits = p}).sample_with(key) + 0.0 * p; }, Tensor{0.4, -1.0});
  expect_same_paths("Poisson", [&](const Tensor& r) { return Poisson(r).sample_with(key) + 0.0 * r; }, Tensor{0.4, 30.0});
  expect_same_paths("Categorical", [&](const Tensor& p) { return Categorical(p).expand({4, 2}).sample_with(key) + 0.0 * sum(p); }, Tensor{{0.4, 1.0, 0.1}, {2.0, 1.0, 1.0}});
  expect_same_paths("Categorical logits", [&](const Tensor& p) { return Categorical({.logits = p}).sample_with(key) + 0.0 * sum(p); }, Tensor{0.4, 1.0, 0.1});
}

TEST_CASE("gradient: Gamma samples so small that their product with the rate underflows", "[dist][gradient]") {
  // Near 0 the distribution function is z^a / Γ(a + 1), so at a fixed probability log z = (log u + log Γ(a + 1)) / a.
  const auto check = [](double a, double rate, double x) {
    INFO(a << " " << rate << " " << x);
    const long double log_z = std::log(static_cast<long double>(x)) + std::log(static_cast<long double>(rate));
    const long double log_u = a * log_z - std::lgamma(a + 1.0L);
    const auto quantile = [&](long double b) { return (log_u + std::lgamma(b + 1)) / b; };
    const long double h = a * 1e-5L;
    const auto expected = static_cast<double>(x * (quantile(a + h) - quantile(a - h)) / (2 * h));
    const double slope = wick::detail::gamma_sample_slope(a, rate, x);
    CHECK(std::abs(slope - expected) <= 1e-8 * std::abs(expected));
  };
  for (const double a : {1e-3, 0.02, 0.7})
    for (const double x : {2.3e-308, 1e-295}) {
      check(a, 1e-17, x);
      check(a, 1e-200, x);
      check(a, 1.0, x);
      check(a, 1e6, x);
    }
  for (const double x : {0.9e-290, 1.1e-290}) check(0.01, 1.0, x);
  const auto f = [](const Tensor& a) { return sum(Gamma(expand(a, {50}), 1e-17).sample_with(Key{1, 2})); };
  const auto [v, g] = value_and_grad(f)(0.001);
  CHECK(std::isfinite(v.item()));
  CHECK(std::isfinite(g.item()));
}

TEST_CASE("gradient: second derivatives where a density takes another way", "[dist][gradient]") {
  const auto gamma = [](const auto& x, const auto& a, const auto& rate) { return Gamma(a, rate).log_prob(x); };
  expect_grad("Gamma, large shape", gamma, Tensor(1010.0), Tensor(1000.0), Tensor(1.0));
  expect_grad("Gamma, large shape, far", gamma, Tensor(3.0), Tensor(300.0), Tensor(2.0));
  expect_grad("Gamma, large and small shapes", gamma, Tensor{3.0, 900.0, 0.5}, Tensor{3.0, 1000.0, 0.7}, Tensor(1.1));
  expect_grad("Poisson, large", [](const auto& rate) { return Poisson(rate).log_prob(Tensor{1000.0, 3.0}); }, Tensor{1020.0, 2.5});
  expect_grad("HalfCauchy, far out", [](const auto& x, const auto& s) { return HalfCauchy(s).log_prob(x); }, Tensor{3.0, 2e11}, Tensor(1.5));
}
