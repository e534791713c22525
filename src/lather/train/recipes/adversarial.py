"""Autoencoders with a critic: of latents, or of what is decoded."""

from __future__ import annotations

from lather.models import (
    Adversarial,
    DataCritic,
    DiagonalGaussian,
    MLPCritic,
    Point,
    PosteriorKL,
    Reconstruction,
    SquaredError,
)
from lather.models.critics import critic_for
from lather.models.games import Kind
from lather.train.recipes.recipe import Design, Problem, recipe


@recipe("wae-gan", "Tolstikhin, Bousquet, Gelly, Schölkopf 2018, arXiv:1711.01558", paper="other")
def _wae_gan(
    p: Problem,
    *,
    paper: bool,
    weight: float | None = None,
    kind: Kind = "gan",
    rounds: int | None = None,
    lr: float | None = None,
    penalty: float | None = None,
) -> Design:
    """Wasserstein autoencoder: a critic tells the batch's latents from the prior, kind is its game."""
    if paper:  # squared error × 0.05, λ = 10 on MNIST, four hidden layers of 512, Adam(5e-4, β₁ = 0.5)
        lam = 10.0 if weight is None else weight
        critic = Adversarial(
            MLPCritic((p.d,), hidden=(512, 512, 512, 512)),
            kind,
            rounds=1 if rounds is None else rounds,
            lr=5e-4 if lr is None else lr,
            penalty=0.0 if penalty is None else penalty,
        )
        return Design(0.05 * Reconstruction() + lam * critic, Point(), SquaredError())
    lam = weight if weight is not None else 0.25 * p.numbers
    critic = Adversarial(MLPCritic((p.d,)), kind, rounds=rounds, lr=lr, penalty=penalty)
    return Design(Reconstruction() + lam * critic, Point(), SquaredError())


@recipe("aae", "Makhzani, Shlens, Jaitly, Goodfellow, Frey 2015, arXiv:1511.05644", paper="none")
def _aae(
    p: Problem,
    *,
    weight: float | None = None,
    kind: Kind = "gan",
    rounds: int | None = None,
    lr: float | None = None,
    penalty: float | None = None,
) -> Design:
    """Adversarial autoencoder: Gaussian posteriors without a KL, their draws matched by a critic."""
    lam = weight if weight is not None else 0.25 * p.numbers
    critic = Adversarial(MLPCritic((p.d,)), kind, rounds=rounds, lr=lr, penalty=penalty)
    return Design(Reconstruction() + lam * critic, DiagonalGaussian())


@recipe("vae-gan", "Larsen, Sønderby, Larochelle, Winther 2016, arXiv:1512.09300", paper="other")
def _vae_gan(
    p: Problem,
    *,
    paper: bool,
    weight: float | None = None,
    realism: float = 10.0,
    pixels: float | None = None,
    kind: Kind = "gan",
    rounds: int | None = None,
    lr: float | None = None,
    penalty: float | None = None,
) -> Design:
    """VAE that reconstructs in the features of a critic, which its decoder has to fool; weight is that of the KL."""
    critic = critic_for(p.shape or (p.numbers,))
    # the paper compares features alone; those of an early critic do not hold the decoder to grey levels, pixels do
    anchor = pixels if pixels is not None else 0.0 if paper else 1.0
    objective = Reconstruction(in_features_of=critic) + (1.0 if weight is None else weight) * PosteriorKL()
    objective = objective + realism * DataCritic(critic, kind, rounds=rounds, lr=lr, penalty=penalty)
    return Design(objective + anchor * Reconstruction() if anchor else objective, DiagonalGaussian(), SquaredError())
