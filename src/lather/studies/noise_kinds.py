"""What the study of noise trains: the same autoencoder without noise, with more and more of it, and as a VAE."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lather.jobs import Job
from lather.studies.plan import Plan
from lather.train.loop import batches_per_epoch

__all__ = ["CONTROL", "ESCAPED", "FULL", "PLAIN", "QUICK", "VARIATIONAL", "Sizes", "jobs", "noisy"]

PLAIN = "AE"
#: the recipe of the noisy ones with next to no noise, so that noise is told from the norm that goes with it
CONTROL = "norm alone"
VARIATIONAL = "VAE"
ESCAPED = "noise, no norm"

_BATCH = 128


@dataclass(frozen=True)
class Sizes:
    """How much is trained and measured.

    Attributes:
        limit: training pictures of the whole set, ``None`` for all.
        held_out: pictures that everything is measured on.
        small: sizes of the small training sets.
        sigmas: noise levels of the sweep, ascending.
        latent: dimensions.
        hidden: widths of the networks' hidden layers.
        steps: optimizer steps of every training, whatever the size of its training set.
        drift_epochs: epochs over which latents are followed.
        drift_data: pictures whose latents are followed, and on which these models are trained.
        curve_epochs: epochs of the models of the curve.
        pairs: midpoints of each kind.
    """

    limit: int | None = 6000
    held_out: int = 1000
    small: tuple[int, ...] = (300,)
    sigmas: tuple[float, ...] = (0.1, 0.3, 1.0)
    latent: int = 8
    hidden: tuple[int, ...] = (256, 256)
    steps: int = 1000
    drift_epochs: int = 20
    drift_data: int = 1000
    curve_epochs: int = 40
    pairs: int = 400


QUICK = Sizes()
FULL = Sizes(
    limit=None,
    held_out=5000,
    small=(300, 1000, 3000),
    sigmas=(0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0),
    latent=16,
    hidden=(400, 400),
    steps=10_000,
    drift_epochs=60,
    drift_data=10_000,
    curve_epochs=100,
    pairs=2000,
)


def noisy(sizes: Sizes) -> list[str]:
    """Names of the sweep's models that have noise, by its size."""
    return [_named(sigma) for sigma in sizes.sigmas]


def jobs(plan: Plan, sizes: Sizes, n: int, *, escaped: bool = False) -> dict[str, Job]:
    """The sweep, for a training set of ``n`` pictures; with ``escaped`` also noise without the norm."""
    load: dict[str, Any] = {**plan.load, "test_limit": sizes.held_out}
    if n < len(plan.data.train):
        load["train_limit"] = n
    epochs = math.ceil(sizes.steps / batches_per_epoch(n, _BATCH))
    base = Job(
        "noise-ae",
        load,
        (sizes.latent,),
        nets="mlp",
        net_options={"hidden": list(sizes.hidden)},
        settings={"epochs": epochs, "batch_size": _BATCH},
    )
    return _kinds(base, sizes, escaped=escaped)


def _kinds(base: Job, sizes: Sizes, *, escaped: bool) -> dict[str, Job]:
    def noise(sigma: float, **options: Any) -> Job:
        return replace(base, options={"sigma": sigma, **options})

    found = {PLAIN: replace(base, recipe="ae"), CONTROL: noise(1e-3)}
    found |= {_named(sigma): noise(sigma) for sigma in sizes.sigmas}
    # the Gaussian likelihood with the best σ is what makes an ELBO of a squared error
    found[VARIATIONAL] = replace(base, recipe="vae", likelihood="gaussian")
    if escaped:
        found[ESCAPED] = noise(sizes.sigmas[len(sizes.sigmas) // 2], weight=0.0)
    return found


def _named(sigma: float) -> str:
    return f"σ = {sigma:g}"


def limited(load: Mapping[str, Any], sizes: Sizes) -> dict[str, Any]:
    """Keyword arguments of :func:`lather.load` for the whole training set of these sizes."""
    own = {} if sizes.limit is None or "limit" in load else {"limit": sizes.limit}
    return {**load, **own, "test_limit": sizes.held_out}
