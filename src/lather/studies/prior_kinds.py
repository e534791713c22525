"""What the study of priors trains: one kind of autoencoder without a prior, and with one after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lather.jobs import Job
from lather.studies.plan import Plan
from lather.train.loop import batches_per_epoch

__all__ = [
    "FULL",
    "GAN",
    "LARGE",
    "LARGE_VAE",
    "NORMAL",
    "PLAIN",
    "QUICK",
    "UNIT",
    "VAE",
    "WEAK",
    "WIDE",
    "Sizes",
    "jobs",
    "limited",
    "matched",
    "variational",
]

PLAIN = "AE"
NORMAL = "matched: normal"
VAE = "VAE: normal"
#: the kinds that tell what makes pictures blurred
UNIT, WEAK, LARGE, LARGE_VAE, WIDE, GAN = (
    "VAE, σ = 1",
    "VAE, β = 0.1",
    "AE, large latent",
    "VAE, large latent",
    "AE, wide networks",
    "VAE-GAN",
)

_BATCH = 128


@dataclass(frozen=True)
class Sizes:
    """How much is trained and measured.

    Attributes:
        limit: training pictures, ``None`` for all.
        held_out: pictures that everything is measured on.
        latent: dimensions.
        large: dimensions of the large latent.
        hidden: widths of the networks' hidden layers.
        steps: optimizer steps of every training.
        matched: priors that a whole batch of latents is matched with (energy distance).
        variational: priors of the VAEs.
        drawn: random latents that are decoded.
    """

    limit: int | None = 6000
    held_out: int = 1000
    latent: int = 8
    large: int = 32
    hidden: tuple[int, ...] = (256, 256)
    steps: int = 1000
    matched: tuple[str, ...] = ("normal", "cube", "sphere", "laplace")
    variational: tuple[str, ...] = ("normal", "sphere", "learned-mixture", "vamp", "flow")
    drawn: int = 1000


QUICK = Sizes()
FULL = Sizes(
    limit=None,
    held_out=5000,
    latent=16,
    large=64,
    hidden=(400, 400),
    steps=10_000,
    matched=("normal", "cube", "ball", "sphere", "laplace", "student-t", "mixture"),
    variational=("normal", "laplace", "student-t", "sphere", "learned-mixture", "vamp", "flow"),
    drawn=5000,
)

#: how learned priors are called on the page
_CALLED = {"learned-mixture": "mixture", "vamp": "VampPrior"}


def matched(sizes: Sizes) -> list[str]:
    """Names of the deterministic autoencoders, one for each prior."""
    return [f"matched: {prior}" for prior in sizes.matched]


def variational(sizes: Sizes) -> list[str]:
    """Names of the VAEs, one for each prior."""
    return [f"VAE: {_CALLED.get(prior, prior)}" for prior in sizes.variational]


def jobs(plan: Plan, sizes: Sizes) -> dict[str, Job]:
    """All kinds; the same networks, pictures and steps wherever the comparison is not about them."""
    base = Job(
        "ae",
        limited(plan.load, sizes),
        (sizes.latent,),
        nets="mlp",
        net_options={"hidden": list(sizes.hidden)},
        settings={
            "epochs": math.ceil(sizes.steps / batches_per_epoch(len(plan.data.train), _BATCH)),
            "batch_size": _BATCH,
        },
    )
    found = {PLAIN: base}
    for name, prior in zip(matched(sizes), sizes.matched, strict=True):
        found[name] = replace(base, recipe="energy-ae", prior=prior)
    # a Gaussian whose σ is the best one: the likelihood that makes an ELBO of a squared error
    vae = replace(base, recipe="vae", likelihood="gaussian")
    for name, prior in zip(variational(sizes), sizes.variational, strict=True):
        if prior == "sphere":  # a Gaussian posterior fills the whole space; this recipe has one on the sphere
            found[name] = replace(vae, recipe="svae")
        else:
            found[name] = replace(vae, prior=None if prior == "normal" else prior)
    found[UNIT] = replace(vae, likelihood="gaussian-unit")
    found[WEAK] = replace(vae, options={"weight": 0.1})
    found[LARGE] = replace(base, latent=(sizes.large,))
    found[LARGE_VAE] = replace(vae, latent=(sizes.large,))
    found[WIDE] = replace(base, net_options={"hidden": [3 * width for width in sizes.hidden]})
    found[GAN] = replace(base, recipe="vae-gan")
    return found


def limited(load: Mapping[str, Any], sizes: Sizes) -> dict[str, Any]:
    """Keyword arguments of :func:`lather.load` for these sizes."""
    own = {} if sizes.limit is None or "limit" in load else {"limit": sizes.limit}
    return {**load, **own, "test_limit": sizes.held_out}
