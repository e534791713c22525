"""The places that latents can be drawn from, and how far what they decode to is from data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from lather.auditing.features import default_features
from lather.auditing.gap import features_of
from lather.auditing.quality import fitted_gaussian, gaussian_distance
from lather.models import Autoencoder
from lather.priors import Prior

__all__ = ["AGGREGATE", "AROUND", "PRIOR", "REPAIRED", "distances", "latent_sources"]

PRIOR = "N(0, I)"
AROUND = "N(μ(x), I), x held out"
AGGREGATE = "training posteriors"
REPAIRED = "repaired prior"


def latent_sources(
    around: Float[Tensor, "n d"],
    mean: Float[Tensor, "m d"],
    std: Float[Tensor, "m d"],
    repaired: Prior | None = None,
    *,
    generator: torch.Generator | None = None,
) -> dict[str, Float[Tensor, "n d"]]:
    """n latents from N(0, I), from N(μ(x), I) of held-out data, from training posteriors, and from a repaired prior.

    Args:
        around: μ(x) of held-out data.
        mean, std: training posteriors; which of them is drawn from is drawn, too.
        repaired: a prior fitted to latents, if there is one.
        generator: of all draws, on the CPU.
    """
    n, d = around.shape
    chosen = torch.randint(len(mean), (n,), generator=generator)
    noise = partial(torch.randn, n, d, generator=generator)
    found = {
        PRIOR: noise(),
        AROUND: around.cpu().float() + noise(),
        AGGREGATE: mean[chosen].cpu().float() + std[chosen].cpu().float() * noise(),
    }
    if repaired is not None:
        found[REPAIRED] = repaired.sample(n, generator=generator).detach().cpu().float()
    return found


def distances(model: Autoencoder, sources: Mapping[str, Tensor], real: Tensor) -> dict[str, float]:
    """Fréchet distance from ``real`` of what each source decodes to, in the features that audits use.

    Args:
        model: whose decoder is used.
        sources: latents by name, (n, d) each.
        real: held-out data (n, *shape), none of which the sources were made of.
    """
    features = default_features(real)
    reference = fitted_gaussian(features_of(features, real))
    decode = decoder_of(model)
    return {
        name: gaussian_distance(fitted_gaussian(features_of(features, z, decode, real.shape[1:])), reference)
        for name, z in sources.items()
    }


def decoder_of(model: Autoencoder) -> Callable[[Tensor], Tensor]:
    """Latents (n, d) on any device → mean pictures on the CPU."""
    like = next(model.parameters())

    @torch.no_grad()
    def decode(z: Tensor) -> Tensor:
        return model.decode(z.to(like)).mean.float().cpu()

    return decode
