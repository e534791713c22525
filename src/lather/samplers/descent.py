"""Fitting by gradient descent, stopped where held-out latents like it best."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

__all__ = ["OnStep", "descend"]

M = TypeVar("M", bound=nn.Module)
OnStep = Callable[[float], None]  #: told the share of the work that is done, 0 to 1


def descend(
    module: M,
    x: Tensor,
    loss: Callable[[M, Tensor, torch.Generator], Tensor],
    score: Callable[[M], float],
    *,
    steps: int,
    batch: int,
    lr: float,
    generator: torch.Generator,
    average: float | None = None,
    checks: int = 12,
    on_step: OnStep | None = None,
) -> M:
    """Adam with a cosine schedule on batches of ``x``; of ``checks`` states on the way, the one that scores lowest.

    Args:
        module: is trained; what comes back is it or, with ``average``, a copy.
        x: rows to draw batches from, with replacement.
        loss: module, batch, generator → scalar to be minimised.
        score: module → what decides, computed from held-out rows; called under ``no_grad``.
        steps, batch, lr: of the training; ``lr`` is the peak.
        generator: source of batches and of whatever ``loss`` draws.
        average: what is scored and kept are the weights averaged over about 1/(1 − average) steps.
        checks: how many states are scored.
        on_step: told how far it is, about a hundred times.
    """
    optimizer = torch.optim.Adam(module.parameters(), lr=lr)
    shown = module if average is None else copy.deepcopy(module)
    best, kept = math.inf, copy.deepcopy(shown.state_dict())
    every, tell = max(steps // checks, 1), max(steps // 100, 1)
    for t in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * (t - 1) / steps))
        with torch.enable_grad():
            index = torch.randint(len(x), (min(batch, len(x)),), generator=generator)
            value = loss(module, x[index], generator)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 10.0)
        optimizer.step()
        with torch.no_grad():
            if average is not None:
                weight = min(1 - average, 1 / t)
                for slow, fast in zip(shown.parameters(), module.parameters(), strict=True):
                    slow.lerp_(fast, weight)
            if t % every == 0 or t == steps:
                found = score(shown)
                if found < best:
                    best, kept = found, copy.deepcopy(shown.state_dict())
        if on_step is not None and t % tell == 0:
            on_step(t / steps)
    shown.load_state_dict(kept)
    return shown
