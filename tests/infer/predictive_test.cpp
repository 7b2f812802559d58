#include "catch.hpp"

#include <wick/infer/importance.hpp>
#include <wick/infer/predictive.hpp>

#include "infer/common.hpp"
#include "infer/predictive_tables.hpp"
#include "support/errors.hpp"
#include "support/stat.hpp"

using namespace wick;
using wick_test::chain;
using wick_test::chain_guide;
using wick_test::OwnStore;
using wick_test::value;
using Values = std::vector<double>;

namespace {

void judge(const wick_test::MonteCarloReport& report) {
  INFO(report.text);
  CHECK(report.ok);
}
void judge(const wick_test::MonteCarloTable& table) { judge(table.report()); }

/// What must be equal where draws are.
bool same(const Samples& a, const Samples& b) {
  bool equal = a.names() == b.names();
  for (const Samples::Item& i : a) equal = equal && i.values.shape() == b[i.name.view()].shape() && i.values.to_vector() == b[i.name.view()].to_vector();
  return equal;
}

}  // namespace

TEST_CASE("predictive: the prior has its moments, one by one and at once", "[infer][predictive]") {
  for (const bool parallel : {false, true}) judge(wick_test::prior_table(parallel));
  const Samples s = Predictive(chain, {.num_samples = 20, .seed = 1})(Tensor());
  CHECK(s.names() == std::vector<std::string>{"z", "y"});
  CHECK(s["z"].shape() == Shape{20});
  CHECK(s["y"].shape() == Shape{20, 3});
}

TEST_CASE("predictive: with a guide, latent sites are the guide's and data are new", "[infer][predictive]") {
  for (const bool parallel : {false, true}) judge(wick_test::posterior_table(parallel));
  const OwnStore own;
  CHECK(Predictive(chain, chain_guide, {.num_samples = 20, .seed = 1})(Tensor()).names() == std::vector<std::string>{"z", "y"});
}

TEST_CASE("predictive: given samples are used one after the other", "[infer][predictive]") {
  for (const bool parallel : {false, true}) {
    wick_test::MonteCarloTable table(parallel ? "predictive given, at once" : "predictive given");
    auto& joint = table.joint("given").expect("y - z", {0.0, 0.0, 0.0}, 0.5).expect("(y - z)^2", {0.25, 0.25, 0.25});
    const Tensor zs = 100.0 * arange(3000);
    Predictive predict(chain, Samples{{"z", zs}}, {.return_sites = {"y", "z"}, .parallel = parallel, .seed = table.seed()});
    const Samples s = predict(Tensor());
    REQUIRE(s["z"].to_vector() == zs.to_vector());
    REQUIRE(s["y"].shape() == Shape{3000, 3});
    for (Index i = 0; i < 3000; ++i) {
      Values d, d2;
      for (Index k = 0; k < 3; ++k) {
        d.push_back(value(s["y"], i, k) - zs.data()[i]);
        d2.push_back(d.back() * d.back());
      }
      joint.sample(d, d2);
    }
    judge(table);
    // By default what is given is not returned.
    CHECK(Predictive(chain, Samples{{"z", zs}}, {.parallel = parallel, .seed = 1})(Tensor()).names() == std::vector<std::string>{"y"});
    // The result of one is what the next takes.
    const Samples again = Predictive(chain, s, {.return_sites = {"y"}, .parallel = parallel, .seed = 5})(Tensor());
    CHECK(again["y"].to_vector() == s["y"].to_vector());
  }
}

TEST_CASE("predictive: given samples with plates and events, in both ways", "[infer][predictive]") {
  const auto model = [](const Tensor& x) {
    const Tensor w = sample("w", Normal(zeros({2}), 1.0).to_event(1));
    const plate groups("groups", 4);
    const Tensor v = sample("v", Normal(zeros({3}), 1.0).to_event(1));
    const plate rows("rows", 2, {.dim = -2});
    sample("y", Normal(sum(w, {-1}) * 0.0 + x, 1e-3), obs(Tensor()));
    deterministic("total", sum(v, {-1}));
  };
  const Index n = 7;
  Tensor w = reshape(arange(2 * n), {n, 2}), v = reshape(arange(12 * n), {n, 4, 3});
  for (const bool parallel : {false, true}) {
    const Samples s = Predictive(model, Samples{{"w", w}, {"v", v}}, {.return_sites = {"w", "v", "y", "total"}, .parallel = parallel, .batch = 3, .seed = 1})(5.0);
    INFO(parallel);
    CHECK(s["w"].to_vector() == w.to_vector());
    CHECK(s["v"].to_vector() == v.to_vector());
    CHECK(s["v"].shape() == Shape{n, 4, 3});
    CHECK(s["y"].shape() == Shape{n, 2, 4});
    CHECK(s["total"].shape() == Shape{n, 4});
    CHECK(s["total"].to_vector() == sum(v, {-1}).to_vector());
    for (const double y : s["y"].values()) CHECK(std::fabs(y - 5.0) < 0.01);
  }
}

TEST_CASE("predictive: the seed alone says what is drawn", "[infer][predictive]") {
  const OwnStore own;
  for (const bool parallel : {false, true}) {
    const auto draws = [&](std::uint64_t seed, Index n, Index batch = 64) { return Predictive(chain, chain_guide, {.num_samples = n, .parallel = parallel, .batch = batch, .seed = seed})(Tensor()); };
    const Samples s = draws(3, 200);
    CHECK(same(s, draws(3, 200)));
    CHECK_FALSE(same(s, draws(4, 200)));
    // The first draws of many are those of few.
    const Samples few = draws(3, 90);
    for (const Samples::Item& i : few) CHECK(slice(s[i.name.view()], 0, 0, 90).to_vector() == i.values.to_vector());
    // Chunks are parts of the same draws, whatever their size.
    for (const Index chunk : {1, 7, 64, 200, 1000}) {
      Values z, y;
      Index next = 0;
      Predictive(chain, chain_guide, {.num_samples = 200, .parallel = parallel, .batch = 64, .chunk = chunk, .seed = 3}).for_each_chunk([&](const SampleChunk& c) {
        CHECK(c.first == next);
        CHECK(c.num_samples == 200);
        CHECK(c.size == std::min<Index>(chunk, 200 - next));
        CHECK(c.samples["y"].shape() == Shape{c.size, 3});
        next += c.size;
        for (const double x : c.samples["z"].values()) z.push_back(x);
        for (const double x : c.samples["y"].values()) y.push_back(x);
      }, Tensor());
      CHECK(next == 200);
      CHECK(z == s["z"].to_vector());
      CHECK(y == s["y"].to_vector());
    }
    // Without a seed, draws come from the scope in force.
    const auto seeded = [&] {
      const handlers::seed<> scope(9);
      Predictive predict(chain, {.num_samples = 5, .parallel = parallel});
      const Samples first = predict(Tensor()), second = predict(Tensor());
      CHECK_FALSE(same(first, second));
      return first;
    };
    CHECK(same(seeded(), seeded()));
  }
}

TEST_CASE("predictive: a callback that returns false ends the draws", "[infer][predictive]") {
  int calls = 0, runs = 0;
  const auto model = [&] { ++runs, sample("z", Normal(0.0, 1.0)); };
  Predictive(model, {.num_samples = 1000, .chunk = 10, .seed = 1}).for_each_chunk([&](const SampleChunk&) { return ++calls < 3; });
  CHECK(calls == 3);
  CHECK(runs == 30);
}

TEST_CASE("predictive: what is observed stays, by obs and by condition", "[infer][predictive]") {
  const Tensor y{1, 2, 3};
  for (const bool parallel : {false, true}) {
    const PredictiveOptions o{.num_samples = 4, .parallel = parallel, .seed = 1};
    const Samples s = Predictive(chain, o)(y);
    CHECK(s["y"].to_vector() == Values{1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3});
    const Samples c = Predictive(handlers::condition(chain, {{"y", y}}), o)(Tensor());
    CHECK(same(s, c));
    const Samples z = Predictive(handlers::condition(chain, {{"z", 50.0}}), o)(Tensor());
    CHECK(z["z"].to_vector() == Values(4, 50.0));
    CHECK(value(z["y"], 3, 2) > 40.0);
  }
}

TEST_CASE("predictive: scale and mask do not touch the draws", "[infer][predictive]") {
  for (const bool parallel : {false, true}) {
    const PredictiveOptions o{.num_samples = 50, .parallel = parallel, .seed = 2};
    const auto scaled = [](const Tensor& y) {
      const handlers::scale<> tenth(0.1);
      return chain(y);
    };
    const auto masked = [](const Tensor& y) {
      const handlers::mask<> part(Tensor{1, 0, 1});
      return chain(y);
    };
    const Samples plain = Predictive(chain, o)(Tensor());
    CHECK(same(plain, Predictive(scaled, o)(Tensor())));
    CHECK(plain["y"].to_vector() == Predictive(masked, o)(Tensor())["y"].to_vector());
  }
}

TEST_CASE("predictive: subsampled plates draw their minibatch anew, or once for a batch", "[infer][predictive]") {
  const auto model = [] {
    const plate data("data", 5, {.subsample_size = 2});
    sample("y", Normal(data.indices(), 1e-6));
  };
  wick_test::MonteCarloTable table("predictive subsample");
  auto& joint = table.joint("indices").expect("share of each", {0.4, 0.4, 0.4, 0.4, 0.4});
  const Samples s = Predictive(model, {.num_samples = 5000, .return_sites = {"data", "y"}, .seed = table.seed()})();
  REQUIRE(s["data"].shape() == Shape{5000, 2});
  for (Index i = 0; i < 5000; ++i) {
    Values in(5, 0.0);
    for (Index k = 0; k < 2; ++k) {
      in[static_cast<std::size_t>(value(s["data"], i, k))] = 1;
      REQUIRE(std::fabs(value(s["y"], i, k) - value(s["data"], i, k)) < 1e-4);
    }
    joint.sample(in);
  }
  judge(table);
  const Samples together = Predictive(model, {.num_samples = 60, .return_sites = {"data", "y"}, .parallel = true, .batch = 30, .seed = 3})();
  for (Index i = 0; i < 60; ++i) {
    CHECK(value(together["data"], i, 0) == value(together["data"], i / 30 * 30, 0));
    CHECK(std::fabs(value(together["y"], i, 1) - value(together["data"], i, 1)) < 1e-4);
  }
  // A plate that is whole has all indices.
  CHECK(Predictive([] { const plate p("p", 3); sample("x", Normal(0.0, 1.0)); }, {.num_samples = 2, .return_sites = {"p"}, .seed = 1})()["p"].to_vector() == Values{0, 1, 2, 0, 1, 2});
}

TEST_CASE("predictive: log weights are the importance weights", "[infer][predictive]") {
  for (const bool parallel : {false, true})
    for (const bool guided : {false, true}) {
      judge(wick_test::weights_table(parallel, guided));
      const OwnStore own;
      const PredictiveOptions o{.num_samples = 20000, .log_weights = true, .parallel = parallel, .seed = 5};
      const Tensor y = wick_test::chain_data();
      const Samples s = guided ? Predictive(chain, chain_guide, o)(y) : Predictive(chain, o)(y);
      for (Index i = 0; i < 20000; ++i) {
        double expected = 0;
        const double z = value(s["z"], i);
        for (const double x : y.to_vector()) expected += wick_test::log_normal_density(x, z, 0.5);
        if (guided) expected += wick_test::log_normal_density(z, 0.0, 1.0) - wick_test::log_normal_density(z, 0.75, 0.5);
        REQUIRE(std::fabs(value(s.log_weights(), i) - expected) < 1e-10 * (1 + std::fabs(expected)));
      }
      CHECK(std::fabs(log_evidence(s.log_weights()).item() - wick_test::chain_log_evidence()) < 0.05);
      CHECK(std::fabs(weighted_mean(s["z"], s.log_weights()).item() - 12.0 / 13.0) < 0.03);
      CHECK(std::fabs(sum(normalized_weights(s.log_weights())).item() - 1.0) < 1e-12);
      const double ess = effective_sample_size(s.log_weights());
      CHECK(ess > 4000);
      CHECK(ess < 20000);
    }
}

TEST_CASE("predictive: log weights have scales, masks, factors and auxiliary sites", "[infer][predictive]") {
  using wick_test::log_normal_density;
  const auto model = [](const Tensor& y) {
    const Tensor z = sample("z", Normal(0.0, 1.0));
    sample("free", Normal(z, 1.0));  // not in the guide: it cancels
    const handlers::scale<> half(0.5);
    const plate data("data", 2);
    const handlers::mask<> first(Tensor{1, 0});
    sample("y", Normal(z, 1.0), obs(y));
    factor("f", z);
  };
  const auto guide = [](const Tensor&) {
    const Tensor a = sample("a", Normal(0.0, 2.0), Infer{.is_auxiliary = true});
    sample("z", Normal(a, 1.0));
  };
  for (const bool parallel : {false, true}) {
    const Samples s = Predictive(model, guide, {.num_samples = 20, .return_sites = {"z", "a"}, .log_weights = true, .parallel = parallel, .seed = 4})(Tensor{0.7, -3});
    for (Index i = 0; i < 20; ++i) {
      const double z = value(s["z"], i), a = value(s["a"], i);
      const double expected = log_normal_density(z, 0.0, 1.0) + 0.5 * log_normal_density(0.7, z, 1.0) + 0.5 * z - log_normal_density(a, 0.0, 2.0) - log_normal_density(z, a, 1.0);
      CHECK(std::fabs(value(s.log_weights(), i) - expected) < 1e-12 * (1 + std::fabs(expected)));
    }
  }
}

TEST_CASE("predictive: return values and chosen sites", "[infer][predictive]") {
  for (const bool parallel : {false, true}) {
    const Samples s = Predictive(chain, {.num_samples = 5, .return_sites = {"y"}, .return_values = true, .parallel = parallel, .seed = 1})(Tensor());
    CHECK(s.names() == std::vector<std::string>{"y"});
    CHECK(s.return_values().shape() == Shape{5, 3});
    CHECK(s.return_values().to_vector() == s["y"].to_vector());
    CHECK(s.log_weights().empty());
    const auto model = [] {
      const Tensor z = sample("z", Normal(0.0, 1.0));
      deterministic("twice", 2 * z);
      deterministic("constant", Tensor{1, 2});
      factor("f", 0.5);
      return 3 * z;
    };
    const Samples d = Predictive(model, {.num_samples = 4, .return_values = true, .parallel = parallel, .seed = 1})();
    CHECK(d.names() == std::vector<std::string>{"z", "twice", "constant"});  // factors and plates are left out
    CHECK(d["twice"].to_vector() == (2 * d["z"]).to_vector());
    CHECK(d["constant"].shape() == Shape{4, 2});
    CHECK(d.return_values().to_vector() == (3 * d["z"]).to_vector());
  }
}

TEST_CASE("predictive: parameters are those of the store in force, elements of plates too", "[infer][predictive]") {
  const auto model = [] {
    const plate data("data", 6, {.subsample = Tensor{4, 1}});
    const Tensor at = param("at", arange(6), constraints::real, {.event_dim = 0});
    sample("x", Normal(at, param("sd", 1e-6, constraints::positive)));
  };
  const OwnStore own;
  for (const bool parallel : {false, true}) {
    const Samples s = Predictive(model, {.num_samples = 3, .parallel = parallel, .seed = 1})();
    CHECK(s["x"].shape() == Shape{3, 2});
    for (Index i = 0; i < 3; ++i) {
      CHECK(std::fabs(value(s["x"], i, 0) - 4) < 1e-4);
      CHECK(std::fabs(value(s["x"], i, 1) - 1) < 1e-4);
    }
  }
  CHECK(param_store().size() == 2);
  ParamStore other;
  {
    const ParamScope scope(other);
    param("at", 100 + arange(6));
    param("sd", 1e-6, constraints::positive);
    CHECK(value(Predictive(model, {.num_samples = 3, .seed = 1})()["x"], 0) > 50);
  }
}

TEST_CASE("predictive: programs whose sites vary from draw to draw", "[infer][predictive]") {
  const auto model = [] {
    const Tensor n = sample("n", Poisson(3.0));
    double total = 0;
    for (int i = 0; i < n.item<int>(); ++i) total += sample("x_" + std::to_string(i), Normal(0.0, 1.0)).item();
    return total;
  };
  wick_test::MonteCarloTable table("predictive varying sites");
  auto& joint = table.joint("n").expect("n", 3.0).expect("(n - 3)^2", 3.0).expect("total", 0.0, 1.7).expect("total^2", 3.0);
  const Samples s = Predictive([&] { return Tensor(model()); }, {.num_samples = 20000, .return_sites = {"n"}, .return_values = true, .seed = table.seed()})();
  for (Index i = 0; i < 20000; ++i) {
    const double n = value(s["n"], i), t = value(s.return_values(), i);
    joint.sample(n, (n - 3) * (n - 3), t, t * t);
  }
  judge(table);
}

TEST_CASE("predictive: sequential plates and many dims run at once", "[infer][predictive]") {
  const auto model = [] {
    const Tensor start = sample("x_0", Normal(0.0, 1.0));
    Tensor x = start;
    for (const Index i : plate("steps", 3)) x = sample("x_" + std::to_string(i + 1), Normal(x, 0.1));
    const plate a("a", 2);
    const plate b("b", 3);
    sample("e", Normal(x, ones({3, 2, 4})).to_event(1));
  };
  const auto fixed = [] {
    const plate a("a", 2);
    const plate b("b", 3);
    sample("e", Normal(0.0, ones({3, 2, 4})).to_event(1));
  };
  const Samples s = Predictive(fixed, {.num_samples = 500, .parallel = true, .seed = 1})();
  CHECK(s["e"].shape() == Shape{500, 3, 2, 4});
  CHECK(std::fabs(mean(s["e"]).item()) < 0.05);
  // x has no dim for the events of "e": the plate of draws would fall on the plate "a".
  const auto refused = wick_test::expect_error<UsageError>([&] { return Predictive(model, {.num_samples = 5, .parallel = true, .seed = 1})(); }, "wick.predictive.E328", "", "leave out .parallel");
  INFO(refused.text);
  CHECK(refused.ok);
  CHECK(Predictive(model, {.num_samples = 5, .seed = 1})()["e"].shape() == Shape{5, 3, 2, 4});
}
