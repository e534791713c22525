"""The report as one HTML file that needs nothing else: no network, no scripts, light and dark, printable."""

from __future__ import annotations

from base64 import b64encode
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING

from lather.auditing.blame import IMAGE_KEYS
from lather.auditing.grids import image_grid, reconstruction_grid
from lather.auditing.likelihood import LIKELIHOOD_KEYS
from lather.auditing.plots import column_match, draw_map, draw_radius, ladder_bars
from lather.auditing.report import Report
from lather.auditing.row import Row
from lather.auditing.theme import DARK, LIGHT, Theme, png

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["render"]

_GROUPS = (
    ("What do the posteriors spend?", ("rate", "overlap", "two_draw")),
    (
        "Do the latents follow the prior?",
        (
            *("three_way", "ladder_1", "ladder_2", "ladder_3", "ladder_4", "radius", "pair_distance", "energy"),
            *("mmd_small", "per_axis", "signal", "energy_sampler"),
        ),
    ),
    ("Where does only one of them go?", ("holes", "crowding", "strays")),
    ("Are training data special?", ("memorisation",)),
    ("Do encoder and decoder agree?", ("sbc", "sbc_radius")),
    ("What does it cost?", ("blame", "gap", *IMAGE_KEYS[:-2])),
    ("How well are data kept?", ("reconstruction_error", *LIKELIHOOD_KEYS)),
    ("What shape has the cloud?", ("effective_rank", "two_nn", "active_units")),
)


def render(report: Report) -> str:
    """The page, from the rows and arrays of ``report`` alone. All text is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = _number
    template = environment.from_string(files("lather.auditing").joinpath("page.html.j2").read_text(encoding="utf-8"))
    groups = [(title, [report.rows[key] for key in keys if key in report.rows]) for title, keys in _GROUPS]
    grouped = {row.key for _, rows in groups for row in rows}
    rest: list[Row] = [row for row in report.rows.values() if row.key not in grouped]
    return template.render(
        report=report,
        colour=report.telling.verdict if report.telling is not None else "grey",
        groups=[*((title, rows) for title, rows in groups if rows), *([("More", rest)] if rest else [])],
        figures=_figures(report),
    )


def _figures(report: Report) -> list[dict[str, str]]:
    """Title, caption, and the light and the dark picture as data URIs."""
    arrays, words = report.arrays, report.plots
    out: list[dict[str, str]] = []

    def add(title: str, caption: str, light: bytes, dark: bytes) -> None:
        uris = (f"data:image/png;base64,{b64encode(image).decode()}" for image in (light, dark))
        out.append({"title": title, "caption": caption, **dict(zip(("light", "dark"), uris, strict=True))})

    if words.get("pictures") == "images":
        samples, originals = arrays["samples"], arrays["originals"]
        add(
            "Generated",
            f"Decodes of draws from {words.get('sampler', 'the prior')}, none picked.",
            *(_png(image_grid(samples, theme=theme)) for theme in (LIGHT, DARK)),
        )
        add(
            "Reconstructed",
            "Held-out data and what comes back through the model.",
            *(_png(reconstruction_grid(originals, arrays["reconstructions"], theme=t)) for t in (LIGHT, DARK)),
        )
    elif words.get("pictures") == "columns":
        real, generated = arrays["originals"], arrays["samples"]
        add(
            "Generated against real",
            "Each dot is one column of the data; on the line, generated data agree with real ones.",
            *(png(column_match(real, generated, theme)) for theme in (LIGHT, DARK)),
        )
    if "map_points" in arrays:
        add(
            "The latent space",
            "Held-out latents and the regions that hold 50, 90 and 99% of the prior. What is generated comes from "
            "everywhere inside; where no data lie, the decoder has never been tested.",
            *(png(draw_map(words, arrays, theme)) for theme in (LIGHT, DARK)),
        )
    if "radius" in arrays:
        add(
            "Distance from the origin",
            "In many dimensions a prior fills a thin shell around the origin; data must lie in the same one.",
            *(png(draw_radius(words, arrays, theme)) for theme in (LIGHT, DARK)),
        )
    bars = [_bars(report, theme) for theme in (LIGHT, DARK)]
    if bars[0] is not None and bars[1] is not None:
        add("Mean, spread, lopsidedness, tails", "How far each lies above what prior draws show.", bars[0], bars[1])
    return out


def _bars(report: Report, theme: Theme) -> bytes | None:
    figure = ladder_bars(list(report.rows.values()), theme)
    return None if figure is None else png(figure)


def _png(image: Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _number(x: float | None) -> str:
    """Three figures, with a real minus sign; nothing for ``None``."""
    return "" if x is None else f"{x:.3g}".replace("-", "−")
