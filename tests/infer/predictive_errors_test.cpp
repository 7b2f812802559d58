#include "catch.hpp"

#include <wick/infer/predictive.hpp>

#include "infer/common.hpp"
#include "support/errors.hpp"

using namespace wick;
using wick_test::OwnStore;

namespace {

Tensor chain(const Tensor& y) {
  const Tensor z = sample("z", Normal(0.0, param("prior", 1.0, constraints::positive)));
  const plate data("data", 3);
  return sample("y", Normal(z, 0.5), obs(y));
}
void chain_guide(const Tensor&) { sample("z", Normal(param("loc", 0.0), 1.0)); }

/// `call` fails so, in a store of its own, and leaves no trace.
template <class E, class Call>
std::string fails(const char* id, const char* site, const char* advice, Call call) {
  const OwnStore own;
  const auto state = [] { return std::pair(wick_test::snapshot(), wick_test::surroundings()); };
  const auto report = wick_test::expect_error_unchanged<E>(call, state, id, site, advice);
  INFO(report.text << report.message);
  CHECK(report.ok);
  return report.message;
}
bool says(const std::string& message, const char* part) { return message.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("predictive errors: counts", "[infer][predictive][errors]") {
  fails<DomainError>("wick.predictive.E320", "", "num_samples = 1000", [] { return Predictive(chain, PredictiveOptions{})(Tensor()); });
  fails<DomainError>("wick.predictive.E320", "", "num_samples", [] { return Predictive(chain, {.num_samples = -3})(Tensor()); });
  fails<DomainError>("wick.predictive.E320", "", "positive", [] { return Predictive(chain, {.num_samples = 3, .parallel = true, .batch = 0})(Tensor()); });
  fails<DomainError>("wick.predictive.E320", "", "positive", [] { return Predictive(chain, {.num_samples = 3, .chunk = -1})(Tensor()); });
}

TEST_CASE("predictive errors: given samples", "[infer][predictive][errors]") {
  const auto predict = [](const Samples& given, const PredictiveOptions& o = {}) {
    return [=] { return Predictive(chain, given, o)(Tensor()); };
  };
  fails<ShapeError>("wick.predictive.E321", "", "leave them out", predict({}));
  fails<ShapeError>("wick.predictive.E321", "z", "stacked", predict({{"z", 1.0}}));
  fails<ShapeError>("wick.predictive.E321", "z", "stacked", predict({{"z", Tensor()}}));
  fails<ShapeError>("wick.predictive.E321", "z", "stacked", predict({{"z", zeros({0})}}));
  fails<ShapeError>("wick.predictive.E321", "z", ".num_samples", predict({{"z", zeros({4})}}, {.num_samples = 5}));
  fails<ShapeError>("wick.predictive.E321", "y", "one value a draw", predict({{"z", zeros({4})}, {"y", zeros({5, 3})}}));
  for (const bool parallel : {false, true}) {
    const std::string unknown = fails<SiteError>("wick.predictive.E326", "w", "names", predict({{"z", zeros({4})}, {"w", zeros({4})}}, {.parallel = parallel}));
    CHECK(says(unknown, "Normal"));
    fails<ShapeError>("wick.predictive.E327", "z", "size that the samples were made for", predict({{"z", zeros({4, 2})}}, {.parallel = parallel}));
    fails<ShapeError>("wick.predictive.E327", "y", "(num_samples,)", predict({{"y", zeros({4, 2})}}, {.parallel = parallel}));
    fails<SiteError>("wick.predictive.E326", "y", "empty tensor", [=] { return Predictive(chain, Samples{{"y", zeros({4, 3})}}, {.parallel = parallel})(Tensor{1, 2, 3}); });
  }
  fails<UsageError>("wick.predictive.E329", "", "guide", predict({{"z", zeros({4})}}, {.log_weights = true}));
}

TEST_CASE("predictive errors: sites to return", "[infer][predictive][errors]") {
  for (const bool parallel : {false, true}) {
    const std::string m = fails<SiteError>("wick.predictive.E322", "w", "names of the table", [=] { return Predictive(chain, {.num_samples = 3, .return_sites = {"z", "w"}, .parallel = parallel})(Tensor()); });
    CHECK(says(m, "site "));
    fails<SiteError>("wick.predictive.E322", "", "names of the table", [=] { return Predictive([] { param("p", 1.0); }, {.num_samples = 3, .parallel = parallel})(); });
    fails<UsageError>("wick.predictive.E329", "", "return a Tensor", [=] { return Predictive([] { sample("z", Normal(0.0, 1.0)); }, {.num_samples = 3, .return_values = true, .parallel = parallel})(); });
  }
  const std::string m = fails<SiteError>("wick.predictive.E330", "q", "return_sites", [] { return Samples{{"z", 1.0}, {"y", 2.0}}["q"]; });
  CHECK(says(m, "\"z\", \"y\""));
  fails<SiteError>("wick.predictive.E330", "q", "", [] { return Samples()["q"]; });
}

TEST_CASE("predictive errors: guides", "[infer][predictive][errors]") {
  const auto with = [](auto guide, bool parallel) { return [=] { return Predictive(chain, guide, {.num_samples = 3, .parallel = parallel})(Tensor()); }; };
  for (const bool parallel : {false, true}) {
    fails<SiteError>("wick.predictive.E325", "", "leave the guide out", with([](const Tensor&) { param("loc", 1.0); }, parallel));
    const std::string m = fails<SiteError>("wick.predictive.E325", "w", "is_auxiliary", with([](const Tensor& y) { chain_guide(y), sample("w", Normal(0.0, 1.0)); }, parallel));
    CHECK(says(m, "guide:"));
    CHECK(says(m, "model:"));
    fails<SiteError>("wick.handler.E253", "z", "without obs", with([](const Tensor&) { sample("z", Normal(0.0, 1.0), obs(0.5)); }, parallel));
    fails<SiteError>("wick.elbo.E302", "z", "to_event", [=] {
      return Predictive([] { sample("z", Normal(0.0, 1.0)); }, [] { sample("z", Normal(zeros({2}), 1.0).to_event(1)); }, {.num_samples = 3, .parallel = parallel})();
    });
  }
}

TEST_CASE("predictive errors: shapes and sites that change between draws", "[infer][predictive][errors]") {
  const auto predict = [](auto model) { return [=] { return Predictive(model, {.num_samples = 100, .seed = 1})(); }; };
  int run = 0;
  const std::string m = fails<ShapeError>("wick.predictive.E323", "x", "always the same", predict([&] { sample("x", Normal(zeros({run++ < 5 ? 2 : 3}), param("p", 1.0))); }));
  CHECK(says(m, "(3,) in draw 5 and (2,) in the first"));
  run = 0;
  fails<ShapeError>("wick.predictive.E323", "x", "always the same", predict([&] { sample("x", Normal(zeros(run++ < 5 ? Shape{2, 3} : Shape{3, 2}), 1.0)); }));
  run = 0;
  fails<ShapeError>("wick.predictive.E323", "", "always the same", [&] {
    return Predictive([&] { return zeros({1 + run++}); }, {.num_samples = 3, .return_values = true, .seed = 1})();
  });
  run = 0;
  fails<SiteError>("wick.predictive.E324", "x", "every draw has", predict([&] { sample("z", Normal(0.0, 1.0)), run++ < 5 ? sample("x", Normal(0.0, 1.0)) : Tensor(); }));
  run = 0;
  fails<SiteError>("wick.predictive.E324", "x", "every draw has", predict([&] { sample("z", Normal(0.0, 1.0)), run++ < 5 ? Tensor() : sample("x", Normal(0.0, 1.0)); }));
}

TEST_CASE("predictive errors: programs that cannot run at once say why", "[infer][predictive][errors]") {
  const auto refused = [](const char* site, auto model) {
    for (const Index batch : {256, 7}) {
      const std::string m = fails<UsageError>("wick.predictive.E328", site, "leave out .parallel", [=] { return Predictive(model, {.num_samples = 50, .parallel = true, .batch = batch, .seed = 1})(); });
      CHECK(says(m, batch == 7 ? "7 draws at once" : "50 draws at once"));
    }
    CHECK(Predictive(model, {.num_samples = 5, .return_sites = {"z"}, .seed = 1})()["z"].size(0) == 5);
  };
  const auto draw = [] { return sample("z", Normal(zeros({4}), 1.0).to_event(1)); };
  // Control flow and values read out.
  refused("", [=] { if (sum(draw(), -1).item() > 0) sample("x", Normal(0.0, 1.0)); });
  refused("", [=] { matmul(ones({2, 4}), draw()); });
  // Draws that mix: sums over all, a site that fits by accident, computed values.
  refused("x", [=] { sample("x", Normal(sum(draw()), 1.0)); });
  refused("x", [=] { sample("x", Normal(mean(draw()), 1.0)); });
  refused("s", [=] { deterministic("s", sum(draw())); });
  refused("x", [=] { sample("x", Normal(slice(reshape(draw(), {-1}), 0, 0, 1), 1.0).to_event(1)); });
  refused("f", [=] { factor("f", -sum(square(draw()))); });
  // What it returns.
  fails<UsageError>("wick.predictive.E328", "", "", [=] { return Predictive([=] { return sum(draw()); }, {.num_samples = 50, .return_values = true, .parallel = true, .seed = 1})(); });
  // The guide, too.
  fails<UsageError>("wick.predictive.E328", "z", "", [=] {
    return Predictive([] { sample("z", Normal(0.0, 1.0)); },
                      [] { sample("z", Normal(sum(sample("a", Normal(0.0, 1.0), Infer{.is_auxiliary = true})), 1.0)); }, {.num_samples = 50, .parallel = true, .seed = 1})();
  });
  // Errors of the program itself stay what they are.
  fails<DomainError>("wick.dist.E201", "x", "", [] {
    return Predictive([] { sample("x", Normal(0.0, sample("s", Normal(0.0, 1.0)))); }, {.num_samples = 50, .parallel = true, .seed = 1})();
  });
  const std::string table = fails<ShapeError>("wick.op.E120", "", "", [] {
    return Predictive([] { sample("z", Normal(0.0, 1.0)), ones({2}) + ones({3}); }, {.num_samples = 5, .seed = 1})();
  });
  CHECK(says(table, "sites so far"));
}

TEST_CASE("predictive errors: an exception of the program's own leaves no trace", "[infer][predictive][errors]") {
  const OwnStore own;
  const auto before = wick_test::surroundings();
  int run = 0;
  const auto model = [&] {
    const plate data("data", 2);
    param("late" + std::to_string(run), 1.0);
    if (++run == 4) throw 7;
    sample("z", Normal(0.0, 1.0));
  };
  CHECK_THROWS_AS(Predictive(model, {.num_samples = 10, .seed = 1})(), int);
  CHECK(wick_test::surroundings() == before);
  CHECK(param_store().size() == 0);
}

TEST_CASE("predictive errors: importance weights are one for each draw", "[infer][predictive][errors]") {
  for (const Tensor& w : {Tensor(0.5), zeros({0}), Tensor{{1, 2}}, Tensor()}) {
    CHECK(wick_test::expect_error<ShapeError>([&] { return log_evidence(w); }, "wick.predictive.E331", "", "log_weights()").ok);
    CHECK(wick_test::expect_error<ShapeError>([&] { return effective_sample_size(w); }, "wick.predictive.E331", "", "log_weights()").ok);
  }
  for (const Tensor& x : {Tensor{1, 2, 3}, Tensor(1.0), zeros({0, 2})})
    CHECK(wick_test::expect_error<ShapeError>([&] { return weighted_mean(x, Tensor{0.0}); }, "wick.predictive.E331", "", "same draws").ok);
}
