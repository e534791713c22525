"""What takes part in a comparison: a recipe with its options, at one size of the latent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lather.errors import ConfigError
from lather.jobs import Job
from lather.train.recipes import find_recipe
from lather.train.recipes.text import parse_recipe

__all__ = ["Contender", "contenders"]


@dataclass(frozen=True)
class Contender:
    """A recipe at one size of the latent; with each seed it becomes a training.

    Attributes:
        recipe: its name.
        latent: shape of the latent, (d,) or (c, h, w).
        own: options given to this contender alone; they belong to its name.
        tuned: the option that was tuned, ``None`` where nothing was.
    """

    recipe: str
    latent: tuple[int, ...]
    own: tuple[tuple[str, Any], ...] = ()
    tuned: str | None = None

    @property
    def name(self) -> str:
        """The recipe with what sets it apart, without the latent: ``"cwae weight=5"``."""
        parts = [f"{key}={_shown(value)}" for key, value in self.own if key != self.tuned]
        if self.tuned is not None:
            parts.append("tuned")
        return " ".join([self.recipe, *parts])

    @property
    def dimensions(self) -> str:
        """The latent as the command line writes it."""
        return Job(self.recipe, {}, self.latent).dimensions

    @property
    def label(self) -> str:
        """Name and latent."""
        return f"{self.name}, d = {self.dimensions}"


def contenders(
    recipes: Sequence[str], latents: Sequence[tuple[int, ...]], options: Mapping[str, Any], *, paper: bool = False
) -> list[Contender]:
    """Every recipe at every latent; checked before anything is trained.

    Args:
        recipes: names, each with options of its own where wanted: ``"cwae"``, ``"cwae:weight=5"``,
            ``"vae:free_bits=0.1:warmup=500"``.
        latents: shapes.
        options: those that all recipes get.
        paper: the paper's own weights.

    Raises:
        ConfigError: an unknown recipe or option, something twice, or nothing at all.

    Example:
        >>> [c.label for c in contenders(["ae", "cwae:weight=5"], [(2,), (8,)], {})]
        ['ae, d = 2', 'cwae weight=5, d = 2', 'ae, d = 8', 'cwae weight=5, d = 8']
    """
    if not recipes or not latents:
        raise ConfigError("compare at least one recipe at one latent size, such as: lather compare vae cwae --latent 8")
    found = []
    for latent in latents:
        for text in recipes:
            name, own = parse_recipe(text)
            find_recipe(name).design(784, paper=paper, **{**options, **own})
            found.append(Contender(name, latent, tuple(own.items())))
    labels = [contender.label for contender in found]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ConfigError(f"{'; '.join(twice)}: asked for twice; seeds repeat a training (--seeds)")
    return found


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
