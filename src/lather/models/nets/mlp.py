"""Multi-layer perceptrons, for features and small images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from lather.errors import ConfigError
from lather.models.nets.base import Decoder, Encoder, bound_layers, start_codes, start_silu

__all__ = ["MLPDecoder", "MLPEncoder"]


class MLPEncoder(Encoder):
    """Linear layers and SiLUs on the flattened sample, a LayerNorm before the last of them.

    Args:
        data_shape: shape of one sample, anything.
        latent_shape: shape of one latent.
        output_shape: what to return for each sample.
        hidden: widths of the hidden layers; none for a linear map.

    Example:
        >>> import torch
        >>> MLPEncoder((1, 8, 8), (2,), (4,))(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 4])
    """

    summary: ClassVar[str] = "multi-layer perceptron"

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_shape: Sequence[int],
        output_shape: Sequence[int],
        *,
        hidden: Sequence[int] = (400, 400),
    ) -> None:
        super().__init__(data_shape, latent_shape, output_shape)
        self.body = _perceptron(math.prod(self.reads), hidden)
        if hidden:
            self.body.append(nn.LayerNorm(hidden[-1]))
        self.head = nn.Linear((math.prod(self.reads), *hidden)[-1], math.prod(self.returns))
        start_codes(self.head, math.prod(self.latent_shape))

    def net(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.flatten(1))).unflatten(1, self.returns)


class MLPDecoder(Decoder):
    """Linear layers and SiLUs from the flattened latent to a sample.

    Args:
        latent_shape: shape of one latent.
        data_shape: what to return for each sample.
        hidden: widths of the hidden layers, from the latent's side.
        spectral_norm: the spectral norm that every layer is given, or ``None`` for free layers (RAE-SN).

    Example:
        >>> import torch
        >>> MLPDecoder((2,), (1, 8, 8))(torch.zeros(3, 2)).shape
        torch.Size([3, 1, 8, 8])
    """

    summary: ClassVar[str] = "multi-layer perceptron"

    def __init__(
        self,
        latent_shape: Sequence[int],
        data_shape: Sequence[int],
        *,
        hidden: Sequence[int] = (400, 400),
        spectral_norm: float | None = None,
    ) -> None:
        super().__init__(latent_shape, data_shape)
        self.body = _perceptron(math.prod(self.reads), hidden)
        self.head = nn.Linear((math.prod(self.reads), *hidden)[-1], math.prod(self.returns))
        bound_layers(self, spectral_norm)

    def net(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.flatten(1))).unflatten(1, self.returns)


def _perceptron(features: int, hidden: Sequence[int]) -> nn.Sequential:
    if any(width < 1 for width in hidden):
        raise ConfigError(f"hidden layers need a width of at least 1, got {tuple(hidden)}")
    body = nn.Sequential()
    for before, after in pairwise((features, *hidden)):
        body.append(nn.Linear(before, after))
        body.append(nn.SiLU())
    start_silu(body)
    return body
