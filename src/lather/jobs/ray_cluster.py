"""Jobs on a Ray cluster: the same function for each, on any machine of it."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from lather.errors import ConfigError, MissingExtraError, RunError
from lather.jobs.attempt import attempt
from lather.jobs.cores import cores, share
from lather.jobs.job import Job
from lather.jobs.pool import Ending
from lather.jobs.train import finished

__all__ = ["Cluster", "cluster"]

_PATIENCE = 20.0  # seconds that a training has for its last checkpoint
_APPEARS = 15.0  # seconds after which a file written by another machine must be seen here


@contextmanager
def cluster(address: str | None) -> Iterator[Any]:
    """Within, this process is connected to a Ray cluster; yields the module ``ray``.

    Args:
        address: of the cluster; ``None`` for the one this process is connected to, that of $RAY_ADDRESS, or a new one
            on this machine, which ends with the context.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: another cluster is connected to already.
        RunError: no cluster answers at ``address``.
    """
    try:
        with _quietly():
            import ray
    except ImportError:
        raise MissingExtraError("ray", "ray", "engine='ray'") from None
    if ray.is_initialized():
        if address is not None:
            raise ConfigError(
                f"this process is connected to a Ray cluster already, so address={address!r} would be ignored; leave "
                "it out, or call ray.shutdown() first"
            )
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {"num_cpus": cores(), "include_dashboard": False} if address == "local" else {}
    try:
        with _quietly():
            ray.init(address=address, configure_logging=False, log_to_driver=False, **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise RunError(
            f"no Ray cluster answers at {address!r}: {' '.join(str(error).split())[:300]}; start one with "
            "`ray start --head`, or leave out the address for one on this machine"
        ) from error
    try:
        yield ray
    finally:
        with _quietly():
            ray.shutdown()


class Cluster:
    """A Ray cluster: one that is there, or one on this machine for as long as this object is in use.

    Args:
        workers: how many trainings at once; ``None`` for one on each GPU, or where there are none on every two cores.
        address: of the cluster; ``None`` for the one this process is connected to, that of $RAY_ADDRESS, or a new one.
        pictures: draw the figures of reports.

    Raises:
        MissingExtraError: Ray is not installed.
        RunError: no cluster answers at ``address``.
    """

    apart = True

    def __init__(self, workers: int | None, address: str | None, *, pictures: bool) -> None:
        self._pictures, self._connection = pictures, ExitStack()
        self._ray = self._connection.enter_context(cluster(address))
        try:
            with _quietly():
                self._plan(workers)
        except BaseException:
            self._connection.close()
            raise
        self._running: dict[Any, tuple[int, Path, float]] = {}

    def _plan(self, workers: int | None) -> None:
        """How many trainings at once, and what each may use: never more than one machine has."""
        have = self._ray.cluster_resources()
        gpus, cpus = int(have.get("GPU", 0)), max(int(have.get("CPU", 1)), 1)
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        largest = max((int(node.get("CPU", 1)) for node in nodes), default=1)
        wanted, threads = share(cpus, gpus or None if workers is None else workers)
        self.size, self.threads = min(wanted, cpus), min(threads, max(largest, 1))
        use: dict[str, Any] = {"num_cpus": self.threads, "max_retries": 0}
        if gpus:
            use["num_gpus"] = 1 if self.size <= gpus else max(gpus / self.size, 0.01)
        self._task = self._ray.remote(attempt).options(**use)

    def start(self, number: int, job: Job, folder: Path) -> None:
        """Hand it to the cluster."""
        plain = job.plain()
        source = plain["load"].get("source")
        if isinstance(source, str) and Path(source).exists():
            plain["load"]["source"] = str(Path(source).absolute())  # workers have another working directory
        with _quietly():
            task = self._task.remote(plain, str(folder), self._pictures, self.threads)
        self._running[task] = (number, folder, time.monotonic())

    def wait(self, seconds: float) -> list[tuple[int, Ending]]:
        """Answers and deaths."""
        tasks = list(self._running)
        with _quietly():
            ready, _ = self._ray.wait(tasks, num_returns=1, timeout=seconds)
            more, _ = self._ray.wait(tasks, num_returns=len(tasks), timeout=0)
        return [self._ending(task) for task in dict.fromkeys([*ready, *more])]

    def _ending(self, task: Any) -> tuple[int, Ending]:
        number, folder, since = self._running.pop(task)
        try:
            with _quietly():
                answer = self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, KeyboardInterrupt):
                return number, Ending(died="interrupted", seconds=time.monotonic() - since)
            return number, Ending(f"the worker cannot run it: {_last_line(error)}")
        except self._ray.exceptions.RayError as error:
            return number, Ending(died=_last_line(error), seconds=time.monotonic() - since)
        told, until = answer["error"], time.monotonic() + _APPEARS
        while told is None and not finished(folder):
            if time.monotonic() > until:
                told = (
                    f"the training ended, but {folder} has no model and report: it was written on another machine; put "
                    "the output (out=, --out) on a file system that all machines of the cluster share, at one path"
                )
            time.sleep(0.2)
        return number, Ending(told, None, answer["seconds"])

    def stop(self) -> None:
        """Interrupt all trainings, and end those that do not stop."""
        tasks, self._running = list(self._running), {}
        with _quietly():
            for task in tasks:
                self._ray.cancel(task, force=False)
            try:
                if tasks:
                    self._ray.wait(tasks, num_returns=len(tasks), timeout=_PATIENCE)
            finally:  # also after a second Ctrl-C
                for task in tasks:
                    with suppress(ValueError):  # it has ended
                        self._ray.cancel(task, force=True)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._connection.close()


@contextmanager
def _quietly() -> Iterator[None]:
    """Ray tells what its next version will do and how it has set itself up; nobody who reads it here can act on it."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _last_line(error: BaseException) -> str:
    """What Ray says in many lines, in one."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
