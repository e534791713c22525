"""Penalties of regularised autoencoders: on the code's norm and on the decoder."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from lather.errors import ConfigError
from lather.models.objective import Term
from lather.models.step import Step

__all__ = ["DecoderPenalty", "LatentNorm"]


class LatentNorm(Term):
    r"""Mean of ‖μ(x)‖², the squared norm of the code (the posterior's mean).

    Alone it pulls all codes to the origin; with noise of fixed size added to the code it is, up to a constant,
    the KL of a Gaussian posterior of fixed variance (weight ½).

    Sees: how far codes are from the origin. Misses: their shape: spread, correlation, clusters. Cost: O(n d).

    Reference: Ghosh, Sajjadi, Vergari, Black, Schölkopf, *From Variational to Deterministic Autoencoders*, 2020,
    arXiv:1903.12436 (they use weight ½β for ``rec + β/2 ‖z‖²``).
    """

    key: ClassVar[str] = "latent_norm"
    parts = "mean"

    def __init__(self) -> None:
        super().__init__()

    def forward(self, step: Step) -> Tensor:
        return step.q.mean.square().sum(-1).mean()


class DecoderPenalty(Term):
    r"""Smoothness of the decoder (RAE).

    - ``"weights"``: Σ ‖θ‖² over the decoder's parameters (RAE-L2);
    - ``"gradient"``: mean of ‖∂y/∂z‖²_F, the squared Frobenius norm of the Jacobian of the decoded mean at the
      batch's latents (RAE-GP), estimated without bias by one random direction u ~ N(0, I) in data space,
      ‖uᵀ ∂y/∂z‖² (Hutchinson). Costs about one more forward and two more backward passes of the decoder.

    Sees: how steep the decoder is. Misses: where the latents lie. Cost: O(weights), or for the gradient one more
    pass of the decoder and two backward.

    Reference: Ghosh et al. 2020, arXiv:1903.12436.

    Args:
        kind: which of the two.
    """

    key: ClassVar[str] = "decoder_penalty"
    parts = "mean"

    def __init__(self, kind: Literal["weights", "gradient"] = "weights") -> None:
        super().__init__()
        if kind not in ("weights", "gradient"):
            raise ConfigError(f"DecoderPenalty knows 'weights' and 'gradient', got {kind!r}")
        self.kind = kind

    def forward(self, step: Step) -> Tensor:
        if self.kind == "weights":
            squares = [p.square().sum() for p in step.decoder.parameters() if p.requires_grad]
            return torch.stack(squares).sum() if squares else step.z.new_zeros(())
        training = torch.is_grad_enabled()
        with torch.enable_grad():
            z = step.z if step.z.requires_grad else step.z.detach().requires_grad_()
            y = step.decode(z).mean
            u = torch.randn(y.shape, generator=step.generator, device=y.device, dtype=y.dtype)
            (slope,) = torch.autograd.grad((y * u).sum(), z, create_graph=training)
        return slope.square().sum(-1).mean()
