// E8: plates.
#include <algorithm>
#include <set>
#include <string>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// A latent standard normal; its shape is that of the plates.
Shape draw(std::string_view name, const Normal& d = Normal(0.0, 1.0)) { return sample(name, d).shape(); }

template <class F>
Trace traced(F f) {
  return handlers::trace(f).get_trace();
}

}  // namespace

TEST_CASE("E8: the index message is recorded under the plate's name, also without a subsample", "[effect][plate]") {
  const Trace t = traced([] { const plate data("data", 6); });
  REQUIRE(t.size() == 1);
  const Site& s = t.at("data");
  CHECK(s.type == SiteType::plate);
  CHECK(s.value.empty());  // all, in order
  CHECK(s.full_size == 6);
  CHECK(s.dim == -1);
  CHECK(s.log_prob_sum().item() == 0.0);
}

TEST_CASE("E8: an index message inside a subsampled plate has its scale and frame", "[effect][plate]") {
  const Trace t = traced([] {
    const plate outer("outer", 6, {.subsample_size = 3});
    const plate inner("inner", 4);
  });
  CHECK(t.at("inner").scale.item() == 2.0);
  CHECK(frames(t.at("inner")) == "outer 3/6 dim -1");
  CHECK(t.at("outer").scale.item() == 1.0);
  CHECK(t.at("outer").frames.empty());
}

TEST_CASE("E8: the index message obeys the handlers around it", "[effect][plate]") {
  std::string log;
  {
    const Probe give(
        [&](Message& m) {
          if (m.type != SiteType::plate) return;
          log += std::string(m.name.view()) + std::to_string(m.size) + "/" + std::to_string(m.full_size);
          m.value = Tensor{4.0, 1.0};
        },
        ignore);
    const plate data("data", 6, {.subsample_size = 2});
    CHECK(values(data.indices()) == Values{4.0, 1.0});
  }
  CHECK(log == "data2/6");
}

TEST_CASE("E8: a subsample of the full size is all elements in order, without a draw", "[effect][plate]") {
  set_seed(1);
  Tensor alone, before;
  {
    const plate data("data", 100, {.subsample_size = 3});
    before = data.indices();
  }
  set_seed(1);
  {
    const plate whole("data", 100, {.subsample_size = 100});
    CHECK(whole.size() == 100);
    Values in_order(100);
    for (std::size_t i = 0; i < 100; ++i) in_order[i] = static_cast<double>(i);
    CHECK(values(whole.indices()) == in_order);
  }
  {
    const plate data("data", 100, {.subsample_size = 3});
    CHECK(values(data.indices()) == values(before));  // the whole plate used up no number
  }
}

TEST_CASE("E8: a drawn subsample is distinct elements of the plate", "[effect][plate]") {
  handlers::seed s(5);
  for (int i = 0; i < 50; ++i) {
    const plate data("data", 20, {.subsample_size = 7});
    const Values v = values(data.indices());
    CHECK(std::set<double>(v.begin(), v.end()).size() == 7);
    CHECK(*std::min_element(v.begin(), v.end()) >= 0.0);
    CHECK(*std::max_element(v.begin(), v.end()) <= 19.0);
    CHECK((data.size() == 7 && data.full_size() == 20));
  }
}

TEST_CASE("E8: every element is equally often in the subsample", "[effect][plate][stat]") {
  const std::string name = "E8: every element is equally often in the subsample";
  MonteCarloTable table(name);
  auto& joint = table.joint("count");
  joint.expect("in", Values(10, 0.3), 1.0);
  const handlers::seed s(table.seed());
  for (int i = 0; i < 20000; ++i) {
    const plate data("data", 10, {.subsample_size = 3});
    Values in(10, 0.0);
    for (const double k : values(data.indices())) in[static_cast<std::size_t>(k)] = 1.0;
    joint.sample(in);
  }
  const auto report = table.report();
  INFO(report.text);
  CHECK(report.agrees);
}

TEST_CASE("E8: guide and model share the subsample of a plate by replay", "[effect][plate][replay]") {
  const auto program = [](Count asked) {
    return [asked] {
      const plate data("data", 1000, {.subsample_size = asked});
      return data.indices();
    };
  };
  const Trace g = traced(program(10));
  CHECK(g.at("data").value.shape() == Shape{10});
  for (const Count asked : {Count(10), Count(0)})  // 0: the model's plate says nothing and takes the guide's
    CHECK(values(handlers::replay(program(asked), g)()) == values(g.at("data").value));
  CHECK(values(program(10)()) != values(g.at("data").value));  // the control: not by chance
}

TEST_CASE("E8: a model's plate without subsample_size takes size and scale of the guide's", "[effect][plate][replay]") {
  const Trace g = traced([] { const plate data("data", 12, {.subsample_size = 4}); });
  const Trace m = traced(handlers::replay(
      [] {
        const plate data("data", 12);
        CHECK(data.size() == 4);
        sample("x", Normal(0.0, 1.0), obs(take(arange(12), data.indices())));
      },
      g));
  double expected = 0.0;
  for (const double i : values(g.at("data").value)) expected += 3.0 * normal_lpdf(i);
  CHECK(m.log_prob_sum().item() == Approx(expected));
}

TEST_CASE("E8: subsamples of guide and model that differ in size are an error", "[effect][plate][replay]") {
  const auto program = [](Count asked) { return [asked] { const plate data("data", 12, {.subsample_size = asked}); }; };
  const Trace four = traced(program(4)), all = traced(program(0));
  check_error<SiteError>([&] { handlers::replay(program(5), four)(); }, "wick.plate.E202", "data", "same subsample_size");
  check_error<SiteError>([&] { handlers::replay(program(5), all)(); }, "wick.plate.E202", "data", "same subsample_size");
  check_error<SiteError>([&] { handlers::replay(program(12), four)(); }, "wick.plate.E202", "data", "same subsample_size");
  CHECK_NOTHROW(handlers::replay(program(12), all)());
}

TEST_CASE("E8 (ours): an explicit subsample that the guide's draw contradicts is an error, an equal one is fine", "[effect][plate][replay]") {
  const auto given = [](const Tensor& i) {
    return [i] {
      const plate data("data", 12, {.subsample = i});
      return data.indices();
    };
  };
  const Trace g = traced([] { const plate data("data", 12, {.subsample_size = 3}); });
  const Tensor drawn = g.at("data").value;
  CHECK(values(handlers::replay(given(drawn), g)()) == values(drawn));
  Values other = values(drawn);
  other[0] = other[0] == 0.0 ? 1.0 : 0.0;
  check_error<SiteError>([&] { handlers::replay(given(Tensor(other)), g)(); }, "wick.plate.E202", "data", "same explicit subsample");
  const Trace e = traced(given(Tensor{3.0, 1.0}));
  CHECK(values(handlers::replay([] { return plate("data", 12).indices(); }, e)()) == Values{3.0, 1.0});
  check_error<SiteError>([&] { handlers::replay(given(Tensor{1.0, 3.0}), e)(); }, "wick.plate.E202", "data", "");  // order counts
}

TEST_CASE("E8 (ours): a subsampled plate of another full size than in the guide is an error, whole plates may differ", "[effect][plate][replay]") {
  const auto program = [](Count size, Count asked) { return [=] { const plate data("data", size, {.subsample_size = asked}); }; };
  check_error<SiteError>([&] { handlers::replay(program(20, 3), traced(program(12, 3)))(); }, "wick.plate.E210", "data", "one size");
  check_error<SiteError>([&] { handlers::replay(program(20, 0), traced(program(12, 3)))(); }, "wick.plate.E210", "data", "one size");
  check_error<SiteError>([&] { handlers::replay(program(20, 3), traced(program(12, 0)))(); }, "wick.plate.E210", "data", "one size");
  CHECK_NOTHROW(handlers::replay(program(20, 0), traced(program(12, 0)))());  // as in prediction for new data
}

TEST_CASE("E8: frames are outermost first, whatever the dims", "[effect][plate]") {
  const Trace t = traced([] {
    const plate a("a", 4, {.subsample_size = 2, .dim = -2});
    for (Index i : plate("b", 3)) {
      const plate c("c", 5);
      if (i == 1) draw("x");
    }
  });
  CHECK(frames(t.at("x")) == "a 2/4 dim -2, b 3/3 turn 2, c 5/5 dim -1");
}

TEST_CASE("E8: densities are scaled by full size over subsample size, nested plates multiply", "[effect][plate][scale]") {
  const Trace t = traced([] {
    const plate a("a", 4, {.subsample_size = 2});
    const plate b("b", 6, {.subsample_size = 3});
    sample("x", Normal(0.0, 1.0), obs(full({3, 2}, 0.5)));
  });
  CHECK(t.at("x").scale.item() == 4.0);
  CHECK(t.log_prob_sum().item() == Approx(4.0 * 6.0 * normal_lpdf(0.5)));
  const Trace s = traced(handlers::scale(
      [] {
        const plate a("a", 6, {.subsample_size = 2});
        draw("x");
      },
      3.0));
  CHECK(s.at("x").scale.item() == 9.0);
}

TEST_CASE("E8: batch shapes are broadcast to the plates; a dim of size 1 is free", "[effect][plate]") {
  const plate a("a", 3, {.dim = -2});
  CHECK(draw("x") == Shape{3, 1});
  CHECK(draw("x", Normal(zeros({3, 1}), 1.0)) == Shape{3, 1});
  CHECK(draw("x", Normal(zeros({1, 5}), 1.0)) == Shape{3, 5});
  CHECK(draw("x", Normal(zeros({2, 1, 5}), 1.0)) == Shape{2, 3, 5});
  CHECK(draw("x", Normal(zeros({7}), 1.0).to_event(1)) == Shape{3, 1, 7});
  const plate b("b", 4);
  CHECK(b.dim() == -1);
  CHECK(draw("x") == Shape{3, 4});
  CHECK(draw("x", Normal(zeros({4}), 1.0)) == Shape{3, 4});
  CHECK(draw("x", Normal(zeros({3, 1}), 1.0)) == Shape{3, 4});
  const plate c("c", 1);
  CHECK(c.dim() == -3);
  CHECK(draw("x") == Shape{1, 3, 4});
}

TEST_CASE("E8: a broadcast site draws independently for each element", "[effect][plate]") {
  const plate a("a", 3);
  const Values x = values(sample("x", Normal(0.0, 1.0)));
  CHECK(std::set<double>(x.begin(), x.end()).size() == 3);
}

TEST_CASE("E8: a size that is neither 1 nor the plate's is an error", "[effect][plate]") {
  const auto check = [](const Normal& d) {
    check_error<ShapeError>(
        [&] {
          const plate a("a", 3);
          const plate b("b", 2);
          draw("x", d);
        },
        "wick.plate.E208", "x", "to_event");
  };
  check(Normal(zeros({4}), 1.0));
  check(Normal(zeros({2, 4}), 1.0));
  check(Normal(zeros({3, 1}), 1.0));
  check(Normal(zeros({6}), 1.0).expand({2, 6}));
  const ErrorReport report = expect_error<ShapeError>(
      [] {
        const plate ratings("ratings", 150, {.subsample_size = 10});
        draw("x", Normal(zeros({149}), 1.0));
      },
      "wick.plate.E208", "x", "plate.subsample(x)");
  for (const char* part : {"at site \"x\" inside plate(\"ratings\", size=10, dim=-1)", "has size 10 at dim -1", "(149,)"}) CHECK_THAT(report.message, contains(part));
}

TEST_CASE("E8: a value that is already final is not broadcast", "[effect][plate][replay]") {
  const Trace g = traced([] { sample("x", Normal(0.0, 1.0)); });
  Trace m;
  const handlers::trace record(m);
  const plate p("p", 3);
  const handlers::replay given(g);
  CHECK(draw("x").empty());
  CHECK(m.at("x").fn()->batch_shape().empty());
  CHECK(frames(m.at("x")) == "p 3/3 dim -1");
}

TEST_CASE("E8: without_rsample survives the broadcast", "[effect][plate]") {
  const Trace t = traced([] {
    const plate p("p", 3);
    sample("x", Normal(0.0, 1.0).without_rsample());
    sample("y", Normal(0.0, 1.0));
  });
  CHECK(t.at("x").fn()->batch_shape() == Shape{3});
  CHECK_FALSE(t.at("x").fn()->has_rsample());
  CHECK(t.at("y").fn()->has_rsample());
}

TEST_CASE("E8: a dim is taken on entering: the rightmost free one, whatever was built before", "[effect][plate]") {
  {
    const plate a("a", 2);
    const plate b("b", 3);
    CHECK((a.dim() == -1 && b.dim() == -2));
  }
  {
    const plate b("b", 3);
    const plate a("a", 2);
    CHECK((a.dim() == -2 && b.dim() == -1));
  }
  const plate c("c", 2, {.dim = -2});
  const plate d("d", 2);
  const plate e("e", 2);
  CHECK((d.dim() == -1 && e.dim() == -3));
}

TEST_CASE("E8: two plates on one dim are an error", "[effect][plate]") {
  check_error<SiteError>(
      [] {
        const plate a("a", 2);
        const plate b("b", 3, {.dim = -1});
      },
      "wick.plate.E207", "b", "leave dim out");
}

TEST_CASE("E8: a plate inside itself is an error, vectorised or not", "[effect][plate]") {
  const char* advice = "different names";
  check_error<SiteError>(
      [] {
        const plate a("a", 2);
        const plate b("b", 2);
        const plate again("a", 2);
      },
      "wick.plate.E205", "a", advice);
  check_error<SiteError>(
      [] {
        for ([[maybe_unused]] Index i : plate("a", 2)) const plate again("a", 2);
      },
      "wick.plate.E205", "a", advice);
  check_error<SiteError>(
      [] {
        plate a("a", 2);
        for ([[maybe_unused]] Index i : a)
          for ([[maybe_unused]] Index j : a) draw("x");
      },
      "wick.plate.E205", "a", advice);
}

TEST_CASE("E8 (ours): a plate of one name returns in one run with the same indices", "[effect][plate]") {
  Tensor first, second;
  const Trace t = traced([&] {
    {
      const plate data("data", 1000, {.subsample_size = 10});
      first = data.indices();
      draw("x");
    }
    {
      const plate data("data", 1000, {.subsample_size = 10});
      second = data.indices();
      draw("y");
    }
    const plate data("data", 1000);  // says nothing about the subsample: has it all the same
    CHECK(data.size() == 10);
  });
  CHECK(values(first) == values(second));
  CHECK(t.at("x").frames[0] == t.at("y").frames[0]);
  CHECK(t.size() == 3);
}

TEST_CASE("E8 (ours): a plate that returns in one run with another size, subsample or dim is an error", "[effect][plate]") {
  const auto both = [](Count size1, const PlateOptions& o1, Count size2, const PlateOptions& o2) {
    return [=] {
      traced([&] {
        { const plate p("p", size1, o1); }
        const plate p("p", size2, o2);
      });
    };
  };
  check_error<SiteError>(both(3, {}, 4, {}), "wick.plate.E210", "p", "one size and dim");
  check_error<SiteError>(
      [] {
        traced([] {
          {
            const plate p("p", 3, {.dim = -1});
            draw("x");
          }
          const plate p("p", 3, {.dim = -2});
          draw("y");
        });
      },
      "wick.plate.E210", "y", "the same dim at both places");
  check_error<SiteError>(both(6, {.subsample_size = 2}, 6, {.subsample_size = 3}), "wick.plate.E202", "p", "same subsample_size");
  check_error<SiteError>(both(6, {}, 6, {.subsample_size = 3}), "wick.plate.E202", "p", "same subsample_size");
  check_error<SiteError>(both(6, {.subsample = {1.0, 2.0}}, 6, {.subsample = {2.0, 1.0}}), "wick.plate.E202", "p", "same explicit");
  CHECK_NOTHROW(both(6, {.subsample = {1.0, 2.0}}, 6, {.subsample = {1.0, 2.0}})());
  // numpyro#1045: under another plate it would silently get another dim.
  check_error<SiteError>(
      [] {
        traced([] {
          {
            const plate p("p", 3);
            draw("x");
          }
          const plate q("q", 3);
          const plate p("p", 3);
          draw("y");
        });
      },
      "wick.plate.E210", "y", "the same dim at both places");
}

TEST_CASE("E8: a sequential plate has no dim, whatever it would have had as a vectorised one", "[effect][plate]") {
  const Trace t = traced([] {
    for (const Index i : plate("s", 2)) draw("x" + std::to_string(i));
    const plate outer("outer", 3);
    for (const Index i : plate("s", 2)) draw("y" + std::to_string(i));
  });
  CHECK(t.at("x0").value.shape() == Shape{});
  CHECK(t.at("y1").value.shape() == Shape{3});
  CHECK(t.at("y1").frames.size() == 2);
}

TEST_CASE("E8: a sequential plate counts 1, 2, … and has no dim", "[effect][plate]") {
  Values seen;
  const Trace t = traced([&] {
    for (Index i : plate("steps", 3)) {
      seen.push_back(static_cast<double>(i));
      CHECK(draw("x_" + std::to_string(i)).empty());
    }
    draw("after");
  });
  CHECK(seen == Values{0.0, 1.0, 2.0});
  CHECK(frames(t.at("x_0")) == "steps 3/3 turn 1");
  CHECK(frames(t.at("x_2")) == "steps 3/3 turn 3");
  CHECK(t.at("after").frames.empty());
}

TEST_CASE("E8: a subsampled sequential plate runs through its indices and scales", "[effect][plate]") {
  Values seen;
  const Trace t = traced([&] {
    for (Index i : plate("steps", 6, {.subsample = {5.0, 0.0, 2.0}})) {
      seen.push_back(static_cast<double>(i));
      sample("x_" + std::to_string(i), Normal(0.0, 1.0), obs(0.0));
    }
  });
  CHECK(seen == Values{5.0, 0.0, 2.0});
  CHECK(frames(t.at("x_0")) == "steps 3/6 turn 2");
  CHECK(t.log_prob_sum().item() == Approx(3.0 * 2.0 * normal_lpdf(0.0)));
}

TEST_CASE("E8: frames are equal iff name, dim, size and counter agree", "[effect][plate]") {
  const Frame base{Name("p"), -1, 3, 3, 0};
  Frame other = base;
  CHECK(base == other);
  other.full_size = 9;
  CHECK(base == other);
  other = base, other.name = Name("q");
  CHECK_FALSE(base == other);
  other = base, other.dim = -2;
  CHECK_FALSE(base == other);
  other = base, other.size = 2;
  CHECK_FALSE(base == other);
  other = base, other.counter = 1;
  CHECK_FALSE(base == other);
}

TEST_CASE("E8: a plate object is vectorised or sequential, never both", "[effect][plate]") {
  check_error<UsageError>(
      [] {
        plate p("p", 3);
        draw("x");
        for (Index i : p) draw("y_" + std::to_string(i));
      },
      "wick.plate.E206", "p", "second plate");
  // Built, then iterated: in force in the loop only, and again in a second loop.
  const Trace t = traced([] {
    plate p("p", 3);
    for (Index i : p) draw("x_" + std::to_string(i));
    draw("between");
    for (Index i : p) {
      draw("y_" + std::to_string(i));
      if (i == 1) break;
    }
    draw("after");
  });
  CHECK(frames(t.at("x_1")) == "p 3/3 turn 2");
  CHECK(frames(t.at("y_1")) == "p 3/3 turn 2");
  CHECK(t.at("between").frames.empty());
  CHECK(t.at("after").frames.empty());
  CHECK_FALSE(t.contains("y_2"));
  CHECK(stack_is_empty());
}

TEST_CASE("E8: sequential and vectorised plates mix", "[effect][plate]") {
  const Trace t = traced([] {
    const plate a("a", 2);
    for (Index i : plate("b", 3)) {
      draw("x_" + std::to_string(i));
      for (Index j : plate("c", 2)) {
        const plate d("d", 5);
        draw("y_" + std::to_string(i) + std::to_string(j));
      }
    }
  });
  CHECK(shape(t, "x_1") == Shape{2});
  CHECK(shape(t, "y_21") == Shape{5, 2});
  CHECK(frames(t.at("y_21")) == "a 2/2 dim -1, b 3/3 turn 3, c 2/2 turn 2, d 5/5 dim -2");
  CHECK(t.size() == 3 + 6 + 4);
}

TEST_CASE("E8: a parameter with event_dim is stored whole and seen by the elements in the plate", "[effect][plate][param]") {
  const OwnParams params;
  const Tensor init = reshape(arange(12), {6, 2});
  const plate data("data", 6, {.subsample = {5.0, 1.0}});
  CHECK(values(param("p", init, constraints::real, {.event_dim = 1})) == Values{10.0, 11.0, 2.0, 3.0});
  CHECK(values(param("q", arange(6), constraints::real, {.event_dim = 0})) == Values{5.0, 1.0});
  CHECK(param("r", zeros({1}), constraints::real, {.event_dim = 0}).shape() == Shape{1});  // size 1: for all elements
  CHECK(param("s", zeros({2}), constraints::real, {.event_dim = 1}).shape() == Shape{2});  // has no such dim
  CHECK(param("t", zeros({3})).shape() == Shape{3});                                       // event_dim not said: left alone
  CHECK(params.store.at("p").shape() == Shape{6, 2});
  const plate rows("rows", 4, {.subsample = {2.0}});
  CHECK(values(param("u", reshape(arange(24), {4, 6}), constraints::real, {.event_dim = 0})) == Values{17.0, 13.0});
}

TEST_CASE("E8: a parameter whose dim is not the full size of the plate is an error", "[effect][plate][param]") {
  const OwnParams params;
  param("p", zeros({2}));
  check_error<ShapeError>(
      [] {
        const plate data("data", 6, {.subsample_size = 2});
        param("p", zeros({2}), constraints::real, {.event_dim = 0});
      },
      "wick.plate.E209", "p", "full plate");
}

TEST_CASE("E8: plate.subsample takes the plate's elements of data", "[effect][plate]") {
  const plate data("data", 4, {.subsample = {3.0, 0.0}});
  CHECK(values(data.subsample(Tensor{10.0, 11.0, 12.0, 13.0})) == Values{13.0, 10.0});
  CHECK(data.subsample(zeros({4, 5})).shape() == Shape{2, 5});
  CHECK(data.subsample(Tensor()).empty());  // data that are not there stay away
  const plate all("all", 2);
  CHECK(values(all.subsample(Tensor{1.0, 2.0})) == Values{1.0, 2.0});
  for (const Tensor& wrong : {Tensor{1.0, 2.0}, Tensor(1.0), zeros({5, 4})}) {
    const ErrorReport report = expect_error<ShapeError>([&] { return data.subsample(wrong); }, "wick.plate.E209", "data", "whole data");
    INFO(report.text);
    CHECK(report.ok);
  }
}

TEST_CASE("E8: sizes and options that make no sense are errors", "[effect][plate]") {
  const auto make = [](Count n, const PlateOptions& o) { return [=] { const plate p("p", n, o); }; };
  check_error<DomainError>(make(0, {}), "wick.plate.E200", "p", "data are empty");
  check_error<DomainError>(make(-3, {}), "wick.plate.E200", "p", "data are empty");
  check_error<DomainError>(make(5, {.subsample_size = 6}), "wick.plate.E201", "p", "min(batch, size)");
  check_error<DomainError>(make(5, {.subsample_size = -1}), "wick.plate.E201", "p", "min(batch, size)");
  for (const Tensor& wrong : {Tensor{0.0, 5.0}, Tensor{-1.0}, Tensor{0.5}, Tensor(1.0), zeros({2, 2}), zeros({0})})
    check_error<DomainError>(make(5, {.subsample = wrong}), "wick.plate.E203", "p", "integers");
  check_error<DomainError>(make(5, {.subsample_size = 3, .subsample = {1.0, 2.0}}), "wick.plate.E203", "p", "their number");
  check_error<UsageError>(make(5, {.dim = 1}), "wick.plate.E204", "p", "-1");
}

TEST_CASE("E8: an error inside plates tells them, outermost first", "[effect][plate]") {
  const ErrorReport report = expect_error<DomainError>(
      [] {
        const plate outer("outer", 3, {.dim = -2});
        for (Index i : plate("turns", 4)) {
          const plate inner("inner", 2);
          if (i == 2) sample("x", Normal(0.0, -1.0));
        }
      },
      "wick.dist.E201", "x", "positive");
  INFO(report.text);
  CHECK(report.ok);
  CHECK_THAT(report.message, contains("at site \"x\" inside plate(\"outer\", size=3, dim=-2), plate(\"turns\", size=4, turn 3), plate(\"inner\", size=2, dim=-1): "));
}
