#include "catch.hpp"

#include <utility>
#include <vector>

#include <wick/tensor/make.hpp>

using wick::Tensor;
using wick::detail::TensorAccess;
using V = std::vector<double>;

namespace {
int count_of(const Tensor& t) { return TensorAccess::block(t)->count; }
}  // namespace

TEST_CASE("tensor: copies share the memory and are counted", "[tensor]") {
  const Tensor a{1, 2, 3};
  CHECK(count_of(a) == 1);
  {
    const Tensor b = a;
    CHECK(b.data() == a.data());
    CHECK(count_of(a) == 2);
    Tensor c;
    c = b;
    CHECK(count_of(a) == 3);
    c = Tensor(1.0);
    CHECK(count_of(a) == 2);
  }
  CHECK(count_of(a) == 1);
}

TEST_CASE("tensor: moves take the reference along", "[tensor]") {
  Tensor a{1, 2, 3};
  const double* data = a.data();
  Tensor b = std::move(a);
  CHECK(a.empty());  // NOLINT: what a moved-from tensor is, is documented
  CHECK(b.data() == data);
  CHECK(count_of(b) == 1);
  Tensor c{9};
  c = std::move(b);
  CHECK(b.empty());  // NOLINT
  CHECK(c.data() == data);
  CHECK(count_of(c) == 1);
  Tensor s = 2.0, t = std::move(s);
  CHECK(t.item() == 2.0);
}

TEST_CASE("tensor: assignment to itself, and to what it holds", "[tensor]") {
  Tensor a{1, 2, 3};
  Tensor& same = a;
  a = same;
  CHECK(a.to_vector() == V{1, 2, 3});
  CHECK(count_of(a) == 1);
  a = std::move(same);
  CHECK(a.to_vector() == V{1, 2, 3});
  CHECK(count_of(a) == 1);
  std::vector<Tensor> list{a, a};
  list[0] = list[1];
  CHECK(count_of(a) == 3);
  Tensor s = 1.5;
  Tensor& itself = s;
  s = itself;
  CHECK(s.item() == 1.5);
}

TEST_CASE("tensor: swap", "[tensor]") {
  Tensor a{1, 2}, b = 3.0, c;
  a.swap(b);
  CHECK(a.item() == 3.0);
  CHECK(b.to_vector() == V{1, 2});
  b.swap(c);
  CHECK(b.empty());
  CHECK(c.to_vector() == V{1, 2});
  c.swap(c);
  CHECK(c.to_vector() == V{1, 2});
}

TEST_CASE("tensor: data is aligned to 64 bytes", "[tensor]") {
  for (int n = 1; n < 200; n += 7) {
    const Tensor a = wick::zeros({n});
    CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
  }
}
