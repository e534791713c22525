"""A normalising flow fitted to latents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lather.errors import ConfigError
from lather.priors import Affine, FlowPrior
from lather.samplers.descent import OnStep, descend
from lather.samplers.sample import parted, whitened

__all__ = ["fit_flow"]

_JUDGES = 1_000  # held-out latents that choose when to stop
_COUPLED_FROM = 65  # dimensions; drawing from an autoregressive flow takes a pass for each


def fit_flow(
    z: Tensor,
    kind: str = "nsf",
    *,
    transforms: int = 3,
    hidden: Sequence[int] = (64, 64),
    steps: int | None = None,
    batch: int = 256,
    lr: float = 2e-3,
    seed: int = 0,
    held_out: Tensor | None = None,
    on_step: OnStep | None = None,
) -> Affine:
    """A neural spline flow of greatest likelihood for latents ``z``, on their whitened scale (extra ``flows``).

    It starts near the Gaussian of the same mean and covariance. Adam with a cosine schedule; of 24 states on the way
    the one that held-out latents like best is kept, so that a flow that begins to learn its training latents by heart
    is stopped. Up to 64 dimensions it is autoregressive, beyond a coupling flow with twice as many transforms.

    Reference: Durkan, Bekasov, Murray, Papamakarios, *Neural Spline Flows*, 2019, arXiv:1906.04032.

    Args:
        z: latents of training data, (n, d), n ≥ 20.
        kind: ``"nsf"`` or ``"maf"``, see :class:`~lather.priors.FlowPrior`.
        transforms: how many in a row.
        hidden: widths of their networks.
        steps: of training; ``None`` for 20 passes over the latents, but at least 400 and at most 1200.
        batch: latents a step.
        lr: peak learning rate.
        seed: of weights and batches.
        held_out: latents (m, d) that choose when to stop; ``None`` for a tenth of ``z``.
        on_step: told the share of the work that is done.

    Returns:
        The prior, in the dtype and on the device of ``z``; it is not trained any further.

    Raises:
        MissingExtraError: zuko is not installed.
        ConfigError: settings out of range.
        ShapeError, DataError: latents that nothing can be fitted to.
    """
    if (steps is not None and steps < 1) or batch < 1 or not lr > 0:
        raise ConfigError(f"fitting a flow needs steps, batch ≥ 1 and lr > 0, got {steps}, {batch} and {lr}")
    steps = min(max(20 * len(z) // batch, 400), 1200) if steps is None else steps
    data = whitened(z, least=20, who="a flow")
    generator = torch.Generator().manual_seed(seed)
    x, held = parted(data, held_out, generator)
    held = held[:_JUDGES]
    d = z.shape[1]
    coupled = d >= _COUPLED_FROM
    flow = FlowPrior(
        d,
        kind,
        transforms=2 * transforms if coupled else transforms,
        hidden=tuple(hidden),
        passes=2 if coupled else None,
        learned=False,
        seed=seed,
    ).requires_grad_(True)
    flow = descend(
        flow,
        x,
        lambda flow, part, generator: -flow.log_prob(part).mean(),
        lambda flow: -float(flow.log_prob(held).mean()),
        steps=steps,
        batch=batch,
        lr=lr,
        generator=generator,
        checks=24,
        on_step=on_step,
    )
    return Affine(flow, data.shift.float(), data.scale.float()).requires_grad_(False).to(z)
