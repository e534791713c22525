"""Critics: networks that score how much a latent or a sample looks like the real thing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from lather.errors import ConfigError, ShapeError
from lather.models.nets.base import start_silu
from lather.models.nets.resample import down, widths
from lather.models.nets.sizes import resolutions
from lather.spec import Spec

__all__ = ["ConvCritic", "Critic", "MLPCritic", "critic_for"]


class Critic(Spec, nn.Module):
    """Base of the critics: one number for each latent or sample, high where it looks real.

    None of them normalises over the batch, where real and made ones would lean on each other.

    Args:
        reads: shape of one latent or sample.
    """

    summary: ClassVar[str] = ""  #: one line for listings
    body: nn.Module
    head: nn.Module

    def __init__(self, reads: Sequence[int]) -> None:
        super().__init__()
        self.reads = tuple(reads)
        if not self.reads or min(self.reads) < 1:
            raise ConfigError(f"a critic reads at least one number, got the shape {self.reads}")

    def features(self, x: Float[Tensor, "b *reads"]) -> Float[Tensor, "b *features"]:
        """What the critic sees in ``x``, from which it makes its score."""
        if tuple(x.shape[1:]) != self.reads:
            raise ShapeError(
                f"this {type(self).__name__} was built for samples of shape {self.reads}, but got a batch of shape "
                f"{tuple(x.shape)}; pass (b, {', '.join(map(str, self.reads))}) or build it for that shape"
            )
        features: Tensor = self.body(x)
        return features

    def forward(self, x: Float[Tensor, "b *reads"]) -> Float[Tensor, " b"]:
        """Scores of (b, *reads)."""
        score: Tensor = self.head(self.features(x))
        return score.squeeze(1)


class MLPCritic(Critic):
    """Linear layers and SiLUs on the flattened input; its features are the last hidden layer.

    Args:
        reads: shape of what it scores: (d,) for latents.
        hidden: widths of the hidden layers; none for a linear critic, whose features are its input.

    Example:
        >>> import torch
        >>> MLPCritic((8,))(torch.zeros(3, 8)).shape
        torch.Size([3])
    """

    summary: ClassVar[str] = "multi-layer perceptron, for latents and features"

    def __init__(self, reads: Sequence[int], *, hidden: Sequence[int] = (256, 256)) -> None:
        super().__init__(reads)
        if any(width < 1 for width in hidden):
            raise ConfigError(f"hidden layers need a width of at least 1, got {tuple(hidden)}")
        sizes = (math.prod(self.reads), *hidden)
        self.body = nn.Sequential(nn.Flatten())
        for before, after in pairwise(sizes):
            self.body.append(nn.Linear(before, after)).append(nn.SiLU())
        self.head = nn.Linear(sizes[-1], 1)
        start_silu(self.body)
        start_silu(self.head, gain=1.0)


class ConvCritic(Critic):
    """Strided 4 × 4 convolutions and SiLUs; its features are the maps of the last level, which keep where things are.

    Nothing is normalised: a critic that normalises over a sample does not see its contrast, and what reconstructs in
    its features comes out grey.

    Args:
        reads: (C, H, W) of one image, H and W at least 4.
        width: channels of the first level; later levels have up to eight times as many.
        hidden: width of the hidden layer between the features and the score.

    Example:
        >>> import torch
        >>> critic = ConvCritic((1, 28, 28))
        >>> critic(torch.zeros(3, 1, 28, 28)).shape, critic.features(torch.zeros(3, 1, 28, 28)).shape
        (torch.Size([3]), torch.Size([3, 32, 7, 7]))
    """

    summary: ClassVar[str] = "convolutions, for images"

    def __init__(self, reads: Sequence[int], *, width: int = 16, hidden: int = 256) -> None:
        super().__init__(reads)
        if hidden < 1:
            raise ConfigError(f"a ConvCritic needs a hidden layer of at least 1 number, got hidden={hidden}")
        levels = resolutions(self.reads, (1,), "ConvCritic")
        channels = widths(width, len(levels))
        self.body = nn.Sequential()
        if len(levels) == 1:
            self.body.append(nn.Conv2d(self.reads[0], channels[-1], 3, padding=1))
        for before, after in pairwise((self.reads[0], *channels[1:])):
            if len(self.body):
                self.body.append(nn.SiLU())
            self.body.append(down(before, after))
        self.head = nn.Sequential(
            nn.SiLU(), nn.Flatten(), nn.Linear(channels[-1] * math.prod(levels[-1]), hidden), nn.SiLU()
        )
        start_silu(self.body)
        start_silu(self.head)
        last = nn.Linear(hidden, 1)
        start_silu(last, gain=1.0)
        self.head.append(last)


def critic_for(shape: Sequence[int]) -> Critic:
    """A critic for samples of ``shape``: convolutional for images, else a perceptron."""
    image = len(shape) == 3 and min(shape[1:]) >= 4
    return ConvCritic(shape) if image else MLPCritic(shape)
