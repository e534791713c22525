"""Jobs on this machine: in worker processes that may die without harm to the others, or in this very process."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from lather.jobs.attempt import attempt
from lather.jobs.cores import cores, share
from lather.jobs.job import Job
from lather.jobs.pool import Ending

__all__ = ["Here", "Processes"]

_PATIENCE = 20.0  # seconds that a training has for its last checkpoint
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from lather.jobs.worker import main; main()"


class Here:
    """One job after the other in this process: nothing to start, and nothing that outlives it."""

    size = 1
    apart = False

    def __init__(self, *, pictures: bool, progress: bool) -> None:
        self._pictures, self._progress = pictures, progress
        self._ended: list[tuple[int, Ending]] = []

    def start(self, number: int, job: Job, folder: Path) -> None:
        """Carry it out."""
        answer = attempt(job.plain(), str(folder), self._pictures, progress=self._progress)
        self._ended.append((number, Ending(answer["error"], None, answer["seconds"])))

    def wait(self, seconds: float) -> list[tuple[int, Ending]]:
        """What has been carried out since."""
        ended, self._ended = self._ended, []
        return ended

    def stop(self) -> None:
        """Nothing is left running."""

    def __enter__(self) -> Here:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Processes:
    """Worker processes, started when they are needed and replaced when they die.

    Args:
        workers: how many at most; ``None`` for half as many as there are cores.
        pictures: draw the figures of reports.
    """

    apart = True

    def __init__(self, workers: int | None, *, pictures: bool) -> None:
        self.size, self.threads = share(cores(), workers)
        self._pictures = pictures
        self._news: queue.Queue[tuple[_Worker, dict[str, Any] | None]] = queue.Queue()
        self._idle: list[_Worker] = []
        self._busy: dict[_Worker, int] = {}
        self._places = set(range(self.size))

    def start(self, number: int, job: Job, folder: Path) -> None:
        """Give it to an idle process, or a new one."""
        worker = self._idle.pop() if self._idle else _Worker(self._places.pop(), self.threads, self._news)
        self._busy[worker] = number
        worker.ask({"job": job.plain(), "folder": str(folder), "pictures": self._pictures, "threads": self.threads})

    def wait(self, seconds: float) -> list[tuple[int, Ending]]:
        """Answers and deaths."""
        ended = []
        with contextlib.suppress(queue.Empty):
            news = self._news.get(timeout=seconds)
            while True:
                ended += self._told(*news)
                news = self._news.get_nowait()
        return ended

    def _told(self, worker: _Worker, answer: dict[str, Any] | None) -> list[tuple[int, Ending]]:
        number = self._busy.pop(worker, None)
        if answer is not None:
            self._idle.append(worker)
            return [] if number is None else [(number, Ending(answer["error"], None, answer["seconds"]))]
        died = worker.died()
        self._places.add(worker.place)
        if number is None:  # killed while it had nothing to do
            self._idle.remove(worker)
            return []
        return [(number, Ending(died=died))]

    def stop(self) -> None:
        """Ask all to end, and kill those that do not."""
        workers = [*self._idle, *self._busy]
        self._idle, self._busy = [], {}
        for worker in workers:
            worker.leave()
        until = time.monotonic() + _PATIENCE
        try:
            for worker in workers:
                worker.gone(until)
        finally:  # also after a second Ctrl-C
            for worker in workers:
                worker.kill()

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Worker:
    """A process, and a thread that listens to it."""

    def __init__(self, place: int, threads: int, news: queue.Queue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        self.place = place
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), **_one_gpu(place)},
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C comes to this process alone, which passes it on in its own way
        )
        self._listener = threading.Thread(target=self._listen, args=(news,), daemon=True)
        self._listener.start()

    def _listen(self, news: queue.Queue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(json.JSONDecodeError):  # half a line, of a process that was killed
                news.put((self, json.loads(line)))
        news.put((self, None))

    def ask(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died, and its listener tells so
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def leave(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def gone(self, until: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(until - time.monotonic(), 0))

    def kill(self) -> None:
        self._process.kill()
        self._close()

    def _close(self) -> None:
        """Nothing is left open; the process has ended or is about to."""
        self._process.wait()
        self._listener.join()
        self.leave()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._complaints.close()

    def died(self) -> str:
        """How it ended, with the last thing it said."""
        code = self._process.wait()
        how = f"exit status {code}"
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            how = f"killed by {name}{', as happens where memory runs out' if name == 'SIGKILL' else ''}"
        self._complaints.seek(0)
        said = self._complaints.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
        self._close()
        return f"{how}; it said: {said[-1]}" if said else how


def _one_gpu(place: int) -> dict[str, str]:
    """One of several GPUs for each worker in turn; nothing where there are none."""
    import torch

    count = torch.cuda.device_count()
    if count < 2:
        return {}
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return {"CUDA_VISIBLE_DEVICES": shown[place % count] if len(shown) == count else str(place % count)}
