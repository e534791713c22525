"""What stands above the numbers: what was measured, on how much, what was not and why, and what tells most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lather.auditing.report import Report
from lather.auditing.row import Row, Verdict
from lather.auditing.scales import number, scale_of

__all__ = ["VERDICTS", "colour_of", "extent", "facts", "missing", "notes", "telling_words"]

#: a sign for each colour, for readers and printers that have none
VERDICTS: dict[Verdict, str] = {"green": "✓", "amber": "▲", "red": "✕", "grey": "–"}


def colour_of(report: Report) -> Verdict:
    """The colour of the headline: that of the test that needs the fewest samples."""
    return report.telling.verdict if report.telling is not None else "grey"


def extent(report: Report) -> str:
    """How much was measured, on one line."""
    return f"{_count(report.n)} {_kind(report)} in {_count(report.d)} dimensions against {report.prior}"


def _kind(report: Report) -> str:
    """What was measured: latents of held-out data where training data were told from them."""
    row = report.rows.get("three_way")
    return "held-out latents" if row is not None and row.details.get("split") is False else "latents"


def telling_words(report: Report) -> str:
    """Which statistic needs the fewest samples, and what it shows; empty where nothing was tested."""
    row = report.telling
    if row is None or row.n_star is None:
        return ""
    scale = scale_of(row)
    value = f"{scale.text(row.effect)} {scale.unit}".strip()
    beside = f"; {scale.beside_text(row.null)}" if row.null is not None else ""
    if not row.n_star.detected:
        return f"All {len(_tests(report))} tests stay within what prior draws show, once they are counted together."
    return f"The statistic that needs fewest: {row.title} ({value}{beside})."


def facts(report: Report) -> list[tuple[str, str]]:
    """Name and value of everything that says on what the numbers stand: sizes, splits, draws, seed, and the context."""
    out = [
        (_kind(report), _count(report.n)),
        ("dimensions", _count(report.d)),
        ("prior", report.prior),
        ("tests counted together", _count(len(_tests(report)))),
    ]
    for key, detail, name in (
        ("rate", "n", "posteriors"),
        ("three_way", "n", "latents scored"),
        ("gap", "n", "images in each half"),
        ("gap", "splits", "random halves"),
        ("gap", "features", "images compared by"),
    ):
        row = report.rows.get(key)
        value = row.details.get(detail) if row is not None and row.computed else None
        if value is not None:
            out.append((name, _words(value)))
    out += [
        (str(name), _words(value)) for name, value in report.context.items() if name != "notes" and value is not None
    ]
    return [*out, ("seed of the audit", str(report.seed))]


def missing(report: Report) -> list[tuple[str, str]]:
    """Each reason why something was not measured, and what: ``("no decoder was given", "sampling gap; …")``."""
    by_reason: dict[str, list[str]] = {}
    for row in report.rows.values():
        if row.reason is not None:
            by_reason.setdefault(row.reason, []).append(row.title)
    return [(reason, "; ".join(titles)) for reason, titles in by_reason.items()]


def notes(report: Report) -> list[str]:
    """Remarks of whoever prepared the latents, from ``report.context["notes"]``: a string or several."""
    found = report.context.get("notes") or []
    return [found] if isinstance(found, str) else [str(note) for note in found]


def _tests(report: Report) -> list[Row]:
    return [row for row in report.rows.values() if row.p_adjusted is not None]


def _count(n: float) -> str:
    return f"{n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _count(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_words(part)}" for name, part in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_words(part) for part in value)
    return str(value)
