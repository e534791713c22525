"""Convolutional nets: the default for images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from lather.errors import ConfigError
from lather.models.nets.base import Decoder, Encoder, bound_layers, start_codes, start_silu
from lather.models.nets.block import ResidualBlock
from lather.models.nets.resample import down, output, up, widths
from lather.models.nets.sizes import resolutions

__all__ = ["ConvDecoder", "ConvEncoder"]


class ConvEncoder(Encoder):
    """Strided 4 × 4 convolutions and SiLUs; the number of channels doubles as the size halves.

    A flat latent is read through one hidden layer with LayerNorm, which does more for a small latent than wider
    convolutions at the same cost; a spatial latent through GroupNorm and a 1 × 1
    convolution.

    Args:
        data_shape: (C, H, W), H and W at least 4, any size.
        latent_shape: (d,) or (c, h, w); see :func:`~lather.models.nets.sizes.resolutions`.
        output_shape: what to return for each sample.
        width: channels of the first level; later levels have up to eight times as many.
        hidden: width of the hidden layer; used for flat latents only.

    Example:
        >>> ConvEncoder((1, 28, 28), (8,), (16,))(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3, 16])
    """

    summary: ClassVar[str] = "strided convolutions, the default for images"

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_shape: Sequence[int],
        output_shape: Sequence[int],
        *,
        width: int = 32,
        hidden: int = 512,
    ) -> None:
        super().__init__(data_shape, latent_shape, output_shape)
        levels = resolutions(self.reads, self.latent_shape, "conv")
        channels = widths(width, len(levels))
        _check(hidden)
        self.body = nn.Sequential()
        if len(levels) == 1:
            self.body.append(nn.Conv2d(self.reads[0], channels[-1], 3, padding=1)).append(nn.SiLU())
        for before, after in pairwise((self.reads[0], *channels[1:])):
            self.body.append(down(before, after)).append(nn.SiLU())
        self.head: nn.Linear | nn.Conv2d
        if len(self.returns) == 1:
            self.body.append(nn.Flatten()).append(nn.Linear(channels[-1] * math.prod(levels[-1]), hidden))
            self.body.append(nn.SiLU()).append(nn.LayerNorm(hidden))
            self.head = nn.Linear(hidden, self.returns[0])
        else:
            self.body.append(nn.GroupNorm(1, channels[-1]))
            self.head = nn.Conv2d(channels[-1], self.returns[0], 1)
        start_silu(self.body)
        start_codes(self.head, self.latent_shape[0])

    def net(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.contiguous(memory_format=torch.channels_last)))


class ConvDecoder(Decoder):
    """The encoder's way back: transposed 4 × 4 convolutions that give each level exactly its size.

    At the smallest size stands one residual block; a flat latent is read through one hidden layer with LayerNorm, whose
    biases start at order one. So the picture of z = 0, which draws from N(0, I) never come near, starts as an ordinary
    picture: with biases of 0 a posterior's *mean* is decoded much worse than its draws, as long as it is wide.

    Args:
        latent_shape: (d,) or (c, h, w).
        data_shape: (C, H, W) to return for each sample.
        width: channels of the level before the data; deeper levels have up to eight times as many.
        hidden: width of the hidden layer; used for flat latents only.
        spectral_norm: the spectral norm that every layer is given, or ``None`` for free layers (RAE-SN). With it there
            is neither normalisation nor residual block, which would undo the bound.

    Example:
        >>> ConvDecoder((8,), (3, 100, 75))(torch.zeros(2, 8)).shape
        torch.Size([2, 3, 100, 75])
    """

    summary: ClassVar[str] = "strided convolutions, the default for images"

    def __init__(
        self,
        latent_shape: Sequence[int],
        data_shape: Sequence[int],
        *,
        width: int = 32,
        hidden: int = 512,
        spectral_norm: float | None = None,
    ) -> None:
        super().__init__(latent_shape, data_shape)
        levels = resolutions(self.returns, self.reads, "conv")
        channels = widths(width, len(levels))
        _check(hidden)
        self.stem = nn.Sequential()
        if len(self.reads) == 1:
            first = nn.Linear(self.reads[0], hidden)
            self.stem.append(first).append(nn.SiLU())
            if spectral_norm is None:
                self.stem.append(nn.LayerNorm(hidden))
            self.stem.append(nn.Linear(hidden, channels[-1] * math.prod(levels[-1])))
            self.stem.append(nn.Unflatten(1, (channels[-1], *levels[-1])))
        else:
            self.stem.append(nn.Conv2d(self.reads[0], channels[-1], 3, padding=1))
        self.stem.append(nn.SiLU())
        self.body = nn.Sequential()
        for level in range(len(levels) - 1, 1, -1):
            self.body.append(up(channels[level], channels[level - 1], levels[level], levels[level - 1]))
            self.body.append(nn.SiLU())
        start_silu(self)
        if len(self.reads) == 1:
            nn.init.normal_(first.bias)
        if spectral_norm is None:
            self.body.insert(0, ResidualBlock(channels[-1], start=0.5))
        self.body.append(output(channels, self.returns[0], levels))
        bound_layers(self, spectral_norm)

    def net(self, x: Tensor) -> Tensor:
        return self.body(self.stem(x).contiguous(memory_format=torch.channels_last)).contiguous()


def _check(hidden: int) -> None:
    if hidden < 1:
        raise ConfigError(f"convolutional nets need a hidden layer of at least 1 number, got hidden={hidden}")
