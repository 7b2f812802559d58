/// \file
/// `Packet`: eight doubles worked on together, whatever the width of the machine's registers.
///
/// Every operation is lane by lane and IEEE exact as the scalar one, so with `-ffp-contract=off` results do not depend
/// on the instruction set. An inlined function may take packets by value; one that is not takes `Packet::Argument`.
#pragma once

#include <wick/math/native.hpp>

namespace wick::inline WICK_ABI::math {

struct PacketMask;
struct PacketBits;

namespace detail {
template <class V, bool ByValue>
struct ArgumentOf {
  using Type = const V&;
};
template <class V>
struct ArgumentOf<V, true> {
  using Type = V;
};
}  // namespace detail

namespace detail {

// g++ keeps an array of vectors in registers only if every index is a constant when it first looks, which is before
// loops are unrolled: hence the written-out lists.
template <class Out, class F, class... In>
WICK_INLINE Out each(F f, const In&... in) {
  Out r;
  r.v[0] = f(in.v[0]...);
  if constexpr (native_count > 1) r.v[1] = f(in.v[1]...);
  if constexpr (native_count > 2) {
    r.v[2] = f(in.v[2]...);
    r.v[3] = f(in.v[3]...);
  }
  if constexpr (native_count > 4) {
    r.v[4] = f(in.v[4]...);
    r.v[5] = f(in.v[5]...);
    r.v[6] = f(in.v[6]...);
    r.v[7] = f(in.v[7]...);
  }
  return r;
}

template <class P, class N>
WICK_INLINE void fill_each(P& r, const N& x) {
  r.v[0] = x;
  if constexpr (native_count > 1) r.v[1] = x;
  if constexpr (native_count > 2) r.v[2] = r.v[3] = x;
  if constexpr (native_count > 4) r.v[4] = r.v[5] = r.v[6] = r.v[7] = x;
}

template <class P>
WICK_INLINE void load_each(P& r, const double* p) {
  constexpr int w = native_lanes;
  r.v[0] = load_native(p);
  if constexpr (native_count > 1) r.v[1] = load_native(p + w);
  if constexpr (native_count > 2) {
    r.v[2] = load_native(p + 2 * w);
    r.v[3] = load_native(p + 3 * w);
  }
  if constexpr (native_count > 4) {
    r.v[4] = load_native(p + 4 * w);
    r.v[5] = load_native(p + 5 * w);
    r.v[6] = load_native(p + 6 * w);
    r.v[7] = load_native(p + 7 * w);
  }
}

template <class P>
WICK_INLINE void store_each(const P& r, double* p) {
  constexpr int w = native_lanes;
  store_native(p, r.v[0]);
  if constexpr (native_count > 1) store_native(p + w, r.v[1]);
  if constexpr (native_count > 2) {
    store_native(p + 2 * w, r.v[2]);
    store_native(p + 3 * w, r.v[3]);
  }
  if constexpr (native_count > 4) {
    store_native(p + 4 * w, r.v[4]);
    store_native(p + 5 * w, r.v[5]);
    store_native(p + 6 * w, r.v[6]);
    store_native(p + 7 * w, r.v[7]);
  }
}

}  // namespace detail

/// Eight doubles.
struct Packet {
  using Mask = PacketMask;
  using Bits = PacketBits;
  static constexpr int lanes = detail::packet_lanes;
  /// How a packet goes to a function that is not inlined: in its register if it has one, otherwise by reference.
  using Argument = detail::ArgumentOf<Packet, detail::native_count == 1>::Type;

  detail::Native v[detail::native_count];

  /// Indeterminate lanes, as `double x;`.
  Packet() = default;

  /// The same number in every lane; implicit, so that `x + 1.0` is written as for doubles.
  WICK_INLINE Packet(double x) { detail::fill_each(*this, detail::splat(x)); }

  /// Eight consecutive doubles; no alignment is asked for.
  WICK_INLINE static Packet load(const double* p) {
    Packet r;
    detail::load_each(r, p);
    return r;
  }

  /// The n doubles at p (1 <= n <= 7); the spare lanes repeat p[n - 1], so they are in the domain if the data are.
  WICK_INLINE static Packet load_tail(const double* p, Index n) {
    double t[lanes];
    for (Index i = 0; i < lanes; ++i) t[i] = p[i < n ? i : n - 1];
    return load(t);
  }

  WICK_INLINE void store(double* p) const { detail::store_each(*this, p); }

  /// The first n lanes.
  WICK_INLINE void store_tail(double* p, Index n) const {
    double t[lanes];
    store(t);
    for (Index i = 0; i < lanes; ++i) {
      if (i < n) p[i] = t[i];
    }
  }

  /// One lane; for tests and rare paths, since it goes through memory.
  WICK_INLINE double lane(Index i) const {
    double t[lanes];
    store(t);
    return t[i];
  }
  WICK_INLINE void set_lane(Index i, double x) {
    double t[lanes];
    store(t);
    t[i] = x;
    *this = load(t);
  }
};

/// Eight booleans.
struct PacketMask {
  detail::NativeMask v[detail::native_count];

  PacketMask() = default;
  WICK_INLINE PacketMask(bool x) { detail::fill_each(*this, detail::mask_splat(x)); }
  /// Bit i of the result is lane i.
  WICK_INLINE unsigned bits() const {
    unsigned r = 0;
    for (int i = 0; i < detail::native_count; ++i) r |= detail::mask_lanes(v[i]) << (i * detail::native_lanes);
    return r;
  }
  WICK_INLINE bool lane(Index i) const { return ((bits() >> i) & 1u) != 0; }
};

/// The bit patterns of eight doubles, with 64-bit modular arithmetic.
struct PacketBits {
  detail::NativeBits v[detail::native_count];

  PacketBits() = default;
  WICK_INLINE PacketBits(detail::Word x) { detail::fill_each(*this, detail::splat_bits(x)); }
};

// `name` applied register by register: `body` is the same for a machine vector x (and y).
#define WICK_PACKET_UNARY(Out, name, In, Vector, body)                             \
  WICK_INLINE Out name(const In& a) {                                              \
    return detail::each<Out>([](Vector x) WICK_LAMBDA_INLINE { return body; }, a); \
  }
#define WICK_PACKET_BINARY(Out, name, In, Vector, body)                                         \
  WICK_INLINE Out name(const In& a, const In& b) {                                              \
    return detail::each<Out>([](Vector x, Vector y) WICK_LAMBDA_INLINE { return body; }, a, b); \
  }

// Arithmetic.
WICK_PACKET_BINARY(Packet, operator+, Packet, detail::Native, x + y)
WICK_PACKET_BINARY(Packet, operator-, Packet, detail::Native, x - y)
WICK_PACKET_BINARY(Packet, operator*, Packet, detail::Native, (x * y))
WICK_PACKET_BINARY(Packet, operator/, Packet, detail::Native, x / y)
WICK_PACKET_UNARY(Packet, operator-, Packet, detail::Native, -x)
WICK_INLINE Packet operator+(const Packet& a) { return a; }
WICK_INLINE Packet& operator+=(Packet& a, const Packet& b) { return a = a + b; }
WICK_INLINE Packet& operator-=(Packet& a, const Packet& b) { return a = a - b; }
WICK_INLINE Packet& operator*=(Packet& a, const Packet& b) { return a = a * b; }
WICK_INLINE Packet& operator/=(Packet& a, const Packet& b) { return a = a / b; }

// Comparisons; false with a NaN, but for `!=`.
WICK_PACKET_BINARY(PacketMask, operator<, Packet, detail::Native, detail::less(x, y))
WICK_PACKET_BINARY(PacketMask, operator<=, Packet, detail::Native, detail::less_equal(x, y))
WICK_PACKET_BINARY(PacketMask, operator==, Packet, detail::Native, detail::equal(x, y))
WICK_PACKET_BINARY(PacketMask, operator!=, Packet, detail::Native, detail::not_equal(x, y))
WICK_INLINE PacketMask operator>(const Packet& a, const Packet& b) { return b < a; }
WICK_INLINE PacketMask operator>=(const Packet& a, const Packet& b) { return b <= a; }

// Masks.
WICK_PACKET_BINARY(PacketMask, operator&, PacketMask, detail::NativeMask, detail::mask_and(x, y))
WICK_PACKET_BINARY(PacketMask, operator|, PacketMask, detail::NativeMask, detail::mask_or(x, y))
WICK_PACKET_BINARY(PacketMask, operator^, PacketMask, detail::NativeMask, detail::mask_xor(x, y))
WICK_PACKET_UNARY(PacketMask, operator!, PacketMask, detail::NativeMask, detail::mask_not(x))

/// True if any lane is.
WICK_INLINE bool any(const PacketMask& m) {
  using namespace detail;
  NativeMask r = m.v[0];  // or first, test once
  if constexpr (native_count > 1) r = mask_or(r, m.v[1]);
  if constexpr (native_count > 2) r = mask_or(r, mask_or(m.v[2], m.v[3]));
  if constexpr (native_count > 4) r = mask_or(r, mask_or(mask_or(m.v[4], m.v[5]), mask_or(m.v[6], m.v[7])));
  return mask_lanes(r) != 0;
}
/// True if every lane is.
WICK_INLINE bool all(const PacketMask& m) { return !any(!m); }

/// Lane by lane `m ? a : b`; the lane not chosen has no influence, NaN or not.
WICK_INLINE Packet where(const PacketMask& m, const Packet& a, const Packet& b) {
  using detail::Native;
  const auto choose = [](detail::NativeMask c, Native x, Native y)
                          WICK_LAMBDA_INLINE { return detail::select(c, x, y); };
  return detail::each<Packet>(choose, m, a, b);
}

// Bit patterns.
WICK_PACKET_UNARY(PacketBits, to_bits, Packet, detail::Native, detail::to_bits(x))
WICK_PACKET_UNARY(Packet, from_bits, PacketBits, detail::NativeBits, detail::from_bits(x))
WICK_PACKET_BINARY(PacketBits, operator+, PacketBits, detail::NativeBits, x + y)
WICK_PACKET_BINARY(PacketBits, operator-, PacketBits, detail::NativeBits, x - y)
WICK_PACKET_BINARY(PacketBits, operator&, PacketBits, detail::NativeBits, (x & y))
WICK_PACKET_BINARY(PacketBits, operator|, PacketBits, detail::NativeBits, x | y)
WICK_PACKET_BINARY(PacketBits, operator^, PacketBits, detail::NativeBits, x ^ y)
template <int Count>
WICK_INLINE PacketBits shift_left(const PacketBits& a) {
  return detail::each<PacketBits>([](detail::NativeBits x) WICK_LAMBDA_INLINE { return x << Count; }, a);
}
template <int Count>
WICK_INLINE PacketBits shift_right(const PacketBits& a) {
  return detail::each<PacketBits>([](detail::NativeBits x) WICK_LAMBDA_INLINE { return x >> Count; }, a);
}

/// The square root, correctly rounded.
WICK_PACKET_UNARY(Packet, sqrt, Packet, detail::Native, detail::square_root(x))
/// The smaller and the larger; b if either is NaN.
WICK_PACKET_BINARY(Packet, min, Packet, detail::Native, detail::minimum(x, y))
WICK_PACKET_BINARY(Packet, max, Packet, detail::Native, detail::maximum(x, y))

/// The sum of the lanes, always as (0+4 + 2+6) + (1+5 + 3+7).
WICK_INLINE double sum(const Packet& a) { return detail::lane_sum(a.v); }

namespace detail {
// A packet whose address is taken lives in memory. Calls get and give copies made register by register, so that the
// packets of the caller stay in registers.
WICK_PACKET_UNARY(Packet, own, Packet, Native, x)
}  // namespace detail

#undef WICK_PACKET_UNARY
#undef WICK_PACKET_BINARY

}  // namespace wick::inline WICK_ABI::math
