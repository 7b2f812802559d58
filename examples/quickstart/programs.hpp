/// \file
/// Three programs. Each is a measure over the values that its run can draw; they differ in which values these are.
#pragma once

#include <wick/wick.hpp>

#include <string>

namespace quickstart {

/// Two numbers, always: z, and x around it. Observing x makes it a question: which z made this x?
inline void chain(const wick::Tensor& x) {
  using namespace wick;
  const Tensor z = sample("z", Normal(0.0, 1.0));
  sample("x", Normal(z, 1.0), obs(x));
}

/// The number of sites differs from run to run: first n, then n numbers.
inline void varying() {
  using namespace wick;
  const int n = sample("n", Poisson(3.0)).item<int>();
  for (int i = 0; i < n; ++i) sample("x_" + std::to_string(i), Normal(0.0, 1.0));
}

/// Where z can lie differs from run to run: on the whole line if k = 1, right of 0 if k = 0.
inline void branching(const wick::Tensor& x) {
  using namespace wick;
  const Tensor k = sample("k", Bernoulli(0.5));
  const Tensor z = k.item() == 1 ? sample("z", Normal(0.0, 1.0)) : sample("z", Gamma(2.0, 2.0));
  sample("x", Normal(z, 1.0), obs(x));
}

inline constexpr double observed_x = 1.5;

// What is known of the posteriors given x = 1.5.
inline constexpr double chain_mean = 0.75, chain_variance = 0.5;                      // z is Normal(0.75, variance 0.5)
inline constexpr double density_if_one = 0.160733, density_if_zero = 0.291061;        // of x, in `branching`, given k
inline constexpr double one_given_x = 0.355766;                                       // P(k = 1 | x)

}  // namespace quickstart
