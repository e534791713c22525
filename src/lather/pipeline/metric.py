"""The audit as a metric of torchmetrics, for a training loop of one's own or Lightning's Trainer."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from lather.auditing import Report, measure_latents
from lather.auditing.inputs import FEWEST
from lather.errors import ConfigError, DataError, MissingExtraError, ShapeError
from lather.pipeline.callback import scalars
from lather.priors import Prior, StandardNormal
from lather.train.seeds import seed_for

try:
    from torchmetrics import Metric
except ImportError:
    raise MissingExtraError("torchmetrics", "torchmetrics", "LatentAudit") from None

__all__ = ["LatentAudit"]

_NO_KEY = 2**63 - 1  # marks an empty place
_KEYS = 2**62  # keys are drawn below
_VERDICTS = {"green": 0.0, "amber": 1.0, "red": 2.0}


class LatentAudit(Metric):
    r"""How well latents follow the prior, gathered batch by batch over an epoch.

    Keeps a uniform random sample of at most ``size`` latents however many go by: each gets a random key, and those with
    the smallest keys stay, so that the samples of several processes merge into a sample of all that any of them saw.
    Nothing is drawn from torch's global generators; the same batches and seed give the same values.

    ``update(z)`` takes latents (n, d) or (n, c, h, w), points or one draw from each posterior; ``update(mean, std)``
    takes posteriors with independent Gaussian coordinates and draws from each. Use *held-out* data: latents of training
    data flatter a model. ``compute()`` returns scalars:

    - ``n_star``: how many latents it takes to tell them from the prior, infinite where no test can; ``n_star_low``, the
      lower end of its 95% interval (the number of latents audited, where no test can), is always finite and so the
      one to monitor: the higher the better;
    - ``ladder_1`` … ``ladder_4``: mean; spread and correlation; lopsidedness; tails and clusters, each in standard
      deviations of what prior samples show; ``energy``, the overall shape, likewise;
    - ``radius``, ``radius_p``: largest gap between the distribution functions of ‖z‖² and of the prior's (0 to 1), and
      its p-value;
    - ``verdict``: 0 green, 1 amber, 2 red; ``n``: latents audited.

    All are NaN where latents cannot be audited (fewer than 20, not finite, all identical), so that a sanity check or a
    collapse does not end a training; :meth:`report` then says why. ``forward`` updates and returns nothing, since one
    batch is too small a sample. 2000 latents take about a second.

    Args:
        prior: what latents should follow, or d for N(0, I_d).
        size: most latents kept, 20 or more; memory is ``size`` · d numbers.
        seed: of which latents are kept, of posterior draws and of the tests.
        **kwargs: options of :class:`torchmetrics.Metric`, such as ``process_group``.

    Raises:
        MissingExtraError: torchmetrics is not installed (extra ``torchmetrics``).
        ConfigError: ``prior``, ``size`` or ``seed`` of the wrong kind.

    Example:
        >>> audit = LatentAudit(2)
        >>> for batch in torch.randn(10, 50, 2, generator=torch.Generator().manual_seed(0)):
        ...     audit.update(1.5 * batch)
        >>> int(audit.compute()["verdict"]), audit.report().rows["ladder_2"].verdict
        (2, 'red')

    Reference: random keys as a mergeable reservoir, Cohen and Kaplan, *Summarizing data using bottom-k sketches*, 2007.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    prior: Prior
    keys: Tensor
    latents: Tensor
    seen: Tensor

    def __init__(self, prior: Prior | int, *, size: int = 2000, seed: int = 0, **kwargs: Any) -> None:
        if isinstance(prior, int) and not isinstance(prior, bool):
            prior = StandardNormal(prior)
        if not isinstance(prior, Prior):
            raise ConfigError(
                f"LatentAudit takes a prior, or the number of latent dimensions for N(0, I); got {prior!r}; "
                "lather.StandardNormal(16) is one, `lather priors` lists others"
            )
        if not isinstance(size, int) or size < FEWEST:
            raise ConfigError(f"size must be a whole number of at least {FEWEST}, got {size!r}")
        if not isinstance(seed, int):
            raise ConfigError(f"seed must be a whole number, got {seed!r}")
        super().__init__(**kwargs)
        # no submodule: a prior that is learned belongs to the model, and its parameters are not the metric's
        self.__dict__["prior"] = prior
        self.size, self.seed = size, seed
        self._report: Report | DataError | None = None
        # tensors of fixed shape, so that a process that saw nothing can be gathered from like any other
        self.add_state("keys", torch.full((size,), _NO_KEY), dist_reduce_fx="cat")
        self.add_state("latents", torch.zeros(size, prior.d), dist_reduce_fx="cat")
        self.add_state("seen", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, z: Tensor, std: Tensor | None = None) -> None:
        """Take in a batch of latents.

        Args:
            z: (n, d) or (n, c, h, w): points, draws from posteriors, or with ``std`` the posteriors' means.
            std: standard deviations, shaped like ``z``; for a log-variance give ``(0.5 * logvar).exp()``.

        Raises:
            ShapeError: not (n, d) for the d of the prior, or ``std`` of another shape.
            DataError: ``z`` holds no real numbers, or ``std`` negative ones.
        """
        d = self.latents.shape[-1]
        if z.ndim < 2 or z[0:1].numel() != d * len(z[0:1]):
            raise ShapeError(f"latents must have shape (n, {d}), or be flattened to that, got {tuple(z.shape)}")
        if not z.is_floating_point():
            raise DataError(f"latents must be floating-point numbers, got {z.dtype}")
        z = z.detach().flatten(1)
        generator = torch.Generator().manual_seed(seed_for(self.seed % 2**63, _rank(), int(self.seen)))
        if std is not None:
            z = self._drawn(z, std, generator)
        keys = torch.randint(_KEYS, (len(z),), generator=generator).to(self.keys.device)
        self._keep(torch.cat([self.keys.flatten(), keys]), torch.cat([self._rows(), z.to(self.latents)]))
        self.seen = self.seen + len(z)
        self._report = None

    @staticmethod
    def _drawn(mean: Tensor, std: Tensor, generator: torch.Generator) -> Tensor:
        std = std.detach()
        if len(std) != len(mean) or std.numel() != mean.numel():
            raise ShapeError(f"std has shape {tuple(std.shape)} and the means {tuple(mean.shape)}; they must agree")
        if bool((std < 0).any()):
            raise DataError("std holds negative values; for a log-variance give (0.5 * logvar).exp()")
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        return mean + std.flatten(1).to(mean) * noise

    def _rows(self) -> Tensor:
        return self.latents.reshape(-1, self.latents.shape[-1])  # (processes, size, d) where they were gathered

    def _keep(self, keys: Tensor, rows: Tensor) -> None:
        """The ``size`` rows with the smallest keys, in the order of their keys, which is a random one."""
        self.keys, index = keys.topk(min(self.size, len(keys)), largest=False, sorted=True)
        self.latents = rows[index]

    def compute(self) -> dict[str, Tensor]:
        """The scalars listed above, on the metric's device."""
        self._keep(self.keys.flatten(), self._rows())
        try:
            report = measure_latents(self.latents[self.keys < _KEYS], self.prior, seed=self.seed)
        except DataError as error:
            self._report = error
            return {name: torch.full((), math.nan, device=self.device) for name in _NAMES}
        self._report = report
        return {name: torch.tensor(value, device=self.device) for name, value in _numbers(report).items()}

    def forward(self, z: Tensor, std: Tensor | None = None) -> None:
        """The same as :meth:`update`: to audit every batch by itself would cost much and say nothing."""
        self.update(z, std)

    def report(self) -> Report:
        """The whole report on what was seen since the last reset: ``print`` it, or ``save`` it to a folder.

        With several processes all of them must call it, as they must call :meth:`compute`.

        Raises:
            DataError: latents that cannot be audited, with the reason.
        """
        if self._report is None:
            self._computed = None
            self.compute()
        assert self._report is not None
        if isinstance(self._report, DataError):
            raise self._report
        return self._report

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Take in what another :class:`LatentAudit` saw."""
        super().merge_state(incoming_state)
        self._keep(self.keys.flatten(), self._rows())
        self._computed = self._report = None

    def reset(self) -> None:
        """Forget what was seen."""
        super().reset()
        self._report = None


_NAMES = (
    "n_star",
    "n_star_low",
    *(f"ladder_{k}" for k in (1, 2, 3, 4)),
    "energy",
    "radius",
    "radius_p",
    "verdict",
    "n",
)


def _numbers(report: Report) -> dict[str, float]:
    size = report.detection_size
    values = {
        **scalars(report),
        "n_star": math.nan if size is None else size.n,
        "n_star_low": math.nan if size is None else size.low,
        "energy": report.rows["energy"].z,
        "verdict": _VERDICTS.get(report.verdict, math.nan),
    }
    return {name: math.nan if values[name] is None else float(values[name]) for name in _NAMES}


def _rank() -> int:
    """This process's number; processes draw keys and noise of their own."""
    several = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if several else 0
