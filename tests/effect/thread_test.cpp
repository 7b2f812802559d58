// Two threads never see each other's handlers, parameters, random numbers or warnings.
#include <atomic>
#include <thread>

#include <wick/effect/inspect.hpp>
#include <wick/effect/plate_stack.hpp>

#include "effect/effect.hpp"

using namespace wick;
using namespace wick_test;

namespace {

/// One thread's worth of everything, told apart by `me`; returns what went wrong.
int work(int me, std::atomic<int>& ready, Values& draws) {
  int wrong = 0;
  const auto want = [&](bool ok) { wrong += ok ? 0 : 1; };
  clear_param_store();
  Trace t;
  ++ready;
  while (ready < 2) std::this_thread::yield();
  for (int run = 0; run < 300; ++run) {
    const handlers::seed s(static_cast<std::uint64_t>(me));
    const handlers::trace record(t);
    const handlers::scale scaled(me == 0 ? 2.0 : 3.0);
    const handlers::condition given({{"given", me}});
    const std::string own = "own " + std::to_string(me) + " " + std::to_string(run % 50);  // both threads add names
    want(param("p", 10.0 + me).item() == 10.0 + me);
    sample(own, Normal(0.0, 1.0));
    want(sample("given", Normal(0.0, 1.0)).item() == me);
    const plate data("data", 10 + me, {.subsample_size = 5});
    const Tensor x = sample("x", Normal(zeros({5}), 1.0));
    for (const double v : values(x)) draws.push_back(v);
    for (const double v : values(data.indices())) want(v < 10 + me);
    want(t.size() == 5);
    want(t.at("x").scale.item() == (10.0 + me) / 5.0 * (me == 0 ? 2.0 : 3.0));
    want(detail::context.outermost == &record);

    Trace u;
    const handlers::trace inner(u);
    const handlers::do_ cut({{me == 0 ? "a/z" : "b/z", 40.0 + me}});
    const handlers::scope mine(me == 0 ? "a" : "b");
    const handlers::lift lifted({{"q", Normal(me, 1e-9)}});
    const plate_stack grid("grid", {2, 3}, -2);
    want(std::abs(param("q", 0.0).at({4}) - me) < 1e-6);  // one for each element of the plate outside
    want(sample("z", Normal(0.0, 1.0)).item() == 40.0 + me);
    want(get_plates().size() == 3 && u.at(me == 0 ? "a/z" : "b/z").value.numel() == 30);
  }
  want(param_store().size() == 1);
  clear_param_store();
  return wrong;
}

}  // namespace

TEST_CASE("threads: handlers, stores and seeds of two threads never meet", "[effect][thread]") {
  std::atomic<int> ready{0};
  Values draws[2], alone[2];
  int wrong[2] = {-1, -1};
  {
    std::thread a([&] { wrong[0] = work(0, ready, draws[0]); });
    std::thread b([&] { wrong[1] = work(1, ready, draws[1]); });
    a.join();
    b.join();
  }
  CHECK(wrong[0] == 0);
  CHECK(wrong[1] == 0);
  std::atomic<int> nobody{1};
  CHECK(work(0, nobody, alone[0]) == 0);
  nobody = 1;
  CHECK(work(1, nobody, alone[1]) == 0);
  CHECK(draws[0] == alone[0]);
  CHECK(draws[1] == alone[1]);
  CHECK(draws[0] != draws[1]);
}
