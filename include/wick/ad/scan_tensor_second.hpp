/// \file
/// Second derivatives of scans over tensors: the second-order pass over the step, for every step.
#pragma once

#include <wick/ad/second_pass.hpp>

#if defined(WICK_SECOND_ORDER)

#include <wick/ad/scan_tensor.hpp>

namespace wick::inline WICK_ABI::detail {

/// A scan in an outer second-order pass: values, tangents, and the pass over its step.
class StepSecond {
 public:
  StepSecond(SecondPass& outer, std::uint32_t i) : outer_(outer), p_(*static_cast<const TensorScanPayload*>(outer.tape()[i].payload)), s_(*p_.program), pass_(*s_.tape) {
    for (std::size_t k = 0; k < s_.states + s_.arguments; ++k) p_.data[k] = outer.value(p_.in[k]);
    data_ = {p_.data, const_cast<double*>(outer.value(i))};  // the same numbers are written again
    for (std::size_t k = 0; k < s_.states; ++k) leaf(s_.state[k].leaf);
    for (std::size_t k = 0; k < s_.arguments; ++k)
      if (s_.argument[k].leaf != 0) leaf(s_.argument[k].leaf);
    const auto size = static_cast<std::size_t>(s_.state_size);
    states_.resize(2 * size * static_cast<std::size_t>(p_.steps + 1));
    copy_init(s_, p_.data, state(0));
    for (std::size_t k = 0; k < s_.states; ++k)
      for (Index j = 0; j < s_.state[k].n; ++j) tangent(0)[s_.state[k].at + j] = outer.tangent(p_.in[k])[j];
  }

  const TensorScanPayload& payload() const noexcept { return p_; }
  const StepProgram& step() const noexcept { return s_; }
  SecondPass& pass() noexcept { return pass_; }
  double* state(Index t) noexcept { return states_.data() + 2 * s_.state_size * t; }
  double* tangent(Index t) noexcept { return state(t) + s_.state_size; }

  /// The values of step `t` and, by `turn`, their tangents.
  void run(Index t) { run_steps(s_, data_, t, 1, state(t), p_.rows, true); }
  void turn(Index t) {
    std::size_t at = 0;
    for (std::size_t k = 0; k < s_.states; ++k) directions_[at++] = tangent(t) + s_.state[k].at;
    for (std::size_t k = 0; k < s_.arguments; ++k)
      if (s_.argument[k].leaf != 0) directions_[at++] = outer_.tangent(p_.in[s_.states + k]) + (s_.argument[k].moves ? t * s_.argument[k].n : 0);
    pass_.run_tangents(leaves_.data(), directions_.data(), at);
  }
  /// The state after step `t`, and its tangent.
  void advance(Index t) {
    copy_state(s_, state(t + 1));
    for (std::size_t k = 0; k < s_.states; ++k)
      for (Index j = 0; j < s_.state[k].n; ++j) tangent(t + 1)[s_.state[k].at + j] = pass_.tangent(s_.state[k].next)[j];
  }

 private:
  void leaf(std::uint32_t record) {
    leaves_.push_back(record);
    directions_.push_back(nullptr);
  }

  SecondPass& outer_;
  const TensorScanPayload& p_;
  const StepProgram& s_;
  SecondPass pass_;
  StepData data_{};
  std::vector<std::uint32_t> leaves_;
  std::vector<const double*> directions_;
  std::vector<double> states_;  ///< state and tangent before each step
};

WICK_COLD inline void tensor_scan_tangent(SecondPass& pass, std::uint32_t i) {
  double* out = pass.tangent_output(i);
  StepSecond steps(pass, i);
  const StepProgram& s = steps.step();
  for (Index t = 0; t < steps.payload().steps; ++t) {
    steps.run(t);
    steps.turn(t);
    steps.advance(t);
    for (std::size_t k = 0; k < s.outputs; ++k) {
      const StepOutput& o = s.output[k];
      for (Index j = 0; j < o.n; ++j) out[o.at + t * o.n + j] = steps.pass().tangent(o.record)[j];
    }
  }
  for (Index j = 0; s.tail && j < s.state_size; ++j) out[s.result + j] = steps.tangent(steps.payload().steps)[j];
}

/// Room for the first-order derivatives of the arguments, which nobody wants again.
inline std::vector<std::vector<double>> spare_adjoints(const TensorScanPayload& p) {
  const StepProgram& s = *p.program;
  std::vector<std::vector<double>> spare(s.arguments);
  for (std::size_t k = 0; k < s.arguments; ++k) {
    const bool wanted = s.argument[k].leaf != 0 && s.tape->differentiable(s.argument[k].leaf);
    if (wanted) spare[k].resize(static_cast<std::size_t>(s.argument[k].n * (s.argument[k].moves ? p.steps : 1)) + 1);
    p.to[k] = wanted ? spare[k].data() : nullptr;
  }
  return spare;
}

/// The reverse loop of each step for adjoints, and the second-order pass over it for their tangents.
WICK_COLD inline void tensor_scan_pull(SecondPass& outer, std::uint32_t i) {
  StepSecond steps(outer, i);
  const TensorScanPayload& p = steps.payload();
  const StepProgram& s = steps.step();
  Tape& tape = *s.tape;
  for (Index t = 0; t < p.steps; ++t) {
    steps.run(t);
    steps.turn(t);
    steps.advance(t);
  }
  const auto size = static_cast<std::size_t>(s.result + (s.tail ? s.state_size : 0));
  const auto all = [&](const double* from) {
    std::vector<double> v(size, 0.0);
    for (std::size_t k = 0; from != nullptr && k < size; ++k) v[k] = from[k];
    return v;
  };
  const std::vector<double> g = all(outer.adjoint(i)), dg = all(outer.adjoint_tangent(i));
  const auto width = static_cast<std::size_t>(s.state_size);
  std::vector<double> carry(2 * width, 0.0), dcarry(width, 0.0);
  for (std::size_t k = 0; s.tail && k < width; ++k) {
    carry[k] = g[size - width + k];
    dcarry[k] = dg[size - width + k];
  }
  const std::vector<std::vector<double>> spare = spare_adjoints(p);
  StepAdjoints first{g.data(), p.to, carry.data(), carry.data() + width};
  const auto seed = [&](std::uint32_t record, Index n, const double* from) {
    double* to = tape.adjoint(record);
    for (Index j = 0; to != nullptr && j < n; ++j) to[j] += from[j];
  };
  const Arena::Mark mark = tape.arena().mark();
  for (Index t = p.steps; t-- > 0;) {
    steps.run(t);
    begin_reverse(s, first);
    reverse_step(s, t, 0, first);
    steps.pass().keep_adjoints();
    steps.turn(t);
    tape.clear_adjoints();
    for (std::size_t k = 0; k < s.states; ++k) seed(s.state[k].next, s.state[k].n, dcarry.data() + s.state[k].at);
    for (std::size_t k = 0; k < s.outputs; ++k) seed(s.output[k].record, s.output[k].n, dg.data() + s.output[k].at + t * s.output[k].n);
    steps.pass().pull_adjoints();
    for (std::size_t k = 0; k < s.states; ++k)
      for (Index j = 0; j < s.state[k].n; ++j) dcarry[static_cast<std::size_t>(s.state[k].at + j)] = tape.adjoint(s.state[k].leaf)[j];
    for (std::size_t k = 0; k < s.arguments; ++k) {
      const StepArgument& x = s.argument[k];
      double* to = x.leaf == 0 ? nullptr : outer.pull_to(p.in[s.states + k]);
      if (to == nullptr) continue;
      const double* from = tape.adjoint(x.leaf);
      for (Index j = 0; j < x.n; ++j) to[(x.moves ? t * x.n : 0) + j] += from[j];
    }
    tape.clear_adjoints();
    tape.arena().rewind(mark);
  }
  for (std::size_t k = 0; k < s.states; ++k) {
    double* to = outer.pull_to(p.in[k]);
    for (Index j = 0; to != nullptr && j < s.state[k].n; ++j) to[j] += dcarry[static_cast<std::size_t>(s.state[k].at + j)];
  }
}

}  // namespace wick::inline WICK_ABI::detail

#endif
