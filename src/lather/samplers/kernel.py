"""The latents themselves, each with a width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lather.errors import ConfigError, ShapeError
from lather.priors import AggregatePosterior
from lather.samplers.descent import OnStep
from lather.samplers.sample import parted, standardised

__all__ = ["Bandwidth", "fit_aggregate"]

_GRID = tuple(0.02 * 1.25**i for i in range(20))  # to 1.4 times the deviation of the latents
_JUDGES = 1_000  # held-out latents that choose; each meets every training latent


@dataclass(frozen=True)
class Bandwidth:
    """What was seen with one width of the kernel.

    Args:
        width: h, in standard deviations of the latents; 0 for the posteriors as they are.
        held_out: log-likelihood of held-out latents, nats each.
    """

    width: float
    held_out: float


def fit_aggregate(
    z: Tensor,
    std: Tensor | None = None,
    *,
    held_out: Tensor | None = None,
    widths: Sequence[float] = _GRID,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> tuple[AggregatePosterior, list[Bandwidth]]:
    r"""q_h(z) = 1/N Σ_i N(z; z_i, σ_i² + h² s²): a Gaussian around every training latent, s the deviations of them all.

    Posteriors (``std`` given, ``z`` their means) are widened by h, points get their width from it (a kernel density). h
    is the width that gives held-out latents the greatest likelihood, by a walk up a geometric grid that ends where the
    likelihood falls. With h too small it replays the training data, and the likelihood of held-out latents says so;
    still every draw lies near one training latent, so look at the share of copies before you use it.

    Args:
        z: training latents, or the means of their posteriors, (n, d).
        std: deviations of the posteriors, (n, d); ``None`` for points.
        held_out: latents (m, d) that choose; ``None`` for a tenth of ``z``, whose own kernels then take no part.
        widths: grid of h, ascending and positive; 0 is tried first where there is ``std``.
        seed: of the choice of held-out latents where none are given.
        on_step: told the share of the work that is done.

    Returns:
        The prior, and what was seen with every width tried.

    Raises:
        ConfigError: a grid that is empty, not ascending or not positive.
        ShapeError, DataError: latents that nothing can be fitted to.
    """
    if not widths or list(widths) != sorted(set(widths)) or not widths[0] > 0:
        raise ConfigError(f"widths must be positive and ascending, got {tuple(widths)}")
    if std is not None and std.shape != z.shape:
        raise ShapeError(f"deviations {tuple(std.shape)} must have the shape of the means, {tuple(z.shape)}")
    data = standardised(z, least=20, who="an aggregate posterior")
    generator = torch.Generator().manual_seed(seed)
    own = torch.zeros_like(data.values) if std is None else std.detach().cpu().double() / data.scale
    points = data.values
    if held_out is None:
        order = torch.randperm(len(points), generator=generator)
        out, rest = order[: len(order) // 10], order[len(order) // 10 :]
        judges = points[out] + own[out] * torch.randn(len(out), z.shape[1], generator=generator, dtype=torch.float64)
        points, spread = points[rest], own[rest]
    else:
        judges, spread = parted(data, held_out)[1].double(), own
    judges = judges[torch.randperm(len(judges), generator=generator)[:_JUDGES]].float()
    shift = float(data.scale.log().sum())
    seen: list[Bandwidth] = []
    tried = [0.0, *widths] if std is not None else list(widths)
    for i, h in enumerate(tried):
        law = AggregatePosterior(points, (spread.square() + h**2).sqrt())
        seen.append(Bandwidth(h, float(law.log_prob(judges).double().mean()) - shift))
        if on_step is not None:
            on_step((i + 1) / len(tried))
        if i and seen[-1].held_out < seen[-2].held_out and math.isfinite(seen[-2].held_out):
            break
    h = max(seen, key=lambda trial: trial.held_out).width
    width = (own.square() + h**2).sqrt() * data.scale
    return AggregatePosterior(z.detach(), width.to(z)), seen
