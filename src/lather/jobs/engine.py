"""Carry out a set of jobs, here or elsewhere."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lather.errors import ConfigError
from lather.jobs.board import Board
from lather.jobs.job import Job
from lather.jobs.local import Here, Processes
from lather.jobs.pool import Pool
from lather.jobs.train import finished

__all__ = ["Outcome", "carry_out"]

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
    out: Path,
    *,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    progress: bool = True,
    pictures: bool = True,
    tell: Callable[[Outcome], object] | None = None,
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

    Returns:
        The outcomes, in the order of ``jobs``.

    Raises:
        ConfigError: settings of the engine that do not go together.
        MissingExtraError: ``engine="ray"`` without Ray.
        KeyboardInterrupt: after Ctrl-C.
    """
    jobs, out = list(jobs), Path(out).absolute()
    first: dict[str, int] = {}
    for number, job in enumerate(jobs):
        first.setdefault(job.name, number)  # the same job twice is trained once
    outcomes: dict[str, Outcome] = {}
    waiting = deque(number for number in first.values() if not finished(out / jobs[number].name))
    starts: Counter[int] = Counter()
    spent = dict.fromkeys(first.values(), 0.0)
    with _pool(engine, workers, address, pictures=pictures, progress=progress, idle=not waiting) as pool:
        shown = [jobs[number] for number in first.values()]
        places = {number: place for place, number in enumerate(first.values())}
        with Board(shown, show=progress and bool(waiting), live=pool.apart) as board:

            def over(number: int, error: str | None) -> None:
                job, before = jobs[number], not starts[number]
                outcome = Outcome(job, out / job.name, error, spent[number], max(starts[number], 1))
                outcomes[job.name] = outcome
                board.end(places[number], error, outcome.seconds, before=before)
                if tell is not None:
                    tell(outcome)

            for number in [number for number in first.values() if number not in waiting]:
                over(number, None)
            running = 0
            while waiting or running:
                while waiting and running < pool.size:
                    number = waiting.popleft()
                    starts[number] += 1
                    running += 1
                    board.start(places[number], out / jobs[number].name)
                    pool.start(number, jobs[number], out / jobs[number].name)
                for number, ending in pool.wait(_TICK):
                    running -= 1
                    spent[number] += ending.seconds
                    if ending.died is None:
                        over(number, ending.error)
                    elif starts[number] <= _RETRIES:
                        board.again(places[number], ending.died)
                        waiting.appendleft(number)
                    else:
                        over(number, f"its process ended {starts[number]} times, the last time: {ending.died}")
    return [replace(outcomes[job.name], job=job) for job in jobs]


def _pool(engine: str, workers: int | None, address: str | None, *, pictures: bool, progress: bool, idle: bool) -> Pool:
    """The places to work in; none where there is nothing to do."""
    if engine not in ("local", "ray"):
        raise ConfigError(f"engine must be 'local' or 'ray', got {engine!r}")
    if engine == "local" and address is not None:
        raise ConfigError(f"address={address!r} is that of a Ray cluster; it takes engine='ray'")
    if engine == "ray" and workers == 0:
        raise ConfigError("workers=0 trains in this very process; with engine='ray' give 1 or more, or leave it out")
    if idle or (engine == "local" and workers == 0):
        return Here(pictures=pictures, progress=progress)
    if engine == "local":
        return Processes(workers, pictures=pictures)
    from lather.jobs.ray_cluster import Cluster

    return Cluster(workers, address, pictures=pictures)
