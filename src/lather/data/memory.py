"""A bound on what a file may make us allocate."""

from __future__ import annotations

import os
from pathlib import Path

from lather.errors import DataError

__all__ = ["check_room", "human"]

_FALLBACK = 8 << 30  # bytes, where the system does not tell


def _physical() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2 * _FALLBACK


def human(size: int) -> str:
    """A number of bytes for people.

    Example:
        >>> human(5 << 20)
        '5.0 MiB'
    """
    value = float(min(size, 2**100))  # a header can declare numbers that no float holds
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def check_room(size: int, path: Path | str) -> None:
    """Refuse a file that *declares* more than half of this machine's memory, before anything is allocated.

    Raises:
        DataError: it does; a damaged header or a decompression bomb looks the same.
    """
    room = _physical() // 2
    if size > room:
        raise DataError(
            f"{path} says that it holds {human(size)} of values, more than half of this machine's memory "
            f"({human(room)} allowed); if that is true, store the data in smaller files or a smaller dtype, "
            "else the file is damaged: fetch it again"
        )
