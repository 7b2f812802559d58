/// \file
/// The thread's context: what handlers, tapes, parameters and random numbers hang off.
#pragma once

#include <wick/core/error.hpp>

namespace wick::inline WICK_ABI {

class ParamStore;
class Handler;

namespace detail {

class Tape;
struct RandomScope;

/// A step of a scan that is being recorded. Its values are those of the first step and change with every other, so nothing may read them here.
struct StepScope {
  std::uint64_t run;
  const StepScope* outer;
};

/// Everything of the library that changes and belongs to one thread. Two threads never share any of it.
struct Context {
  Tape* tape = nullptr;               ///< the innermost open recording, or none
  Tape* spare = nullptr;              ///< tapes that are closed and wait for the next recording
  Handler* outermost = nullptr;       ///< the handler stack, doubly linked
  Handler* innermost = nullptr;
  std::uint64_t stacks = 0;           ///< how often the stack has begun
  ParamStore* store = nullptr;        ///< the store in force; null: the thread's default one
  RandomScope* random = nullptr;      ///< the innermost random scope; null: the thread's default one
  const StepScope* step = nullptr;    ///< the innermost step of a scan under way
  WarningSink sink = nullptr;         ///< null: standard error
  std::uint32_t site = 0;             ///< id of the site under way, for records
};

inline constinit thread_local Context context{};

/// The step of a scan is recorded once and run for all: a draw in it would be the same for each.
[[noreturn]] WICK_COLD inline void raise_in_step(const char* what) {
  raise<UsageError>("wick.op.E183", "", {what, " inside the step of a scan, which is recorded once and run for all steps"},
                    {"do it before the scan and pass the value as an argument: each(x) for one a step, x for the same in all"});
}

WICK_COLD inline void warn(const char* id, Parts text) {
  Text message(id);
  message.add(": ").add(text);
  if (context.sink != nullptr)
    context.sink(message);
  else
    std::fprintf(stderr, "wick warning %s\n", message.c_str());
}

/// A reference to a callable: how non-template code runs a user's model without owning or copying it.
class Callable {
 public:
  template <class F>
  explicit Callable(F& f) : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* o) { (*static_cast<F*>(o))(); }) {}
  void operator()() const { call_(object_); }

 private:
  void* object_;
  void (*call_)(void*);
};

}  // namespace detail

/// Sends this thread's warnings to `sink` (null: standard error) and returns the sink that was in force.
inline WarningSink set_warning_sink(WarningSink sink) noexcept {
  WarningSink old = detail::context.sink;
  detail::context.sink = sink;
  return old;
}

}  // namespace wick::inline WICK_ABI
