"""The pictures of the study of dimensions, with what to see in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from lather.studies.bubble_picture import bubble_picture
from lather.studies.dimension_lines import Line
from lather.studies.findings import Picture
from lather.studies.grids import picture_rows
from lather.studies.ideal_picture import ideal_picture
from lather.studies.large_latent import Ideal
from lather.studies.latent_case import LatentCase
from lather.studies.marginal_picture import marginal_picture
from lather.studies.reach_picture import reach_picture
from lather.studies.size_pictures import rate_picture, source_picture

__all__ = ["dimension_pictures"]


def dimension_pictures(
    cases: Mapping[str, Sequence[LatentCase]], lines: Sequence[Line], ideal: Sequence[Ideal], threshold: float
) -> dict[str, list[Picture]]:
    """By section: ``"grids"``, ``"numbers"``, ``"coordinates"``, ``"bubbles"``, ``"ideal"``."""
    out: dict[str, list[Picture]] = {name: [] for name in ("grids", "numbers", "coordinates", "bubbles", "ideal")}
    out["ideal"].append(
        Picture(
            "ideal-latents",
            "Perfect latents in more and more dimensions",
            "Left: beyond the dotted line the rate exceeds log N; bubbles begin to name their datum, and their union "
            "misses the prior. Right: what a single latent of each datum shows. It stays where it is for perfect "
            "latents.",
            partial(ideal_picture, ideal=ideal, threshold=threshold),
            wide=True,
        )
    )
    if not lines:
        return out
    first = {label: found[0] for label, found in cases.items()}
    heads = [name for name in next(iter(first.values())).strips if all(name in case.strips for case in first.values())]
    rows = {f"d = {label}": [case.strips[name] for name in heads] for label, case in first.items()}
    out["grids"].append(
        Picture(
            "grids",
            "Data, what comes back, and where latents can be drawn from",
            "Seed 0; the first draws, none picked. Training posteriors replay training data. Where no fitted prior "
            "was better "
            "than N(0, I), the last column shows N(0, I) again.",
            lambda theme: picture_rows(rows, theme, heads=heads, width=13.0),
            wide=True,
        )
    )
    out["numbers"] += [
        Picture(
            "rate",
            "What a latent spends",
            "The rate, and log N, which is all it takes to tell the training data apart. For one coordinate it falls "
            "with "
            "the number of coordinates, whatever the match.",
            partial(rate_picture, lines=lines),
        ),
        Picture(
            "distance-by-source",
            "What is decoded decides",
            "Fréchet distance from new data: the same decoder at latents from different places.",
            partial(source_picture, lines=lines),
        ),
    ]
    shown = _spread(list(first.items()), 3)
    out["coordinates"].append(
        Picture(
            "coordinates",
            "Coordinates of μ, of σ, and of one draw for each datum",
            "The larger the latent, the more its coordinates look like the prior's: μ = 0, σ = 1, draws N(0, 1).",
            partial(marginal_picture, cases=first),
            wide=True,
        )
    )
    out["bubbles"] += [
        Picture(
            "bubbles",
            "Bubbles and the prior's shell, to scale",
            "Orange: the prior. Blue: ten training posteriors. Measured: the distance of each centre from the origin, "
            "the radius of each bubble (thickness: one standard "
            "deviation of the distance of its latents), and the prior's shell. Not measured: the angles between "
            "centres, for which a plane has no room; they are those of the two directions in which the centres vary "
            "most.",
            partial(bubble_picture, cases=dict(shown)),
            wide=True,
        ),
        Picture(
            "reach",
            f"How far to the nearest bubble, at d = {shown[-1][0]}",
            "In radii of that bubble. Left: over all coordinates everything seems alike. Middle: along the eight "
            "directions that carry most signal. Right: along eight random directions.",
            partial(reach_picture, reaches=shown[-1][1].reach),
            wide=True,
        ),
    ]
    return out


def _spread(items: Sequence[tuple[str, LatentCase]], k: int) -> list[tuple[str, LatentCase]]:
    """At most k of them: the first, the last, and those between at even steps."""
    if len(items) <= k:
        return list(items)
    return [items[round(i * (len(items) - 1) / (k - 1))] for i in range(k)]
