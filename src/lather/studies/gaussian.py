"""Study ``gaussian``: what do we mean by Gaussian latents, and how important is it?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from lather.jobs import Job
from lather.models.nets.registry import choose_nets
from lather.studies.findings import Findings, Section, Table, Value
from lather.studies.gaussian_answer import gaussian_answer, gaussian_claims
from lather.studies.gaussian_lines import draw_rows, drawn, method, method_rows, relations, trap_rows
from lather.studies.gaussian_pictures import gaussian_pictures
from lather.studies.match_case import MatchCase, Trap, measure_match, synthetic_trap, whitened_trap
from lather.studies.match_matrix import matrix
from lather.studies.plan import Plan, Trained
from lather.studies.two_shells import two_shells

__all__ = ["FULL", "QUICK", "Sizes", "gaussian"]

_BATCH = 128


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes:
        recipes: what is trained with its own weight and prior.
        weak: recipes that are trained once more with a hundredth of their weight.
        uniform: recipes that are trained once more with a uniform cube as their prior.
        mended: labels to whose latents other priors are fitted.
        d: latent dimensions.
        nets: of all models.
        hidden: width of the hidden layers of perceptrons.
        limit: pictures that are read of each set where the caller names no limit; ``None`` for all.
        steps: of training.
        candidates: for the repairs.
    """

    recipes: Sequence[str] = ("ae", "vae", "wae-mmd", "swae", "cwae", "gae", "sigreg", "energy-ae")
    weak: Sequence[str] = ("energy-ae",)
    uniform: Sequence[str] = ("energy-ae",)
    mended: Sequence[str] = ("ae", "vae", "cwae")
    d: int = 8
    nets: str = "mlp"
    hidden: int = 256
    limit: int | None = 6000
    steps: int = 1000
    candidates: Sequence[str] = ("gaussian", "mixture")


QUICK = Sizes()
FULL = Sizes(
    recipes=(
        *("ae", "noise-ae", "vae", "beta-vae", "infovae", "wae-mmd", "swae", "max-swae", "cwae", "gae", "sigreg"),
        *("energy-ae", "stein-ae", "sinkhorn-ae", "wae-gan", "aae"),
    ),
    weak=("wae-mmd", "swae", "cwae", "gae", "sigreg", "energy-ae"),
    uniform=("energy-ae", "wae-mmd", "swae"),
    mended=("ae", "noise-ae", "vae", "beta-vae", "wae-mmd", "swae", "cwae", "gae", "sigreg", "energy-ae", "aae"),
    nets="auto",
    limit=None,
    steps=10_000,
    candidates=("gaussian", "mixture", "aggregate", "flow-matching"),
)

QUESTION = "What do we mean by Gaussian latents, and how important is it?"


def gaussian(plan: Plan, sizes: Sizes | None = None) -> Findings:
    """Train the matching methods on the same data, and ask of each which tests it passes and what sampling costs.

    Args:
        plan: data, seeds, where to write.
        sizes: how much is done; by default that of ``plan.quick``.
    """
    sizes = sizes or (QUICK if plan.quick else FULL)
    if sizes.limit is not None:
        plan = replace(plan, load={"limit": sizes.limit, **plan.load})
    jobs = _jobs(plan, sizes)
    trained = {label: found for label, found in plan.train(jobs).items() if found}
    cases: dict[str, list[MatchCase]] = {}
    for label, found in trained.items():
        candidates = sizes.candidates if label in sizes.mended else ()
        cases[label] = [measure_match(one, plan.data, candidates, plan.failures) for one in found]
    methods = [method(label, jobs[label].recipe, found) for label, found in cases.items()]
    draws = [one for label, found in cases.items() if (one := drawn(label, found)) is not None]
    traps = _traps(plan, trained, sizes.d)
    related = relations(cases)
    cells = matrix(cases, {label: job.recipe for label, job in jobs.items()})
    pictures = gaussian_pictures(cells, cases, draws)
    rows: list[Mapping[str, Value]] = [
        {
            "the sampling gap goes with": name,
            "rank correlation": one.rho,
            "from": one.low,
            "to": one.high,
            "runs": one.n,
            "kinds": one.groups,
        }
        for name, one in related.items()
    ]
    return Findings(
        "gaussian",
        QUESTION,
        gaussian_answer(methods, draws, traps, related),
        gaussian_claims(methods, draws, traps, min(_BATCH, len(plan.data.train))),
        [
            Section(
                "Which statistic each method satisfies",
                [_MATRIX],
                pictures["matrix"],
                [Table("methods", "Methods", method_rows(methods), _METHODS)],
            ),
            Section(
                "Does it matter for what is generated?",
                [_GAP],
                pictures["gap"],
                [Table("relations", "What the sampling gap goes with", rows, _RELATIONS)],
            ),
            Section(
                "Gaussian, or only drawn from the right place?",
                [_DRAWS],
                pictures["draws"],
                [Table("draws", "The same latents, drawn from different priors", draw_rows(draws))],
            ),
            Section("The two-moment trap", [_TRAP], [], [Table("traps", "Normal by moments", trap_rows(traps))]),
        ],
        {
            "data": f"{plan.data.name}, {len(plan.data.train)} training, {len(plan.data.test)} held-out pictures",
            "model": f"d = {sizes.d}, {next(iter(jobs.values())).nets} nets",
            "steps of training": sizes.steps,
        },
    )


def _jobs(plan: Plan, sizes: Sizes) -> dict[str, Job]:
    nets = choose_nets(plan.data.shape, (sizes.d,)) if sizes.nets == "auto" else sizes.nets
    batch = min(_BATCH, len(plan.data.train))
    epochs = math.ceil(sizes.steps / (len(plan.data.train) // batch))
    plain = Job(
        "ae",
        plan.load,
        (sizes.d,),
        nets=nets,
        net_options={"hidden": sizes.hidden} if nets == "mlp" else {},
        settings={"epochs": epochs, "batch_size": batch},
    )
    jobs = {recipe: replace(plain, recipe=recipe) for recipe in sizes.recipes}
    for recipe in sizes.weak:
        weight = 0.01 * _weight(recipe, plan)
        jobs[f"{recipe}, weight / 100"] = replace(plain, recipe=recipe, options={"weight": weight})
    for recipe in sizes.uniform:
        jobs[f"{recipe}, uniform cube"] = replace(plain, recipe=recipe, prior="cube")
    return jobs


def _weight(recipe: str, plan: Plan) -> float:
    """The recipe's own weight: a multiple of the numbers in a picture."""
    return {"cwae": 5.0}.get(recipe, 1.0) * math.prod(plan.data.shape)


def _traps(plan: Plan, trained: dict[str, list[Trained]], d: int) -> list[Trap]:
    g = torch.Generator().manual_seed(0)
    n = min(len(plan.data.test), 4000)
    traps = [
        synthetic_trap("draws from N(0, I), for comparison", torch.randn(n, d, generator=g, dtype=torch.float64)),
        synthetic_trap("two shells (synthetic)", two_shells(n, d, generator=g)),
    ]
    plain = trained.get("ae")
    return [whitened_trap(plain[0], plan.data), *traps] if plain else traps


_MATRIX = (
    "“The latents are Gaussian” means something different in each paper: that a certain statistic is small. Here every "
    "method is asked by all of them how many latents it takes to see that they are not from its prior, n*. Latents are "
    "those of new data."
)
_METHODS = (
    "n*: the median of the trainings, with the smallest and the largest (in the files under mean, low and high). "
    "Against a normal law, a method with another prior is judged after an affine map to mean 0 and covariance "
    "I. Overall n* is "
    "that of the most telling of many tests. Sampling gap: how much farther from data decodes of prior draws are than "
    "decodes of new data's latents, in Fréchet distance."
)
_GAP = (
    "If it matters for sampling that latents match their prior, methods that need more latents to be told from it "
    "should have a smaller sampling gap. If only covering matters, it should be holes that go with the gap."
)
_RELATIONS = (
    "Spearman's rank correlation over all trainings. The 95% interval is bootstrapped over kinds of runs, as seeds of "
    "one kind are no independent evidence. Few kinds that differ in many ways cannot tell cause from company: see the "
    "experiment below."
)
_DRAWS = (
    "An experiment rather than a correlation: encoder, decoder and latents stay as they are, so they stay as normal "
    "or as "
    "little normal as they were. Only what new latents are drawn from changes: the prior, or a law fitted to the "
    "latents "
    "of training data and scored on latents of other data."
)
_TRAP = (
    "An affine map gives any latents mean 0 and covariance I, and leaves reconstructions as they are; drawing N(0, I) "
    "there is drawing from a fitted Gaussian. Mardia's skewness and kurtosis are the usual next check. “Two shells” "
    "is a "
    "made-up law: directions at random on two spheres, with all moments of N(0, I) up to the fifth degree."
)
