/// \file
/// Planted faults: errors that only the tests' own builds contain, to prove that a test would notice them.
#pragma once

#include <wick/core/config.hpp>

#ifdef WICK_PLANTED_FAULTS

namespace wick::inline WICK_ABI::detail {

enum class Fault : unsigned char {
  none,
  plate_scale_dropped,          ///< a subsampled plate does not multiply by N / B
  auxiliary_entropy_dropped,    ///< log q of auxiliary guide sites is missing among the weights of scores
  score_masked,                 ///< a masked site's score does not count
  score_scaled,                 ///< a score is multiplied by its site's scale
  rao_blackwell_wrong_plate,    ///< plates are matched by dim instead of by name, size and counter
  constraint_jacobian_missing,  ///< d exp(u) / du is taken for 1
  density_jacobian_missing,     ///< the LogNormal density lacks − log x
  evaluation_replays,           ///< evaluate_loss takes the draws of training
  predictive_ignores_guide,     ///< Predictive draws latent sites from the prior although there is a guide
  weight_without_guide,         ///< log weights lack − log q
  prior_scale                   ///< for models of tests: a prior's sd is 1.2 times too large
};

/// The fault in force on this thread.
inline constinit thread_local Fault planted_fault = Fault::none;

}  // namespace wick::inline WICK_ABI::detail

#define WICK_FAULT(fault, right, wrong) (::wick::detail::planted_fault == ::wick::detail::Fault::fault ? (wrong) : (right))

#else

/// `right`; in a build with WICK_PLANTED_FAULTS, `wrong` while that fault is in force.
#define WICK_FAULT(fault, right, wrong) (right)

#endif
