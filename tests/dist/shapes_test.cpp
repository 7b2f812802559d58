// Shapes: batch and event, to_event, expand, mask, sample shapes, empty batches, copies.
#include "catch.hpp"

#include <cmath>
#include <set>

#include <wick/ad/ops.hpp>

#include "dist/families.hpp"

using namespace wick;
using namespace wick_test;

namespace {

Tensor counting(const Shape& shape, double first = 1.0, double step = 0.25) {
  Tensor t = full(shape, first);
  double* p = detail::TensorAccess::fresh_data(t);
  for (Index i = 0; i < t.numel(); ++i) p[i] = first + step * static_cast<double>(i);
  return t;
}

void same_values(const Tensor& a, const Tensor& b) {
  CHECK(a.shape() == b.shape());
  REQUIRE(a.numel() == b.numel());
  for (Index i = 0; i < a.numel(); ++i) CHECK(within_rule_f(a.data()[i], b.data()[i]));
}

std::size_t distinct(const Tensor& t) { return std::set<double>(t.values().begin(), t.values().end()).size(); }

}  // namespace

TEST_CASE("shapes: parameters broadcast to the batch shape", "[dist][shapes]") {
  CHECK(Normal(0.0, 1.0).batch_shape() == Shape{});
  CHECK(Normal(Tensor{1, 2, 3}, 1.0).batch_shape() == Shape{3});
  CHECK(Normal(zeros({4, 1}), ones({3})).batch_shape() == Shape{4, 3});
  CHECK(Normal(zeros({0}), 1.0).batch_shape() == Shape{0});
  CHECK(Bernoulli(zeros({2, 3})).batch_shape() == Shape{2, 3});
  CHECK(Categorical(ones({2, 3})).batch_shape() == Shape{2});
  CHECK(Categorical(ones({5})).batch_shape() == Shape{});
  CHECK(Categorical(ones({5})).event_shape() == Shape{});
  CHECK(Delta(zeros({2, 3})).batch_shape() == Shape{2, 3});
  CHECK(Delta(zeros({2, 3}), zeros({2}), 1).batch_shape() == Shape{2});
  CHECK(Delta(zeros({2, 3}), zeros({4, 1}), 1).batch_shape() == Shape{4, 2});
  CHECK(Delta(zeros({2, 3}), 0.0, 2).event_shape() == Shape{2, 3});
  const Normal d(zeros({4, 1}), ones({3}));
  CHECK(d.sample().shape() == Shape{4, 3});
  CHECK(d.sample({2, 5}).shape() == Shape{2, 5, 4, 3});
  CHECK(d.log_prob(0.5).shape() == Shape{4, 3});
  CHECK(d.log_prob(zeros({2, 1, 1})).shape() == Shape{2, 4, 3});
  CHECK(Categorical(ones({2, 3})).sample({7}).shape() == Shape{7, 2});
  CHECK(Categorical(ones({2, 3})).log_prob(zeros({7, 1})).shape() == Shape{7, 2});
}

TEST_CASE("shapes: to_event sums the rightmost dims", "[dist][shapes]") {
  const Normal d(counting({2, 3}), 0.5);
  const Tensor x = counting({4, 2, 3}, -1.0, 0.1);
  const Tensor each = d.log_prob(x);
  CHECK(d.to_event(0).event_dim() == 0);
  const Normal e = d.to_event(1);
  CHECK(e.batch_shape() == Shape{2});
  CHECK(e.event_shape() == Shape{3});
  CHECK(e.shape() == Shape{2, 3});
  CHECK(e.sample().shape() == Shape{2, 3});
  same_values(e.log_prob(x), sum(each, -1));
  same_values(d.to_event(2).log_prob(x), sum(each, {-1, -2}));
  same_values(e.to_event(1).log_prob(x), sum(each, {-1, -2}));
  same_values(e.log_prob_sum(x), sum(each));
  same_values(e.expand({5, 2}).log_prob(counting({2, 3})), expand(sum(d.log_prob(counting({2, 3})), -1), {5, 2}));
  CHECK(e.expand({5, 2}).event_shape() == Shape{3});
  CHECK(e.sample({6}).shape() == Shape{6, 2, 3});

  const Categorical c = Categorical(counting({4, 3, 2})).to_event(1);
  CHECK(c.batch_shape() == Shape{4});
  CHECK(c.event_shape() == Shape{3});
  const Tensor k{{0, 1, 1}, {1, 1, 0}, {0, 0, 0}, {1, 0, 1}};
  same_values(c.log_prob(k), sum(Categorical(counting({4, 3, 2})).log_prob(k), -1));
}

TEST_CASE("shapes: expand keeps parameters and draws independently", "[dist][shapes]") {
  const std::vector<std::unique_ptr<Distribution>> continuous = [] {
    std::vector<std::unique_ptr<Distribution>> all;
    for (const char* name : {"Normal", "LogNormal", "Uniform", "Gamma"}) all.push_back(make_family(name, "", {Tensor(0.5), Tensor(1.5)}));
    for (const char* name : {"HalfNormal", "HalfCauchy", "Exponential"}) all.push_back(make_family(name, "", {Tensor(0.5)}));
    return all;
  }();
  for (const auto& d : continuous) {
    INFO(d->name());
    const double scalar = d->log_prob(0.75).item();
    d->expand_to({8});
    CHECK(d->batch_shape() == Shape{8});
    CHECK(distinct(d->sample()) == 8);
    same_values(d->log_prob(0.75), full({8}, scalar));
    CHECK(within_rule_f(d->log_prob_sum(0.75).item(), 8 * scalar));
    d->expand_to({3, 8});
    const Tensor x = d->sample();
    CHECK(x.shape() == Shape{3, 8});
    CHECK(distinct(x) == 24);
  }
  CHECK(distinct(Bernoulli(0.5).expand({64}).sample()) == 2);
  CHECK(distinct(Poisson(100.0).expand({64}).sample()) > 10);
  CHECK(distinct(Categorical(ones({50})).expand({64}).sample()) > 10);
  CHECK(Categorical(ones({2, 3})).expand({5, 2}).sample().shape() == Shape{5, 2});
  CHECK(Categorical(ones({2, 3})).expand({5, 2}).num_categories() == 3);
  same_values(Categorical(Tensor{{1, 3}, {1, 1}}).expand({2, 2}).log_prob(Tensor{{0, 0}, {1, 1}}),
              log(Tensor{{0.25, 0.5}, {0.75, 0.5}}));
  same_values(Delta(Tensor{1, 2}).expand({3, 2}).sample(), Tensor{{1, 2}, {1, 2}, {1, 2}});
  same_values(Delta(Tensor{1, 2}, 0.5, 1).expand({3}).sample(), Tensor{{1, 2}, {1, 2}, {1, 2}});
  same_values(Delta(Tensor{1, 2}, 0.5, 1).expand({3}).log_prob(Tensor{1, 2}), full({3}, 0.5));
  CHECK(Normal(ones({1, 3}), 1.0).expand({4, 3}).batch_shape() == Shape{4, 3});
  // -1 keeps a size.
  CHECK(Normal(ones({1, 3}), 1.0).expand({4, -1}).batch_shape() == Shape{4, 3});
  CHECK(Normal(ones({3}), 1.0).expand({-1}).batch_shape() == Shape{3});
  CHECK(Normal(ones({1, 3}), 1.0).expand({2, -1, -1}).sample().shape() == Shape{2, 1, 3});
  CHECK(Normal(ones({2, 3}), 1.0).to_event(1).expand({5, -1}).sample().shape() == Shape{5, 2, 3});
  CHECK(Categorical(ones({2, 3})).expand({5, -1}).batch_shape() == Shape{5, 2});
}

TEST_CASE("shapes: an element's draw does not depend on the number of elements", "[dist][shapes]") {
  const Key key{11, 12};
  const std::vector<std::unique_ptr<Distribution>> all = [] {
    std::vector<std::unique_ptr<Distribution>> v;
    v.push_back(boxed(Normal(0.5, 1.5)));
    v.push_back(boxed(HalfCauchy(0.5)));
    v.push_back(boxed(Exponential(0.5)));
    for (const double a : {0.3, 4.0}) v.push_back(boxed(Gamma(a, 1.5)));
    for (const double r : {3.0, 200.0}) v.push_back(boxed(Poisson(r)));
    v.push_back(boxed(Bernoulli(0.5)));
    v.push_back(boxed(Categorical({.logits = Tensor{0.1, 0.7, -1.0}})));
    return v;
  }();
  for (const auto& d : all) {
    INFO(d->name());
    const Tensor one = d->sample_with(key);
    d->expand_to({7});
    const Tensor seven = d->sample_with(key);
    d->expand_to({5, 7});
    const Tensor many = d->sample_with(key);
    CHECK(seven.at({0}) == one.item());
    for (Index i = 0; i < 7; ++i) CHECK(many.data()[i] == seven.data()[i]);
  }
  // Nor on the other elements' parameters, rejections included.
  const Tensor a = Gamma(Tensor{0.3, 4.0, 50.0}, 1.0).sample_with(key), b = Gamma(Tensor{7.0, 4.0, 0.01}, 1.0).sample_with(key);
  CHECK(a.at({1}) == b.at({1}));
  CHECK(a.at({0}) != b.at({0}));
  const Tensor p = Poisson(Tensor{3.0, 40.0}).sample_with(key), q = Poisson(Tensor{1e6, 40.0}).sample_with(key);
  CHECK(p.at({1}) == q.at({1}));
}

TEST_CASE("shapes: masks leave elements out", "[dist][shapes]") {
  const Tensor x = counting({2, 3}), keep{{1, 0, 1}, {0, 0, 1}};
  const Normal d(counting({3}), 2.0);
  const Tensor each = d.log_prob(x), kept = where(keep, each, 0.0);
  same_values(d.log_prob(x, keep), kept);
  same_values(d.mask(keep).log_prob(x), kept);
  same_values(d.log_prob_sum(x, 1.0, keep), sum(kept));
  same_values(d.mask(keep).log_prob_sum(x, -2.5), -2.5 * sum(kept));
  same_values(d.mask(Tensor{1, 1, 0}).log_prob_sum(x, 1.0, Tensor{0, 1, 1}), sum(where(Tensor{0, 1, 0}, each, 0.0)));
  same_values(d.mask(false).log_prob(x), zeros({2, 3}));
  CHECK(d.mask(keep).batch_shape() == Shape{2, 3});
  CHECK(d.mask(keep).sample().shape() == Shape{2, 3});
  // A mask given before to_event belongs to the elements, one given afterwards to the events.
  same_values(d.expand({2, 3}).mask(keep).to_event(1).log_prob(x), sum(kept, -1));
  same_values(d.expand({2, 3}).to_event(1).mask(Tensor{0, 1}).log_prob(x), sum(each, -1) * Tensor{0, 1});
  same_values(d.expand({2, 3}).mask(keep).to_event(1).mask(Tensor{0, 1}).log_prob(x), sum(kept, -1) * Tensor{0, 1});
  same_values(d.expand({2, 3}).mask(keep).to_event(1).log_prob_sum(x, 2.0, Tensor{0, 1}), 2.0 * sum(sum(kept, -1) * Tensor{0, 1}));
  same_values(d.mask(keep).expand({4, 2, 3}).log_prob(x), expand(kept, {4, 2, 3}));

  const Categorical c(counting({3, 2}));
  const Tensor k{{0, 1, 1}, {1, 1, 0}};
  same_values(c.mask(keep).log_prob(k), where(keep, c.log_prob(k), 0.0));
  same_values(c.log_prob_sum(k, 2.0, keep), 2.0 * sum(where(keep, c.log_prob(k), 0.0)));
  const Delta e(x, Tensor{0.5, 0.25}, 1);
  same_values(e.mask(Tensor{0, 1}).log_prob(x), Tensor{0.0, 0.25});
  same_values(e.log_prob_sum(x, 2.0, Tensor{0, 1}), 0.5);
  same_values(e.to_event(1).log_prob(x), 0.75);
  same_values(e.log_prob(Tensor{1.0, 1.25, 1.5}), Tensor{0.5, -detail::kInf});
}

TEST_CASE("shapes: the sum of any family is its factor times the sum of log_prob", "[dist][shapes]") {
  const Key key{3, 4};
  const std::vector<std::unique_ptr<Distribution>> all = [] {
    std::vector<std::unique_ptr<Distribution>> v;
    const Tensor a = counting({4, 1}), b = counting({3}, 0.5);
    for (const char* name : {"Normal", "LogNormal", "Gamma"}) v.push_back(make_family(name, "", {a, b}));
    v.push_back(make_family("Uniform", "", {a, b + 7.0}));
    for (const char* name : {"HalfNormal", "HalfCauchy", "Exponential", "Poisson"}) v.push_back(make_family(name, "", {a * b}));
    v.push_back(boxed(Bernoulli(sigmoid(a - b))));
    v.push_back(boxed(Bernoulli({.logits = a - b})));
    v.push_back(boxed(Categorical(counting({4, 3, 5}))));
    v.push_back(boxed(Categorical({.logits = counting({4, 3, 5})})));
    v.push_back(boxed(Delta(a + b, b)));
    return v;
  }();
  const Tensor keep{{1, 0, 1}, {1, 1, 1}, {0, 0, 0}, {0, 1, 0}};
  for (const auto& d : all) {
    INFO(d->name());
    CHECK(d->batch_shape() == Shape{4, 3});
    const Tensor x = d->sample_with(key);
    CHECK(x.shape() == Shape{4, 3});
    CHECK(d->support().contains(x));
    same_values(d->log_prob_sum(x, -1.75), -1.75 * sum(d->log_prob(x)));
    same_values(d->log_prob_sum(x, 3.0, keep), 3.0 * sum(where(keep, d->log_prob(x), 0.0)));
    same_values(d->log_prob_sum(expand(x, {2, 4, 3})), 2.0 * sum(d->log_prob(x)));
    // More elements than one chunk of a sum.
    d->expand_to({1000, 4, 3});
    const Tensor many = d->sample_with(key);
    same_values(d->log_prob_sum(many, 0.5), 0.5 * sum(d->log_prob(many)));
    same_values(d->log_prob_sum(many, 0.5, keep), 0.5 * sum(where(keep, d->log_prob(many), 0.0)));
  }
}

TEST_CASE("shapes: empty batches", "[dist][shapes]") {
  const Normal d(zeros({0}), 1.0);
  CHECK(d.sample().shape() == Shape{0});
  CHECK(d.log_prob(zeros({0})).shape() == Shape{0});
  CHECK(d.log_prob_sum(zeros({0})).item() == 0.0);
  CHECK(d.to_event(1).log_prob(zeros({0})).item() == 0.0);
  CHECK(Normal(0.0, 1.0).log_prob_sum(zeros({0, 3}), 2.0).item() == 0.0);
  CHECK(Normal(0.0, 1.0).log_prob_sum(zeros({0}), 2.0, zeros({0})).item() == 0.0);
  CHECK(Gamma(ones({0, 2}), 1.0).sample().shape() == Shape{0, 2});
  CHECK(Bernoulli(zeros({0})).sample().shape() == Shape{0});
  CHECK(Poisson(zeros({0})).sample().shape() == Shape{0});
  const Categorical c(zeros({0, 3}));
  CHECK(c.sample().shape() == Shape{0});
  CHECK(c.log_prob(zeros({0})).shape() == Shape{0});
  CHECK(c.log_prob_sum(zeros({0})).item() == 0.0);
  CHECK(Categorical(ones({3})).log_prob_sum(zeros({0})).item() == 0.0);
  CHECK(Delta(zeros({0})).sample().shape() == Shape{0});
  CHECK(Delta(zeros({2, 0}), 0.0, 1).log_prob(zeros({2, 0})).to_vector() == std::vector<double>{0.0, 0.0});
  CHECK(Normal(0.0, 1.0).expand({3, 0}).sample().shape() == Shape{3, 0});
}

TEST_CASE("distributions: values can be copied, assigned and moved into storage", "[dist]") {
  Normal a(Tensor{1, 2, 3}, 0.5);
  const Normal b = a.to_event(1).mask(true);
  a = b;
  CHECK(a.event_dim() == 1);
  alignas(64) unsigned char room[2][sizeof(Normal)];
  std::size_t bytes = sizeof(Normal) - 1;
  CHECK(b.clone_into(room[0], bytes) == nullptr);
  CHECK(bytes == sizeof(Normal));
  Distribution* copy = b.clone_into(room[0], bytes);
  Distribution* moved = copy->move_into(room[1]);
  copy->~Distribution();
  CHECK(moved->event_shape() == Shape{3});
  same_values(moved->log_prob(Tensor{1, 2, 3}), b.log_prob(Tensor{1, 2, 3}));
  CHECK(std::string(moved->name()) == "Normal");
  CHECK(moved->parameters()[0].shape() == Shape{3});
  CHECK_FALSE(moved->is_discrete());
  moved->~Distribution();
}

TEST_CASE("distributions: the same key gives the same draw, and sample() does not repeat itself", "[dist]") {
  const Normal d(0.0, 1.0);
  CHECK(d.sample_with(Key{1, 2}).item() == d.sample_with(Key{1, 2}).item());
  CHECK(d.sample_with(Key{1, 2}).item() != d.sample_with(Key{1, 3}).item());
  set_seed(5);
  const double first = d.sample().item(), second = d.sample().item();
  CHECK(first != second);
  set_seed(5);
  CHECK(d.sample().item() == first);
  CHECK(d.sample().item() == second);
}

namespace {

// What the documentation of detail::Family says suffices for a distribution of one's own.
struct RayleighKernel {
  auto operator()(const auto& x, const auto& s) const {
    return detail::valid(detail::is_positive(x) & detail::is_positive(s), log(x / (s * s)) - 0.5 * square(x / s));
  }
};
constexpr const char* rayleigh_names[] = {"scale"};
constexpr const ConstraintOps* rayleigh_domains[] = {&detail::positive_set};

class Rayleigh : public detail::Family<Rayleigh, 1> {
 public:
  static constexpr detail::FamilyInfo family{"Rayleigh", 1, rayleigh_names, rayleigh_domains, true, false, &detail::fuse_spec<RayleighKernel, 2>};
  explicit Rayleigh(Tensor scale) : Family(family, std::move(scale)) {}
  Constraint support() const override { return constraints::positive; }

 protected:
  Tensor draw(Key key) const override {
    return parameters_[0] * sqrt(2.0 * detail::draw_value(detail::exponential_noise, key, shape_, nullptr));
  }
};

}  // namespace

TEST_CASE("distributions: a family of one's own", "[dist]") {
  const Rayleigh d = Rayleigh(Tensor{1.0, 2.0}).expand({3, 2}).to_event(1);
  const Tensor x = d.sample();
  CHECK(x.shape() == Shape{3, 2});
  CHECK(d.support().contains(x));
  const double expected = std::log(1.5) - 0.5 * 2.25 + std::log(1.5 / 4.0) - 0.5 * 0.5625;
  same_values(d.log_prob(Tensor{1.5, 1.5}), full({3}, expected));
  CHECK_THROWS_AS(Rayleigh(-1.0).sample(), DomainError);
}
