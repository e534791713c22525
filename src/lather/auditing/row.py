"""One line of a report: a number, what it would be if all were well, and what it means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lather.divergences.detection import DetectionSize
from lather.errors import RunError

__all__ = ["GREEN_FROM", "LEVEL", "RED_BELOW", "Row", "Verdict", "judge", "worst"]

Verdict = Literal["green", "amber", "red", "grey"]

LEVEL = 0.05  #: family-wise error rate of a report's tests
RED_BELOW = 250  #: samples; a difference that shows in fewer is visible to anyone who looks
GREEN_FROM = 5_000  #: samples; a difference that needs this many is real, and rarely matters


@dataclass(frozen=True)
class Row:
    """A measurement.

    Args:
        key: stable name, ``"ladder_2"`` say.
        title: what is measured, in a few words.
        effect: the estimate, or ``None`` where it could not be computed.
        null: the value that perfect latents (or, for images, other real data) stay below 95 times in 100; above, where
            ``details["more_is_better"]`` says so.
        z: the effect in standard deviations of its null distribution.
        p: probability of an effect at least as large under the null; never 0.
        p_is_bound: ``p`` is an upper bound, to be read as "p ≤".
        p_adjusted: ``p`` adjusted by Holm's method for the number of tests in the report.
        low, high: an approximate 95% interval for the effect.
        n_star: samples needed to see the difference.
        verdict: green, amber or red; grey for what is only described, or could not be computed.
        meaning: one sentence for someone who has never heard of the test.
        all_clear: what ``meaning`` becomes if the test finds nothing once all tests are counted.
        remedy: one sentence on what to do; empty where nothing needs doing.
        reason: why the row could not be computed; ``None`` where it was.
        details: further numbers, JSON-ready.
        headline: whether it compares held-out latents with the prior, so that its ``n_star`` may be the report's.
    """

    key: str
    title: str
    effect: float | None = None
    null: float | None = None
    z: float | None = None
    p: float | None = None
    p_is_bound: bool = False
    p_adjusted: float | None = None
    low: float | None = None
    high: float | None = None
    n_star: DetectionSize | None = None
    verdict: Verdict = "grey"
    meaning: str = ""
    all_clear: str = ""
    remedy: str = ""
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    headline: bool = True

    @property
    def computed(self) -> bool:
        """Whether there is a number."""
        return self.reason is None

    def p_text(self) -> str:
        """The p-value for people: ``p = 0.23``, ``p ≤ 0.0005``.

        Example:
            >>> Row("x", "x", p=1e-16, p_is_bound=True).p_text()
            'p ≤ 1e-16'
        """
        if self.p is None:
            return ""
        return f"p {'≤' if self.p_is_bound else '='} {self.p:.2g}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: infinities become ``None`` beside ``"detected": false``."""
        out = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "n_star"}
        size = self.n_star
        out["n_star"] = size and {
            "n": _finite(size.n),
            "low": _finite(size.low),
            "high": _finite(size.high),
            "tested": size.tested,
            "detected": size.detected,
        }
        return out

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Row:
        """Undo :meth:`to_dict`.

        Raises:
            RunError: fields that are missing, unknown, or of another type than :meth:`to_dict` writes.
        """
        try:
            size = data["n_star"]
            if size is not None:
                n, low, high = (math.inf if size[k] is None else float(size[k]) for k in ("n", "low", "high"))
                size = DetectionSize(n, low, high, int(size["tested"]))
            row = cls(**{**data, "n_star": size})
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RunError(f"a row of the report is damaged ({error}); measure the run again") from error
        for names, right, what in _FIELDS:
            for name in names:
                if not right(getattr(row, name)):
                    raise RunError(
                        f"a row of the report is damaged: {name} is {getattr(row, name)!r:.80}, and should be {what}; "
                        "measure the run again"
                    )
        return row


def judge(rows: Sequence[Row]) -> list[Row]:
    """Adjust the p-values of all tests among ``rows`` (Holm) and give each test its colour.

    Green: no difference at the family-wise level 0.05, or one that needs 5000 samples or more to show. Red: a
    difference that fewer than 250 samples show. Amber: anything between. Rows without ``n_star`` keep theirs.
    A test that finds nothing once all tests are counted says so in its ``n_star`` and ``meaning``; a green row
    needs no remedy.
    """
    tests = sorted((i for i, row in enumerate(rows) if row.p is not None), key=lambda i: rows[i].p or 0.0)
    out = list(rows)
    running = 0.0
    for rank, i in enumerate(tests):
        row = rows[i]
        running = max(running, min(1.0, (len(tests) - rank) * (row.p or 0.0)))
        row = replace(row, p_adjusted=running)
        if row.n_star is not None and running > LEVEL:
            tested = row.n_star.tested
            none = DetectionSize(math.inf, float(tested), math.inf, tested)
            row = replace(row, n_star=none, verdict="green", meaning=row.all_clear or row.meaning)
        elif row.n_star is not None:
            n = row.n_star.n
            row = replace(row, verdict="red" if n < RED_BELOW else "amber" if n < GREEN_FROM else "green")
        out[i] = row
    return [replace(row, remedy="") if row.verdict == "green" else row for row in out]


def worst(rows: Sequence[Row]) -> Verdict:
    """The worst colour among ``rows``; grey only if none has a colour."""
    order: tuple[Verdict, ...] = ("red", "amber", "green")
    return next((colour for colour in order if any(row.verdict == colour for row in rows)), "grey")


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


#: what the fields of a row that is read must be: names, test, and the words for it
_FIELDS: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("key", "title", "meaning", "all_clear", "remedy"), lambda value: isinstance(value, str), "text"),
    (("effect", "null", "z", "p", "p_adjusted", "low", "high"), _number, "a number or null"),
    (("p_is_bound", "headline"), lambda value: isinstance(value, bool), "true or false"),
    (("verdict",), lambda value: value in ("green", "amber", "red", "grey"), "green, amber, red or grey"),
    (("reason",), lambda value: value is None or isinstance(value, str), "text or null"),
    (("details",), lambda value: isinstance(value, dict), "an object"),
)


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None
