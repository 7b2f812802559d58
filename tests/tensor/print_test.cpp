#include "catch.hpp"

#include <sstream>

#include <wick/tensor/make.hpp>
#include <wick/tensor/print.hpp>

using wick::Tensor;
using wick::to_string;

TEST_CASE("print: as numpy does", "[tensor][print]") {
  CHECK(to_string(Tensor{1, 2.5}) == "[1.  2.5]");
  CHECK(to_string(Tensor{1, 2, 3}) == "[1. 2. 3.]");
  CHECK(to_string(Tensor{{1, 2}, {3, 4}}) == "[[1. 2.]\n [3. 4.]]");
  CHECK(to_string(Tensor{{1, -2}, {30, 4}}) == "[[ 1. -2.]\n [30.  4.]]");
  CHECK(to_string(Tensor{0.1, 1.0 / 3, -2}) == "[ 0.1         0.33333333 -2.        ]");
  CHECK(to_string(Tensor{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}) == "[[[1. 2.]\n  [3. 4.]]\n\n [[5. 6.]\n  [7. 8.]]]");
  CHECK(to_string(Tensor{1e-9, 1, 5e8}) == "[1e-09 1e+00 5e+08]");
  CHECK(to_string(Tensor{0.5, 1e5}) == "[5e-01 1e+05]");
  CHECK(to_string(Tensor{1e300, 1.0}) == "[1e+300  1e+00]");
}

TEST_CASE("print: scalars, nothing, and what is not finite", "[tensor][print]") {
  CHECK(to_string(Tensor(3.25)) == "3.25");
  CHECK(to_string(Tensor(-2)) == "-2");
  CHECK(to_string(Tensor(1.0 / 3)) == "0.3333333333");
  CHECK(to_string(Tensor()) == "(empty)");
  CHECK(to_string(wick::zeros({0, 3})) == "[] of shape (0, 3)");
  CHECK(to_string(Tensor{1, wick::detail::kInf, wick::detail::kNaN, -wick::detail::kInf}) == "[  1.  inf  nan -inf]");
  CHECK(to_string(Tensor(wick::detail::kNaN)) == "nan");
}

TEST_CASE("print: long ones are abbreviated", "[tensor][print]") {
  CHECK(to_string(wick::arange(2000)) == "[   0.    1.    2. ... 1997. 1998. 1999.]");
  const std::string text = to_string(wick::full({40, 40}, 0.5));
  CHECK(text.substr(0, 40) == "[[0.5 0.5 0.5 ... 0.5 0.5 0.5]\n [0.5 0.5");
  CHECK(std::count(text.begin(), text.end(), '\n') == 6);
  CHECK(to_string(wick::zeros({1000})).find("...") == std::string::npos);
}

TEST_CASE("print: to streams", "[tensor][print]") {
  std::ostringstream out;
  out << Tensor{1, 2.5} << ' ' << Tensor(3);
  CHECK(out.str() == "[1.  2.5] 3");
}

// What merely converts to a tensor is not printed as one, and numbers are not shifted.
template <class Left, class Right>
concept prints = requires(Left& l, const Right& r) { l << r; };
static_assert(prints<std::ostream, Tensor>);
static_assert(!prints<std::ostream, std::vector<double>>);
static_assert(!prints<int, Tensor>);
