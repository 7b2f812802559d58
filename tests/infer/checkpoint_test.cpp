// Checkpoints of fits: going on is bit-exact; what does not belong to the program is refused, and changes nothing.
#include "catch.hpp"

#include <fstream>
#include <iterator>

#include <wick/infer/checkpoint.hpp>

#include "infer/common.hpp"
#include "support/errors.hpp"

using namespace wick;
using namespace wick_test;

namespace {

std::string scratch(const char* name) { return scratch_dir() + "/" + name; }
Tensor data() { return 0.1 * arange(40); }

/// Parameters of every kind of constraint, a subsample, a branch that comes late, draws outside the steps.
void model(const Tensor& x) {
  const Tensor rate = param("rate", 1.3, constraints::greater_than(0.5));
  const Tensor z = sample("z", Normal(0.0, rate));
  const plate rows("rows", x.size(0), {.subsample_size = 8});
  sample("x", Normal(z, param("noise", ones({1}), constraints::positive)), obs(rows.subsample(x)));
}
void guide(const Tensor&) {
  const Tensor u = sample("u", Uniform(0.0, 1.0), Infer{.is_auxiliary = true});
  const Tensor shift = u.item() < 0.3 ? param("late", 0.2, constraints::interval(0.0, Tensor{1.0, 2.0})) : Tensor{0.0, 0.0};
  const Tensor loc = param("loc", zeros({2, 3})), weight = param("weight", 0.4, constraints::unit_interval);
  sample("z", Normal(sum(loc) + weight + sum(shift), param("scale", 0.7, constraints::nonnegative)));
}

struct Fit {
  std::vector<double> losses;
  Snapshot params;
  double outside = 0;
  bool operator==(const Fit&) const = default;
};
/// `steps` steps with a draw outside every 100.
template <class S>
void go(S& svi, int steps, Fit& fit) {
  for (int t = 0; t < steps; ++t) {
    fit.losses.push_back(svi.step(data()));
    if (t % 100 == 99) fit.outside += sample("between", Normal(0.0, 1.0)).item() + svi.evaluate_loss(data());
  }
  fit.params = snapshot();
}
/// 1,000 steps; and 500, a file, a new store with a new SVI, and 500 more.
template <class O>
void check_resume(O optimizer, const char* name) {
  INFO(name);
  const auto make = [&](std::uint64_t seed) { return [&, seed] { return SVI(model, guide, optimizer, Trace_ELBO({.num_particles = 2}), {.seed = seed}); }; };
  Fit whole, parts;
  {
    const OwnStore own;
    const handlers::seed<> seed(5);
    auto svi = make(3)();
    go(svi, 1000, whole);
  }
  const std::string path = scratch("resume.wick");
  {
    const OwnStore own;
    const handlers::seed<> seed(5);
    auto svi = make(3)();
    go(svi, 500, parts);
    save_checkpoint(path, svi);
  }
  const OwnStore own;
  const handlers::seed<> seed(999);
  auto svi = make(4)();
  load_checkpoint(path, svi);
  REQUIRE(svi.steps() == 500);
  REQUIRE(snapshot() == parts.params);
  go(svi, 500, parts);
  REQUIRE(parts == whole);
}

/// What a failed load must leave.
template <class S>
auto everything(S& svi) {
  return [&svi] {
    detail::ByteWriter out;
    const detail::KeyTable places = detail::write_checkpoint(out, svi.state().position());
    OptimWriter a(out, places);
    svi.optim().archive(a);
    return std::pair(std::string(reinterpret_cast<const char*>(out.data()), out.size()), param_store().size());
  };
}
template <class S>
void refused(S& svi, const std::string& path, const char* id, const std::string& says) {
  const ErrorReport report = expect_error_unchanged<CheckpointError>([&] { load_checkpoint(path, svi); }, everything(svi), id, "", "");
  INFO(report.text << report.message);
  REQUIRE(report.ok);
  REQUIRE(report.message.find(path) != std::string::npos);
  REQUIRE(report.message.find(says) != std::string::npos);
}

}  // namespace

TEST_CASE("checkpoint: 500 steps, a file and 500 more are 1,000 steps bit by bit, with every optimiser", "[infer][checkpoint]") {
  check_resume(Adam({.lr = 0.02}), "Adam");
  check_resume(SGD({.lr = 1e-4, .momentum = 0.9, .dampening = 0.1}), "SGD");
  check_resume(AdamW({.lr = 0.02}), "AdamW");
  check_resume(ClippedAdam({.lr = 0.02, .clip_norm = 3, .lrd = 0.999, .clip = Clip::global_norm}), "ClippedAdam");
  check_resume(RMSprop({.lr = 1e-3, .momentum = 0.5, .centered = true}), "RMSprop");
  check_resume(Adagrad({.lr = 0.1, .initial_accumulator_value = 0.1}), "Adagrad");
  const WarningSink sink = set_warning_sink([](std::string_view) {});  // "late" is not there in the first step
  check_resume(Scheduled(PerParam(Adam({.lr = 0.02}), {{"late", SGD({.lr = 1e-4, .momentum = 0.5})}, {"scale", ClippedAdam({.lrd = 0.99})}}), schedules::warm_up(600)), "PerParam");
  set_warning_sink(sink);
  check_resume(PerParam([](std::string_view n) { return Adam({.lr = n == "late" ? 0.1 : 0.01}); }), "PerParam by callable");
}

TEST_CASE("checkpoint: a rate that was set is kept, and the optimiser forgets as before", "[infer][checkpoint]") {
  const std::string path = scratch("rate.wick");
  const OwnStore own;
  SVI svi(model, guide, Adam({.lr = 0.02}), Trace_ELBO(), {.seed = 1});
  svi.run(20, data());
  svi.optim().set_lr(0.005);
  save_checkpoint(path, svi);
  const std::vector<double> losses = svi.run(20, data());
  svi.optim().set_lr(0.5);
  svi.evaluate_loss(data());
  load_checkpoint(path, svi);  // into the same store: all is as it was
  REQUIRE(svi.optim().lr() == 0.005);
  REQUIRE(svi.run(20, data()) == losses);
  clear_param_store();
  svi.step(data());
  detail::ByteWriter out;
  detail::KeyTable all;
  for (std::uint64_t key = 0; key < 100'000; ++key) all.put(key, 0);
  OptimWriter a(out, all);
  svi.optim().archive(a);
  REQUIRE(out.size() < 1000);  // state of the new parameters only
}

TEST_CASE("checkpoint: from the callback of a run; not in the middle of a step", "[infer][checkpoint][errors]") {
  const std::string path = scratch("callback.wick");
  const OwnStore own;
  SVI svi(model, guide, Adam({.lr = 0.02}), Trace_ELBO(), {.seed = 1});
  const auto save = [&](const SviProgress& p) {
    if (p.step == 7) save_checkpoint(path, svi);
  };
  const std::vector<double> losses = svi.run({.steps = 20, .callback = save}, data());
  load_checkpoint(path, svi);
  REQUIRE(svi.run(13, data()) == std::vector<double>(losses.begin() + 7, losses.end()));

  for (const bool loads : {false, true}) {
    bool inside = false;
    const auto meddling = [&](const Tensor& x) {
      model(x);
      if (inside) loads ? load_checkpoint(path, svi) : save_checkpoint(path, svi);
    };
    SVI other(meddling, guide, Adam({.lr = 0.02}));
    other.step(data());
    inside = true;
    const ErrorReport report = expect_error_unchanged<UsageError>([&] { other.step(data()); }, snapshot, "wick.checkpoint.E638", "", "between two steps");
    INFO(report.text << report.message);
    REQUIRE(report.ok);
  }
}

TEST_CASE("checkpoint: another model, another optimiser or other options are refused", "[infer][checkpoint][errors]") {
  const std::string path = scratch("other.wick");
  const auto two = [](const Tensor& start, const Constraint& c) {
    return [=] {
      sample("z", Normal(param("a", 0.0), param("b", start, c)).to_event(1));
    };
  };
  const auto model2 = [] { sample("z", Normal(zeros({2}), 1.0).to_event(1)); };
  {
    const OwnStore own;
    SVI svi(model2, two(ones({2}), constraints::positive), Adam({.lr = 0.01}), Trace_ELBO(), {.seed = 1});
    svi.run(5);
    save_checkpoint(path, svi);
  }
  const auto check = [&](const auto& other_model, const auto& other_guide, const auto& optimizer, const char* id, const char* says) {
    const OwnStore own;
    SVI svi(other_model, other_guide, optimizer, Trace_ELBO(), {.seed = 2});
    svi.step();
    refused(svi, path, id, says);
    svi.step();
  };
  const auto right = two(ones({2}), constraints::positive);
  const Adam adam({.lr = 0.3});
  const auto model3 = [] { sample("z", Normal(zeros({3}), 1.0).to_event(1)); };
  check(model3, two(ones({3}), constraints::positive), adam, "wick.checkpoint.E635", "its parameter \"b\" has unconstrained shape (2,), this program's (3,)");
  check(model2, two(ones({2}), constraints::nonnegative), adam, "wick.checkpoint.E635", "its parameter \"b\" is positive, this program's nonnegative");
  check(model2, [] { sample("z", Normal(param("a", 0.0), param("c", ones({2}), constraints::positive)).to_event(1)); }, adam, "wick.checkpoint.E635", "it has a parameter \"b\", this program does not");
  const auto more = [=] { param("c", 0.0), right(); };
  check(model2, more, adam, "wick.checkpoint.E635", "it has no parameter \"c\", this program does");
  check(model2, right, SGD(), "wick.checkpoint.E636", "its optimiser is Adam, this one is SGD");
  check(model2, right, Adam({.beta2 = 0.99}), "wick.checkpoint.E636", "its optimiser has beta2 0.999, this one 0.99");
  check(model2, right, Scheduled(adam, schedules::cosine(9)), "wick.checkpoint.E636", "its optimiser is Adam, this one is Scheduled");
  check(model2, right, PerParam(adam, {{"a", SGD()}}), "wick.checkpoint.E636", "its optimiser is Adam, this one is PerParam");
  // In an empty store there is nothing to compare with; the optimiser is compared all the same, and the store is empty afterwards.
  const OwnStore own;
  SVI svi(model2, right, SGD(), Trace_ELBO());
  refused(svi, path, "wick.checkpoint.E636", "its optimiser is Adam, this one is SGD");
  REQUIRE(param_store().size() == 0);
}

namespace {

inline constexpr ConstraintOps own_ops{.name = "below",
                                       .discrete = false,
                                       .contains = [](double x, double b, double) { return x < b; },
                                       .to_constrained = [](const Tensor& u, const Constraint& c) { return c.lower() - exp(u); },
                                       .to_unconstrained = [](const Tensor& x, const Constraint& c) { return log(c.lower() - x); },
                                       .log_abs_det = [](const Tensor& u, const Tensor&, const Constraint&) { return u; }};

}  // namespace

TEST_CASE("checkpoint: a user's constraint must be declared first, and its bounds are compared", "[infer][checkpoint][errors]") {
  const std::string path = scratch("constraint.wick");
  const auto make = [](double bound) { return [bound] { sample("z", Normal(param("m", -1.0, Constraint(own_ops, bound)), 1.0)); }; };
  const auto model1 = [] { sample("z", Normal(0.0, 1.0)); };
  const auto svi_of = [&](double bound) { return SVI(model1, make(bound), Adam({.lr = 0.01}), Trace_ELBO(), {.seed = 1}); };
  std::vector<double> losses;
  {
    const OwnStore own;
    auto svi = svi_of(0);
    svi.run(5);
    save_checkpoint(path, svi);
    losses = svi.run(5);
  }
  {
    const OwnStore own;
    auto svi = svi_of(0);
    refused(svi, path, "wick.checkpoint.E637", "parameter \"m\" has the constraint below");
    svi.evaluate_loss();
    load_checkpoint(path, svi);
    REQUIRE(svi.run(5) == losses);
  }
  const OwnStore own;
  auto svi = svi_of(0.5);
  svi.evaluate_loss();
  refused(svi, path, "wick.checkpoint.E635", "its parameter \"m\" is below with other bounds than this program's below(0.5)");
}

TEST_CASE("checkpoint: content that contradicts itself is refused even if the checksum fits", "[infer][checkpoint][errors]") {
  const std::string path = scratch("content.wick");
  const OwnStore own;
  SVI svi(model, guide, Adam({.lr = 0.02}), Trace_ELBO(), {.seed = 1});
  svi.run(5, data());
  save_checkpoint(path, svi);
  std::string bytes;
  {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const std::string content = bytes.substr(24, bytes.size() - 32);
  const auto write = [&](const std::string& text) {
    detail::ByteWriter out;
    out.raw(text.data(), text.size());
    detail::SystemFiles files;
    detail::write_checkpoint_file(files, path, out);
  };
  for (std::size_t i = 0; i < content.size(); i += 97) {  // cut short within the frame
    write(content.substr(0, i));
    const auto state = everything(svi);
    const auto before = state();
    REQUIRE_THROWS_AS(load_checkpoint(path, svi), CheckpointError);
    REQUIRE(before == state());
  }
  for (std::size_t i = 24; i + 8 <= content.size(); i += 157) {  // numbers and lengths that are wild
    std::string bad = content;
    for (std::size_t k = 0; k < 8; ++k) bad[i + k] = static_cast<char>(0x7f);
    write(bad);
    try {
      load_checkpoint(path, svi);
    } catch (const CheckpointError&) {
    }
    write(content);
    load_checkpoint(path, svi);
  }
}
