"""Why a normal prior, could it be another?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lather.auditing.theme import CLASSES, Theme, legend
from lather.studies import prior_claims as claims
from lather.studies.dots import MARKS, compared, panels
from lather.studies.findings import Findings, Picture, Section, Table, Value
from lather.studies.grids import picture_rows
from lather.studies.measured import Measured, measure, of, row
from lather.studies.plan import Plan, Trained
from lather.studies.prior_kinds import (
    FULL,
    GAN,
    LARGE,
    LARGE_VAE,
    NORMAL,
    PLAIN,
    QUICK,
    UNIT,
    VAE,
    WEAK,
    WIDE,
    Sizes,
    jobs,
    limited,
    matched,
    variational,
)
from lather.studies.prior_measures import SOURCES, drawn, quality, shares, sharpness
from lather.studies.realism import HOW, Realism

__all__ = ["prior"]

QUESTION = "Why a normal prior, could it be another?"
BLUR = (PLAIN, LARGE, WIDE, VAE, UNIT, WEAK, LARGE_VAE, GAN)


def prior(plan: Plan, sizes: Sizes | None = None) -> Findings:
    """The same autoencoder without a prior and with one after the other: samples, likelihood, n*, blur."""
    sizes = sizes or (QUICK if plan.quick else FULL)
    plan = replace(plan, load=limited(plan.load, sizes))
    data = plan.data
    realism = Realism(data)
    trained = plan.train(jobs(plan, sizes))
    measured = measure(
        trained,
        lambda one: {**shares(one, data, realism, sizes.drawn), **quality(one), **sharpness(one, data)},
    )
    flat, vaes = matched(sizes), variational(sizes)
    found = {
        "minuscule": claims.minuscule(measured, realism.own),
        "forced": claims.forced(measured),
        "other": claims.other(measured, flat),
        "learned": claims.learned(measured, vaes),
        "conflict": claims.conflict(measured),
        "critic": claims.critic(measured),
    }
    return Findings(
        "prior",
        QUESTION,
        claims.headline(found, measured, flat, vaes),
        list(found.values()),
        [
            _random(plan, measured, trained, realism, flat, vaes),
            _priors(plan, measured, trained, flat, vaes),
            _blur(plan, measured, trained),
        ],
        {
            "data": f"{data.name}, {len(data.train)} training, {len(data.test)} held-out pictures",
            "networks": f"perceptrons, hidden layers of {', '.join(map(str, sizes.hidden))}; the critic convolutional",
            "latent dimensions": f"{sizes.latent}; large: {sizes.large}",
            "training": f"{sizes.steps} steps of 128 pictures, Adam 1e-3 falling to 0",
            "intervals": "95%, Student's t over seeds; comparisons seed by seed"
            if plan.seeds > 1
            else "none: one seed",
        },
    )


def _random(
    plan: Plan,
    measured: Measured,
    trained: dict[str, list[Trained]],
    realism: Realism,
    flat: list[str],
    vaes: list[str],
) -> Section:
    """Random latents of models with and without a prior."""
    every, shown = [PLAIN, *flat, *vaes], [PLAIN, NORMAL, VAE]
    columns = {
        "reconstructions share": "reconstructions",
        **{f"{source} share": source for source in SOURCES},
    }
    rows = [row(measured, kind, columns) for kind in every]
    accuracy = "" if realism.accuracy is None else f" The classifier is right in {realism.accuracy:.1%} of these."
    labels = {f"{source} share": source for source in ("reconstructions", *SOURCES[:3])}
    return Section(
        "Which random latents decode to data?",
        [
            f"A picture looks like data {HOW}.{accuracy} Random latents come from N(0, I), uniformly from the box that "
            "training latents span, and from a Gaussian with their mean and covariance.",
        ],
        [
            Picture(
                "random",
                "Share of decoded latents that look like data",
                "Reconstructions of held-out pictures, and random latents from three sources that need no training.",
                lambda theme: compared(
                    theme,
                    measured,
                    every,
                    [("Looks like data", "share", labels)],
                    bands={"real pictures": realism.own},
                ),
                wide=True,
            ),
            Picture(
                "random-samples",
                "What random latents decode to",
                "First draws, first seed.",
                lambda theme: picture_rows(
                    {
                        kind: [drawn(trained[kind][0], plan.data, 6)[source] for source in SOURCES[:3]]
                        for kind in shown
                        if trained[kind]
                    },
                    theme,
                    heads=SOURCES[:3],
                ),
                wide=True,
            ),
        ],
        [Table("random", "Share of decoded latents that look like data", rows)],
    )


def _priors(
    plan: Plan, measured: Measured, trained: dict[str, list[Trained]], flat: list[str], vaes: list[str]
) -> Section:
    """One prior after the other."""
    columns = {
        "frechet": "Fréchet distance of samples",
        "gap": "of it, sampling gap",
        "its prior share": "samples that look like data",
        "error": "squared error of a pixel",
        "iwae": "likelihood bound (nats)",
    }
    rows = [{**row(measured, kind, columns), "n*": claims.detection(measured, kind)} for kind in (PLAIN, *flat, *vaes)]

    def draw(theme: Theme) -> Any:
        figure, axes = panels(theme, 2, height=4.3)
        for position, (name, label, log) in zip(
            axes,
            (
                ("log n*", "n*: latents it takes to see the mismatch", True),
                ("error", "squared error of a pixel", False),
            ),
            strict=True,
        ):
            for k, (family, kinds) in enumerate(
                (("matched (energy distance)", flat), ("VAE", vaes), ("no prior", [PLAIN]))
            ):
                x = [of(measured, kind, name) for kind in kinds]
                y = [of(measured, kind, "frechet") for kind in kinds]
                position.errorbar(
                    [10**e.mean if log else e.mean for e in x],
                    [e.mean for e in y],
                    yerr=[e.half for e in y],
                    fmt=MARKS[k],
                    color=CLASSES[k],
                    markersize=6,
                    capsize=2,
                    linewidth=0,
                    elinewidth=1,
                    label=family,
                )
                for kind, ex, ey in zip(kinds, x, y, strict=True):
                    position.annotate(
                        kind.partition(": ")[2] or kind, (10**ex.mean if log else ex.mean, ey.mean), xytext=(6, 4),
                        textcoords="offset points", fontsize=8, color=theme.ink,
                    )  # fmt: skip
            position.set(xlabel=label, ylabel="Fréchet distance of samples", yscale="log")
            if log:
                position.set_xscale("log")
        legend(axes[0], theme)
        return figure

    return Section(
        "One prior after the other",
        [
            "“Matched” is a deterministic autoencoder whose batches of latents are held to the prior by the energy "
            "distance, which works with every prior here: the same recipe throughout. VAEs need a density for the KL. "
            "Against a cube it is infinite, so there is no such VAE; on the sphere the posterior has to live there, "
            "too, and is power-spherical in place of Gaussian; mixture, VampPrior and flow are learned along with the "
            "model and need the KL to learn from, so that they have no matched counterpart. The likelihood bound is "
            "importance-weighted, and exists for VAEs only.",
        ],
        [
            Picture(
                "priors",
                "Samples against the match with the prior, and against distortion",
                "Lower is better. Left: farther right, the latents follow their prior more closely (n* that was not "
                "reached is shown at the number of latents tested).",
                draw,
                wide=True,
            ),
            Picture(
                "priors-samples",
                "Samples from each prior",
                "First draws, first seed; the AE's from N(0, I).",
                lambda theme: picture_rows(
                    {
                        kind: [drawn(trained[kind][0], plan.data, 16)["its prior"]]
                        for kind in (PLAIN, *flat, *vaes)
                        if trained[kind]
                    },
                    theme,
                ),
                wide=True,
            ),
        ],
        [
            Table(
                "priors",
                "Priors",
                rows,
                "n*: how many held-out latents it takes to tell them from their prior every other time; where it was "
                "not reached, the number tested. Likelihood bound: of the density of held-out pictures, Gaussian "
                "likelihood with the best σ; only differences mean something.",
            )
        ],
    )


def _blur(plan: Plan, measured: Measured, trained: dict[str, list[Trained]]) -> Section:
    """Whose fault blur is."""
    columns = {
        "mean": "reconstructions",
        "draw": "decoded posterior draws",
        "sample": "samples",
        "mean fine": "reconstructions, fine power",
        "sample fine": "samples, fine power",
        "error": "squared error of a pixel",
    }
    rows: list[dict[str, Value]] = [row(measured, kind, columns) for kind in BLUR]
    shown = {"mean": "reconstructions", "draw": "posterior draws", "sample": "samples"}

    @torch.no_grad()
    def rows_of(n: int = 8) -> dict[str, list[Tensor]]:
        x = plan.data.test.batch()[:n]
        found = {"data": [x, plan.data.test.batch()[n : 2 * n]]}
        for kind in BLUR:
            if trained[kind]:
                model = trained[kind][0].model
                g = torch.Generator().manual_seed(0)
                found[kind] = [model.reconstruct(x), model.generate(n, generator=g)]
        return found

    return Section(
        "What makes pictures blurred?",
        [
            "Sharpness is the variance of the Laplacian over the pixels of a picture, relative to that of held-out "
            "pictures; 1 is as sharp as data. It also grows with noise and artefacts, so it says whether a picture is "
            "blurred and not whether it is good.",
            "One thing is changed at a time. The AE has no KL and no noise. The VAE has both: with the best σ of its "
            "likelihood, with σ = 1 (½ squared error + KL, as often written, where the KL weighs most), and with a "
            "tenth of the KL (β = 0.1). “Large latent” and “wide networks” change what can pass and what can be "
            "computed. The VAE-GAN adds a critic and compares its features.",
        ],
        [
            Picture(
                "blur",
                "Sharpness relative to data",
                "1 is as sharp as data.",
                lambda theme: compared(
                    theme,
                    measured,
                    BLUR,
                    [("Variance of the Laplacian, relative to data", "sharpness", shown)],
                    bands={"data": 1.0},
                ),
                wide=True,
            ),
            Picture(
                "blur-pictures",
                "Reconstructions and samples",
                "The same held-out pictures for every model; samples are first draws, first seed.",
                lambda theme: picture_rows(rows_of(), theme, heads=("reconstructions", "samples")),
                wide=True,
            ),
        ],
        [Table("blur", "Sharpness relative to data", rows)],
    )
