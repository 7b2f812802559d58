"""The tutorial's MovieLens model in NumPyro: python3 movielens_numpyro.py PATH/u.data [SEED]. Needs numpyro 0.15 or later."""
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints
from numpyro.infer import SVI, Trace_ELBO
from numpyro.optim import Adam

from movielens_data import K, MOVIES, USERS, read, report

STEPS = 3000


def model(user, movie, rating):
    with numpyro.plate("users", USERS):
        U = numpyro.sample("U", dist.Normal(0.0, 1.0).expand([K]).to_event(1))
    with numpyro.plate("movies", MOVIES):
        V = numpyro.sample("V", dist.Normal(0.0, 1.0).expand([K]).to_event(1))
    sigma = numpyro.sample("sigma", dist.Exponential(1.0))
    with numpyro.plate("data", rating.shape[0]):
        mean = (U[user] * V[movie]).sum(-1)
        numpyro.sample("ratings", dist.Normal(mean, sigma), obs=rating)


def guide(user, movie, rating):
    U_loc = numpyro.param("U_loc", jnp.zeros((USERS, K)))
    U_scale = numpyro.param("U_scale", jnp.ones((USERS, K)), constraint=constraints.positive)
    V_loc = numpyro.param("V_loc", jnp.zeros((MOVIES, K)))
    V_scale = numpyro.param("V_scale", jnp.ones((MOVIES, K)), constraint=constraints.positive)
    sigma_loc = numpyro.param("sigma_loc", 1.0, constraint=constraints.positive)
    with numpyro.plate("users", USERS):
        numpyro.sample("U", dist.Normal(U_loc, U_scale).to_event(1))
    with numpyro.plate("movies", MOVIES):
        numpyro.sample("V", dist.Normal(V_loc, V_scale).to_event(1))
    numpyro.sample("sigma", dist.Delta(sigma_loc))


def main():
    numpyro.enable_x64()
    train, test = read(sys.argv[1])
    data = tuple(jnp.asarray(x) for x in train)
    svi = SVI(model, guide, Adam(0.01), Trace_ELBO())
    state = svi.init(jax.random.PRNGKey(int(sys.argv[2]) if len(sys.argv) > 2 else 1), *data)
    update = jax.jit(svi.update)
    update(state, *data)[1].block_until_ready()  # compiles
    begin = time.perf_counter()
    for step in range(STEPS):
        state, loss = update(state, *data)
        if step % 500 == 0:
            print(f"Step {step:4d} | ELBO loss: {loss:.2f}")
    jax.block_until_ready(state)
    seconds = time.perf_counter() - begin
    fitted = svi.get_params(state)
    report(np.asarray(fitted["U_loc"]), np.asarray(fitted["V_loc"]), train, test, seconds, STEPS)


main()
