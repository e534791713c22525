"""All rows that need the posteriors behind the latents, or the reasons why they could not be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.bubbles import Bubbles
from lather.auditing.inputs import FEWEST
from lather.auditing.rate import overlap_row, rate_budget, rate_row
from lather.auditing.regions import crowding_row, holes_row
from lather.auditing.row import Row
from lather.auditing.slices import signal_directions, signal_row
from lather.auditing.three_way import Scores, memorisation_row, scores, three_way_row
from lather.auditing.two_draw import two_draw_row
from lather.priors.base import Prior

__all__ = ["PosteriorSide", "posterior_side"]

_TITLES = {
    "rate": "rate budget",
    "overlap": "outside the training posteriors",
    "three_way": "at home among the training data",
    "holes": "prior draws where no data lie",
    "crowding": "data where prior draws are rare",
    "memorisation": "training data against held-out data",
}
_NO_POSTERIORS = "it needs posteriors: means and standard deviations, or those of training data"


@dataclass(frozen=True)
class PosteriorSide:
    """Rows by key, and the scores behind them where there are any."""

    rows: dict[str, Row]
    scores: Scores | None

    def get(self, *keys: str) -> Sequence[Row]:
        """Rows in the order asked for."""
        return [self.rows[key] for key in keys]


def posterior_side(
    z: Float[Tensor, "n d"],
    prior: Prior,
    training: Bubbles | None,
    means: Float[Tensor, "n d"] | None,
    stds: Float[Tensor, "n d"] | None,
    *,
    generator: torch.Generator,
    prior_generator: torch.Generator,
) -> PosteriorSide:
    """Rows ``rate``, ``overlap``, ``two_draw``, ``three_way``, ``holes``, ``crowding``, ``memorisation``, ``signal``.

    Args:
        z: held-out latents in random order, one for each datum.
        prior: what they are compared with.
        training: posteriors of training data; without them, posteriors of one half of the latents (or these themselves)
            are what the other half is scored on, and the rate budget is that of all posteriors.
        means, stds: held-out posteriors, in the order of ``z``.
        generator: on the CPU.
        prior_generator: on the prior's device.
    """
    rows: dict[str, Row] = {}
    found: Scores | None = None
    missing = _missing(z, training, stds, prior)
    if missing is None:
        found = _scores(z, prior, training, means, stds, generator, prior_generator)
        for row in (
            three_way_row(found),
            holes_row(found, generator=generator),
            crowding_row(found, generator=generator),
        ):
            rows[row.key] = row
    else:
        rows = {key: Row(key, _TITLES[key], reason=missing) for key in ("three_way", "holes", "crowding")}
    every = Bubbles(means, stds) if training is None and means is not None and stds is not None else training
    no_rate = missing or (_NO_POSTERIORS if every is None else None)
    if every is not None and found is not None:
        budget = rate_budget(every, prior, generator=generator)
        rows["rate"] = rate_row(budget)
        rows["overlap"] = overlap_row(budget, found.own, found.held_out, found.prior)
    else:
        rows |= {key: Row(key, _TITLES[key], reason=no_rate) for key in ("rate", "overlap")}
    if training is None or found is None:
        reason = missing or "no latents were told apart as those of training data and of held-out data"
        rows["memorisation"] = Row("memorisation", _TITLES["memorisation"], reason=reason, headline=False)
    else:
        rows["memorisation"] = memorisation_row(found)
    rows["two_draw"] = _two_draws(z, means, stds, prior, generator)
    rows["signal"] = _signal(z, training, means, stds, prior, prior_generator)
    return PosteriorSide(rows, found)


def _scores(
    z: Tensor,
    prior: Prior,
    training: Bubbles | None,
    means: Tensor | None,
    stds: Tensor | None,
    generator: torch.Generator,
    prior_generator: torch.Generator,
) -> Scores:
    """Where nothing is told apart as training data, the first half is the landscape and the second is scored on it."""
    if training is not None:
        return scores(z, training, prior, generator=generator, prior_generator=prior_generator)
    half = len(z) // 2
    own = Bubbles(z[:half]) if means is None or stds is None else Bubbles(means[:half], stds[:half])
    return scores(z[half:], own, prior, set_aside=False, generator=generator, prior_generator=prior_generator)


def _missing(z: Tensor, training: Bubbles | None, stds: Tensor | None, prior: Prior) -> str | None:
    if training is None and len(z) < 2 * FEWEST:
        return f"{len(z)} latents are too few to score one half on the other; {2 * FEWEST} are needed"
    if not (prior.density and prior.euclidean):
        return f"{prior!r} has no density in the space of the latents"
    if prior.bounded and (stds is not None or (training is not None and training.std is not None)):
        return f"Gaussian posteriors reach beyond {prior!r}, so that their rate against it is infinite"
    return None


def _two_draws(z: Tensor, means: Tensor | None, stds: Tensor | None, prior: Prior, generator: torch.Generator) -> Row:
    if means is None or stds is None:
        reason = "a second draw needs posterior means and standard deviations; points have no spread to draw from"
        return Row("two_draw", "two draws for one datum", reason=reason, headline=False)
    again = means + stds * torch.randn(means.shape, generator=generator, dtype=torch.float64)
    return two_draw_row(z, again, prior)


def _signal(
    z: Tensor,
    training: Bubbles | None,
    means: Tensor | None,
    stds: Tensor | None,
    prior: Prior,
    generator: torch.Generator,
) -> Row:
    """Directions from training data; without them, from half of the held-out data, and the other half is tested."""
    if training is not None:
        directions, ratios = signal_directions(training.mean, training.std)
    elif len(z) >= 40:
        half = len(z) // 2
        first = (z if means is None else means)[:half]
        directions, ratios = signal_directions(first, None if stds is None else stds[:half])
        z = z[half:]
    else:
        reason = f"{len(z)} latents are too few to choose directions on one half and test the other; 40 are needed"
        return Row("signal", "worst direction that carries signal", reason=reason)
    return signal_row(z, directions, ratios, prior, generator=generator)
