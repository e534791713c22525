"""How far each datum's latent moves from one epoch to the next."""

from __future__ import annotations

from typing import Any

from torch import Tensor

__all__ = ["LatentDrift"]


class LatentDrift:
    """A training callback: RMS step of the latent means since the last epoch, relative to their RMS spread.

    Attributes:
        steps: one number for each epoch after the first.
    """

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self.steps: list[float] = []
        self._last: Tensor | None = None

    def __call__(self, epoch: Any) -> None:
        self.see(epoch.model.latents(self.x)[0])

    def see(self, means: Tensor) -> None:
        """Add the means (n, d) of one epoch."""
        if self._last is not None:
            spread = means.var(0, correction=0).mean().sqrt().clamp_min(1e-12)
            self.steps.append(float((means - self._last).square().mean().sqrt() / spread))
        self._last = means.clone()
