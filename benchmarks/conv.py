"""Lather's default convolutional nets against pythae's for MNIST: held-out distortion after so many steps and seconds.

    LATHER_DATA=... python benchmarks/conv.py                         # 50 minutes, nearly all of them pythae's nets
    LATHER_DATA=... python benchmarks/conv.py --nets ours --width 64  # 2 minutes
    LATHER_DATA=... python benchmarks/conv.py --images 57936 --epochs 4 --nets ours --seeds 3

Both go through Lather's own loop (pythae need not be installed: ``training.py`` has its layers), with the same latent
dimensions, recipe, batches, optimizer and noise, so that the nets are all that differs. After 1, 2, 4, 8, … epochs:
*distortion* is ‖x − y‖² of a test image and its reconstruction from a draw z ~ q(z|x), as in the ELBO; *from mean* the
same from the posterior's mean; *seconds* are CPU seconds of training so far with one thread. One epoch is 64 steps
unless told otherwise.

The recipes are pythae's VAE (½‖x − y‖² + KL) and a plain autoencoder (‖x − y‖²).
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch

import lather as lt
from lather.models.nets import build_nets
from training import D, images, nets

TEST = 2000


class Errors:
    """A callback: prints and keeps held-out errors after 1, 2, 4, … epochs, and does not count its own time."""

    def __init__(self, label: str, x: torch.Tensor, steps: int) -> None:
        self.label, self.x, self.steps = label, x, steps
        self.epochs, self.spent, self.last = 0, 0.0, time.thread_time()

    def __call__(self, epoch: Any) -> None:
        self.spent += time.thread_time() - self.last
        self.epochs += 1
        if self.epochs.bit_count() == 1:
            sampled, mean = errors(epoch.model, self.x)
            print(f"{self.label}{self.epochs * self.steps:7}{sampled:12.2f}{mean:11.2f}{self.spent:10.1f}", flush=True)
        self.last = time.thread_time()


@torch.no_grad()
def errors(model: lt.Autoencoder, x: torch.Tensor) -> tuple[float, float]:
    """‖x − y‖² averaged, for y from a draw of the posterior and from its mean."""
    model.eval()
    generator = torch.Generator().manual_seed(0)
    sampled = mean = 0.0
    for part in x.split(250):
        q = model.encode(part)
        draw = q.mean + q.stddev * torch.randn(q.mean.shape, generator=generator)
        sampled += (model.decode(draw).mean - part).square().sum().item()
        mean += (model.decode(q.centre).mean - part).square().sum().item()
    model.train()
    return sampled / len(x), mean / len(x)


def model(recipe: str, whose: str, width: int | None) -> lt.Autoencoder:
    vae = recipe == "vae"
    codes = 2 * D if vae else D
    if whose == "pythae":
        encoder, decoder = nets("conv", codes)
        squash = None  # these end in a sigmoid
    else:
        own = {} if width is None else {"width": width}
        encoder, decoder = build_nets("conv", (1, 28, 28), (D,), (codes,), **own)
        squash = "sigmoid"
    return lt.Autoencoder(
        encoder,
        decoder,
        prior=lt.StandardNormal(D),
        objective=lt.Reconstruction() + lt.PosteriorKL() if vae else 1.0 * lt.Reconstruction(),
        posterior=lt.DiagonalGaussian() if vae else lt.Point(),
        likelihood=lt.Gaussian(sigma=1.0, squash=squash) if vae else lt.SquaredError(squash=squash),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--recipes", nargs="+", default=["vae", "ae"], choices=["vae", "ae"])
    parser.add_argument("--nets", nargs="+", default=["ours", "pythae"], choices=["ours", "pythae"])
    parser.add_argument("--width", type=int, default=None, help="of Lather's nets; their default unless told")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    # the last images of the training file are the test: every side sees the same
    data = lt.load(images(60_000)[-options.images - TEST - 64 :], validation=64, test=TEST)
    print(f"{len(data.train)} MNIST images, {options.epochs} epochs, batch {options.batch}, d = {D}, one thread")
    heads = f"{'steps':>7}{'distortion':>12}{'from mean':>11}{'seconds':>10}"
    print(f"{'recipe':8}{'nets':8}{'weights':>10}{'seed':>5}{heads}")
    settings = {"epochs": options.epochs, "batch_size": options.batch, "lr": options.lr, "schedule": "constant"}
    for recipe in options.recipes:
        for seed in range(options.seeds):
            for whose in options.nets:
                torch.manual_seed(seed)
                built = model(recipe, whose, options.width)
                weights = sum(p.numel() for p in built.parameters())
                label = f"{recipe:8}{whose:8}{weights:10}{seed:5}"
                report = Errors(label, data.test.batch(), len(data.train) // options.batch)
                lt.fit(built, data, progress=False, seed=seed, callbacks=[report], **settings)


if __name__ == "__main__":
    main()
