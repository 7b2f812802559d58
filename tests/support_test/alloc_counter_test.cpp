// One translation unit of a program defines the counter: this one, unless the build says that another does.
#ifndef WICK_TEST_ALLOC_COUNTER_ELSEWHERE
#define WICK_TEST_DEFINE_ALLOC_COUNTER
#endif
#include "support/alloc_counter.hpp"

#include "catch.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

using namespace wick_test;

namespace {

struct alignas(64) Wide {
  double lanes[8];
};

void* volatile sink = nullptr;  // keeps the compilers from removing a pair of new and delete

template <class F>
std::uint64_t allocations_of(F f) {
  AllocationGuard guard;
  f();
  return guard.count();
}

}  // namespace

TEST_CASE("alloc counter: every form of operator new counts one", "[support][alloc]") {
  using std::align_val_t, std::nothrow;
  const auto one = [](auto make, auto release) {
    return allocations_of([&] {
      auto* p = make();
      sink = p;
      release(p);
    });
  };
  REQUIRE(one([] { return ::operator new(8); }, [](void* p) { ::operator delete(p); }) == 1);
  REQUIRE(one([] { return ::operator new[](8); }, [](void* p) { ::operator delete[](p, std::size_t{8}); }) == 1);
  REQUIRE(one([] { return ::operator new(8, nothrow); }, [](void* p) { ::operator delete(p, nothrow); }) == 1);
  REQUIRE(one([] { return ::operator new[](8, nothrow); }, [](void* p) { ::operator delete[](p, nothrow); }) == 1);
  const align_val_t a{64};
  REQUIRE(one([&] { return ::operator new(8, a); }, [&](void* p) { ::operator delete(p, a); }) == 1);
  REQUIRE(one([&] { return ::operator new[](8, a); }, [&](void* p) { ::operator delete[](p, 8, a); }) == 1);
  REQUIRE(one([&] { return ::operator new(8, a, nothrow); }, [&](void* p) { ::operator delete(p, a, nothrow); }) == 1);
  REQUIRE(one([&] { return ::operator new[](8, a, nothrow); }, [&](void* p) { ::operator delete[](p, a, nothrow); }) ==
          1);
  REQUIRE(one([] { return new Wide; }, [](Wide* p) { delete p; }) == 1);
  REQUIRE(one([] { return new Wide[3]; }, [](Wide* p) { delete[] p; }) == 1);
  REQUIRE(allocations_of([] {}) == 0);
}

TEST_CASE("alloc counter: alignment, sizes and failure", "[support][alloc]") {
  for (std::size_t alignment : {16u, 64u, 4096u}) {
    void* p = ::operator new (100, std::align_val_t{alignment});
    REQUIRE(reinterpret_cast<std::uintptr_t>(p) % alignment == 0);
    std::memset(p, 1, 100);
    ::operator delete (p, std::align_val_t{alignment});
  }
  AllocationGuard guard;
  sink = ::operator new(1000);
  const std::uint64_t bytes = guard.bytes();
  ::operator delete(sink);
  REQUIRE(bytes == 1000);
  volatile std::size_t huge = static_cast<std::size_t>(-1) / 4;
  if (alloc_counter_sees_malloc()) {  // sanitizers abort instead
    REQUIRE_THROWS_AS(::operator new(huge), std::bad_alloc);
    REQUIRE(::operator new(huge, std::nothrow) == nullptr);
  }
}

TEST_CASE("alloc counter: the C functions count where they can", "[support][alloc]") {
  if (!alloc_counter_sees_malloc()) return;
  const auto keep = [](void* p) {
    sink = p;
    std::free(sink);
  };
  REQUIRE(allocations_of([&] { keep(std::malloc(10)); }) == 1);
  REQUIRE(allocations_of([&] { keep(std::calloc(3, 10)); }) == 1);
  REQUIRE(allocations_of([&] { keep(std::aligned_alloc(64, 128)); }) == 1);
  REQUIRE(allocations_of([&] {
            void* p = nullptr;
            REQUIRE(posix_memalign(&p, 256, 100) == 0);
            keep(p);
          }) == 1);
  REQUIRE(allocations_of([&] {
            sink = std::malloc(10);
            keep(std::realloc(sink, 1000));
          }) == 2);
  REQUIRE(allocations_of([&] { keep(strdup("from the C library itself")); }) == 1);
  void* p = nullptr;
  REQUIRE(posix_memalign(&p, 24, 100) != 0);
}

TEST_CASE("alloc counter: containers and other threads count", "[support][alloc]") {
  REQUIRE(allocations_of([] {
            std::vector<double> v(100);
            sink = v.data();
          }) == 1);
  AllocationGuard guard;
  std::thread([] {
    for (int i = 0; i < 100; ++i) {
      auto p = std::make_unique<int>(i);
      sink = p.get();
    }
  }).join();
  REQUIRE(guard.count() >= 100);
}

TEST_CASE("alloc counter: resident memory", "[support][alloc]") {
  const std::size_t before = current_rss_bytes();
  REQUIRE(before > 100000);
  AllocationGuard guard;
  sink = reinterpret_cast<void*>(current_rss_bytes() + peak_rss_bytes());
  REQUIRE(guard.count() == 0);
  const std::size_t size = std::size_t{64} << 20;
  std::vector<char> block(size, 1);
  sink = block.data();
  REQUIRE(current_rss_bytes() >= before + size * 9 / 10);
  REQUIRE(peak_rss_bytes() >= std::max(size, current_rss_bytes() / 2));
}
