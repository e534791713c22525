"""The KL term of variational autoencoders, whole or in its three parts."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lather.errors import CapabilityError, ConfigError
from lather.models.capabilities import Parts
from lather.models.densities import check_densities
from lather.models.objective import Term
from lather.models.posteriors.distributions import LatentDistribution
from lather.models.step import Step
from lather.priors import Prior

__all__ = ["PosteriorKL", "SplitKL", "kl_per_datum"]


def kl_per_datum(q: LatentDistribution, prior: Prior, z: Tensor) -> Tensor:
    """KL(q ‖ prior) of each datum in nats, (b,): closed form where there is one, else estimated from the draws ``z``.

    The estimate log q(z|x) − log p(z) is unbiased, and its gradient is, too.
    """
    closed = q.kl(prior)
    return q.log_prob(z) - prior.log_prob(z) if closed is None else closed


class PosteriorKL(Term):
    r"""Mean over the batch of KL(q(z|x) ‖ p(z)) in nats: the rate of a variational autoencoder.

    Closed form between a Gaussian posterior and N(0, I), and between ``PowerSpherical`` and ``UniformSphere``;
    otherwise the one-draw estimate log q(z|x) − log p(z), which is unbiased. Posterior and prior need densities on the
    same space, and the prior's must be positive everywhere.

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
        self.parts = None if free_bits or capacity is not None else "mean"
        self.free_bits, self.warmup = free_bits, warmup
        self.capacity, self.capacity_steps = capacity, capacity_steps

    def forward(self, step: Step) -> Tensor:
        if self.free_bits:
            kl = step.q.kl_per_dimension().mean(0).clamp(min=self.free_bits).sum()
        else:
            kl = kl_per_datum(step.q, step.prior, step.z).mean()
        if self.capacity is not None:
            reached = min(step.t / self.capacity_steps, 1.0) if self.capacity_steps else 1.0
            kl = torch.abs(kl - self.capacity * reached)
        if self.warmup:
            kl = kl * min(step.t / self.warmup, 1.0)
        return kl

    def check(self, parts: Parts) -> None:
        check_densities(parts, "PosteriorKL")
        if self.free_bits and not (parts.prior.standard and parts.posterior.gaussian):
            raise CapabilityError(
                f"free bits need a KL that is a sum over dimensions, and between {parts.posterior!r} and "
                f"{parts.prior!r} there is none; use posterior=DiagonalGaussian() and prior=StandardNormal(d), or "
                "capacity= instead"
            )

    @staticmethod
    def split(
        *, population: int, mi: float = 1.0, tc: float = 6.0, dimwise: float = 1.0, sampling: str = "stratified"
    ) -> SplitKL:
        """The KL in three parts, each with a weight of its own: see :class:`SplitKL`."""
        return SplitKL(population=population, mi=mi, tc=tc, dimwise=dimwise, sampling=sampling)


class SplitKL(Term):
    r"""The mean KL(q(z|x) ‖ p(z)) over a population of N data, taken apart (β-TCVAE), in nats.

    .. math:: \underbrace{I(x; z)}_{\text{mi}}
        + \underbrace{KL\big(q(z) ‖ \textstyle\prod_j q(z_j)\big)}_{\text{tc, total correlation}}
        + \underbrace{\textstyle\sum_j KL(q(z_j) ‖ p(z_j))}_{\text{dimwise}},
        \qquad q(z) = \tfrac1N \sum_i q(z|x_i)

    The value is the weighted sum; ``mi``, ``tc`` and ``dimwise`` are shown as readings. With equal weights it is the
    one-draw estimate of the KL, whatever the sampling, because the parts telescope. A weight on tc above 1 asks for
    independent coordinates at less cost in information than a weight on the whole KL.

    q(z) and its marginals at each draw z_i come from the n posteriors of the batch (of all processes together):

    - ``"stratified"``: weight 1/N for z_i's own posterior and (N − 1)/(N(n − 1)) for each of the others. Unbiased for
      the densities q(z) and q(z_j); exact where the batch is the population. Their logarithms are too small by about
      the relative variance of the sum: with n ≪ N and many nats of information, mi is over-estimated, up to its
      limit log N.
    - ``"weighted"``: weight 1/(N n) for each, as in the paper's experiments. These weights sum to 1/N, so mi is too
      large by log n (posteriors apart) to log N (posteriors alike), tc by (d − 1) log N or so, and dimwise too small by
      d log N or so, far below 0: for gradients, not for reading.

    Cost O(n² d) in time and memory. Held-out data are scored as if they belonged to the population.

    Sees: dependence between latent coordinates, and each coordinate's law, in the sum of all posteriors as one
    batch shows it. Misses: what a batch is too small to tell: its estimates of the three parts are biased, not
    their sum. Cost: O(n² d).

    Reference: Chen, Li, Grosse, Duvenaud, *Isolating Sources of Disentanglement in Variational Autoencoders*, 2018,
    arXiv:1802.04942 (tc = 6 on dSprites, estimates ``"weighted"``).

    Args:
        population: N, the number of training data.
        mi: weight of the information between a datum and its latent.
        tc: weight of the total correlation.
        dimwise: weight of the distance of each coordinate's law from the prior's.
        sampling: one of the two.

    Raises:
        ConfigError: a weight that is negative, a population below 2, or an unknown sampling.
    """

    key: ClassVar[str] = "split_kl"
    density: ClassVar[bool] = True

    def __init__(
        self,
        *,
        population: int,
        mi: float = 1.0,
        tc: float = 6.0,
        dimwise: float = 1.0,
        sampling: Literal["stratified", "weighted"] | str = "stratified",
    ) -> None:
        super().__init__()
        for name, weight in {"mi": mi, "tc": tc, "dimwise": dimwise}.items():
            if not math.isfinite(weight) or weight < 0:
                raise ConfigError(f"PosteriorKL.split takes {name} ≥ 0, got {weight}")
        if population < 2:
            raise ConfigError(f"population is the number of training data, at least 2, got {population}")
        if sampling not in ("stratified", "weighted"):
            raise ConfigError(f"sampling is 'stratified' or 'weighted', got {sampling!r}")
        self.weights = {"mi": mi, "tc": tc, "dimwise": dimwise}
        self.population, self.sampling = population, sampling
        self._parts: dict[str, Tensor] = {}

    def forward(self, step: Step) -> Tensor:
        q = step.q if step.gather is None else step.q.gathered(step.gather)
        z = step.matched
        pairs = z.unsqueeze(1).expand(-1, *z.shape)  # (n, n, d): draw i beside posterior j
        joint = q.log_prob(pairs)  # (n, n)
        weights = self._log_weights(len(z), z.device).to(z.dtype)
        mixture = (joint + weights).logsumexp(1)
        marginals = (q.marginal_log_prob(pairs) + weights.unsqueeze(-1)).logsumexp(1).sum(-1)
        parts = {
            "mi": (joint.diagonal() - mixture).mean(),
            "tc": (mixture - marginals).mean(),
            "dimwise": (marginals - step.prior.log_prob(z)).mean(),
        }
        self._parts = {name: part.detach() for name, part in parts.items()}
        return torch.stack([self.weights[name] * part for name, part in parts.items()]).sum()

    def readings(self) -> dict[str, Tensor]:
        return dict(self._parts)

    def check(self, parts: Parts) -> None:
        check_densities(parts, "PosteriorKL.split")
        if not parts.posterior.gaussian:
            raise CapabilityError(
                f"PosteriorKL.split needs the laws of single coordinates of q(z|x), and {parts.posterior!r} has none "
                "in closed form; use posterior=DiagonalGaussian() or FullCovariance()"
            )
        if not parts.prior.independent:
            raise CapabilityError(
                f"PosteriorKL.split compares coordinates one by one with those of the prior, and those of "
                f"{parts.prior!r} are not independent; use StandardNormal(d) or LaplacePrior(d), or the whole "
                "PosteriorKL()"
            )

    def _log_weights(self, n: int, device: torch.device | None = None) -> Tensor:
        """log of the weight of posterior j in the estimate of q(z_i), (n, n)."""
        population = max(self.population, n)
        if self.sampling == "weighted" or n == 1:
            return torch.full((n, n), -math.log(population * n), dtype=torch.float64, device=device)
        others = math.log((population - 1) / (population * (n - 1)))
        weights = torch.full((n, n), others, dtype=torch.float64, device=device)
        return weights.fill_diagonal_(-math.log(population))
