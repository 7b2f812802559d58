/// \file
/// Steps that are nothing but kernels over short vectors: a chain of operations that hand a vector from one to the next in registers.
///
/// By records, every operation finds its operands through their blocks, writes its result and the next one reads that back, which takes longer than the
/// arithmetic. Where everything lies moves evenly from step to step, so a chain has it worked out before the loop. One vector stays in hand: forwards the
/// value that was computed last, backwards the adjoint that was. All vectors have as many packets, so that the registers are known to the compiler.
#pragma once

#include <cmath>

#include <wick/ad/scan_kernels.hpp>

namespace wick::inline WICK_ABI::detail {

/// Where something lies in step j of a run; `turn`: it changes between two places.
struct ChainPlace {
  double* base = nullptr;
  Index step = 0, turn = 0;
  double* at(Index j) const noexcept { return base + (j * step + (j & 1) * turn); }
};

/// y = a op b.
struct ChainValue {
  StepKernel kernel;
  bool held;              ///< a is in hand
  bool a_moves, b_moves;  ///< else one number
  bool left;              ///< of a product: its vector, a, is on the left
  Index n;                ///< elements of y; of a sum, of a
  const StepMatrix* matrix;
  std::uint32_t y, a, b;
  Index copy = -1;  ///< where in the result a number is wanted too, or -1
  ChainPlace y_at, a_at, b_at, copy_at;
};

/// The reverse of y = a op b: one operand's adjoint comes to hand (`main`), the other's to its place. With the kernel `general` an adjoint from outside
/// goes to `other`: that of output a, or where b is 1 that behind the step of state a.
struct ChainPull {
  StepKernel kernel;
  bool held;                   ///< the adjoint of y is in hand; of a sum, that of a
  bool stores;                 ///< what is in hand is wanted in its place as well
  bool a_moves, b_moves, left;
  bool swapped;                ///< main is b, other a; else the other way round
  bool same;                   ///< a and b are one record: main gets both
  bool other_moves, main_adds, other_adds;  ///< adds: to what has arrived in its place
  Index n, length;             ///< elements of y (of a sum, of a), and of main
  const StepMatrix* matrix;
  std::uint32_t y, a, b, main, other;  ///< records; main, other: 0 where none is wanted
  ChainPlace g_at, y_at, a_at, b_at, main_at, other_at;
};

/// The chain of a step; no packets: it has none.
struct StepChain {
  Index packets = 0;
  ChainValue* value = nullptr;
  ChainPull* pull = nullptr;
  std::size_t values = 0, pulls = 0;
};

/// The sum of n elements in P packets, in the order of `step_sum`.
template <int P>
WICK_INLINE double chain_sum(const Packet* x, Index n) {
  Packet s[2] = {Packet(0.0), Packet(0.0)};
  for (int p = 0; p < P; ++p) {
    const Packet v = p == P - 1 && n < 8 * P ? where(first_lanes(n - 8 * p), x[p], Packet(0.0)) : x[p];
    s[p % 2] = p < 2 ? v : s[p % 2] + v;
  }
  return math::sum(s[0] + s[1]) + 0.0;
}
template <int P>
WICK_INLINE void chain_load(const double* from, bool moves, Index n, Packet* x) {
  for (int p = 0; p < P; ++p) x[p] = load_at(from, moves, 8 * p, n);
}
template <int P>
WICK_INLINE void chain_store(const Packet* x, Index n, double* to) {
  for (int p = 0; p < P; ++p) store_at(to, 8 * p, n, x[p]);
}

/// Steps [first, last) forwards.
template <int P>
WICK_NOINLINE void run_chain(const StepChain& chain, Index first, Index last) {
  Packet v[std::size_t{P}], x[std::size_t{P}];
  for (int p = 0; p < P; ++p) v[p] = Packet(0.0);
  for (Index j = first; j < last; ++j)
    for (const ChainValue *c = chain.value, *end = c + chain.values; c < end; ++c) {
      double* y = c->y_at.at(j);
      if (c->kernel == StepKernel::product) {
        const StepMatrix& m = *c->matrix;
        step_product<P>(c->a_at.at(j), c->left ? m.plain : m.transposed, c->left ? m.n : m.m, v);
        chain_store<P>(v, c->n, y);
        continue;
      }
      if (!c->held) chain_load<P>(c->a_at.at(j), c->a_moves, c->n, v);
      if (c->kernel == StepKernel::sum) {
        *y = chain_sum<P>(v, c->n);
        if (c->copy >= 0) *c->copy_at.at(j) = *y;
        continue;
      }
      chain_load<P>(c->b_at.at(j), c->b_moves, c->n, x);
      switch (c->kernel) {
        case StepKernel::add:
          for (int p = 0; p < P; ++p) v[p] = v[p] + x[p];
          break;
        case StepKernel::sub:
          for (int p = 0; p < P; ++p) v[p] = v[p] - x[p];
          break;
        case StepKernel::mul:
          for (int p = 0; p < P; ++p) v[p] = v[p] * x[p];
          break;
        default:
          for (int p = 0; p < P; ++p) v[p] = v[p] / x[p];
      }
      chain_store<P>(v, c->n, y);
    }
}

/// v = the adjoints g of a · b's elements times b, w = those times a; 0 where g is 0, whatever the other factor is.
template <int P>
WICK_INLINE void chain_pull_product(const Packet* a, const Packet* b, Packet* v, Packet* w) {
  for (int p = 0; p < P; ++p) {
    const auto silent = v[p] == Packet(0.0);
    w[p] = where(silent, Packet(0.0), v[p] * a[p]);
    v[p] = where(silent, Packet(0.0), v[p] * b[p]);
  }
}
template <int P>
WICK_INLINE void chain_pull_quotient(const ChainPull& c, const double* b, const Packet* y, Packet* v, Packet* w) {
  // One division where all elements have the same divisor, unless its inverse is out of range.
  const double inverse = c.b_moves ? 0.0 : 1 / *b;
  const bool direct = c.b_moves || !(std::abs(inverse) < kInf) || inverse == 0;
  for (int p = 0; p < P; ++p) {
    const auto silent = v[p] == Packet(0.0);
    const Packet q = direct ? v[p] / load_at(b, c.b_moves, 8 * p, c.n) : v[p] * Packet(inverse);
    v[p] = where(silent, Packet(0.0), q);
    w[p] = where(silent, Packet(0.0), -(q * y[p]));
  }
}
/// v = the adjoint g of a product with a matrix times the matrix.
template <int P>
WICK_INLINE void chain_pull_matrix(const ChainPull& c, const double* g, double* room, Packet* v) {
  const StepMatrix& m = *c.matrix;
  step_product<P>(g, c.left ? m.transposed : m.plain, c.left ? m.m : m.n, v);
  Packet test(0.0);
  for (int p = 0; p < P; ++p) test = test + v[p] * Packet(0.0);
  if (WICK_LIKELY(all(test == Packet(0.0)))) return;
  for (int p = 0; p < P; ++p) Packet(0.0).store(room + 8 * p);
  step_product_careful(m, c.left, nullptr, g, room, nullptr);
  for (int p = 0; p < P; ++p) v[p] = Packet::load(room + 8 * p);
}

/// The steps before `steps`, backwards to `first`.
template <int P>
WICK_NOINLINE void reverse_chain(const StepChain& chain, Index first, Index steps) {
  Packet v[std::size_t{P}], w[std::size_t{P}], a[std::size_t{P}], b[std::size_t{P}];
  alignas(64) double room[std::size_t{8 * P}];
  for (int p = 0; p < P; ++p) v[p] = w[p] = Packet(0.0);
  for (Index j = steps; j-- > first;)
    for (const ChainPull *c = chain.pull, *end = c + chain.pulls; c < end; ++c) {
      const double* g = c->g_at.at(j);
      if (c->kernel == StepKernel::general) {
        double* to = c->other_at.at(j);
        if (c->n == 1)
          *to = c->other_adds ? *to + *g : *g;
        else
          for (Index i = 0; i < c->n; i += 8) add_at(to, i, c->n, load_at(g, true, i, c->n), !c->other_adds);
        continue;
      }
      if (c->kernel == StepKernel::sum) {
        if (!c->held)
          for (int p = 0; p < P; ++p) v[p] = c->main_adds ? load_at(c->main_at.at(j), true, 8 * p, c->n) : Packet(0.0);
        for (int p = 0; p < P; ++p) v[p] = v[p] + Packet(*g);
      } else {
        if (c->kernel != StepKernel::product && !c->held) chain_load<P>(g, true, c->n, v);
        switch (c->kernel) {
          case StepKernel::add:
            for (int p = 0; p < P; ++p) w[p] = v[p];
            break;
          case StepKernel::sub:
            for (int p = 0; p < P; ++p) w[p] = -v[p];
            break;
          case StepKernel::mul:
            chain_load<P>(c->a_at.at(j), c->a_moves, c->n, a);
            chain_load<P>(c->b_at.at(j), c->b_moves, c->n, b);
            chain_pull_product<P>(a, b, v, w);
            break;
          case StepKernel::div:
            chain_load<P>(c->y_at.at(j), true, c->n, a);
            chain_pull_quotient<P>(*c, c->b_at.at(j), a, v, w);
            break;
          default: chain_pull_matrix<P>(*c, g, room, v);
        }
        if (c->swapped)
          for (int p = 0; p < P; ++p) {
            const Packet other = v[p];
            v[p] = w[p];
            w[p] = other;
          }
        if (c->same) {
          for (int p = 0; p < P; ++p) v[p] = v[p] + w[p];
        } else if (c->other != 0) {
          double* to = c->other_at.at(j);
          if (c->other_moves) {
            for (int p = 0; p < P; ++p) add_at(to, 8 * p, c->n, w[p], !c->other_adds);
          } else {
            const double sum = chain_sum<P>(w, c->n);
            *to = c->other_adds ? *to + sum : sum;
          }
        }
        if (c->main_adds)
          for (int p = 0; p < P; ++p) v[p] = v[p] + load_at(c->main_at.at(j), true, 8 * p, c->length);
      }
      if (c->stores) chain_store<P>(v, c->length, c->main_at.at(j));
    }
}

inline void run_chain(const StepChain& chain, Index first, Index last) {
  with_packets(chain.packets, [&]<int P>(std::integral_constant<int, P>) WICK_LAMBDA_INLINE { run_chain<P>(chain, first, last); });
}
inline void reverse_chain(const StepChain& chain, Index first, Index steps) {
  with_packets(chain.packets, [&]<int P>(std::integral_constant<int, P>) WICK_LAMBDA_INLINE { reverse_chain<P>(chain, first, steps); });
}

}  // namespace wick::inline WICK_ABI::detail
