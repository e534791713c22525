"""What happens to perfect latents as the number of dimensions passes the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lather.auditing.theme import CLASSES, Theme, dress, legend
from lather.studies.large_latent import Ideal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ideal_picture"]


def ideal_picture(theme: Theme, ideal: Sequence[Ideal], threshold: float) -> Figure:
    """Left what breaks, right what does not."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.6), dpi=150, facecolor=theme.paper, layout="constrained")
    left, right = figure.subplots(1, 2)
    d = [one.d for one in ideal]
    breaks = (
        (
            "TV of the union from N(0, I)",
            [one.union.variation for one in ideal],
            theme.prior,
            "o",
        ),
        ("latents that name their datum", [one.told for one in ideal], theme.data, "s"),
        ("new data inside", [one.union.held_out for one in ideal], CLASSES[2], "^"),
        ("prior draws inside", [one.union.prior for one in ideal], CLASSES[5], "v"),
    )
    stays = (
        ("coordinates that pass as N(0, 1)", [one.pass_rate for one in ideal], theme.data, "s"),
        ("three-way AUC", [one.auc for one in ideal], theme.prior, "o"),
    )
    for axes, shown, title in ((left, breaks, "What changes"), (right, stays, "What does not")):
        dress(axes, theme)
        for label, values, colour, marker in shown:
            axes.plot(d, values, color=colour, marker=marker, markersize=4.5, label=label)
        axes.axvline(threshold, color=theme.ink, linestyle=":", linewidth=1.2, label="rate = log N")
        axes.set(xscale="log", xlabel="dimensions", ylim=(-0.03, 1.45), title=title, yticks=[0, 0.25, 0.5, 0.75, 1])
        axes.set_xticks(d, [str(value) for value in d])
        axes.minorticks_off()
        legend(axes, theme, loc="upper left", ncols=2 if axes is left else 1)
    return figure
