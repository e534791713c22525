"""Small, quick, and of everything that has been made fast: a commit that makes one of them slower shows.

``asv`` repeats each until its time is known; times are of one thread.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from lather.divergences import hermite, make_divergence
from lather.models.nets import MLPDecoder, MLPEncoder
from lather.priors import AggregatePosterior, StandardNormal

NAMES = (
    *("mmd-imq", "mmd-gaussian", "energy", "cramer-wold", "stein", "distance-cdf", "radius-cdf"),
    *("sliced-wasserstein", "sliced-epps-pulley"),
)


class Divergence:
    """Forward and backward."""

    params: ClassVar = (list(NAMES), [100, 256, 2048])
    param_names: ClassVar = ["name", "n"]

    def setup(self, name: str, n: int) -> None:
        torch.set_num_threads(1)
        self.divergence, self.prior = make_divergence(name, 64), StandardNormal(64)
        self.z = torch.randn(n, 64, generator=torch.Generator().manual_seed(0))
        self.time_forward_and_backward(name, n)  # tables that are made at first use

    def time_forward_and_backward(self, name: str, n: int) -> None:
        self.divergence(self.z.clone().requires_grad_(), self.prior).backward()


class Bubbles:
    """log q of 1000 queries under 10 000 Gaussians."""

    params: ClassVar = ([16, 64], [0.8, 0.003])
    param_names: ClassVar = ["d", "sigma"]

    def setup(self, d: int, sigma: float) -> None:
        torch.set_num_threads(1)
        g = torch.Generator().manual_seed(0)
        mean = torch.randn(10_000, d, generator=g)
        self.law = AggregatePosterior(mean, torch.full_like(mean, sigma))
        self.z = mean[:1000] + sigma * torch.randn(1000, d, generator=g)

    def time_log_prob(self, d: int, sigma: float) -> None:
        self.law.log_prob(self.z)


class Audit:
    """The ladder, which is most of an audit's arithmetic."""

    def setup(self) -> None:
        torch.set_num_threads(1)
        self.z = torch.randn(4000, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def time_ladder(self) -> None:
        hermite.hermite_ladder(self.z)


class Training:
    """An epoch of 20 steps, with what a run keeps in memory."""

    def setup(self) -> None:
        import lather as lt

        torch.set_num_threads(1)
        self.data = lt.load(torch.rand(2800, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
        self.model = lt.Autoencoder(
            MLPEncoder((1, 28, 28), (8,), (8,)),
            MLPDecoder((8,), (1, 28, 28)),
            prior=lt.StandardNormal(8),
            objective=lt.Reconstruction() + 10 * lt.Match(lt.CramerWold()),
        )
        self.time_epoch()

    def time_epoch(self) -> None:
        import lather as lt

        lt.fit(self.model, self.data, epochs=1, batch_size=100, progress=False)

    def peakmem_epoch(self) -> None:
        self.time_epoch()
