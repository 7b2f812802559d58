/// \file
/// How adjoints flow through elementwise operations.
#pragma once

#include <wick/ad/element_fns.hpp>

namespace wick::inline WICK_ABI::detail {

inline constexpr Index kPartials = 256;  // partials that are to be summed are worked out in pieces that stay in the fastest memory

/// Where the adjoints of one run come from and go to: operand k to `to[k]`, where that is not null; one that does not move gets a sum.
struct ElementTargets {
  Tape::Arrived g;
  const double* out;
  bool moves[3];
  double* to[3];
  bool fresh[3];
};

/// By the operation's kernel, over at most `kPartials` elements where a sum is wanted.
WICK_NOINLINE inline void element_pull_kernel(const ElementFns& f, Index n, ElementRun& r, const ElementTargets& t) {
  alignas(64) double room[3][kPartials], tail[5][8];
  const Index full = n & ~Index{7};
  ElementPull p;
  p.g = t.g.at;
  p.g_step = t.g.step;
  p.out = t.out;
  for (unsigned k = 0; k < f.arity; ++k) {
    p.in[k] = r.at[k];
    p.step[k] = r.step[k];
    p.d[k] = t.to[k] == nullptr || t.moves[k] ? t.to[k] : room[k];
    p.fresh[k] = t.fresh[k] || !t.moves[k];
  }
  if (full > 0) f.partials(full / 8, p);
  if (full < n) {
    double* d[3];
    if (t.g.step != 0) {
      pad(tail[0], t.g.at + full, n - full);
      p.g = tail[0];
    }
    pad(tail[1], t.out + full, n - full);
    p.out = tail[1];
    r.turn_to_tail(f.arity, full, n - full);
    for (unsigned k = 0; k < f.arity; ++k) {
      p.in[k] = r.at[k];
      d[k] = p.d[k];
      if (d[k] == nullptr) continue;
      p.d[k] = tail[2 + k];
      p.fresh[k] = true;
    }
    f.partials(1, p);
    for (unsigned k = 0; k < f.arity; ++k)
      for (Index i = full; d[k] != nullptr && i < n; ++i) d[k][i] = present_number(d[k] + i, t.fresh[k] || !t.moves[k]) + tail[2 + k][i - full];
  }
  for (unsigned k = 0; k < f.arity; ++k)
    if (t.to[k] != nullptr && !t.moves[k]) *t.to[k] += sum_chunk(room[k], n);
}

/// to += s g p over a run, where p (null: 1) or the receiving operand may be fixed; 0 for g = 0.
WICK_NOINLINE inline void pull_product(Index n, double s, const Tape::Arrived& g, const double* p, bool p_moves, double* to, bool to_moves, bool fresh) {
  alignas(64) double room[8];
  Index p_step = 8;
  if (p != nullptr && !p_moves) {
    if (WICK_LIKELY(std::abs(*p) < kInf)) {
      s *= *p;
      p = nullptr;
    } else {
      Packet(*p).store(room);
      p = room;
      p_step = 0;
    }
  }
  if (to_moves)
    p != nullptr ? add_product(n, g.at, p, to, fresh, g.step, p_step) : add_scaled(n, s, g.at, to, fresh, g.step);
  else if (p != nullptr)
    *to += dot_array(n, g.at, p, g.step, p_step);
  else
    *to += s * (g.step != 0 ? sum_array(g.at, n) : static_cast<double>(n) * *g.at);
}

/// Passes the adjoint of a run on to operand `k`, for operations without a kernel.
inline void element_pull_plain(const ElementFns& f, unsigned k, Index n, const ElementRun& r, const ElementTargets& t) {
  const bool product = f.pull == Pull::mul;
  pull_product(n, f.pull == Pull::neg || (f.pull == Pull::sub && k == 1) ? -1 : 1, t.g, product ? r.at[1 - k] : nullptr, product && t.moves[1 - k], t.to[k], t.moves[k],
               t.fresh[k]);
}

/// Passes the adjoint of a run on to all operands.
inline void element_pull(const ElementFns& f, Index n, ElementRun& r, const ElementTargets& t) {
  if (f.pull == Pull::kernel) return element_pull_kernel(f, n, r, t);
  for (unsigned k = 0; k < f.arity; ++k)
    if (t.to[k] != nullptr) element_pull_plain(f, k, n, r, t);
}

/// An adjoint that is an array of somebody's, or one number for all elements, is passed on as that.
inline bool element_lends(Tape& tape, const ElementFns& f, unsigned k, const ElementTargets& t, const ElementRun& r, std::uint32_t in) {
  if (!t.moves[k] || tape[in].buffer != nullptr) return false;
  const bool uniform = t.g.step == 0;
  if (f.pull == Pull::add || (f.pull == Pull::sub && k == 0)) {
    tape.lend(tape[in], t.g.at, uniform);
    return true;
  }
  if (!uniform) return false;
  if (f.pull == Pull::mul && t.moves[1 - k]) {
    if (*t.g.at != 1) return false;
    tape.lend(tape[in], r.at[1 - k], false);
    return true;
  }
  double* packet = tape.arena().doubles(8);
  Packet(f.pull == Pull::mul ? adjoint_product(*t.g.at, *r.at[1 - k]) : -*t.g.at).store(packet);
  tape.lend(tape[in], packet, true);
  return true;
}

/// Where one run does it.
inline void element_adjoint_plain(Tape& tape, const ElementFns& f, const ElementPayload& p, Index n, ElementRun& r, ElementTargets& t) {
  for (unsigned k = 0; k < f.arity; ++k) {
    t.to[k] = nullptr;
    if ((f.live >> k & 1u) == 0 || !tape.differentiable(p.in[k])) continue;
    if (f.pull != Pull::kernel && element_lends(tape, f, k, t, r, p.in[k])) continue;
    const Tape::Sink sink = t.moves[k] ? tape.sink(p.in[k]) : Tape::Sink{tape.adjoint(p.in[k]), false};
    t.to[k] = sink.to;
    t.fresh[k] = sink.fresh;
    if (f.pull != Pull::kernel) element_pull_plain(f, k, n, r, t);
  }
  if (f.pull == Pull::kernel) element_pull_kernel(f, n, r, t);
}

/// Adds the partials of a tile, `d` run by run, to the adjoints of the operands that broadcast in it (null: none wanted).
inline void element_add_tile(const ElementTiles& tiles, unsigned arity, Walk& w, const double (*d)[kTile], double* const* adjoint) {
  const Index width = tiles.width(), runs = tiles.runs();
  bool walks = false;
  for (unsigned k = 0; k < arity; ++k) {
    if (!tiles.copied(k)) continue;
    if (tiles.same(k) && adjoint[k] != nullptr) sum_panel(d[k], runs, width, width, adjoint[k]);
    walks = walks || !tiles.same(k);
  }
  for (Index c = 0; walks && c < runs; ++c, w.next())
    for (unsigned k = 0; k < arity; ++k) {
      if (!tiles.copied(k) || tiles.same(k) || adjoint[k] == nullptr) continue;
      const double* from = d[k] + c * width;
      double* to = adjoint[k] + w.offset(k);
      if (w.step(k))
        for (Index j = 0; j < width; j += 8) add_at(to, j, width, load_at(from, true, j, width), false);
      else
        *to += sum_chunk_inline(from, width);
    }
}
/// With broadcasting in short runs.
WICK_NOINLINE inline void element_adjoint_tiles(Index all, Walk& walk, const ElementFns& f, const ElementOperands& in, ElementTargets& t, double* const* adjoint,
                                                const bool* fresh) {
  ElementRun r;
  alignas(64) double room[3][kTile];
  Walk w = walk;
  ElementTiles tiles(f.arity, walk, all, in);
  PairwiseSum single[3];
  double part[3];
  for (; tiles.live(); tiles.next()) {
    const Index n = tiles.load(r);
    for (unsigned k = 0; k < f.arity; ++k) {
      part[k] = 0;
      t.moves[k] = in.numel[k] != 1;
      t.to[k] = adjoint[k] == nullptr ? nullptr : tiles.copied(k) ? room[k] : t.moves[k] ? adjoint[k] + tiles.done() : &part[k];
      t.fresh[k] = tiles.copied(k) || (t.moves[k] && fresh[k]);
    }
    element_pull(f, n, r, t);
    element_add_tile(tiles, f.arity, w, room, adjoint);
    for (unsigned k = 0; k < f.arity; ++k)
      if (adjoint[k] != nullptr && !t.moves[k]) single[k].add(part[k]);
    t.g.at += t.g.step == 0 ? 0 : n;
    t.out += n;
  }
  for (unsigned k = 0; k < f.arity; ++k)
    if (adjoint[k] != nullptr && in.numel[k] == 1) *adjoint[k] += single[k].total();
}

/// With broadcasting or sums of many elements.
WICK_NOINLINE inline void element_adjoint_walk(Tape& tape, std::uint32_t i, const ElementFns& f, const ElementPayload& p, const ElementOperands& in,
                                               const ElementTargets& whole) {
  ElementTargets t = whole;
  double part[3] = {0, 0, 0}, *adjoint[3] = {};
  bool fresh[3] = {};
  PairwiseSum single[3];  // of scalar operands, which may be fixed over very many elements
  const Index n = tape.numel(i);
  for (unsigned k = 0; k < f.arity; ++k) {
    if ((f.live >> k & 1u) == 0 || !tape.differentiable(p.in[k])) continue;
    const Tape::Sink sink = in.numel[k] == n && n != 1 ? tape.sink(p.in[k]) : Tape::Sink{tape.adjoint(p.in[k]), false};
    adjoint[k] = sink.to;
    fresh[k] = sink.fresh;
  }
  Walk w(tape.shape(i), in.shape, f.arity, kPartials);
  if (w.length() <= kShortRun) return element_adjoint_tiles(n, w, f, in, t, adjoint, fresh);
  ElementRun r;
  for (; w.live(); w.next()) {
    for (unsigned k = 0; k < f.arity; ++k) {
      r.set(k, in.data[k] + w.offset(k), w.step(k));
      t.moves[k] = w.step(k);
      t.to[k] = adjoint[k] == nullptr ? nullptr : in.numel[k] == 1 ? &part[k] : adjoint[k] + w.offset(k);
      t.fresh[k] = fresh[k] && w.step(k);
    }
    element_pull(f, w.length(), r, t);
    for (unsigned k = 0; k < f.arity; ++k) {
      if (t.to[k] != &part[k]) continue;
      single[k].add(part[k]);
      part[k] = 0;
    }
    t.g.at += t.g.step == 0 ? 0 : w.length();
    t.out += w.length();
  }
  for (unsigned k = 0; k < f.arity; ++k)
    if (adjoint[k] != nullptr && in.numel[k] == 1) *adjoint[k] += single[k].total();
}

inline void element_adjoint(Tape& tape, std::uint32_t i) {
  auto* p = static_cast<ElementPayload*>(tape[i].payload);
  const ElementFns& f = *p->element;
  const ElementOperands in = element_operands(tape, *p);
  const Index n = tape.numel(i);
  if (n == 0) return;
  ElementTargets t{tape.arrived_packets(i), tape.data(i), {}, {}, {}};
  bool one_run = in.plain(f.arity, n);
  for (unsigned k = 0; k < f.arity; ++k) {
    t.moves[k] = in.numel[k] != 1;
    one_run = one_run && (t.moves[k] || f.pull != Pull::kernel || n <= kPartials || !tape.differentiable(p->in[k]));
  }
  if (WICK_UNLIKELY(!one_run)) return element_adjoint_walk(tape, i, f, *p, in, t);
  ElementRun r;
  for (unsigned k = 0; k < f.arity; ++k) r.set(k, in.data[k], t.moves[k]);
  element_adjoint_plain(tape, f, *p, n, r, t);
}

}  // namespace wick::inline WICK_ABI::detail
