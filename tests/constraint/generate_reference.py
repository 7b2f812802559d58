#!/usr/bin/env python3
"""Writes reference_transforms.hpp from a table of constraint transforms computed with PyTorch.

Usage: generate_reference.py transforms.json > reference_transforms.hpp
The table is one JSON array of {constraint, params, x (unconstrained), y (constrained), log_abs_det_jacobian}; only the
constraints below are kept.
"""
import json
import sys

KEPT = ["real", "nonnegative", "greater_than", "unit_interval", "interval"]


def main():
    entries = [e for e in json.load(open(sys.argv[1])) if e["constraint"] in KEPT]
    entries.sort(key=lambda e: KEPT.index(e["constraint"]))
    print("// Written by generate_reference.py: transforms computed with torch's biject_to.")
    print("#pragma once\n")
    print("namespace wick_test {\n")
    print("struct TransformReference {")
    print("  const char* constraint;")
    print("  double low, high;  ///< 0 where there is no such bound")
    print("  double u, x, log_abs_det;\n};\n")
    print("inline constexpr TransformReference transform_references[] = {")
    for e in entries:
        p = e["params"]
        print('    {"%s", %r, %r, %r, %r, %r},' % (e["constraint"], p.get("low", 0.0), p.get("high", 0.0), e["x"], e["y"],
                                                 e["log_abs_det_jacobian"]))
    print("};\n\n}  // namespace wick_test")


main()
