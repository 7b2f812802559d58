// Operations on tensors one by one against what is written by hand: *_forward is one operation on constants, *_gradient value and derivatives
// of Σ weight · result, recorded and run backwards. By hand the operation's result is put into memory as well, then summed, then the
// derivatives are worked out: by Eigen's arrays (vectorised, exp and log too), or by loops and the C library where Eigen has nothing.
#include "ops_table.hpp"

#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/trigamma.hpp>

#include <algorithm>
#include <numeric>

using namespace wick;
using namespace ops_table;

namespace {

constexpr double kRoot = 0.7071067811865476, kDensity = 0.3989422804014327, kErf = 1.1283791670955126;

/// Element by element.
auto each(const auto& x, auto f) { return x.unaryExpr(f); }
double digamma_of(double x) { return boost::math::digamma(x); }
double lgamma_of(double x) { return std::lgamma(x); }
double log_ndtr_slope(double x) { return kDensity * std::exp(-0.5 * x * x) / (0.5 * std::erfc(-x * kRoot)); }

// Matrices of ten columns, and the others' shapes.
constexpr Index kColumns = 10;
Tensor rows_of(const Tensor& x) { return reshape(x, {-1, kColumns}); }
Tensor row_of(const Tensor& z) { return slice(z, 0, 0, kColumns); }
MatrixMap rows_of(Array& x) { return {x.data(), x.size() / kColumns, kColumns}; }
const Tensor& places(const Tensor& like) {  // some permutation with repetitions, made once for each size
  static std::vector<Tensor> made;
  for (const Tensor& t : made)
    if (t.numel() == like.numel()) return t;
  std::vector<double> at;
  for (Index i = 0; i < like.numel(); ++i) at.push_back(static_cast<double>((i * 7919 + i / 3) % like.numel()));
  return made.emplace_back(at);
}
Eigen::Index place(Eigen::Index i, Eigen::Index n) { return (i * 7919 + i / 3) % n; }
/// The same as the hand-written side has them: in memory, as 32-bit integers.
const std::vector<int>& places_by_hand(Eigen::Index n) {
  static std::vector<std::vector<int>> made;
  for (const auto& p : made)
    if (static_cast<Eigen::Index>(p.size()) == n) return p;
  made.emplace_back();
  for (Eigen::Index i = 0; i < n; ++i) made.back().push_back(static_cast<int>(place(i, n)));
  return made.back();
}
/// 0 or 1.
double chosen(double z) { return z < 1 ? 1.0 : 0.0; }
const Tensor& mask(const Tensor& like) {
  static std::vector<Tensor> made;
  for (const Tensor& t : made)
    if (t.numel() == like.numel()) return t;
  std::vector<double> m;
  for (Index i = 0; i < like.numel(); ++i) m.push_back(chosen(number(i, 1.0)));
  return made.emplace_back(m);
}
const Tensor& digits(const Tensor& like) {
  static std::vector<Tensor> made;
  for (const Tensor& t : made)
    if (t.numel() == like.numel() / kColumns) return t;
  std::vector<double> d;
  for (Index i = 0; i < like.numel() / kColumns; ++i) d.push_back(static_cast<double>(i % kColumns));
  return made.emplace_back(d);
}

void sorted(const Array& x, std::vector<int>& order) {
  order.resize(static_cast<std::size_t>(x.size()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x[a] < x[b]; });
}
std::vector<int> order_room;

const std::vector<Row> table = {
    // Elementwise
    WICK_OPS_TWO("add", x + z, x + z, w, w),
    WICK_OPS_TWO("subtract", x - z, x - z, w, -w),
    WICK_OPS_TWO("multiply", x * z, x * z, w * z, w * x),
    WICK_OPS_TWO("divide", x / z, x / z, w / z, -w * y / z),
    WICK_OPS_TWO("pow", pow(x, z), (z * x.log()).exp(), w * z * y / x, w * y * x.log()),
    WICK_OPS_ONE("negate", -x, -x, -w),
    WICK_OPS_ONE("exp", exp(x), x.exp(), w * y),
    WICK_OPS_ONE("log", log(x), x.log(), w / x),
    WICK_OPS_ONE("log1p", log1p(x), x.log1p(), w / (1.0 + x)),
    WICK_OPS_ONE("expm1", expm1(x), x.expm1(), w * (y + 1.0)),
    WICK_OPS_ONE("sqrt", sqrt(x), x.sqrt(), 0.5 * w / y),
    WICK_OPS_ONE("square", square(x), x * x, w * (x + x)),
    WICK_OPS_ONE("abs", abs(x), x.abs(), w * x.sign()),
    WICK_OPS_ONE("tanh", tanh(x), 1.0 - 2.0 / ((2.0 * x).exp() + 1.0), w * (1.0 - y * y)),
    WICK_OPS_ONE("sigmoid", sigmoid(x), 1.0 / (1.0 + (-x).exp()), w * y * (1.0 - y)),
    {"softplus", WICK_OPS_OURS(softplus(x)), WICK_OPS_HAND(y = (-x.abs()).exp(); y = (1.0 + y).log() + x.max(0.0)),  // two statements: as one it takes longer
     WICK_OPS_HAND(dx = w / (1.0 + (-x).exp()))},
    WICK_OPS_ONE("lgamma", lgamma(x), each(x, lgamma_of), w * each(x, digamma_of)),
    WICK_OPS_ONE("digamma", digamma(x), each(x, digamma_of), w * each(x, [](double v) { return boost::math::trigamma(v); })),
    {"polygamma", WICK_OPS_OURS(polygamma(1, x)), WICK_OPS_HAND(y = each(x, [](double v) { return boost::math::trigamma(v); })),
     WICK_OPS_HAND(dx = w * each(x, [](double v) { return boost::math::polygamma(2, v); })), false, {1000}},  // Boost takes 6 µs an element
    WICK_OPS_TWO("lbeta", lbeta(x, z), each(x, lgamma_of) + each(z, lgamma_of) - each(x + z, lgamma_of),
                 w * (each(x, digamma_of) - each(x + z, digamma_of)), w * (each(z, digamma_of) - each(x + z, digamma_of))),
    WICK_OPS_ONE("sin", sin(x), x.sin(), w * x.cos()),
    WICK_OPS_ONE("cos", cos(x), x.cos(), -w * x.sin()),
    WICK_OPS_ONE("erf", erf(x), each(x, [](double v) { return std::erf(v); }), w * (kErf * (-x * x).exp())),
    WICK_OPS_ONE("erfc", erfc(x), each(x, [](double v) { return std::erfc(v); }), w * (-kErf * (-x * x).exp())),
    WICK_OPS_ONE("log_ndtr", log_ndtr(x), each(x, [](double v) { return std::log(0.5 * std::erfc(-v * kRoot)); }), w * each(x, log_ndtr_slope)),
    WICK_OPS_ONE("log1mexp", log1mexp(x), each(x, [](double v) { return v < 0.69 ? std::log(-std::expm1(-v)) : std::log1p(-std::exp(-v)); }), w / x.expm1()),
    WICK_OPS_ONE("relu", relu(x), x.max(0.0), (x > 0.0).select(w, 0.0)),
    WICK_OPS_ONE("clamp", clamp(x, 0.5, 1.5), x.max(0.5).min(1.5), (x >= 0.5 && x <= 1.5).select(w, 0.0)),
    WICK_OPS_TWO("maximum", maximum(x, z), x.max(z), (x > z).select(w, 0.0), (x > z).select(Array::PlainObject::Zero(w.size()), w)),
    WICK_OPS_TWO("minimum", minimum(x, z), x.min(z), (x < z).select(w, 0.0), (x < z).select(Array::PlainObject::Zero(w.size()), w)),
    WICK_OPS_ONE("where", where(mask(x), x, z), (z < 1.0).select(x, z), (z < 1.0).select(w, 0.0)),
    WICK_OPS_FLAT("less", x < z, (x < z).cast<double>()),
    WICK_OPS_FLAT("floor", floor(x), x.floor()),
    WICK_OPS_FLAT("round", round(x), x.rint()),
    {"add_row", WICK_OPS_OURS(rows_of(x) + row_of(z)), WICK_OPS_HAND(rows_of(y) = rows_of(x).rowwise() + MatrixMap(z.data(), 1, kColumns).row(0)),
     WICK_OPS_HAND(dx = w; dz.setZero(); MatrixMap(dz.data(), 1, kColumns) = rows_of(w).colwise().sum()), true},
    {"multiply_by_number", WICK_OPS_OURS(2.5 * x), WICK_OPS_HAND(y = 2.5 * x), WICK_OPS_HAND(dx = 2.5 * w)},
    // Reductions
    WICK_OPS_ONE("sum", sum(x), x.sum(), w[0]),
    WICK_OPS_ONE("mean", mean(x), x.mean(), w[0] / static_cast<double>(x.size())),
    WICK_OPS_ONE("logsumexp", logsumexp(x), x.maxCoeff() + std::log((x - x.maxCoeff()).exp().sum()), w[0] * (x - y[0]).exp()),
    {"prod", WICK_OPS_OURS(prod(x)), WICK_OPS_HAND(y = x.prod()), WICK_OPS_HAND(dx = w[0] * y[0] / x), false, {1000}},  // of more it is 0
    {"prod_of_rows", WICK_OPS_OURS(prod(rows_of(x), -1)), WICK_OPS_HAND(y.matrix() = rows_of(x).rowwise().prod()),
     WICK_OPS_HAND(rows_of(dx) = (w * y).matrix().replicate(1, kColumns).cwiseQuotient(rows_of(x)))},
    {"max", WICK_OPS_OURS(max(x)), WICK_OPS_HAND(y = x.maxCoeff()), WICK_OPS_HAND(Eigen::Index at = 0; x.maxCoeff(&at); dx.setZero(); dx[at] = w[0])},
    {"min", WICK_OPS_OURS(min(x)), WICK_OPS_HAND(y = x.minCoeff()), WICK_OPS_HAND(Eigen::Index at = 0; x.minCoeff(&at); dx.setZero(); dx[at] = w[0])},
    {"argmax", WICK_OPS_OURS(argmax(x)), WICK_OPS_HAND(Eigen::Index at = 0; x.maxCoeff(&at); y = static_cast<double>(at)), nullptr},
    {"sum_of_rows", WICK_OPS_OURS(sum(rows_of(x), -1)), WICK_OPS_HAND(y.matrix() = rows_of(x).rowwise().sum()),
     WICK_OPS_HAND(rows_of(dx) = w.matrix().replicate(1, kColumns))},
    {"sum_of_columns", WICK_OPS_OURS(sum(rows_of(x), 0)), WICK_OPS_HAND(y.matrix() = rows_of(x).colwise().sum()),
     WICK_OPS_HAND(rows_of(dx) = w.matrix().transpose().replicate(x.size() / kColumns, 1))},
    {"softmax", WICK_OPS_OURS(softmax(x)), WICK_OPS_HAND(y = (x - x.maxCoeff()).exp(); y /= y.sum()), WICK_OPS_HAND(dx = y * (w - (w * y).sum()))},
    {"log_softmax", WICK_OPS_OURS(log_softmax(x)), WICK_OPS_HAND(const double m = x.maxCoeff(); y = x - (m + std::log((x - m).exp().sum()))),
     WICK_OPS_HAND(dx = w - y.exp() * w.sum())},
    {"cumsum", WICK_OPS_OURS(cumsum(x)), WICK_OPS_HAND(double s = 0; for (Eigen::Index i = 0; i < x.size(); ++i) y[i] = s += x[i]),
     WICK_OPS_HAND(double s = 0; for (Eigen::Index i = w.size(); i-- > 0;) dx[i] = s += w[i])},
    {"cumprod", WICK_OPS_OURS(cumprod(x)), WICK_OPS_HAND(double s = 1; for (Eigen::Index i = 0; i < x.size(); ++i) y[i] = s *= x[i]),
     WICK_OPS_HAND(double s = 0; for (Eigen::Index i = w.size(); i-- > 0;) {
       s = w[i] + (i + 1 < w.size() ? s * x[i + 1] : 0.0);
       dx[i] = i == 0 ? s : s * y[i - 1];
     })},
    // Rearrangements and choices
    {"sort", WICK_OPS_OURS(sort(x)), WICK_OPS_HAND(y = x; std::sort(y.data(), y.data() + y.size())),
     WICK_OPS_HAND(sorted(x, order_room); for (std::size_t i = 0; i < order_room.size(); ++i) dx[order_room[i]] = w[static_cast<Eigen::Index>(i)])},
    {"argsort", WICK_OPS_OURS(argsort(x)), WICK_OPS_HAND(sorted(x, order_room); for (std::size_t i = 0; i < order_room.size(); ++i) y[static_cast<Eigen::Index>(i)] = order_room[i]), nullptr},
    {"one_hot", WICK_OPS_OURS(one_hot(digits(x), kColumns)), WICK_OPS_HAND(y.setZero(); for (Eigen::Index i = 0; i < x.size() / kColumns; ++i) y[i * kColumns + i % kColumns] = 1), nullptr},
    WICK_OPS_ONE("flip", flip(x, 0), x.reverse(), w.reverse()),
    {"tile", WICK_OPS_OURS(tile(x, {2})), WICK_OPS_HAND(y.head(x.size()) = x; y.tail(x.size()) = x), WICK_OPS_HAND(dx = w.head(x.size()) + w.tail(x.size()))},
    {"stack_tensors", WICK_OPS_OURS(stack_tensors({x, z})), WICK_OPS_HAND(y.head(x.size()) = x; y.tail(x.size()) = z),
     WICK_OPS_HAND(dx = w.head(x.size()); dz = w.tail(x.size())), true},
    {"cat", WICK_OPS_OURS(cat({x, z})), WICK_OPS_HAND(y.head(x.size()) = x; y.tail(x.size()) = z), WICK_OPS_HAND(dx = w.head(x.size()); dz = w.tail(x.size())), true},
    {"split", WICK_OPS_OURS(split<2>(x)[1]), WICK_OPS_HAND(dz.head(x.size() / 2) = x.head(x.size() / 2); y = x.tail(x.size() / 2)), WICK_OPS_HAND(dx.head(x.size() / 2) = 0.0; dx.tail(x.size() / 2) = w)},
    {"slice", WICK_OPS_OURS(slice(x, 0, 10, x.numel() - 10)), WICK_OPS_HAND(y = x.segment(10, x.size() - 20)),
     WICK_OPS_HAND(dx.head(10) = 0.0; dx.segment(10, x.size() - 20) = w; dx.tail(10) = 0.0)},
    {"pad", WICK_OPS_OURS(pad(x, 0, 8, 8)), WICK_OPS_HAND(y.head(8) = 0.0; y.segment(8, x.size()) = x; y.tail(8) = 0.0), WICK_OPS_HAND(dx = w.segment(8, x.size()))},
    {"transpose", WICK_OPS_OURS(transpose(rows_of(x))), WICK_OPS_HAND(MatrixMap(y.data(), kColumns, x.size() / kColumns) = rows_of(x).transpose()),
     WICK_OPS_HAND(rows_of(dx) = MatrixMap(w.data(), kColumns, x.size() / kColumns).transpose())},
    {"take", WICK_OPS_OURS(take(x, places(x))),
     WICK_OPS_HAND(const auto& at = places_by_hand(x.size()); for (std::size_t i = 0; i < at.size(); ++i) y.data()[i] = x.data()[at[i]]),
     WICK_OPS_HAND(const auto& at = places_by_hand(x.size()); dx.setZero(); for (std::size_t i = 0; i < at.size(); ++i) dx.data()[at[i]] += w.data()[i])},
    {"gather", WICK_OPS_OURS(gather(x, places(x))),
     WICK_OPS_HAND(const auto& at = places_by_hand(x.size()); for (std::size_t i = 0; i < at.size(); ++i) y.data()[i] = x.data()[at[i]]),
     WICK_OPS_HAND(const auto& at = places_by_hand(x.size()); dx.setZero(); for (std::size_t i = 0; i < at.size(); ++i) dx.data()[at[i]] += w.data()[i])},
    {"scatter_add", WICK_OPS_OURS(scatter_add(x, places(x), z)),
     WICK_OPS_HAND(const auto& at = places_by_hand(x.size()); y = x; for (std::size_t i = 0; i < at.size(); ++i) y.data()[at[i]] += z.data()[i]),
     WICK_OPS_HAND(const auto& at = places_by_hand(x.size()); dx = w; for (std::size_t i = 0; i < at.size(); ++i) dz.data()[i] = w.data()[at[i]]), true},
    {"masked_select", WICK_OPS_OURS(masked_select(x, mask(x))), WICK_OPS_HAND(Eigen::Index k = 0; for (Eigen::Index i = 0; i < x.size(); ++i) if (z[i] < 1) y[k++] = x[i]),
     WICK_OPS_HAND(Eigen::Index k = 0; for (Eigen::Index i = 0; i < x.size(); ++i) dx[i] = z[i] < 1 ? w[k++] : 0.0)},
    {"conv1d", WICK_OPS_OURS(conv1d(reshape(x, {1, -1}), reshape(slice(z, 0, 0, 8), {1, 1, 8}))), WICK_OPS_HAND(const Eigen::Index n = x.size() - 7;
       y.head(n) = z[0] * x.head(n) + z[1] * x.segment(1, n) + z[2] * x.segment(2, n) + z[3] * x.segment(3, n) + z[4] * x.segment(4, n) +
                   z[5] * x.segment(5, n) + z[6] * x.segment(6, n) + z[7] * x.segment(7, n)),
     WICK_OPS_HAND(const Eigen::Index n = x.size() - 7; dx.head(n) = z[0] * w; dx.tail(7) = 0.0; for (Eigen::Index k = 1; k < 8; ++k) dx.segment(k, n) += z[k] * w)},
};

}  // namespace

int main(int argc, char** argv) { return ops_table::run(argc, argv, table); }
