"""Train several recipes on MNIST with the same networks and budget, and put what was measured into docs/results.md.

    LATHER_DATA=... python benchmarks/mnist_recipes.py --out runs/results [--docs docs]

Every run is an ordinary run directory; finished ones are not run again. One seed: differences of a few per cent
between neighbours are noise.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from lather.auditing import Report
from lather.train import open_run

#: what the run of November 2026 says; look again whenever the table is made again
READING = """## What the table says

- The plain autoencoder reconstructs nearly best and generates worst: two latents are enough to see that they are not
  draws from N(0, I), and its sampling gap is ten times that of the others.
- All losses that compare the batch with the prior bring the mean and the covariance close; what is left are third and
  fourth moments (lopsidedness, tails and clusters), which these losses hardly see at a batch of 256.
- The VAE reconstructs best of all and is further from the prior: its KL term acts on each datum, and nothing makes the
  sum of its posteriors a normal. The gap shows it.
- Duda's radii and pair distances fit their laws best (see *radius*), but they are blind to direction: the covariance
  is not the identity, and second and third moments give it away with fewer than 20 latents.
- Matching is paid for in distortion; `sigreg` and `swae` pay least here. Differences of a few per cent between
  neighbours are within the noise of one seed.
"""

RECIPES = ("ae", "vae", "wae-mmd", "swae", "cwae", "sigreg", "gae")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/results"))
    parser.add_argument("--docs", type=Path, default=None, help="write results.md and its picture here")
    parser.add_argument("--latent", default="8")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--recipes", default=",".join(RECIPES))
    arguments = parser.parse_args()
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)

    rows = []
    for recipe in arguments.recipes.split(","):
        folder = arguments.out / f"{arguments.data}-{recipe}-{arguments.latent}"
        if not (folder / "report.json").exists():
            command = [sys.executable, "-c", "from lather.cli import main; main()", "train", arguments.data]
            command += ["--recipe", recipe, "--latent", arguments.latent, "--epochs", str(arguments.epochs)]
            subprocess.run([*command, "--out", str(folder)], check=True)
        rows.append((recipe, folder, Report.load(folder)))
    text = table(rows, arguments)
    print(text)
    if arguments.docs is not None:
        (arguments.docs / "results.md").write_text(text, encoding="utf-8")
        picture(rows, arguments.docs / "images" / f"{arguments.data}-recipes.png")


def number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}g}"


def table(rows: list[tuple[str, Path, Report]], arguments: argparse.Namespace) -> str:
    lines = [
        "# Results: the same networks and budget, different ways to match the prior",
        "",
        f"{arguments.data.upper()}, latent dimension {arguments.latent}, {arguments.epochs} epochs, batch 256, "
        "the default convolutional networks, every recipe with its default weight, one seed. All numbers are of "
        "held-out test data (10 000 latents, shuffled). Produced by `benchmarks/mnist_recipes.py`.",
        "",
        "- *squared error*: ‖x − y‖² per image, summed over pixels, of reconstructions from the posterior's mean.",
        "- *ladder 1–4*: √max(U_k, 0) of the Hermite ladder: mean, spread and correlation, lopsidedness, tails and "
        "clusters. 0 for perfect latents.",
        "- *radius*: Kolmogorov–Smirnov distance between ‖z‖ and its law under the prior.",
        "- *n\\**: how many latents it takes to tell them from the prior by the most sensitive of these tests.",
        "- *Fréchet distances* of reconstructions, of decodes of held-out posterior draws, and of decodes of prior "
        "draws to real held-out images, in features of a random convolutional network; real images against real ones "
        "score *floor*. *Gap* = prior − posterior: what the mismatch of latents and prior costs.",
        "",
        "| recipe | squared error | ladder 1 | 2 | 3 | 4 | radius | n\\* | reconstruction | posterior | prior "
        "| **gap** | training |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for recipe, folder, report in rows:
        effects = [report.rows[f"ladder_{k}"].effect for k in (1, 2, 3, 4)]
        size = report.detection_size
        fidelity = [report.rows[f"fidelity_{key}"].effect for key in ("reconstruction", "posterior", "prior")]
        cells = [
            f"`{recipe}`",
            number(squared_error(folder)),
            *(number(math.sqrt(max(e or 0.0, 0.0))) for e in effects),
            number(report.rows["radius"].effect),
            "> 10 000" if size is None or not size.detected else f"{size.n:,.0f}".replace(",", " "),
            *(number(value) for value in fidelity),
            f"**{number(report.rows['gap'].effect)}**",
            f"{report.context['seconds']:.0f} s",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    floor = rows[0][2].rows["fidelity_prior"].null
    lines += ["", f"Floor of the Fréchet distance: {number(floor)} (95% of real-against-real splits lie below)."]
    lines += [f"Machine: {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}.", ""]
    lines += ["| recipe | objective |", "|---|---|"]
    lines += [f"| `{recipe}` | `{report.context['objective']}` |" for recipe, _, report in rows]
    lines += ["", f"![Samples of every recipe](images/{arguments.data}-recipes.png)", ""]
    lines += ["None of the samples is picked: they are decodes of the first draws from the prior.", ""]
    if arguments.data == "mnist" and arguments.recipes == ",".join(RECIPES):
        lines.append(READING)
    return "\n".join(lines)


@torch.no_grad()
def squared_error(folder: Path) -> float:
    """Summed over pixels, mean over test images."""
    from lather.pipeline import reload_data

    run = open_run(folder)
    x = reload_data(run.config).test.batch(None)
    return float((run.model.reconstruct(x) - x).square().flatten(1).sum(1).mean())


def picture(rows: list[tuple[str, Path, Report]], path: Path) -> None:
    """Two rows of samples of each recipe, with its name."""
    columns, scale, margin, gap = 16, 2, 110, 10
    font = ImageFont.load_default(15)
    strips = []
    for recipe, _, report in rows:
        images = torch.as_tensor(report.arrays["samples"][: 2 * columns])
        channels, h, w = images.shape[1:]
        grid = images.reshape(2, columns, channels, h, w).permute(0, 3, 1, 4, 2).reshape(2 * h, columns * w, channels)
        tile = Image.fromarray(grid.squeeze(-1).numpy()).resize((columns * w * scale, 2 * h * scale), Image.NEAREST)
        strips.append((recipe, tile))
    width, height = margin + strips[0][1].width, len(strips) * (strips[0][1].height + gap) - gap
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (recipe, tile) in enumerate(strips):
        top = i * (tile.height + gap)
        canvas.paste(tile, (margin, top))
        draw.text((8, top + tile.height // 2 - 8), recipe, fill="black", font=font)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path, optimize=True)


if __name__ == "__main__":
    main()
