#include "catch.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <wick/core/key.hpp>

#include "support/stat.hpp"

namespace {

using wick::Key;
using wick_test::seed_of;

// Everything a key depends on.
struct Draw {
  std::uint64_t seed = 0, stream = 0, step = 0, particle = 0;
  std::string name = "theta";
  std::uint64_t counters = 0, occurrence = 0;

  Key key() const {
    return wick::site_key(wick::make_base(seed, stream, step, particle), wick::hash_name(name), counters, occurrence);
  }
};

std::size_t duplicates(std::vector<std::uint64_t> words) {
  std::sort(words.begin(), words.end());
  const auto last = std::unique(words.begin(), words.end());
  return static_cast<std::size_t>(words.end() - last);
}

// Pearson's statistic of counts against equal probabilities.
double chi_squared(const std::vector<int>& counts) {
  double total = 0.0, sum = 0.0;
  for (int c : counts) total += c;
  const double expected = total / static_cast<double>(counts.size());
  for (int c : counts) sum += (c - expected) * (c - expected) / expected;
  return sum;
}

bool fits(const std::vector<int>& counts) {
  return chi_squared(counts) <= wick_test::chi_squared_quantile(1.0 - 1e-3, static_cast<double>(counts.size() - 1));
}

}  // namespace

TEST_CASE("hash_name: the same at compile time, at run time and on every platform", "[core]") {
  STATIC_REQUIRE(wick::hash_name("") == 0x60d5b5f759242c2bu);
  STATIC_REQUIRE(wick::hash_name("b") == 0xa55d97bb51238cffu);
  STATIC_REQUIRE(wick::hash_name("theta") == 0xd43aec6b392ccd22u);
  STATIC_REQUIRE(wick::hash_name("obs_scale") == 0xbae69a258f9b6a98u);
  STATIC_REQUIRE(wick::hash_name("encoder.layers.0.weight\xff") == 0x5c1bedcd339a223cu);
  const std::string text = "encoder.layers.0.weight\xff";
  for (std::size_t n = 0; n <= text.size(); ++n) {
    std::string moved = "?" + text;  // another address and alignment
    REQUIRE(wick::hash_name(std::string_view(moved).substr(1, n)) ==
            wick::hash_name(std::string_view(text).substr(0, n)));
  }
  REQUIRE(wick::hash_name(text) == wick::hash_name("encoder.layers.0.weight\xff"));
}

TEST_CASE("hash_name: no collision among many short and similar names", "[core]") {
  std::vector<std::uint64_t> hashes;
  std::string name;
  const std::function<void(int)> all = [&](int left) {
    hashes.push_back(wick::hash_name(name));
    if (left == 0) return;
    for (char c = 'a'; c <= 'z'; ++c) {
      name.push_back(c);
      all(left - 1);
      name.pop_back();
    }
  };
  all(4);  // every lower-case name of up to four letters
  for (const char* prefix : {"x_", "theta.", "layers.weight.", "a_rather_long_prefix_of_a_site_name."})
    for (int i = 0; i < 50000; ++i) hashes.push_back(wick::hash_name(prefix + std::to_string(i)));
  for (std::size_t n = 1; n < 200; ++n) hashes.push_back(wick::hash_name(std::string(n, '\0')));  // length counts
  CHECK(hashes.size() > 600000);
  CHECK(duplicates(hashes) == 0);
  // The low bits choose the bucket of the name table.
  std::vector<int> buckets(4096, 0);
  for (std::uint64_t h : hashes) ++buckets[h % 4096];
  CHECK(fits(buckets));
}

TEST_CASE("hash_name: every bit of every byte changes half the hash", "[core]") {
  std::vector<double> flips;
  for (std::size_t size = 1; size <= 40; ++size) {
    for (std::size_t i = 0; i < size; ++i) {
      double sum = 0.0;
      for (int trial = 0; trial < 64; ++trial) {
        std::string name(size, ' ');
        for (std::size_t c = 0; c < size; ++c)
          name[c] = static_cast<char>('a' + wick::random_below(Key{size, static_cast<std::uint64_t>(trial)}, 26, c));
        std::string other = name;
        other[i] = static_cast<char>(other[i] ^ (1 << (trial % 8)));
        sum += std::popcount(wick::hash_name(name) ^ wick::hash_name(other));
      }
      flips.push_back(sum / 64);
    }
  }
  // A mean of 64 numbers of flipped bits of sd 4 has sd 0.5.
  const double bound = 0.5 * wick_test::critical_z(flips.size());
  CHECK(*std::min_element(flips.begin(), flips.end()) > 32 - bound);
  CHECK(*std::max_element(flips.begin(), flips.end()) < 32 + bound);
}

TEST_CASE("key: the same on every platform", "[core]") {
  // This and the values above come from an independent program (Python).
  constexpr Key key = wick::site_key(wick::make_base(1, wick::make_stream(wick::Role::guide, 2), 3, 4),
                                     wick::hash_name("theta"), wick::hash_counter(0, wick::hash_name("data"), 5), 6);
  STATIC_REQUIRE(key == Key{0xf630e2b292d79481u, 0xb3f83e6ea7bcbe1cu});
  STATIC_REQUIRE(wick::sub_key(key, 1) == Key{0xb9d7c3056a858c29u, 0x4efda6fad2fb2a3bu});
  STATIC_REQUIRE(wick::random_bits(key, 7) == 0x5fb94d6ae3bc909du);
  STATIC_REQUIRE(wick::random_below(key, 1000, 7) == 373u);
}

TEST_CASE("key: distinct for neighbouring draws, in either half", "[core]") {
  std::vector<std::uint64_t> k0, k1;
  const std::uint64_t data = wick::hash_name("data");
  for (std::uint64_t role = 0; role < 3; ++role)
    for (std::uint64_t seed = 0; seed < 4; ++seed)
      for (std::uint64_t step = 0; step < 50; ++step)
        for (std::uint64_t particle = 0; particle < 10; ++particle) {
          const std::uint64_t stream = wick::make_stream(static_cast<wick::Role>(role), seed % 2);
          const wick::KeyBase base = wick::make_base(seed, stream, step, particle);
          for (const char* name : {"x", "y", "x_1", "x_2", "theta"})
            for (std::uint64_t counter = 0; counter < 8; ++counter)
              for (std::uint64_t occurrence = 0; occurrence < 5; ++occurrence) {
                const Key k = wick::site_key(base, wick::hash_name(name),
                                             counter == 0 ? 0 : wick::hash_counter(0, data, counter), occurrence);
                k0.push_back(k.k0);
                k1.push_back(k.k1);
              }
        }
  CHECK(k0.size() == 1200000);
  CHECK(duplicates(k0) == 0);
  CHECK(duplicates(k1) == 0);
}

TEST_CASE("key: every bit of every input changes half of both words", "[core]") {
  std::vector<double> flips;
  const auto look = [&](auto change) {
    for (int bit = 0; bit < 64; ++bit) {
      double sum0 = 0.0, sum1 = 0.0;
      for (std::uint64_t trial = 0; trial < 64; ++trial) {
        std::uint64_t in[7];  // two thirds of the trials have small inputs, as in practice
        for (std::uint64_t i = 0; i < 7; ++i) in[i] = wick::random_bits(Key{trial, 5}, i) >> (trial % 3 == 0 ? 0 : 58);
        const auto make = [&] {
          return wick::site_key(wick::make_base(in[0], in[1], in[2], in[3]), in[4], in[5], in[6]);
        };
        const Key before = make();
        in[change] ^= std::uint64_t{1} << bit;
        const Key after = make();
        sum0 += std::popcount(before.k0 ^ after.k0);
        sum1 += std::popcount(before.k1 ^ after.k1);
      }
      flips.push_back(sum0 / 64);
      flips.push_back(sum1 / 64);
    }
  };
  for (std::size_t change = 0; change < 7; ++change) look(change);
  const double bound = 0.5 * wick_test::critical_z(flips.size());
  CHECK(*std::min_element(flips.begin(), flips.end()) > 32 - bound);
  CHECK(*std::max_element(flips.begin(), flips.end()) < 32 + bound);
}

TEST_CASE("key: nested plate counters are told apart", "[core]") {
  const std::uint64_t a = wick::hash_name("a"), b = wick::hash_name("b");
  std::vector<std::uint64_t> hashes{0};
  for (std::uint64_t i = 0; i < 300; ++i) {
    hashes.push_back(wick::hash_counter(0, a, i));
    hashes.push_back(wick::hash_counter(0, b, i));
    for (std::uint64_t j = 0; j < 300; ++j) {
      hashes.push_back(wick::hash_counter(wick::hash_counter(0, a, i), b, j));
      hashes.push_back(wick::hash_counter(wick::hash_counter(0, b, i), a, j));
    }
  }
  CHECK(duplicates(hashes) == 0);
}

TEST_CASE("key: draws of neighbouring keys are uncorrelated", "[core][stat]") {
  const Draw base{seed_of("key: draws of neighbouring keys are uncorrelated")};
  const auto with = [&](auto change) {
    Draw d = base;
    change(d);
    return d.key();
  };
  const std::vector<std::pair<const char*, Key>> others = {
      {"seed + 1", with([](Draw& d) { ++d.seed; })},
      {"role", with([](Draw& d) { d.stream = wick::make_stream(wick::Role::guide); })},
      {"run", with([](Draw& d) { d.stream = 1; })},
      {"step + 1", with([](Draw& d) { ++d.step; })},
      {"step + 2", with([](Draw& d) { d.step += 2; })},
      {"particle + 1", with([](Draw& d) { ++d.particle; })},
      {"name by one letter", with([](Draw& d) { d.name = "thetb"; })},
      {"name by its last digit", with([](Draw& d) { d.name = "theta1"; })},
      {"plate counter", with([](Draw& d) { d.counters = wick::hash_counter(0, 1, 1); })},
      {"occurrence + 1", with([](Draw& d) { ++d.occurrence; })},
      {"sub-key 1", wick::sub_key(base.key(), 1)},
      {"sub-key 2", wick::sub_key(base.key(), 2)},
  };
  const auto table = [&](bool planted) {
    wick_test::MonteCarloTable t("key: draws of neighbouring keys are uncorrelated");
    auto& joint = t.joint("correlation");
    for (const auto& other : others) joint.expect(other.first, 0.0, 1.0);
    joint.expect("next element", 0.0, 1.0);
    std::vector<double> row;
    for (std::uint64_t i = 0; i < 40000; ++i) {
      const double u = wick::uniform_from_bits(wick::random_bits(base.key(), i)) - 0.5;
      row.clear();
      for (const auto& other : others) {
        // The planted fault: "occurrence" is left out of the key in one draw out of ten.
        const Key key = planted && other.second == others[9].second && i % 10 == 0 ? base.key() : other.second;
        row.push_back(12.0 * u * (wick::uniform_from_bits(wick::random_bits(key, i)) - 0.5));
      }
      row.push_back(12.0 * u * (wick::uniform_from_bits(wick::random_bits(base.key(), i + 1)) - 0.5));
      joint.sample(row);
    }
    return t.report();
  };
  const auto report = table(false);
  INFO(report.text);
  CHECK(report.ok);
  CHECK_FALSE(table(true).agrees);
}

TEST_CASE("key: the first draws of successive steps, names and occurrences are uniform and independent",
          "[core][stat]") {
  Draw d{seed_of("key: the first draws of successive steps, names and occurrences are uniform and independent")};
  const std::vector<std::pair<const char*, std::function<void(std::uint64_t)>>> walks = {
      {"step", [&](std::uint64_t i) { d.step = i; }},
      {"particle", [&](std::uint64_t i) { d.particle = i; }},
      {"seed", [&](std::uint64_t i) { d.seed = i; }},
      {"occurrence", [&](std::uint64_t i) { d.occurrence = i; }},
      {"name", [&](std::uint64_t i) { d.name = "x_" + std::to_string(i); }},
      {"counter", [&](std::uint64_t i) { d.counters = wick::hash_counter(0, wick::hash_name("data"), i); }},
  };
  wick_test::MonteCarloTable table("key: the first draws of successive steps are independent");
  for (const auto& walk : walks) {
    auto& joint = table.joint(walk.first);
    joint.expect("mean", 0.0, 1.0).expect("square", 1.0).expect("lag 1", 0.0, 1.0).expect("lag 2", 0.0, 1.0);
    const Draw kept = d;
    std::vector<int> pairs(1024, 0);
    double last = 0.0, before = 0.0;
    for (std::uint64_t i = 0; i < 102400; ++i) {
      walk.second(i);
      const double u = wick::uniform_from_bits(wick::random_bits(d.key()));
      const double x = std::sqrt(12.0) * (u - 0.5);
      if (i % 3 == 2) joint.sample(x, x * x, x * last, x * before);  // triples that do not overlap
      const double v = last / std::sqrt(12.0) + 0.5;
      if (i % 2 == 1) ++pairs[static_cast<std::size_t>(u * 32) * 32 + static_cast<std::size_t>(v * 32)];
      before = last;
      last = x;
    }
    INFO(walk.first);
    CHECK(fits(pairs));
    d = kept;
  }
  const auto report = table.report();
  INFO(report.text);
  CHECK(report.ok);
}

TEST_CASE("block_counter: no two (domain, block, attempt) share a counter", "[core]") {
  std::set<std::vector<std::uint32_t>> seen;
  const std::vector<std::uint64_t> blocks = {0, 1, 255, 0xffffffff, 0x100000000, 0x7fffffffff};
  const std::vector<std::uint32_t> attempts = {0, 1, 255, 0xffffff};
  for (std::uint64_t block : blocks)
    for (std::uint32_t attempt : attempts)
      for (std::uint32_t domain : {0u, 0x80000000u}) {
        const wick::PhiloxBlock c = wick::block_counter(Key{1, 2}, block, attempt);
        seen.insert({c.w[0], c.w[1] | domain, c.w[2], c.w[3]});
        REQUIRE((c.w[1] & 0x80000000u) == 0);
      }
  CHECK(seen.size() == blocks.size() * attempts.size() * 2);
}

TEST_CASE("UniformStream: its own numbers for every element", "[core]") {
  const Key key{3, 4};
  std::vector<std::uint64_t> all;
  for (std::uint64_t element = 0; element < 100; ++element) {
    wick::UniformStream stream(key, element), again(key, element);
    for (int i = 0; i < 11; ++i) {
      const std::uint64_t bits = stream.bits();
      all.push_back(bits);
      REQUIRE(again.next() == wick::uniform_from_bits(bits));
    }
    for (std::uint32_t attempt = 0; attempt < 4; ++attempt) all.push_back(wick::random_bits(key, element, attempt));
  }
  CHECK(duplicates(all) == 0);
}

TEST_CASE("random_below: without bias, where a plain multiplication has one", "[core][stat]") {
  const std::uint64_t seed = seed_of("random_below: without bias, where a plain multiplication has one");
  for (std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{6}, std::uint64_t{1000}}) {
    std::vector<int> counts(bound, 0);
    for (std::uint64_t i = 0; i < 200000; ++i) {
      const std::uint64_t x = wick::random_below(Key{seed, bound}, bound, i);
      REQUIRE(x < bound);
      ++counts[x];
    }
    if (bound > 1) CHECK(fits(counts));
  }
  // Of the integers below 3 * 2^62, every third has two preimages of 64 bits unless some are rejected.
  const std::uint64_t bound = std::uint64_t{3} << 62;
  std::vector<int> unbiased(3, 0), biased(3, 0);
  for (std::uint64_t i = 0; i < 60000; ++i) {
    const Key key{seed, 7};
    const std::uint64_t bits = wick::random_bits(key, i);
    const std::uint64_t x = wick::random_below(key, bound, i);
    REQUIRE(x < bound);
    REQUIRE(x == wick::bounded_integer(key, i, bits, bound));
    ++unbiased[x % 3];
    ++biased[wick::detail::multiply_wide(bits, bound).high % 3];
  }
  CHECK(fits(unbiased));
  CHECK_FALSE(fits(biased));
}
