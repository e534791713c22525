"""The report on a terminal: what the page says, without the pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lather.auditing.report import Report
from lather.auditing.row import Verdict
from lather.auditing.summary import colour_of, extent, facts, missing, notes, telling_words
from lather.auditing.views import RowView, group_views

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["STYLES", "plain", "print_card", "printable"]

#: what rich calls the colours of verdicts
STYLES: dict[Verdict, str] = {"green": "green", "amber": "yellow", "red": "red", "grey": "dim"}
_HEADS = ("effect", "by chance", "p", "n*")
_LEGEND = (
    "By chance: what prior draws (for images, other real data) stay below 95 times in 100, or show. "
    "p: all tests counted (Holm). n*: how many samples it takes to see the difference."
)
_WIDTH = 100
_SAID = (
    "rate",
    "memorisation",
    "gap",
    "blame",
    "reconstruction_error",
    "elbo",
    "iwae",
)  # rows whose sentence is printed whatever their colour


def print_card(report: Report, *, pictures: Sequence[Path] = (), console: Console | None = None) -> None:
    """Print header, headline, every measured row under the question it answers, and what to do.

    Where the output is no terminal, the same in plain text.

    Args:
        report: what to show.
        pictures: files to point at.
        console: a rich console; by default one on standard output.
    """
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    if not console.is_terminal:
        console.file.write(plain(report, pictures=pictures) + "\n")
        return
    for line in _header(report):
        console.print(Text(printable(line), style="dim"))
    console.print(Text(report.headline, style=f"bold {STYLES[colour_of(report)]}"))
    if telling := telling_words(report):
        console.print(Text(telling))
    console.print()
    for numbers, verdict, style in _table(report, console.width, signs=True):
        console.print(Text.assemble((numbers, "" if verdict else "bold"), (verdict, style)), soft_wrap=True)
    console.print()
    for row, sentence in _sentences(report):
        console.print(Text.assemble((f"{row.sign} ", STYLES[row.verdict]), printable(sentence)))
    for remedy in _remedies(report):
        console.print(Text.assemble(("→ ", "bold"), remedy))
    for line in _footer(report, pictures):
        console.print(Text(printable(line), style="dim"))


def plain(report: Report, *, pictures: Sequence[Path] = ()) -> str:
    """The card as text without colours, about 100 columns wide.

    Example:
        >>> from lather.auditing.row import Row
        >>> report = Report(100, 2, "StandardNormal(2)", 0, {"radius": Row("radius", "distance", reason="too few")})
        >>> print(plain(report))
        100 latents in 2 dimensions against StandardNormal(2), seed 0
        The latents were not compared with the prior.
        <BLANKLINE>
        Not measured: distance (too few).
    """
    lines = [*_header(report), report.headline]
    if telling := telling_words(report):
        lines.append(telling)
    lines.append("")
    table = [f"{numbers}{verdict}".rstrip() for numbers, verdict, _ in _table(report, _WIDTH)]
    lines += [*table, ""] if table else []
    for row, sentence in _sentences(report):
        lines += _wrapped(sentence if row.verdict == "grey" else f"[{row.verdict}] {sentence}")
    for remedy in _remedies(report):
        lines += _wrapped(f"-> {remedy}")
    for line in _footer(report, pictures):
        lines += _wrapped(line)
    return "\n".join(map(printable, lines))


def _header(report: Report) -> list[str]:
    sizes = [f"{value} {name}" for name, value in facts(report) if name.startswith("posteriors")]
    return [", ".join([extent(report), *sizes, f"seed {report.seed}"]), *(f"Note: {note}" for note in notes(report))]


def _table(report: Report, width: int, *, signs: bool = False) -> list[tuple[str, str, str]]:
    """Lines of the table, at most ``width`` wide: text, verdict, and the style of the verdict; headings have none."""
    views = [(view, [row for row in view.rows if not row.reason]) for view in group_views(report) if view.measured]
    if not views:
        return []
    cells = {row.key: (row.effect, _limit(row), row.p or row.single_p, row.n_star) for _, rows in views for row in rows}
    widths = [max(len(line[i]) for line in (_HEADS, *cells.values())) for i in range(len(_HEADS))]
    taken = sum(widths) + 2 * len(widths) + 2 + len("– described")
    titles = max(len(row.title) for _, rows in views for row in rows) + 2
    titles = min(titles, max(width - taken, 20))
    out = [(_aligned("", titles, _HEADS, widths), "", "")]
    for view, rows in views:
        out.append((f"{view.number} {view.group.title}", "", ""))
        for row in rows:
            first, *more = textwrap.wrap(row.title, titles, initial_indent="  ", subsequent_indent="    ") or [""]
            verdict = f"{row.sign} {row.words}" if signs else row.words
            out.append((_aligned(first, titles, cells[row.key], widths) + "  ", verdict, STYLES[row.verdict]))
            out += [(line, " ", "") for line in more]
    return out


def _limit(row: RowView) -> str:
    """What stands beside the effect, in short: ``≤ 0.56`` where it is what chance stays below, ``≥`` above."""
    sign = "≤ " if row.beside.endswith("at most") else "≥ " if row.beside.endswith("at least") else ""
    return f"{sign}{row.null}"


def _aligned(title: str, title_width: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join([title.ljust(title_width), *numbers])


def _sentences(report: Report) -> list[tuple[RowView, str]]:
    """The sentences of the test that tells most, of what was held while training, and of a few rows in any case."""
    chosen = {report.telling.key} if report.telling is not None and report.telling.verdict != "green" else set()
    return [
        (row, f"{row.title}{'.' if ':' in row.title else ':'} {row.meaning}")
        for view in group_views(report)
        for row in view.rows
        if not row.reason and row.meaning and (row.key in chosen or row.key in _SAID or row.key.startswith("held"))
    ]


def _remedies(report: Report) -> list[str]:
    """What to do about the test that tells most, and about the gap; nothing where all is well."""
    rows = [row for row in (report.telling, report.rows.get("gap")) if row is not None and row.remedy]
    return list(dict.fromkeys(row.remedy for row in rows if row.verdict in ("amber", "red")))


def _footer(report: Report, pictures: Sequence[Path]) -> list[str]:
    lines = [_LEGEND] if any(row.computed for row in report.rows.values()) else []
    lines += [f"Not measured: {_few(titles)} ({reason})." for reason, titles in missing(report)]
    return [*lines, "Pictures: " + _places(pictures)] if pictures else lines


def printable(text: str) -> str:
    """Without control characters, which could make a terminal do things."""
    return "".join(
        character for character in text if character.isprintable() or character in "\N{NO-BREAK SPACE}\u202f"
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _places(pictures: Sequence[Path]) -> str:
    folders = {path.parent for path in pictures}
    if len(folders) == 1:
        return f"{folders.pop()}/ ({', '.join(path.name for path in pictures)})"
    return ", ".join(map(str, pictures))


def _few(titles: str, most: int = 3) -> str:
    """The first titles and how many more there are; the page has them all."""
    listed = titles.split("; ")
    if len(listed) <= most + 1:
        return ", ".join(listed)
    return f"{', '.join(listed[:most])} and {len(listed) - most} more"
