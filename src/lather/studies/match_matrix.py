"""Which statistic each method satisfies, and which it fails: n* for every pair."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lather.auditing.row import GREEN_FROM, RED_BELOW, Verdict
from lather.studies.match_case import MatchCase, samples

__all__ = ["COLUMNS", "TRAINED_ON", "Cell", "matrix"]

#: columns by key: rows of the audit, and the two that studies add
COLUMNS: dict[str, str] = {
    "own": "its own\nstatistic",
    "ladder_1": "mean",
    "ladder_2": "spread",
    "ladder_3": "lopsided",
    "ladder_4": "tails",
    "mardia": "Mardia",
    "radius": "radius",
    "pair_distance": "pair\ndistances",
    "energy": "energy",
    "mmd_small": "clumps",
    "per_axis": "worst\naxis",
    "signal": "signal\naxes",
    "three_way": "three-\nway",
    "holes": "holes",
    "crowding": "crowding",
    "strays": "strays",
}

#: rows of the audit that are the very statistic a recipe is trained on
TRAINED_ON: dict[str, tuple[str, ...]] = {"gae": ("radius", "pair_distance"), "energy-ae": ("energy",)}


@dataclass(frozen=True)
class Cell:
    """One method, one statistic.

    Attributes:
        n: median n* over seeds; infinite where nothing was seen, NaN where it was not tested.
        verdict: the audit's colours for that n*.
        trained: whether the method was trained on this statistic.
    """

    n: float
    verdict: Verdict
    trained: bool = False


def matrix(cases: Mapping[str, Sequence[MatchCase]], recipes: Mapping[str, str]) -> dict[str, dict[str, Cell]]:
    """Label → column → cell.

    Args:
        cases: trainings by label.
        recipes: recipe by label.
    """
    return {
        label: {
            key: _cell(
                [_n(case, key) for case in found],
                trained=key == "own" or key in TRAINED_ON.get(recipes.get(label, ""), ()),
            )
            for key in COLUMNS
        }
        for label, found in cases.items()
    }


def _n(case: MatchCase, key: str) -> float:
    if key in ("own", "mardia"):
        return samples(case.own if key == "own" else case.mardia)
    row = case.report.rows.get(key)
    return math.nan if row is None or not row.computed else samples(row.n_star)


def _cell(values: Sequence[float], *, trained: bool) -> Cell:
    known = sorted(value for value in values if not math.isnan(value))
    if not known:
        return Cell(math.nan, "grey", False)
    n = known[(len(known) - 1) // 2]
    return Cell(n, "red" if n < RED_BELOW else "amber" if n < GREEN_FROM else "green", trained)
