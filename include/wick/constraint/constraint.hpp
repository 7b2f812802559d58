/// \file
/// Constraints: sets of values, and the maps between them and unconstrained space.
#pragma once

#include <wick/ad/ops_math.hpp>
#include <wick/ad/ops_shape.hpp>
#include <wick/core/fault.hpp>
#include <wick/tensor/make.hpp>

namespace wick::inline WICK_ABI {

class Constraint;

namespace detail {

/// "[2, 0]" for a flat index into a shape, nothing for a scalar.
WICK_COLD inline Text index_text(const Shape& s, Index flat) {
  Text out;
  Index inner = s.numel();
  for (unsigned d = 0; d < s.size(); ++d) {
    inner /= s[d];
    out.add({d == 0 ? "[" : ", ", flat / inner});
    flat %= inner;
  }
  return s.empty() ? out : out.add("]");
}

}  // namespace detail

/// What a constraint can do. Users add a constraint by filling such a table; it must live as long as the program.
///
/// `contains(x, a, b)` tests one element against the bounds. `to_constrained` maps unconstrained values into the set,
/// `to_unconstrained` is its inverse, `log_abs_det` is log |d constrained / d unconstrained| element by element at
/// (u, x). The last three are null for discrete sets. A set without bounds that is exactly the closed interval
/// [least, most] may say so: it is then tested eight elements at a time.
struct ConstraintOps {
  const char* name;
  bool discrete;
  bool (*contains)(double x, double a, double b);
  Tensor (*to_constrained)(const Tensor& u, const Constraint& c);
  Tensor (*to_unconstrained)(const Tensor& x, const Constraint& c);
  Tensor (*log_abs_det)(const Tensor& u, const Tensor& x, const Constraint& c);
  double least = 1, most = 0;
};

/// A set of values, elementwise, with up to two bounds (numbers or tensors that broadcast).
class Constraint {
 public:
  constexpr explicit Constraint(const ConstraintOps& ops) noexcept : ops_(&ops) {}
  Constraint(const ConstraintOps& ops, Tensor a, Tensor b = {}) : ops_(&ops), a_(std::move(a)), b_(std::move(b)) {}

  const char* name() const noexcept { return ops_->name; }
  bool is_discrete() const noexcept { return ops_->discrete; }
  const Tensor& lower() const noexcept { return a_; }
  const Tensor& upper() const noexcept { return b_; }

  /// The row-major index of the first element outside the set, counted in `x` broadcast with bounds and mask, or −1.
  /// Elements where the mask is 0 are not looked at.
  Index first_violation(const Tensor& x, const Tensor& mask = {}) const;
  bool contains(const Tensor& x) const { return first_violation(x) < 0; }
  /// Throws wick.constraint.E182, naming `what` and the element, where `contains` is false.
  void check(const Tensor& x, std::string_view what) const;

  /// T(u): unconstrained to constrained. Gradients: through u and the bounds.
  Tensor to_constrained(const Tensor& u) const { return is_real() ? u : continuous().to_constrained(u, *this); }
  /// T⁻¹(x). Values on the set's boundary map to ±∞.
  Tensor to_unconstrained(const Tensor& x) const { return continuous().to_unconstrained(x, *this); }
  /// log |T′(u)|, element by element.
  Tensor log_abs_det(const Tensor& u, const Tensor& x) const { return continuous().log_abs_det(u, x, *this); }

  /// The same kind of set with other bounds.
  Constraint with_bounds(Tensor a, Tensor b) const { return Constraint(*ops_, std::move(a), std::move(b)); }

  /// "interval(0, 5)"
  WICK_COLD detail::Text text() const {
    detail::Text s(ops_->name);
    if (a_.empty()) return s;
    for (const Tensor* t : {&a_, &b_}) {
      if (t->empty()) continue;
      s.add(t == &a_ ? "(" : ", ");
      t->numel() == 1 ? s.add(detail::Part(t->item())) : s.add({"tensor of shape ", t->shape()});
    }
    return s.add(")");
  }
  std::string to_string() const { return std::string(text().view()); }

  /// Same set: same kind, same numbers as bounds.
  friend bool operator==(const Constraint& x, const Constraint& y) {
    return x.ops_ == y.ops_ && same_bound(x.a_, y.a_) && same_bound(x.b_, y.b_);
  }

 private:
  static bool same_bound(const Tensor& a, const Tensor& b) {
    if (a.empty() && b.empty()) return true;
    if (a.empty() || b.empty() || !(a.shape() == b.shape())) return false;
    const double *p = a.data(), *q = b.data();
    for (Index i = 0; i < a.numel(); ++i)
      if (p[i] != q[i]) return false;
    return true;
  }
  bool is_real() const noexcept;  // whose map is the identity
  const ConstraintOps& continuous() const {
    if (ops_->to_constrained == nullptr)
      detail::raise<UsageError>("wick.constraint.E180", "", {"constraint ", ops_->name, " is discrete: it has no map to unconstrained space"},
                                {"use a continuous constraint; a discrete latent site wants a discrete distribution in the guide"});
    return *ops_;
  }
  const ConstraintOps* ops_;
  Tensor a_, b_;
};

namespace detail {

/// The first of `n` elements outside a set without bounds, or −1.
inline Index first_outside(const ConstraintOps& set, const double* x, Index n) {
  Index i = 0;
  if (set.least <= set.most) {
    const Packet least(set.least), most(set.most);
    for (; n - i >= 8; i += 8) {
      const Packet p = Packet::load(x + i);
      if (!all((p >= least) & (p <= most))) break;
    }
    while (i < n && x[i] >= set.least && x[i] <= set.most) ++i;
  }
  for (; i < n; ++i)
    if (!set.contains(x[i], 0, 0)) return i;
  return -1;
}

}  // namespace detail

inline Index Constraint::first_violation(const Tensor& x, const Tensor& mask) const {
  using detail::TensorAccess;
  if (WICK_UNLIKELY(x.empty())) detail::raise_empty("a constraint's test");
  const Tensor unused(1.0);
  const Tensor* in[] = {&x, a_.empty() ? &unused : &a_, b_.empty() ? &unused : &b_, mask.empty() ? &unused : &mask};
  const Shape* shapes[4];
  const double* data[4];
  bool plain = !TensorAccess::is_expanded(x);
  Shape wide;
  for (unsigned k = 0; k < 4; ++k) {
    plain = plain && (k == 0 || in[k] == &unused);
    shapes[k] = &TensorAccess::stored_shape(*in[k]);
    data[k] = TensorAccess::stored(*in[k]);
    if (!detail::broadcast_into(wide, in[k]->shape())) detail::raise_broadcast(name(), x.shape(), in[k]->shape());
  }
  if (plain) return detail::first_outside(*ops_, data[0], x.numel());
  Index at = 0;
  for (detail::Walk w(wide, shapes, 4); w.live(); w.next())
    for (Index i = 0; i < w.length(); ++i, ++at) {
      const auto element = [&](unsigned k) { return data[k][w.offset(k) + (w.step(k) ? i : 0)]; };
      if (element(3) != 0 && !ops_->contains(element(0), element(1), element(2))) return at;
    }
  return -1;
}

inline void Constraint::check(const Tensor& x, std::string_view what) const {
  const Index bad = first_violation(x);
  if (WICK_LIKELY(bad < 0)) return;
  Shape wide = x.shape();
  detail::broadcast_into(wide, a_.shape());
  detail::broadcast_into(wide, b_.shape());
  const double value = expand(detail::TensorAccess::detached(x), wide).data()[bad];
  detail::raise<DomainError>("wick.constraint.E182", "", {what, detail::index_text(wide, bad), " = ", value, " is not in ", text()},
                             {"give a value inside the set, or name another constraint"});
}

namespace detail {

inline constexpr double kMax = std::numeric_limits<double>::max();
inline constexpr double kTiniest = std::numeric_limits<double>::denorm_min();

// Sets alone, without the maps: what tests only should not pull in the code of the maps.
inline constexpr ConstraintOps real_set{
    "real", false, [](double x, double, double) { return x - x == 0; }, nullptr, nullptr, nullptr, -kMax, kMax};
inline constexpr ConstraintOps positive_set{
    "positive", false, [](double x, double, double) { return x > 0 && x < kInf; }, nullptr, nullptr, nullptr, kTiniest, kMax};
inline constexpr ConstraintOps nonnegative_set{
    "nonnegative", false, [](double x, double, double) { return x >= 0 && x < kInf; }, nullptr, nullptr, nullptr, 0, kMax};
inline constexpr ConstraintOps unit_interval_set{
    "unit_interval", false, [](double x, double, double) { return x >= 0 && x <= 1; }, nullptr, nullptr, nullptr, 0, 1};
inline constexpr ConstraintOps interval_set{
    "interval", false, [](double x, double a, double b) { return x >= a && x <= b; }, nullptr, nullptr, nullptr};
inline constexpr ConstraintOps greater_than_set{
    "greater_than", false, [](double x, double a, double) { return x > a && x < kInf; }, nullptr, nullptr, nullptr};
inline constexpr ConstraintOps boolean_set{
    "boolean", true, [](double x, double, double) { return x == 0 || x == 1; }, nullptr, nullptr, nullptr};
inline constexpr ConstraintOps nonnegative_integer_set{
    "nonnegative_integer", true, [](double x, double, double) { return x >= 0 && x == __builtin_floor(x) && x < kInf; }, nullptr, nullptr, nullptr};
inline constexpr ConstraintOps integer_interval_set{
    "integer_interval", true, [](double x, double a, double b) { return x >= a && x <= b && x == __builtin_floor(x); }, nullptr, nullptr, nullptr};

using Map = Tensor (*)(const Tensor&, const Constraint&);
using LogDet = Tensor (*)(const Tensor&, const Tensor&, const Constraint&);
constexpr ConstraintOps with_maps(ConstraintOps set, Map to_constrained, Map to_unconstrained, LogDet log_abs_det) {
  set.to_constrained = to_constrained;
  set.to_unconstrained = to_unconstrained;
  set.log_abs_det = log_abs_det;
  return set;
}

inline Tensor same_map(const Tensor& x, const Constraint&) { return x; }
inline Tensor log_det_same(const Tensor& u, const Tensor&, const Constraint&) { return zeros(u.shape()); }
inline constexpr ConstraintOps real_ops = with_maps(real_set, &same_map, &same_map, &log_det_same);

}  // namespace detail
inline bool Constraint::is_real() const noexcept { return ops_ == &detail::real_ops; }
namespace detail {

inline Tensor exp_map(const Tensor& u, const Constraint&) { return WICK_FAULT(constraint_jacobian_missing, exp(u), u + stop_gradient(exp(u) - u)); }
inline Tensor log_map(const Tensor& x, const Constraint&) { return log(x); }
inline Tensor log_det_exp(const Tensor& u, const Tensor&, const Constraint&) { return u; }
inline constexpr ConstraintOps positive_ops = with_maps(positive_set, &exp_map, &log_map, &log_det_exp);
inline constexpr ConstraintOps nonnegative_ops = with_maps(nonnegative_set, &exp_map, &log_map, &log_det_exp);

inline Tensor sigmoid_map(const Tensor& u, const Constraint&) { return sigmoid(u); }
inline Tensor logit_map(const Tensor& p, const Constraint&) { return log(p) - log1p(-p); }
inline Tensor log_det_sigmoid(const Tensor& u, const Tensor&, const Constraint&) { return -(softplus(u) + softplus(-u)); }
inline constexpr ConstraintOps unit_interval_ops = with_maps(unit_interval_set, &sigmoid_map, &logit_map, &log_det_sigmoid);
inline constexpr ConstraintOps interval_ops = with_maps(
    interval_set, [](const Tensor& u, const Constraint& c) { return c.lower() + (c.upper() - c.lower()) * sigmoid(u); },
    [](const Tensor& x, const Constraint& c) { return log(x - c.lower()) - log(c.upper() - x); },
    [](const Tensor& u, const Tensor& x, const Constraint& c) { return log(c.upper() - c.lower()) + log_det_sigmoid(u, x, c); });
inline constexpr ConstraintOps greater_than_ops = with_maps(
    greater_than_set, [](const Tensor& u, const Constraint& c) { return c.lower() + exp(u); },
    [](const Tensor& x, const Constraint& c) { return log(x - c.lower()); },
    // The bound may have broadcast the value.
    [](const Tensor& u, const Tensor& x, const Constraint&) { return u.shape() == x.shape() ? u : u + zeros(x.shape()); });

[[noreturn]] WICK_COLD inline void raise_bounds(const char* what, Index at) {
  raise<DomainError>("wick.constraint.E181", "", {what, "; element ", at < 0 ? Index{0} : at, " is not so"}, {"swap or repair the bounds"});
}

}  // namespace detail

/// The constraints of parameters and supports.
namespace constraints {

inline constexpr Constraint real{detail::real_ops};                                ///< all finite numbers; identity
inline constexpr Constraint positive{detail::positive_ops};                        ///< (0, ∞) by eᵘ
inline constexpr Constraint nonnegative{detail::nonnegative_ops};                  ///< [0, ∞); eᵘ reaches its interior
inline constexpr Constraint unit_interval{detail::unit_interval_ops};              ///< [0, 1] by the logistic function
inline constexpr Constraint boolean{detail::boolean_set};                          ///< {0, 1}
inline constexpr Constraint nonnegative_integer{detail::nonnegative_integer_set};  ///< {0, 1, 2, …}

/// [a, b] by a + (b − a) σ(u). Throws wick.constraint.E181 unless a and b are finite and a < b everywhere.
inline Constraint interval(const Tensor& a, const Tensor& b) {
  const Index bad = Constraint(detail::greater_than_set, a).first_violation(b);
  if (bad >= 0 || !real.contains(a)) detail::raise_bounds("interval(a, b) wants finite numbers a < b", bad);
  return Constraint(detail::interval_ops, a, b);
}
/// (a, ∞) by a + eᵘ. Throws wick.constraint.E181 unless a is finite.
inline Constraint greater_than(const Tensor& a) {
  const Index bad = real.first_violation(a);
  if (bad >= 0) detail::raise_bounds("greater_than(a) wants a finite number", bad);
  return Constraint(detail::greater_than_ops, a);
}
/// {a, a + 1, …, b}. Throws wick.constraint.E181 unless a and b are integers and a <= b.
inline Constraint integer_interval(const Tensor& a, const Tensor& b) {
  const Index bad = Constraint(detail::integer_interval_set, a, Tensor(detail::kMax)).first_violation(b);
  if (bad >= 0 || !Constraint(detail::integer_interval_set, Tensor(-detail::kMax), Tensor(detail::kMax)).contains(a))
    detail::raise_bounds("integer_interval(a, b) wants integers a <= b", bad);
  return Constraint(detail::integer_interval_set, a, b);
}

}  // namespace constraints
}  // namespace wick::inline WICK_ABI
