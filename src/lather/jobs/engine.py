"""Carry out a set of jobs, here or elsewhere."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lather.jobs.board import Board
from lather.jobs.engines import check_engine
from lather.jobs.job import Job
from lather.jobs.local import Here, Processes
from lather.jobs.pool import Ending, Pool
from lather.jobs.train import finished

__all__ = ["Outcome", "carry_out", "open_pool"]

_RETRIES = 2  # of a job whose process died
_TICK = 0.25  # seconds after which the terminal is looked after


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: what was to be done.
        path: its run directory.
        error: what went wrong, in one line; ``None`` where the run is finished. The traceback is in ``error.txt`` of
            the run directory.
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
    out: str | Path,
    *,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    progress: bool = True,
    pictures: bool = True,
    tell: Callable[[Outcome], object] | None = None,
    pool: Pool | None = None,
) -> list[Outcome]:
    """Train and measure every job in ``out/NAME``; those that are finished are not run again.

    A job that raises is reported in its outcome and does not stop the others; asked again, it is tried again. A job
    whose process dies (killed, out of memory) is taken up from its last checkpoint, at most twice. Ctrl-C stops all of
    them, each with a checkpoint, and the same call goes on from there. Several calls may share ``out``: a job that
    another process is at is waited for.

    Args:
        jobs: what to train.
        out: holds the run directories. With Ray it must be on a file system that all machines of the cluster share,
            at the same path.
        engine: ``"local"`` for processes on this machine, ``"ray"`` for a Ray cluster (extra ``ray``).
        workers: how many trainings at once (default: half as many as there are cores, so that each has two threads).
            0 trains one after the other in this process, which then must not die.
        address: of a Ray cluster, such as ``"auto"`` or ``"ray://head:10001"`` (default: $RAY_ADDRESS, else a cluster
            on this machine for as long as the call takes).
        progress: show a live table on a terminal, else a line for each training.
        pictures: draw the figures of each report, about five seconds of a core each.
        tell: called in this process with each outcome as it comes.
        pool: processes that are there already, of :func:`open_pool`, where several calls follow each other; ``engine``,
            ``workers``, ``address`` and ``pictures`` are the pool's then.

    Returns:
        The outcomes, in the order of ``jobs``.

    Raises:
        ConfigError: settings of the engine that do not go together.
        MissingExtraError: ``engine="ray"`` without Ray.
        KeyboardInterrupt: after Ctrl-C.
    """
    work = _Work(jobs, Path(out).absolute(), tell)
    if pool is not None:
        work.through(pool, progress=progress)
    elif not work.waiting:
        work.through(Here(pictures=pictures, progress=progress), progress=False)
    else:
        with open_pool(engine, workers, address, pictures=pictures, progress=progress) as opened:
            work.through(opened, progress=progress)
    return [replace(work.outcomes[job.name], job=job) for job in jobs]


def open_pool(
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    *,
    pictures: bool = True,
    progress: bool = True,
) -> Pool:
    """The processes that :func:`carry_out` uses, for several calls of it; a context manager, and arguments as there."""
    check_engine(engine, address, workers)
    if engine == "ray":
        from lather.jobs.ray_cluster import Cluster

        return Cluster(workers, address, pictures=pictures)
    return Here(pictures=pictures, progress=progress) if workers == 0 else Processes(workers, pictures=pictures)


class _Work:
    """A list of jobs and what has become of them."""

    def __init__(self, jobs: Sequence[Job], out: Path, tell: Callable[[Outcome], object] | None) -> None:
        self.jobs = list({job.name: job for job in reversed(jobs)}.values())[::-1]  # the same job twice is done once
        self.out, self._tell = out, tell
        self.waiting = deque(number for number, job in enumerate(self.jobs) if not finished(out / job.name))
        self.outcomes: dict[str, Outcome] = {}
        self._starts: Counter[int] = Counter()
        self._seconds = [0.0] * len(self.jobs)

    def through(self, pool: Pool, *, progress: bool) -> None:
        """Carry all of them out."""
        with Board(self.jobs, show=progress and bool(self.waiting), live=pool.apart) as board:
            for number in [number for number in range(len(self.jobs)) if number not in self.waiting]:
                self._over(board, number, None)
            running = 0
            while self.waiting or running:
                while self.waiting and running < pool.size:
                    running += 1
                    self._begin(board, pool, self.waiting.popleft())
                for number, ending in pool.wait(_TICK):
                    running -= 1
                    self._ended(board, number, ending)

    def _begin(self, board: Board, pool: Pool, number: int) -> None:
        folder = self.out / self.jobs[number].name
        self._starts[number] += 1
        board.start(number, folder)
        pool.start(number, self.jobs[number], folder)

    def _ended(self, board: Board, number: int, ending: Ending) -> None:
        self._seconds[number] += ending.seconds
        if ending.died is None:
            self._over(board, number, ending.error)
        elif self._starts[number] <= _RETRIES:
            board.again(number, ending.died)
            self.waiting.appendleft(number)
        else:
            self._over(board, number, f"its process ended {self._starts[number]} times, the last time: {ending.died}")

    def _over(self, board: Board, number: int, error: str | None) -> None:
        job, attempts = self.jobs[number], self._starts[number]
        outcome = Outcome(job, self.out / job.name, error, self._seconds[number], max(attempts, 1))
        self.outcomes[job.name] = outcome
        board.end(number, error, outcome.seconds, before=not attempts)
        if self._tell is not None:
            self._tell(outcome)
