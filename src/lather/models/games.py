"""What a critic and the model play for: losses of the two sides, from the critic's scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from lather.errors import ConfigError

__all__ = ["GAMES", "Game", "Kind", "Training", "find_game", "gradient_penalty", "slope_penalty"]

Kind = Literal["gan", "least-squares", "wgan-gp"]
Real = Float[Tensor, " n"]
Made = Float[Tensor, " m"]


@dataclass(frozen=True)
class Game:
    """Losses of the critic and of the model.

    Real ones are to be scored high by the critic, and made ones high by who fooled it.
    """

    threshold: ClassVar[float | None] = None  #: a score above it says "real"; None where no score does

    def critic(self, real: Real, made: Made) -> Tensor:
        """What the critic minimises."""
        raise NotImplementedError

    def model(self, real: Real, made: Made) -> Tensor:
        """What the model minimises; ``real`` is a constant here."""
        raise NotImplementedError


class Logistic(Game):
    """The original game, non-saturating: −log σ(c(made)) for the model. log 2 = 0.69 when the critic is at a loss."""

    threshold: ClassVar[float | None] = 0.0

    def critic(self, real: Real, made: Made) -> Tensor:
        return softplus(-real).mean() + softplus(made).mean()

    def model(self, real: Real, made: Made) -> Tensor:
        return softplus(-made).mean()


class LeastSquares(Game):
    """½(c(made) − 1)² for the model, ½(c(real) − 1)² + ½c(made)² for the critic; 1/8 when the critic is at a loss."""

    threshold: ClassVar[float | None] = 0.5

    def critic(self, real: Real, made: Made) -> Tensor:
        return 0.5 * (real - 1).square().mean() + 0.5 * made.square().mean()

    def model(self, real: Real, made: Made) -> Tensor:
        return 0.5 * (made - 1).square().mean()


class Wasserstein(Game):
    """E c(real) − E c(made): with a critic of slope 1 an estimate of the distance W₁."""

    def critic(self, real: Real, made: Made) -> Tensor:
        return made.mean() - real.mean()

    def model(self, real: Real, made: Made) -> Tensor:
        return real.mean() - made.mean()


class Training(NamedTuple):
    """How a critic is trained."""

    rounds: int  #: its steps for one of the model
    lr: float  #: its learning rate
    betas: tuple[float, float]  #: decay rates of its Adam
    penalty: float  #: weight of the gradient penalty


GAMES: dict[str, Game] = {"gan": Logistic(), "least-squares": LeastSquares(), "wgan-gp": Wasserstein()}


def find_game(kind: str) -> Game:
    """The game called ``kind``; :class:`ConfigError` lists the names for an unknown one."""
    if kind not in GAMES:
        raise ConfigError(f"critics play the games {', '.join(GAMES)}; got kind={kind!r}")
    return GAMES[kind]


def slope_penalty(
    critic: torch.nn.Module, real: Float[Tensor, "n *s"], made: Float[Tensor, "n *s"], u: Float[Tensor, " n"]
) -> Tensor:
    r"""Mean of (‖∇c(x̂)‖ − 1)² at x̂ = u·real + (1 − u)·made, for critics that are to have slope 1.

    Reference: Gulrajani et al., *Improved Training of Wasserstein GANs*, 2017, arXiv:1704.00028, equation 3.
    """
    u = u.reshape(-1, *[1] * (real.ndim - 1))
    return (_slopes(critic, u * real + (1 - u) * made).add(1e-12).sqrt() - 1).square().mean()


def gradient_penalty(critic: torch.nn.Module, real: Float[Tensor, "n *s"]) -> Tensor:
    r"""½ mean of ‖∇c(x)‖² at real x, which lets the game come to rest (R1).

    Reference: Mescheder, Geiger, Nowozin, *Which Training Methods for GANs do actually Converge?*, 2018,
    arXiv:1801.04406, equation 9.
    """
    return 0.5 * _slopes(critic, real).mean()


def _slopes(critic: torch.nn.Module, x: Tensor) -> Tensor:
    """‖∇c(x)‖² for each row, with its own gradient for the critic's weights."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return slope.flatten(1).square().sum(1)
