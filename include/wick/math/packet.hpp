/// \file
/// `Packet`: eight doubles worked on together, whatever the width of the machine's registers.
///
/// Every operation is lane by lane and IEEE exact as the scalar one, so with `-ffp-contract=off` results do not depend
/// on the instruction set. An inlined function may take packets by value; one that is not takes `Packet::Argument`.
#pragma once

#include <wick/math/native.hpp>

namespace wick::inline WICK_ABI::math {

template <int N>
struct BasicMask;
template <int N>
struct BasicBits;

namespace detail {

template <class V, bool ByValue>
struct ArgumentOf {
  using Type = const V&;
};
template <class V>
struct ArgumentOf<V, true> {
  using Type = V;
};

// `statement` with i = 0, 1, … N − 1, written out: g++ keeps an array of vectors in registers only if every index is a
// constant when it first looks, which is before loops are unrolled. Not a function of a lambda either: each level of
// inlining costs a compiler another copy, and packet arithmetic was the greater part of what it had to compile.
#define WICK_AT(index, statement) \
  {                               \
    constexpr int i = index;      \
    statement;                    \
  }
#define WICK_EACH(statement)                                                                \
  WICK_AT(0, statement)                                                                     \
  if constexpr (N > 1) WICK_AT(1, statement)                                                \
  if constexpr (N > 2) {                                                                    \
    WICK_AT(2, statement) WICK_AT(3, statement)                                             \
  }                                                                                         \
  if constexpr (N > 4) {                                                                    \
    WICK_AT(4, statement) WICK_AT(5, statement) WICK_AT(6, statement) WICK_AT(7, statement) \
  }
// `name` applied register by register: `body` for the machine vectors a.v[i] (and b.v[i]).
#define WICK_PACKET_UNARY(Out, name, In, body) \
  WICK_INLINE friend Out name(const In& a) {   \
    Out r;                                     \
    WICK_EACH(r.v[i] = body)                   \
    return r;                                  \
  }
#define WICK_PACKET_BINARY(Out, name, In, body)           \
  WICK_INLINE friend Out name(const In& a, const In& b) { \
    Out r;                                                \
    WICK_EACH(r.v[i] = body)                              \
    return r;                                             \
  }

}  // namespace detail

/// As many doubles as fit N machine registers.
template <int N>
struct BasicPacket {
  using Mask = BasicMask<N>;
  using Bits = BasicBits<N>;
  static constexpr int lanes = N * detail::native_lanes;
  /// How a packet goes to a function that is not inlined: in its register if it has one, otherwise by reference.
  using Argument = typename detail::ArgumentOf<BasicPacket, N == 1>::Type;
  /// What such a function works on at a time, and loops with a long body too: one register or two. Spelled out for the
  /// four that a packet is with SSE2 it would overflow the registers, and be compiled twice as long.
  static constexpr int registers = N > 2 ? 2 : N;
  static constexpr int parts = N / registers;
  using Part = BasicPacket<registers>;

  detail::Native v[static_cast<std::size_t>(N)];

  /// Indeterminate lanes, as `double x;`.
  BasicPacket() = default;

  /// The same number in every lane; implicit, so that `x + 1.0` is written as for doubles.
  WICK_INLINE BasicPacket(double x) {
    const detail::Native same = detail::splat(x);
    WICK_EACH(v[i] = same)
  }

  /// Consecutive doubles; no alignment is asked for.
  WICK_INLINE static BasicPacket load(const double* p) {
    BasicPacket r;
    WICK_EACH(r.v[i] = detail::load_native(p + i * detail::native_lanes))
    return r;
  }

  /// The n doubles at p (1 <= n < lanes); the spare lanes repeat p[n - 1], so they are in the domain if the data are.
#if WICK_PACKET_WIDTH == 8
  WICK_INLINE static BasicPacket load_tail(const double* p, Index n) {
    BasicPacket r;
    r.v[0] = __builtin_ia32_loadupd512_mask(p, detail::splat(p[n - 1]), static_cast<detail::NativeMask>((1u << n) - 1u));
    return r;
  }
#else
  WICK_INLINE static BasicPacket load_tail(const double* p, Index n) {
    double t[static_cast<std::size_t>(lanes)];
    for (Index i = 0; i < lanes; ++i) t[i] = p[i < n ? i : n - 1];
    return load(t);
  }
#endif

  /// Doubles that are `step` apart.
  WICK_INLINE static BasicPacket gather(const double* p, Index step) {
#if WICK_PACKET_WIDTH == 8
    BasicPacket r;
    r.v[0] = detail::Native{p[0], p[step], p[2 * step], p[3 * step], p[4 * step], p[5 * step], p[6 * step], p[7 * step]};
    return r;
#else
    double t[static_cast<std::size_t>(lanes)];
    for (Index i = 0; i < lanes; ++i) t[i] = p[i * step];
    return load(t);
#endif
  }

  WICK_INLINE void store(double* p) const {WICK_EACH(detail::store_native(p + i * detail::native_lanes, v[i]))}

  /// The first n lanes.
#if WICK_PACKET_WIDTH == 8
  WICK_INLINE void store_tail(double* p, Index n) const { __builtin_ia32_storeupd512_mask(p, v[0], static_cast<detail::NativeMask>((1u << n) - 1u)); }
#else
  WICK_INLINE void store_tail(double* p, Index n) const {
    double t[static_cast<std::size_t>(lanes)];
    store(t);
    for (Index i = 0; i < lanes; ++i) {
      if (i < n) p[i] = t[i];
    }
  }
#endif

  /// One lane; for tests and rare paths, since it goes through memory.
  WICK_INLINE double lane(Index i) const {
    double t[static_cast<std::size_t>(lanes)];
    store(t);
    return t[i];
  }
  WICK_INLINE void set_lane(Index i, double x) {
    double t[static_cast<std::size_t>(lanes)];
    store(t);
    t[i] = x;
    *this = load(t);
  }

  /// The parts in turn.
  WICK_INLINE Part part(int i) const {
    Part r;
    for (int k = 0; k < registers; ++k) r.v[k] = v[i * registers + k];
    return r;
  }
  WICK_INLINE void set_part(int i, const Part& x) {
    for (int k = 0; k < registers; ++k) v[i * registers + k] = x.v[k];
  }

  // Arithmetic.
  WICK_PACKET_BINARY(BasicPacket, operator+, BasicPacket, a.v[i] + b.v[i])
  WICK_PACKET_BINARY(BasicPacket, operator-, BasicPacket, a.v[i] - b.v[i])
  WICK_PACKET_BINARY(BasicPacket, operator*, BasicPacket, (a.v[i] * b.v[i]))
  WICK_PACKET_BINARY(BasicPacket, operator/, BasicPacket, a.v[i] / b.v[i])
  WICK_PACKET_UNARY(BasicPacket, operator-, BasicPacket, -a.v[i])
  WICK_INLINE friend BasicPacket operator+(const BasicPacket& a) { return a; }
  WICK_INLINE friend BasicPacket& operator+=(BasicPacket& a, const BasicPacket& b) { return a = a + b; }
  WICK_INLINE friend BasicPacket& operator-=(BasicPacket& a, const BasicPacket& b) { return a = a - b; }
  WICK_INLINE friend BasicPacket& operator*=(BasicPacket& a, const BasicPacket& b) { return a = a * b; }
  WICK_INLINE friend BasicPacket& operator/=(BasicPacket& a, const BasicPacket& b) { return a = a / b; }
  /// a · b + c as one expression over machine vectors: that is where both compilers may fuse it.
  WICK_INLINE friend BasicPacket mul_add(const BasicPacket& a, const BasicPacket& b, const BasicPacket& c) {
    BasicPacket r;
    WICK_EACH(r.v[i] = a.v[i] * b.v[i] + c.v[i])
    return r;
  }

  // Comparisons; false with a NaN, but for `!=`.
  WICK_PACKET_BINARY(Mask, operator<, BasicPacket, detail::less(a.v[i], b.v[i]))
  WICK_PACKET_BINARY(Mask, operator<=, BasicPacket, detail::less_equal(a.v[i], b.v[i]))
  WICK_PACKET_BINARY(Mask, operator>, BasicPacket, detail::less(b.v[i], a.v[i]))
  WICK_PACKET_BINARY(Mask, operator>=, BasicPacket, detail::less_equal(b.v[i], a.v[i]))
  WICK_PACKET_BINARY(Mask, operator==, BasicPacket, detail::equal(a.v[i], b.v[i]))
  WICK_PACKET_BINARY(Mask, operator!=, BasicPacket, detail::not_equal(a.v[i], b.v[i]))

  /// Lane by lane `m ? a : b`; the lane not chosen has no influence, NaN or not.
  WICK_INLINE friend BasicPacket where(const Mask& m, const BasicPacket& a, const BasicPacket& b) {
    BasicPacket r;
    WICK_EACH(r.v[i] = detail::select(m.v[i], a.v[i], b.v[i]))
    return r;
  }
  WICK_PACKET_UNARY(Bits, to_bits, BasicPacket, detail::to_bits(a.v[i]))

  /// The square root, correctly rounded.
  WICK_PACKET_UNARY(BasicPacket, sqrt, BasicPacket, detail::square_root(a.v[i]))
  /// The smaller and the larger; b if either is NaN.
  WICK_PACKET_BINARY(BasicPacket, min, BasicPacket, detail::minimum(a.v[i], b.v[i]))
  WICK_PACKET_BINARY(BasicPacket, max, BasicPacket, detail::maximum(a.v[i], b.v[i]))
#if WICK_PACKET_WIDTH >= 4
  /// As the functions of scalar.hpp, by one instruction.
  WICK_PACKET_UNARY(BasicPacket, round, BasicPacket, detail::nearest_integer(a.v[i]))
  WICK_PACKET_UNARY(BasicPacket, floor, BasicPacket, detail::lower_integer(a.v[i]))
#endif
  // A packet whose address is taken lives in memory. Calls get and give copies made register by register, so that the
  // packets of the caller stay in registers.
  WICK_PACKET_UNARY(BasicPacket, own, BasicPacket, a.v[i])
};

/// As many booleans.
template <int N>
struct BasicMask {
  detail::NativeMask v[static_cast<std::size_t>(N)];

  BasicMask() = default;
  WICK_INLINE BasicMask(bool x) {
    const detail::NativeMask same = detail::mask_splat(x);
    WICK_EACH(v[i] = same)
  }
  /// Bit i of the result is lane i.
  WICK_INLINE unsigned bits() const {
    unsigned r = 0;
    WICK_EACH(r |= detail::mask_lanes(v[i]) << (i * detail::native_lanes))
    return r;
  }
  WICK_INLINE bool lane(Index i) const { return ((bits() >> i) & 1u) != 0; }

  WICK_PACKET_BINARY(BasicMask, operator&, BasicMask, detail::mask_and(a.v[i], b.v[i]))
  WICK_PACKET_BINARY(BasicMask, operator|, BasicMask, detail::mask_or(a.v[i], b.v[i]))
  WICK_PACKET_BINARY(BasicMask, operator^, BasicMask, detail::mask_xor(a.v[i], b.v[i]))
  WICK_PACKET_UNARY(BasicMask, operator!, BasicMask, detail::mask_not(a.v[i]))
  /// True if any lane is.
  WICK_INLINE friend bool any(const BasicMask& m) {
    detail::NativeMask r = m.v[0];  // or first, test once
    WICK_EACH(if (i > 0) r = detail::mask_or(r, m.v[i]))
    return detail::mask_lanes(r) != 0;
  }
  /// True if every lane is.
  WICK_INLINE friend bool all(const BasicMask& m) { return !any(!m); }
};

/// The bit patterns of as many doubles, with 64-bit modular arithmetic.
template <int N>
struct BasicBits {
  detail::NativeBits v[static_cast<std::size_t>(N)];

  BasicBits() = default;
  WICK_INLINE BasicBits(detail::Word x) {
    const detail::NativeBits same = detail::splat_bits(x);
    WICK_EACH(v[i] = same)
  }
  WICK_PACKET_UNARY(BasicPacket<N>, from_bits, BasicBits, detail::from_bits(a.v[i]))
  WICK_PACKET_BINARY(BasicBits, operator+, BasicBits, a.v[i] + b.v[i])
  WICK_PACKET_BINARY(BasicBits, operator-, BasicBits, a.v[i] - b.v[i])
  WICK_PACKET_BINARY(BasicBits, operator&, BasicBits, (a.v[i] & b.v[i]))
  WICK_PACKET_BINARY(BasicBits, operator|, BasicBits, a.v[i] | b.v[i])
  WICK_PACKET_BINARY(BasicBits, operator^, BasicBits, a.v[i] ^ b.v[i])
};
template <int Count, int N>
WICK_INLINE BasicBits<N> shift_left(const BasicBits<N>& a) {
  BasicBits<N> r;
  WICK_EACH(r.v[i] = a.v[i] << Count)
  return r;
}
template <int Count, int N>
WICK_INLINE BasicBits<N> shift_right(const BasicBits<N>& a) {
  BasicBits<N> r;
  WICK_EACH(r.v[i] = a.v[i] >> Count)
  return r;
}

#undef WICK_PACKET_UNARY
#undef WICK_PACKET_BINARY
#undef WICK_EACH
#undef WICK_AT

/// Eight doubles, and what belongs to them.
using Packet = BasicPacket<detail::native_count>;
using PacketMask = Packet::Mask;
using PacketBits = Packet::Bits;
/// What a loop with a long body works on at a time.
using PacketPart = Packet::Part;

/// The sum of the lanes, always as (0+4 + 2+6) + (1+5 + 3+7).
WICK_INLINE double sum(const Packet& a) { return detail::lane_sum(a.v); }
/// The product of the lanes, in the same order.
WICK_INLINE double product(const Packet& a) {
  double x[8];
  a.store(x);
  return ((x[0] * x[4]) * (x[2] * x[6])) * ((x[1] * x[5]) * (x[3] * x[7]));
}
/// The sums, or products, of eight rows of n elements, 8 <= n: packets of a row in turn, their lanes as above, then the others in turn.
template <bool Product>
WICK_INLINE Packet joined_rows(const double* x, Index n) {
  const auto join = [](const auto& a, const auto& b) WICK_LAMBDA_INLINE {
    if constexpr (Product)
      return a * b;
    else
      return a + b;
  };
  Packet p0 = Packet::load(x), p1 = Packet::load(x + n), p2 = Packet::load(x + 2 * n), p3 = Packet::load(x + 3 * n), p4 = Packet::load(x + 4 * n),
         p5 = Packet::load(x + 5 * n), p6 = Packet::load(x + 6 * n), p7 = Packet::load(x + 7 * n);
  Index i = 8;
  for (; i + 8 <= n; i += 8) {
    const double* y = x + i;
    p0 = join(p0, Packet::load(y));
    p1 = join(p1, Packet::load(y + n));
    p2 = join(p2, Packet::load(y + 2 * n));
    p3 = join(p3, Packet::load(y + 3 * n));
    p4 = join(p4, Packet::load(y + 4 * n));
    p5 = join(p5, Packet::load(y + 5 * n));
    p6 = join(p6, Packet::load(y + 6 * n));
    p7 = join(p7, Packet::load(y + 7 * n));
  }
#if WICK_PACKET_WIDTH == 8
  const detail::Native rows[8] = {p0.v[0], p1.v[0], p2.v[0], p3.v[0], p4.v[0], p5.v[0], p6.v[0], p7.v[0]};
  Packet r;
  r.v[0] = detail::lanes_joined(rows, join);
#else
  const auto one = [](const Packet& p) WICK_LAMBDA_INLINE { return Product ? product(p) : sum(p); };
  const double rows[8] = {one(p0), one(p1), one(p2), one(p3), one(p4), one(p5), one(p6), one(p7)};
  Packet r = Packet::load(rows);
#endif
  Packet tail(Product ? 1.0 : 0.0);
  for (; i < n; ++i) tail = join(tail, Packet::gather(x + i, n));
  return join(r, tail);
}

}  // namespace wick::inline WICK_ABI::math
