"""What a person sees while a model trains: a bar in a terminal, and about twenty lines of validation losses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from torch import Tensor

__all__ = ["Progress"]


class Progress:
    """Shows epoch, losses and time left; redraws at most ten times a second so that it costs next to nothing.

    Args:
        steps: optimizer steps of the whole run.
        done: steps taken before, in a resumed run.
        epochs: of the whole run.
        show: ``False`` keeps quiet.
    """

    def __init__(self, steps: int, done: int, epochs: int, *, show: bool) -> None:
        self._steps, self._done, self._epochs = steps, done, epochs
        self._show = show
        self._bar: Any = None
        self._console: Any = None
        self._next = 0.0

    def __enter__(self) -> Progress:
        if not self._show:
            return self
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TaskProgressColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}", style="dim"),
                console=self._console,
                auto_refresh=False,
            )
            self._bar.start()
            self._task = self._bar.add_task("training", total=self._steps, completed=self._done, losses="")
        return self

    def step(self, epoch: int, t: int, values: Mapping[str, Tensor]) -> None:
        """After step ``t`` of ``epoch`` (counted from 0)."""
        if self._bar is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.1
        self._bar.update(
            self._task,
            completed=t,
            description=f"epoch {epoch + 1}/{self._epochs}",
            losses=_line({name: value.item() for name, value in values.items()}),
        )
        self._bar.refresh()

    def epoch(self, epoch: int, t: int, values: Mapping[str, float], seconds: float) -> None:
        """After an epoch, with the validation losses."""
        if self._bar is not None:
            self._bar.update(self._task, completed=t)
        every = max(self._epochs // 20, 1)  # at most twenty lines or so
        if self._console is not None and ((epoch + 1) % every == 0 or epoch + 1 == self._epochs):
            self._console.print(
                f"epoch {epoch + 1}/{self._epochs}  validation {_line(values)}  {seconds:.0f} s",
                highlight=False,
                soft_wrap=True,
            )

    def note(self, epoch: int, kind: str, values: Mapping[str, Any]) -> None:
        """A line of its own about epoch ``epoch`` (counted from 1), such as what a callback measured."""
        if self._console is not None:
            self._console.print(
                f"epoch {epoch}/{self._epochs}  {kind} {_line(values)}", highlight=False, markup=False, soft_wrap=True
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.refresh()
            self._bar.stop()


def _line(values: Mapping[str, Any]) -> str:
    return "  ".join(f"{name} {_shown(value)}" for name, value in values.items())


def _shown(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
