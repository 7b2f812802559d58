/// \file
/// Keys of random draws: a 128-bit hash that says which draw it is, and the Philox counter of each of its elements.
///
/// A key depends on (seed, stream, step, particle, site name, plate counters, occurrence) and on nothing else: not on
/// the order of sites, the nesting of handlers or the thread. The hashes are the same on every platform.
#pragma once

#include <cstdint>
#include <string_view>

#include <wick/core/config.hpp>
#include <wick/core/philox.hpp>

namespace wick::inline WICK_ABI {

/// What a stream of random numbers is for. Two roles never share a number, whatever the site.
enum class Role : std::uint8_t { user, prior, guide, model, predictive, evaluation, kernel, initialisation, subsample };

namespace detail {

#if defined(__SIZEOF_INT128__)
__extension__ typedef unsigned __int128 WideUint;
#endif

struct Product {
  std::uint64_t low, high;
};

constexpr Product multiply_wide(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
  const WideUint p = WideUint{a} * b;
  return {static_cast<std::uint64_t>(p), static_cast<std::uint64_t>(p >> 64)};
#else
  const std::uint64_t a0 = a & 0xFFFFFFFFu, a1 = a >> 32, b0 = b & 0xFFFFFFFFu, b1 = b >> 32;
  const std::uint64_t low = a0 * b0, mid = a1 * b0 + (low >> 32), mid2 = a0 * b1 + (mid & 0xFFFFFFFFu);
  return {a * b, a1 * b1 + (mid >> 32) + (mid2 >> 32)};
#endif
}

constexpr std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const Product p = multiply_wide(a, b);
  return p.low ^ p.high;
}

// Odd numbers without structure: the fractional parts of the square roots of 2, 3, 5, 7, 11 and 13.
inline constexpr std::uint64_t salt[6] = {0x6A09E667F3BCC909u, 0xBB67AE8584CAA73Bu, 0x3C6EF372FE94F82Bu,
                                          0xA54FF53A5F1D36F1u, 0x510E527FADE682D1u, 0x9B05688C2B3E6C1Fu};

// Little-endian on every machine; written out because compilers make one load of this form.
constexpr std::uint64_t load_byte(const char* p) { return static_cast<unsigned char>(*p); }
constexpr std::uint64_t load4(const char* p) {
  return load_byte(p) | load_byte(p + 1) << 8 | load_byte(p + 2) << 16 | load_byte(p + 3) << 24;
}
constexpr std::uint64_t load8(const char* p) {
  return load_byte(p) | load_byte(p + 1) << 8 | load_byte(p + 2) << 16 | load_byte(p + 3) << 24 |
         load_byte(p + 4) << 32 | load_byte(p + 5) << 40 | load_byte(p + 6) << 48 | load_byte(p + 7) << 56;
}

constexpr std::uint64_t rotate_half(std::uint64_t x) { return x << 32 | x >> 32; }

}  // namespace detail

/// The stream of a role; `run` (below 2^56) tells run objects apart that must not share numbers; 0: there is only one.
constexpr std::uint64_t make_stream(Role role, std::uint64_t run = 0) {
  return std::uint64_t{static_cast<std::uint8_t>(role)} << 56 ^ run;
}

/// A 64-bit hash of a name, the same at compile time, at run time and on every platform.
constexpr std::uint64_t hash_name(std::string_view name) {
  using namespace detail;
  const char* p = name.data();
  std::size_t left = name.size();
  std::uint64_t h = salt[0] ^ left * salt[1];  // spread out: a short name must not make up for its length
  for (; left > 16; left -= 16, p += 16) h = fold(load8(p) ^ h, load8(p + 8) ^ salt[1]);
  // The last 0 to 16 bytes as two words, which may overlap: together they hold every byte, and h holds the length.
  std::uint64_t a = 0, b = 0;
  if (left >= 8) {
    a = load8(p);
    b = load8(p + (left - 8));
  } else if (left >= 4) {
    a = load4(p);
    b = load4(p + (left - 4));
  } else if (left > 0) {
    a = load_byte(p) | load_byte(p + left / 2) << 8;
    b = load_byte(p + (left - 1));
  }
  h = fold(a ^ h ^ salt[2], b ^ salt[3]);
  return fold(h ^ salt[4], salt[5]);
}

/// Adds one enclosing sequential plate to the hash of the plate counters, outermost first; start from 0.
constexpr std::uint64_t hash_counter(std::uint64_t counters_hash, std::uint64_t plate_name_hash,
                                     std::uint64_t counter) {
  return detail::fold(counters_hash ^ plate_name_hash ^ detail::salt[0], counter ^ detail::salt[3]) ^ plate_name_hash;
}

/// Which draw: 128 bits that are distinct for distinct draws in practice.
struct Key {
  std::uint64_t k0, k1;

  friend constexpr bool operator==(const Key&, const Key&) = default;
};

/// The part of a key that all sites of one run of a model share.
struct KeyBase {
  std::uint64_t b0, b1;
};

/// The base of one run: once a step and particle.
constexpr KeyBase make_base(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t particle) {
  using detail::fold;
  using detail::salt;
  // Two hashes with different salts: 64 bits alone would collide after some 2^32 keys.
  const std::uint64_t x = fold(seed ^ salt[0], step ^ salt[1]), y = fold(stream ^ salt[2], particle ^ salt[3]);
  const std::uint64_t u = fold(seed ^ salt[4], step ^ salt[5]), v = fold(stream ^ salt[1], particle ^ salt[0]);
  return {fold(x ^ salt[5], y ^ salt[4]), fold(u ^ salt[3], v ^ salt[2])};
}

/// The key of the `occurrence`-th draw of a site under its plate counters.
constexpr Key site_key(KeyBase base, std::uint64_t name_hash, std::uint64_t counters_hash, std::uint64_t occurrence) {
  using detail::fold;
  using detail::salt;
  const std::uint64_t where = counters_hash ^ occurrence * salt[3];
  return {fold(name_hash ^ base.b0, where ^ base.b1),
          fold(name_hash ^ detail::rotate_half(base.b1) ^ salt[1], where ^ detail::rotate_half(base.b0) ^ salt[2])};
}

/// Another key for the same draw: for samplers that need several arrays of numbers (`tag` 1, 2, ...).
constexpr Key sub_key(Key key, std::uint64_t tag) {
  return {detail::fold(key.k0 ^ detail::salt[4], tag ^ key.k1), key.k1 + detail::salt[5] * tag};
}

// Layout of a counter: word 0 and bits 24..30 of word 1 are the block, bits 0..23 of word 1 the attempt, bit 31 of word
// 1 tells the two domains below apart, words 2 and 3 are k1. The Philox key is k0.

/// The counter of block `block` (elements 2 block and 2 block + 1) of a draw. Needs block < 2^39, attempt < 2^24.
constexpr PhiloxBlock block_counter(Key key, std::uint64_t block, std::uint32_t attempt = 0) {
  return {{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32) << 24 | attempt,
           static_cast<std::uint32_t>(key.k1), static_cast<std::uint32_t>(key.k1 >> 32)}};
}

/// The block of `counter` under the key.
constexpr PhiloxBlock philox4x32(PhiloxBlock counter, Key key) {
  return philox4x32(counter, static_cast<std::uint32_t>(key.k0), static_cast<std::uint32_t>(key.k0 >> 32));
}

/// The 64 random bits of one element of a draw. Needs element < 2^40.
constexpr std::uint64_t random_bits(Key key, std::uint64_t element = 0, std::uint32_t attempt = 0) {
  return philox_half(philox4x32(block_counter(key, element / 2, attempt), key), static_cast<int>(element % 2));
}

/// Successive random numbers for one element: what a rejection loop consumes.
///
/// An element's stream is independent of every other element's, so rejection in one never shifts another, and it shares
/// no number with the fills of math/noise.hpp for the same key. It has 2^25 numbers, then repeats.
class UniformStream {
 public:
  constexpr UniformStream(Key key, std::uint64_t element) : key_(key), element_(element) {}

  /// The next 64 random bits.
  constexpr std::uint64_t bits() {
    const bool fresh = (used_ & 1u) == 0;
    if (fresh) {
      PhiloxBlock counter = block_counter(key_, element_, used_ >> 1 & 0xFFFFFFu);
      counter.w[1] |= 0x80000000u;
      block_ = philox4x32(counter, key_);
    }
    ++used_;
    return philox_half(block_, fresh ? 0 : 1);
  }

  /// The next uniform number in (0, 1).
  double next() { return uniform_from_bits(bits()); }

 private:
  Key key_;
  std::uint64_t element_;
  std::uint32_t used_ = 0;
  PhiloxBlock block_{};
};

/// The integer in [0, bound) that the bits of an element give, without bias. Needs 0 < bound.
///
/// Source: Lemire, "Fast random integer generation in an interval", ACM TOMACS 29(1), 2019, section 4. A rejected word
/// is replaced from the element's own stream.
constexpr std::uint64_t bounded_integer(Key key, std::uint64_t element, std::uint64_t bits, std::uint64_t bound) {
  detail::Product p = detail::multiply_wide(bits, bound);
  if (p.low < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    if (p.low < threshold) {
      UniformStream more(key, element);
      do p = detail::multiply_wide(more.bits(), bound);
      while (p.low < threshold);
    }
  }
  return p.high;
}

/// A uniform integer in [0, bound); equal to bounded_integer of the element's own bits.
constexpr std::uint64_t random_below(Key key, std::uint64_t bound, std::uint64_t element = 0) {
  return bounded_integer(key, element, random_bits(key, element), bound);
}

}  // namespace wick::inline WICK_ABI
