#include "catch.hpp"

#include <cstdint>
#include <vector>

#include <wick/core/philox.hpp>

namespace {

using wick::PhiloxBlock;

// A digest of the words in order (FNV-1a over 64-bit words), to compare long outputs between compilers.
std::uint64_t digest(const std::vector<std::uint64_t>& words) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (std::uint64_t w : words) h = (h ^ w ^ (w >> 29)) * 0x100000001b3u;
  return h;
}

std::uint64_t bits_of(double x) {
  std::uint64_t b = 0;
  std::memcpy(&b, &x, sizeof b);
  return b;
}

}  // namespace

TEST_CASE("philox: published known-answer vectors", "[core]") {
  // Random123 1.14, tests/kat_vectors, lines "philox4x32 10".
  STATIC_REQUIRE(wick::philox4x32({{0, 0, 0, 0}}, 0, 0) ==
                 PhiloxBlock{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  STATIC_REQUIRE(wick::philox4x32({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffff, 0xffffffff) ==
                 PhiloxBlock{{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  STATIC_REQUIRE(wick::philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0) ==
                 PhiloxBlock{{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

TEST_CASE("philox: the vector version has the bits of the scalar one", "[core]") {
  for (std::uint32_t start : {0u, 8u, 1000000u, 0xfffffff0u}) {  // the last one wraps
    for (wick::Index groups = 1; groups <= 5; ++groups) {
      const PhiloxBlock counter{{start, 0x85a308d3, 0x13198a2e + start, 0xffffffff}};
      const std::uint32_t key0 = 0xa4093822 + start, key1 = 0xfffffff0;
      const std::size_t n = static_cast<std::size_t>(16 * groups);
      std::vector<std::uint64_t> bits(n + 1, 77);
      std::vector<double> uniforms(n + 1, 77.0);
      wick::philox_bits(counter, key0, key1, groups, bits.data());
      wick::philox_uniforms(counter, key0, key1, groups, uniforms.data());
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < n; ++i) {
        PhiloxBlock c = counter;
        c.w[0] += static_cast<std::uint32_t>(i / 2);
        const std::uint64_t expected = wick::philox_half(wick::philox4x32(c, key0, key1), static_cast<int>(i % 2));
        if (bits[i] != expected) ++wrong;
        if (bits_of(uniforms[i]) != bits_of(wick::uniform_from_bits(expected))) ++wrong;
      }
      REQUIRE(wrong == 0);
      REQUIRE(bits[n] == 77);
      REQUIRE(uniforms[n] == 77.0);
    }
  }
}

TEST_CASE("philox: a long output has the same bits under every compiler and instruction set", "[core]") {
  std::vector<std::uint64_t> bits(1 << 16);
  wick::philox_bits({{0, 1, 2, 3}}, 4, 5, 1 << 12, bits.data());
  std::vector<double> uniforms(bits.size());
  wick::philox_uniforms({{0, 1, 2, 3}}, 4, 5, 1 << 12, uniforms.data());
  std::vector<std::uint64_t> uniform_bits;
  for (double u : uniforms) uniform_bits.push_back(bits_of(u));
  CHECK(digest(bits) == 0x23741b89958025c4u);
  CHECK(digest(uniform_bits) == 0x2700b6a5231ad161u);
}

TEST_CASE("philox: uniforms are centres of cells of the open interval", "[core]") {
  CHECK(wick::uniform_from_bits(0) == 0x1p-53);
  CHECK(wick::uniform_from_bits(~std::uint64_t{0}) == 1.0 - 0x1p-53);
  CHECK(wick::uniform_from_bits(std::uint64_t{1} << 63) == 0.5 + 0x1p-53);
  // u and 1 - u are equally likely: complementing the bits reflects the number, exactly.
  for (std::uint64_t b = 1; b != 0; b *= 0x9E3779B97F4A7C16u) {
    REQUIRE(wick::uniform_from_bits(~b) == 1.0 - wick::uniform_from_bits(b));
    REQUIRE(wick::uniform_from_bits(b) == (static_cast<double>(b >> 12) + 0.5) * 0x1p-52);
  }
}
