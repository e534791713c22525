"""What does noise in the latent space buy?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lather.auditing.theme import Theme, legend
from lather.studies import noise_claims as claims
from lather.studies.curve import SMOOTHINGS, STILL_LAW, Learnt, distances, learn, points
from lather.studies.dots import broken, compared, dots, panels
from lather.studies.drift import LatentDrift
from lather.studies.estimate import estimate
from lather.studies.findings import Findings, Picture, Section, Table, Value
from lather.studies.grids import picture_rows
from lather.studies.measured import Measured, measure, of, row
from lather.studies.noise_figures import curves, drifts, saturation
from lather.studies.noise_kinds import (
    CONTROL,
    ESCAPED,
    FULL,
    PLAIN,
    QUICK,
    VARIATIONAL,
    Sizes,
    jobs,
    limited,
    noisy,
)
from lather.studies.noise_measures import STEP, between, distortion, robustness
from lather.studies.plan import Plan, Trained
from lather.studies.realism import HOW, Realism

__all__ = ["noise"]

QUESTION = "What does noise in the latent space buy?"
FINE, COARSE = f"JS at {SMOOTHINGS[0]:g}", f"JS at {SMOOTHINGS[2]:g}"
NOISY_CURVE = "noise σ = 0.3"
Numbers = dict[str, dict[str, dict[int, float]]]


def noise(plan: Plan, sizes: Sizes | None = None) -> Findings:
    """Plain autoencoders, the same with latent noise of several sizes, and VAEs: what do their decoders gain?"""
    sizes = sizes or (QUICK if plan.quick else FULL)
    plan = replace(plan, load=limited(plan.load, sizes))
    data, kinds = plan.data, noisy(sizes)
    whole = len(data.train)
    realism = Realism(data)
    sweep = plan.train(jobs(plan, sizes, whole, escaped=True))
    measured = measure(sweep, lambda one: _whole(one, plan, realism, sizes))
    small = {
        n: measure(plan.train(jobs(plan, sizes, n)), lambda one: distortion(one.model, _data_of(one)))
        for n in sizes.small
        if n < whole
    }
    moving, histories = _drift(plan, sizes)
    curve = _curves(plan, sizes)
    null = distances(*(points(2000, seed).double().numpy() for seed in (1, 3)))
    first, last = (_of_curves(curve, row) for row in (0, -1))

    middle = "different class" if data.test.labels is not None else "any"
    fewest = min(small, default=whole)
    found = {
        "drift": claims.drift(moving),
        "robustness": claims.robustness(measured, kinds),
        "overfitting": claims.overfitting(small.get(fewest, measured), kinds, fewest),
        "convexity": claims.convexity(measured, kinds, middle, realism.own),
        "supports": claims.supports(first, last, FINE, COARSE),
        "stretched": claims.stretched(last, NOISY_CURVE, FINE, STILL_LAW, null[FINE]),
    }
    return Findings(
        "noise",
        QUESTION,
        claims.headline(found, measured, kinds),
        list(found.values()),
        [
            _robust(measured, kinds),
            _overfit({**small, whole: measured}, kinds),
            _convex(plan, measured, kinds, sweep, realism),
            _overlap(curve, last, null),
            _moving(moving, histories, sizes),
        ],
        _conditions(plan, sizes, realism),
    )


# trainings and what is measured of them ---------------------------------------------------------------------------
def _whole(one: Trained, plan: Plan, realism: Realism, sizes: Sizes) -> dict[str, float]:
    model, data = one.model, plan.data
    return {
        **robustness(model, data.test.batch()),
        **distortion(model, data),
        **between(model, data, realism, sizes.pairs),
    }


def _data_of(one: Trained) -> Any:
    from lather.data import load

    return load(**{**one.job.load, "progress": False})


@dataclass(frozen=True)
class _Followed:
    """A kind of model whose latents are followed."""

    recipe: str
    schedule: str
    options: dict[str, Any]
    likelihood: str | None = None


def _drift(plan: Plan, sizes: Sizes) -> tuple[Numbers, dict[str, list[list[float]]]]:
    """Steps of the latents of training pictures from epoch to epoch."""
    from lather.data import load
    from lather.train import Settings, fit
    from lather.train.assemble import assemble

    data = load(**{**plan.load, "train_limit": sizes.drift_data, "progress": False})
    sigma = sizes.sigmas[len(sizes.sigmas) // 2]
    kinds = {
        "AE, falling rate": _Followed("ae", "cosine", {}),
        "AE, constant rate": _Followed("ae", "constant", {}),
        "noise, constant rate": _Followed("noise-ae", "constant", {"sigma": sigma}),
        "VAE, constant rate": _Followed("vae", "constant", {}, "gaussian"),
    }
    followed = data.train.batch(slice(0, 1000))
    measured: Numbers = {kind: {} for kind in kinds}
    histories: dict[str, list[list[float]]] = {kind: [] for kind in kinds}
    for kind, how in kinds.items():
        for seed in range(plan.seeds):
            model = assemble(
                how.recipe,
                data,
                sizes.latent,
                nets="mlp",
                net_options={"hidden": sizes.hidden},
                likelihood=how.likelihood,
                options=how.options,
                seed=seed,
            )
            drift = LatentDrift(followed)
            settings = Settings(epochs=sizes.drift_epochs, batch_size=128, schedule=how.schedule, seed=seed)  # type: ignore[arg-type]
            fit(model, data, settings=settings, progress=False, callbacks=[drift])
            histories[kind].append(drift.aligned)
            numbers = {
                "first step": drift.steps[0],
                "last step": drift.steps[-1],
                "last aligned": drift.aligned[-1],
                "relative noise": sigma / drift.spread if how.recipe == "noise-ae" else 0.0,
            }
            for name, value in numbers.items():
                measured[kind].setdefault(name, {})[seed] = value
    return measured, histories


def _curves(plan: Plan, sizes: Sizes) -> dict[str, list[Learnt]]:
    """Autoencoders of a curve in the plane, with noise in the latent and without."""
    kinds: dict[str, tuple[str, dict[str, Any]]] = {PLAIN: ("ae", {}), NOISY_CURVE: ("noise-ae", {"sigma": 0.3})}
    return {
        kind: [learn(recipe, options, epochs=sizes.curve_epochs, seed=seed) for seed in range(plan.seeds)]
        for kind, (recipe, options) in kinds.items()
    }


def _of_curves(curve: dict[str, list[Learnt]], at: int) -> Numbers:
    found: Numbers = {kind: {} for kind in curve}
    for kind, runs in curve.items():
        for seed, one in enumerate(runs):
            for name, value in one.rows[at].items():
                found[kind].setdefault(name, {})[seed] = value
    return found


# the page ---------------------------------------------------------------------------------------------------------
def _robust(measured: Measured, kinds: list[str]) -> Section:
    columns = {
        "spread": "spread of latents (sd)",
        "noise": "noise / spread",
        "raw jacobian": "slope ‖∂y/∂z‖",
        "relative jacobian": "slope per sd",
        "raw change": f"change of a pixel, step {STEP:g}",
        "relative change": f"change of a pixel, step {STEP:g} sd",
    }
    shown = [PLAIN, CONTROL, *kinds, ESCAPED, VARIATIONAL]
    return Section(
        "Does the decoder answer less to small steps?",
        [
            "Each held-out latent takes a random step, and the change of a pixel (root mean square) is recorded: once "
            f"for steps of {STEP:g} in the latents' own units, once in units of their spread, with the latents "
            "whitened. The second does not change when latents are merely stretched and the decoder undoes it; the "
            "first does.",
            f"“{CONTROL}” has the loss on the norm of codes that goes with noise, and next to no noise (σ = 0.001): it "
            f"is what noise has to be compared with. “{ESCAPED}” has noise and no such loss.",
        ],
        [
            Picture(
                "robustness",
                "Change of a pixel after a small latent step",
                "Left: a step of the same length for every model flatters those whose latents are wide. Right: a step "
                "relative to the latents' spread.",
                lambda theme: compared(
                    theme,
                    measured,
                    shown,
                    [
                        (f"Step of {STEP:g}", "change of a pixel", {"raw change": "raw"}),
                        (f"Step of {STEP:g} standard deviations", "change of a pixel", {"relative change": "relative"}),
                    ],
                ),
                wide=True,
            )
        ],
        [
            Table(
                "robustness",
                "Decoders and steps",
                [row(measured, kind, columns) for kind in shown],
                "Spread: root mean square over coordinates of the standard deviation of held-out latent means. Slope: "
                "Frobenius norm of the Jacobian, mean over latents.",
            )
        ],
    )


def _overfit(by_size: dict[int, Measured], kinds: list[str]) -> Section:
    shown = [PLAIN, CONTROL, *kinds, VARIATIONAL]
    sizes = sorted(by_size)
    columns = {"train": "training", "held-out": "held-out", "gap": "gap"}
    rows: list[dict[str, Value]] = [
        {"model": kind, "training pictures": n, **{h: of(by_size[n], kind, m) for m, h in columns.items()}}
        for n in sizes
        for kind in shown
    ]

    def draw(theme: Theme) -> Any:
        figure, all_axes = panels(theme, len(sizes), height=3.9)
        for axes, n in zip(all_axes, sizes, strict=True):
            for k, (name, label) in enumerate((("train", "training pictures"), ("held-out", "held-out pictures"))):
                dots(axes, shown, {kind: of(by_size[n], kind, name) for kind in shown}, k, label)
            axes.set_xticks(range(len(shown)), [broken(kind) for kind in shown], fontsize=8, color=theme.ink)
            axes.set(title=f"Trained on {n} pictures", ylabel="squared error of a pixel")
            axes.set_ylim(bottom=0)
            axes.grid(False, axis="x")
            legend(axes, theme)
        return figure

    return Section(
        "Does noise help against overfitting?",
        [
            "The same number of optimizer steps on few and on many pictures; pictures are decoded from the means of "
            "their posteriors, without noise. What counts is the error of held-out pictures: the gap to training "
            "pictures also shrinks when these get worse.",
        ],
        [
            Picture(
                "overfitting",
                "Squared error of training and held-out pictures",
                "The distance between the two marks is the gap; lower held-out marks are better models.",
                draw,
                wide=True,
            )
        ],
        [Table("overfitting", "Squared error of a pixel", rows)],
    )


def _convex(
    plan: Plan, measured: Measured, kinds: list[str], sweep: dict[str, list[Trained]], realism: Realism
) -> Section:
    shown = [PLAIN, CONTROL, *kinds, VARIATIONAL]
    labelled = plan.data.test.labels is not None
    middles = ("same class", "different class") if labelled else ("any",)
    labels = {"end": "reconstructions", **{m: f"midpoints, {m}" for m in middles}}
    shares = {f"{key} share": label for key, label in labels.items()}
    distances_ = {f"{key} distance": label for key, label in labels.items()}
    columns = {f"{key} {what}": f"{label}: {what}" for key, label in labels.items() for what in ("share", "confidence")}
    between_pixels = _pixel_midpoints(plan, realism)
    rows: list[dict[str, Value]] = [row(measured, kind, columns) for kind in shown]
    own = realism.confidence(plan.data.test.batch()).mean()
    rows.append(_real(columns, {"end share": realism.own, "end confidence": float(own)}, "real pictures"))
    rows.append(_real(columns, between_pixels, "means of two pictures"))
    walks = _walks(plan, {kind: sweep[kind] for kind in shown if sweep[kind]})
    accuracy = (
        "" if realism.accuracy is None else f" The classifier is right in {realism.accuracy:.1%} of held-out pictures."
    )
    return Section(
        "Is what lies between data like data?",
        [
            "Latents of two held-out pictures, and the point half way between them, are decoded. A picture looks like "
            f"data {HOW}.{accuracy} The mean of the two pictures, pixel by pixel, is what a space would give that "
            "knows nothing of data; such means are among the non-data that the classifier was shown.",
        ],
        [
            Picture(
                "midpoints",
                "How much reconstructions and midpoints look like data",
                "Left: the share that looks like data; about 0.95 of real pictures. Right: distance to the nearest "
                "training picture in what the classifier decides by.",
                lambda theme: compared(
                    theme,
                    measured,
                    shown,
                    [
                        ("Looks like data", "share", shares),
                        ("Distance to the nearest training picture", "distance", distances_),
                    ],
                ),
                wide=True,
            ),
            Picture(
                "walks",
                "From one picture to another",
                "Decoded along the line between the latents of two held-out pictures of different classes (the first "
                "pairs, not picked), for the first seed.",
                lambda theme: picture_rows(walks, theme),
                wide=True,
            ),
        ],
        [Table("midpoints", "Reconstructions and midpoints", rows)],
    )


def _real(columns: dict[str, str], known: dict[str, float], name: str) -> dict[str, Value]:
    return {"model": name, **{head: known.get(measure) for measure, head in columns.items()}}


def _pixel_midpoints(plan: Plan, realism: Realism) -> dict[str, float]:
    from lather.studies.interpolation import pairs
    from lather.studies.noise_measures import scores

    x = plan.data.test.batch()
    chosen = pairs(plan.data.test.labels, len(x), 400, generator=torch.Generator().manual_seed(0))
    found: dict[str, float] = {}
    for kind, both in chosen.items():
        found |= scores(realism, kind, x[both].mean(1))
    return found


@torch.no_grad()
def _walks(plan: Plan, trained: dict[str, list[Trained]], steps: int = 7) -> dict[str, list[Tensor]]:
    from lather.studies.interpolation import pairs

    x = plan.data.test.batch()
    chosen = pairs(plan.data.test.labels, len(x), 2, generator=torch.Generator().manual_seed(0))
    both = chosen.get("different class", chosen.get("any"))
    assert both is not None
    walks = {}
    for kind, runs in trained.items():
        z, _ = runs[0].model.latents(x[both.flatten()])
        t = torch.linspace(0, 1, steps)[:, None]
        walks[kind] = [runs[0].model.decode((1 - t) * z[2 * i] + t * z[2 * i + 1]).mean for i in range(len(both))]
    return walks


def _overlap(curve: dict[str, list[Learnt]], last: Measured, null: dict[str, float]) -> Section:
    columns = list(null)
    rows: list[dict[str, Value]] = [
        {"law compared with the curve": kind, **{c: of(last, kind, c) for c in columns}} for kind in last
    ]
    rows.append({"law compared with the curve": "another sample of it", **{c: estimate([null[c]]) for c in columns}})
    held_out = curve[PLAIN][0].held_out.numpy()
    decoded: dict[str, np.ndarray] = {kind: runs[0].decoded for kind, runs in curve.items()}
    return Section(
        "Do the supports of data and model overlap, and does it matter?",
        [
            "In 784 dimensions neither distance can be computed exactly, so this is done where both can: data on a "
            "curve in the plane (made up), and autoencoders with one latent dimension trained on it (really). What "
            "they decode is another curve. Two curves meet in single points, so without smoothing the Jensen–Shannon "
            "divergence is log 2 at any distance; both laws are smoothed by the same noise and compared again. "
            "Wasserstein distances are exact, by assignment of 500 points.",
        ],
        [
            Picture(
                "curve",
                "A curve, and what models make of it",
                "First seed, after training; the noisy one with noise in its latents.",
                lambda theme: curves(theme, held_out, decoded),
                wide=True,
            ),
            Picture(
                "saturation",
                "Divergences saturate, distances do not",
                "Left: the less both laws are smoothed, the less the divergence sees of what the model learns. Right: "
                "latent noise does not bring the laws together at fine scales; smoothing does.",
                lambda theme: saturation(theme, [run.rows for run in curve[PLAIN]], last, SMOOTHINGS, null),
                wide=True,
            ),
        ],
        [Table("overlap", "Distance from the curve after training", rows, "JS in nats, at most 0.693.")],
    )


def _moving(moving: Measured, histories: dict[str, list[list[float]]], sizes: Sizes) -> Section:
    columns = {
        "first step": "second epoch",
        "last step": "last epoch",
        "last aligned": "last epoch, rotation and shift taken out",
    }
    return Section(
        "Do latents come to rest?",
        [
            f"Latents of training pictures are followed over {sizes.drift_epochs} epochs on {sizes.drift_data} "
            "pictures. A step is the root mean square change of a latent mean since the last epoch, in units of the "
            "latents' spread.",
        ],
        [
            Picture(
                "drift",
                "Steps of the latents",
                "With the best common rotation and shift taken out; bands span the seeds.",
                lambda theme: drifts(theme, histories, claims.STILL),
            )
        ],
        [Table("drift", "Step / spread of the latents", [row(moving, kind, columns) for kind in moving])],
    )


def _conditions(plan: Plan, sizes: Sizes, realism: Realism) -> dict[str, Any]:
    data = plan.data
    return {
        "data": f"{data.name}, {len(data.train)} training, {len(data.test)} held-out pictures",
        "networks": f"perceptrons with hidden layers of {', '.join(map(str, sizes.hidden))}",
        "latent dimensions": sizes.latent,
        "training": f"{sizes.steps} steps of 128 pictures, Adam 1e-3 falling to 0",
        "intervals": "95%, Student's t over seeds; comparisons seed by seed" if plan.seeds > 1 else "none: one seed",
    }
