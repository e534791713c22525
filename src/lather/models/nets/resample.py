"""Halving an image and undoing it exactly, whatever its size."""

from __future__ import annotations

from torch import nn

from lather.errors import ConfigError

__all__ = ["down", "up", "widths"]


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


def widths(width: int, levels: int) -> list[int]:
    """Channels at each level from the data's inwards: doubling, up to four times ``width``."""
    if width < 1:
        raise ConfigError(f"a convolutional net needs a width of at least 1 channel, got width={width}")
    return [width * min(4, 2 ** max(0, level - 1)) for level in range(levels)]
