/// \file
/// The data, and the posterior they are known to have.
///
/// Data: D. B. Rubin, "Estimation in parallel randomized experiments", 1981: the effect of coaching on a test's score
/// in eight schools, in points, with its standard error.
///
/// Reference posterior: posteriordb (https://github.com/stan-dev/posteriordb, commit 28f8d3d, BSD-3-Clause), posterior
/// eight_schools-eight_schools_noncentered: means and standard deviations of 10,000 draws by Stan's NUTS, of the same
/// model.
#pragma once

namespace schools {

inline constexpr int count = 8;
inline constexpr double effect[] = {28, 8, -3, 7, -1, 1, 18, 12};
inline constexpr double error[] = {15, 10, 16, 11, 9, 11, 10, 18};

namespace reference {

inline constexpr double theta_mean[] = {6.1505, 4.9396, 3.9059, 4.7960, 3.6144, 4.0511, 6.3172, 4.8840};
inline constexpr double theta_sd[] = {5.6159, 4.6456, 5.2807, 4.7709, 4.6147, 4.7962, 5.0029, 5.3177};
inline constexpr double mu_mean = 4.4105, mu_sd = 3.3093;
inline constexpr double tau_mean = 3.6021, tau_sd = 3.1985, tau_median = 2.7470;
inline constexpr double log_evidence = -31.3113;  ///< log p(data), by quadrature; every ELBO lies below it

}  // namespace reference
}  // namespace schools
