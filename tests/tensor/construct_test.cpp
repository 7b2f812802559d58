#include "catch.hpp"

#include <array>
#include <cmath>
#include <span>
#include <vector>

#include <wick/tensor/make.hpp>

#include "support/errors.hpp"

using wick::Index;
using wick::Shape;
using wick::Tensor;
using wick_test::expect_error;
using V = std::vector<double>;

TEST_CASE("tensor: from numbers", "[tensor]") {
  CHECK(Tensor(3).item() == 3.0);
  CHECK(Tensor(2.5f).item() == 2.5);
  CHECK(Tensor(true).item() == 1.0);
  CHECK(Tensor(std::size_t{7}).item<int>() == 7);
  CHECK(static_cast<double>(Tensor(1.5)) == 1.5);
  CHECK(Tensor(1.0).dim() == 0);
  CHECK(Tensor(1.0).shape() == Shape{});
  CHECK(Tensor(1.0).numel() == 1);
  const Tensor implicit = 4;
  CHECK(implicit.item() == 4.0);
}

TEST_CASE("tensor: from nested lists", "[tensor]") {
  const Tensor v{1, 2.5, 3};
  CHECK(v.shape() == Shape{3});
  CHECK(v.to_vector() == V{1, 2.5, 3});
  const Tensor one{1.0};
  CHECK(one.shape() == Shape{1});
  const Tensor m{{1, 2, 3}, {4, 5, 6}};
  CHECK(m.shape() == Shape{2, 3});
  CHECK(m.to_vector() == V{1, 2, 3, 4, 5, 6});
  const Tensor t{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}};
  CHECK(t.shape() == Shape{2, 2, 2});
  CHECK(t.to_vector() == V{1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor single{{1.0}};
  CHECK(single.shape() == Shape{1, 1});
  CHECK(Tensor{{}, {}}.shape() == Shape{2, 0});
  CHECK(Tensor{{}, {}, {}}.shape() == Shape{3, 0});
  CHECK(Tensor{{{}, {}}, {{}, {}}}.shape() == Shape{2, 2, 0});
  const Tensor empty = {};
  CHECK(empty.empty());
  const auto take = [](const Tensor& x) { return x.shape(); };
  CHECK(take({1, 2}) == Shape{2});
  CHECK(take({{1, 2}, {3, 4}, {5, 6}}) == Shape{3, 2});
}

TEST_CASE("tensor: ragged lists are refused", "[tensor][errors]") {
  const auto refused = [](const auto& make, const char* advice) {
    const auto report = expect_error<wick::ShapeError>(make, "wick.tensor.E103", "", advice);
    INFO(report.text);
    CHECK(report.ok);
  };
  refused([] { return Tensor{{1, 2}, {3}}; }, "same number");
  refused([] { return Tensor{{1}, {2, 3}}; }, "same number");
  refused([] { return Tensor{{{1, 2}, {3, 4}}, {{5, 6}, {7}}}; }, "same number");
  refused([] { return Tensor{{1, 2}, 3}; }, "same depth");
  refused([] { return Tensor{1, {2, 3}}; }, "same depth");
  refused([] { return Tensor{{{1}, {2}}, {3, 4}}; }, "same depth");
  refused([] { return Tensor{{}, 1}; }, "same depth");
  refused([] { return Tensor{1, {}}; }, "same depth");
  refused([] { return Tensor{{}, {1}}; }, "same number");
}

TEST_CASE("tensor: from vectors, arrays and spans", "[tensor]") {
  CHECK(Tensor(V{1, 2, 3}).to_vector() == V{1, 2, 3});
  CHECK(Tensor(std::vector<int>{1, 2}).to_vector() == V{1, 2});
  CHECK(Tensor(std::vector<float>{1.5f}).to_vector() == V{1.5});
  CHECK(Tensor(std::vector<bool>{true, false, true}).to_vector() == V{1, 0, 1});
  CHECK(Tensor(V{}).shape() == Shape{0});
  CHECK(Tensor(std::array<double, 2>{1, 2}).to_vector() == V{1, 2});
  const std::array<std::int64_t, 3> numbers{1, 2, 3};
  CHECK(Tensor(std::span<const std::int64_t>(numbers)).to_vector() == V{1, 2, 3});
  V own{1, 2};
  const Tensor t = own;
  own[0] = 9;
  CHECK(t.at({0}) == 1.0);  // a copy
  CHECK(Tensor(std::span<double, 2>(own)).to_vector() == V{9, 2});
}

TEST_CASE("tensor: from every kind of number", "[tensor]") {
  const auto from = [](auto... x) {
    using T = std::common_type_t<decltype(x)...>;
    const T plain[] = {x...};
    const std::array<T, sizeof...(x)> array{x...};
    CHECK(Tensor(array).to_vector() == Tensor(plain).to_vector());
    CHECK(Tensor(std::span<const T>(plain)).to_vector() == Tensor(plain).to_vector());
    CHECK(Tensor(std::vector<T>{x...}).to_vector() == Tensor(plain).to_vector());
    CHECK(Tensor(std::vector<std::vector<T>>{{x...}, {x...}}).shape() == Shape{2, sizeof...(x)});
    return Tensor(plain).to_vector();
  };
  CHECK(from(1.5, -2.0) == V{1.5, -2});
  CHECK(from(1.5f, -2.0f) == V{1.5, -2});
  CHECK(from(1.5L, -2.0L) == V{1.5, -2});
  CHECK(from(1, -2) == V{1, -2});
  CHECK(from(1u, 4000000000u) == V{1, 4e9});
  CHECK(from(std::int64_t{1} << 52, std::int64_t{-5}) == V{std::ldexp(1.0, 52), -5});
  CHECK(from(std::uint8_t{255}, std::uint8_t{1}) == V{255, 1});
  CHECK(from(std::int16_t{-3}, std::int16_t{1}) == V{-3, 1});
  const bool mask[] = {true, false, true};
  CHECK(Tensor(mask).to_vector() == V{1, 0, 1});
  CHECK(Tensor(std::span<const bool>(mask)).to_vector() == V{1, 0, 1});
  CHECK(Tensor(std::array<bool, 2>{true, false}).to_vector() == V{1, 0});
  CHECK(Tensor(std::vector<bool>(70, true)).numel() == 70);
  CHECK(Tensor{true, false, true}.to_vector() == V{1, 0, 1});
  CHECK(Tensor{{1, 2.5}, {3.5f, true}}.to_vector() == V{1, 2.5, 3.5, 1});
  CHECK_FALSE(std::is_constructible_v<Tensor, const char*>);
  CHECK_FALSE(std::is_constructible_v<Tensor, const char (&)[4]>);
  CHECK_FALSE(std::is_constructible_v<Tensor, std::string>);
  CHECK_FALSE(std::is_constructible_v<Tensor, std::vector<std::string>>);
}

TEST_CASE("tensor: to vectors of other numbers", "[tensor]") {
  CHECK(Tensor{1, 0, -2}.to_vector<int>() == std::vector<int>{1, 0, -2});
  CHECK(Tensor{{1, 0}, {0, 2}}.to_vector<bool>() == std::vector<bool>{true, false, false, true});
  CHECK(Tensor(2.5).to_vector<float>() == std::vector<float>{2.5f});
  CHECK(expect_error<wick::UsageError>([] { return Tensor().to_vector<int>(); }, "wick.tensor.E100", "", "empty()").ok);
}

TEST_CASE("tensor: from nested vectors", "[tensor][errors]") {
  const std::vector<V> rows{{1, 2, 3}, {4, 5, 6}};
  CHECK(Tensor(rows).shape() == Shape{2, 3});
  CHECK(Tensor(rows).to_vector() == V{1, 2, 3, 4, 5, 6});
  const std::vector<std::vector<V>> deep{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}};
  CHECK(Tensor(deep).shape() == Shape{2, 2, 2});
  CHECK(Tensor(deep).at({1, 0, 1}) == 6.0);
  CHECK(Tensor(std::vector<std::array<int, 2>>{{1, 2}, {3, 4}, {5, 6}}).shape() == Shape{3, 2});
  CHECK(Tensor(std::vector<std::vector<bool>>{{true, false}, {false, true}}).to_vector() == V{1, 0, 0, 1});
  CHECK(Tensor(std::vector<V>{}).shape() == Shape{0, 0});
  CHECK(Tensor(std::vector<V>{{}, {}}).shape() == Shape{2, 0});
  const auto report = expect_error<wick::ShapeError>([] { return Tensor(std::vector<V>{{1, 2}, {3}}); }, "wick.tensor.E103", "", "same number");
  INFO(report.text);
  CHECK(report.ok);
  CHECK(expect_error<wick::ShapeError>([] { return Tensor(std::vector<V>{{}, {3}}); }, "wick.tensor.E103", "", "same number").ok);
  CHECK(expect_error<wick::ShapeError>([] { return Tensor(std::vector<std::vector<V>>{{{1, 2}}, {{3, 4}, {5, 6}}}); }, "wick.tensor.E103", "", "same number").ok);
}

TEST_CASE("tensor: filled, counted and shaped", "[tensor]") {
  CHECK(wick::zeros({2, 2}).to_vector() == V{0, 0, 0, 0});
  CHECK(wick::ones({3}).to_vector() == V{1, 1, 1});
  CHECK(wick::full({2}, 7).to_vector() == V{7, 7});
  CHECK(wick::full({}, 7).item() == 7.0);
  CHECK(wick::full({2, 0, 3}, 1).numel() == 0);
  CHECK(wick::arange(4).to_vector() == V{0, 1, 2, 3});
  CHECK(wick::arange(std::size_t{0}).shape() == Shape{0});
  CHECK(wick::linspace(1, 3, 5).to_vector() == V{1, 1.5, 2, 2.5, 3});
  CHECK(wick::linspace(1, 3, 1).to_vector() == V{1});
  CHECK(wick::linspace(1, 3, 0).numel() == 0);
  CHECK(wick::linspace(0, 0.3, 4).at({3}) == 0.3);
  CHECK(wick::from_values({2, 2}, {1, 2, 3, 4}).at({1, 0}) == 3.0);
  CHECK(wick::from_values({}, V{5}).item() == 5.0);
  CHECK(expect_error<wick::ShapeError>([] { return wick::zeros({2, -1}); }, "wick.tensor.E104", "", "0 or more").ok);
  CHECK(expect_error<wick::ShapeError>([] { return wick::arange(-1); }, "wick.tensor.E104", "", "0 or more").ok);
  CHECK(expect_error<wick::ShapeError>(
            [] {
              return wick::from_values({2, 2}, {1, 2, 3});
            },
            "wick.tensor.E105", "", "as many values")
            .ok);
  CHECK(expect_error<wick::ShapeError>(
            [] {
              return wick::from_values({-2, -2}, {1, 2, 3, 4});
            },
            "wick.tensor.E104", "", "0 or more")
            .ok);
}

TEST_CASE("tensor: more elements or dimensions than there can be", "[tensor][errors]") {
  const auto refused = [](const auto& f, const char* says, const char* advice) {
    const auto report = expect_error<wick::ShapeError>(f, "wick.tensor.E104", "", advice);
    INFO(report.text << report.message);
    CHECK(report.ok);
    CHECK(report.message.find(says) != std::string::npos);
  };
  const wick::Index big = wick::Index{1} << 40, huge = wick::Index{1} << 61;
  // The products are 2^80, 2^64 + 8, 2^61, 2^64, and 2^80 before the 0.
  for (const Shape& s : {Shape{big, big}, Shape{(wick::Index{1} << 62) + 2, 4}, Shape{huge}, Shape{2, huge, 4}, Shape{big, big, 0}}) {
    refused([&] { return wick::zeros(s); }, "more elements", "computed");
    refused([&] { return wick::from_values(s, V{1.0}); }, "more elements", "computed");
  }
  refused([&] { return wick::zeros({-big, -(big >> 16)}); }, "negative: (-1099511627776, -16777216)", "0 or more");
  refused([&] { return wick::arange(huge); }, "(2305843009213693952,)", "computed");
  refused([&] { return wick::linspace(0, 1, huge); }, "more elements", "computed");
  refused([&] { return wick::linspace(0, 1, -2); }, "negative", "0 or more");
  Shape many;
  for (int i = 0; i < 64; ++i) many.push_back(1);
  CHECK(wick::zeros(many).dim() == 64);
  many.push_back(1);
  refused([&] { return wick::zeros(many); }, "65 dimensions, at most 64", "reshape");
}

TEST_CASE("tensor: reading single elements", "[tensor][errors]") {
  const Tensor m{{1, 2, 3}, {4, 5, 6}};
  CHECK(m.at({0, 0}) == 1.0);
  CHECK(m.at({1, 2}) == 6.0);
  CHECK(m.at({-1, -3}) == 4.0);
  CHECK(Tensor(5.0).at({}) == 5.0);
  CHECK(m.size(0) == 2);
  CHECK(m.size(-1) == 3);
  CHECK(Tensor{{8.0}}.item() == 8.0);
  const auto refused = [](const auto& f, const char* id, const char* advice) {
    const auto report = expect_error<wick::ShapeError>(f, id, "", advice);
    INFO(report.text);
    CHECK(report.ok);
  };
  refused([&] { return m.at({2, 0}); }, "wick.tensor.E102", "-1");
  const auto says = [](const auto& f, const std::string& text) {
    const std::string message = expect_error<wick::ShapeError>(f, "wick.tensor.E102", "").message;
    INFO(message);
    CHECK(message.find(text) != std::string::npos);
  };
  says([&] { return m.at({0, 3}); }, "no element 3 in dimension 1 of shape (2, 3)");
  says([&] { return wick::ones({2}).at({0, 0}); }, "at() of 2 indices, shape (2,) has 1 dimensions");
  says([&] { return m.size(2); }, "no dimension 2 in shape (2, 3)");
  refused([&] { return m.at({0, -4}); }, "wick.tensor.E102", "-1");
  refused([&] { return m.at({0}); }, "wick.tensor.E102", "one index a dimension");
  refused([&] { return Tensor(1.0).at({0}); }, "wick.tensor.E102", "");
  refused([&] { return m.size(2); }, "wick.tensor.E102", "-1");
  refused([&] { return m.size(-3); }, "wick.tensor.E102", "-1");
  refused([&] { return m.item(); }, "wick.tensor.E101", "at({i, ...})");
  refused([&] { return wick::zeros({0}).item(); }, "wick.tensor.E101", "at({i, ...})");
  refused([&] { return static_cast<double>(m); }, "wick.tensor.E101", "at({i, ...})");
}

TEST_CASE("tensor: the empty tensor has no value", "[tensor][errors]") {
  const Tensor e;
  CHECK(e.empty());
  CHECK(e.numel() == 0);
  CHECK_FALSE(wick::zeros({0}).empty());
  const auto refused = [](const auto& f) {
    const auto report = expect_error<wick::UsageError>(f, "wick.tensor.E100", "", "empty()");
    INFO(report.text);
    CHECK(report.ok);
  };
  refused([&] { return e.item(); });
  refused([&] { return e.data(); });
  refused([&] { return e.to_vector(); });
  refused([&] { return e.at({}); });
  refused([&] { return e.at({0}); });
  refused([&] { return e.size(0); });
}

TEST_CASE("Tensor: the values of a temporary outlive it in a loop", "[tensor]") {
  const auto made = [] { return Tensor{1, 2, 3}; };
  double total = 0;
  for (const double v : made().values()) total += v;
  CHECK(total == 6.0);
}
