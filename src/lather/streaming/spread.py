"""Functions carried out by other processes, with their results in order; one whose process dies is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from lather.errors import RunError
from lather.jobs.engines import check_engine

__all__ = ["spread"]

T = TypeVar("T")
_TRIES = 3


@contextmanager
def spread(
    tasks: Sequence[Callable[[], T]],
    *,
    workers: int,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
) -> Iterator[Iterator[T]]:
    """Results of ``tasks`` in their order, as they come; at most two per worker wait for those before them.

    Args:
        tasks: functions without arguments that other processes can import.
        workers: how many at a time; 0 for this very process.
        engine, address: see :func:`lather.compare`.

    Raises:
        ConfigError: settings of the engine that do not go together.
        RunError: a task whose process died three times.
    """
    check_engine(engine, address, workers)
    if engine == "ray":
        from lather.jobs.ray_cluster import cluster

        with cluster(address):
            yield _by_ray(tasks, workers)
    elif workers == 0:
        yield (task() for task in tasks)
    else:
        results = _by_processes(tasks, workers)
        try:
            yield results
        finally:
            results.close()


def _by_processes(tasks: Sequence[Callable[[], T]], workers: int) -> Any:
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    done, tries = 0, 0
    while done < len(tasks):
        pool = ProcessPoolExecutor(min(workers, len(tasks) - done), mp_context=get_context("spawn"))
        try:
            waiting: list[Future[T]] = []
            ahead = done
            while done < len(tasks):
                while ahead < len(tasks) and len(waiting) < 2 * workers:
                    waiting.append(pool.submit(_alone, tasks[ahead]))
                    ahead += 1
                result = waiting.pop(0).result()
                done, tries = done + 1, 0
                yield result
        except BrokenProcessPool:
            tries += 1
            if tries == _TRIES:
                raise RunError(
                    f"the process for part {done + 1} of {len(tasks)} died {_TRIES} times, as happens where memory "
                    "runs out; take fewer workers"
                ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _alone(task: Callable[[], T]) -> T:
    """With one thread: there are as many processes as cores are to be used."""
    import torch

    torch.set_num_threads(1)
    return task()


def _by_ray(tasks: Sequence[Callable[[], T]], workers: int) -> Iterator[T]:
    import ray

    remote: Any = ray.remote(num_cpus=1, max_retries=_TRIES - 1)(_alone)
    waiting: list[Any] = []
    ahead = 0
    for _ in range(len(tasks)):
        while ahead < len(tasks) and len(waiting) < 2 * workers:
            waiting.append(remote.remote(tasks[ahead]))
            ahead += 1
        yield ray.get(waiting.pop(0))
