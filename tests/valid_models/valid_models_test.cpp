// The model/guide pairs that Pyro's tests/infer/test_valid_models.py names, with bodies of our own: what works, what is refused, and by
// which error. A row runs under every estimator in `elbos`; a new one is one line there. Pairs that need what wick does not have yet stand at
// the end, are counted, and say what they wait for.
#include "catch.hpp"

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <wick/wick.hpp>

using namespace wick;

namespace {

using Program = std::function<void()>;
enum Expected { ok, error, warning };
struct Row {
  const char* name;
  Expected expected;
  const char* id;  // of the error or the warning; of an ok, a warning that Pyro does not give
  Program model, guide;
};

// --- estimators ------------------------------------------------------------------------------------------------------
struct Estimator {
  const char* name;
  std::function<void(const Row&)> run;  // a step, and a loss
};
template <class Elbo>
Estimator estimator(const char* name) {
  return {name, [](const Row& row) {
            SVI svi(row.model, row.guide, Adam({.lr = 1e-6}), Elbo(), {.seed = 1});
            svi.step();
            svi.evaluate_loss();
          }};
}
const std::vector<Estimator> elbos = {estimator<Trace_ELBO>("Trace_ELBO")};

// --- parts of programs -----------------------------------------------------------------------------------------------
void nothing() {}
Tensor half() { return param("p", 0.5, constraints::unit_interval); }
Program both(Program f) { return f; }
void expect_shape(const Tensor& t, const Shape& s) {
  INFO("shape " << to_string(t.shape()) << ", expected " << to_string(s));
  CHECK(t.shape() == s);
}
std::string numbered(const char* stem, Index i) { return stem + std::to_string(i); }
std::string numbered(const char* stem, Index i, Index j) { return numbered(stem, i) + "_" + std::to_string(j); }

Normal without_rsample(Normal d) {
  d.use_score_gradient(true);
  return d;
}

// A loop over `n` elements, or a part of them, that draws a coin in each turn.
Program loop(Index n, Index part, bool learned) {
  return [=] {
    const Tensor p = learned ? half() : Tensor(0.5);
    for (const Index i : plate("plate", n, {.subsample_size = part})) sample(numbered("x_", i), Bernoulli(p));
  };
}
Program coins(Index n, Index part, bool learned) {
  return [=] {
    const Tensor p = learned ? half() : Tensor(0.5);
    const plate data("plate", n, {.subsample_size = part});
    sample("x", Bernoulli(p).expand({data.size()}));
  };
}
Program loops(Index part, bool learned, bool swapped) {
  return [=] {
    const Tensor p = learned ? half() : Tensor(0.5);
    for (const Index a : plate(swapped ? "plate_1" : "plate_0", 3, {.subsample_size = part}))
      for (const Index b : plate(swapped ? "plate_0" : "plate_1", 3, {.subsample_size = part}))
        sample(swapped ? numbered("x_", b, a) : numbered("x_", a, b), Bernoulli(p));
  };
}
Program coin(bool learned) {
  return [=] { sample("x", Bernoulli(learned ? half() : Tensor(0.5))); };
}
void normal_model() {
  const Tensor x = sample("x", Normal(0.0, 1.0));
  sample("y", Normal(x, 1.0), obs(0.0));
}
void normal_guide() { sample("x", Normal(param("loc", 0.0), 1.0)); }

// A parameter of this shape in a plate of 10, with event_dim 0.
Program param_of(const Shape& shape, Index part) {
  return [=] {
    const plate data("plate", 10, {.subsample_size = part});
    param("p0", ones(shape), constraints::real, {.event_dim = 0});
    const Tensor p = param("p", full({10}, 0.5), constraints::unit_interval, {.event_dim = 0});
    sample("x", Bernoulli(p));
  };
}

Program nested(const Shape& x, const Shape& y, const Shape& z) {
  return [=] {
    const Tensor p = half();
    const plate outer("plate_outer", 10, {.subsample_size = 5});
    sample("x", Bernoulli(p).expand(x));
    const plate inner("plate_inner", 11, {.subsample_size = 6});
    sample("y", Bernoulli(p).expand(y));
    sample("z", Bernoulli(p).expand(z));
  };
}

Program masked(const Tensor& mask) {
  return [=] {
    const Tensor x = sample("x", Normal(0.0, 1.0));
    const handlers::mask scope(mask);
    sample("y", Normal(x, 1.0), obs(0.0));
  };
}
Program scaled(const Tensor& factor) {
  return [=] {
    const Tensor x = sample("x", Normal(0.0, 1.0));
    const handlers::scale scope(factor);
    sample("y", Normal(x, 1.0), obs(0.0));
  };
}
// A vector-valued site in a plate, under a mask or a scale outside or inside of it.
template <class Scope>
Program in_plate(const Tensor& by) {
  return [=] {
    const Tensor c = sample("c", LogNormal(0.0, 1.0).expand({3}).to_event(1));
    const plate data("data", 2);
    const Scope scope(by);
    sample("obs", Gamma(c, 1.0).to_event(1), obs({{0.2, 0.3, 0.5}, {0.6, 0.1, 0.3}}));
  };
}
void vector_guide() {
  const Tensor loc = param("loc", zeros({3})), scale = param("scale", ones({3}), constraints::positive);
  sample("c", LogNormal(loc, scale).to_event(1));
}

Program partly_observed(const Tensor& mask) {
  return [=] {
    const Tensor data = full({3}, 7.0), x = sample("x", Normal(0.0, 1.0));
    const plate rows("plate", 3);
    const Tensor y = sample("y", Normal(x, 1.0), obs(data, mask));
    CHECK(sum((y == data) != mask).item() == 0);
  };
}
Program partly_observed_guide(const Tensor& mask) {
  return [=] {
    const Tensor x = sample("x", Normal(param("loc", 0.0), param("scale", 1.0, constraints::positive)));
    const plate rows("plate", 3);
    const handlers::mask scope(!mask);
    sample("y_unobserved", Normal(x, 1.0));
  };
}
Program vectors_partly_observed(const Tensor& mask) {
  return [=] {
    const Tensor x = sample("x", Normal(zeros({3}), 1.0).to_event(1));
    const plate rows("plate", 4);
    sample("y", Normal(x, 1.0).to_event(1), obs(full({4, 3}, 7.0), mask));
  };
}
Program vectors_partly_observed_guide(const Tensor& mask) {
  return [=] {
    const Tensor x = sample("x", Normal(param("loc", zeros({3})), 1.0).to_event(1));
    const plate rows("plate", 4);
    const handlers::mask scope(!mask);
    sample("y_unobserved", Normal(x, 1.0).to_event(1));
  };
}

Program at_depths(bool learned) {
  return [=] {
    const Tensor p = learned ? half() : Tensor(0.5);
    for (const Index i : plate("plate0", 2)) {
      sample(numbered("x_", i), Bernoulli(p));
      if (i == 1) {
        const plate inner("plate2", 10, {.subsample_size = 5});
        sample("z", Bernoulli(p).expand({5}));
        continue;
      }
      for (const Index j : plate("plate1", 2)) {
        const plate inner("plate2", 10, {.subsample_size = 5});
        sample(numbered("y_", j), Bernoulli(p).expand({5}));
      }
    }
  };
}

Program particles_by_hand(bool observes) {
  return [=] {
    const plate particles("num_particles", 10, {.dim = -3});
    Tensor p;
    {
      const plate components("components", 2, {.dim = -1});
      p = sample("p", Uniform(0.1, 0.9));
      expect_shape(p, {10, 1, 2});
    }
    if (!observes) return;
    const plate data("data", 20, {.dim = -2}), components("components", 2, {.dim = -1});
    sample("obs", Bernoulli(p), obs(ones({20, 2})));
  };
}

void dims_in_every_order() {
  const Tensor p = 0.5;
  const plate outer("plate_outer", 10, {.subsample_size = 5, .dim = -3});
  expect_shape(sample("x", Bernoulli(p)), {5, 1, 1});
  const plate inner_1("plate_inner_1", 11, {.subsample_size = 6});  // the rightmost free one, -1
  expect_shape(sample("y", Bernoulli(p)), {5, 1, 6});
  const plate inner_2("plate_inner_2", 12, {.subsample_size = 7});  // -2
  expect_shape(sample("z", Bernoulli(p)), {5, 7, 6});
  const plate inner_3("plate_inner_3", 13, {.subsample_size = 8});  // -4, because -3 is taken
  expect_shape(sample("q", Bernoulli(p)), {8, 5, 7, 6});
}
void dim_taken() {
  const plate outer("plate_outer", 10, {.subsample_size = 5, .dim = -2});
  const plate inner_1("plate_inner_1", 11, {.subsample_size = 6});
  const plate inner_2("plate_inner_2", 12, {.subsample_size = 7, .dim = -1});
}

Program plates_in_loop(bool learned) {
  return [=] {
    const Tensor p = learned ? half() : Tensor(0.5);
    for (const Index i : plate("iplate", 3, {.subsample_size = 2})) {
      const plate inner("plate", 3, {.subsample_size = 2});
      sample(numbered("x_", i), Bernoulli(p).expand({2}));
    }
  };
}
Program loop_in_plate(bool learned) {
  return [=] {
    const Tensor p = learned ? half() : Tensor(0.5);
    const plate outer("plate", 3, {.subsample_size = 2});
    for (const Index i : plate("iplate", 3, {.subsample_size = 2})) sample(numbered("x_", i), Bernoulli(p).expand({2}));
  };
}

Program stacked(const Shape& sizes, bool plate_inside, bool learned) {
  return [=] {
    const Tensor p = learned ? half() : Tensor(0.5);
    const plate_stack grid("plate_stack", sizes);
    if (!plate_inside) return void(sample("x", Bernoulli(p)));
    const plate more("plate", 7);
    sample("x", Bernoulli(p));
  };
}

// a and b stand in the plate of two, c outside of it; the guide draws c first and a in the block.
template <class By>
Program around_a_plate(By by, bool reversed) {
  return [=] {
    const char *first = reversed ? "c" : "a", *last = reversed ? "a" : "c";
    expect_shape(sample(first, Normal(0, 1)), {});
    const plate rows("plate", 2);
    expect_shape(sample("b", Normal(0, 1)), {2});
    const handlers::block_plate outside(by);
    expect_shape(sample(last, Normal(0, 1)), {});
  };
}

Program subsample_primitive(Index part) {
  return [=] {
    const plate data("plate", 10, {.subsample_size = part});
    expect_shape(subsample(0.0, 0), {});
    const Tensor p = subsample(full({10}, 0.5), 0);
    expect_shape(p, {data.size()});
    sample("x", Bernoulli(p));
  };
}

// --- the table -------------------------------------------------------------------------------------------------------
std::vector<Row> rows() {
  const Program none = nothing;
  std::vector<Row> t = {
      {"nonempty_model_empty_guide_ok", ok, "", [] { sample("x", Normal(zeros({2}), ones({2})).to_event(1), obs(zeros({2}))); }, none},
      {"nonempty_model_empty_guide_error", error, "wick.elbo.E300", [] { sample("x", Normal(0, 1)); }, none},
      {"empty_model_empty_guide_ok", ok, "", none, none},
      {"variable_clash_in_model_error", error, "wick.trace.E221", [] { sample("x", Bernoulli(0.5)); sample("x", Bernoulli(0.5)); }, coin(true)},
      {"variable_clash_in_guide_error", error, "wick.trace.E221", coin(false), [] { sample("x", Bernoulli(half())); sample("x", Bernoulli(half())); }},
      {"model_guide_dim_mismatch_error", error, "wick.elbo.E302", [] { sample("x", Normal(zeros({2}), ones({2})).to_event(1)); },
       [] { sample("x", Normal(param("loc", zeros({2, 1})), param("scale", ones({2, 1}), constraints::positive)).to_event(2)); }},
      {"model_guide_shape_mismatch_error", error, "wick.elbo.E302", [] { sample("x", Normal(zeros({1, 2}), ones({1, 2})).to_event(2)); },
       [] { sample("x", Normal(param("loc", zeros({2, 1})), param("scale", ones({2, 1}), constraints::positive)).to_event(2)); }},
      {"not_has_rsample_ok", ok, "", [] { const Tensor z = sample("z", Normal(0, 1)); sample("x", Bernoulli(clamp(round(z), 0.2, 0.8)), obs(0.0)); },
       [] { sample("z", without_rsample(Normal(param("loc", 0.0), 1.0))); }},
      {"iplate_variable_clash_error", error, "wick.trace.E221", [] { for ([[maybe_unused]] const Index i : plate("plate", 2)) sample("x", Bernoulli(0.5)); },
       [] { for ([[maybe_unused]] const Index i : plate("plate", 2)) sample("x", Bernoulli(half())); }},
      {"plate_broadcast_error", error, "wick.plate.E208", [] { const plate data("plate", 10, {.subsample_size = 5}); sample("x", Bernoulli(0.5).expand({2})); }, none},
      {"plate_wrong_size_error", error, "wick.plate.E208", [] { const plate data("plate", 10, {.subsample_size = 5}); sample("x", Bernoulli(0.5).expand({6})); },
       [] { const plate data("plate", 10, {.subsample_size = 5}); sample("x", Bernoulli(half()).expand({6})); }},
      {"plate_iplate_ok", ok, "", loop_in_plate(false), loop_in_plate(true)},
      {"iplate_plate_ok", ok, "", plates_in_loop(false), plates_in_loop(true)},
      {"nested_plate_plate_ok", ok, "", both(nested({5}, {6, 5}, {6, 5})), both(nested({5}, {6, 5}, {6, 5}))},
      {"nested_plate_plate_dim_error_1", error, "wick.plate.E208", nested({5}, {6}, {5, 6}), nested({5}, {6}, {5, 6})},
      {"nested_plate_plate_dim_error_2", error, "wick.plate.E208", nested({5, 1}, {6}, {5, 6}), nested({5, 1}, {6}, {5, 6})},
      {"nested_plate_plate_dim_error_3", error, "wick.elbo.E304", nested({5, 1}, {6, 1}, {6, 1}), nested({5, 1}, {6, 1}, {6, 1})},
      {"nested_plate_plate_dim_error_4", error, "wick.plate.E208", nested({5}, {6, 1}, {5, 5}), nested({5}, {6, 1}, {5, 5})},
      {"nonnested_plate_plate_ok", ok, "",
       [] { const Tensor p = half(); { const plate a("plate_0", 10, {.subsample_size = 5}); sample("x0", Bernoulli(p)); } const plate b("plate_1", 11, {.subsample_size = 6}); sample("x1", Bernoulli(p)); },
       [] { const Tensor p = half(); { const plate a("plate_0", 10, {.subsample_size = 5}); sample("x0", Bernoulli(p)); } const plate b("plate_1", 11, {.subsample_size = 6}); sample("x1", Bernoulli(p)); }},
      {"three_indep_plate_at_different_depths_ok", ok, "", at_depths(false), at_depths(true)},
      {"plate_shape_broadcasting_ok", ok, "", particles_by_hand(true), particles_by_hand(false)},
      {"dim_allocation_ok", ok, "", dims_in_every_order, dims_in_every_order},
      {"dim_allocation_error", error, "wick.plate.E207", dim_taken, dim_taken},
      {"factor_in_model_ok", ok, "", [] { factor("f", 0.0); }, none},
      {"factor_in_guide_error", error, "wick.elbo.E307", none, [] { factor("f", 0.0); }},
      {"reparam_ok", ok, "", normal_model, normal_guide},
      {"mean_field_ok", ok, "", [] { const Tensor x = sample("x", Normal(0, 1)); sample("y", Normal(x, 1)); },
       [] { const Tensor x = sample("x", Normal(param("loc", 0.0), 1)); sample("y", Normal(x, 1)); }},
      {"mean_field_in_another_order_ok", ok, "", [] { const Tensor x = sample("x", Normal(0, 1)); sample("y", Normal(x, 1)); },
       [] { const Tensor y = sample("y", Normal(param("loc", 0.0), 1)); sample("x", Normal(y, 1)); }},
      {"plate_param_size_mismatch_error", error, "wick.plate.E209", coins(10, 0, false), param_of({3, 5}, 0)},
      {"obs_mask_multivariate_error", error, "wick.handler.E261", vectors_partly_observed({{0, 0, 0}, {0, 1, 0}, {1, 0, 0}, {0, 0, 1}}), none},
      {"nested_plate_plate_subsample_param_ok", ok, "wick.svi.W313",
       [] { const plate outer("plate_outer", 10, {.subsample_size = 5}); sample("x", Bernoulli(0.2)); const plate inner("plate_inner", 11, {.subsample_size = 6}); sample("y", Bernoulli(0.2)); },
       [] {
         expect_shape(param("p0", full({4, 5}, 0.5), constraints::real, {.event_dim = 2}), {4, 5});
         const plate outer("plate_outer", 10, {.subsample_size = 5});
         expect_shape(param("p1", full({10, 3}, 0.5), constraints::real, {.event_dim = 1}), {5, 3});
         const Tensor px = param("px", full({10}, 0.5), constraints::unit_interval, {.event_dim = 0});
         expect_shape(px, {5});
         sample("x", Bernoulli(px));
         const plate inner("plate_inner", 11, {.subsample_size = 6});
         const Tensor py = param("py", full({11, 10}, 0.5), constraints::unit_interval, {.event_dim = 0});
         expect_shape(py, {6, 5});
         sample("y", Bernoulli(py));
       }},
      {"plate_reuse_ok", ok, "", both([] {
         const Tensor p = half();
         const auto outer = [] { return plate("plate_outer", 10, {.subsample_size = 5, .dim = -1}); };
         const auto inner = [] { return plate("plate_inner", 11, {.subsample_size = 6, .dim = -2}); };
         { const plate a = outer(); sample("x", Bernoulli(p).expand({5})); }
         { const plate b = inner(); sample("y", Bernoulli(p).expand({6, 1})); }
         const plate a = outer(), b = inner();
         sample("z", Bernoulli(p).expand({6, 5}));
       }), both([] {
         const Tensor p = half();
         { const plate a("plate_outer", 10, {.subsample_size = 5, .dim = -1}); sample("x", Bernoulli(p)); }
         { const plate b("plate_inner", 11, {.subsample_size = 6, .dim = -2}); sample("y", Bernoulli(p)); }
         const plate a("plate_outer", 10, {.subsample_size = 5, .dim = -1}), b("plate_inner", 11, {.subsample_size = 6, .dim = -2});
         sample("z", Bernoulli(p));
       })},
      {"blocked_plate_index_warning", warning, "wick.handler.W254",
       [] { const plate data("data", 10, {.subsample_size = 5}); sample("x", Normal(0, 1)); },
       [] { const handlers::block scope({.hide = {"data"}}); const plate data("data", 10, {.subsample_size = 5}); sample("x", Normal(param("loc", 0.0), 1)); }},
  };
  for (const Index part : {0, 2}) {
    t.push_back({"iplate_ok", ok, "", loop(4, part, false), loop(4, part, true)});
    t.push_back({"iplate_iplate_ok", ok, "", loops(part, false, false), loops(part, true, false)});
    t.push_back({"iplate_iplate_swap_ok", ok, "", loops(part, false, false), loops(part, true, true)});
  }
  t.push_back({"block_plate_name_ok", ok, "", around_a_plate("plate", false), around_a_plate("plate", true)});
  t.push_back({"block_plate_dim_ok", ok, "", around_a_plate(-1, false), around_a_plate(-1, true)});
  t.push_back({"block_plate_missing_error", error, "wick.handler.E265", [] { const handlers::block_plate outside("plate"); sample("a", Normal(0, 1)); }, [] { sample("a", Normal(0, 1)); }});
  for (const Shape& s : {Shape{}, Shape{3}, Shape{3, 4}, Shape{3, 4, 5}}) {
    t.push_back({"plate_stack_ok", ok, "", stacked(s, false, false), stacked(s, false, true)});
    t.push_back({"plate_stack_and_plate_ok", ok, "", stacked(s, true, false), stacked(s, true, true)});
    const Program sized = [=] { const plate_stack grid("plate_stack", s); expect_shape(sample("x", Bernoulli(full({3}, 0.5)).to_event(1)), s + Shape{3}); };
    t.push_back({"plate_stack_sizes", ok, "", sized, sized});
  }
  for (const Index part : {0, 5}) {
    t.push_back({"plate_subsample_primitive_ok", ok, "", coins(10, part, false), subsample_primitive(part)});
    t.push_back({"plate_ok", ok, "", coins(10, part, false), coins(10, part, true)});
    t.push_back({"plate_subsample_param_ok", ok, "wick.svi.W313", coins(10, part, false), param_of({}, part)});
    for (const Shape& s : {Shape{1}, Shape{10}, Shape{3, 1}, Shape{3, 10}}) t.push_back({"plate_param_size_ok", ok, "wick.svi.W313", coins(10, part, false), param_of(s, part)});
    t.push_back({"plate_param_size_mismatch_error", error, "wick.plate.E209", coins(10, part, false), param_of({5}, part)});
    t.push_back({"iplate_in_model_not_guide_ok", ok, "", [=] { for ([[maybe_unused]] const Index i : plate("plate", 10, {.subsample_size = part})) {} sample("x", Bernoulli(0.5)); }, coin(true)});
    t.push_back({"iplate_in_guide_not_model_error", error, "wick.elbo.E303", coin(false), [=] { for ([[maybe_unused]] const Index i : plate("plate", 10, {.subsample_size = part})) {} sample("x", Bernoulli(half())); }});
  }
  for (const bool rsample : {false, true}) {
    t.push_back({"set_has_rsample_ok", ok, "", [] { const Tensor z = sample("z", Normal(0, 1)); sample("x", Normal(clamp(z * 100, 0.0, 1.0), 1), obs(0.0)); },
                 [=] { const Normal d(param("loc", 0.0), 1.0); sample("z", rsample ? d : without_rsample(d)); }});
    t.push_back({"factor_in_guide_ok", ok, "", none, [=] { factor("f", 0.0, {.has_rsample = rsample}); }});
  }
  for (const double m : {0.0, 1.0}) {
    t.push_back({"reparam_mask_ok", ok, "", masked(m), normal_guide});
    t.push_back({"reparam_mask_plate_ok", ok, "", in_plate<handlers::mask<>>(m), vector_guide});
  }
  t.push_back({"reparam_mask_plate_ok", ok, "", in_plate<handlers::mask<>>({0, 1}), vector_guide});
  for (const double s : {1.0, 0.1}) {
    t.push_back({"reparam_scale_ok", ok, "", scaled(s), normal_guide});
    t.push_back({"reparam_scale_plate_ok", ok, "", in_plate<handlers::scale<>>(s), vector_guide});
  }
  t.push_back({"reparam_scale_plate_ok", ok, "", in_plate<handlers::scale<>>({0.1, 0.9}), vector_guide});
  for (const Tensor& m : {Tensor(1.0), Tensor(0.0), Tensor{1}, Tensor{0}, Tensor{0, 1, 0}}) t.push_back({"obs_mask_ok", ok, "", partly_observed(m), partly_observed_guide(m)});
  for (const Tensor& m : {Tensor(1.0), Tensor{0}, Tensor{0, 1, 1, 0}}) t.push_back({"obs_mask_multivariate_ok", ok, "", vectors_partly_observed(m), vectors_partly_observed_guide(m)});
  return t;
}

struct Pending {
  const char *name, *waits_for;
};
constexpr const char *enumeration = "enumeration", *mean_field = "TraceMeanField_ELBO", *tail_adaptive = "TraceTailAdaptive_ELBO", *collapse = "collapse";
const std::vector<Pending> pending = {
    {"enum_discrete_misuse_warning", enumeration}, {"enum_discrete_single_ok", enumeration}, {"enum_discrete_missing_config_warning", enumeration},
    {"enum_discrete_single_single_ok", enumeration}, {"enum_discrete_iplate_single_ok", enumeration}, {"plate_enum_discrete_batch_ok", enumeration},
    {"plate_enum_discrete_no_discrete_vars_warning", enumeration}, {"no_plate_enum_discrete_batch_error", enumeration}, {"enum_discrete_parallel_ok", enumeration},
    {"enum_discrete_parallel_nested_ok", enumeration}, {"enumerate_parallel_plate_ok", enumeration}, {"enum_discrete_plate_dependency_warning", enumeration},
    {"enum_discrete_iplate_plate_dependency_ok", enumeration}, {"enum_discrete_iplates_plate_dependency_warning", enumeration}, {"enum_discrete_plates_dependency_ok", enumeration},
    {"enum_discrete_non_enumerated_plate_ok", enumeration}, {"enum_discrete_plate_shape_broadcasting_ok", enumeration}, {"enum_in_model_ok", enumeration},
    {"enum_in_model_plate_ok", enumeration}, {"enum_sequential_in_model_error", enumeration}, {"enum_in_model_plate_reuse_ok", enumeration},
    {"enum_in_model_multi_scale_error", enumeration}, {"enum_in_model_diamond_error", enumeration}, {"enum_discrete_vectorized_num_particles", enumeration},
    {"enum_recycling_chain", enumeration}, {"enum_recycling_dbn", enumeration}, {"enum_recycling_nested", enumeration}, {"enum_recycling_grid", enumeration},
    {"enum_recycling_reentrant", enumeration}, {"enum_recycling_reentrant_history", enumeration}, {"enum_recycling_mutual_recursion", enumeration},
    {"enum_recycling_interleave", enumeration}, {"enum_recycling_plate", enumeration}, {"markov_history", enumeration},
    {"mean_field_mask_ok", mean_field}, {"mean_field_warn", mean_field},
    {"tail_adaptive_ok", tail_adaptive}, {"tail_adaptive_error", tail_adaptive}, {"tail_adaptive_warning", tail_adaptive},
    {"vectorized_num_particles", "particles in a plate"}, {"plate_no_size_ok", "plates without a size"}, {"no_log_prob_ok", "EnergyDistance"},
    {"reparam_stable", "Stable"}, {"ordered_logistic_plate", "OrderedLogistic"},
    {"collapse_normal_normal", collapse}, {"collapse_normal_normal_plate", collapse}, {"collapse_normal_plate_normal", collapse}, {"collapse_beta_bernoulli", collapse},
    {"collapse_beta_binomial", collapse}, {"collapse_beta_binomial_plate", collapse}, {"collapse_barrier", collapse},
};

std::string last_warning;
struct Heard {
  WarningSink before;
  Heard() : before(set_warning_sink([](std::string_view text) { last_warning = std::string(text); })) { last_warning.clear(); }
  ~Heard() { set_warning_sink(before); }
};

}  // namespace

TEST_CASE("valid models: what works, what is refused, what is warned about", "[valid_models]") {
  const std::vector<Row> table = rows();
  std::size_t counts[3] = {};
  for (const Estimator& elbo : elbos) {
    for (const Row& row : table) {
      INFO(elbo.name << ", " << row.name);
      ++counts[row.expected];
      ParamStore store;
      const ParamScope scope(store);
      const Heard heard;
      std::string id, message;
      try {
        elbo.run(row);
      } catch (const Error& e) {
        id = e.id();
        message = e.what();
      }
      CAPTURE(message, last_warning);
      CHECK(id == (row.expected == error ? row.id : ""));
      const bool silent = row.expected == error || *row.id == '\0';
      CHECK((silent ? last_warning.empty() : last_warning.find(row.id) != std::string::npos));
      if (row.expected == error) {
        CHECK(message.find("Try: ") != std::string::npos);
        CHECK(store.size() == 0);
      }
      CHECK(detail::context.innermost == nullptr);
    }
  }
  std::printf("valid models: %zu ok, %zu errors, %zu warnings under %zu estimators; %zu pending:", counts[ok], counts[error], counts[warning], elbos.size(), pending.size());
  for (const Pending& p : pending) std::printf(" %s (%s)", p.name, p.waits_for);
  std::printf("\n");
}
