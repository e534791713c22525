"""What a posterior is: the map from an encoder's output to a distribution over latents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lather.errors import ConfigError, ShapeError
from lather.models.posteriors.distributions import LatentDistribution
from lather.spec import Spec

__all__ = ["Posterior", "soft_clamp"]


class Posterior(Spec, nn.Module):
    """Reads an encoder's output ``h`` as a distribution q(z|x) over flat latents.

    A latent is ``d`` numbers, or a stack of maps (c, h, w) that everything after the encoder sees as one
    vector of d = c·h·w. An encoder returns :meth:`output_shape` per sample; the posterior does the rest.
    """

    summary: ClassVar[str] = ""  #: one line for listings
    random: ClassVar[bool] = True  #: whether drawing twice gives different latents
    density: ClassVar[bool] = True  #: whether q(z|x) has a density, and so a KL divergence from the prior
    euclidean: ClassVar[bool] = True  #: whether latents fill R^d (False: they lie on the unit sphere)
    gaussian: ClassVar[bool] = False  #: whether q(z|x) is Gaussian: known marginals, and KL from N(0, I) by dimension
    freezes: ClassVar[bool] = True  #: whether its density is quickly had with parameters held constant

    def __init__(self) -> None:
        super().__init__()

    def output_shape(self, latent_shape: Sequence[int]) -> tuple[int, ...]:
        """What the encoder must return for each sample when latents have shape ``latent_shape``."""
        return _checked(latent_shape)

    def distribution(self, h: Tensor, latent_shape: tuple[int, ...]) -> LatentDistribution:
        """The distribution, from an ``h`` of the right shape and at least single precision."""
        raise NotImplementedError

    def forward(self, h: Float[Tensor, "b *output"], latent_shape: Sequence[int]) -> LatentDistribution:
        """q(z|x) with ``batch_shape == (b,)`` and ``event_shape == (prod(latent_shape),)``.

        Args:
            h: the encoder's output, shape (b, *output_shape(latent_shape)). Half precision is widened to
                single, so that variances and KL terms are safe under autocast.
            latent_shape: the shape of one latent, (d,) or (c, h, w).

        Raises:
            ShapeError: the encoder returned another shape.
        """
        wanted = self.output_shape(latent_shape)
        if tuple(h.shape[1:]) != wanted:
            raise ShapeError(
                f"{self!r} with latents of shape {tuple(latent_shape)} reads an encoder output of shape "
                f"(b, {', '.join(map(str, wanted))}), but the encoder returned {tuple(h.shape)}; make its last "
                f"layer return {math.prod(wanted)} numbers per sample in that shape"
            )
        if h.dtype in (torch.float16, torch.bfloat16):
            h = h.float()
        return self.distribution(h, tuple(latent_shape))


def _checked(latent_shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(latent_shape)
    if len(shape) not in (1, 3) or any(size < 1 for size in shape):
        raise ConfigError(
            f"a latent is (d,) or (channels, height, width), each at least 1, got {shape}; "
            "write (16,) for sixteen numbers or (4, 8, 8) for four maps"
        )
    return shape


def soft_clamp(x: Tensor, low: float, high: float) -> Tensor:
    r"""``x`` bent smoothly into (low, high), low < 0 < high: (2c/π) atan(πx/2c), c = −low or high by sign.

    Near 0 it is the identity (twice continuously differentiable there). Far out its slope falls as 1/x²,
    instead of stopping at 0 as that of ``clamp`` does, or exponentially as a sigmoid's: a value that ran away
    comes back.
    """
    # c by the sign of x; where that is 0, any c will do
    c = x.detach().sign().mul_((high + low) / math.pi).add_((high - low) / math.pi)
    return c * torch.atan(x / c)
