/// \file
/// Owning a value or a callable without <memory> and <functional>, which cost every program compile time.
#pragma once

#include <type_traits>
#include <utility>

#include <wick/core/config.hpp>

namespace wick::inline WICK_ABI::detail {

/// The only owner of an object on the heap.
template <class T>
class Owner {
 public:
  explicit Owner(T* object) noexcept : object_(object) {}
  Owner(Owner&& o) noexcept : object_(std::exchange(o.object_, nullptr)) {}
  Owner& operator=(Owner&& o) noexcept {
    std::swap(object_, o.object_);
    return *this;
  }
  ~Owner() { delete object_; }
  T* get() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }

 private:
  T* object_;
};

/// Owns a copy of any callable that takes an `Info` and says yes or no; one that returns nothing says yes.
template <class Info>
class Callback {
 public:
  Callback() = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Callback>) && std::is_invocable_v<std::decay_t<F>&, const Info&>
  Callback(F&& f) : object_(new std::decay_t<F>(std::forward<F>(f))), ops_(&ops_of<std::decay_t<F>>) {}  // NOLINT: implicit by design
  Callback(const Callback& o) : object_(o.object_ == nullptr ? nullptr : o.ops_->copy(o.object_)), ops_(o.ops_) {}
  Callback(Callback&& o) noexcept : object_(std::exchange(o.object_, nullptr)), ops_(o.ops_) {}
  Callback& operator=(Callback o) noexcept {
    std::swap(object_, o.object_);
    std::swap(ops_, o.ops_);
    return *this;
  }
  ~Callback() {
    if (object_ != nullptr) ops_->destroy(object_);
  }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  bool operator()(const Info& info) const { return ops_->call(object_, info); }

 private:
  struct Ops {
    bool (*call)(void*, const Info&);
    void* (*copy)(const void*);
    void (*destroy)(void*);
  };
  template <class F>
  static constexpr Ops ops_of{[](void* f, const Info& info) {
                                if constexpr (std::is_void_v<decltype((*static_cast<F*>(f))(info))>)
                                  return (*static_cast<F*>(f))(info), true;
                                else
                                  return static_cast<bool>((*static_cast<F*>(f))(info));
                              },
                              [](const void* f) -> void* { return new F(*static_cast<const F*>(f)); }, [](void* f) { delete static_cast<F*>(f); }};
  void* object_ = nullptr;
  const Ops* ops_ = nullptr;
};

}  // namespace wick::inline WICK_ABI::detail
