"""Terms with a critic: latents that it cannot tell from the prior, decoded samples that it cannot tell from data."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from lather.errors import ConfigError, ShapeError
from lather.models.capabilities import Parts
from lather.models.critics import Critic
from lather.models.games import Kind, Training, find_game, gradient_penalty, slope_penalty
from lather.models.objective import Term
from lather.models.opponent import Opponent
from lather.models.step import Step

__all__ = ["Adversarial", "DataCritic"]


class _Contest(Term):
    """A term that is a game between the model and a critic, and the critic's side of it as an ``Opponent``."""

    custom: ClassVar[frozenset[str]] = frozenset({"critic"})
    usual: ClassVar[dict[str, Training]]  #: how its critic is trained unless told otherwise, by kind of game

    def __init__(
        self,
        critic: nn.Module,
        kind: Kind,
        rounds: int | None,
        lr: float | None,
        betas: tuple[float, float] | None,
        penalty: float | None,
    ) -> None:
        super().__init__()
        self.critic, self.kind, self.game = critic.requires_grad_(False), kind, find_game(kind)
        usual = self.usual[kind]
        self.rounds = usual.rounds if rounds is None else rounds
        self.lr = usual.lr if lr is None else lr
        self.betas = usual.betas if betas is None else (betas[0], betas[1])
        self.penalty = usual.penalty if penalty is None else penalty
        if self.rounds < 1 or isinstance(self.rounds, bool) or not isinstance(self.rounds, int):
            raise ConfigError(f"a critic takes rounds ≥ 1 steps for each of the model, got {rounds!r}")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise ConfigError(f"a critic learns at a positive rate, such as lr=5e-4, got {lr!r}")
        if not (math.isfinite(self.penalty) and self.penalty >= 0):
            raise ConfigError(f"the penalty on the critic's gradient has a weight of 0 or more, got {penalty!r}")
        self._readings: dict[str, Tensor] = {}

    # the model's side ------------------------------------------------------------------------------------------
    def real(self, step: Step) -> Tensor:
        """What the critic is to score high, without gradient."""
        raise NotImplementedError

    def made(self, step: Step) -> Tensor:
        """What the model would pass off as real, with gradient."""
        raise NotImplementedError

    def forward(self, step: Step) -> Tensor:
        made = self._scores(self.made(step))
        with torch.no_grad():
            real = self._scores(self.real(step))
        if self.game.threshold is not None:
            right = ((real > self.game.threshold).float().mean(), (made < self.game.threshold).float().mean())
            self._readings = {"accuracy": 0.5 * right[0] + 0.5 * right[1]}
        return self.game.model(real, made)

    def readings(self) -> dict[str, Tensor]:
        """The critic's accuracy: one half where it is at a loss."""
        return self._readings

    def _scores(self, x: Tensor) -> Tensor:
        scores: Tensor = self.critic(x)
        if scores.numel() != len(x):
            raise ShapeError(
                f"a critic returns one score for each row, (b,) or (b, 1); for {tuple(x.shape)} it returned "
                f"{tuple(scores.shape)}"
            )
        return scores.reshape(-1)

    # the critic's side -----------------------------------------------------------------------------------------
    def opponent(self) -> Opponent | None:
        return self

    def loss(self, step: Step) -> Tensor:
        """What the critic minimises: its side of the game, and ``penalty`` times the gradient penalty."""
        with torch.no_grad():
            real, made = self.real(step), self.made(step)
        loss = self.game.critic(self._scores(real), self._scores(made))
        if not self.penalty:
            return loss
        if self.kind != "wgan-gp":
            return loss + self.penalty * gradient_penalty(self.critic, real)
        u = torch.rand(len(made), generator=step.generator, device=made.device, dtype=made.dtype)
        paired = real[torch.arange(len(made), device=made.device) % len(real)]
        return loss + self.penalty * slope_penalty(self.critic, paired, made, u)

    def optimizer(self) -> torch.optim.Optimizer:
        """A fresh Adam of the critic's weights."""
        return torch.optim.Adam(self.critic.parameters(), lr=self.lr, betas=self.betas)


class Adversarial(_Contest):
    r"""How well the batch's latents pass a critic that learns to tell them from draws of the prior.

    With scores c, latents z and prior draws p, the term (its gradient reaches the encoder) and the critic's loss are

    - ``"gan"``: E −log σ(c(z)), against E −log σ(c(p)) − log σ(−c(z)). At log 2 the critic is at a loss;
    - ``"least-squares"``: E ½(c(z) − 1)², against E ½(c(p) − 1)² + ½c(z)² (Mao et al. 2017);
    - ``"wgan-gp"``: E c(p) − E c(z), against the same with the other sign + ``penalty`` · E (‖∇c‖ − 1)² at points
      between p and z: an estimate of the Wasserstein distance W₁ as far as the critic's slope is 1.

    Unlike a divergence it needs no kernel, and it works with any prior that can be sampled; its value means something
    only for the critic of that moment, so losses of different steps and runs do not compare: judge the latents by a
    divergence. The critic's ``accuracy`` is shown beside it (½: at a loss), and its loss as ``adversarial_critic``.

    The critic is trained before each step of the model: by :func:`lather.fit` on its own, in a loop of yours by
    :class:`~lather.train.Opponents`. It sees the latents of all processes. Cost: ``rounds`` passes of the critic
    there and back (twice that with a penalty), and one more encoding of the batch.

    Sees: whatever its critic has learned to tell apart, clusters and dependence included. Misses: what the critic
    has not found, or has forgotten; the value says little about how far latents are from the prior. Cost: rounds of
    the critic, each a pass forward and back.

    References: Makhzani et al., *Adversarial Autoencoders*, 2015, arXiv:1511.05644; Tolstikhin et al., *Wasserstein
    Auto-Encoders* (WAE-GAN), 2018, arXiv:1711.01558; Gulrajani et al. 2017, arXiv:1704.00028; Mao et al., *Least
    Squares Generative Adversarial Networks*, 2017, arXiv:1611.04076.

    Args:
        critic: any module from (n, d) to scores (n,) or (n, 1), such as ``MLPCritic((d,))``. Its weights are kept with
            the model's and out of reach of the model's optimizer (``requires_grad`` is set to False).
        kind: the game.
        rounds: steps of the critic for each step of the model. Default: 2; 5 for ``"wgan-gp"``.
        lr: the critic's learning rate, constant. Default: 3e-3 (a critic slower than the encoder gives stale advice);
            1e-3 for ``"wgan-gp"``.
        betas: decay rates of its Adam. Default: (0.5, 0.999); (0, 0.9) for ``"wgan-gp"``.
        penalty: weight of the gradient penalty: on the slope's distance from 1 for ``"wgan-gp"`` (default 10), on
            the slope at prior draws for the others (½ E ‖∇c(p)‖², R1; default 1).

    Example:
        >>> from lather import Adversarial, MLPCritic, Reconstruction
        >>> Reconstruction() + 10 * Adversarial(MLPCritic((8,)))
        Reconstruction() + 10 * Adversarial(MLPCritic((8,)))
    """

    key: ClassVar[str] = "adversarial"
    usual: ClassVar[dict[str, Training]] = {
        "gan": Training(2, 3e-3, (0.5, 0.999), 1.0),
        "least-squares": Training(2, 3e-3, (0.5, 0.999), 1.0),
        "wgan-gp": Training(5, 1e-3, (0.0, 0.9), 10.0),
    }

    def __init__(
        self,
        critic: nn.Module,
        kind: Kind = "gan",
        *,
        rounds: int | None = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        penalty: float | None = None,
    ) -> None:
        super().__init__(critic, kind, rounds, lr, betas, penalty)

    def check(self, parts: Parts) -> None:
        if isinstance(self.critic, Critic) and self.critic.reads != (parts.prior.d,):
            raise ConfigError(
                f"{self.critic!r} reads samples of shape {self.critic.reads}, and latents here have {parts.prior.d} "
                f"numbers; use Adversarial(MLPCritic(({parts.prior.d},)))"
            )

    def real(self, step: Step) -> Tensor:
        return step.prior.sample(len(step.matched), generator=step.generator).detach().to(step.matched)

    def made(self, step: Step) -> Tensor:
        return step.matched

    def forward(self, step: Step) -> Tensor:
        with torch.autocast(step.matched.device.type, enabled=False):
            return super().forward(step)


class DataCritic(_Contest):
    r"""How well decoded samples pass a critic that learns to tell them from data.

    Scored are decodes of prior draws and of the batch's posterior draws, as many of each; games as in
    :class:`Adversarial`, with data as the real ones. The gradient reaches the decoder only: latents are constants here,
    so that the encoder serves reconstruction and prior alone.

    With a reconstruction in the critic's own features this is the VAE-GAN:

        critic = ConvCritic((1, 28, 28))
        Reconstruction(in_features_of=critic) + PosteriorKL() + weight * DataCritic(critic)

    The critic's loss is shown as ``realism_critic``, its accuracy as ``realism_accuracy``. Each process shows its own
    samples to the critic, whose gradients are averaged. Cost: two more decodings with gradient, and for each of
    ``rounds`` two without it.

    Sees: pictures decoded from the prior or from latents that do not look like data. Misses: where the latents lie,
    except through those pictures. Cost: rounds of the critic, each with a pass of the decoder.

    Reference: Larsen, Sønderby, Larochelle, Winther, *Autoencoding beyond pixels using a learned similarity metric*,
    2016, arXiv:1512.09300 (their γ, the weight of the reconstruction in the decoder's loss, is 1 / weight).

    Args:
        critic: any module from samples (b, \*sample_shape) to scores (b,) or (b, 1).
        kind: as in :class:`Adversarial`.
        rounds: likewise. Default: 1; 5 for ``"wgan-gp"``.
        lr: likewise. Default: 1e-4, slow enough for the decoder to keep up.
        betas: likewise.
        penalty: likewise, the R1 penalty being taken at data. Default: none, as it doubles the critic's cost; 10 for
            ``"wgan-gp"``. Where the critic's accuracy goes to 1 in a long training, take 1 to 10.
    """

    key: ClassVar[str] = "realism"
    usual: ClassVar[dict[str, Training]] = {
        "gan": Training(1, 1e-4, (0.5, 0.999), 0.0),
        "least-squares": Training(1, 1e-4, (0.5, 0.999), 0.0),
        "wgan-gp": Training(5, 1e-4, (0.0, 0.9), 10.0),
    }

    def __init__(
        self,
        critic: nn.Module,
        kind: Kind = "gan",
        *,
        rounds: int | None = None,
        lr: float | None = None,
        betas: tuple[float, float] | None = None,
        penalty: float | None = None,
    ) -> None:
        super().__init__(critic, kind, rounds, lr, betas, penalty)

    def real(self, step: Step) -> Tensor:
        return step.x

    def made(self, step: Step) -> Tensor:
        draws = step.prior.sample(len(step.z), generator=step.noise).detach().to(step.z)
        made: Tensor = step.decode(torch.cat([step.z.detach(), draws])).mean
        return made.to(step.x)
