"""Options that several commands share: data, model and what its text means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from lather.errors import ConfigError

__all__ = ["DataOptions", "ModelOptions", "PartOptions", "parse_latent", "parse_options"]


@Parameter(name="*", group="Data")
@dataclass(frozen=True)
class DataOptions:
    """How to read the data."""

    validation: str | None = None
    """Held out during training: a share below 1, a number of samples, or a path (default: 10%, at most 10 000)."""
    test: str | None = None
    """Held out for measuring: likewise (default: the data's own test set, else 10%)."""
    image_size: int | None = None
    """Side to which pictures are cropped and resized."""
    channels: Literal[1, 3] | None = None
    """1 for greyscale, 3 for RGB (default: what the pictures have)."""
    columns: str | None = None
    """Feature columns of a table, separated by commas (default: all numeric ones)."""
    label: str | None = None
    """Label column of a table."""
    key: str | None = None
    """Array of a .npz, or matrix of a .h5ad (X, obsm/X_pca)."""
    binarize: bool = False
    """Pixels to 0 and 1, for a Bernoulli likelihood that is one."""
    limit: int | None = None
    """Use at most so many samples of each set, chosen at random."""
    train_limit: int | None = None
    """Of the training samples use at most so many, chosen at random."""
    test_limit: int | None = None
    """Of the test samples likewise."""

    def arguments(self, source: str, seed: int) -> dict[str, Any]:
        """Keyword arguments of :func:`lather.load`, JSON-ready."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given["columns"] = self.columns.split(",") if self.columns else None
        for name in ("validation", "test"):
            given[name] = _share(given[name])
        return {"source": source, "seed": seed, **{k: v for k, v in given.items() if v not in (None, False)}}


@Parameter(name="*", group="Model")
@dataclass(frozen=True)
class ModelOptions:
    """What to train."""

    recipe: str = "cwae"
    """Objective, by name; `lather recipes` lists them."""
    latent: str = "8"
    """Latent dimensions: a number, or HxWxC for maps, such as 8x8x4."""


@Parameter(name="*", group="Model")
@dataclass(frozen=True)
class PartOptions:
    """What a model is made of beside recipe and latent."""

    prior: str | None = None
    """What latents should follow; `lather priors` lists them (default: the recipe's, mostly normal)."""
    nets: Literal["auto", "mlp", "conv", "residual"] = "auto"
    """Networks: auto takes conv for pictures and mlp for features and tiny pictures."""
    net: Annotated[list[str] | None, Parameter(negative="")] = None
    """Option of the networks, NAME=VALUE, such as width=64 or hidden=512,512. May be repeated."""
    likelihood: str | None = None
    """squared-error, bernoulli, gaussian, gaussian-learned, gaussian-unit or laplace (default: the recipe's)."""
    set: Annotated[list[str] | None, Parameter(negative="")] = None
    """Option of the recipe, NAME=VALUE, such as weight=50. May be repeated."""
    paper: bool = False
    """The paper's own weights instead of those that match the prior."""
    hold_z: float | None = None
    """In place of a weight: hold matching terms at most so many sd of chance above the noise of a batch, such as 2."""
    hold_n: int | None = None
    """In place of a weight: hold matching terms where it takes so many latents to see the difference (n*)."""

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of :func:`lather.assemble`."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("net", "set")}
        options, net_options = parse_options(self.set, "--set"), parse_options(self.net, "--net")
        return {**given, "options": options, "net_options": net_options}


def parse_latent(text: str) -> tuple[int, ...]:
    """``"8"`` as (8,), ``"4x6x16"`` (height × width × channels) as torch's (16, 4, 6).

    Example:
        >>> parse_latent("8"), parse_latent("4x6x16")
        ((8,), (16, 4, 6))
    """
    try:
        sizes = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        sizes = ()
    if len(sizes) not in (1, 3) or min(sizes) < 1:
        raise ConfigError(f"--latent takes a number such as 8, or HEIGHTxWIDTHxCHANNELS such as 8x8x4, got {text!r}")
    return sizes if len(sizes) == 1 else (sizes[2], sizes[0], sizes[1])


def parse_options(pairs: Sequence[str] | None, flag: str) -> dict[str, Any]:
    """``["weight=5", "hidden=64,64"]`` as ``{"weight": 5, "hidden": (64, 64)}``.

    Example:
        >>> parse_options(["weight=5", "hidden=64,32", "kind=gradient"], "--set")
        {'weight': 5, 'hidden': (64, 32), 'kind': 'gradient'}
    """
    from lather.train.recipes.text import value_of

    options = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"{flag} takes NAME=VALUE, such as {flag} weight=5, got {pair!r}")
        parts = tuple(value_of(part) for part in value.split(","))
        options[name.replace("-", "_")] = parts if len(parts) > 1 else parts[0]
    return options


def _share(text: str | None) -> Any:
    from lather.train.recipes.text import value_of

    return None if text is None else value_of(text)
