/// \file
/// Products of row-major matrices and vectors; all of them add to their output.
///
/// Written here and not left to Eigen because instantiating its products costs a program about one second of compile
/// time.
#pragma once

#include <utility>

#include <wick/ad/loops.hpp>

namespace wick::inline WICK_ABI::detail {

/// Σ a b.
WICK_NOINLINE inline double dot(const double* a, const double* b, Index n) {
  Index i = 0;
  double rest = 0;
  Packet s(0.0), t(0.0);
  for (; i + 16 <= n; i += 16) {
    s = mul_add(Packet::load(a + i), Packet::load(b + i), s);
    t = mul_add(Packet::load(a + i + 8), Packet::load(b + i + 8), t);
  }
  for (; i + 8 <= n; i += 8) s = mul_add(Packet::load(a + i), Packet::load(b + i), s);
  for (; i < n; ++i) rest += a[i] * b[i];
  return math::sum(s + t) + rest;
}

/// What products are added to; −0 where that is fresh, for it leaves every number as it is, −0 too.
WICK_INLINE Packet before_product(const double* y, bool fresh) { return fresh ? Packet(-0.0) : Packet::load(y); }
inline double number_before_product(const double* y, bool fresh) { return fresh ? -0.0 : *y; }

/// Rows of K < 8 numbers, with v in registers: y += X v, and X += u vᵀ.
template <int K>
WICK_NOINLINE void narrow_mat_vec(const double* x, const double* v, double* y, Index n) {
  double w[static_cast<std::size_t>(K)];
  for (int k = 0; k < K; ++k) w[k] = v[k];
  for (Index i = 0; i < n; ++i, x += K) {
    double s = x[0] * w[0];
    for (int k = 1; k < K; ++k) s += x[k] * w[k];
    y[i] += s;
  }
}
template <int K>
WICK_NOINLINE void narrow_outer(const double* u, const double* v, double* x, Index n, bool fresh) {
  double w[static_cast<std::size_t>(K)];
  for (int k = 0; k < K; ++k) w[k] = v[k];
  for (Index i = 0; i < n; ++i, x += K)
    for (int k = 0; k < K; ++k) x[k] = number_before_product(x + k, fresh) + u[i] * w[k];
}
using NarrowMatVec = void (*)(const double* x, const double* v, double* y, Index n);
using NarrowOuter = void (*)(const double* u, const double* v, double* x, Index n, bool fresh);
inline constexpr NarrowMatVec narrow_mat_vecs[] = {nullptr,          nullptr,          &narrow_mat_vec<2>, &narrow_mat_vec<3>,
                                                   &narrow_mat_vec<4>, &narrow_mat_vec<5>, &narrow_mat_vec<6>, &narrow_mat_vec<7>};
inline constexpr NarrowOuter narrow_outers[] = {nullptr,          &narrow_outer<1>, &narrow_outer<2>, &narrow_outer<3>,
                                                &narrow_outer<4>, &narrow_outer<5>, &narrow_outer<6>, &narrow_outer<7>};
/// Rows of two: z += uᵀ X.
inline void narrow_vec_mat(const double* u, const double* x, double* z, Index n) {
  double s[4][2] = {};
  Index i = 0;
  for (; i + 4 <= n; i += 4)
    for (Index r = 0; r < 4; ++r) {
      s[r][0] += u[i + r] * x[2 * (i + r)];
      s[r][1] += u[i + r] * x[2 * (i + r) + 1];
    }
  for (; i < n; ++i) {
    s[0][0] += u[i] * x[2 * i];
    s[0][1] += u[i] * x[2 * i + 1];
  }
  for (Index j = 0; j < 2; ++j) z[j] += (s[0][j] + s[1][j]) + (s[2][j] + s[3][j]);
}

/// y[n] += X[n, k] v[k], four rows at a time.
WICK_NOINLINE inline void mat_vec(const double* x, const double* v, double* y, Index n, Index k) {
  if (k == 0) return;
  if (k == 1) return add_scaled(n, v[0], x, y);
  if (k < 8) return narrow_mat_vecs[k](x, v, y, n);
  // The last packet of a row lies over the one before it; its lanes that have been counted are left out.
  const Index whole = k & ~Index{7}, last = k - 8;
  const math::PacketMask fresh = !first_lanes(whole - last);
  Index i = 0;
  for (; i + 4 <= n; i += 4) {
    const double* p = x + i * k;
    Packet s0(0.0), s1(0.0), s2(0.0), s3(0.0);
    for (Index j = 0; j < whole; j += 8) {
      const Packet b = Packet::load(v + j);
      s0 = mul_add(Packet::load(p + j), b, s0);
      s1 = mul_add(Packet::load(p + k + j), b, s1);
      s2 = mul_add(Packet::load(p + 2 * k + j), b, s2);
      s3 = mul_add(Packet::load(p + 3 * k + j), b, s3);
    }
    if (whole < k) {
      const Packet b = Packet::load(v + last), none(0.0);
      s0 = s0 + where(fresh, Packet::load(p + last) * b, none);
      s1 = s1 + where(fresh, Packet::load(p + k + last) * b, none);
      s2 = s2 + where(fresh, Packet::load(p + 2 * k + last) * b, none);
      s3 = s3 + where(fresh, Packet::load(p + 3 * k + last) * b, none);
    }
    y[i] += math::sum(s0);
    y[i + 1] += math::sum(s1);
    y[i + 2] += math::sum(s2);
    y[i + 3] += math::sum(s3);
  }
  for (; i < n; ++i) y[i] += dot(x + i * k, v, k);
}

inline constexpr int kPanelPackets = math::detail::native_count == 1 ? 4 : math::detail::native_count == 2 ? 2 : 1;
/// z[width] += uᵀ[n] X[n, width], rows of X `k` apart; the sums of P packets, twice, stay in registers.
template <int... P>
inline void vec_mat_panel(const double* u, const double* x, double* z, Index n, Index k, Index width, std::integer_sequence<int, P...>) {
  constexpr std::size_t packets = sizeof...(P);
  Packet s[packets], t[packets];
  ((s[P] = Packet(0.0), t[P] = Packet(0.0)), ...);
  // A last packet that is not full reads on into the next row, and what it adds up there is never used. So the last
  // rows are left to the loop below.
  const Index safe = width % 8 == 0 ? n : n - 1 - 7 / k;
  Index i = 0;
  for (; i + 2 <= safe; i += 2) {
    const double* p = x + i * k;
    const Packet a(u[i]), b(u[i + 1]);
    ((s[P] = mul_add(a, Packet::load(p + 8 * P), s[P])), ...);
    ((t[P] = mul_add(b, Packet::load(p + k + 8 * P), t[P])), ...);
  }
  alignas(64) double sums[8 * packets];
  ((s[P] + t[P]).store(sums + 8 * P), ...);
  for (; i < n; ++i)
    for (Index j = 0; j < width; ++j) sums[j] += u[i] * x[i * k + j];
  for (Index j = 0; j < width; ++j) z[j] += sums[j];
}

/// z[k] += uᵀ[n] X[n, k].
WICK_NOINLINE inline void vec_mat(const double* u, const double* x, double* z, Index n, Index k) {
  if (k == 1) z[0] += dot(u, x, n);
  if (k == 2) narrow_vec_mat(u, x, z, n);
  if (k <= 2) return;
  constexpr Index whole = 8 * kPanelPackets;
  Index j = 0;
  for (; j + whole <= k; j += whole) vec_mat_panel(u, x + j, z + j, n, k, whole, std::make_integer_sequence<int, kPanelPackets>{});
  for (; j < k; j += 8) vec_mat_panel(u, x + j, z + j, n, k, k - j < 8 ? k - j : 8, std::integer_sequence<int, 0>{});
}

/// X[n, k] += u[n] vᵀ[k], or stores it where X is fresh.
WICK_NOINLINE inline void outer_product(const double* u, const double* v, double* x, Index n, Index k, bool fresh = false) {
  if (k > 0 && k < 8) return narrow_outers[k](u, v, x, n, fresh);
  for (Index i = 0; i < n; ++i, x += k) {
    const Packet a(u[i]);
    Index j = 0;
    for (; j + 8 <= k; j += 8) mul_add(a, Packet::load(v + j), before_product(x + j, fresh)).store(x + j);
    for (; j < k; ++j) x[j] = number_before_product(x + j, fresh) + u[i] * v[j];
  }
}

/// A matrix operand by its strides, so that transposes need no copy.
struct Strided {
  const double* at;
  Index row, column;
};

// A tile of C is kTileRows x kTilePackets packets of sums; together with a row of B they fit the registers of the
// machine.
inline constexpr Index kTileRows = math::detail::native_count == 1 ? 8 : math::detail::native_count == 2 ? 4 : 2;
inline constexpr Index kTilePackets = math::detail::native_count == 1 ? 3 : 1;
inline constexpr Index kTileColumns = 8 * kTilePackets;
inline constexpr Index kDepth = 256, kRows = 96, kColumns = 240;

/// One tile: C[rows, columns] (row stride ldc) += packed A panel · packed B panel over `depth`.
template <int... R, int... P>
inline void gemm_tile(const double* a, const double* b, Index depth, double* c, Index ldc, Index rows, Index columns,
                      std::integer_sequence<int, R...>, std::integer_sequence<int, P...>) {
  constexpr std::size_t packets = sizeof...(P);
  Packet s[sizeof...(R) * sizeof...(P)];
  const auto zero = [&s]<int Q>(std::integral_constant<int, Q>)
                        WICK_LAMBDA_INLINE { ((s[Q * packets + P] = Packet(0.0)), ...); };
  (zero(std::integral_constant<int, R>{}), ...);
  for (Index p = 0; p < depth; ++p, a += kTileRows, b += kTileColumns) {
    const Packet row[] = {Packet::load(b + 8 * P)...};
    const auto add = [&s, &row, a]<int Q>(std::integral_constant<int, Q>) WICK_LAMBDA_INLINE {
      const Packet x(a[Q]);
      ((s[Q * packets + P] = mul_add(x, row[P], s[Q * packets + P])), ...);
    };
    (add(std::integral_constant<int, R>{}), ...);
  }
  if (rows == kTileRows && columns == kTileColumns) {
    const auto put = [&s, c, ldc]<int Q>(std::integral_constant<int, Q>) WICK_LAMBDA_INLINE {
      ((Packet::load(c + Q * ldc + 8 * P) + s[Q * packets + P]).store(c + Q * ldc + 8 * P), ...);
    };
    (put(std::integral_constant<int, R>{}), ...);
    return;
  }
  alignas(64) double room[kTileRows * kTileColumns];
  const auto spill = [&s, &room]<int Q>(std::integral_constant<int, Q>)
                         WICK_LAMBDA_INLINE { (s[Q * packets + P].store(room + Q * kTileColumns + 8 * P), ...); };
  (spill(std::integral_constant<int, R>{}), ...);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < columns; ++j) c[i * ldc + j] += room[i * kTileColumns + j];
}

/// Copies `n` by `depth` elements into panels `width` wide: panel q holds, for each p, elements q · width … of line p.
/// Missing ones are 0. `step` is the distance along n, `stride` the one along depth.
inline void pack_panels(const double* from, Index n, Index step, Index depth, Index stride, Index width, double* to) {
  for (Index q = 0; q < n; q += width, to += depth * width) {
    const Index m = n - q < width ? n - q : width;
    const double* line = from + q * step;
    for (Index p = 0; p < depth; ++p, line += stride) {
      double* out = to + p * width;
      if (step == 1 && m == width)
        for (Index j = 0; j < width; ++j) out[j] = line[j];
      else
        for (Index j = 0; j < width; ++j) out[j] = j < m ? line[j * step] : 0.0;
    }
  }
}

/// C[n, m] += A[n, k] B[k, m]; C is row-major and dense.
WICK_NOINLINE inline void gemm(Strided a, Strided b, double* c, Index n, Index k, Index m) {
  if (n * k * m <= 128) {
    for (Index i = 0; i < n; ++i)
      for (Index p = 0; p < k; ++p)
        for (Index j = 0; j < m; ++j) c[i * m + j] += a.at[i * a.row + p * a.column] * b.at[p * b.row + j * b.column];
    return;
  }
  const Index depth_room = k < kDepth ? k : kDepth;
  const auto round_up = [](Index x, Index to) { return (x + to - 1) / to * to; };
  const Index a_room = round_up(round_up(n < kRows ? n : kRows, kTileRows) * depth_room, 8),
              b_room = round_up(m < kColumns ? m : kColumns, kTileColumns) * depth_room;
  std::size_t capacity = 0;
  double* memory =
      static_cast<double*>(thread_pool.take(static_cast<std::size_t>(a_room + b_room) * sizeof(double), capacity));
  double *pa = memory, *pb = memory + a_room;
  for (Index j0 = 0; j0 < m; j0 += kColumns) {
    const Index mj = m - j0 < kColumns ? m - j0 : kColumns;
    for (Index p0 = 0; p0 < k; p0 += kDepth) {
      const Index kp = k - p0 < kDepth ? k - p0 : kDepth;
      pack_panels(b.at + p0 * b.row + j0 * b.column, mj, b.column, kp, b.row, kTileColumns, pb);
      for (Index i0 = 0; i0 < n; i0 += kRows) {
        const Index ni = n - i0 < kRows ? n - i0 : kRows;
        pack_panels(a.at + i0 * a.row + p0 * a.column, ni, a.row, kp, a.column, kTileRows, pa);
        for (Index j = 0; j < mj; j += kTileColumns)
          for (Index i = 0; i < ni; i += kTileRows)
            gemm_tile(pa + i * kp, pb + j * kp, kp, c + (i0 + i) * m + j0 + j, m,
                      ni - i < kTileRows ? ni - i : kTileRows, mj - j < kTileColumns ? mj - j : kTileColumns,
                      std::make_integer_sequence<int, kTileRows>{}, std::make_integer_sequence<int, kTilePackets>{});
      }
    }
  }
  thread_pool.give(memory, capacity);
}

}  // namespace wick::inline WICK_ABI::detail
