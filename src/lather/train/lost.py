"""What the other processes of a training say when one of them is gone."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import torch.distributed as dist

from lather.errors import LatherError, TrainingError

__all__ = ["noticing_loss"]

#: how gloo and NCCL say that nobody answers
_GONE = re.compile(r"gloo|nccl|connection (reset|closed|refused)|broken pipe|socket|timed? ?out", re.IGNORECASE)


@contextlib.contextmanager
def noticing_loss(processes: int, folder: Path | None) -> Iterator[None]:
    """Turn the error of a lost connection into one that says what happened and how to go on.

    A process that dies closes its connections, which the others notice in their next exchange, a step later; one that
    hangs is given up after the time-out of the process group (half an hour, unless set otherwise).

    Raises:
        TrainingError: another process is gone.
    """
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, dist.DistError) or _GONE.search(str(error)) is not None
        if processes == 1 or isinstance(error, LatherError) or not lost:
            raise
        line = (str(error).splitlines() or [""])[0][:300]
        kept = "" if folder is None else f" The last checkpoint is in {folder / 'last.ckpt'}; go on with --resume."
        raise TrainingError(
            f"another process of this training ended or cannot be reached; its own message, if it had time for one, "
            f"says why.{kept} ({line})"
        ) from error
