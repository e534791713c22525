"""How sharp images are: variance of the Laplacian, and power at high spatial frequencies."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["high_frequency_share", "laplacian_variance"]


def laplacian_variance(x: Tensor) -> Tensor:
    """Variance over pixels of the discrete Laplacian (4 neighbours minus 4 times the pixel), for each image.

    Args:
        x: (n, c, h, w) images, at least 3×3.

    Returns:
        (n,), in squared units of x; less is blurrier. It grows with contrast and noise, too: compare it with data.
    """
    middle = x[..., 1:-1, 1:-1]
    around = x[..., :-2, 1:-1] + x[..., 2:, 1:-1] + x[..., 1:-1, :-2] + x[..., 1:-1, 2:]
    return (around - 4 * middle).flatten(1).var(1, correction=0)


def high_frequency_share(x: Tensor, above: float = 0.25) -> Tensor:
    """Share of an image's power (its mean removed) at frequencies above ``above`` cycles a pixel (½ is the finest).

    Args:
        x: (n, c, h, w) images.
        above: radius in the frequency plane.

    Returns:
        (n,), between 0 and 1; 0 for a constant image.
    """
    x = x - x.mean((-2, -1), keepdim=True)
    power = torch.fft.fft2(x).abs().square().sum(1)  # (n, h, w)
    fy, fx = torch.fft.fftfreq(x.shape[-2]).to(x), torch.fft.fftfreq(x.shape[-1]).to(x)
    high = (fy[:, None].square() + fx[None].square()).sqrt() > above
    total = power.sum((1, 2))
    return torch.where(total > 0, (power * high).sum((1, 2)) / total.clamp_min(1e-30), torch.zeros_like(total))
