/// \file
/// A number that changes whenever some module goes from training to evaluation or back.
#pragma once

#include <wick/core/atomic.hpp>

namespace wick::inline WICK_ABI::detail {

/// Counts changes of mode in the whole process: a step recorded before one may not be what the program would do now.
inline constinit Atomic<std::uint64_t> mode_generation{0};

}  // namespace wick::inline WICK_ABI::detail
