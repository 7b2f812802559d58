/// \file
/// What log importance weights say: the evidence, how many draws they are worth, means under them.
#pragma once

#include <wick/ad/ops.hpp>

namespace wick::inline WICK_ABI {

namespace detail {
[[noreturn]] WICK_COLD inline void raise_weights(const Shape& weights, const Shape* values) {
  if (values != nullptr)
    raise<ShapeError>("wick.predictive.E331", "", {"log weights of shape ", weights, " for values of shape ", *values, ": wanted is one weight a draw"},
                      {"give the values and the log_weights() of the same draws, stacked along dimension 0"});
  raise<ShapeError>("wick.predictive.E331", "", {"log weights have shape ", weights, "; wanted is (n,), one a draw, and one at least"}, {"give the log_weights() of Samples"});
}
inline void check_weights(const Tensor& log_weights) {
  if (WICK_UNLIKELY(log_weights.empty() || log_weights.dim() != 1 || log_weights.numel() == 0)) raise_weights(log_weights.shape(), nullptr);
}
}  // namespace detail

// Of all: throws wick.predictive.E331 unless there is one log weight for each of one draw or more. Where all weights are 0 there are no means: they are NaN.

/// The weights that sum to 1: exp(log_weights − logsumexp(log_weights)).
/// Shapes: log_weights: (n,), returned as well.
inline Tensor normalized_weights(const Tensor& log_weights) {
  detail::check_weights(log_weights);
  return exp(log_weights - logsumexp(log_weights));
}

/// log of the mean weight, which estimates log p(observed): exp of it is unbiased, itself it is too low on average.
inline Tensor log_evidence(const Tensor& log_weights) {
  detail::check_weights(log_weights);
  return logsumexp(log_weights) - std::log(static_cast<double>(log_weights.numel()));
}

/// (Σ w)² / Σ w²: how many draws without weights would be about as good. Source: Kong 1992.
inline double effective_sample_size(const Tensor& log_weights) { return 1.0 / sum(square(normalized_weights(log_weights))).item(); }

/// Σ w x / Σ w along the leading dimension: the posterior mean of what `values` holds a draw each.
/// Shapes: values: (n, …); log_weights: (n,).
inline Tensor weighted_mean(const Tensor& values, const Tensor& log_weights) {
  detail::check_weights(log_weights);
  if (WICK_UNLIKELY(values.dim() == 0 || values.shape()[0] != log_weights.numel())) detail::raise_weights(log_weights.shape(), &values.shape());
  Shape column;
  column.push_back(log_weights.numel());
  for (Index d = 1; d < values.dim(); ++d) column.push_back(1);
  return sum(values * reshape(normalized_weights(log_weights), column), 0);
}

}  // namespace wick::inline WICK_ABI
