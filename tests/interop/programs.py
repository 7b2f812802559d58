"""Random programs as data: a generator, an interpreter over NumPyro, and the text form that interop.cpp reads.

A program is a list of statements, a statement a tuple whose head names it:
  (sample, name, Dist)                   (param, name, value, event_dim)        (let, name, expr)
  (det, name, expr)                      (factor, name, expr)
  (plate, Plate, body)                   (loop, Plate, body)      sequential: names in it get the turn's index as suffix
  (scale, number, body)                  (mask, array, body)
  (branch, variable, threshold, yes, no) (repeat, variable, limit, body)        control flow by the value of a discrete site
An expression: (c, number) (v, name) (t, array) (sub, Plate, expr) (sumlast, expr) (vec, factors, offsets, expr)
and (f, expr, ...) for the functions in FUNCTIONS. Every expression has one dimension a plate at most, and `vec` one more.
"""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro import handlers

FUNCTIONS = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "exp": jnp.exp,
    "norm": lambda x: x / x.sum(-1, keepdims=True),
}

# name: (NumPyro's distribution, kinds of the parameters, kind of the value)
FAMILIES = {
    "Normal": (dist.Normal, ("real", "positive"), "real"),
    "LogNormal": (dist.LogNormal, ("bounded", "positive"), "positive"),
    "HalfNormal": (dist.HalfNormal, ("positive",), "positive"),
    "HalfCauchy": (dist.HalfCauchy, ("positive",), "positive"),
    "Uniform": (dist.Uniform, ("bounded", "above"), "real"),
    "Exponential": (dist.Exponential, ("positive",), "positive"),
    "Gamma": (dist.Gamma, ("positive", "positive"), "positive"),
    "BernoulliProbs": (dist.BernoulliProbs, ("unit",), "count"),
    "BernoulliLogits": (dist.BernoulliLogits, ("real",), "count"),
    "CategoricalProbs": (dist.CategoricalProbs, ("weights",), "count"),
    "CategoricalLogits": (dist.CategoricalLogits, ("vector",), "count"),
    "Poisson": (dist.Poisson, ("positive",), "count"),
}
DISCRETE = {name for name, family in FAMILIES.items() if family[2] == "count"}


@dataclass(frozen=True)
class Plate:
    name: str
    size: int
    subsample: tuple  # () for all elements, in order
    dim: int  # 0: not said

    @property
    def count(self):
        return len(self.subsample) or self.size


@dataclass
class Dist:
    family: str
    parameters: list
    event: int = 0  # to_event(event)
    mask: object = None  # of the distribution, beside masks of handlers


@dataclass
class Variable:
    name: str
    plates: frozenset
    kind: str  # real, positive, count
    event: int = 0
    scalar_site: bool = False  # a discrete site outside all plates: its value may steer the program


@dataclass
class Scope:
    plates: list = field(default_factory=list)  # (Plate, dim), vectorised
    variables: list = field(default_factory=list)
    depth: int = 0
    in_loop: bool = False

    def inner(self, plate=None, dim=0, in_loop=False):
        return Scope(self.plates + ([(plate, dim)] if plate else []), list(self.variables), self.depth + 1, self.in_loop or in_loop)


class Generator:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.sites = 0
        self.names = 0
        self.known_plates = {}  # name: (Plate, dim)

    def program(self):
        return self.block(Scope(), 3 + self.rng.integers(3))

    def name(self, prefix):
        self.names += 1
        return f"{prefix}{self.names}"

    def chance(self, p):
        return self.rng.random() < p

    def number(self):
        return round(float(self.rng.normal(0, 0.7)), 3)

    # --- expressions -------------------------------------------------------------------------------------------------
    def data(self, scope):
        """A constant with a dimension for some of the plates in force, and the subsample of it."""
        chosen = [(p, d) for p, d in scope.plates if self.chance(0.7)]
        rank = max((-d for _, d in chosen), default=0)
        shape = [1] * rank
        for p, d in chosen:
            shape[rank + d] = p.size
        expr = ("t", np.round(self.rng.normal(0, 0.7, shape), 3))
        for p, d in chosen:
            if p.subsample:
                expr = ("sub", p, d, expr)
        return expr

    def real(self, scope, depth=0):
        usable = [v for v in scope.variables if v.plates <= {p.name for p, _ in scope.plates}]
        r = self.rng.random()
        if depth < 3 and r < 0.35:
            return (("add", "mul")[self.rng.integers(2)], self.real(scope, depth + 1), self.real(scope, depth + 1))
        if depth < 3 and r < 0.5:
            return (("tanh", "sigmoid", "softplus")[self.rng.integers(3)], self.real(scope, depth + 1))
        if usable and r < 0.85:
            v = usable[self.rng.integers(len(usable))]
            expr = ("v", v.name)
            if v.event:
                expr = ("sumlast", expr)
            return ("tanh", expr) if v.kind != "real" or self.chance(0.3) else expr
        return self.data(scope) if self.chance(0.6) else ("c", self.number())

    def bounded(self, scope):
        return ("tanh", self.real(scope))

    def positive(self, scope):
        if self.chance(0.3):
            return ("c", round(float(self.rng.uniform(0.3, 2)), 3))
        return ("add", ("exp", self.bounded(scope)), ("c", 0.1)) if self.chance(0.5) else ("add", ("softplus", self.real(scope)), ("c", 0.2))

    def vector(self, scope, size):
        return ("vec", [self.number() for _ in range(size)], [self.number() for _ in range(size)], self.bounded(scope))

    def dist(self, scope):
        family = list(FAMILIES)[self.rng.integers(len(FAMILIES))]
        event = int(family in ("Normal", "LogNormal", "Gamma", "Poisson", "BernoulliLogits") and self.chance(0.25))
        size = 2 + int(self.rng.integers(3))
        parameters = []
        for kind in FAMILIES[family][1]:
            if kind == "above":
                p = ("add", parameters[0], self.positive(scope))
            elif kind == "unit":
                p = ("sigmoid", self.real(scope))
            elif kind == "weights":
                p = ("norm", ("exp", self.vector(scope, size)))
            elif kind == "vector":
                p = self.vector(scope, size)
            elif event and kind in ("real", "bounded"):
                p = self.vector(scope, size)
            elif event:
                p = ("exp", self.vector(scope, size))
            else:
                p = getattr(self, kind)(scope)
            parameters.append(p)
        mask = self.mask_of(scope) if self.chance(0.12) else None
        return Dist(family, parameters, event, mask)

    def mask_of(self, scope):
        """0/1, with a dimension for some plates, in the size of their subsamples."""
        chosen = [(p, d) for p, d in scope.plates if self.chance(0.8)]
        rank = max((-d for _, d in chosen), default=0)
        shape = [1] * rank
        for p, d in chosen:
            shape[rank + d] = p.count
        return (self.rng.random(shape) < 0.65).astype(float)

    # --- statements --------------------------------------------------------------------------------------------------
    def block(self, scope, statements):
        body = []
        for _ in range(statements):
            body.extend(self.statement(scope))
        return body

    def nested(self, scope):
        return self.block(scope, 1 + self.rng.integers(3))

    def plate(self, scope, sequential=False):
        again = [
            (p, d)
            for n, (p, d) in self.known_plates.items()
            if not sequential and not scope.in_loop and d not in [x for _, x in scope.plates] and n not in [q.name for q, _ in scope.plates]
        ]
        if again and self.chance(0.35):  # the same plate once more: it has the same elements
            return again[self.rng.integers(len(again))]
        size = int(self.rng.integers(2, 6))
        count = int(self.rng.integers(1, size)) if self.chance(0.5) else 0
        subsample = tuple(int(i) for i in self.rng.permutation(size)[:count])
        taken = [d for _, d in scope.plates]
        free = next(d for d in range(-1, -9, -1) if d not in taken)
        dim = 0
        if not sequential and self.chance(0.5):
            dim = free if self.chance(0.6) else next(d for d in range(free - 1, -9, -1) if d not in taken)
        plate = Plate(self.name("p"), size, subsample, dim or free)
        if not sequential:
            self.known_plates[plate.name] = (plate, plate.dim)
        return plate, plate.dim

    def statement(self, scope):
        r = self.rng.random()
        deep = scope.depth >= 3
        if r < 0.42 or deep:
            return [self.sample(scope)]
        if r < 0.62 and len(scope.plates) < 3:
            plate, dim = self.plate(scope)
            return [("plate", plate, self.nested(scope.inner(plate, dim)))]
        if r < 0.68:
            plate, _ = self.plate(scope, sequential=True)
            return [("loop", plate, self.nested(scope.inner(in_loop=True)))]
        if r < 0.75:
            return [("scale", round(float(self.rng.uniform(0.2, 3)), 3), self.nested(scope.inner()))]
        if r < 0.81:
            return [("mask", self.mask_of(scope), self.nested(scope.inner()))]
        if r < 0.87 and not scope.in_loop:
            return [self.param(scope)]
        if r < 0.91:
            return [("factor", self.name("f"), self.bounded(scope))]
        if r < 0.94:
            name, expr = self.name("d"), self.real(scope)
            scope.variables.append(Variable(name, frozenset(p.name for p, _ in scope.plates), "real"))
            return [("det", name, expr)]
        steering = [v for v in scope.variables if v.scalar_site]
        if steering and not scope.plates:
            v = steering[self.rng.integers(len(steering))]
            if self.chance(0.5):
                return [("branch", v.name, float(self.rng.integers(2)), self.nested(scope.inner()), self.nested(scope.inner()))]
            return [("repeat", v.name, 3, self.nested(scope.inner(in_loop=True)))]
        return [self.sample(scope)]

    def sample(self, scope):
        d = self.dist(scope)
        name = self.name("s")
        kind = FAMILIES[d.family][2]
        steers = d.family in DISCRETE and not scope.plates and not d.event and d.mask is None
        scope.variables.append(Variable(name, frozenset(p.name for p, _ in scope.plates), kind, d.event, steers))
        return ("sample", name, d)

    def param(self, scope):
        """A parameter with an element for each element of some of the plates, in full size."""
        name, event = self.name("w"), int(self.rng.integers(2))
        chosen = [(p, d) for p, d in scope.plates if self.chance(0.7)]
        rank = max((-d for _, d in chosen), default=0)
        shape = [1] * rank
        for p, d in chosen:
            shape[rank + d] = p.size
        value = self.rng.normal(0, 0.7, shape + [3] * event)
        scope.variables.append(Variable(name, frozenset(p.name for p, _ in scope.plates), "real", event))
        return ("param", name, value, event)


# --- NumPyro ---------------------------------------------------------------------------------------------------------
class Interpreter:
    """Runs a program as a NumPyro model. `observed` maps full site names to values. Remembers which masks each site has."""

    def __init__(self, program, observed):
        self.program, self.observed = program, observed

    def __call__(self):
        self.plates, self.masks, self.masked = {}, [], {}
        self.run(self.program, {}, "")

    def expr(self, e, env):
        head = e[0]
        if head == "c":
            return jnp.asarray(e[1], dtype=float)
        if head == "v":
            return jnp.asarray(env[e[1]], dtype=float)
        if head == "t":
            return jnp.asarray(e[1])
        if head == "sub":
            return jnp.take(self.expr(e[3], env), np.array(e[1].subsample), axis=e[2])
        if head == "sumlast":
            return self.expr(e[1], env).sum(-1)
        if head == "vec":
            return self.expr(e[3], env)[..., None] * np.array(e[1]) + np.array(e[2])
        return FUNCTIONS[head](*(self.expr(x, env) for x in e[1:]))

    def sample(self, name, d, env):
        fn = FAMILIES[d.family][0](*(self.expr(p, env) for p in d.parameters)).to_event(d.event)
        masks = list(self.masks)
        if d.mask is not None:
            fn = fn.mask(jnp.asarray(d.mask, dtype=bool))
            masks.append(d.mask)
        self.masked[name] = (masks, d)
        return numpyro.sample(name, fn, obs=self.observed.get(name))

    def run(self, body, env, suffix):
        for s in body:
            head = s[0]
            if head == "sample":
                env[s[1]] = self.sample(s[1] + suffix, s[2], env)
            elif head == "param":
                env[s[1]] = numpyro.param(s[1] + suffix, jnp.asarray(s[2]), event_dim=s[3])
            elif head == "det":
                env[s[1]] = numpyro.deterministic(s[1] + suffix, self.expr(s[2], env))
            elif head == "factor":
                numpyro.factor(s[1] + suffix, self.expr(s[2], env))
            elif head == "plate":
                p = s[1]
                if p.name not in self.plates:
                    self.plates[p.name] = numpyro.plate(p.name, p.size, subsample_size=p.count, dim=p.dim)
                with self.plates[p.name]:
                    self.run(s[2], env, suffix)
            elif head == "loop":
                with handlers.scale(scale=s[1].size / s[1].count):  # NumPyro has no sequential plates
                    for i in s[1].subsample or range(s[1].size):
                        self.run(s[2], dict(env), f"{suffix}_{i}")
            elif head == "scale":
                with handlers.scale(scale=s[1]):
                    self.run(s[2], env, suffix)
            elif head == "mask":
                self.masks.append(s[1])
                with handlers.mask(mask=jnp.asarray(s[1], dtype=bool)):
                    self.run(s[2], env, suffix)
                self.masks.pop()
            elif head == "branch":
                self.run(s[3] if float(env[s[1]]) > s[2] else s[4], dict(env), suffix)
            elif head == "repeat":
                for i in range(min(int(env[s[1]]), s[2])):
                    self.run(s[3], dict(env), f"{suffix}_{i}")


# --- text ------------------------------------------------------------------------------------------------------------
def number_text(x):
    return repr(float(x))


def array_text(a):
    a = np.asarray(a, dtype=float)
    return " ".join([str(a.ndim), *map(str, a.shape), *map(number_text, a.ravel())])


def list_text(xs):
    return " ".join([str(len(xs)), *map(str, xs)])


def expr_text(e):
    head = e[0]
    if head == "c":
        return "c " + number_text(e[1])
    if head == "v":
        return "v " + e[1]
    if head == "t":
        return "t " + array_text(e[1])
    if head == "sub":
        return f"sub {e[1].name} {e[2]} " + expr_text(e[3])
    if head == "vec":
        return f"vec {array_text(e[1])} {array_text(e[2])} " + expr_text(e[3])
    return " ".join([head, *map(expr_text, e[1:])])


def plate_text(p):
    return f"{p.name} {p.size} {list_text(p.subsample)} {p.dim}"


def body_text(body):
    return " ".join([*(statement_text(s) for s in body), "end"])


def statement_text(s):
    head = s[0]
    if head == "sample":
        d = s[2]
        mask = "1 " + array_text(d.mask) if d.mask is not None else "0"
        return f"sample {s[1]} {d.family} {d.event} {mask} " + " ".join(map(expr_text, d.parameters))
    if head == "param":
        return f"param {s[1]} {s[3]} {array_text(s[2])}"
    if head in ("det", "factor"):
        return f"{head} {s[1]} {expr_text(s[2])}"
    if head in ("plate", "loop"):
        return f"{head} {plate_text(s[1])} {body_text(s[2])}"
    if head == "scale":
        return f"scale {number_text(s[1])} {body_text(s[2])}"
    if head == "mask":
        return f"mask {array_text(s[1])} {body_text(s[2])}"
    if head == "branch":
        return f"branch {s[1]} {number_text(s[2])} {body_text(s[3])} {body_text(s[4])}"
    return f"repeat {s[1]} {s[2]} {body_text(s[3])}"
