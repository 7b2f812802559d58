/// \file
/// Random numbers in bulk: uniforms, normals and plate subsamples as functions of a key.
///
/// Element i of a draw depends on (key, i) only, not on the number of elements asked for, and has the same bits
/// whichever function makes it.
#pragma once

#include <cstdint>
#include <cstring>

#include <wick/core/key.hpp>
#include <wick/math/normal.hpp>
#include <wick/math/packet.hpp>
#include <wick/math/polynomial.hpp>

namespace wick::inline WICK_ABI::math {

namespace detail {

inline constexpr Index noise_chunk = 512;  // uniforms and normals of a chunk stay in the first cache level

inline std::uint32_t low_word(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
inline std::uint32_t high_word(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

// The block that holds element `first` of a draw, an even number.
inline PhiloxBlock first_block(Key key, Index first) {
  return block_counter(key, static_cast<std::uint64_t>(first) / 2);
}

// The uniforms of the 16 `groups` elements from `first` on.
inline void uniform_groups(Key key, Index first, Index groups, double* out) {
  philox_uniforms(first_block(key, first), low_word(key.k0), high_word(key.k0), groups, out);
}

// The normal quantile of p is x (c + x^2 R), x = 2 p - 1, c = sqrt(pi / 2), R a rational function of m = p (1 - p): our
// own minimax fit (Remez) for m >= (1 - 0.99^2) / 4, relative error of the quantile 2^-54.3. All coefficients are
// positive, so nothing cancels. Where it holds, for 99 % of draws, it takes half the time of ndtri, which needs a
// logarithm.
inline constexpr double normal_centre = 1.2533141373155003;
inline constexpr double normal_top[] = {
    2.6744398761107844,    12988.515774010219,    13587724.449295823,    5021777452.422488,     796941511602.1104,
    59625601946163.21,     2194155577677986.0,    4.002008029683671e+16, 3.530591385057446e+17, 1.4103952381140823e+18,
    2.218229307682899e+18, 9.825589566616326e+17, 1.4187803979331588e+16};
inline constexpr double normal_bottom[] = {1.0,
                                           6164.059242765159,
                                           7731786.285947292,
                                           3389568154.8791924,
                                           641532897052.6284,
                                           58168994944732.16,
                                           2663496595250991.5,
                                           6.287532498487312e+16,
                                           7.611662965197649e+17,
                                           4.5710752393213015e+18,
                                           1.2657212425461164e+19,
                                           1.3927655749761272e+19,
                                           4.254208233000849e+18};
inline constexpr double normal_limit = 0.25 * (1.0 - 0.99 * 0.99);

// p[i] = the normal quantile of p[i], for 8 `packets` numbers in (0, 1). All normals pass through this one function:
// two copies of it could be contracted to different fused multiply-adds, and differ in the last bit.
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((noclone))
#endif
WICK_NOINLINE inline void
quantiles_in_place(double* p, Index packets) {
  using V = PacketPart;
  for (Index left = packets * Packet::parts; left > 0; --left, p += V::lanes) {
    const V u = V::load(p);
    const V m = u * (1.0 - u), x = (u + u) - 1.0;
    V z = x * (normal_centre + (x * x) * (poly(normal_top, m) / poly(normal_bottom, m)));
    const V::Mask tail = m < V(normal_limit);
    if (WICK_UNLIKELY(any(tail))) z = where(tail, ndtri(u), z);
    z.store(p);
  }
}

// A last element or two: one block alone is made faster than a vector of eight.
inline void uniform_pair(Key key, Index first, double* out, Index n) {
  const PhiloxBlock block = philox4x32(first_block(key, first), key);
  out[0] = uniform_from_bits(philox_half(block, 0));
  if (n == 2) out[1] = uniform_from_bits(philox_half(block, 1));
}

inline void normal_pair(Key key, Index first, double* out, Index n) {
  const PhiloxBlock block = philox4x32(first_block(key, first), key);
  // Lanes are chosen in registers: a packet loaded from where two numbers have just been stored would wait for both.
  constexpr double lane[8] = {0, 1, 1, 1, 1, 1, 1, 1};
  const Packet u = where(Packet::load(lane) < Packet(1.0), Packet(uniform_from_bits(philox_half(block, 0))),
                         Packet(uniform_from_bits(philox_half(block, 1))));
  alignas(64) double z[8];
  u.store(z);
  quantiles_in_place(z, 1);
  out[0] = z[0];
  if (n == 2) out[1] = z[1];
}

}  // namespace detail

/// out[i] = the uniform number in (0, 1) of element i, for i < n. Needs n <= 2^40.
inline void fill_uniform(Key key, double* out, Index n) {
  Index first = 0;
  for (Index left = n / 16; left > 0;) {
    const Index groups = left < (Index{1} << 20) ? left : Index{1} << 20;  // a counter word must not wrap within a call
    detail::uniform_groups(key, first, groups, out + first);
    first += 16 * groups;
    left -= groups;
  }
  if (first == n) return;
  if (n - first <= 2) return detail::uniform_pair(key, first, out + first, n - first);
  alignas(64) double rest[16];
  detail::uniform_groups(key, first, 1, rest);
  std::memcpy(out + first, rest, sizeof(double) * static_cast<std::size_t>(n - first));
}

/// The uniform number of element 0: the one fill_uniform begins with.
inline double uniform(Key key) { return uniform_from_bits(random_bits(key)); }

/// out[i] = the standard normal quantile of fill_uniform's element i, for i < n; below 4 ulp. Needs n <= 2^40.
inline void fill_normal(Key key, double* out, Index n) {
  const Index whole = n / 16 * 16;
  for (Index first = 0; first < whole; first += detail::noise_chunk) {
    const Index count = whole - first < detail::noise_chunk ? whole - first : detail::noise_chunk;
    detail::uniform_groups(key, first, count / 16, out + first);
    detail::quantiles_in_place(out + first, count / Packet::lanes);
  }
  if (whole == n) return;
  if (n - whole <= 2) return detail::normal_pair(key, whole, out + whole, n - whole);
  alignas(64) double rest[16];
  detail::uniform_groups(key, whole, 1, rest);
  detail::quantiles_in_place(rest, n - whole > 8 ? 2 : 1);
  std::memcpy(out + whole, rest, sizeof(double) * static_cast<std::size_t>(n - whole));
}

/// The normal number of element 0: the one fill_normal begins with.
inline double normal(Key key) {
  double x = 0;
  detail::normal_pair(key, 0, &x, 1);
  return x;
}

namespace detail {

// How a subsample is drawn. Few of many: independent integers, those seen before left out; the first k distinct ones
// are the beginning of a random permutation. More than half: a shuffle, whose memory is then below twice the
// result.
enum class SubsampleBy : std::uint8_t { shuffle, bitmap, table };

struct SubsamplePlan {
  SubsampleBy by;
  Index words;  // of scratch

  constexpr SubsamplePlan(Index n, Index k) : by(SubsampleBy::shuffle), words(n) {
    if (k > n / 2) return;
    Index slots = 16;
    while (slots < 2 * k) slots *= 2;
    const Index map = n / 64 + 1;
    const bool small = map <= 4 * slots;  // a bitmap is twice as fast as the table, though larger
    by = small ? SubsampleBy::bitmap : SubsampleBy::table;
    words = small ? map : slots;
  }
};

// Sets of the integers seen so far; add() is true for a new one.
struct SeenBitmap {
  std::uint64_t* word;
  SeenBitmap(std::uint64_t* scratch, Index words) : word(scratch) {
    std::memset(scratch, 0, sizeof(std::uint64_t) * static_cast<std::size_t>(words));
  }
  bool add(std::uint64_t x) {
    const std::uint64_t before = word[x / 64];
    word[x / 64] = before | std::uint64_t{1} << x % 64;
    return (before >> x % 64 & 1u) == 0;
  }
};

struct SeenTable {  // open addressing, at most half full; 0 is an empty slot
  std::uint64_t* slot;
  std::uint64_t mask;
  SeenTable(std::uint64_t* scratch, Index words) : slot(scratch), mask(static_cast<std::uint64_t>(words - 1)) {
    std::memset(scratch, 0, sizeof(std::uint64_t) * static_cast<std::size_t>(words));
  }
  bool add(std::uint64_t x) {
    std::uint64_t s = (x * 0x9E3779B97F4A7C15u >> 32) & mask;
    while (slot[s] != 0 && slot[s] != x + 1) s = (s + 1) & mask;
    const bool fresh = slot[s] == 0;
    slot[s] = x + 1;
    return fresh;
  }
};

// The random bits of elements first .. first + 63 or fewer, enough for `wanted`; returns how many were made.
inline int next_bits(Key key, std::uint64_t first, Index wanted, std::uint64_t* bits) {
  const Index groups = wanted > 48 ? 4 : (wanted + 15) / 16;
  philox_bits(block_counter(key, first / 2), low_word(key.k0), high_word(key.k0), groups, bits);
  return static_cast<int>(16 * groups);
}

template <class Seen>
inline void draw_distinct(Key key, Index n, Index k, double* out, Seen seen) {
  alignas(64) std::uint64_t bits[64];
  std::uint64_t element = 0;
  for (Index i = 0; i < k;) {
    const int made = next_bits(key, element, k - i, bits);
    for (int b = 0; b < made && i < k; ++b, ++element) {
      const std::uint64_t x = bounded_integer(key, element, bits[b], static_cast<std::uint64_t>(n));
      out[i] = static_cast<double>(x);
      i += seen.add(x) ? 1 : 0;
    }
  }
}

inline void draw_shuffled(Key key, Index n, Index k, double* out, std::uint64_t* array) {
  for (Index i = 0; i < n; ++i) array[i] = static_cast<std::uint64_t>(i);
  alignas(64) std::uint64_t bits[64];
  for (Index i = 0; i < k;) {
    const int made = next_bits(key, static_cast<std::uint64_t>(i), k - i, bits);
    for (int b = 0; b < made && i < k; ++b, ++i) {
      const std::uint64_t left = static_cast<std::uint64_t>(n - i);
      const std::uint64_t j = bounded_integer(key, static_cast<std::uint64_t>(i), bits[b], left);
      const std::uint64_t taken = array[i + static_cast<Index>(j)];
      array[i + static_cast<Index>(j)] = array[i];
      out[i] = static_cast<double>(taken);
    }
  }
}

}  // namespace detail

/// How many words of scratch fill_permutation_prefix(key, n, k, ...) needs: below 16 k + 64.
constexpr Index permutation_scratch(Index n, Index k) { return detail::SubsamplePlan(n, k).words; }

/// out[0 .. k-1] = k distinct integers of 0 .. n-1, every ordered choice equally likely: how a permutation begins.
///
/// Time and memory are O(k) and nothing is allocated: `scratch` holds permutation_scratch(n, k) words, whose contents
/// before do not matter. Needs 0 <= k <= n < 2^53.
///
/// Source: Fisher and Yates' shuffle and Knuth, TAOCP 2, section 3.4.2.
inline void fill_permutation_prefix(Key key, Index n, Index k, double* out, std::uint64_t* scratch) {
  using namespace detail;
  const SubsamplePlan plan(n, k);
  if (plan.by == SubsampleBy::shuffle)
    draw_shuffled(key, n, k, out, scratch);
  else if (plan.by == SubsampleBy::bitmap)
    draw_distinct(key, n, k, out, SeenBitmap(scratch, plan.words));
  else
    draw_distinct(key, n, k, out, SeenTable(scratch, plan.words));
}

}  // namespace wick::inline WICK_ABI::math
