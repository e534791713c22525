"""The story of the latent dimension: VAEs on MNIST, audited; the table and pictures of docs/audit.md.

    python benchmarks/audit_dimensions.py --runs runs/dimensions            # trains what is missing: about an hour
    python benchmarks/audit_dimensions.py --runs runs/dimensions --docs docs

Binarised MNIST, an MLP 784-400-400 and back, Bernoulli likelihood, 12 epochs, batches of 100: d = 2, 8, 32, 64 with
β = 1, d = 32 with β = 0.1, and one spatial latent, 8×8×1, of residual networks on 32 × 32 pixels and 10 000 images.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lather.auditing import Report
from lather.auditing.grids import save_image
from lather.auditing.plots.distances import draw_distances
from lather.auditing.plots.map import draw_map
from lather.auditing.plots.radius import draw_radius
from lather.auditing.theme import LIGHT, save

MLP = ["--nets", "mlp", "--net", "hidden=400,400", "--epochs", "12"]
SPATIAL = ["--nets", "residual", "--net", "width=16", "--image-size", "32", "--limit", "10000", "--epochs", "4"]
CASES = {
    "vae2": ("2", ["--latent", "2", *MLP]),
    "vae8": ("8", ["--latent", "8", *MLP]),
    "vae32": ("32", ["--latent", "32", *MLP]),
    "vae64": ("64", ["--latent", "64", *MLP]),
    "vaesp": ("8×8×1", ["--latent", "8x8x1", *SPATIAL]),
    "vae32loose": ("32, β = .1", ["--latent", "32", "--set", "weight=0.1", *MLP]),
}
COMMON = ["train", "mnist", "--binarize", "--recipe", "vae", "--batch-size", "100", "--quiet"]


def main() -> None:
    """Train what is missing, audit, print the table, draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of run directories, made where missing")
    parser.add_argument("--docs", type=Path, help="folder for images/audit; without it only the table is printed")
    arguments = parser.parse_args()
    from lather.cli import main as lather

    reports = {}
    for name, (_, options) in CASES.items():
        folder = arguments.runs / name
        for command in (
            [*COMMON, *options, "--out", str(folder)] if not (folder / "model.safetensors").exists() else [],
            ["audit", str(folder), "--out", str(folder / "audit"), "--quiet"]
            if not (folder / "audit" / "report.json").exists()
            else [],
        ):
            if command:
                try:
                    lather(command)
                except SystemExit as stopped:
                    if stopped.code:
                        sys.exit(stopped.code)
        reports[name] = Report.load(folder / "audit")
    print(table(reports))
    if arguments.docs is not None:
        pictures(reports, arguments.docs / "images" / "audit")


def table(reports: dict[str, Report]) -> str:
    """A line for each run."""
    heads = ("latent", "ELBO", "R", "I(x;z)", "KL ≥", "regime", "AUC", "TV ≥", "holes", "strays")
    heads += ("ladder 1 / 2 / 3 / 4", "n\\*", "gap", "share of gap")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, report in reports.items():
        rows, rate = report.rows, report.rows["rate"].details
        gap, prior = rows["gap"].effect or 0.0, rows["fidelity_prior"].effect or 1.0
        cells = [
            CASES[name][0],
            _short(rows["elbo"].effect),
            _short(rate["R"]),
            f"{rate['mi']:.2f}",
            f"{rate['kl_at_least']:.1f}",
            rate["regime"],
            f"{rows['three_way'].effect:.2f}",
            f"{rows['three_way'].details['variation_at_least']:.2f}",
            f"{rows['holes'].effect:.1%}",
            f"{rows['strays'].effect:.1%}",
            " / ".join(f"{rows[f'ladder_{k}'].effect:.2g}" for k in (1, 2, 3, 4)),
            "–" if report.detection_size is None else f"{report.detection_size.n:.0f}",
            _short(gap),
            f"{max(0.0, gap / prior):.0%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _short(x: float | None) -> str:
    return "–" if x is None else f"{x:.3g}".replace("-", "−")


def pictures(reports: dict[str, Report], folder: Path) -> None:
    """Reconstructions above generated images for every run, and plots of three of them."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(9.6, 1.32 * len(reports)), dpi=150, facecolor=LIGHT.paper)
    for i, (name, report) in enumerate(reports.items()):
        shown = [_strip(report.arrays[kind][:20]) for kind in ("originals", "reconstructions", "samples")]
        axes = figure.add_axes((0.07, 1 - (i + 0.95) / len(reports), 0.92, 0.9 / len(reports)))
        axes.imshow(np.concatenate(shown), cmap="gray", vmin=0, vmax=255, aspect="equal")
        axes.set_axis_off()
        figure.text(0.005, 1 - (i + 0.5) / len(reports), f"latent\n{CASES[name][0]}", va="center", color=LIGHT.ink)
    save(figure, folder / "dimensions.png")
    for name, draw in (("map", draw_map), ("radius", draw_radius), ("distances", draw_distances)):
        for case in ("vae2", "vae32", "vae32loose"):
            save(draw(reports[case].plots, reports[case].arrays, LIGHT), folder / f"{name}-{case}.png")
    holes = reports["vae32"].arrays
    worst = np.concatenate([_strip(holes["holes_worst"][:12]), _strip(holes["holes_typical"][:12])])
    save_image(Image.fromarray(worst).resize((worst.shape[1] * 2, worst.shape[0] * 2), 0), folder / "holes-vae32.png")


def _strip(images: np.ndarray) -> np.ndarray:
    """Images (m, 1, h, w) as bytes in one row, each scaled to 32 × 32 by padding."""
    pad = (32 - images.shape[-1]) // 2
    return np.concatenate([np.pad(image[0], pad) for image in images], axis=1)


if __name__ == "__main__":
    main()
