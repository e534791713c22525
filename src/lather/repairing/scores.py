"""What is known of one candidate: how well it was fitted, and how it does on latents it never saw."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing import Bubbles, Interval
from lather.auditing.energy import energy_row
from lather.auditing.row import Row, judge
from lather.auditing.three_way import scores as home_scores
from lather.auditing.three_way import three_way_row
from lather.divergences.detection import DetectionSize
from lather.priors import Prior
from lather.repairing.copies import Copies, CopyCheck
from lather.repairing.gaps import GapBench, interval
from lather.repairing.material import Material
from lather.repairing.pool import Pool
from lather.train.seeds import seed_for

__all__ = ["Score", "score_prior"]

_STREAM = 10  # of random numbers
_TESTED = 1_500  # latents and draws that are compared
_BUBBLES = 5_000  # training posteriors that say how much at home a latent is


@dataclass(frozen=True)
class Score:
    """One row of the table.

    Args:
        name: of the candidate; ``"before"`` for what was drawn from so far.
        prior: what was fitted; ``None`` where it could not be, and then ``reason`` says why.
        choice: what held-out latents chose for it, such as the number of components.
        trials: what was seen with other choices.
        seconds: that the fit took.
        log_likelihood, error: mean log density at held-out latents, nats, and its standard error.
        own: the mean log density at the latents it was fitted to; far above ``log_likelihood`` if it learned them by
            heart.
        bound: whether densities are only bounded from below.
        tests: the energy test and the three-way test of held-out latents against its draws.
        copies: how near its draws come to the training latents.
        gap: the sampling gap with a 95% interval; ``None`` without decoder and data.
        each: log densities of the held-out latents, and
        splits: gaps of all re-splits, for comparing two candidates pair by pair.
        reason: why there is nothing else.
    """

    name: str
    prior: Prior | None = None
    choice: str = ""
    trials: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    log_likelihood: float | None = None
    error: float | None = None
    own: float | None = None
    bound: bool = False
    tests: dict[str, Row] = field(default_factory=dict)
    copies: Copies | None = None
    gap: Interval | None = None
    each: Float[Tensor, "b"] | None = field(default=None, repr=False, compare=False)
    splits: Float[Tensor, "s"] | None = field(default=None, repr=False, compare=False)
    reason: str | None = None

    @property
    def n_star(self) -> DetectionSize | None:
        """n*: how many held-out latents it takes to tell them from its draws, by the test that needs fewest."""
        sizes = [row.n_star for row in self.tests.values() if row.n_star is not None]
        return min(sizes, key=lambda size: size.n, default=None)

    @property
    def auc(self) -> float | None:
        """How often a held-out latent is more at home among the training latents than a draw; ½ if both are alike."""
        row = self.tests.get("three_way")
        return None if row is None else row.effect

    @property
    def memorises(self) -> bool:
        """Whether its draws lie nearer to the training latents than new latents do."""
        return self.copies is not None and self.copies.memorises

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        size = self.n_star
        return {
            "name": self.name,
            "prior": None if self.prior is None else repr(self.prior),
            "choice": self.choice,
            "trials": self.trials,
            "seconds": round(self.seconds, 2),
            "log_likelihood": self.log_likelihood,
            "log_likelihood_error": self.error,
            "log_likelihood_of_training_latents": self.own,
            "log_likelihood_is_bound": self.bound,
            "n_star": None if size is None else {"n": size.n if size.detected else None, "tested": size.tested},
            "auc": self.auc,
            "tests": [row.to_dict() for row in self.tests.values()],
            "copies": None if self.copies is None else {**vars(self.copies), "memorises": self.copies.memorises},
            "gap": None if self.gap is None else self.gap._asdict(),
            "reason": self.reason,
        }


@torch.no_grad()
def score_prior(
    blank: Score, prior: Prior, material: Material, check: CopyCheck, bench: GapBench | None, seed: int
) -> tuple[Score, Pool]:
    """Fill in ``blank`` for ``prior``, and the pool of draws that it was measured with.

    Args:
        blank: what is known from the fit.
        prior: the candidate.
        material: its held-out latents score.
        check: whether its draws replay the training data.
        bench: for the sampling gap, if it can be measured.
        seed: of draws and permutations.
    """
    started = time.perf_counter()
    pool = Pool(prior, _stream(seed, 0))
    z = material.scoring.double()
    generator = torch.Generator().manual_seed(_stream(seed, 1))
    draws = pool.sample(max(len(z), _TESTED), generator=_on(prior, _stream(seed, 2))).cpu().float()
    found: dict[str, Any] = {"prior": prior}
    if prior.density and prior.euclidean:
        each = prior.log_prob(material.scoring.to(prior.like)).double().cpu()
        own = prior.log_prob(material.train[:500].to(prior.like)).double().cpu()
        found |= {
            "each": each,
            "log_likelihood": float(each.mean()),
            "error": float(each.std()) / len(each) ** 0.5,
            "own": float(own.mean()),
        }
    rows = [energy_row(z[:_TESTED], pool, generator=_on(prior, _stream(seed, 3)))]
    if prior.density and prior.euclidean:
        some = torch.randperm(len(material.train), generator=generator)[:_BUBBLES]
        bubbles = Bubbles(material.anchors[some], None if material.std is None else material.std[some])
        home = home_scores(
            z[:_TESTED], bubbles, pool, generator=generator, prior_generator=_on(prior, _stream(seed, 4))
        )
        rows.append(three_way_row(home))
    found["tests"] = {row.key: row for row in judge(rows)}
    found["copies"] = check.of(draws)
    if bench is not None:
        splits = bench.of(draws)
        found |= {"splits": splits, "gap": interval(splits)}
    return replace(blank, **found, seconds=blank.seconds or time.perf_counter() - started), pool


def _stream(seed: int, part: int) -> int:
    """A seed far from those that people choose: latents may have been drawn from ``seed`` itself."""
    return seed_for(seed, _STREAM, part)


def _on(prior: Prior, seed: int) -> torch.Generator:
    return torch.Generator(device=prior.like.device).manual_seed(seed)
