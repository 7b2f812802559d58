/// \file
/// Rule J: counts every heap allocation of the process, and reads resident memory.
///
/// Exactly one translation unit of a program defines WICK_TEST_DEFINE_ALLOC_COUNTER before including this header; it
/// then holds replacements of all forms of global operator new and delete. On glibc it also interposes malloc, calloc,
/// realloc, memalign, aligned_alloc and posix_memalign (they count and forward to glibc's own __libc_ functions; free
/// stays glibc's), so allocations of Eigen and of C libraries count too. Under a sanitizer, and elsewhere, only
/// operator new is counted: `alloc_counter_sees_malloc()` tells. The counters are constant-initialised atomics and work
/// before main.
#pragma once

#include <cstddef>
#include <cstdint>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace wick_test {

/// Allocations since the start of the process: a new, malloc, calloc, memalign or realloc counts one each.
std::uint64_t allocation_count() noexcept;
/// Bytes asked for by them.
std::uint64_t allocated_bytes() noexcept;
/// Whether calls of malloc itself are counted.
bool alloc_counter_sees_malloc() noexcept;

/// Counts the allocations made since its construction, by all threads.
class AllocationGuard {
 public:
  std::uint64_t count() const noexcept { return allocation_count() - count_; }
  std::uint64_t bytes() const noexcept { return allocated_bytes() - bytes_; }

 private:
  std::uint64_t count_ = allocation_count(), bytes_ = allocated_bytes();
};

/// The largest resident size so far, by getrusage.
inline std::size_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

/// The resident size now, from /proc/self/statm (0 where there is none); does not allocate.
inline std::size_t current_rss_bytes() {
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[128];
  const ssize_t length = read(file, text, sizeof text);
  close(file);
  std::size_t pages = 0;
  ssize_t i = 0;
  while (i < length && text[i] != ' ') ++i;  // the first field is the virtual size
  for (++i; i < length && text[i] >= '0' && text[i] <= '9'; ++i)
    pages = pages * 10 + static_cast<std::size_t>(text[i] - '0');
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace wick_test

#ifdef WICK_TEST_DEFINE_ALLOC_COUNTER

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WICK_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define WICK_TEST_SANITIZED 1
#endif
#endif
#if defined(__GLIBC__) && !defined(WICK_TEST_SANITIZED)
#define WICK_TEST_INTERPOSE_MALLOC 1
#endif

namespace wick_test::alloc_detail {

constinit inline std::atomic<std::uint64_t> count{0}, bytes{0};

inline void counted(std::size_t size) noexcept {
  count.fetch_add(1, std::memory_order_relaxed);
  bytes.fetch_add(size, std::memory_order_relaxed);
}

}  // namespace wick_test::alloc_detail

#ifdef WICK_TEST_INTERPOSE_MALLOC
extern "C" {
void* __libc_malloc(std::size_t) noexcept;
void* __libc_calloc(std::size_t, std::size_t) noexcept;
void* __libc_realloc(void*, std::size_t) noexcept;
void* __libc_memalign(std::size_t, std::size_t) noexcept;
void __libc_free(void*) noexcept;

void* malloc(std::size_t size) noexcept {
  wick_test::alloc_detail::counted(size);
  return __libc_malloc(size);
}
void* calloc(std::size_t n, std::size_t size) noexcept {
  wick_test::alloc_detail::counted(n * size);
  return __libc_calloc(n, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  wick_test::alloc_detail::counted(size);
  return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  wick_test::alloc_detail::counted(size);
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  wick_test::alloc_detail::counted(size);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) noexcept {
  if (alignment % sizeof(void*) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  wick_test::alloc_detail::counted(size);
  void* p = __libc_memalign(alignment, size);
  if (p == nullptr) return ENOMEM;
  *out = p;
  return 0;
}
}
#endif

namespace wick_test {

std::uint64_t allocation_count() noexcept { return alloc_detail::count.load(std::memory_order_relaxed); }
std::uint64_t allocated_bytes() noexcept { return alloc_detail::bytes.load(std::memory_order_relaxed); }

namespace alloc_detail {

// Not inlined: the compilers would otherwise see operator new and free as a mismatched pair.
__attribute__((noinline)) inline void* allocate(std::size_t size, std::size_t alignment) noexcept {
  counted(size);
  if (size == 0) size = 1;
#ifdef WICK_TEST_INTERPOSE_MALLOC
  return alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__ ? __libc_malloc(size) : __libc_memalign(alignment, size);
#else
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(size);
  void* p = nullptr;
  return posix_memalign(&p, alignment, size) == 0 ? p : nullptr;
#endif
}

__attribute__((noinline)) inline void release(void* p) noexcept {
#ifdef WICK_TEST_INTERPOSE_MALLOC
  __libc_free(p);
#else
  std::free(p);
#endif
}

inline void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  for (;;) {
    if (void* p = allocate(size, alignment)) return p;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

inline void* allocate_or_null(std::size_t size, std::size_t alignment) noexcept {
  try {
    return allocate_or_throw(size, alignment);
  } catch (...) {
    return nullptr;
  }
}

}  // namespace alloc_detail

bool alloc_counter_sees_malloc() noexcept {
#ifdef WICK_TEST_INTERPOSE_MALLOC
  return true;
#else
  return false;
#endif
}

}  // namespace wick_test

// The sixteen replaceable forms that differ; arrays, sizes and nothrow go to the same two functions.
#define WICK_TEST_ALLOC wick_test::alloc_detail
void* operator new(std::size_t n) { return WICK_TEST_ALLOC::allocate_or_throw(n, 1); }
void* operator new[](std::size_t n) { return WICK_TEST_ALLOC::allocate_or_throw(n, 1); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return WICK_TEST_ALLOC::allocate_or_null(n, 1); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return WICK_TEST_ALLOC::allocate_or_null(n, 1); }
void* operator new(std::size_t n, std::align_val_t a) {
  return WICK_TEST_ALLOC::allocate_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return WICK_TEST_ALLOC::allocate_or_throw(n, static_cast<std::size_t>(a));
}
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return WICK_TEST_ALLOC::allocate_or_null(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return WICK_TEST_ALLOC::allocate_or_null(n, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete[](void* p) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete(void* p, std::size_t) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete[](void* p, std::size_t) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete(void* p, std::align_val_t) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { WICK_TEST_ALLOC::release(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { WICK_TEST_ALLOC::release(p); }
#undef WICK_TEST_ALLOC

#endif  // WICK_TEST_DEFINE_ALLOC_COUNTER
