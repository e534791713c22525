"""The sampling gap: what it costs that the latents are not the prior, seen in what is generated.

Four sets of images are scored against held-out data: other held-out data (the floor: no model does better),
reconstructions, decodes of posterior draws, decodes of prior draws. The steps between them lay the blame:

    reconstruction − real         what the decoder cannot do
    posterior − reconstruction    what latent noise costs
    prior − posterior             the sampling gap: what the mismatch of latents and prior costs

All from *held-out* data: posterior draws of training data would only replay the training set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lather.auditing.features import Features
from lather.auditing.inputs import FEWEST
from lather.auditing.neighbours import neighbour_radii, neighbour_scores
from lather.auditing.quality import fitted_gaussian, gaussian_distance, kernel_distance, kernel_within
from lather.errors import DataError, ShapeError
from lather.priors.base import Prior

__all__ = ["METRICS", "Interval", "SamplingGap", "decoded", "sampling_gap"]

CHUNK = 256  #: images decoded at a time
_MOST_PAIRED = 1_000  # images of each half in what costs their square; the splits make up for it

METRICS = ("frechet", "kernel", "precision", "recall", "density", "coverage")
_DISTANCES = ("frechet", "kernel")  # 0 is best; of the others, more is better
_STEPS = {
    "decoder": ("reconstruction", "real"),
    "noise": ("posterior", "reconstruction"),
    "gap": ("prior", "posterior"),
    "whole": ("prior", "real"),
}


class Interval(NamedTuple):
    """A mean over re-splits of the held-out data with an approximate 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SamplingGap:
    """The blame table.

    Args:
        n: images in each half.
        paired: images of each half in all scores but the Fréchet distance.
        splits: number of random re-splits.
        features: what the features are.
        scores: ``scores["prior"]["frechet"]``, for real, reconstruction, posterior and prior (and ``"unfitted"``, if
            that was given), and for each of ``METRICS``.
        steps: ``steps["gap"]["frechet"]``, the differences: decoder, noise, gap; and ``"whole"``, prior − real.
    """

    n: int
    paired: int
    splits: int
    features: str
    scores: dict[str, dict[str, Interval]]
    steps: dict[str, dict[str, Interval]]


def sampling_gap(
    decode: Callable[[Tensor], Tensor],
    held_out: Tensor,
    draws: Tensor,
    prior: Prior,
    *,
    means: Tensor | None = None,
    features: Features | None = None,
    unfitted: Prior | None = None,
    splits: int = 20,
    generator: torch.Generator | None = None,
) -> SamplingGap:
    """Score reconstructions, posterior draws and prior draws against held-out data they did not come from.

    The held-out data are split in two shuffled halves: the latents of one half are decoded and scored against the
    images of the other, and so are as many prior draws and the first half's images themselves. This is repeated
    over random re-splits. A difference between two scores is taken within each split, so that what they share
    cancels. The interval is ±2 standard errors, estimated as the deviation over splits divided by √2: where prior and
    posterior decodes come from the same law, that deviation was found to be 1.4 to 1.6 times the true standard error
    of the mean over splits (n = 200 and 1000), so the interval errs on the wide side. For scores of nearest
    neighbours it is the deviation over splits itself: 1.0 to 1.2 times the true standard error of a density, and 1.4
    to 2.7 times that of precision, recall and coverage (N(0, I), n = 60 at d = 4, n = 300 at d = 4 and 64).

    Args:
        decode: latents (m, d) → images (m, *shape) of the kind and range of ``held_out``; called on chunks of 256
            under ``no_grad``, with tensors of the device and dtype of ``draws``.
        held_out: held-out data (n, *shape), n ≥ 40.
        draws: one posterior draw for each held-out datum, in the same order, (n, d) or (n, h, w, c).
        prior: where generation samples from.
        means: posterior means, (n, d), whose decodes are the reconstructions; left out, the draws stand for them.
        features: images → (n, f); default :func:`~lather.auditing.features.default_features`.
        unfitted: the model's own prior, where ``prior`` is a sampler fitted to latents: scored beside it.
        splits: number of re-splits, at least 2.
        generator: source of splits and prior draws, on the CPU.

    Raises:
        ShapeError: numbers of samples or image shapes differ.
        DataError: too few held-out data, or the decoder returned NaN.
    """
    from lather.auditing.features import default_features

    n = len(held_out)
    if len(draws) != n or (means is not None and means.shape != draws.shape):
        given = "none" if means is None else tuple(means.shape)
        raise ShapeError(
            f"one posterior draw and one mean for each held-out datum are needed: got {n} data, draws "
            f"{tuple(draws.shape)}, means {given}; encode the same data in the same order"
        )
    if n < 2 * FEWEST:
        raise DataError(f"the sampling gap needs at least {2 * FEWEST} held-out data, got {n}; hold out more")
    features = features or default_features(held_out)
    generator = generator or torch.Generator().manual_seed(0)
    shape = held_out.shape[1:]

    def drawn(source: Prior) -> Tensor:
        # a prior may live on a device of its own, which needs a generator of its own
        own = torch.Generator(device=source.like.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
        codes = source.sample(n, generator=own).to(draws).reshape(draws.shape)
        return features_of(features, codes, decode, shape)

    table = {"real": features_of(features, held_out), "posterior": features_of(features, draws, decode, shape)}
    table["reconstruction"] = table["posterior"] if means is None else features_of(features, means, decode, shape)
    table["prior"] = drawn(prior)
    if unfitted is not None:
        table["unfitted"] = drawn(unfitted)

    half = n // 2
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in table}
    for _ in range(splits):
        order = torch.randperm(n, generator=generator)
        first, against = order[:half], _Reference(table["real"][order[half : 2 * half]])
        for name, found in table.items():
            samples[name].append(against.scores(found[first]))
    names = ("real", "reconstruction", "posterior", "prior", "unfitted")
    scores = {name: {m: _interval(samples[name], m) for m in METRICS} for name in names if name in table}
    steps = {
        step: {m: _interval(samples[worse], m, samples[better]) for m in METRICS}
        for step, (worse, better) in _STEPS.items()
    }
    named = getattr(features, "name", type(features).__name__)
    return SamplingGap(half, min(half, _MOST_PAIRED), splits, named, scores, steps)


class _Reference:
    """Features of real data, with all that comparing several sets with them has in common."""

    def __init__(self, real: Tensor) -> None:
        self.few = real[:_MOST_PAIRED]
        self.gaussian = fitted_gaussian(real)
        self.within = kernel_within(self.few)
        self.radii = neighbour_radii(self.few)

    def scores(self, found: Tensor) -> dict[str, float]:
        """Every metric of a set of features of the same size."""
        few = found[:_MOST_PAIRED]
        return {
            "frechet": gaussian_distance(fitted_gaussian(found), self.gaussian),
            "kernel": kernel_distance(few, self.few, within=self.within),
            **neighbour_scores(self.few, few, radii=self.radii)._asdict(),
        }


@torch.no_grad()
def decoded(decode: Callable[[Tensor], Tensor], latents: Tensor, shape: torch.Size) -> Tensor:
    """``decode(latents)``, with a look at what came back; (m, *shape) on the CPU."""
    images = decode(latents)
    if images.shape != (len(latents), *shape):
        raise ShapeError(
            f"decode returned shape {tuple(images.shape)} for {len(latents)} latents; the held-out data are "
            f"{tuple(shape)} each, so ({len(latents)}, {', '.join(map(str, shape))}) was expected"
        )
    return images.cpu()


@torch.no_grad()
def features_of(
    features: Features,
    inputs: Tensor,
    decode: Callable[[Tensor], Tensor] | None = None,
    shape: torch.Size | None = None,
) -> Tensor:
    """Features of images, or of the decodes of latents, in chunks; float64 on the CPU, every value finite."""
    out = []
    for chunk in inputs.split(CHUNK):
        images = chunk if decode is None or shape is None else decoded(decode, chunk, shape)
        out.append(features(images.detach().float().cpu()).double().cpu())
    found = torch.cat(out)
    if found.ndim != 2 or len(found) != len(inputs):
        raise ShapeError(f"features must return (n, f), got {tuple(found.shape)} for n={len(inputs)} images")
    if not torch.isfinite(found).all():
        what = "the decoder's output" if decode else "the data"
        raise DataError(f"features of {what} hold NaN or infinite values; check the decoder's weights and the data")
    return found


def _interval(found: list[dict[str, float]], metric: str, against: list[dict[str, float]] | None = None) -> Interval:
    """Of a metric over splits, or of its difference from that of another set, taken within each split."""
    values = torch.tensor([split[metric] for split in found], dtype=torch.float64)
    if against is not None:
        values -= torch.tensor([split[metric] for split in against], dtype=torch.float64)
    mean, error = float(values.mean()), float(values.std())
    error /= 2**0.5 if metric in _DISTANCES else 1.0
    return Interval(mean, mean - 2 * error, mean + 2 * error)
