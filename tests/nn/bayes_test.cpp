#include "nn_test.hpp"

using namespace wick_test;

namespace {

/// Bayesian linear regression: y = w·x + b + noise, standard normal priors: mean and sd of the posterior of (w1, w2, b), by Gauss elimination.
struct Posterior {
  Numbers mean, sd;
  double log_evidence = 0;
};
Posterior exact(const Tensor& x, const Tensor& y, double noise) {
  constexpr std::size_t d = 3;
  double a[d][2 * d + 1] = {};  // precision | identity | right side
  const auto row = [&](Index i, std::size_t k) { return k < 2 ? x.at({i, static_cast<Index>(k)}) : 1.0; };
  double squares = 0;
  for (std::size_t r = 0; r < d; ++r) a[r][r] = a[r][d + r] = 1;
  for (Index i = 0; i < x.size(0); ++i) {
    squares += y.data()[i] * y.data()[i] / (noise * noise);
    for (std::size_t r = 0; r < d; ++r) {
      for (std::size_t c = 0; c < d; ++c) a[r][c] += row(i, r) * row(i, c) / (noise * noise);
      a[r][2 * d] += row(i, r) * y.data()[i] / (noise * noise);
    }
  }
  Numbers right;
  for (std::size_t r = 0; r < d; ++r) right.push_back(a[r][2 * d]);
  double log_det = 0;
  for (std::size_t p = 0; p < d; ++p) {
    const double pivot = a[p][p];
    log_det += std::log(pivot);
    for (double& v : a[p]) v /= pivot;
    for (std::size_t r = 0; r < d; ++r) {
      const double f = a[r][p];
      for (std::size_t c = 0; r != p && c < 2 * d + 1; ++c) a[r][c] -= f * a[p][c];
    }
  }
  Posterior out;
  double fit = 0;
  for (std::size_t r = 0; r < d; ++r) {
    out.mean.push_back(a[r][2 * d]);
    out.sd.push_back(std::sqrt(a[r][d + r]));
    fit += a[r][2 * d] * right[r];
  }
  const auto n = static_cast<double>(x.size(0));
  out.log_evidence = -0.5 * (n * std::log(2 * std::acos(-1.0) * noise * noise) + log_det + squares - fit);
  return out;
}

}  // namespace

TEST_CASE("random_module: a linear layer with normal priors is Bayesian linear regression", "[nn][bayes][svi]") {
  const FreshStore fresh;
  const Tensor x = some({12, 2}), y = some({12}, 2);
  const double noise = 0.5;
  const Posterior truth = exact(x, y, noise);
  const Linear net(2, 1);
  const bool lifted = GENERATE(false, true);
  const auto likelihood = [net, x, y, noise] {
    const plate data("data", 12);
    sample("y", Normal(squeeze(net(x), -1), noise), obs(y));
  };
  const auto direct = [=] {
    random_module("net", net, Normal(0.0, 1.0));
    likelihood();
  };
  const auto by_handler = handlers::lift([=] {
    module("net", net);
    likelihood();
  }, Normal(0.0, 1.0));
  // The posterior is normal: a guide with its full covariance, written as w1, w2 | w1, b | w1, w2, reaches it.
  const auto guide = [] {
    const Tensor m = param("m", zeros({3})), l = param("l", zeros({3})), s = param("s", 0.5 * ones({3}), constraints::positive);
    const auto at = [](const Tensor& t, Index i) { return slice(t, 0, i, i + 1); };
    const Tensor e = sample("e", Normal(zeros({3}), 1.0).to_event(1), Infer{.is_auxiliary = true});
    const Tensor z = s * e;
    const Tensor w1 = at(m, 0) + at(z, 0), w2 = at(m, 1) + at(z, 1) + at(l, 0) * at(z, 0), b = at(m, 2) + at(z, 2) + at(l, 1) * at(z, 0) + at(l, 2) * at(z, 1);
    sample("net$$$weight", Delta(reshape(cat({w1, w2}), {1, 2})).to_event(2));
    sample("net$$$bias", Delta(b).to_event(1));
    factor("jacobian", -sum(log(s)), {.has_rsample = true});
  };
  const auto fit = [&](const auto& model) {
    SVI svi(model, guide, Adam({.lr = 0.02}), Trace_ELBO({.num_particles = 8}), {.seed = 5});
    for (int i = 0; i < 500; ++i) svi.step();
    SVI slow(model, guide, Adam({.lr = 0.002}), Trace_ELBO({.num_particles = 8}), {.seed = 6});
    for (int i = 0; i < 300; ++i) slow.step();
    // At the posterior itself the loss is the negative log evidence for every draw.
    for (int i = 0; i < 20; ++i) CHECK(std::abs(slow.evaluate_loss() + truth.log_evidence) < 0.1);
  };
  if (lifted)
    fit(by_handler);
  else
    fit(direct);
  const Numbers m = numbers(param_store().get("m")), s = numbers(param_store().get("s")), l = numbers(param_store().get("l"));
  const Numbers sd{s[0], std::hypot(s[1], l[0] * s[0]), std::sqrt(s[2] * s[2] + l[1] * l[1] * s[0] * s[0] + l[2] * l[2] * s[1] * s[1])};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(std::abs(m[i] - truth.mean[i]) < 0.05 * truth.sd[i]);
    CHECK(std::abs(sd[i] / truth.sd[i] - 1) < 0.05);
  }
  CHECK(param_store().size() == 3);  // the network's parameters are none any more
}

TEST_CASE("random_module: priors by path, by function, and their densities", "[nn][bayes]") {
  const FreshStore fresh;
  const auto net = Sequential(Linear(2, 3), Tanh(), Linear(3, 1));
  const auto traced = [&](auto program) { return handlers::trace(handlers::seed(program, 3)).get_trace(); };
  const Trace all = traced([&] { return random_module("net", net, Normal(0.0, 2.0))(Tensor{1, 2}); });
  CHECK(all.size() == 4);
  const Tensor w = all.at("net$$$0.weight").value;
  CHECK(w.shape() == Shape{3, 2});
  CHECK(std::abs(all.at("net$$$0.weight").log_prob_sum().item() - sum(Normal(0.0, 2.0).log_prob(w)).item()) < 1e-13);
  CHECK(same(all.return_value(), linear(tanh(linear(Tensor{1, 2}, w, all.at("net$$$0.bias").value)), all.at("net$$$2.weight").value, all.at("net$$$2.bias").value)));
  const Trace one = traced([&] { random_module("net", net, {{"2.weight", Normal(0.0, 1.0)}}); });
  CHECK(one.at("net$$$2.weight").type == SiteType::sample);
  CHECK(one.at("net$$$0.weight").type == SiteType::param);
  const auto by_width = [](std::string_view path, const Shape& s) -> std::optional<handlers::Prior> {
    if (path.find("bias") != path.npos) return std::nullopt;
    return Normal(0.0, 1.0 / std::sqrt(static_cast<double>(s[1])));
  };
  const Trace some_of = traced([&] { random_module("net", net, by_width); });
  CHECK(some_of.at("net$$$2.weight").type == SiteType::sample);
  CHECK(some_of.at("net$$$2.bias").type == SiteType::param);
  const auto report = expect_error<ShapeError>([&] { random_module("net", net, Normal(zeros({5}), 1.0)); }, "wick.nn.E520", "net$$$0.weight", "one number");
  INFO(report.text);
  CHECK(report.ok);
  const std::size_t before = param_store().size();
  const auto stray = expect_error<SiteError>([&] { random_module("more", Linear(1, 1), {{"weight", Normal(0.0, 1.0)}, {"wieght", Normal(0.0, 1.0)}}); }, "wick.nn.E522", "more", "these paths");
  INFO(stray.text);
  CHECK(stray.ok);
  CHECK(param_store().size() == before);
}

TEST_CASE("random_module: outside handlers, in plates, and for many draws at once", "[nn][bayes][predictive]") {
  const FreshStore fresh;
  const Linear net(2, 3);
  const Tensor x = some({4, 2});
  random_module("net", net, Normal(0.0, 1.0));
  CHECK(same(net(x), linear(x, net.weight, net.bias)));  // the same draw all the time
  CHECK(param_store().size() == 0);
  const auto model = [&] {
    random_module("net", net, Normal(0.0, 1.0));
    const plate data("data", 4);
    return sample("y", Normal(net(x), 0.1).to_event(1));
  };
  const Samples draws = Predictive(model, {.num_samples = 50, .parallel = true})();
  CHECK(draws.at("y").shape() == Shape{50, 4, 3});
  const Tensor w = draws.at("net$$$weight"), b = draws.at("net$$$bias"), y = draws.at("y");
  for (Index i : {0, 17, 49}) {
    const auto at = [i](const Tensor& t) { return reshape(slice(t, 0, i, i + 1), t.shape().tail(t.dim() - 1)); };
    CHECK(distance(at(y), linear(x, reshape(at(w), {3, 2}), reshape(at(b), {3}))) < 0.6);
  }
  const Trace t = handlers::trace([&] {
                    const plate groups("groups", 4);
                    random_module("own", Linear(2, 3), Normal(0.0, 1.0))(x);
                  }).get_trace();
  CHECK(t.at("own$$$weight").value.shape() == Shape{4, 3, 2});
}
