"""What a recipe is, and the table of them."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from lather.data import Dataset
from lather.errors import ConfigError, LatherError
from lather.models import Likelihood, Objective, Posterior, Term
from lather.priors import Prior

__all__ = ["RECIPES", "Design", "Problem", "Recipe", "find_recipe", "recipe", "some"]


@dataclass(frozen=True)
class Problem:
    """What a recipe may know of the task when it chooses weights."""

    numbers: int  #: values in one sample, such as 784
    d: int = 8  #: latent dimensions
    samples: int = 60_000  #: training samples
    shape: tuple[int, ...] | None = None  #: of one sample, such as (1, 28, 28), where it is known


@dataclass(frozen=True)
class Design:
    """What a recipe decides."""

    objective: Objective | Term
    posterior: Posterior
    #: one, a name from ``lather.train.assemble.LIKELIHOODS``, or None: a density that suits the data (ELBO recipes)
    likelihood: Likelihood | str | None = None
    #: makes the recipe's own prior from (d, data); None: N(0, I), or what the user asks for
    prior: Callable[[int, Dataset], Prior] | None = None
    #: what new latents are drawn from instead of the prior: a key of ``lather.samplers.SAMPLERS``
    sampler: str | None = None
    #: options that the networks get unless the user says otherwise
    net_options: Mapping[str, Any] = field(default_factory=dict)


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
        """Keyword options beside ``paper``, with their defaults (``None``: depends on the data)."""
        parameters = inspect.signature(self.build).parameters
        return {name: p.default for name, p in parameters.items() if name not in ("p", "paper")}

    def design(self, problem: Problem | int, *, paper: bool = False, **options: Any) -> Design:
        """The parts, for samples of ``problem.numbers`` values.

        Args:
            problem: what is known of the task, or just the number of values in one sample, such as 784.
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
        if weight is not None and not isinstance(weight, (int, float)):
            raise ConfigError(f"weight={weight!r} of recipe {self.name!r} is no number; give one of 0 or more")
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
        problem = Problem(problem) if isinstance(problem, int) else problem
        with self.explained(options):
            return self.build(problem, **({"paper": paper} if self.paper == "other" else {}), **options)

    @contextlib.contextmanager
    def explained(self, options: Mapping[str, Any]) -> Iterator[None]:
        """What fails in the block is the fault of ``options`` where there are any: a :class:`ConfigError` says so."""
        try:
            yield
        except LatherError:
            raise
        except Exception as error:  # a value of the wrong kind fails wherever it is first used
            if not options:
                raise
            given = ", ".join(f"{key}={value!r:.60}" for key, value in options.items())
            has = ", ".join(f"{key}={value}" for key, value in self.options.items())
            raise ConfigError(
                f"recipe {self.name!r} cannot be built with {given} ({str(error)[:200]}); values such as the defaults "
                f"work: {has}"
            ) from error


RECIPES: dict[str, Recipe] = {}


def recipe(
    name: str, citation: str, paper: Literal["other", "same", "none"] = "same"
) -> Callable[[Callable[..., Design]], Callable[..., Design]]:
    """Register ``build(p, *, ...)``: its docstring's first line is the summary, ``weight`` the regulariser's weight."""

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


def some(data: Dataset, n: int = 2000) -> Tensor:
    """At most ``n`` training samples as a model sees them, always the same: where a prior made of data may start."""
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))
    return data.train.batch(order[:n])
