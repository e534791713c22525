"""What the study of priors measures of each trained model."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lather.data import Dataset
from lather.priors import StandardNormal
from lather.samplers import fit_gaussian
from lather.studies.plan import Trained
from lather.studies.realism import Realism
from lather.studies.sharpness import high_frequency_share, laplacian_variance

__all__ = ["SOURCES", "drawn", "quality", "shares", "sharpness"]

#: where latents that nobody encoded are drawn from
SOURCES = ("N(0, I)", "box", "fitted Gaussian", "its prior")


def latents(one: Trained, data: Dataset, n: int) -> dict[str, Tensor]:
    """Random latents of a model, by where they were drawn from.

    ``box`` is uniform between the least and the largest value of each coordinate over training latents,
    ``fitted Gaussian`` has their mean and covariance.
    """
    model, seed = one.model, one.job.seed
    z, _ = model.latents(data.train.batch(slice(0, 5000)))
    g = torch.Generator().manual_seed(1000 + seed)
    low, high = z.amin(0), z.amax(0)
    return {
        "N(0, I)": StandardNormal(z.shape[1]).sample(n, generator=g),
        "box": torch.lerp(low, high, torch.rand(n, z.shape[1], generator=g)),
        "fitted Gaussian": fit_gaussian(z).sample(n, generator=g).to(z),
        "its prior": model.prior.sample(n, generator=g).to(z),
    }


@torch.no_grad()
def drawn(one: Trained, data: Dataset, n: int) -> dict[str, Tensor]:
    """What these latents decode to, (n, c, h, w) for each source."""
    return {source: one.model.decode(z).mean for source, z in latents(one, data, n).items()}


def shares(one: Trained, data: Dataset, realism: Realism, n: int) -> dict[str, float]:
    """Share that looks like data: of reconstructions of held-out pictures, and of decodes of random latents."""
    found = {"reconstructions": one.model.reconstruct(data.test.batch()[:n]), **drawn(one, data, n)}
    return {f"{source} share": float(realism.like_data(images).double().mean()) for source, images in found.items()} | {
        f"{source} confidence": float(realism.confidence(images).mean()) for source, images in found.items()
    }


def quality(one: Trained) -> dict[str, float]:
    """From the report: n*, the Fréchet distance of samples and how much of it is the sampling gap, bounds, distortion.

    n* that was not reached is given as the number of latents tested, a lower bound; its logarithm is what can be
    averaged.
    """
    rows = one.report.rows
    size = one.report.detection_size
    found = {
        "frechet": _effect(rows, "fidelity_prior"),
        "reconstruction frechet": _effect(rows, "fidelity_reconstruction"),
        "gap": _effect(rows, "gap"),
        "error": _effect(rows, "reconstruction_error") ** 2,
    }
    if size is not None:
        found["log n*"] = math.log10(size.n if size.detected else size.tested)
    for key in ("elbo", "iwae"):
        value = _effect(rows, key)
        if math.isfinite(value):
            found[key] = value
    return found


def _effect(rows: object, key: str) -> float:
    row = rows.get(key) if isinstance(rows, dict) else None
    return math.nan if row is None or row.effect is None else float(row.effect)


@torch.no_grad()
def sharpness(one: Trained, data: Dataset) -> dict[str, float]:
    """Sharpness relative to that of held-out pictures (1: as sharp): ``mean``: decodes of posterior means, ``draw``: of
    posterior draws, ``sample``: of draws from the prior; by the Laplacian, and ``… fine``: by fine power.
    """
    model, x = one.model, data.test.batch()
    g = torch.Generator().manual_seed(2000 + one.job.seed)
    q = model.encode(x)
    pictures = {
        "mean": model.decode(q.centre).mean,
        "draw": model.decode(q.draw(g)).mean,
        "sample": model.generate(len(x), generator=g, prior=one.run.sampler),
    }
    own = laplacian_variance(x).mean()
    fine = _fine_power(x)
    found = {name: float(laplacian_variance(y).mean() / own) for name, y in pictures.items()}
    return found | {f"{name} fine": float(_fine_power(y) / fine) for name, y in pictures.items()}


def _fine_power(x: Tensor) -> Tensor:
    """Mean power at high frequencies: the share of each picture's power, times that power."""
    power = x.flatten(1).var(1, correction=0)
    return (high_frequency_share(x) * power).mean()
