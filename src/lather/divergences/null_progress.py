"""A progress bar for what may take seconds or minutes, on the terminal's error stream."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

__all__ = ["NullProgress"]

_PATIENCE = 2.0  # seconds without a bar


class NullProgress:
    """Counts steps; on a terminal, shows a bar once they have taken two seconds.

    Args:
        title: what is going on.
        total: how many steps there will be.
        show: ``True`` shows the bar at once, ``False`` never; ``None`` after two seconds. Files and pipes get none.
    """

    def __init__(self, title: str, total: int, *, show: bool | None = None) -> None:
        self._title, self._total, self._show = title, total, show
        self._done = 0
        self._bar: Any = None
        self._next = time.monotonic() + (0.0 if show else _PATIENCE)
        self._wanted = show if show is not None else sys.stderr.isatty()

    def __enter__(self) -> NullProgress:
        return self

    def step(self, steps: int = 1) -> None:
        """After ``steps`` more of them."""
        self._done += steps
        if not self._wanted or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.1
        if self._bar is None:
            self._bar, self._task = _bar(self._title, self._total)
        self._bar.update(self._task, completed=self._done, refresh=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)
            self._bar.stop()


def _bar(title: str, total: int) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
    )
    bar.start()
    return bar, bar.add_task(title, total=total)
