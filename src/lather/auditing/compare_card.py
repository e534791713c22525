"""Audits side by side on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lather.auditing.card import STYLES, printable
from lather.auditing.comparison import ComparedRow, compared, conclusion, differences
from lather.auditing.report import Report
from lather.auditing.summary import VERDICTS, colour_of
from lather.auditing.views import RowView

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["plain_comparison", "print_comparison"]

_TITLES = 47  # the longest title of our own rows, and two columns of indent
_LONGEST = 28  # columns of a report; longer names are wrapped


def print_comparison(reports: Sequence[Report], names: Sequence[str], console: Console | None = None) -> None:
    """Print the headline of each report, and every measured row with effect, n* and colour in each.

    Where the output is no terminal, the same in plain text.

    Args:
        reports: two or more.
        names: what to call them, in the same order.
        console: a rich console; by default one on standard output.

    Raises:
        DataError: fewer than two reports, or not one name for each.
    """
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    if not console.is_terminal:
        console.file.write(plain_comparison(reports, names) + "\n")
        return
    console.print(Text(printable(conclusion(reports, names)), style="bold"))
    for name, report in zip(names, reports, strict=True):
        style = STYLES[colour_of(report)]
        console.print(Text.assemble((f"{VERDICTS[colour_of(report)]} {printable(name)}: ", style), report.headline))
    for words in differences(reports, names):
        console.print(Text(printable(words), style="dim"))
    console.print()
    for line in _table(reports, names, signs=True):
        console.print(Text.assemble(*line), soft_wrap=True)


def plain_comparison(reports: Sequence[Report], names: Sequence[str]) -> str:
    """The comparison as text without colours."""
    lines = [conclusion(reports, names)]
    lines += [f"{name}: [{colour_of(report)}] {report.headline}" for name, report in zip(names, reports, strict=True)]
    lines += [*differences(reports, names), ""]
    lines += ["".join(text for text, _ in line).rstrip() for line in _table(reports, names)]
    return "\n".join(map(printable, lines))


def _table(reports: Sequence[Report], names: Sequence[str], *, signs: bool = False) -> list[list[tuple[str, str]]]:
    """Lines of (text, style) pairs."""
    groups = [(group, [row for row in group.rows if _measured(row)]) for group in compared(reports, names)]
    cells = {row.key: [_cell(view, signs) for view in row.views] for _, rows in groups for row in rows}
    names = [printable(name) for name in names]
    widths = [
        max([min(len(name), _LONGEST), *(len(found[i]) for found in cells.values())]) for i, name in enumerate(names)
    ]
    heads = [textwrap.wrap(name, width) or [""] for name, width in zip(names, widths, strict=True)]
    depth = max(map(len, heads))
    out: list[list[tuple[str, str]]] = []
    for k in range(depth):
        own = [([""] * (depth - len(head)) + head)[k].rjust(width) for head, width in zip(heads, widths, strict=True)]
        out.append([(" " * _TITLES + "  " + "  ".join(own) + ("  better" if k == depth - 1 else ""), "bold")])
    for group, rows in groups:
        if rows:
            out.append([(f"{group.number} {group.group.title}", "bold")])
        for row in rows:
            first, *more = textwrap.wrap(row.title, _TITLES - 2) or [""]
            line = [(f"  {first}".ljust(_TITLES), "")]
            for view, cell, width in zip(row.views, cells[row.key], widths, strict=True):
                line.append(("  " + cell.rjust(width), STYLES[view.verdict] if view is not None else ""))
            out.append([*line, (f"  {printable(row.words)}", "")])
            out += [[(f"    {rest}", "")] for rest in more]
    return out


def _measured(row: ComparedRow) -> bool:
    return any(view is not None and not view.reason for view in row.views)


def _cell(view: RowView | None, signs: bool) -> str:
    """Effect, n* and verdict in columns of their own widths, so that they line up within a report's column."""
    if view is None or view.reason:
        return "–"
    size = f"n* {view.n_star}" if view.n_star else ""
    return f"{view.effect:>9}  {size:>10}  " + f"{view.sign + ' ' if signs else ''}{view.words}".ljust(9 + 2 * signs)
