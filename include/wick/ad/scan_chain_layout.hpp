/// \file
/// Which steps are chains, and what stays in hand from one operation to the next.
#pragma once

#include <new>
#include <utility>

#include <wick/ad/scan_step.hpp>

namespace wick::inline WICK_ABI::detail {

/// Makes a chain of the operations of a step; `find` fails where it is not one.
class ChainFinder {
 public:
  ChainFinder(StepProgram& s, Arena& arena) : s_(s), tape_(*s.tape) {
    chain_.value = static_cast<ChainValue*>(arena.take_small(s.code_size * sizeof(ChainValue)));
    chain_.pull = static_cast<ChainPull*>(arena.take_small((s.code_size + s.states + s.outputs) * sizeof(ChainPull)));
    arrived_ = static_cast<bool*>(arena.take_small(tape_.size()));
    std::memset(arrived_, 0, tape_.size());
  }
  bool find(bool gradient) {
    for (std::size_t k = 0; k < s_.states; ++k)
      if (s_.state[k].scalar) return false;
    for (std::size_t k = 0; k < s_.code_size; ++k)
      if (!value(s_.code[k])) return false;
    for (std::size_t k = 0; k < s_.outputs; ++k)
      if (!output(s_.output[k])) return false;
    if (gradient && !pulls()) return false;
    s_.chain = chain_;
    return chain_.values != 0;
  }

 private:
  /// A vector of the chain: of as many packets as the others.
  bool vector(Index n) {
    const Index packets = (n + 7) / 8;
    if (chain_.packets == 0) chain_.packets = packets;
    return n > 1 && packets == chain_.packets && packets <= kStepColumns / 8;
  }
  bool computed(std::uint32_t i) const { return tape_[i].op == Op::general; }

  bool value(const StepCode& c) {
    if (c.kernel == StepKernel::general || c.kernel == StepKernel::number || !vector(c.n)) return false;
    ChainValue& v = *new (chain_.value + chain_.values++) ChainValue{};
    v.kernel = c.kernel;
    v.a_moves = c.a_moves;
    v.b_moves = c.b_moves;
    v.left = c.left;
    v.n = c.n;
    v.matrix = c.matrix;
    v.y = c.record;
    v.a = c.a;
    v.b = c.b;
    if (c.kernel == StepKernel::product) {
      if (!c.left) v.a = c.b;
      if (!vector(c.left ? c.matrix->n : c.matrix->m)) return false;
    } else {
      if (hand_ == c.b && hand_ != c.a && (c.kernel == StepKernel::add || c.kernel == StepKernel::mul)) {
        std::swap(v.a, v.b);
        std::swap(v.a_moves, v.b_moves);
      }
      v.held = hand_ == v.a;
    }
    hand_ = c.kernel == StepKernel::sum ? v.a : v.y;
    return true;
  }
  /// Vectors are computed where they are wanted; single numbers are copied.
  bool output(const StepOutput& o) {
    if (!o.scalar) return !o.copied && computed(o.record);
    for (std::size_t k = 0; k < chain_.values; ++k) {
      ChainValue& v = chain_.value[k];
      if (v.y != o.record || v.copy >= 0) continue;
      v.copy = o.at;
      return true;
    }
    return false;
  }

  ChainPull& pull(const StepCode& c) {
    ChainPull& p = *new (chain_.pull + chain_.pulls++) ChainPull{};
    p.kernel = c.kernel;
    p.a_moves = c.a_moves;
    p.b_moves = c.b_moves;
    p.left = c.left;
    p.n = p.length = c.n;
    p.matrix = c.matrix;
    p.y = c.record;
    p.a = c.a;
    p.b = c.b;
    return p;
  }
  void seed(std::uint32_t record, Index n, std::size_t source, bool of_state) {
    if (!tape_.differentiable(record)) return;
    ChainPull& p = *new (chain_.pull + chain_.pulls++) ChainPull{};
    p.kernel = StepKernel::general;
    p.n = n;
    p.a = static_cast<std::uint32_t>(source);
    p.b = of_state;
    p.other = record;
    p.other_adds = arrives(record);
  }
  /// Whether something has arrived at the record before; now something has.
  bool arrives(std::uint32_t record) {
    const bool was = arrived_[record];
    arrived_[record] = true;
    return was;
  }
  /// The operand's adjoint is in hand from now on.
  void take(ChainPull& p, std::uint32_t record) {
    p.main = hand_ = record;
    p.main_adds = arrives(record);
    last_ = &p;
  }
  /// What is in hand goes to its place.
  void put() {
    if (hand_ != 0) last_->stores = true;
    hand_ = 0;
  }

  bool pulls() {
    for (std::size_t k = 0; k < s_.arguments; ++k) arrived_[s_.argument[k].leaf] = true;  // those of other steps and uses
    for (std::size_t k = 0; k < s_.states; ++k)
      if (s_.state[k].hands_on) arrived_[s_.state[k].next] = true;
    for (std::size_t k = 0; k < s_.states; ++k)
      if (!s_.state[k].hands_on) seed(s_.state[k].next, s_.state[k].n, k, true);
    for (std::size_t k = 0; k < s_.outputs; ++k) seed(s_.output[k].record, s_.output[k].n, k, false);
    hand_ = 0;
    for (std::size_t k = s_.code_size; k-- > 0;) {
      const StepCode& c = s_.code[k];
      if (!tape_.differentiable(c.record) || !arrived_[c.record]) continue;
      if (c.kernel == StepKernel::sum)
        pull_sum(c);
      else if (c.kernel != StepKernel::product)
        pull_elements(c);
      else if (!pull_product(c))
        return false;
    }
    put();
    // Nothing is cleared: everything that is read must have been set.
    for (std::size_t k = 0; k < s_.products; ++k)
      if (!arrived_[s_.product[k].record]) return false;
    for (std::size_t k = 0; k < s_.states; ++k)
      if (tape_.differentiable(s_.state[k].leaf) && !arrived_[s_.state[k].leaf]) return false;
    return true;
  }
  void pull_sum(const StepCode& c) {
    if (!tape_.differentiable(c.a)) return;
    const bool held = hand_ == c.a;
    if (!held) put();
    ChainPull& p = pull(c);
    p.held = held;
    take(p, c.a);
  }
  void pull_elements(const StepCode& c) {
    const bool held = hand_ == c.record;
    if (!held) put();
    hand_ = 0;
    const bool a = tape_.differentiable(c.a), b = tape_.differentiable(c.b);
    ChainPull& p = pull(c);
    p.held = held;
    p.same = c.a == c.b;
    // In hand comes what is likely to be wanted next: a vector that was computed in this step, rather than one that comes from outside.
    const bool by_a = a && c.a_moves, by_b = b && c.b_moves;
    const bool main_b = by_b && (!by_a || (computed(c.b) && !computed(c.a)));
    p.swapped = main_b || (!by_a && a);
    const std::uint32_t other = p.swapped ? c.a : c.b;
    if (!p.same && (p.swapped ? a : b)) {
      p.other = other;
      p.other_moves = p.swapped ? c.a_moves : c.b_moves;
      p.other_adds = arrives(other);
    }
    if (by_a || by_b) take(p, main_b ? c.b : c.a);
  }
  bool pull_product(const StepCode& c) {
    put();  // the adjoint of the product is read number by number
    if (c.matrix->adjoint != nullptr && !c.later) return false;
    const std::uint32_t vector = c.left ? c.a : c.b;
    if (!tape_.differentiable(vector)) return true;
    ChainPull& p = pull(c);
    p.length = c.left ? c.matrix->n : c.matrix->m;
    take(p, vector);
    return true;
  }

  StepProgram& s_;
  Tape& tape_;
  StepChain chain_;
  bool* arrived_;              ///< by record: whether its adjoint has been set in this step
  std::uint32_t hand_ = 0;     ///< what is in hand
  ChainPull* last_ = nullptr;  ///< whose main it is
};

}  // namespace wick::inline WICK_ABI::detail
