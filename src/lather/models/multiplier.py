"""A Lagrange multiplier that finds its own size while a model trains."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Multiplier"]

_BLOCK = 16  # steps averaged on the device before anything is decided, so that the host waits for it rarely
_MEMORY = 8  # blocks that the running mean remembers; the multiplier must be slower than this
_RATE = 0.08  # largest change of log λ in one block: a factor of ten in about 460 steps
_AIM = 0.7  # of the target
_LEAST = 1e-4  # of the first λ: further down it would only take longer to come back
_LEFT = 0.9  # a doubling of λ that leaves more than this share of the excess has not lowered it
_PATIENCE = 100  # blocks before a stalled multiplier tries again: training itself may have moved the frontier


@dataclass
class _State:
    """What the multiplier knows; numbers only, so that it fits one tensor."""

    weight: float = 0.0  #: λ; 0 before the start
    first: float = 0.0  #: λ at the start
    mean: float = 0.0  #: running mean of the excess
    blocks: float = 0.0  #: that it has seen
    steps: float = 0.0  #: taken in the present block
    anchor: float = 0.0  #: λ where the present doubling began
    total: float = 0.0  #: of the excess since then
    count: float = 0.0  #: blocks since then
    before: float = math.inf  #: mean excess in the doubling before
    ceiling: float = math.inf  #: of λ, where a doubling was undone
    waiting: float = 0.0  #: blocks until the ceiling is lifted
    tried: float = 0.0  #: the λ of the doubling last undone; 0 if none was, or one as far has helped since
    tried_from: float = 0.0  #: mean excess before it
    tried_to: float = 0.0  #: mean excess after it
    shift: float = 0.0  #: by how much held-out data exceed the batches trained on


_STEPS = [field.name for field in fields(_State)].index("steps")


class Multiplier(nn.Module):
    r"""λ for minimising f subject to g ≤ target, by ascent of log λ on the running mean ḡ of a noisy measurement of g.

    Each step multiplies λ by exp(rate · e), e = (ḡ − a) / (|ḡ| + a) with a = 0.7 target, between −1 and 1: a relative
    error, so that neither the scale of g nor that of λ matters, and a target missed by orders of magnitude does not
    blow λ up: at most a factor of ten in about 460 steps. (What is measured scatters, and it is to end within the
    level, not on the line.)

    *Anti-windup.* Where the target is out of reach a plain integrator runs away, and pays with f for nothing. So ḡ is
    compared from one doubling of λ to the next: a doubling that left more than nine tenths of ḡ is undone, and λ stays
    below that for 1600 steps; :attr:`stalled` says so.

    *Held-out data.* :meth:`heed` takes a measurement of g on data that were not trained on. What they show above the
    training batches is added to ḡ from then on, so that it is the held-out g that is held.

    All it knows is in buffers, hence in checkpoints. Given the same measurements it takes the same values on every
    process.

    Args:
        target: the level to hold g at, above 0.
    """

    numbers: Tensor
    sums: Tensor

    def __init__(self, target: float) -> None:
        super().__init__()
        self.target = target
        self._now = _State()
        self.register_buffer("numbers", torch.tensor(astuple(self._now), dtype=torch.float64))
        self.register_buffer("sums", torch.zeros((), dtype=torch.float64))

    @property
    def weight(self) -> float:
        """λ; 0 before :meth:`start`."""
        return self._now.weight

    @property
    def mean(self) -> float:
        """ḡ on the batches trained on."""
        return self._now.mean

    @property
    def stalled(self) -> bool:
        """Whether λ is held down because raising it did not lower ḡ."""
        return math.isfinite(self._now.ceiling)

    @property
    def shift(self) -> float:
        """By how much held-out data exceed ḡ."""
        return self._now.shift

    @property
    def tried(self) -> tuple[float, float, float]:
        """The λ last given up, and the excess before and after that doubling; zeros if none was, or it helped since."""
        return self._now.tried, self._now.tried_from, self._now.tried_to

    def start(self, weight: float) -> None:
        """Set λ before the first step."""
        self._now.weight = self._now.first = self._now.anchor = weight
        self._write()

    @torch.no_grad()
    def update(self, measured: Tensor) -> None:
        """Take in one measurement of g, a scalar; every 16th moves λ."""
        self.sums += measured.detach()
        self._now.steps += 1
        if self._now.steps == _BLOCK:
            value = float(self.sums) / _BLOCK
            self.sums.zero_()
            self._now.steps = 0
            self._decide(value)
            self._write()
        else:
            self.numbers[_STEPS] = self._now.steps

    def heed(self, held_out: float) -> None:
        """Take in a measurement of g on held-out data."""
        s = self._now
        if s.blocks >= _MEMORY:
            s.shift += 0.5 * (held_out - s.mean - s.shift)
            self._write()

    def _decide(self, value: float) -> None:
        s = self._now
        s.blocks += 1
        s.mean += (value - s.mean) / min(s.blocks, _MEMORY)
        s.total, s.count = s.total + value, s.count + 1
        if s.blocks < _MEMORY:
            return
        excess = s.mean + s.shift
        if excess <= self.target:
            self._forget_trial()
        wanted = s.weight * math.exp(_RATE * (excess - _AIM * self.target) / (abs(excess) + _AIM * self.target))
        s.weight = min(max(wanted, _LEAST * s.first), s.ceiling)
        if s.waiting:
            s.waiting -= 1
            if not s.waiting:
                s.ceiling = math.inf
                self._begin_doubling(s.total / s.count + s.shift)
        elif s.weight >= 2 * s.anchor:
            now = s.total / s.count + s.shift
            if self.target < now and now > _LEFT * s.before:
                s.tried, s.tried_from, s.tried_to = s.weight, s.before, now
                s.ceiling, s.waiting, s.weight = s.anchor, _PATIENCE, s.anchor
            elif s.weight > 0.9 * s.tried:
                self._forget_trial()
            self._begin_doubling(now)
        elif s.weight < s.anchor:
            self._begin_doubling(math.inf)

    def _forget_trial(self) -> None:
        """What was out of reach then is not any more."""
        s = self._now
        s.tried = s.tried_from = s.tried_to = 0.0

    def _begin_doubling(self, before: float) -> None:
        s = self._now
        s.anchor, s.total, s.count, s.before = s.weight, 0.0, 0.0, before

    def _write(self) -> None:
        self.numbers.copy_(torch.tensor(astuple(self._now), dtype=torch.float64))

    def _load_from_state_dict(self, *arguments: Any, **keywords: Any) -> None:
        super()._load_from_state_dict(*arguments, **keywords)
        self._now = _State(*self.numbers.tolist())
