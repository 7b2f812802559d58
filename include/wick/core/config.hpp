/// \file
/// Compiler-dependent names: the inline namespace of the packet ABI, attributes, the index type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <wick/core/version.hpp>

// Objects built with different -march options may be linked together: each packet ABI is a namespace of its own, so
// the linker never merges an AVX-512 kernel with an SSE2 one. Second derivatives (ad/second_order.hpp) are another form of every
// kernel, which only programs that ask for them compile: they have namespaces of their own too.
#if !defined(__GNUC__)
#define WICK_PACKET_ABI scalar
#elif defined(__AVX512F__) && defined(__AVX512DQ__)
#define WICK_PACKET_ABI avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define WICK_PACKET_ABI avx2
#elif defined(__AVX__)
#define WICK_PACKET_ABI avx
#else
#define WICK_PACKET_ABI sse2
#endif
#if defined(WICK_SECOND_ORDER)
#define WICK_ABI_WITH(abi) abi##_second
#define WICK_ABI_OF(abi) WICK_ABI_WITH(abi)
#define WICK_ABI WICK_ABI_OF(WICK_PACKET_ABI)
#else
#define WICK_ABI WICK_PACKET_ABI
#endif

#if defined(__GNUC__)
#define WICK_INLINE inline __attribute__((always_inline))
// gcc clones functions for constant arguments, and a clone may contract products and sums another way: other bits.
#if defined(__clang__)
#define WICK_NOINLINE __attribute__((noinline))
#else
#define WICK_NOINLINE __attribute__((noinline, noclone))
#endif
#define WICK_LAMBDA_INLINE __attribute__((always_inline))
#define WICK_COLD __attribute__((cold, noinline))
#define WICK_LIKELY(x) __builtin_expect(static_cast<bool>(x), 1)
#define WICK_UNLIKELY(x) __builtin_expect(static_cast<bool>(x), 0)
#else
#define WICK_INLINE inline
#define WICK_NOINLINE
#define WICK_LAMBDA_INLINE
#define WICK_COLD
#define WICK_LIKELY(x) (x)
#define WICK_UNLIKELY(x) (x)
#endif

/// The whole library.
namespace wick::inline WICK_ABI {

/// Sizes, dimensions and indices; negative dimensions count from the right.
using Index = std::ptrdiff_t;

namespace detail {
inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
}  // namespace detail

/// A count given by a user: made from any integer type, so that `size_t` and `int` both work without a cast.
struct Count {
  Index value = 0;
  constexpr Count() = default;
  template <class T>
    requires(__is_same(T, bool) == false) && (T(1) / 2 == 0) && requires(T t) { t % 2; }
  constexpr Count(T n) : value(static_cast<Index>(n)) {}  // NOLINT: implicit by design
  constexpr operator Index() const { return value; }      // NOLINT
};

}  // namespace wick::inline WICK_ABI
