// As ops_more.cpp, for matrices: products, factorisations and equations against bare Eigen, and the marginal likelihood of a Gaussian process.
#include "hand/gaussian_process.hpp"
#include "ops_table.hpp"

using namespace wick;
using namespace ops_table;

namespace {

Eigen::Index side(const Array& x) { return static_cast<Eigen::Index>(std::lround(std::sqrt(static_cast<double>(x.size())))); }
Index rows(const Tensor& x) { return static_cast<Index>(std::lround(std::sqrt(static_cast<double>(x.numel())))); }
Tensor square_of(const Tensor& x) {
  const Index n = rows(x);
  return reshape(x, {n, n});
}
MatrixMap square_of(Array& x) { return {x.data(), side(x), side(x)}; }
/// A diagonal that makes matrices of such numbers regular, and positive definite.
const Tensor& heavy(const Tensor& x) {
  static std::vector<Tensor> made;
  for (const Tensor& t : made)
    if (t.numel() == x.numel()) return t;
  const Index n = rows(x);
  return made.emplace_back(diag(full({n}, 4.0 * static_cast<double>(n))));
}
Tensor regular(const Tensor& x) { return square_of(x) + heavy(x); }
Matrix regular_room, other_room;
Matrix& regular(Array& x) {
  regular_room = square_of(x);
  regular_room.diagonal().array() += 4.0 * static_cast<double>(side(x));
  return regular_room;
}
Eigen::VectorXd vector_room;

void cholesky_pull(Data& of) {  // S = L⁻ᵀ Φ(Lᵀ G) L⁻¹
  const MatrixMap l = square_of(of.y);
  Matrix& p = other_room;
  p.noalias() = l.transpose() * Matrix(square_of(of.w).triangularView<Eigen::Lower>());
  p.diagonal() *= 0.5;
  p.triangularView<Eigen::StrictlyUpper>().setZero();
  l.transpose().triangularView<Eigen::Upper>().solveInPlace(p);
  l.triangularView<Eigen::Lower>().solveInPlace<Eigen::OnTheRight>(p);
  Matrix s = p + p.transpose();
  s.diagonal() *= 0.5;
  square_of(of.dx) = s.triangularView<Eigen::Lower>();
}
Eigen::SelfAdjointEigenSolver<Matrix> solver;

const std::vector<std::int64_t> kLinear = {900, 10000, 40000}, kSmall = {900, 10000};
const std::vector<Row> table = {
    {"dot", WICK_OPS_OURS(dot(x, z)), WICK_OPS_HAND(y = x.matrix().dot(z.matrix())), WICK_OPS_HAND(dx = w[0] * z; dz = w[0] * x), true},
    {"outer", WICK_OPS_OURS(outer(slice(x, 0, 0, 30), slice(z, 0, 0, x.numel() / 30))),
     WICK_OPS_HAND(const Eigen::Index n = x.size() / 30; MatrixMap(y.data(), 30, n).noalias() = x.head(30).matrix() * z.head(n).matrix().transpose()),
     WICK_OPS_HAND(const Eigen::Index n = x.size() / 30; const MatrixMap g(w.data(), 30, n); dx.setZero(); dz.setZero();
                   dx.head(30).matrix().noalias() = g * z.head(n).matrix(); dz.head(n).matrix().noalias() = g.transpose() * x.head(30).matrix()), true},
    {"matmul", WICK_OPS_OURS(matmul(square_of(x), square_of(z))), WICK_OPS_HAND(square_of(y).noalias() = square_of(x) * square_of(z)),
     WICK_OPS_HAND(square_of(dx).noalias() = square_of(w) * square_of(z).transpose(); square_of(dz).noalias() = square_of(x).transpose() * square_of(w)), true, kLinear},
    {"matmul_with_vector", WICK_OPS_OURS(matmul(square_of(x), slice(z, 0, 0, rows(x)))), WICK_OPS_HAND(y.matrix().noalias() = square_of(x) * z.head(y.size()).matrix()),
     WICK_OPS_HAND(square_of(dx).noalias() = w.matrix() * z.head(y.size()).matrix().transpose(); dz.setZero(); dz.head(y.size()).matrix().noalias() = square_of(x).transpose() * w.matrix()),
     true, {900, 10000, 40000, 1000000}},
    {"batched_matmul", WICK_OPS_OURS(matmul(reshape(x, {-1, 10, 10}), reshape(z, {-1, 10, 10}))),
     WICK_OPS_HAND(for (Eigen::Index i = 0; i < x.size(); i += 100) MatrixMap(y.data() + i, 10, 10).noalias() = MatrixMap(x.data() + i, 10, 10).lazyProduct(MatrixMap(z.data() + i, 10, 10))),
     WICK_OPS_HAND(for (Eigen::Index i = 0; i < x.size(); i += 100) {
       MatrixMap(dx.data() + i, 10, 10).noalias() = MatrixMap(w.data() + i, 10, 10).lazyProduct(MatrixMap(z.data() + i, 10, 10).transpose());
       MatrixMap(dz.data() + i, 10, 10).noalias() = MatrixMap(x.data() + i, 10, 10).transpose().lazyProduct(MatrixMap(w.data() + i, 10, 10));
     }), true, {900, 100000, 1000000}},
    {"einsum_ij_kj", WICK_OPS_OURS(einsum("ij,kj->ik", square_of(x), square_of(z))), WICK_OPS_HAND(square_of(y).noalias() = square_of(x) * square_of(z).transpose()),
     WICK_OPS_HAND(square_of(dx).noalias() = square_of(w) * square_of(z); square_of(dz).noalias() = square_of(w).transpose() * square_of(x)), true, kLinear},
    {"quad_form", WICK_OPS_OURS(quad_form(square_of(x), slice(z, 0, 0, rows(x)))),
     WICK_OPS_HAND(const auto v = z.head(side(x)).matrix(); vector_room.noalias() = square_of(x) * v; y = v.dot(vector_room)),
     WICK_OPS_HAND(const auto v = z.head(side(x)).matrix(); square_of(dx).noalias() = w[0] * v * v.transpose(); dz.setZero();
                   vector_room.noalias() += square_of(x).transpose() * v; dz.head(side(x)).matrix() = w[0] * vector_room), true, kLinear},
    {"diag", WICK_OPS_OURS(diag(slice(x, 0, 0, rows(x)))), WICK_OPS_HAND(y.setZero(); square_of(y).diagonal() = x.head(side(x)).matrix()),
     WICK_OPS_HAND(dx.setZero(); dx.head(side(x)) = square_of(w).diagonal().array()), false, {900, 40000, 1000000}},
    {"diagonal", WICK_OPS_OURS(diagonal(square_of(x))), WICK_OPS_HAND(y = square_of(x).diagonal().array()), WICK_OPS_HAND(dx.setZero(); square_of(dx).diagonal() = w.matrix()), false, {900, 40000, 1000000}},
    {"tril", WICK_OPS_OURS(tril(square_of(x))), WICK_OPS_HAND(square_of(y) = square_of(x).triangularView<Eigen::Lower>()),
     WICK_OPS_HAND(square_of(dx) = square_of(w).triangularView<Eigen::Lower>()), false, {900, 40000, 1000000}},
    {"vech", WICK_OPS_OURS(vech(square_of(x))), WICK_OPS_HAND(const Eigen::Index n = side(x); for (Eigen::Index i = 0, k = 0; i < n; k += ++i) y.segment(k, i + 1) = x.segment(i * n, i + 1)),
     WICK_OPS_HAND(const Eigen::Index n = side(x); dx.setZero(); for (Eigen::Index i = 0, k = 0; i < n; k += ++i) dx.segment(i * n, i + 1) = w.segment(k, i + 1)), false, {900, 40000, 1000000}},
    {"fill_tril", WICK_OPS_OURS(fill_tril(slice(x, 0, 0, rows(x) / 2 * (rows(x) + 1)))),
     WICK_OPS_HAND(const Eigen::Index n = side(y); y.setZero(); for (Eigen::Index i = 0, k = 0; i < n; k += ++i) y.segment(i * n, i + 1) = x.segment(k, i + 1)),
     WICK_OPS_HAND(const Eigen::Index n = side(y); dx.setZero(); for (Eigen::Index i = 0, k = 0; i < n; k += ++i) dx.segment(k, i + 1) = w.segment(i * n, i + 1)), false, {900, 40000, 1000000}},
    {"cholesky", WICK_OPS_OURS(cholesky(regular(x))), WICK_OPS_HAND(Eigen::LLT<Eigen::Ref<Matrix>> f(regular(x)); square_of(y) = f.matrixL()), cholesky_pull, false, kLinear},
    {"triangular_solve", WICK_OPS_OURS(triangular_solve(regular(x), square_of(z))),
     WICK_OPS_HAND(square_of(y) = square_of(z); regular(x).triangularView<Eigen::Lower>().solveInPlace(square_of(y))),
     WICK_OPS_HAND(square_of(dz) = square_of(w); regular_room.transpose().triangularView<Eigen::Upper>().solveInPlace(square_of(dz));
                   other_room.noalias() = -square_of(dz) * square_of(y).transpose(); square_of(dx) = other_room.triangularView<Eigen::Lower>()), true, kLinear},
    {"solve", WICK_OPS_OURS(solve(regular(x), square_of(z))), WICK_OPS_HAND(square_of(y) = regular(x).partialPivLu().solve(square_of(z))),
     WICK_OPS_HAND(square_of(dz) = regular_room.transpose().partialPivLu().solve(square_of(w)); square_of(dx).noalias() = -square_of(dz) * square_of(y).transpose()), true, kLinear},
    {"inverse", WICK_OPS_OURS(inverse(regular(x))), WICK_OPS_HAND(square_of(y) = regular(x).inverse()),
     WICK_OPS_HAND(other_room.noalias() = square_of(y).transpose() * square_of(w); square_of(dx).noalias() = -other_room * square_of(y).transpose()), false, kLinear},
    {"logdet", WICK_OPS_OURS(logdet(regular(x))), WICK_OPS_HAND(const Eigen::PartialPivLU<Matrix> f(regular(x)); y = f.matrixLU().diagonal().array().abs().log().sum()),
     WICK_OPS_HAND(square_of(dx) = w[0] * regular_room.inverse().transpose()), false, kLinear},
    {"eigvalsh", WICK_OPS_OURS(eigvalsh(regular(x))), WICK_OPS_HAND(solver.compute(regular(x), Eigen::EigenvaluesOnly); y = solver.eigenvalues().array()),
     WICK_OPS_HAND(solver.compute(regular_room); const Matrix& v = solver.eigenvectors(); const Matrix s = v * w.matrix().asDiagonal() * v.transpose();
                   Matrix t = 2.0 * s; t.diagonal() *= 0.5; square_of(dx) = t.triangularView<Eigen::Lower>()), false, kSmall},
};

// A Gaussian process of 100 points with two inputs: value and gradient in variance, both length scales and noise

struct Process {
  Eigen::MatrixXd first, second;
  Eigen::VectorXd y;
  Tensor first_t, second_t, identity, y_t;
  explicit Process(Eigen::Index n) : first(n, n), second(n, n), y(n) {
    for (Eigen::Index i = 0; i < n; ++i) {
      y[i] = std::sin(0.3 * static_cast<double>(i)) + 0.1 * number(i, 0.5);
      for (Eigen::Index j = 0; j < n; ++j) {
        first(i, j) = std::pow(number(i, 0.0) - number(j, 0.0), 2);
        second(i, j) = std::pow(number(3 * i, 1.0) - number(3 * j, 1.0), 2);
      }
    }
    first_t = first;
    second_t = second;
    identity = diag(ones({n}));
    y_t = y;
  }
  Tensor operator()(const Tensor& variance, const Tensor& scale1, const Tensor& scale2, const Tensor& noise) const {
    const Tensor k = fuse(
        [](auto d, auto e, auto i, auto v, auto s, auto t, auto r) { return v * exp(-0.5 * (d / (s * s) + e / (t * t))) + r * r * i; }, first_t, second_t, identity,
        variance, scale1, scale2, noise);
    const Tensor l = cholesky(k), a = triangular_solve(l, y_t);
    return -0.5 * dot(a, a) - sum(log(diagonal(l))) - 0.91893853320467274178 * static_cast<double>(y.size());
  }
};
constexpr double kAt[] = {1.3, 0.6, 0.8, 0.3};

void check_process() {
  const Process ours(100);
  hand::GaussianProcess by_hand(ours.first, ours.second, ours.y);
  double g[4];
  const double value = by_hand(kAt[0], kAt[1], kAt[2], kAt[3], g);
  const auto [v, d] = value_and_grad([&](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& e) { return ours(a, b, c, e); })(
      Tensor(kAt[0]), Tensor(kAt[1]), Tensor(kAt[2]), Tensor(kAt[3]));
  bool same = std::abs(v.item() - value) < 1e-8 * std::abs(value);
  for (std::size_t k = 0; k < 4; ++k) same = same && std::abs(d[k].item() - g[k]) < 1e-7 * (1 + std::abs(g[k]));
  if (same) return;
  std::fprintf(stderr, "bench: gaussian_process: %.12g %.12g %.12g %.12g %.12g, by hand %.12g %.12g %.12g %.12g %.12g\n", v.item(), d[0].item(), d[1].item(), d[2].item(),
               d[3].item(), value, g[0], g[1], g[2], g[3]);
  std::exit(1);
}
void process_ours(benchmark::State& state) {
  const Process ours(state.range(0));
  const auto f = value_and_grad([&](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& e) { return ours(a, b, c, e); });
  const Tensor at[] = {kAt[0], kAt[1], kAt[2], kAt[3]};
  for (auto _ : state) benchmark::DoNotOptimize(f(at[0], at[1], at[2], at[3]));
}
void process_hand(benchmark::State& state) {
  const Process data(state.range(0));
  hand::GaussianProcess by_hand(data.first, data.second, data.y);
  double g[4];
  for (auto _ : state) {
    benchmark::DoNotOptimize(by_hand(kAt[0], kAt[1], kAt[2], kAt[3], g));
    benchmark::DoNotOptimize(g);
  }
}
BENCHMARK(process_ours)->Name("gaussian_process_gradient/ours")->Arg(100);
BENCHMARK(process_hand)->Name("gaussian_process_gradient/baseline:Eigen")->Arg(100);

}  // namespace

int main(int argc, char** argv) {
  check_process();
  return ops_table::run(argc, argv, table);
}
