"""One residual block, and the normalisation in it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

__all__ = ["ResidualBlock", "norm"]


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))): a pre-activation block, close to the identity at the start.

    K. He, X. Zhang, S. Ren, J. Sun (2016). Identity Mappings in Deep Residual Networks. arXiv:1603.05027.

    Args:
        channels: of its input and output, (b, channels, h, w).
        start: by how much its last layer starts smaller than PyTorch would have it.
    """

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.conv2.weight *= start

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(silu(self.norm2(self.conv1(silu(self.norm1(x))))))


def norm(channels: int) -> nn.GroupNorm:
    """Groups of eight channels where they divide; one group otherwise."""
    return nn.GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels)
