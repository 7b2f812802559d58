/// \file
/// `Scalar`: a double with the interface of `Packet`, so that one generic formula serves both; and what is common to
/// the two.
#pragma once

#include <wick/math/packet.hpp>

namespace wick::inline WICK_ABI::math {

struct ScalarBits;

/// One boolean; converts both ways, its own type so that `&` and `|` of masks are one spelling for packets and scalars.
struct ScalarMask {
  bool v;
  ScalarMask() = default;
  WICK_INLINE ScalarMask(bool x) : v(x) {}
  WICK_INLINE operator bool() const { return v; }
};

/// One double.
struct Scalar {
  using Mask = ScalarMask;
  using Bits = ScalarBits;
  using Argument = Scalar;
  using Part = Scalar;
  static constexpr int lanes = 1;

  double v;

  Scalar() = default;
  WICK_INLINE Scalar(double x) : v(x) {}
  WICK_INLINE static Scalar load(const double* p) { return *p; }
  WICK_INLINE void store(double* p) const { *p = v; }
  WICK_INLINE double lane(Index) const { return v; }
  WICK_INLINE void set_lane(Index, double x) { v = x; }
};

/// The bit pattern of a double.
struct ScalarBits {
  detail::Word v;
  ScalarBits() = default;
  WICK_INLINE ScalarBits(detail::Word x) : v(x) {}
};

WICK_INLINE Scalar operator+(Scalar a, Scalar b) { return a.v + b.v; }
WICK_INLINE Scalar operator-(Scalar a, Scalar b) { return a.v - b.v; }
WICK_INLINE Scalar operator*(Scalar a, Scalar b) { return a.v * b.v; }
WICK_INLINE Scalar operator/(Scalar a, Scalar b) { return a.v / b.v; }
WICK_INLINE Scalar operator-(Scalar a) { return -a.v; }
WICK_INLINE Scalar operator+(Scalar a) { return a; }
WICK_INLINE Scalar& operator+=(Scalar& a, Scalar b) { return a = a + b; }
WICK_INLINE Scalar& operator-=(Scalar& a, Scalar b) { return a = a - b; }
WICK_INLINE Scalar& operator*=(Scalar& a, Scalar b) { return a = a * b; }
WICK_INLINE Scalar& operator/=(Scalar& a, Scalar b) { return a = a / b; }
WICK_INLINE ScalarMask operator<(Scalar a, Scalar b) { return a.v < b.v; }
WICK_INLINE ScalarMask operator<=(Scalar a, Scalar b) { return a.v <= b.v; }
WICK_INLINE ScalarMask operator>(Scalar a, Scalar b) { return a.v > b.v; }
WICK_INLINE ScalarMask operator>=(Scalar a, Scalar b) { return a.v >= b.v; }
WICK_INLINE ScalarMask operator==(Scalar a, Scalar b) { return a.v == b.v; }
WICK_INLINE ScalarMask operator!=(Scalar a, Scalar b) { return a.v != b.v; }

WICK_INLINE ScalarMask operator&(ScalarMask a, ScalarMask b) { return a.v && b.v; }
WICK_INLINE ScalarMask operator|(ScalarMask a, ScalarMask b) { return a.v || b.v; }
WICK_INLINE ScalarMask operator^(ScalarMask a, ScalarMask b) { return a.v != b.v; }
WICK_INLINE ScalarMask operator!(ScalarMask a) { return !a.v; }
WICK_INLINE bool any(ScalarMask m) { return m.v; }
WICK_INLINE bool all(ScalarMask m) { return m.v; }
WICK_INLINE Scalar where(ScalarMask m, Scalar a, Scalar b) { return m.v ? a : b; }

WICK_INLINE ScalarBits to_bits(Scalar a) {
  ScalarBits r;
  std::memcpy(&r.v, &a.v, sizeof r.v);
  return r;
}
WICK_INLINE Scalar from_bits(ScalarBits a) {
  Scalar r;
  std::memcpy(&r.v, &a.v, sizeof r.v);
  return r;
}
WICK_INLINE ScalarBits operator+(ScalarBits a, ScalarBits b) { return a.v + b.v; }
WICK_INLINE ScalarBits operator-(ScalarBits a, ScalarBits b) { return a.v - b.v; }
WICK_INLINE ScalarBits operator&(ScalarBits a, ScalarBits b) { return a.v & b.v; }
WICK_INLINE ScalarBits operator|(ScalarBits a, ScalarBits b) { return a.v | b.v; }
WICK_INLINE ScalarBits operator^(ScalarBits a, ScalarBits b) { return a.v ^ b.v; }
template <int Count>
WICK_INLINE ScalarBits shift_left(ScalarBits a) {
  return a.v << Count;
}
template <int Count>
WICK_INLINE ScalarBits shift_right(ScalarBits a) {
  return a.v >> Count;
}

WICK_INLINE double sum(Scalar a) { return a.v; }
WICK_INLINE Scalar sqrt(Scalar a) { return detail::square_root_of_one(a.v); }
WICK_INLINE Scalar min(Scalar a, Scalar b) { return a.v < b.v ? a : b; }
WICK_INLINE Scalar max(Scalar a, Scalar b) { return a.v > b.v ? a : b; }
WICK_INLINE Scalar own(Scalar a) { return a; }

namespace detail {

/// f(x...), f being a function that is not inlined: of one part after the other.
template <class V>
WICK_INLINE V outline(typename V::Part (*f)(typename V::Part::Argument), const V& x) {
  if constexpr (V::lanes == V::Part::lanes) {
    const V in = own(x);
    const V out = f(in);
    return own(out);
  } else {
    V r;
    for (int i = 0; i < V::parts; ++i) r.set_part(i, f(x.part(i)));
    return r;
  }
}
template <class V>
WICK_INLINE V outline(typename V::Part (*f)(typename V::Part::Argument, typename V::Part::Argument), const V& x,
                      const V& y) {
  if constexpr (V::lanes == V::Part::lanes) {
    const V in = own(x);
    const V second = own(y);
    const V out = f(in, second);
    return own(out);
  } else {
    V r;
    for (int i = 0; i < V::parts; ++i) r.set_part(i, f(x.part(i), y.part(i)));
    return r;
  }
}
template <class V>
WICK_INLINE V outline(typename V::Part (*f)(typename V::Part::Argument, typename V::Part&), const V& x, V& other) {
  if constexpr (V::lanes == V::Part::lanes) {
    const V in = own(x);
    V second;
    const V out = f(in, second);
    other = own(second);
    return own(out);
  } else {
    V r;
    for (int i = 0; i < V::parts; ++i) {
      typename V::Part second;
      r.set_part(i, f(x.part(i), second));
      other.set_part(i, second);
    }
    return r;
  }
}

}  // namespace detail

/// A number type that is not differentiated: `Packet` or `Scalar`.
template <class V>
concept Plain = requires {
  typename V::Bits;
};

namespace detail {
inline constexpr Word sign_bit = Word{1} << 63;
}

/// |a|; clears the sign of zeros, infinities and NaNs too.
template <Plain V>
WICK_INLINE V abs(const V& a) {
  return from_bits(to_bits(a) & typename V::Bits(~detail::sign_bit));
}

/// The magnitude of `a` with the sign of `s`.
template <Plain V>
WICK_INLINE V copysign(const V& a, const V& s) {
  using B = typename V::Bits;
  return from_bits((to_bits(a) & B(~detail::sign_bit)) | (to_bits(s) & B(detail::sign_bit)));
}

template <Plain V>
WICK_INLINE V square(const V& a) {
  return a * a;
}

/// The nearest integer, ties to even; zeros come without sign. From 2^52 on doubles have no fraction.
template <Plain V>
WICK_INLINE V round(const V& a) {
  const V shift = 4503599627370496.0;  // 2^52: the sum has no room for a fraction
  const V size = abs(a);
  return where(size < shift, copysign((size + shift) - shift, a) + V(0.0), a);
}

/// The largest integer <= a.
template <Plain V>
WICK_INLINE V floor(const V& a) {
  const V r = round(a);
  return where(r > a, r - 1.0, r);
}

/// The larger and the smaller of two; NaN if either is NaN.
template <Plain V>
WICK_INLINE V larger(const V& a, const V& b) {
  return where(a == a, max(a, b), a);
}
template <Plain V>
WICK_INLINE V smaller(const V& a, const V& b) {
  return where(a == a, min(a, b), a);
}

}  // namespace wick::inline WICK_ABI::math
