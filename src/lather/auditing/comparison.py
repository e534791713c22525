"""Two or more reports row by row: the same measurement side by side, and which is better for certain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lather.auditing.groups import Group, grouped
from lather.auditing.report import Report
from lather.auditing.row import Row
from lather.auditing.scales import scale_of
from lather.auditing.views import RowView, row_view, sentence_case
from lather.errors import DataError

__all__ = ["ComparedGroup", "ComparedRow", "better", "check_names", "compared", "conclusion", "differences"]

ALIKE = "no clear difference"


@dataclass(frozen=True)
class ComparedRow:
    """One measurement in every report.

    Args:
        key, title: of the row.
        views: the row in each report; ``None`` where a report does not have it.
        best: which report is better beyond the noise, counted from 0; ``None`` where none is.
        words: the same in words: a name, "no clear difference", or nothing where better has no meaning,
            as for pictures of different data.
    """

    key: str
    title: str
    views: tuple[RowView | None, ...]
    best: int | None
    words: str


@dataclass(frozen=True)
class ComparedGroup:
    """One question and its measurements."""

    group: Group
    number: int
    rows: tuple[ComparedRow, ...]


def compared(reports: Sequence[Report], names: Sequence[str]) -> list[ComparedGroup]:
    """All rows of all reports under the questions of a report.

    Args:
        reports: two or more.
        names: what to call them, in the same order.

    Raises:
        DataError: fewer than two reports, or not one name for each.
    """
    check_names(reports, names)
    first: dict[str, Row] = {}
    for report in reports:
        for key, row in report.rows.items():
            first.setdefault(key, row)
    return [
        ComparedGroup(group, number, tuple(_compared(row.key, row.title, reports, names) for row in rows))
        for number, (group, rows) in enumerate(grouped(first.values()), 1)
    ]


def better(rows: Sequence[Row | None]) -> int | None:
    """Which row is better than all others, beyond the noise; ``None`` where that cannot be said.

    Rows with n* are compared by its interval, from ``low`` to ``high`` (of a difference that was not seen, from the
    number of samples tested to infinity); more is better. Others by the interval of the effect, or by the effect
    itself where it has none, in the direction that is better for its kind. Of overlapping intervals none is better.

    Example:
        >>> a, b = (Row("gap", "gap", effect=e, low=e - 1, high=e + 1) for e in (10.0, 20.0))
        >>> better([a, b]), better([a, a])
        (0, None)
    """
    ranges = [_range(row) for row in rows]
    if len(ranges) < 2 or any(found is None for found in ranges):
        return None
    known = [found for found in ranges if found is not None]
    for i, (low, _) in enumerate(known):
        if all(low > high for j, (_, high) in enumerate(known) if j != i):
            return i
    return None


def conclusion(reports: Sequence[Report], names: Sequence[str]) -> str:
    """Which report is nearest to its prior, by the test that tells most in each: one sentence."""
    check_names(reports, names)
    sizes = [report.detection_size for report in reports]
    known = [(size.low, size.high) for size in sizes if size is not None]
    if len(known) < len(sizes):
        return "Not all of these latents were compared with a prior."
    told = ", ".join(f"{name} {size:short}" for name, size in zip(names, sizes, strict=True))
    for i, (low, _) in enumerate(known):
        if all(low > high for j, (_, high) in enumerate(known) if j != i):
            return f"{names[i]} is harder to tell from its prior (n*: {told} samples)."
    return f"None is clearly harder to tell from its prior (n*: {told} samples)."


def differences(reports: Sequence[Report], names: Sequence[str]) -> list[str]:
    """What makes the reports hard to compare: another prior, number of dimensions, of latents, or other data."""
    out = []
    for what, values in (
        ("prior", [report.prior for report in reports]),
        ("number of dimensions", [f"{report.d}" for report in reports]),
        ("number of latents", [f"{report.n}" for report in reports]),
        ("data", [str(report.context.get("data")) for report in reports]),
    ):
        if len(set(values)) > 1:
            told = ", ".join(f"{name}: {value}" for name, value in zip(names, values, strict=True))
            out.append(f"They differ in the {what} ({told}).")
    return out


def check_names(reports: Sequence[Report], names: Sequence[str]) -> None:
    """One name for each of at least two reports, or a :class:`~lather.errors.DataError`."""
    if len(reports) < 2:
        raise DataError(
            f"a comparison needs at least two reports, got {len(reports)}; open one with Report.load(folder)"
        )
    if len(names) != len(reports):
        raise DataError(f"{len(reports)} reports need as many names, got {len(names)}: {list(names)}")


def _compared(key: str, title: str, reports: Sequence[Report], names: Sequence[str]) -> ComparedRow:
    rows = [report.rows.get(key) for report in reports]
    same = len({str(report.context.get("data")) for report in reports}) == 1
    decidable = all(_range(row) is not None and (same or _of_latents(row)) for row in rows)
    best = better(rows) if decidable else None
    words = names[best] if best is not None else ALIKE if decidable else ""
    views = tuple(None if row is None else row_view(row) for row in rows)
    return ComparedRow(key, sentence_case(title), views, best, words)


def _of_latents(row: Row | None) -> bool:
    """Whether a row compares latents with a prior, so that it means the same for whatever data."""
    return row is not None and row.n_star is not None


def _range(row: Row | None) -> tuple[float, float] | None:
    """Where a row lies on a scale on which more is better."""
    if row is None or not row.computed:
        return None
    if row.n_star is not None and row.verdict != "grey":
        return row.n_star.low, row.n_star.high
    direction = scale_of(row).better
    if direction is None or row.effect is None or not math.isfinite(row.effect):
        return None
    low, high = (row.effect if side is None else side for side in (row.low, row.high))
    return (low, high) if direction == "higher" else (-high, -low)
