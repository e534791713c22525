"""Residual convolutional nets: better and slower than the plain ones, meant for a GPU or small images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lather.errors import ConfigError
from lather.models.nets.base import SILU_GAIN, Decoder, Encoder, bound_layers, start_codes
from lather.models.nets.block import ResidualBlock, norm
from lather.models.nets.resample import down, output, up, widths
from lather.models.nets.sizes import resolutions

__all__ = ["ResidualDecoder", "ResidualEncoder"]


class ResidualEncoder(Encoder):
    """At each size a few residual blocks, between them strided convolutions; GroupNorm and SiLU.

    The blocks start after the first halving, where they cost a quarter of what they would on the full image.

    Args:
        data_shape: (C, H, W), H and W at least 4, any size.
        latent_shape: (d,) or (c, h, w); see :func:`~lather.models.nets.sizes.resolutions`.
        output_shape: what to return for each sample.
        width: channels of the first level; later levels have up to eight times as many.
        blocks: residual blocks at each level.

    Example:
        >>> ResidualEncoder((3, 32, 32), (4, 8, 8), (8, 8, 8), width=8)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 8, 8, 8])
    """

    summary: ClassVar[str] = "residual blocks with GroupNorm: better on photographs, and slower"

    def __init__(
        self,
        data_shape: Sequence[int],
        latent_shape: Sequence[int],
        output_shape: Sequence[int],
        *,
        width: int = 64,
        blocks: int = 2,
    ) -> None:
        super().__init__(data_shape, latent_shape, output_shape)
        levels = resolutions(self.reads, self.latent_shape, "residual")
        channels = widths(width, len(levels))
        start = _start(blocks, len(levels))
        self.body = nn.Sequential()
        if len(levels) == 1:
            self.body.append(nn.Conv2d(self.reads[0], channels[0], 3, padding=1))
            self.body.extend(ResidualBlock(channels[0], start) for _ in range(blocks))
        for level in range(1, len(levels)):
            self.body.append(down(self.reads[0] if level == 1 else channels[level - 1], channels[level]))
            self.body.extend(ResidualBlock(channels[level], start) for _ in range(blocks))
        self.body.append(norm(channels[-1])).append(nn.SiLU())
        self.head: nn.Linear | nn.Conv2d
        if len(self.returns) == 1:
            self.body.append(nn.Flatten())
            self.head = nn.Linear(channels[-1] * math.prod(levels[-1]), self.returns[0])
        else:
            self.head = nn.Conv2d(channels[-1], self.returns[0], 1)
        start_codes(self.head, self.latent_shape[0], gain=SILU_GAIN)

    def net(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.contiguous(memory_format=torch.channels_last)))


class ResidualDecoder(Decoder):
    """The encoder's way back: residual blocks at each size, transposed convolutions between them.

    Args:
        latent_shape: (d,) or (c, h, w).
        data_shape: (C, H, W) to return for each sample.
        width: channels of the level before the data.
        blocks: residual blocks at each level.
        spectral_norm: the spectral norm that every layer is given, or ``None`` for free layers (RAE-SN).

    Example:
        >>> ResidualDecoder((4, 8, 8), (3, 32, 32), width=8)(torch.zeros(2, 4, 8, 8)).shape
        torch.Size([2, 3, 32, 32])
    """

    summary: ClassVar[str] = "residual blocks with GroupNorm: better on photographs, and slower"

    def __init__(
        self,
        latent_shape: Sequence[int],
        data_shape: Sequence[int],
        *,
        width: int = 64,
        blocks: int = 2,
        spectral_norm: float | None = None,
    ) -> None:
        super().__init__(latent_shape, data_shape)
        levels = resolutions(self.returns, self.reads, "residual")
        channels = widths(width, len(levels))
        start = _start(blocks, len(levels))
        self.stem = nn.Sequential()
        if len(self.reads) == 1:
            self.stem.append(nn.Linear(self.reads[0], channels[-1] * math.prod(levels[-1])))
            self.stem.append(nn.Unflatten(1, (channels[-1], *levels[-1])))
        else:
            self.stem.append(nn.Conv2d(self.reads[0], channels[-1], 3, padding=1))
        self.body = nn.Sequential()
        for level in range(len(levels) - 1, 0, -1):
            self.body.extend(ResidualBlock(channels[level], start) for _ in range(blocks))
            if level > 1:
                self.body.append(up(channels[level], channels[level - 1], levels[level], levels[level - 1]))
        if len(levels) == 1:
            self.body.extend(ResidualBlock(channels[0], start) for _ in range(blocks))
        self.body.append(norm(channels[min(1, len(levels) - 1)])).append(nn.SiLU())
        self.body.append(output(channels, self.returns[0], levels))
        bound_layers(self, spectral_norm)

    def net(self, x: Tensor) -> Tensor:
        return self.body(self.stem(x).contiguous(memory_format=torch.channels_last)).contiguous()


def _start(blocks: int, levels: int) -> float:
    """Scale of each block's last layer, such that all blocks together add about as much as the identity."""
    if blocks < 1:
        raise ConfigError(f"residual nets need at least 1 block per level, got blocks={blocks}; without, use 'conv'")
    return 1 / math.sqrt(blocks * levels)
