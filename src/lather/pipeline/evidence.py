"""What a trained model's densities say: bounds on log p(x), bits per dimension, and a simulator for calibration."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lather.data import Split
from lather.errors import CapabilityError
from lather.models import Autoencoder, Bernoulli, Parts
from lather.models.densities import check_evidence
from lather.models.iwae import iwae_curve
from lather.models.kl import PosteriorKL
from lather.models.likelihoods.base import DataDistribution
from lather.models.likelihoods.location_scale import LocationScale
from lather.models.posteriors.distributions import DiagonalNormal
from lather.models.reconstruction import Reconstruction

__all__ = ["DRAWS", "Simulator", "bits_per_dim", "bounds", "elbo", "evidence", "simulator", "why_no_evidence"]

DRAWS = (1, 4, 16, 64, 256)  #: of the importance-weighted bounds; each divides the next
_MOST = 200  # data they are taken of: about as many decodes as the ELBO of a test set takes


class Simulator(NamedTuple):
    """A model's two sides as functions, as simulation-based calibration needs them."""

    encode: Callable[[Tensor], tuple[Tensor, Tensor]]
    sample_x: Callable[[Tensor, torch.Generator], Tensor]


def evidence(model: Autoencoder, test: Split, x: Tensor, generator: torch.Generator) -> dict[str, Any]:
    """All of it, as keyword arguments of :func:`lather.auditing.measure_latents`, with the reasons for what is missing.

    Args:
        model: in eval mode.
        test: the held-out split, which knows how its numbers are stored.
        x: its model input, (n, *shape), on the model's device.
        generator: of all draws, on that device.
    """
    curve = bounds(model, x, generator)
    bits = bits_per_dim(model, test, x, None if curve is None else max(curve.values()), generator)
    simulated = simulator(model, x)
    reasons = {key: found for key, found in (("bits_per_dim", bits), ("sbc", simulated)) if isinstance(found, str)}
    none = why_no_evidence(model)
    if none is not None:
        reasons |= {"elbo": none, "iwae": none}
    return {
        "elbo": None if curve is None else curve[1],
        "elbo_is_likelihood": model.likelihood.scores(x),
        "bounds": curve,
        "bits_per_dim": None if isinstance(bits, str) else bits,
        "encode": None if isinstance(simulated, str) else simulated.encode,
        "sample_x": None if isinstance(simulated, str) else simulated.sample_x,
        "reasons": reasons,
    }


@torch.no_grad()
def elbo(model: Autoencoder, x: Tensor, generator: torch.Generator, draws: int = 4) -> float | None:
    """ELBO in nats per datum, ``draws`` latents each, or ``None`` where the model defines none."""
    if why_no_evidence(model) is not None:
        return None
    total = 0.0
    for part in x.split(512):
        for _ in range(draws):
            step = model.step(part, generator=generator)
            loss = Reconstruction()(step) + PosteriorKL()(step)
            total += loss.item() * len(part) / draws
    return -total / len(x)


def bounds(model: Autoencoder, x: Tensor, generator: torch.Generator) -> dict[int, float] | None:
    """Importance-weighted bounds at K = 1, 4, 16, 64, 256 in nats per datum; ``None`` where there is no ELBO.

    What K draws add to one is measured on 200 random data, from nested groups of the same draws, and added to the
    ELBO of all data, so that the level is theirs and the values never fall with K.
    """
    level = elbo(model, x, generator)
    if level is None:
        return None
    few = x[torch.randperm(len(x), generator=generator, device=x.device)[:_MOST]]
    curve = iwae_curve(model, few, DRAWS, generator=generator, batch=512).mean(1)
    return {k: level + float(value - curve[0]) for k, value in zip(DRAWS, curve, strict=True)}


def bits_per_dim(
    model: Autoencoder, test: Split, x: Tensor, best: float | None, generator: torch.Generator
) -> tuple[float, str] | str:
    r"""Bits per dimension with a word on where they come from, or the reason why there are none.

    They are a code length, so data must be discrete:

    * binary data and a Bernoulli likelihood: −L / (D log 2) with L the best bound on log P(x);
    * whole numbers kept as bytes and a density (Gaussian, Laplace): with cells of width Δ around the values,
      P(v) = ∫_cell p(x) dx, and for u uniform in the cell log P(v) ≥ E_u log p(v + u) + D log Δ. So the ELBO is
      taken of data to which uniform noise of one grey level is added (fresh noise, centred), and D log Δ joins it.
      Without the noise the value of a density at a grid point has no bound, and is no likelihood of the data;
    * numbers kept as floats have no cells: a density depends on their unit, and so would any "bits".

    Reference: Theis, van den Oord, Bethge, *A note on the evaluation of generative models*, 2016, arXiv:1511.01844.

    Args:
        model: the model.
        test: the held-out split, which knows how its numbers are stored.
        x: its model input, (n, \*sample_shape).
        best: the largest bound on log p(x) in nats.
        generator: of noise and draws, on the device of ``x``.
    """
    reason = why_no_evidence(model)
    if reason is not None or best is None:
        return f"bits are a code length, which takes a likelihood: {reason or 'no bound was computed'}"
    size = x[0].numel()
    if isinstance(model.likelihood, Bernoulli):
        if not model.likelihood.scores(x):
            return _GREY
        return -best / (size * math.log(2)), "from the best bound on the log likelihood of binary data"
    if not isinstance(model.likelihood, LocationScale):
        return f"it is known for Bernoulli, Gaussian and Laplace likelihoods, and this one is {model.likelihood!r}"
    if test.x.dtype != torch.uint8 or isinstance(test.scaling.scale, Tensor):
        return (
            "the data are real numbers, and a density over them depends on their unit; bits per dimension are defined "
            "for whole numbers kept as bytes (images) and for binary data"
        )
    width = 1 / test.scaling.scale
    noise = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype) - 0.5
    dithered = elbo(model, x + width * noise, generator, draws=1)
    assert dithered is not None  # there is evidence, as was checked
    bits = -(dithered + size * math.log(width)) / (size * math.log(2))
    return bits, "from the evidence lower bound of data to which uniform noise of one level was added"


@torch.no_grad()
def simulator(model: Autoencoder, x: Tensor) -> Simulator | str:
    """What simulation-based calibration needs, or the reason why it cannot be done.

    It needs data *drawn* from p(x|z) that are like the data the encoder was trained on, and posteriors that are
    Gaussian with independent coordinates.

    Args:
        model: the model.
        x: some held-out data, (m, *sample_shape), to see what posteriors look like and whether they are binary.
    """
    reason = why_no_evidence(model)
    if reason is not None:
        return f"it draws data from p(x|z) and asks for the density of posteriors: {reason}"
    if isinstance(model.likelihood, Bernoulli) and not model.likelihood.scores(x):
        return f"draws of a Bernoulli likelihood are 0 or 1, and the data are not: {_GREY}"
    if not isinstance(model.encode(x[:2]), DiagonalNormal):
        return f"it is done for Gaussian posteriors with independent coordinates, and this one is {model.posterior!r}"
    device, dtype = x.device, x.dtype

    def encode(data: Tensor) -> tuple[Tensor, Tensor]:
        q = model.encode(data)
        return q.mean, q.stddev

    def sample_x(z: Tensor, generator: torch.Generator) -> Tensor:
        y = model.decode(z.to(device, dtype))
        assert isinstance(y, DataDistribution)  # every likelihood makes one
        return y.draw(generator)

    return Simulator(encode, sample_x)


_GREY = (
    "a cross entropy of grey values is no likelihood; load the data with binarize=True, or use "
    'likelihood=Gaussian(sigma="optimal")'
)


def why_no_evidence(model: Autoencoder) -> str | None:
    """Why there is no bound on log p(x), in the words of the library; ``None`` where there is one."""
    try:
        check_evidence(Parts(model.prior, model.posterior, model.likelihood), "the likelihood bound")
    except CapabilityError as error:
        return str(error)
    return None
