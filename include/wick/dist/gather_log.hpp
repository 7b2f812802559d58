/// \file
/// The density and the sampler of Categorical: rows of weights or log weights, and one number a row looked up.
#pragma once

#include <wick/dist/draw.hpp>

namespace wick::inline WICK_ABI::detail {

/// The rows of a parameter of shape (..., categories).
struct Rows {
  const double* data;
  Index count, categories;
  Shape shape;  ///< without the categories
  bool logits;

  Rows(const double* p, const Shape& s, bool by_logits) : data(p), categories(s.back()), shape(s.head(s.rank() - 1)), logits(by_logits) {
    count = shape.numel();
  }
};

/// Σ exp(w − shift) over a row.
inline double sum_of_exp_row(const double* w, Index n, double shift) {
  Packet total(0.0);
  for (Index i = 0; i < n; i += 8) total = total + where(first_lanes(n - i), exp(load_at(w, true, i, n) - Packet(shift)), Packet(0.0));
  return math::sum(total);
}
inline double largest_in_row(const double* w, Index n) {
  double largest = w[0];
  for (Index k = 1; k < n; ++k) largest = w[k] > largest ? w[k] : largest;
  return largest;
}

/// What a row is divided by: Σ of the weights, or logsumexp of the log weights. NaN where a weight is not legal or none
/// is positive.
WICK_NOINLINE inline void row_norms(const Rows& r, double* norm) {
  for (Index i = 0; i < r.count; ++i) {
    const double* w = r.data + i * r.categories;
    if (r.logits) {
      const double shift = largest_in_row(w, r.categories);
      norm[i] = shift - shift == 0 ? shift + log(Scalar(sum_of_exp_row(w, r.categories, shift))).v : kNaN;
      continue;
    }
    double least = 0;
    for (Index k = 0; k < r.categories; ++k) least = w[k] < least ? w[k] : least;
    const double total = sum_array(w, r.categories);
    norm[i] = least == 0 && total > 0 && total < kInf ? total : kNaN;
  }
}

/// The recorded form of a lookup.
struct GatherLogPayload {
  const OpFns* fns;
  std::uint32_t value, rows, mask;  ///< records; mask 0 = none
  bool logits, sum;
  double factor = 1;
  double* norm;
  const Index* sizes;  ///< of the elements, `rank` of them
  Index rank;
};

/// One evaluation: calls `f(element, row, category, counted)` for every element; category −1 where there is none such.
template <class F>
void for_each_lookup(const Shape& shape, const Rows& rows, const double* value, const Shape& value_shape, const double* mask, const Shape* mask_shape, F f) {
  const Shape* shapes[] = {&value_shape, &rows.shape, mask_shape};
  Index at = 0;
  for (Walk w(shape, shapes, mask == nullptr ? 2 : 3); w.live(); w.next())
    for (Index i = 0; i < w.length(); ++i, ++at) {
      const auto index = [&](unsigned k) { return w.offset(k) + (w.step(k) ? i : 0); };
      if (mask != nullptr && mask[index(2)] == 0) {
        f(at, Index{0}, Index{-1}, false);
        continue;
      }
      const double x = value[index(0)];
      const bool legal = x >= 0 && x < static_cast<double>(rows.categories) && x == __builtin_floor(x);
      f(at, index(1), legal ? static_cast<Index>(x) : Index{-1}, true);
    }
}

/// Σ (times nothing) or one number an element into `out`.
WICK_NOINLINE inline double gather_log_run(const Shape& shape, const Rows& rows, double* norm, const double* value, const Shape& value_shape,
                                           const double* mask, const Shape* mask_shape, double* out) {
  row_norms(rows, norm);
  PairwiseSum total;
  double part = 0;
  Index in_part = 0;
  for_each_lookup(shape, rows, value, value_shape, mask, mask_shape, [&](Index at, Index row, Index k, bool counted) {
    double lp = 0;
    if (counted) {
      const double p = k < 0 ? kNaN : rows.data[row * rows.categories + k];
      lp = rows.logits ? p - norm[row] : log(Scalar(p / norm[row])).v;
    }
    if (out != nullptr) out[at] = lp;
    part += lp;
    if (++in_part == kChunk) {
      total.add(part);
      part = 0;
      in_part = 0;
    }
  });
  total.add(part);
  return total.total();
}

inline Shape gather_shape(const GatherLogPayload& p) {
  Shape s;
  s.assign(p.sizes, static_cast<std::size_t>(p.rank));
  return s;
}
inline void gather_log_rerun(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<GatherLogPayload*>(tape[i].payload);
  const Rows rows(tape.data(p.rows), tape.shape(p.rows), p.logits);
  double* out = p.sum ? nullptr : output_of(tape, i);
  const double total = gather_log_run(gather_shape(p), rows, p.norm, tape.data(p.value), tape.shape(p.value),
                                      p.mask == 0 ? nullptr : tape.data(p.mask), p.mask == 0 ? nullptr : &tape.shape(p.mask), out);
  if (p.sum) tape[i].value = p.factor * total;
}

inline void gather_log_adjoint(Tape& tape, std::uint32_t i) {
  auto& p = *static_cast<GatherLogPayload*>(tape[i].payload);
  double* to = tape.adjoint(p.rows);
  if (to == nullptr) return;
  const Rows rows(tape.data(p.rows), tape.shape(p.rows), p.logits);
  const double* g = tape.arrived(i);
  double* through = tape.arena().zeros(rows.count);  // Σ of the adjoints that pass the row's norm
  for_each_lookup(gather_shape(p), rows, tape.data(p.value), tape.shape(p.value), p.mask == 0 ? nullptr : tape.data(p.mask),
                  p.mask == 0 ? nullptr : &tape.shape(p.mask), [&](Index at, Index row, Index k, bool counted) {
                    if (!counted || k < 0) return;
                    const double gi = p.sum ? *g * p.factor : g[at];
                    const Index j = row * rows.categories + k;
                    to[j] += rows.logits ? gi : gi / rows.data[j];
                    through[row] += gi;
                  });
  for (Index r = 0; r < rows.count; ++r) {
    if (through[r] == 0) continue;
    const double* w = rows.data + r * rows.categories;
    double* tr = to + r * rows.categories;
    if (!rows.logits) {
      add_constant(rows.categories, -through[r] / p.norm[r], tr);
      continue;
    }
    for (Index k = 0; k < rows.categories; k += 8)
      store_at(tr, k, rows.categories, load_at(tr, true, k, rows.categories) -
                                           Packet(through[r]) * exp(load_at(w, true, k, rows.categories) - Packet(p.norm[r])));
  }
}
#if defined(WICK_SECOND_ORDER)
/// The tangent of a row's norm, as log of the sum for logits, as the sum for weights.
inline double norm_tangent(const Rows& rows, const GatherLogPayload& p, Index row, const double* dw) {
  double total = 0;
  for (Index k = 0; k < rows.categories; ++k) {
    const double w = rows.logits ? std::exp(rows.data[row * rows.categories + k] - p.norm[row]) : 1.0;
    total += w == 0 ? 0.0 : w * dw[row * rows.categories + k];
  }
  return total;
}
template <class F>
void for_each_lookup(SecondPass& pass, const GatherLogPayload& p, const Rows& rows, F f) {
  for_each_lookup(gather_shape(p), rows, pass.value(p.value), pass.tape().shape(p.value), p.mask == 0 ? nullptr : pass.value(p.mask),
                  p.mask == 0 ? nullptr : &pass.tape().shape(p.mask), f);
}
WICK_COLD inline void gather_log_tangent(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const GatherLogPayload*>(pass.tape()[i].payload);
  const Rows rows(pass.value(p.rows), pass.tape().shape(p.rows), p.logits);
  const double* dw = pass.tangent(p.rows);
  double *out = pass.tangent_output(i), total = 0;
  for_each_lookup(pass, p, rows, [&](Index at, Index row, Index k, bool counted) {
    double d = 0;
    if (counted && k >= 0) {
      const Index j = row * rows.categories + k;
      const double dn = norm_tangent(rows, p, row, dw);
      d = rows.logits ? dw[j] - dn : dw[j] / rows.data[j] - dn / p.norm[row];
    }
    if (p.sum)
      total += d;
    else
      out[at] = d;
  });
  if (p.sum) *out = p.factor * total;
}
WICK_COLD inline void gather_log_pull(SecondPass& pass, std::uint32_t i) {
  const auto& p = *static_cast<const GatherLogPayload*>(pass.tape()[i].payload);
  double* to = pass.pull_to(p.rows);
  if (to == nullptr) return;
  const Rows rows(pass.value(p.rows), pass.tape().shape(p.rows), p.logits);
  const double *dw = pass.tangent(p.rows), *g = pass.adjoint(i), *dg = pass.adjoint_tangent(i);
  for_each_lookup(pass, p, rows, [&](Index at, Index row, Index k, bool counted) {
    if (!counted || k < 0) return;
    const Index first = row * rows.categories, j = p.sum ? 0 : at;
    const double gi = g == nullptr ? 0.0 : p.factor * g[j], dgi = dg == nullptr ? 0.0 : p.factor * dg[j];
    if (gi == 0 && dgi == 0) return;
    const double norm = p.norm[row], dn = norm_tangent(rows, p, row, dw), w = rows.data[first + k];
    to[first + k] += rows.logits ? dgi : (dgi - gi * dw[first + k] / w) / w;
    for (Index c = 0; c < rows.categories; ++c) {
      const double s = rows.logits ? std::exp(rows.data[first + c] - norm) : 1.0;
      if (s != 0) to[first + c] -= rows.logits ? s * (dgi + gi * (dw[first + c] - dn)) : (dgi - gi * dn / norm) / norm;
    }
  });
}
#endif
inline constexpr OpFns gather_log_ops{"categorical", &gather_log_rerun, &gather_log_adjoint, {WICK_SECOND(SecondKind::own, &gather_log_tangent, &gather_log_pull)}};

/// log of the normalised weight of each value, or the sum; recorded where an input is not constant. `weights` is dense.
WICK_NOINLINE inline Tensor gather_log(const Tensor& value, const Tensor& weights, bool logits, const Shape& shape, const ScoreRequest& q) {
  Tape* tape = context.tape;
  Kind kind = operand_kind("categorical", weights, tape);
  for (const Tensor* t : {&value, q.mask})
    if (t != nullptr && operand_kind("categorical", *t, tape) != Kind::constant && kind == Kind::constant) kind = Kind::varying;
  const Rows rows(TensorAccess::stored(weights), weights.shape(), logits);
  Tensor room;
  double* norm;
  if (kind == Kind::constant) {
    room = TensorAccess::make(Shape{rows.count});
    norm = TensorAccess::fresh_data(room);
  } else {
    norm = tape->arena().doubles(rows.count);
  }
  Tensor out = q.sum ? Tensor(0.0) : TensorAccess::make(shape);
  const double total = gather_log_run(shape, rows, norm, TensorAccess::stored(value), TensorAccess::stored_shape(value),
                                      q.mask == nullptr ? nullptr : TensorAccess::stored(*q.mask),
                                      q.mask == nullptr ? nullptr : &TensorAccess::stored_shape(*q.mask), q.sum ? nullptr : TensorAccess::fresh_data(out));
  if (q.sum) out = Tensor(q.factor * total);
  if (kind == Kind::constant) return out;
  auto* p = new_payload<GatherLogPayload>(*tape);
  p->fns = &gather_log_ops;
  p->value = record_of(value, *tape);
  p->rows = record_of(weights, *tape);
  p->mask = q.mask == nullptr ? 0 : record_of(*q.mask, *tape);
  p->logits = logits;
  p->sum = q.sum;
  p->factor = q.factor;
  p->norm = norm;
  p->rank = shape.rank();
  auto* sizes = static_cast<Index*>(tape->arena().take_small(shape.size() * sizeof(Index)));
  for (unsigned i = 0; i < shape.size(); ++i) sizes[i] = shape[i];
  p->sizes = sizes;
  return general_result(*tape, p, out, kind);
}

/// Throws wick.dist.E201 for a row in which no category has positive weight.
inline void check_rows(const FamilyInfo& family, const Tensor& p, bool logits) {
  const Rows rows(TensorAccess::stored(p), p.shape(), logits);
  const double none = logits ? -kInf : 0.0;
  for (Index r = 0; r < rows.count; ++r) {
    const double* w = rows.data + r * rows.categories;
    Index k = 0;
    while (k < rows.categories && w[k] == none) ++k;
    if (k < rows.categories) continue;
    raise<DomainError>("wick.dist.E201", "", {family.name, ": ", family.parameters[0], index_text(rows.shape, r), " gives no category a positive probability"},
                       {"give at least one category a positive weight in every row"});
  }
}

/// The index of the category of each element: the inverse of the row's cumulative weights.
inline void draw_categories(Key key, const Shape& shape, double* out, const DrawInputs& in, bool logits) {
  const Rows rows(in.data[0], *in.shapes[0], logits);
  fill_uniform_noise(key, shape, out, in);
  const Index n = rows.categories;
  Tensor room = TensorAccess::make(Shape{rows.count * n});
  double* cumulative = TensorAccess::fresh_data(room);
  for (Index r = 0; r < rows.count; ++r) {
    const double* w = rows.data + r * n;
    const double shift = logits ? largest_in_row(w, n) : 0.0;
    double total = 0;
    for (Index k = 0; k < n; ++k) cumulative[r * n + k] = total += logits ? exp(Scalar(w[k] - shift)).v : w[k];
  }
  const Shape* operand = &rows.shape;
  Index at = 0;
  for (Walk w(shape, &operand, 1); w.live(); w.next())
    for (Index i = 0; i < w.length(); ++i, ++at) {
      const double* c = cumulative + (w.offset(0) + (w.step(0) ? i : 0)) * n;
      const double u = out[at] * c[n - 1];
      // The first category whose cumulative weight exceeds u: one of weight 0 never is. Rounding may make u the total.
      Index low = 0, high = n - 1;
      while (low < high) {
        const Index middle = (low + high) / 2;
        if (c[middle] > u)
          high = middle;
        else
          low = middle + 1;
      }
      while (low > 0 && c[low] == c[low - 1]) --low;
      out[at] = static_cast<double>(low);
    }
}
inline constexpr DrawSpec category_probs_draw{
    "categorical draw", 1, [](Key key, const Shape& shape, double* out, const DrawInputs& in) { draw_categories(key, shape, out, in, false); }};
inline constexpr DrawSpec category_logits_draw{
    "categorical draw", 1, [](Key key, const Shape& shape, double* out, const DrawInputs& in) { draw_categories(key, shape, out, in, true); }};

}  // namespace wick::inline WICK_ABI::detail
