/// \file
/// What an optimiser is to SVI.
#pragma once

#include <span>
#include <string_view>

#include <wick/core/error.hpp>

namespace wick::inline WICK_ABI {

/// One parameter in one optimiser step.
struct ParamStep {
  std::uint64_t key;          ///< the parameter's own number: another parameter of the same name has another
  std::string_view name;
  double* value;              ///< unconstrained, `size` numbers; to be changed
  const double* gradient;     ///< of the loss
  Index size;
};

/// Changes parameters from gradients. State is made when a parameter is first seen; parameters that are not in a step keep theirs.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Makes room for the state of all these parameters; may throw, and then nothing has changed.
  virtual void prepare(std::span<const ParamStep> params) = 0;
  /// These parameters are no more: their state can go.
  virtual void forget(std::span<const std::uint64_t> keys) { static_cast<void>(keys); }
  /// Changes the values; does not throw after `prepare`.
  virtual void step(std::span<const ParamStep> params) noexcept = 0;
};

namespace detail {

/// Whether schedules can change the optimiser's rate.
template <class O>
concept has_rate_factor = requires(O& o) { o.set_rate_factor(1.0); };

}  // namespace detail

}  // namespace wick::inline WICK_ABI
