"""The repair as one page that needs nothing else: no network, no scripts."""

from __future__ import annotations

from base64 import b64encode
from importlib.resources import files

from lather.auditing.theme import DARK, LIGHT, Theme, png
from lather.repairing.choice import RULE
from lather.repairing.pictures import before_after
from lather.repairing.result import Repair
from lather.repairing.table import HEADS, cells, legend

__all__ = ["render"]


def render(repair: Repair) -> str:
    """The page as HTML. All text is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("lather.repairing").joinpath("page.html.j2").read_text(encoding="utf-8"))
    audits = [(name, r) for name, r in (("before", repair.before), ("after", repair.after)) if r is not None]
    return template.render(
        repair=repair,
        heads=HEADS,
        lines=[(score, cells(score, repair.winner)) for score in repair.scores],
        legend=legend(repair),
        rule=RULE,
        audits=audits,
        trials=[(score.name, score.trials) for score in repair.scores if score.trials],
        light=_picture(repair, LIGHT),
        dark=_picture(repair, DARK),
    )


def _picture(repair: Repair, theme: Theme) -> str:
    return "data:image/png;base64," + b64encode(png(before_after(repair, theme))).decode("ascii")
