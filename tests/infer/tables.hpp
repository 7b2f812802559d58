/// \file
/// Statistical tests of SVI that the planted faults run too.
#pragma once

#include "infer/common.hpp"
#include "support/stat.hpp"

namespace wick_test {

/// Moments of the draws of successive training steps and evaluations, and their products, which have mean 0.
inline MonteCarloReport independent_draws_table() {
  using namespace wick;
  const OwnStore own;
  std::vector<double> draws;
  const auto guide = [&] { draws.push_back(sample("z", Normal(param("loc", 0.0), 1.0)).item()); };
  SVI svi([] { point_model(0.0); }, guide, Adam({.lr = 0.0}), Trace_ELBO(), {.seed = 5});
  MonteCarloTable table("svi: draws of training and of evaluation");
  auto& joint = table.joint("pairs")
                    .expect("training", 0.0, 1.0)
                    .expect("training squared", 1.0)
                    .expect("evaluation", 0.0, 1.0)
                    .expect("evaluation squared", 1.0)
                    .expect("training times evaluation", 0.0, 1.0)
                    .expect("training times training before", 0.0, 1.0);
  double last = 0.0;
  for (int i = 0; i < 20000; ++i) {
    draws.clear();
    svi.step();
    svi.evaluate_loss();
    const double a = draws[0], b = draws[1];
    joint.sample(a, a * a, b, b * b, a * b, a * last);
    last = a;
  }
  return table.report();
}

}  // namespace wick_test
