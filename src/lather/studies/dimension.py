"""Study ``dimension``: why does sampling break in large latent spaces?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lather.jobs import Job
from lather.models.nets.registry import choose_nets
from lather.studies.dimension_answer import dimension_answer, dimension_claims
from lather.studies.dimension_lines import Line, line_of, match_rows, number_rows, source_rows
from lather.studies.dimension_pictures import dimension_pictures
from lather.studies.findings import Findings, Picture, Section, Table
from lather.studies.large_latent import Ideal, ideal_latents, threshold
from lather.studies.latent_case import LatentCase, measure_case
from lather.studies.plan import Plan

__all__ = ["FULL", "QUICK", "Sizes", "dimension"]

_BATCH = 50


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes:
        flat: latent dimensions.
        spatial: channels of 8×8 maps, each with the number of pictures that are read for it: the audit holds as many
            latents in memory, 65 536 numbers each for the largest.
        limit: pictures that are read of each set where the caller names no limit; ``None`` for all.
        steps: of training.
        width, hidden: of the networks.
        candidates: for the repaired prior.
        ideal: dimensions of the latents that cannot be better, and
        bubbles: how many training data these have.
    """

    flat: Sequence[int] = (2, 8, 32, 128, 512)
    spatial: Sequence[tuple[int, int]] = ()
    limit: int | None = 6000
    steps: int = 1800
    width: int = 8
    hidden: int = 128
    candidates: Sequence[str] = ("gaussian", "mixture")
    ideal: Sequence[int] = (9, 18, 36, 72, 144, 288, 576)
    bubbles: int = 2000


QUICK = Sizes()
FULL = Sizes(
    flat=(2, 4, 8, 16, 32, 64, 128, 256, 512),
    spatial=((64, 8000), (256, 4000), (1024, 1500)),
    limit=None,
    steps=24_000,
    width=16,
    hidden=256,
    candidates=("gaussian", "mixture", "aggregate", "flow-matching"),
    ideal=(9, 18, 36, 72, 144, 288, 576, 1152),
    bubbles=4000,
)

QUESTION = "Why does sampling break in large latent spaces?"


def dimension(plan: Plan, sizes: Sizes | None = None) -> Findings:
    """Train the same VAE with latents of many sizes, and measure what changes with the size and what does not.

    Args:
        plan: data, seeds, where to write.
        sizes: how much is done; by default that of ``plan.quick``.
    """
    sizes = sizes or (QUICK if plan.quick else FULL)
    if sizes.limit is not None:
        plan = replace(plan, load={"limit": sizes.limit, **plan.load})
    cases = _cases(plan, sizes)
    lines = [line_of(label, found) for label, found in cases.items()]
    share = 0.1
    ideal = [ideal_latents(d, share=share, bubbles=sizes.bubbles) for d in sizes.ideal]
    pictures = dimension_pictures(cases, lines, ideal, threshold(share, sizes.bubbles))
    return Findings(
        "dimension",
        QUESTION,
        dimension_answer(lines, ideal),
        dimension_claims(lines, ideal),
        _sections(lines, ideal, pictures),
        {
            "data": f"{plan.data.name}, {len(plan.data.train)} training, {len(plan.data.test)} held-out pictures",
            "model": f"recipe vae, {choose_nets(plan.data.shape, (8,))} nets",
            "steps of training": sizes.steps,
        },
    )


def _cases(plan: Plan, sizes: Sizes) -> dict[str, list[LatentCase]]:
    """Trained and measured models by label; sizes of which all trainings failed are left out."""
    out: dict[str, list[LatentCase]] = {}
    for load, latents in _loads(plan, sizes):
        own = plan if load is None else replace(plan, load=load)
        jobs = {_label(latent): _job(own, latent, sizes) for latent in latents}
        for label, trained in own.train(jobs).items():
            found = [measure_case(one, own.data, sizes.candidates, plan.failures) for one in trained]
            if found:
                out[label] = found
    return out


def _loads(plan: Plan, sizes: Sizes) -> list[tuple[dict[str, object] | None, list[tuple[int, ...]]]]:
    """What is trained on the same data, by how they are loaded."""
    groups: list[tuple[dict[str, object] | None, list[tuple[int, ...]]]] = [(None, [(d,) for d in sizes.flat])]
    for channels, limit in sizes.spatial:
        load = {**plan.load, "limit": min(limit, int(plan.load.get("limit") or limit))}
        side = min(plan.data.shape[1:])
        if side & (side - 1) or side < 8:  # an 8×8 map is reached by halving 8, 16, 32, …
            load["image_size"] = 32
        groups.append((load, [(channels, 8, 8)]))
    return groups


def _job(plan: Plan, latent: tuple[int, ...], sizes: Sizes) -> Job:
    nets = choose_nets(plan.data.shape, latent)
    options = {"hidden": sizes.hidden, "width": sizes.width} if nets == "conv" else {"hidden": sizes.hidden}
    batch = min(_BATCH, len(plan.data.train))
    epochs = math.ceil(sizes.steps / (len(plan.data.train) // batch))
    settings = {"epochs": epochs, "batch_size": batch, "lr": 2e-3}
    return Job("vae", plan.load, latent, nets=nets, net_options=options, settings=settings)


def _label(latent: tuple[int, ...]) -> str:
    return str(latent[0]) if len(latent) == 1 else f"8×8×{latent[0]}"


def _sections(lines: Sequence[Line], ideal: Sequence[Ideal], pictures: Mapping[str, list[Picture]]) -> list[Section]:
    exact = [
        {
            "d": one.d,
            "rate R (nats)": one.rate,
            "log N": one.log_n,
            "TV of the union from N(0, I)": one.union.variation,
            "new data inside the union": one.union.held_out,
            "latents that name their datum": one.told,
            "coordinates that pass as N(0, 1)": one.pass_rate,
            "three-way AUC": one.auc,
        }
        for one in ideal
    ]
    return [
        Section(
            "The same model, larger and larger latents",
            ["The networks, the data and the training are the same; only the number of latent coordinates differs."],
            pictures["grids"] + pictures["numbers"],
            [
                Table("latent-sizes", "What latents of each size spend", number_rows(lines), _SPENT),
                Table("match", "How far they are from N(0, I), and what it costs", match_rows(lines), _MATCH),
                Table("sources", "Fréchet distance from new data, by what was decoded", source_rows(lines), _SOURCES),
            ],
        ),
        Section("What one coordinate shows", [_COORDINATES], pictures["coordinates"]),
        Section("The bubbles, drawn from measured radii and distances", [_BUBBLES], pictures["bubbles"]),
        Section(
            "A calculation with a known solution",
            [_EXACT],
            pictures["ideal"],
            [Table("ideal-latents", "Latents that cannot be better", exact)],
        ),
    ]


_SPENT = (
    "Idle: a mean KL below 0.01 nats. Passing: one draw for each of 1000 new data, tested by Kolmogorov and Smirnov's "
    "test "
    "at 5%; of true normal coordinates 95% pass."
)
_MATCH = (
    "n*: latents it takes to tell them from N(0, I). Three-way AUC: how often a new datum's latent is more at home "
    "among "
    "the training latents than a prior draw (½: equally). Holes: prior draws where fewer than 1% of new latents lie. "
    "Union: of all training posteriors; inside it is where they are together denser than N(0, I); TV is 0 where two "
    "laws "
    "agree, 1 where they have nothing in common. Sampling gap: how much farther from data decodes of prior draws are "
    "than decodes of new data's latents."
)
_SOURCES = (
    "Distances between sets of one size in the features that audits use, all against the same new pictures; smaller is "
    "better. Training posteriors replay training data, so they show what the decoder can do, not how to generate."
)
_COORDINATES = (
    "Posterior means near 0 and deviations near 1 are often taken as a sign that latents follow the prior. Here is "
    "what "
    "single coordinates look like, all coordinates of a model thrown together."
)
_BUBBLES = (
    "Every training datum has a posterior, which in many dimensions is a thin shell around its centre; so is the prior "
    "around the origin. Distances from the centre of the nearest bubble are given in that bubble's own radius: a "
    "latent "
    "at 1 lies where the latents of that very datum lie. Signal directions are those in which posteriors differ most "
    "from each other, compared with their width."
)
_EXACT = (
    "Centres drawn from N(0, 0.1 I), bubbles of variance 0.9: whatever the dimension, a single latent is exactly a "
    "draw "
    "from N(0, I). Only the number of dimensions changes, and with it the rate. Where the rate passes log N, the "
    "bubbles "
    "stop covering the prior, and begin to name their datum. Nothing that one latent of each datum shows tells of it."
)
