"""One line for each latent size: every number as an estimate over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lather.studies.estimate import Estimate, estimate
from lather.studies.findings import Value
from lather.studies.latent_case import LatentCase, number
from lather.studies.sources import AGGREGATE, AROUND, PRIOR, REPAIRED

__all__ = ["Line", "line_of", "match_rows", "number_rows", "source_rows"]


@dataclass(frozen=True)
class Line:
    """What was measured at one latent size.

    Attributes:
        label: as tables write it, ``"32"`` or ``"8×8×64"``.
        d: numbers in a latent.
        rate, log_n, mi: the rate budget in nats.
        regime: covering, between or packing.
        centre, width: root mean square of μ, mean of σ.
        idle: coordinates that say next to nothing.
        passing: share of coordinates that pass as N(0, 1).
        variation: TV of the union of training bubbles from N(0, I).
        own_inside, held_out_inside, prior_inside: shares where that union is denser than N(0, I).
        auc, holes, n_star, gap: of the audit.
        reconstruction: its error.
        distances: Fréchet distance from data by source.
    """

    label: str
    d: int
    rate: Estimate
    log_n: float
    mi: Estimate
    regime: str
    centre: Estimate
    width: Estimate
    idle: Estimate
    passing: Estimate
    variation: Estimate
    own_inside: Estimate
    held_out_inside: Estimate
    prior_inside: Estimate
    auc: Estimate
    holes: Estimate
    n_star: Estimate
    gap: Estimate
    reconstruction: Estimate
    distances: Mapping[str, Estimate]

    @property
    def per_dimension(self) -> float:
        """Mean KL of a coordinate, nats."""
        return self.rate.mean / self.d


def line_of(label: str, cases: Sequence[LatentCase]) -> Line:
    """The estimates over the seeds of one size; at least one case."""
    rates = [case.report.rows["rate"].details for case in cases]

    def over(measure: Callable[[LatentCase], float]) -> Estimate:
        return estimate([measure(case) for case in cases])

    names = [name for name in cases[0].distances if all(name in case.distances for case in cases)]
    regimes = {str(rate["regime"]) for rate in rates}
    return Line(
        label,
        cases[0].d,
        estimate([float(rate["R"]) for rate in rates]),
        float(rates[0]["log_n"]),
        estimate([float(rate["mi"]) for rate in rates]),
        regimes.pop() if len(regimes) == 1 else "between",
        over(lambda case: case.marginals.centre),
        over(lambda case: case.marginals.width),
        over(lambda case: float(case.marginals.idle)),
        over(lambda case: case.marginals.pass_rate),
        over(lambda case: case.union.variation),
        over(lambda case: case.union.own),
        over(lambda case: case.union.held_out),
        over(lambda case: case.union.prior),
        over(lambda case: number(case.report, "three_way")),
        over(lambda case: number(case.report, "holes")),
        over(lambda case: math.nan if case.report.detection_size is None else case.report.detection_size.n),
        over(lambda case: number(case.report, "gap")),
        over(lambda case: number(case.report, "reconstruction_error")),
        {name: estimate([case.distances[name] for case in cases]) for name in names},
    )


def number_rows(lines: Sequence[Line]) -> list[Mapping[str, Value]]:
    """The table of latent sizes."""
    return [
        {
            "latent": line.label,
            "rate R (nats)": line.rate,
            "log N": line.log_n,
            "regime": line.regime,
            "R per coordinate": line.per_dimension,
            "RMS of μ": line.centre,
            "mean σ": line.width,
            "idle coordinates": line.idle,
            "coordinates that pass as N(0, 1)": line.passing,
            "reconstruction error": line.reconstruction,
        }
        for line in lines
    ]


def match_rows(lines: Sequence[Line]) -> list[Mapping[str, Value]]:
    """The table of how well latents and prior agree, and what it costs."""
    return [
        {
            "latent": line.label,
            "n*": line.n_star,
            "three-way AUC": line.auc,
            "holes": line.holes,
            "TV of the union": line.variation,
            "training data inside": line.own_inside,
            "new data inside": line.held_out_inside,
            "prior draws inside": line.prior_inside,
            "sampling gap": line.gap,
        }
        for line in lines
    ]


def source_rows(lines: Sequence[Line]) -> list[Mapping[str, Value]]:
    """The table of Fréchet distances by what was decoded."""
    names = ("reconstruction", "posteriors", AROUND, PRIOR, AGGREGATE, REPAIRED)
    return [{"latent": line.label, **{name: line.distances.get(name) for name in names}} for line in lines]
