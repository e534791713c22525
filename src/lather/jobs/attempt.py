"""One attempt at a job, as every engine makes it: plain data in, plain data out, no exception but an interrupt."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lather.errors import LatherError
from lather.files import atomically
from lather.jobs.job import Job
from lather.jobs.train import train_job

__all__ = ["attempt"]

_LONGEST = 500  # characters of an error that is told in one line


def attempt(
    job: Mapping[str, Any], folder: str, pictures: bool, threads: int | None = None, progress: bool = False
) -> dict[str, Any]:
    """Train and measure a job; leave ``error.txt`` with the traceback in its folder where that fails.

    Args:
        job: what :meth:`Job.plain` makes.
        folder: its run directory.
        pictures: draw the figures of the report.
        threads: for torch and for the numerical libraries beneath NumPy; ``None`` leaves them as they are.
        progress: show the bar of the training.

    Returns:
        ``{"error": one line or None, "seconds": how long it took}``.
    """
    started = time.perf_counter()
    record = Path(folder) / "error.txt"
    error = None
    try:
        with _sharing(threads):
            train_job(Job.from_plain(job), Path(folder), progress=progress, pictures=pictures)
        record.unlink(missing_ok=True)
    except Exception as failure:
        error = _one_line(failure)
        with contextlib.suppress(OSError):  # a full disk is told in the line itself
            record.parent.mkdir(parents=True, exist_ok=True)
            with atomically(record) as temporary:
                temporary.write_text(traceback.format_exc(), encoding="utf-8")
    return {"error": error, "seconds": time.perf_counter() - started}


@contextlib.contextmanager
def _sharing(threads: int | None) -> Any:
    """Within, computations use so many threads."""
    if threads is None:
        yield
        return
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)


def _one_line(failure: Exception) -> str:
    text = " ".join(str(failure).split())
    if not isinstance(failure, LatherError) or not text:
        text = f"{type(failure).__name__}: {text}" if text else type(failure).__name__
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
