"""A curve in the plane and autoencoders trained on it: small enough to compute distances between laws exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lather.models import Autoencoder
from lather.studies.overlap import Floats, smoothed_js, wasserstein
from lather.train import Settings, fit
from lather.train.assemble import assemble

__all__ = ["SMOOTHINGS", "STILL_LAW", "Learnt", "distances", "learn", "points"]

#: standard deviations of the noise that both laws are smoothed with, in units of the curve's height
SMOOTHINGS = (0.01, 0.03, 0.1, 0.3, 1.0)
#: divergence, at the least smoothing, of what the same model decodes from latents without their noise
STILL_LAW = f"JS at {SMOOTHINGS[0]:g}, latents without noise"
_MATCHED = 500  # points for the exact Wasserstein distance


def points(n: int, seed: int) -> Tensor:
    """(n, 2) points of y = sin(πx) for x uniform on [−1, 1]: a support of one dimension in the plane."""
    x = 2 * torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1
    return torch.stack([x, torch.sin(np.pi * x)], 1).float()


def distances(a: Floats, b: Floats) -> dict[str, float]:
    """W₂, and the Jensen–Shannon divergence at each smoothing, of two samples (n, 2) of the same size."""
    found = {"W₂": wasserstein(a[:_MATCHED], b[:_MATCHED])}
    return found | {f"JS at {s:g}": smoothed_js(a, b, s) for s in SMOOTHINGS}


@dataclass
class Learnt:
    """An autoencoder of the curve, watched while it trains.

    Attributes:
        held_out: points of the curve.
        others: other points of it, whose latents (with their noise) are decoded to get the model's law.
        rows: after each watched epoch: its number and the distances between held-out points and what was decoded.
        decoded: the points (n, 2) decoded last.
    """

    held_out: Tensor
    others: Tensor
    rows: list[dict[str, float]] = field(default_factory=list)
    decoded: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    model: Autoencoder | None = None

    @torch.no_grad()
    def __call__(self, epoch: Any) -> None:
        if epoch.number & (epoch.number - 1) == 0:  # 1, 2, 4, 8 …
            self.see(epoch.model, epoch.number)

    @torch.no_grad()
    def see(self, model: Autoencoder, number: int) -> None:
        """Add the distances as they are now."""
        q, data = model.encode(self.others), self.held_out.double().numpy()
        self.decoded = model.decode(q.draw(torch.Generator().manual_seed(0))).mean.double().numpy()
        still = model.decode(q.centre).mean.double().numpy()
        found = distances(data, self.decoded)
        self.rows.append({"epoch": number, **found, STILL_LAW: smoothed_js(data, still, SMOOTHINGS[0])})


def learn(recipe: str, options: dict[str, Any], *, epochs: int, seed: int, n: int = 2000) -> Learnt:
    """Train an autoencoder with one latent dimension on the curve.

    Args:
        recipe: ``"ae"`` or ``"noise-ae"``.
        options: of the recipe.
        epochs: how long.
        seed: of the training.
        n: points in the held-out sample and in that of the model.
    """
    from lather.data import load

    data = load(points(2000, 100 + seed).numpy(), standardize=False)
    model = assemble(recipe, data, 1, nets="mlp", net_options={"hidden": (64, 64)}, options=options, seed=seed)
    watched = Learnt(points(n, 1), points(n, 2))
    settings = Settings(epochs=epochs, batch_size=64, seed=seed, lr=3e-3)
    run = fit(model, data, settings=settings, progress=False, callbacks=[watched])
    if watched.rows[-1]["epoch"] != epochs:
        watched.see(run.model, epochs)
    watched.model = run.model
    return watched
