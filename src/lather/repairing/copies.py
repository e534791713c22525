"""Does a candidate replay the training data?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.gap import CHUNK
from lather.repairing.material import Material

__all__ = ["Copies", "CopyCheck", "nearest"]

_ALLOWED = 0.55  # share of draws nearer to the training data than half of the held-out ones are
_DRAWS = 1_000
_NUMBERS = 256  # of a decoded datum, by random projection, which keeps distances to a few per cent


@dataclass(frozen=True)
class Copies:
    """Shares of a candidate's draws that lie closer to a training latent than half of the held-out latents do.

    Args:
        share: between latents. One half for latents of new data, 1 for a candidate that returns training latents.
        decoded: the same between what is decoded from them, ``None`` without a decoder. It finds the candidate that
            adds noise to training latents in directions that the decoder ignores.
        error: standard error of either.
    """

    share: float
    decoded: float | None
    error: float

    @property
    def largest(self) -> float:
        """The larger share."""
        return max(self.share, self.decoded or 0.0)

    @property
    def memorises(self) -> bool:
        """Whether for certain more than 55% are that close, in latents or in what is decoded from them."""
        return self.largest - 1.96 * self.error > _ALLOWED


class CopyCheck:
    """Compares nearest-neighbour distances: from draws to the training data, and from held-out latents to them.

    A law that generalises puts its draws where new data fall, so as near to the training data as those are. Training
    latents are the centres of their posteriors; all that candidates were fitted to are compared with, because a copy is
    only found beside its original.

    Args:
        material: training and held-out latents, and the decoder if there is one.
        seed: of the random projection.

    Example:
        >>> from lather.priors import StandardNormal
        >>> train, new, more = torch.randn(3, 400, 4, generator=torch.Generator().manual_seed(0))
        >>> check = CopyCheck(Material(train, None, None, more, more, StandardNormal(4)))
        >>> check.of(train + 0.01).share, check.of(train + 0.01).memorises, check.of(new).memorises
        (1.0, True, False)
    """

    def __init__(self, material: Material, seed: int = 0) -> None:
        self._material = material
        self._projection: Tensor | None = None
        self._seed = seed
        held = material.scoring[:_DRAWS]
        self._usual = nearest(held, material.anchors)
        self._decoded: tuple[Tensor, Tensor] | None = None
        if material.decode is not None:
            anchors = self._images(material.anchors)
            self._decoded = anchors, nearest(self._images(held), anchors)

    def of(self, draws: Float[Tensor, "m d"]) -> Copies:
        """Shares among the first 1000 ``draws``."""
        draws = draws[:_DRAWS]
        share = _closer(nearest(draws, self._material.anchors), self._usual)
        decoded = None
        if self._decoded is not None:
            anchors, usual = self._decoded
            decoded = _closer(nearest(self._images(draws), anchors), usual)
        # the median's own error moves a share by as much as another sample of its size would
        return Copies(share, decoded, 0.5 * math.sqrt(1 / len(draws) + 1 / len(self._usual)))

    @torch.no_grad()
    def _images(self, z: Tensor) -> Float[Tensor, "n f"]:
        """Decoded latents, as at most 256 numbers each."""
        assert self._material.decode is not None
        found = []
        for part in z.split(CHUNK):
            x = self._material.decode(part).detach().flatten(1).cpu().float()
            if x.shape[1] > _NUMBERS:
                if self._projection is None:
                    generator = torch.Generator().manual_seed(self._seed)
                    self._projection = torch.randn(x.shape[1], _NUMBERS, generator=generator) / math.sqrt(_NUMBERS)
                x = x @ self._projection
            found.append(x)
        return torch.cat(found)


def _closer(found: Tensor, usual: Tensor) -> float:
    return float((found < usual.median()).double().mean())


def nearest(z: Float[Tensor, "m d"], anchors: Float[Tensor, "n d"]) -> Float[Tensor, "m"]:
    """Distance from each row of ``z`` to the nearest of ``anchors``."""
    centre = anchors.double().mean(0)
    points = (anchors.double() - centre).float()
    return torch.cat([torch.cdist((part.double() - centre).float(), points).min(1).values for part in z.split(256)])
