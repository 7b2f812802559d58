/// \file
/// What a tape is made of: 32-byte records, opcodes, the functions behind them, and the table of live runs.
#pragma once


#include <wick/tensor/tensor.hpp>

namespace wick::inline WICK_ABI::detail {

/// Opcodes of rank-0 arithmetic; from `first_function` on an opcode is an index into the table of scalar functions.
enum class Op : std::uint16_t { constant, leaf, general, add, sub, mul, div, neg, first_function };

inline constexpr std::uint8_t kTensorOutput = 1;
// The adjoint of a tensor, while `buffer` is not null: a packet of the one number that all its elements have; an array that belongs to somebody
// else, who will not change it. Both are made an array of the record's own before something is added.
inline constexpr std::uint8_t kUniform = 2, kBorrowed = 4;
inline constexpr std::uint8_t kHandedOver = 8;  ///< of a leaf: its adjoint is made as a block, kept in `payload`, to be handed over

struct RecordInputs {
  std::uint32_t a, b;
};

struct Record {
  Op op;
  Kind kind;
  std::uint8_t flags;
  std::uint32_t site;
  union {
    RecordInputs in;
    void* payload;
  };
  union {
    double value;
    Block* block;
  };
  union {
    double adjoint;
    double* buffer;  ///< null until something arrives; see Tape::arrived
  };
  bool is_tensor() const noexcept { return (flags & kTensorOutput) != 0; }
};
static_assert(sizeof(Record) == 32);

class Tape;

class SecondPass;

/// How an operation takes part in second derivatives (ad/second_order.hpp). `linear`: `forward` of the inputs' tangents is the output's
/// tangent, `backward` reads no values. `own`: by these functions.
enum class SecondKind : std::uint8_t { none, linear, own };
struct SecondFns {
  SecondKind kind = SecondKind::none;
  void (*tangent)(SecondPass&, std::uint32_t i) = nullptr;  ///< computes the output's tangent
  void (*pull)(SecondPass&, std::uint32_t i) = nullptr;     ///< adds to the tangents of the inputs' adjoints
};
inline constexpr SecondFns second_linear{SecondKind::linear, nullptr, nullptr};
#if defined(WICK_SECOND_ORDER)
#define WICK_SECOND(...) __VA_ARGS__
#else
#define WICK_SECOND(...)
#endif

/// The two directions of a general operation; a payload begins with a pointer to one of these.
struct OpFns {
  const char* name;
  /// Recomputes the output of record `i` in place from the current values of its inputs.
  void (*forward)(Tape&, std::uint32_t i);
  /// Adds the output's adjoint times the derivative to the adjoints of its differentiable inputs.
  void (*backward)(Tape&, std::uint32_t i);
  SecondFns second = {};
};

/// A scalar function of one or two arguments as an opcode. `df` adds g times the partials to da and db (null: not needed).
struct ScalarFn {
  double (*f)(double a, double b);
  void (*df)(double g, double a, double b, double y, double* da, double* db);
  Atomic<std::uint16_t> opcode{0};
  struct SecondPoint;
  void (*second)(const void*, SecondPoint&) = nullptr;  ///< value and partials with their tangents
};

inline constexpr std::uint16_t kMaxFunctions = 1024;
inline constinit Atomic<const ScalarFn*> function_table[kMaxFunctions] = {};
inline constinit Atomic<std::uint16_t> function_count{static_cast<std::uint16_t>(Op::first_function)};

WICK_COLD inline std::uint16_t register_function(ScalarFn& fn) {
  const std::uint16_t id = function_count.count(1);
  function_table[id].store(&fn);
  std::uint16_t expected = 0;
  // A race registers the function twice; both opcodes mean the same.
  fn.opcode.replace(expected, id);
  return id;
}
inline Op opcode_of(ScalarFn& fn) {
  const std::uint16_t id = fn.opcode.load();
  return static_cast<Op>(WICK_LIKELY(id != 0) ? id : register_function(fn));
}

/// Says for every tape which run is live, so that a value of a step under way on another thread is noticed.
struct alignas(64) TapeSlot {
  Atomic<std::uint64_t> live{0};
  Atomic<const void*> owner{nullptr};  ///< the context of the thread that records
  Atomic<bool> taken{false};
  std::uint64_t serial = 0;
};
inline constexpr std::size_t kTapeSlots = 4096;
inline constinit TapeSlot tape_slots[kTapeSlots] = {};

}  // namespace wick::inline WICK_ABI::detail
