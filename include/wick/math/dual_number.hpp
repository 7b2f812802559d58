/// \file
/// `Dual<V, Live>`: a number with its partial derivatives, for a set of inputs known at compile time.
///
/// Lane i of a dual is the partial derivative with respect to input i. `Live` is the set of lanes (bit i) that may
/// differ from zero; only those are stored and computed, because a compiler may not drop `0 * x`. A result is live
/// where any operand is. `V` is `Packet`, `Scalar` or itself a dual (second order).
#pragma once

#include <type_traits>
#include <utility>

#include <wick/math/scalar.hpp>

namespace wick::inline WICK_ABI::math {

namespace detail {

constexpr int count_lanes(unsigned live) {
  int n = 0;
  for (; live != 0; live &= live - 1) ++n;
  return n;
}
/// Where the partial of input `lane` is stored.
constexpr int slot_of(unsigned live, int lane) { return count_lanes(live & ((1u << lane) - 1u)); }
/// The input whose partial is stored in `slot`.
constexpr int lane_of(unsigned live, int slot) {
  int lane = 0;
  for (; slot > 0 || !((live >> lane) & 1u); ++lane) slot -= static_cast<int>((live >> lane) & 1u);
  return lane;
}
constexpr bool is_live(unsigned live, int lane) { return ((live >> lane) & 1u) != 0; }

/// Partials of single numbers with respect to many inputs, as in the steps of a scan, are worked on a register at a time: lane by lane a compiler makes
/// vectors of some and not of others, and the processor waits for stores of one size to be read in another.
using Register = BasicPacket<1>;
constexpr bool many_partials(int count) { return count > 5; }
constexpr int partials_room(int count) { return (count + Register::lanes - 1) / Register::lanes * Register::lanes; }
template <class V, unsigned Live>
inline constexpr bool in_registers = std::is_same_v<V, Scalar> && many_partials(count_lanes(Live)) && (Live & (Live + 1u)) == 0;

template <class V, int Count>
struct Partials {
  V d[static_cast<std::size_t>(Count)];
};
template <int Count>
requires(many_partials(Count)) struct Partials<Scalar, Count> {
  static constexpr int room = partials_room(Count);
  alignas(sizeof(Native)) Scalar d[static_cast<std::size_t>(room)];
  Partials() = default;
  WICK_INLINE Partials(const Partials& o) { copy(o, Registers()); }
  WICK_INLINE Partials& operator=(const Partials& o) {
    copy(o, Registers());
    return *this;
  }
  // Indices written out: at -O2 a compiler does not unroll loops.
  using Registers = std::make_integer_sequence<int, room / Register::lanes>;
  WICK_INLINE Register part(int i) const { return Register::load(&d[0].v + i * Register::lanes); }
  WICK_INLINE void set_part(int i, const Register& x) { x.store(&d[0].v + i * Register::lanes); }

 private:
  template <int... I>
  WICK_INLINE void copy(const Partials& o, std::integer_sequence<int, I...>) {
    (set_part(I, o.part(I)), ...);
  }
};
template <class V>
struct Partials<V, 0> {};

}  // namespace detail

/// A value of type V and its partial derivatives with respect to the inputs in `Live`.
template <class V, unsigned Live>
struct Dual : detail::Partials<V, detail::count_lanes(Live)> {
  using Value = V;
  static constexpr unsigned live = Live;
  static constexpr int count = detail::count_lanes(Live);

  V v;

  Dual() = default;

  /// A constant: all partials zero. Implicit where nothing is live, so that no work is added unseen.
  WICK_INLINE explicit(Live != 0) Dual(const V& value) : v(value) { clear(std::make_integer_sequence<int, detail::in_registers<V, Live> ? detail::partials_room(count) : count>()); }
  /// Implicit always: a dual that is itself the V of another must be able to stand for a literal.
  WICK_INLINE Dual(double value) requires(!std::is_same_v<V, double>) : Dual(V(value)) {}

  /// The same number with more lanes live (zero partials).
  template <unsigned Less>
  requires(Less != Live && (Less & ~Live) == 0) WICK_INLINE Dual(const Dual<V, Less>& x) : Dual(x.v) {
    widen(x, std::make_integer_sequence<int, Dual<V, Less>::count>());
  }

 private:
  template <int... Slot>
  WICK_INLINE void clear(std::integer_sequence<int, Slot...>) {
    ((this->d[Slot] = V(0.0)), ...);
  }
  template <unsigned Less, int... Slot>
  WICK_INLINE void widen(const Dual<V, Less>& x, std::integer_sequence<int, Slot...>) {
    ((this->d[detail::slot_of(Live, detail::lane_of(Less, Slot))] = x.d[Slot]), ...);
  }
};

/// The value without partials: of a dual its `v`, of anything else the thing itself.
template <class V, unsigned L>
WICK_INLINE const V& value_of(const Dual<V, L>& x) {
  return x.v;
}
template <Plain V>
WICK_INLINE const V& value_of(const V& x) {
  return x;
}
WICK_INLINE double value_of(double x) { return x; }

/// The partial derivative with respect to input `Lane`; zero where it is not live.
template <int Lane, class V, unsigned L>
WICK_INLINE V partial(const Dual<V, L>& x) {
  if constexpr (detail::is_live(L, Lane)) {
    return x.d[detail::slot_of(L, Lane)];
  } else {
    return V(0.0);
  }
}
template <int Lane, Plain V>
WICK_INLINE V partial(const V&) {
  return V(0.0);
}

/// Input number `Lane` of a function to be differentiated: partial one in its own lane.
template <int Lane, class V>
WICK_INLINE Dual<V, (1u << Lane)> variable(const V& value) {
  Dual<V, (1u << Lane)> r;
  r.v = value;
  r.d[0] = V(1.0);
  return r;
}

namespace detail {

// Coefficients of the chain rule that cost nothing.
struct One {};
struct MinusOne {};

template <class V>
WICK_INLINE const V& times(One, const V& d) {
  return d;
}
template <class V>
WICK_INLINE V times(MinusOne, const V& d) {
  return -d;
}
template <class V>
WICK_INLINE V times(const V& c, const V& d) {
  return c * d;
}

template <int Lane, class V, unsigned A, class Ca, unsigned B, class Cb>
WICK_INLINE V combine_lane(const Dual<V, A>& a, const Ca& ca, const Dual<V, B>& b, const Cb& cb) {
  if constexpr (is_live(A, Lane) && is_live(B, Lane)) {
    return times(ca, a.d[slot_of(A, Lane)]) + times(cb, b.d[slot_of(B, Lane)]);
  } else if constexpr (is_live(A, Lane)) {
    return times(ca, a.d[slot_of(A, Lane)]);
  } else {
    return times(cb, b.d[slot_of(B, Lane)]);
  }
}

template <class V, unsigned A, class Ca, unsigned B, class Cb, int... Slot>
WICK_INLINE void combine_into(Dual<V, (A | B)>& r, const Dual<V, A>& a, const Ca& ca, const Dual<V, B>& b, const Cb& cb,
                              std::integer_sequence<int, Slot...>) {
  ((r.d[Slot] = combine_lane<lane_of(A | B, Slot)>(a, ca, b, cb)), ...);
}

template <class C>
WICK_INLINE const C& in_register(const C& c) {
  return c;
}
WICK_INLINE Register in_register(Scalar c) { return c.v; }
template <unsigned A, class Ca, unsigned B, class Cb>
WICK_INLINE Register combine_part(int i, const Dual<Scalar, A>& a, const Ca& ca, const Dual<Scalar, B>& b, const Cb& cb) {
  if constexpr (A == B)
    return times(ca, a.part(i)) + times(cb, b.part(i));
  else if constexpr (B == 0)
    return times(ca, a.part(i));
  else
    return times(cb, b.part(i));
}
template <unsigned L, unsigned A, class Ca, unsigned B, class Cb, int... I>
WICK_INLINE void combine_parts(Dual<Scalar, L>& r, const Dual<Scalar, A>& a, const Ca& ca, const Dual<Scalar, B>& b, const Cb& cb, std::integer_sequence<int, I...>) {
  (r.set_part(I, combine_part(I, a, ca, b, cb)), ...);
}

/// The chain rule for f(a, b) with value `v` and partial derivatives `ca`, `cb`.
template <class V, unsigned A, class Ca, unsigned B, class Cb>
WICK_INLINE Dual<V, (A | B)> combine(const V& v, const Dual<V, A>& a, const Ca& ca, const Dual<V, B>& b, const Cb& cb) {
  Dual<V, (A | B)> r;
  r.v = v;
  if constexpr (in_registers<V, (A | B)> && (A == B || A == 0 || B == 0)) {
    combine_parts(r, a, in_register(ca), b, in_register(cb), typename Dual<V, (A | B)>::Registers());
  } else {
    combine_into(r, a, ca, b, cb, std::make_integer_sequence<int, count_lanes(A | B)>());
  }
  return r;
}

/// The chain rule for f(a) with value `v` and derivative `c`.
template <class V, unsigned A, class C>
WICK_INLINE Dual<V, A> chain(const V& v, const Dual<V, A>& a, const C& c) {
  return combine(v, a, c, Dual<V, 0>(v), One{});
}

}  // namespace detail

namespace detail {

template <class T>
struct Level {
  using Type = T;
};
template <class V, unsigned L>
struct Level<Dual<V, L>> {
  using Type = V;
};

/// `x` as a dual over V. For second derivatives V is a dual itself, and an `x` of that type is a constant.
template <class V, class T>
WICK_INLINE auto as_dual(const T& x) {
  if constexpr (requires { requires std::is_same_v<typename T::Value, V>; })
    return x;
  else
    return Dual<V, 0>(V(x));
}

}  // namespace detail

// For formulas that work out their partial derivatives themselves.

/// The type of values and partial derivatives of what is computed from these.
template <class... T>
using LevelOf = typename detail::Level<decltype((std::declval<const T&>() + ...))>::Type;
/// The value of `x` at level V.
template <class V, class T>
WICK_INLINE V value_at(const T& x) {
  return detail::as_dual<V>(x).v;
}
/// f(a, b) with value `v` and partial derivatives `ca`, `cb` that are known; plain where both arguments are.
template <class V, class A, class B>
WICK_INLINE auto with_partials(const V& v, const A& a, const V& ca, const B& b, const V& cb) {
  const auto r = detail::combine(v, detail::as_dual<V>(a), ca, detail::as_dual<V>(b), cb);
  if constexpr (std::remove_cvref_t<decltype(r)>::live == 0)
    return v;
  else
    return r;
}
/// The same of three arguments.
template <class V, class A, class B, class C>
WICK_INLINE auto with_partials(const V& v, const A& a, const V& ca, const B& b, const V& cb, const C& c, const V& cc) {
  const auto r = detail::combine(v, detail::as_dual<V>(with_partials(v, a, ca, b, cb)), detail::One{}, detail::as_dual<V>(c), cc);
  if constexpr (std::remove_cvref_t<decltype(r)>::live == 0)
    return v;
  else
    return r;
}

template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> operator+(const Dual<V, A>& a, const Dual<V, B>& b) {
  return detail::combine<V>(a.v + b.v, a, detail::One{}, b, detail::One{});
}
template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> operator-(const Dual<V, A>& a, const Dual<V, B>& b) {
  return detail::combine<V>(a.v - b.v, a, detail::One{}, b, detail::MinusOne{});
}
template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> operator*(const Dual<V, A>& a, const Dual<V, B>& b) {
  return detail::combine<V>(a.v * b.v, a, b.v, b, a.v);
}
template <class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> operator/(const Dual<V, A>& a, const Dual<V, B>& b) {
  // The value is the quotient itself, not a product with the reciprocal: the same bits as without partials.
  const V inverse = 1.0 / b.v;
  const V q = a.v / b.v;
  if constexpr (B == 0) {
    return detail::chain(q, a, inverse);
  } else {
    return detail::combine(q, a, inverse, b, V(-(q * inverse)));
  }
}
template <class V, unsigned A>
WICK_INLINE Dual<V, A> operator-(const Dual<V, A>& a) {
  return detail::chain<V>(-a.v, a, detail::MinusOne{});
}
template <class V, unsigned A>
WICK_INLINE const Dual<V, A>& operator+(const Dual<V, A>& a) {
  return a;
}

/// Lane by lane `m ? a : b`, values and partials.
template <class M, class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> where(const M& m, const Dual<V, A>& a, const Dual<V, B>& b);

namespace detail {

template <int Lane, class M, class V, unsigned A, unsigned B>
WICK_INLINE V where_lane(const M& m, const Dual<V, A>& a, const Dual<V, B>& b) {
  return where(m, partial<Lane>(a), partial<Lane>(b));
}
template <class M, class V, unsigned A, unsigned B, int... Slot>
WICK_INLINE void where_into(Dual<V, (A | B)>& r, const M& m, const Dual<V, A>& a, const Dual<V, B>& b,
                            std::integer_sequence<int, Slot...>) {
  ((r.d[Slot] = where_lane<lane_of(A | B, Slot)>(m, a, b)), ...);
}

}  // namespace detail

template <class M, class V, unsigned A, unsigned B>
WICK_INLINE Dual<V, (A | B)> where(const M& m, const Dual<V, A>& a, const Dual<V, B>& b) {
  if constexpr (detail::in_registers<V, (A | B)> && A == B) {
    return m ? a : b;
  } else {
    Dual<V, (A | B)> r;
    r.v = where(m, a.v, b.v);
    detail::where_into(r, m, a, b, std::make_integer_sequence<int, detail::count_lanes(A | B)>());
    return r;
  }
}
template <class M, class V, unsigned A>
WICK_INLINE Dual<V, A> where(const M& m, const Dual<V, A>& a, const std::type_identity_t<V>& b) {
  return where(m, a, Dual<V, 0>(b));
}
template <class M, class V, unsigned B>
WICK_INLINE Dual<V, B> where(const M& m, const std::type_identity_t<V>& a, const Dual<V, B>& b) {
  return where(m, Dual<V, 0>(a), b);
}

// Operations with a constant (a V, or what converts to one, such as a double).
#define WICK_DUAL_MIXED(op)                                                                   \
  template <class V, unsigned A>                                                              \
  WICK_INLINE Dual<V, A> operator op(const Dual<V, A>& a, const std::type_identity_t<V>& b) { \
    return a op Dual<V, 0>(b);                                                                \
  }                                                                                           \
  template <class V, unsigned B>                                                              \
  WICK_INLINE Dual<V, B> operator op(const std::type_identity_t<V>& a, const Dual<V, B>& b) { \
    return Dual<V, 0>(a) op b;                                                                \
  }                                                                                           \
  template <class V, unsigned A, class B>                                                     \
  WICK_INLINE Dual<V, A>& operator op##=(Dual<V, A>& a, const B& b) {                         \
    return a = a op b;                                                                        \
  }
WICK_DUAL_MIXED(+)
WICK_DUAL_MIXED(-)
WICK_DUAL_MIXED(*)
WICK_DUAL_MIXED(/)
#undef WICK_DUAL_MIXED

// Comparisons look at the values.
#define WICK_DUAL_COMPARE(op)                                                           \
  template <class V, unsigned A, unsigned B>                                            \
  WICK_INLINE auto operator op(const Dual<V, A>& a, const Dual<V, B>& b) {              \
    return a.v op b.v;                                                                  \
  }                                                                                     \
  template <class V, unsigned A>                                                        \
  WICK_INLINE auto operator op(const Dual<V, A>& a, const std::type_identity_t<V>& b) { \
    return a.v op b;                                                                    \
  }                                                                                     \
  template <class V, unsigned B>                                                        \
  WICK_INLINE auto operator op(const std::type_identity_t<V>& a, const Dual<V, B>& b) { \
    return a op b.v;                                                                    \
  }
WICK_DUAL_COMPARE(<)
WICK_DUAL_COMPARE(<=)
WICK_DUAL_COMPARE(>)
WICK_DUAL_COMPARE(>=)
WICK_DUAL_COMPARE(==)
WICK_DUAL_COMPARE(!=)
#undef WICK_DUAL_COMPARE

}  // namespace wick::inline WICK_ABI::math
