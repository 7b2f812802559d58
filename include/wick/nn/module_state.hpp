/// \file
/// What a module's handles share, and which values its parameters have on this thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <wick/core/mode.hpp>
#include <wick/core/random.hpp>
#include <wick/effect/param_store.hpp>
#include <wick/nn/init.hpp>

namespace wick::inline WICK_ABI::detail {

/// A parameter as its module declares it, and the value it has where no store has it.
struct Slot {
  std::string name;
  Shape shape;
  Constraint constraint;
  Init init;
  Atomic<Tensor*> own{nullptr};  ///< drawn when it is first read, or set

  Slot(std::string_view n, Shape s, Constraint c, Init i) : name(n), shape(std::move(s)), constraint(std::move(c)), init(std::move(i)) {}
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() { delete own.load(); }
};

/// Parameters and submodules. Threads may read one state together; whoever changes it does so alone.
struct ModuleState {
  std::string kind;  ///< for messages: "Linear(4, 32)"
  std::vector<std::unique_ptr<Slot>> slots;
  struct Child {
    std::string name;
    std::shared_ptr<ModuleState> state;
  };
  std::vector<Child> children;
  Atomic<bool> training{true};
  unsigned version = 0;  ///< changes with slots and children

  ModuleState() = default;
  ModuleState(const ModuleState&) = delete;
  ModuleState& operator=(const ModuleState&) = delete;
  virtual ~ModuleState() = default;
};

/// What one parameter is on this thread.
struct Bound {
  Name name;                 ///< as a site; none before `module`
  Name stored;               ///< in the stores: the name with what handlers add to it
  std::uint64_t run = 0;     ///< the recording whose value it is, as long as that is under way
  std::uint64_t stack = 0;   ///< or the handler stack
  bool outside = false;      ///< bound where no handler was: holds until one is
  std::uint32_t record = 0;
  Kind kind = Kind::constant;
  double number = 0;
  Block* block = nullptr;    ///< the recording owns it
  Tensor value;              ///< a value that nobody else keeps
  Tensor initial;            ///< what the parameter begins with, for as long as the store does not have it
  std::uint64_t seed = 0;    ///< of `initial`

  /// From now on `v`, until the recording or the handler stack ends. Values of the recording are not held: they would outlive the step,
  /// and whoever holds a parameter's value makes the optimiser copy it.
  void bind(const Tensor& v) {
    value = Tensor();
    run = stack = 0;
    block = nullptr;
    Tape* tape = context.tape;
    if (tape == nullptr || TensorAccess::run(v) != tape->run()) {
      stack = context.stacks;
      outside = context.innermost == nullptr;
      value = v;
      return;
    }
    run = tape->run();
    record = TensorAccess::record(v);
    kind = TensorAccess::kind(v);
    if (TensorAccess::is_scalar(v))
      number = TensorAccess::scalar(v);
    else if ((*tape)[record].is_tensor() && (*tape)[record].block == TensorAccess::block(v))
      block = TensorAccess::block(v);
    else
      value = v;
  }
  void release() {
    value = Tensor();
    run = stack = 0;
  }
  bool in_force() const noexcept {
    if (run != 0) return tape_slots[run & (kTapeSlots - 1)].live.load_relaxed() == run;
    return !value.empty() && stack == context.stacks && outside == (context.innermost == nullptr);
  }
  Tensor bound() const {
    if (!value.empty()) return value;
    Tensor out(number);
    if (block != nullptr) {
      retain(block);
      out = TensorAccess::adopt(block);
    }
    TensorAccess::attach(out, run, record, kind);
    return out;
  }
};

/// What one module is on this thread.
struct Binding {
  std::weak_ptr<ModuleState> state;  ///< keeps the address from being used again
  std::string path;                  ///< "dmm$$$emitter.hidden", for messages; empty before `module`
  std::vector<Bound> bound;          ///< by slot
  /// Of a module that `module` has been called with: the tree below it, each module once.
  struct Member {
    ModuleState* state;
    Binding* binding;
    unsigned version;
  };
  std::vector<Member> tree;
  Name root;
};

/// A name that `module` was called with, and the run in which that was.
struct Registered {
  Name root;
  std::weak_ptr<ModuleState> state;
  std::uint64_t run, stack;
};

/// The modules that this thread has registered: an open-addressed table by address.
class Bindings {
 public:
  Binding* find(const ModuleState* s) const noexcept {
    if (used_ == 0) return nullptr;
    for (std::size_t i = place(s);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].key == s) return slots_[i].binding.get();
      if (slots_[i].key == nullptr) return nullptr;
    }
  }
  Binding& of(const std::shared_ptr<ModuleState>& s) {
    if (Binding* b = find(s.get())) return *b;
    if (2 * (used_ + 1) > slots_.size()) grow();
    auto fresh = std::make_unique<Binding>();
    fresh->state = s;
    return put(s.get(), std::move(fresh));
  }

 private:
  struct Entry {
    const ModuleState* key = nullptr;
    std::unique_ptr<Binding> binding;
  };
  std::size_t place(const ModuleState* s) const noexcept {
    return static_cast<std::size_t>(fold(reinterpret_cast<std::uintptr_t>(s), salt[3])) & (slots_.size() - 1);
  }
  Binding& put(const ModuleState* key, std::unique_ptr<Binding> b) {
    std::size_t i = place(key);
    while (slots_[i].key != nullptr) i = (i + 1) & (slots_.size() - 1);
    slots_[i].key = key;
    slots_[i].binding = std::move(b);
    ++used_;
    return *slots_[i].binding;
  }
  /// Forgets modules that are gone, and makes room.
  WICK_COLD void grow() {
    std::vector<Entry> old;
    old.swap(slots_);
    std::size_t alive = 0;
    for (const Entry& e : old) alive += e.key != nullptr && !e.binding->state.expired();
    std::size_t room = 16;
    while (room < 4 * (alive + 1)) room *= 2;
    slots_.resize(room);
    used_ = 0;
    for (Entry& e : old)
      if (e.key != nullptr && !e.binding->state.expired()) put(e.key, std::move(e.binding));
  }
  std::vector<Entry> slots_;
  std::size_t used_ = 0;

 public:
  std::vector<Registered> roots;
};

inline constinit thread_local Bindings* bindings_here = nullptr;
struct OwnBindings {
  Bindings table;
  OwnBindings() noexcept { bindings_here = &table; }
  OwnBindings(const OwnBindings&) = delete;
  OwnBindings& operator=(const OwnBindings&) = delete;
  ~OwnBindings() { bindings_here = nullptr; }
};
WICK_COLD inline Bindings& own_bindings() {
  static thread_local OwnBindings own;
  return own.table;
}
inline Bindings& bindings() { return WICK_LIKELY(bindings_here != nullptr) ? *bindings_here : own_bindings(); }
inline Binding* binding_of(const ModuleState& s) noexcept { return bindings_here == nullptr ? nullptr : bindings_here->find(&s); }

/// Where a module is, for messages: "dmm$$$emitter.hidden"; empty before `module`.
WICK_COLD inline std::string_view module_path(const ModuleState& s) {
  const Binding* b = binding_of(s);
  return b != nullptr ? std::string_view(b->path) : std::string_view("");
}

[[noreturn]] WICK_COLD inline void raise_initial(const Slot& slot, const Tensor& value, Index bad) {
  raise<DomainError>("wick.param.E233", slot.name, {"value", index_text(slot.shape, bad), " = ", value.data()[bad], " is not inside ", slot.constraint.text()},
                     {"give an initialiser whose values are inside the constraint, and not on its edge"});
}

/// The value of a parameter that no store has, drawn now if it never was. Throws wick.param.E233.
WICK_NOINLINE inline Tensor own_value(Slot& slot) {
  Tensor* own = slot.own.load();
  if (own == nullptr) {
    const Unrecorded off;
    auto fresh = std::make_unique<Tensor>(slot.init(slot.shape, next_key(fold(hash_name("wick.nn.init"), hash_name(slot.name)), 0)));
    if (const Index bad = slot.constraint.first_violation(*fresh); WICK_UNLIKELY(bad >= 0)) raise_initial(slot, *fresh, bad);
    if (slot.own.replace(own, fresh.get())) own = fresh.release();
  }
  return *own;
}

/// A parameter's value: what the program under way has bound, else the store's, else the module's own.
inline Tensor read_slot(const ModuleState& s, const Binding* b, std::size_t k) {
  if (WICK_LIKELY(b != nullptr && k < b->bound.size())) {
    const Bound& x = b->bound[k];
    if (WICK_LIKELY(x.in_force())) return x.bound();
    if (x.stored)
      if (Param* p = param_store().find(x.stored)) return p->read();
  }
  return own_value(*s.slots[k]);
}

}  // namespace wick::inline WICK_ABI::detail
