"""The repaired prior of a run: fitted once, then read from where the repair left it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lather.data import Dataset
from lather.files import read_json
from lather.priors import Prior
from lather.repairing import repair
from lather.train import Run
from lather.train.sampler import load_sampler

__all__ = ["Repaired", "repaired"]


@dataclass(frozen=True)
class Repaired:
    """What a repair left in a run directory.

    Attributes:
        prior: to draw from; ``None`` where nothing was better than what there is.
        scores: those of ``repair.json``: what was drawn from before, then every candidate.
        winner: name of the candidate that was picked.
    """

    prior: Prior | None
    scores: Sequence[Mapping[str, Any]]
    winner: str

    def score(self, name: str) -> Mapping[str, Any]:
        """Of a candidate, or of ``"before"``."""
        return next(score for score in self.scores if score["name"] == name)


def repaired(run: Run, data: Dataset, candidates: Sequence[str]) -> Repaired:
    """Repair a run with ``candidates``, or read what an earlier call found.

    Raises:
        LatherError: what :func:`lather.repair` raises.
    """
    assert run.path is not None
    folder = Path(run.path)
    record = folder / "repair" / "repair.json"
    known = read_json(record) if record.is_file() else None
    if not isinstance(known, dict) or {score["name"] for score in known["scores"]} != {"before", *candidates}:
        repair(run, data=data, candidates=candidates, audit=False)
        known = read_json(record)
    return Repaired(load_sampler(folder, "repaired"), known["scores"], str(known["winner"]))
