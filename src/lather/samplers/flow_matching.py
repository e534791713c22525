"""A flow-matching prior fitted to latents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lather.errors import ConfigError
from lather.priors import Affine, FlowMatching
from lather.samplers.descent import OnStep, descend
from lather.samplers.sample import parted, whitened

__all__ = ["fit_flow_matching"]


def fit_flow_matching(
    z: Tensor,
    *,
    hidden: Sequence[int] = (128, 128, 128),
    steps: int | None = None,
    batch: int = 512,
    lr: float = 3e-3,
    seed: int = 0,
    held_out: Tensor | None = None,
    on_step: OnStep | None = None,
) -> Affine:
    """A velocity field that carries N(0, I) to latents ``z`` along straight lines in the mean, on their whitened scale.

    It starts as the Gaussian of the same mean and covariance, exactly. Fitted by regression, without solving an
    equation or computing a density, which is why it is quick in many dimensions, too. The weights are averaged over
    about 200 steps; of 24 such averages the one of least loss on held-out latents (noise and times fixed) is kept.

    References: see :class:`~lather.priors.FlowMatching`.

    Args:
        z: latents of training data, (n, d), n ≥ 20.
        hidden: widths of the perceptron.
        steps: of training; ``None`` for 100 passes over the latents, but at least 3000 and at most 4000.
        batch: latents a step.
        lr: peak learning rate.
        seed: of weights, batches, noise and times.
        held_out: latents (m, d) that choose when to stop; ``None`` for a tenth of ``z``.
        on_step: told the share of the work that is done.

    Returns:
        The prior, in the dtype and on the device of ``z``; it is not trained any further.

    Raises:
        ConfigError: settings out of range.
        ShapeError, DataError: latents that nothing can be fitted to.
    """
    if (steps is not None and steps < 1) or batch < 1 or not lr > 0:
        raise ConfigError(f"flow matching needs steps, batch ≥ 1 and lr > 0, got {steps}, {batch} and {lr}")
    steps = min(max(100 * len(z) // batch, 3000), 4000) if steps is None else steps
    data = whitened(z, least=20, who="a flow-matching prior")
    generator = torch.Generator().manual_seed(seed)
    x, held = parted(data, held_out, generator)
    judges = held.repeat(max(1, 2000 // len(held)), 1)[:2000]  # each at several times, for the loss scatters

    def score(field: FlowMatching) -> float:
        return float(field.loss(judges, torch.Generator().manual_seed(seed + 1)))

    field = descend(
        FlowMatching(z.shape[1], hidden=tuple(hidden), seed=seed).requires_grad_(True),
        x,
        lambda field, part, generator: field.loss(part, generator),
        score,
        steps=steps,
        batch=batch,
        lr=lr,
        generator=generator,
        average=0.995,
        checks=24,
        on_step=on_step,
    )
    return Affine(field, data.shift.float(), data.scale.float()).requires_grad_(False).to(z)
