// Written by generate_reference.py: log-probabilities computed with PyTorch distributions and Pyro 1.9.2.
#pragma once

#include <vector>

namespace wick_test {

struct LogProbReference {
  const char* dist;
  const char* names;           ///< of the parameters, in order
  std::vector<double> params;  ///< for probs and logits of Categorical: one number a category
  double value, log_prob;
};

inline const std::vector<LogProbReference>& logprob_references() {
  static const std::vector<LogProbReference> table{
    {"Normal", "loc scale", {0.0, 1.0}, -2.5, -4.043938533204672},
    {"Normal", "loc scale", {0.0, 1.0}, 0.0, -0.9189385332046727},
    {"Normal", "loc scale", {0.0, 1.0}, 0.3, -0.9639385332046727},
    {"Normal", "loc scale", {0.0, 1.0}, 4.0, -8.918938533204672},
    {"Normal", "loc scale", {1.5, 0.3}, 0.0, -12.214965728878736},
    {"Normal", "loc scale", {-2.0, 4.0}, 0.3, -2.470545394324563},
    {"LogNormal", "loc scale", {0.0, 1.0}, 0.7, -0.6258720970827892},
    {"LogNormal", "loc scale", {0.0, 1.0}, 12.0, -6.4912257120729855},
    {"LogNormal", "loc scale", {1.5, 0.3}, 0.05, -109.00594831907435},
    {"LogNormal", "loc scale", {1.5, 0.3}, 0.7, -18.50963438188387},
    {"LogNormal", "loc scale", {1.5, 0.3}, 1.0, -12.214965728878736},
    {"LogNormal", "loc scale", {1.5, 0.3}, 3.5, -1.3073184181920068},
    {"LogNormal", "loc scale", {-2.0, 4.0}, 0.05, 0.6595155429607713},
    {"LogNormal", "loc scale", {-2.0, 4.0}, 1.0, -2.430232894324563},
    {"LogNormal", "loc scale", {-2.0, 4.0}, 3.5, -3.888635454357894},
    {"LogNormal", "loc scale", {-2.0, 4.0}, 12.0, -5.418714158403583},
    {"HalfNormal", "scale", {0.5}, 0.05, 0.4623558279152179},
    {"HalfNormal", "scale", {0.5}, 0.7, -0.512644172084782},
    {"HalfNormal", "scale", {0.5}, 1.0, -1.5326441720847819},
    {"HalfNormal", "scale", {1.0}, 0.05, -0.22704135264472736},
    {"HalfNormal", "scale", {1.0}, 1.0, -0.7257913526447274},
    {"HalfNormal", "scale", {1.0}, 3.5, -6.350791352644727},
    {"HalfNormal", "scale", {1.0}, 12.0, -72.22579135264472},
    {"HalfNormal", "scale", {5.0}, 0.7, -1.8450292650788276},
    {"HalfNormal", "scale", {5.0}, 1.0, -1.8552292650788278},
    {"HalfNormal", "scale", {5.0}, 3.5, -2.0802292650788274},
    {"HalfNormal", "scale", {5.0}, 12.0, -4.715229265078827},
    {"HalfCauchy", "scale", {0.5}, 0.05, 0.2316141444173223},
    {"HalfCauchy", "scale", {0.5}, 1.0, -1.3678734371636097},
    {"HalfCauchy", "scale", {0.5}, 12.0, -6.116277791237609},
    {"HalfCauchy", "scale", {1.0}, 0.05, -0.45407958548804206},
    {"HalfCauchy", "scale", {1.0}, 0.7, -0.8503588252468225},
    {"HalfCauchy", "scale", {1.0}, 1.0, -1.1447298858494},
    {"HalfCauchy", "scale", {1.0}, 3.5, -3.035580257721686},
    {"HalfCauchy", "scale", {1.0}, 12.0, -5.428316447710029},
    {"HalfCauchy", "scale", {5.0}, 0.05, -2.0611206127238884},
    {"HalfCauchy", "scale", {5.0}, 0.7, -2.0804310112433786},
    {"HalfCauchy", "scale", {5.0}, 3.5, -2.459796737680923},
    {"HalfCauchy", "scale", {5.0}, 12.0, -3.9720435077784275},
    {"Uniform", "low high", {0.0, 1.0}, 0.1, 0.0},
    {"Uniform", "low high", {-3.0, 2.0}, -2.5, -1.6094379124341003},
    {"Exponential", "rate", {0.5}, 0.7, -1.0431471805599453},
    {"Exponential", "rate", {0.5}, 3.5, -2.4431471805599454},
    {"Exponential", "rate", {1.0}, 0.7, -0.7},
    {"Exponential", "rate", {1.0}, 1.0, -1.0},
    {"Exponential", "rate", {1.0}, 12.0, -12.0},
    {"Exponential", "rate", {5.0}, 0.7, -1.8905620875658997},
    {"Exponential", "rate", {5.0}, 1.0, -3.3905620875658995},
    {"Exponential", "rate", {5.0}, 12.0, -58.3905620875659},
    {"Gamma", "concentration rate", {0.5, 1.0}, 0.05, 0.8755011938522953},
    {"Gamma", "concentration rate", {0.5, 1.0}, 0.7, -1.094027470955334},
    {"Gamma", "concentration rate", {0.5, 1.0}, 1.0, -1.5723649429247},
    {"Gamma", "concentration rate", {0.5, 1.0}, 3.5, -4.698746427172384},
    {"Gamma", "concentration rate", {0.5, 1.0}, 12.0, -13.814818267818701},
    {"Gamma", "concentration rate", {2.0, 3.0}, 0.05, -0.9485076962177713},
    {"Gamma", "concentration rate", {2.0, 3.0}, 1.0, -0.8027754226637804},
    {"Gamma", "concentration rate", {2.0, 3.0}, 3.5, -7.050012454168412},
    {"Gamma", "concentration rate", {9.0, 0.7}, 0.7, -17.158076949703702},
    {"Gamma", "concentration rate", {9.0, 0.7}, 1.0, -14.514677398193843},
    {"Bernoulli", "probs", {0.1}, 1.0, -2.3025850929940455},
    {"Bernoulli", "probs", {0.5}, 1.0, -0.6931471805599453},
    {"Bernoulli", "probs", {0.93}, 1.0, -0.07257069283483539},
    {"Bernoulli", "logits", {-3.0}, 0.0, -0.048587351573742055},
    {"Bernoulli", "logits", {-3.0}, 1.0, -3.048587351573742},
    {"Bernoulli", "logits", {0.0}, 0.0, -0.6931471805599453},
    {"Bernoulli", "logits", {0.0}, 1.0, -0.6931471805599453},
    {"Bernoulli", "logits", {1.7}, 0.0, -1.8677860293862658},
    {"Bernoulli", "logits", {1.7}, 1.0, -0.16778602938626594},
    {"Categorical", "probs", {0.2, 0.5, 0.3}, 0.0, -1.6094379124341003},
    {"Categorical", "probs", {0.2, 0.5, 0.3}, 1.0, -0.6931471805599453},
    {"Categorical", "probs", {0.2, 0.5, 0.3}, 2.0, -1.2039728043259361},
    {"Categorical", "probs", {0.05, 0.05, 0.9}, 0.0, -2.995732273553991},
    {"Categorical", "logits", {1.0, -2.0, 0.5}, 0.0, -0.5045969023422834},
    {"Categorical", "logits", {1.0, -2.0, 0.5}, 1.0, -3.5045969023422834},
    {"Categorical", "logits", {1.0, -2.0, 0.5}, 2.0, -1.0045969023422834},
    {"Poisson", "rate", {0.3}, 3.0, -5.703677882205863},
    {"Poisson", "rate", {0.3}, 7.0, -17.25297099134697},
    {"Poisson", "rate", {0.3}, 20.0, -66.7150725472722},
    {"Poisson", "rate", {2.0}, 0.0, -2.0},
    {"Poisson", "rate", {2.0}, 1.0, -1.3068528194400546},
    {"Poisson", "rate", {2.0}, 3.0, -1.7123179275482192},
    {"Poisson", "rate", {2.0}, 7.0, -5.673131097145798},
    {"Poisson", "rate", {2.0}, 20.0, -30.472672849554577},
    {"Poisson", "rate", {15.0}, 0.0, -15.0},
    {"Poisson", "rate", {15.0}, 1.0, -12.29194979889779},
    {"Poisson", "rate", {15.0}, 7.0, -4.568809953349945},
    {"Delta", "v log_density", {1.5, 0.25}, 1.5, 0.25},
  };
  return table;
}

}  // namespace wick_test
