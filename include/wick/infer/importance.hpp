/// \file
/// What log importance weights say: the evidence, how many draws they are worth, means under them.
#pragma once

#include <wick/ad/ops.hpp>

namespace wick::inline WICK_ABI {

/// The weights that sum to 1: exp(log_weights − logsumexp(log_weights)).
/// Shapes: log_weights: (n,), returned as well.
inline Tensor normalized_weights(const Tensor& log_weights) { return exp(log_weights - logsumexp(log_weights)); }

/// log of the mean weight, which estimates log p(observed): exp of it is unbiased, itself it is too low on average.
inline Tensor log_evidence(const Tensor& log_weights) { return logsumexp(log_weights) - std::log(static_cast<double>(log_weights.numel())); }

/// (Σ w)² / Σ w²: how many draws without weights would be about as good. Source: Kong 1992.
inline double effective_sample_size(const Tensor& log_weights) { return 1.0 / sum(square(normalized_weights(log_weights))).item(); }

/// Σ w x / Σ w along the leading dimension: the posterior mean of what `values` holds a draw each.
/// Shapes: values: (n, …); log_weights: (n,).
inline Tensor weighted_mean(const Tensor& values, const Tensor& log_weights) {
  Shape column;
  column.push_back(log_weights.numel());
  for (Index d = 1; d < values.dim(); ++d) column.push_back(1);
  return sum(values * reshape(normalized_weights(log_weights), column), 0);
}

}  // namespace wick::inline WICK_ABI
