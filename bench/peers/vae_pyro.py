"""The variational autoencoder of examples/vae in Pyro: loss and time of a step.

    pip install pyro-ppl; taskset -c 0 python vae_pyro.py [--steps 6000] [--batch 128] [--hidden 128]
"""
import argparse
import pathlib
import time

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import ClippedAdam
from torch import nn

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def digits():
    lines = (pathlib.Path(__file__).parents[2] / "examples/vae/digits.csv").read_text().split("\n")[1:]
    x = torch.tensor([[float(v) for v in line.split(",")[:64]] for line in lines if line])
    n = len(x) * 5 // 6
    return x[:n], x[n:]


class VAE(nn.Module):
    def __init__(self, batch, h):
        super().__init__()
        self.batch = batch
        self.decoder = nn.Sequential(nn.Linear(2, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 64))
        self.encoder = nn.Sequential(nn.Linear(64, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU())
        self.loc, self.scale = nn.Linear(h, 2), nn.Linear(h, 2)

    def model(self, x, batch=None):
        pyro.module("decoder", self.decoder)
        with pyro.plate("images", len(x), subsample_size=batch) as i:
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Binomial(16, logits=self.decoder(z)).to_event(1), obs=x[i])

    def guide(self, x, batch=None):
        pyro.module("encoder", nn.ModuleList([self.encoder, self.loc, self.scale]))
        with pyro.plate("images", len(x), subsample_size=batch) as i:
            h = self.encoder(x[i] / 16)
            pyro.sample("z", dist.Normal(self.loc(h), self.scale(h).exp()).to_event(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--hidden", type=int, default=128)
    o = parser.parse_args()
    pyro.set_rng_seed(1)
    train, test = digits()
    vae = VAE(o.batch, o.hidden)
    svi = SVI(vae.model, vae.guide, ClippedAdam({"lr": 2e-3, "lrd": 0.9995}), Trace_ELBO())
    losses, least = [], float("inf")
    for _ in range(o.steps):
        begin = time.perf_counter()
        losses.append(svi.step(train, o.batch) / len(train))
        least = min(least, time.perf_counter() - begin)
    held_out = sum(svi.evaluate_loss(test) for _ in range(20)) / 20 / len(test)
    last = losses[-200:]
    print(f"training, last 200: {sum(last) / len(last):.2f}; held out: {held_out:.2f} nats a picture; {1e3 * least:.2f} ms a step (least of all)")


main()
