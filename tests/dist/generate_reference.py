#!/usr/bin/env python3
"""Writes reference_logprob.hpp from a table of log-probabilities computed with PyTorch and Pyro.

Usage: generate_reference.py logprob.json > reference_logprob.hpp
The table is one JSON array of {dist, params, value, log_prob}; only the families below are kept.
"""
import json
import sys

FAMILIES = ["Normal", "LogNormal", "HalfNormal", "HalfCauchy", "Uniform", "Exponential", "Gamma", "Bernoulli",
            "Categorical", "Poisson", "Delta"]
ORDER = ["loc", "scale", "low", "high", "concentration", "rate", "v", "log_density", "probs", "logits"]


def row(entry):
    names = sorted(entry["params"], key=ORDER.index)
    numbers = []
    for name in names:
        value = entry["params"][name]
        numbers += value if isinstance(value, list) else [value]
    return '    {"%s", "%s", {%s}, %r, %r},' % (entry["dist"], " ".join(names), ", ".join(map(repr, numbers)),
                                              entry["value"], entry["log_prob"])


def main():
    entries = [e for e in json.load(open(sys.argv[1])) if e["dist"] in FAMILIES]
    entries.sort(key=lambda e: FAMILIES.index(e["dist"]))
    print("// Written by generate_reference.py: log-probabilities computed with PyTorch distributions and Pyro 1.9.2.")
    print("#pragma once\n")
    print("#include <vector>\n")
    print("namespace wick_test {\n")
    print("struct LogProbReference {")
    print("  const char* dist;")
    print("  const char* names;           ///< of the parameters, in order")
    print("  std::vector<double> params;  ///< for probs and logits of Categorical: one number a category")
    print("  double value, log_prob;\n};\n")
    print("inline const std::vector<LogProbReference>& logprob_references() {")
    print("  static const std::vector<LogProbReference> table{")
    for entry in entries:
        print(row(entry))
    print("  };\n  return table;\n}\n\n}  // namespace wick_test")


main()
