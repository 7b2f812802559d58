/// \file
/// The counter-based generator Philox 4x32-10: one block at a time, and eight consecutive blocks in vector registers.
///
/// Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>
#include <cstring>

#include <wick/core/config.hpp>

namespace wick::inline WICK_ABI {

/// The 128 bits that Philox makes of one counter; also used for the counter itself.
struct PhiloxBlock {
  std::uint32_t w[4];

  friend constexpr bool operator==(const PhiloxBlock&, const PhiloxBlock&) = default;
};

namespace detail {

inline constexpr std::uint32_t philox_m0 = 0xD2511F53u;
inline constexpr std::uint32_t philox_m1 = 0xCD9E8D57u;
inline constexpr std::uint32_t philox_w0 = 0x9E3779B9u;
inline constexpr std::uint32_t philox_w1 = 0xBB67AE85u;

}  // namespace detail

/// The block of `counter` under the 64-bit key (key0, key1): ten rounds, no state.
///
/// Example:
///     wick::PhiloxBlock b = wick::philox4x32({{0, 0, 0, 0}}, 0, 0);   // b.w[0] == 0x6627e8d5
WICK_NOINLINE constexpr PhiloxBlock philox4x32(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1) {
  std::uint32_t c0 = counter.w[0], c1 = counter.w[1], c2 = counter.w[2], c3 = counter.w[3];
  // A round waits for its products; unrolled, the rounds are no faster, but fill the instruction cache.
#pragma GCC unroll 2
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{detail::philox_m0} * c0;
    const std::uint64_t p1 = std::uint64_t{detail::philox_m1} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ (c1 ^ key0);  // in this order the chain of rounds is shortest
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ (c3 ^ key1);
    c3 = static_cast<std::uint32_t>(p0);
    key0 += detail::philox_w0;
    key1 += detail::philox_w1;
  }
  return {{c0, c1, c2, c3}};
}

/// The uniform number of 64 random bits: the centre of one of 2^52 equal cells of (0, 1).
///
/// It is an odd multiple of 2^-53: never 0 or 1, exact, and as often u as 1 - u. (The common
/// ((bits >> 11) + 0.5) 2^-53 is not: above one half the 0.5 is rounded away, and the last cell becomes 1.)
inline double uniform_from_bits(std::uint64_t bits) {
  const std::uint64_t one_to_two = (bits >> 12) | 0x3FF0000000000000u;
  double x = 0;
  std::memcpy(&x, &one_to_two, sizeof x);
  return x - (1.0 - 0x1p-53);  // exact: both are multiples of 2^-53 and the result is below 1
}

/// The two 64-bit halves of a block; half 0 belongs to the even element, half 1 to the odd one.
constexpr std::uint64_t philox_half(const PhiloxBlock& block, int half) {
  return half == 0 ? block.w[0] | std::uint64_t{block.w[1]} << 32 : block.w[2] | std::uint64_t{block.w[3]} << 32;
}

namespace detail {

// Eight consecutive blocks at a time, in vectors of the machine's own width: one 32-bit word to a 64-bit lane. The
// upper half of a lane may hold rubbish, because every use of a word drops it (the product, the final mask and shift).
#if defined(__GNUC__)
#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define WICK_PHILOX_WIDTH 8
#elif defined(__AVX2__)
#define WICK_PHILOX_WIDTH 4
#else
#define WICK_PHILOX_WIDTH 2
#endif
inline constexpr int philox_width = WICK_PHILOX_WIDTH;

typedef std::uint64_t PhiloxLanes __attribute__((vector_size(8 * philox_width)));
typedef double PhiloxDoubles __attribute__((vector_size(8 * philox_width)));
typedef int PhiloxWords __attribute__((vector_size(8 * philox_width)));

// The low words multiplied to 64 bits. GCC does not see one pmuludq in the portable expression; clang does.
WICK_INLINE PhiloxLanes philox_multiply(PhiloxLanes a, std::uint32_t factor) {
  [[maybe_unused]] const PhiloxLanes b = PhiloxLanes{} + factor;
#if defined(__clang__) || !defined(__SSE2__)
  return (a & 0xFFFFFFFFu) * b;
#elif WICK_PHILOX_WIDTH == 8
  typedef long long Signed __attribute__((vector_size(64)));
  return PhiloxLanes(__builtin_ia32_pmuludq512_mask(PhiloxWords(a), PhiloxWords(b), Signed{}, 0xFF));
#elif WICK_PHILOX_WIDTH == 4
  return PhiloxLanes(__builtin_ia32_pmuludq256(PhiloxWords(a), PhiloxWords(b)));
#else
  return PhiloxLanes(__builtin_ia32_pmuludq128(PhiloxWords(a), PhiloxWords(b)));
#endif
}

// The lanes of two vectors in turn: a0 b0 a1 b1 ...
WICK_INLINE void philox_interleave(const PhiloxLanes& a, const PhiloxLanes& b, PhiloxLanes& first,
                                   PhiloxLanes& second) {
#if defined(__clang__)
#define WICK_SHUFFLE(...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define WICK_SHUFFLE(...) __builtin_shuffle(a, b, PhiloxLanes{__VA_ARGS__})
#endif
#if WICK_PHILOX_WIDTH == 8
  first = WICK_SHUFFLE(0, 8, 1, 9, 2, 10, 3, 11);
  second = WICK_SHUFFLE(4, 12, 5, 13, 6, 14, 7, 15);
#elif WICK_PHILOX_WIDTH == 4
  first = WICK_SHUFFLE(0, 4, 1, 5);
  second = WICK_SHUFFLE(2, 6, 3, 7);
#else
  first = WICK_SHUFFLE(0, 2);
  second = WICK_SHUFFLE(1, 3);
#endif
#undef WICK_SHUFFLE
#undef WICK_PHILOX_WIDTH
}

WICK_INLINE PhiloxLanes philox_output(PhiloxLanes bits, std::uint64_t*) { return bits; }

WICK_INLINE PhiloxDoubles philox_output(PhiloxLanes bits, double*) {
  return PhiloxDoubles((bits >> 12) | 0x3FF0000000000000u) - (1.0 - 0x1p-53);  // as uniform_from_bits
}

// `parts` vectors of blocks, in flight together: a round is a chain of three instructions, so one vector would wait.
template <int parts, class Out>
WICK_INLINE Out* philox_vectors(PhiloxBlock& counter, std::uint32_t key0, std::uint32_t key1, Out* out) {
  const PhiloxLanes zero{};
  constexpr auto many = static_cast<std::size_t>(parts);
  PhiloxLanes c0[many], c1[many], c2[many], c3[many];
  for (int i = 0; i < parts; ++i) {
    PhiloxLanes lane{};
    for (int l = 0; l < philox_width; ++l) lane[l] = static_cast<std::uint64_t>(l);
    c0[i] = lane + (zero + counter.w[0]);
    c1[i] = zero + counter.w[1];
    c2[i] = zero + counter.w[2];
    c3[i] = zero + counter.w[3];
    counter.w[0] += philox_width;
  }
#pragma GCC unroll 2
  for (int round = 0; round < 10; ++round) {
    const PhiloxLanes round0 = zero + key0, round1 = zero + key1;
#pragma GCC unroll 2
    for (int i = 0; i < parts; ++i) {
      const PhiloxLanes p0 = philox_multiply(c0[i], philox_m0);
      const PhiloxLanes p1 = philox_multiply(c2[i], philox_m1);
      c0[i] = (p1 >> 32) ^ (c1[i] ^ round0);
      c1[i] = p1;
      c2[i] = (p0 >> 32) ^ (c3[i] ^ round1);
      c3[i] = p0;
    }
    key0 += philox_w0;
    key1 += philox_w1;
  }
  for (int i = 0; i < parts; ++i, out += 2 * philox_width) {
    PhiloxLanes first, second;
    philox_interleave((c0[i] & 0xFFFFFFFFu) | (c1[i] << 32), (c2[i] & 0xFFFFFFFFu) | (c3[i] << 32), first, second);
    const auto head = philox_output(first, out), rest = philox_output(second, out);
    std::memcpy(out, &head, sizeof head);
    std::memcpy(out + philox_width, &rest, sizeof rest);
  }
  return out;
}

template <class Out>
inline void philox_groups(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1, Index groups, Out* out) {
  Index vectors = groups * (8 / philox_width);
  for (; vectors >= 2; vectors -= 2) out = philox_vectors<2>(counter, key0, key1, out);
  if (philox_width == 8 && vectors == 1) philox_vectors<1>(counter, key0, key1, out);
}

#else

inline void philox_store(std::uint64_t bits, std::uint64_t* out) { *out = bits; }
inline void philox_store(std::uint64_t bits, double* out) { *out = uniform_from_bits(bits); }

template <class Out>
inline void philox_groups(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1, Index groups, Out* out) {
  for (Index left = groups * 8; left > 0; --left, ++counter.w[0], out += 2) {
    const PhiloxBlock block = philox4x32(counter, key0, key1);
    philox_store(philox_half(block, 0), out);
    philox_store(philox_half(block, 1), out + 1);
  }
}

#endif

}  // namespace detail

/// The 16 `groups` halves of 8 `groups` consecutive blocks, in order: block by block, half 0 before half 1.
///
/// Only word 0 of the counter advances (modulo 2^32). The bits are those of philox4x32.
WICK_NOINLINE inline void philox_bits(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1, Index groups,
                                      std::uint64_t* out) {
  detail::philox_groups(counter, key0, key1, groups, out);
}

/// The same as uniforms: out[i] = uniform_from_bits of the i-th half.
WICK_NOINLINE inline void philox_uniforms(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1, Index groups,
                                          double* out) {
  detail::philox_groups(counter, key0, key1, groups, out);
}

}  // namespace wick::inline WICK_ABI
