"""What the study of Gaussian latents keeps of its measurements: methods, draws, and how numbers go together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lather.studies.estimate import Estimate, estimate
from lather.studies.findings import Value
from lather.studies.latent_case import number
from lather.studies.match_case import MatchCase, Trap, samples
from lather.studies.relation import Relation, relation

__all__ = ["Drawn", "Method", "draw_rows", "drawn", "method", "method_rows", "relations", "trap_rows"]


@dataclass(frozen=True)
class Method:
    """One method over its seeds.

    Attributes:
        label, recipe: what it is.
        verdict: the worst verdict on the match with its prior, over seeds, from n* alone.
        n: n* against its own prior, by the test that needs fewest.
        normal: n* against N(0, I), for another prior after standardising.
        own: n* by the statistic it was trained on; no values where there is none.
        mardia: n* by Mardia's statistics.
        gap: the sampling gap.
        reconstruction: Fréchet distance of reconstructions from data.
        generated: that of what is drawn from the prior.
        auc, holes, strays, coverage: of the audit.
    """

    label: str
    recipe: str
    n: Estimate
    normal: Estimate
    own: Estimate
    mardia: Estimate
    gap: Estimate
    reconstruction: Estimate
    generated: Estimate
    auc: Estimate
    holes: Estimate
    strays: Estimate
    coverage: Estimate


@dataclass(frozen=True)
class Drawn:
    """The same latents and decoder, drawn from another prior.

    Attributes:
        label: of the method.
        gaps: sampling gap by what is drawn from: ``"before"`` is the model's own prior.
        sizes: n* against that prior, by the energy and the three-way test.
        normal: n* of the latents against N(0, I), which is the same for all.
    """

    label: str
    gaps: Mapping[str, Estimate]
    sizes: Mapping[str, Estimate]
    normal: Estimate


def method(label: str, recipe: str, cases: Sequence[MatchCase]) -> Method:
    """The estimates over the seeds of one method; at least one case."""

    def row(key: str) -> Estimate:
        return estimate([number(case.report, key) for case in cases])

    return Method(
        label,
        recipe,
        estimate([samples(case.report.detection_size) for case in cases]),
        estimate([samples(case.normal) for case in cases]),
        estimate([samples(case.own) for case in cases if case.own is not None]),
        estimate([samples(case.mardia) for case in cases if case.mardia is not None]),
        row("gap"),
        row("fidelity_reconstruction"),
        row("fidelity_prior"),
        row("three_way"),
        row("holes"),
        row("strays"),
        row("coverage"),
    )


def drawn(label: str, cases: Sequence[MatchCase]) -> Drawn | None:
    """What repairs found, over seeds; ``None`` where there was none."""
    found = [(case, case.repair) for case in cases if case.repair is not None]
    if not found:
        return None
    names = [str(score["name"]) for score in found[0][1].scores if score["gap"] is not None]

    def size(score: Mapping[str, object]) -> float:
        known = score["n_star"]
        if not isinstance(known, dict):
            return math.nan
        return math.inf if known["n"] is None else float(known["n"])

    return Drawn(
        label,
        {name: estimate([float(repair.score(name)["gap"]["value"]) for _, repair in found]) for name in names},
        {name: estimate([size(repair.score(name)) for _, repair in found]) for name in names},
        estimate([samples(case.normal) for case, _ in found]),
    )


def relations(cases: Mapping[str, Sequence[MatchCase]]) -> dict[str, Relation]:
    """Rank correlation, over all trainings, of the sampling gap with measures of mismatch.

    1: the worse the match, the larger the gap.
    """
    every = [case for found in cases.values() for case in found]
    gaps = [number(case.report, "gap") for case in every]
    measures = {
        "told from the prior sooner (1/n*)": [1 / samples(case.report.detection_size) for case in every],
        "told from a normal law sooner, shape alone (Mardia, 1/n*)": [1 / samples(case.mardia) for case in every],
        "mean and spread off (ladder 1 + 2)": [
            number(case.report, "ladder_1") + number(case.report, "ladder_2") for case in every
        ],
        "holes": [number(case.report, "holes") for case in every],
        "strays": [number(case.report, "strays") for case in every],
        "three-way AUC away from ½": [abs(number(case.report, "three_way") - 0.5) for case in every],
    }
    return {name: relation(values, gaps) for name, values in measures.items()}


def method_rows(methods: Sequence[Method]) -> list[Mapping[str, Value]]:
    """The table of methods."""
    return [
        {
            "method": one.label,
            "n* (its prior)": one.n,
            "n* (normal law)": one.normal,
            "n* (its own statistic)": one.own if one.own.values else None,
            "n* (Mardia)": one.mardia if one.mardia.values else None,
            "three-way AUC": one.auc,
            "holes": one.holes,
            "strays": one.strays,
            "reconstructions, Fréchet": one.reconstruction,
            "generated, Fréchet": one.generated,
            "sampling gap": one.gap,
        }
        for one in methods
    ]


def draw_rows(draws: Sequence[Drawn]) -> list[Mapping[str, Value]]:
    """The table of the same latents drawn from other priors."""
    return [
        {
            "method": one.label,
            "drawn from": "its own prior" if name == "before" else name,
            "n* of the latents (normal law)": one.normal,
            "n* (what is drawn from)": one.sizes[name],
            "sampling gap": gap,
        }
        for one in draws
        for name, gap in one.gaps.items()
    ]


def trap_rows(traps: Sequence[Trap]) -> list[Mapping[str, Value]]:
    """The table of latents that look normal by moments."""
    return [
        {
            "latents": trap.name,
            "mean: n*": _row(trap, "ladder_1"),
            "spread: n*": _row(trap, "ladder_2"),
            "Mardia: n*": samples(trap.mardia),
            "overall: n*": samples(trap.report.detection_size),
            "by": "–" if trap.report.telling is None else trap.report.telling.title,
            "sampling gap": None if math.isnan(number(trap.report, "gap")) else number(trap.report, "gap"),
        }
        for trap in traps
    ]


def _row(trap: Trap, key: str) -> float:
    return samples(trap.report.rows[key].n_star)
