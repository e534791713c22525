"""Every picture of a report: when there is one, what it is called, what it shows, and how it is drawn."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from lather.auditing.grids import gallery, image_grid, reconstruction_grid
from lather.auditing.plots.columns import column_match
from lather.auditing.plots.distances import draw_distances
from lather.auditing.plots.ladder import ladder_bars
from lather.auditing.plots.map import draw_map
from lather.auditing.plots.qq import draw_qq, worst_of
from lather.auditing.plots.radius import draw_radius
from lather.auditing.plots.rates import kl_bars
from lather.auditing.plots.roc import draw_roc
from lather.auditing.plots.spectrum import draw_spectrum
from lather.auditing.report import Report
from lather.auditing.theme import DARK, LIGHT, Theme, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure
    from PIL.Image import Image

__all__ = ["FIGURES", "Drawn", "Figure", "drawn"]

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Figure:
    """A kind of picture.

    Args:
        key: short name.
        group: question of the report it belongs to, see :data:`~lather.auditing.groups.GROUPS`.
        title: of the picture.
        caption: what to look for.
        draw: report, theme → PNG, or ``None`` where the report lacks what it needs.
        wide: whether it needs the whole width of the page.
    """

    key: str
    group: str
    title: str
    caption: str
    draw: Callable[[Report, Theme], bytes | None]
    wide: bool = False


@dataclass(frozen=True)
class Drawn:
    """A picture of one report, as data URIs for light and dark backgrounds."""

    figure: Figure
    title: str
    caption: str
    light: str
    dark: str


def drawn(report: Report) -> list[Drawn]:
    """All pictures that the rows and arrays of ``report`` allow, in reading order."""
    out = []
    for figure in FIGURES:
        light, dark = (figure.draw(report, theme) for theme in (LIGHT, DARK))
        if light is not None and dark is not None:
            source = str(report.plots.get("sampler", "the prior"))
            out.append(Drawn(figure, figure.title, figure.caption.format(source=source), _uri(light), _uri(dark)))
    return out


def _uri(image: bytes) -> str:
    return f"data:image/png;base64,{b64encode(image).decode()}"


def _samples(report: Report, theme: Theme) -> bytes | None:
    if report.plots.get("pictures") != "images":
        return None
    return _png(image_grid(report.arrays["samples"], theme=theme))


def _reconstructions(report: Report, theme: Theme) -> bytes | None:
    if report.plots.get("pictures") != "images":
        return None
    return _png(reconstruction_grid(report.arrays["originals"], report.arrays["reconstructions"], theme=theme))


def _columns(report: Report, theme: Theme) -> bytes | None:
    if report.plots.get("pictures") != "columns":
        return None
    return _plot(column_match(report.arrays["originals"], report.arrays["samples"], theme))


def _map(report: Report, theme: Theme) -> bytes | None:
    return _plot(draw_map(report.plots, report.arrays, theme)) if "map_points" in report.arrays else None


def _radius(report: Report, theme: Theme) -> bytes | None:
    return _plot(draw_radius(report.plots, report.arrays, theme)) if "radius" in report.arrays else None


def _distances(report: Report, theme: Theme) -> bytes | None:
    if "distance_edges" not in report.arrays:
        return None
    return _plot(draw_distances(report.plots, report.arrays, theme))


def _qq(report: Report, theme: Theme) -> bytes | None:
    curves = worst_of(report.plots, report.arrays)
    return _plot(draw_qq(curves, theme)) if curves else None


def _ladder(report: Report, theme: Theme) -> bytes | None:
    figure = ladder_bars(list(report.rows.values()), theme)
    return None if figure is None else _plot(figure)


def _roc(report: Report, theme: Theme) -> bytes | None:
    if "roc_three_way" not in report.arrays:
        return None
    rows = (report.rows.get(key) for key in ("three_way", "memorisation"))
    areas = {row.key: row.effect for row in rows if row is not None and row.effect is not None}
    return _plot(draw_roc(report.arrays, areas, theme))


def _rates(report: Report, theme: Theme) -> bytes | None:
    nats = _details(report, "rate").get("kl_by_dimension")
    return _plot(kl_bars(nats, theme)) if nats else None


def _spectrum(report: Report, theme: Theme) -> bytes | None:
    details = _details(report, "effective_rank")
    if not details.get("spectrum") or not details.get("spectrum_of_prior"):
        return None
    ranks: Sequence[int] = details.get("spectrum_ranks", ())
    return _plot(draw_spectrum(details["spectrum"], details["spectrum_of_prior"], report.d, ranks, theme))


def _holes(report: Report, theme: Theme) -> bytes | None:
    if "holes_worst" not in report.arrays:
        return None
    blocks = [("deepest in holes", report.arrays["holes_worst"]), ("typical", report.arrays["holes_typical"])]
    return _png(gallery(blocks, theme=theme))


def _details(report: Report, key: str) -> Mapping[str, Any]:
    row = report.rows.get(key)
    return row.details if row is not None and row.computed else {}


def _png(image: Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _plot(figure: MatplotlibFigure) -> bytes:
    """As PNG, without the title, which stands above it on the page, and with 255 colours: a third of the bytes."""
    from PIL import Image

    if len(figure.axes) == 1:
        figure.axes[0].set_title("")
    with Image.open(BytesIO(png(figure))) as full:
        return _png(full.convert("RGB").quantize(255, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE))


FIGURES = (
    Figure(
        "samples",
        "top",
        "Generated",
        "Decodes of draws from {source}, none picked.",
        _samples,
    ),
    Figure(
        "reconstructions", "top", "Reconstructed", "Held-out data, and below each what comes back.", _reconstructions
    ),
    Figure(
        "columns",
        "top",
        "Generated against real",
        "Each dot is one column of the data; on the line, generated data agree with real ones.",
        _columns,
        wide=True,
    ),
    Figure(
        "rates",
        "rate",
        "What each dimension spends",
        "How much each dimension says about a datum. Dimensions at 0 are idle: they carry noise from the prior.",
        _rates,
    ),
    Figure(
        "map",
        "match",
        "The latent space",
        "Held-out latents and the regions that hold 50, 90 and 99% of the prior; ellipses are posteriors of single "
        "data. What is generated comes from everywhere inside; where no data lie, the decoder has never been tested.",
        _map,
    ),
    Figure(
        "roc",
        "match",
        "Prior draws or data?",
        "Latents are ranked by how deep they lie among the training posteriors. On the diagonal the two samples cannot "
        "be told apart; the further a curve bows away from it, the easier it is.",
        _roc,
    ),
    Figure(
        "ladder",
        "match",
        "Mean, spread, lopsidedness, tails",
        "How far each lies above what prior draws show.",
        _ladder,
    ),
    Figure(
        "radius",
        "match",
        "Distance from the origin",
        "In many dimensions a prior fills a thin shell around the origin; data must lie in the same one.",
        _radius,
    ),
    Figure(
        "distances",
        "match",
        "Distance from each other",
        "Too many short distances mean clumps; too many long ones, a cloud that is too wide.",
        _distances,
    ),
    Figure(
        "qq",
        "match",
        "The worst directions in full",
        "Quantiles of latents against the prior’s. Dots on the line agree; a prior sample keeps all its dots inside "
        "the band 95 times in 100, although the direction is the worst of many.",
        _qq,
    ),
    Figure(
        "holes",
        "holes",
        "What holes decode to",
        "Prior draws where training data are rarest, and draws from the middle. Where the first look no worse, holes "
        "do little harm.",
        _holes,
    ),
    Figure(
        "spectrum",
        "geometry",
        "Spectrum",
        "Variance along the principal directions. Even prior draws are not flat; only what leaves their line counts.",
        _spectrum,
    ),
)
