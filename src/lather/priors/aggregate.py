"""The aggregate posterior of a trained model: a mixture with one Gaussian for every datum."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.distributions import Distribution

from lather.errors import ConfigError, ShapeError
from lather.priors.base import Prior
from lather.priors.delegated import DelegatedDistribution
from lather.priors.screened import Screen

__all__ = ["AggregatePosterior"]

_ROWS, _COLUMNS = 256, 1024  # a tile of log densities, 2 MiB in float64, stays in the cache
_MANY = 2**18  # pairs from which on it pays to try float32 first
_KEPT = 2**25  # numbers in the tables of a mixture up to which they are kept from one call to the next, 128 MiB
_FLOOR = -80.0  # e^-80 is nothing beside the largest term, and exp is slow where it underflows


class AggregatePosterior(Prior):
    r"""q(z) = 1/N Σ_i N(z; μ_i, diag σ_i²): where the encoder puts the data, as a distribution with an exact density.

    All N·M pairs enter ``log_prob``: log N(z; μ, σ²) is the inner product of (z², z, 1) with a column of numbers
    made of μ and σ, so the pairs are one matrix product, taken in tiles with a log-sum-exp. Its parts cancel to order
    1 from (z/σ)², which costs float32 1.6 nats at σ = .003 and d = 64. So on a CPU float32 screens the pairs, with a
    bound on its error, and the few that matter are done once more in float64. Rows where they are not few are done in
    float64 throughout; so is everything where z is float64, on another device, or with torch's matrix products set
    to be less than exact. What float32 needs of the mixture is made once and kept (up to 128 MiB). The error is below
    10⁻⁴ nats for σ down to 10⁻³ and latents of ordinary size; densities beyond 1000 nats have float32's seven digits.
    Cost O(N M d) time, O(N d) memory; gradients flow to z, in a second pass in float64.

    Reference: Makhzani et al., *Adversarial Autoencoders*, 2015, arXiv:1511.05644; Hoffman, Johnson, *ELBO
    surgery*, 2016.

    Args:
        mean: μ, (N, d), such as ``model.latents(x)`` returns.
        std: σ, (N, d), positive.

    Raises:
        ShapeError: not two floating (N, d) tensors.
        ConfigError: means that are not finite, deviations that are not positive.

    Example:
        >>> prior = AggregatePosterior(torch.zeros(10, 2), torch.ones(10, 2))
        >>> prior.log_prob(torch.zeros(1, 2))
        tensor([-1.8379])
    """

    summary: ClassVar[str] = "a Gaussian for every datum, as the encoder puts them, with an exact density"
    stored: ClassVar[frozenset[str]] = frozenset({"mean", "std"})
    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        if mean.ndim != 2 or not mean.is_floating_point() or 0 in mean.shape or std.shape != mean.shape:
            raise ShapeError(
                "an aggregate posterior takes floating means and deviations, both (n, d), got "
                f"{mean.dtype} {tuple(mean.shape)} and {tuple(std.shape)}"
            )
        if not bool((torch.isfinite(mean) & torch.isfinite(std) & (std > 0)).all()):
            raise ConfigError(
                "an aggregate posterior takes finite means and positive, finite deviations; points without a spread "
                "have no density: use Empirical(mean)"
            )
        self.d = mean.shape[1]
        self.register_buffer("mean", mean.detach().clone())
        self.register_buffer("std", std.detach().to(mean).clone())
        self._tables = _Tables()

    def forward(self) -> Distribution:
        return DelegatedDistribution(self)

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        mean, std = self.mean, self.std
        i = torch.randint(len(mean), (n,), generator=generator, device=mean.device)
        return mean[i] + std[i] * torch.randn(n, self.d, generator=generator, device=mean.device, dtype=mean.dtype)

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Log density in nats, exact to 10⁻⁴; once differentiable in ``z``."""
        with torch.autocast(z.device.type, enabled=False):
            flat = z.reshape(-1, self.d)
            flat = flat if flat.dtype == torch.float64 else flat.float()
            return _LogDensity.apply(flat, self.mean, self.std, self._tables).reshape(z.shape[:-1])


class _Tables:
    """What :class:`Screen` makes of a mixture, kept for the next call; no part of copies and pickles."""

    def __init__(self) -> None:
        self._screen: Screen | None = None
        self._state: list[tuple[int, int]] = []  # of its mean and std: changes in place, and where they were

    def __reduce__(self) -> tuple[type[_Tables], tuple[()]]:
        return _Tables, ()

    def of(self, mean: Tensor, std: Tensor, centre: Tensor) -> Screen:
        """For these very tensors, with the numbers that are in them now."""
        if mean.is_inference() or std.is_inference() or 2 * mean.numel() > _KEPT:  # the former do not count changes
            return Screen(mean, std, centre)
        screen, state = self._screen, [(part._version, part.data_ptr()) for part in (mean, std)]
        if screen is None or screen.mean is not mean or screen.std is not std or self._state != state:
            screen = Screen(mean, std, centre)
            self._screen, self._state = screen, state
        return screen


class _LogDensity(Function):
    """log Σ_i exp(a_i) − log N with a = (z², z, 1) W, forwards and backwards in tiles."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, mean: Tensor, std: Tensor, tables: _Tables) -> Tensor:
        centre = mean.mean(0, dtype=torch.float64)
        x = z.double() - centre
        if _screens(z, len(mean)):
            total, certain = tables.of(mean, std, centre).log_sums(x)
            if not bool(certain.all()):
                total[~certain] = _log_sums(x[~certain], mean, std, centre, z.dtype)
        else:
            total = _log_sums(x, mean, std, centre, z.dtype)
        ctx.save_for_backward(x, mean, std, centre, total)
        ctx.dtype = z.dtype
        return (total - math.log(len(mean))).to(z.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        x, mean, std, centre, total = ctx.saved_tensors
        weights = _weights(mean, std, centre)
        slope = torch.zeros_like(x)
        for r in range(0, len(x), _ROWS):
            rows = x[r : r + _ROWS]
            features = _features(rows)
            for w in weights:
                share = (features @ w).sub_(total[r : r + _ROWS, None]).clamp_(min=_FLOOR).exp_()
                square, linear, _ = (share @ w.T).split([x.shape[1], x.shape[1], 1], dim=1)
                slope[r : r + _ROWS] += 2 * rows * square + linear
        return (grad.unsqueeze(1) * slope).to(ctx.dtype), None, None, None


def _screens(z: Tensor, n: int) -> bool:
    """Whether float32 may be tried first: on a CPU, where its products are as exact as they can be, and for many."""
    exact = torch.get_float32_matmul_precision() == "highest"
    return z.device.type == "cpu" and z.dtype == torch.float32 and exact and len(z) * n >= _MANY


def _log_sums(x: Tensor, mean: Tensor, std: Tensor, centre: Tensor, dtype: torch.dtype) -> Tensor:
    """log Σ_j exp(a_ij) of centred rows, the products in float64, the exponentials in ``dtype``."""
    weights = _weights(mean, std, centre)
    return torch.cat([_log_sum(rows, weights, dtype) for rows in x.split(_ROWS)])


def _log_sum(rows: Tensor, weights: list[Tensor], dtype: torch.dtype) -> Tensor:
    features = _features(rows)
    top = rows.new_full((len(rows), 1), -math.inf)
    total = torch.zeros_like(top)
    for w in weights:
        logits = features @ w
        new = torch.maximum(top, logits.amax(1, keepdim=True))
        terms = logits.sub_(new).clamp_(min=_FLOOR).to(dtype).exp_()
        total = total * (top - new).exp() + terms.sum(1, keepdim=True, dtype=torch.float64)
        top = new
    return (top + total.log()).squeeze(1)


def _features(rows: Tensor) -> Tensor:
    return torch.cat([rows.square(), rows, torch.ones_like(rows[:, :1])], dim=1)


def _weights(mean: Tensor, std: Tensor, centre: Tensor) -> list[Tensor]:
    """Columns (−1/2σ², μ/σ², −Σ (μ²/2σ² + log σ) − d/2 log 2π), in tiles."""
    tiles = []
    for mu, sigma in zip(mean.split(_COLUMNS), std.split(_COLUMNS), strict=True):
        mu, sigma = mu.double() - centre, sigma.double()
        precision = sigma.square().reciprocal()
        constant = (mu.square() * precision / 2 + sigma.log()).sum(1) + 0.5 * math.log(2 * math.pi) * mu.shape[1]
        tiles.append(torch.cat([-precision / 2, mu * precision, -constant.unsqueeze(1)], dim=1).T)
    return tiles
