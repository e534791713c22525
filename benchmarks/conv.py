"""Lather's default convolutional nets against pythae's for MNIST: held-out distortion, and seconds an epoch.

    LATHER_DATA=... python benchmarks/conv.py                                      # 10 minutes: 2048 images, 2 epochs
    LATHER_DATA=... python benchmarks/conv.py --nets ours --width 64
    LATHER_DATA=... python benchmarks/conv.py --images 60000 --epochs 10 --seeds 3

Both go through Lather's own loop (pythae need not be installed: ``training.py`` has its layers), with the same latent
dimensions, recipe, batches, optimizer and noise, so that the nets are all that differs. *error* is ‖x − y‖² of a test
image and its reconstruction from the posterior's mean, averaged; *epoch* is CPU seconds with one thread.

The recipes are pythae's VAE (½‖x − y‖² + KL) and a plain autoencoder (‖x − y‖²).
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch

import lather as lt
from lather.models.nets import build_nets
from training import D, Stamps, images, nets

TEST = 2000


def model(recipe: str, whose: str, width: int) -> lt.Autoencoder:
    vae = recipe == "vae"
    codes = 2 * D if vae else D
    if whose == "pythae":
        encoder, decoder = nets("conv", codes)
        squash = None  # these end in a sigmoid
    else:
        encoder, decoder = build_nets("conv", (1, 28, 28), (D,), (codes,), width=width)
        squash = "sigmoid"
    return lt.Autoencoder(
        encoder,
        decoder,
        prior=lt.StandardNormal(D),
        objective=lt.Reconstruction() + lt.PosteriorKL() if vae else 1.0 * lt.Reconstruction(),
        posterior=lt.DiagonalGaussian() if vae else lt.Point(),
        likelihood=lt.Gaussian(sigma=1.0, squash=squash) if vae else lt.SquaredError(squash=squash),
    )


def trained(recipe: str, whose: str, data: lt.Dataset, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    built = model(recipe, whose, options.width)
    stamps = Stamps()
    settings = {"epochs": options.epochs, "batch_size": options.batch, "lr": options.lr, "schedule": "constant"}
    lt.fit(built, data, progress=False, seed=seed, callbacks=[stamps], **settings)
    x = data.test.batch()
    return {
        "error": (built.reconstruct(x) - x).square().flatten(1).sum(1).mean().item(),
        "epoch": statistics.median(stamps.lengths),
        "weights": sum(p.numel() for p in built.parameters()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--recipes", nargs="+", default=["vae", "ae"], choices=["vae", "ae"])
    parser.add_argument("--nets", nargs="+", default=["ours", "pythae"], choices=["ours", "pythae"])
    parser.add_argument("--width", type=int, default=16, help="of Lather's nets; 16 is the default")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    # the last images of the training file are the test: every side sees the same
    data = lt.load(images(60_000)[-options.images - TEST - 64 :], validation=64, test=TEST)
    print(f"{len(data.train)} MNIST images, {options.epochs} epochs, batch {options.batch}, d = {D}, one thread")
    print(f"{'recipe':8}{'nets':8}{'seed':>5}{'weights':>12}{'error':>9}{'epoch s':>9}")
    for recipe in options.recipes:
        for seed in range(options.seeds):
            for whose in options.nets:
                r = trained(recipe, whose, data, options, seed)
                print(
                    f"{recipe:8}{whose:8}{seed:5}{r['weights']:12}{r['error']:9.2f}{r['epoch']:9.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
