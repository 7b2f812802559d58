// examples/mini against the library: the same programs, the same draws, the same loss and gradient.
#include "../../examples/mini/mini.hpp"

#include "catch.hpp"

#include <cmath>
#include <fstream>
#include <string>

#include <wick/effect/handlers/handlers.hpp>
#include <wick/effect/plate.hpp>
#include <wick/effect/primitives.hpp>
#include <wick/infer/svi.hpp>
#include <wick/optim/adam.hpp>

using namespace wick;

namespace {

// One text for both languages.
struct Library {
  using Plate = plate;
  template <class D>
  static Tensor sample(const char* name, const D& d, const Tensor& y = {}) {
    return wick::sample(name, d, obs(y));
  }
  static Tensor param(const char* name, const Tensor& init, const Constraint& c = constraints::real) { return wick::param(name, init, c); }
  static Plate subsampled(const char* name, Index n, Index size) { return Plate(name, n, {.subsample_size = size}); }
};
struct Mini {
  using Plate = mini::plate;
  template <class D>
  static Tensor sample(const char* name, const D& d, const Tensor& y = {}) {
    return mini::sample(name, d, y);
  }
  static Tensor param(const char* name, const Tensor& init, const Constraint& c = constraints::real) { return mini::param(name, init, c); }
  static Plate subsampled(const char* name, Index n, Index size) { return Plate(name, n, size); }
};

// Nested plates, one of them subsampled, a coin without a gradient, observations.
template <class L>
void model(const Tensor& y) {
  const Tensor tau = L::sample("tau", LogNormal(0.0, 1.0));
  const Tensor coin = L::sample("coin", Bernoulli(0.3));
  const typename L::Plate groups("groups", 3);
  const Tensor level = L::sample("level", Normal(coin, tau));
  const auto rows = L::subsampled("rows", 4, 2);
  L::sample("y", Normal(level, 0.7), take(y, rows.indices(), 0));
}
template <class L>
void guide(const Tensor&) {
  L::sample("tau", LogNormal(L::param("tau_loc", 0.2), L::param("tau_scale", 0.5, constraints::positive)));
  L::sample("coin", Bernoulli(L::param("p", 0.6, constraints::unit_interval)));
  const Tensor loc = L::param("loc", {0.1, -0.4, 0.9}), scale = L::param("scale", full({3}, 0.8), constraints::positive);
  const typename L::Plate groups("groups", 3);
  L::sample("level", Normal(loc, scale));
}

const Tensor data = {{0.3, -0.1, 1.2}, {0.8, 0.2, 1.9}, {-0.5, 0.4, 0.6}, {0.1, 0.9, 1.1}};

/// Draws for the library as mini draws: one after the other from the thread's stream, whatever the names.
class AsMini final : public Handler {
 public:
  AsMini() { enter(); }
  void process(Message& m) override {
    const detail::RandomGuard thread_stream(detail::default_random());
    if (!m.value.empty() || m.type == SiteType::param) return;
    if (m.type == SiteType::sample) m.value = m.fn->sample();
    if (m.type == SiteType::plate && m.size != m.full_size) m.value = slice(argsort(Uniform(zeros({m.full_size}), 1.0).sample()), 0, 0, m.size);
  }
};

bool close(double a, double b) { return std::abs(a - b) <= 1e-12 * (1 + std::abs(b)); }

}  // namespace

TEST_CASE("mini: loss and steps are those of the library to 1e-12", "[infer][mini]") {
  mini::store.clear();
  ParamStore store;
  const ParamScope scope(store);
  SVI svi(model<Library>, guide<Library>, Adam({.lr = 0.05}));
  for (int step = 1; step <= 20; ++step) {
    set_seed(static_cast<std::uint64_t>(step));
    const double ours = mini::svi_step(model<Mini>, guide<Mini>, 0.05, step, data);
    set_seed(static_cast<std::uint64_t>(step));
    if (step == 1) mini::elbo(model<Mini>, guide<Mini>, data);  // mini's first step draws once more, to meet its parameters
    const AsMini same;
    const double theirs = svi.step(data);
    INFO("step " << step << ": loss " << ours << " against " << theirs);
    CHECK(close(ours, theirs));
    for (const mini::Param& p : mini::store) {
      const Tensor mine = p.value(), library = store.get(p.name);
      REQUIRE(mine.shape() == library.shape());
      for (Index i = 0; i < mine.numel(); ++i) CHECK(close(mine.data()[i], library.data()[i]));
    }
  }
  CHECK(mini::store.size() == 5);
}

TEST_CASE("mini: handlers give sites their values, and leave the stack empty", "[infer][mini]") {
  {
    const mini::condition scope({{"level", {1, 2, 3}}});
    const mini::Trace t = mini::run(model<Mini>, data);
    CHECK(t.find("level")->is_observed);
    CHECK(t.find("level")->value.data()[1] == 2);
    CHECK(t.find("y")->scale == 2);
  }
  CHECK_THROWS_AS(mini::run([] {
                    const mini::plate rows("rows", 3);
                    mini::sample("x", Normal(zeros({2}), 1.0));
                  }),
                  std::runtime_error);
  CHECK(mini::Handler::stack.empty());
}

TEST_CASE("mini: at most 250 lines", "[infer][mini]") {
  std::ifstream file(wick_test::source_dir() + "/examples/mini/mini.hpp");
  int lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  CHECK(lines > 100);
  CHECK(lines <= 250);
}
