"""The sampling gap of several priors on the same re-splits of the same held-out data, so that they can be compared."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.features import Features, default_features
from lather.auditing.gap import Interval, features_of
from lather.auditing.quality import frechet_distance
from lather.repairing.material import Material

__all__ = ["GapBench", "interval"]

_SPLITS = 20


class GapBench:
    """As :func:`~lather.auditing.sampling_gap`, with the part that all candidates share computed once.

    Args:
        material: with data and a decoder.
        features: what images are compared by.
        seed: of the splits.
    """

    def __init__(self, material: Material, features: Features | None, seed: int) -> None:
        assert material.data is not None
        assert material.decode is not None
        self._decode: Callable[[Tensor], Tensor] = material.decode
        self._shape = material.data.shape[1:]
        self._features = features or default_features(material.data)
        generator = torch.Generator().manual_seed(seed)
        n = len(material.data)
        orders = [torch.randperm(n, generator=generator) for _ in range(_SPLITS)]
        self._halves = [(order[: n // 2], order[n // 2 : 2 * (n // 2)]) for order in orders]
        self._real = features_of(self._features, material.data)
        self._posterior = self._scores(features_of(self._features, material.scoring, self._decode, self._shape))
        self.n = n

    @property
    def name(self) -> str:
        """What the features are."""
        return getattr(self._features, "name", type(self._features).__name__)

    def of(self, draws: Float[Tensor, "n d"]) -> Float[Tensor, "s"]:
        """Fréchet distance of decoded ``draws`` minus that of decoded held-out latents, for each re-split."""
        return self._scores(features_of(self._features, draws[: self.n], self._decode, self._shape)) - self._posterior

    def _scores(self, found: Tensor) -> Tensor:
        values = [frechet_distance(found[first], self._real[second]) for first, second in self._halves]
        return torch.tensor(values, dtype=torch.float64)


def interval(values: Float[Tensor, "s"]) -> Interval:
    """Mean over re-splits and ±2 standard errors: their deviation over √2, because re-splits share their data."""
    mean, error = float(values.mean()), float(values.std()) / math.sqrt(2)
    return Interval(mean, mean - 2 * error, mean + 2 * error)
