"""Autoencoders whose latents are kept small or noisy, and not matched to the prior."""

from __future__ import annotations

from lather.models import DecoderPenalty, FixedNoise, LatentNorm, Point, Reconstruction, SquaredError
from lather.train.recipes.recipe import Design, Problem, recipe


@recipe("ae", "Hinton, Salakhutdinov 2006, doi:10.1126/science.1127647", paper="none")
def _ae(p: Problem) -> Design:
    """Plain autoencoder: best reconstructions, latents follow nothing in particular."""
    return Design(Reconstruction(), Point(), SquaredError())


@recipe("noise-ae", "Poole, Sohl-Dickstein, Ganguli 2014, arXiv:1406.1831", paper="none")
def _noise_ae(p: Problem, *, sigma: float = 0.3, weight: float | None = None) -> Design:
    """Noise of fixed size in the latent; the norm keeps codes from outrunning it."""
    a = weight if weight is not None else 9e-4 * p.numbers
    return Design(Reconstruction() + a * LatentNorm(), FixedNoise(sigma), SquaredError())


# β = 1e-4 (and 1e-7, 5e-8) weigh against the mean over pixels in the paper; this reconstruction is their sum. (The
# authors' code averages ‖z‖² over latent dimensions as well, which is d times weaker.)
_RAE = "Ghosh, Sajjadi, Vergari, Black, Schölkopf 2020, arXiv:1903.12436"


@recipe("rae", _RAE)
def _rae(p: Problem, *, weight: float | None = None, decoder: float | None = None) -> Design:
    """Regularised autoencoder: small codes and decoder weights; sampled from a mixture fitted to its latents."""
    a = weight if weight is not None else 1e-4 * p.numbers
    b = decoder if decoder is not None else 1e-7 * p.numbers
    objective = Reconstruction() + a * LatentNorm() + b * DecoderPenalty("weights")
    return Design(objective, Point(), SquaredError(), sampler="mixture")


@recipe("rae-gp", _RAE, paper="other")
def _rae_gp(p: Problem, *, paper: bool, weight: float | None = None, decoder: float | None = None) -> Design:
    """RAE with a penalty on the decoder's slope, ‖∂y/∂z‖²; sampled from a fitted mixture."""
    # the paper's 5e-8 is too weak to be seen here; as much as the code's norm makes slope and norm balance each other
    a = weight if weight is not None else 1e-4 * p.numbers
    b = decoder if decoder is not None else (5e-8 if paper else 1e-4) * p.numbers
    objective = Reconstruction() + a * LatentNorm() + b * DecoderPenalty("gradient")
    return Design(objective, Point(), SquaredError(), sampler="mixture")


@recipe("rae-sn", _RAE)
def _rae_sn(p: Problem, *, weight: float | None = None, norm: float = 4.0) -> Design:
    """RAE whose decoder layers have a fixed spectral norm; sampled from a fitted mixture."""
    # norm 1 in the paper, where batch normalisation gives the scale back; these networks have none
    a = weight if weight is not None else 1e-4 * p.numbers
    objective = Reconstruction() + a * LatentNorm()
    return Design(objective, Point(), SquaredError(), sampler="mixture", net_options={"spectral_norm": norm})
