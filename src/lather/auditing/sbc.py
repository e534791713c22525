"""Simulation-based calibration: do encoder and decoder describe the same model?

Draw z from the prior and x from the decoder's p(x|z), and encode x. If q(z|x) is the decoder's true posterior, z is a
draw from it: (z − μ)/σ follows N(0, I). No data take part, so it fails for a decoder that generates what the encoder
never saw, as well as for posteriors too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from lather.auditing.inputs import FEWEST
from lather.auditing.radius import radius_row
from lather.auditing.row import Row
from lather.auditing.slices import per_axis_row
from lather.errors import DataError, ShapeError
from lather.priors.base import Prior
from lather.priors.normal import StandardNormal

__all__ = ["SBC_KEYS", "sbc_rows", "unmeasured_sbc"]

SBC_KEYS = ("sbc", "sbc_radius")
_CHUNK = 256
_TITLES = {"sbc": "encoder against decoder, by dimension", "sbc_radius": "encoder against decoder, as a whole"}


@torch.no_grad()
def sbc_rows(
    encode: Callable[[Tensor], tuple[Tensor, Tensor]],
    sample_x: Callable[[Tensor, torch.Generator], Tensor],
    prior: Prior,
    *,
    n: int = 1_000,
    generator: torch.Generator | None = None,
) -> list[Row]:
    """Rows ``sbc`` (Φ((z − μ)/σ) uniform, the worst dimension) and ``sbc_radius`` (‖(z − μ)/σ‖² against χ²_d).

    Reference: Talts et al. (2018), Validating Bayesian inference algorithms with simulation-based calibration,
    arXiv:1804.06788.

    Args:
        encode: data (m, *shape) → means and standard deviations, (m, d) each, of Gaussian posteriors with independent
            coordinates; called on at most 256 data at a time.
        sample_x: latents (m, d), generator → data *drawn* from p(x|z); not its mean, which is no datum.
        prior: where z comes from.
        n: how many draws.
        generator: source of all draws, on the prior's device.

    Raises:
        ShapeError: ``encode`` returned something else than two (m, d) tensors.
        DataError: values that are not finite, or deviations that are not positive.
    """
    if n < FEWEST:
        raise DataError(f"simulation-based calibration needs at least {FEWEST} draws, got {n}")
    generator = generator or torch.Generator(device=prior.like.device).manual_seed(0)
    z = prior.sample(n, generator=generator)
    found = []
    for part in z.split(_CHUNK):
        mean, std = encode(sample_x(part, generator))
        if mean.shape != part.shape or std.shape != part.shape:
            raise ShapeError(
                f"encode must return means and deviations of shape {tuple(part.shape)}, got {tuple(mean.shape)} and "
                f"{tuple(std.shape)}; flatten spatial latents"
            )
        if not bool((std > 0).all()):
            raise DataError("encode returned standard deviations that are not positive; points have no calibration")
        found.append(((part.to(mean) - mean) / std).double().cpu())
    w = torch.cat(found)
    if not bool(torch.isfinite(w).all()):
        raise DataError("calibration met NaN or infinite posteriors; check encoder and decoder")
    normal = StandardNormal(w.shape[1])
    own = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator, device=generator.device)))
    by_axis, whole = per_axis_row(w, normal), radius_row(w, normal, generator=own)
    size = float(w.square().mean().sqrt())
    axis = by_axis.details["axis"]
    over = "too narrow" if size > 1 else "too wide"
    remedy = "Give the encoder more capacity or a richer posterior (FullCovariance, FlowPosterior), or train longer."
    return [
        replace(
            by_axis,
            key="sbc",
            title=_TITLES["sbc"],
            details={**by_axis.details, "size": size},
            meaning="Encoding what the decoder makes of a latent does not find it as it claims: in dimension "
            f"{axis + 1} it is {by_axis.details['mean']:.2f} ± {by_axis.details['std']:.2f} posterior standard "
            "deviations away, where 0 ± 1 is right.",
            all_clear="In every dimension, encoding what the decoder makes of a latent finds it as claimed.",
            remedy=remedy,
            headline=False,
        ),
        replace(
            whole,
            key="sbc_radius",
            title=_TITLES["sbc_radius"],
            details={**whole.details, "size": size},
            meaning=f"Posteriors are {over}: a latent lies {size:.2f} standard deviations from where its own image is "
            "encoded, where 1 is right.",
            all_clear="Posteriors are as wide as their errors.",
            remedy=remedy,
            headline=False,
        ),
    ]


def unmeasured_sbc(reason: str) -> list[Row]:
    """Both rows, with the reason why there is no number."""
    return [Row(key, _TITLES[key], reason=reason, headline=False) for key in SBC_KEYS]
