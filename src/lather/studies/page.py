"""The findings as one page that needs nothing else: no network, no scripts, light and dark, printable."""

from __future__ import annotations

from base64 import b64encode
from importlib.resources import files

from lather.auditing.page import environment, style
from lather.auditing.theme import DARK, LIGHT, Theme, png
from lather.studies.estimate import Estimate, short
from lather.studies.findings import Findings, Picture, Value

__all__ = ["render"]

#: how a verdict on a usual explanation looks
_TONES = {"holds": "green", "holds in part": "amber", "fails": "red", "not decided": "grey"}


def render(findings: Findings) -> str:
    """The page as HTML. All text is escaped."""
    template = environment().from_string(
        files("lather.studies").joinpath("study.html.j2").read_text(encoding="utf-8"),
    )
    return template.render(
        f=findings,
        style=style(),
        tones=_TONES,
        cell=cell,
        numeric=lambda value: not isinstance(value, str | bool | None),
        drawn={p.name: (_data(p, LIGHT), _data(p, DARK)) for p in findings.pictures},
    )


def cell(value: Value) -> str:
    """A value as people read it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Estimate | str):
        return str(value)
    return short(value) if isinstance(value, float) else f"{value}"


def _data(picture: Picture, theme: Theme) -> str:
    return "data:image/png;base64," + b64encode(png(picture.draw(theme))).decode("ascii")
