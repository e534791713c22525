"""What every engine offers: places for jobs, and word of how they ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, runtime_checkable

from lather.jobs.job import Job

__all__ = ["Ending", "Pool"]


@dataclass(frozen=True)
class Ending:
    """How one attempt ended.

    Attributes:
        error: what the job raised, in one line; ``None`` where it is finished.
        died: how its process ended, where it did so without an answer; the job can be tried again then.
        seconds: how long the job took, where it lived to say so.
    """

    error: str | None = None
    died: str | None = None
    seconds: float = 0.0


@runtime_checkable
class Pool(Protocol):
    """Places in which jobs are carried out, each by a process of its own.

    Attributes:
        size: the number of jobs that can be carried out at once.
        apart: whether they run beside this process, so that it can show how they fare.
    """

    size: int
    apart: bool

    def start(self, number: int, job: Job, folder: Path) -> None:
        """Begin job ``number``; fewer than ``size`` may be running."""

    def wait(self, seconds: float) -> list[tuple[int, Ending]]:
        """What has ended by now, by number; waits for the first ending, at most so long."""

    def stop(self) -> None:
        """End everything at once; trainings write a checkpoint first."""

    def __enter__(self) -> Pool: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
