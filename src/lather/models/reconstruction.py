"""The reconstruction term."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lather.absent import Absent
from lather.errors import ShapeError
from lather.models.critics import Critic
from lather.models.objective import Term
from lather.models.step import Step
from lather.spec import Spec

__all__ = ["Reconstruction"]

Features = Callable[[Tensor], Tensor | Sequence[Tensor]]


class Reconstruction(Term):
    r"""Distortion −log p(x|z): summed over the sample's dimensions, mean over the batch.

    In nats where the likelihood is a density or a probability (``Bernoulli``, ``Gaussian``, ``Laplace``), so
    that ``Reconstruction() + PosteriorKL()`` is exactly the negative ELBO per datum. With ``SquaredError`` it is
    the summed squared error ‖x − y‖², which has no unit of information.

    With ``in_features_of`` a network φ it is ½‖φ(x) − φ(y)‖² instead, summed over all features and mean over the
    batch, y being the decoded mean: −log N(φ(x); φ(y), I) up to a constant. The likelihood's scale plays no part.

    References: Kingma, Welling, *Auto-Encoding Variational Bayes*, 2014, arXiv:1312.6114; in features of a critic:
    Larsen et al. 2016, arXiv:1512.09300; of a fixed network: Johnson, Alahi, Fei-Fei, *Perceptual Losses for Real-Time
    Style Transfer and Super-Resolution*, 2016, arXiv:1603.08155.

    Args:
        in_features_of: ``None`` to compare samples themselves; a :class:`Critic`, whose ``features`` are compared,
            the same object as in :class:`DataCritic` for a VAE-GAN; or any module or function of yours from samples
            (b, \*sample_shape) to a tensor or several (b, ...), such as the layers of a classifier, each scaled as you
            want it weighed. A module of yours is frozen and used in eval mode, and its weights are not saved with the
            model: :func:`lather.open_run` takes it again as ``custom={name: module}`` where losses are wanted;
            generating works without it.
    """

    key: ClassVar[str] = "reconstruction"
    parts = "mean"
    custom: ClassVar[frozenset[str]] = frozenset({"in_features_of"})

    def __init__(self, in_features_of: nn.Module | Features | None = None) -> None:
        super().__init__()
        self.features: Any = None
        if isinstance(in_features_of, (Spec, Absent)):
            self.features = in_features_of.requires_grad_(False)
        elif in_features_of is not None:
            self.features = _Frozen(in_features_of)

    def forward(self, step: Step) -> Tensor:
        if self.features is None:
            return -step.y.log_prob(step.x).mean()
        with torch.no_grad():
            real = self._of(step.x)
        made = self._of(step.y.mean.to(step.x))
        if [f.shape for f in real] != [f.shape for f in made] or any(f.shape[:1] != step.x.shape[:1] for f in real):
            raise ShapeError(
                "features for a reconstruction keep the batch axis and have one shape; for samples of shape "
                f"{tuple(step.x.shape)} they were {[tuple(f.shape) for f in real]}"
            )
        each = [0.5 * (m - r).square().flatten(1).sum(1).mean() for r, m in zip(real, made, strict=True)]
        return sum(each[1:], each[0])

    def _of(self, x: Tensor) -> list[Tensor]:
        found = self.features.features(x) if isinstance(self.features, Critic) else self.features(x)
        return [found] if isinstance(found, Tensor) else list(found)


class _Frozen(nn.Module):
    """A network of the user's that is used and not trained: follows ``.to()``, and is no part of the weights.

    It is kept from ``nn.Module``'s eyes, so ``parameters()``, ``state_dict()`` and ``train()`` do not reach it.
    """

    def __init__(self, net: Features) -> None:
        super().__init__()
        if isinstance(net, nn.Module):
            net.eval().requires_grad_(False)
        object.__setattr__(self, "net", net)

    def forward(self, x: Tensor) -> Tensor | Sequence[Tensor]:
        result: Tensor | Sequence[Tensor] = self.__dict__["net"](x)
        return result

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> _Frozen:
        net = self.__dict__["net"]
        if isinstance(net, nn.Module):
            net._apply(fn, recurse)
        super()._apply(fn, recurse)
        return self
