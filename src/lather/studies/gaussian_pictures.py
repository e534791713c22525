"""The pictures of the study of Gaussian latents, with what to see in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from lather.studies.findings import Picture
from lather.studies.gap_pictures import Point, draw_picture, scatter_picture
from lather.studies.gaussian_lines import Drawn
from lather.studies.latent_case import number
from lather.studies.match_case import MatchCase, samples
from lather.studies.match_matrix import Cell
from lather.studies.matrix_picture import matrix_picture

__all__ = ["gaussian_pictures"]


def gaussian_pictures(
    cells: Mapping[str, Mapping[str, Cell]], cases: Mapping[str, Sequence[MatchCase]], draws: Sequence[Drawn]
) -> dict[str, list[Picture]]:
    """By section: ``"matrix"``, ``"gap"``, ``"draws"``."""
    out: dict[str, list[Picture]] = {"matrix": [], "gap": [], "draws": []}
    if not cells:
        return out
    out["matrix"].append(
        Picture(
            "matrix",
            "Latents needed to see that they are not from the prior",
            "n* by each statistic. Green: not seen, or only with 5000 latents and more; amber: with 250 and more; red: "
            "with fewer. Framed: what the method was trained on. Grey: not measured.",
            partial(matrix_picture, cells=cells),
            wide=True,
        )
    )
    every = [(label, case.report) for label, found in cases.items() for case in found]
    against = (
        ("gap-by-size", "latents needed, n*", True, lambda r: samples(r.detection_size)),
        ("gap-by-holes", "holes: prior draws where no data lie", False, lambda r: number(r, "holes")),
    )
    for name, words, logarithmic, measure in against:
        points = [Point(label, measure(report), number(report, "gap")) for label, report in every]
        out["gap"].append(
            Picture(
                name,
                f"Sampling gap against {words.split(':')[0].split(',')[0]}",
                "Every training is a point.",
                partial(scatter_picture, points=points, words=words, logarithmic=logarithmic),
            )
        )
    if draws:
        out["draws"].append(
            Picture(
                "draws",
                "The same latents and decoder, drawn from different places",
                "The latents do not change, nor how normal they are; only what is drawn from.",
                partial(draw_picture, draws=draws),
                wide=True,
            )
        )
    return out
