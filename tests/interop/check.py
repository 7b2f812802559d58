"""check.py EXECUTABLE [--programs N] [--first SEED]: random programs through NumPyro, in double precision, and through wick.

Compares the log density of each site, elementwise, the total, and its gradient in all continuous latent values and
parameters, to 1e-10. Then the same with faults planted into wick: the comparison must notice each of them.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

# Each program is compiled once and run once.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

import jax
import numpy as np
import numpyro
from numpyro import handlers
from programs import DISCRETE, Dist, Generator, Interpreter, array_text, body_text

jax.config.update("jax_enable_x64", True)
numpyro.enable_validation(False)  # it cannot look at values under jit
TOLERANCE = 1e-10
FAULTS = ["plate_scale_dropped", "density_jacobian_missing"]


def statements(body):
    for s in body:
        yield s
        for part in s:
            if isinstance(part, list):
                yield from statements(part)


def variables(part):
    """The names that expressions in this part of a program read."""
    if isinstance(part, tuple) and part[:1] == ("v",):
        return {part[1]}
    if isinstance(part, (tuple, list)):
        return set().union(*map(variables, part))
    return variables(part.parameters) if isinstance(part, Dist) else set()


class Case:
    """One program with values for its sites and what NumPyro makes of it."""

    def __init__(self, seed):
        self.generator = Generator(seed)
        self.program = self.generator.program()
        self.fixed, self.given, self.moving = {}, {}, {}

    def evaluate(self, drawn):
        """Takes over the values of a run of wick and computes everything that its log density should be there."""
        rng = self.generator.rng
        families = {s[1]: s[2].family for s in statements(self.program) if s[0] == "sample"}
        params = {s[1]: s[2] for s in statements(self.program) if s[0] == "param"}
        values = {n: np.reshape(v["values"], v["shape"]) for n, v in drawn["values"].items() if n.split("_")[0] in families}
        discrete = {n for n in values if families[n.split("_")[0]] in DISCRETE}
        # Data are what the program itself would have made: always inside the support.
        observed = {n: v for n, v in values.items() if rng.random() < 0.35}
        self.fixed = {n: v for n, v in values.items() if n in discrete and n not in observed}
        self.moving = {n: v for n, v in values.items() if n not in discrete and n not in observed}
        self.moving |= {n: params[n] for n in drawn["params"]}

        indices = {n: jax.numpy.array(p.subsample) for n, (p, _) in self.generator.known_plates.items() if p.subsample}
        as_integers = lambda some: {n: v.astype(int) if n in discrete else v for n, v in some.items()}
        model = Interpreter(self.program, as_integers(observed))

        def log_density(moving):
            trace = handlers.trace(handlers.substitute(model, data=indices | as_integers(self.fixed) | moving)).get_trace()
            sites = {}
            for name, s in trace.items():
                if s["type"] == "sample":
                    lp = s["fn"].log_prob(s["value"])
                    sites[name] = lp if s["scale"] is None else s["scale"] * lp
            return sum((v.sum() for v in sites.values()), 0.0 * sum(v.sum() for v in moving.values())), sites

        if self.moving:
            (self.total, self.log_probs), self.gradient = jax.jit(jax.value_and_grad(log_density, has_aux=True))(self.moving)
        else:
            (self.total, self.log_probs), self.gradient = jax.jit(lambda: log_density({}))(), {}

        self.given = dict(observed)
        used = variables(self.program)
        for name, value in observed.items():  # masked data may hold anything, where nothing else is computed from them
            masks, d = model.masked[name]
            if name not in discrete and name.split("_")[0] not in used and masks and rng.random() < 0.5:
                self.given[name] = with_nan(value, masks, d.event)

    def text(self):
        lines = [f"fixed {len(self.fixed)}"]
        lines += [f"{n} {array_text(v)}" for n, v in self.fixed.items()]
        lines += [f"observed {len(self.given)}"]
        lines += [f"{n} {array_text(v)}" for n, v in self.given.items()]
        lines += [f"moving {len(self.moving)}"]
        lines += [f"{n} {array_text(v)}" for n, v in self.moving.items()]
        return "program " + body_text(self.program) + "\n" + "\n".join(lines) + "\n"

    def differences(self, answer):
        """What wick says otherwise, as lines of text."""
        if "error" in answer:
            return [answer["error"]]
        found = []
        if set(answer["sites"]) != set(self.log_probs):
            return [f"sites: {sorted(answer['sites'])} against {sorted(self.log_probs)}"]

        def compare(what, ours, theirs):
            ours, theirs = np.array(ours, dtype=float), np.array(theirs)
            if ours.shape != theirs.shape:
                found.append(f"{what}: shape {ours.shape} against {theirs.shape}")
            elif not np.all(np.abs(ours - theirs) <= TOLERANCE * (1 + np.abs(theirs))):
                found.append(f"{what}: {ours.tolist()} against {theirs.tolist()}")

        for name, theirs in self.log_probs.items():
            compare(f"log density of {name}", np.reshape(answer["sites"][name]["values"], answer["sites"][name]["shape"]), theirs)
        compare("total", answer["total"], self.total)
        for name, theirs in self.gradient.items():
            compare(f"gradient in {name}", np.reshape(answer["gradient"][name], theirs.shape), theirs)
        return found


def with_nan(value, masks, event):
    value = value.astype(float)
    batch = value.shape[: value.ndim - event]
    counts = np.ones(batch, dtype=bool)
    for m in masks:
        if np.broadcast_shapes(batch, np.shape(m)) != batch:
            return value
        counts &= np.asarray(m, dtype=bool)
    value[~counts] = np.nan
    return value


def answers(executable, cases, what=None):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "programs.txt"
        path.write_text("".join(case.text() for case in cases))
        command = [executable, str(path), *([what] if what else [])]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == len(cases), f"{len(lines)} answers to {len(cases)} programs"
    return [json.loads(line) for line in lines]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("executable")
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    cases = [Case(options.first + i) for i in range(options.programs)]
    failed = 0
    for case, drawn in zip(cases, answers(options.executable, cases, "draw")):
        if "error" in drawn:
            raise RuntimeError(drawn["error"])
        case.evaluate(drawn)
    for i, (case, answer) in enumerate(zip(cases, answers(options.executable, cases))):
        for line in case.differences(answer):
            failed += 1
            print(f"program {options.first + i}: {line}")
    sites = sum(len(c.log_probs) for c in cases)
    leaves = sum(v.size for c in cases for v in c.gradient.values())
    masked = sum(int(np.isnan(v).sum()) for c in cases for v in c.given.values())
    print(f"{len(cases)} programs, {sites} sites, {leaves} derivatives, {masked} masked NaN: {failed} differences")
    failed += masked == 0 and options.programs >= 200
    for fault in FAULTS:
        noticed = sum(bool(c.differences(a)) for c, a in zip(cases, answers(options.executable, cases, fault)))
        print(f"planted {fault}: noticed in {noticed} programs")
        failed += noticed == 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
