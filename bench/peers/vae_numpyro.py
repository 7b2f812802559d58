"""The variational autoencoder of examples/vae in NumPyro: loss and time of a step, all steps in one compiled scan.

    pip install numpyro; taskset -c 0 python vae_numpyro.py [--steps 6000] [--batch 128] [--hidden 128]
"""
import argparse
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO

jax.config.update("jax_enable_x64", True)


def digits():
    x = np.loadtxt(pathlib.Path(__file__).parents[2] / "examples/vae/digits.csv", delimiter=",", skiprows=1)[:, :64]
    n = len(x) * 5 // 6
    return jnp.array(x[:n]), jnp.array(x[n:])


def initial(key, sizes):
    """PyTorch's: uniform between +-1 / sqrt(inputs)."""
    out = {}
    for name, (i, o) in sizes.items():
        key, w, b = jax.random.split(key, 3)
        bound = i**-0.5
        out[name] = {"w": jax.random.uniform(w, (i, o), minval=-bound, maxval=bound), "b": jax.random.uniform(b, (o,), minval=-bound, maxval=bound)}
    return out


def apply(layer, x):
    return x @ layer["w"] + layer["b"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--hidden", type=int, default=128)
    o = parser.parse_args()
    train, test = digits()
    h, relu = o.hidden, jax.nn.relu
    decoder = initial(jax.random.PRNGKey(1), {"first": (2, h), "second": (h, h), "third": (h, 64)})
    encoder = initial(jax.random.PRNGKey(2), {"first": (64, h), "second": (h, h), "loc": (h, 2), "scale": (h, 2)})

    def model(x, full):
        d = numpyro.param("decoder", decoder)
        with numpyro.plate("images", len(x)), numpyro.handlers.scale(scale=full / len(x)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(2), 1.0).to_event(1))
            logits = apply(d["third"], relu(apply(d["second"], relu(apply(d["first"], z)))))
            numpyro.sample("x", dist.Binomial(16, logits=logits).to_event(1), obs=x)

    def guide(x, full):
        e = numpyro.param("encoder", encoder)
        y = relu(apply(e["second"], relu(apply(e["first"], x / 16))))
        with numpyro.plate("images", len(x)), numpyro.handlers.scale(scale=full / len(x)):
            numpyro.sample("z", dist.Normal(apply(e["loc"], y), jnp.exp(apply(e["scale"], y))).to_event(1))

    # numpyro's ClippedAdam has no decay of its own: the schedule is the step size.
    svi = SVI(model, guide, numpyro.optim.ClippedAdam(lambda i: 2e-3 * 0.9995**i, clip_norm=10.0), Trace_ELBO())
    state = svi.init(jax.random.PRNGKey(0), train[: o.batch], float(len(train)))

    def step(s, key):
        x = train[jax.random.choice(key, len(train), (o.batch,), replace=False)]
        return svi.update(s, x, float(len(train)))

    fit = jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(jax.random.PRNGKey(3), o.steps)))
    jax.block_until_ready(fit(state))
    begin = time.perf_counter()
    end, losses = jax.block_until_ready(fit(state))
    seconds = time.perf_counter() - begin
    held_out = np.mean([float(svi.evaluate(end._replace(rng_key=jax.random.PRNGKey(k)), test, float(len(test)))) for k in range(20)])
    print(f"training, last 200: {float(losses[-200:].mean()) / len(train):.2f}; held out: {held_out / len(test):.2f} nats a picture; {1e3 * seconds / o.steps:.2f} ms a step")


main()
