"""What a repair works with: latents to fit to, latents that choose, latents that score, and what decodes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.inputs import FEWEST
from lather.data import Dataset, Latents, Split
from lather.errors import ConfigError, DataError, ShapeError
from lather.models import Autoencoder
from lather.models.posteriors.distributions import DiagonalNormal
from lather.pipeline import reload_data
from lather.pipeline.beside import data_beside
from lather.pipeline.decoders import Decoder, make_decoder
from lather.pipeline.held_out import HeldOut, divide
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
    held_out: HeldOut | None,
    prior: Prior,
    *,
    decoder: Decoder | Run | str | Path | None = None,
    data: Any = None,
    key: str | None = None,
    most: int,
    seed: int,
) -> Material:
    """Of bare latents: a third of the held-out ones chooses, the others score.

    Args:
        first: latents of training data.
        held_out: others, or which of them are held out, see :func:`~lather.pipeline.held_out.divide`; 0.3 by default.
        prior: what was drawn from so far.
        decoder, data: for the sampling gap; see :func:`lather.audit`.
        key: what the latents are called in their file.
        most: at most so many training latents.
        seed: of every choice.

    Raises:
        ConfigError: a share that is none, or data without a decoder.
        ShapeError, DataError: latents or data that do not fit, or too few.
    """
    if (decoder is None) != (data is None):
        raise ConfigError("the sampling gap takes a decoder and the data of the held-out latents; give both or neither")
    generator = reseed(torch.Generator(), seed, _STREAM)
    other, training, chosen = divide(first, _SHARE if held_out is None else held_out, {"key": key}, seed)
    assert training is not None
    x = data_beside(data, decoder, chosen, len(other))
    if prior.d != first.d:
        raise ShapeError(f"the latents have {first.d} dimensions and {prior!r} has {prior.d}; they must agree")
    order = torch.randperm(len(other), generator=generator)
    some = min(max(round(_CHOOSING * len(other)), FEWEST), _MOST_CHOOSING)
    choosing, scoring = other.some(order[:some]), other.some(order[some : some + _MOST_SCORING])
    training = training.some(torch.randperm(len(training), generator=generator)[:most])
    random = training.mean is not None and training.std is not None
    return Material(
        training.draws(generator).float(),
        training.mean.float() if random and training.mean is not None else None,
        training.std.float() if random and training.std is not None else None,
        choosing.draws(generator).float(),
        scoring.draws(generator).float(),
        prior,
        None if scoring.mean is None or scoring.std is None else scoring.mean.float(),
        scoring.labels,
        scoring.classes,
        None if x is None else x[order[some : some + _MOST_SCORING]].float(),
        None if decoder is None else _flat(make_decoder(decoder, first.shape), first.shape),
        f"{first.origin}: {len(training)} latents of training data",
        list(first.notes),
    )


def _flat(decode: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """The decoder as a function of (m, d)."""
    return lambda z: decode(z.reshape(len(z), *shape)).float()
