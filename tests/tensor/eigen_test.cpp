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
