"""What a comparison says, in sentences that follow from its numbers."""

from __future__ import annotations

from lather.comparing.columns import COLUMNS, Column
from lather.comparing.result import Comparison, Standing, Tuned
from lather.jobs.estimate import short

__all__ = ["caution", "conclusions", "tuning_words"]

_SUPERLATIVES = {
    "distortion": "least distortion",
    "n_star": "latents nearest to the prior (largest n*)",
    "gap": "smallest sampling gap",
    "generated": "generated data nearest to real ones",
}


def conclusions(comparison: Comparison) -> list[str]:
    """For each latent and column: who is best, and whether that is certain."""
    said = []
    for latent, rivals in comparison.groups().items():
        for one in COLUMNS:
            if one.key in _SUPERLATIVES and sum(standing.value(one) is not None for standing in rivals) > 1:
                where = f"At d = {latent}, " if len(comparison.groups()) > 1 else ""
                said.append(f"{where}{_SUPERLATIVES[one.key]}: {_who(comparison, one, rivals)}")
    return [sentence[0].upper() + sentence[1:] for sentence in said]


def _who(comparison: Comparison, column: Column, rivals: list[Standing]) -> str:
    sure = [standing for standing in comparison.best(column) if standing in rivals]
    if sure:
        return f"{sure[0].contender.name}, certainly (its interval is apart from all others)."
    sign = 1 if column.better == "lower" else -1
    order = sorted(
        (standing for standing in rivals if standing.value(column) is not None),
        key=lambda standing: sign * (standing.value(column) or 0.0),
    )
    first, ends = order[0], order[0].interval(column)
    if ends is None:
        return f"{first.contender.name}, but nothing is certain without intervals."
    near = []
    for other in order[1:]:
        found = other.interval(column)
        if found is None or (found[0] <= ends[1] and ends[0] <= found[1]):
            near.append(other.contender.name)
    if not near:
        return f"{first.contender.name}, as far as can be told."
    return f"{first.contender.name}; with these seeds it cannot be told from {', '.join(near)}."


def caution(comparison: Comparison) -> str | None:
    """What the number of seeds does not allow to say."""
    counts = {len(standing.finished) for standing in comparison.standings if standing.finished}
    if not counts:
        return None
    if max(counts) == 1:
        return (
            "One seed: no intervals. Another seed gives other numbers, and a difference between two recipes may be "
            "chance; --seeds 3 shows which are not."
        )
    words = "± and ranges: 95% intervals for the mean over seeds (Student’s t; n* on a logarithmic scale)."
    if min(counts) < 3:
        words += " With two seeds they are very wide: the factor is 12.7 in place of 4.3 with three."
    return words


def tuning_words(tuned: Tuned) -> str:
    """What a search found."""
    contender = tuned.contender
    found = (
        f"{contender.recipe}, d = {contender.dimensions}: {contender.tuned} = {short(tuned.value)} "
        f"(default {short(tuned.default)}) after {len(tuned.trials)} trials on validation data"
    )
    if tuned.met is False:
        return f"{found}; no trial reached the asked n*, this one comes nearest."
    return f"{found}."
