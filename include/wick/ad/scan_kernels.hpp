/// \file
/// What the loops over the steps of a scan do themselves: arithmetic of short vectors, their sums, and products with a matrix that stays. For these
/// a record's general functions take longer to get going than to compute.
#pragma once

#include <utility>

#include <wick/ad/loops.hpp>

namespace wick::inline WICK_ABI::detail {

enum class StepKernel : std::uint8_t { general, number, add, sub, mul, div, sum, product };

/// A matrix that stays while the steps run, in rows padded to packets: itself, transposed, and the sums of its derivative.
struct StepMatrix {
  std::uint32_t record;
  Index n, m;
  double *plain, *transposed, *adjoint;  ///< transposed has n columns; adjoint is shaped as plain, null where none is wanted
};

/// A record of the step as the loops run it.
struct StepCode {
  std::uint32_t record, a, b;
  double *const *y_at, *const *a_at, *const *b_at;                  ///< where values are
  double *const *y_adjoint, *const *a_adjoint, *const *b_adjoint;  ///< and adjoints; null: none wanted
  double* fixed[6];                                                 ///< what these point to where it never moves
  StepKernel kernel;
  bool a_moves, b_moves;  ///< whether the operand has n elements, else it is one number
  bool a_first, b_first;  ///< whether nothing is added to the operand's adjoint before: then it need not be cleared
  bool later;             ///< of a product: the matrix's derivative is worked out after all steps
  bool left;              ///< of a product: the vector is `a`, on the left
  Index n;                ///< elements of the operands; of a product, of the result
  const StepMatrix* matrix;
};

inline constexpr Index kStepShort = 256;    // elements up to which a vector is short
inline constexpr Index kStepColumns = 32;   // columns up to which a product's sums stay in registers
constexpr Index round_to_packet(Index n) noexcept { return (n + 7) & ~Index{7}; }

template <class F>
WICK_INLINE void step_elements(const StepCode& c, const double* a, const double* b, double* out, F f) {
  if ((c.n & 7) != 0 || !c.a_moves) {
    for (Index i = 0; i < c.n; i += 8) store_at(out, i, c.n, f(load_at(a, c.a_moves, i, c.n), load_at(b, c.b_moves, i, c.n)));
  } else if (c.b_moves) {
    for (Index i = 0; i < c.n; i += 8) f(Packet::load(a + i), Packet::load(b + i)).store(out + i);
  } else {
    const Packet y(*b);
    for (Index i = 0; i < c.n; i += 8) f(Packet::load(a + i), y).store(out + i);
  }
}
/// to += f over the elements, or their sum where the operand is one number.
template <class F>
WICK_INLINE void step_pull(Index n, bool moves, bool first, double* to, F f) {
  Packet total(0.0);
  for (Index i = 0; i < n; i += 8) {
    const Packet d = f(i);
    if (moves)
      store_at(to, i, n, first ? d : load_at(to, true, i, n) + d);
    else
      total = total + (n - i >= 8 ? d : where(first_lanes(n - i), d, Packet(0.0)));
  }
  if (!moves) *to += math::sum(total);
}

/// The even packets and the odd ones; a last one that is not full is filled up with zeros.
inline double step_sum(const double* x, Index n) {
  Packet s(0.0), t(0.0);
  const auto at = [x, n](Index i) WICK_LAMBDA_INLINE {
    const Packet v = load_at(x, true, i, n);
    return n - i >= 8 ? v : where(first_lanes(n - i), v, Packet(0.0));
  };
  for (Index i = 0; i < n; i += 16) {
    s = s + at(i);
    if (i + 8 < n) t = t + at(i + 8);
  }
  return math::sum(s + t);
}
/// to = 0 and to += from of a few elements, without a call.
WICK_INLINE void step_clear(Index n, double* to) {
  for (Index i = 0; i < n; i += 8) store_at(to, i, n, Packet(0.0));
}
WICK_INLINE void step_add(Index n, const double* from, double* to) {
  for (Index i = 0; i < n; i += 8) store_at(to, i, n, load_at(to, true, i, n) + load_at(from, true, i, n));
}

/// Calls f with a number of packets, 1 to 4, as a constant.
template <class F>
WICK_INLINE void with_packets(Index packets, F f) {
  switch (packets) {
    case 1: return f(std::integral_constant<int, 1>{});
    case 2: return f(std::integral_constant<int, 2>{});
    case 3: return f(std::integral_constant<int, 3>{});
    default: return f(std::integral_constant<int, 4>{});
  }
}

/// z = u X for P packets of columns; X in padded rows.
template <int P>
WICK_INLINE void step_product(const double* u, const double* x, Index n, Packet* z) {
  Packet s[std::size_t{P}], t[std::size_t{P}];
  for (int p = 0; p < P; ++p) s[p] = t[p] = Packet(0.0);
  Index i = 0;
  for (; i + 2 <= n; i += 2, x += 16 * P) {
    const Packet v(u[i]), w(u[i + 1]);
    for (int p = 0; p < P; ++p) {
      s[p] = mul_add(v, Packet::load(x + 8 * p), s[p]);
      t[p] = mul_add(w, Packet::load(x + 8 * (P + p)), t[p]);
    }
  }
  if (i < n)
    for (int p = 0; p < P; ++p) s[p] = mul_add(Packet(u[i]), Packet::load(x + 8 * p), s[p]);
  for (int p = 0; p < P; ++p) z[p] = s[p] + t[p];
}
inline void step_product(const double* u, const double* x, Index n, Index m, Packet* z) {
  with_packets((m + 7) / 8, [=]<int P>(std::integral_constant<int, P>) WICK_LAMBDA_INLINE { step_product<P>(u, x, n, z); });
}
/// The vector times the matrix, or the matrix times the vector.
inline void step_product_value(const StepCode& c, const double* v, double* out) {
  const StepMatrix& x = *c.matrix;
  Packet z[kStepColumns / 8];
  if (c.left)
    step_product(v, x.plain, x.n, x.m, z);
  else
    step_product(v, x.transposed, x.m, x.n, z);
  for (Index j = 0; j < c.n; j += 8) store_at(out, j, c.n, z[j / 8]);
}
/// The same with 0 · x = 0 for adjoints that are 0.
WICK_COLD inline void step_product_careful(const StepMatrix& x, bool left, const double* v, const double* g, double* to_v, double* to_x) {
  const Index width = round_to_packet(x.m);
  for (Index i = 0; i < x.n; ++i)
    for (Index j = 0; j < x.m; ++j) {
      const double gi = left ? g[j] : g[i];
      if (to_v != nullptr) to_v[left ? i : j] += adjoint_product(gi, x.plain[i * width + j]);
      if (to_x != nullptr) to_x[i * width + j] += adjoint_product(gi, left ? v[i] : v[j]);
    }
}
/// X += Σ u ⊗ v over steps, for up to kStepColumns rows and columns: blocks of X stay in registers.
template <int P, int... R>
WICK_INLINE void step_outer_sum(const double* u, Index u_stride, const double* v, Index v_stride, Index steps, Index n, Index m, double* x,
                                std::integer_sequence<int, R...>) {
  constexpr int rows = sizeof...(R);
  for (Index i0 = 0; i0 < n; i0 += rows) {
    const Index count = n - i0 < rows ? n - i0 : rows;
    // Every index is a constant: with one that is not the sums would live in memory.
    Packet s[std::size_t{rows * P}];
    const auto columns = [](auto f) WICK_LAMBDA_INLINE {
      [&]<int... Q>(std::integer_sequence<int, Q...>) WICK_LAMBDA_INLINE { (f(std::integral_constant<int, Q>{}), ...); }(std::make_integer_sequence<int, P>{});
    };
    columns([&]<int Q>(std::integral_constant<int, Q>) WICK_LAMBDA_INLINE { ((s[R * P + Q] = Packet(0.0)), ...); });
    const double *uj = u + i0, *vj = v;
    const auto run = [&]<bool Full>(std::bool_constant<Full>) WICK_LAMBDA_INLINE {
      for (Index j = 0; j < steps; ++j, uj += u_stride, vj += v_stride)
        columns([&]<int Q>(std::integral_constant<int, Q>) WICK_LAMBDA_INLINE {
          const Packet w = load_at(vj, true, 8 * Q, m);
          ((s[R * P + Q] = mul_add(Packet(uj[Full || R < count ? R : 0]), w, s[R * P + Q])), ...);
        });
    };
    count == rows ? run(std::true_type{}) : run(std::false_type{});
    columns([&]<int Q>(std::integral_constant<int, Q>) WICK_LAMBDA_INLINE {
      const auto put = [&](Index r, const Packet& sum) WICK_LAMBDA_INLINE {
        double* to = x + (i0 + r) * m + 8 * Q;
        if (r < count && m > 8 * Q) store_at(to, 0, m - 8 * Q, load_at(to, true, 0, m - 8 * Q) + sum);
      };
      (put(R, s[R * P + Q]), ...);
    });
  }
}
WICK_NOINLINE inline void step_outer_sum(const double* u, Index u_stride, const double* v, Index v_stride, Index steps, Index n, Index m, double* x) {
  constexpr int rows = math::detail::native_count == 1 ? 16 : 8;
  with_packets((m + 7) / 8, [=]<int P>(std::integral_constant<int, P>) WICK_LAMBDA_INLINE {
    step_outer_sum<P>(u, u_stride, v, v_stride, steps, n, m, x, std::make_integer_sequence<int, rows / (P == 3 ? 4 : P)>{});
  });
}

/// X += u ⊗ v, in padded rows of P packets.
template <int P>
WICK_INLINE void step_outer(const double* u, const double* v, Index n, Index m, double* x) {
  Packet row[std::size_t{P}];
  for (int p = 0; p < P; ++p) row[p] = load_at(v, true, 8 * p, m);  // a last one that is not full adds to the padding
  for (Index i = 0; i < n; ++i, x += 8 * P) {
    const Packet r(u[i]);
    for (int p = 0; p < P; ++p) mul_add(r, row[p], Packet::load(x + 8 * p)).store(x + 8 * p);
  }
}
WICK_NOINLINE inline void step_product_pull(const StepCode& c, const double* v, const double* g, double* to_v) {
  const StepMatrix& x = *c.matrix;
  const Index other = c.left ? x.n : x.m;  // of the vector
  const bool first = c.left ? c.a_first : c.b_first;
  if (to_v != nullptr) {
    Packet z[kStepColumns / 8];
    if (c.left)
      step_product(g, x.transposed, x.m, x.n, z);
    else
      step_product(g, x.plain, x.n, x.m, z);
    Packet test(0.0);
    for (Index j = 0; j < other; j += 8) test = test + z[j / 8] * Packet(0.0);
    if (WICK_UNLIKELY(!all(test == Packet(0.0)))) {
      if (first) step_clear(other, to_v);
      step_product_careful(x, c.left, v, g, to_v, nullptr);
    } else {
      for (Index j = 0; j < other; j += 8) store_at(to_v, j, other, first ? z[j / 8] : load_at(to_v, true, j, other) + z[j / 8]);
    }
  }
  if (x.adjoint == nullptr || c.later) return;
  if (WICK_UNLIKELY(!all_finite(other, v))) return step_product_careful(x, c.left, v, g, nullptr, x.adjoint);
  // Rows of the derivative: v ⊗ g, or g ⊗ v.
  const double *rows = c.left ? v : g, *columns = c.left ? g : v;
  with_packets((x.m + 7) / 8, [&]<int P>(std::integral_constant<int, P>) WICK_LAMBDA_INLINE { step_outer<P>(rows, columns, x.n, x.m, x.adjoint); });
}

/// Fills the padded forms of a matrix from its values.
WICK_NOINLINE inline void fill_matrix(const StepMatrix& x, const double* from) {
  const Index width = round_to_packet(x.m), height = round_to_packet(x.n);
  for (Index i = 0; i < x.n; ++i)
    for (Index j = 0; j < x.m; ++j) x.plain[i * width + j] = x.transposed[j * height + i] = from[i * x.m + j];
}
inline Index matrix_room(Index n, Index m) noexcept { return n * round_to_packet(m); }

/// The value of one of these operations.
WICK_INLINE void run_kernel(const StepCode& c, const double* a, const double* b, double* out) {
  switch (c.kernel) {
    case StepKernel::add: return step_elements(c, a, b, out, [](const Packet& x, const Packet& y) WICK_LAMBDA_INLINE { return x + y; });
    case StepKernel::sub: return step_elements(c, a, b, out, [](const Packet& x, const Packet& y) WICK_LAMBDA_INLINE { return x - y; });
    case StepKernel::mul: return step_elements(c, a, b, out, [](const Packet& x, const Packet& y) WICK_LAMBDA_INLINE { return x * y; });
    case StepKernel::div: return step_elements(c, a, b, out, [](const Packet& x, const Packet& y) WICK_LAMBDA_INLINE { return x / y; });
    case StepKernel::sum: *out = step_sum(a, c.n); return;
    default: return step_product_value(c, c.left ? a : b, out);
  }
}

/// Adds the adjoint `g` of the result times the partials to those of the operands (null: none wanted).
WICK_INLINE void pull_kernel(const StepCode& c, const double* g, const double* a, const double* b, const double* y, double* to_a, double* to_b) {
  const auto at = [n = c.n](const double* p, bool moves, Index i) WICK_LAMBDA_INLINE { return load_at(p, moves, i, n); };
  const bool full = (c.n & 7) == 0;
  switch (c.kernel) {
    case StepKernel::add:
    case StepKernel::sub:
      if (to_a != nullptr) step_pull(c.n, c.a_moves, c.a_first, to_a, [&](Index i) WICK_LAMBDA_INLINE { return at(g, true, i); });
      if (to_b == nullptr) return;
      if (c.kernel == StepKernel::add) return step_pull(c.n, c.b_moves, c.b_first, to_b, [&](Index i) WICK_LAMBDA_INLINE { return at(g, true, i); });
      return step_pull(c.n, c.b_moves, c.b_first, to_b, [&](Index i) WICK_LAMBDA_INLINE { return -at(g, true, i); });
    case StepKernel::mul:
      if (full && to_a != nullptr && to_b != nullptr && c.a_moves && c.b_moves && to_a != to_b) {
        for (Index i = 0; i < c.n; i += 8) {
          const Packet gi = Packet::load(g + i);
          const auto silent = gi == Packet(0.0);
          const Packet da = where(silent, Packet(0.0), gi * Packet::load(b + i)), db = where(silent, Packet(0.0), gi * Packet::load(a + i));
          (c.a_first ? da : Packet::load(to_a + i) + da).store(to_a + i);
          (c.b_first ? db : Packet::load(to_b + i) + db).store(to_b + i);
        }
        return;
      }
      if (to_a != nullptr) step_pull(c.n, c.a_moves, c.a_first, to_a, [&](Index i) WICK_LAMBDA_INLINE { return adjoint_product(at(g, true, i), at(b, c.b_moves, i)); });
      if (to_b != nullptr) step_pull(c.n, c.b_moves, c.b_first, to_b, [&](Index i) WICK_LAMBDA_INLINE { return adjoint_product(at(g, true, i), at(a, c.a_moves, i)); });
      return;
    case StepKernel::div: {
      // One division where all elements have the same divisor, unless its inverse is out of range.
      const double inverse = c.b_moves ? 0.0 : 1 / *b;
      const bool direct = c.b_moves || !(std::abs(inverse) < kInf) || inverse == 0;
      const auto quotient = [&](Index i) WICK_LAMBDA_INLINE { return direct ? at(g, true, i) / at(b, c.b_moves, i) : at(g, true, i) * Packet(inverse); };
      if (full && to_a != nullptr && to_b != nullptr && c.a_moves && !direct) {
        Packet total(0.0);
        for (Index i = 0; i < c.n; i += 8) {
          const Packet gi = Packet::load(g + i);
          const auto zero = gi == Packet(0.0);
          const Packet q = where(zero, Packet(0.0), gi * Packet(inverse));
          (c.a_first ? q : Packet::load(to_a + i) + q).store(to_a + i);
          total = total + where(zero, Packet(0.0), q * Packet::load(y + i));
        }
        *to_b -= math::sum(total);
        return;
      }
      const auto silent = [&](Index i, const Packet& d) WICK_LAMBDA_INLINE { return where(at(g, true, i) == Packet(0.0), Packet(0.0), d); };
      if (to_a != nullptr) step_pull(c.n, c.a_moves, c.a_first, to_a, [&](Index i) WICK_LAMBDA_INLINE { return silent(i, quotient(i)); });
      if (to_b != nullptr) step_pull(c.n, c.b_moves, c.b_first, to_b, [&](Index i) WICK_LAMBDA_INLINE { return silent(i, -(quotient(i) * at(y, true, i))); });
      return;
    }
    case StepKernel::sum: return step_pull(c.n, true, c.a_first, to_a, [&](Index) WICK_LAMBDA_INLINE { return Packet(*g); });
    default: return step_product_pull(c, c.left ? a : b, g, c.left ? to_a : to_b);
  }
}

}  // namespace wick::inline WICK_ABI::detail
