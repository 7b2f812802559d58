"""The deep Markov model of examples/dmm in Pyro: figures over seeds and time of a step.

    pip install pyro-ppl; taskset -c 0 python dmm_pyro.py [--rnn forward] [--z 1] [--seeds 3] [--steps 400]

The same data, sizes, initialisation, optimiser and annealing as the example with --lrd 1, in double precision.
"""
import argparse
import pathlib
import re
import time

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import ClippedAdam
from torch import nn

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
HIDDEN = 32


def series():
    text = (pathlib.Path(__file__).parents[2] / "examples/dmm/series.hpp").read_text()
    numbers = re.search(r"series\[series_length\] = \{(.*?)\}", text, re.S)[1]
    return torch.tensor([float(x) for x in numbers.split(",")])


class DMM(nn.Module):
    def __init__(self, z, backward, h=HIDDEN):
        super().__init__()
        self.backward_rnn = backward
        self.gate = nn.Sequential(nn.Linear(z, h), nn.ReLU(), nn.Linear(h, z), nn.Sigmoid())
        self.prop = nn.Sequential(nn.Linear(z, h), nn.ReLU(), nn.Linear(h, z))
        self.lin_z = nn.Linear(z, z)
        self.lin_z.weight.data = torch.eye(z)
        self.lin_z.bias.data = torch.zeros(z)
        self.emitter = nn.Sequential(nn.Linear(z, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 1))
        self.lin_z_to_hidden = nn.Linear(z, h)
        self.lin_hidden_to_loc = nn.Linear(h, z)
        self.lin_hidden_to_scale = nn.Linear(h, z)
        self.rnn = nn.RNN(1, h, nonlinearity="relu", batch_first=True)
        self.z_0 = nn.Parameter(torch.zeros(z))
        self.z_q_0 = nn.Parameter(torch.zeros(z))
        self.h_0 = nn.Parameter(torch.zeros(1, 1, h))

    def model(self, x, annealing):
        pyro.module("dmm", self)
        obs_scale = pyro.param("obs_scale", torch.tensor(1.0), constraint=dist.constraints.positive)
        z = self.z_0
        for t in range(len(x)):
            gate, prop = self.gate(z), self.prop(z)
            loc = (1 - gate) * self.lin_z(z) + gate * prop
            with poutine.scale(scale=annealing):
                z = pyro.sample(f"z_{t}", dist.Normal(loc, nn.functional.softplus(prop) + 1e-4).to_event(1))
            pyro.sample(f"x_{t}", dist.Normal(self.emitter(z), obs_scale).to_event(1), obs=x[t])

    def guide(self, x, annealing):
        pyro.module("dmm", self)
        seen = x.flip(0) if self.backward_rnn else x
        out = self.rnn(seen[None], self.h_0)[0][0]
        out = out.flip(0) if self.backward_rnn else out
        z = self.z_q_0
        for t in range(len(x)):
            hc = 0.5 * (torch.tanh(self.lin_z_to_hidden(z)) + out[t])
            scale = nn.functional.softplus(self.lin_hidden_to_scale(hc)) + 1e-4
            with poutine.scale(scale=annealing):
                z = pyro.sample(f"z_{t}", dist.Normal(self.lin_hidden_to_loc(hc), scale).to_event(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rnn", choices=["backward", "forward"], default="backward")
    parser.add_argument("--z", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    o = parser.parse_args()
    x = series()[:, None]
    t = torch.arange(len(x), dtype=torch.float64)
    truth = torch.sin(0.2 * t) + 0.05 * t

    print("seed  loss of the last 200  affine RMSE  emitted RMSE  ms a step (least of all)")
    for seed in range(1, o.seeds + 1):
        pyro.clear_param_store()
        pyro.set_rng_seed(seed)
        dmm = DMM(o.z, o.rnn == "backward")
        svi = SVI(dmm.model, dmm.guide, ClippedAdam({"lr": 0.01, "clip_norm": 10.0}), Trace_ELBO())
        losses, least = [], float("inf")
        for step in range(o.steps):
            begin = time.perf_counter()
            losses.append(svi.step(x, min(1.0, 0.1 + 0.9 * step / (0.4 * o.steps))))
            least = min(least, time.perf_counter() - begin)
        with torch.no_grad():
            draws = []
            for _ in range(100):
                tr = poutine.trace(dmm.guide).get_trace(x, 1.0)
                draws.append(torch.stack([tr.nodes[f"z_{k}"]["value"] for k in range(len(x))]))
            z = torch.stack(draws)
            shown = dmm.emitter(z).mean(0)[:, 0]
            design = torch.cat([torch.ones(len(x), 1), z.mean(0)], 1)
            aligned = design @ torch.linalg.lstsq(design, truth[:, None]).solution[:, 0]

        def rmse(a):
            return ((a - truth) ** 2).mean().sqrt().item()

        print(f"{seed:4d}  {sum(losses[-200:]) / len(losses[-200:]):20.2f}  {rmse(aligned):11.3f}  {rmse(shown):12.3f}  {1e3 * least:9.1f}", flush=True)


main()
