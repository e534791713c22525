"""The comparison on a terminal, and as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lather.comparing.columns import COLUMNS
from lather.comparing.result import Comparison, Standing
from lather.comparing.words import caution, conclusions, tuning_words

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["HEADS", "cells", "plain", "print_comparison"]

HEADS = ("recipe", "d", "seeds", *(one.title for one in COLUMNS), "verdict")


def cells(standing: Standing) -> tuple[str, ...]:
    """One line, in the order of :data:`HEADS`."""
    done, asked = len(standing.finished), len(standing.runs)
    seeds = f"{done}" if done == asked else f"{done} of {asked}"
    contender = standing.contender
    return (
        contender.name,
        contender.dimensions,
        seeds,
        *(standing.text(one) if done else "–" for one in COLUMNS),
        standing.verdict,
    )


def _lines(comparison: Comparison) -> list[list[str]]:
    """All lines, ``*`` behind what is certainly best."""
    lines = []
    for standing in comparison.standings:
        line = list(cells(standing))
        for i, one in enumerate(COLUMNS):
            line[3 + i] += " *" if standing in comparison.best(one) else ""
        lines.append(line)
    return lines


def _below(comparison: Comparison) -> list[str]:
    """What stands below the table."""
    said = list(filter(None, [caution(comparison)]))
    if any(comparison.best(one) for one in COLUMNS):
        said.append("*: certainly best at this latent size, its interval is apart from those of all others.")
    said += [tuning_words(one) for one in comparison.tuned]
    return [*said, *comparison.notes]


def _failures(comparison: Comparison) -> list[str]:
    return [f"failed: {run.contender.label}, seed {run.seed}: {run.error}" for run in comparison.failed]


def plain(comparison: Comparison) -> str:
    """The comparison as text without colours."""
    table = [list(HEADS), *_lines(comparison)]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADS))]
    text = [
        "  ".join(
            cell.ljust(width) if i in (0, len(HEADS) - 1) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]
    return "\n".join([*text, "", *conclusions(comparison), *_below(comparison), *_failures(comparison)])


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print it: in colours on a terminal, else in plain text."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    if not console.is_terminal:
        console.file.write(plain(comparison) + "\n")
        return
    table = Table(box=box.SIMPLE, padding=(0, 1), show_edge=False)
    for i, head in enumerate(HEADS):
        table.add_column(head, justify="left" if i in (0, len(HEADS) - 1) else "right")
    before = None
    for standing, line in zip(comparison.standings, _lines(comparison), strict=True):
        if before not in (None, standing.contender.dimensions):
            table.add_section()
        before = standing.contender.dimensions
        table.add_row(*(Text(cell, style="bold green" if cell.endswith(" *") else "") for cell in line))
    console.print(table)
    for sentence in conclusions(comparison):
        console.print(Text(sentence))
    for sentence in _below(comparison):
        console.print(Text(sentence, style="dim"))
    for sentence in _failures(comparison):
        console.print(Text(sentence, style="red"))
