"""What all fuzzers share: how many examples, and what a reader may do with a damaged file.

A reader may return, or raise one of :mod:`lather.errors` with a message that names the file. Whatever else comes out of
it is a bug: an exception of another kind, a crash, ``MemoryError``, more than ``SECONDS``, or something that was run.

``LATHER_FUZZ=200`` draws 200 times as many examples, at random instead of the same ones every time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, currently_in_test_context, event, settings

from lather.errors import LatherError

SECONDS = 10
TIMES = int(os.environ.get("LATHER_FUZZ", "0"))

#: what Python announces when something is run or fetched; reading data is none of it
_DEEDS = (
    *("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile", "subprocess.Popen"),
    *("pickle.find_class", "socket.connect", "socket.getaddrinfo", "urllib.Request", "shutil.rmtree", "os.remove"),
)


def fuzzed(examples: int) -> settings:
    """Settings of a fuzzer: ``examples`` that are the same every time, or ``$LATHER_FUZZ`` times as many at random."""
    return settings(
        max_examples=examples * max(TIMES, 1),
        derandomize=not TIMES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class TooLong(BaseException):
    """Not an ``Exception``, so that nobody takes it for a damaged file."""


class Ran(BaseException):
    """Something was run or fetched while data were read."""


_watching = False


def _watch(name: str, arguments: tuple[Any, ...]) -> None:
    if _watching and name in _DEEDS:
        raise Ran(f"{name} {arguments}")


sys.addaudithook(_watch)


def _stop(signum: int, frame: FrameType | None) -> None:
    raise TooLong(f"more than {SECONDS} s")


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Raise where something is run, or takes too long."""
    global _watching
    before = signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    _watching = True
    try:
        yield
    finally:
        _watching = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(read: Callable[[], Any], *names: str) -> Any:
    """What ``read`` returns, or ``None`` where it refuses with a message that has one of ``names`` in it."""
    try:
        with watched():
            result = read()
    except LatherError as error:
        _note("refused")
        message = str(error)
        assert any(name in message for name in names), f"{names} not in the message: {message}"
        return None
    _note("read")
    return result


def _note(what: str) -> None:
    if currently_in_test_context():
        event(what)
