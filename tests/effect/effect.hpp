/// \file
/// What the tests of effect/ share: oracles in plain C++, and the surroundings that a failed call must leave alone.
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <wick/dist/dist.hpp>
#include <wick/effect/handlers/handlers.hpp>
#include <wick/effect/plate.hpp>
#include <wick/effect/primitives.hpp>

#include "catch.hpp"
#include "support/errors.hpp"
#include "support/stat.hpp"

namespace wick_test {

using Values = std::vector<double>;

/// log N(x | m, s).
inline double normal_lpdf(double x, double m = 0.0, double s = 1.0) {
  const double z = (x - m) / s;
  return -0.5 * z * z - std::log(s) - 0.5 * std::log(2.0 * std::acos(-1.0));
}

inline Values values(const wick::Tensor& t) { return t.empty() ? Values{} : t.to_vector(); }
inline wick::Shape shape(const wick::Trace& t, std::string_view site) { return t.at(site).value.shape(); }

/// The frames of a site as text, outermost first: "data 5/10 dim -1, steps 3/3 turn 2".
inline std::string frames(const wick::Site& s) {
  std::string out;
  for (const wick::Frame& f : s.frames) {
    out += (out.empty() ? "" : ", ") + std::string(f.name.view()) + " " + std::to_string(f.size) + "/" + std::to_string(f.full_size);
    out += f.vectorized() ? " dim " + std::to_string(f.dim) : " turn " + std::to_string(f.counter);
  }
  return out;
}

inline std::vector<std::string> names(const wick::Trace& t) {
  std::vector<std::string> out;
  for (const wick::Site& s : t) out.emplace_back(s.name.view());
  return out;
}

/// Everything of this thread that a failed call must leave as it was.
struct World {
  std::vector<std::pair<std::string, Values>> params;
  const void *innermost, *outermost, *random, *tape, *store;
  std::uint64_t turns;
  std::uint32_t site;
  friend bool operator==(const World&, const World&) = default;
};
inline World world() {
  const wick::detail::Context& c = wick::detail::context;
  World w{{}, c.innermost, c.outermost, c.random, c.tape, &wick::param_store(), wick::detail::plate_turns, c.site};
  for (const wick::Param& p : wick::param_store()) w.params.emplace_back(std::string(p.name().view()), values(p.unconstrained()));
  return w;
}

inline bool stack_is_empty() {
  return wick::detail::context.innermost == nullptr && wick::detail::context.outermost == nullptr && wick::detail::plate_turns == 0;
}

/// Rule K: `call` throws this very error and leaves the world as it was.
template <class E, class Call>
void check_error(Call&& call, std::string_view id, std::string_view site, std::string_view try_text) {
  const ErrorReport report = expect_error_unchanged<E>(call, world, id, site, try_text);
  INFO(report.text << report.message);
  CHECK(report.ok);
  CHECK(stack_is_empty());
}

/// A parameter store of its own for one test.
class OwnParams {
 public:
  OwnParams() : scope_(store) {}
  mutable wick::ParamStore store;

 private:
  wick::ParamScope scope_;
};

/// Collects the warnings of this thread.
class Warnings {
 public:
  Warnings() : before_(wick::set_warning_sink([](std::string_view m) { messages.emplace_back(m); })) { messages.clear(); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;
  ~Warnings() { wick::set_warning_sink(before_); }
  static inline thread_local std::vector<std::string> messages;

 private:
  wick::WarningSink before_;
};

/// A handler made of two lambdas.
template <class Process, class Postprocess>
class Probe final : public wick::Handler {
 public:
  [[nodiscard]] Probe(Process process, Postprocess postprocess) : process_(std::move(process)), postprocess_(std::move(postprocess)) { enter(); }
  void process(wick::Message& m) override { process_(m); }
  void postprocess(wick::Message& m) override { postprocess_(m); }

 private:
  Process process_;
  Postprocess postprocess_;
};
inline constexpr auto ignore = [](wick::Message&) {};

}  // namespace wick_test
