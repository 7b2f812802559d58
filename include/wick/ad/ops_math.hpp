/// \file
/// Arithmetic, comparisons, selection and the elementwise functions of tensors.
#pragma once

#include <wick/ad/elementwise.hpp>
#include <wick/math/dual.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

// An operation has `f` (of numbers, or of dual numbers with lanes of their own where second derivatives are wanted) and, by argument, `d` or `da` and `db`: g times the partial, from the arguments and the result.
// Sums, differences and products need none: Tape::backward and `pull_product` know them.
struct AddOp {
  template <class A, class B> static auto f(const A& a, const B& b) { return a + b; }
};
struct SubOp {
  template <class A, class B> static auto f(const A& a, const B& b) { return a - b; }
};
struct MulOp {
  template <class A, class B> static auto f(const A& a, const B& b) { return a * b; }
};
struct DivOp {
  template <class A, class B> static auto f(const A& a, const B& b) { return a / b; }
  template <class V> static V da(const V& g, const V&, const V& b, const V&) { return g / b; }
  template <class V> static V db(const V& g, const V&, const V& b, const V& y) { return -(g / b * y); }
};
struct StopOp {
  template <class V> static V f(const V& a) { return a; }
};
struct NegOp {
  template <class V> static V f(const V& a) { return -a; }
};
struct ExpOp {
  template <class V> static V f(const V& a) { return exp(a); }
  template <class V> static V d(const V& g, const V&, const V& y) { return g * y; }
};
struct LogOp {
  template <class V> static V f(const V& a) { return log(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return g / a; }
};
struct Log1pOp {
  template <class V> static V f(const V& a) { return log1p(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return g / (V(1.0) + a); }
};
struct Expm1Op {
  template <class V> static V f(const V& a) { return expm1(a); }
  template <class V> static V d(const V& g, const V& a, const V& y) { return g * math::expm1_slope(a, y); }
};
struct SqrtOp {
  template <class V> static V f(const V& a) { return sqrt(a); }
  template <class V> static V d(const V& g, const V&, const V& y) { return V(0.5) * g / y; }
};
struct SquareOp {
  template <class V> static V f(const V& a) { return a * a; }
  template <class V> static V d(const V& g, const V& a, const V&) { return g * (a + a); }
};
struct AbsOp {
  template <class V> static V f(const V& a) { return abs(a); }
  template <class V> static V d(const V& g, const V& a, const V&) {
    return where(a > V(0.0), g, where(a < V(0.0), -g, where(a == V(0.0), V(0.0), a)));
  }
};
struct TanhOp {
  template <class V> static V f(const V& a) { return tanh(a); }
  template <class V> static V d(const V& g, const V& a, const V& y) { return g * math::tanh_slope(a, y); }
};
struct SigmoidOp {
  template <class V> static V f(const V& a) { return sigmoid(a); }
  // σ(−x) is 1 − y, but computed anew where y is near 1 and that has few digits left.
  template <class V> static V d(const V& g, const V& a, const V& y) {
    V q = V(1.0) - y;
    const auto flat = a > V(3.0);
    if (any(flat)) q = where(flat, sigmoid(V(-a)), q);
    return g * y * q;
  }
};
struct SoftplusOp {
  template <class V> static V f(const V& a) { return softplus(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return g * sigmoid(a); }
};
struct LgammaOp {
  template <class V> static V f(const V& a) { return lgamma(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return g * digamma(a); }
};
struct DigammaOp {
  template <class V> static V f(const V& a) { return digamma(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return g * trigamma(a); }
};
struct PowOp {
  template <class A, class B> static auto f(const A& a, const B& b) { return pow(a, b); }
  template <class V> static V da(const V& g, const V& a, const V& b, const V& y) { return g * math::detail::pow_slope(a, b, y); }
  // The derivative of 0^b in b is 0 for b > 0 (its limit), as NumPy-like systems define it.
  template <class V> static V db(const V& g, const V& a, const V&, const V& y) {
    return where(a == V(0.0), V(0.0), g * y * log(a));
  }
};
template <class V>
V as_number(const auto& condition) {
  return where(condition, V(1.0), V(0.0));
}
struct LessOp {
  template <class V> static V f(const V& a, const V& b) { return as_number<V>(a < b); }
};
struct LessEqualOp {
  template <class V> static V f(const V& a, const V& b) { return as_number<V>(a <= b); }
};
struct EqualOp {
  template <class V> static V f(const V& a, const V& b) { return as_number<V>(a == b); }
};
struct NotEqualOp {
  template <class V> static V f(const V& a, const V& b) { return as_number<V>(a != b); }
};
struct NotOp {
  template <class V> static V f(const V& a) { return as_number<V>(a == V(0.0)); }
};
struct AndOp {
  template <class V> static V f(const V& a, const V& b) { return as_number<V>((a != V(0.0)) & (b != V(0.0))); }
};
struct OrOp {
  template <class V> static V f(const V& a, const V& b) { return as_number<V>((a != V(0.0)) | (b != V(0.0))); }
};
struct WhereOp {
  static constexpr unsigned live = 0b110;
  template <class C, class A, class B> static auto f(const C& c, const A& a, const B& b) { return where(c != C(0.0), a, b); }
  template <class V> static V da(const V& g, const V& c) { return where(c != V(0.0), g, V(0.0)); }
  template <class V> static V db(const V& g, const V& c) { return where(c != V(0.0), V(0.0), g); }
};

// An operation's entry is a template so that only what a program uses is instantiated.
template <class = void>
inline constinit ElementFns op_neg = plain_op<NegOp, 1>("negate", Op::neg, Pull::neg);
template <class = void>
inline constinit ElementFns op_exp = smooth_op<ExpOp, 1>("exp");
template <class = void>
inline constinit ElementFns op_log = smooth_op<LogOp, 1>("log");
template <class = void>
inline constinit ElementFns op_log1p = smooth_op<Log1pOp, 1>("log1p");
template <class = void>
inline constinit ElementFns op_expm1 = smooth_op<Expm1Op, 1>("expm1");
template <class = void>
inline constinit ElementFns op_sqrt = smooth_op<SqrtOp, 1>("sqrt");
template <class = void>
inline constinit ElementFns op_square = smooth_op<SquareOp, 1>("square");
template <class = void>
inline constinit ElementFns op_abs = smooth_op<AbsOp, 1>("abs");
template <class = void>
inline constinit ElementFns op_tanh = smooth_op<TanhOp, 1>("tanh");
template <class = void>
inline constinit ElementFns op_sigmoid = smooth_op<SigmoidOp, 1>("sigmoid");
template <class = void>
inline constinit ElementFns op_softplus = smooth_op<SoftplusOp, 1>("softplus");
template <class = void>
inline constinit ElementFns op_lgamma = smooth_op<LgammaOp, 1>("lgamma");
template <class = void>
inline constinit ElementFns op_digamma = smooth_op<DigammaOp, 1>("digamma");
template <class = void>
inline constinit ElementFns op_add = plain_op<AddOp, 2>("add", Op::add, Pull::add);
template <class = void>
inline constinit ElementFns op_sub = plain_op<SubOp, 2>("subtract", Op::sub, Pull::sub);
template <class = void>
inline constinit ElementFns op_mul = plain_op<MulOp, 2>("multiply", Op::mul, Pull::mul);
template <class = void>
inline constinit ElementFns op_div = smooth_op<DivOp, 2>("divide", Op::div);
template <class = void>
inline constinit ElementFns op_pow = smooth_op<PowOp, 2>("pow");
template <class = void>
inline constinit ElementFns op_stop = flat_op<StopOp, 1>("stop_gradient");
template <class = void>
inline constinit ElementFns op_less = flat_op<LessOp, 2>("less");
template <class = void>
inline constinit ElementFns op_less_equal = flat_op<LessEqualOp, 2>("less_equal");
template <class = void>
inline constinit ElementFns op_equal = flat_op<EqualOp, 2>("equal");
template <class = void>
inline constinit ElementFns op_not_equal = flat_op<NotEqualOp, 2>("not_equal");
template <class = void>
inline constinit ElementFns op_not = flat_op<NotOp, 1>("not");
template <class = void>
inline constinit ElementFns op_and = flat_op<AndOp, 2>("and");
template <class = void>
inline constinit ElementFns op_or = flat_op<OrOp, 2>("or");
template <class = void>
inline constinit ElementFns op_where = ternary_op<WhereOp>("where");

WICK_NOINLINE inline Tensor apply1(ElementFns& f, const Tensor& x) {
  if (TensorAccess::is_scalar(x)) return element_scalars(f, x, nullptr);
  const Tensor* in[] = {&x};
  return elementwise(f, in);
}
WICK_NOINLINE inline Tensor apply2(ElementFns& f, const Tensor& a, const Tensor& b) {
  if (TensorAccess::is_scalar(a) && TensorAccess::is_scalar(b)) return element_scalars(f, a, &b);
  const Tensor* in[] = {&a, &b};
  return elementwise(f, in);
}
/// Whether both are plain numbers: then arithmetic needs neither driver nor tape.
WICK_INLINE bool plain_numbers(const Tensor& a, const Tensor& b) {
  return TensorAccess::is_scalar(a) && TensorAccess::is_scalar(b) && (TensorAccess::run(a) | TensorAccess::run(b)) == 0;
}

}  // namespace detail

/// a + b, a − b, a · b, a / b, element by element, with broadcasting. Gradients: both. Throws: wick.op.E120.
inline Tensor operator+(const Tensor& a, const Tensor& b) {
  if (detail::plain_numbers(a, b)) return detail::TensorAccess::scalar(a) + detail::TensorAccess::scalar(b);
  return detail::apply2(detail::op_add<>, a, b);
}
inline Tensor operator-(const Tensor& a, const Tensor& b) {
  if (detail::plain_numbers(a, b)) return detail::TensorAccess::scalar(a) - detail::TensorAccess::scalar(b);
  return detail::apply2(detail::op_sub<>, a, b);
}
inline Tensor operator*(const Tensor& a, const Tensor& b) {
  if (detail::plain_numbers(a, b)) return detail::TensorAccess::scalar(a) * detail::TensorAccess::scalar(b);
  return detail::apply2(detail::op_mul<>, a, b);
}
inline Tensor operator/(const Tensor& a, const Tensor& b) {
  if (detail::plain_numbers(a, b)) return detail::TensorAccess::scalar(a) / detail::TensorAccess::scalar(b);
  return detail::apply2(detail::op_div<>, a, b);
}
inline Tensor& operator+=(Tensor& a, const Tensor& b) { return a = a + b; }
inline Tensor& operator-=(Tensor& a, const Tensor& b) { return a = a - b; }
inline Tensor& operator*=(Tensor& a, const Tensor& b) { return a = a * b; }
inline Tensor& operator/=(Tensor& a, const Tensor& b) { return a = a / b; }
inline Tensor operator-(const Tensor& a) { return detail::apply1(detail::op_neg<>, a); }
inline Tensor operator+(const Tensor& a) { return a; }

/// eˣ. Shapes: elementwise.
inline Tensor exp(const Tensor& x) { return detail::apply1(detail::op_exp<>, x); }
/// The natural logarithm; −∞ at 0, NaN below. Shapes: elementwise.
inline Tensor log(const Tensor& x) { return detail::apply1(detail::op_log<>, x); }
/// log(1 + x), exact for small x. Shapes: elementwise.
inline Tensor log1p(const Tensor& x) { return detail::apply1(detail::op_log1p<>, x); }
/// eˣ − 1, exact for small x. Shapes: elementwise.
inline Tensor expm1(const Tensor& x) { return detail::apply1(detail::op_expm1<>, x); }
/// The square root. Gradient at 0: infinite. Shapes: elementwise.
inline Tensor sqrt(const Tensor& x) { return detail::apply1(detail::op_sqrt<>, x); }
/// x². Shapes: elementwise.
inline Tensor square(const Tensor& x) { return detail::apply1(detail::op_square<>, x); }
/// |x|. Gradient at 0: taken as 0. Shapes: elementwise.
inline Tensor abs(const Tensor& x) { return detail::apply1(detail::op_abs<>, x); }
/// The hyperbolic tangent. Shapes: elementwise.
inline Tensor tanh(const Tensor& x) { return detail::apply1(detail::op_tanh<>, x); }
/// 1 / (1 + e⁻ˣ), accurate in both tails, as is its gradient. Shapes: elementwise.
inline Tensor sigmoid(const Tensor& x) { return detail::apply1(detail::op_sigmoid<>, x); }
/// log(1 + eˣ) without overflow. Shapes: elementwise.
inline Tensor softplus(const Tensor& x) { return detail::apply1(detail::op_softplus<>, x); }
/// log |Γ(x)|; densities use it for x > 0. Gradient: digamma. Shapes: elementwise.
inline Tensor lgamma(const Tensor& x) { return detail::apply1(detail::op_lgamma<>, x); }
/// Γ′(x) / Γ(x). Gradient: trigamma. Shapes: elementwise.
inline Tensor digamma(const Tensor& x) { return detail::apply1(detail::op_digamma<>, x); }
/// aᵇ with broadcasting. Gradients: in b at a = 0 taken as 0; in a at b = 0 taken as 0.
inline Tensor pow(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_pow<>, a, b); }

/// Comparisons give 1 where they hold and 0 elsewhere (also for NaN, but for !=). No gradient.
inline Tensor operator<(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_less<>, a, b); }
inline Tensor operator>(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_less<>, b, a); }
inline Tensor operator<=(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_less_equal<>, a, b); }
inline Tensor operator>=(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_less_equal<>, b, a); }
inline Tensor operator==(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_equal<>, a, b); }
inline Tensor operator!=(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_not_equal<>, a, b); }
/// Logic of masks: anything but 0 counts as true.
inline Tensor operator!(const Tensor& a) { return detail::apply1(detail::op_not<>, a); }
inline Tensor operator&(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_and<>, a, b); }
inline Tensor operator|(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_or<>, a, b); }

/// a where the condition is not 0, else b. What is not selected leaves no trace in value or gradient, NaN included.
inline Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const Tensor* in[] = {&condition, &a, &b};
  return detail::elementwise(detail::op_where<>, in);
}

namespace detail {
/// In the step of a scan a value without derivative still changes from step to step.
WICK_COLD inline Tensor stopped_in_step(const Tensor& x) {
  Tensor value = x;
  if (TensorAccess::run(x) != 0) TensorAccess::attach(value, TensorAccess::run(x), TensorAccess::record(x), Kind::varying);
  return operand_kind("stop_gradient", value, context.tape) == Kind::constant ? TensorAccess::detached(x) : apply1(op_stop<>, value);
}
}  // namespace detail

/// The value of `x` as a constant of the recording.
inline Tensor stop_gradient(const Tensor& x) {
  if (WICK_UNLIKELY(detail::context.step != nullptr)) return detail::stopped_in_step(x);
  return detail::TensorAccess::detached(x);
}

}  // namespace wick::inline WICK_ABI
