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


@recipe("rae", "Ghosh, Sajjadi, Vergari, Black, Schölkopf 2020, arXiv:1903.12436")
def _rae(p: Problem, *, weight: float | None = None, decoder: float | None = None, kind: str = "weights") -> Design:
    """Regularised autoencoder: small codes and a smooth decoder; meant to be sampled from a fitted mixture."""
    # β = 1e-4 and 1e-7 weigh against the mean over pixels in the paper; this reconstruction is their sum. (The authors'
    # code averages ‖z‖² over latent dimensions as well, which is d times weaker.)
    a = weight if weight is not None else 1e-4 * p.numbers
    b = decoder if decoder is not None else (1e-7 if kind == "weights" else 5e-8) * p.numbers
    penalty = DecoderPenalty(kind)  # type: ignore[arg-type]
    return Design(Reconstruction() + a * LatentNorm() + b * penalty, Point(), SquaredError())
