"""The priors by the names used on the command line. One line each; docs, help and tests read these tables."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lather.errors import ConfigError
from lather.priors.ball import UniformBall
from lather.priors.base import Prior
from lather.priors.flow import FlowPrior
from lather.priors.laplace import LaplacePrior
from lather.priors.mixture import GaussianMixture
from lather.priors.normal import StandardNormal
from lather.priors.student import StudentT
from lather.priors.uniform import UniformCube, UniformSphere
from lather.priors.vamp import VampPrior

__all__ = ["LEARNED_PRIORS", "PRIORS", "make_learned_prior", "make_prior"]

_PSEUDO_INPUTS = 500  # of a VampPrior, as in its paper; fewer where there are fewer data

#: name -> (class, how to make one of d dimensions)
PRIORS: dict[str, tuple[type[Prior], Callable[[int], Prior]]] = {
    "normal": (StandardNormal, StandardNormal),
    "cube": (UniformCube, UniformCube),
    "ball": (UniformBall, UniformBall),
    "sphere": (UniformSphere, UniformSphere),
    "laplace": (LaplacePrior, LaplacePrior),
    "student-t": (StudentT, StudentT),
    "mixture": (GaussianMixture, GaussianMixture.scattered),
}


#: name -> (class, how to make one of d dimensions for training data x (n, *sample_shape)): priors that are trained
#: with the model, and so need a KL term
LEARNED_PRIORS: dict[str, tuple[type[Prior], Callable[[int, Tensor], Prior]]] = {
    "learned-mixture": (GaussianMixture, lambda d, x: GaussianMixture.scattered(d, learned=True)),
    "vamp": (VampPrior, lambda d, x: VampPrior.from_data(d, x, k=min(_PSEUDO_INPUTS, len(x)))),
    "flow": (FlowPrior, lambda d, x: FlowPrior(d)),
}


def make_prior(name: str, d: int) -> Prior:
    """The prior called ``name`` over ``d`` dimensions; :class:`ConfigError` lists the names for an unknown one."""
    if name in LEARNED_PRIORS:
        raise ConfigError(
            f"the prior {name!r} is learned together with a model, so it cannot be used without one; train one: "
            f"lather train DATA --recipe vae --prior {name}"
        )
    if name not in PRIORS:
        raise ConfigError(f"no prior is called {name!r}; there are: {', '.join(PRIORS)}")
    if d < 1:
        raise ConfigError(f"the prior {name!r} needs at least one dimension, got d={d}")
    return PRIORS[name][1](d)


def make_learned_prior(name: str, d: int, x: Tensor) -> Prior:
    """The prior called ``name``, to be trained with a model of the data.

    Args:
        name: a key of ``LEARNED_PRIORS``.
        d: number of latent dimensions.
        x: training data, from which pseudo-inputs are drawn, (n, *sample_shape).

    Raises:
        ConfigError: no such name.
        MissingExtraError: it needs a package that is not installed.
    """
    if name not in LEARNED_PRIORS:
        raise ConfigError(f"no learned prior is called {name!r}; there are: {', '.join(LEARNED_PRIORS)}")
    return LEARNED_PRIORS[name][1](d, x)
