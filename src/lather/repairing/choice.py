"""Which candidate to draw from: a rule that can be said in three sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lather.errors import DataError
from lather.repairing.scores import Score

__all__ = ["RULE", "choose", "improves"]

RULE = (
    "Candidates whose draws lie nearer to the training data than new data do, before or after decoding, are left out, "
    "for they replay the training data. Of the others the smallest sampling gap counts; candidates whose gap is not "
    "certainly larger (two standard errors of the difference on the same re-splits) tie. Among ties, and without a "
    "decoder, the greatest log-likelihood of held-out latents decides."
)


def choose(scores: Sequence[Score]) -> Score:
    """The winner by :data:`RULE`.

    Raises:
        DataError: nothing could be fitted, or everything that was fitted memorises.
    """
    fitted = [score for score in scores if score.prior is not None]
    if not fitted:
        reasons = "; ".join(f"{score.name}: {score.reason}" for score in scores)
        raise DataError(f"no candidate could be fitted to these latents ({reasons})")
    honest = [score for score in fitted if not score.memorises]
    if not honest:
        raise DataError(
            f"every candidate ({', '.join(score.name for score in fitted)}) replays the training data: its draws "
            "lie nearer to them than held-out latents do. Try others, encode more training data, or check that the "
            "held-out latents come from the same encoder"
        )
    best = min(honest, key=lambda score: math.inf if score.gap is None else score.gap.value)
    ties = [score for score in honest if score is best or not certainly_larger_gap(score, best)]
    return max(ties, key=lambda score: -math.inf if score.log_likelihood is None else score.log_likelihood)


def certainly_larger_gap(score: Score, other: Score) -> bool:
    """Whether the sampling gap of ``score`` exceeds that of ``other`` by two standard errors; ``False`` if unknown."""
    if score.splits is None or other.splits is None:
        return False
    difference = score.splits - other.splits
    return float(difference.mean()) > 2 * float(difference.std()) / math.sqrt(2)


def improves(winner: Score, before: Score) -> bool:
    """Whether drawing from ``winner`` is certainly better than what was done before: a smaller gap, else more
    likely."""
    if winner.splits is not None and before.splits is not None:
        return certainly_larger_gap(before, winner)
    if winner.each is None or before.each is None:
        return True
    gain = winner.each - before.each
    return float(gain.mean()) > 2 * float(gain.std()) / math.sqrt(len(gain))
