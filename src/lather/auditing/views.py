"""Rows as text: what card, page and comparison print of each, formatted once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lather.auditing.groups import Group, grouped
from lather.auditing.report import Report
from lather.auditing.row import Row, Verdict, worst
from lather.auditing.scales import Scale, number, p_words, scale_of
from lather.auditing.summary import VERDICTS

__all__ = ["GroupView", "RowView", "TableView", "group_views", "row_view", "sentence_case"]

_MOST_CELLS = 2_000  # of a table in a row's details: more is data, not a table


@dataclass(frozen=True)
class TableView:
    """A table from a row's details: headings and cells as text; ``numeric`` says which columns are numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]


@dataclass(frozen=True)
class RowView:
    """One row as text. Empty strings stand for what a row does not have."""

    key: str
    title: str
    verdict: Verdict
    sign: str
    effect: str
    unit: str
    interval: str
    null: str
    beside: str
    p: str
    single_p: str
    n_star: str
    n_star_interval: str
    meaning: str
    remedy: str
    reason: str
    table: TableView | None

    @property
    def words(self) -> str:
        """The verdict in a word."""
        if self.reason:
            return "not measured"
        return "described" if self.verdict == "grey" else self.verdict


@dataclass(frozen=True)
class GroupView:
    """One question with its rows; ``number`` counts the questions that this report has, from 1."""

    group: Group
    number: int
    rows: tuple[RowView, ...]
    verdict: Verdict

    @property
    def sign(self) -> str:
        """That of the verdict."""
        return VERDICTS[self.verdict]

    @property
    def words(self) -> str:
        """The verdict in a word."""
        if not self.measured:
            return "not measured"
        return "described" if self.verdict == "grey" else self.verdict

    @property
    def measured(self) -> bool:
        """Whether any row has a number."""
        return not all(row.reason for row in self.rows)

    @property
    def tested(self) -> bool:
        """Whether any row has a p-value or n*."""
        return any(row.single_p or row.n_star for row in self.rows)


def group_views(report: Report) -> list[GroupView]:
    """All rows of a report as text, under the question each answers."""
    return [
        GroupView(group, number, tuple(map(row_view, rows)), worst(rows))
        for number, (group, rows) in enumerate(grouped(report.rows.values()), 1)
    ]


def row_view(row: Row) -> RowView:
    """One row as text.

    Example:
        >>> view = row_view(Row("three_way", "at home", effect=0.73612, null=0.56, p=0.002, p_adjusted=0.02))
        >>> view.effect, view.unit, view.beside, view.null, view.p
        ('0.736', 'AUC', 'prior draws, at most', '0.560', '0.02')
    """
    scale = scale_of(row)
    p, single = p_words(row)
    size, _, interval = str(row.n_star).partition(" (") if row.n_star is not None else ("", "", "")
    return RowView(
        key=row.key,
        title=sentence_case(row.title),
        verdict=row.verdict,
        sign=VERDICTS[row.verdict],
        effect=scale.text(row.effect),
        unit=scale.unit if row.effect is not None else "",
        interval=_interval(row, scale),
        null=scale.text(row.null),
        beside=scale.beside if row.null is not None else "",
        p=p,
        single_p=single,
        n_star=size,
        n_star_interval=interval.removesuffix(")"),
        meaning=row.meaning,
        remedy=row.remedy,
        reason=row.reason or "",
        table=_table(row.details.get("table")),
    )


def sentence_case(text: str) -> str:
    """``text`` with a capital at the start, the rest as it is."""
    return text[:1].upper() + text[1:]


def _interval(row: Row, scale: Scale) -> str:
    return "" if row.low is None or row.high is None else f"{scale.text(row.low)} to {scale.text(row.high)}"


def _table(found: Any) -> TableView | None:
    """``{"columns": [...], "rows": [[...], ...]}`` as text; anything else is no table."""
    if not isinstance(found, Mapping):
        return None
    columns, rows = _list(found.get("columns")), _list(found.get("rows"))
    if not columns or not rows or len(columns) * len(rows) > _MOST_CELLS:
        return None
    if not all(len(_list(row)) == len(columns) for row in rows):
        return None
    numeric = tuple(any(_is_number(row[i]) for row in rows) for i in range(len(columns)))
    cells = tuple(tuple(_cell(value) for value in row) for row in rows)
    return TableView(tuple(map(str, columns)), cells, numeric)


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    return "" if value is None else number(value) if _is_number(value) else str(value)
