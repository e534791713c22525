"""Which sizes an image passes through on its way to a latent, and back."""

from __future__ import annotations

from collections.abc import Sequence

from lather.errors import ConfigError
from lather.models.nets.base import image_shape

__all__ = ["resolutions"]

_SMALLEST = 4  # flat latents are read from maps of at least 4 pixels a side: 28 → 14 → 7, 32 → 16 → 8 → 4


def resolutions(data_shape: Sequence[int], latent_shape: Sequence[int], net: str) -> list[tuple[int, int]]:
    """The (height, width) at each level, the data's first, each half of the one before, rounded down.

    A flat latent is read from the last level that still has 4 pixels a side. A spatial latent (c, h, w) names
    the level itself.

    Args:
        data_shape: (C, H, W), H and W at least 4.
        latent_shape: (d,) or (c, h, w).
        net: name of the nets, for error messages.

    Raises:
        ConfigError: no image, or a spatial latent of a size that halving does not reach.

    Example:
        >>> resolutions((1, 33, 28), (16,), "conv")
        [(33, 28), (16, 14), (8, 7)]
        >>> resolutions((3, 32, 32), (4, 16, 16), "conv")
        [(32, 32), (16, 16)]
    """
    _, *size = image_shape(data_shape, net)
    levels = [(size[0], size[1])]
    while min(levels[-1]) >= 2:
        levels.append((levels[-1][0] // 2, levels[-1][1] // 2))
    if len(latent_shape) == 1:
        return [level for level in levels if min(level) >= _SMALLEST]
    if tuple(latent_shape[1:]) not in levels:
        channels = latent_shape[0]
        reachable = ", ".join(str((channels, *level)) for level in levels)
        raise ConfigError(
            f"latents of shape {tuple(latent_shape)} cannot be reached from samples of shape {tuple(data_shape)} by "
            f"halving height and width; use one of {reachable}, or a flat latent ({channels},)"
        )
    return levels[: levels.index((latent_shape[1], latent_shape[2])) + 1]
