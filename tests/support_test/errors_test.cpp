#include "catch.hpp"

#include <stdexcept>
#include <string>

#include "support/errors.hpp"

using namespace wick_test;

namespace {

class Fault : public std::runtime_error {
 public:
  Fault(std::string id, std::string site, const std::string& rest)
      : std::runtime_error(id + ": at site \"" + site + "\" " + rest), id_(std::move(id)), site_(std::move(site)) {}
  const std::string& id() const { return id_; }
  std::string_view site() const { return site_; }

 private:
  std::string id_, site_;
};

class Derived : public Fault {
  using Fault::Fault;
};

[[noreturn]] void fail() { throw Fault("wick.plate.E203", "x", "shapes differ.\nTry: broadcast it"); }

}  // namespace

TEST_CASE("errors: the right error passes", "[support][errors]") {
  const ErrorReport report = expect_error<Fault>(fail, "wick.plate.E203", "x", "broadcast");
  INFO(report.text);
  REQUIRE(report.ok);
  REQUIRE(report.message.find("shapes differ") != std::string::npos);
}

TEST_CASE("errors: every deviation fails", "[support][errors]") {
  REQUIRE_FALSE(expect_error<Fault>([] {}, "wick.plate.E203", "x").ok);
  REQUIRE_FALSE(expect_error<Fault>(fail, "wick.plate.E204", "x").ok);
  REQUIRE_FALSE(expect_error<Fault>(fail, "wick.plate.E203", "y").ok);
  REQUIRE_FALSE(expect_error<Fault>(fail, "wick.plate.E203", "x", "shapes").ok);  // said, but not after `Try:`
  REQUIRE_FALSE(expect_error<Fault>([] { throw Fault("id", "x", "no advice"); }, "id", "x").ok);
  REQUIRE_FALSE(expect_error<Fault>([] { throw Fault("id", "x", "Try: \n"); }, "id", "x").ok);
  REQUIRE_FALSE(expect_error<Fault>([] { throw Derived("id", "x", "Try: this"); }, "id", "x").ok);
  REQUIRE_FALSE(expect_error<Fault>([] { throw std::logic_error("id Try: this"); }, "id", "").ok);
  REQUIRE_FALSE(expect_error<Fault>([] { throw 1; }, "id", "").ok);
}

TEST_CASE("errors: a changed state fails", "[support][errors]") {
  int state = 0;
  const auto read = [&] { return state; };
  REQUIRE(expect_error_unchanged<Fault>(fail, read, "wick.plate.E203", "x").ok);
  const auto change = [&] {
    ++state;
    fail();
  };
  REQUIRE_FALSE(expect_error_unchanged<Fault>(change, read, "wick.plate.E203", "x").ok);
}
