"""Fuzzers read in little memory: what a file declares is refused by its size, not tried."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import jaxtyping
import pytest

_ROOM = 2 << 30  # bytes of addresses that readers and their threads may take beyond what the process has


@pytest.fixture(scope="module", autouse=True)
def as_users_have_it() -> Iterator[None]:
    """Without the checks of shapes and types that tests add, which would refuse first what a reader must."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture(scope="module", autouse=True)
def little_memory() -> Iterator[None]:
    """Files may hold 64 MiB, and what tries to take more than two gigabytes fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lather.data.memory._physical", lambda: 128 << 20)
        if not sys.platform.startswith("linux"):
            yield
            return
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            held = int(file.read().split()[0]) * resource.getpagesize()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (held + _ROOM, before[1]))
        yield
        resource.setrlimit(resource.RLIMIT_AS, before)
