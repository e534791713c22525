"""The report on one screen of a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lather.auditing.report import Report
from lather.auditing.row import Row

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["plain", "print_card"]

_STYLES = {"green": "green", "amber": "yellow", "red": "red", "grey": "dim"}
_SHOWN = (
    *("three_way", "ladder_1", "ladder_2", "ladder_3", "ladder_4", "radius", "pair_distance", "energy", "mmd_small"),
    *("per_axis", "signal", "holes", "crowding", "strays", "energy_sampler"),
)


def print_card(report: Report, *, pictures: Sequence[Path] = (), console: Console | None = None) -> None:
    """Print the headline, one line a test, the sampling gap, and where the pictures are.

    Where the output is no terminal, the same in plain text.

    Args:
        report: what to show.
        pictures: files to point at.
        console: a rich console; by default one on standard output.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    if not console.is_terminal:
        console.file.write(plain(report, pictures=pictures) + "\n")
        return
    console.print()
    console.print(Text(report.headline, style=f"bold {_STYLES[report_colour(report)]}"))
    console.print(Text(_subtitle(report), style="dim"))
    table = Table(box=box.SIMPLE, padding=(0, 1), show_edge=False)
    for name in ("held-out latents", "effect", "prior stays below", "samples to see it", ""):
        table.add_column(name, justify="left" if name in ("held-out latents", "") else "right")
    for row in _tests(report):
        style = _STYLES[row.verdict]
        table.add_row(*(Text(cell) for cell in _cells(row)), Text(f"● {row.verdict}", style=style))
    console.print(table)
    for row, sentence in _sentences(report):
        console.print(Text.assemble(("● ", _STYLES[row.verdict]), sentence))
    for remedy in _remedies(report):
        console.print(Text.assemble(("→ ", "bold"), remedy))
    if pictures:
        console.print(Text("Pictures: " + _places(pictures), style="dim"))


def plain(report: Report, *, pictures: Sequence[Path] = ()) -> str:
    """The card as text without colours, at most about 100 columns wide.

    Example:
        >>> from lather.auditing.row import Row
        >>> report = Report(100, 2, "StandardNormal(2)", 0, {"radius": Row("radius", "distance", reason="too few")})
        >>> print(plain(report).splitlines()[0])
        The latents were not compared with the prior.
    """
    lines = [report.headline, _subtitle(report), ""]
    tests = _tests(report)
    if tests:
        heads = ("held-out latents", "effect", "prior stays below", "samples to see it", "")
        table = [heads, *((*_cells(row), row.verdict) for row in tests)]
        widths = [max(len(line[i]) for line in table) for i in range(5)]
        for line in table:
            aligned = [line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in (1, 2, 3)), line[4]]
            lines.append("  ".join(aligned).rstrip())
        lines.append("")
    lines += [
        f"[{row.verdict}] {sentence}" if row.verdict != "grey" else sentence for row, sentence in _sentences(report)
    ]
    lines += [f"-> {remedy}" for remedy in _remedies(report)]
    if pictures:
        lines.append("Pictures: " + _places(pictures))
    return "\n".join(lines)


def report_colour(report: Report) -> str:
    """The colour of the headline: that of the latents' tests."""
    row = report.telling
    return row.verdict if row is not None else "grey"


def _subtitle(report: Report) -> str:
    return f"{report.n} held-out latents in {report.d} dimensions against {report.prior}"


def _tests(report: Report) -> list[Row]:
    return [report.rows[key] for key in _SHOWN if key in report.rows and report.rows[key].computed]


def _cells(row: Row) -> tuple[str, str, str, str]:
    effect = f"{row.effect:.3g}" if row.effect is not None else ""
    null = f"{row.null:.3g}" if row.null is not None else ""
    return row.title, effect, null, f"{row.n_star:short}" if row.n_star else ""


def _sentences(report: Report) -> list[tuple[Row, str]]:
    out = [(row, f"{_capitalised(row.title)}. {row.meaning}") for key, row in report.rows.items() if key[:4] == "held"]
    for key in ("rate", "memorisation", "gap", "blame", "reconstruction_error", "elbo", "iwae"):
        row = report.rows.get(key)
        if row is not None and row.computed:
            out.append((row, f"{row.title.capitalize()}: {row.meaning}"))
        elif row is not None and key == "gap":
            out.append((row, f"{row.title.capitalize()} not measured: {row.reason}."))
    return out


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _remedies(report: Report) -> list[str]:
    """What to do about the test that tells most, and about the gap; nothing where all is well."""
    rows = [row for row in (report.telling, report.rows.get("gap")) if row is not None and row.remedy]
    return list(dict.fromkeys(row.remedy for row in rows if row.verdict in ("amber", "red")))


def _places(pictures: Sequence[Path]) -> str:
    folders = {path.parent for path in pictures}
    if len(folders) == 1:
        return f"{folders.pop()}/ ({', '.join(path.name for path in pictures)})"
    return ", ".join(map(str, pictures))
