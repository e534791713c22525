"""What became of the divergences that training held at a level, in words and numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing import Row
from lather.divergences import detection_size
from lather.models import Held
from lather.train import Run

__all__ = ["held_rows"]

_MOST = 4_000  # latents: the cost of n* grows with their square


def held_rows(run: Run, z: Float[Tensor, "n d"]) -> list[Row]:
    """A row for each :class:`~lather.Held` divergence of a run: what was asked, what held-out latents show, and why.

    The effect is z, the mean over batches of the size trained with, in standard deviations of the null; n* is that of
    the divergence itself. No p-value, because training saw to this number: other rows test it with others.

    Args:
        run: trained.
        z: latents of held-out data in random order, for consecutive ones may be alike (MNIST's come by writer).
    """
    rows = [row for row in run.metrics if row["split"] == "validation"]
    batch = int(run.config["training"]["batch_size"])
    return [_row(name, term, z, run, rows, batch) for name, term in run.model.objective.held().items()]


@torch.no_grad()
def _row(name: str, term: Held, z: Tensor, run: Run, rows: Sequence[Mapping[str, Any]], batch: int) -> Row:
    prior, divergence = run.model.prior, term.divergence
    batch = min(batch, len(z))
    null, level = divergence.null(prior, batch), term.level(prior, batch)
    generator = torch.Generator(device=z.device).manual_seed(0)
    parts = [part for part in z.split(batch) if len(part) == batch]
    scores = [null.zscore(divergence(part, prior, generator=generator)) for part in parts]
    mean = sum(scores) / len(scores)
    # a batch's z scatters by 1 for true prior samples, and by more the further the latents are from the prior
    scatter = max(1.0, statistics.stdev(scores)) if len(scores) > 1 else 1.0
    error = scatter / math.sqrt(len(scores))
    size = detection_size(divergence, z[:_MOST], prior)
    reached = mean - 1.645 * error <= level
    asked = f"n* of {term.detection_size}" if term.detection_size is not None else f"z of {term.z:g}"
    if term.samples is not None:
        asked += f" for {term.samples} latents"
    words = [
        f"Asked: {asked}, which is z = {level:.2g} in batches of {batch}. Held-out latents show z = {mean:.2g} ± "
        f"{1.96 * error:.1g}; by this divergence it takes {size} of them to see the difference."
    ]
    if not reached:
        validated = rows[-1].get(f"{name}_z", math.nan) if rows else math.nan
        words += [*_why(term, level, error, validated), _frontier(rows, name)]
    return Row(
        key="held" if name == "match" else f"held_{name.removeprefix('match_')}",
        title=f"held while training: {divergence!r}",
        effect=mean,
        null=level,
        low=mean - 1.96 * error,
        high=mean + 1.96 * error,
        n_star=size,
        verdict="green" if reached else "amber",
        meaning=" ".join(words),
        remedy="" if reached else "Train longer, on more data or with more latent dimensions, or ask for less.",
        details={"weight": term.multiplier.weight, "level": level, "batches": len(scores), "reached": reached},
    )


def _why(term: Held, level: float, error: float, validated: float) -> list[str]:
    multiplier = term.multiplier
    tried, before, after = multiplier.tried
    if validated <= level:
        return [
            f"On validation data, which were set aside from the training data, z was {validated:.2g}: the held-out "
            "data are not quite of the same kind."
        ]
    words = []
    if tried:
        words.append(
            f"Raising the weight from {tried / 2:.3g} to {tried:.3g} took z from {before:.2g} to {after:.2g} only, so "
            "it was taken back."
        )
    elif multiplier.excess > level:
        words.append(f"The weight, {multiplier.weight:.3g} at the end, was still rising: more epochs may get there.")
    if multiplier.shift > max(level / 2, error):
        words.append(
            f"Held-out latents are {multiplier.shift:.2g} further from the prior than those trained on, which no "
            "weight can change; more data can."
        )
    return words


def _frontier(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The epochs that no other one beat both in distortion and in z, most distorted last."""
    points = sorted((row["reconstruction"], row[f"{name}_z"]) for row in rows if f"{name}_z" in row)
    best: list[tuple[float, float]] = []
    for distortion, z in points:
        if not best or z < best[-1][1]:
            best.append((distortion, z))
    told = "; ".join(f"{z:.2g} at distortion {distortion:.4g}" for distortion, z in best[:6])
    return f"The frontier that training saw on validation data: z of {told}." if told else ""
