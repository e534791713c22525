"""The report as one HTML file that needs nothing else: no network, no scripts, light and dark, printable."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from lather.auditing.figures import drawn
from lather.auditing.report import Report
from lather.auditing.row import GREEN_FROM, LEVEL, RED_BELOW
from lather.auditing.scales import number
from lather.auditing.summary import colour_of, extent, facts, missing, notes, telling_words
from lather.auditing.views import group_views

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["environment", "render", "style"]


def render(report: Report, *, pictures: bool = True) -> str:
    """The page, from the rows and arrays of ``report`` alone; on request without pictures. All text is escaped."""
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            style=style(),
            colour=colour_of(report),
            extent=extent(report),
            telling=telling_words(report),
            notes=notes(report),
            facts=facts(report),
            missing=missing(report),
            groups=group_views(report),
            figures=drawn(report) if pictures else [],
            level=LEVEL,
            green_from=number(GREEN_FROM),
            red_below=number(RED_BELOW),
        )
    )


def environment() -> Environment:
    """Where templates come from: the package itself; everything that is filled in is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("lather.auditing") / "html"
    return Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style() -> str:
    """The style sheet, to be put into a page; its own text, so it is marked as safe."""
    from markupsafe import Markup

    return Markup((files("lather.auditing") / "html" / "style.css").read_text(encoding="utf-8"))
