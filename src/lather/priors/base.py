"""What a prior is, and what it may offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from lather.spec import Spec

__all__ = ["Prior"]


class Prior(Spec, nn.Module):
    """A distribution over latents of ``d`` dimensions, as a module that follows ``.to(device)``.

    ``forward()`` returns an ordinary :class:`torch.distributions.Distribution` with ``event_shape == (d,)``.
    Everything else is an optional capability: a method that returns ``None`` says "not known in closed
    form", and whoever asks falls back on samples or says what would work instead.
    """

    summary: ClassVar[str] = ""  #: one line for ``lather priors``
    standard: ClassVar[bool] = False  #: whether this is N(0, I), for which closed forms exist everywhere
    euclidean: ClassVar[bool] = True  #: whether it has a density on R^d (a sphere has not)

    density: ClassVar[bool] = True  #: whether ``log_prob`` is known
    bounded: ClassVar[bool] = False  #: whether parts of its space have density 0, so that ``log_prob`` may be −∞
    independent: bool = False  #: whether its coordinates are independent

    d: int
    learned: bool = False  #: whether its parameters are trained with the model, through log densities

    def forward(self) -> Distribution:
        """The distribution itself, ``event_shape == (d,)``."""
        raise NotImplementedError

    @property
    def like(self) -> Tensor:
        """A tensor that carries the prior's device and floating dtype."""
        for tensor in [*self.parameters(), *self.buffers()]:
            return tensor
        return torch.empty(0)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """``n`` independent draws, shape (n, d).

        torch distributions draw from the global generator only; so that a draw can be reproduced, this
        default seeds a fork of the global state from ``generator``. Subclasses draw directly where they can.
        """
        if generator is None:
            return self().sample((n,))
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        devices = [self.like.device] if self.like.is_cuda else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            return self().sample((n,))

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density in nats, shape ``z.shape[:-1]``; with respect to the surface measure on a sphere."""
        return self().log_prob(z)

    def attach(self, encode: Callable[[Tensor], Any]) -> None:
        """Take notice of the model's ``encode``, data (b, ...) -> q(z|x), where the prior is made of it.

        An :class:`~lather.models.Autoencoder` calls this once it is built; most priors need nothing from it.
        """

    # capabilities: None means "not known in closed form" -----------------------------------------------------
    def along(self, directions: Tensor) -> Distribution | None:
        """Laws of ⟨v, z⟩ for unit rows v of ``directions`` (k, d): a batch of k one-dimensional distributions."""
        return None

    def squared_radius(self) -> Distribution | None:
        """Law of ‖z‖², with a differentiable ``cdf``."""
        return None

    def squared_distance(self) -> Distribution | None:
        """Law of ‖z − z'‖² for two independent draws, with a differentiable ``cdf``."""
        return None

    def extra_repr(self) -> str:
        return ""
