"""What a study found: an answer, what it says of the usual explanations, and the pictures and numbers behind it."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lather.files import atomically, write_json
from lather.studies.estimate import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lather.auditing.theme import Theme

__all__ = ["Claim", "Findings", "Picture", "Section", "Table"]

SCHEMA = 1

Value = str | int | float | bool | Estimate | None


@dataclass(frozen=True)
class Table:
    """Numbers with a head.

    Attributes:
        name: of its ``.csv`` file.
        title: what it shows.
        rows: one mapping from column head to value per line; all with the same heads.
        note: how to read it.
    """

    name: str
    title: str
    rows: Sequence[Mapping[str, Value]]
    note: str = ""

    def __post_init__(self) -> None:
        if any(list(row) != self.heads for row in self.rows):
            raise ValueError(f"the rows of table {self.name!r} do not all have the columns {self.heads}")

    @property
    def heads(self) -> list[str]:
        """Column heads."""
        return list(self.rows[0]) if self.rows else []


@dataclass(frozen=True)
class Picture:
    """A figure that can be drawn in light and dark.

    Attributes:
        name: of its ``.png`` file.
        title: what it shows, in a line.
        caption: what to see in it.
        draw: from a theme to a matplotlib figure.
        wide: takes the whole width of the page.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Theme], Figure]
    wide: bool = False


@dataclass(frozen=True)
class Claim:
    """A usual explanation, and what the measurements say of it.

    Attributes:
        folk: what people say.
        verdict: whether it holds here.
        evidence: the numbers that decide it, in a sentence or two.
    """

    folk: str
    verdict: Literal["holds", "holds in part", "fails", "not decided"]
    evidence: str


@dataclass(frozen=True)
class Section:
    """A part of the page: what was done, what came out."""

    title: str
    text: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Findings:
    """The outcome of a study.

    Attributes:
        name: of the study.
        question: what was asked.
        answer: sentences, each built from what was measured; the first is the headline.
        claims: usual explanations, each with its verdict.
        sections: the evidence.
        conditions: under what conditions it was measured: data, sizes, seeds, versions, time.
        failures: trainings that failed, with their errors.
        path: of the page, once it is saved by :func:`lather.study`.
    """

    name: str
    question: str
    answer: Sequence[str]
    claims: Sequence[Claim] = ()
    sections: Sequence[Section] = ()
    conditions: Mapping[str, Any] = field(default_factory=dict)
    failures: Sequence[str] = ()
    path: Path | None = None

    @property
    def tables(self) -> list[Table]:
        """All tables, in their order."""
        return [table for section in self.sections for table in section.tables]

    @property
    def pictures(self) -> list[Picture]:
        """All pictures, in their order."""
        return [picture for section in self.sections for picture in section.pictures]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; values without a number are ``null``, an :class:`Estimate` is its mean, interval and values."""
        return {
            "schema": SCHEMA,
            "study": self.name,
            "question": self.question,
            "answer": list(self.answer),
            "claims": [{"folk": c.folk, "verdict": c.verdict, "evidence": c.evidence} for c in self.claims],
            "conditions": dict(self.conditions),
            "failures": list(self.failures),
            "tables": {
                table.name: {
                    "title": table.title,
                    "note": table.note,
                    "rows": [{head: _plain(value) for head, value in row.items()} for row in table.rows],
                }
                for table in self.tables
            },
        }

    def save(self, out: str | Path) -> Path:
        """Write ``study.html``, ``study.json``, a ``.csv`` for each table and a ``.png`` for each picture.

        Returns:
            The path of the page.
        """
        from lather.auditing.theme import LIGHT, save
        from lather.studies.page import render

        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "study.json", self.to_dict())
        for table in self.tables:
            _write_csv(table, out / f"{table.name}.csv")
        for picture in self.pictures:
            save(picture.draw(LIGHT), out / f"{picture.name}.png")
        with atomically(out / "study.html") as temporary:
            temporary.write_text(render(self), encoding="utf-8")
        return out / "study.html"


def _plain(value: Value) -> Any:
    if isinstance(value, Estimate):
        numbers = {"mean": value.mean, "low": value.low, "high": value.high}
        return {**{k: _plain(v) for k, v in numbers.items()}, "values": [_plain(v) for v in value.values]}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_csv(table: Table, path: Path) -> None:
    """An :class:`Estimate` takes three columns: mean, low, high."""
    intervals = {head for head in table.heads if any(isinstance(row[head], Estimate) for row in table.rows)}
    heads = [
        name
        for head in table.heads
        for name in ([head, f"{head} low", f"{head} high"] if head in intervals else [head])
    ]
    with atomically(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(heads)
        for row in table.rows:
            cells: list[Any] = []
            for head, value in row.items():
                if isinstance(value, Estimate):
                    cells += [value.mean, value.low, value.high]
                else:
                    cells += [value, "", ""] if head in intervals else [value]
            writer.writerow(cells)
