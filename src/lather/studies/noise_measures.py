"""What the study of noise measures of each trained model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lather.data import Dataset
from lather.models import Autoencoder
from lather.studies.interpolation import pairs
from lather.studies.jacobian import jacobian_norm
from lather.studies.own_units import whitened
from lather.studies.perturbation import output_change
from lather.studies.realism import Realism

__all__ = ["STEP", "between", "distortion", "robustness"]

#: size of the step in the latent space: absolute, or in standard deviations of the latents
STEP = 0.1
_LATENTS = 300  # at which slopes are taken


def robustness(model: Autoencoder, x: Tensor) -> dict[str, float]:
    """How the decoder answers to small steps, in the latents' own units and in units of their spread.

    Returns:
        ``spread`` (RMS standard deviation of the latent means), ``noise`` (RMS standard deviation of the posteriors,
        relative to it), and for ``raw`` and ``relative`` steps ``jacobian`` (mean ‖∂y/∂z‖) and ``change`` (mean RMS
        change of a pixel for a step of ``STEP``).
    """
    mean, std = model.latents(x)
    spread = float(mean.var(0).mean().sqrt())

    def decode(z: Tensor) -> Tensor:
        return model.decode(z).mean

    def answers(decode: Callable[[Tensor], Tensor], z: Tensor) -> tuple[float, float]:
        generator = torch.Generator().manual_seed(0)
        slope = jacobian_norm(decode, z[:_LATENTS], directions=z.shape[1], generator=generator)
        return float(slope.mean()), float(output_change(decode, z, STEP, generator=generator).mean())

    raw, relative = answers(decode, mean), answers(*whitened(decode, mean))
    return {
        "spread": spread,
        "noise": float(std.square().mean().sqrt()) / spread,
        "raw jacobian": raw[0],
        "raw change": raw[1],
        "relative jacobian": relative[0],
        "relative change": relative[1],
    }


def distortion(model: Autoencoder, data: Dataset) -> dict[str, float]:
    """Mean squared error of a pixel, decoded from posterior means: of training and held-out pictures, and their gap."""
    train, held_out = (
        (model.reconstruct(x) - x).square().flatten(1).mean(1)
        for x in (data.train.batch(slice(0, 5000)), data.test.batch())
    )
    a, b = float(train.mean()), float(held_out.mean())
    return {"train": a, "held-out": b, "gap": b - a, "closest": float(held_out.min().sqrt())}


@torch.no_grad()
def between(model: Autoencoder, data: Dataset, realism: Realism, count: int) -> dict[str, float]:
    """How much reconstructions, and decodes of midpoints between latents of held-out pairs, look like data.

    Returns:
        For ``end`` (reconstructions of the pairs) and each kind of midpoint: ``… share`` that looks like data, mean
        ``… confidence`` and mean ``… distance``.
    """
    x = data.test.batch()
    z, _ = model.latents(x)
    chosen = pairs(data.test.labels, len(x), count, generator=torch.Generator().manual_seed(0))
    latents = {"end": z[torch.cat(list(chosen.values()))[:, 0]]}
    latents |= {kind: z[both].mean(1) for kind, both in chosen.items()}
    found: dict[str, float] = {}
    for kind, codes in latents.items():
        images = model.decode(codes).mean
        found |= scores(realism, kind, images)
    return found


def scores(realism: Realism, kind: str, images: Tensor) -> dict[str, float]:
    """Share that looks like data, mean confidence and mean distance of images."""
    return {
        f"{kind} share": float(realism.like_data(images).double().mean()),
        f"{kind} confidence": float(realism.confidence(images).mean()),
        f"{kind} distance": float(realism.distance(images).mean()),
    }
