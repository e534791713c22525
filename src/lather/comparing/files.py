"""The comparison as files: a page, tables for other programs, and everything as JSON."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lather.comparing.page import render
from lather.comparing.result import Comparison
from lather.files import atomically, write_json

__all__ = ["save"]


def save(comparison: Comparison) -> list[Path]:
    """Write ``compare.html``, ``compare.json``, ``compare.csv`` (one row per run) and ``compare-means.csv`` (one row
    per recipe and latent), and both tables as Parquet where pyarrow is installed (extra ``parquet``).

    Returns:
        The files that were written, the page first.
    """
    folder = comparison.path
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "compare.html"
    with atomically(page) as temporary:
        temporary.write_text(render(comparison), encoding="utf-8")
    everything = comparison.to_dict()
    write_json(folder / "compare.json", everything)
    written = [page, folder / "compare.json"]
    for name, rows in (("compare", everything["runs"]), ("compare-means", everything["means"])):
        flat = [{**row, "best": " ".join(row["best"])} if "best" in row else row for row in rows]
        written += [_csv(folder / f"{name}.csv", flat), *_parquet(folder / f"{name}.parquet", flat)]
    return written


def _csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with atomically(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return []
    whole = ("d", "seed", "tested", "seeds", "failed", "n_star_unseen")
    words = ("contender", "recipe", "latent", "run", "verdict", "error", "best")
    kinds = {name: pa.int64() if name in whole else pa.string() if name in words else pa.float64() for name in rows[0]}
    table = pa.Table.from_pylist([dict(row) for row in rows], pa.schema(list(kinds.items())))
    with atomically(path) as temporary:
        pq.write_table(table, temporary)
    return [path]
