#!/usr/bin/env python3
"""bench-table.py --flags TEXT --out FILE RESULTS: pairs the benchmarks in RESULTS/*.json, prints the table, writes FILE.

Benchmarks are named <case>/ours and <case>/baseline:<what it is>, with Google Benchmark's arguments behind. Each time is the
minimum over the repetitions: CPU time, or the clock where the benchmark asks for real or manual time. RESULTS/compile_times.tsv,
if it is there, adds the compile time of each example against Eigen/Dense.
"""
import argparse
import json
import pathlib
import platform
import re
import sys

UNIT = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
NAME = re.compile(r"^(?P<case>.+?)/(?:(?P<ours>ours)|baseline:(?P<baseline>[^/]+))(?P<rest>(?:/.*)?)$")
SETTING = re.compile(r"^(repeats|min_time|min_warmup_time|iterations|threads):|^(real_time|process_time|manual_time)$")


def read_benchmarks(folder):
    """{case: {None: ours_ns, baseline: ns}} in the order of the files, and the machine Google Benchmark saw."""
    cases, machine, unpaired = {}, {}, []
    for file in sorted(folder.glob("*.json")):
        report = json.loads(file.read_text())
        machine = machine or report["context"]
        # Random interleaving shuffles the runs: back to the order of the source.
        for run in sorted(report["benchmarks"], key=lambda r: (r["family_index"], r["per_family_instance_index"])):
            if run.get("run_type", "iteration") != "iteration":
                continue
            if run.get("error_occurred"):
                sys.exit(f"{file.name}: {run['name']}: {run.get('error_message')}")
            match = NAME.match(run["name"])
            if not match:
                unpaired.append(run["name"])
                continue
            settings = match["rest"].split("/")[1:]
            arguments = [part for part in settings if not SETTING.match(part)]
            clock = "real_time" if {"real_time", "manual_time"} & set(settings) else "cpu_time"
            times = cases.setdefault("/".join([match["case"], *arguments]), {})
            ns = run[clock] * UNIT[run["time_unit"]]
            times[match["baseline"]] = min(ns, times.get(match["baseline"], ns))
    if unpaired:
        sys.exit("not <case>/ours or <case>/baseline:<what it is>: " + ", ".join(sorted(set(unpaired))))
    return cases, machine


def read_compile_times(file):
    cases = {}
    if not file.exists():
        return cases
    seconds = {}
    for line in file.read_text().splitlines():
        what, compiler, time = line.split("\t")
        seconds[what, compiler] = min(float(time), seconds.get((what, compiler), float("inf")))
    for (what, compiler), time in seconds.items():
        if what != "Eigen/Dense":
            name = f"compile {what} ({compiler} -O2)"
            cases[name] = {None: time * 1e9, "Eigen/Dense alone": seconds["Eigen/Dense", compiler] * 1e9}
    return cases


def rows_of(cases):
    for name, times in cases.items():
        ours = times.pop(None, None)
        if ours is None or not times:
            sys.exit(f"{name}: ours and baseline are both needed")
        for baseline, baseline_ns in times.items():
            yield {"name": name, "ours_ns": round(ours, 3), "baseline": baseline, "baseline_ns": round(baseline_ns, 3),
                   "ratio": round(ours / baseline_ns, 4)}


def readable(ns):
    for unit in ("ns", "us", "ms"):
        if ns < 1000:
            return f"{ns:.3g} {unit}" if ns < 100 else f"{ns:.0f} {unit}"
        ns /= 1000
    return f"{ns:.3g} s"


def print_table(rows):
    lines = [["case", "ours", "baseline", "baseline time", "ratio"]]
    lines += [[r["name"], readable(r["ours_ns"]), r["baseline"], readable(r["baseline_ns"]), f"{r['ratio']:.2f}"] for r in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    lines.insert(1, ["-" * w for w in widths])
    for number, line in enumerate(lines):
        cells = [cell.rjust(w) if i in (1, 3, 4) else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths))]
        print(("|-" + "-|-".join(cells) + "-|") if number == 1 else ("| " + " | ".join(cells) + " |"))


def cpu_name():
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
        return found[1] if found else platform.machine()
    except OSError:
        return platform.machine()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--flags", default="")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("results", type=pathlib.Path)
    options = parser.parse_args()

    cases, context = read_benchmarks(options.results)
    cases.update(read_compile_times(options.results / "compile_times.tsv"))
    rows = list(rows_of(cases))
    machine = {"cpu": cpu_name(), "cores": context.get("num_cpus"), "mhz": context.get("mhz_per_cpu")}
    options.out.write_text(json.dumps({"machine": machine, "flags": options.flags, "rows": rows}, indent=1) + "\n")

    print(f"\n{machine['cpu']}, one core; {options.flags}; minimum over repeated runs\n")
    print_table(rows)
    print(f"\nWritten: {options.out}")


main()
