"""A process that carries out jobs: it reads them as lines of JSON, and answers each with a line.

It is started as a program and not by multiprocessing, so that a script that calls Lather needs no
``if __name__ == "__main__"``. When its parent goes away, it stops, and leaves a run that can be resumed.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a job prints does not get between the answers
    requests: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    try:
        while (request := requests.get()) is not None:
            from lather.jobs.attempt import attempt

            print(json.dumps(attempt(**request)), file=answers, flush=True)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)


def _listen(requests: queue.Queue[Any]) -> None:
    """Take in requests; when there can be no more, end what is being done (a training writes a checkpoint first)."""
    for line in sys.stdin:
        requests.put(json.loads(line))
    requests.put(None)
    os.kill(os.getpid(), signal.SIGTERM)
