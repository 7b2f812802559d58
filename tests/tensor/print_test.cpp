#include "catch.hpp"

#include <algorithm>
#include <clocale>
#include <sstream>

#include <wick/tensor/make.hpp>
#include <wick/tensor/print.hpp>

#include "tensor/print_reference.hpp"

using wick::Tensor;
using wick::to_string;

TEST_CASE("print: as numpy does", "[tensor][print]") {
  CHECK(to_string(Tensor{1, 2.5}) == "[1.  2.5]");
  CHECK(to_string(Tensor{1, 2, 3}) == "[1. 2. 3.]");
  CHECK(to_string(Tensor{{1, 2}, {3, 4}}) == "[[1. 2.]\n [3. 4.]]");
  CHECK(to_string(Tensor{{1, -2}, {30, 4}}) == "[[ 1. -2.]\n [30.  4.]]");
  CHECK(to_string(Tensor{0.1, 1.0 / 3, -2}) == "[ 0.1         0.33333333 -2.        ]");
  CHECK(to_string(Tensor{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}) == "[[[1. 2.]\n  [3. 4.]]\n\n [[5. 6.]\n  [7. 8.]]]");
  CHECK(to_string(Tensor{1e-9, 1, 5e8}) == "[1.e-09 1.e+00 5.e+08]");
  CHECK(to_string(Tensor{1e300, 1.0}) == "[1.e+300 1.e+000]");
  for (const wick_test::Printed& p : wick_test::printed_by_numpy()) CHECK(to_string(p.x) == p.text);
}

TEST_CASE("print: a point in every locale", "[tensor][print]") {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"})
    if (std::setlocale(LC_ALL, locale) != nullptr) {
      CHECK(to_string(Tensor{1, 2.5}) == "[1.  2.5]");
      CHECK(to_string(Tensor{99999999.9}) == "[99999999.9]");
      CHECK(to_string(Tensor{1.5e10}) == "[1.5e+10]");
      CHECK(to_string(Tensor(2.5)) == "2.5");
    }
  std::setlocale(LC_ALL, before.c_str());
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
  CHECK(to_string(wick::arange(2000)) == "[0.000e+00 1.000e+00 2.000e+00 ... 1.997e+03 1.998e+03 1.999e+03]");
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
