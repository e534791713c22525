"""Files that are either wholly there or not at all."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lather.errors import LatherError, RunError

__all__ = ["atomically", "looking_up", "read_json", "sweep", "sync_folder", "write_json"]

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # halves of a character, which alone no file can be written with


@contextlib.contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is synced to disk and renamed onto ``path``.

    Whenever the process dies, ``path`` holds either the old contents or the new, never a part.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        temporary.chmod(path.parent.stat().st_mode & 0o666)  # as readable as the folder; some writers choose 0600
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def looking_up(path: Path, wrong: type[LatherError]) -> Iterator[None]:
    """Around questions of whether ``path`` is there: what the system cannot even look up is ``wrong``, and said so."""
    try:
        yield
    except OSError as error:  # too long a name, no permission on the way
        raise wrong(f"{str(path)[:200]!r} cannot be looked up: {error.strerror}; check the spelling") from None


def sweep(folder: Path) -> list[Path]:
    """Remove what :func:`atomically` leaves in ``folder`` when its process is killed; for those who hold the folder."""
    stale = [path for path in folder.glob(".*.tmp") if path.is_file()]
    for path in stale:
        path.unlink(missing_ok=True)
    return stale


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable, where the system can."""
    with contextlib.suppress(OSError):  # not possible on some systems; the rename itself is still atomic
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented UTF-8 JSON, atomically; NaN and infinities are refused (JSON has none)."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with atomically(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, *, largest: int = 64 * 2**20) -> Any:
    """Read what :func:`write_json` writes: JSON without NaN, infinities, or whole numbers of more than 64 bits.

    Raises:
        RunError: there is no such file, or none that can be read; the message names it.
    """
    try:
        if path.exists() and not path.is_file():
            raise RunError(f"{path} is no ordinary file, and reading it may never end; replace it")
        size = path.stat().st_size
        if size > largest:
            raise RunError(f"{path} has {size} bytes, more than the {largest} that such a file may have")
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=_number, parse_float=_number, parse_int=_whole)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except FileNotFoundError:
        raise RunError(f"{path} does not exist") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read as JSON: {error}") from error


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is no finite number")
    return value


def _whole(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise ValueError(f"{text[:40]}{'…' * (len(text) > 40)} is no number of 64 bits")
    return int(text)
