/// \file
/// Elementwise operations: the kernels that operations plug into the one driver, and how it evaluates them.
#pragma once

#include <cmath>

#include <wick/ad/loops.hpp>
#include <wick/ad/result.hpp>
#include <wick/ad/second_pointwise.hpp>

namespace wick::inline WICK_ABI::detail {

/// How adjoints flow: by the operation's own kernel, or, where the partials are ±1 or the other operand, without one.
enum class Pull : std::uint8_t { kernel, add, sub, neg, mul };

/// What a kernel of partials works on: packets of the adjoint, the result and the operands.
struct ElementPull {
  const double *g, *out;
  Index g_step;  ///< 8, or 0 where the adjoint is one number
  const double* in[3];
  Index step[3];
  double* d[3];
  bool fresh[3];  ///< `d[k]` has no value yet
};

/// An elementwise operation: scalar and packet forms of its value and of its partials.
///
/// `forward` fills `packets` packets of `out`; operand k advances by `step[k]` (8, or 0 where it is fixed: then its
/// packet is filled with one number). `partials` adds g · partial to `d[k]` where that is not null. Tails,
/// broadcasting and sums are the driver's.
struct ElementFns {
  const char* name;
  unsigned arity;
  bool smooth;  ///< false: the result is varying at most (comparisons, floor)
  Op op;        ///< the rank-0 opcode, or `first_function` for one from the table
  Pull pull;
  ScalarFn scalar;
  void (*forward)(Index packets, double* out, const double* const* in, const Index* step);
  void (*partials)(Index packets, const ElementPull& p);
  unsigned live;  ///< operands that have a derivative, bit by bit
};

template <class F, unsigned Arity>
constexpr unsigned element_live() {
  if constexpr (requires { F::live; })
    return F::live;
  else
    return (1u << Arity) - 1u;
}

template <class F, unsigned Arity>
void element_forward(Index packets, double* out, const double* const* in, const Index* step) {
  const double *a = in[0], *b = Arity > 1 ? in[1] : a, *c = Arity > 2 ? in[2] : a;
  using V = math::PacketPart;
  constexpr Index parts = Packet::parts;
  const Index sa = step[0] / parts, sb = Arity > 1 ? step[1] / parts : 0, sc = Arity > 2 ? step[2] / parts : 0;
  if constexpr (Arity > 2) {
    if (sb == 0 && sc == 0) {  // two numbers, as the bounds of clamp: what is asked of them alone is asked once
      const V y = V::load(b), z = V::load(c);
      for (Index left = packets * parts; left > 0; --left, out += V::lanes, a += sa) F::f(V::load(a), y, z).store(out);
      return;
    }
  }
  for (Index left = packets * parts; left > 0; --left, out += V::lanes, a += sa, b += sb, c += sc) {
    if constexpr (Arity == 1)
      F::f(V::load(a)).store(out);
    else if constexpr (Arity == 2)
      F::f(V::load(a), V::load(b)).store(out);
    else
      F::f(V::load(a), V::load(b), V::load(c)).store(out);
  }
}

/// Adds g · partial; an adjoint of 0 leaves no trace.
template <class V>
WICK_INLINE void add_partial(double* to, bool fresh, const V& g, const V& d) {
  const V was = fresh ? V(0.0) : V::load(to);
  (was + where(g == V(0.0), V(0.0), d)).store(to);
}
template <class F, unsigned Arity>
void element_partials(Index packets, const ElementPull& p) {
  using V = math::PacketPart;
  constexpr Index parts = Packet::parts;
  const double *g = p.g, *out = p.out, *a = p.in[0], *b = p.in[Arity > 1 ? 1 : 0], *c = p.in[Arity > 2 ? 2 : 0];
  const Index sg = p.g_step / parts, sa = p.step[0] / parts, sb = Arity > 1 ? p.step[1] / parts : 0, sc = Arity > 2 ? p.step[2] / parts : 0, n = 8 * packets;
  double* const d[] = {p.d[0], p.d[Arity > 1 ? 1 : 0], p.d[Arity > 2 ? 2 : 0]};
  const bool fresh[] = {p.fresh[0], p.fresh[Arity > 1 ? 1 : 0], p.fresh[Arity > 2 ? 2 : 0]};
  for (Index i = 0; i < n; i += V::lanes, g += sg, a += sa, b += sb, c += sc) {
    const V gi = V::load(g), x = V::load(a);
    if constexpr (Arity == 1) {
      add_partial(d[0] + i, fresh[0], gi, F::d(gi, x, V::load(out + i)));
    } else if constexpr (Arity == 2) {
      if (d[0] != nullptr) add_partial(d[0] + i, fresh[0], gi, F::da(gi, x, V::load(b), V::load(out + i)));
      if (d[1] != nullptr) add_partial(d[1] + i, fresh[1], gi, F::db(gi, x, V::load(b), V::load(out + i)));
    } else if constexpr (element_live<F, Arity>() == 0b111u) {
      const V y = V::load(b), z = V::load(c);
      if (d[0] != nullptr) add_partial(d[0] + i, fresh[0], gi, F::da(gi, x, y, z));
      if (d[1] != nullptr) add_partial(d[1] + i, fresh[1], gi, F::db(gi, x, y, z));
      if (d[2] != nullptr) add_partial(d[2] + i, fresh[2], gi, F::dc(gi, x, y, z));
    } else {  // where(c, a, b): the condition has no derivative
      if (d[1] != nullptr) add_partial(d[1] + i, fresh[1], gi, F::da(gi, x));
      if (d[2] != nullptr) add_partial(d[2] + i, fresh[2], gi, F::db(gi, x));
    }
  }
}

template <class F, unsigned Arity>
double element_scalar(double a, double b) {
  if constexpr (Arity == 1)
    return static_cast<void>(b), F::f(Scalar{a}).v;
  else
    return F::f(Scalar{a}, Scalar{b}).v;
}
template <class F, unsigned Arity>
void element_scalar_adjoint(double g, double a, double b, double y, double* da, double* db) {
  if constexpr (Arity == 1) {
    static_cast<void>(b), static_cast<void>(db);
    if (da != nullptr) *da += F::d(Scalar{g}, Scalar{a}, Scalar{y}).v;
  } else {
    if (da != nullptr) *da += F::da(Scalar{g}, Scalar{a}, Scalar{b}, Scalar{y}).v;
    if (db != nullptr) *db += F::db(Scalar{g}, Scalar{a}, Scalar{b}, Scalar{y}).v;
  }
}

#if defined(WICK_SECOND_ORDER)
template <class F>
struct ElementFormula {
  auto operator()(const auto&... x) const { return F::f(x...); }
};
template <class F, unsigned Arity>
WICK_COLD void element_second(const void*, SecondPoint& s) {
  second_point<ElementFormula<F>, element_live<F, Arity>()>({}, s, std::make_index_sequence<Arity>{});
}
#endif

/// Describes the smooth operation `F` (with `f` and `d`, or `da` and `db`).
template <class F, unsigned Arity>
constexpr ElementFns smooth_op(const char* name, Op op = Op::first_function) {
  return {name, Arity, true, op, Pull::kernel, {&element_scalar<F, Arity>, &element_scalar_adjoint<F, Arity>, {}, WICK_SECOND(&element_second<F, Arity>)},
          &element_forward<F, Arity>, &element_partials<F, Arity>, element_live<F, Arity>()};
}
/// Describes one of three operands, with `da`, `db` and `dc`, or, where the first has no derivative, `da` and `db` of the others.
template <class F>
constexpr ElementFns ternary_op(const char* name) {
  return {name, 3, true, Op::first_function, Pull::kernel, {nullptr, nullptr, {}, WICK_SECOND(&element_second<F, 3>)},
          &element_forward<F, 3>, &element_partials<F, 3>, element_live<F, 3>()};
}
/// Describes one whose adjoint needs no kernel, with an opcode of its own.
template <class F, unsigned Arity>
constexpr ElementFns plain_op(const char* name, Op op, Pull pull) {
  return {name, Arity, true, op, pull, {&element_scalar<F, Arity>, nullptr, {}, WICK_SECOND(&element_second<F, Arity>)},
          &element_forward<F, Arity>, nullptr, element_live<F, Arity>()};
}
/// Describes an operation without derivative.
template <class F, unsigned Arity>
constexpr ElementFns flat_op(const char* name) {
  return {name, Arity, false, Op::first_function, Pull::kernel, {&element_scalar<F, Arity>, nullptr}, &element_forward<F, Arity>, nullptr, 0};
}

struct ElementPayload {
  const OpFns* fns;
  const ElementFns* element;
  std::uint32_t in[3];
};

/// The operands of an elementwise operation as they are stored.
struct ElementOperands {
  const double* data[3];
  const Shape* shape[3];
  Index numel[3];
  /// Whether every operand is one number or covers all `n` elements: then one run does it.
  bool plain(unsigned arity, Index n) const noexcept {
    for (unsigned k = 0; k < arity; ++k)
      if (numel[k] != 1 && numel[k] != n) return false;
    return true;
  }
};
inline ElementOperands element_operands(Tape& tape, const ElementPayload& p) {
  ElementOperands in;
  for (unsigned k = 0; k < p.element->arity; ++k) {
    in.data[k] = tape.data(p.in[k]);
    in.shape[k] = &tape.shape(p.in[k]);
    in.numel[k] = tape.numel(p.in[k]);
  }
  return in;
}

/// The operands of one run as kernels want them: fixed ones filled to a packet.
struct ElementRun {
  const double* at[3];
  Index step[3];
  alignas(64) double room[3][8];

  void set(unsigned k, const double* data, bool moves) {
    at[k] = data;
    step[k] = moves ? 8 : 0;
    if (moves) return;
    Packet(*data).store(room[k]);
    at[k] = room[k];
  }
  /// Turns to the last `n` < 8 elements, from `full` on.
  void turn_to_tail(unsigned arity, Index full, Index n) {
    for (unsigned k = 0; k < arity; ++k) {
      if (step[k] == 0) continue;
      pad(room[k], at[k] + full, n);
      at[k] = room[k];
    }
  }
};

/// The value over one run.
inline void element_forward_run(const ElementFns& f, ElementRun& r, Index n, double* out) {
  const Index full = n & ~Index{7};
  if (full > 0) f.forward(full / 8, out, r.at, r.step);
  if (full == n) return;
  alignas(64) double tail[8];
  r.turn_to_tail(f.arity, full, n - full);
  f.forward(1, tail, r.at, r.step);
  for (Index i = full; i < n; ++i) out[i] = tail[i - full];
}

/// Short runs are worked out several at a time: operands that broadcast are copied out for so many elements of the result.
inline constexpr Index kTile = 256, kShortRun = 64;
class ElementTiles {
 public:
  /// Along `walk`, which has not begun.
  ElementTiles(unsigned arity, Walk& walk, Index n, const ElementOperands& in) : walk_(walk), arity_(arity), n_(n), in_(in) {
    width_ = walk_.length();
    for (unsigned k = 0; k < arity; ++k) {
      copied_[k] = in.numel[k] != n && in.numel[k] != 1;
      same_[k] = copied_[k] && walk_.same(k);
      walks_ = walks_ || (copied_[k] && !same_[k]);
    }
  }
  bool live() const noexcept { return done_ < n_; }
  Index width() const noexcept { return width_; }
  Index done() const noexcept { return done_; }
  Index runs() const noexcept { return runs_; }
  bool copied(unsigned k) const noexcept { return copied_[k]; }
  bool same(unsigned k) const noexcept { return same_[k]; }
  /// The operands of the next elements; returns how many. `next` goes on.
  Index load(ElementRun& r) {
    const Index left = (n_ - done_) / width_, most = kTile / width_, whole = most >= 8 ? most & ~Index{7} : most;  // then packets are full
    runs_ = whole < left ? whole : left;
    if (done_ == 0)
      for (unsigned k = 0; k < arity_; ++k)
        if (same_[k]) repeat(room_[k], in_.data[k]);
    for (Index c = 0; walks_ && c < runs_; ++c) {
      for (unsigned k = 0; k < arity_; ++k)
        if (copied_[k] && !same_[k]) copy(room_[k] + c * width_, in_.data[k] + walk_.offset(k), walk_.step(k));
      walk_.next();
    }
    for (unsigned k = 0; k < arity_; ++k) r.set(k, copied_[k] ? room_[k] : in_.data[k] + (in_.numel[k] == 1 ? 0 : done_), in_.numel[k] != 1);
    return runs_ * width_;
  }
  void next() noexcept { done_ += runs_ * width_; }

 private:
  /// One run; what is written past its end is written over by the next, or lies in the room's margin.
  void copy(double* to, const double* from, bool moves) const {
    for (Index j = 0; j < width_; j += 8) load_at(from, moves, j, width_).store(to + j);
  }
  /// A row that is the same in every run, as often as the tile has runs.
  void repeat(double* to, const double* from) const {
    copy(to, from, true);
    const Index all = runs_ * width_;
    for (Index have = width_; have < all; have *= 2)
      for (Index j = 0; j < have && have + j < all; j += 8) Packet::load(to + j).store(to + have + j);
  }
  Walk& walk_;
  unsigned arity_;
  Index n_, width_ = 0, done_ = 0, runs_ = 0;
  bool copied_[3], same_[3], walks_ = false;
  const ElementOperands& in_;
  alignas(64) double room_[3][kTile + 8];
};
WICK_NOINLINE inline void element_run_tiles(const ElementFns& f, double* out, Walk& w, Index n, const ElementOperands& in) {
  ElementRun r;
  for (ElementTiles tiles(f.arity, w, n, in); tiles.live(); tiles.next()) element_forward_run(f, r, tiles.load(r), out + tiles.done());
}

/// The value of an elementwise operation of `n` elements into `out`, eager and re-run alike.
WICK_NOINLINE inline void element_run(const ElementFns& f, double* out, const Shape& shape, Index n,
                                      const ElementOperands& in) {
  ElementRun r;
  if (WICK_LIKELY(in.plain(f.arity, n))) {
    if (n == 0) return;
    for (unsigned k = 0; k < f.arity; ++k) r.set(k, in.data[k], in.numel[k] != 1);
    return element_forward_run(f, r, n, out);
  }
  Walk w(shape, in.shape, f.arity);
  if (w.live() && w.length() <= kShortRun) return element_run_tiles(f, out, w, n, in);
  for (; w.live(); w.next()) {
    for (unsigned k = 0; k < f.arity; ++k) r.set(k, in.data[k] + w.offset(k), w.step(k));
    element_forward_run(f, r, w.length(), out);
    out += w.length();
  }
}

}  // namespace wick::inline WICK_ABI::detail
