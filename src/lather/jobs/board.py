"""What a person sees while jobs are carried out: a live table, or where there is no terminal a line for each ending."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from lather.jobs.job import Job

__all__ = ["Board"]

_SHOWN = 12  # lines of jobs that have ended


class Board:
    """Shows how many jobs are running, finished, failed and waiting, and which.

    Args:
        jobs: all of them.
        show: ``False`` keeps quiet.
        live: show those that are running, too.
    """

    def __init__(self, jobs: Sequence[Job], *, show: bool, live: bool) -> None:
        self._names = [describe(job) for job in jobs]
        self._show, self._wants_live = show, live
        self._console: Any = None
        self._live: Any = None
        self._running: dict[int, tuple[float, Path]] = {}
        self._ended: list[tuple[str, str, str]] = []
        self._counts: Counter[str] = Counter()
        self._began = time.monotonic()

    def __enter__(self) -> Board:
        if self._show:
            from rich.console import Console
            from rich.live import Live

            self._console = Console(stderr=True)
            if self._console.is_terminal and self._wants_live:
                self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=4)
                self._live.start()
        return self

    def start(self, number: int, folder: Path) -> None:
        """Job ``number`` begins, in ``folder``."""
        self._running[number] = (time.monotonic(), folder)

    def again(self, number: int, why: str) -> None:
        """Its process died, and the job waits for another."""
        self._running.pop(number, None)
        self._say(f"{self._names[number]}: its process ended ({why}); trying again", style="yellow")

    def end(self, number: int, error: str | None, seconds: float, *, before: bool) -> None:
        """It is over."""
        self._running.pop(number, None)
        kind = "failed" if error else "before" if before else "finished"
        self._counts[kind] += 1
        if kind == "before":
            return
        said = error or f"{seconds:.0f} s"
        self._ended.append((self._names[number], kind, said))
        done = sum(self._counts.values())
        if self._live is None or error:
            text = f"{done}/{len(self._names)}  {self._names[number]}  {kind}{': ' if error else ', '}{said}"
            self._say(text, style="red" if error else "")

    def _say(self, text: str, style: str = "") -> None:
        if self._console is not None:
            self._console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    def summary(self) -> str:
        """One line: what has become of all."""
        counts = self._counts
        waiting = len(self._names) - sum(counts.values()) - len(self._running)
        parts = [
            (len(self._running), "running"),
            (counts["finished"], "finished"),
            (counts["before"], "finished before"),
            (counts["failed"], "failed"),
            (waiting, "waiting"),
        ]
        told = ", ".join(f"{count} {what}" for count, what in parts if count)
        return f"{len(self._names)} trainings: {told}, {time.monotonic() - self._began:.0f} s"

    def _table(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        colours = {"finished": "green", "failed": "red", "running": "cyan"}
        rows = self._ended[-_SHOWN:]
        for number, (since, folder) in self._running.items():
            rows = [*rows, (self._names[number], "running", f"{time.monotonic() - since:.0f} s  {_epoch(folder)}")]
        for name, kind, said in rows:
            table.add_row(Text(name), Text(kind, style=colours[kind]), Text(said, style="dim", overflow="ellipsis"))
        return Group(table, Text(self.summary(), style="bold"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._counts["before"]:
            self._say(self.summary())
        if kind is KeyboardInterrupt:
            done = self._counts["finished"] + self._counts["before"]
            self._say(
                f"stopped with {done} of {len(self._names)} trainings finished; the same command goes on where they "
                "stopped"
            )


def describe(job: Job) -> str:
    """A job for people: its label or recipe and latent, and its seed."""
    return f"{job.label or f'{job.recipe}, d = {job.dimensions}'}, seed {job.seed}"


def _epoch(folder: Path) -> str:
    """How far a training has come, by the last whole line of its record."""
    import json

    try:
        with open(folder / "metrics.jsonl", "rb") as handle:
            handle.seek(0, 2)
            handle.seek(max(handle.tell() - 2000, 0))
            lines = handle.read().split(b"\n")
        if (folder / "model.safetensors").exists():
            return "measuring"
        return f"epoch {json.loads(lines[-2])['epoch']}"
    except (OSError, ValueError, LookupError, TypeError):
        return ""
