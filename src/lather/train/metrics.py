"""The running record of a training: ``metrics.jsonl``, and TensorBoard where asked for."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from lather.errors import MissingExtraError, RunError
from lather.files import atomically

__all__ = ["Means", "MetricsLog", "read_metrics"]


class Means:
    """Running means of named scalars, kept on their device: no synchronisation until they are read."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take in one step's scalars."""
        for name, value in values.items():
            value = value.detach().double()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += 1

    def take(self) -> dict[str, float]:
        """The means since the last call; empty if there was none."""
        if not self._count:
            return {}
        names = list(self._sums)
        values = (torch.stack([self._sums[n] for n in names]) / self._count).tolist()
        self._sums, self._count = {}, 0
        return dict(zip(names, values, strict=True))


class MetricsLog:
    """Appends rows to ``metrics.jsonl`` in a run directory, and to TensorBoard's files if wanted.

    Args:
        folder: run directory, or ``None`` to keep rows in memory only.
        keep: rows of steps above this are dropped first: a resumed run writes them again.
        tensorboard: also write TensorBoard event files to ``folder/tensorboard``.
    """

    def __init__(self, folder: Path | None, *, keep: int = 0, tensorboard: bool = False) -> None:
        self.rows: list[dict[str, Any]] = []
        self._file = None
        self._board = None
        if folder is None:
            return
        path = folder / "metrics.jsonl"
        if path.exists():
            self.rows = [row for row in read_metrics(path) if row["step"] <= keep]
        with atomically(path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in self.rows), encoding="utf-8")
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115  closed by close()
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise MissingExtraError("tensorboard", "tensorboard", "Writing TensorBoard files") from None
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=keep + 1)

    def write(self, row: dict[str, Any]) -> None:
        """Add a row: ``step``, ``epoch`` and ``split``, then numbers, or words and ``None``, which no curve shows."""
        self.rows.append(row)
        if self._file is not None:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        if self._board is not None:
            for name, value in row.items():
                if name not in ("step", "epoch", "split") and isinstance(value, (int, float)):
                    self._board.add_scalar(f"{row['split']}/{name}", value, row["step"])

    def sync(self) -> None:
        """Bring what was written to disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the files."""
        for part in (self._file, self._board):
            if part is not None:
                part.close()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a ``metrics.jsonl``; a last line cut short by a killed process is left out, as is what is no row.

    Raises:
        RunError: the file cannot be read as text.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no ordinary file")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}; without it there are no curves: delete it") from error
    rows = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            row = json.loads(line)
            if _is_row(row):
                rows.append(row)
    return rows


def _is_row(row: Any) -> bool:
    """Whether this is what :meth:`MetricsLog.write` writes: position and split, then numbers, words and ``None``."""
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), int) and 0 <= row[name] < 2**63 for name in ("step", "epoch"))
        and isinstance(row.get("split"), str)
        and all(isinstance(value, (int, float, str)) or value is None for value in row.values())
    )
