"""Importance-weighted bounds on the log evidence: to evaluate a model, and to train it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lather.errors import CapabilityError, ConfigError
from lather.models.autoencoder import Autoencoder
from lather.models.capabilities import Parts
from lather.models.densities import check_evidence
from lather.models.likelihoods.base import DataDistribution
from lather.models.objective import Term
from lather.models.step import Step

__all__ = ["IWAE", "iwae_bound", "iwae_curve"]


@torch.no_grad()
def iwae_bound(
    model: Autoencoder,
    x: Float[Tensor, "n *sample"],
    k: int = 64,
    *,
    generator: torch.Generator | None = None,
    batch: int = 1024,
) -> Float[Tensor, " n"]:
    r"""A lower bound on log p(x) for each datum, in nats, from ``k`` posterior draws.

    .. math:: L_k(x) = \log \frac1k \sum_{i=1}^k \frac{p(x|z_i)\, p(z_i)}{q(z_i|x)}, \qquad z_i \sim q(z|x)

    E L_1 is the ELBO, E L_k grows with k and tends to log p(x); the gap is v/2k once k is large against
    the relative variance v = Var(w)/(E w)² of the weights w, and closes far more slowly before that. The sum is taken
    as a running log-sum-exp in double precision, ``batch`` decodes at a time, so memory does not grow with k. The model
    is put in eval mode for it, so an "optimal" scale is that remembered from training.

    Reference: Burda, Grosse, Salakhutdinov, *Importance Weighted Autoencoders*, 2016, arXiv:1509.00519 (k = 5000 for
    evaluation).

    Args:
        model: with densities for posterior, prior and likelihood.
        x: data (n, \*sample_shape), on the model's device.
        k: draws per datum, at least 1.
        generator: of the draws.
        batch: latents decoded at once.

    Raises:
        ConfigError: k or batch below 1.
        CapabilityError: parts without densities; the message names what would work.
    """
    _check_draws(model, k, batch, "iwae_bound")
    total = x.new_full((len(x),), -math.inf, dtype=torch.float64)
    for rows, log_w in _log_weights(model, x, k, generator, batch):
        total[rows] = torch.logaddexp(total[rows], log_w.logsumexp(0))
    return (total - math.log(k)).to(x.dtype)


@torch.no_grad()
def iwae_curve(
    model: Autoencoder,
    x: Float[Tensor, "n *sample"],
    k: Sequence[int] = (1, 8, 64),
    *,
    generator: torch.Generator | None = None,
    batch: int = 1024,
) -> Float[Tensor, "k n"]:
    r"""The bounds :math:`L_k` of :func:`iwae_bound` for several ``k``, all from the same draws; one row for each.

    The largest number of draws is made once and cut into groups of k; a bound is the mean over the groups. Where each
    k divides the next, groups are nested, and by Jensen's inequality the bounds never fall from one k to the next, not
    only in expectation but for every datum. Small k come from many groups, so they vary least.

    Args:
        model: as for :func:`iwae_bound`.
        x: data (n, \*sample_shape), on the model's device.
        k: growing numbers of draws, each dividing the next.
        generator: of the draws.
        batch: latents decoded at once. Memory holds max(k) · n weights besides.

    Raises:
        ConfigError: numbers that do not divide each other, or below 1.
        CapabilityError: parts without densities.
    """
    if not k or any(b % a or a == b for a, b in pairwise(k) if a > 0):
        raise ConfigError(
            f"iwae_curve needs growing numbers of draws that divide each other, got {tuple(k)}; (1, 8, 64)"
        )
    _check_draws(model, min(k), batch, "iwae_curve")
    log_w = x.new_empty((k[-1], len(x)), dtype=torch.float64)
    done = torch.zeros(len(x), dtype=torch.long)
    for rows, part in _log_weights(model, x, k[-1], generator, batch):
        start = int(done[rows.start])
        log_w[start : start + len(part), rows] = part
        done[rows] += len(part)
    groups = [log_w.unflatten(0, (-1, size)).logsumexp(1).mean(0) - math.log(size) for size in k]
    return torch.stack(groups)


def _check_draws(model: Autoencoder, k: int, batch: int, name: str) -> None:
    if k < 1 or batch < 1:
        raise ConfigError(f"{name} needs k ≥ 1 and batch ≥ 1, got k={k}, batch={batch}")
    check_evidence(Parts(model.prior, model.posterior, model.likelihood), name)


def _log_weights(
    model: Autoencoder, x: Tensor, k: int, generator: torch.Generator | None, batch: int
) -> Iterator[tuple[slice, Tensor]]:
    """Log weights of ``k`` draws a datum, in pieces (draws, data) of about ``batch``, with their rows of ``x``.

    The model is in eval mode while they are made.
    """
    training = model.training
    model.eval()
    try:
        for first in range(0, len(x), batch):
            part = x[first : first + batch]
            q = model.encode(part)
            at_once = max(batch // len(part), 1)
            for start in range(0, k, at_once):
                z, log_q = q.draws(min(at_once, k - start), generator)
                y = model.decode(z.flatten(0, 1))
                log_w = _log_likelihood(y, part, len(z)) + model.prior.log_prob(z) - log_q  # (draws, data)
                yield slice(first, first + len(part)), log_w.double()
    finally:
        model.train(training)


class IWAE(Term):
    r"""The negative importance-weighted bound, −log 1/k Σ_i w_i with w = p(x|z) p(z) / q(z|x): batch mean, nats.

    It takes the place of ``Reconstruction() + PosteriorKL()``, whose sum is its case k = 1. The larger k is, the less
    the posterior is pressed to fit at every draw, and the richer latents become. Each step decodes k latents a datum,
    besides the one that other terms look at.

    The plain gradient for the encoder grows weaker against its noise as k grows (Rainforth et al. 2018); ``dreg=True``
    takes the doubly reparameterised one, with the same expectation: draws carry Σ_i w̃_i² ∂log w_i/∂z_i to
    the encoder, w̃ the normalised weights, and q's own parameters are held constant in log q.

    Readings: ``elbo``, the mean of log w (the bound for k = 1, from the same draws), and ``draws``, the effective
    number of draws 1/Σ w̃², between 1 and k.

    Sees: each datum's own posterior against the prior, less strictly than the KL: only the best of k draws must do
    well. Misses: the sum of all posteriors, which may still leave holes or crowd. Cost: k passes of the decoder.

    References: Burda, Grosse, Salakhutdinov, *Importance Weighted Autoencoders*, 2016, arXiv:1509.00519 (k = 5 and 50);
    Tucker, Lawson, Gu, Maddison, *Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives*, 2019,
    arXiv:1810.04152.

    Args:
        k: draws per datum, at least 1.
        dreg: the doubly reparameterised gradient; not with ``FlowPosterior``.

    Example:
        >>> from lather.models import DiagonalGaussian, Gaussian
        >>> from lather.priors import StandardNormal
        >>> model = Autoencoder(torch.nn.Linear(4, 4), torch.nn.Linear(2, 4), prior=StandardNormal(2),
        ...                     objective=1.0 * IWAE(k=5), posterior=DiagonalGaussian(), likelihood=Gaussian(1.0))
        >>> sorted(model(torch.zeros(8, 4)))
        ['iwae', 'iwae_draws', 'iwae_elbo', 'loss']
    """

    key: ClassVar[str] = "iwae"
    density: ClassVar[bool] = True

    def __init__(self, k: int = 5, *, dreg: bool = False) -> None:
        super().__init__()
        if k < 1:
            raise ConfigError(f"IWAE needs at least one draw per datum, got k={k}")
        self.k, self.dreg = k, dreg
        self._readings: dict[str, Tensor] = {}

    def forward(self, step: Step) -> Tensor:
        z, log_q = step.q.draws(self.k, step.noise)
        if self.dreg and z.requires_grad:
            log_q = step.q.frozen().log_prob(z)
        y = step.decode(z.flatten(0, 1))
        if isinstance(y, DataDistribution):
            y.gather = step.gather
        log_w = _log_likelihood(y, step.x, self.k) + step.prior.log_prob(z) - log_q  # (k, b)
        share = log_w.detach().softmax(0)
        self._readings = {"elbo": log_w.detach().mean(), "draws": (1 / share.square().sum(0)).mean()}
        if self.dreg:
            if z.requires_grad:
                z.register_hook(lambda gradient: share.unsqueeze(-1) * gradient)
            weighted = (share * log_w).sum(0)  # its gradient is right; its value is not
            bound = log_w.detach().logsumexp(0) - math.log(self.k) + weighted - weighted.detach()
        else:
            bound = log_w.logsumexp(0) - math.log(self.k)
        return -bound.mean()

    def readings(self) -> dict[str, Tensor]:
        return dict(self._readings)

    def check(self, parts: Parts) -> None:
        check_evidence(parts, "IWAE")
        if self.dreg and not parts.posterior.freezes:
            raise CapabilityError(
                f"IWAE(dreg=True) needs log q(z|x) with q's parameters held constant, and for {parts.posterior!r} "
                "that takes an inversion a draw; use dreg=False, or posterior=DiagonalGaussian()"
            )


def _log_likelihood(y: torch.distributions.Distribution, x: Tensor, k: int) -> Float[Tensor, "k b"]:
    """log p(x|z) for ``k`` decoded latents a datum, from one distribution over all of them."""
    repeated = x.unsqueeze(0).expand(k, *x.shape).flatten(0, 1)
    return y.log_prob(repeated).unflatten(0, (k, len(x)))
