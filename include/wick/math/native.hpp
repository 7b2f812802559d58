/// \file
/// The vectors of the machine behind `math::Packet`: 8, 4 or 2 doubles wide, or plain doubles.
/// Everything that differs between instruction sets or compilers is in this header, and nothing here is public.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include <wick/core/config.hpp>

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define WICK_PACKET_WIDTH 8
#elif defined(__AVX__)
#define WICK_PACKET_WIDTH 4
#elif defined(__GNUC__)
#define WICK_PACKET_WIDTH 2
#else
#define WICK_PACKET_WIDTH 1
#endif

namespace wick::inline WICK_ABI::math::detail {

inline constexpr int packet_lanes = 8;
inline constexpr int native_lanes = WICK_PACKET_WIDTH;
inline constexpr int native_count = packet_lanes / native_lanes;

// <cstdint>'s uint64_t is `unsigned long` here and `unsigned long long` elsewhere; vector types want one spelling.
using Word = unsigned long long;

#if WICK_PACKET_WIDTH > 1
typedef double Native __attribute__((vector_size(8 * WICK_PACKET_WIDTH)));
typedef Word NativeBits __attribute__((vector_size(8 * WICK_PACKET_WIDTH)));
// Loads and stores through this type rather than memcpy: g++ copies 32 bytes in two halves, and the half-written value
// cannot be forwarded to the load that follows.
typedef double NativeAnywhere __attribute__((vector_size(8 * WICK_PACKET_WIDTH), aligned(8), may_alias));
WICK_INLINE Native load_native(const double* p) { return *reinterpret_cast<const NativeAnywhere*>(p); }
WICK_INLINE void store_native(double* p, Native a) { *reinterpret_cast<NativeAnywhere*>(p) = a; }
// The bit casts of GNU vectors are reinterpret_casts: a static_cast of a scalar would convert the value.
WICK_INLINE NativeBits to_bits(Native a) { return reinterpret_cast<NativeBits>(a); }
WICK_INLINE Native from_bits(NativeBits a) { return reinterpret_cast<Native>(a); }
#else
using Native = double;
using NativeBits = Word;
WICK_INLINE Native load_native(const double* p) { return *p; }
WICK_INLINE void store_native(double* p, Native a) { *p = a; }
WICK_INLINE NativeBits to_bits(Native a) {
  NativeBits r;
  std::memcpy(&r, &a, sizeof r);
  return r;
}
WICK_INLINE Native from_bits(NativeBits a) {
  Native r;
  std::memcpy(&r, &a, sizeof r);
  return r;
}
#endif

WICK_INLINE Native splat(double a) {
#if WICK_PACKET_WIDTH == 8
  return Native{a, a, a, a, a, a, a, a};
#elif WICK_PACKET_WIDTH == 4
  return Native{a, a, a, a};
#elif WICK_PACKET_WIDTH == 2
  return Native{a, a};
#else
  return a;
#endif
}

WICK_INLINE NativeBits splat_bits(Word a) {
#if WICK_PACKET_WIDTH == 8
  return NativeBits{a, a, a, a, a, a, a, a};
#elif WICK_PACKET_WIDTH == 4
  return NativeBits{a, a, a, a};
#elif WICK_PACKET_WIDTH == 2
  return NativeBits{a, a};
#else
  return a;
#endif
}

// Masks. AVX-512 has mask registers; g++ 12 does not find them behind vector comparisons that are kept in a variable
// (it widens the mask to a vector and tests it again), hence the builtins. Elsewhere a mask is a vector of 0 / ~0.
#if WICK_PACKET_WIDTH == 8
using NativeMask = unsigned char;
// The predicates are those of `<`, `<=`, `==`, `!=`: ordered but for the last, silent on quiet NaNs.
#define WICK_COMPARE(a, b, predicate) \
  static_cast<NativeMask>(__builtin_ia32_cmppd512_mask(a, b, predicate, static_cast<NativeMask>(-1), 4))
WICK_INLINE NativeMask less(Native a, Native b) { return WICK_COMPARE(a, b, 17); }
WICK_INLINE NativeMask less_equal(Native a, Native b) { return WICK_COMPARE(a, b, 18); }
WICK_INLINE NativeMask equal(Native a, Native b) { return WICK_COMPARE(a, b, 0); }
WICK_INLINE NativeMask not_equal(Native a, Native b) { return WICK_COMPARE(a, b, 4); }
#undef WICK_COMPARE
WICK_INLINE NativeMask mask_and(NativeMask a, NativeMask b) { return static_cast<NativeMask>(a & b); }
WICK_INLINE NativeMask mask_or(NativeMask a, NativeMask b) { return static_cast<NativeMask>(a | b); }
WICK_INLINE NativeMask mask_xor(NativeMask a, NativeMask b) { return static_cast<NativeMask>(a ^ b); }
WICK_INLINE NativeMask mask_not(NativeMask a) { return static_cast<NativeMask>(~a); }
WICK_INLINE NativeMask mask_splat(bool a) { return static_cast<NativeMask>(a ? 0xff : 0); }
WICK_INLINE unsigned mask_lanes(NativeMask a) { return a; }
WICK_INLINE Native select(NativeMask m, Native a, Native b) {
#if defined(__clang__)
  return __builtin_ia32_selectpd_512(m, a, b);
#else
  return __builtin_ia32_blendmpd_512_mask(b, a, m);
#endif
}
#else
using NativeMask = NativeBits;
#if WICK_PACKET_WIDTH > 1
WICK_INLINE NativeMask less(Native a, Native b) { return reinterpret_cast<NativeMask>(a < b); }
WICK_INLINE NativeMask less_equal(Native a, Native b) { return reinterpret_cast<NativeMask>(a <= b); }
WICK_INLINE NativeMask equal(Native a, Native b) { return reinterpret_cast<NativeMask>(a == b); }
WICK_INLINE NativeMask not_equal(Native a, Native b) { return reinterpret_cast<NativeMask>(a != b); }
#else
WICK_INLINE NativeMask less(Native a, Native b) { return a < b ? ~Word{0} : 0; }
WICK_INLINE NativeMask less_equal(Native a, Native b) { return a <= b ? ~Word{0} : 0; }
WICK_INLINE NativeMask equal(Native a, Native b) { return a == b ? ~Word{0} : 0; }
WICK_INLINE NativeMask not_equal(Native a, Native b) { return a != b ? ~Word{0} : 0; }
#endif
WICK_INLINE NativeMask mask_and(NativeMask a, NativeMask b) { return a & b; }
WICK_INLINE NativeMask mask_or(NativeMask a, NativeMask b) { return a | b; }
WICK_INLINE NativeMask mask_xor(NativeMask a, NativeMask b) { return a ^ b; }
WICK_INLINE NativeMask mask_not(NativeMask a) { return ~a; }
WICK_INLINE NativeMask mask_splat(bool a) { return splat_bits(a ? ~Word{0} : 0); }
WICK_INLINE unsigned mask_lanes(NativeMask a) {  // bit i is lane i
#if WICK_PACKET_WIDTH == 4
  return static_cast<unsigned>(__builtin_ia32_movmskpd256(reinterpret_cast<Native>(a)));
#elif WICK_PACKET_WIDTH == 2 && defined(__SSE2__)
  return static_cast<unsigned>(__builtin_ia32_movmskpd(reinterpret_cast<Native>(a)));
#elif WICK_PACKET_WIDTH == 2
  return static_cast<unsigned>((a[0] & 1) | (a[1] & 2));
#else
  return static_cast<unsigned>(a & 1);
#endif
}
WICK_INLINE Native select(NativeMask m, Native a, Native b) {
#if WICK_PACKET_WIDTH == 4
  return __builtin_ia32_blendvpd256(b, a, reinterpret_cast<Native>(m));
#else
  return from_bits((to_bits(a) & m) | (to_bits(b) & ~m));
#endif
}
#endif

// One instruction each; a NaN in either argument gives b, as the instructions do.
WICK_INLINE Native minimum(Native a, Native b) { return a < b ? a : b; }
WICK_INLINE Native maximum(Native a, Native b) { return a > b ? a : b; }

WICK_INLINE Native square_root(Native a) {
#if WICK_PACKET_WIDTH == 1
  return std::sqrt(a);
#elif defined(__clang__) && __has_builtin(__builtin_elementwise_sqrt)
  return __builtin_elementwise_sqrt(a);
#elif WICK_PACKET_WIDTH == 8 && defined(__clang__)
  return __builtin_ia32_sqrtpd512(a, 4);
#elif WICK_PACKET_WIDTH == 8
  return __builtin_ia32_sqrtpd512_mask(a, a, static_cast<char>(-1), 4);
#elif WICK_PACKET_WIDTH == 4
  return __builtin_ia32_sqrtpd256(a);
#elif defined(__SSE2__)
  return __builtin_ia32_sqrtpd(a);
#else
  return Native{std::sqrt(a[0]), std::sqrt(a[1])};
#endif
}

#if WICK_PACKET_WIDTH >= 4
// To the nearest integer, ties to even, and to the largest that is not larger; + 0 because zeros lose their sign in the arithmetic of scalar.hpp.
#if WICK_PACKET_WIDTH == 8
#define WICK_ROUND(a, mode) __builtin_ia32_rndscalepd_mask(a, mode, a, static_cast<NativeMask>(-1), 4)
#else
#define WICK_ROUND(a, mode) __builtin_ia32_roundpd256(a, mode)
#endif
WICK_INLINE Native nearest_integer(Native a) { return WICK_ROUND(a, 8) + splat(0.0); }
WICK_INLINE Native lower_integer(Native a) { return WICK_ROUND(a, 9) + splat(0.0); }
#undef WICK_ROUND
#endif

// std::sqrt sets errno, which costs a branch and a call.
WICK_INLINE double square_root_of_one(double a) {
#if defined(__SSE2__)
  typedef double Pair __attribute__((vector_size(16)));
#if defined(__clang__) && __has_builtin(__builtin_elementwise_sqrt)
  return __builtin_elementwise_sqrt(Pair{a, a})[0];
#else
  return __builtin_ia32_sqrtpd(Pair{a, a})[0];
#endif
#else
  return std::sqrt(a);
#endif
}

// Four rows of four, `from_stride` apart, as four columns.
WICK_INLINE void transpose_four(const double* from, Index from_stride, double* to, Index to_stride) {
#if WICK_PACKET_WIDTH >= 4
  typedef double Four __attribute__((vector_size(32)));
  typedef double FourAnywhere __attribute__((vector_size(32), aligned(8), may_alias));
  const auto row = [&](Index r) WICK_LAMBDA_INLINE -> Four { return *reinterpret_cast<const FourAnywhere*>(from + r * from_stride); };
  const auto put = [&](Index r, const Four& x) WICK_LAMBDA_INLINE {
    *reinterpret_cast<FourAnywhere*>(to + r * to_stride) = x;
  };
  const Four a = row(0), b = row(1), c = row(2), d = row(3);
  const Four ab = __builtin_shufflevector(a, b, 0, 4, 2, 6), ba = __builtin_shufflevector(a, b, 1, 5, 3, 7);
  const Four cd = __builtin_shufflevector(c, d, 0, 4, 2, 6), dc = __builtin_shufflevector(c, d, 1, 5, 3, 7);
  put(0, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
  put(1, __builtin_shufflevector(ba, dc, 0, 1, 4, 5));
  put(2, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
  put(3, __builtin_shufflevector(ba, dc, 2, 3, 6, 7));
#else
  for (Index j = 0; j < 4; ++j)
    for (Index i = 0; i < 4; ++i) to[j * to_stride + i] = from[i * from_stride + j];
#endif
}

#if WICK_PACKET_WIDTH == 8
// Eight vectors' lanes joined in the order of `lane_sum`; lane k of the result is that of v[k].
template <class F>
WICK_INLINE Native lanes_joined(const Native* v, F join) {
  Native pairs[4], fours[2];
  for (int k = 0; k < 4; ++k)
    pairs[k] = join(__builtin_shufflevector(v[2 * k], v[2 * k + 1], 0, 1, 2, 3, 8, 9, 10, 11), __builtin_shufflevector(v[2 * k], v[2 * k + 1], 4, 5, 6, 7, 12, 13, 14, 15));
  for (int k = 0; k < 2; ++k)
    fours[k] = join(__builtin_shufflevector(pairs[2 * k], pairs[2 * k + 1], 0, 1, 4, 5, 8, 9, 12, 13),
                    __builtin_shufflevector(pairs[2 * k], pairs[2 * k + 1], 2, 3, 6, 7, 10, 11, 14, 15));
  return join(__builtin_shufflevector(fours[0], fours[1], 0, 2, 4, 6, 8, 10, 12, 14), __builtin_shufflevector(fours[0], fours[1], 1, 3, 5, 7, 9, 11, 13, 15));
}
#endif

// (0+4 + 2+6) + (1+5 + 3+7): halving, the order every width can follow.
WICK_INLINE double lane_sum(const Native* v) {
#if WICK_PACKET_WIDTH == 8
  typedef double Half __attribute__((vector_size(32)));
  typedef double Quarter __attribute__((vector_size(16)));
  const Half h = __builtin_shufflevector(v[0], v[0], 0, 1, 2, 3) + __builtin_shufflevector(v[0], v[0], 4, 5, 6, 7);
  const Quarter q = __builtin_shufflevector(h, h, 0, 1) + __builtin_shufflevector(h, h, 2, 3);
  return q[0] + q[1];
#elif WICK_PACKET_WIDTH == 4
  const Native h = v[0] + v[1];
  return (h[0] + h[2]) + (h[1] + h[3]);
#elif WICK_PACKET_WIDTH == 2
  const Native q = (v[0] + v[2]) + (v[1] + v[3]);
  return q[0] + q[1];
#else
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
#endif
}

}  // namespace wick::inline WICK_ABI::math::detail
