"""One trained matching method: what its own statistic says, what the others say, and what sampling costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

import lather.divergences as divergences
from lather.auditing import Report, measure_latents
from lather.data import Dataset
from lather.divergences import Divergence, Mardia
from lather.divergences.detection import DetectionSize
from lather.errors import LatherError
from lather.models import Match, Objective
from lather.priors import Prior, StandardNormal
from lather.studies.plan import Trained
from lather.studies.repaired import Repaired, repaired
from lather.studies.sources import decoder_of
from lather.studies.whitening import whitening

__all__ = ["MatchCase", "Trap", "measure_match", "own_statistic", "samples", "synthetic_trap", "whitened_trap"]

_TESTED = 1_500  # latents that detection sizes are taken of
_DRAWS = 199  # simulated samples of each null


@dataclass(frozen=True)
class MatchCase:
    """Measurements of one training.

    Attributes:
        report: its audit.
        own: n* by the statistic that it was trained on; ``None`` where it was trained on none that compares batches.
        mardia: n* by Mardia's skewness and kurtosis, on latents against any normal law.
        normal: n* of its latents against N(0, I), standardised where its prior is another.
        repair: with other priors fitted to the same latents; ``None`` if not asked for.
    """

    report: Report
    own: DetectionSize | None
    mardia: DetectionSize | None
    normal: DetectionSize | None
    repair: Repaired | None


@dataclass(frozen=True)
class Trap:
    """Latents that look normal by two moments.

    Attributes:
        name: what they are.
        report: their audit against N(0, I).
        mardia: n* by Mardia's statistics.
    """

    name: str
    report: Report
    mardia: DetectionSize | None


def own_statistic(objective: Objective) -> Divergence | None:
    """The divergence that the objective compares batches by; the sum where there are several."""
    terms = [term.divergence for _, term in objective.pairs if isinstance(term, Match)]
    if not terms:
        return None
    total = terms[0]
    for other in terms[1:]:
        total = total + other
    return total


@torch.no_grad()
def measure_match(trained: Trained, data: Dataset, candidates: Sequence[str], problems: list[str]) -> MatchCase:
    """Held-out latents against the model's own statistic, and against Mardia's.

    Args:
        trained: a finished training.
        data: what it was trained on.
        candidates: for the repair; none for no repair.
        problems: is told what could not be done.
    """
    model, prior = trained.model, trained.model.prior
    like = next(model.parameters())
    g = torch.Generator().manual_seed(trained.job.seed)
    order = torch.randperm(len(data.test), generator=g)
    own_generator = torch.Generator(device=like.device).manual_seed(trained.job.seed)
    parts = [model.encode(data.test.batch(part, like.device).to(like.dtype)) for part in order.split(512)]
    z = torch.cat([q.draw(own_generator) for q in parts]).double().cpu()
    report = trained.report
    normal = report.detection_size
    if not prior.standard:
        half = len(z) // 2
        normal = measure_latents(whitening(z[:half])(z[half:]), StandardNormal(z.shape[1])).detection_size
    found = None
    if candidates:
        try:
            found = repaired(trained.run, data, candidates)
        except LatherError as error:
            problems.append(f"no repaired prior for {trained.job.label}, seed {trained.job.seed}: {error}")
    own = own_statistic(model.objective)
    return MatchCase(
        report,
        None if own is None else _size(own, z, prior),
        _size(Mardia(), z, StandardNormal(z.shape[1])),
        normal,
        found,
    )


@torch.no_grad()
def whitened_trap(trained: Trained, data: Dataset) -> Trap:
    """A trained model's latents whitened by an affine map fitted to training data, its decoder after the inverse map.

    The pair is a model like any other: mean 0 and covariance I by construction, reconstructions untouched. Drawing
    N(0, I) for it is drawing from the Gaussian fitted to the latents.
    """
    model = trained.model
    like = next(model.parameters())
    g = torch.Generator().manual_seed(trained.job.seed)

    def encoded(split: object, order: Tensor) -> tuple[Tensor, Tensor]:
        x = split.batch(order, like.device).to(like.dtype)  # type: ignore[attr-defined]
        return model.latents(x)[0].double().cpu(), x.float().cpu()

    train, _ = encoded(data.train, torch.randperm(len(data.train), generator=g)[:20_000])
    z, x = encoded(data.test, torch.randperm(len(data.test), generator=g)[:4_000])
    white, decode = whitening(train), decoder_of(model)
    report = measure_latents(
        white(z),
        StandardNormal(z.shape[1]),
        data=x,
        decode=lambda w: decode(white.undo(w).float()),
        train_means=white(train),
        seed=trained.job.seed,
    )
    return Trap(f"whitened {trained.job.recipe}", report, _size(Mardia(), white(z), StandardNormal(z.shape[1])))


def synthetic_trap(name: str, z: Tensor) -> Trap:
    """Latents that no model made."""
    return Trap(name, measure_latents(z, StandardNormal(z.shape[1])), _size(Mardia(), z, StandardNormal(z.shape[1])))


def _size(statistic: Divergence, z: Tensor, prior: Prior) -> DetectionSize | None:
    """n* of at most 1500 latents; ``None`` where the statistic cannot be taken of them."""
    try:
        return divergences.detection_size(statistic, z[:_TESTED].float(), prior, draws=_DRAWS, progress=False)
    except LatherError:
        return None


def samples(size: DetectionSize | None) -> float:
    """n* as a number: infinite where nothing was seen, NaN where nothing was tested."""
    return math.nan if size is None else size.n
