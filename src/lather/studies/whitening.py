"""An affine map that gives latents mean 0 and covariance I: the cheapest way to look normal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Whitening", "whitening"]


@dataclass(frozen=True)
class Whitening:
    """z ↦ (z − m) W, with W Wᵀ the inverse covariance.

    Attributes:
        shift: m, (d,).
        white: W, (d, d).
        colour: W⁻¹, (d, d).
    """

    shift: Float[Tensor, "d"]
    white: Float[Tensor, "d d"]
    colour: Float[Tensor, "d d"]

    def __call__(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Whitened latents, float64."""
        return (z.double() - self.shift) @ self.white

    def undo(self, w: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Back to where the decoder reads them, float64."""
        return w.double() @ self.colour + self.shift


def whitening(z: Float[Tensor, "n d"], ridge: float = 1e-6) -> Whitening:
    """The symmetric map S^(−½) of the covariance S of ``z``; ``ridge`` of the mean variance is added everywhere.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> z = torch.randn(500, 2, generator=g) @ torch.tensor([[3.0, 1.0], [0.0, 0.1]]) + 5
        >>> w = whitening(z)
        >>> torch.allclose(torch.cov(w(z).T), torch.eye(2).double(), atol=1e-2)
        True
    """
    x = z.double()
    covariance = torch.cov(x.T).reshape(x.shape[1], x.shape[1])
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp_min(0) + ridge * values.mean()
    return Whitening(
        x.mean(0), vectors @ torch.diag(values.rsqrt()) @ vectors.T, vectors @ torch.diag(values.sqrt()) @ vectors.T
    )
