"""The comparison as one page that needs nothing else: no network, no scripts, light and dark, printable."""

from __future__ import annotations

from importlib.resources import files

from lather.auditing.page import environment, style
from lather.auditing.theme import DARK, LIGHT
from lather.comparing.columns import COLUMNS
from lather.comparing.pictures import Picture, generated, of_figure
from lather.comparing.result import Comparison
from lather.comparing.scatter import scatter
from lather.comparing.words import caution, conclusions, tuning_words

__all__ = ["render"]

_SCATTERS = (
    (
        "n_star",
        "Distortion against n*",
        "Right and low is best: data come back well, and it takes many latents to tell them from the prior. Moving up "
        "is what a recipe pays for moving right.",
    ),
    (
        "gap",
        "Distortion against the sampling gap",
        "Left and low is best: data come back well, and what is decoded from prior draws looks as real as what is "
        "decoded from latents of held-out data.",
    ),
)


def render(comparison: Comparison) -> str:
    """The page as HTML. All text is escaped."""
    template = environment().from_string(
        files("lather.comparing").joinpath("compare.html.j2").read_text(encoding="utf-8")
    )
    return template.render(
        c=comparison,
        style=style(),
        columns=COLUMNS,
        best={one.key: comparison.best(one) for one in COLUMNS},
        scatters=_scatters(comparison),
        generated=generated(comparison),
        conclusions=conclusions(comparison),
        caution=caution(comparison),
        tuned=[tuning_words(one) for one in comparison.tuned],
        names=list(dict.fromkeys(standing.contender.name for standing in comparison.standings)),
    )


def _scatters(comparison: Comparison) -> list[tuple[Picture, str]]:
    found = []
    for key, title, caption in _SCATTERS:
        light, dark = scatter(comparison, key, LIGHT), scatter(comparison, key, DARK)
        if light is not None and dark is not None:
            found.append((of_figure(title, light, dark), caption))
    return found
