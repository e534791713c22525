"""How far each datum's latent moves from one epoch to the next."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["LatentDrift"]


class LatentDrift:
    """A training callback: RMS step of the latent means since the last epoch, relative to their RMS spread.

    Args:
        x: the data whose latents are followed.

    Attributes:
        steps: one number for each epoch after the first.
        aligned: the same after the best shift and rotation of the latents as a whole has been undone: what remains
            moves data against each other.
        spread: RMS standard deviation of the latest means.
    """

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self.steps: list[float] = []
        self.aligned: list[float] = []
        self.spread = float("nan")
        self._last: Tensor | None = None

    def __call__(self, epoch: Any) -> None:
        self.see(epoch.model.latents(self.x)[0])

    def see(self, means: Tensor) -> None:
        """Add the means (n, d) of one epoch."""
        means = means.double()
        self.spread = float(means.var(0, correction=0).mean().sqrt().clamp_min(1e-12))
        if self._last is not None:
            self.steps.append(_rms(means - self._last) / self.spread)
            self.aligned.append(_rms(_away(means) - _turned(_away(self._last), _away(means))) / self.spread)
        self._last = means.clone()


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def _away(x: Tensor) -> Tensor:
    return x - x.mean(0)


def _turned(x: Tensor, towards: Tensor) -> Tensor:
    """x R with the orthogonal R that brings it nearest to ``towards`` (Procrustes): R = U Vᵀ, xᵀ y = U S Vᵀ."""
    u, _, v = torch.linalg.svd(x.T @ towards)
    return x @ (u @ v)
