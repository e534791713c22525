"""One training out of many: everything that decides its result, and a name that follows from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["Job"]


@dataclass(frozen=True)
class Job:
    """A training with its measurement, as plain data: what ``lather train`` takes, ready for JSON and other processes.

    Attributes:
        recipe: name of a recipe; ``lather recipes`` lists them.
        load: keyword arguments of :func:`lather.load`, with ``source``.
        latent: shape of the latent, (d,) or (c, h, w).
        seed: of weights, batches and noise. The splits of the data follow ``load["seed"]``.
        nets: ``"mlp"``, ``"conv"``, ``"residual"`` or ``"auto"``.
        net_options: options of the networks.
        options: options of the recipe, such as ``{"weight": 5}``.
        prior: name of a prior, or ``None`` for the recipe's.
        likelihood: name of a likelihood, or ``None`` for the recipe's.
        paper: the paper's own weights.
        hold_z, hold_n: see :func:`lather.assemble`.
        settings: training settings that differ from :class:`lather.Settings`, without the seed.
        split: what is measured: ``"test"``, or ``"validation"`` where a choice will follow from it.
        label: what tables and pictures call it, where recipe and latent do not say enough.
    """

    recipe: str
    load: Mapping[str, Any]
    latent: tuple[int, ...] = (8,)
    seed: int = 0
    nets: str = "auto"
    net_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    prior: str | None = None
    likelihood: str | None = None
    paper: bool = False
    hold_z: float | None = None
    hold_n: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    split: Literal["test", "validation"] = "test"
    label: str | None = None

    @property
    def dimensions(self) -> str:
        """The latent as the command line writes it: ``"8"``, or ``"8x8x4"`` (height × width × channels)."""
        shape = self.latent if len(self.latent) == 1 else (*self.latent[1:], self.latent[0])
        return "x".join(map(str, shape))

    @property
    def name(self) -> str:
        """Directory name: recipe, latent, seed, and a digest of everything that decides the result."""
        return f"{self.recipe}-{self.dimensions}-s{self.seed}-{self.digest}"

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that change with anything but the label."""
        decisive = {key: value for key, value in asdict(self).items() if key != "label"}
        text = json.dumps(decisive, sort_keys=True, default=list)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def plain(self) -> dict[str, Any]:
        """Everything, as what JSON can hold: what is sent to another process."""
        return dict(json.loads(json.dumps(asdict(self), default=list)))

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Job:
        """The job of :meth:`plain`; lists become tuples, which JSON does not know."""
        return cls(**{name: _tuples(value) for name, value in data.items()})


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _tuples(part) for name, part in value.items()}
    return tuple(_tuples(part) for part in value) if isinstance(value, (list, tuple)) else value
