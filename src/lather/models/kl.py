"""The KL term of variational autoencoders."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from lather.errors import CapabilityError, ConfigError
from lather.models.capabilities import Parts
from lather.models.objective import Term
from lather.models.step import Step

__all__ = ["PosteriorKL"]


class PosteriorKL(Term):
    r"""Mean over the batch of KL(q(z|x) ‖ p(z)) in nats: the rate of a variational autoencoder.

    Closed form where posterior and prior are Gaussian; otherwise the one-draw estimate log q(z|x) − log p(z),
    which is unbiased.

    Variants, which combine with a weight β (β-VAE):

    - *free bits* λ: Σ_j max(λ, KL_j) with KL_j the batch mean of dimension j, so that no dimension is pressed
      below λ nats (Kingma et al. 2016);
    - *warm-up*: the weight rises linearly from 0 to 1 over ``warmup`` steps (Bowman et al. 2016);
    - *capacity* C: |KL − C·min(t / ``capacity_steps``, 1)|, which holds the rate at C nats (Burgess et al. 2018).

    Sees: each datum's own posterior against the prior. Misses: the sum of all posteriors, which may still leave
    holes or crowd; it pays for information as well as for mismatch. Cost: O(n d), or one log density of the prior.

    References: Kingma, Welling 2014, arXiv:1312.6114; Higgins et al., *β-VAE*, ICLR 2017; Kingma et al.,
    *Improved Variational Inference with Inverse Autoregressive Flow*, 2016, arXiv:1606.04934; Bowman et al.,
    2016, arXiv:1511.06349; Burgess et al., *Understanding disentangling in β-VAE*, 2018, arXiv:1804.03599.

    Args:
        free_bits: λ ≥ 0 in nats per latent dimension.
        warmup: steps of linear warm-up; 0 for none.
        capacity: C ≥ 0 in nats, or ``None`` for the plain KL. Not together with ``free_bits``.
        capacity_steps: steps over which C is reached.
    """

    key: ClassVar[str] = "kl"
    density: ClassVar[bool] = True

    def __init__(
        self,
        *,
        free_bits: float = 0.0,
        warmup: int = 0,
        capacity: float | None = None,
        capacity_steps: int = 0,
    ) -> None:
        super().__init__()
        for name, value in {
            "free_bits": free_bits,
            "warmup": warmup,
            "capacity": capacity or 0.0,
            "capacity_steps": capacity_steps,
        }.items():
            if not math.isfinite(value) or value < 0:
                raise ConfigError(f"PosteriorKL takes {name} ≥ 0, got {value}")
        if capacity is not None and free_bits:
            raise ConfigError("PosteriorKL takes free_bits= or capacity=, not both: they pull the rate to two places")
        if capacity is None and capacity_steps:
            raise ConfigError("capacity_steps= says how fast capacity= is reached; give capacity=, too")
        self.free_bits, self.warmup = free_bits, warmup
        self.capacity, self.capacity_steps = capacity, capacity_steps

    def forward(self, step: Step) -> Tensor:
        if self.free_bits:
            kl = step.q.kl_per_dimension().mean(0).clamp(min=self.free_bits).sum()
        elif step.prior.standard:
            kl = step.q.kl_standard_normal().mean()
        else:
            kl = (step.q.log_prob(step.z) - step.prior.log_prob(step.z)).mean()
        if self.capacity is not None:
            reached = min(step.t / self.capacity_steps, 1.0) if self.capacity_steps else 1.0
            kl = torch.abs(kl - self.capacity * reached)
        if self.warmup:
            kl = kl * min(step.t / self.warmup, 1.0)
        return kl

    def check(self, parts: Parts) -> None:
        if not parts.posterior.density:
            raise CapabilityError(
                f"PosteriorKL needs a posterior with a density, and {parts.posterior!r} has none; use "
                "posterior=DiagonalGaussian() or FullCovariance(), or match the latents of a whole batch instead: "
                "Match(Energy())"
            )
        if not parts.prior.euclidean:
            raise CapabilityError(
                f"PosteriorKL compares densities on R^d, and {parts.prior!r} has none there; use "
                "prior=StandardNormal(d), or keep the prior and match samples: Match(Energy())"
            )
        if not parts.prior.density:
            raise CapabilityError(
                f"PosteriorKL needs the prior's density, and {parts.prior!r} has none; use FlowPrior(d) or "
                "AggregatePosterior(mean, std), or keep the prior and match samples: Match(Energy())"
            )
        if self.free_bits and not parts.prior.standard:
            raise CapabilityError(
                f"free bits need a KL that is a sum over dimensions, and with {parts.prior!r} there is none; use "
                "prior=StandardNormal(d), or capacity= instead"
            )
