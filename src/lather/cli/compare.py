"""Two audits side by side, on the terminal, as JSON or as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

    from lather.auditing import Report
    from lather.auditing.row import Row

__all__ = ["compare"]

_STYLES = {"green": "green", "amber": "yellow", "red": "red", "grey": "dim"}


def compare(
    reports: Sequence[Report], names: Sequence[str], *, out: Path | None, as_json: bool, quiet: bool = False
) -> None:
    """Print both reports row by row, and write the page.

    Args:
        reports: what to compare.
        names: what to call each.
        out: an ``.html`` file, or a directory for ``comparison.html``.
        as_json: print JSON, ``{"reports": [{"name": ..., ...}, ...]}``, instead of a table.
        quiet: print nothing.
    """
    page = None
    if out is not None:
        from lather.auditing.compare_page import render_comparison
        from lather.files import atomically

        page = out if out.suffix.lower() in (".html", ".htm") else out / "comparison.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        with atomically(page) as temporary:
            temporary.write_text(render_comparison(reports, names), encoding="utf-8")
    if as_json:
        both = [{"name": name, **report.to_dict()} for name, report in zip(names, reports, strict=True)]
        print(json.dumps({"reports": both}, indent=2, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        _print(reports, names)
        if page is not None:
            print(f"\ncomparison: {page}")


def _print(reports: Sequence[Report], names: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.width = 160  # a file or a pipe has no edge to wrap at
    for name, report in zip(names, reports, strict=True):
        sentence = f"{report.headline} ({report.n} latents, d = {report.d}, {report.prior})"
        console.print(Text.assemble((f"{name}: ", "bold"), sentence))
    table = Table(box=box.SIMPLE, padding=(0, 1), show_edge=False)
    table.add_column("measured", overflow="fold")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
        table.add_column("samples to see it", justify="right")
    for key in dict.fromkeys(key for report in reports for key in report.rows):
        rows = [report.rows.get(key) for report in reports]
        shown = next((row for row in rows if row is not None and row.computed), None)
        if shown is not None:
            table.add_row(Text(shown.title), *(cell for row in rows for cell in _cells(row)))
    console.print(table)


def _cells(row: Row | None) -> tuple[Text, Text]:
    from rich.text import Text

    if row is None or not row.computed or row.effect is None:
        return Text("–", style="dim"), Text("")
    style = _STYLES[row.verdict]
    size = f"{row.n_star:short}" if row.n_star else ""
    mark = "" if row.verdict == "grey" else f"  {row.verdict}"
    return Text(f"{row.effect:.3g}{mark}", style=style), Text(size, style=style)
