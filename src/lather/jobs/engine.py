"""Carry out a set of jobs, here or elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lather.errors import LatherError
from lather.jobs.job import Job
from lather.jobs.train import finished, train_job

__all__ = ["Outcome", "carry_out"]


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: what was to be done.
        path: its run directory.
        error: what went wrong, in one line; ``None`` where the run is finished.
        seconds: how long it took; 0 where it had been finished before.
        attempts: how often it was started.
    """

    job: Job
    path: Path
    error: str | None = None
    seconds: float = 0.0
    attempts: int = 1


def carry_out(
    jobs: Sequence[Job],
    out: Path,
    *,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    progress: bool = True,
    tell: Callable[[Outcome], object] | None = None,
) -> list[Outcome]:
    """Train and measure every job in ``out/NAME``; those that are finished are not run again."""
    outcomes = []
    for job in jobs:
        folder, started = Path(out) / job.name, time.perf_counter()
        done = finished(folder)
        error = None
        try:
            train_job(job, folder, progress=progress)
        except LatherError as failure:
            error = str(failure)
        outcome = Outcome(job, folder, error, 0.0 if done else time.perf_counter() - started)
        outcomes.append(outcome)
        if tell is not None:
            tell(outcome)
    return outcomes
