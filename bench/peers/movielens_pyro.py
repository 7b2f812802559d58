"""The tutorial's MovieLens model in Pyro: python3 movielens_pyro.py PATH/u.data [SEED]. Needs pyro-ppl 1.9."""
import sys
import time

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import Adam
from torch.distributions import constraints

from movielens_data import K, MOVIES, USERS, read, report

STEPS = 3000


def model(user, movie, rating):
    with pyro.plate("users", USERS):
        U = pyro.sample("U", dist.Normal(0.0, 1.0).expand([K]).to_event(1))
    with pyro.plate("movies", MOVIES):
        V = pyro.sample("V", dist.Normal(0.0, 1.0).expand([K]).to_event(1))
    sigma = pyro.sample("sigma", dist.Exponential(1.0))
    with pyro.plate("data", len(rating)):
        mean = (U[user] * V[movie]).sum(-1)
        pyro.sample("ratings", dist.Normal(mean, sigma), obs=rating)


def guide(user, movie, rating):
    U_loc = pyro.param("U_loc", torch.zeros(USERS, K))
    U_scale = pyro.param("U_scale", torch.ones(USERS, K), constraint=constraints.positive)
    V_loc = pyro.param("V_loc", torch.zeros(MOVIES, K))
    V_scale = pyro.param("V_scale", torch.ones(MOVIES, K), constraint=constraints.positive)
    sigma_loc = pyro.param("sigma_loc", torch.tensor(1.0), constraint=constraints.positive)
    with pyro.plate("users", USERS):
        pyro.sample("U", dist.Normal(U_loc, U_scale).to_event(1))
    with pyro.plate("movies", MOVIES):
        pyro.sample("V", dist.Normal(V_loc, V_scale).to_event(1))
    pyro.sample("sigma", dist.Delta(sigma_loc))


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    pyro.set_rng_seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    train, test = read(sys.argv[1])
    data = tuple(torch.from_numpy(x) for x in train)
    svi = SVI(model, guide, Adam({"lr": 0.01}), Trace_ELBO())
    begin = time.perf_counter()
    for step in range(STEPS):
        loss = svi.step(*data)
        if step % 500 == 0:
            print(f"Step {step:4d} | ELBO loss: {loss:.2f}")
    seconds = time.perf_counter() - begin
    u_loc, v_loc = (pyro.param(name).detach().numpy() for name in ("U_loc", "V_loc"))
    report(u_loc, v_loc, train, test, seconds, STEPS)


main()
