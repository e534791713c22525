"""Variational autoencoders: one posterior per datum, and a bound on the likelihood."""

from __future__ import annotations

from lather.divergences import MMD, IMQKernel
from lather.errors import ConfigError
from lather.models import IWAE, DiagonalGaussian, FlowPosterior, Match, PosteriorKL, PowerSpherical, Reconstruction
from lather.priors import UniformSphere
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


@recipe("iwae", "Burda, Grosse, Salakhutdinov 2016, arXiv:1509.00519; dreg: Tucker et al. 2019, arXiv:1810.04152")
def _iwae(p: Problem, *, k: int = 5, dreg: bool = False) -> Design:
    """Importance-weighted autoencoder: a tighter bound on the likelihood, from k posterior draws."""
    return Design(1.0 * IWAE(k, dreg=dreg), DiagonalGaussian())


@recipe("iaf-vae", "Kingma, Salimans, Jozefowicz, Chen, Sutskever, Welling 2016, arXiv:1606.04934")
def _iaf_vae(p: Problem, *, weight: float | None = None, transforms: int = 2, hidden: int = 64) -> Design:
    """VAE whose posteriors are bent by inverse autoregressive flows, and so fit the decoder's better."""
    beta = 1.0 if weight is None else weight
    return Design(Reconstruction() + beta * PosteriorKL(), FlowPosterior(p.d, transforms=transforms, hidden=(hidden,)))


@recipe("svae", "Davidson et al. 2018, arXiv:1804.00891; De Cao, Aziz 2020, arXiv:2006.04437")
def _svae(p: Problem, *, weight: float | None = None) -> Design:
    """VAE on the unit sphere: power-spherical posteriors, uniform prior; no centre for latents to crowd at."""
    beta = 1.0 if weight is None else weight
    if p.d < 2:
        raise ConfigError("recipe 'svae' puts latents on a sphere and needs at least two latent dimensions; use d ≥ 2")
    return Design(Reconstruction() + beta * PosteriorKL(), PowerSpherical(), prior=lambda d, data: UniformSphere(d))


@recipe("tcvae", "Chen, Li, Grosse, Duvenaud 2018, arXiv:1802.04942", paper="other")
def _tcvae(
    p: Problem, *, paper: bool, weight: float | None = None, mi: float = 1.0, sampling: str | None = None
) -> Design:
    """VAE that pays most for dependence between latent coordinates (β-TCVAE); weight is that of total correlation."""
    beta = 6.0 if weight is None else weight
    sampling = ("weighted" if paper else "stratified") if sampling is None else sampling
    kl = PosteriorKL.split(population=p.samples, mi=mi, tc=beta, sampling=sampling)
    return Design(Reconstruction() + kl, DiagonalGaussian())
