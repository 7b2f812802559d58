/// \file
/// Rule C for programs that one latent and one observed site do not cover: branches, local discrete latents, auxiliary
/// sites, nested and neighbouring plates, latents drawn from their prior, iris, eight schools.
#pragma once

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "gradient/families.hpp"
#include "support/exact_iris.hpp"
#include "support/exact_schools.hpp"

namespace wick_test {

// --- k ~ Bernoulli, z of another distribution in each branch -----------------------------------------------------------

inline void compare_branch(MonteCarloTable& table, const std::string& name, const BranchWeights& w, bool pathwise, wick::Index particles) {
  using namespace wick;
  const Vector p{0.4, 1.6, -0.3, 1.5, 1.6};
  const auto scaled = [](double factor, auto draw) {
    std::optional<handlers::scale<>> scale;
    if (factor != 1.0) scale.emplace(Tensor(factor));
    return draw();
  };
  const auto model = [=] {
    const Tensor k = scaled(w.k, [] { return sample("k", Bernoulli(0.5)); });
    const Tensor z = scaled(w.z, [&] { return k.item() == 1.0 ? sample("z", Normal(0.0, prior_sd())) : sample("z", Gamma(2.0, 2.0)); });
    scaled(w.x, [&] { return sample("x", Normal(z, 1.0), obs(1.5)); });
  };
  const auto guide = [=] {
    const Tensor k = scaled(w.guide_k, [&] { return sample("k", Bernoulli({.logits = param("logit", p[0])})); });
    scaled(w.guide_z, [&] {
      if (k.item() == 1.0) {
        const Normal q(param("m", p[1]), param("s", std::exp(p[2]), constraints::positive));
        return sample("z", pathwise ? q : q.without_rsample());
      }
      const Gamma q(param("a", std::exp(p[3]), constraints::positive), param("b", std::exp(p[4]), constraints::positive));
      return sample("z", pathwise ? q : q.without_rsample());
    });
  };
  compare_step(table, name, model, guide, {{"logit"}, {"m"}, {"s"}, {"a"}, {"b"}}, branch(p, 1.5, w), particles);
}

inline MonteCarloReport branch_table(bool scales_only = false) {
  MonteCarloTable table("gradient: branches");
  const BranchWeights weights{.k = 2.0, .z = 0.5, .x = 3.0, .guide_k = 1.5, .guide_z = 0.7};
  compare_branch(table, "scales", weights, true, 1);
  if (scales_only) return table.report();
  compare_branch(table, "pathwise", {}, true, 1);
  compare_branch(table, "score function", {}, false, 1);
  compare_branch(table, "4 particles", {}, true, 4);
  return table.report();
}

// --- a global Normal and a local Bernoulli for each datum --------------------------------------------------------------

/// The guide's z_i depends on w: with a slope the scores carry gradients into w.
inline void compare_local_bernoulli(MonteCarloTable& table, const Structure& s) {
  using namespace wick;
  const Vector x{-0.5, 2.0, 0.7}, p{0.3, -0.4, 0.7, 0.5, -0.6, 0.2};
  const Tensor data = x, logits = part_of(p, 3, 3);
  const auto model = [=] {
    std::optional<handlers::scale<>> all;
    if (s.scale_model != 1.0) all.emplace(Tensor(s.scale_model));
    const Tensor w = sample("w", Normal(0.0, prior_sd()));
    in_plate(s, 3, [&](const Part& part) {
      const Tensor z = [&] {
        const Around around(part, s.scale_latent, s.mask_latent, s.own_masks);
        return sample(part.site("z"), around(Bernoulli(0.3)));
      }();
      const Around around(part, s.scale_observed, s.mask_observed, s.own_masks, s.weight_observed);
      sample(part.site("x"), around(Normal(z + w, 1.0)), obs(part(data)));
    });
  };
  const auto guide = [=] {
    std::optional<handlers::scale<>> all;
    if (s.scale_guide != 1.0) all.emplace(Tensor(s.scale_guide));
    const Tensor w = sample("w", Normal(param("m", p[0]), param("s", std::exp(p[1]), constraints::positive)));
    const Tensor slope = param("slope", p[2]);
    in_plate(s, 3, [&](const Part& part) {
      const Around around(part, 1.0, s.mask_guide, s.own_masks);
      sample(part.site("z"), around(Bernoulli({.logits = part.param("logits", logits) + slope * w})));
    });
  };
  const LocalBernoulli weights{.global_weight = s.scale_model, .global_guide_weight = s.scale_guide};
  compare_step(table, s.name, model, guide, {{"m"}, {"s"}, {"slope"}, {"logits", 3}}, local_bernoulli(p, x, s.weights(3), weights),
               s.particles);
}

inline MonteCarloReport local_bernoulli_table(const std::vector<std::string>& only = {}) {
  MonteCarloTable table("gradient: local Bernoulli");
  for (const Structure& s : structures())
    if (!s.global && wanted(s, only)) compare_local_bernoulli(table, s);
  return table.report();
}

/// z ~ Normal(0, 1), x ~ Normal(z, 1).
inline void point_like_model(const char* name, double x) {
  using namespace wick;
  const Tensor z = sample("z", Normal(0.0, prior_sd()));
  sample(name, Normal(z, 1.0), obs(x));
}

// --- an auxiliary site in the guide -----------------------------------------------------------------------------------

inline MonteCarloReport auxiliary_table(const std::vector<std::string>& only = {}) {
  using namespace wick;
  MonteCarloTable table("gradient: auxiliary site");
  const Vector x{1.0, -0.4}, logit{std::log(0.3 / 0.7), 0.5}, low{0.0, -0.7}, high{2.0, 0.9};
  const std::vector<Structure> cases{{.name = "plate"}, {.name = "sequential plate", .sequential = true}, {.name = "random subsample", .batch_size = 1}, {.name = "4 particles", .particles = 4}};
  for (const Structure& s : cases) {
    if (!wanted(s, only)) continue;
    const auto model = [&, data = Tensor(x)] {
      in_plate(s, 2, [&](const Part& part) {
        const Tensor z = sample(part.site("z"), Normal(0.0, prior_sd()));
        sample(part.site("x"), Normal(z, 1.0), obs(part(data)));
      });
    };
    const auto guide = [&] {
      in_plate(s, 2, [&](const Part& part) {
        const Tensor a = sample(part.site("a"), Bernoulli({.logits = part.param("logit", logit)}), Infer{.is_auxiliary = true});
        sample(part.site("z"), Normal(where(a, part.param("high", high), part.param("low", low)), 1.0));
      });
    };
    LossGrad exact{0.0, Vector(6)};
    for (std::size_t i = 0; i < 2; ++i) {
      const LossGrad one = auxiliary(Vector{logit[i], low[i], high[i]}, {.x = x[i]});
      exact.loss += one.loss;
      for (std::size_t k = 0; k < 3; ++k) exact.grad[2 * k + i] = one.grad[k];
    }
    compare_step(table, s.name, model, guide, {{"logit", 2}, {"low", 2}, {"high", 2}}, exact, s.particles);
  }
  return table.report();
}

// --- draws that no site shows, weighed by factors; densities of transformed values --------------------------------------

inline MonteCarloReport factor_table() {
  using namespace wick;
  MonteCarloTable table("gradient: factors in the guide");
  const auto model = [] { point_like_model("x", 1.0); };
  const auto hidden = [](auto draw) {
    const handlers::block<> block;
    return draw();
  };
  // As the auxiliary site above, but hidden, and told to the guide's density by a factor.
  const Vector p = auxiliary_point();
  const auto discrete = [=] {
    const Bernoulli q({.logits = param("logit", p[0])});
    const Tensor a = hidden([&] { return sample("a", q); });
    factor("q_a", q.log_prob(a), {.has_rsample = false});
    sample("z", Normal(where(a, param("high", p[2]), param("low", p[1])), 1.0));
  };
  compare_step(table, "score function", model, discrete, {{"logit"}, {"low"}, {"high"}}, auxiliary(p, {.x = 1.0}));
  const Vector point{-1.4, 0.6}, x{1.0};
  const auto normal = [=] { return Normal(param("loc", point[0]), param("scale", std::exp(point[1]), constraints::positive)); };
  const LossGrad exact = normal_normal(point, x, Weights::global(1));
  const auto continuous = [=] {
    const Normal q = normal();
    const Tensor z = hidden([&] { return sample("u", q); });
    factor("q_u", q.log_prob(z), {.has_rsample = true});
    sample("z", Delta(z));
  };
  compare_step(table, "pathwise", model, continuous, {{"loc"}, {"scale"}}, exact);
  // z = exp(u): the auxiliary u has the density, the Delta its Jacobian.
  const auto transformed = [=] {
    const Tensor u = sample("u", normal(), Infer{.is_auxiliary = true});
    sample("z", Delta(exp(u), -u));
  };
  const auto positive = [] {
    const Tensor z = sample("z", LogNormal(0.0, prior_sd()));
    sample("x", Normal(log(z), 1.0), obs(1.0));
  };
  compare_step(table, "transformed", positive, transformed, {{"loc"}, {"scale"}}, exact);
  return table.report();
}

// --- several plates: exact by enumeration -----------------------------------------------------------------------------

/// Independent Bernoulli latents: loss = E cost(z), with cost(z) = −log p(x, z) + log q(z) as it is weighed.
template <class Cost>
LossGrad enumerate(const Vector& logits, Cost cost) {
  const std::size_t n = logits.size();
  LossGrad result{0.0, Vector(n, 0.0)};
  Vector z(n);
  for (std::size_t state = 0; state < std::size_t{1} << n; ++state) {
    double q = 1.0;
    for (std::size_t i = 0; i < n; ++i) {
      z[i] = static_cast<double>(state >> i & 1u);
      q *= sigmoid(z[i] == 1.0 ? logits[i] : -logits[i]);
    }
    const double c = cost(z);
    result.loss += q * c;
    for (std::size_t i = 0; i < n; ++i) result.grad[i] += q * c * (z[i] - sigmoid(logits[i]));
  }
  return result;
}
inline double bernoulli_log_mass(double z, double logit) { return -softplus(z == 1.0 ? -logit : logit); }

/// z_a in plate A (2), w_b in plate B (3), x_ba ~ Normal(1.5 z_a + w_b − 0.5, 1) in both.
inline MonteCarloReport crossed_plates_table() {
  using namespace wick;
  MonteCarloTable table("gradient: crossed plates");
  const Vector logits{0.6, -0.4, 0.3, -0.8, 0.5}, x{-0.4, 1.2, 0.9, 2.1, -1.0, 0.3};  // x by rows of B
  const LossGrad exact = enumerate(logits, [&](const Vector& z) {
    double cost = 0.0;
    for (std::size_t i = 0; i < 5; ++i) {
      const double prior = i < 2 ? 0.3 : 0.6;
      cost += bernoulli_log_mass(z[i], logits[i]) - (z[i] == 1.0 ? std::log(prior) : std::log1p(-prior));
    }
    for (std::size_t b = 0; b < 3; ++b)
      for (std::size_t a = 0; a < 2; ++a) cost -= normal_log_density(x[2 * b + a], 1.5 * z[a] + z[2 + b] - 0.5, 1.0);
    return cost;
  });
  const Tensor z_logits = part_of(logits, 0, 2), w_logits = reshape(part_of(logits, 2, 3), {3, 1}), data = reshape(x, {3, 2});
  struct Case {
    const char* name;
    Index a, b, particles;
  };
  for (const Case& c : {Case{"both whole", 0, 0, 1}, Case{"A subsampled", 1, 0, 1}, Case{"both subsampled", 1, 2, 1}, Case{"both subsampled, 4 particles", 1, 2, 4}}) {
    const auto plate_a = [c] { return PlateOptions{.subsample_size = c.a, .dim = -1}; };
    const auto plate_b = [c] { return PlateOptions{.subsample_size = c.b, .dim = -2}; };
    const auto model = [=] {
      Tensor z, w;
      {
        const plate a("A", 2, plate_a());
        z = sample("z", Bernoulli(0.3));
      }
      {
        const plate b("B", 3, plate_b());
        w = sample("w", Bernoulli(0.6));
      }
      const plate a("A", 2, plate_a()), b("B", 3, plate_b());
      sample("x", Normal(1.5 * z + w - 0.5, 1.0), obs(take(take(data, b.indices(), 0), a.indices(), 1)));
    };
    const auto guide = [=] {
      {
        const plate a("A", 2, plate_a());
        sample("z", Bernoulli({.logits = param("z_logits", z_logits, constraints::real, {.event_dim = 0})}));
      }
      const plate b("B", 3, plate_b());
      sample("w", Bernoulli({.logits = param("w_logits", w_logits, constraints::real, {.event_dim = 0})}));
    };
    compare_step(table, c.name, model, guide, {{"z_logits", 2}, {"w_logits", 3}}, exact, c.particles);
  }
  // B as a loop with A inside.
  const auto model = [=] {
    Tensor z;
    {
      const plate a("A", 2, {.dim = -1});
      z = sample("z", Bernoulli(0.3));
    }
    plate b("B", 3, {.subsample_size = 2});
    for (const Index i : b) {
      const std::string number = std::to_string(i);
      const Tensor w = sample("w" + number, Bernoulli(0.6));
      const plate a("A", 2, {.dim = -1});
      sample("x" + number, Normal(1.5 * z + w - 0.5, 1.0), obs(take(data, Tensor(i))));
    }
  };
  const auto guide = [=] {
    {
      const plate a("A", 2, {.dim = -1});
      sample("z", Bernoulli({.logits = param("z_logits", z_logits)}));
    }
    plate b("B", 3, {.subsample_size = 2});
    for (const Index i : b)
      sample("w" + std::to_string(i), Bernoulli({.logits = take(reshape(param("w_logits", w_logits), {3}), Tensor(i))}));
  };
  compare_step(table, "A vectorised in sequential B", model, guide, {{"z_logits", 2}, {"w_logits", 3}}, exact);
  return table.report();
}

/// z_a in plate A (3); x_b in plate B (3) of the same size and dim depends on all z_a.
inline MonteCarloReport neighbouring_plates_table() {
  using namespace wick;
  MonteCarloTable table("gradient: neighbouring plates");
  const Vector logits{0.6, -0.4, 0.3}, x{-0.4, 1.2, 0.9}, m{0.2, 1.5, -1.0, -0.6, 0.3, 1.4, 1.1, -0.9, 0.4};
  const LossGrad exact = enumerate(logits, [&](const Vector& z) {
    double cost = 0.0;
    for (std::size_t i = 0; i < 3; ++i)
      cost += bernoulli_log_mass(z[i], logits[i]) - (z[i] == 1.0 ? std::log(0.3) : std::log(0.7));
    for (std::size_t b = 0; b < 3; ++b)
      cost -= normal_log_density(x[b], m[3 * b] * z[0] + m[3 * b + 1] * z[1] + m[3 * b + 2] * z[2], 0.8);
    return cost;
  });
  const auto model = [matrix = reshape(m, {3, 3}), data = Tensor(x)] {
    Tensor z;
    {
      const plate a("A", 3);
      z = sample("z", Bernoulli(0.3));
    }
    const plate b("B", 3);
    sample("x", Normal(matmul(matrix, z), 0.8), obs(data));
  };
  const auto guide = [init = Tensor(logits)] {
    const plate a("A", 3);
    sample("z", Bernoulli({.logits = param("logits", init)}));
  };
  compare_step(table, "A and B", model, guide, {{"logits", 3}}, exact);
  compare_step(table, "A and B, 4 particles", model, guide, {{"logits", 3}}, exact, 4);
  return table.report();
}

// --- latents that the guide leaves to their prior ---------------------------------------------------------------------

inline MonteCarloReport from_prior_table() {
  using namespace wick;
  MonteCarloTable table("gradient: from the prior");
  const Vector x{-0.5, 2.0, 0.7};
  const Infer infer{.from_prior = true};
  const auto no_guide = [] {};
  const auto without = [](const Weights& w) { return w.scale_latent(0.0).scale_guide(0.0); };
  for (const bool in_data : {true, false}) {
    const std::string place = in_data ? " in the plate" : " outside";
    const std::size_t n = in_data ? 3 : 1;
    const Weights weights = without(in_data ? Weights::plate(3) : Weights::global(3));
    const auto model_of = [&](auto prior, auto likelihood) {
      return [=, data = Tensor(x)] {
        Tensor z;
        if (!in_data) z = sample("z", prior(), infer);
        const plate all("data", 3);
        if (in_data) z = sample("z", prior(), infer);
        sample("x", likelihood(z), obs(data));
      };
    };
    const Vector logits = in_data ? Vector{0.8, -0.6, 0.2} : Vector{-0.7};
    compare_step(table, "Bernoulli" + place,
                 model_of([init = parameter_of(logits)] { return Bernoulli({.logits = param("logits", init)}); },
                          [](const Tensor& z) { return Normal(z * 2.5 - 1.0, 1.0); }),
                 no_guide, {{"logits", n}}, bernoulli_normal(logits, x, weights));
    if (in_data)
      compare_step(table, "Bernoulli in the plate, random subsample",
                   [init = Tensor(logits), data = Tensor(x), infer] {
                     const plate part("data", 3, {.subsample_size = 2});
                     const Tensor z = sample("z", Bernoulli({.logits = param("logits", init, constraints::real, {.event_dim = 0})}), infer);
                     sample("x", Normal(z * 2.5 - 1.0, 1.0), obs(part.subsample(data)));
                   },
                   no_guide, {{"logits", n}}, bernoulli_normal(logits, x, weights));
    const Vector p = in_data ? Vector{1.2, -0.9, -0.4, 0.2, -0.5, 0.1} : Vector{-1.4, -0.5};
    for (const bool pathwise : {true, false})
      compare_step(table, (pathwise ? "Normal, pathwise" : "Normal, score function") + place,
                   model_of(
                       [=, loc = parameter_of(part_of(p, 0, n)), scale = parameter_of(exp_of(part_of(p, n, n)))] {
                         const Normal q(param("loc", loc), param("scale", scale, constraints::positive));
                         return pathwise ? q : q.without_rsample();
                       },
                       [](const Tensor& z) { return Normal(z, 1.0); }),
                   no_guide, {{"loc", n}, {"scale", n}}, normal_normal(p, x, weights));
  }
  return table.report();
}

// --- iris and eight schools --------------------------------------------------------------------------------------------

inline wick::Tensor iris_features() {
  Vector x;
  for (const IrisRow& row : iris) x.insert(x.end(), {row.length, row.width});
  return wick::reshape(x, {100, 2});
}
inline wick::Tensor iris_species() {
  Vector y;
  for (const IrisRow& row : iris) y.push_back(row.species);
  return y;
}
inline void iris_model(const wick::Tensor& x, const wick::Tensor& y) {
  using namespace wick;
  const Tensor w = sample("w", Normal(zeros({2}), prior_sd() * ones({2})).to_event(1));
  const Tensor b = sample("b", Normal(0.0, 1.0));
  const Tensor logits = matmul(x, w) + b;
  const plate data("data", 100);
  sample("obs", Bernoulli({.logits = logits}), obs(y));
}
/// `p`: where the parameters start, in the order of exact_iris.
inline void iris_guide(const Vector& p) {
  using namespace wick;
  const Tensor w_loc = param("w_loc", [&] { return Tensor(part_of(p, 0, 2)); });
  const Tensor w_scale = param("w_scale", [&] { return Tensor(exp_of(part_of(p, 2, 2))); }, constraints::positive);
  const Tensor b_loc = param("b_loc", p[4]), b_scale = param("b_scale", std::exp(p[5]), constraints::positive);
  sample("w", Normal(w_loc, w_scale).to_event(1));
  sample("b", Normal(b_loc, b_scale));
}

inline MonteCarloReport iris_table(std::initializer_list<std::size_t> points = {0, 1, 2, 3, 4}) {
  MonteCarloTable table("gradient: iris");
  const std::vector<Vector> all{{0.0, 0.0, 0.0, 0.0, 0.0, 0.0},
                                {1.0, -2.0, -1.0, -0.5, 0.3, 0.2},
                                {2.5, -4.2, -2.5, -1.8, -1.0, -0.7},
                                {-0.4, 0.9, -2.0, -3.0, 1.5, -1.0},
                                {0.6, 0.1, -0.3, -1.2, -2.0, 0.4}};
  for (const std::size_t i : points)
    compare_step(table, "point " + std::to_string(i + 1), [x = iris_features(), y = iris_species()] { iris_model(x, y); },
                 [p = all[i]] { iris_guide(p); }, {{"w_loc", 2}, {"w_scale", 2}, {"b_loc"}, {"b_scale"}}, exact_iris(all[i]));
  return table.report();
}

/// The non-centred model of eight schools and the mean-field guide with LogNormal tau.
inline void schools_model(const wick::Tensor& y, const wick::Tensor& sigma) {
  using namespace wick;
  const Tensor mu = sample("mu0", Normal(0.0, 5.0)), tau = sample("tau", HalfCauchy(5.0));
  const plate schools("schools", 8);
  const Tensor eta = sample("eta", Normal(0.0, prior_sd()));
  sample("obs", Normal(mu + tau * eta, sigma), obs(y));
}
/// `p`: where the parameters start, in the order of exact_schools.
inline void schools_guide(const Vector& p) {
  using namespace wick;
  sample("mu0", Normal(param("mu_loc", p[0]), param("mu_scale", std::exp(p[1]), constraints::positive)));
  sample("tau", LogNormal(param("tau_loc", p[2]), param("tau_scale", std::exp(p[3]), constraints::positive)));
  const plate schools("schools", 8);
  const Tensor loc = param("eta_loc", [&] { return Tensor(part_of(p, 4, 8)); });
  const Tensor scale = param("eta_scale", [&] { return Tensor(exp_of(part_of(p, 12, 8))); }, constraints::positive);
  sample("eta", Normal(loc, scale));
}
inline wick::Tensor schools_tensor(const std::array<double, 8>& a) { return Vector(a.begin(), a.end()); }
inline std::vector<ParamSlot> schools_slots() {
  return {{"mu_loc"}, {"mu_scale"}, {"tau_loc"}, {"tau_scale"}, {"eta_loc", 8}, {"eta_scale", 8}};
}

inline MonteCarloReport schools_table(std::size_t points = 2) {
  MonteCarloTable table("gradient: eight schools");
  std::vector<Vector> all(2, Vector(schools_parameters, 0.0));
  all[0][2] = 2.0;
  all[0][3] = -1.2;
  all[1] = {3.0, 1.0, 1.2, -0.8, 0.5, 0.1, -0.4, 0.2, -0.3, 0.4, 0.6, -0.1, -0.2, 0.1, -0.4, 0.0, 0.3, -0.1, -0.3, 0.2};
  for (std::size_t i = 0; i < points; ++i)
    compare_step(table, "point " + std::to_string(i + 1),
                 [y = schools_tensor(schools_y), sigma = schools_tensor(schools_sigma)] { schools_model(y, sigma); },
                 [p = all[i]] { schools_guide(p); }, schools_slots(), exact_schools(all[i]));
  return table.report();
}

}  // namespace wick_test
