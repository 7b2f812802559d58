/// \file
/// Several plates at once.
#pragma once

#include <wick/effect/handlers/common.hpp>
#include <wick/effect/plate.hpp>

namespace wick::inline WICK_ABI {

/// Plates of the given sizes on neighbouring dims, the last on `rightmost_dim`: `plate_stack grid("grid", {3, 4});` is `plate grid_0("grid_0", 4, {.dim = -1})`
/// and inside it `plate grid_1("grid_1", 3, {.dim = -2})`. Throws: wick.plate.E200–E210.
class plate_stack {
 public:
  [[nodiscard]] plate_stack(std::string_view prefix, const Shape& sizes, Index rightmost_dim = -1) {
    try {
      for (Index i = 0; i < sizes.rank(); ++i) {
        char number[8];
        const int length = std::snprintf(number, sizeof number, "_%d", static_cast<int>(i));
        const Name name = detail::joined_name({prefix, {number, static_cast<std::size_t>(length)}});
        innermost_ = detail::make_pooled<Level>(innermost_, name.view(), sizes.from_right(-1 - i), rightmost_dim - i);
      }
    } catch (...) {
      leave();
      throw;
    }
  }
  plate_stack(const plate_stack&) = delete;
  plate_stack& operator=(const plate_stack&) = delete;
  ~plate_stack() { leave(); }

 private:
  struct Level {
    Level(Level* outer, std::string_view name, Index size, Index dim) : outside(outer), scope(name, size, {.dim = dim}) {}
    Level* outside;
    std::size_t capacity = 0;
    plate scope;
  };
  void leave() noexcept {
    while (innermost_ != nullptr) detail::drop_pooled(std::exchange(innermost_, innermost_->outside));
  }
  Level* innermost_ = nullptr;
};

}  // namespace wick::inline WICK_ABI
