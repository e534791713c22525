"""Watching the latents while a model trains."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lather.auditing import Report, measure_latents
from lather.auditing.inputs import FEWEST
from lather.errors import ConfigError, DataError
from lather.models import Autoencoder
from lather.train import Epoch
from lather.train.seeds import reseed

__all__ = ["AuditEvery"]

_LATENTS = 9  # stream of random numbers for posterior draws


class AuditEvery:
    """Callback of :func:`lather.fit`: measure after every so many epochs how well validation latents follow the prior.

    Every time a row with ``"split": "audit"`` goes to ``metrics.jsonl``, and to the screen:

    - ``n_star``, the number of latents it takes to tell them from the prior (``None``: no test can), and ``by``, the
      test that needs the fewest;
    - ``ladder_1`` … ``ladder_4``, the Hermite ladder (mean; spread and correlation; lopsidedness; tails and clusters),
      in standard deviations of what prior samples show;
    - ``radius``, the largest gap between the distribution functions of ‖z‖² and of the prior's (0 to 1), and
      ``radius_p``, its p-value; ``n``, how many latents were measured.

    Latents that cannot be measured (all identical, NaN) leave a row with the ``reason``. The validation split is not
    the test split: to choose a model by these numbers does not spoil its final report. Weights are the same with and
    without the callback, and a resumed run has the same rows as an uninterrupted one.

    Args:
        epochs: measure after every so many.
        n: at most so many latents, one draw from the posterior of each datum; always the same data. 2000 take about a
            second.
        seed: of the choice of data, the draws and the tests.

    Raises:
        ConfigError: ``epochs`` or ``n`` out of range; while training, a validation split with fewer than 20 data.

    Example:
        >>> import lather as lt
        >>> model = lt.assemble("vae", lt.load("digits"), 2)
        >>> run = lt.fit(model, "digits", epochs=2, progress=False, callbacks=[lt.AuditEvery(2)])
        >>> run.metrics[-1]["split"], run.metrics[-1]["n"]
        ('audit', 180)
    """

    def __init__(self, epochs: int = 1, *, n: int = 2000, seed: int = 0) -> None:
        for name, value, least in (("epochs", epochs, 1), ("n", n, FEWEST)):
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"AuditEvery needs {name} of at least {least}, a whole number, got {value!r}")
        self.epochs, self.n, self.seed = epochs, n, seed

    def __call__(self, epoch: Epoch) -> None:
        """Measure, if it is time to."""
        held_out = len(epoch.data.validation)
        if held_out < FEWEST:
            raise ConfigError(
                f"AuditEvery measures latents of the validation split, which has {held_out} data here, and at least "
                f"{FEWEST} are needed; hold out more with validation={FEWEST} (--validation {FEWEST}), or leave it out"
            )
        if epoch.number % self.epochs == 0:
            epoch.record("audit", self._values(epoch))

    def _values(self, epoch: Epoch) -> dict[str, Any]:
        order = torch.randperm(len(epoch.data.validation), generator=torch.Generator().manual_seed(self.seed))
        try:
            z = self._latents(epoch.model, epoch, order[: self.n])
            report = measure_latents(z, epoch.model.prior, seed=self.seed)
        except DataError as error:
            return {"reason": str(error)}
        return scalars(report)

    @torch.no_grad()
    def _latents(self, model: Autoencoder, epoch: Epoch, index: Tensor) -> Tensor:
        like = next(model.parameters())
        generator = reseed(torch.Generator(device=like.device), self.seed, _LATENTS)
        training = model.training
        model.eval()
        try:
            parts = (epoch.data.validation.batch(part, like.device).to(like.dtype) for part in index.split(512))
            return torch.cat([model.encode(x).draw(generator) for x in parts])
        finally:
            model.train(training)


def scalars(report: Report) -> dict[str, Any]:
    """What of a report fits in one row."""
    size, telling = report.detection_size, report.telling
    detected = size is not None and size.detected
    values: dict[str, Any] = {"n_star": size.n if size is not None and detected else None}
    values["by"] = telling.key if telling is not None and detected else None
    values.update({f"ladder_{k}": report.rows[f"ladder_{k}"].z for k in (1, 2, 3, 4)})
    radius = report.rows["radius"]
    return {**values, "radius": radius.effect, "radius_p": radius.p, "n": report.n}
