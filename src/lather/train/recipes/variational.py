"""Variational autoencoders: one posterior per datum, and a bound on the likelihood."""

from __future__ import annotations

from lather.divergences import MMD, IMQKernel
from lather.errors import ConfigError
from lather.models import DiagonalGaussian, Match, PosteriorKL, Reconstruction
from lather.train.recipes.recipe import Design, Problem, recipe


@recipe("vae", "Kingma, Welling 2014, arXiv:1312.6114")
def _vae(p: Problem, *, weight: float | None = None, free_bits: float = 0.0, warmup: int = 0) -> Design:
    """Variational autoencoder: the loss is the negative ELBO."""
    beta = 1.0 if weight is None else weight
    return Design(Reconstruction() + beta * PosteriorKL(free_bits=free_bits, warmup=warmup), DiagonalGaussian())


@recipe("beta-vae", "Higgins et al. 2017 (ICLR); capacity: Burgess et al. 2018, arXiv:1804.03599")
def _beta_vae(
    p: Problem,
    *,
    weight: float | None = None,
    capacity: float | None = None,
    capacity_steps: int = 0,
) -> Design:
    """VAE with the KL weighed by β = 4: less information in the latent, closer to the prior, blurrier."""
    beta = 4.0 if weight is None else weight
    kl = PosteriorKL(capacity=capacity, capacity_steps=capacity_steps)
    return Design(Reconstruction() + beta * kl, DiagonalGaussian())


@recipe("infovae", "Zhao, Song, Ermon 2019, arXiv:1706.02262", paper="other")
def _infovae(p: Problem, *, paper: bool, alpha: float = 0.0, weight: float | None = None) -> Design:
    """VAE whose aggregate posterior is matched, too: (1 − α)·KL + (α + λ − 1)·MMD; weight is λ."""
    if not 0 <= alpha <= 1:
        raise ConfigError(f"InfoVAE takes alpha between 0 and 1 (1: no KL per datum), got {alpha}")
    lam = weight if weight is not None else (1000.0 if paper else 1.0 * p.numbers)
    mmd = alpha + lam - 1
    if mmd < 0:
        raise ConfigError(
            f"InfoVAE with alpha={alpha} and weight λ={lam} gives the MMD the weight α + λ − 1 = {mmd:g}, which would "
            f"reward a mismatch; use λ ≥ {1 - alpha:g}"
        )
    objective = Reconstruction() + (1 - alpha) * PosteriorKL() + mmd * Match(MMD(IMQKernel()))
    return Design(objective, DiagonalGaussian())
