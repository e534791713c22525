"""From names, as on a command line, to an autoencoder that fits the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lather.data import Dataset
from lather.errors import ConfigError
from lather.models import (
    Autoencoder,
    Bernoulli,
    Gaussian,
    Laplace,
    Likelihood,
    Objective,
    Point,
    Sphere,
    SquaredError,
    Term,
)
from lather.models.nets import build_nets
from lather.priors import LEARNED_PRIORS, PRIORS, Prior, make_learned_prior, make_prior
from lather.train.recipes import Design, Problem, find_recipe
from lather.train.recipes.recipe import some
from lather.train.seeds import seed_for

__all__ = ["LIKELIHOODS", "assemble"]

#: names of likelihoods; each is made with the squashing that suits the data
LIKELIHOODS: dict[str, Any] = {
    "squared-error": SquaredError,
    "bernoulli": lambda squash: Bernoulli(),
    "gaussian": lambda squash: Gaussian(sigma="optimal", squash=squash),
    "gaussian-learned": lambda squash: Gaussian(sigma="learned", squash=squash),
    "gaussian-unit": lambda squash: Gaussian(sigma=1.0, squash=squash),
    "laplace": lambda squash: Laplace(scale="learned", squash=squash),
}


def assemble(
    recipe: str,
    data: Dataset,
    latent_shape: int | Sequence[int],
    *,
    nets: str = "auto",
    net_options: Mapping[str, Any] | None = None,
    prior: str | Prior | None = None,
    likelihood: str | Likelihood | None = None,
    paper: bool = False,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    hold_z: float | None = None,
    hold_n: int | None = None,
) -> Autoencoder:
    """The autoencoder of a recipe, with networks that fit ``data``.

    Args:
        recipe: name of a recipe; ``lather recipes`` lists them.
        data: what it will be trained on (shape and kind count).
        latent_shape: dimensions of the latent, d or (c, h, w).
        nets: ``"mlp"``, ``"conv"``, ``"residual"``, or ``"auto"``.
        net_options: options of the networks, such as ``{"width": 64}``; those that the recipe sets can be replaced.
        prior: name of a prior, also of one that is learned with the model (``"vamp"``), one of your own, or ``None``
            for the recipe's, which mostly is N(0, I).
        likelihood: a name from :data:`LIKELIHOODS`, one of your own, or ``None`` for the recipe's: squared error, or
            where the loss is an ELBO Bernoulli for grey images and a Gaussian with optimal σ for everything else.
        paper: the paper's own weights instead of those that match.
        seed: of the initial weights.
        options: options of the recipe, such as ``{"weight": 2.0}``.
        hold_z: hold every matching term at this level of z in place of its weight, see :class:`~lather.Held`.
        hold_n: hold every matching term at this detection size n*, likewise.

    Raises:
        ConfigError: unknown names, options out of range, shapes that cannot be connected.
        CapabilityError: parts that cannot work together.
    """
    shape = (latent_shape,) if isinstance(latent_shape, int) else tuple(latent_shape)
    if not shape or any(size < 1 for size in shape):
        raise ConfigError(f"a latent needs at least one dimension, got {latent_shape}")
    problem = Problem(math.prod(data.shape), math.prod(shape), len(data.train), tuple(data.shape))
    with torch.random.fork_rng(devices=[]):  # critics start at random
        torch.manual_seed(seed_for(seed, 1))
        design = find_recipe(recipe).design(problem, paper=paper, **dict(options or {}))
    with find_recipe(recipe).explained(options or {}):
        law = _prior(prior, problem.d, data, design)
    posterior = design.posterior
    if not law.euclidean and isinstance(posterior, Point):
        posterior = Sphere()
    chosen = _likelihood(likelihood, data, design.likelihood)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed))
        wanted = {**design.net_options, **(net_options or {})}
        encoder, decoder = build_nets(nets, data.shape, shape, posterior.output_shape(shape), **wanted)
    return Autoencoder(
        encoder,
        decoder,
        prior=law,
        objective=_held(design.objective, hold_z, hold_n),
        posterior=posterior,
        likelihood=chosen,
        latent_shape=shape,
        sampler=design.sampler,
    )


def _held(objective: Objective | Term, z: float | None, n: int | None) -> Objective | Term:
    if z is not None and n is not None:
        raise ConfigError(f"hold_z={z} and hold_n={n} each set the level by itself; give one of them")
    if z is None and n is None:
        return objective
    objective = 1.0 * objective if isinstance(objective, Term) else objective
    return objective.to_noise_floor(z) if z is not None else objective.to_detection_size(n or 0)


def _prior(asked: str | Prior | None, d: int, data: Dataset, design: Design) -> Prior:
    if isinstance(asked, Prior):
        return asked
    if asked is None and design.prior is not None:
        return design.prior(d, data)
    if asked in LEARNED_PRIORS:
        return make_learned_prior(asked, d, some(data))
    if asked is not None and asked not in PRIORS:
        raise ConfigError(f"no prior is called {asked!r}; there are: {', '.join([*PRIORS, *LEARNED_PRIORS])}")
    return make_prior(asked or "normal", d)


def _likelihood(asked: str | Likelihood | None, data: Dataset, of_recipe: Likelihood | str | None) -> Likelihood:
    squash = "sigmoid" if data.kind == "image" else None
    if isinstance(asked, Likelihood):
        return asked
    if asked is None:
        if isinstance(of_recipe, SquaredError):
            return SquaredError(of_recipe.weight, squash=squash)
        if isinstance(of_recipe, Likelihood):
            return of_recipe
        asked = of_recipe
    if asked is None:
        asked = "bernoulli" if data.kind == "image" and data.shape[0] == 1 else "gaussian"
    if asked not in LIKELIHOODS:
        raise ConfigError(f"no likelihood is called {asked!r}; there are: {', '.join(LIKELIHOODS)}")
    if asked == "bernoulli" and data.kind != "image":
        raise ConfigError("a Bernoulli likelihood needs values in [0, 1], and features have no bounds; use 'gaussian'")
    return LIKELIHOODS[asked](squash=squash)
