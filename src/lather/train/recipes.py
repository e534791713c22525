"""Recipes: a paper is a few lines of algebra, with its name and its citation.

Every recipe takes the weight of its regulariser; the default is chosen so that held-out latents come close to the
prior, and grows with the number of values in a sample (``numbers``), because the distortion it is weighed against
is a sum over them. ``paper=True`` takes the values that the paper or its code used instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lather.divergences import MMD, CramerWold, DistanceCDF, EppsPulley, IMQKernel, RadiusCDF, Sliced, Wasserstein1d
from lather.errors import ConfigError
from lather.models import (
    DecoderPenalty,
    DiagonalGaussian,
    FixedNoise,
    LatentNorm,
    Likelihood,
    Match,
    Objective,
    Point,
    Posterior,
    PosteriorKL,
    Reconstruction,
    SquaredError,
    Term,
)

__all__ = ["RECIPES", "Design", "Recipe", "find_recipe"]


@dataclass(frozen=True)
class Design:
    """What a recipe decides."""

    objective: Objective | Term
    posterior: Posterior
    likelihood: Likelihood | None = None  #: None: a density that suits the data (ELBO recipes)


@dataclass(frozen=True)
class Recipe:
    """A named objective with the paper it comes from."""

    name: str
    citation: str
    summary: str
    build: Callable[..., Design]
    paper: Literal[
        "other", "same", "none"
    ]  #: the paper's weights: other than the defaults, the same, or there are none

    @property
    def options(self) -> dict[str, Any]:
        """Keyword options beside ``numbers`` and ``paper``, with their defaults (``None``: depends on the data)."""
        parameters = inspect.signature(self.build).parameters
        return {name: p.default for name, p in parameters.items() if name not in ("numbers", "paper")}

    def design(self, numbers: int, *, paper: bool = False, **options: Any) -> Design:
        """The parts, for samples of ``numbers`` values.

        Args:
            numbers: values in one sample, such as 784.
            paper: take the weights of the paper.
            **options: those of :attr:`options`.

        Raises:
            ConfigError: an option that the recipe does not have, or a value out of range.
        """
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            has = ", ".join(f"{k}={v}" for k, v in self.options.items()) or "none"
            raise ConfigError(f"recipe {self.name!r} has no option {', '.join(unknown)}; its options: {has}")
        weight = options.get("weight")
        if weight is not None and not weight >= 0:
            raise ConfigError(
                f"weight={weight} of recipe {self.name!r} is negative: it would reward latents for missing the prior; "
                "use a weight of 0 or more"
            )
        if paper and self.paper == "none":
            raise ConfigError(
                f"recipe {self.name!r} has no weights from a paper on autoencoders; leave out paper (--paper), or set "
                "weight"
            )
        return self.build(numbers, **({"paper": paper} if self.paper == "other" else {}), **options)


RECIPES: dict[str, Recipe] = {}


def _recipe(
    name: str, citation: str, paper: Literal["other", "same", "none"] = "same"
) -> Callable[[Callable[..., Design]], Callable[..., Design]]:
    def register(build: Callable[..., Design]) -> Callable[..., Design]:
        summary = (build.__doc__ or "").strip().splitlines()[0]
        RECIPES[name] = Recipe(name, citation, summary, build, paper)
        return build

    return register


def find_recipe(name: str) -> Recipe:
    """The recipe called ``name``; :class:`ConfigError` lists the names for an unknown one."""
    if name not in RECIPES:
        raise ConfigError(f"no recipe is called {name!r}; there are: {', '.join(RECIPES)}")
    return RECIPES[name]


# without a word to the prior ---------------------------------------------------------------------------------
@_recipe("ae", "Hinton, Salakhutdinov 2006, doi:10.1126/science.1127647", paper="none")
def _ae(numbers: int) -> Design:
    """Plain autoencoder: best reconstructions, latents follow nothing in particular."""
    return Design(Reconstruction(), Point(), SquaredError())


@_recipe("noise-ae", "Poole, Sohl-Dickstein, Ganguli 2014, arXiv:1406.1831", paper="none")
def _noise_ae(numbers: int, *, sigma: float = 0.3, weight: float | None = None) -> Design:
    """Noise of fixed size in the latent; the norm keeps codes from outrunning it."""
    a = weight if weight is not None else 9e-4 * numbers
    return Design(Reconstruction() + a * LatentNorm(), FixedNoise(sigma), SquaredError())


@_recipe("rae", "Ghosh, Sajjadi, Vergari, Black, Schölkopf 2020, arXiv:1903.12436")
def _rae(numbers: int, *, weight: float | None = None, decoder: float | None = None, kind: str = "weights") -> Design:
    """Regularised autoencoder: small codes and a smooth decoder; meant to be sampled from a fitted mixture."""
    # β = 1e-4 and 1e-7 weigh against the mean over pixels in the paper; this reconstruction is their sum. (The authors'
    # code averages ‖z‖² over latent dimensions as well, which is d times weaker.)
    a = weight if weight is not None else 1e-4 * numbers
    b = decoder if decoder is not None else (1e-7 if kind == "weights" else 5e-8) * numbers
    penalty = DecoderPenalty(kind)  # type: ignore[arg-type]
    return Design(Reconstruction() + a * LatentNorm() + b * penalty, Point(), SquaredError())


# one posterior per datum -------------------------------------------------------------------------------------
@_recipe("vae", "Kingma, Welling 2014, arXiv:1312.6114")
def _vae(numbers: int, *, weight: float | None = None, free_bits: float = 0.0, warmup: int = 0) -> Design:
    """Variational autoencoder: the loss is the negative ELBO."""
    beta = 1.0 if weight is None else weight
    return Design(Reconstruction() + beta * PosteriorKL(free_bits=free_bits, warmup=warmup), DiagonalGaussian())


@_recipe("beta-vae", "Higgins et al. 2017 (ICLR); capacity: Burgess et al. 2018, arXiv:1804.03599")
def _beta_vae(
    numbers: int,
    *,
    weight: float | None = None,
    capacity: float | None = None,
    capacity_steps: int = 0,
) -> Design:
    """VAE with the KL weighed by β = 4: less information in the latent, closer to the prior, blurrier."""
    beta = 4.0 if weight is None else weight
    kl = PosteriorKL(capacity=capacity, capacity_steps=capacity_steps)
    return Design(Reconstruction() + beta * kl, DiagonalGaussian())


@_recipe("infovae", "Zhao, Song, Ermon 2019, arXiv:1706.02262", paper="other")
def _infovae(numbers: int, *, paper: bool, alpha: float = 0.0, weight: float | None = None) -> Design:
    """VAE whose aggregate posterior is matched, too: (1 − α)·KL + (α + λ − 1)·MMD; weight is λ."""
    if not 0 <= alpha <= 1:
        raise ConfigError(f"InfoVAE takes alpha between 0 and 1 (1: no KL per datum), got {alpha}")
    lam = weight if weight is not None else (1000.0 if paper else 1.0 * numbers)
    mmd = alpha + lam - 1
    if mmd < 0:
        raise ConfigError(
            f"InfoVAE with alpha={alpha} and weight λ={lam} gives the MMD the weight α + λ − 1 = {mmd:g}, which would "
            f"reward a mismatch; use λ ≥ {1 - alpha:g}"
        )
    objective = Reconstruction() + (1 - alpha) * PosteriorKL() + mmd * Match(MMD(IMQKernel()))
    return Design(objective, DiagonalGaussian())


# the whole batch against the prior ---------------------------------------------------------------------------
@_recipe("wae-mmd", "Tolstikhin, Bousquet, Gelly, Schölkopf 2018, arXiv:1711.01558", paper="other")
def _wae_mmd(numbers: int, *, paper: bool, weight: float | None = None) -> Design:
    """Wasserstein autoencoder: kernel distance (inverse multiquadrics) between batch and prior."""
    if paper:  # squared error × 0.05, λ = 10 on MNIST
        return Design(
            0.05 * Reconstruction() + (10.0 if weight is None else weight) * Match(MMD(IMQKernel())),
            Point(),
            SquaredError(),
        )
    lam = weight if weight is not None else 1.0 * numbers
    return Design(Reconstruction() + lam * Match(MMD(IMQKernel())), Point(), SquaredError())


@_recipe("swae", "Kolouri, Pope, Martin, Rohde 2019, arXiv:1804.01947", paper="other")
def _swae(numbers: int, *, paper: bool, weight: float | None = None, directions: int | None = None) -> Design:
    """Sliced Wasserstein autoencoder: sorted projections against normal quantiles."""
    if paper:  # pixel-mean reconstruction, 50 projections, λ = 10
        divergence = Sliced(Wasserstein1d(unbiased=False), directions=50 if directions is None else directions)
        lam = 10.0 if weight is None else weight
        return Design(1 / numbers * Reconstruction() + lam * Match(divergence), Point(), SquaredError())
    lam = weight if weight is not None else 1.0 * numbers
    divergence = Sliced(Wasserstein1d(), directions=256 if directions is None else directions)
    return Design(Reconstruction() + lam * Match(divergence), Point(), SquaredError())


@_recipe("cwae", "Knop, Spurek, Tabor, Podolak, Mazur, Jastrzębski 2020, arXiv:1805.09235", paper="other")
def _cwae(numbers: int, *, paper: bool, weight: float | None = None, gamma: float | None = None) -> Design:
    """Cramér–Wold autoencoder: Gaussian-smoothed projections in closed form, no slices and no prior draws."""
    if paper:  # log of the V-statistic with the large-d kernel, λ = 1 on MNIST
        divergence = CramerWold(gamma, exact=False, unbiased=False)
        return Design(
            Reconstruction() + (1.0 if weight is None else weight) * Match(divergence).log(), Point(), SquaredError()
        )
    lam = weight if weight is not None else 5.0 * numbers
    return Design(Reconstruction() + lam * Match(CramerWold(gamma)), Point(), SquaredError())


@_recipe("gae", "Duda 2018, arXiv:1811.04751", paper="other")
def _gae(numbers: int, *, paper: bool, weight: float | None = None) -> Design:
    """Gaussian autoencoder: empirical CDFs of radii and pair distances against their χ² laws."""
    lam = weight if weight is not None else (1.0 if paper else 1.0 * numbers)
    return Design(Reconstruction() + lam * Match(RadiusCDF()) + lam * Match(DistanceCDF()), Point(), SquaredError())


@_recipe("sigreg", "Balestriero, LeCun 2025, arXiv:2511.08544 (LeJEPA)", paper="none")
def _sigreg(numbers: int, *, weight: float | None = None, directions: int = 256) -> Design:
    """Sketched isotropic Gaussian regularisation: Epps–Pulley on random slices."""
    lam = weight if weight is not None else 1.0 * numbers
    divergence = Sliced(EppsPulley(gamma=0.5), directions=directions)
    return Design(Reconstruction() + lam * Match(divergence), Point(), SquaredError())
