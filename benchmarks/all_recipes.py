"""Train every recipe with the same networks and budget, measure them alike, and write one table and a figure for each.

    LATHER_DATA=... python benchmarks/all_recipes.py --out runs/all [--docs docs] [--workers 2] [--seeds 0,1,2]

Every run is an ordinary run directory; those that are finished are not run again, and one that was stopped is taken up
where it stopped. ``--docs`` writes docs/methods-table.md and docs/images/methods/RECIPE.png; then run
benchmarks/methods_page.py, which puts the figures on docs/methods.md.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from lather.auditing import Report
from lather.auditing.row import Row
from lather.auditing.theme import CLASSES, LIGHT, dress
from lather.train import Settings, open_run
from lather.train.recipes import RECIPES

MOST_BYTES = 60_000  #: of a figure


@dataclass(frozen=True)
class Job:
    """One training: where it goes, and what it is."""

    folder: Path
    recipe: str
    seed: int
    data: str
    limit: int | None
    latent: int
    epochs: int
    nets: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/all"))
    parser.add_argument("--docs", type=Path, default=None, help="write the table and the figures here")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--limit", type=int, default=None, help="at most so many samples of each split")
    parser.add_argument("--latent", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--nets", default="mlp")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--recipes", default=",".join(RECIPES))
    parser.add_argument("--workers", type=int, default=1, help="processes, each with its share of the cores")
    arguments = parser.parse_args()

    names = arguments.recipes.split(",")
    if unknown := sorted(set(names) - set(RECIPES)):
        parser.error(f"there are no recipes called {', '.join(unknown)}; there are: {', '.join(RECIPES)}")
    size = "" if arguments.limit is None else f"-{arguments.limit}"
    task = f"{arguments.data}{size}-{arguments.nets}-{arguments.latent}-{arguments.epochs}e"

    def job(name: str, seed: int) -> Job:
        folder = arguments.out / f"{task}-{name}-{seed}"
        return Job(
            folder, name, seed, arguments.data, arguments.limit, arguments.latent, arguments.epochs, arguments.nets
        )

    jobs = [job(name, seed) for seed in map(int, arguments.seeds.split(",")) for name in names]
    failed = carry_out([job for job in jobs if not (job.folder / "report.json").exists()], arguments.workers)
    done = [job for job in jobs if (job.folder / "report.json").exists()]
    if not done:
        print("no run is finished, so there is no table", file=sys.stderr)
        return 1
    ranked = [job(name, seed) for seed in range(RANKING_SEEDS) for name in RANKED]
    text = page(done, arguments)
    if all((job.folder / "report.json").exists() for job in ranked):
        text += "\n" + RANKING + "\n".join(table(ranked)) + "\n"
    print(text)
    if arguments.docs is not None:
        (arguments.docs / "methods-table.md").write_text(text, encoding="utf-8")
        folder = arguments.docs / "images" / "methods"
        folder.mkdir(parents=True, exist_ok=True)
        for job in done:
            if job.seed == done[0].seed:
                (folder / f"{job.recipe}.png").write_bytes(strip(job))
    return int(bool(failed))


# runs ----------------------------------------------------------------------------------------------------------
def carry_out(jobs: Sequence[Job], workers: int) -> list[str]:
    """Run what is not finished; the names of those that failed."""
    failed = []
    threads = max((os.cpu_count() or 1) // workers, 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(one, job, threads): job for job in jobs}
        for count, future in enumerate(as_completed(futures), 1):
            job, error = futures[future], future.result()
            print(f"[{count}/{len(jobs)}] {job.recipe}, seed {job.seed}: {error or 'done'}", file=sys.stderr)
            if error is not None:
                failed.append(job.recipe)
    return failed


def one(job: Job, threads: int) -> str | None:
    """Train and measure; what went wrong, if anything did."""
    torch.set_num_threads(threads)
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    from lather.data import load
    from lather.pipeline import measure
    from lather.train import fit
    from lather.train.assemble import assemble

    try:
        how: dict[str, Any] = {"source": job.data, "seed": 0, **({"limit": job.limit} if job.limit else {})}
        data = load(**how, progress=False)
        model = assemble(job.recipe, data, job.latent, nets=job.nets, seed=job.seed)
        run = fit(
            model,
            data,
            out=job.folder,
            settings=Settings(epochs=job.epochs, seed=job.seed),
            resume=(job.folder / "last.ckpt" / "state.json").exists(),
            progress=False,
            notes={"recipe": {"name": job.recipe, "paper": False}, "data": {"load": how}},
        )
        measure(run, data)
    except Exception as error:  # one recipe that fails must not cost the others
        traceback.print_exc()
        return f"failed: {error}"
    return None


# the table -----------------------------------------------------------------------------------------------------
HEAD = """# Every recipe, the same networks and budget

{data}, latent dimension {latent}, {epochs} epochs, batch 256, `{nets}` networks, every recipe with its default weight,
{seeds}. All numbers are of held-out test data. Produced by `benchmarks/all_recipes.py`; what each recipe is stands in
[methods.md](methods.md).

- *distortion*: ‖x − y‖² per image, summed over pixels, of reconstructions from the posterior's mean.
- *n\\**: how many held-out latents it takes to tell them from the recipe's own prior (N(0, I), unless it learns one)
  by the Hermite ladder (the most sensitive of its four degrees; for N(0, I) only), by ‖z‖, and by the energy distance;
  *sampler*: from the mixture or second stage that new latents are drawn from, where there is one.
- *Fréchet distances*: of reconstructions, and of decodes of what new latents are drawn from, to real held-out images,
  in features of a random convolutional network. *Gap*: the part of the second that the mismatch of latents and
  prior costs.
"""


#: what the runs of November 2026 say (MNIST, d = 8); look again whenever the table is made again
READING = """## What it says

- Two ways lead to a small gap: latents that follow N(0, I) (`wae-gan`, `aae`: a critic sees what no fixed statistic
  does, n\\* of 500 and more by the ladder), or a prior that follows the latents (`vampprior`, `flow-prior`,
  and the mixtures that `rae` and its kin are drawn from). The smallest gap of all is the second kind's.
- What a recipe trains on is what it satisfies: `gae` fits radii (n\\* 3287) and fails mean and covariance (10); the
  kernel and sliced losses fit energy and radius and fail the ladder's third and fourth rungs.
- A VAE's posteriors sum to something else than the prior: 26 latents show it. `iwae` and `iaf-vae` bound the likelihood
  more tightly and change little about that; β = 4 pays for n\\* with distortion.
- `vae-gan` generates what is by far closest to real digits (11), although its latents are nothing like N(0, I): its
  decoder is trained on draws from the prior themselves. So its gap is below zero, and its n\\* says nothing about its
  samples.
- Seconds were taken with other work on the machine and compare only roughly.
- `sinkhorn-ae` at its default weight leaves latents too close to the origin (radius: 14), and overpays: its weight and
  blur want another look.
"""

RANKED, RANKING_SEEDS = ("vae", "swae", "wae-mmd", "cwae"), 3
RANKING = """## The papers' ranking

Knop et al. report Fréchet distances VAE > SWAE > WAE > CWAE (see the citations in [methods.md](methods.md)). With three
seeds and the features used here the order of means is theirs, and the VAE's distance is beyond doubt; SWAE and WAE
lie within their scatter. `--recipes vae,swae,wae-mmd,cwae --seeds 0,1,2` makes the runs of this table:

"""


def page(jobs: Sequence[Job], arguments: argparse.Namespace) -> str:
    """The table over all finished runs, what it is made of, and what it says."""
    seeds = {job.seed for job in jobs}
    words = "one seed" if len(seeds) == 1 else f"mean ± standard deviation over {len(seeds)} seeds"
    size = "" if arguments.limit is None else f" (at most {arguments.limit} samples of each split)"
    head = HEAD.format(
        data=arguments.data.upper() + size,
        latent=arguments.latent,
        epochs=arguments.epochs,
        nets=arguments.nets,
        seeds=words,
    )
    machine = f"Machine: {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}."
    return "\n".join([head, *table(jobs), "", machine, "", READING])


def table(jobs: Sequence[Job]) -> list[str]:
    """A line for each recipe: means over seeds, ± standard deviations where there are several."""
    grouped: dict[str, list[Job]] = {}
    for job in jobs:
        grouped.setdefault(job.recipe, []).append(job)
    columns = ["recipe", "distortion", "n\\* ladder", "radius", "energy", "sampler", "reconstruction", "generated"]
    columns += ["**gap**", "seconds"]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for recipe, runs in grouped.items():
        reports = [Report.load(job.folder) for job in runs]
        cells = [
            measured([report.rows["reconstruction_error"].details["summed_square"] for report in reports]),
            *(size_cell([n_star(report, keys) for report in reports]) for keys in SIZES),
            measured([report.rows["fidelity_reconstruction"].effect for report in reports]),
            measured([report.rows["fidelity_prior"].effect for report in reports]),
            f"**{measured([report.rows['gap'].effect for report in reports])}**",
            measured([report.context["seconds"] for report in reports]),
        ]
        lines.append("| " + " | ".join([f"`{recipe}`", *cells]) + " |")
    return lines


SIZES = (("ladder_1", "ladder_2", "ladder_3", "ladder_4"), ("radius",), ("energy",), ("energy_sampler",))


def n_star(report: Report, keys: Sequence[str]) -> tuple[float, int] | None:
    """The least detection size among rows and how many were tested; ``None`` where none was measured."""
    rows: list[Row] = [report.rows[key] for key in keys if key in report.rows]
    sizes = [row.n_star for row in rows if row.n_star is not None]
    if not sizes:
        return None
    found = [size.n for size in sizes if size.detected]
    return (min(found, default=math.inf), max(size.tested for size in sizes))


def size_cell(sizes: Sequence[tuple[float, int] | None]) -> str:
    """n* of all seeds: their geometric mean, with the range where there are several."""
    known = [size for size in sizes if size is not None]
    if not known:
        return "–"
    if any(math.isinf(n) for n, _ in known):
        text = f"> {max(tested for _, tested in known)}"
        least = min(n for n, _ in known)
        return text if math.isinf(least) else f"{least:.0f} to {text}"
    numbers = sorted(n for n, _ in known)
    middle = math.exp(sum(map(math.log, numbers)) / len(numbers))
    return f"{middle:.0f}" + (f" ({numbers[0]:.0f}–{numbers[-1]:.0f})" if len(numbers) > 1 else "")


def measured(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return "–"
    mean = sum(known) / len(known)
    return f"{mean:.3g}" + (f" ± {np.std(known, ddof=1):.2g}" if len(known) > 1 else "")


# the figures ---------------------------------------------------------------------------------------------------
def strip(job: Job) -> bytes:
    """Loss curves, samples and the map of the latents side by side: a PNG of at most ``MOST_BYTES``."""
    from matplotlib.figure import Figure

    report, metrics = Report.load(job.folder), open_run(job.folder).metrics
    figure = Figure(figsize=(9.6, 2.9), dpi=100, facecolor=LIGHT.paper, layout="constrained")
    losses, samples, latents = figure.subplots(1, 3, width_ratios=(1.25, 1.45, 1))
    draw_losses(losses, metrics)
    draw_samples(samples, report)
    draw_latents(latents, report)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    image = Image.open(buffer).convert("RGB")
    for colours in (128, 64, 32, 16):
        small = BytesIO()
        image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            small, format="PNG", optimize=True
        )
        if small.tell() <= MOST_BYTES:
            break
    return small.getvalue()


def draw_losses(axes: Any, metrics: Sequence[dict[str, Any]]) -> None:
    """Every term on the validation set, as a share of its own largest value: they have different units."""
    from matplotlib.ticker import MaxNLocator

    dress(axes, LIGHT)
    rows = [row for row in metrics if row["split"] == "validation"]
    names = [name for name in rows[0] if name not in ("step", "epoch", "split", "seconds", "loss")]
    for name, colour in zip(names[:5], CLASSES, strict=False):
        values = [row[name] for row in rows]
        most = max(map(abs, values)) or 1.0
        shown = [value / most for value in values]
        label = f"{name.replace('_', ' ')} ({values[0]:.3g} → {values[-1]:.3g})"
        axes.plot([row["epoch"] for row in rows], shown, color=colour, label=label, marker="o", ms=2.5, linewidth=1.4)
    axes.axhline(0, color=LIGHT.faint, linewidth=0.6)
    axes.set(xlabel="epoch", xlim=(0.5, max(rows[-1]["epoch"], 2) + 0.5))
    axes.set_title("held-out terms, relative", color=LIGHT.ink, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(None, 1.08 + 0.16 * len(names[:5]))
    axes.legend(fontsize=6.5, frameon=False, loc="upper right", labelcolor=LIGHT.ink)


def draw_samples(axes: Any, report: Report) -> None:
    """The first draws, decoded."""
    columns, rows = 9, 5
    images = report.arrays["samples"][: columns * rows]
    if report.plots.get("pictures") == "images" and len(images) == columns * rows:
        channels, h, w = images.shape[1:]
        grid = images.reshape(rows, columns, channels, h, w).transpose(0, 3, 1, 4, 2)
        grid = grid.reshape(rows * h, columns * w, channels)
        axes.imshow(grid.squeeze(-1) if channels == 1 else grid, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()
    source = "the prior" if "sampler" not in report.plots else "the fitted " + report.plots["sampler"].split("(")[0]
    axes.set_title(f"draws from {source}", color=LIGHT.ink, fontsize=9)


def draw_latents(axes: Any, report: Report) -> None:
    """Held-out latents in the plane where they vary most; circles hold 50, 90, 99% of N(0, I), if that is the aim."""
    dress(axes, LIGHT)
    points = report.arrays["map_points"][:1500]
    labels = report.arrays.get("map_labels")
    colours = LIGHT.data if labels is None else [CLASSES[int(label) % len(CLASSES)] for label in labels[: len(points)]]
    axes.scatter(points[:, 0], points[:, 1], 2.5, c=colours, linewidths=0)
    if report.plots["map_circles"] and "sampler" not in report.plots:
        for share in (0.5, 0.9, 0.99):
            angle, r = np.linspace(0, 2 * np.pi, 100), math.sqrt(-2 * math.log(1 - share))
            axes.plot(r * np.cos(angle), r * np.sin(angle), color=LIGHT.ink, linewidth=0.7)
        reach = 1.1 * max(3.1, float(np.quantile(np.abs(points), 0.998)))
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    axes.set_aspect("equal")
    axes.set_title("held-out latents", color=LIGHT.ink, fontsize=9)


if __name__ == "__main__":
    sys.exit(main())
