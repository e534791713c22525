"""The priors by the names used on the command line. One line each; docs, help and tests read this table."""

from __future__ import annotations

from collections.abc import Callable

from lather.errors import ConfigError
from lather.priors.ball import UniformBall
from lather.priors.base import Prior
from lather.priors.laplace import LaplacePrior
from lather.priors.mixture import GaussianMixture
from lather.priors.normal import StandardNormal
from lather.priors.student import StudentT
from lather.priors.uniform import UniformCube, UniformSphere

__all__ = ["PRIORS", "make_prior"]

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


def make_prior(name: str, d: int) -> Prior:
    """The prior called ``name`` over ``d`` dimensions; :class:`ConfigError` lists the names for an unknown one."""
    if name not in PRIORS:
        raise ConfigError(f"no prior is called {name!r}; there are: {', '.join(PRIORS)}")
    return PRIORS[name][1](d)
