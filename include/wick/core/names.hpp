/// \file
/// Interned names of sites, plates and parameters.
#pragma once

#include <cstring>
#include <new>
#include <string_view>

#include <wick/core/atomic.hpp>
#include <wick/core/key.hpp>

namespace wick::inline WICK_ABI {
namespace detail {

/// One interned name; lives until the process ends.
struct NameEntry {
  std::uint64_t hash;
  NameEntry* next;
  std::uint32_t id;
  std::uint32_t length;
  const char* text() const noexcept { return reinterpret_cast<const char*>(this + 1); }
};

inline constexpr std::size_t kNameBuckets = 4096;
inline constinit Atomic<NameEntry*> name_buckets[kNameBuckets] = {};
inline constinit Atomic<std::uint32_t> name_count{0};

WICK_COLD inline NameEntry* add_name(std::string_view s, std::uint64_t hash, Atomic<NameEntry*>& bucket) {
  void* memory = ::operator new(sizeof(NameEntry) + s.size() + 1);
  auto* fresh = new (memory) NameEntry{hash, bucket.load(), 0, static_cast<std::uint32_t>(s.size())};
  char* text = reinterpret_cast<char*>(fresh + 1);
  std::memcpy(text, s.data(), s.size());
  text[s.size()] = '\0';
  fresh->id = name_count.count(1) + 1;
  for (;;) {
    // Another thread may have added the same name since we looked.
    for (NameEntry* e = fresh->next; e != nullptr; e = e->next)
      if (e->hash == hash && s == std::string_view(e->text(), e->length)) {
        ::operator delete(memory);
        return e;
      }
    if (bucket.replace(fresh->next, fresh)) return fresh;
  }
}

}  // namespace detail

/// A name that is compared by pointer: the same characters are one entry for the whole process.
///
/// The table only grows, by one entry for each distinct name ever used; reading it takes no lock.
class Name {
 public:
  constexpr Name() noexcept = default;
  WICK_NOINLINE explicit Name(std::string_view s) {
    const std::uint64_t hash = hash_name(s);
    auto& bucket = detail::name_buckets[hash % detail::kNameBuckets];
    for (detail::NameEntry* e = bucket.load(); e != nullptr; e = e->next)
      if (e->hash == hash && s == std::string_view(e->text(), e->length)) {
        entry_ = e;
        return;
      }
    entry_ = detail::add_name(s, hash, bucket);
  }
  std::string_view view() const noexcept {
    return entry_ == nullptr ? std::string_view() : std::string_view(entry_->text(), entry_->length);
  }
  std::uint64_t hash() const noexcept { return entry_ == nullptr ? 0 : entry_->hash; }
  /// Positive and dense over the process; 0 for no name.
  std::uint32_t id() const noexcept { return entry_ == nullptr ? 0 : entry_->id; }
  explicit operator bool() const noexcept { return entry_ != nullptr; }
  friend bool operator==(Name a, Name b) noexcept { return a.entry_ == b.entry_; }

 private:
  const detail::NameEntry* entry_ = nullptr;
};

}  // namespace wick::inline WICK_ABI
