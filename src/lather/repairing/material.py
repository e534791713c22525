"""What a repair works with: latents to fit to, latents that choose, latents that score, and what decodes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.inputs import FEWEST
from lather.data import Dataset, Latents, Split
from lather.errors import ConfigError, DataError, ShapeError
from lather.models import Autoencoder
from lather.models.posteriors.distributions import DiagonalNormal
from lather.pipeline import reload_data
from lather.priors import Prior
from lather.train import Run
from lather.train.seeds import reseed

__all__ = ["Material", "from_latents", "from_run"]

_STREAM = 9  # of random numbers; lower ones belong to training and measuring
_SHARE = 0.3  # of bare latents that is held out
_CHOOSING = 1 / 3  # of held-out latents that choose; the others score
_MOST_CHOOSING = 3_000
_MOST_SCORING = 2_000  # densities, decodes and distances of each candidate are taken at all of them


@dataclass(frozen=True)
class Material:
    """Latents in three parts that share no datum, all (n, d) on the CPU.

    Args:
        train: one latent for each training datum; candidates are fitted to them.
        mean, std: the posteriors they were drawn from, where these are Gaussian with independent coordinates.
        choosing: held-out latents that choose numbers of components, widths, and when to stop.
        scoring: held-out latents that nothing was fitted to or chosen by, in random order.
        prior: what new latents have been drawn from so far.
        scoring_mean: centres of the posteriors of ``scoring``, where they are random.
        labels: classes of the scored data.
        classes: their names.
        data: the scored data themselves, and
        decode: latents (m, d) → data, where there is a decoder.
        origin: what they are, for people.
    """

    train: Float[Tensor, "n d"]
    mean: Float[Tensor, "n d"] | None
    std: Float[Tensor, "n d"] | None
    choosing: Float[Tensor, "a d"]
    scoring: Float[Tensor, "b d"]
    prior: Prior
    scoring_mean: Float[Tensor, "b d"] | None = None
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    data: Tensor | None = None
    decode: Callable[[Tensor], Tensor] | None = None
    origin: str = "the latents"
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, z in (("to fit to", self.train), ("that choose", self.choosing), ("that score", self.scoring)):
            if len(z) < FEWEST:
                raise DataError(
                    f"{self.origin}: {len(z)} latents {name} are too few for a repair, at least {FEWEST} are needed; "
                    "encode more data"
                )

    @property
    def d(self) -> int:
        """Latent dimensions."""
        return self.train.shape[1]

    @property
    def anchors(self) -> Float[Tensor, "n d"]:
        """Where the training data lie: centres of their posteriors, else their latents."""
        return self.train if self.mean is None else self.mean

    @property
    def decoded(self) -> bool:
        """Whether the sampling gap can be measured."""
        return self.decode is not None and self.data is not None and len(self.scoring) >= 2 * FEWEST


@torch.no_grad()
def from_run(run: Run, data: Dataset | None, most: int, seed: int) -> Material:
    """Of at most ``most`` training data; validation data choose, test data score.

    Raises:
        RunError: data that cannot be read again.
        DataError: too few of them.
    """
    data = reload_data(run.config) if data is None else data
    model = run.model.eval()
    like = next(model.parameters())
    generator = reseed(torch.Generator(device=like.device), seed, _STREAM)
    z, mean, std, _ = _encoded(model, data.train, most, generator)
    choosing, *_ = _encoded(model, data.validation, _MOST_CHOOSING, generator)
    scoring, centre, _, index = _encoded(model, data.test, _MOST_SCORING, generator)
    labels = data.test.labels

    def decode(latents: Tensor) -> Tensor:
        return model.decode(latents.to(like)).mean.cpu()

    return Material(
        z,
        mean if std is not None else None,
        std,
        choosing,
        scoring,
        run.sampler if run.sampler is not None else model.prior,
        centre if model.posterior.random else None,
        None if labels is None else labels[index],
        tuple(data.classes or ()),
        data.test.batch(index, torch.device("cpu")).float(),
        decode,
        f"{run.path or 'the run'}: {len(z)} latents of training data",
    )


def _encoded(
    model: Autoencoder, split: Split, most: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """Draws, centres, deviations where posteriors are Gaussian with independent coordinates, and which data."""
    like = next(model.parameters())
    index = torch.randperm(len(split), generator=generator, device=generator.device)[:most].cpu()
    found = [model.encode(split.batch(part, like.device).to(like.dtype)) for part in index.split(512)]
    if not found:
        return torch.empty(0, model.prior.d), torch.empty(0, model.prior.d), None, index
    diagonal = all(type(q) is DiagonalNormal for q in found)
    draws = torch.cat([q.draw(generator) for q in found]).float().cpu()
    std = torch.cat([q.stddev for q in found]).float().cpu() if diagonal else None
    return draws, torch.cat([q.centre for q in found]).float().cpu(), std, index


def from_latents(
    first: Latents,
    held_out: Latents | Tensor | np.ndarray | str | Path | float | None,
    prior: Prior,
    *,
    decode: Callable[[Tensor], Tensor] | None,
    data: Any,
    most: int,
    seed: int,
) -> Material:
    """Of bare latents: a third of the held-out ones chooses, the others score. ``data`` go with the held-out latents,
    or with all where held-out ones are a share of them.

    Raises:
        ConfigError: a share that is none, or data without a decoder.
        ShapeError, DataError: latents or data that do not fit, or too few.
    """
    generator = reseed(torch.Generator(), seed, _STREAM)
    if (decode is None) != (data is None):
        raise ConfigError("the sampling gap takes a decoder and the data of the held-out latents; give both or neither")
    x = None if data is None else torch.as_tensor(data).float().cpu()
    if held_out is None or isinstance(held_out, (int, float)):
        share = _SHARE if held_out is None else float(held_out)
        if not 0 < share < 1:
            raise ConfigError(f"held_out={held_out!r}: a share lies between 0 and 1, such as 0.3")
        order = torch.randperm(len(first), generator=generator)
        out = round(share * len(first))
        _check_rows(x, first, "latents")
        x = None if x is None else x[order[:out]]
        other, first = first.some(order[:out]), first.some(order[out:])
    else:
        other = _as_latents(held_out)
        order = torch.randperm(len(other), generator=generator)
        _check_rows(x, other, "held-out latents")
        other, x = other.some(order), None if x is None else x[order]
    if other.d != first.d or prior.d != first.d:
        raise ShapeError(
            f"training latents have {first.d} dimensions, held-out ones {other.d} and {prior!r} {prior.d}; all must "
            "agree, so encode both with one encoder"
        )
    first = first.some(torch.randperm(len(first), generator=generator)[:most])
    some = min(max(round(_CHOOSING * len(other)), FEWEST), _MOST_CHOOSING)
    draws = other.draws(generator).float()
    last = slice(some, some + _MOST_SCORING)
    return Material(
        first.draws(generator).float(),
        None if first.std is None or first.mean is None else first.mean.float(),
        None if first.std is None else first.std.float(),
        draws[:some],
        draws[last],
        prior,
        None if other.mean is None or other.std is None else other.mean[last].float(),
        None if other.labels is None else other.labels[last],
        other.classes,
        None if x is None else x[last],
        decode,
        f"{first.origin}: {len(first)} latents",
        list(first.notes),
    )


def _as_latents(held_out: Latents | Tensor | np.ndarray | str | Path) -> Latents:
    if isinstance(held_out, Latents):
        return held_out
    if isinstance(held_out, (str, Path)):
        return Latents.read(held_out)
    return Latents(held_out, origin="held-out latents")


def _check_rows(x: Tensor | None, latents: Latents, what: str) -> None:
    if x is not None and len(x) != len(latents):
        raise ShapeError(f"data have {len(x)} rows and there are {len(latents)} {what}; they go together, row by row")
