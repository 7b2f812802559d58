#!/usr/bin/env python3
"""Writes reference_steps.hpp: where optimisers get to, computed number by number from the formulas that PyTorch and Pyro document.

Usage: generate_reference.py > reference_steps.hpp
Three numbers are moved for 60 steps along the gradients of a crooked function; gradient and formulas are ordinary Python floats, written
in the documents' order of operations, not in the library's.
"""
import math


def gradient(x, t):
    a, b, c = x
    return [4 * a * (a * a - b) + 2 * (a - 1) + 0.3 * math.sin(1.7 * t), -2 * (a * a - b) + 0.5 * (b - c), 40 * math.tanh(c - 0.5 * b) + math.cos(0.9 * t)]


def clip(g, o):
    bound = o.get("clip_norm", 10.0)
    if o.get("clip", "value") == "value":
        return [min(max(v, -bound), bound) for v in g]
    norm = math.sqrt(math.fsum(v * v for v in g))
    return [v * bound / norm for v in g] if norm > bound else g


def sgd(x, g, t, s, o):
    mu, damp = o.get("momentum", 0.0), o.get("dampening", 0.0)
    for i in range(3):
        d = g[i] + o.get("weight_decay", 0.0) * x[i]
        if mu != 0:
            s["b"][i] = d if t == 1 else mu * s["b"][i] + (1 - damp) * d
            d = d + mu * s["b"][i] if o.get("nesterov", False) else s["b"][i]
        x[i] -= o["lr"] * d


def adam_moments(g, i, t, s, o):
    b1, b2 = o.get("beta1", 0.9), o.get("beta2", 0.999)
    s["m"][i] = b1 * s["m"][i] + (1 - b1) * g
    s["v"][i] = b2 * s["v"][i] + (1 - b2) * g * g
    return 1 - b1 ** t, 1 - b2 ** t


def adam(x, g, t, s, o):
    for i in range(3):
        c1, c2 = adam_moments(g[i], i, t, s, o)
        x[i] -= o["lr"] * (s["m"][i] / c1) / (math.sqrt(s["v"][i] / c2) + o.get("eps", 1e-8))


def adamw(x, g, t, s, o):
    for i in range(3):
        x[i] -= o["lr"] * o.get("weight_decay", 1e-2) * x[i]
    adam(x, g, t, s, o)


def clipped_adam(x, g, t, s, o):
    g = clip(g, o)
    lr = o["lr"]
    for _ in range(t):
        lr *= o.get("lrd", 1.0)
    for i in range(3):
        d = g[i] + o.get("weight_decay", 0.0) * x[i]
        c1, c2 = adam_moments(d, i, t, s, o)
        x[i] -= lr * math.sqrt(c2) / c1 * (s["m"][i] / (math.sqrt(s["v"][i]) + o.get("eps", 1e-8)))


def rmsprop(x, g, t, s, o):
    alpha, mu = o.get("alpha", 0.99), o.get("momentum", 0.0)
    for i in range(3):
        d = g[i] + o.get("weight_decay", 0.0) * x[i]
        s["v"][i] = alpha * s["v"][i] + (1 - alpha) * d ** 2
        v = s["v"][i]
        if o.get("centered", False):
            s["m"][i] = alpha * s["m"][i] + (1 - alpha) * d
            v -= s["m"][i] ** 2
        step = d / (math.sqrt(v) + o.get("eps", 1e-8))
        if mu != 0:
            s["b"][i] = mu * s["b"][i] + step
            step = s["b"][i]
        x[i] -= o["lr"] * step


def adagrad(x, g, t, s, o):
    lr = o["lr"] / (1 + (t - 1) * o.get("lr_decay", 0.0))
    for i in range(3):
        d = g[i] + o.get("weight_decay", 0.0) * x[i]
        if t == 1:
            s["v"][i] = o.get("initial_accumulator_value", 0.0)
        s["v"][i] += d * d
        x[i] -= lr * d / (math.sqrt(s["v"][i]) + o.get("eps", 1e-10))


CASES = [
    (sgd, "SGD", dict(lr=0.01)),
    (sgd, "SGD", dict(lr=0.005, momentum=0.9)),
    (sgd, "SGD", dict(lr=0.005, momentum=0.8, dampening=0.3, weight_decay=0.1)),
    (sgd, "SGD", dict(lr=0.005, momentum=0.8, weight_decay=0.02, nesterov=True)),
    (adam, "Adam", dict(lr=0.05)),
    (adamw, "AdamW", dict(lr=0.05)),
    (adamw, "AdamW", dict(lr=0.02, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.5)),
    (clipped_adam, "ClippedAdam", dict(lr=0.05)),
    (clipped_adam, "ClippedAdam", dict(lr=0.1, beta1=0.96, beta2=0.99, eps=1e-4, weight_decay=2.0, clip_norm=3.0, lrd=0.97)),
    (clipped_adam, "ClippedAdam", dict(lr=0.1, clip_norm=2.0, lrd=0.99, clip="global_norm")),
    (rmsprop, "RMSprop", dict(lr=0.01)),
    (rmsprop, "RMSprop", dict(lr=0.02, alpha=0.9, eps=1e-4, weight_decay=0.1)),
    (rmsprop, "RMSprop", dict(lr=0.01, momentum=0.7)),
    (rmsprop, "RMSprop", dict(lr=0.01, alpha=0.95, momentum=0.5, centered=True)),
    (adagrad, "Adagrad", dict(lr=0.2)),
    (adagrad, "Adagrad", dict(lr=0.3, lr_decay=0.01, weight_decay=0.2, initial_accumulator_value=0.5, eps=1e-3)),
]
TIMES = [1, 2, 3, 10, 60]


def text(value):
    return {True: "true", False: "false"}.get(value) if isinstance(value, bool) else "Clip::" + value if isinstance(value, str) else repr(value)


def main():
    print("// Written by generate_reference.py: where optimisers get to after %s steps." % ", ".join(map(str, TIMES)))
    print("// WICK_REFERENCE_STEPS(optimiser with its options, five positions of three numbers)")
    for f, name, o in CASES:
        x, s, rows = [-0.7, 1.1, 2.0], {k: [0.0] * 3 for k in "bmv"}, []
        for t in range(1, TIMES[-1] + 1):
            f(x, gradient(x, t), t, s, o)
            if t in TIMES:
                rows.append("{" + ", ".join(map(repr, x)) + "}")
        print("WICK_REFERENCE_STEPS((%s({%s})),\n                     {%s})" % (name, ", ".join(".%s = %s" % (k, text(v)) for k, v in o.items()), ", ".join(rows)))


if __name__ == "__main__":
    main()
