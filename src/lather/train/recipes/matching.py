"""Autoencoders that match the whole batch of latents with the prior."""

from __future__ import annotations

import math

from lather.divergences import (
    MMD,
    CramerWold,
    DistanceCDF,
    Energy,
    EppsPulley,
    IMQKernel,
    MaxSliced,
    RadiusCDF,
    Sinkhorn,
    Sliced,
    SteinDiscrepancy,
    Wasserstein1d,
)
from lather.models import Match, Point, Reconstruction, SquaredError
from lather.train.recipes.recipe import Design, Problem, recipe


@recipe("wae-mmd", "Tolstikhin, Bousquet, Gelly, Schölkopf 2018, arXiv:1711.01558", paper="other")
def _wae_mmd(p: Problem, *, paper: bool, weight: float | None = None) -> Design:
    """Wasserstein autoencoder: kernel distance (inverse multiquadrics) between batch and prior."""
    if paper:  # squared error × 0.05, λ = 10 on MNIST
        return Design(
            0.05 * Reconstruction() + (10.0 if weight is None else weight) * Match(MMD(IMQKernel())),
            Point(),
            SquaredError(),
        )
    lam = weight if weight is not None else 1.0 * p.numbers
    return Design(Reconstruction() + lam * Match(MMD(IMQKernel())), Point(), SquaredError())


@recipe("swae", "Kolouri, Pope, Martin, Rohde 2019, arXiv:1804.01947", paper="other")
def _swae(p: Problem, *, paper: bool, weight: float | None = None, directions: int | None = None) -> Design:
    """Sliced Wasserstein autoencoder: sorted projections against normal quantiles."""
    if paper:  # pixel-mean reconstruction, 50 projections, λ = 10
        divergence = Sliced(Wasserstein1d(unbiased=False), directions=50 if directions is None else directions)
        lam = 10.0 if weight is None else weight
        return Design(1 / p.numbers * Reconstruction() + lam * Match(divergence), Point(), SquaredError())
    lam = weight if weight is not None else 1.0 * p.numbers
    divergence = Sliced(Wasserstein1d(), directions=256 if directions is None else directions)
    return Design(Reconstruction() + lam * Match(divergence), Point(), SquaredError())


@recipe("cwae", "Knop, Spurek, Tabor, Podolak, Mazur, Jastrzębski 2020, arXiv:1805.09235", paper="other")
def _cwae(p: Problem, *, paper: bool, weight: float | None = None, gamma: float | None = None) -> Design:
    """Cramér–Wold autoencoder: Gaussian-smoothed projections in closed form, no slices and no prior draws."""
    if paper:  # log of the V-statistic with the large-d kernel, λ = 1 on MNIST
        divergence = CramerWold(gamma, exact=False, unbiased=False)
        return Design(
            Reconstruction() + (1.0 if weight is None else weight) * Match(divergence).log(), Point(), SquaredError()
        )
    lam = weight if weight is not None else 5.0 * p.numbers
    return Design(Reconstruction() + lam * Match(CramerWold(gamma)), Point(), SquaredError())


@recipe("gae", "Duda 2018, arXiv:1811.04751", paper="other")
def _gae(p: Problem, *, paper: bool, weight: float | None = None) -> Design:
    """Gaussian autoencoder: empirical CDFs of radii and pair distances against their χ² laws."""
    lam = weight if weight is not None else (1.0 if paper else 1.0 * p.numbers)
    return Design(Reconstruction() + lam * Match(RadiusCDF()) + lam * Match(DistanceCDF()), Point(), SquaredError())


@recipe("sigreg", "Balestriero, LeCun 2025, arXiv:2511.08544 (LeJEPA)", paper="none")
def _sigreg(p: Problem, *, weight: float | None = None, directions: int = 256) -> Design:
    """Sketched isotropic Gaussian regularisation: Epps–Pulley on random slices."""
    lam = weight if weight is not None else 1.0 * p.numbers
    divergence = Sliced(EppsPulley(gamma=0.5), directions=directions)
    return Design(Reconstruction() + lam * Match(divergence), Point(), SquaredError())


@recipe("max-swae", "Deshpande et al. 2019, arXiv:1904.05877 (for GANs)", paper="none")
def _max_swae(p: Problem, *, weight: float | None = None, steps: int = 10) -> Design:
    """Sliced Wasserstein autoencoder in the one direction where latents differ most."""
    lam = weight if weight is not None else 0.1 * p.numbers
    return Design(Reconstruction() + lam * Match(MaxSliced(Wasserstein1d(), steps=steps)), Point(), SquaredError())


@recipe("energy-ae", "Székely, Rizzo 2013, doi:10.1016/j.jspi.2013.03.018 (the distance)", paper="none")
def _energy_ae(p: Problem, *, weight: float | None = None) -> Design:
    """Energy distance between batch and prior: no bandwidth to choose, a gradient however far latents are."""
    lam = weight if weight is not None else 1.0 * p.numbers
    return Design(Reconstruction() + lam * Match(Energy()), Point(), SquaredError())


@recipe("stein-ae", "Liu, Lee, Jordan 2016, arXiv:1602.03253 (the discrepancy)", paper="none")
def _stein_ae(p: Problem, *, weight: float | None = None) -> Design:
    """Kernel Stein discrepancy: knows the prior by its score alone."""
    lam = weight if weight is not None else 0.1 * p.numbers
    return Design(Reconstruction() + lam * Match(SteinDiscrepancy()), Point(), SquaredError())


@recipe("sinkhorn-ae", "Patrini et al. 2019, arXiv:1810.01118", paper="none")
def _sinkhorn_ae(p: Problem, *, weight: float | None = None, blur: float | None = None) -> Design:
    """Sinkhorn autoencoder: entropic optimal transport between batch and prior draws, the blur ½√d."""
    lam = weight if weight is not None else 1.0 * p.numbers
    divergence = Sinkhorn(blur=0.5 * math.sqrt(p.d) if blur is None else blur)
    return Design(Reconstruction() + lam * Match(divergence), Point(), SquaredError())
