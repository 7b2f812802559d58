"""Writes print_reference.hpp: arrays and how numpy prints them. python3 generate_print.py > print_reference.hpp (numpy 2.4.6)."""
import numpy as np

rng = np.random.default_rng(20240501)
inf, nan = np.inf, np.nan
cases = []


def case(a, code=None):
    a = np.asarray(a, dtype=float)
    cases.append((a, code))


def number(x):
    if np.isnan(x):
        return "detail::kNaN"
    if np.isinf(x):
        return "detail::kInf" if x > 0 else "-detail::kInf"
    return repr(float(x))


for v in [[1, 2.5], [1, 2, 3], [0, 0, 0], [-0.0, 1], [0.5, 1e5], [1e300, 1.0], [1e-9, 1, 5e8], [1, 2000], [1, 1000], [1, 1001],
          [0.0001, 0.05], [0.00009, 1], [0.1, 1 / 3, -2], [99999999.9, 99999998], [12345678.9, 1e7], [1e8, 1], [1e16, 1e16],
          [123456789.123], [0.1 + 0.2, 0.3], [nan, nan], [inf, -inf], [1, inf, nan, -inf], [1.5, nan], [1e10, nan], [1e-10, -inf],
          [1e-300, 1e300], [5e-324, 1], [1.7976931348623157e308], [-1e100, 1e-5], [0.999999999, 0.5], [0.99999999499, 0.5],
          [-1.5, 22.25, 333.125], [1e5, 123.456], [0, 1e-5], [0, 1e9], [3.0], [-7.25], [2**53], [100, 0.1], [100, 0.09], [1e-4, 1e-1],
          [1e-4, 0.11]]:
    case(v)
case(np.arange(30.0), "arange(30)")
case(np.arange(2000.0), "arange(2000)")
case(-np.arange(1001.0) / 3, "-arange(1001) / 3")
case(np.full(40, 0.5), "full({40}, 0.5)")
case(np.ones(1000), "ones({1000})")
case(np.ones(1001), "ones({1001})")
for shape in [(1, 1), (2, 3), (3, 2), (2, 2, 2), (2, 1, 3), (1, 1, 1, 2), (2, 2, 2, 2), (7, 7), (40, 40), (3, 30), (2, 3, 12), (2000, 2), (2, 2000),
              (11, 11, 11), (3, 1000), (1001, 1)]:
    n = int(np.prod(shape))
    sizes = ", ".join(map(str, shape))
    case(np.arange(n).reshape(shape), f"reshape(arange({n}), {{{sizes}}})")
    case((np.arange(n) / 8 - 1).reshape(shape), f"reshape(arange({n}) / 8 - 1, {{{sizes}}})")
for k in range(40):
    shape = tuple(rng.integers(1, 5, size=rng.integers(1, 4)))
    a = rng.normal(size=shape)
    kind = k % 8
    if kind == 0: a = a * 10.0**rng.integers(-3, 4)
    if kind == 1: a = np.round(a * 100)
    if kind == 2: a = a * 10.0**rng.integers(-12, 13, size=shape)
    if kind == 3: a = np.round(a, 2)
    if kind == 4: a[rng.random(size=shape) < 0.3] = nan
    if kind == 5: a[rng.random(size=shape) < 0.3] = -inf
    if kind == 6: a = np.round(a * 10**7.5, rng.integers(0, 3))
    if kind == 7: a[rng.random(size=shape) < 0.5] = 0
    case(a)

print("""/// \\file
/// Arrays and how numpy 2.4.6 prints them. Made by generate_print.py.
#pragma once

#include <wick/ad/ops.hpp>
#include <wick/tensor/make.hpp>

namespace wick_test {

struct Printed {
  wick::Tensor x;
  const char* text;
};

inline std::vector<Printed> printed_by_numpy() {
  using namespace wick;
  return {""")
for a, code in cases:
    if code is None:
        code = "from_values({%s}, {%s})" % (", ".join(map(str, a.shape)), ", ".join(number(x) for x in a.ravel()))
    lines = str(a).split("\n")
    text = "\n".join('       "%s%s"' % (line, "\\n" if i + 1 < len(lines) else "") for i, line in enumerate(lines))
    print("      {%s,\n%s}," % (code, text))
print("""  };
}

}  // namespace wick_test""")
