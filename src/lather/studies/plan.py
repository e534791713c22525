"""Under what conditions a study runs, and how it gets its trained models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lather.jobs import Job, carry_out

if TYPE_CHECKING:
    from lather.auditing import Report
    from lather.data import Dataset
    from lather.models import Autoencoder
    from lather.train import Run

__all__ = ["Plan", "Trained"]


@dataclass(frozen=True)
class Trained:
    """A finished training of a study."""

    job: Job
    path: Path

    @cached_property
    def run(self) -> Run:
        """The run with its model."""
        from lather.train import open_run

        return open_run(self.path)

    @property
    def model(self) -> Autoencoder:
        """The trained model, in eval mode."""
        return self.run.model

    @cached_property
    def report(self) -> Report:
        """The audit of its held-out latents."""
        from lather.auditing import Report

        return Report.load(self.path)


@dataclass(frozen=True)
class Plan:
    """Under what conditions a study runs.

    Attributes:
        load: keyword arguments of :func:`lather.load`.
        out: where pages and runs go; runs are in ``out/runs``.
        quick: a few minutes on two cores; else the full study.
        seeds: how many trainings of each kind, with seeds 0, 1, ….
        engine, workers, address: see :func:`lather.jobs.carry_out`.
        progress: tell on the terminal what is done.
        failures: filled with the errors of trainings that failed.
    """

    load: Mapping[str, Any]
    out: Path
    quick: bool = True
    seeds: int = 1
    engine: Literal["local", "ray"] = "local"
    workers: int | None = None
    address: str | None = None
    progress: bool = True
    failures: list[str] = field(default_factory=list)

    @cached_property
    def data(self) -> Dataset:
        """The data, read once."""
        from lather.data import load

        return load(**{"progress": self.progress, **self.load})

    def train(self, jobs: Mapping[str, Job]) -> dict[str, list[Trained]]:
        """Train each kind of job with each seed; what is finished is taken as it is.

        Args:
            jobs: what to train, by the name that tables and pictures call it; seeds are set here.

        Returns:
            For each name the finished trainings, one per seed; fewer where some failed, none where all did.
        """
        from dataclasses import replace

        every = {
            name: [replace(job, seed=seed, label=name) for seed in range(self.seeds)] for name, job in jobs.items()
        }
        outcomes = carry_out(
            [job for kind in every.values() for job in kind],
            self.out / "runs",
            engine=self.engine,
            workers=self.workers,
            address=self.address,
            progress=self.progress,
            pictures=False,
        )
        done: dict[str, list[Trained]] = {name: [] for name in jobs}
        for outcome in outcomes:
            name = str(outcome.job.label)
            if outcome.error is None:
                done[name].append(Trained(outcome.job, outcome.path))
            else:
                self.failures.append(f"{name}, seed {outcome.job.seed}: {outcome.error}")
        return done
