#include "catch.hpp"

#include <wick/infer/predictive_csv.hpp>

#include "infer/common.hpp"
#include "support/errors.hpp"

using namespace wick;

namespace {
Tensor model(const Tensor& y) {
  const Tensor z = sample("z", Normal(0.0, 1.0));
  const plate columns("columns", 2), rows("rows", 3);
  return sample("y", Normal(z, 0.5), obs(y));
}
}  // namespace

TEST_CASE("predictive csv: draws are written in chunks and read back to the bit", "[infer][predictive]") {
  const std::string path = wick_test::scratch_dir() + "/draws.csv";
  for (const bool parallel : {false, true}) {
    const PredictiveOptions o{.num_samples = 2500, .log_weights = true, .parallel = parallel, .chunk = 700, .seed = 1};
    write_draws(path, Predictive(model, o), Tensor());
    const CsvTable t = read_csv(path);
    CHECK(t.rows() == 2500);
    CHECK(t.names() == std::vector<std::string>{"z", "y[0,0]", "y[0,1]", "y[1,0]", "y[1,1]", "y[2,0]", "y[2,1]", "log_weight"});
    const Samples all = Predictive(model, o)(Tensor()), back = samples_of(t, {"y", "z"});
    CHECK(back["y"].shape() == Shape{2500, 3, 2});
    CHECK(back["y"].to_vector() == all["y"].to_vector());
    CHECK(back["z"].to_vector() == all["z"].to_vector());
    CHECK(t["log_weight"].to_vector() == all.log_weights().to_vector());
  }
  // What is read is what Predictive takes.
  const Samples given = samples_of(read_csv(path), {"z"});
  CHECK(Predictive(model, given, {.seed = 2})(Tensor())["y"].shape() == Shape{2500, 3, 2});
}

TEST_CASE("predictive csv: elements counted from 1, return values, and what is missing", "[infer][predictive][errors]") {
  const CsvTable stan = parse_csv("theta[1],theta[2],mu,\"L[1,1]\",\"L[2,1]\",\"L[1,2]\",\"L[2,2]\",thetas[1]\n1,2,3,11,21,12,22,0\n4,5,6,11,21,12,22,0\n");
  const Samples s = samples_of(stan, {"theta", "mu", "L"});
  CHECK(s["theta"].shape() == Shape{2, 2});
  CHECK(s["theta"].to_vector() == std::vector<double>{1, 2, 4, 5});
  CHECK(s["L"].shape() == Shape{2, 2, 2});
  CHECK(slice(s["L"], 0, 0, 1).to_vector() == std::vector<double>{11, 12, 21, 22});
  // A file of CmdStan: comments in the midst of it, dots in the names.
  const Samples dots = samples_of(parse_csv("# model\nlp__,theta.1,theta.2,L.1.1,L.2.1,L.1.2,L.2.2,theta.x\n# adapted\n0,1,2,11,21,12,22,0\n0,4,5,11,21,12,22,0\n", {.comment = '#'}), {"theta", "lp__", "L"});
  CHECK(dots["theta"].to_vector() == std::vector<double>{1, 2, 4, 5});
  CHECK(dots["lp__"].to_vector() == std::vector<double>{0, 0});
  CHECK(slice(dots["L"], 0, 0, 1).to_vector() == std::vector<double>{11, 12, 21, 22});
  const CsvTable returned = to_table(Predictive(model, {.num_samples = 2, .return_sites = {"z"}, .return_values = true, .seed = 1})(Tensor()));
  CHECK(returned.names()[1] == "return[0,0]");
  CHECK(wick_test::expect_error<CsvError>([&] { return samples_of(stan, {"sigma"}); }, "wick.csv.E406", "", "use one of these").ok);
  const CsvTable gap = parse_csv("a[0],a[2]\n1,2\n");
  CHECK(wick_test::expect_error<CsvError>([&] { return samples_of(gap, {"a"}); }, "wick.csv.E406", "", "use one of these").ok);
  const std::string kept = wick_test::scratch_dir() + "/kept.csv";
  write_csv(kept, gap);
  CHECK(wick_test::expect_error<DomainError>([&] { write_draws(kept, Predictive(model, {.num_samples = 0}), Tensor()); }, "wick.predictive.E320", "", "num_samples").ok);
  CHECK(read_csv(kept).names() == gap.names());  // a failure before the first draws leaves the file as it was
  CHECK(wick_test::expect_error<CsvError>([&] { write_draws("/no/such/folder.csv", Predictive(model, {.num_samples = 2}), Tensor()); }, "wick.csv.E410", "", "folder").ok);
}
