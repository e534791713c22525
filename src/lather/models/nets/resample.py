"""Halving an image and undoing it exactly, whatever its size."""

from __future__ import annotations

from torch import nn

from lather.errors import ConfigError
from lather.models.nets.base import start_silu

__all__ = ["down", "output", "up", "widths"]


def down(before: int, after: int) -> nn.Conv2d:
    """A convolution that halves height and width, rounding down."""
    return nn.Conv2d(before, after, 4, stride=2, padding=1)


def up(before: int, after: int, small: tuple[int, int], large: tuple[int, int]) -> nn.ConvTranspose2d:
    """A transposed convolution from ``small`` to ``large`` pixels, ``small`` being half of it, rounded down.

    The kernel is a multiple of the stride, so every output pixel is covered equally often and no
    checkerboard is built in; an odd size is met by one padded row or column.
    """
    odd = (large[0] - 2 * small[0], large[1] - 2 * small[1])
    assert set(odd) <= {0, 1}
    return nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, output_padding=odd)


def output(channels: list[int], after: int, levels: list[tuple[int, int]]) -> nn.Module:
    """A decoder's last layer: from level 1 to the data's size, or at the data's size where it is the only level.

    Its outputs start small, so that training starts near a plain grey picture and not from noise.
    """
    if len(levels) == 1:
        layer: nn.Module = nn.Conv2d(channels[0], after, 3, padding=1)
    else:
        layer = up(channels[1], after, levels[1], levels[0])
    start_silu(layer, gain=0.3)
    return layer


def widths(width: int, levels: int) -> list[int]:
    """Channels at each level, the data's first: doubling inwards, up to eight times ``width``."""
    if width < 1:
        raise ConfigError(f"convolutional nets need at least 1 channel, got width={width}")
    return [width * min(8, 2 ** max(0, level - 1)) for level in range(levels)]
