"""One trained model with Gaussian posteriors, and everything that the study of dimensions measures of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lather.auditing import Report
from lather.auditing.slices import signal_directions
from lather.data import Dataset
from lather.errors import LatherError
from lather.studies.marginals import Marginals, marginals
from lather.studies.plan import Trained
from lather.studies.repaired import Repaired, repaired
from lather.studies.shells import Reach, directions_at_random, reach
from lather.studies.sources import REPAIRED, decoder_of, distances, latent_sources
from lather.studies.union import Union, union

__all__ = ["DIRECTIONS", "LatentCase", "measure_case"]

DIRECTIONS = 8  #: signal directions, and random ones, that distances are measured along
_BUBBLES = 5_000  # training posteriors
_MOST = 1_000  # held-out data that are decoded and compared
_SHOWN = 5  # pictures in a strip
_KEPT = 500_000  # coordinates that pictures are drawn from


@dataclass(frozen=True)
class LatentCase:
    """Measurements of one training.

    Attributes:
        d: latent dimensions.
        report: its audit.
        marginals: of held-out posteriors.
        union: of training posteriors.
        reach: distances to the nearest bubble in all coordinates, along ``"signal"`` and along ``"random"`` directions.
        directions: the signal directions, (k, d).
        distances: Fréchet distance from data of what each source decodes to.
        repair: what the repair found; ``None`` where it could not be done.
        mean, std: some training posteriors, for pictures.
        held_out: some held-out means, deviations and draws, (3, n, d).
        strips: pictures by head: data, reconstruction, and a strip for each source (the repaired prior is N(0, I) where
            nothing fitted was better).
    """

    d: int
    report: Report
    marginals: Marginals
    union: Union
    reach: Mapping[str, Reach]
    directions: Tensor
    distances: Mapping[str, float]
    repair: Repaired | None
    mean: Tensor
    std: Tensor
    held_out: Tensor
    strips: Mapping[str, Tensor]


@torch.no_grad()
def measure_case(trained: Trained, data: Dataset, candidates: Sequence[str], problems: list[str]) -> LatentCase:
    """Encode, draw, decode and compare.

    Args:
        trained: a finished training of a VAE.
        data: what it was trained on.
        candidates: for the repair.
        problems: is told why there is no repaired prior, if so.
    """
    run, model = trained.run, trained.model
    like = next(model.parameters())
    g = torch.Generator().manual_seed(trained.job.seed)
    some = torch.randperm(len(data.train), generator=g)[:_BUBBLES]
    new = torch.randperm(len(data.test), generator=g)[: 2 * _MOST]
    x = data.test.batch(new, like.device).to(like.dtype)
    mean, std = (t.float().cpu() for t in model.latents(data.train.batch(some, like.device).to(like.dtype)))
    centre, width = (t.float().cpu() for t in model.latents(x))
    z = centre + width * torch.randn(centre.shape, generator=g)
    d = centre.shape[1]
    try:
        found = repaired(run, data, candidates)
    except LatherError as error:
        found = None
        problems.append(f"no repaired prior for {trained.job.label}, seed {trained.job.seed}: {error}")
    half = len(x) // 2
    sources = latent_sources(centre[:half], mean, std, None if found is None else found.prior, generator=g)
    signal, _ = signal_directions(mean.double(), std.double(), DIRECTIONS)
    draws = torch.randn(half, d, generator=g, dtype=torch.float64)
    ways = {"all": None, "signal": signal, "random": directions_at_random(DIRECTIONS, d, g)}
    decode = decoder_of(model)
    strips = {**sources, REPAIRED: sources.get(REPAIRED, torch.randn(half, d, generator=g))}
    shown = {"data": x[:_SHOWN].float().cpu(), "reconstruction": decode(centre[:_SHOWN])}
    return LatentCase(
        d,
        trained.report,
        marginals(centre, width, z),
        union(mean, std, z, generator=g),
        {name: reach(mean, std, z[:half], draws, v, generator=g) for name, v in ways.items()},
        signal,
        distances(model, {"reconstruction": centre[:half], "posteriors": z[:half], **sources}, x[half:].float().cpu()),
        found,
        mean[:200],
        std[:200],
        torch.stack([centre, width, z])[:, : max(_SHOWN, _KEPT // d)],
        {**shown, **{name: decode(codes[:_SHOWN]) for name, codes in strips.items()}},
    )


def number(report: Report, key: str) -> float:
    """The effect of a row, NaN where it was not measured."""
    row = report.rows.get(key)
    return math.nan if row is None or row.effect is None else float(row.effect)
