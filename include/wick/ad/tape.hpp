/// \file
/// The tape: a recording of operations as arrays of 32-byte records, and the reverse loop over it.
#pragma once

#include <cstdlib>

#include <wick/ad/arena.hpp>
#include <wick/ad/loops.hpp>
#include <wick/ad/record.hpp>

namespace wick::inline WICK_ABI::detail {

/// One recording: records in execution order and the memory they point to. Reused from step to step.
class Tape {
 public:
  Tape() {
    for (std::size_t i = 0; i < kTapeSlots; ++i) {
      bool expected = false;
      if (tape_slots[i].taken.replace(expected, true)) {
        slot_ = i;
        return;
      }
    }
    raise<UsageError>("wick.tape.E110", "", {"more than 4096 tapes are alive"}, {"use fewer threads or fewer nested gradients"});
  }
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  ~Tape() {
    std::free(records_);
    tape_slots[slot_].taken.store(false);
  }

  std::uint64_t run() const noexcept { return run_; }
  std::uint32_t size() const noexcept { return size_; }
  Record& operator[](std::uint32_t i) noexcept { return records_[i]; }
  Arena& arena() noexcept { return arena_; }
  Tape* outer() const noexcept { return outer_; }

  /// Begins a recording inside `outer`.
  void open(Tape* outer) noexcept {
    outer_ = outer;
    TapeSlot& s = tape_slots[slot_];
    run_ = (++s.serial << 12) | slot_;
    s.owner.store(&context);
    s.live.store(run_);
    size_ = 1;  // record 0 stands for "none"
    if (WICK_UNLIKELY(capacity_ == 0)) {
      grow();
      records_[0] = Record{Op::constant, Kind::constant, 0, 0, {{0, 0}}, {0.0}, {0.0}};
    }
    arena_.reset();
  }
  /// Ends the recording: its values are severed, and those that nobody holds go back to the pool.
  WICK_NOINLINE void close() noexcept {
    for (std::uint32_t i = 1; i < size_; ++i) {
      if (!records_[i].is_tensor()) continue;
      if (WICK_UNLIKELY((records_[i].flags & kHandedOver) != 0)) drop_handed_over(records_[i]);
      Block* b = records_[i].block;
      if (b->shared)
        release(b);
      else if (--b->count == 0)
        free_block(b);
      else
        b->shared = true;  // somebody kept a handle: from now on it may travel
    }
    if (WICK_UNLIKELY(kept_ != nullptr)) drop_kept();
    size_ = 1;
    run_ = 0;
    tape_slots[slot_].live.store(0);
  }

  std::uint32_t push_scalar(Op op, std::uint32_t a, std::uint32_t b, double value, Kind kind) {
    Record& r = push(op, kind, 0);
    r.in.a = a;
    r.in.b = b;
    r.value = value;
    r.adjoint = 0;
    return size_ - 1;
  }
  /// Takes over one reference to `block`.
  std::uint32_t push_tensor(Op op, void* payload, Block* block, Kind kind) {
    Record& r = push(op, kind, kTensorOutput);
    r.payload = payload;
    r.block = block;
    r.buffer = nullptr;
    return size_ - 1;
  }
  std::uint32_t push_general_scalar(void* payload, double value, Kind kind) {
    Record& r = push(Op::general, kind, 0);
    r.payload = payload;
    r.value = value;
    r.adjoint = 0;
    return size_ - 1;
  }

  /// The current value of a record as stored data.
  const double* data(std::uint32_t i) noexcept { return records_[i].is_tensor() ? records_[i].block->data : &records_[i].value; }
  /// The number of elements of a record's stored value and adjoint.
  Index numel(std::uint32_t i) noexcept { return records_[i].is_tensor() ? records_[i].block->numel : 1; }
  const Shape& shape(std::uint32_t i) noexcept { return records_[i].is_tensor() ? records_[i].block->shape : no_shape_; }
  static const Shape& scalar_shape() noexcept { return no_shape_; }
  bool differentiable(std::uint32_t i) noexcept { return records_[i].kind == Kind::differentiable; }
  /// Where the adjoint of record `i` is summed; made (as zeros) on first use. Null for records that need none.
  WICK_NOINLINE double* adjoint(std::uint32_t i) {
    Record& r = records_[i];
    if (r.kind != Kind::differentiable) return nullptr;
    if (!r.is_tensor()) return &r.adjoint;
    if (r.buffer == nullptr || (r.flags & (kUniform | kBorrowed)) != 0) own_adjoint(r);
    return r.buffer;
  }
  /// The same for somebody who sees to every element: where nothing has arrived the memory is `fresh`, without a value, to be stored to.
  struct Sink {
    double* to;
    bool fresh = false;
    /// Memory to add to, of `n` elements: zeros where nothing has arrived. Null where none is wanted.
    double* started(Index n) const {
      if (fresh) fill_array(n, 0.0, to);
      return to;
    }
  };
  WICK_NOINLINE Sink sink(std::uint32_t i) {
    Record& r = records_[i];
    if (!r.is_tensor() || r.kind != Kind::differentiable || r.buffer != nullptr) return {adjoint(i), false};
    double* to = adjoint_room(r);
    r.buffer = to;
    return {to, true};
  }
  /// What has arrived at the differentiable record `i`, to be read: all elements (`arrived`), or as packets, where `step` is 0 if they are all one number.
  const double* arrived(std::uint32_t i) {
    const Record& r = records_[i];
    return r.is_tensor() && r.buffer != nullptr && (r.flags & kUniform) == 0 ? r.buffer : adjoint(i);
  }
  struct Arrived {
    const double* at;
    Index step;
  };
  Arrived arrived_packets(std::uint32_t i) {
    const Record& r = records_[i];
    return r.is_tensor() && (r.flags & kUniform) != 0 ? Arrived{r.buffer, 0} : Arrived{arrived(i), 8};
  }
  /// Lends an array that does not change while the recording lives as the adjoint of a tensor at which nothing has arrived.
  bool lends(std::uint32_t i) const noexcept {
    const Record& r = records_[i];
    return r.is_tensor() && r.kind == Kind::differentiable && r.buffer == nullptr;
  }
  void lend(Record& r, const double* x, bool uniform) noexcept {
    r.buffer = const_cast<double*>(x);  // nobody writes to what is borrowed
    r.flags |= uniform ? kUniform | kBorrowed : kBorrowed;
  }
  /// The adjoint of the differentiable tensor `i` += g x; x stays as it is while the recording lives.
  WICK_NOINLINE void add_to_adjoint(std::uint32_t i, double g, const double* x) {
    Record& r = records_[i];
    if (g == 1 && r.buffer == nullptr) return lend(r, x, false);
    const Sink s = sink(i);
    add_scaled(r.block->numel, g, x, s.to, s.fresh);
  }

  /// An object that lives as long as the recording: what a payload needs that is not trivially destructible.
  struct Kept {
    Kept* next = nullptr;
    void (*drop)(Kept*) = nullptr;
  };
  /// Makes a `T`, which derives from Kept, in pooled memory.
  template <class T, class... Arguments>
  T* keep(const Arguments&... arguments) {
    static_assert(alignof(T) <= 64);
    std::size_t capacity = 0;
    void* memory = thread_pool.take(sizeof(T), capacity);
    T* made;
    try {
      made = new (memory) T(arguments...);
    } catch (...) {
      thread_pool.give(memory, capacity);
      throw;
    }
    made->next = kept_;
    made->drop = [](Kept* k) {
      std::size_t bytes = 0;
      Pool::class_of(sizeof(T), bytes);
      static_cast<T*>(k)->~T();
      thread_pool.give(static_cast<void*>(static_cast<T*>(k)), bytes);
    };
    kept_ = made;
    return made;
  }

  /// Propagates the adjoints that are set to all records before them.
  void backward();
  /// Forgets all adjoints, so that `backward` can start from other seeds.
  void clear_adjoints() noexcept {
    for (std::uint32_t i = 1; i < size_; ++i) {
      Record& r = records_[i];
      if (!r.is_tensor()) {
        r.adjoint = 0;
        continue;
      }
      if ((r.flags & kHandedOver) != 0) drop_handed_over(r);
      r.buffer = nullptr;
      r.flags &= kTensorOutput | kHandedOver;
    }
  }

 private:
  double* adjoint_room(Record& r) {
    if ((r.flags & kHandedOver) == 0) return arena_.doubles(r.block->numel);
    if (r.payload == nullptr) r.payload = make_block(r.block->shape);
    return static_cast<Block*>(r.payload)->data;
  }
  WICK_NOINLINE void own_adjoint(Record& r) {
    const double* was = r.buffer;
    double* to = adjoint_room(r);
    const Index n = r.block->numel;
    if (was == nullptr || (r.flags & kUniform) != 0) {
      fill_array(n, was == nullptr ? 0.0 : *was, to);
    } else {
      copy_rows(1, n, was, 0, to, 0);
    }
    r.buffer = to;
    r.flags &= kTensorOutput | kHandedOver;
  }
  static void drop_handed_over(Record& r) noexcept {
    if (r.payload != nullptr) release(static_cast<Block*>(r.payload));
    r.payload = nullptr;
  }
  WICK_COLD void drop_kept() noexcept {
    while (kept_ != nullptr) {
      Kept* k = kept_;
      kept_ = k->next;
      k->drop(k);
    }
  }
  Record& push(Op op, Kind kind, std::uint8_t flags) {
    if (WICK_UNLIKELY(size_ == capacity_)) grow();
    Record& r = records_[size_++];
    r.op = op;
    r.kind = kind;
    r.flags = flags;
    r.site = context.site;
    return r;
  }
  WICK_COLD void grow() {
    const std::uint32_t room = capacity_ == 0 ? 256 : capacity_ * 2;
    if (room < capacity_) raise<UsageError>("wick.tape.E111", "", {"a recording holds at most 2^31 operations"}, {"fuse scalar loops with fuse or fuse_sum"});
    void* fresh = std::realloc(records_, std::size_t{room} * sizeof(Record));
    if (fresh == nullptr) throw std::bad_alloc();
    records_ = static_cast<Record*>(fresh);
    capacity_ = room;
  }

  static inline const Shape no_shape_{};
  Record* records_ = nullptr;
  std::uint32_t size_ = 1;
  std::uint32_t capacity_ = 0;
  std::uint64_t run_ = 0;
  Tape* outer_ = nullptr;
  std::size_t slot_ = 0;
  Arena arena_;
  Kept* kept_ = nullptr;

 public:
  Tape* next_spare = nullptr;
};

WICK_NOINLINE inline void Tape::backward() {
  for (std::uint32_t i = size_; --i > 0;) {
    Record& r = records_[i];
    if (r.kind != Kind::differentiable) continue;
    if (r.is_tensor()) {
      if (r.buffer != nullptr && r.op == Op::general) (*static_cast<const OpFns* const*>(r.payload))->backward(*this, i);
      continue;
    }
    const double g = r.adjoint;
    if (g == 0) continue;
    if (r.op == Op::general) {
      (*static_cast<const OpFns* const*>(r.payload))->backward(*this, i);
      continue;
    }
    Record& a = records_[r.in.a];
    Record& b = records_[r.in.b];
    switch (r.op) {
      case Op::constant:
      case Op::leaf:
      case Op::general: break;
      case Op::add:
        a.adjoint += g;
        b.adjoint += g;
        break;
      case Op::sub:
        a.adjoint += g;
        b.adjoint -= g;
        break;
      case Op::mul: {
        const double av = a.value;
        a.adjoint += g * b.value;
        b.adjoint += g * av;
        break;
      }
      case Op::div: {
        const double q = g / b.value;
        a.adjoint += q;
        b.adjoint -= q * r.value;
        break;
      }
      case Op::neg: a.adjoint -= g; break;
      default: {
        const ScalarFn* fn = function_table[static_cast<std::uint16_t>(r.op)].load_relaxed();
        fn->df(g, a.value, b.value, r.value, a.kind == Kind::differentiable ? &a.adjoint : nullptr,
               b.kind == Kind::differentiable ? &b.adjoint : nullptr);
      }
    }
  }
}

/// Frees the thread's tapes when the thread ends.
struct TapeReaper {
  bool armed = false;
  ~TapeReaper() {
    while (context.spare != nullptr) {
      Tape* t = context.spare;
      context.spare = t->next_spare;
      delete t;
    }
  }
};
inline thread_local TapeReaper tape_reaper;

/// A closed tape of the thread's own, and its return.
WICK_INLINE Tape* take_tape() {
  Tape* tape = context.spare;
  if (WICK_LIKELY(tape != nullptr)) {
    context.spare = tape->next_spare;
  } else {
    tape = new Tape;
    tape_reaper.armed = true;
  }
  return tape;
}
WICK_INLINE void give_tape(Tape* tape) noexcept {
  tape->next_spare = context.spare;
  context.spare = tape;
}

/// A scope in which operations are recorded.
class Recording {
 public:
  [[nodiscard]] Recording() : tape_(take_tape()) {
    tape_->open(context.tape);
    context.tape = tape_;
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording() {
    context.tape = tape_->outer();
    tape_->close();
    give_tape(tape_);
  }
  Tape& tape() const noexcept { return *tape_; }

 private:
  Tape* tape_;
};

/// A scope in which nothing is recorded; values inside are constants.
class Unrecorded {
 public:
  [[nodiscard]] Unrecorded() noexcept : tape_(context.tape) { context.tape = nullptr; }
  Unrecorded(const Unrecorded&) = delete;
  Unrecorded& operator=(const Unrecorded&) = delete;
  ~Unrecorded() { context.tape = tape_; }

 private:
  Tape* tape_;
};

}  // namespace wick::inline WICK_ABI::detail
