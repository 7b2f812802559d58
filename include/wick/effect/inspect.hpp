/// \file
/// What a site at this point of the program would be subject to.
#pragma once

#include <wick/effect/message.hpp>

namespace wick::inline WICK_ABI {

/// What the handlers around this point would do to a site here: its `frames`, `scale` and `mask`. Nothing is drawn, and no trace records it.
inline Message inspect() {
  Message m;
  m.type = SiteType::inspect;
  m.done = true;
  if (detail::context.innermost != nullptr) detail::send(m, nullptr);
  return m;
}
/// The plates around this point, outermost first.
inline Frames get_plates() { return inspect().frames; }
/// The mask in force at this point; empty where all elements count.
inline Tensor get_mask() { return inspect().mask; }

}  // namespace wick::inline WICK_ABI
