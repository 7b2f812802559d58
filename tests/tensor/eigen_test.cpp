#include "catch.hpp"

#include <vector>

#include <wick/tensor/eigen.hpp>
#include <wick/tensor/make.hpp>

#include "support/errors.hpp"

using wick::Shape;
using wick::Tensor;
using V = std::vector<double>;

TEST_CASE("eigen: matrices of any storage order become row-major tensors", "[tensor][eigen]") {
  Eigen::MatrixXd columns(2, 3);
  columns << 1, 2, 3, 4, 5, 6;
  const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> rows = columns;
  const V expected{1, 2, 3, 4, 5, 6};
  CHECK(Tensor(columns).to_vector() == expected);
  CHECK(Tensor(columns).shape() == Shape{2, 3});
  CHECK(Tensor(rows).to_vector() == expected);
  CHECK(Tensor(columns.transpose()).to_vector() == V{1, 4, 2, 5, 3, 6});
  CHECK(Tensor(columns.block(0, 1, 2, 2)).to_vector() == V{2, 3, 5, 6});
  CHECK(Tensor(2.0 * columns).at({1, 2}) == 12.0);
  CHECK(Tensor(columns.array() + 1.0).at({0, 0}) == 2.0);
  Eigen::Matrix2i integers;
  integers << 1, 2, 3, 4;
  CHECK(Tensor(integers).to_vector() == V{1, 2, 3, 4});
  CHECK(Tensor(Eigen::Matrix<float, 1, 1>::Constant(2.5f)).numel() == 1);
  CHECK(Tensor(Eigen::MatrixXd(0, 3)).shape() == Shape{0, 3});
}

TEST_CASE("eigen: vectors become tensors of rank 1", "[tensor][eigen]") {
  const Eigen::VectorXd v = Eigen::VectorXd::LinSpaced(3, 1, 3);
  CHECK(Tensor(v).shape() == Shape{3});
  CHECK(Tensor(v).to_vector() == V{1, 2, 3});
  CHECK(Tensor(v.transpose()).shape() == Shape{3});
  CHECK(Tensor(v.segment(1, 2)).to_vector() == V{2, 3});
  double raw[] = {4, 5, 6, 7};
  CHECK(Tensor(Eigen::Map<Eigen::VectorXd, 0, Eigen::InnerStride<2>>(raw, 2)).to_vector() == V{4, 6});
  CHECK(Tensor(Eigen::Map<const Eigen::ArrayXd>(raw, 4)).to_vector() == V{4, 5, 6, 7});
  Eigen::MatrixXd m(2, 2);
  m << 1, 2, 3, 4;
  CHECK(Tensor(m.col(1)).to_vector() == V{2, 4});
  CHECK(Tensor(m.row(1)).to_vector() == V{3, 4});
}

TEST_CASE("eigen: every kind of dense expression", "[tensor][eigen]") {
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::MatrixXd a(2, 3);
  a << 1, 2, 3, 4, 5, 6;
  const RowMajor r = a;
  const V all{1, 2, 3, 4, 5, 6};
  const auto is = [](const Tensor& t, const Shape& shape, const V& values) {
    CHECK(t.shape() == shape);
    CHECK(t.to_vector() == values);
  };
  // Storage: fixed and dynamic sizes, both orders, arrays, other scalars.
  is(Eigen::Matrix<double, 2, 3>(a), {2, 3}, all);
  is(Eigen::Matrix<float, 2, 3, Eigen::RowMajor>(a.cast<float>()), {2, 3}, all);
  is(Eigen::ArrayXXd(a), {2, 3}, all);
  is(Eigen::Array<int, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>(a.cast<int>()), {2, 3}, all);
  is(Eigen::Array<bool, 2, 3>(a.array() > 3.0), {2, 3}, {0, 0, 0, 1, 1, 1});
  is(a.array() > 3.0, {2, 3}, {0, 0, 0, 1, 1, 1});
  is(Eigen::Matrix<std::int64_t, 2, 1>(7, 8), {2}, {7, 8});
  is(Eigen::RowVectorXd(a.row(0)), {3}, {1, 2, 3});
  is(Eigen::RowVector3i(1, 2, 3), {3}, {1, 2, 3});
  is(Eigen::ArrayXd(a.col(1)), {2}, {2, 5});
  is(Eigen::MatrixXd(a.col(1)), {2, 1}, {2, 5});
  // Maps with strides, references.
  double raw[12];
  for (int i = 0; i < 12; ++i) raw[i] = i;
  is(Eigen::Map<const Eigen::MatrixXd>(raw, 2, 3), {2, 3}, {0, 2, 4, 1, 3, 5});
  is(Eigen::Map<const RowMajor>(raw, 2, 3), {2, 3}, {0, 1, 2, 3, 4, 5});
  is(Eigen::Map<RowMajor, 0, Eigen::OuterStride<>>(raw, 2, 3, Eigen::OuterStride<>(6)), {2, 3}, {0, 1, 2, 6, 7, 8});
  is(Eigen::Map<const Eigen::MatrixXd, 0, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>>(raw, 2, 2, Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>(6, 2)), {2, 2}, {0, 6, 2, 8});
  const int whole[] = {3, 1, 2};
  is(Eigen::Map<const Eigen::RowVectorXi>(whole, 3), {3}, {3, 1, 2});
  const Eigen::Ref<const Eigen::MatrixXd> part = a.leftCols(2);
  is(part, {2, 2}, {1, 2, 4, 5});
  // Blocks and what Eigen computes when asked.
  is(a.topRightCorner(1, 2), {1, 2}, {2, 3});
  is(r.block(0, 1, 2, 2), {2, 2}, {2, 3, 5, 6});
  is(r.row(1).tail(2), {2}, {5, 6});
  is(a.col(2).head<1>(), {1}, {3});
  is(a.transpose() * Eigen::Vector2d(1, 1), {3}, {5, 7, 9});
  is(a * a.transpose(), {2, 2}, {14, 32, 32, 77});
  is(a.rowwise().sum(), {2}, {6, 15});
  is(a.colwise().maxCoeff(), {3}, {4, 5, 6});
  is(a.diagonal(), {2}, {1, 5});
  is(a.rowwise().reverse(), {2, 3}, {3, 2, 1, 6, 5, 4});
  is(Eigen::MatrixXd::Identity(2, 2), {2, 2}, {1, 0, 0, 1});
  is(Eigen::VectorXd::Zero(0), {0}, {});
  is(a.replicate(1, 2), {2, 6}, {1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6});
  is(std::vector<Eigen::Vector2d>{{1, 2}, {3, 4}, {5, 6}}, {3, 2}, all);
  // And back, into storage of either order.
  const Tensor t = a;
  CHECK(Eigen::MatrixXd(wick::as_matrix(t)) == a);
  CHECK(RowMajor(wick::as_matrix(t)) == r);
  CHECK(Eigen::RowVectorXd(wick::as_vector(Tensor{1, 2}).transpose()) == Eigen::RowVector2d(1, 2));
}

TEST_CASE("eigen: views of tensors", "[tensor][eigen][errors]") {
  const Tensor m{{1, 2, 3}, {4, 5, 6}}, v{1, 2, 3};
  CHECK(wick::as_matrix(m).rows() == 2);
  CHECK(wick::as_matrix(m)(1, 0) == 4.0);
  CHECK(wick::as_matrix(m).data() == m.data());
  CHECK(wick::as_vector(v).sum() == 6.0);
  CHECK(wick_test::expect_error<wick::ShapeError>([&] { return wick::as_matrix(v).rows(); }, "wick.tensor.E106", "",
                                                  "reshape")
            .ok);
  CHECK(wick_test::expect_error<wick::ShapeError>([&] { return wick::as_vector(m).size(); }, "wick.tensor.E106", "",
                                                  "reshape(x, {-1})")
            .ok);
  CHECK(wick_test::expect_error<wick::ShapeError>([&] { return wick::as_vector(Tensor(1.0)).size(); },
                                                  "wick.tensor.E106", "", "reshape")
            .ok);
}
