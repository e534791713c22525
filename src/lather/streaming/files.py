"""The audit of files that are larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import torch

from lather.auditing import Report
from lather.auditing.accumulator import Audit
from lather.data.latent_blocks import Piece, pieces_of, read_piece
from lather.data.latents import Latents
from lather.errors import ConfigError, DataError
from lather.jobs.engines import check_engine
from lather.priors import Prior, StandardNormal, make_prior
from lather.streaming.spread import spread

__all__ = ["audit_files"]


def audit_files(
    pattern: str | Path | Sequence[str | Path],
    *,
    prior: Prior | str | None = None,
    key: str | None = None,
    workers: int = 1,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Report:
    """Audit the latents of files that need not fit into memory, read once, in pieces, by several processes.

    Mean, covariance, the radius, every axis and strays are those of all latents; tests that look at pairs see a random
    20 000 of them. The report is the same for any number of workers, and for any division of the rows into files, to
    the rounding of sums.

    Args:
        pattern: a path, a pattern such as ``"latents/*.parquet"``, a directory, or several of these; ``.npy``,
            ``.safetensors`` and ``.parquet`` files, the last also by URL (``s3://…``, where fsspec knows the scheme).
            Their rows, in the order of names, are the sample.
        prior: what the latents should follow (default: N(0, I)).
        key: array or column that is z, where the names do not tell.
        workers: processes that read, each in memory for one piece (about half a gigabyte); 0 reads in this one.
        engine: processes of this machine, or tasks on a Ray cluster (extra ``ray``), which must see the same files.
        address: of the Ray cluster (default: one on this machine).
        seed: of every random choice.
        progress: show a bar on the terminal.

    Raises:
        DataError: no such files, or files that cannot be read in pieces, hold NaN, or differ in dimension.
        ConfigError: ``workers`` below 0, or settings of the engine that do not go together.
        MissingExtraError: Parquet without pyarrow, or ``engine="ray"`` without Ray.
        RunError: a worker died again and again.
    """
    check_engine(engine, address, workers)
    if workers < 0:
        raise ConfigError(f"workers must be 1 or more (0: in this process itself), got {workers}")
    pieces = pieces_of(pattern, key=key)
    if not pieces:
        raise DataError(f"{pattern} holds no latents")
    d, files = pieces[0].d, {piece.source for piece in pieces}
    law = StandardNormal(d) if prior is None else make_prior(prior, d) if isinstance(prior, str) else prior
    total = Audit(law, seed=seed)
    rows = sum(piece.rows for piece in pieces)
    tasks: list[Callable[[], Audit]] = [_Gather(law, seed, piece) for piece in pieces]
    with ExitStack() as stack:
        parts = stack.enter_context(spread(tasks, workers=workers, engine=engine, address=address))
        for part in _shown(parts, len(pieces), rows, progress):
            total.merge(part)
    ends = f"{pieces[0].source} to {pieces[-1].source}"
    where = pieces[0].source if len(files) == 1 else f"{len(files)} files, {ends}"
    sample = total.sample()
    notes = Latents(sample.numpy(), origin=where).notes
    return total.compute(context={"source": where, "split": f"{rows} latents", "notes": list(notes)})


class _Gather:
    """The sums of one piece; what a worker is given."""

    def __init__(self, prior: Prior, seed: int, piece: Piece) -> None:
        self.prior, self.seed, self.piece = prior, seed, piece

    def __call__(self) -> Audit:
        found = Audit(self.prior, seed=self.seed)
        start = self.piece.start
        for block in read_piece(self.piece):
            try:
                found.update(torch.from_numpy(block), start=start)
            except DataError as error:
                raise DataError(f"{self.piece.source} (its first row is number {self.piece.start}): {error}") from None
            start += len(block)
        return found


def _shown(parts: Iterator[Audit], count: int, rows: int, progress: bool) -> Iterator[Audit]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not progress or not console.is_terminal, transient=True) as bar:
        task = bar.add_task(f"reading {rows} latents", total=count)
        for part in parts:
            yield part
            bar.advance(task)
