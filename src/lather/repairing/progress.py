"""What a person sees while candidates are fitted."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

__all__ = ["Progress"]


class Progress:
    """A bar for the work in hand and one line for each piece that is done, on the error stream.

    Args:
        show: ``False`` keeps quiet.
    """

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._bar: Any = None
        self._console: Any = None
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        if self._show:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

            self._console = Console(stderr=True)
            if self._console.is_terminal:
                columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TaskProgressColumn())
                self._bar = Progress(*columns, TimeElapsedColumn(), console=self._console, transient=True)
                self._bar.start()
                self._task = self._bar.add_task("", total=1.0)
        return self

    def begin(self, what: str) -> None:
        """A new piece of work."""
        self._started = time.monotonic()
        if self._bar is not None:
            self._bar.reset(self._task, description=what, total=1.0)

    def share(self, done: float) -> None:
        """``done`` of the piece in hand, 0 to 1."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)

    def end(self, what: str) -> None:
        """The piece is done; ``what`` is said of it."""
        if self._console is not None:
            seconds = time.monotonic() - self._started
            self._console.print(f"{what}  {seconds:.1f} s", highlight=False, soft_wrap=True, markup=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
