#include "catch.hpp"

#include <stdexcept>
#include <string>

#include <wick/core/list.hpp>

namespace {

using wick::detail::List;

/// Counts its objects; copying the number 13 throws.
struct Counted {
  static inline int alive = 0;
  int number;
  explicit Counted(int n) : number(n) { ++alive; }
  Counted(const Counted& o) : number(o.number) {
    if (number == 13) throw std::runtime_error("13");
    ++alive;
  }
  Counted(Counted&& o) noexcept : number(o.number) { ++alive; }
  ~Counted() { --alive; }
};

}  // namespace

TEST_CASE("list: grows, shrinks and keeps its elements", "[core]") {
  List<std::string> a;
  CHECK(a.empty());
  for (int i = 0; i < 100; ++i) a.push_back("element number " + std::to_string(i));
  CHECK(a.size() == 100);
  CHECK(a[57] == "element number 57");
  CHECK(a.back() == "element number 99");
  a.truncate(200);
  CHECK(a.size() == 100);
  a.truncate(3);
  CHECK(a.size() == 3);
  a.resize(5, "more");
  CHECK(a[4] == "more");
  CHECK(a.end() - a.begin() == 5);

  const List<std::string> b = a;
  List<std::string> c;
  c.push_back("dropped");
  c = b;
  CHECK(c.size() == 5);
  CHECK(c[0] == "element number 0");
  List<std::string> d = std::move(c);
  CHECK(d.size() == 5);
  d.clear();
  CHECK(d.empty());
}

TEST_CASE("list: an element of its own can be added", "[core]") {
  List<std::string> a;
  a.push_back("a text too long for the place inside");
  for (int i = 0; i < 20; ++i) a.push_back(a[0]);
  for (const std::string& s : a) REQUIRE(s == a[0]);
}

TEST_CASE("list: nothing is lost when a copy throws", "[core]") {
  {
    List<Counted> a;
    for (int i = 0; i < 20; ++i) a.push_back(Counted(i));
    CHECK(Counted::alive == 20);
    CHECK_THROWS(List<Counted>(a));
    CHECK(Counted::alive == 20);
    a.truncate(10);
    CHECK(List<Counted>(a).size() == 10);
    CHECK(Counted::alive == 10);
  }
  CHECK(Counted::alive == 0);
}
