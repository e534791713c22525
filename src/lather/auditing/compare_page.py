"""Audits side by side as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from lather.auditing.comparison import compared, conclusion, differences
from lather.auditing.figures import FIGURES, drawn
from lather.auditing.page import environment, style
from lather.auditing.report import Report
from lather.auditing.summary import VERDICTS, colour_of, extent

__all__ = ["render_comparison"]


def render_comparison(reports: Sequence[Report], names: Sequence[str]) -> str:
    """The page: headlines, every row of every report beside its counterparts, and the pictures side by side.

    All text is escaped, and as the page of one report it needs no network and runs no scripts.

    Args:
        reports: two or more.
        names: what to call them, in the same order.

    Raises:
        DataError: fewer than two reports, or not one name for each.
    """
    groups = compared(reports, names)
    pictures = [{picture.figure.key: picture for picture in drawn(report)} for report in reports]
    figures = [
        {"title": figure.title, "group": figure.group, "drawings": [found.get(figure.key) for found in pictures]}
        for figure in FIGURES
        if any(figure.key in found for found in pictures)
    ]
    heads = [
        {
            "name": name,
            "colour": colour_of(report),
            "sign": VERDICTS[colour_of(report)],
            "headline": report.headline,
            "extent": extent(report),
        }
        for name, report in zip(names, reports, strict=True)
    ]
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            style=style(),
            names=list(names),
            heads=heads,
            groups=groups,
            figures=figures,
            differences=differences(reports, names),
            summary=conclusion(reports, names),
        )
    )
