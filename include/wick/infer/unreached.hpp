/// \file
/// Parameters that a loss does not depend on.
#pragma once

#include <limits>

#include <wick/ad/tape.hpp>
#include <wick/core/list.hpp>
#include <wick/effect/param_store.hpp>

namespace wick::inline WICK_ABI::detail {

/// Finds, in the first step that has a parameter, whether anything in the loss was computed from it. A gradient of 0 does not say so: terms may cancel, as
/// where the guide is the model, or be 0 at this point. So where it is 0, the seeds are made NaN and the reverse loop is run again: NaN times anything is
/// NaN, and so it arrives wherever there is a way.
class Unreached {
 public:
  /// Notes where the reverse loop starts, before it is run.
  WICK_COLD void note_seeds(Tape& tape) {
    seeds_.clear();
    for (std::uint32_t i = 1; i < tape.size(); ++i)
      if (!tape[i].is_tensor() && tape[i].kind == Kind::differentiable && tape[i].adjoint != 0) seeds_.push_back(i);
  }
  /// After the gradient has been collected: parameter by parameter, of the sizes that they have, as they were read in this recording.
  WICK_COLD void look(Tape& tape, const List<Param*>& params, const List<double>& gradient) {
    reached_.resize(params.size(), false);
    bool doubtful = false;
    const double* g = gradient.data();
    for (std::size_t k = 0; k < params.size(); g += params[k++]->numel()) {
      for (Index i = 0; i < params[k]->numel(); ++i) reached_[k] = reached_[k] || g[i] != 0;
      if (params[k]->numel() == 0) reached_[k] = true;
      doubtful = doubtful || !reached_[k];
    }
    if (!doubtful) return;
    tape.clear_adjoints();
    for (const std::uint32_t i : seeds_) tape[i].adjoint = std::numeric_limits<double>::quiet_NaN();
    try {
      tape.backward();
    } catch (...) {  // an operation of the user's that will not have NaN: there is nothing to say
      for (bool& r : reached_) r = true;
      return;
    }
    for (std::size_t k = 0; k < params.size(); ++k) {
      if (reached_[k] || params[k]->run() != tape.run()) continue;
      const Record& r = tape[params[k]->record()];
      if (!r.is_tensor())
        reached_[k] = r.adjoint != r.adjoint;
      else if (r.buffer != nullptr)
        reached_[k] = !all_finite(r.block->numel, tape.arrived(params[k]->record()));
    }
  }
  /// Warns of parameters that no particle reached; `known` says which had their turn before.
  template <class Known>
  WICK_COLD void report(const List<Param*>& params, Known known) const {
    Text names;
    Index count = 0;
    for (std::size_t k = 0; k < params.size(); ++k) {
      if (reached_[k] || known(*params[k])) continue;
      if (++count <= 8) names.add({count == 1 ? "\"" : ", \"", params[k]->name().view(), "\""});
    }
    if (count == 0) return;
    if (count > 8) names.add({" and ", count - 8, " more"});
    warn("wick.svi.W313", {"nothing in this step's loss depends on parameter ", names, ", so ", count == 1 ? "it is" : "they are",
                           " not fitted. Try: use it in a distribution of guide or model\n  or do without it\n"
                           "  or go on, if it is used in some steps only (a branch that was not taken)"});
  }

 private:
  List<std::uint32_t> seeds_;
  List<bool> reached_;
};

}  // namespace wick::inline WICK_ABI::detail
