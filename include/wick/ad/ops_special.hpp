/// \file
/// Elementwise functions beyond the everyday ones: sin, cos, erf, tails of distributions, beta functions, clamping and rounding.
#pragma once

#include <wick/ad/ops_math.hpp>
#include <wick/math/dual_special.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

// As in ops_math.hpp.
struct SinOp {
  template <class V> static V f(const V& a) { return sin(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return g * cos(a); }
};
struct CosOp {
  template <class V> static V f(const V& a) { return cos(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return -(g * sin(a)); }
};
struct ErfOp {
  template <class V> static V f(const V& a) { return erf(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return g * (V(1.1283791670955126) * exp(-(a * a))); }  // 2 / √π
};
struct ErfcOp {
  template <class V> static V f(const V& a) { return erfc(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return g * (V(-1.1283791670955126) * exp(-(a * a))); }
};
struct LogNdtrOp {
  template <class V> static V f(const V& a) { return log_ndtr(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return g * log_ndtr_slope(a); }
};
struct Log1mexpOp {
  template <class V> static V f(const V& a) { return log1mexp(a); }
  template <class V> static V d(const V& g, const V& a, const V&) { return g * copysign(V(1.0) / expm1(abs(a)), a); }
};
struct LbetaOp {
  template <class A, class B> static auto f(const A& a, const B& b) { return lbeta(a, b); }
  template <class V> static V da(const V& g, const V& a, const V& b, const V&) { return g * lbeta_slope(a, b); }
  template <class V> static V db(const V& g, const V& a, const V& b, const V&) { return g * lbeta_slope(b, a); }
};
struct PolygammaOp {
  static constexpr unsigned live = 0b10;  // the order has no derivative
  template <class A, class B> static auto f(const A& n, const B& x) { return polygamma(n, x); }
  template <class V> static V da(const V& g, const V&, const V&, const V&) { return g; }
  template <class V> static V db(const V& g, const V& n, const V& x, const V&) { return g * polygamma(V(n + V(1.0)), x); }
};
struct ReluOp {
  template <class V> static V f(const V& a) { return where(a > V(0.0), a, where(a <= V(0.0), V(0.0), a)); }
  template <class V> static V d(const V& g, const V& a, const V&) { return where(a > V(0.0), g, where(a <= V(0.0), V(0.0), a)); }
};
// The derivative of a pair of which `chosen` says whether a is it; NaN where they do not compare.
template <class V>
V pair_partial(const V& g, const auto& chosen, const auto& not_chosen, const V& a, const V& b) {
  const V d = where(chosen, g, V(0.0));
  const auto neither = !(chosen | not_chosen);
  return any(neither) ? where(neither, where(a == b, V(0.5) * g, a + b), d) : d;
}
struct MaximumOp {
  template <class A, class B> static auto f(const A& a, const B& b) { return larger(a, b); }
  template <class V> static V da(const V& g, const V& a, const V& b, const V&) { return pair_partial(g, a > b, a < b, a, b); }
  template <class V> static V db(const V& g, const V& a, const V& b, const V&) { return pair_partial(g, a < b, a > b, a, b); }
};
struct MinimumOp {
  template <class A, class B> static auto f(const A& a, const B& b) { return smaller(a, b); }
  template <class V> static V da(const V& g, const V& a, const V& b, const V&) { return pair_partial(g, a < b, a > b, a, b); }
  template <class V> static V db(const V& g, const V& a, const V& b, const V&) { return pair_partial(g, a > b, a < b, a, b); }
};
struct ClampOp {
  template <class A, class B, class C> static auto f(const A& x, const B& low, const C& high) {
    return where(low == low, where(high == high, min(high, max(low, x)), high), low);  // x where it is equal to a bound
  }
  template <class V> static V da(const V& g, const V& x, const V& low, const V& high) {
    return where((x >= low) & (x <= high), g, where(x == x, V(0.0), x));
  }
  template <class V> static V db(const V& g, const V& x, const V& low, const V& high) { return where((x < low) & (low <= high), g, V(0.0)); }
  template <class V> static V dc(const V& g, const V& x, const V& low, const V& high) { return where((x > high) | (low > high), g, V(0.0)); }
};
struct FloorOp {
  template <class V> static V f(const V& a) { return floor(a); }
};
struct RoundOp {
  template <class V> static V f(const V& a) { return round(a); }
};

template <class = void>
inline constinit ElementFns op_sin = smooth_op<SinOp, 1>("sin");
template <class = void>
inline constinit ElementFns op_cos = smooth_op<CosOp, 1>("cos");
template <class = void>
inline constinit ElementFns op_erf = smooth_op<ErfOp, 1>("erf");
template <class = void>
inline constinit ElementFns op_erfc = smooth_op<ErfcOp, 1>("erfc");
template <class = void>
inline constinit ElementFns op_log_ndtr = smooth_op<LogNdtrOp, 1>("log_ndtr");
template <class = void>
inline constinit ElementFns op_log1mexp = smooth_op<Log1mexpOp, 1>("log1mexp");
template <class = void>
inline constinit ElementFns op_lbeta = smooth_op<LbetaOp, 2>("lbeta");
template <class = void>
inline constinit ElementFns op_polygamma = smooth_op<PolygammaOp, 2>("polygamma");
template <class = void>
inline constinit ElementFns op_relu = smooth_op<ReluOp, 1>("relu");
template <class = void>
inline constinit ElementFns op_maximum = smooth_op<MaximumOp, 2>("maximum");
template <class = void>
inline constinit ElementFns op_minimum = smooth_op<MinimumOp, 2>("minimum");
template <class = void>
inline constinit ElementFns op_clamp = ternary_op<ClampOp>("clamp");
template <class = void>
inline constinit ElementFns op_floor = flat_op<FloorOp, 1>("floor");
template <class = void>
inline constinit ElementFns op_round = flat_op<RoundOp, 1>("round");

[[noreturn]] WICK_COLD inline void raise_order(Index n) {
  raise<DomainError>("wick.op.E140", "", {"polygamma: the order is ", n, ", a number of derivatives of digamma from 0 on"},
                     {"polygamma(0, x) is digamma(x), polygamma(1, x) its derivative"});
}

}  // namespace detail

/// Sine and cosine; NaN at ±∞. Shapes: elementwise.
inline Tensor sin(const Tensor& x) { return detail::apply1(detail::op_sin<>, x); }
inline Tensor cos(const Tensor& x) { return detail::apply1(detail::op_cos<>, x); }
/// The error function and 1 − erf(x), which keeps its relative accuracy for large x. Shapes: elementwise.
inline Tensor erf(const Tensor& x) { return detail::apply1(detail::op_erf<>, x); }
inline Tensor erfc(const Tensor& x) { return detail::apply1(detail::op_erfc<>, x); }
/// log Φ(x), Φ the distribution function of the standard normal; accurate in both tails, as is its gradient φ(x) / Φ(x). Shapes: elementwise.
inline Tensor log_ndtr(const Tensor& x) { return detail::apply1(detail::op_log_ndtr<>, x); }
/// log(1 − e^−|x|), accurate for small and large x: whether the logarithm of a probability comes as x or as −x, this is the logarithm of its
/// complement. −∞ at 0, where the gradient is infinite. Shapes: elementwise.
inline Tensor log1mexp(const Tensor& x) { return detail::apply1(detail::op_log1mexp<>, x); }
/// log B(a, b) for a, b > 0 with broadcasting, without the cancellation of lgamma(a) + lgamma(b) − lgamma(a + b). Gradients: both.
/// Throws: wick.op.E120.
inline Tensor lbeta(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_lbeta<>, a, b); }
/// The n-th derivative of digamma; n = 0 is digamma itself. Shapes: elementwise. Gradient: polygamma(n + 1, x). Throws: wick.op.E140 (n < 0).
inline Tensor polygamma(Count n, const Tensor& x) {
  if (WICK_UNLIKELY(n.value < 0)) detail::raise_order(n.value);
  return detail::apply2(detail::op_polygamma<>, Tensor(static_cast<double>(n.value)), x);
}
/// max(x, 0). Gradient at 0: taken as 0. Shapes: elementwise.
inline Tensor relu(const Tensor& x) { return detail::apply1(detail::op_relu<>, x); }
/// The larger, and the smaller, of a and b with broadcasting; NaN where either is. Gradients: of the one chosen; halves where both are equal.
/// Throws: wick.op.E120.
inline Tensor maximum(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_maximum<>, a, b); }
inline Tensor minimum(const Tensor& a, const Tensor& b) { return detail::apply2(detail::op_minimum<>, a, b); }
/// x where it lies in [low, high], else the nearer bound, with broadcasting; `high` where low > high. NaN where any of them is. Gradients: of
/// what was chosen; on a bound, of x. Throws: wick.op.E120.
inline Tensor clamp(const Tensor& x, const Tensor& low, const Tensor& high) {
  const Tensor* in[] = {&x, &low, &high};
  return detail::elementwise(detail::op_clamp<>, in);
}
/// The largest whole number that is not above x. No gradient. Shapes: elementwise.
inline Tensor floor(const Tensor& x) { return detail::apply1(detail::op_floor<>, x); }
/// The nearest whole number; halves go to the even one. No gradient. Shapes: elementwise.
inline Tensor round(const Tensor& x) { return detail::apply1(detail::op_round<>, x); }

}  // namespace wick::inline WICK_ABI
