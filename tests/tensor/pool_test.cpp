#include "catch.hpp"

#include <algorithm>
#include <cstdint>

#include <optional>
#include <thread>
#include <vector>

#include <wick/tensor/make.hpp>

using wick::Tensor;
using wick::detail::Pool;
using wick::detail::thread_pool;

namespace {

std::size_t kept_bytes() {
  std::size_t bytes = thread_pool.large_bytes;
  for (const Pool::Class& c : thread_pool.classes) bytes += c.bytes;
  return bytes;
}

}  // namespace

TEST_CASE("pool: classes are four per doubling and hold what they promise", "[tensor][pool]") {
  unsigned last = 0;
  std::size_t last_rounded = 64;
  for (std::size_t bytes = 1; bytes <= Pool::kMaxClass; bytes += bytes < 5000 ? 1 : 977) {
    std::size_t rounded = 0, again = 0;
    const unsigned c = Pool::class_of(bytes, rounded);
    REQUIRE(rounded >= bytes);
    REQUIRE((bytes <= 64 || rounded * 4 <= bytes * 5 + 63));  // at most a quarter is wasted
    REQUIRE(c < Pool::kClasses);
    REQUIRE(Pool::class_of(rounded, again) == c);
    REQUIRE(again == rounded);
    REQUIRE(c >= last);
    REQUIRE(rounded >= last_rounded);
    last = c;
    last_rounded = rounded;
  }
}

TEST_CASE("pool: memory is used again", "[tensor][pool]") {
  std::uintptr_t first = 0;  // a number: of a block given back no pointer may be used
  {
    const Tensor a = wick::zeros({100});
    first = reinterpret_cast<std::uintptr_t>(a.data());
  }
  const Tensor b = wick::zeros({101});  // the same class
  CHECK(reinterpret_cast<std::uintptr_t>(b.data()) == first);
  std::uintptr_t large = 0;
  {
    const Tensor a = wick::zeros({1'000'000});
    large = reinterpret_cast<std::uintptr_t>(a.data());
  }
  const Tensor c = wick::zeros({900'000});  // the best fit among the large ones
  const std::uintptr_t again = reinterpret_cast<std::uintptr_t>(c.data());
  CHECK(std::max(large, again) - std::min(large, again) < 4096);  // large blocks begin at several places of a page in turn
}

TEST_CASE("pool: each class and the large list are bounded", "[tensor][pool]") {
  std::thread([] {
    {
      std::vector<Tensor> many;
      for (int i = 0; i < 700; ++i) many.push_back(wick::zeros({10'000}));  // 56 MB in one class
    }
    CHECK(kept_bytes() <= Pool::kClassBytes + (1 << 20));
    CHECK(kept_bytes() > Pool::kClassBytes / 2);
    {
      std::vector<Tensor> many;
      for (int i = 0; i < 40; ++i) many.push_back(wick::zeros({200'000}));
    }
    std::size_t large = 0;
    for (const Pool::Large& l : thread_pool.large) large += l.memory != nullptr ? 1 : 0;
    CHECK(large <= Pool::kLarge);
    CHECK(thread_pool.large_bytes <= Pool::kLargeBytes);
  }).join();
}

TEST_CASE("pool: what another thread frees goes back to the system, not to its pool", "[tensor][pool]") {
  std::optional<Tensor> from_here = wick::zeros({5000}), from_there;
  std::thread([&] {
    const std::size_t before = kept_bytes();
    from_here.reset();
    CHECK(kept_bytes() == before);
    from_there = wick::arange(5000);
  }).join();  // the owner of that memory is gone now
  CHECK(from_there->at({4999}) == 4999.0);
  const Tensor copy = *from_there;
  from_there.reset();
  CHECK(copy.at({1}) == 1.0);
}

TEST_CASE("pool: tensors that outlive their thread's pool", "[tensor][pool]") {
  // Its destructor runs when the thread ends, after that of the pool if it was made first.
  struct Late {
    std::vector<Tensor> held;
    ~Late() {
      held.push_back(wick::arange(10));  // even a new one
      if (held.back().at({9}) != 9.0) std::abort();
    }
  };
  std::thread([] {
    thread_local Late late;
    late.held.push_back(wick::zeros({100}));
    late.held.push_back(wick::zeros({1'000'000}));
  }).join();
  SUCCEED();
}

TEST_CASE("tensor: threads share constants", "[tensor][threads]") {
  const Tensor shared = wick::arange(1000), repeated = wick::full({1}, 2.0);
  std::vector<std::thread> threads;
  std::vector<double> sums(8);
  for (std::size_t t = 0; t < sums.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const Tensor copy = shared;
        std::vector<Tensor> more(5, copy);
        double s = 0;
        for (const double v : more.back().values()) s += v;
        sums[t] = s;
      }
    });
  for (std::thread& t : threads) t.join();
  for (const double s : sums) CHECK(s == 499'500.0);
  CHECK(wick::detail::TensorAccess::block(shared)->count == 1);
}
