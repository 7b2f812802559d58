"""The deep Markov model of examples/dmm in NumPyro: figures over seeds and time of a step.

    pip install numpyro; taskset -c 0 python dmm_numpyro.py [--rnn forward] [--z 1] [--seeds 5] [--steps 400]

The same data, sizes, initialisation (PyTorch's), optimiser and annealing as the example. All steps of a fit run in one compiled scan.
"""
import argparse
import pathlib
import re
import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer import SVI, Trace_ELBO

jax.config.update("jax_enable_x64", True)
HIDDEN = 32


def series():
    text = (pathlib.Path(__file__).parents[2] / "examples/dmm/series.hpp").read_text()
    numbers = re.search(r"series\[series_length\] = \{(.*?)\}", text, re.S)[1]
    return np.array([float(x) for x in numbers.split(",")])


def initial(key, z):
    """PyTorch's: uniform between +-1 / sqrt(inputs); for the RNN +-1 / sqrt(units)."""
    keys = iter(jax.random.split(key, 40))

    def uniform(shape, fan):
        return jax.random.uniform(next(keys), shape, minval=-(fan**-0.5), maxval=fan**-0.5)

    def linear(i, o):
        return {"w": uniform((i, o), i), "b": uniform((o,), i)}

    h = HIDDEN
    return {
        "gate": linear(z, h), "gate_out": linear(h, z), "prop": linear(z, h), "prop_out": linear(h, z),
        "lin_z": {"w": jnp.eye(z), "b": jnp.zeros(z)},
        "emit1": linear(z, h), "emit2": linear(h, h), "emit3": linear(h, 1),
        "comb": linear(z, h), "loc": linear(h, z), "scale": linear(h, z),
        "rnn": {"ih": uniform((1, h), h), "hh": uniform((h, h), h), "bi": uniform((h,), h), "bh": uniform((h,), h)},
        "z_0": jnp.zeros(z), "z_q_0": jnp.zeros(z), "h_0": jnp.zeros(h),
    }


def apply(layer, x):
    return x @ layer["w"] + layer["b"]


def positive(x):
    return jax.nn.softplus(x) + 1e-4


def transition(p, z):
    gate = jax.nn.sigmoid(apply(p["gate_out"], jax.nn.relu(apply(p["gate"], z))))
    prop = apply(p["prop_out"], jax.nn.relu(apply(p["prop"], z)))
    return (1 - gate) * apply(p["lin_z"], z) + gate * prop, positive(prop)


def emitter(p, z):
    return apply(p["emit3"], jax.nn.relu(apply(p["emit2"], jax.nn.relu(apply(p["emit1"], z)))))


def combiner(p, z, h):
    hc = 0.5 * (jnp.tanh(apply(p["comb"], z)) + h)
    return apply(p["loc"], hc), positive(apply(p["scale"], hc))


def programs(start, backward):
    def model(x, annealing):
        p = numpyro.param("dmm", start)
        obs_scale = numpyro.param("obs_scale", 1.0, constraint=dist.constraints.positive)

        def step(z, x_t):
            loc, scale = transition(p, z)
            with handlers.scale(scale=annealing):
                z = numpyro.sample("z", dist.Normal(loc, scale).to_event(1))
            numpyro.sample("x", dist.Normal(emitter(p, z), obs_scale).to_event(1), obs=x_t)
            return z, None

        scan(step, p["z_0"], x)

    def guide(x, annealing):
        p = numpyro.param("dmm", start)
        r = p["rnn"]

        def rnn(h, x_t):
            h = jax.nn.relu(x_t @ r["ih"] + r["bi"] + h @ r["hh"] + r["bh"])
            return h, h

        _, out = jax.lax.scan(rnn, p["h_0"], x, reverse=backward)

        def step(z, h):
            loc, scale = combiner(p, z, h)
            with handlers.scale(scale=annealing):
                z = numpyro.sample("z", dist.Normal(loc, scale).to_event(1))
            return z, None

        scan(step, p["z_q_0"], out)

    return model, guide


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rnn", choices=["backward", "forward"], default="backward")
    parser.add_argument("--z", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    o = parser.parse_args()
    x = jnp.array(series())[:, None]
    t = np.arange(len(x))
    truth = np.sin(0.2 * t) + 0.05 * t
    annealing = jnp.minimum(1.0, 0.1 + 0.9 * jnp.arange(o.steps) / (0.4 * o.steps))

    print("seed  loss of the last 200  affine RMSE  emitted RMSE  ms a step")
    for seed in range(1, o.seeds + 1):
        start = initial(jax.random.PRNGKey(seed), o.z)
        model, guide = programs(start, o.rnn == "backward")
        svi = SVI(model, guide, numpyro.optim.ClippedAdam(0.01, clip_norm=10.0), Trace_ELBO())
        state = svi.init(jax.random.PRNGKey(100 + seed), x, 1.0)
        fit = jax.jit(lambda s: jax.lax.scan(lambda s, a: svi.update(s, x, a), s, annealing))
        jax.block_until_ready(fit(state))
        begin = time.perf_counter()
        end, losses = jax.block_until_ready(fit(state))
        seconds = time.perf_counter() - begin
        p = svi.get_params(end)

        def draw(key):
            tr = handlers.trace(handlers.seed(handlers.substitute(guide, data=p), key)).get_trace(x, 1.0)
            return tr["z"]["value"]

        z = jax.lax.map(draw, jax.random.split(jax.random.PRNGKey(seed), 400))
        shown = np.array(emitter(p["dmm"], z).mean(0)[:, 0])
        design = np.column_stack([np.ones(len(t)), np.array(z.mean(0))])
        aligned = design @ np.linalg.lstsq(design, truth, rcond=None)[0]

        def rmse(a):
            return np.sqrt(np.mean((a - truth) ** 2))

        print(f"{seed:4d}  {float(losses[-200:].mean()):20.2f}  {rmse(aligned):11.3f}  {rmse(shown):12.3f}  {1e3 * seconds / o.steps:9.3f}", flush=True)


main()
