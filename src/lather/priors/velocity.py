"""A velocity field over latents, and how fast it spreads them apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Velocity"]

_WAVES = 4
_GAIN = 1.7


class Velocity(nn.Module):
    r"""v(x, t) = c(t) x + net(x, t), c(t) = (2t − 1)/(t² + (1 − t)²), with a perceptron that starts at 0.

    c(t) x is what straight lines from N(0, I) to data of mean 0 and covariance I ask for in the mean if those data are
    Gaussian; along it x(1) = x(0). So the start is the Gaussian fit, and the network learns the rest. It sees time as
    t and the first four sines and cosines.

    Args:
        d: dimensions.
        hidden: widths of the perceptron.
    """

    def __init__(self, d: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.d = d
        widths = (d + 1 + 2 * _WAVES, *hidden)
        self.layers = nn.ModuleList(_layer(before, after) for before, after in pairwise(widths))
        self.last = nn.Linear(widths[-1], d)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Float[Tensor, "n d"], t: Float[Tensor, "n 1"]) -> Float[Tensor, "n d"]:
        h = torch.cat([x, _seen(t)], 1)
        for layer in self.layers:
            h = nn.functional.silu(layer(h))
        return _drift(t) * x + self.last(h)

    def with_divergence(
        self, x: Float[Tensor, "n d"], t: Float[Tensor, "n 1"], probes: Float[Tensor, "k n d"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n"]]:
        """v and Σ_k ⟨p_k, (∂v/∂x) p_k⟩ for ``probes`` p: the divergence itself for the d unit vectors.

        Tangents go through the network beside the values, so that no gradient is taken.
        """
        h, tangent = torch.cat([x, _seen(t)], 1), probes
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            a = layer(h)  # (n, width)
            weight = layer.weight if i else layer.weight[:, : self.d]
            gate = a.sigmoid()
            slope = gate * (1 + a * (1 - gate))
            h, tangent = a * gate, (tangent @ weight.T) * slope  # (n, width), (k, n, width)
        drift = _drift(t)
        own = (tangent * (probes @ self.last.weight)).sum((0, 2))
        return drift * x + self.last(h), own + drift[:, 0] * probes.square().sum((0, 2))


def _layer(before: int, after: int) -> nn.Linear:
    """Weights large enough for silu to bend: from torch's own start, the field of a ring never left 0."""
    layer = nn.Linear(before, after)
    nn.init.normal_(layer.weight, std=_GAIN / math.sqrt(before))
    nn.init.normal_(layer.bias, std=0.5)
    return layer


def _drift(t: Tensor) -> Tensor:
    return (2 * t - 1) / (t.square() + (1 - t).square())


def _seen(t: Float[Tensor, "n 1"]) -> Float[Tensor, "n f"]:
    waves = 2 * math.pi * t * torch.arange(1, _WAVES + 1, device=t.device, dtype=t.dtype)
    return torch.cat([t, waves.sin(), waves.cos()], 1)
