// E9: deterministic and factor.
#include <limits>

#include <wick/ad/grad.hpp>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

TEST_CASE("E9: deterministic is recorded as it is; plates and scales leave it alone", "[effect][factor]") {
  Trace t;
  {
    const handlers::trace record(t);
    const handlers::scale scaled(2.0);
    const handlers::mask masked(0.0);
    const plate data("data", 3, {.subsample_size = 2});
    CHECK(deterministic("d", 5.0).item() == 5.0);
  }
  const Site& d = t.at("d");
  CHECK(d.type == SiteType::deterministic);
  CHECK(d.value.dim() == 0);
  CHECK(d.fn() == nullptr);
  CHECK(d.scale.item() == 1.0);
  CHECK(d.log_prob_sum().item() == 0.0);
  CHECK(t.log_prob_sum().item() == 0.0);
}

TEST_CASE("E9: factor adds its weight to the density, as an observed auxiliary site", "[effect][factor]") {
  const Trace t = handlers::trace(handlers::scale([] { factor("f", -1.25); }, 3.0)).get_trace();
  const Site& f = t.at("f");
  CHECK(f.is_observed);
  CHECK(f.infer.is_auxiliary);
  CHECK(t.log_prob_sum().item() == Approx(-3.75));
  CHECK(f.unscaled_log_prob().item() == -1.25);
}

TEST_CASE("E9: a factor has a batch shape: a single number counts for every element of a plate", "[effect][factor][plate]") {
  const Trace t = handlers::trace([] {
                    factor("outside", Tensor{1.0, 2.0});
                    const plate data("data", 3);
                    factor("one", 2.0);
                    factor("each", Tensor{1.0, 2.0, 4.0});
                    const handlers::mask some(Tensor{1.0, 0.0, 1.0});
                    factor("masked", Tensor{1.0, std::numeric_limits<double>::quiet_NaN(), 4.0});
                  }).get_trace();
  CHECK(t.at("outside").log_prob_sum().item() == 3.0);
  CHECK(t.at("one").log_prob_sum().item() == 6.0);
  CHECK(t.at("one").log_prob().shape() == Shape{3});
  CHECK(t.at("each").log_prob_sum().item() == 7.0);
  CHECK(values(t.at("masked").log_prob()) == Values{1.0, 0.0, 4.0});
}

TEST_CASE("E9: a factor carries gradients", "[effect][factor]") {
  const auto f = [](const Tensor& x) { return handlers::trace([&] { factor("f", x * x); }).get_trace().log_prob_sum(); };
  const auto [value, gradient] = value_and_grad(f)(Tensor{1.0, 3.0});
  CHECK(value.item() == 10.0);
  CHECK(values(gradient) == Values{2.0, 6.0});
}

TEST_CASE("E9: whether a factor's weight was drawn with gradients is said, or known to be unsaid", "[effect][factor]") {
  const Trace t = handlers::trace([] {
                    factor("open", 1.0);
                    factor("pathwise", 1.0, {.has_rsample = true});
                    factor("score", 1.0, {.has_rsample = false});
                  }).get_trace();
  CHECK(t.at("open").infer.is_open_factor);
  CHECK_FALSE(t.at("open").infer.is_score_factor);
  CHECK_FALSE((t.at("pathwise").infer.is_open_factor || t.at("pathwise").infer.is_score_factor));
  CHECK(t.at("pathwise").fn()->has_rsample());
  CHECK_FALSE(t.at("score").infer.is_open_factor);
  CHECK(t.at("score").infer.is_score_factor);
  CHECK_FALSE(t.at("score").fn()->has_rsample());
}

TEST_CASE("E9: a factor of NaN is an error, of -inf is not", "[effect][factor]") {
  const auto weigh = [](double w) { return [w] { return handlers::trace([&] { factor("f", w); }).get_trace().log_prob_sum(); }; };
  check_error<DomainError>(weigh(std::numeric_limits<double>::quiet_NaN()), "wick.dist.E201", "f", "");
  check_error<UsageError>([] { return handlers::trace([] { factor("empty", Tensor()); }).get_trace(); }, "wick.dist.E209", "empty", "number");
  CHECK(weigh(-std::numeric_limits<double>::infinity())().item() == -std::numeric_limits<double>::infinity());
}
