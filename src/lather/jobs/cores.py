"""How many trainings at once, and how many threads each."""

from __future__ import annotations

import os

from lather.errors import ConfigError

__all__ = ["cores", "share"]


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(available: int, workers: int | None) -> tuple[int, int]:
    """(workers, threads of each): two threads each unless told otherwise, and together no more than are there.

    No process gets more threads than ``OMP_NUM_THREADS`` says, where that is set.

    Example:
        >>> [share(8, None)[0], share(1, None)[0], share(8, 3)[0]], share(2, 4)
        ([4, 1, 3], (4, 1))
    """
    if workers is not None and workers < 0:
        raise ConfigError(f"workers must be 1 or more (0: in this process itself), got {workers}")
    workers = max(available // 2, 1) if workers is None else max(workers, 1)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    most = int(asked) if asked.isdecimal() and int(asked) else available
    return workers, max(min(available // workers, most), 1)
