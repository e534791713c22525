"""A comparison: every run, and for each contender what its seeds say together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lather.auditing import Report
from lather.auditing.summary import VERDICTS
from lather.comparing.columns import COLUMNS, Column
from lather.comparing.contender import Contender
from lather.comparing.size import Size, size_over_seeds
from lather.divergences import DetectionSize
from lather.jobs.estimate import Estimate, estimate, short

__all__ = ["Comparison", "Run", "Standing", "Tuned", "read_run"]

SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        contender: what was trained.
        seed: of weights, batches and noise.
        path: its run directory.
        error: why it failed, in one line; ``None`` where it is finished, and then the others are not.
        n_star: of the headline of its report.
        verdict: of its report, green, amber or red.
        values: distortion, gap, generated, seconds; ``None`` where the report lacks it.
    """

    contender: Contender
    seed: int
    path: Path
    error: str | None = None
    n_star: DetectionSize | None = None
    verdict: str | None = None
    values: Mapping[str, float | None] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """A flat row for CSV, Parquet and JSON. ``n_star`` is empty where no test saw a difference in ``tested``."""
        size = self.n_star
        return {
            "contender": self.contender.name,
            "recipe": self.contender.recipe,
            "latent": self.contender.dimensions,
            "d": math.prod(self.contender.latent),
            "seed": self.seed,
            "run": self.path.name,
            **{key: self.values.get(key) for key in ("distortion", "gap", "generated", "seconds")},
            "n_star": size.n if size is not None and size.detected else None,
            "tested": size.tested if size is not None else None,
            "verdict": self.verdict,
            "error": self.error,
        }


def read_run(contender: Contender, seed: int, path: Path) -> Run:
    """A finished run, by its report."""
    report = Report.load(path)
    rows = {"distortion": "reconstruction_error", "gap": "gap", "generated": "fidelity_prior"}
    values = {key: report.rows[row].effect if row in report.rows else None for key, row in rows.items()}
    values["seconds"] = report.context.get("seconds")
    return Run(contender, seed, path, None, report.detection_size, report.verdict, values)


@dataclass(frozen=True)
class Standing:
    """A contender with all of its runs."""

    contender: Contender
    runs: Sequence[Run]

    @property
    def finished(self) -> list[Run]:
        """The runs that did not fail."""
        return [run for run in self.runs if run.error is None]

    @cached_property
    def n_star(self) -> Size | None:
        """n* over seeds."""
        return size_over_seeds(run.n_star for run in self.finished if run.n_star is not None)

    def estimate(self, key: str) -> Estimate:
        """A number over seeds: mean and Student's t interval."""
        values = [run.values.get(key) for run in self.finished]
        return estimate(value for value in values if value is not None)

    def interval(self, column: Column) -> tuple[float, float] | None:
        """The 95% interval of a column, ``None`` where there is none."""
        if column.key == "n_star":
            size = self.n_star
            return None if size is None or size.low is None or size.high is None else (size.low, size.high)
        found = self.estimate(column.key)
        return None if math.isnan(found.high) else (found.low, found.high)

    def value(self, column: Column) -> float | None:
        """The number of a column, for sorting and plots."""
        if column.key == "n_star":
            return None if self.n_star is None else self.n_star.n
        mean = self.estimate(column.key).mean
        return None if math.isnan(mean) else mean

    def text(self, column: Column) -> str:
        """The number of a column with its interval, for people."""
        if column.key == "n_star":
            return "–" if self.n_star is None else str(self.n_star)
        found = self.estimate(column.key)
        return str(found) if math.isnan(found.high) else " ± ".join(_rounded(found.mean, found.half))

    @property
    def verdict(self) -> str:
        """The verdicts of all seeds: ``"✕ red"``, or ``"✕ red 2, ▲ amber 1"``."""
        counts = Counter(run.verdict for run in self.finished)
        told = [(VERDICTS[name], name, counts[name]) for name in ("red", "amber", "green", "grey") if counts[name]]
        if len(told) == 1:
            return f"{told[0][0]} {told[0][1]}"
        return ", ".join(f"{sign} {name} {count}" for sign, name, count in told) or "–"

    def to_dict(self) -> dict[str, Any]:
        """A flat row: means, and where there are several seeds the ends of their intervals."""
        row: dict[str, Any] = {
            "contender": self.contender.name,
            "recipe": self.contender.recipe,
            "latent": self.contender.dimensions,
            "d": math.prod(self.contender.latent),
            "seeds": len(self.finished),
            "failed": len(self.runs) - len(self.finished),
        }
        for one in COLUMNS:
            low, high = self.interval(one) or (None, None)
            row |= {one.key: self.value(one), f"{one.key}_low": low, f"{one.key}_high": _finite(high)}
        return {**row, "n_star_unseen": self.n_star.at_least if self.n_star else None, "verdict": self.verdict}


@dataclass(frozen=True)
class Tuned:
    """What a search for an option found.

    Attributes:
        contender: with the value that was found.
        value: of the option.
        default: the recipe's own.
        score: of the value, on validation data; the smaller the better.
        met: whether the asked n* was reached on validation data; ``None`` where none was asked for.
        trials: (value, score) of every finished trial, score ``None`` where it failed.
    """

    contender: Contender
    value: float
    default: float
    score: float
    met: bool | None
    trials: Sequence[tuple[float, float | None]]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "recipe": self.contender.recipe,
            "latent": self.contender.dimensions,
            "option": self.contender.tuned,
            "value": self.value,
            "default": self.default,
            "score": self.score,
            "met": self.met,
            "trials": [list(trial) for trial in self.trials],
        }


@dataclass(frozen=True)
class Comparison:
    """What :func:`lather.compare` found.

    Attributes:
        path: the directory that holds everything.
        data: name of the data.
        standings: one for each recipe and latent, in the order asked for.
        tuned: what was tuned, if anything.
        notes: sentences that belong to the result.
    """

    path: Path
    data: str
    standings: Sequence[Standing]
    tuned: Sequence[Tuned] = ()
    notes: Sequence[str] = ()

    @property
    def runs(self) -> list[Run]:
        """All runs."""
        return [run for standing in self.standings for run in standing.runs]

    @property
    def failed(self) -> list[Run]:
        """The runs that failed."""
        return [run for run in self.runs if run.error is not None]

    @property
    def seeds(self) -> int:
        """Trainings of each contender, failed ones included."""
        return max((len(standing.runs) for standing in self.standings), default=0)

    def groups(self) -> dict[str, list[Standing]]:
        """Standings by latent; only within one are they rivals."""
        found: dict[str, list[Standing]] = {}
        for standing in self.standings:
            found.setdefault(standing.contender.dimensions, []).append(standing)
        return found

    def best(self, column: Column) -> list[Standing]:
        """Of each latent the one that is certainly best: its interval is apart from that of every rival."""
        found = []
        for rivals in self.groups().values():
            ends = [(standing, standing.interval(column)) for standing in rivals]
            known = [(standing, end) for standing, end in ends if end is not None]
            if column.better is None or len(known) < 2 or len(known) < len([s for s in rivals if s.finished]):
                continue
            for standing, (low, high) in known:
                others = [end for other, end in known if other is not standing]
                if all(high < end[0] if column.better == "lower" else low > end[1] for end in others):
                    found.append(standing)
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "schema": SCHEMA,
            "data": self.data,
            "columns": {one.key: {"better": one.better, "meaning": one.meaning} for one in COLUMNS},
            "runs": [run.to_dict() for run in self.runs],
            "means": [
                {**standing.to_dict(), "best": [one.key for one in COLUMNS if standing in self.best(one)]}
                for standing in self.standings
            ],
            "tuned": [one.to_dict() for one in self.tuned],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        from lather.comparing.table import plain

        return plain(self)


def _rounded(mean: float, half: float) -> tuple[str, str]:
    """Half an interval with two figures, and the mean with as many decimals.

    Example:
        >>> _rounded(0.25123, 0.0108), _rounded(284.3, 142.8), _rounded(3.0, 0.0)
        (('0.251', '0.011'), ('284', '143'), ('3', '0'))
    """
    if half <= 0 or not math.isfinite(mean):
        return short(mean), short(half)
    decimals = min(max(1 - math.floor(math.log10(half)), 0), 8)
    return f"{mean:.{decimals}f}", f"{half:.{decimals}f}"


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
